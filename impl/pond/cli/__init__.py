"""The command line of pond."""

import io
import signal
import sys
from typing import Annotated, NoReturn

import typer

from pond.cli import _mounts, _volumes
from pond.cli._terminal import errors
from pond.errors import InvalidArgument, PondError

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
app.add_typer(_volumes.commands)
app.add_typer(_mounts.commands)


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


def main() -> NoReturn:
    """Run the command line: exit 0 when it worked, 1 when it failed, 2 when it was called wrongly."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream, policy in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=policy)  # names need not be text
    try:
        app(prog_name="pond")
    except InvalidArgument as error:
        _fail(error, 2)
    except PondError as error:
        _fail(error, 1)
    sys.exit(0)


def _fail(error: PondError, status: int) -> NoReturn:
    errors.print(f"pond: {error}")
    sys.exit(status)
