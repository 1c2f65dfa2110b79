"""pond, through its command line: the system that this repository is about."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import ClassVar, Final

from harness.errors import TrialFailed
from harness.kernelcache import Proof
from harness.machine import source_digest
from harness.systems.fuse._mounted import MountedSystem, without_fuse
from harness.systems.fuse._protocol import Layout, SystemContext

__all__ = ["Pond", "PondConfig", "pond_command", "pond_source"]

MIB: Final = 1 << 20
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class PondConfig:
    """One of the published configurations; only the cache shrinks with the scale."""

    cache_bytes: int
    chunk_bytes: int
    readahead_bytes: int


CONFIGS: Final[Mapping[str, PondConfig]] = {
    "2GiB": PondConfig(2 * GIB, 1 * MIB, 4 * MIB),
    "19GiB": PondConfig(19 * GIB, 8 * MIB, 32 * MIB),
}


def pond_command() -> list[str]:
    """Return the command that starts pond in this environment."""
    beside = Path(sys.executable).parent / "pond"
    found = str(beside) if beside.exists() else shutil.which("pond")
    return [found] if found else [sys.executable, "-m", "pond"]


def pond_source() -> Path | None:
    """Return the folder of pond's sources."""
    spec = util.find_spec("pond")
    return Path(spec.origin).parent if spec and spec.origin else None


class Pond(MountedSystem):
    """A pond version, mounted read-only.

    ``+pagecache`` lets the kernel keep file data across opens; ``+libfuse`` is served through libfuse and pyfuse3.
    """

    name: ClassVar[str] = "pond"
    layout: ClassVar[Layout] = "pond"
    ceiling: ClassVar[bool] = False
    configs: ClassVar[Mapping[str, str]] = {
        "2GiB": "2GiB",
        "19GiB": "19GiB",
        "2GiB+pagecache": "2GiB+pagecache",
        "19GiB+pagecache": "19GiB+pagecache",
        "19GiB+libfuse": "19GiB+libfuse",
    }
    prefetch: ClassVar[str] = "auto"

    def __init__(self, context: SystemContext) -> None:
        base, _, extra = context.config.partition("+")
        super().__init__(context)
        self._config = CONFIGS[base]
        self._page_cache = extra == "pagecache"
        self._engine = "libfuse" if extra == "libfuse" else "device"

    @classmethod
    def how_to_get(cls) -> str | None:
        """Return None when pond can mount here."""
        if util.find_spec("pond.cli") is None:
            return "pond's command line is not installed: make setup"
        if (how := without_fuse()) is not None:
            return how
        if util.find_spec("pyfuse3") is None:
            return (
                "pyfuse3 is not installed: make setup (needs fuse3, libfuse3-dev, pkg-config and a compiler)"
            )
        return None

    @classmethod
    def version(cls) -> str:
        """Return the distribution's version."""
        return metadata.version("pond-pod-bench")

    @classmethod
    def digest(cls) -> str:
        """Return one digest of pond's sources."""
        source = pond_source()
        return source_digest(source) if source else "unknown"

    @property
    def cache_bytes(self) -> int | None:
        """The config's cache, shrunk like the data."""
        return int(self._config.cache_bytes * self._context.scale)

    @property
    def page_cache(self) -> bool:
        """Whether the row has ``+pagecache``."""
        return self._page_cache

    @property
    def warm_pages(self) -> bool:
        """Whether a warm epoch finds the pages of the cold one."""
        return self._page_cache

    @property
    def argv(self) -> list[str]:
        """The mount command with placeholders."""
        return ["pond", "mount", "URL", "MOUNTPOINT", *self._options()]

    def _options(self) -> list[str]:
        return [
            "--chunk-size",
            str(self._config.chunk_bytes),
            "--readahead-size",
            str(self._config.readahead_bytes),
            "--max-cache-size",
            str(self.cache_bytes),
            "--page-cache" if self._page_cache else "--no-page-cache",
            "--prefetch",
            self.prefetch,
            "--engine",
            self._engine,
            "--foreground",
        ]

    def prepare(self) -> None:
        """Check that there is a version to mount."""
        if self._context.s3_url is None:
            raise TrialFailed("pond has no packed version to mount")

    def mount(self) -> Path:
        """Mount in the foreground of a child process."""
        url, folder = str(self._context.s3_url), str(self._folder)
        return self._serve([*pond_command(), "mount", url, folder, *self._options()])

    def reset(self, layer: str) -> Proof:
        """Say what a fresh daemon holds; pond has no disk layer yet."""
        if layer == "disk":
            return Proof(reset=True, proof="pond keeps nothing on disk")
        stats = self.stats()
        held = stats.get("cache_bytes")
        if held:
            self._run("clear-cache")
            held = self.stats().get("cache_bytes")
        return Proof(
            reset=not held,
            proof=f"daemon started for this trial; its cache holds {held:.0f} bytes"
            if held is not None
            else "daemon started for this trial",
        )

    def stats(self) -> Mapping[str, float]:
        """Return the numbers of ``pond stats --json``."""
        answer = json.loads(self._run("stats", "--json"))
        return {key: float(value) for key, value in answer.items() if isinstance(value, int | float)}

    def _run(self, verb: str, *options: str) -> str:
        done = subprocess.run(
            [*pond_command(), verb, str(self._folder), *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise TrialFailed(f"pond {verb} failed: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout
