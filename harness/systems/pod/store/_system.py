"""pod's store as a system."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from types import CodeType
from typing import Any

from harness.errors import HarnessError
from harness.systems.pod._base import bytes_below, seed_this_process
from harness.systems.pod._protocol import Times, Version, variables
from harness.systems.pod._servers import Server
from harness.systems.pod.store._configurations import Configuration

__all__ = ["PodStore", "PodWithoutSaves"]


class PodStore:
    """One configuration of `pod.open`.

    A save in the background has its number before it has begun: this is the only session that writes to the store, and
    its versions are numbered one by one.

    Parameters
    ----------
    server
        That of the database which has the store; None: the store is the folder itself.
    """

    saves_code = True

    def __init__(
        self, name: str, folder: Path, row: Configuration, fidelity: str, server: Server | None = None
    ) -> None:
        import pod

        self.name = name
        self._folder = folder
        self._row = row
        self._server = server
        self._unsaved: Mapping[str, str] = {}
        self._times = Times()
        self._running: Any = None
        self.store = pod.open(self._where(), **row.options(fidelity))
        versions = [] if row.is_synchronous else self.store.log()
        self._newest = versions[0].tid if versions else 0

    def _where(self) -> Path | str:
        if self._server is not None:
            return self._server.url
        return f"memory://{token_hex(8)}" if self._row.backend == "memory" else self._folder

    @property
    def unsaved(self) -> Mapping[str, str]:
        return self._unsaved

    def namespace(self) -> dict[str, Any]:
        import pod

        return pod.new_managed_namespace({"__name__": "__main__"})

    def seed(self, number: int) -> None:
        seed_this_process(number)

    def run(self, code: CodeType, source: str, namespace: dict[str, Any]) -> None:
        if not self._row.ascc:
            exec(code, namespace)  # noqa: S102  (the cells of a workload)
            return
        with self.store.cell(source, namespace):
            exec(code, namespace)  # noqa: S102

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        names = list(variables(namespace, exclude)) if exclude else None
        if self._row.is_synchronous:
            return self._saved(self.store.save(namespace, names=names))
        self.join()
        self._running = self.store.save_async(namespace, names=names)
        return self._newest + 1

    def _saved(self, report: Any) -> int:
        self._unsaved = {lost.name: lost.reason for lost in report.unsaved}
        self._newest = int(report)
        return self._newest

    def join(self) -> None:
        if self._running is None:
            return
        running, self._running = self._running, None
        began = time.perf_counter()
        report = running.result()
        self._times.join_s.append(time.perf_counter() - began)
        self._times.background.append((sum(report.seconds.values()), report.bytes_written))
        promised = self._newest + 1
        if self._saved(report) != promised:
            raise HarnessError(
                f"{self.name}: the save that was to make version {promised} made {self._newest}: "
                "another process writes to its store; leave it alone"
            )

    def load(self, version: Version, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        from pod import NoSuchVersion

        tid = int(version)
        try:
            return self.store.load(tid, names=names)
        except NoSuchVersion:
            has = self.store.names(tid)
            if all(name in has for name in names or ()):
                raise
            return self.store.load(tid, names=[name for name in names or () if name in has])

    def size(self) -> int:
        if self._row.backend == "files":
            return bytes_below(self._folder)
        stats = self.store.stats()
        return int(stats["log_bytes"]) + int(stats["index_bytes"])

    def take_times(self) -> Times:
        taken, self._times = self._times, Times()
        taken.lock_s.extend(self.store.take_waits().lock_s)
        return taken

    def close(self) -> None:
        try:
            self.store.close()
        finally:
            if self._server is not None:
                self._server.close()


class PodWithoutSaves(PodStore):
    """Cells run as with the store, and a save is a number: what access to variables costs."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._count = 0

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> Version:
        self._unsaved = dict.fromkeys(variables(namespace, exclude), f"{self.name} saves nothing")
        self._count += 1
        return self._count

    def load(self, _version: Version, _names: Sequence[str] | None = None) -> Mapping[str, Any]:
        return {}
