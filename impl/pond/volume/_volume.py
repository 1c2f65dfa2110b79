"""A volume: its versions, and the bytes of each."""

import mmap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pond.errors import CorruptData, ForeignVolume, NoSuchBucket, NotFound, ObjectChanged
from pond.format import BLOCK_BYTES, Head, Manifest, Pack, VersionInfo, head_length, read_head
from pond.store import FileStore, ObjectStore, open_store
from pond.volume._address import VERSIONS, manifest_key, version_of_key

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEAD_GUESS_BYTES = 4096
_PART_BYTES = 4 << 20
_CONNECTIONS = 12
_FOREIGN_LOOK = 10_000


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack and the store that has it."""

    store: ObjectStore
    key: str
    etag: str
    length: int


class Version:
    """One immutable version of a volume.

    Attributes
    ----------
    manifest : the index
    info : what the version says of itself
    """

    def __init__(self, store: ObjectStore, manifest: Manifest) -> None:
        self._store = store
        self.manifest = manifest
        self.info = manifest.info
        self._packs: dict[int, StoredPack] = {}
        self._outside: dict[str, ObjectStore] = {}

    @property
    def url(self) -> str:
        """The version's address, as the user would write it."""
        return f"{self._store.url}@{self.info.version}"

    @property
    def store(self) -> ObjectStore:
        """Where the volume is kept."""
        return self._store

    @cached_property
    def stored_bytes(self) -> int:
        """The sum of the entries' lengths."""
        return sum(self.manifest.entry_length)

    def pack(self, number: int) -> StoredPack:
        """Return a pack of the version; safe to call from several threads."""
        found = self._packs.get(number)
        if found is None:
            found = self._packs[number] = self._located(self.manifest.pack(number))
        return found

    def _located(self, pack: Pack) -> StoredPack:
        if "://" not in pack.url:
            return StoredPack(self._store, pack.url, pack.etag, pack.length)
        folder, _, key = pack.url.rpartition("/")
        store = self._outside.get(folder)
        if store is None:
            store = self._outside[folder] = open_store(f"{folder}/")
        if isinstance(store, FileStore):
            key = unquote(key)
        return StoredPack(store, key, pack.etag, pack.length)

    def read(self, pack: int, offset: int, length: int) -> "Buffer":
        """Return bytes of a pack, unverified.

        Raises
        ------
        ObjectChanged, NotFound, AccessDenied, StoreUnavailable
        """
        stored = self.pack(pack)
        if offset + length > stored.length:
            raise ObjectChanged(f"{self.url}: an extent ends behind its pack {stored.key}")
        return stored.store.get_range(stored.key, offset, length, stored.etag)


class Volume:
    """A dataset under one prefix of a store, as a set of versions.

    Parameters
    ----------
    store
        Where it is kept.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @classmethod
    def open(cls, url: str) -> "Volume":
        """Open the volume at an address; nothing is read yet."""
        return cls(open_store(url))

    @property
    def url(self) -> str:
        """The volume's address."""
        return self.store.url

    def versions(self) -> list[VersionInfo]:
        """Return all versions, oldest first, in the order of the times at which they were made.

        Raises
        ------
        NotFound
            There is no such bucket or folder.
        ForeignVolume
            The prefix holds a volume of the published Pond.
        """
        names = [name for info in self.store.list(VERSIONS) if (name := version_of_key(info.key)) is not None]
        if not names:
            self._refuse_foreign()
            return []
        with ThreadPoolExecutor(min(32, len(names)), thread_name_prefix="pond-heads") as pool:
            infos = list(pool.map(lambda name: self._head(name)[0].info, names))
        return sorted(infos, key=lambda info: (info.time_ns, info.version))

    def latest(self) -> VersionInfo | None:
        """Return the version that was made last, or None."""
        versions = self.versions()
        return versions[-1] if versions else None

    def has(self, version: str) -> bool:
        """Say whether there is a version of that name."""
        try:
            self.store.head(manifest_key(version))
        except NotFound:
            return False
        return True

    def version(self, name: str | None = None) -> Version:
        """Load a version, the latest unless told.

        Raises
        ------
        NotFound
            There is no such version, or none at all.
        CorruptData
            The manifest does not match its digests.
        """
        if name is None:
            latest = self.latest()
            if latest is None:
                raise NotFound(f"{self.url}: no versions; make one with: pond create DIR {self.url} VERSION")
            name = latest.version
        head, start = self._head(name)
        data = self._whole(manifest_key(name), head, start)
        manifest = Manifest(data, f"{self.url}@{name}")
        if manifest.info.block_bytes != BLOCK_BYTES:
            raise CorruptData(
                f"{self.url}@{name}: blocks of {manifest.info.block_bytes} bytes, not {BLOCK_BYTES}"
            )
        return Version(self.store, manifest)

    def _head(self, name: str) -> tuple[Head, bytes]:
        """Return the head of a version's manifest and the bytes read for it."""
        key = manifest_key(name)
        try:
            size = self.store.head(key).size_bytes
        except NoSuchBucket:
            raise
        except NotFound as error:
            self._refuse_foreign()
            raise NotFound(
                f"{self.url}: no version {name!r}; see them with: pond versions {self.url}"
            ) from error
        where = f"{self.url}@{name}"
        start = bytes(memoryview(self.store.get_range(key, 0, min(size, _HEAD_GUESS_BYTES))))
        length = head_length(start, where)
        if length > size:
            raise CorruptData(f"{where}: the manifest is cut off")
        if length > len(start):
            start += bytes(memoryview(self.store.get_range(key, len(start), length - len(start))))
        head = read_head(start, where)
        if head.total_bytes != size:
            raise CorruptData(f"{where}: the manifest has {size} bytes instead of {head.total_bytes}")
        return head, start

    def _whole(self, key: str, head: Head, start: bytes) -> "Buffer":
        """Read the rest of a manifest over several connections into one anonymous mapping."""
        data = mmap.mmap(-1, head.total_bytes)
        view = memoryview(data)
        view[: len(start)] = start

        def fetch(offset: int) -> None:
            length = min(_PART_BYTES, head.total_bytes - offset)
            view[offset : offset + length] = memoryview(self.store.get_range(key, offset, length))

        offsets = range(len(start), head.total_bytes, _PART_BYTES)
        if offsets:
            with ThreadPoolExecutor(
                min(_CONNECTIONS, len(offsets)), thread_name_prefix="pond-manifest"
            ) as pool:
                list(pool.map(fetch, offsets))
        return view

    def _refuse_foreign(self) -> None:
        """Raise ``ForeignVolume`` if the prefix holds what the published Pond writes."""
        for info in islice(self.store.list(""), _FOREIGN_LOOK):
            if "/" not in info.key and info.key.endswith(".volume"):
                raise ForeignVolume(
                    f"{self.url}: a volume of the published Pond, whose format this pond does not read; "
                    "copy its files out with that Pond and pack them with: pond create DIR URL VERSION"
                )
