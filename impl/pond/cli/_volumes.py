"""Commands about volumes: create, and those that look into one."""

import os
import signal
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pond.cli._arguments import AddressArgument, JsonOption, UrlArgument
from pond.cli._terminal import errors, print_json, progress, when
from pond.errors import InvalidArgument, NotFound
from pond.format import Manifest, VersionInfo
from pond.sizes import format_size
from pond.volume import Version, Volume, create_version, diff, parse_address, read_file, verify

__all__ = ["commands"]

commands = typer.Typer()


@commands.command(epilog="Example: pond create train2017 s3://my-bucket/coco v1 -m 'first import'")
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
    with progress("packing", files, size) as tell:
        info = create_version(
            Volume.open(_volume_url(url)),
            folder,
            version,
            message=message,
            progress=tell,
            on_skip=skipped.append,
        )
    for path in skipped:
        errors.print(f"left out {os.fsdecode(path)}: neither file, folder nor symbolic link", style="yellow")
    if as_json:
        print_json(_info(info))
    else:
        typer.echo(f"{info.version}: {info.files} files, {format_size(info.bytes)}")


@commands.command(epilog="Example: pond versions s3://my-bucket/coco")
def versions(url: UrlArgument, as_json: JsonOption = False) -> None:
    """List a volume's versions, oldest first, one a line."""
    _end_at_once()
    infos = Volume.open(_volume_url(url)).versions()
    if as_json:
        print_json([_info(info) for info in infos])
        return
    for info in infos:
        typer.echo(info.version)
    if not infos:
        errors.print(f"no versions; make one with: pond create DIR {url} VERSION")


@commands.command(epilog="Example: pond log s3://my-bucket/coco")
def log(url: UrlArgument, as_json: JsonOption = False) -> None:
    """Tell a volume's history, newest first: when, what, how much."""
    _end_at_once()
    infos = Volume.open(_volume_url(url)).versions()[::-1]
    if as_json:
        print_json([_info(info) for info in infos])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("version", "made", "files", "size", "parent", "message"):
        table.add_column(
            title, justify="right" if title in ("files", "size") else "left", no_wrap=title != "message"
        )
    for info in infos:
        size = format_size(info.bytes)
        table.add_row(
            info.version, when(info.time_ns), str(info.files), size, info.parent or "-", info.message
        )
    Console(soft_wrap=True, markup=False, emoji=False, highlight=False).print(table)


@commands.command(epilog="Example: pond ls s3://my-bucket/coco@v1 train2017")
def ls(
    address: AddressArgument,
    path: Annotated[str, typer.Argument(metavar="[PATH]", show_default=False)] = "",
    long: Annotated[bool, typer.Option("--long", "-l", help="Modes, sizes and times too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List a folder of a version."""
    _end_at_once()
    version = _load(address)
    manifest = version.manifest
    node = _resolve(version, path)
    nodes = manifest.children(node) if manifest.is_folder(node) else range(node, node + 1)
    if as_json:
        print_json([_entry(manifest, child) for child in nodes])
        return
    lines = []
    for child in nodes:
        name = os.fsdecode(manifest.name(child)) + ("/" if manifest.is_folder(child) else "")
        if long:
            mode = stat.filemode(manifest.mode[child])
            lines.append(f"{mode} {_size_of(manifest, child):>14} {when(manifest.mtime_ns[child])} {name}")
        else:
            lines.append(name)
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))


@commands.command(epilog="Example: pond cat s3://my-bucket/coco@v1 train2017/000000000009.jpg > 9.jpg")
def cat(
    address: AddressArgument, path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)]
) -> None:
    """Write a file of a version to standard output."""
    _end_at_once()
    version = _load(address)
    node = _resolve(version, path)
    if not stat.S_ISREG(version.manifest.mode[node]):
        raise InvalidArgument(f"{version.url}: {path}: not a regular file")
    for part in read_file(version, node):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


@commands.command("diff", epilog="Example: pond diff s3://my-bucket/coco v1 v2")
def diff_command(
    url: UrlArgument,
    a: Annotated[str, typer.Argument(metavar="A", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Tell what differs from version A to version B: + added, - removed, ~ changed."""
    _end_at_once()
    volume = Volume.open(_volume_url(url))
    changes = diff(volume.version(a), volume.version(b))
    if as_json:
        print_json([{"kind": change.kind, "path": os.fsdecode(change.path)} for change in changes])
        return
    signs = {"added": b"+", "removed": b"-", "changed": b"~"}
    for change in changes:
        sys.stdout.buffer.write(signs[change.kind] + b" " + change.path + b"\n")


@commands.command("verify", epilog="Example: pond verify s3://my-bucket/coco@v1")
def verify_command(address: AddressArgument, as_json: JsonOption = False) -> None:
    """Read every byte of a version and compare it with its digest; exit 1 if anything is wrong."""
    version = _load(address)
    with progress("verifying", version.manifest.entries, version.stored_bytes) as tell:
        damages = verify(version, progress=tell)
    if as_json:
        print_json(
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


def _end_at_once() -> None:
    """Let Ctrl-C end a command that has nothing to clear up, even while a server keeps it waiting."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _volume_url(text: str) -> str:
    where = parse_address(text)
    if where.version is not None:
        raise InvalidArgument(f"{text}: name the volume only, without @{where.version}")
    return where.url


def _load(text: str) -> Version:
    where = parse_address(text)
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


def _size_of(manifest: Manifest, node: int) -> int:
    return 0 if manifest.is_folder(node) else manifest.size[node]  # as a mount has it


def _entry(manifest: Manifest, node: int) -> dict[str, object]:
    return {
        "name": os.fsdecode(manifest.name(node)),
        "mode": stat.filemode(manifest.mode[node]),
        "size": _size_of(manifest, node),
        "mtime_ns": manifest.mtime_ns[node],
    }


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
