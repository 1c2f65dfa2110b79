"""What pod promises of versions, durability, saving in the background, the user's process and trust."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

import pod
from harness.oracle import differences, portray
from pod.log import Log
from tests.pod.disks import BrokenDisk
from tests.pod.notebook import Notebook, run_python
from tests.pod.semantics.promises import promise, variables


@promise(28)
def test_tids_grow_and_go_on(notebook: Notebook) -> None:
    tids = notebook.run("a = 1", "a = 2")
    notebook.reopen()
    tids.append(notebook.save())
    done = run_python("import sys, pod\nprint(int(pod.open(sys.argv[1]).save({'a': 3})))", notebook.folder)
    tids.append(int(done.stdout))
    notebook.store.gc(keep=1)
    tids.append(notebook.save())
    assert tids == sorted(set(tids))
    assert [version.tid for version in notebook.store.log()] == [tids[-1], tids[-2]]


@promise(29)
def test_equal_state_is_stored_once(notebook: Notebook) -> None:
    source = "a = {str(i): [i] for i in range(3000)}; b = [a, 'x' * 100_000]"
    notebook.cell(source)
    notebook.save()
    notebook.cell(source)
    assert notebook.reports[notebook.save()].pods_new == 0
    done = run_python(
        "import sys, pod\nns = pod.new_managed_namespace()\nexec(sys.argv[2], ns)\n"
        "print(pod.open(sys.argv[1]).save(ns).pods_new)",
        notebook.folder, source,
    )  # fmt: skip
    assert int(done.stdout) == 0
    notebook.check()


@promise(30)
def test_equal_state_gives_equal_pods(tmp_path: Path) -> None:
    source = (
        "import sys, pod\nns = pod.new_managed_namespace()\n"
        'exec(\'class C: tags = {"x", "y", "z"}\\na = {str(i) for i in range(99)}; b = [C(), C(), a]\', ns)\n'
        "pod.open(sys.argv[1]).save(ns)"
    )
    found = []
    for seed in ("1", "2"):
        run_python(source, tmp_path / seed, env={"PYTHONHASHSEED": seed})
        log = Log.open(tmp_path / seed)
        found.append(sorted(log.digests()))
        log.close()
    assert found[0] == found[1]
    assert found[0]


@promise(31)
def test_diff_names_what_differs(notebook: Notebook) -> None:
    first, second = notebook.run("a = [1]; b = [2]; c = [3]; e = [b]", "del a; b.append(4); d = 5")
    diff = notebook.store.diff(first, second)
    assert [change.name for change in diff.added] == ["d"]
    assert [change.name for change in diff.removed] == ["a"]
    assert [change.name for change in diff.changed] == ["b", "e"]
    same = notebook.store.diff(second, second)
    assert (same.added, same.removed, same.changed) == ((), (), ())


@promise(32)
def test_tags_stay_and_branches_move(notebook: Notebook) -> None:
    notebook.cell("a = 1")
    first = notebook.save()
    notebook.store.tag("v1")
    notebook.store.branch("main")
    notebook.ns = notebook.store.checkout("main")
    notebook.cell("a = 2")
    second = notebook.save()
    assert notebook.store.tags() == {"v1": first}
    assert notebook.store.branches() == {"main": second}
    assert notebook.store.load("v1")["a"] == 1
    assert notebook.store.load("main")["a"] == 2
    with pytest.raises(pod.PodError):
        notebook.store.tag("v1", second)


@promise(33)
def test_gc_keeps_what_is_kept(notebook: Notebook) -> None:
    tids = notebook.run(*[f"import os\na = os.urandom(50_000); b = [a, {n}]" for n in range(6)])
    notebook.store.tag("kept", tids[1])
    size = _size(notebook.folder)
    notebook.store.gc(keep=2)
    assert [version.tid for version in notebook.store.log()] == [tids[5], tids[4], tids[1]]
    notebook.check([tids[5], tids[4], tids[1]])
    assert _size(notebook.folder) < 0.6 * size
    assert notebook.store.verify() == []
    with pytest.raises(pod.NoSuchVersion):
        notebook.store.load(tids[0])
    notebook.cell("c = b")
    notebook.check([notebook.save()])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@promise(34)
def test_a_version_goes_to_another_store_as_one_file(notebook: Notebook, tmp_path: Path) -> None:
    first, _ = notebook.run("a = [1]; b = [a, 'x' * 70_000]", "a.append(2)")
    assert notebook.store.export(first, tmp_path / "version.pod") == (tmp_path / "version.pod").stat().st_size
    with pod.open(tmp_path / "other") as other:
        report = other.import_(tmp_path / "version.pod")
        assert differences(notebook.versions[first], portray(other.load(report))) == []


@promise(35)
@pytest.mark.parametrize(
    "way",
    [
        "save(ns)",
        *(
            f"save_async(ns, mode={mode!r}).result()"
            for mode in ("sync", "fork", "thread", "thread-deferred")
        ),
    ],
)
def test_what_was_saved_survives_the_process(way: str, tmp_path: Path) -> None:
    source = (
        "import os, signal, sys, pod\nns = pod.new_managed_namespace()\nexec('a = [1]; b = [a]', ns)\n"
        f"pod.open(sys.argv[1]).{way}\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    run_python(source, tmp_path / "store", check=False)
    with pod.open(tmp_path / "store", create=False) as store:
        loaded = store.load(store.log()[0].tid)
        assert loaded["b"][0] is loaded["a"]


@promise(36)
def test_a_save_that_did_not_return_is_whole_or_absent(tmp_path: Path) -> None:
    source = (
        "import os, signal, sys, pod\nfrom tests.pod.disks import BrokenDisk\n"
        "class Deadly(BrokenDisk):\n"
        "    left = 10 ** 9\n"
        "    def change(self, what):\n"
        "        self.left -= 1\n"
        "        if self.left < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "disk = Deadly()\n"
        "ns = pod.new_managed_namespace()\nexec('a = [1]; b = [a]', ns)\n"
        "store = pod.open(sys.argv[1], io=disk)\nstore.save(ns)\n"
        "disk.left = int(sys.argv[2])\nexec('a.append(2); c = \"x\" * 100_000', ns)\nstore.save(ns)\nprint('returned')"
    )
    outcomes = set()
    for left in range(40):
        done = run_python(source, tmp_path / str(left), left, check=False)
        with pod.open(tmp_path / str(left), create=False) as store:
            assert store.verify() == []
            found = [variables(store.load(version.tid)) for version in store.log()]
        assert found[-1] == {"a": [1], "b": [[1]]}
        assert found[:-1] in ([], [{"a": [1, 2], "b": [[1, 2]], "c": "x" * 100_000}])
        outcomes.add((done.stdout.strip(), len(found)))
        if done.stdout:
            break
    assert ("returned", 2) in outcomes
    assert ("", 1) in outcomes


@promise(37)
def test_two_processes_save_at_once(tmp_path: Path) -> None:
    source = (
        "import sys, pod\nstore = pod.open(sys.argv[1])\n"
        "for n in range(10): print(int(store.save({'who': sys.argv[2], 'n': [n]})))"
    )
    outputs: dict[str, list[int]] = {}

    def write(who: str) -> None:
        outputs[who] = [int(line) for line in run_python(source, tmp_path / "store", who).stdout.split()]

    with pod.open(tmp_path / "store"):
        threads = [threading.Thread(target=write, args=(who,)) for who in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with pod.open(tmp_path / "store", create=False) as store:
        assert sorted(outputs["a"] + outputs["b"]) == sorted(version.tid for version in store.log())
        for who, tids in outputs.items():
            assert [variables(store.load(tid)) for tid in tids] == [{"who": who, "n": [n]} for n in range(10)]


@promise(38)
@pytest.mark.parametrize("problem", [pod.StoreFull, pod.StoreReadOnly, pod.StoreUnavailable])
def test_a_failing_disk_leaves_the_store_as_it_was(problem: type[pod.PodError], tmp_path: Path) -> None:
    import errno

    error = {pod.StoreFull: errno.ENOSPC, pod.StoreReadOnly: errno.EROFS, pod.StoreUnavailable: errno.EIO}[
        problem
    ]
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]; b = [a]")
        notebook.save()
        notebook.cell("a.append(2)")
        disk.fail(error)
        with pytest.raises(problem):
            notebook.store.save(notebook.ns)
        disk.mend()
        notebook.check()
        notebook.save()
        notebook.check()


@promise(39)
def test_flipped_bytes_are_found(notebook: Notebook) -> None:
    notebook.run("a = list(range(3000)); b = ['x' * 1000, a]")
    notebook.store.close()
    chance = random.Random(5)
    files = [path for path in sorted(notebook.folder.rglob("*")) if path.is_file() and path.stat().st_size]
    for path in files:
        whole = path.read_bytes()
        for _ in range(20):
            broken = bytearray(whole)
            broken[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            path.write_bytes(broken)
            try:
                with pod.open(notebook.folder, create=False) as store:
                    damage = store.verify()
            except pod.PodError:
                damage = [None]
            assert damage, path.name
        path.write_bytes(whole)
    notebook.store = pod.open(notebook.folder)
    assert notebook.store.verify() == []


@promise(40)
@pytest.mark.parametrize("mode", ["fork", "thread"])
def test_a_background_save_is_of_one_instant(mode: str, notebook: Notebook) -> None:
    notebook.cell("a = [[i] for i in range(20_000)]; b = a[-1]")
    before = portray(notebook.ns)
    future = notebook.store.save_async(notebook.ns, mode=mode)
    notebook.cell("for x in a: x.append(1)\na.append(2); del x, b")
    assert differences(before, portray(notebook.store.load(future))) == []


@promise(40)
@pytest.mark.parametrize("mode", ["fork", "thread"])
def test_memory_that_is_mapped_shared_is_the_exception_in_a_fork(mode: str, notebook: Notebook) -> None:
    notebook.cell(
        "import mmap, os, time\nimport numpy as np\n"
        "z = np.frombuffer(mmap.mmap(-1, 80), 'f8'); parent = os.getpid()\n"
        "class Slow:\n"
        "    def __reduce__(self):\n"
        "        while os.getpid() != parent and not z[0]: time.sleep(0.001)\n"
        "        return Slow, ()\n"
        "a = Slow()"
    )
    future = notebook.store.save_async(notebook.ns, mode=mode)
    notebook.cell("z[0] = 7")
    assert notebook.store.load(future)["z"][0] == (7 if mode == "fork" else 0)


@promise(41)
@pytest.mark.parametrize("mode", ["fork", "thread"])
def test_nothing_is_locked_meanwhile(mode: str, notebook: Notebook) -> None:
    notebook.cell("a = [[i] for i in range(20_000)]; n = 0")
    future = notebook.store.save_async(notebook.ns, mode=mode)
    thread = threading.Thread(target=notebook.cell, args=["n = len(a); a[0].append(n)"])
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert notebook.ns["n"] == 20_000
    assert notebook.store.load(future)["a"][0] == [0]


@promise(42)
def test_errors_come_out_of_the_future(tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]")
        disk.fail(28)
        future = notebook.store.save_async(notebook.ns)
        with pytest.raises(pod.StoreFull):
            future.result(60)
        with pytest.raises(pod.StoreFull):
            notebook.store.load(future)
        disk.mend()
        assert notebook.store.load(notebook.store.save_async(notebook.ns))["a"] == [1]


@promise(43)
def test_it_forks_only_where_no_other_thread_runs(tmp_path: Path) -> None:
    source = """
