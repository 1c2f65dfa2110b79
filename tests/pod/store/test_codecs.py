"""Codecs: what was compressed comes back, and nothing takes more memory than it may."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.store._codecs import CODECS, Codec, CodecError

EACH = pytest.mark.parametrize("name", sorted(CODECS))


@EACH
@given(data=st.binary(max_size=2000), times=st.integers(1, 50))
def test_data_comes_back(name: str, data: bytes, times: int) -> None:
    codec = CODECS[name]()
    whole = data * times
    frame = codec.compress(memoryview(whole))
    assert codec.decompress(memoryview(frame), len(whole)) == whole
    assert CODECS[name]().compress(whole) == frame


def _length(codec: Codec, frame: bytes, most: int) -> int | None:
    """How much a frame gives, None if it is refused."""
    try:
        return len(codec.decompress(frame, most))
    except CodecError:
        return None


@EACH
@given(
    data=st.binary(max_size=300),
    at=st.integers(0, 400),
    other=st.binary(max_size=9),
    most=st.integers(0, 400),
)
def test_whatever_it_is_given_it_gives_no_more_than_it_may(
    name: str, data: bytes, at: int, other: bytes, most: int
) -> None:
    codec = CODECS[name]()
    frame = bytearray(codec.compress(data))
    frame[at : at + len(other)] = other
    assert (_length(codec, bytes(frame), most) or 0) <= most


@EACH
def test_a_cut_frame_is_refused(name: str) -> None:
    codec = CODECS[name]()
    frame = codec.compress(b"0123456789" * 100)
    for end in range(len(frame)):
        with pytest.raises(CodecError):
            codec.decompress(frame[:end], 1000)
    with pytest.raises(CodecError):
        codec.decompress(frame + frame, 1000)


@EACH
def test_a_frame_of_more_than_it_may_have_takes_no_memory(name: str) -> None:
    codec = CODECS[name]()
    bomb = codec.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(CodecError, match="65536 bytes"):
            codec.decompress(bomb, 1 << 16)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_frame_that_says_no_length_is_refused() -> None:
    import zstandard

    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000))
    with pytest.raises(CodecError, match="more than 1000 bytes"):
        CODECS["zstd"]().decompress(silent, 1000)
