"""A version whose save returned is never lost; one whose save did not is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.disks import BrokenDisk
from tests.pod.notebook import Notebook, child_environment, run_python

# Version n holds `n`, a list of it, and a megabyte that changes in part.
_WRITER = """
import sys, pod
import numpy as np
folder, way, _ = sys.argv[1:]
store = pod.open(folder)
log = store.log()
n = store.load(log[0].tid)["n"] if log else 0
ns = pod.new_managed_namespace()
exec("import numpy as np\\na = np.zeros(130_000); l = []; d = {'l': l}; n = 0", ns)
print("ready", flush=True)
while True:
    n += 1
    exec(f"n = {n}; l[:] = [{n}] * {n}; a[:] = {n}; a[::{n} + 1] = 0; s = [str(i) for i in range({n} % 7 * 2000)]", ns)
    print("start", n, flush=True)
    if way == "sync":
        tid = store.save(ns)
    else:
        tid = store.save_async(ns, mode=way).result()
    print("saved", n, int(tid), flush=True)
"""


def _check_version(store: pod.Store, tid: int) -> int:
    """Load a version, compare it with what its number says, and return its number."""
    loaded = store.load(tid)
    n: int = loaded["n"]
    assert loaded["l"] == [n] * n
    assert loaded["d"]["l"] is loaded["l"]
    assert loaded["s"] == [str(i) for i in range(n % 7 * 2000)]
    array = loaded["a"]
    assert (array[1 : n + 1] == n).all()
    assert (array[:: n + 1] == 0).all()
    return n


def _kill_once(folder: Path, way: str, chance: random.Random) -> tuple[dict[int, int], int | None]:
    """Let a writer run, kill it at a random instant; return what it said it saved, and what it was about to save."""
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), way, ""],
        stdout=subprocess.PIPE, text=True, env=child_environment(),
    )  # fmt: skip
    assert writer.stdout is not None
    saves = chance.randrange(1, 4)
    lines: list[str] = []
    for line in writer.stdout:
        lines.append(line)
        if line.startswith("start") and sum(text.startswith("start") for text in lines) == saves:
            break
    time.sleep(chance.expovariate(1 / 0.003))  # the instant is what is drawn
    os.kill(writer.pid, signal.SIGKILL)
    lines += [line for line in writer.stdout if line.endswith("\n")]  # the last one may be cut, too
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    saved = {int(line.split()[2]): int(line.split()[1]) for line in lines if line.startswith("saved")}
    started = [int(line.split()[1]) for line in lines if line.startswith("start")]
    cut = started[-1] if started[-1] not in saved.values() else None
    return saved, cut


def _kill_loop(folder: Path, way: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    saved: dict[int, int] = {}
    cut = 0
    tried = 0
    while cut < kills and tried < 6 * kills:
        tried += 1
        more, half = _kill_once(folder, way, chance)
        assert not saved.keys() & more.keys(), "a tid was given twice"
        saved |= more
        cut += half is not None
        with pod.open(folder, create=False) as store:
            assert store.verify() == []
            tids = [version.tid for version in store.log()]
            assert saved.keys() <= set(tids), "a version whose save returned is lost"
            for tid in tids:
                n = _check_version(store, tid)
                assert saved.get(tid, n) == n
    assert cut == kills, f"only {cut} of {tried} kills hit a save"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["sync", "fork", "thread"])
def test_killed_at_random_instants(way: str, tmp_path: Path) -> None:
    _kill_loop(tmp_path / "store", way, kills=6, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", ["sync", "fork", "thread"])
def test_killed_often_at_random_instants(way: str, tmp_path: Path) -> None:
    _kill_loop(tmp_path / "store", way, kills=150, seed=int.from_bytes(os.urandom(4), "big"))


_SAVER = """
import sys, pod
folder, who, count = sys.argv[1:]
store = pod.open(folder, timeout_s=60)
ns = pod.new_managed_namespace()
exec("x = {}; l = [x]", ns)
for n in range(int(count)):
    exec(f"x['{who}'] = {n}; y = list(range({n} * 100))", ns)
    try:
        print(int(store.save(ns)), who, n, flush=True)
    except pod.StoreBusy:
        print("busy", who, n, flush=True)
