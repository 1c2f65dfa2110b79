"""Sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pond.errors import InvalidArgument
from pond.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("8MiB", 8 << 20),
        ("8 MiB", 8 << 20),
        ("8mib", 8 << 20),
        ("8M", 8 << 20),
        ("8MB", 8_000_000),
        (" 1.5 GiB ", 3 << 29),
        ("0.1KiB", 102),
        ("19GiB", 19 << 30),
        ("1PiB", 1 << 50),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_a_size_is_read(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "8 XiB", "8MiBs", "1e3", "1,5GiB", "0x10", "8 M iB", "١MiB x"]
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a size; write for example 8MiB") as refused:
        parse_size(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (8 << 20, "8 MiB"),
        (3 << 29, "1.5 GiB"),
        (5000 << 50, "5000 PiB"),
    ],
)
def test_a_size_is_written(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@given(st.integers(0, 1 << 60))
def test_what_is_written_is_read_as_nearly_the_same(size_bytes: int) -> None:
    assert abs(parse_size(format_size(size_bytes)) - size_bytes) <= 0.0513 * size_bytes
