"""Objects in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pond.errors import AccessDenied, InvalidArgument, NoSpace, NotFound
from pond.store import FileStore, ObjectStore, open_store
from tests.pond.store.suite import StoreSuite, content, keys


class TestFileStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return FileStore(tmp_path / "volume")

    @pytest.fixture
    def leftovers(self, tmp_path: Path, store: ObjectStore) -> Callable[[], list[str]]:
        def found() -> list[str]:
            paths = (path for path in (tmp_path / "volume").rglob("*") if path.is_file())
            return sorted(
                {path.relative_to(tmp_path / "volume").as_posix() for path in paths} - set(keys(store))
            )

        return found

    def test_a_folder_that_is_not_there_is_not_found(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="volume: no such folder"):
            list(FileStore(tmp_path / "volume").list(""))

    def test_a_temporary_is_never_listed(self, store: ObjectStore, tmp_path: Path) -> None:
        def body() -> Iterator[bytes]:
            yield b"x" * (2 << 20)
            assert [path.name for path in (tmp_path / "volume" / "packs").iterdir()] != []
            assert keys(store) == []

        store.put("packs/a.pack", body())
        assert keys(store) == ["packs/a.pack"]

    def test_a_folder_in_the_place_of_an_object_is_bad_usage(self, tmp_path: Path) -> None:
        (tmp_path / "volume" / "key").mkdir(parents=True)
        with pytest.raises(InvalidArgument, match="key: Is a directory"):
            FileStore(tmp_path / "volume").put("key", [b"x"])

    def test_a_name_that_is_too_long_is_bad_usage(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidArgument, match="File name too long"):
            store.put("x" * 300, [b"x"])

    def test_objects_may_be_read_by_others(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put("a", [b"x"])
        store.put_if_absent("b", b"x")
        modes = [(tmp_path / "volume" / name).stat().st_mode & 0o777 for name in "ab"]
        assert modes == [0o644, 0o644]

    def test_a_write_is_synced_before_it_is_named_and_so_is_its_folder(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.put("packs/first", [b"x"])
        calls: list[str] = []
        for name in ("fsync", "replace", "link"):
            real = getattr(os, name)

            def record(*args: object, real: Callable[..., object] = real, name: str = name) -> object:
                calls.append(name)
                return real(*args)

            monkeypatch.setattr(os, name, record)
        store.put("packs/a.pack", [b"x"])
        store.put_if_absent("packs/b.pack", b"x")
        assert calls == ["fsync", "replace", "fsync", "fsync", "link", "fsync"]

    def test_an_address_leads_to_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "50%25 of # and ?"
        FileStore(folder).put("key", [b"here"])
        quoted = str(folder).replace("%", "%25").replace("#", "%23").replace("?", "%3F")
        for address in (str(folder), f"file://{quoted}", f"file://localhost{quoted}"):
            assert content(open_store(address), "key") == b"here"

    def test_its_own_address_leads_back_to_it(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "50%25 of # and ?")
        store.put("key", [b"here"])
        assert content(open_store(store.url), "key") == b"here"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    store = FileStore(small_disk)
    with pytest.raises(NoSpace, match="free some space"):
        store.put("packs/a.pack", [bytes(1 << 20)] * 3)
    with pytest.raises(NoSpace, match="free some space"):
        store.put_if_absent("versions/v1", bytes(2 << 20))
    assert keys(store) == []
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def writes(store: FileStore) -> list[Callable[[], object]]:
    return [
        lambda: store.put("b", [b"x"]),
        lambda: store.put_if_absent("b", b"x"),
        lambda: store.delete("a"),
    ]


@pytest.mark.root
def test_a_read_only_file_system_is_access_denied(small_disk: Path) -> None:
    FileStore(small_disk).put("a", [b"x"])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for write in writes(FileStore(small_disk)):
        with pytest.raises(AccessDenied, match="Read-only file system"):
            write()
    assert keys(FileStore(small_disk)) == ["a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_access_denied(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    FileStore(folder).put("a", [b"x"])
    folder.chmod(0o555)
    for write in writes(FileStore(folder)):
        with pytest.raises(AccessDenied, match="Permission denied"):
            write()
    folder.chmod(0o755)
    assert keys(FileStore(folder)) == ["a"]
