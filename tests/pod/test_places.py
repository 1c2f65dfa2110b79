"""Stores that are in no folder: in memory, in PostgreSQL and in Redis."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import pod
from harness.oracle import differences, portray
from tests.pod.command import Cli, cli
from tests.pod.log.servers import PASSWORD, QUOTED, Server, postgres_server, redis_server
from tests.pod.notebook import Notebook, child_environment, loaded_elsewhere, run_python

__all__ = ["cli"]

WAYS: list[dict[str, Any]] = [{"mode": "fork"}, {"mode": "thread"}]
_STATE = (
    "import numpy as np\nl = [[i] for i in range(2000)]; a = np.arange(200_000.0); d = {'l': l, 'v': a[5:]}\n"
    "def f(x): return l[x]"
)
_numbers = count()


@pytest.fixture(
    params=[
        "memory",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("redis_", marks=pytest.mark.redis),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    """A store that nobody has used."""
    if request.param == "memory":
        return f"memory://places {next(_numbers)}"
    server: Server = request.getfixturevalue(request.param)
    return server.store()


def test_what_was_saved_is_loaded_whole_and_in_parts(url: str) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        notebook.run(_STATE, "a[7] = 1; l[3].append(d)", "del d; s = {1, 2}", "big = np.arange(300_000)")
        notebook.reopen()
        notebook.check()
        assert notebook.store.verify() == []
        before = notebook.store.stats()
        assert notebook.save() == 5
        assert notebook.reports[5].pods_new == 0
        assert before["versions"] == 4
        log_bytes = before["log_bytes"]
        assert isinstance(log_bytes, int)
        assert log_bytes > 4_000_000


def test_a_save_sends_what_changed(url: str) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        notebook.run("import numpy as np\na = np.arange(1_000_000.0)", "a[5] = 0")
        assert notebook.reports[1].bytes_written > 8_000_000
        assert notebook.reports[2].bytes_written < 100_000


def test_tags_branches_and_gc(url: str) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        tids = notebook.run(*[f"import os\na = os.urandom(300_000); b = [a, {n}]" for n in range(6)])
        notebook.store.tag("kept", tids[1])
        size = notebook.store.stats()["log_bytes"]
        report = notebook.store.gc(keep=2)
        assert report.versions == 3
        assert report.freed_bytes > 700_000
        assert [version.tid for version in notebook.store.log()] == [6, 5, 2]
        assert int(notebook.store.stats()["log_bytes"]) < 0.7 * int(size)
        notebook.check([6, 5, 2])
        assert notebook.store.verify() == []
        notebook.cell("c = b")
        notebook.check([notebook.save()])


def test_a_version_goes_to_a_folder_and_back(url: str, tmp_path: Path) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        (tid,) = notebook.run(_STATE)
        notebook.store.export(tid, tmp_path / "version.pod")
        with pod.open(tmp_path / "folder") as folder:
            report = folder.import_(tmp_path / "version.pod")
            assert differences(notebook.versions[tid], portray(folder.load(report))) == []
        again = notebook.store.import_(tmp_path / "version.pod")
        assert differences(notebook.versions[tid], portray(notebook.store.load(again))) == []


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_saves_go_on_in_the_background(url: str, way: dict[str, Any]) -> None:
    with Notebook(url) as notebook:  # type: ignore[arg-type]
        for number in range(3):
            notebook.cell(_STATE, f"l[0].append({number})")
            before = portray(notebook.ns)
            future = notebook.store.save_async(notebook.ns, **way)
            notebook.cell("l.clear(); a[:] = 7")
            notebook.remember(future.result(60), before)
        notebook.check()
        assert notebook.store.verify() == []


def test_a_forked_process_cannot_save_in_memory() -> None:
    with pod.open(f"memory://places {next(_numbers)}") as store:
        store.save({"a": 1})
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 2 if store.load(1)["a"] == 1 else 1
                store.save({"a": 2})
            except pod.StoreUnavailable as error:
                status = 0 if "a forked process cannot save there" in str(error) and status == 2 else 1
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert [version.tid for version in store.log()] == [1]


def test_two_processes_save_at_once(server: Server) -> None:
    source = (
        "import sys, pod\nstore = pod.open(sys.argv[1])\n"
        "for n in range(10): print(int(store.save({'who': sys.argv[2], 'n': [n]})))"
    )
    url = server.store()
    outputs: dict[str, list[int]] = {}

    def write(who: str) -> None:
        outputs[who] = [int(line) for line in run_python(source, url, who).stdout.split()]

    threads = [threading.Thread(target=write, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pod.open(url, create=False) as store:
        assert sorted(outputs["a"] + outputs["b"]) == sorted(version.tid for version in store.log())
        for who, tids in outputs.items():
            assert [(store.load(tid)["who"], store.load(tid)["n"]) for tid in tids] == [
                (who, [n]) for n in range(10)
            ]


def test_another_process_loads_the_same(server: Server) -> None:
    with Notebook(server.store()) as notebook:  # type: ignore[arg-type]
        (tid,) = notebook.run(_STATE)
        assert loaded_elsewhere(notebook.folder, tid, ["l"]) == notebook.versions[tid].digest(["l"])


# --- crashes ---------------------------------------------------------------------------------------------

_SAVER = """
import sys, numpy as np, pod
store = pod.open(sys.argv[1])
round = int(sys.argv[2])
ns = pod.new_managed_namespace()
number = 0
while True:
    number += 1
    exec(f"n = [{round}, {number}]; big = np.full(400_000, {round * 1000 + number}.0); parts = [n, big]", {"np": np}, ns)
    print(number, int(store.save(ns)), flush=True)
