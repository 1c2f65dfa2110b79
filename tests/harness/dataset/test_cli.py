"""`harness dataset coco`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from harness.dataset.cli import app


def test_json_alone_is_on_stdout(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["coco", "--scale", "1/60000", "--cache-dir", str(tmp_path), "--json"])
    described = json.loads(result.stdout)
    assert (result.exit_code, described["files"]) == (0, 2)
    assert Path(described["folder"]).is_dir()


def test_text_says_files_and_digest(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["coco", "--scale", "1/60000", "--cache-dir", str(tmp_path)])
    assert "2 files" in result.stdout
    assert "digest blake3:" in result.stdout


def test_a_wrong_scale_is_bad_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["coco", "--scale", "3", "--cache-dir", str(tmp_path)])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "SCALE=3" in result.stderr


def test_a_source_that_is_not_there_is_one_line_on_stderr(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["coco", "--data", str(tmp_path / "absent.zip"), "--cache-dir", str(tmp_path)]
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def test_help_has_an_example() -> None:
    assert "harness dataset coco --scale 1/32" in CliRunner().invoke(app, ["coco", "--help"]).stdout
