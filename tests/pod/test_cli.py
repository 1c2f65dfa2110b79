"""`pod`, the command line."""

from __future__ import annotations

from importlib.metadata import version

from typer.testing import CliRunner

from pod import PodError
from pod.cli import app


def test_version_is_the_distribution_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"pod {version('pond-pod-bench')}\n")


def test_help_says_that_the_store_comes_later() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "come with a later" in " ".join(result.stdout.split())


def test_without_arguments_it_prints_its_help() -> None:
    assert "pod --version" in CliRunner().invoke(app, []).stdout


def test_a_command_of_a_later_release_is_bad_usage() -> None:
    result = CliRunner().invoke(app, ["save"])
    assert result.exit_code == 2
    assert "save" in result.stderr


def test_every_error_has_a_code() -> None:
    assert PodError.code == "pod"
