"""What every store must do: inherited by the tests of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pond.errors import AlreadyExists, NotFound, ObjectChanged
from pond.store import ObjectStore

OpenStore = Callable[[], ObjectStore]


class SourceBroke(Exception):
    """Raised by a body, not by a store."""


def content(store: ObjectStore, key: str) -> bytes:
    return bytes(memoryview(store.get_range(key, 0, store.head(key).size_bytes)))


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.list(prefix))


class StoreSuite:
    """Subclasses have a fixture `store`: an empty store, and `leftovers`: what it holds beside its objects."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    @pytest.fixture
    def leftovers(self, store: ObjectStore) -> Callable[[], list[str]]:
        return list

    def test_an_object_comes_back(self, store: ObjectStore) -> None:
        info = store.put("packs/a.pack", [b"abc", b"", bytearray(b"def"), memoryview(b"ghi")])
        assert (info.key, info.size_bytes) == ("packs/a.pack", 9)
        assert content(store, "packs/a.pack") == b"abcdefghi"
        assert store.head("packs/a.pack") == info

    def test_a_range_comes_back_exactly(self, store: ObjectStore) -> None:
        data = bytes(range(256)) * 40
        store.put("key", [data])
        ranges = [(0, 1), (0, len(data)), (255, 2), (len(data) - 1, 1), (1000, 4096)]
        found = [bytes(memoryview(store.get_range("key", start, length))) for start, length in ranges]
        assert found == [data[start : start + length] for start, length in ranges]

    def test_no_bytes_are_no_request(self, store: ObjectStore) -> None:
        assert bytes(memoryview(store.get_range("not there", 7, 0))) == b""

    @pytest.mark.parametrize(("start", "length"), [(90, 11), (100, 1), (1000, 5)])
    def test_a_range_behind_the_end_says_that_the_object_changed(
        self, store: ObjectStore, start: int, length: int
    ) -> None:
        store.put("key", [bytes(100)])
        with pytest.raises(ObjectChanged, match="shorter than when the version was made"):
            store.get_range("key", start, length)

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        assert store.put("empty", []).size_bytes == 0
        assert store.head("empty").size_bytes == 0
        assert keys(store) == ["empty"]

    def test_many_parts_are_one_object(self, store: ObjectStore) -> None:
        parts = [bytes([i]) * (1 << 20) for i in range(20)]
        assert store.put("large", iter(parts)).size_bytes == 20 << 20
        assert content(store, "large") == b"".join(parts)

    def test_a_put_replaces(self, store: ObjectStore) -> None:
        store.put("key", [b"old and long"])
        store.put("key", [b"new"])
        assert content(store, "key") == b"new"

    @pytest.mark.parametrize("method", ["head", "get_range"])
    def test_a_missing_object_is_not_found(self, store: ObjectStore, method: str) -> None:
        store.put("other", [b"x"])
        arguments = {"head": ("versions/none",), "get_range": ("versions/none", 0, 1)}[method]
        with pytest.raises(NotFound, match="versions/none: no such object"):
            getattr(store, method)(*arguments)

    def test_a_listing_has_what_starts_with_the_prefix(self, store: ObjectStore) -> None:
        names = ["packs/a.pack", "packs/b.pack", "versions/v1.manifest", "versions/v10.manifest", "versionsx"]
        for name in names:
            store.put(name, [name.encode()])
        assert keys(store) == names
        assert keys(store, "versions/") == ["versions/v1.manifest", "versions/v10.manifest"]
        assert keys(store, "versions/v1.") == ["versions/v1.manifest"]
        assert keys(store, "versions") == names[2:]
        assert keys(store, "none/") == []
        assert {info.key: info.size_bytes for info in store.list("")} == {name: len(name) for name in names}

    def test_delete_deletes_and_a_missing_object_is_no_error(self, store: ObjectStore) -> None:
        store.put("a", [b"x"])
        store.put("b", [b"x"])
        store.delete("a")
        store.delete("a")
        assert keys(store) == ["b"]

    def test_put_if_absent_writes_once(self, store: ObjectStore) -> None:
        assert store.put_if_absent("versions/v1", b"first").size_bytes == 5
        with pytest.raises(AlreadyExists, match="versions/v1: exists already"):
            store.put_if_absent("versions/v1", b"second")
        assert content(store, "versions/v1") == b"first"

    def test_of_concurrent_put_if_absent_one_wins(self, store: ObjectStore) -> None:
        writers = 8
        together = Barrier(writers)

        def write(number: int) -> bool:
            together.wait(30)
            try:
                store.put_if_absent("versions/v1", b"%d" % number * 1000)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(writers) as pool:
            won = [number for number, won in enumerate(pool.map(write, range(writers))) if won]
        assert len(won) == 1
        assert content(store, "versions/v1") == b"%d" % won[0] * 1000

    @pytest.mark.parametrize("parts", [0, 1, 12])
    def test_a_put_whose_body_breaks_leaves_nothing(
        self, store: ObjectStore, leftovers: Callable[[], list[str]], parts: int
    ) -> None:
        store.put("other", [b"x"])

        def body() -> Iterator[bytes]:
            for _ in range(parts):
                yield bytes(1 << 20)
            raise SourceBroke

        with pytest.raises(SourceBroke):
            store.put("packs/a.pack", body())
        assert keys(store) == ["other"]
        assert leftovers() == []

    @pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "source"), FileExistsError()])
    def test_what_a_body_raises_is_not_taken_for_the_store_s_error(
        self, store: ObjectStore, error: OSError
    ) -> None:
        def body() -> Iterator[bytes]:
            yield b"x"
            raise error

        with pytest.raises(type(error)) as raised:
            store.put("packs/a.pack", body())
        assert raised.value is error

    def test_it_may_be_used_by_many_threads(self, store: ObjectStore) -> None:
        store.put("key", [bytes(range(256)) * 256])
        with ThreadPoolExecutor(16) as pool:
            found = list(
                pool.map(lambda i: bytes(memoryview(store.get_range("key", i * 256, 256))), range(200))
            )
        assert found == [bytes(range(256))] * 200

    @pytest.mark.parametrize("name", ["späße ☃", "with space", "a+b&c=d", "50%25", "hash#question?"])
    def test_keys_are_taken_as_they_are(self, store: ObjectStore, name: str) -> None:
        store.put(f"odd/{name}", [b"x"])
        assert keys(store, "odd/") == [f"odd/{name}"]
        assert content(store, f"odd/{name}") == b"x"
