"""Objects as files of a folder."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pond.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidArgument,
    NoSpace,
    NotFound,
    ObjectChanged,
    PondError,
    StoreUnavailable,
)
from pond.store._protocol import ObjectInfo

if TYPE_CHECKING:
    from typing_extensions import Buffer

_TEMPORARY = ".pond-tmp-"


class FileStore:
    """Objects as files below a folder, written durably: temporary, fsync, rename, fsync of the folder.

    No etag is pinned: a folder that was copied elsewhere stays readable, and entries are verified anyway.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = "file://" + str(folder).replace("%", "%25")

    def get_range(self, key: str, offset: int, length: int, etag: str = "") -> "Buffer":
        """Return exactly ``length`` bytes at ``offset``."""
        del etag
        if length == 0:
            return b""
        try:
            descriptor = os.open(self.folder / key, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, length, offset)
                while len(data) < length:  # one pread returns at most 2 GiB
                    more = os.pread(descriptor, length - len(data), offset + len(data))
                    if not more:
                        raise ObjectChanged(f"{self.url}/{key}: shorter than when the version was made")
                    data += more
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._translated(error, key) from error
        return data

    def head(self, key: str) -> ObjectInfo:
        """Return what is known of an object."""
        try:
            return ObjectInfo(key, (self.folder / key).stat().st_size, "")
        except OSError as error:
            raise self._translated(error, key) from error

    def put(self, key: str, body: "Iterable[Buffer]") -> ObjectInfo:
        """Write an object of any size from parts."""
        return self._write(key, body, replace=True)

    def put_if_absent(self, key: str, body: "Buffer") -> ObjectInfo:
        """Write a small object in one step, or raise ``AlreadyExists``."""
        return self._write(key, [body], replace=False)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys start with ``prefix``."""
        if not os.path.isdir(self.folder):  # noqa: PTH112  (unlike Path.is_dir, it never raises)
            raise NotFound(f"{self.url}: no such folder")
        top = self.folder / prefix.rpartition("/")[0]
        try:
            for path in sorted(top.rglob("*")) if top.is_dir() else ():
                key = path.relative_to(self.folder).as_posix()
                if key.startswith(prefix) and path.is_file() and not path.name.startswith(_TEMPORARY):
                    yield ObjectInfo(key, path.stat().st_size, "")
        except OSError as error:
            raise self._translated(error, prefix) from error

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        try:
            (self.folder / key).unlink(missing_ok=True)
        except OSError as error:
            raise self._translated(error, key) from error

    def _write(self, key: str, body: "Iterable[Buffer]", *, replace: bool) -> ObjectInfo:
        path = self.folder / key
        temporary = None
        size = 0
        of_body: list[OSError] = []
        try:
            _make_folders(path.parent)
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidArgument(f"{self.url}: a file is in the way of its folders") from error
        except OSError as error:
            raise self._translated(error, key) from error
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
            with open(descriptor, "wb", buffering=1 << 20) as file:  # noqa: PTH123
                for part in _watched(body, of_body):
                    file.write(part)
                    size += len(memoryview(part))
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            if replace:
                os.replace(temporary, path)  # noqa: PTH105
            else:
                os.link(temporary, path)
                os.unlink(temporary)  # noqa: PTH108
            temporary = None
            _sync_folder(path.parent)
        except OSError as error:
            if error in of_body:
                raise
            raise self._translated(error, key) from error
        finally:
            if temporary is not None:
                os.unlink(temporary)  # noqa: PTH108
        return ObjectInfo(key, size, "")

    def _translated(self, error: OSError, key: str) -> PondError:
        where = f"{self.url}/{key}"
        if error.errno == errno.EEXIST:
            return AlreadyExists(f"{where}: exists already")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return NotFound(f"{where}: no such object")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return AccessDenied(f"{where}: {error.strerror}")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return NoSpace(f"{where}: {error.strerror}; free some space or choose another place")
        if error.errno in (errno.ENAMETOOLONG, errno.EISDIR):
            return InvalidArgument(f"{where}: {error.strerror}")
        return StoreUnavailable(f"{where}: {error.strerror}")


def _watched(body: "Iterable[Buffer]", failures: list[OSError]) -> "Iterator[Buffer]":
    """Yield the parts of a body, and note its error: it is its maker's, not the store's."""
    try:
        yield from body
    except OSError as error:
        failures.append(error)
        raise


def _make_folders(folder: Path) -> None:
    """Create a folder and its missing parents so that they survive a power failure."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
