"""The command line of pod."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

import pod
from pod.errors import InvalidArgument, NotAStore, PodError
from pod.log import Log
from pod.log import trust as trust_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pod.store import Change, Store, Version

__all__ = ["app", "main"]

app = typer.Typer(
    help="Versions of Python variables.\n\n"
    "Save them from Python: t = pod.save(namespace); here a store is looked at and looked after. A store is a folder "
    "or a URL: POD_DIR, or .pod of the working directory, unless another one is named. A version is named by its number, or by a "
    "tag or a branch.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
_LINE_EVERY_S = 5.0

# Of a URL, a `Path` would drop a slash.
PathArgument = Annotated[str | None, typer.Argument(metavar="[PATH]", show_default=False)]
StoreOption = Annotated[
    str | None, typer.Option("--store", "-s", metavar="PATH", help="The store.", show_default=False)
]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pod {version('pond-pod-bench')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command(epilog="Example: pod init experiments/.pod")
def init(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Make an empty store; one that is there stays as it is."""
    place = path or pod.default_path()
    try:
        opened, made = pod.open(place, create=False), False
    except NotAStore:
        opened, made = pod.open(place), True
    opened.close()
    if as_json:
        _print_json({"path": str(opened.path), "made": made})
    else:
        typer.echo(f"{opened.path}: {'an empty store' if made else 'is a store already'}")


