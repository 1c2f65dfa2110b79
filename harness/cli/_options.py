"""The options that say which cases of a suite are meant: the same for every verb that takes a suite."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.plan import Options
from harness.suite import suite_names
from harness.systems.fuse import CONFIGS

__all__ = ["Chosen", "choosing"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A suite, and what of it is meant."""

    suite: str
    options: Options


def _chosen(
    suite: Annotated[
        str, typer.Argument(help=f"A suite ({', '.join(suite_names())}) or a path ending in .toml.")
    ],
    config: Annotated[
        str | None, typer.Option(help=f"Comma list of {' '.join(CONFIGS)}; tmpfs runs in any case.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Comma list of what a case's name must hold, or match as a pattern; tmpfs runs beside."
        ),
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Fraction of the real size, like 1/32.")] = None,
    rounds: Annotated[int | None, typer.Option(help="How often each case runs.")] = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="The suite's judged scale and rounds: what a verdict needs.")
    ] = False,
    s3: Annotated[
        str, typer.Option(help="sim, seaweedfs, or the URL of an endpoint (credentials from AWS_*).")
    ] = "sim",
    profile: Annotated[
        str | None,
        typer.Option(help="The simulated network: aws, aws-fast, none; as the suite says when left out."),
    ] = None,
    loader: Annotated[str, typer.Option(help="auto, torch or pillow.")] = "auto",
    data: Annotated[Path | None, typer.Option(help="The real train2017.zip, or a folder of images.")] = None,
    access: Annotated[str | None, typer.Option(help="Comma list of random, serial.")] = None,
    mode: Annotated[str | None, typer.Option(help="decode, or raw: read the bytes only.")] = None,
) -> Chosen:
    return Chosen(
        suite,
        Options(
            configs=_split(config),
            scale=scale,
            rounds=rounds,
            judged=judged,
            s3=s3,
            profile=profile,
            loader=loader,
            data=data.absolute() if data else None,
            accesses=_split(access),
            mode=mode,
            only=_split(only),
        ),
    )


def _split(text: str | None) -> list[str] | None:
    """Return the parts of a comma list; None when it was left out."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def choosing(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options beside its own; it gets them as its first argument, a `Chosen`."""
    shared = inspect.signature(_chosen, eval_str=True).parameters
    _, *own = inspect.signature(verb, eval_str=True).parameters.values()

    @functools.wraps(verb)
    def command(**given: Any) -> None:
        verb(_chosen(**{name: given.pop(name) for name in shared}), **given)

    parameters = [*shared.values(), *own]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(command)["__signature__"] = inspect.Signature(parameters)
    return command
