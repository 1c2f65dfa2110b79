"""Refuse a benchmark that cannot be meant before anything is installed: `check_request.py SUITE FLAGS...`.

Runs on a bare Python: the harness's planning needs none of the packages that `make setup` installs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.errors import HarnessError, UsageError  # noqa: E402  (the path comes first)
from harness.plan import AUTO, LOADERS, Options, build_plan  # noqa: E402
from harness.suite import load_suite  # noqa: E402


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _check(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("suite")
    parser.add_argument("--config", type=_names)
    parser.add_argument("--access", type=_names)
    parser.add_argument("--only", type=_names)
    for flag in ("--scale", "--mode", "--profile"):
        parser.add_argument(flag)
    parser.add_argument("--rounds")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--judged", action="store_true")
    parser.add_argument("--loader", default=AUTO)
    parser.add_argument("--s3", default="sim")
    asked, _ = parser.parse_known_args(arguments)
    if asked.loader not in {AUTO, *LOADERS}:
        raise UsageError(f"unknown loader {asked.loader!r}; there are: {', '.join((AUTO, *LOADERS))}")
    if asked.rounds is not None and not asked.rounds.isdecimal():
        raise UsageError(f"rounds must be a number, not {asked.rounds!r}")
    if asked.data is not None and not asked.data.exists():
        raise UsageError(f"{asked.data} does not exist; DATA is train2017.zip or a folder of images")
    options = Options(
        configs=asked.config,
        scale=asked.scale,
        rounds=None if asked.rounds is None else int(asked.rounds),
        judged=asked.judged,
        s3=asked.s3,
        accesses=asked.access,
        mode=asked.mode,
        profile=asked.profile,
        only=asked.only,
    )
    build_plan(load_suite(asked.suite), options, asked.loader)


if __name__ == "__main__":
    try:
        _check(sys.argv[1:])
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
