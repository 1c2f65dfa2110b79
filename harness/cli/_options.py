"""The options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.suite import suite_names
from harness.systems.fuse import CONFIGS

__all__ = [
    "S3",
    "Access",
    "Config",
    "Data",
    "Judged",
    "LoaderName",
    "Mode",
    "Only",
    "Profile",
    "Rounds",
    "Scale",
    "SuiteName",
    "split",
]

SuiteName = Annotated[
    str, typer.Argument(help=f"A suite ({', '.join(suite_names())}) or a path ending in .toml.")
]
Config = Annotated[
    str | None, typer.Option(help=f"Comma list of {' '.join(CONFIGS)}; tmpfs runs in any case.")
]
Only = Annotated[
    str | None,
    typer.Option(
        help="Comma list of what a case's name must hold, or match as a pattern; tmpfs runs beside."
    ),
]
Scale = Annotated[str | None, typer.Option(help="Fraction of the real size, like 1/32.")]
Rounds = Annotated[int | None, typer.Option(help="How often each case runs.")]
Judged = Annotated[bool, typer.Option("--judged", help="The scale and rounds that a verdict needs: 1/16, 7.")]
S3 = Annotated[str, typer.Option(help="sim, seaweedfs, or the URL of an endpoint (credentials from AWS_*).")]
Profile = Annotated[
    str | None,
    typer.Option(help="The simulated network: aws, aws-fast, none; as the suite says when left out."),
]
LoaderName = Annotated[str, typer.Option(help="auto, torch or pillow.")]
Data = Annotated[Path | None, typer.Option(help="The real train2017.zip, or a folder of images.")]
Access = Annotated[str | None, typer.Option(help="Comma list of random, serial.")]
Mode = Annotated[str | None, typer.Option(help="decode, or raw: read the bytes only.")]


def split(text: str | None) -> list[str] | None:
    """Return the parts of a comma list; None when it was left out."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None
