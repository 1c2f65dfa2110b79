"""``python -m harness.systems.fuse.null FOLDER MOUNTPOINT``: serve a folder's files from memory until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from harness.systems.fuse.null._files import MemoryFiles
from pond.errors import PondError
from pond.filesystem import Filesystem
from pond.fuse import Engine, Session, serve
from pond.metrics import Metrics

_YEAR_S = 365 * 86400.0


def _nothing() -> None:
    pass


def main(folder: str, mountpoint: str) -> None:
    """Load, mount, and serve until the end."""
    session = Session(
        files=cast("Filesystem", MemoryFiles(Path(folder))),  # all that the engine asks of one
        metrics=Metrics(),
        mountpoint=Path(mountpoint),
        source="pond-bench-null",
        page_cache=False,
        timeout_s=_YEAR_S,
        allow_other=False,
        ready=_nothing,
        ending=_nothing,
    )
    try:
        serve(session, Engine.DEVICE)
    except PondError as error:
        sys.exit(f"null FUSE: {error}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
