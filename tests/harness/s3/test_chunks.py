"""Chunked bodies, however the network cuts them."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.s3._chunks import ChunkDecoder
from harness.s3._errors import S3Refusal
from harness.s3._sigv4 import ChunkSigner


def coded(chunks: list[bytes], trailers: str = "", signer: ChunkSigner | None = None) -> bytes:
    out = b""
    for chunk in [*[c for c in chunks if c], b""]:
        extension = f";chunk-signature={signer.next(hashlib.sha256(chunk).hexdigest())}" if signer else ""
        out += f"{len(chunk):x}{extension}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    return out + trailers.encode() + b"\r\n"


def decode(decoder: ChunkDecoder, wire: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    return b"".join(
        piece for start, end in itertools.pairwise(edges) for piece in decoder.feed(wire[start:end])
    )


def signer() -> ChunkSigner:
    return ChunkSigner(b"key", "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64)


@given(
    st.lists(st.binary(max_size=200), max_size=6), st.lists(st.integers(0, 1500), max_size=12), st.booleans()
)
def test_a_body_is_the_same_however_it_is_cut(chunks, cuts, signed):
    wire = coded(chunks, signer=signer() if signed else None)
    decoder = ChunkDecoder(signer() if signed else None)
    assert decode(decoder, wire, cuts) == b"".join(chunks)
    assert decoder.done


def test_trailers_are_kept():
    decoder = ChunkDecoder()
    assert decode(decoder, coded([b"x"], "x-amz-checksum-crc32: sOO8/Q==\r\n"), [3]) == b"x"
    assert decoder.trailers == {"x-amz-checksum-crc32": "sOO8/Q=="}


def test_a_body_cut_short_is_not_done():
    decoder = ChunkDecoder()
    assert decode(decoder, coded([b"abc"])[:-2], []) == b"abc"
    assert not decoder.done


@pytest.mark.parametrize(
    "wire", [b"zz\r\nabc", b"-1\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"0\r\n\r\nmore", b"1" * 20_000]
)
def test_what_is_no_chunk_is_refused(wire):
    with pytest.raises(S3Refusal) as error:
        decode(ChunkDecoder(), wire, [])
    assert error.value.code == "IncompleteBody"


def test_a_changed_chunk_is_refused():
    wire = coded([b"hello", b"world"], signer=signer()).replace(b"world", b"w0rld")
    with pytest.raises(S3Refusal) as error:
        decode(ChunkDecoder(signer()), wire, [])
    assert error.value.code == "SignatureDoesNotMatch"
