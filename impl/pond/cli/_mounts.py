"""Commands about mounts: mount, umount, stats, clear-cache."""

import errno
import logging
import os
import signal
import sys
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pond import mount as mounting
from pond.cli._arguments import AddressArgument, JsonOption, MountpointArgument
from pond.cli._terminal import errors, print_json
from pond.errors import InvalidArgument, MountError, NotFound, PondError
from pond.fuse import Engine
from pond.metrics import parse_metrics
from pond.prefetch import PrefetchMode
from pond.sizes import format_size, parse_size

__all__ = ["commands"]

commands = typer.Typer()

_SYSLOG = Path("/dev/log")
_DEFAULTS = mounting.MountOptions()


def _size(text: str | int) -> int:
    try:
        return text if isinstance(text, int) else parse_size(text)
    except InvalidArgument as error:
        raise typer.BadParameter(str(error)) from error


def _size_option(name: str, default: int, text: str) -> Any:
    return typer.Option(name, help=text, parser=_size, metavar="SIZE", show_default=format_size(default))


@commands.command(epilog="Example: pond mount s3://my-bucket/coco@v1 /mnt/coco --max-cache-size 19GiB")
def mount(
    address: AddressArgument,
    mountpoint: MountpointArgument,
    chunk_size: Annotated[
        int,
        _size_option(
            "--chunk-size",
            _DEFAULTS.chunk_bytes,
            "Bytes of a GET ahead of a reader; several readers of one scan pool theirs.",
        ),
    ] = _DEFAULTS.chunk_bytes,
    readahead_size: Annotated[
        int,
        _size_option(
            "--readahead-size",
            _DEFAULTS.readahead_bytes,
            "How far ahead of a sequential reader; several of one scan pool theirs.",
        ),
    ] = _DEFAULTS.readahead_bytes,
    max_cache_size: Annotated[
        int, _size_option("--max-cache-size", _DEFAULTS.cache_bytes, "Upper bound of the cache.")
    ] = _DEFAULTS.cache_bytes,
    kernel_cache_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="How long the kernel may keep names and attributes.",
            show_default="a year",
        ),
    ] = mounting.FOREVER_S,
    page_cache: Annotated[
        bool, typer.Option("--page-cache/--no-page-cache", help="Whether the kernel may keep files' pages.")
    ] = True,
    prefetch: Annotated[
        PrefetchMode,
        typer.Option(
            help="auto: fill where the whole version fits into the cache, else sequential. blind is a control."
        ),
    ] = PrefetchMode.AUTO,
    prefetch_connections: Annotated[
        int, typer.Option(min=1, max=64, help="GETs ahead of readers at once.")
    ] = 12,
    allow_other: Annotated[bool, typer.Option("--allow-other", help="Let other users in.")] = False,
    engine: Annotated[
        Engine, typer.Option(help="What speaks to the kernel: pond itself, or libfuse through pyfuse3.")
    ] = Engine.DEVICE,
    background: Annotated[
        bool,
        typer.Option("--background/--foreground", help="Return once it is mounted, or stay until Ctrl-C."),
    ] = True,
    log_file: Annotated[
        Path | None, typer.Option(help="Append the log to this file.", show_default=False)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Mount a version, read-only."""
    options = mounting.MountOptions(
        chunk_bytes=chunk_size,
        readahead_bytes=readahead_size,
        cache_bytes=max_cache_size,
        kernel_cache_timeout_s=kernel_cache_timeout,
        page_cache=page_cache,
        prefetch=prefetch,
        prefetch_connections=prefetch_connections,
        allow_other=allow_other,
        engine=engine,
    )
    mountpoint = _resolved(mountpoint)
    if background and ready_fd is None:
        if log_file is not None:
            _log_handler(log_file, background=False).close()
        mounted = mounting.mount_background(_without_background(sys.argv[sys.argv.index("mount") + 1 :]))
        errors.print(f"mounted {mounted} at {mountpoint}")
        if log_file is None and not _SYSLOG.exists():
            errors.print("there is no syslog here: --log-file FILE keeps what goes wrong")
        return
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # who reads what is said may go; readers of files stay
    handler = _log_handler(log_file, background=ready_fd is not None)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("pond").setLevel(logging.DEBUG if debug else logging.INFO)

    def ready(mounted: str) -> None:
        if ready_fd is not None:
            mounting.report_ready(ready_fd, {"mounted": mounted})
        else:
            errors.print(f"mounted {mounted} at {mountpoint}; Ctrl-C unmounts")

    try:
        mounting.mount_foreground(address, mountpoint, options, ready)
    except PondError as error:
        if ready_fd is not None:
            mounting.report_ready(ready_fd, {"error": str(error), "code": error.code})
        raise
    logging.shutdown()
    os._exit(0)  # a GET that hangs must not keep the process


def _resolved(mountpoint: Path) -> Path:
    return Path(os.path.realpath(mountpoint))  # as the kernel lists it; unlike Path.resolve, dead mounts too


def _without_background(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument != "--background"]


def _log_handler(path: Path | None, *, background: bool) -> logging.Handler:
    """Return where the log goes: the file, else in the background the system's log, else standard error."""
    handler: logging.Handler
    if path is None and background and _SYSLOG.exists():
        handler = SysLogHandler(str(_SYSLOG), SysLogHandler.LOG_DAEMON)
        handler.ident = "pond: "
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        return handler
    try:
        handler = logging.StreamHandler() if path is None else logging.FileHandler(path)
    except OSError as error:
        raise InvalidArgument(f"--log-file {path}: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


@commands.command(epilog="Example: pond umount /mnt/coco")
def umount(mountpoint: MountpointArgument) -> None:
    """Undo a mount."""
    mounting.unmount(_resolved(mountpoint))


@commands.command(epilog="Example: pond stats /mnt/coco --json")
def stats(mountpoint: MountpointArgument, as_json: JsonOption = False) -> None:
    """Tell what a mount has done so far."""
    text = _control(mountpoint, ".prom/pond.prom")
    values = parse_metrics(text)
    if as_json:
        print_json(values)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in values.items():
        shown = (
            format_size(int(value))
            if "bytes" in name
            else f"{value:.3f}"
            if name.endswith("_sum")
            else f"{value:.0f}"
        )
        table.add_row(name.replace("_", " "), shown)
    Console().print(table)


@commands.command("clear-cache", epilog="Example: pond clear-cache /mnt/coco")
def clear_cache(mountpoint: MountpointArgument) -> None:
    """Empty a mount's cache; the kernel's pages of a file go when it is opened next."""
    typer.echo(_control(mountpoint, ".clearcache").strip())


def _control(mountpoint: Path, name: str) -> str:
    if not mounting.mounted_pond(_resolved(mountpoint)):
        raise NotFound(f"{mountpoint}: no pond is mounted here")
    try:
        return (mountpoint / name).read_text()
    except OSError as error:
        hint = (
            f"; undo the dead mount with: pond umount {mountpoint}" if error.errno == errno.ENOTCONN else ""
        )
        raise MountError(f"{mountpoint}/{name}: {error.strerror}{hint}") from error
