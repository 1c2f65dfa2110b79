"""What the trials of a machine share: the dataset, the S3 server with what is packed in it, and the machine itself."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.dataset import Dataset, coco, file_digests
from harness.durable import write_json
from harness.errors import HarnessError
from harness.home import Home
from harness.machine import commit_of, machine_facts, machine_id, source_digest
from harness.plan import Plan
from harness.probe import serve_probe
from harness.runs import try_lock
from harness.s3 import S3Server, start_s3
from harness.slot import Slot, share_of
from harness.systems.fuse import SYSTEMS, Layout
from harness.upload import ensure_layouts, format_digest
from harness.wording import counted

__all__ = ["Ground", "GroundOrder", "harness_digest", "lay_ground", "order_of", "systems_here"]


@dataclass(frozen=True, slots=True)
class GroundOrder:
    """What a run needs to be there on each machine that measures for it."""

    scale: str
    s3: str
    data: str | None
    systems: tuple[str, ...]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> GroundOrder:
        """Read what `dataclasses.asdict` gave."""
        return cls(**{**raw, "systems": tuple(raw["systems"])})

    @property
    def s3_kind(self) -> str:
        """Which kind of server: ``sim``, ``seaweedfs`` or ``external``."""
        return "external" if "://" in self.s3 else self.s3


def order_of(plan: Plan) -> GroundOrder:
    """Return what a plan needs."""
    return GroundOrder(
        scale=plan.scale_text,
        s3=plan.s3,
        data=str(plan.options.data) if plan.options.data else None,
        systems=tuple(dict.fromkeys(case.system for case in plan.cases)),
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What is there, while `lay_ground` holds it."""

    home: Home
    dataset: Dataset
    server: S3Server | None
    urls: Mapping[Layout, str]
    probe_port: int | None
    cpus: tuple[int, ...]
    slot: Slot
    systems: Mapping[str, Mapping[str, Any]]
    """System -> what `systems_here` says of it."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What clients of the server need."""
        return self.server.env if self.server else {}

    def facts(self) -> dict[str, Any]:
        """Return what a run writes down of this machine: runs are compared and continued by these."""
        machine, commit, dataset = machine_facts(), commit_of(self.home.folder), self.dataset
        return {
            "dataset": {
                "name": dataset.name,
                "digest": dataset.digest,
                "files": dataset.files,
                "bytes": dataset.bytes,
            },
            "dataset_seed": dataset.seed,
            "s3_version": self.server.version if self.server else None,
            "machine": machine,
            "machine_id": machine_id(machine),
            "commit": commit.id,
            "dirty": commit.dirty,
            "harness_digest": harness_digest(),
            "cpu_count": len(self.cpus),
            "systems": self.systems,
        }

    def write_digests(self, path: Path) -> None:
        """Write the digest of each file, for the trials' byte check."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, file_digests(self.dataset))


def harness_digest() -> str:
    """Return one digest of the harness's own sources: its package, and the notebooks that it executes."""
    package = Path(__file__).parent
    digests = [source_digest(folder) for folder in (package, package.parent / "notebooks")]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def systems_here(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return, for each system, how to get it where it is missing, else its version and digest."""
    found = {}
    for name in names:
        system = SYSTEMS[name]
        missing = system.how_to_get()
        found[name] = {
            "missing": missing,
            "ceiling": system.ceiling,
            "version": "unknown" if missing else system.version(),
            "digest": "unknown" if missing else system.digest(),
        }
    return found


@contextlib.contextmanager
def lay_ground(
    order: GroundOrder, home: Home, slot: Slot, say: Callable[[str], None], *, progress: bool = True
) -> Iterator[Ground]:
    """Have everything there that `order` names, as long as the block runs.

    Raises
    ------
    HarnessError
        When it cannot be had: dataset, server, packing.
    """
    systems = systems_here(order.systems)
    installed = [SYSTEMS[name].layout for name, facts in systems.items() if not facts["missing"]]
    layouts: list[Layout] = [layout for layout in dict.fromkeys(installed) if layout != "none"]
    data = Path(order.data) if order.data else None
    dataset = coco(order.scale, home.cache / "datasets", data=data, progress=progress)
    cpus = share_of(slot)
    with contextlib.ExitStack() as held:
        server, urls, port = None, {}, None
        if layouts:
            folder = _server_folder(order, home, slot, dataset)
            held.enter_context(_alone(folder))
            server = held.enter_context(start_s3(order.s3, folder, profile="none", cpus=cpus))
            say(
                f"S3: {server.kind} {server.version}; packing {counted(dataset.files, 'file')} where that is still to do"
            )
            urls = ensure_layouts(server, dataset, layouts)
            port = held.enter_context(serve_probe(server, folder if server.kind == "sim" else None))
        yield Ground(home, dataset, server, urls, port, cpus, slot, systems)


def _server_folder(order: GroundOrder, home: Home, slot: Slot, dataset: Dataset) -> Path:
    """Return a folder for this dataset alone: all of it is read back before a cold epoch."""
    kind = f"{order.s3_kind}{slot.suffix}"
    return home.cache / "s3" / kind / f"{dataset.digest[:16]}-{format_digest()}"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a server's folder; drop its predecessors, which were packed by a format that is no more."""
    folder.mkdir(parents=True, exist_ok=True)
    with try_lock(_lock_of(folder)) as ours:
        if not ours:
            raise HarnessError("another run uses the S3 server's folder on this machine: wait for it")
        for other in folder.parent.glob(f"{folder.name.partition('-')[0]}-*/"):
            if other != folder:
                with try_lock(_lock_of(other)) as unused:
                    if unused:
                        shutil.rmtree(other, ignore_errors=True)
        yield


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
