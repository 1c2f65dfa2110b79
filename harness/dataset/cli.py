"""`harness dataset ...`: build the data a benchmark reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from harness.dataset import DEFAULT_SEED, BadScaleError, Dataset, DatasetError, coco, parse_scale
from harness.wording import command, counted

app = typer.Typer(help="Build the data a benchmark reads.", no_args_is_help=True)


@app.callback()
def _main() -> None:
    """Build the data a benchmark reads."""


def _scale(text: str) -> Fraction:
    try:
        return parse_scale(text)
    except BadScaleError as error:
        raise typer.BadParameter(str(error)) from None


@app.command("coco", epilog=f"Example: {command('dataset coco --scale 1/32')}")
def coco_command(
    scale: Annotated[
        Fraction, typer.Option(parser=_scale, metavar="FRACTION", help="Share of the 118,287 files.")
    ] = Fraction(1, 32),
    seed: Annotated[
        int, typer.Option(help="Decides the bytes, or the subset of the real files.")
    ] = DEFAULT_SEED,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="train2017.zip or a folder of images: use the real thing."),
    ] = None,
    cache_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where datasets are kept.")] = Path(
        ".cache/datasets"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make (once) and describe COCO train2017, or its stand-in, at a scale."""
    try:
        dataset = coco(scale, cache_dir, seed=seed, data=data)
    except DatasetError as error:
        typer.echo(f"harness: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    typer.echo(_as_json(dataset) if as_json else _as_text(dataset))


def _as_json(dataset: Dataset) -> str:
    return json.dumps({**asdict(dataset), "folder": str(dataset.folder)})


def _as_text(dataset: Dataset) -> str:
    return (
        f"{dataset.name}: {counted(dataset.files, 'file')}, {dataset.bytes / 2**30:.2f} GiB, seed {dataset.seed}\n"
        f"folder {dataset.folder}\ndigest blake3:{dataset.digest}"
    )
