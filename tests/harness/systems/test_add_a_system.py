"""The page that says how to add a system is tried: its example mounts, reads right, and is found missing where it is."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from harness.s3 import SimProcess
from harness.systems.fuse._objects import ObjectMount
from tests.harness.systems.programs import FILES, PREFIX, context, read_all

PAGE = Path(__file__).parents[3] / "docs" / "add-a-system.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[ObjectMount]:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path / "small_reads.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    (name,) = module.__all__
    found: type[ObjectMount] = getattr(module, name)
    return found


@pytest.mark.fuse
@pytest.mark.s3
def test_the_page_s_system_serves_the_bytes(
    example: type[ObjectMount], sim: SimProcess, tmp_path: Path
) -> None:
    assert example.how_to_get() is None
    (config,) = example.configs.values()
    made = example(context(tmp_path, config, url=f"s3://{sim.bucket}/{PREFIX}"))
    try:
        made.prepare()
        assert read_all(made.mount()) == FILES
    finally:
        made.unmount()
    least = sum(-(-len(content) // (64 << 10)) for content in FILES.values())
    assert sim.counters().get >= least  # asked for 64 KiB at a time


def test_what_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:harness|tools)/[\w./*<>-]+)`", PAGE.read_text()))
    assert len(named) > 4
    known = [name for name in named if "<" not in name and "small_reads" not in name]
    missing = [name for name in known if not list(PAGE.parents[1].glob(name.rstrip("/")))]
    assert missing == []
