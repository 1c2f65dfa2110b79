"""What a session's variables are after each cell, by the oracle: two runs, each in a fresh process, kept for good."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil
import zstandard

from harness.children import run_child
from harness.durable import write_json
from harness.errors import TrialFailed, TrialTimeout
from harness.leftovers import NAME as LEFTOVERS
from harness.leftovers import clear_tree, remove_tree
from harness.oracle import Portrait
from harness.podworkloads._data import RECORD, Say, files_under, silent
from harness.podworkloads._order import FORMS, Order, portrait_file, sets_of
from harness.podworkloads._workload import Workload

__all__ = ["Reference", "ReferenceCell", "reference"]

TIMEOUT_S: Final = 3600.0
_FORMAT: Final = 1
_HOME: Final = Path(__file__).resolve().parent.parent
_LIBRARIES: Final = (
    "blake3", "cloudpickle", "h5py", "matplotlib", "numpy", "pandas", "scikit-learn", "scipy",
)  # fmt: skip
_SOURCES: Final = ("oracle", "podworkloads")


@dataclass(frozen=True, slots=True)
class ReferenceCell:
    """What a cell did, and the version after it."""

    touched: tuple[str, ...]
    """Names read or bound that exist afterwards: what a partial load of the version asks for."""
    bound: tuple[str, ...]
    exists: tuple[str, ...]
    opened: tuple[str, ...]
    """Names of the data files that were opened."""
    warnings: tuple[str, ...]
    seconds: float
    opaque: tuple[str, ...]
    """Types that the oracle cannot look into."""
    digests: Mapping[str, Mapping[str, str]]
    """By form (`values`, `names`: functions and classes of the session) and set of names (`partial`, `all`, and both
    with ``[exc]``): the digest of the portrait, without the unstable names."""
    snapshot_bytes: int
    objects: int
    new_bytes: int
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reference:
    """A session as it must be: version k is the state after cell k."""

    folder: Path
    cells: tuple[ReferenceCell, ...]
    data_names: tuple[str, ...]
    """The variables that hold the data: bound first by a cell that opened a data file, and as large as a tenth of it."""
    excluded: tuple[str, ...]
    """What `[exc]` leaves out: the data and the helpers of generated sessions."""
    unstable: tuple[str, ...]
    """Names that differed between two runs in some version. They are not judged."""
    mutation_rate: float

    @property
    def snapshot_bytes(self) -> int:
        """Mean length of a snapshot."""
        return sum(cell.snapshot_bytes for cell in self.cells) // len(self.cells)

    @property
    def objects(self) -> int:
        """The most objects that a version has."""
        return max(cell.objects for cell in self.cells)

    def names(self, version: int, which: str) -> tuple[str, ...]:
        """Return the names of a set: `partial`, `all`, `partial[exc]`, `all[exc]`; without the unstable ones."""
        cell = self.cells[version]
        names = sets_of(cell.touched, cell.exists, self.excluded)[which]
        return tuple(name for name in names if name not in self.unstable)

    def digest(self, version: int, which: str, *, code: bool, without: Iterable[str] = ()) -> str:
        """Return the digest that the portrait of a loaded version must have.

        Parameters
        ----------
        version
            The number of the cell that the version was saved after.
        which
            The set of names, as in `names`.
        code
            Whether the system keeps functions and classes of the session by value.
        without
            Names that the system said it could not save.
        """
        left_out = set(without)
        if not left_out:
            return self.cells[version].digests[_form(code)][which]
        names = [name for name in self.names(version, which) if name not in left_out]
        return self.portrait(version, code=code).digest(names)

    def portrait(self, version: int, *, code: bool) -> Portrait:
        """Return what the oracle saw of a version, to say in words where a load differs from it."""
        data = portrait_file(self.folder, version).read_bytes()
        portrait: Portrait = pickle.loads(zstandard.decompress(data))  # noqa: S301 - written by `reference`
        return portrait if code else portrait.by_name()


def _form(code: bool) -> str:
    return next(form for form, value in FORMS.items() if value is code)


def reference(
    workload: Workload,
    parameters: Mapping[str, int],
    scale: float,
    folder: Path,
    say: Say = silent,
    timeout_s: float = TIMEOUT_S,
) -> Reference:
    """Return the reference of a workload; made by two runs unless it is there.

    Parameters
    ----------
    workload, parameters, scale
        What is run.
    folder
        Where data and references are kept; the workload's data are made there if they are not.
    say
        Told what is being done.
    timeout_s
        How long each of the runs may take.

    Raises
    ------
    TrialFailed
        When a cell fails, or a run ends without a result, or not in time.
    """
    workload.prepare(folder, scale, say)
    cells = workload.cells(parameters)
    environment = workload.environment(folder, scale)
    place = (
        folder
        / "references"
        / f"{workload.name}-{_digest(workload, cells, environment, _data_facts(workload, folder, scale))}"
    )
    if not _is_there(place):
        memory_bytes = workload.needs(scale, parameters)[1]
        # Anyone's notebook may write into its folder, and what memory it needs is not known.
        apart = workload.directory is not None or 2 * memory_bytes > psutil.virtual_memory().available
        with _making(place.parent) as work:
            if not _is_there(place):  # another process may have made it meanwhile
                say(f"{workload.name}{_given(workload, parameters)}: two reference runs")
                _make(_Runs(workload, cells, environment, work, timeout_s), place, apart=apart)
    return _read(place)


def _given(workload: Workload, parameters: Mapping[str, int]) -> str:
    """Return the parameters that are not the workload's own, as they are typed."""
    return "".join(
        f"[{key}={value}]" for key, value in parameters.items() if value != workload.parameters.get(key)
    )


