"""Plain values as bytes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod.errors import Corrupt, InvalidArgument
from pod.format import Plain, decode, encode

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.binary()
    | st.text(st.characters())
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.binary(), inner),
    max_leaves=30,
)

RFC_8949: list[tuple[Plain, str]] = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (18446744073709551616, "c249010000000000000000"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-18446744073709551617, "c349010000000000000000"),
    (-1, "20"),
    (-1000, "3903e7"),
    (1.1, "fb3ff199999999999a"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("ü", "62c3bc"),
    ("水", "63e6b0b4"),
    ([], "80"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    ({}, "a0"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
]
"""Examples of its appendix A."""


@pytest.mark.parametrize(("value", "expected"), RFC_8949)
def test_the_bytes_are_those_of_the_rfc(value: Plain, expected: str) -> None:
    assert encode(value).hex() == expected
    assert decode(bytes.fromhex(expected)) == value


@settings(deadline=None)
@given(VALUES)
def test_values_come_back(value: Plain) -> None:
    found = decode(encode(value))
    assert found == value
    assert repr(found) == repr(value) or isinstance(value, dict | list)
    assert encode(found) == encode(value)


def test_special_floats_come_back() -> None:
    assert decode(encode(math.inf)) == math.inf
    assert math.copysign(1, _float(decode(encode(-0.0)))) == -1
    assert math.isnan(_float(decode(encode(math.nan))))


def _float(value: Plain) -> float:
    assert isinstance(value, float)
    return value


def test_equal_dicts_give_equal_bytes() -> None:
    assert encode({"b": 1, "a": 2, 3: 4}) == encode({3: 4, "a": 2, "b": 1})


def test_a_tuple_comes_back_as_a_list_and_buffers_as_bytes() -> None:
    assert decode(encode((1, bytearray(b"x"), memoryview(b"y")))) == [1, b"x", b"y"]


@pytest.mark.parametrize("size", [23, 24, 255, 256, 65535, 65536])
def test_lengths_at_the_edges_come_back(size: int) -> None:
    assert decode(encode(b"x" * size)) == b"x" * size
    assert decode(encode([0] * size)) == [0] * size


@pytest.mark.parametrize("value", [object(), {1, 2}, [1j]])
def test_other_values_are_refused(value: Plain) -> None:
    with pytest.raises(InvalidArgument, match="only plain values can"):
        encode(value)


def test_deep_values_are_refused() -> None:
    value: Plain = 0
    for _ in range(64):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(InvalidArgument, match="more than 64 deep"):
        encode([value])
    with pytest.raises(Corrupt):
        decode(b"\x81" * 10_000 + b"\x00")


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_mean_something(data: bytes) -> None:
    try:
        value = decode(data)
    except Corrupt:
        return
    assert decode(encode(value)) == value or "nan" in repr(value)


@settings(deadline=None)
@given(VALUES, st.data())
def test_a_cut_value_is_refused(value: Plain, data: st.DataObject) -> None:
    encoded = encode(value)
    size = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(Corrupt):
        decode(encoded[:size])
    with pytest.raises(Corrupt):
        decode(encoded + b"\x00")
