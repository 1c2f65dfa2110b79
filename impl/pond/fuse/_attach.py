"""Attaching a FUSE connection to a folder: by mount(2) as root, else through fusermount3."""

import array
import ctypes
import errno
import os
import select
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final

from pond.errors import MountError
from pond.fuse._mounts import topmost_mount

_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_NOATIME: Final = 1024
_MNT_DETACH: Final = 2
_FLAGS: Final = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOATIME
_READ_AHEAD_KIB: Final = 1024


def attach(mountpoint: Path, source: str, *, allow_other: bool) -> int:
    """Mount a new connection read-only and return its descriptor; the first request is already waiting there.

    Raises
    ------
    MountError
        The kernel or fusermount3 refuses.
    """
    options = ["default_permissions", *(["allow_other"] if allow_other else [])]
    if os.geteuid() == 0:
        return _attach_as_root(mountpoint, source, options)
    return _attach_by_helper(mountpoint, source, options)


def device_at(mountpoint: Path) -> str:
    """Return the number of the device that is mounted at a folder, as ``major:minor``."""
    here = topmost_mount(mountpoint)
    return here.device if here else ""


def detach(mountpoint: Path, descriptor: int, device: str) -> None:
    """Take a connection's mount away even if it is in use.

    One that is gone already is no error, and what was mounted at the folder since is not touched: the connection tells
    whether it still has a mount anywhere, and then the device number, which no other can have, whether it is there.
    """
    poll = select.poll()
    poll.register(descriptor, 0)
    gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if gone or device_at(mountpoint) != device:
        return
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(mountpoint), _MNT_DETACH)
        return
    subprocess.run(["fusermount3", "-u", "-q", "-z", "--", str(mountpoint)], check=False, capture_output=True)


def read_whole_files(mountpoint: Path) -> None:
    """Let the kernel's readahead ask for a whole small file at once, where that may be set (root)."""
    device = device_at(mountpoint)
    try:
        Path(f"/sys/class/bdi/{device}/read_ahead_kb").write_text(str(_READ_AHEAD_KIB))
    except OSError:
        return  # without it a file takes a few more requests


def _attach_as_root(mountpoint: Path, source: str, options: list[str]) -> int:
    descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    data = [
        f"fd={descriptor}",
        "rootmode=40000",
        f"user_id={os.getuid()}",
        f"group_id={os.getgid()}",
        *options,
    ]
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.mount(
        os.fsencode(source), os.fsencode(mountpoint), b"fuse.pond", _FLAGS, ",".join(data).encode()
    )
    if failed:
        number = ctypes.get_errno()
        os.close(descriptor)
        hint = "; mounting needs CAP_SYS_ADMIN" if number == errno.EPERM else ""
        raise MountError(f"{mountpoint}: the kernel refuses the mount: {os.strerror(number)}{hint}")
    return descriptor


def _attach_by_helper(mountpoint: Path, source: str, options: list[str]) -> int:
    helper = shutil.which("fusermount3")
    if helper is None:
        raise MountError("fusermount3 is missing: install it with: apt-get install fuse3")
    name = source.replace("\\", "\\\\").replace(",", "\\,")
    flags = ["ro", "nosuid", "nodev", "noatime", "subtype=pond", f"fsname={name}", *options]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        done = subprocess.run(
            [helper, "-o", ",".join(flags), "--", str(mountpoint)],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise MountError(f"{mountpoint}: {said[-1] if said else 'fusermount3 refuses the mount'}")
        _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
    for level, kind, body in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptor = array.array("i", body[: array.array("i").itemsize])[0]
            os.set_inheritable(descriptor, False)
            return descriptor
    raise MountError(f"{mountpoint}: fusermount3 handed over no descriptor")
