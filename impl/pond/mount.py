"""Mounting a version: from options to a running file system, in the foreground or behind."""

import contextlib
import ctypes
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pond.cache import EntryCache, Fetcher
from pond.errors import InvalidArgument, MountError, NotFound, PondError
from pond.filesystem import Filesystem
from pond.fuse import Engine, Session, serve, topmost_mount
from pond.metrics import Metrics
from pond.prefetch import PrefetchMode, choose_prefetch
from pond.sizes import format_size
from pond.store import ClientStore
from pond.volume import Version, Volume, parse_address

__all__ = [
    "Assembly",
    "MountOptions",
    "assemble",
    "check_fuse",
    "check_mountpoint",
    "mount_background",
    "mount_foreground",
    "mounted_pond",
    "report_ready",
    "unmount",
]

_log = logging.getLogger(__name__)

FOREVER_S = 365 * 86400.0
"""A version never changes: what the kernel knows of it holds for a year unless told otherwise."""

_LONGEST_S = 2**31 - 1
_M_ARENA_MAX = -8  # malloc.h


@dataclass(frozen=True, slots=True)
class MountOptions:
    """How a version is mounted; sizes in bytes.

    Attributes
    ----------
    chunk_bytes : size of a GET ahead of readers
    readahead_bytes : how far ahead of a sequential reader
    cache_bytes : upper bound of the cache
    kernel_cache_timeout_s : how long the kernel may keep names and attributes
    page_cache : whether the kernel may keep files' pages
    prefetch : what to fetch ahead
    prefetch_connections : GETs ahead of readers at once
    allow_other : let other users in
    engine : what speaks to the kernel
    """

    chunk_bytes: int = 8 << 20
    readahead_bytes: int = 32 << 20
    cache_bytes: int = 10 << 30
    kernel_cache_timeout_s: float = FOREVER_S
    page_cache: bool = True
    prefetch: PrefetchMode = PrefetchMode.AUTO
    prefetch_connections: int = 12
    allow_other: bool = False
    engine: Engine = Engine.DEVICE

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name, least in (("chunk_bytes", 4096), ("readahead_bytes", 0), ("cache_bytes", 1 << 20)):
            if getattr(self, name) < least:
                option = {"chunk_bytes": "--chunk-size", "readahead_bytes": "--readahead-size"}.get(
                    name, "--max-cache-size"
                )
                raise InvalidArgument(f"{option}: at least {format_size(least)}")
        if not 0 <= self.kernel_cache_timeout_s <= _LONGEST_S:
            raise InvalidArgument("--kernel-cache-timeout: from 0 to 2147483647 seconds")


@dataclass(frozen=True, slots=True)
class Assembly:
    """A version with everything between the store and the kernel."""

    filesystem: Filesystem
    fetcher: Fetcher
    metrics: Metrics


def assemble(version: Version, options: MountOptions) -> Assembly:
    """Put cache, fetcher, prefetch and file system together over a version."""
    metrics = Metrics()
    cache = EntryCache(options.cache_bytes, metrics)
    store = version.store
    if isinstance(store, ClientStore):
        store.on_retry = lambda reason: _note_retry(metrics, reason)
    fetcher = Fetcher(version, cache, metrics, prefetch_threads=options.prefetch_connections)
    prefetch = choose_prefetch(options.prefetch, fetcher, options.chunk_bytes, options.readahead_bytes)
    return Assembly(Filesystem(fetcher, prefetch, cache, metrics), fetcher, metrics)


def _note_retry(metrics: Metrics, reason: str) -> None:
    metrics.retries.inc()
    _log.warning("trying again: %s", reason)


def check_mountpoint(mountpoint: Path) -> None:
    """Raise unless a folder can be mounted over."""
    try:
        if not mountpoint.is_dir():
            if mountpoint.exists():
                raise InvalidArgument(f"{mountpoint}: not a folder")
            raise NotFound(f"{mountpoint}: no such mountpoint; make it with: mkdir -p {mountpoint}")
        in_use = mountpoint.is_mount()
        allowed = os.geteuid() == 0 or os.access(mountpoint, os.W_OK)
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            raise MountError(
                f"{mountpoint}: a dead mount is in the way; remove it with: pond umount {mountpoint}"
            ) from error
        raise MountError(f"{mountpoint}: {error.strerror}") from error
    if in_use:
        raise MountError(
            f"{mountpoint}: something is mounted here already; see it with: findmnt {mountpoint}"
        )
    if not allowed:
        raise MountError(f"{mountpoint}: only a folder that you may write to can be mounted over")


