"""The handicaps of the published comparison, which only fidelity=paper has."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.oracle import differences, portray
from harness.systems.pod import names, open_system, options_of
from tests.harness.systems.pod.sessions import CELLS, DATA_CELLS, distinct, play

PICKLERS = ["snp", "snpc", "snz", "snx", "dill", "cpkl", "shev", "zosp", "zodb"]
LARGE = ["l = [bytes([k % 251]) * 999 + bytes([k % 7]) for k in range(1000)]"]


def size_after(name: str, folder: Path, fidelity: str) -> int:
    system = open_system(name, folder, fidelity=fidelity)
    play(system, LARGE, ())
    size = system.size()
    system.close()
    return size


@pytest.mark.parametrize("name", PICKLERS)
def test_versions_come_back_under_paper_too(name: str, tmp_path: Path) -> None:
    system = open_system(name, tmp_path / "store", fidelity="paper")
    for saved in play(system, CELLS):
        loaded = system.load(saved.version)
        for some in [[each] for each in saved.names] if name == "shev" else [saved.names]:
            got = portray(loaded, some, code=system.saves_code)
            assert differences(saved.portrait, got, frozenset(some)) == []
    system.close()


@pytest.mark.parametrize(("name", "times"), [("shev", 2), ("zosp", 2), ("zodb", 2), ("snp", 1)])
def test_what_is_counted_twice(name: str, times: int, tmp_path: Path) -> None:
    fixed = size_after(name, tmp_path / "fixed", "fixed")
    paper = size_after(name, tmp_path / "paper", "paper")
    assert paper / fixed == pytest.approx(times, rel=0.02)


@pytest.mark.parametrize("name", ["snpc", "cpkl", "shev", "zosp", "zodb"])
def test_the_pickler_is_recorded(name: str) -> None:
    assert "compiled" in str(options_of(name)["pickler"])
    assert "compiled" not in str(options_of(name, "paper")["pickler"])


@pytest.mark.parametrize("name", [name for name in distinct(names()) if options_of(name)["mode"] == "thread"])
def test_saves_in_the_background_encode_after_they_returned(name: str, tmp_path: Path) -> None:
    system = open_system(name, tmp_path / "store", fidelity="paper")
    played = play(system, DATA_CELLS, ())
    assert options_of(name, "paper")["mode"] == "thread-deferred"
    assert len(played) == len(DATA_CELLS)
    system.close()


PURE = "pickle.py"
PROBE = (
    "import sys\n"
    "seen = []\n"
    "class Probe:\n"
    "    def __reduce__(self):\n"
    "        seen.append(sys._getframe(1).f_code.co_filename.rpartition('/')[2])\n"
    "        return (int, ())\n"
    "probe = Probe()"
)


@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
@pytest.mark.parametrize("name", PICKLERS)
def test_only_paper_forces_the_pure_python_pickler_and_dill_has_no_other(
    name: str, fidelity: str, tmp_path: Path
) -> None:
    system = open_system(name, tmp_path / "store", fidelity=fidelity)
    namespace = system.namespace()
    exec(compile(PROBE, "<cell>", "exec", dont_inherit=True), namespace)
    system.save(namespace)
    system.close()
    assert namespace["seen"]
    assert (PURE in namespace["seen"]) is (fidelity == "paper" or name in {"snp", "snz", "snx", "dill"})


# What of a baseline's record only paper has; nothing for those that are not here.
HANDICAPS = {
    "snpc": {"pickler"},
    "cpkl": {"pickler"},
    "shev": {"pickler", "written"},
    "zosp": {"pickler", "leftover temporary file"},
    "zodb": {"pickler", "leftover temporary file"},
    "criu": {"transfers"},
    "crii": {"transfers"},
}


@pytest.mark.parametrize(
    "name", [name for name in names() if "podding" not in options_of(name)] + ["exhaust"]
)
def test_a_handicap_is_recorded_and_is_that_of_paper_only(name: str) -> None:
    fixed, paper = options_of(name), options_of(name, "paper")
    assert fixed.keys() == paper.keys()
    assert {key for key in fixed if fixed[key] != paper[key]} == HANDICAPS.get(name, set())
