"""A trial as its notebook sees it: the system under test, the epochs to fill in, and a result at the end."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.epoch import EpochRecord, EpochTimer, Ledger
from harness.errors import TrialFailed
from harness.kernelcache import DROP_DENTRIES_AND_PAGES, DROP_PAGES, Proof, ResidentSample, drop
from harness.probe import Probe
from harness.spec import TrialSpec
from harness.systems.fuse import SYSTEMS, FuseSystem, SystemContext
from harness.twin import Verdict, verify_through

__all__ = ["Session"]

_FIRST: Final = "cold"


class Session:
    """One trial, in the notebook's process.

    The order is always the same: `mount`, then for each state `reset` and `epoch`, then `close`. `verify` mounts a twin
    of its own, untimed.
    """

    def __init__(self, spec: TrialSpec) -> None:
        os.sched_setaffinity(0, spec.cpus)
        self.spec = spec
        self.probe = Probe(spec.probe_port)
        self.system = self._system("trial")
        self.root = Path(spec.work)
        self._samples: dict[str, float] = {}
        self._epochs: list[EpochRecord] = []
        self._verdict: Verdict | None = None
        self._ledger = Ledger(spec, self.probe)
        self._argv = self.system.argv

    @classmethod
    def load(cls, path: str) -> Session:
        """Read the order that the run wrote."""
        return cls(TrialSpec.read(Path(path)))

    def _system(self, name: str) -> FuseSystem:
        work = Path(self.spec.work, name)
        work.mkdir(parents=True, exist_ok=True)
        return SYSTEMS[self.spec.case.system](
            SystemContext(
                config=self.spec.case.config,
                dataset_folder=Path(self.spec.dataset_folder),
                dataset_bytes=self.spec.dataset_bytes,
                s3_url=self.spec.s3_url,
                scale=self.spec.scale,
                work=work,
            )
        )

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record how long a block took as a sample of the cold epoch."""
        begin = time.perf_counter()
        yield
        self._samples[name] = time.perf_counter() - begin

    def mount(self) -> Path:
        """Mount the system under test afresh; its requests count from here on."""
        self.system.prepare()
        self._ledger.open(self.system.pid)
        with self.timed("mount_s"):
            self.root = self.system.mount()
        return self.root

    def reset(self, state: str) -> dict[str, Proof]:
        """Empty the caches that `state` wants empty, layer by layer, and say what shows it.

        Before a cold epoch pages, dentries and inodes go; before a warm one only the pages (a system's own metadata cache
        hangs on dentries), and not even those in a row that is there to show what they add. The server's own files are
        read back into memory each time: its disk is not what is measured.
        """
        if state != _FIRST and self.system.warm_pages:
            return {"page_cache": Proof(reset=False, proof="kept: this row shows what it adds")}
        if state != _FIRST:
            return {"page_cache": drop(DROP_PAGES), **self._warm_server()}
        dropped = drop(DROP_DENTRIES_AND_PAGES)
        proofs = {"page_cache": dropped, "dentries": dropped}
        for layer in ("memory", "disk"):
            proofs[f"system_{layer}"] = self.system.reset(layer)
        return proofs | self._warm_server()

    def _warm_server(self) -> dict[str, Proof]:
        if not self.probe.present:
            return {}
        return {
            "server": Proof(reset=False, proof=f"{self.probe.warm()} bytes of the server's files read back")
        }

    @contextlib.contextmanager
    def epoch(self, state: str, paths: list[Path], proofs: dict[str, Proof]) -> Iterator[EpochTimer]:
        """Time one epoch: the block calls `took` after each batch."""
        with ResidentSample(paths, seed=self.spec.seed) as resident:
            self._ledger.begin(self.system.pid, since_mount=state == _FIRST)
            timer = EpochTimer(len(paths))
            yield timer
            timer.finish()
            record = self._ledger.end(state, timer, self.system.pid)
            record.page_cache_bytes = resident.resident_bytes(self.spec.dataset_bytes)
            pages, files = resident.pages(), resident.files
        if state == _FIRST:
            record.samples |= self._samples
        seen = f"{pages} resident pages in {files} files held open through the epoch"
        record.cache_state = {layer: proof.as_json() for layer, proof in proofs.items()}
        record.cache_state["page_cache"]["proof"] = f"{proofs['page_cache'].proof}; then {seen}"
        for name, value in self.system.stats().items():
            record.samples[f"system.{name}"] = value
        self._epochs.append(record)

    def unmount(self) -> None:
        """Unmount the system under test."""
        self.system.unmount()

    def verify(self) -> Verdict:
        """Read every file through a fresh mount of the same system, untimed, and compare digests."""
        twin = self._system("twin")
        self.probe_profile("none")
        try:
            twin.prepare()
            root = twin.mount()
            digests = json.loads(Path(self.spec.digests).read_text())
            self._verdict = verify_through(root, digests, self.spec)
        finally:
            twin.unmount()
            self.probe_profile(self.spec.profile)
        return self._verdict

    def probe_profile(self, name: str | None) -> None:
        """Switch the simulated network, where there is one."""
        if self.spec.profile is not None and name is not None:
            self.probe.set_profile(name)

    def save(self) -> dict[str, object]:
        """Write the trial's result for the run to collect, and return it."""
        if not self._epochs:
            raise TrialFailed("no epoch was measured")
        result = {
            "run_id": self.spec.run_id,
            "round": self.spec.round,
            "argv": self._argv,
            "cache_bytes": self.system.cache_bytes,
            "page_cache": self.system.page_cache,
            "cpus": list(self.spec.cpus),
            "verdict": self._verdict.as_json() if self._verdict else None,
            "epochs": [record.as_json() for record in self._epochs],
        }
        path = Path(self.spec.result)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(result))
        partial.replace(path)
        return result
