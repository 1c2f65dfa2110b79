"""Arguments that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AddressArgument", "JsonOption", "MountpointArgument", "UrlArgument"]

AddressArgument = Annotated[str, typer.Argument(metavar="URL[@VERSION]", show_default=False)]
UrlArgument = Annotated[str, typer.Argument(metavar="URL", show_default=False)]
MountpointArgument = Annotated[Path, typer.Argument(metavar="MOUNTPOINT", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