import os, sys, threading, pod
forks = []
os.register_at_fork(before=lambda: forks.append(1))
ns = pod.new_managed_namespace()
exec("a = [1]", ns)
store = pod.open(sys.argv[1])
stop = threading.Event()
if sys.argv[2] == "threads":
    threading.Thread(target=stop.wait).start()
store.save_async(ns).result(60)
print(len(forks))
stop.set()
"""
    assert run_python(source, tmp_path / "one", "alone").stdout.strip() == "1"
    assert run_python(source, tmp_path / "two", "threads").stdout.strip() == "0"


@promise(44)
def test_the_user_s_process_is_left_alone(notebook: Notebook) -> None:
    """In full in tests/pod/test_user_state.py."""
    notebook.cell("a = [[i] for i in range(2000)]; g = (i for i in a)")
    before = portray(notebook.ns, ["a"])
    random.seed(3)
    state = random.getstate()
    notebook.store.load(notebook.store.save(notebook.ns))
    assert random.getstate() == state
    assert differences(before, portray(notebook.ns, ["a"])) == []


@promise(45)
def test_depth_is_no_limit(notebook: Notebook) -> None:
    """In full in tests/pod/test_deep.py."""
    notebook.run("a = inmost = [1]\nfor _ in range(30_000): a = [a]", "inmost.append(2)")
    assert len(notebook.versions) == 2


@promise(46)
def test_a_store_of_another_user_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    bomb = "class Bomb:\n    def __reduce__(self): return print, ('unpickled',)"
    save = f"import sys, pod\nns = pod.new_managed_namespace()\nexec({bomb!r} + '\\na = Bomb()', ns)\npod.open(sys.argv[1]).save(ns)"
    load = (
        "import sys, pod\n"
        "try:\n    store = pod.open(sys.argv[1])\n    store.load(store.log()[0].tid)\n"
        "except pod.Untrusted as error:\n    print(error)"
    )
    run_python(save, tmp_path / "store", env={"XDG_CONFIG_HOME": str(tmp_path / "one")})
    said = run_python(load, tmp_path / "store", env={"XDG_CONFIG_HOME": str(tmp_path / "other")}).stdout
    assert "unpickled" not in said
    assert f"pod trust {tmp_path / 'store'}" in said
    assert (
        "unpickled"
        in run_python(load, tmp_path / "store", env={"XDG_CONFIG_HOME": str(tmp_path / "one")}).stdout
    )


@promise(47)
def test_stores_and_keys_are_private(tmp_path: Path) -> None:
    source = "import os, sys, pod\nos.umask(0)\npod.open(sys.argv[1]).save({'a': 'x' * 100_000})"
    run_python(source, tmp_path / "made" / "store", env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    for top in (tmp_path / "made" / "store", tmp_path / "config" / "pod"):
        for path in (top, *top.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.stat().st_uid == os.getuid()


@promise(47)
def test_a_folder_that_was_there_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o755)
    pod.open(tmp_path / "store").close()
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


@promise(48)
def test_code_that_runs_during_a_load_finds_its_globals(notebook: Notebook) -> None:
    """In full in tests/pod/store/test_load.py."""
    notebook.cell(
        "import threading\n"
        "class Job:\n"
        "    def __getstate__(self): return 1\n"
        "    def __setstate__(self, state): self.lock = threading.Lock(); self.others = z\n"
        "j = Job(); z = [j]"
    )
    tid = notebook.store.save(notebook.ns)
    for loaded in (notebook.store.load(tid), notebook.store.load(tid, ["j", "z"])):
        assert loaded["j"].others is loaded["z"]
        assert loaded["z"] == [loaded["j"]]


@promise(49)
def test_what_cannot_be_built_never_fails_a_whole_load(notebook: Notebook) -> None:
    """In full in tests/pod/store/test_load.py."""
    notebook.cell("def f(): raise RuntimeError('no')\nclass X:\n    def __reduce__(self): return f, ()")
    notebook.cell("x = X(); y = [1]")
    tid = notebook.store.save(notebook.ns)
    with pytest.warns(pod.UnloadedWarning, match=r"x \(RuntimeError: no\)"):
        loaded = notebook.store.load(tid)
    assert sorted(variables(loaded)) == ["X", "f", "y"]
    assert loaded.unloaded == (pod.Unloaded("x", "RuntimeError", "no"),)
    with pytest.raises(pod.CannotLoad, match="variable x"):
        notebook.store.load(tid, ["x"])


_KEYS = """
class Key:
    def __hash__(self): return hash(getattr(self, 'n', 0))
    def __eq__(self, other): return self is other