"""


def test_processes_save_to_one_store_at_once(tmp_path: Path) -> None:
    with pod.open(tmp_path / "store"):
        pass
    savers = [
        subprocess.Popen(
            [sys.executable, "-c", _SAVER, str(tmp_path / "store"), who, "25"],
            stdout=subprocess.PIPE, text=True, env=child_environment(),
        )
        for who in "abc"
    ]  # fmt: skip
    lines = [line.split() for saver in savers for line in saver.communicate(timeout=100)[0].splitlines()]
    assert [saver.returncode for saver in savers] == [0, 0, 0]
    assert len(lines) == 75
    saved = {int(tid): (who, int(n)) for tid, who, n in lines if tid != "busy"}
    assert len(saved) == 75 - sum(line[0] == "busy" for line in lines)
    assert len(saved) >= 25
    with pod.open(tmp_path / "store", create=False) as store:
        assert store.verify() == []
        assert sorted(version.tid for version in store.log()) == sorted(saved)
        for tid, (who, n) in saved.items():
            loaded = store.load(tid)
            assert loaded["x"] == {who: n}
            assert loaded["l"][0] is loaded["x"]
            assert loaded["y"] == list(range(n * 100))


def test_two_stores_of_one_process_see_each_other(tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as one, Notebook(tmp_path / "store") as other:
        one.cell("a = [1]")
        other.cell("b = [2]")
        tids = [one.save(), other.save(), one.save(), other.save()]
        assert tids == sorted(set(tids))
        assert other.store.load(tids[0])["a"] == [1]
        one.check()
        other.check()


def test_a_running_writer_makes_others_wait_or_say_so(tmp_path: Path) -> None:
    from pod.log import Log

    with Notebook(tmp_path / "store", timeout_s=0.2) as notebook:
        notebook.cell("a = [1]")
        first = notebook.save()
        other = Log.open(tmp_path / "store")
        with other.begin():
            notebook.cell("a.append(2)")
            with pytest.raises(pod.StoreBusy):
                notebook.store.save(notebook.ns)
        other.close()
        assert notebook.save() > first
        notebook.check()


# -- disks that fail ----------------------------------------------------------------------------------------------

_FAILURES = {errno.ENOSPC: pod.StoreFull, errno.EROFS: pod.StoreReadOnly, errno.EIO: pod.StoreUnavailable}


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _save_fails(notebook: Notebook, expected: type[pod.PodError]) -> str | None:
    """Save; return what the error says, or None."""
    try:
        notebook.store.save(notebook.ns)
    except expected as problem:
        return str(problem)
    return None


@pytest.mark.parametrize("error", _FAILURES)
def test_a_disk_that_fails_at_any_step_loses_nothing(error: int, tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]; b = [a]; s = 'x' * 100_000")
        notebook.save()
        failed = 0
        for after in range(100):
            notebook.cell(f"a.append({after}); s = '{after}' * 100_000")
            disk.fail(error, after)
            problem = _save_fails(notebook, _FAILURES[error])
            disk.mend()
            if problem is None:
                break
            failed += 1
            assert str(tmp_path) in problem
            assert "\n" not in problem
            notebook.check([max(notebook.versions)])
        else:
            pytest.fail("a save takes more than 100 changes of the disk")
        assert failed >= 2
        notebook.save()
        notebook.check()
        assert notebook.store.verify() == []
        notebook.reopen()
        notebook.check()


@pytest.mark.parametrize("size", [100_000, 20_000_000])
@pytest.mark.parametrize("room", [0, 1, 100, 5000, 60_000])
def test_a_full_disk_says_so_and_the_store_goes_on(room: int, size: int, tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]; b = [a]")
        first = notebook.save()
        notebook.cell(f"import os; s = os.urandom({size}); a.append(s)")
        disk.fill(room)
        with pytest.raises(pod.StoreFull, match="full"):
            notebook.store.save(notebook.ns)
        assert [version.tid for version in notebook.store.log()] == [first]
        notebook.check()
        disk.mend()
        assert notebook.save() > first
        notebook.check()
        assert notebook.store.verify() == []


@contextlib.contextmanager
def _tmpfs(folder: Path, size_bytes: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with _tmpfs(tmp_path / "disk", 4 << 20) as disk, Notebook(disk / "store") as notebook:
        notebook.cell("import os\na = [os.urandom(100_000)]; b = {'a': a}")
        notebook.save()
        before = _contents(disk)
        notebook.cell("a.append(os.urandom(20_000_000))")
        with pytest.raises(pod.StoreFull):
            notebook.store.save(notebook.ns)
        assert _contents(disk) == before
        notebook.check()
        notebook.cell("del a[1]; c = [b]")
        notebook.save()
        notebook.check()
        assert notebook.store.verify() == []


@pytest.mark.root
def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    with _tmpfs(tmp_path / "disk", 4 << 20) as disk:
        with Notebook(disk / "store") as notebook:
            notebook.cell("a = [1]; b = [a]")
            tid = notebook.save()
        before = _contents(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            with pod.open(disk / "store", create=False) as store:
                assert differences(notebook.versions[tid], portray(store.load(tid))) == []
                assert store.verify() == []
                with pytest.raises(pod.StoreReadOnly, match="read-only"):
                    store.save({"a": 1})
            assert _contents(disk) == before
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


# -- damage -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _flipped(path: Path, place: int) -> Iterator[None]:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << place % 8]))
    yield
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([byte]))


def _found_out(folder: Path) -> bool:
    try:
        with pod.open(folder, create=False) as store:
            return bool(store.verify())
    except pod.PodError:
        return True


def _damage_everywhere(folder: Path, step: int) -> None:
    with Notebook(folder) as notebook:
        notebook.run(
            "a = list(range(300)); b = {'a': a}", "a.append(1)", "import numpy as np; c = np.arange(20_000)"
        )
        notebook.store.tag("first", 0 if 0 in notebook.versions else 1)
    assert not _found_out(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    tried, missed = 0, []
    for path in files:
        for place in range(0, path.stat().st_size, step):
            tried += 1
            with _flipped(path, place):
                if not _found_out(folder):
                    missed.append((path.name, place))
    assert tried > 50
    assert missed == []
    assert not _found_out(folder)


@pytest.mark.timeout(300)
def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    _damage_everywhere(tmp_path / "store", step=997)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    _damage_everywhere(tmp_path / "store", step=7)


def test_a_flipped_byte_is_never_unpickled(tmp_path: Path) -> None:
    """What is loaded from a damaged store is right, or an error of pod's; never something else."""
    with Notebook(tmp_path / "store") as notebook:
        (tid,) = notebook.run("a = list(range(300)); b = {'a': a, 'text': 'x' * 5000}")
        expected = notebook.versions[tid]
    refused = 0
    for path in sorted((tmp_path / "store").rglob("*")):
        if not path.is_file():
            continue
        for place in range(0, path.stat().st_size, 101):
            with _flipped(path, place):
                try:
                    with pod.open(tmp_path / "store", create=False) as store:
                        loaded = portray(store.load(tid))
                except pod.PodError:
                    refused += 1
                else:
                    assert differences(expected, loaded) == []
    assert refused > 10


