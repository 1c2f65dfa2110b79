"""A system that keeps pickles in memory, one that saves behind the call, and a judge that knows what they must hold."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Collection, Mapping, Sequence
from types import CodeType
from typing import Any

from harness.podbench._judge import Wrong
from harness.systems.pod import Times


class FakeSystem:
    """Saves every variable; names ending in `_odd` cannot be saved."""

    name = "fake"
    saves_code = False

    def __init__(self) -> None:
        self.versions: list[bytes] = []
        self.unsaved: Mapping[str, str] = {}
        self.calls: list[str] = []
        self.times = Times()

    def namespace(self) -> dict[str, Any]:
        return {"__name__": "__main__"}

    def run(self, code: CodeType, source: str, namespace: dict[str, Any]) -> None:
        self.calls.append("run")
        exec(code, namespace)

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> int:
        self.calls.append("save")
        kept = {n: v for n, v in namespace.items() if not n.startswith("__") and n not in exclude}
        self.unsaved = {name: "odd" for name in kept if name.endswith("_odd")}
        self.versions.append(pickle.dumps({n: v for n, v in kept.items() if n not in self.unsaved}))
        return len(self.versions) - 1

    def join(self) -> None:
        self.calls.append("join")

    def load(self, version: Any, names: Sequence[str] | None = None) -> Mapping[str, Any]:
        loaded = pickle.loads(self.versions[version])
        return loaded if names is None else {name: loaded[name] for name in names if name in loaded}

    def size(self) -> int:
        self.calls.append("size")
        return sum(map(len, self.versions))

    def take_times(self) -> Times:
        self.calls.append("take_times")
        taken, self.times = self.times, Times()
        return taken

    def close(self) -> None:
        self.calls.append("close")


class Behind(FakeSystem):
    """Knows the time of a save, and what it left out, when the next one, or the end, has joined it."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: Mapping[str, str] | None = None

    def save(self, namespace: Mapping[str, Any], exclude: Collection[str] = ()) -> int:
        self.join()
        before = self.unsaved
        version = super().save(namespace, exclude)
        self._pending, self.unsaved = self.unsaved, before
        self.times.lock_s.append(0.25)
        return version

    def join(self) -> None:
        super().join()
        if self._pending is not None:
            self.unsaved, self._pending = self._pending, None
            self.times.join_s.append(0.5)
            self.times.background.append((1.5, len(self.versions[-1])))


class FakeJudge:
    """Knows each version by heart."""

    def __init__(self, versions: Sequence[Mapping[str, Any]]) -> None:
        self.versions = copy.deepcopy(list(versions))

    def wanted(self, version: int) -> Sequence[str]:
        return list(self.versions[version])

    def size(self, version: int) -> int:
        return 10 * version

    def judged(self, version: int, unsaved: Collection[str]) -> bool:
        return bool(set(self.versions[version]) - set(unsaved))

    def wrong(self, version: int, loaded: Mapping[str, Any], unsaved: Collection[str]) -> Wrong | None:
        names = [n for n in self.versions[version] if n not in unsaved]
        found = tuple(n for n in names if n not in loaded or loaded[n] != self.versions[version][n])
        return Wrong(found, f"differ: {', '.join(found)}") if found else None