@app.command(epilog="Example: pod log --json")
def log(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Tell a store's history, newest first."""
    with _opened(path) as store:
        versions = store.log()
    if as_json:
        _print_json([asdict(version) for version in versions])
        return
    _print_columns(
        ("version>", "saved", "names>", "written>", "parent>", "tags, branches", "message"),
        [
            (
                str(version.tid),
                _when(version.time_s),
                str(version.names),
                _size(version.bytes_written),
                _parent(version),
                _marks(version),
                _line(version.message),
            )
            for version in versions
        ],
    )
    if not versions:
        _errors.print("no versions; make one in Python: pod.save(namespace)")


@app.command(epilog="Example: pod show 3")
def show(version: VersionArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Tell what a version holds, and what could not be saved in it."""
    with _opened(store) as opened:
        found, names = opened.version(_named(version)), opened.names(_named(version))
    if as_json:
        _print_json({**asdict(found), "variables": names})
        return
    typer.echo(_headline(found))
    _print_columns(("name", "size>"), [(name, _size(size)) for name, size in sorted(names.items())])
    for lost in found.unsaved:
        typer.echo(f"not saved: {lost.name} ({lost.type}): {lost.reason}")


@app.command(epilog="Example: pod diff 3 best-model")
def diff(
    a: Annotated[str, typer.Argument(metavar="A", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which variables differ between two versions: + added, - removed, ~ changed."""
    with _opened(store) as opened:
        found = opened.diff(_named(a), _named(b))
    if as_json:
        _print_json(asdict(found))
        return
    marked = (("+", found.added), ("-", found.removed), ("~", found.changed))
    _print_columns(
        ("", "name", f"in {a}>", f"in {b}>"),
        [(mark, change.name, *_sizes(change)) for mark, changes in marked for change in changes],
    )


@app.command(epilog="Example: pod verify")
def verify(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Read every byte of a store, and name what is damaged."""
    with _opened(path) as store, _progress("verifying") as tell:
        damage = store.verify(tell)
        folder, versions = store.path, len(store.log())
    if as_json:
        _print_json(
            {"damage": [{**asdict(each), "digest": each.digest and each.digest.hex()} for each in damage]}
        )
    for each in () if as_json else damage:
        typer.echo(f"{each.path}: byte {each.offset}: {each.what}")
    if damage:
        _errors.print(f"pod: {folder}: damaged in {len(damage)} places")
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{folder}: {versions} versions, every byte as it was written")


@app.command(epilog="Example: pod gc --keep 20")
def gc(
    path: PathArgument = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Delete all versions but the newest N, and those with a tag or branch."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Free the space of what no version needs."""
    with _opened(path) as store, _progress("copying what is needed") as tell:
        report = store.gc(keep=keep, progress=tell)
    if as_json:
        _print_json(asdict(report))
    else:
        typer.echo(
            f"deleted {report.versions} versions and {report.pieces} pieces: {_size(report.freed_bytes)} are free"
        )


@app.command(epilog="Example: pod tag best-model 3")
def tag(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", show_default=False)] = None,
    delete: Annotated[
        bool, typer.Option("--delete", "-d", help="Delete the tag; its version stays.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name a version (the newest one if none is given), or list the tags."""
    if delete and (name is None or version is not None):
        raise InvalidArgument("--delete takes the name of a tag, and no version")
    with _opened(store) as opened:
        if name is not None and delete:
            opened.untag(name)
        elif name is not None:
            opened.tag(name, None if version is None else _named(version))
        tags = opened.tags()
    if as_json:
        _print_json(tags)
    elif name is None:
        for each, tid in sorted(tags.items()):
            typer.echo(f"{each}\t{tid}")
    elif delete:
        typer.echo(f"{name}: deleted")
    else:
        typer.echo(f"{name}: version {tags[name]}")


@app.command(epilog="Example: pod export best-model model.pod")
def export(
    version: VersionArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a file that is there.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one version into one file."""
    if os.path.exists(target) and not force:  # noqa: PTH110  (False for a name that no file can have)
        raise InvalidArgument(f"{target}: exists already; replace it with --force")
    with _opened(store) as opened, _progress("exporting") as tell:
        size = opened.export(_named(version), target, progress=tell)
    if as_json:
        _print_json({"path": str(target), "bytes": size})
    else:
        typer.echo(f"{target}: {_size(size)}")


@app.command("import", epilog="Example: pod import model.pod")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    trust: Annotated[
        bool, typer.Option("--trust", help="Also what another user exported: loading it can run their code.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an exported version as the newest one; makes the store if there is none."""
    Log.open_export(source, trust=trust).close()  # before a store is made for it
    with _opened(store, create=True) as opened, _progress("importing") as tell:
        report = opened.import_(source, trust=trust, progress=tell)
    if as_json:
        _print_json({"tid": report.tid, "bytes_written": report.bytes_written})
    else:
        typer.echo(f"version {report.tid}: {_size(report.bytes_written)} written")


@app.command(epilog="Example: pod stats --json")
def stats(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Tell how much a store holds."""
    with _opened(path) as store:
        found = store.stats()
    if as_json:
        _print_json(found)
        return
    for name, value in found.items():
        shown = _size(value) if name.endswith("_bytes") and isinstance(value, int) else value
        typer.echo(f"{name.removesuffix('_bytes').replace('_', ' ')}: {shown}")


@app.command(epilog="Example: pod trust ~/colleague/.pod")
def trust(
    path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Sign another user's store with your key, after verifying it: loading from it can run their code."""
    with _progress("verifying") as tell:
        report = trust_log(path, progress=tell)
    if as_json:
        _print_json({"versions": report.versions, "signed": report.signed})
    elif report.signed:
        typer.echo(f"{report.path}: {report.versions} versions verified and signed with your key")
    else:
        typer.echo(f"{report.path}: {report.versions} versions, yours already")


# --- what the commands share -----------------------------------------------------------------------------


@contextmanager
def _opened(path: str | None, *, create: bool = False) -> Iterator[Store]:
    with pod.open(path or pod.default_path(), create=create) as store:
        yield store


def _named(text: str) -> int | str:
    """Return a version as the store takes it: a number, or the name of a tag or branch."""
    return int(text) if text.isdecimal() else text


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar over bytes on standard error; now and then a line where that is no terminal."""
    if not _errors.is_terminal:
        yield _lines(title)
        return
    columns = (TextColumn(title), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=_errors, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(title: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            _errors.print(f"{title}: {_size(done)} of {_size(total)}")

    return tell


def _print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, if it has a row; a title that ends in > is of a column of numbers."""
    if not rows:
        return
    lines = [[title.removesuffix(">") for title in titles], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if title.endswith(">") else cell.ljust(width)
            for cell, width, title in zip(line, widths, titles, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _headline(version: Version) -> str:
    parts = (
        f"version {version.tid}",
        f"saved {_when(version.time_s)}",
        f"{version.names} variables",
        f"{_size(version.bytes_written)} written",
        f"parent {_parent(version)}",
        _marks(version),
        _line(version.message),
    )
    return ", ".join(part for part in parts if part)


def _parent(version: Version) -> str:
    return "-" if version.parent is None else str(version.parent)


def _marks(version: Version) -> str:
    return ", ".join((*version.tags, *version.branches))


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _sizes(change: Change) -> list[str]:
    return ["-" if size is None else _size(size) for size in (change.a_bytes, change.b_bytes)]


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _size(size_bytes: int) -> str:
    """Return a size as people read it."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def main() -> NoReturn:
    """Run the command line: exit 0 when it worked, 1 when it failed, 2 when it was called wrongly."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clears up, as Ctrl-C does
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names need not be text
    try:
        app(prog_name="pod")
    except InvalidArgument as error:
        _fail(error, 2)
    except PodError as error:
        _fail(error, 1)
    sys.exit(0)


def _fail(error: PodError, status: int) -> NoReturn:
    _errors.print(f"pod: {error}")
    sys.exit(status)
