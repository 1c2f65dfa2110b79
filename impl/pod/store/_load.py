"""Reading a version: pods in the order in which they need each other, without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pod.errors import CannotLoad, NoSuchVersion, PodError
from pod.graph import by_name, memory
from pod.kernel import Decoder
from pod.store._record import Bound, all_pods, find_pod, parse_names
from pod.tracking import Namespace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pod.graph import Pod
    from pod.log import Log
    from pod.store._record import Record

_MISSING: Final = object()


class _Source:
    """Reads blobs and finds globals, for decoders."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def blob(self, digests: Sequence[bytes], _length: int, /) -> memoryview:
        return self._log.read_joined(digests)

    def blob_into(self, digests: Sequence[bytes], target: memoryview, /) -> None:
        self._log.read_joined(digests, target)

    def memory(self, value: object, /) -> memoryview:
        return memory(value)

    def by_name(self, module: str, qualname: str, /) -> object:
        return by_name(module, qualname)


class Loader:
    """Loads variables of one version into a new namespace."""

    def __init__(self, log: Log, record: Record) -> None:
        self._log = log
        self._record = record
        self._source = _Source(log)
        self.namespace = Namespace()
        self.bound: dict[str, Bound] = {}
        self.pods: dict[int, Pod] = {}
        self._owners: dict[int, Pod] = {}
        self._decoders: dict[int, Decoder] = {}
        self.objects: dict[int, Any] = {}

    def load(self, names: Collection[str] | None) -> Namespace:
        """Load these variables, or all, and what their functions need."""
        every = parse_names(self._record.names, self._log.read)
        missing = [] if names is None else [name for name in names if name not in every or every[name].hidden]
        if missing:
            raise NoSuchVersion(f"the version has no variable {', '.join(missing)}")
        wanted = [name for name, bound in every.items() if not bound.hidden] if names is None else list(names)
        if names is None:
            for pod in all_pods(self._record.pods, self._log.read):
                self._learn(pod)
        values: dict[str, object] = {}
        pending = wanted + ([name for name, bound in every.items() if bound.hidden] if names is None else [])
        done: set[str] = set()
        while pending:
            for name in pending:
                values[name] = self._value(name, every[name])
            done.update(pending)
            needed = {name for pod in self.pods.values() for name in pod.needs}
            pending = sorted(name for name in needed if name in every and name not in done)
        for name in wanted:
            dict.__setitem__(self.namespace, name, values[name])
            self.bound[name] = Bound(every[name].oid, every[name].atom)
        self.namespace.hidden.update(
            {name: value for name, value in values.items() if name not in self.bound}
        )
        return self.namespace

    def _learn(self, pod: Pod) -> None:
        self.pods[pod.oid] = pod
        self._owners[pod.oid] = pod
        for oid in pod.exports:
            self._owners[oid] = pod

    def _pod_of(self, oid: int) -> Pod:
        pod = self._owners.get(oid)
        if pod is None:
            pod = find_pod(self._record.pods, oid, self._log.read)
            self._learn(pod)
        return pod

    def _value(self, name: str, bound: Bound) -> object:
        try:
            if bound.oid is None:
                decoder = Decoder([bound.atom], [], [], self._source, self.namespace)
                decoder.run(self._found, _MISSING)
                return decoder.root
            self._read(bound.oid)
            return self._found(bound.oid)
        except (PodError, MemoryError):
            raise
        except Exception as error:
            raise CannotLoad(
                f"variable {name} cannot be loaded here: {type(error).__name__}: {error}"
            ) from error

    def _found(self, oid: int) -> object:
        """Return an object with an oid if it is there, however far its pod has been read."""
        found = self.objects.get(oid, _MISSING)
        if found is not _MISSING:
            return found
        pod = self._pod_of(oid)
        decoder = self._decoders.get(pod.oid)
        if decoder is None:
            return _MISSING
        ordinal = pod.exports.get(oid)
        if ordinal is not None and decoder.count > ordinal:
            return decoder.made(ordinal)
        return decoder.root if decoder.done and oid == pod.oid else _MISSING

    def _read(self, oid: int) -> None:
        """Read the pod of an object, and all pods it needs first."""
        stack = [self._entrance(oid)]
        while stack:
            pod = stack[-1]
            decoder = self._decoders.get(pod.oid)
            if decoder is None:
                if self._is_read(pod):
                    stack.pop()
                    continue
                decoder = self._decoders[pod.oid] = self._open(pod)
            needed = decoder.run(self._found, _MISSING)
            if needed:
                following = self._entrance(needed)
                if following.oid in self._decoders and following in stack:
                    raise CannotLoad(f"pods {pod.oid} and {following.oid} wait for each other")
                stack.append(following)
                continue
            stack.pop()
            self._keep(pod, decoder)

    def _entrance(self, oid: int) -> Pod:
        """Return the pod to read for an object: its own, or the one within which that was written."""
        pod = self._pod_of(oid)
        while pod.within is not None and pod.within not in self._decoders and not self._is_read(pod):
            pod = self._pod_of(pod.within)
        return pod

    def _is_read(self, pod: Pod) -> bool:
        return pod.oid in self.objects

    def _open(self, pod: Pod) -> Decoder:
        streams = list(self._log.read_many(pod.streams))
        return Decoder(streams, pod.blobs, pod.references, self._source, self.namespace)

    def _keep(self, pod: Pod, decoder: Decoder) -> None:
        self.objects[pod.oid] = decoder.root
        for oid, ordinal in pod.exports.items():
            self.objects[oid] = decoder.made(ordinal)
        del self._decoders[pod.oid]