def test_a_torn_write_is_dropped(tmp_path: Path) -> None:
    """What a power failure leaves of a save that did not return: any first part of what it appended."""
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = [1]; b = [a]")
        first = notebook.save()
        notebook.store.close()
        before = _contents(tmp_path / "store")
        notebook.reopen()
        notebook.cell("a.append(2); c = 'x' * 3000")
        second = notebook.save()
    after = _contents(tmp_path / "store")
    (grown,) = [name for name, data in after.items() if len(data) > len(before[name])]
    whole = 0
    for cut in range(len(before[grown]), len(after[grown]) + 1, 101):
        copy = tmp_path / str(cut)
        shutil.copytree(tmp_path / "store", copy)
        for name, data in before.items():
            (copy / name).write_bytes(data)
        (copy / grown).write_bytes(after[grown][:cut])
        with pod.open(copy, create=False) as store:
            tids = [version.tid for version in store.log()]
            assert tids in ([first], [second, first])
            whole += len(tids) == 2
            for tid in tids:
                assert differences(notebook.versions[tid], portray(store.load(tid))) == []
            again = store.save({"d": 1})
            assert int(again) > max(tids)
            assert store.verify() == []
    assert whole <= 1


def test_a_save_ends_with_one_sync(tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk) as notebook:
        notebook.cell("a = [1]")
        notebook.save()
        disk.said.clear()
        notebook.cell("a.append(2); s = 'x' * 200_000")
        notebook.save()
    assert disk.said.count("sync") == 1
    assert "write" in disk.said[: disk.said.index("sync")]


def test_a_store_is_private(tmp_path: Path) -> None:
    done = run_python(
        "import os, sys, pod\nos.umask(0)\nns = pod.new_managed_namespace()\nexec('a = [1]', ns)\npod.save(ns)",
        env={"POD_DIR": str(tmp_path / "store")},
    )
    assert done.stdout == ""
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "store").rglob("*")}
    assert modes == {0}
