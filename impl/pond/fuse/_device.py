"""The kernel's requests, read from and answered to /dev/fuse itself.

One thread reads requests and answers them from memory. A read that must wait is answered by the thread that fetched
the last of its bytes, so that nothing else waits for it, and no event loop stands between the two. This costs about
half the CPU a file of the same through libfuse and trio (``_libfuse``), which shares two cores with what reads.

A reader that was killed is let go at once, though its bytes may still be on their way; one that was merely signalled
waits on, for reads of regular files are not expected to end early.

Inodes live in the version's manifest: FORGET has nothing to forget. What a read-only file system has no use for is
answered ENOSYS, after which the kernel stops asking.
"""

import contextlib
import errno
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from pond.errors import MountError
from pond.filesystem import Attributes, Read, errno_of
from pond.fuse import _abi as abi
from pond.fuse._attach import attach, detach, device_at, read_whole_files
from pond.fuse._session import Session

if TYPE_CHECKING:
    from typing_extensions import Buffer

_log = logging.getLogger(__name__)

_BUFFER_BYTES: Final = 64 << 10
_MAX_WRITE_BYTES: Final = 4096
_MAX_PAGES: Final = 256
_MAX_BACKGROUND: Final = 128
_NAME_MAX: Final = 255
_STATFS_BLOCK_BYTES: Final = 4096
_HEADER_BYTES: Final = abi.IN_HEADER.size
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_KILL: Final = 1 << (signal.SIGKILL - 1)
_CORE: Final = sum(
    1 << (number - 1)
    for number in (
        signal.SIGQUIT,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGSEGV,
        signal.SIGXCPU,
        signal.SIGXFSZ,
        signal.SIGSYS,
    )
)
_ASK_AGAIN_S: Final = 0.2
_WANTED: Final = (
    abi.InitFlag.ASYNC_READ
    | abi.InitFlag.DO_READDIRPLUS
    | abi.InitFlag.ASYNC_DIO
    | abi.InitFlag.PARALLEL_DIROPS
    | abi.InitFlag.MAX_PAGES
    | abi.InitFlag.CACHE_SYMLINKS
)


class _Stop(Exception):
    """A signal came while the loop waited for a request."""