def _is_there(place: Path) -> bool:
    return (place / "reference.json").is_file()


@contextmanager
def _making(references: Path) -> Iterator[Path]:
    """Give the folder that references are made in to one process at a time, without what a killed one has left there."""
    work = references / ".partial"
    references.mkdir(parents=True, exist_ok=True)
    with (references / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _clear(work)
        try:
            yield work
        finally:
            _clear(work)


def _clear(work: Path) -> None:
    clear_tree(work)
    remove_tree(work)


def _digest(workload: Workload, cells: Sequence[str], environment: Mapping[str, str], data: object) -> str:
    """Return a digest of all that a reference depends on; where the data lie is the value of a variable, perhaps."""
    code = {
        str(path.relative_to(_HOME)): path.read_text()
        for part in _SOURCES
        for path in sorted((_HOME / part).glob("*.py"))
    }
    versions = {name: _version(name) for name in _LIBRARIES}
    excluded = list(workload.excluded)
    facts = (_FORMAT, sys.version, versions, code, list(cells), dict(environment), excluded, data)
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=10).hexdigest()


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None  # anyone's notebook may do without


def _data_facts(workload: Workload, folder: Path, scale: float) -> object:
    data = workload.data_folder(folder, scale)
    if workload.data is None:
        return (data / RECORD).read_text() if workload.maker else ""
    return [
        (str(path.relative_to(data)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files_under(data)
    ]


@dataclass(frozen=True, slots=True)
class _Runs:
    """Two runs of the same, each in a folder of its own."""

    workload: Workload
    cells: Sequence[str]
    environment: Mapping[str, str]
    work: Path
    timeout_s: float

    def folder(self, number: int) -> Path:
        return self.work / str(number)

    def run(self, number: int) -> dict[str, Any]:
        """Run the cells; the first run keeps its portraits.

        Raises
        ------
        TrialFailed
            It gave no result, or not in time.
        """
        name, folder = self.workload.name, self.folder(number)
        (folder / "away").mkdir(parents=True)
        order = Order(
            self.cells, self.environment["NBDATA"], self.workload.excluded, keep_portraits=number == 1
        )
        log = folder / "output.txt"
        python_path = os.pathsep.join(filter(None, [str(_HOME.parent), os.environ.get("PYTHONPATH")]))
        try:
            code = run_child(
                [sys.executable, "-m", "harness.podworkloads.run", str(order.write(folder))],
                folder,
                log,
                self.timeout_s,
                {**self.environment, "PYTHONPATH": python_path},
                self.workload.directory or folder / "away",
            )
        except TrialTimeout as error:
            raise TrialTimeout(f"{name}: the reference run gave {error}") from None
        result = folder / "run.json"
        if not result.is_file():
            said = log.read_text(errors="replace").strip().splitlines()
            last = said[-1] if said else "it said nothing"
            raise TrialFailed(f"{name}: the reference run ended with {code} and no result: {last}")
        answer: dict[str, Any] = json.loads(result.read_text())
        if "failed" in answer:
            raise TrialFailed(f"{name}: {answer['failed']}")
        return answer


def _make(runs: _Runs, place: Path, *, apart: bool) -> None:
    with ThreadPoolExecutor(2) as both:
        try:
            first, second = map(runs.run, (1, 2)) if apart else both.map(runs.run, (1, 2))
        except BaseException:
            clear_tree(runs.work)  # ends the other run, for which the pool would wait
            raise
    partial = runs.folder(1)
    first["unstable"] = _unstable(first, second)
    first["excluded"] = runs.workload.all_excluded(first["data_names"])
    write_json(partial / "reference.json", first)
    _judge_without(partial, first)
    shutil.rmtree(partial / "away")
    for name in ("order.json", "run.json", "output.txt", LEFTOVERS):
        (partial / name).unlink()
    partial.rename(place)


def _unstable(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    found: set[str] = set()
    for one, other in zip(first["cells"], second["cells"], strict=True):
        left, right = one["name_digests"], other["name_digests"]
        found |= {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}
    return sorted(found)


def _judge_without(folder: Path, made: dict[str, Any]) -> None:
    """Digest the sets again as they are known at the end: without the unstable names, and with all that hold data."""
    kept = _read(folder)
    for version, cell in enumerate(made["cells"]):
        for form, code in FORMS.items():
            portrait = kept.portrait(version, code=code)
            cell["digests"][form] = {
                which: portrait.digest(kept.names(version, which)) for which in cell["digests"][form]
            }
    write_json(folder / "reference.json", made)


def _read(place: Path) -> Reference:
    made = json.loads((place / "reference.json").read_text())
    cells = []
    for cell in made["cells"]:
        known: dict[str, Any] = {}
        for each in fields(ReferenceCell):
            value = cell[each.name]
            known[each.name] = tuple(value) if isinstance(value, list) else value
        cells.append(ReferenceCell(**known))
    return Reference(
        place,
        tuple(cells),
        tuple(made["data_names"]),
        tuple(made["excluded"]),
        tuple(made["unstable"]),
        made["mutation_rate"],
    )
