"""What `pod.open` takes, and what it says of what it does not."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

import pod
from pod.errors import InvalidArgument
from pod.podding import ByVariable
from pod.store import Options
from pod.tracking import ByName, Everything

if TYPE_CHECKING:
    from pathlib import Path


def test_open_takes_every_option_with_its_default() -> None:
    taken = {name: parameter.default for name, parameter in signature(pod.open).parameters.items()}
    assert {field.name: taken[field.name] for field in fields(Options)} == {
        field.name: field.default for field in fields(Options)
    }


def test_a_store_says_how_it_saves(tmp_path: Path) -> None:
    with pod.open(tmp_path, codec="lz4", chunk_dedup=False, thesaurus_bytes=64, mode="thread") as store:
        assert store.options == Options(codec="lz4", chunk_dedup=False, thesaurus_bytes=64, mode="thread")


_PODDINGS = (
    "default, manual, lga, const(RATE), naive, bundle, random, random(SEED), exhaustive(BITS), or a Podding"
)


@pytest.mark.parametrize(
    "options",
    [
        {"podding": name}
        for name in (
            "default",
            "manual",
            "lga",
            "const(0.5)",
            "const(0)",
            "const(1)",
            "naive",
            "bundle",
            "random",
            "exhaustive(0101)",
            ByVariable(),
        )
    ]
    + [{"tracking": name} for name in ("names", "all", ByName())]
    + [{"lock": name} for name in ("variable", "all")]
    + [{"mode": name} for name in ("sync", "auto", "fork", "thread", "thread-deferred")]
    + [{"codec": name} for name in ("none", "lz4", "zstd")]
    + [{"fidelity": name} for name in ("fixed", "paper")]
    + [{"thesaurus_bytes": number} for number in (None, 0, 4, 32_000_000_000)],
    ids=repr,
)
def test_what_is_known_is_taken(options: dict[str, Any]) -> None:
    taken = Options(**options)
    assert {name: getattr(taken, name) for name in options} == options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"codec": "gzip"}, "codec cannot be 'gzip'; known are: none, lz4, zstd"),
        ({"codec": None}, "codec cannot be None; known are: none, lz4, zstd"),
        ({"mode": "spawn"}, "mode cannot be 'spawn'; known are: sync, auto, fork, thread, thread-deferred"),
        ({"lock": "some"}, "lock cannot be 'some'; known are: variable, all"),
        ({"fidelity": "real"}, "fidelity cannot be 'real'; known are: fixed, paper"),
        ({"tracking": "some"}, "tracking cannot be 'some'; known are: names, all or a Tracking"),
        ({"podding": "best"}, f"podding cannot be 'best'; known are: {_PODDINGS}"),
        ({"podding": "const"}, f"podding cannot be 'const'; known are: {_PODDINGS}"),
        ({"podding": "naive(1)"}, f"podding cannot be 'naive(1)'; known are: {_PODDINGS}"),
        ({"podding": 3}, f"podding cannot be 3; known are: {_PODDINGS}"),
        ({"podding": ["lga"]}, f"podding cannot be ['lga']; known are: {_PODDINGS}"),
        ({"ascc": 1}, "ascc is a int, 1; give True or False"),
        ({"chunk_dedup": "no"}, "chunk_dedup is a str, 'no'; give True or False"),
        ({"thesaurus_bytes": -1}, "thesaurus_bytes cannot be -1; give 0 or more bytes, or None"),
        ({"thesaurus_bytes": True}, "thesaurus_bytes is a bool, True; give a number of bytes, or None"),
        (
            {"thesaurus_bytes": 1e9},
            "thesaurus_bytes is a float, 1000000000.0; give a number of bytes, or None",
        ),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_known(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        pod.open(tmp_path / "store", **options)
    assert str(caught.value) == said
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_address_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="pod knows no mysql://; there are file, memory, postgresql"):
        pod.open("mysql://localhost/db")


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="the path is a int, 3; give a folder or a URL"):
        pod.open(3)  # type: ignore[arg-type]


def test_tracking_all_looks_at_everything() -> None:
    assert isinstance(Options(tracking="all").new_tracking(), Everything)
    assert isinstance(Options().new_tracking(), ByName)
    own = Everything()
    assert Options(tracking=own).new_tracking() is own


def test_podding_by_an_object_is_taken_as_it_is() -> None:
    own = ByVariable()
    assert Options(podding=own).new_podding() is own
