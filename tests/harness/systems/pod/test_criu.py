"""Images of a session: what was in the process is there again, in this one and in another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.oracle import Portrait, differences, portray
from harness.systems.pod import VersionSystem, open_system, options_of
from harness.systems.pod.criu import _program
from tests.harness.systems.pod.sessions import CELLS, EXCLUDED, names_of

NOT_GIVEN = "unfinished"  # a generator is in the image, but nothing brings it from one process to another
PLAIN = [cell.replace("\nunfinished = (n for n in shared)", "").replace(", unfinished", "") for cell in CELLS]


def after(cells: list[str]) -> Portrait:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for source in cells:
        exec(compile(source, "<cell>", "exec", dont_inherit=True), namespace)
    return portray(namespace)


def saved_each(system: VersionSystem, cells: list[str], exclude: tuple[str, ...] = ()) -> list[int | str]:
    versions = []
    for source in cells:
        system.run(compile(source, "<cell>", "exec"), source, {})
        versions.append(system.save({}, exclude))
    return versions


@pytest.fixture
def criu(tmp_path: Path) -> Iterator[VersionSystem]:
    with closing(open_system("criu", tmp_path / "store")) as system:
        yield system


@pytest.mark.criu
def test_each_version_comes_back_as_it_was_here_and_elsewhere(criu: VersionSystem, tmp_path: Path) -> None:
    versions = saved_each(criu, PLAIN)
    assert criu.unsaved == {}
    assert criu.size() > 0
    with closing(open_system("criu", tmp_path / "store", existing=True)) as another:
        for system in (criu, another):
            for number, version in reversed(list(enumerate(versions))):
                expected = after(PLAIN[: number + 1])
                loaded = system.load(version)
                assert differences(expected, portray(loaded, expected.names)) == []


@pytest.mark.criu
def test_some_variables_and_what_their_functions_read(criu: VersionSystem) -> None:
    _, version, *_ = saved_each(criu, PLAIN[:3])
    loaded = criu.load(version, ["triple", "scaled", "nowhere"])
    expected = after(PLAIN[:2])
    assert names_of(loaded) == {"triple", "scaled", "factor"}
    assert differences(expected, portray(loaded, ["triple", "scaled"]), ["triple", "scaled"]) == []
    assert (loaded["triple"](2), loaded["scaled"](2)) == (6, 6)


@pytest.mark.criu
def test_a_generator_is_in_the_image_and_the_session_goes_on_with_it(criu: VersionSystem) -> None:
    versions = saved_each(criu, [*CELLS[:2], "a = next(unfinished)"])
    with pytest.raises(HarnessError, match="cannot pickle 'generator' object"):
        criu.load(versions[1], [NOT_GIVEN])
    assert criu.load(versions[2], ["a"])["a"] == 1


@pytest.mark.criu
@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
def test_what_is_left_out_is_in_no_image(fidelity: str, tmp_path: Path) -> None:
    with closing(open_system("criu", tmp_path / "store", fidelity=fidelity)) as system:
        *_, version = saved_each(system, PLAIN[:3], (EXCLUDED,))
        expected = after(PLAIN[:3])
        loaded = system.load(version)
        assert names_of(loaded) == expected.names - {EXCLUDED}
        assert differences(expected, portray(loaded), names_of(loaded)) == []
        # The image of the session itself is taken where there is nothing to leave out; else another process's.
        assert (tmp_path / "store" / "sessions" / "3").is_dir()


@pytest.mark.criu
def test_only_the_published_one_always_transfers(tmp_path: Path) -> None:
    for fidelity, folders in {"fixed": {"live"}, "paper": {"live", "1"}}.items():
        with closing(open_system("criu", tmp_path / fidelity, fidelity=fidelity)) as system:
            (version,) = saved_each(system, ["a = [1]"])
            assert system.load(version)["a"] == [1]
        assert {path.name for path in (tmp_path / fidelity / "sessions").iterdir()} == folders
    assert [options_of("criu", each)["transfers"] for each in ("fixed", "paper")] == [False, True]


@pytest.mark.criu
def test_what_a_cell_raises_is_told(criu: VersionSystem) -> None:
    with pytest.raises(HarnessError, match="ZeroDivisionError"):
        saved_each(criu, ["1 / 0"])


@pytest.mark.criu
def test_a_damaged_image_is_an_error(criu: VersionSystem, tmp_path: Path) -> None:
    (version,) = saved_each(criu, ["a = 1"])
    for image in (tmp_path / "store" / "images" / "1").glob("core-*.img"):
        image.write_bytes(b"no image")
    with pytest.raises(HarnessError, match="criu restore ended with"):
        criu.load(version, ["a"])


def test_a_program_that_is_missing_or_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "criu"
    old.write_text("#!/bin/sh\necho Version: 3.17\n")
    old.chmod(0o755)
    for named in (old, tmp_path / "nothing"):
        monkeypatch.setenv("CRIU", str(named))
        assert "make peers PEERS=criu" in str(_program.how_to_get())
