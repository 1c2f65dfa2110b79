"""What pieces of pods wear in the log: a codec's frame, and a salt before it.

The log stores every piece once, under the digest of its bytes, and so finds everything that is equal, however small and
however long ago it was stored. An option that finds less must make bytes differ that are equal: by a salt.

- The unit is the chunk (`chunk_dedup`), and everything is found: no salt.
- The unit is the pod: its salt is its key, with a number for each piece, so that chunks of equal pods are equal, and no
  others. Whatever the store holds is found, after a restart, too, without a table.
- A thesaurus remembers a number of bytes: what it knows has the salt that it was stored with, and everything else one
  that nothing has: its key, the tid and how often it was met without being known, hashed. So equal sessions make equal
  stores, and a save that starts over because it met a pod thought untouched stores the same again.

Nothing depends on the thesaurus: a pod is stored under the salt that it is given, and where the log lacks the pieces,
because a save failed or a collection threw them away, they are written. A forked process takes what it learns with it; what it
stored is stored anew when the parent meets it.

::

    coat     of a pod: b"" (bare), or what it wears (1: salt, 2: lz4, 4: zstd), a byte, and the pod's key, 16 bytes
    piece    [salt, 16 bytes], frame or data
    key      the first bytes of the digest of encoded [[bare chunk's digest..], [[bare piece's digest..]..]]
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from pod.chunks import cut
from pod.errors import Corrupt
from pod.format import digest_of, encode
from pod.store._codecs import CODECS, CodecError
from pod.store._host import Host
from pod.store._thesaurus import KEY_BYTES, SALT_BYTES, Thesaurus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Buffer

    from pod.format import Plain
    from pod.graph import Pod
    from pod.log import Pieces
    from pod.podding import Podding
    from pod.store._codecs import Codec, Data
    from pod.store._options import Options

_NUMBER_BYTES: Final = 4
_SALTED: Final = 1
_CODEC_CODES: Final = {"none": 0, "lz4": 2, "zstd": 4}


class Coats:
    """What the pods wear that one store writes."""

    def __init__(self, options: Options) -> None:
        by_pod = not options.chunk_dedup
        self.thesaurus: Thesaurus | None = None
        if options.thesaurus_bytes is not None:
            self.thesaurus = Thesaurus(options.thesaurus_bytes, as_published=options.fidelity == "paper")
        is_salted = by_pod or self.thesaurus is not None
        self.codec: Codec | None = None if options.codec == "none" else CODECS[options.codec]()
        self.code = _CODEC_CODES[options.codec] | (_SALTED if is_salted else 0)
        self._by_pod = by_pod

    def host(self, podding: Podding) -> Host:
        """Return what stores the pieces of one session."""
        if not self.code:
            return Host(podding)
        return _PodHost(podding, self) if self._by_pod else _ChunkHost(podding, self)

    def keep(self) -> None:
        """What was stored since is committed."""
        if self.thesaurus is not None:
            self.thesaurus.keep()

    def forget(self) -> None:
        """What was stored since is not committed."""
        if self.thesaurus is not None:
            self.thesaurus.forget()


class _CoatedHost(Host):
    """Dresses pieces."""

    def __init__(self, podding: Podding, coats: Coats) -> None:
        super().__init__(podding)
        self._coats = coats
        self._met: Counter[bytes] = Counter()

    def start_over(self) -> None:
        self._met.clear()

    def _salt(self, key: bytes) -> bytes:
        """Return the salt of a chunk or pod."""
        coats = self._coats
        if not coats.code & _SALTED:
            return b""
        thesaurus = coats.thesaurus
        if thesaurus is None:
            return key
        salt = thesaurus.find(key)
        if salt is None:
            times = self._met[key]
            self._met[key] += 1
            place = self.sink.tid.to_bytes(8, "big") + times.to_bytes(8, "big")
            salt = blake3(key + place).digest(SALT_BYTES)
            thesaurus.add(key, salt)
        return salt

    def _dress(self, salt: bytes, data: Data) -> tuple[bytes, list[Buffer]]:
        """Return a piece in its coat, and its digest."""
        codec = self._coats.codec
        parts: list[Buffer] = [data if codec is None else codec.compress(data)]
        if not salt:
            return digest_of(parts[0]), parts
        hashed = blake3(salt)
        hashed.update(parts[0])
        return hashed.digest(), [salt, *parts]

    def _put(self, dressed: Iterable[tuple[bytes, list[Buffer]]]) -> list[bytes]:
        """Store pieces one after the other; return their digests."""
        digests: list[bytes] = []

        def noted() -> Pieces:
            for digest, parts in dressed:
                digests.append(digest)
                yield digest, parts

        self.sink.put_all(noted())
        return digests


class _ChunkHost(_CoatedHost):
    """Dresses each piece by itself, as soon as it is there."""

    def __init__(self, podding: Podding, coats: Coats) -> None:
        super().__init__(podding, coats)
        self._bare: dict[bytes, bytes] = {}

    def put_chunks(self, chunks: Sequence[bytes], /) -> list[bytes]:
        return self._put(self._dressed(digest_of(data), data) for data in chunks)

    def put_blob(self, data: Buffer, /) -> list[bytes]:
        with cut(data) as pieces:
            return self._put(self._dressed(digest, part) for digest, part in pieces)

    def _dressed(self, bare: bytes, data: Data) -> tuple[bytes, list[Buffer]]:
        digest, parts = self._dress(self._salt(bare[:KEY_BYTES]), data)
        self._bare[digest] = bare
        return digest, parts

    def finish(self, pods: list[Pod]) -> list[Pod]:
        for pod in pods:
            pod.coat = bytes([self._coats.code]) + _key_of(pod, self._bare.__getitem__)
        return pods

    def let_go(self) -> None:
        self._bare.clear()


class _PodHost(_CoatedHost):
    """Keeps the pieces of pods until these are whole: only then there is a key."""

    def __init__(self, podding: Podding, coats: Coats) -> None:
        super().__init__(podding, coats)
        self._kept: dict[bytes, Data] = {}

    def put_chunks(self, chunks: Sequence[bytes], /) -> list[bytes]:
        digests = [digest_of(data) for data in chunks]
        self._kept.update(zip(digests, chunks, strict=True))
        return digests

    def put_blob(self, data: Buffer, /) -> list[bytes]:
        is_constant = type(data) is bytes
        digests: list[bytes] = []
        with cut(data) as pieces:
            for digest, part in pieces:
                digests.append(digest)
                # A reducer may write its next object's bytes to the same memory.
                self._kept.setdefault(digest, part if is_constant else bytes(part))
        return digests

    def finish(self, pods: list[Pod]) -> list[Pod]:
        for pod in pods:
            key = _key_of(pod, bytes)
            salts = map(partial(_numbered, self._salt(key)), count())
            pod.streams = self._store(salts, pod.streams)
            pod.blobs = [(length, self._store(salts, found)) for length, found in pod.blobs]
            pod.coat = bytes([self._coats.code]) + key
        return pods

    def _store(self, salts: Iterator[bytes], bare: Sequence[bytes]) -> list[bytes]:
        return self._put(self._dress(next(salts), self._kept[digest]) for digest in bare)

    def let_go(self) -> None:
        self._kept.clear()


def _numbered(salt: bytes, number: int) -> bytes:
    """Return the salt of a piece of a pod: what is equal within one is stored as often as it is there."""
    return salt[:-_NUMBER_BYTES] + number.to_bytes(_NUMBER_BYTES, "big")


def _key_of(pod: Pod, bare: Callable[[bytes], bytes]) -> bytes:
    """Return the key of a pod; `bare` gives a bare piece's digest for one of the pod's."""
    blobs: list[Plain] = [[bare(digest) for digest in found] for _length, found in pod.blobs]
    streams: list[Plain] = [bare(digest) for digest in pod.streams]
    return digest_of(encode([streams, blobs]))[:KEY_BYTES]


def key_of(pod: Pod) -> bytes:
    """Return the key of a pod that was read: it is that of its bytes, whatever they wear."""
    return pod.coat[1:] or _key_of(pod, bytes)


class Undressing:
    """Takes a kind of coat off the pieces of a store, which errors name."""

    def __init__(self, code: int, path: Path | str) -> None:
        names = {known: name for name, known in _CODEC_CODES.items()}
        codec = names.get(code & ~_SALTED)
        if codec is None:
            raise Corrupt(
                f"{path}: a pod wears a coat of kind {code}, which is unknown: a newer pod wrote it"
            )
        self._path = path
        self._codec = None if codec == "none" else CODECS[codec]()
        self._salt_bytes = SALT_BYTES if code & _SALTED else 0

    def undress(self, piece: memoryview, most: int) -> Data:
        """Return the bare bytes of a piece, at most so many; `Corrupt` if there are more."""
        data = piece[self._salt_bytes :]
        if self._codec is not None:
            try:
                return self._codec.decompress(data, most)
            except CodecError as error:
                raise Corrupt(
                    f"{self._path}: a piece is not what its pod's record says: {error}; load another version"
                ) from error
        if len(data) > most:
            raise Corrupt(
                f"{self._path}: a piece is not what its pod's record says: {len(data)} bytes where {most} are left; load"
                " another version"
            )
        return data
