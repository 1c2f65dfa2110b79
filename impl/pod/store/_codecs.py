"""Compressing pieces, and undoing it without taking more memory than the piece may have."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

Data: TypeAlias = bytes | memoryview

_ZSTD_LEVEL: Final = 1


class CodecError(Exception):
    """These bytes are no frame of the codec, or one of too much."""


class Codec(Protocol):
    """A way to compress. Equal bytes must give equal frames, for pieces are found by their digests."""

    def compress(self, data: Data) -> bytes:
        """Return a frame that says how long the data is."""

    def decompress(self, frame: Data, most: int) -> bytes:
        """Return the data of a frame, if it has at most so many bytes; `CodecError` if not."""


class Lz4:
    """LZ4's frame format."""

    def __init__(self) -> None:
        import lz4.frame

        self._frame: Any = lz4.frame

    def compress(self, data: Data) -> bytes:
        frame: bytes = self._frame.compress(data)
        return frame

    def decompress(self, frame: Data, most: int) -> bytes:
        reader = self._frame.LZ4FrameDecompressor()
        try:
            data: bytes = reader.decompress(frame, max_length=most + 1)
        except RuntimeError as error:
            raise CodecError(str(error)) from error
        if len(data) > most or not reader.eof or reader.unused_data:
            raise CodecError(f"the frame does not end where its {most} bytes do")
        return data


class Zstd:
    """Zstandard's frame format, at its fastest level."""

    def __init__(self) -> None:
        import zstandard

        self._zstandard = zstandard
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def compress(self, data: Data) -> bytes:
        return self._compressor.compress(data)

    def decompress(self, frame: Data, most: int) -> bytes:
        try:
            if self._zstandard.get_frame_parameters(frame).content_size > most:  # or it does not say
                raise CodecError(f"the frame is of more than {most} bytes")
            return self._decompressor.decompress(frame, read_across_frames=False, allow_extra_data=False)
        except self._zstandard.ZstdError as error:
            raise CodecError(str(error)) from error


CODECS: Final[dict[str, type[Codec]]] = {"lz4": Lz4, "zstd": Zstd}
