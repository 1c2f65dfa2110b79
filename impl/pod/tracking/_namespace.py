"""A dict of variables that knows which of them were touched.

Code that runs with it as its globals reads and writes names through `__getitem__` and `__setitem__`, for it is not an
exact dict. Two routes go past them: `global` stores in functions, which a save sees by identity, and the names that code
with locals of its own reads: a class's body, what a function gives to `exec`. So looking up what runs such code counts as
touching everything (`_builtins`), and so does binding a class that no import finds, for code may bring builtins of its own.

While a save encodes in the background, it may close a gate (`_gate`): whoever touches one of its names waits. Code that
was proved to read only (`reading`) neither touches nor waits.

Other threads may save or close a gate between any two lines. So a value is read first and its name touched afterwards: a save
between the two sees the value held by somebody unknown, and a gate that was closed before it was read is waited for.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import ItemsView, KeysView, ValuesView
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pod.graph import name_of
from pod.tracking._builtins import Builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.tracking._gate import Gate
    from pod.tracking._unloaded import Unloaded

_BUILTINS: Final = "__builtins__"


class Touched(NamedTuple):
    """What was touched: names, or everything."""

    names: frozenset[str]
    everything: bool = False


class Watch:
    """What one store remembers of one namespace.

    Parameters
    ----------
    rebound
        Called with a name that is bound anew or deleted, so that the store need not keep the old object alive.
    """

    __slots__ = ("__weakref__", "everything", "names", "rebound")

    def __init__(self, rebound: Callable[[str], None] | None = None) -> None:
        self.names: set[str] = set()
        self.everything = False
        self.rebound = rebound

    def take(self) -> Touched:
        """Return what was touched since the last call, and forget it."""
        names, self.names = self.names, set()  # another store's thread adds to one or to the other
        everything, self.everything = self.everything, False
        return Touched(frozenset(names), everything)


class Namespace(dict[str, Any]):
    """A managed namespace: a dict whose touched names are known.

    It is used like any dict, also as the globals of `exec`. `hidden` are objects that functions of a partly loaded
    namespace need: code finds them, but they are no variables. Nor is `__builtins__`, which the interpreter puts into
    any globals: it can be asked for, but is not counted or listed. `loading` is asked for names that are missing, while a
    version is loaded into it; `unloaded` are the variables of that version that could not be built.
    """

    __slots__ = (
        "__weakref__",
        "_everything",
        "_gates",
        "_is_plain",
        "_readers",
        "_touched",
        "_watches",
        "hidden",
        "loading",
        "unloaded",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._touched: set[str] = set()
        self._everything = False
        self._watches: list[Watch] = []
        self._gates: list[Gate] = []
        self._readers: Counter[int] = Counter()  # threads
        self._is_plain = True  # there are neither gates nor readers
        self.hidden: dict[str, Any] = {}
        self.loading: Callable[[str], object] | None = None
        self.unloaded: tuple[Unloaded, ...] = ()
        self._watch_builtins()
        dict.update(self, *args, **kwargs)

    def watch(self, watch: Watch) -> None:
        """Let a store learn what is touched from here on."""
        self._spread()
        self._watches.append(watch)

    def unwatch(self, watch: Watch) -> None:
        """Forget a store."""
        self._watches = [other for other in self._watches if other is not watch]

    def touched_by(self, watch: Watch) -> Touched:
        """Return what was touched since the last call for this watch, and forget it."""
        self._spread()
        return watch.take()

    def _watch_builtins(self) -> None:
        """See when code whose globals this is looks up what runs code with locals of its own."""
        this = weakref.ref(self)

        def running() -> None:
            namespace = this()
            if namespace is not None:
                namespace._touch_all()

        dict.__setitem__(self, _BUILTINS, Builtins(running))

    def _spread(self) -> None:
        touched, self._touched = self._touched, set()  # a thread adds to one or to the other
        everything, self._everything = self._everything, False
        for watch in self._watches:
            watch.names |= touched
            watch.everything |= everything

    # Gates and readers

    def close_gate(self, gate: Gate) -> None:
        """Make whoever touches one of a gate's names wait for it."""
        self._gates = [*self._gates, gate]
        self._is_plain = False

    def open_gate(self, gate: Gate) -> None:
        """Open a gate, and forget it."""
        gate.open()
        self._gates = [other for other in self._gates if other is not gate]
        self._is_plain = not (self._gates or self._readers)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let the calling thread read names without touching them, and past gates; it must change nothing that they lead to."""
        thread = threading.get_ident()
        self._readers[thread] += 1
        self._is_plain = False
        try:
            yield
        finally:
            self._readers[thread] -= 1
            self._readers += Counter()  # drops what is zero
            self._is_plain = not (self._gates or self._readers)

    def _read(self, key: str) -> None:
        """Touch a name, unless the thread only reads; wait until that may be."""
        if threading.get_ident() not in self._readers:
            self._wait(key)
            self._touched.add(key)

    def _wait(self, key: str | None) -> None:
        waited: list[Gate] = []
        while waited is not self._gates:  # another save may have closed one meanwhile
            waited = self._gates
            for gate in waited:
                gate.wait(key)

    def _touch_all(self) -> None:
        if threading.get_ident() not in self._readers:
            self._wait(None)
            self._everything = True

    def _rebind(self, key: str) -> None:
        self._wait(key)
        self._touched.add(key)
        for watch in self._watches:
            if watch.rebound is not None:
                watch.rebound(key)

    # What touches one name

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if self._is_plain:
            self._touched.add(key)
        else:
            self._read(key)
        return value

    def __missing__(self, key: str) -> Any:
        if self.loading is None or key in self.hidden:
            return self.hidden[key]
        return self.loading(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._rebind(key)
        if isinstance(value, type) and name_of(value) is None:
            self._everything = True
        dict.__setitem__(self, key, value)

    def __delitem__(self, key: str) -> None:
        self._rebind(key)
        dict.__delitem__(self, key)

    def get(self, key: str, default: Any = None, /) -> Any:
        value = dict.get(self, key, default)
        self._read(key)
        return value

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        value = dict.setdefault(self, key, default)
        self._wait(key)
        self._touched.add(key)
        return value

    def pop(self, key: str, *default: Any) -> Any:
        self._rebind(key)
        value = dict.pop(self, key, *default)
        self._wait(key)
        return value

    def popitem(self) -> tuple[str, Any]:
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("popitem(): dictionary is empty")

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any, /) -> Any:
        self.update(other)
        return self

    # What touches everything, for it hands out all values

    def clear(self) -> None:
        self._wait(None)
        for key in self:
            self._rebind(key)
        dict.clear(self)
        self._watch_builtins()

    def values(self) -> Any:
        self._touch_all()
        return ValuesView(self)

    def items(self) -> Any:
        self._touch_all()
        return ItemsView(self)

    def copy(self) -> dict[str, Any]:
        """Return a plain dict."""
        found = {key: value for key, value in dict.items(self) if key != _BUILTINS}
        self._touch_all()
        return found

    def __or__(self, other: Any, /) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any, /) -> Any:
        return other | self.copy()

    def __eq__(self, other: object, /) -> bool:
        return dict.__eq__(self.copy(), other.copy() if isinstance(other, Namespace) else other)

    def __ne__(self, other: object, /) -> bool:
        return not self == other

    __hash__ = None

    # What lists names; with `__iter__` and `keys` defined, `dict(namespace)` and `{**namespace}` go through `__getitem__`

    def __iter__(self) -> Iterator[str]:
        return (key for key in dict.__iter__(self) if key != _BUILTINS)

    def __reversed__(self) -> Iterator[str]:
        return (key for key in dict.__reversed__(self) if key != _BUILTINS)

    def __len__(self) -> int:
        return dict.__len__(self) - dict.__contains__(self, _BUILTINS)

    def keys(self) -> Any:
        return KeysView(self)

    def __repr__(self) -> str:
        return f"Namespace({self.copy()!r})"

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        return Namespace, (), None, None, iter(self.copy().items())  # made first: its functions refer to it
