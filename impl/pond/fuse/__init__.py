"""Serving a file system to the kernel, by one of two engines."""

from enum import StrEnum

from pond.errors import MountError
from pond.fuse._device import serve_device
from pond.fuse._mounts import topmost_mount
from pond.fuse._session import Session

__all__ = ["Engine", "Session", "serve", "topmost_mount"]


class Engine(StrEnum):
    """What speaks to the kernel: pond itself over /dev/fuse, or libfuse through pyfuse3."""

    DEVICE = "device"
    LIBFUSE = "libfuse"


def serve(session: Session, engine: Engine) -> None:
    """Mount, and serve until the mount is undone or SIGTERM, SIGINT or SIGHUP comes. For the main thread.

    Raises
    ------
    MountError
        The kernel or fusermount3 refuses, or the engine is not installed.
    """
    if engine is Engine.DEVICE:
        serve_device(session)
        return
    try:
        from pond.fuse._libfuse import serve_libfuse
    except ImportError as error:
        raise MountError(
            f"pyfuse3 cannot be loaded ({error}); install it with: pip install 'pond-pod-bench[fuse]'"
        ) from error
    serve_libfuse(session)