class Node:
    all = set()
"""


@promise(50)
def test_a_set_finds_its_members_in_cycles_of_one_variable(notebook: Notebook) -> None:
    """In full in tests/pod/kernel/test_hashes.py."""
    notebook.cell(_KEYS, "a = Key(); a.all = {a}; a.by = {a: 1}; a.n = 1")
    loaded = notebook.store.load(notebook.save())
    assert loaded["a"] in loaded["a"].all
    assert loaded["a"].by[loaded["a"]] == 1


@promise(50)
def test_a_set_finds_its_members_in_cycles_through_a_class(notebook: Notebook) -> None:
    notebook.cell(_KEYS, "A = Key(); A.node = Node(); A.n = 1; Node.all.add(A)")
    loaded = notebook.store.load(notebook.save())
    assert list(loaded["Node"].all) == [loaded["A"]]
    assert loaded["A"] in loaded["Node"].all


@promise(50)
@pytest.mark.parametrize("names", [None, ["a"], ["b"]])
def test_a_set_finds_its_members_in_cycles_of_several_variables(
    notebook: Notebook, names: list[str] | None
) -> None:
    notebook.cell(
        _KEYS, "a = Key(); b = Key(); a.b = b; b.a = a; a.all = {a, b}; b.all = {(a, b): 1}; a.n = b.n = 1"
    )
    loaded = notebook.store.load(notebook.save(), names=names)
    a, b = (loaded["a"], loaded["a"].b) if "a" in loaded else (loaded["b"].a, loaded["b"])
    assert {a, b} == a.all
    assert b.all[a, b] == 1
