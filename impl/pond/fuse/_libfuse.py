"""The binding to the kernel through pyfuse3 and libfuse: the portable engine beside ``_device``.

Every handler answers from memory but ``read`` and ``readdir``'s caller, so that a miss never stalls another reader, a
lookup or a stat: a read that must wait suspends its own task only. Inodes live in the version's manifest, so that
``forget`` has nothing to forget.

On a mount with ``--no-page-cache`` files are opened with ``direct_io``: every read(2) comes here and the kernel keeps
no pages. With ``--page-cache`` they are opened with ``keep_cache``, which an immutable version justifies.
"""

import contextlib
import errno
import logging
import os
import signal
import string
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import cast
from urllib.parse import quote

import pyfuse3
import trio

from pond.errors import MountError
from pond.filesystem import Attributes, Read, errno_of
from pond.fuse._attach import read_whole_files
from pond.fuse._session import Session

_log = logging.getLogger(__name__)

_NAME_MAX = 255
_MAX_TASKS = 256


class _Operations(pyfuse3.Operations):
    """Answers the kernel's requests from a ``Filesystem``."""

    enable_writeback_cache = False

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._files = session.files
        self._metrics = session.metrics
        self._page_cache = session.page_cache
        self._timeout_s = session.timeout_s
        self._uid = os.getuid()
        self._gid = os.getgid()
        self._one_at_a_time = trio.Lock() if session.files.serial else None

    async def lookup(self, parent_inode: int, name: bytes, ctx: object = None) -> pyfuse3.EntryAttributes:
        """Answer LOOKUP; a name that is not there is remembered by the kernel like one that is."""
        try:
            return self._entry(self._files.lookup(parent_inode, name))
        except OSError as error:
            if error.errno == errno.ENOENT:
                missing = pyfuse3.EntryAttributes()
                missing.st_ino = 0
                missing.entry_timeout = self._timeout_s
                return missing
            raise _refusal(error) from None

    async def getattr(self, inode: int, ctx: object = None) -> pyfuse3.EntryAttributes:
        """Answer GETATTR."""
        try:
            return self._entry(self._files.attributes(inode))
        except OSError as error:
            raise _refusal(error) from None

    async def readlink(self, inode: int, ctx: object) -> bytes:
        """Answer READLINK."""
        try:
            return self._files.target(inode)
        except OSError as error:
            raise _refusal(error) from None

    async def opendir(self, inode: int, ctx: object) -> int:
        """Answer OPENDIR; the inode is the handle."""
        return inode

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Answer READDIR and READDIRPLUS."""
        try:
            for name, attributes, following in self._files.children(fh, start_id):
                if not pyfuse3.readdir_reply(token, name, self._entry(attributes), following):
                    return
        except OSError as error:
            raise _refusal(error) from None

    async def statfs(self, ctx: object) -> pyfuse3.StatvfsData:
        """Answer STATFS: a full file system of the version's size."""
        usage = self._files.usage()
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = 4096
        data.f_blocks = -(-usage.bytes // 4096)
        data.f_files = usage.nodes
        data.f_namemax = _NAME_MAX
        data.f_bfree = data.f_bavail = data.f_ffree = data.f_favail = 0
        return data

    async def open(self, inode: int, flags: int, ctx: object) -> pyfuse3.FileInfo:
        """Answer OPEN."""
        try:
            number = self._files.open(inode, flags)
        except OSError as error:
            raise _refusal(error) from None
        if self._files.is_control(inode) or not self._page_cache:
            return pyfuse3.FileInfo(fh=number, direct_io=True)
        return pyfuse3.FileInfo(fh=number, keep_cache=self._files.may_keep_pages(inode))

    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Answer READ."""
        if self._one_at_a_time is None:
            return await self._read(fh, off, size)
        async with self._one_at_a_time:
            return await self._read(fh, off, size)

    async def _read(self, fh: int, off: int, size: int) -> bytes:
        try:
            read = self._files.read(fh, off, size)
            if read.waiting:
                began = time.perf_counter()
                await _arrival(read)
                self._metrics.read_seconds.observe(time.perf_counter() - began)
            return cast(bytes, read.result(0))  # any buffer will do
        except OSError as error:
            raise _refusal(error) from None
        except Exception as error:  # noqa: BLE001  (it must become an errno, and be named)
            _log.error("%s: read of %d bytes at %d: %s", self._files.path(fh), size, off, error)
            raise pyfuse3.FUSEError(errno_of(error)) from None

    async def release(self, fh: int) -> None:
        """Answer RELEASE."""
        self._files.release(fh)

    def _entry(self, attributes: Attributes) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = attributes.ino
        entry.st_mode = attributes.mode
        entry.st_nlink = attributes.links
        entry.st_uid = self._uid
        entry.st_gid = self._gid
        entry.st_size = attributes.size
        entry.st_blksize = attributes.block_bytes
        entry.st_blocks = attributes.blocks
        entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = attributes.mtime_ns
        entry.entry_timeout = entry.attr_timeout = self._timeout_s
        return entry


def _refusal(error: OSError) -> pyfuse3.FUSEError:
    return pyfuse3.FUSEError(error.errno or errno.EIO)


async def _arrival(read: Read) -> None:
    """Wait until all of a read has come, or failed, without holding up other requests."""
    token = trio.lowlevel.current_trio_token()
    for future in read.waiting:
        if not future.done():
            event = trio.Event()
            future.add_done_callback(_waker(token, event))
            await event.wait()


def _waker(token: trio.lowlevel.TrioToken, event: trio.Event) -> Callable[[Future[bytes]], None]:
    def wake(_: Future[bytes]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(event.set)

    return wake


def serve_libfuse(session: Session) -> None:
    """Mount, and serve until the mount is undone or SIGTERM, SIGINT or SIGHUP comes.

    Raises
    ------
    MountError
        The kernel or fusermount3 refuses.
    """
    options = {"ro", "nosuid", "nodev", "noatime", "default_permissions", "subtype=pond"}
    source = quote(os.fsencode(session.source), safe=string.punctuation + " ")  # pyfuse3 takes ASCII only
    options.add("fsname=" + source.replace("\\", "\\\\").replace(",", "\\,"))
    if session.allow_other:
        options.add("allow_other")
    try:
        pyfuse3.init(_Operations(session), str(session.mountpoint), options)
    except RuntimeError as error:
        raise MountError(f"{session.mountpoint}: the mount was refused ({error})") from error
    try:
        read_whole_files(session.mountpoint)
        trio.run(_serve, session.ready, session.ending)
    finally:
        pyfuse3.close(unmount=True)


async def _serve(ready: Callable[[], None], ending: Callable[[], None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, ending)
            ready()
            await pyfuse3.main(max_tasks=_MAX_TASKS)
            nursery.cancel_scope.cancel()


async def _stop_on_signal(signals: AsyncIterator[int], ending: Callable[[], None]) -> None:
    async for number in signals:
        _log.info("%s: unmounting", signal.Signals(number).name)
        ending()
        pyfuse3.terminate()
