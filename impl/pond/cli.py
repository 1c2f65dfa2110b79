"""The command line of pond."""

import errno
import io
import json
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pond import mount as mounting
from pond.errors import InvalidArgument, MountError, NotFound, PondError
from pond.format import Manifest, VersionInfo
from pond.fuse import Engine
from pond.metrics import parse_metrics
from pond.prefetch import PrefetchMode
from pond.sizes import format_size, parse_size
from pond.volume import Address, Version, Volume, create_version, diff, parse_address, read_file, verify

__all__ = ["app", "main"]

app = typer.Typer(
    help="Versions of a dataset in object storage, mounted through a cache.\n\n"
    "A volume is addressed as s3://bucket/prefix, file:///path, a path or memory://; "
    "a version as URL@VERSION, the latest when left out. "
    "Credentials, region and endpoint come from the AWS environment and ~/.aws.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_DEFAULTS = mounting.MountOptions()
_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

AddressArgument = Annotated[str, typer.Argument(metavar="URL[@VERSION]", show_default=False)]
UrlArgument = Annotated[str, typer.Argument(metavar="URL", show_default=False)]
MountpointArgument = Annotated[Path, typer.Argument(metavar="MOUNTPOINT", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def _size(text: str | int) -> int:
    try:
        return text if isinstance(text, int) else parse_size(text)
    except InvalidArgument as error:
        raise typer.BadParameter(str(error)) from error


def _size_option(name: str, default: int, text: str) -> Any:
    return typer.Option(name, help=text, parser=_size, metavar="SIZE", show_default=format_size(default))


def _show_version(wanted: bool) -> None:
    if wanted:
        from pond import __version__

        typer.echo(f"pond {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command(epilog="Example: pond create train2017 s3://my-bucket/coco v1 -m 'first import'")
def create(
    folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    url: UrlArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", show_default=False)],
    message: Annotated[str, typer.Option("--message", "-m", help="What to say of the version.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Pack a folder into a new version of a volume."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clears up, as Ctrl-C does
    files, size = _measure(folder)
    skipped: list[bytes] = []
    with _progress("packing", files, size) as tell:
        info = create_version(
            Volume.open(_volume_url(url)),
            folder,
            version,
            message=message,
            progress=tell,
            on_skip=skipped.append,
        )
    for path in skipped:
        _errors.print(f"left out {os.fsdecode(path)}: neither file, folder nor symbolic link", style="yellow")
    if as_json:
        _print_json(_info(info))
    else:
        typer.echo(f"{info.version}: {info.files} files, {format_size(info.bytes)}")


@app.command(epilog="Example: pond mount s3://my-bucket/coco@v1 /mnt/coco --max-cache-size 19GiB")
def mount(
    address: AddressArgument,
    mountpoint: MountpointArgument,
    chunk_size: Annotated[
        int, _size_option("--chunk-size", _DEFAULTS.chunk_bytes, "Bytes of a GET ahead of readers.")
    ] = _DEFAULTS.chunk_bytes,
    readahead_size: Annotated[
        int,
        _size_option("--readahead-size", _DEFAULTS.readahead_bytes, "How far ahead of a sequential reader."),
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
    mountpoint = Path(os.path.abspath(mountpoint))  # noqa: PTH100  (a dead mount cannot be resolved)
    if background and ready_fd is None:
        if log_file is not None:
            _open_log(log_file, debug=debug).close()
        mounted = mounting.mount_background(_without_background(sys.argv[sys.argv.index("mount") + 1 :]))
        _errors.print(f"mounted {mounted} at {mountpoint}")
        return
    handler = _open_log(log_file, debug=debug)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("pond").setLevel(logging.DEBUG if debug else logging.INFO)

    def ready(mounted: str) -> None:
        if ready_fd is not None:
            mounting.report_ready(ready_fd, {"mounted": mounted})
        else:
            _errors.print(f"mounted {mounted} at {mountpoint}; Ctrl-C unmounts")

    try:
        mounting.mount_foreground(address, mountpoint, options, ready)
    except PondError as error:
        if ready_fd is not None:
            mounting.report_ready(ready_fd, {"error": str(error)})
        raise
    logging.shutdown()
    os._exit(0)  # a GET that hangs must not keep the process


def _without_background(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument != "--background"]


def _open_log(path: Path | None, *, debug: bool) -> logging.Handler:
    del debug
    try:
        handler = logging.StreamHandler() if path is None else logging.FileHandler(path)
    except OSError as error:
        raise InvalidArgument(f"--log-file {path}: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


@app.command(epilog="Example: pond umount /mnt/coco")
def umount(mountpoint: MountpointArgument) -> None:
    """Undo a mount."""
    mounting.unmount(Path(os.path.abspath(mountpoint)))  # noqa: PTH100


@app.command(epilog="Example: pond versions s3://my-bucket/coco")
def versions(url: UrlArgument, as_json: JsonOption = False) -> None:
    """List a volume's versions, oldest first, one a line."""
    infos = Volume.open(_volume_url(url)).versions()
    if as_json:
        _print_json([_info(info) for info in infos])
        return
    for info in infos:
        typer.echo(info.version)
    if not infos:
        _errors.print(f"no versions; make one with: pond create DIR {url} VERSION")


@app.command(epilog="Example: pond log s3://my-bucket/coco")
def log(url: UrlArgument, as_json: JsonOption = False) -> None:
    """Tell a volume's history, newest first: when, what, how much."""
    infos = Volume.open(_volume_url(url)).versions()[::-1]
    if as_json:
        _print_json([_info(info) for info in infos])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("version", "made", "files", "size", "parent", "message"):
        table.add_column(
            title, justify="right" if title in ("files", "size") else "left", no_wrap=title != "message"
        )
    for info in infos:
        size = format_size(info.bytes)
        table.add_row(
            info.version, _when(info.time_ns), str(info.files), size, info.parent or "-", info.message
        )
    Console(soft_wrap=True, markup=False, emoji=False, highlight=False).print(table)


@app.command(epilog="Example: pond ls s3://my-bucket/coco@v1 train2017")
def ls(
    address: AddressArgument,
    path: Annotated[str, typer.Argument(metavar="[PATH]", show_default=False)] = "",
    long: Annotated[bool, typer.Option("--long", "-l", help="Modes, sizes and times too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List a folder of a version."""
    version = _load(address)
    manifest = version.manifest
    node = _resolve(version, path)
    nodes = manifest.children(node) if manifest.is_folder(node) else range(node, node + 1)
    if as_json:
        _print_json([_entry(manifest, child) for child in nodes])
        return
    lines = []
    for child in nodes:
        name = os.fsdecode(manifest.name(child)) + ("/" if manifest.is_folder(child) else "")
        if long:
            mode = stat.filemode(manifest.mode[child])
            lines.append(f"{mode} {manifest.size[child]:>14} {_when(manifest.mtime_ns[child])} {name}")
        else:
            lines.append(name)
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))


@app.command(epilog="Example: pond cat s3://my-bucket/coco@v1 train2017/000000000009.jpg > 9.jpg")
def cat(
    address: AddressArgument, path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)]
) -> None:
    """Write a file of a version to standard output."""
    version = _load(address)
    node = _resolve(version, path)
    if not stat.S_ISREG(version.manifest.mode[node]):
        raise InvalidArgument(f"{version.url}: {path}: not a regular file")
    for part in read_file(version, node):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


@app.command("diff", epilog="Example: pond diff s3://my-bucket/coco v1 v2")
def diff_command(
    url: UrlArgument,
    a: Annotated[str, typer.Argument(metavar="A", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Tell what differs from version A to version B: + added, - removed, ~ changed."""
    volume = Volume.open(_volume_url(url))
    changes = diff(volume.version(a), volume.version(b))
    if as_json:
        _print_json([{"kind": change.kind, "path": os.fsdecode(change.path)} for change in changes])
        return
    signs = {"added": b"+", "removed": b"-", "changed": b"~"}
    for change in changes:
        sys.stdout.buffer.write(signs[change.kind] + b" " + change.path + b"\n")


@app.command("verify", epilog="Example: pond verify s3://my-bucket/coco@v1")
def verify_command(address: AddressArgument, as_json: JsonOption = False) -> None:
    """Read every byte of a version and compare it with its digest; exit 1 if anything is wrong."""
    version = _load(address)
    with _progress("verifying", version.manifest.entries, version.stored_bytes) as tell:
        damages = verify(version, progress=tell)
    if as_json:
        _print_json(
            [
                {"reason": damage.reason, "paths": [os.fsdecode(path) for path in damage.paths]}
                for damage in damages
            ]
        )
    for damage in [] if as_json else damages:
        for path in damage.paths:
            typer.echo(f"{os.fsdecode(path)}: {damage.reason}")
    if damages:
        raise typer.Exit(1)
    if not as_json:
        info = version.info
        typer.echo(f"{version.url}: {info.files} files, {format_size(info.bytes)}: all as recorded")


@app.command(epilog="Example: pond stats /mnt/coco --json")
def stats(mountpoint: MountpointArgument, as_json: JsonOption = False) -> None:
    """Tell what a mount has done so far."""
    text = _control(mountpoint, ".prom/pond.prom")
    values = parse_metrics(text)
    if as_json:
        _print_json(values)
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


@app.command("clear-cache", epilog="Example: pond clear-cache /mnt/coco")
def clear_cache(mountpoint: MountpointArgument) -> None:
    """Empty a mount's cache; the kernel's pages of a file go when it is opened next."""
    typer.echo(_control(mountpoint, ".clearcache").strip())


def _control(mountpoint: Path, name: str) -> str:
    if not mounting.mounted_pond(Path(os.path.abspath(mountpoint))):  # noqa: PTH100
        raise NotFound(f"{mountpoint}: no pond is mounted here")
    try:
        return (mountpoint / name).read_text()
    except OSError as error:
        hint = (
            f"; undo the dead mount with: pond umount {mountpoint}" if error.errno == errno.ENOTCONN else ""
        )
        raise MountError(f"{mountpoint}/{name}: {error.strerror}{hint}") from error


def _volume_url(text: str) -> str:
    where = parse_address(text)
    if where.version is not None:
        raise InvalidArgument(f"{text}: name the volume only, without @{where.version}")
    return where.url


def _load(text: str) -> Version:
    where: Address = parse_address(text)
    return Volume.open(where.url).version(where.version)


def _resolve(version: Version, path: str) -> int:
    node = version.manifest.resolve(os.fsencode(path))
    if node is None:
        raise NotFound(f"{version.url}: no such file or folder: {path}")
    return node


def _info(info: VersionInfo) -> dict[str, object]:
    return {
        "version": info.version,
        "parent": info.parent,
        "time": datetime.fromtimestamp(info.time_ns / 1e9, UTC).isoformat(),
        "message": info.message,
        "files": info.files,
        "bytes": info.bytes,
    }


def _entry(manifest: Manifest, node: int) -> dict[str, object]:
    return {
        "name": os.fsdecode(manifest.name(node)),
        "mode": stat.filemode(manifest.mode[node]),
        "size": manifest.size[node],
        "mtime_ns": manifest.mtime_ns[node],
    }


def _when(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _measure(folder: Path) -> tuple[int, int]:
    files = size = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                state = os.lstat(os.path.join(base, name))  # noqa: PTH118
            except OSError:  # packing says what is wrong with it
                continue
            if stat.S_ISREG(state.st_mode):
                files += 1
                size += state.st_size
    return files, size


class _progress:  # noqa: N801  (reads as a function in a with statement)
    """A progress bar over files and bytes on standard error; silent where that is no terminal."""

    def __init__(self, title: str, count: int, size_bytes: int) -> None:
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[done]}/" + str(count)),
            TimeRemainingColumn(),
            console=_errors,
            disable=not _errors.is_terminal,
        )
        self._task = self._bar.add_task(title, total=size_bytes, done=0)
        self._done = 0

    def __enter__(self) -> Callable[[int, int], None]:
        self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _tell(self, count: int, size_bytes: int) -> None:
        self._done += count
        self._bar.update(self._task, advance=size_bytes, done=self._done)


def main() -> NoReturn:
    """Run the command line: exit 0 when it worked, 1 when it failed, 2 when it was called wrongly."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)  # names need not be text
    try:
        app(prog_name="pond")
    except InvalidArgument as error:
        _fail(error, 2)
    except PondError as error:
        _fail(error, 1)
    sys.exit(0)


def _fail(error: PondError, status: int) -> NoReturn:
    _errors.print(f"pond: {error}")
    sys.exit(status)
