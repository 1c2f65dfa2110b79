"""Reading a version: pods in the order in which they need each other, without recursion.

User's code runs meanwhile: reducers, `__setstate__`, `__hash__`. It finds the version's variables as globals: each is bound
as soon as it is read, and one that is not read yet is read when it is asked for, while the pod whose object asks stays
where it is. Should it need an object that is being built at that moment, it is given as far as it is built.

What cannot be built takes with it what leads to it, and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pod.errors import CannotLoad, Corrupt, NoSuchVersion, StoreBusy, StoreUnavailable
from pod.kernel import Decoder
from pod.store._record import Bound, all_pods, find_pod, parse_names, pods_below
from pod.store._report import text_of
from pod.store._source import CoatedSource, Source
from pod.store._tree import Lookup

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pod.graph import Pod
    from pod.log import Log
    from pod.store._record import Record
    from pod.tracking import Namespace

_MISSING: Final = object()
_FATAL: Final = (Corrupt, StoreBusy, StoreUnavailable, MemoryError)


class _Awaited(Exception):
    """What was asked for needs an object that is being built at this moment."""


class Loader:
    """Loads variables of one version into a namespace that is empty.

    Parameters
    ----------
    variables
        What the functions that are loaded have as globals: the namespace, unless another dict is given.

    Attributes
    ----------
    bound
        What was loaded, but for what only functions need.
    values
        What was loaded.
    lost
        Why what could not be built could not.
    pods, objects
        What was read, and what it holds, by their oids.
    """

    def __init__(
        self, log: Log, record: Record, namespace: Namespace, variables: dict[str, Any] | None = None
    ) -> None:
        self._log = log
        self._record = record
        self._namespace = namespace
        self._variables = namespace if variables is None else variables
        self._sources = {b"": Source(log)}  # by the kinds of their pods' coats
        self._look_up = Lookup(record.pods, log.read)
        self.bound: dict[str, Bound] = {}
        self.values: dict[str, object] = {}
        self.lost: dict[str, Exception] = {}
        self.pods: dict[int, Pod] = {}
        self.objects: dict[int, Any] = {}
        self._every: dict[str, Bound] = {}
        self._wanted: dict[str, Any | None] = {}
        self._owners: dict[int, Pod] = {}
        self._decoders: dict[int, Decoder] = {}
        self._reading: set[int] = set()
        self._running: Decoder | None = None
        self._unsettled: dict[int, Decoder] = {}  # of pods that hang on what is not read to its end
        self._broken: dict[int, Exception] = {}

    def load(self, names: Collection[str] | None) -> None:
        """Load these variables, or all, and what their functions need."""
        with self._log.reading():
            self._load(names)

    def _load(self, names: Collection[str] | None) -> None:
        self._every = every = parse_names(self._record.names, self._log.read)
        missing = [] if names is None else [name for name in names if name not in every or every[name].hidden]
        if missing:
            raise NoSuchVersion(f"the version has no variable {', '.join(map(str, missing))}")
        shown: Iterable[str] = names or ()
        if names is None:
            shown = [name for name, bound in every.items() if not bound.hidden]
        self._wanted = dict.fromkeys(shown)
        pending = list(self._wanted)
        if names is None:
            for pod in all_pods(self._record.pods, self._log.read):
                self._learn(pod)
            pending += [name for name, bound in every.items() if bound.hidden]
        self._namespace.loading = self._ask
        try:
            self._bind_all(pending)
            self._finish()
        finally:
            self._namespace.loading = None
        self._drop_broken()
        self._put_in_order()

    def cannot(self, name: str) -> CannotLoad:
        """Return the error of a variable that is lost."""
        reason = self.lost[name]
        error = CannotLoad(
            f"variable {name} cannot be loaded here: {type(reason).__name__}: {text_of(reason)}"
        )
        error.__cause__ = reason
        return error

    # Names

    def _bind_all(self, pending: list[str]) -> None:
        done: set[str] = set()
        while pending:
            for name in pending:
                with suppress(CannotLoad):  # it is among those that are lost
                    self._bind(name)
            done.update(pending)
            needed = {name for pod in self.pods.values() for name in pod.needs}
            pending = sorted(name for name in needed if name in self._every and name not in done)

    def _bind(self, name: str) -> object:
        """Read a variable, unless that was done, and let code find it."""
        if name in self.values:
            return self.values[name]
        if name in self.lost:
            raise self.cannot(name)
        try:
            value = self._value(self._every[name])
        except (_Awaited, *_FATAL):
            raise
        except Exception as error:
            self.lost[name] = error
            raise self.cannot(name) from error
        self.values[name] = value
        dict.__setitem__(self._namespace if name in self._wanted else self._namespace.hidden, name, value)
        return value

    def _ask(self, name: str) -> object:
        """Give running code a variable; `KeyError`: there is none, or none yet."""
        bound = self._every.get(name)
        if bound is None:
            raise KeyError(name)
        try:
            return self._bind(name)
        except CannotLoad as error:
            raise KeyError(name) from error
        except _Awaited:
            found = _MISSING if bound.oid is None else self._made(bound.oid)
        if found is _MISSING:
            raise KeyError(name)
        return found

    def _value(self, bound: Bound) -> object:
        if bound.oid is None:
            decoder = Decoder([bound.atom], [], [], self._sources[b""], self._variables)
            decoder.run(self._found, _MISSING)
            return decoder.root
        self._read(bound.oid)
        return self._found(bound.oid)

    def _drop_broken(self) -> None:
        """Take back the variables that lead to a pod that could not be built."""
        if not self._broken:
            return
        reasons = self._reasons()
        for name in list(self.values):
            oid = self._every[name].oid
            if oid is not None and (owner := self._owners[oid].oid) in reasons:
                del self.values[name]
                self.lost[name] = reasons[owner]
                dict.pop(self._namespace, name, None)
                self._namespace.hidden.pop(name, None)
        owners = {oid: pod.oid for oid, pod in self._owners.items()}
        self.pods = pods_below({name: self._every[name] for name in self.values}, self.pods, owners)

    def _reasons(self) -> dict[int, Exception]:
        """Return the pods that lead to one that could not be built, each with the reason."""
        users: dict[int, list[int]] = {}
        for pod in self.pods.values():
            for oid in pod.references:
                if oid in self._owners:
                    users.setdefault(self._owners[oid].oid, []).append(pod.oid)
        found = dict(self._broken)
        pending = list(found)
        while pending:
            oid = pending.pop()
            for user in users.get(oid, ()):
                if user not in found:
                    found[user] = found[oid]
                    pending.append(user)
        return found

    def _put_in_order(self) -> None:
        """Let names mean what the version says, in its order, whatever code bound meanwhile."""
        for name in self._every.keys() - self._wanted.keys():
            dict.pop(self._namespace, name, None)
        for name in self._wanted:
            dict.pop(self._namespace, name, None)
            if name in self.values:
                dict.__setitem__(self._namespace, name, self.values[name])
                self.bound[name] = Bound(self._every[name].oid, self._every[name].atom)

    # Pods

    def _learn(self, pod: Pod) -> None:
        self.pods[pod.oid] = pod
        self._owners[pod.oid] = pod
        for oid in pod.exports:
            self._owners[oid] = pod

    def _pod_of(self, oid: int) -> Pod:
        pod = self._owners.get(oid)
        if pod is None:
            pod = find_pod(self._look_up, oid, self._log.read)
            self._learn(pod)
        return pod

    def _found(self, oid: int) -> object:
        """Return an object with an oid if it is there; of a pod that is being read, however far that is."""
        found = self.objects.get(oid, _MISSING)
        if found is not _MISSING:
            finished = not self._unsettled or self._pod_of(oid).oid not in self._unsettled
        elif self._pod_of(oid).oid in self._reading:
            found, finished = self._made(oid), False
        else:
            return found
        if not finished and self._running is not None:
            self._running.hang()
        return found

    def _made(self, oid: int) -> object:
        """Return an object of a pod that is not read to its end, if it was made."""
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
        stack: list[Pod] = []
        try:
            self._enter(oid, stack)
            while stack:
                pod = stack[-1]
                needed = 0 if self._is_read(pod) else self._read_on(pod)
                if needed:
                    self._enter(needed, stack)
                else:
                    self._reading.discard(stack.pop().oid)
            self._settle()
        except (_Awaited, *_FATAL):
            raise
        except Exception as error:
            for pod in stack:  # each waits for the next
                self._broken[pod.oid] = error
                self._decoders.pop(pod.oid, None)
            raise
        finally:
            self._reading.difference_update(pod.oid for pod in stack)

    def _enter(self, oid: int, stack: list[Pod]) -> None:
        """Begin with the pod to read for an object."""
        pod = self._entrance(oid)
        if pod.oid in self._broken:
            raise self._broken[pod.oid]
        if pod.oid in self._reading:
            if pod in stack:
                raise CannotLoad(f"pods {stack[-1].oid} and {pod.oid} wait for each other")
            raise _Awaited
        self._reading.add(pod.oid)
        stack.append(pod)

    def _entrance(self, oid: int) -> Pod:
        """Return the pod to read for an object: its own, or the one within which that was written."""
        pod = self._pod_of(oid)
        while pod.within is not None and pod.within not in self._reading and not self._is_read(pod):
            pod = self._pod_of(pod.within)
        return pod

    def _is_read(self, pod: Pod) -> bool:
        return pod.oid in self.objects

    def _read_on(self, pod: Pod) -> int:
        """Read a pod as far as it can be; return the oid of the object that it needs, 0 at its end."""
        decoder = self._decoders.get(pod.oid)
        if decoder is None:
            decoder = self._decoders[pod.oid] = self._open(pod)
        around, self._running = self._running, decoder
        try:
            needed = decoder.run(self._found, _MISSING)
        finally:
            self._running = around
        if not needed:
            if decoder.hung:
                self._unsettled[pod.oid] = decoder
            self.objects[pod.oid] = decoder.root
            for oid, ordinal in pod.exports.items():
                self.objects[oid] = decoder.made(ordinal)
            del self._decoders[pod.oid]
        return needed

    def _settle(self) -> None:
        """Hash keys again that lacked state when they were read, if nothing is left that is not read to its end."""
        if not self._unsettled or self._reading or self._decoders:
            return
        unsettled, self._unsettled = self._unsettled, {}
        for oid, decoder in unsettled.items():
            try:
                decoder.settle()
            except _FATAL:
                raise
            except Exception as error:  # noqa: BLE001  (it is reported of the variables that lead to the pod)
                self._broken[oid] = error

    def _open(self, pod: Pod) -> Decoder:
        kind = pod.coat[:1]
        source = self._sources.get(kind)
        if source is None:
            source = self._sources[kind] = CoatedSource(self._log, kind[0])
        return Decoder(source.streams(pod), pod.blobs, pod.references, source, self._variables)

    def _finish(self) -> None:
        """Read to its end what running code asked for when it had to wait."""
        while self._decoders:
            oid = next(iter(self._decoders))
            reason: Exception = CannotLoad(f"pod {oid} cannot be read to its end")
            try:
                self._read(oid)
            except _FATAL:
                raise
            except Exception as error:  # noqa: BLE001  (it is reported of the variables that lead to the pod)
                reason = error
            if self._decoders.pop(oid, None) is not None:
                self._broken[oid] = reason
        self._settle()