def serve_device(session: Session) -> None:
    """Mount, and serve until the mount is undone or SIGTERM, SIGINT or SIGHUP comes. For the main thread.

    Raises
    ------
    MountError
        The kernel or fusermount3 refuses.
    """
    device = _Device(session)
    before = {number: signal.signal(number, device.on_signal) for number in _SIGNALS}
    try:
        device.attach()
        device.run()
    finally:
        for number in _SIGNALS:  # a second one must not keep the mount from being undone
            signal.signal(number, signal.SIG_IGN)
        session.ending()
        device.detach()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Device:
    """One connection to the kernel."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = session.files
        self._descriptor = -1
        self._number = ""
        self._uid = os.getuid()
        self._gid = os.getgid()
        self._valid_s = int(session.timeout_s)
        self._valid_ns = int(session.timeout_s % 1 * 1e9)
        self._stopping = self._waiting = False
        self._caller = 0
        self._readers: dict[int, int] = {}  # a read that waits -> the thread whose it is
        self._handlers: dict[int, Callable[[int, int, memoryview], None]] = {
            abi.Operation.INIT: self._init,
            abi.Operation.LOOKUP: self._lookup,
            abi.Operation.GETATTR: self._getattr,
            abi.Operation.READLINK: self._readlink,
            abi.Operation.STATFS: self._statfs,
            abi.Operation.OPEN: self._open,
            abi.Operation.READ: self._read,
            abi.Operation.RELEASE: self._release,
            abi.Operation.OPENDIR: self._opendir,
            abi.Operation.READDIR: self._readdir,
            abi.Operation.READDIRPLUS: self._readdirplus,
            abi.Operation.RELEASEDIR: self._done,
            abi.Operation.INTERRUPT: self._interrupt,
            abi.Operation.DESTROY: self._done,
        }
        self._unanswered = frozenset((abi.Operation.FORGET, abi.Operation.BATCH_FORGET))

    def attach(self) -> None:
        """Mount."""
        session = self._session
        self._descriptor = attach(session.mountpoint, session.source, allow_other=session.allow_other)
        self._number = device_at(session.mountpoint)

    def detach(self) -> None:
        """Undo the mount, if there is one."""
        if self._descriptor >= 0:
            detach(self._session.mountpoint, self._descriptor, self._number)
            os.close(self._descriptor)

    def run(self) -> None:
        """Answer requests until the end.

        Raises
        ------
        MountError
            The kernel speaks too old a protocol.
        """
        with contextlib.suppress(_Stop):
            self._loop()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """End as soon as that can be."""
        _log.info("%s: unmounting", signal.Signals(number).name)
        self._stopping = True
        if self._waiting:
            raise _Stop
        # what this thread is at may wait for bytes, or hold a lock that ending takes
        threading.Thread(target=self._session.ending, daemon=True).start()

    def _loop(self) -> None:
        buffer = bytearray(_BUFFER_BYTES)
        view = memoryview(buffer)
        handlers, unpack, descriptor = self._handlers, abi.IN_HEADER.unpack_from, self._descriptor
        while True:
            self._waiting = True
            if self._stopping:
                return
            try:
                length = os.readv(descriptor, [buffer])
            except OSError as error:
                if error.errno in (errno.ENODEV, errno.ENOTCONN):  # unmounted, or aborted
                    return
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):  # the request was taken back
                    continue
                raise
            self._waiting = False
            _, operation, unique, node, _, _, self._caller, _, _ = unpack(buffer)
            handler = handlers.get(operation)
            if handler is None:
                if operation not in self._unanswered:
                    self._refuse(unique, errno.ENOSYS)
                continue
            try:
                handler(unique, node, view[_HEADER_BYTES:length])
            except OSError as error:
                self._refuse(unique, error.errno or errno.EIO)
            except MountError:
                raise
            except Exception as error:  # noqa: BLE001  (a request must be answered, whatever happens)
                _log.exception("operation %d failed", operation)
                self._refuse(unique, errno_of(error))

    # --- replies ---------------------------------------------------------------------------------

    def _reply(self, unique: int, *parts: "Buffer") -> None:
        length = abi.OUT_HEADER.size + sum(len(memoryview(part)) for part in parts)
        try:
            os.writev(self._descriptor, [abi.OUT_HEADER.pack(length, 0, unique), *parts])
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EBADF):  # nobody waits for it any more
                raise

    def _refuse(self, unique: int, number: int) -> None:
        try:
            os.write(self._descriptor, abi.OUT_HEADER.pack(abi.OUT_HEADER.size, -number, unique))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EBADF):
                raise

    def _attr(self, attributes: Attributes) -> bytes:
        seconds, nanoseconds = divmod(attributes.mtime_ns, 1_000_000_000)
        return abi.ATTR.pack(
            attributes.ino,
            attributes.size,
            attributes.blocks,
            seconds,
            seconds,
            seconds,
            nanoseconds,
            nanoseconds,
            nanoseconds,
            attributes.mode,
            attributes.links,
            self._uid,
            self._gid,
            0,
            attributes.block_bytes,
            0,
        )

    def _entry(self, attributes: Attributes) -> bytes:
        valid_s, valid_ns = self._valid_s, self._valid_ns
        head = abi.ENTRY_OUT.pack(attributes.ino, 0, valid_s, valid_s, valid_ns, valid_ns)
        return head + self._attr(attributes)

    # --- requests --------------------------------------------------------------------------------

    def _init(self, unique: int, _node: int, body: memoryview) -> None:
        major, minor, readahead, flags = abi.INIT_IN.unpack_from(body)
        if (major, minor) < (abi.MAJOR, abi.MINOR):
            self._refuse(unique, errno.EPROTO)
            raise MountError(f"this kernel speaks FUSE {major}.{minor}; pond needs 7.31 (Linux 5.4) or later")
        agreed = abi.INIT_OUT.pack(
            abi.MAJOR,
            abi.MINOR,
            readahead,
            flags & _WANTED,
            _MAX_BACKGROUND,
            _MAX_BACKGROUND * 3 // 4,
            _MAX_WRITE_BYTES,
            1,
            _MAX_PAGES,
            0,
            0,
            0,
        )
        self._reply(unique, agreed)
        read_whole_files(self._session.mountpoint)
        self._session.ready()

    def _lookup(self, unique: int, node: int, body: memoryview) -> None:
        try:
            found = self._files.lookup(node, bytes(body[:-1]))
        except FileNotFoundError:  # the kernel remembers what is not there like what is
            missing = abi.ENTRY_OUT.pack(0, 0, self._valid_s, 0, self._valid_ns, 0)
            self._reply(unique, missing, bytes(abi.ATTR.size))
            return
        self._reply(unique, self._entry(found))

    def _getattr(self, unique: int, node: int, _body: memoryview) -> None:
        valid = abi.ATTR_OUT.pack(self._valid_s, self._valid_ns, 0)
        self._reply(unique, valid, self._attr(self._files.attributes(node)))

    def _readlink(self, unique: int, node: int, _body: memoryview) -> None:
        self._reply(unique, self._files.target(node))

    def _statfs(self, unique: int, _node: int, _body: memoryview) -> None:
        usage = self._files.usage()
        blocks = -(-usage.bytes // _STATFS_BLOCK_BYTES)
        size = _STATFS_BLOCK_BYTES
        self._reply(unique, abi.STATFS_OUT.pack(blocks, 0, 0, usage.nodes, 0, size, _NAME_MAX, size))

    def _open(self, unique: int, node: int, body: memoryview) -> None:
        flags, _ = abi.OPEN_IN.unpack_from(body)
        number = self._files.open(node, flags)
        if self._files.is_control(node) or not self._session.page_cache:
            how = abi.OpenFlag.DIRECT_IO
        else:
            how = abi.OpenFlag.KEEP_CACHE if self._files.may_keep_pages(node) else abi.OpenFlag(0)
        self._reply(unique, abi.OPEN_OUT.pack(number, how, 0))

    def _release(self, unique: int, _node: int, body: memoryview) -> None:
        self._files.release(abi.RELEASE_IN.unpack_from(body)[0])
        self._reply(unique)

    def _read(self, unique: int, _node: int, body: memoryview) -> None:
        handle, offset, size = abi.READ_IN.unpack_from(body)
        read = self._files.read(handle, offset, size)
        if not read.waiting:
            self._reply(unique, read.result(0))
            return
        path = self._files.path(handle)
        began = time.perf_counter()
        waiting = iter(read.waiting)

        def go_on(_: object = None) -> None:
            for future in waiting:
                if not future.done():
                    future.add_done_callback(go_on)
                    return
            self._session.metrics.read_seconds.observe(time.perf_counter() - began)
            self._answer(unique, read, f"{path}: read of {size} bytes at {offset}")

        self._readers[unique] = self._caller
        if self._files.serial:
            _settle(read.waiting)
        go_on()

    def _interrupt(self, unique: int, _node: int, body: memoryview) -> None:
        waiting: int = abi.INTERRUPT_IN.unpack_from(body)[0]
        reader = self._readers.get(waiting)
        if reader is None:
            return
        if is_dying(reader):
            self._refuse(waiting, errno.EINTR)  # what the fetch answers later finds nobody, which is no error
            return
        again = threading.Timer(
            _ASK_AGAIN_S, self._refuse, (unique, errno.EAGAIN)
        )  # the kernel says it once only
        again.daemon = True
        again.start()

    def _answer(self, unique: int, read: Read, what: str) -> None:
        self._readers.pop(unique, None)
        try:
            data = read.result(0)
        except Exception as error:  # noqa: BLE001  (it must become an errno, and be named)
            _log.error("%s: %s", what, error)
            self._refuse(unique, errno_of(error))
        else:
            self._reply(unique, data)

    def _opendir(self, unique: int, node: int, _body: memoryview) -> None:
        self._reply(unique, abi.OPEN_OUT.pack(node, 0, 0))

    def _readdir(self, unique: int, node: int, body: memoryview) -> None:
        self._list(unique, node, body, plus=False)

    def _readdirplus(self, unique: int, node: int, body: memoryview) -> None:
        self._list(unique, node, body, plus=True)

    def _list(self, unique: int, node: int, body: memoryview, *, plus: bool) -> None:
        _, start, size = abi.READ_IN.unpack_from(body)
        records: list[bytes] = []
        room = size
        for name, attributes, following in self._files.children(node, start):
            dirent = abi.DIRENT.pack(attributes.ino, following, len(name), attributes.mode >> 12)
            record = dirent + name + bytes(-len(name) % 8)
            if plus:
                record = self._entry(attributes) + record
            room -= len(record)
            if room < 0:
                break
            records.append(record)
        self._reply(unique, b"".join(records))

    def _done(self, unique: int, _node: int, _body: memoryview) -> None:
        self._reply(unique)


def is_dying(thread: int) -> bool:
    """Say whether a signal waits for a thread that will end it.

    The kernel makes SIGKILL of a deadly signal that nobody handles when it is sent, except of those that dump core.
    """
    try:
        status = Path(f"/proc/{thread}/status").read_text()
    except OSError:
        return False
    mask = {
        name: int(value, 16)
        for name, _, value in (line.partition(":") for line in status.splitlines())
        if name in {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"}
    }
    pending = mask["SigPnd"] | mask["ShdPnd"]
    deadly = _KILL | _CORE & ~(mask["SigBlk"] | mask["SigIgn"] | mask["SigCgt"])
    return bool(pending & deadly)


def _settle(waiting: list[Future[bytes]]) -> None:
    """Wait for all, whatever becomes of them."""
    for future in waiting:
        future.exception()
