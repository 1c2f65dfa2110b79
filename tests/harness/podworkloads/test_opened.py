"""Opened files are seen, whoever opens them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np

from harness.podworkloads._opened import OpenedFiles


def test_what_python_and_c_libraries_open_is_seen_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    table, matrix, other = tmp_path / "table.csv", tmp_path / "deep" / "matrix.h5", tmp_path / "other.csv"
    table.write_text("a,b\n1,2\n")
    other.write_text("a\n")
    with h5py.File(matrix, "w") as file:
        file["values"] = np.zeros(100)

    with OpenedFiles(tmp_path) as opened:
        table.read_text()
        first = opened.since()
        with h5py.File(matrix) as file:
            file["values"][:]
        second = opened.since()
        third = opened.since()

    assert (first, second, third) == ({table: 8}, {matrix: matrix.stat().st_size}, {})


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    real = tmp_path / "elsewhere" / "real.csv"
    real.write_text("a\n")
    (tmp_path / "data" / "link.csv").symlink_to(real)

    with OpenedFiles(tmp_path / "data") as opened:
        (tmp_path / "data" / "link.csv").read_text()

        assert opened.since() == {real: 2}


def test_what_other_processes_open_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(5_000_000))

    with (
        OpenedFiles(tmp_path) as opened,
        subprocess.Popen(["cat", str(tmp_path / "large")], stdout=subprocess.DEVNULL) as other,
    ):
        # Not waited for: what a child has read is added to its parent's account when it is.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

        assert opened.since() == {}


def test_without_a_folder_nothing_is_seen() -> None:
    with OpenedFiles(None) as opened:
        assert opened.since() == {}
