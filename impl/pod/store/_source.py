"""Where decoders read the pieces of pods, and find globals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.chunks import PIECE_BYTES
from pod.errors import Corrupt
from pod.graph import by_name, memory
from pod.store._coats import Undressing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.graph import Pod
    from pod.log import Log
    from pod.store._codecs import Data


class Source:
    """Reads bare pieces."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def streams(self, pod: Pod) -> Iterator[Data]:
        """Yield a pod's chunks; each is gone when the next is asked for."""
        return self._log.read_through(pod.streams)

    def blob(self, digests: Sequence[bytes], _length: int, /) -> memoryview:
        return self._log.read_joined(digests)

    def blob_into(self, digests: Sequence[bytes], target: memoryview, /) -> None:
        self._log.read_joined(digests, target)

    def memory(self, value: object, /) -> memoryview:
        return memory(value)

    def by_name(self, module: str, qualname: str, /) -> object:
        return by_name(module, qualname)


class CoatedSource(Source):
    """Reads the pieces of pods with one kind of coat. It takes no more memory than a pod says that it has."""

    def __init__(self, log: Log, code: int) -> None:
        super().__init__(log)
        self._coat = Undressing(code, log.path)

    def streams(self, pod: Pod) -> Iterator[Data]:
        left = pod.size_bytes - sum(length for length, _found in pod.blobs)
        for piece in self._log.read_through(pod.streams):
            data = self._coat.undress(piece, left)
            left -= len(data)
            yield data

    def blob(self, digests: Sequence[bytes], length: int, /) -> memoryview:
        if not (len(digests) - 1) * PIECE_BYTES <= length <= len(digests) * PIECE_BYTES:
            raise self._unlike(f"{len(digests)} pieces for {length} bytes")
        whole = memoryview(bytearray(length))
        self.blob_into(digests, whole)
        return whole

    def blob_into(self, digests: Sequence[bytes], target: memoryview, /) -> None:
        whole = target.cast("B")
        at = 0
        for piece in self._log.read_through(digests):
            part = whole[at : at + PIECE_BYTES]
            data = self._coat.undress(piece, len(part))
            if len(data) != len(part):
                raise self._unlike(f"{len(data)} bytes in place of {len(part)}")
            part[:] = data
            at += len(part)
        if at != len(whole):
            raise self._unlike(f"{at} bytes in place of {len(whole)}")

    def _unlike(self, what: str) -> Corrupt:
        return Corrupt(
            f"{self._log.path}: a blob is not what its pod's record says: {what}; load another version"
        )
