"""Stand-ins for other projects' programs, objects, and contexts to give to the systems that mount them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

from harness.systems.fuse import SystemContext

PREFIX: Final = "objects/tiny"
FILES: Final = {f"train2017/{index:012}.jpg": bytes([index]) * (1 + index * 40_000) for index in range(12)}


def program(path: Path, says: str) -> Path:
    """Write a program that prints one thing, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def context(
    folder: Path, config: str, *, scale: str = "1/16", url: str | None = f"s3://bench/{PREFIX}"
) -> SystemContext:
    """Return what a trial would give a system."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    return SystemContext(
        config=config,
        dataset_folder=folder,
        dataset_bytes=1 << 20,
        s3_url=url,
        scale=Fraction(scale),
        work=work,
    )


def read_all(root: Path) -> dict[str, bytes]:
    """Return all files below a folder by their relative names."""
    paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}
