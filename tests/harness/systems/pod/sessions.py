"""Small sessions that systems are tried with, and the process that opens what another one has saved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from harness.oracle import Portrait, portray
from harness.systems.pod import Version, VersionSystem, open_system

__all__ = ["CELLS", "DATA_CELLS", "EXCLUDED", "Elsewhere", "Saved", "distinct", "names_of", "play"]

EXCLUDED: Final = "raw"
CELLS: Final = (
    "import json, math\nraw = ['as read']\nshared = [1, 2, {'k': (1, 2)}]\na = {'x': shared}\nb = [shared, a]\na['b'] = b",
    "factor = 3\n"
    "def even(n): return n == 0 or odd(n - 1)\n"
    "def odd(n): return n != 0 and even(n - 1)\n"
    "def scaled(x): return x * factor\n"
    "class Item:\n"
    "    kind = 'item'\n"
    "    def __init__(self, held): self.held = held\n"
    "    def size(self): return scaled(len(self.held))\n"
    "item = Item(shared)\n"
    "triple = lambda x: x * factor\n"
    "unfinished = (n for n in shared)",
    "shared.append(raw)\nfactor = 4\ndel b[1]",
    "math.sqrt(factor)",
    "del item, unfinished\na['new'] = shared",
)
DATA_CELLS: Final = (
    "shared = [1, 2, {'k': (1, 2)}]\na = {'x': shared}\nb = [shared, a]\ntext = 'x' * 100",
    "shared.append('more')\ntext = text[1:]",
    "del b\na['y'] = shared",
)


@dataclass(frozen=True, slots=True)
class Saved:
    """One version, and how the namespace looked."""

    version: Version
    portrait: Portrait
    unsaved: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        return self.portrait.names - set(self.unsaved) - {EXCLUDED}


def play(system: VersionSystem, cells: Iterable[str], exclude: Collection[str] = (EXCLUDED,)) -> list[Saved]:
    """Run cells, and save after each."""
    namespace = system.namespace()
    played = []
    for number, source in enumerate(cells):
        system.run(compile(source, f"<cell {number}>", "exec", dont_inherit=True), source, namespace)
        portrait = portray(namespace, code=system.saves_code)
        version = system.save(namespace, exclude)
        system.join()
        played.append(Saved(version, portrait, dict(system.unsaved)))
    return played


def distinct(systems: Iterable[str]) -> list[str]:
    """Return those that differ from each other by more than one number."""
    return [name for name in systems if name == "pgcache0" or not re.fullmatch(r"pgcache\d+[mg]?", name)]


def names_of(loaded: Mapping[str, Any]) -> set[str]:
    """Return the variables that were loaded."""
    names = dict.keys(loaded) if isinstance(loaded, dict) else loaded.keys()
    return {name for name in names if not (name.startswith("__") and name.endswith("__"))}


class Elsewhere:
    """Another process, which opens the stores of this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.systems.pod.sessions"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def digests(self, name: str, folder: Path, versions: Sequence[Version]) -> list[str]:
        """Return the digest of each version as it is loaded there; of one that cannot be, what was raised."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        to.write(json.dumps([name, str(folder), list(versions)]) + "\n")
        to.flush()
        answer: list[str] = json.loads(back.readline())
        return answer

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)


def _loaded(name: str, folder: str, versions: Sequence[Version]) -> Iterable[str]:
    system = open_system(name, Path(folder), existing=True)
    try:
        for version in versions:
            try:
                yield portray(system.load(version), code=system.saves_code).digest()
            except AttributeError as error:
                yield f"AttributeError: {error}"
    finally:
        system.close()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(list(_loaded(*json.loads(line)))), flush=True)