def check_fuse(*, allow_other: bool) -> None:
    """Raise unless this process can mount with FUSE."""
    if not Path("/dev/fuse").exists():
        raise MountError("/dev/fuse is missing: load the kernel module with: modprobe fuse")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        hint = "; as root: chmod 666 /dev/fuse" if error.errno == errno.EACCES else ""
        raise MountError(f"/dev/fuse cannot be opened: {error.strerror}{hint}") from error
    if os.geteuid() == 0:
        return  # others mount through fusermount3
    if shutil.which("fusermount3") is None:
        raise MountError("fusermount3 is missing: install it with: apt-get install fuse3")
    if allow_other and "user_allow_other" not in _fuse_conf():
        raise MountError("--allow-other needs the line user_allow_other in /etc/fuse.conf (or root)")


def _fuse_conf() -> list[str]:
    with contextlib.suppress(OSError):
        return [line.strip() for line in Path("/etc/fuse.conf").read_text().splitlines()]
    return []


def mount_foreground(
    address: str, mountpoint: Path, options: MountOptions, ready: Callable[[str], None]
) -> None:
    """Mount a version and serve it until it is unmounted; ``ready`` is told its full address.

    Raises
    ------
    PondError
        Nothing is mounted then.
    """
    check_mountpoint(mountpoint)
    check_fuse(allow_other=options.allow_other)
    _share_heaps()
    where = parse_address(address)
    version = Volume.open(where.url).version(where.version)
    _trim_heaps()
    _warn_of_memory(options.cache_bytes)
    assembly = assemble(version, options)
    session = Session(
        files=assembly.filesystem,
        metrics=assembly.metrics,
        mountpoint=mountpoint,
        source=version.url,
        page_cache=options.page_cache,
        timeout_s=options.kernel_cache_timeout_s,
        allow_other=options.allow_other,
        ready=lambda: ready(version.url),
        ending=assembly.fetcher.close,
    )
    serve(session, options.engine)


def _share_heaps() -> None:
    """Let all threads allocate from two heaps of glibc.

    By default each has a heap of its own, up to eight a core, and each holds on to the memory of what was evicted:
    a cache of 128 MiB then keeps 310 MB resident instead of 240. Giving each entry a mapping of its own (a lower
    M_MMAP_THRESHOLD) saves another 20 MB and costs twice the page faults, a second of CPU a GiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def _trim_heaps() -> None:
    """Give the system back what reading a manifest took."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _warn_of_memory(cache_bytes: int) -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if cache_bytes > total:
        _log.warning(
            "the cache may grow to %s, this machine has %s of memory",
            format_size(cache_bytes),
            format_size(total),
        )


def mount_background(arguments: list[str]) -> str:
    """Start ``pond mount --foreground`` with these arguments behind this process; return the mounted address.

    Raises
    ------
    MountError
        With the reason that the other process gave.
    """
    receive, send = os.pipe()
    command = [
        sys.executable,
        "-P",
        "-m",
        "pond",
        "mount",
        "--foreground",
        "--ready-fd",
        str(send),
        *arguments,
    ]
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(
                command,
                pass_fds=[send],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        finally:
            os.close(send)
        try:
            with open(receive, "rb") as pipe:  # noqa: PTH123
                answer = pipe.read()
        except BaseException:  # Ctrl-C: what is not mounted yet must not be later
            child.terminate()
            child.wait()
            raise
        threading.Thread(target=child.wait, daemon=True).start()
        if not answer:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise MountError(f"the mounting process ended: {last[0] if last else 'without a word'}")
    told: dict[str, str] = json.loads(answer)
    if "error" in told:
        kind = next((kind for kind in _kinds(PondError) if kind.code == told["code"]), MountError)
        raise kind(told["error"])
    return told["mounted"]


def _kinds(root: type[PondError]) -> Iterator[type[PondError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def report_ready(descriptor: int, told: dict[str, str]) -> None:
    """Answer the process that waits in ``mount_background``, once; nobody reads standard error from then on."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
        os.write(descriptor, json.dumps(told).encode())
        os.close(descriptor)


def mounted_pond(mountpoint: Path) -> bool:
    """Say whether a pond is mounted at a folder; asks the kernel, not the mount."""
    here = topmost_mount(mountpoint)
    return here is not None and here.type == "fuse.pond"


def unmount(mountpoint: Path) -> None:
    """Undo a mount of pond.

    Raises
    ------
    MountError
        No pond is mounted there, or it is in use.
    """
    if not mounted_pond(mountpoint):
        raise MountError(f"{mountpoint}: no pond is mounted here")
    tool = shutil.which("fusermount3")
    command = [tool, "-u", str(mountpoint)] if tool else ["umount", str(mountpoint)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        hint = "; see who uses it with: fuser -m" if "busy" in done.stderr else ""
        raise MountError(f"{mountpoint}: {reason[-1] if reason else 'cannot be unmounted'}{hint}")
