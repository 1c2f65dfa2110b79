from __future__ import annotations

from pathlib import Path

import pytest

from harness.wording import command, counted


def test_one_is_no_plural() -> None:
    assert [counted(number, "run") for number in (0, 1, 2, 1000)] == [
        "0 runs",
        "1 run",
        "2 runs",
        "1,000 runs",
    ]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a clone with an environment in it, whose Python this is, that PATH does not have."""
    programs = tmp_path / "a clone" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "harness"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path / "a clone")
    return tmp_path / "a clone"


def test_a_command_is_named_by_its_path_where_nothing_else_finds_it(clone: Path) -> None:
    assert command("publish last") == ".venv/bin/harness publish last"


def test_elsewhere_its_whole_path_is_given(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    assert command("publish last") == f"'{clone}/.venv/bin/harness' publish last"


def test_in_an_activated_environment_the_name_is_enough(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{clone}/.venv/bin:/nowhere")

    assert command("publish last") == "harness publish last"


def test_another_environments_command_is_not_meant(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert command("publish last") == ".venv/bin/harness publish last"


def test_python_starts_it_where_no_script_was_installed(clone: Path) -> None:
    (clone / ".venv" / "bin" / "harness").unlink()

    assert command("publish last") == ".venv/bin/python -m harness publish last"
