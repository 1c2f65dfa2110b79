"""The rows of configurations.toml, against what is published of each name."""

from __future__ import annotations

import inspect

import pytest

import pod
from harness.systems.pod import options_of
from harness.systems.pod.store._configurations import OPTIONS, configurations

ROWS = configurations()
BASE = {
    "mode": "thread", "podding": "lga", "tracking": "names", "ascc": True, "lock": "variable", "codec": "none",
    "thesaurus_bytes": 32_000_000_000, "chunk_dedup": False, "backend": "files", "saves": True,
}  # fmt: skip
# What §3 of the published description says of each name, where it differs from `pga`.
PUBLISHED: dict[str, dict[str, object]] = {
    "pga": {},
    "pfl": {"podding": "manual", "mode": "sync"},
    "pfa": {"podding": "manual"},
    "pgaz": {"codec": "lz4"},
    "pgl": {"mode": "sync"},
    "pg0": {"podding": "const(0.0)", "mode": "sync"},
    "pg1": {"podding": "const(1.0)", "mode": "sync"},
    "pnb": {"podding": "bundle"},
    "pnv": {"podding": "naive"},
    "prand": {"podding": "random"},
    "pgnoavf": {"tracking": "all"},
    "pgcache0noavf": {"tracking": "all", "thesaurus_bytes": 0},
    "pgnostatic": {"ascc": False},
    "pgnoavl": {"lock": "all"},
    "pgnoavlstatic": {"lock": "all", "ascc": False},
    "pglnostatic": {"mode": "sync", "ascc": False},
    "pglnoavlstatic": {"mode": "sync", "ascc": False, "lock": "all"},
    "pgnoop": {"podding": "manual", "saves": False},
    "imm": {"podding": "manual", "mode": "sync", "backend": "memory"},
    "ppg": {"podding": "manual", "mode": "sync", "backend": "postgresql"},
    "prd": {"podding": "manual", "mode": "sync", "backend": "redis"},
}
SIZES = {
    **{str(size): size for size in (0, *(4**power for power in range(1, 11)))},
    "1m": 1_000_000, "2m": 1_953_125, "4m": 3_906_250, "8m": 7_812_500, "15m": 15_625_000, "31m": 31_250_000,
    "62m": 62_500_000, "125m": 125_000_000, "250m": 250_000_000, "500m": 500_000_000, "1g": 10**9, "2g": 2 * 10**9,
    "4g": 4 * 10**9, "8g": 8 * 10**9, "10g": 10**10, "16g": 16 * 10**9, "100g": 10**11,
}  # fmt: skip
PUBLISHED |= {f"pgcache{name}": {"thesaurus_bytes": size} for name, size in SIZES.items()}


def test_the_rows_are_the_published_ones_and_ours() -> None:
    assert set(ROWS) == {*PUBLISHED, "pod"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_name_is_configured_as_published(name: str) -> None:
    row = ROWS[name]
    assert {key: getattr(row, key) for key in BASE} == {**BASE, **PUBLISHED[name]}
    assert row.about


def test_ours_is_the_default_and_durable_when_save_returns() -> None:
    assert ROWS["pod"].options("fixed") == {}
    assert options_of("pod")["mode"] == "sync"


def test_the_defaults_are_those_of_pod_open() -> None:
    parameters = inspect.signature(pod.open).parameters
    assert {name: getattr(ROWS["pod"], name) for name in OPTIONS} == {
        name: parameters[name].default for name in OPTIONS
    }


def test_paper_locks_while_it_encodes_and_fixed_does_not() -> None:
    assert options_of("pgnoavl")["lock"] == "no effect"
    assert options_of("pgnoavl")["mode"] == "thread"
    assert options_of("pgnoavl", "paper")["lock"] == "all"
    assert options_of("pgnoavl", "paper")["mode"] == "thread-deferred"
    assert options_of("pglnoavlstatic", "paper")["lock"] == "no effect"
    assert ROWS["pga"].options("paper")["fidelity"] == "paper"
    assert "fidelity" not in ROWS["pga"].options("fixed")
