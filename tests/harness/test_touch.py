from __future__ import annotations

from pathlib import Path

import pytest

from harness.touch import touch_memory


def test_memory_is_used_once_as_far_as_it_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert touch_memory(1 << 20) == 1 << 20
    little = tmp_path / "meminfo"
    little.write_text("MemTotal: 900 kB\nMemAvailable:     500 kB\n")
    monkeypatch.setattr("harness.touch._MEMINFO", little)
    assert touch_memory(1 << 20) == 300 << 10
    monkeypatch.setattr("harness.touch._CODE", "import sys; sys.exit(len(bytes(int(sys.argv[1]))) != 1)")
    assert touch_memory(1) == 1
    assert touch_memory(2) == 0
    monkeypatch.setattr("harness.touch._MEMINFO", tmp_path / "none")
    assert touch_memory(1) == 0