"""


def _killed_while_saving(url: str, number: int, delay_s: float) -> dict[int, list[int]]:
    """Let a process save until it is killed; return the versions that it was told were saved."""
    saver = subprocess.Popen(
        [sys.executable, "-c", _SAVER, url, str(number)], stdout=subprocess.PIPE, text=True,
        env=child_environment(),
    )  # fmt: skip
    assert saver.stdout is not None
    first = saver.stdout.readline()
    time.sleep(delay_s)
    saver.send_signal(signal.SIGKILL)
    said = [first, *saver.stdout.read().splitlines(keepends=True)]
    saver.wait()
    saver.stdout.close()
    pairs = [line.split() for line in said if line.endswith("\n")]
    return {int(tid): [number, int(count)] for count, tid in pairs}


def _check_kills(url: str, kills: int) -> None:
    chance = random.Random(11)
    told: dict[int, list[int]] = {}
    for number in range(kills):
        told |= _killed_while_saving(url, number, chance.uniform(0.0, 0.3))
    with pod.open(url, create=False) as store:
        assert store.verify() == []
        versions = [version.tid for version in store.log()]
        assert set(told) <= set(versions)
        assert len(versions) <= len(told) + kills
        for tid in versions:
            loaded = store.load(tid)
            assert loaded["n"] == told.get(tid, loaded["n"])
            assert loaded["parts"][1] is loaded["big"]
            assert set(loaded["big"].tolist()) == {loaded["n"][0] * 1000.0 + loaded["n"][1]}
        store.save({"after": 1})
        assert store.verify() == []


def test_a_process_may_be_killed_while_it_saves(server: Server) -> None:
    lock = "&lock_s=0.5" if server.url.startswith("redis") else ""
    _check_kills(server.store() + lock, 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_process_may_be_killed_while_it_saves_many_times(server: Server) -> None:
    lock = "&lock_s=0.5" if server.url.startswith("redis") else ""
    _check_kills(server.store() + lock, 60)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(postgres_server, marks=pytest.mark.postgres, id="postgres"),
        pytest.param(redis_server, marks=pytest.mark.redis, id="redis"),
    ],
)
def test_a_namespace_is_saved_again_after_the_server_was_away(start: Callable[[], Any]) -> None:
    with start() as server, Notebook(server.store()) as notebook:
        notebook.cell("import numpy as np\na = np.arange(200_000.0); b = [a]")
        notebook.save()
        notebook.cell("a[3] = 7; c = [b] * 3")
        server.kill()
        with pytest.raises(pod.StoreUnavailable):
            notebook.store.save(notebook.ns)
        with pytest.raises(pod.StoreUnavailable):
            notebook.store.save_async(notebook.ns, **WAYS[1]).result(60)
        server.start()
        notebook.save()
        notebook.check()
        assert notebook.store.verify() == []


# --- the command line ------------------------------------------------------------------------------------


def test_the_command_line_takes_urls(cli: Cli, server: Server, tmp_path: Path) -> None:
    url = server.store()
    label = url.replace(f":{QUOTED}", "").replace("redis://@", "redis://")
    assert cli("log", url).err.startswith(f"pod: {label}: no store; make one with: pod init '{label}'")
    assert cli("init", url).out == f"{label}: an empty store\n"
    assert cli("init", url).out == f"{label}: is a store already\n"
    with pod.open(url) as store:
        assert str(store.path) == label
        store.save({"a": [1], "b": "x" * 100}, message="first")
        store.save({"a": [1], "b": "y" * 100})
    shown = [
        cli("log", url), cli("show", 1, "--store", url), cli("diff", 1, 2, "-s", url), cli("tag", "best", 1, "-s", url),
        cli("stats", url), cli("verify", url), cli("export", 1, tmp_path / "v.pod", "-s", url),
        cli("import", tmp_path / "v.pod", "-s", url), cli("gc", url, "--keep", 1), cli("trust", url),
    ]  # fmt: skip
    assert [(each.status, each.err) for each in shown] == [(0, "")] * len(shown)
    assert shown[5].out == f"{label}: 2 versions, every byte as it was written\n"
    assert shown[9].out == f"{label}: 2 versions, yours already\n"
    assert "first" in shown[0].out
    missing = cli("show", 9, "-s", url)
    assert (missing.status, missing.err) == (1, f"pod: {label}: there is no version 9\n")
    said = "".join(each.out + each.err for each in (*shown, missing))
    assert PASSWORD not in said
    assert QUOTED not in said


def test_a_url_that_pod_does_not_know_is_bad_usage(cli: Cli) -> None:
    refused = cli("log", "s3://bucket/store")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("pod: s3://bucket/store: pod knows no s3://; there are file, memory,")


def test_the_default_store_may_be_a_url(server: Server) -> None:
    url = server.store()
    source = "import pod\nprint(int(pod.save({'a': 1})), pod.load(1)['a'], pod.default_path())"
    assert run_python(source, env={"POD_DIR": url}).stdout == f"1 1 {url}\n"
