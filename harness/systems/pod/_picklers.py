"""The picklers that systems write with, each as its users call it."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, ClassVar, Final, Protocol

__all__ = [
    "Cloudpickle",
    "Dill",
    "Pickle",
    "Pickler",
    "PurePickle",
    "Readable",
    "Session",
    "Writable",
    "module_copy",
    "pure_pickler",
]

_MAIN: Final = "__main__"
_PROTOCOL: Final = 5


class Writable(Protocol):
    """What a pickler writes to."""

    def write(self, data: Any, /) -> object: ...


class Readable(Protocol):
    """What an unpickler reads from."""

    def read(self, size: int = ..., /) -> bytes: ...
    def readline(self, size: int = ..., /) -> bytes: ...


class Pickler(Protocol):
    """One library's dump and load."""

    about: ClassVar[str]
    saves_code: ClassVar[bool]

    def dump(self, value: object, file: Writable) -> None: ...
    def load(self, file: Readable) -> Any: ...


class Session:
    """The session of a pickler's user: its namespace is that of `__main__`, as in a notebook.

    Picklers that keep code by name look for it there, and dill keeps a function's globals as that module's. The process's
    own `__main__` is put aside meanwhile: its names are not a session's to overwrite.

    Parameters
    ----------
    restores
        Versions are loaded into a `__main__` of their own, as by a user who takes a session up again: what functions read
        there is what was loaded. Else they are loaded into this session, which has the code that they refer to.
    """

    def __init__(self, *, restores: bool) -> None:
        self._module = ModuleType(_MAIN)
        self._restores = restores

    def namespace(self) -> dict[str, Any]:
        """Return a new namespace, from now on that of the session."""
        self._module = ModuleType(_MAIN)
        return vars(self._module)

    @contextmanager
    def as_main(self) -> Iterator[None]:
        """Be `__main__` for a while."""
        with _as_main(self._module):
            yield

    def load(self, load: Callable[[], Mapping[str, Any]], names: Sequence[str] | None) -> dict[str, Any]:
        """Return what is loaded, or what of the names is.

        A restored `__main__` keeps the rest, too: it was loaded anyhow, and functions read it there.
        """
        module = ModuleType(_MAIN) if self._restores else self._module
        with _as_main(module):
            found = load()
        if self._restores:
            vars(module).update(found)
            return vars(module)
        return dict(found) if names is None else {name: found[name] for name in names if name in found}


@contextmanager
def _as_main(module: ModuleType) -> Iterator[None]:
    own = sys.modules[_MAIN]
    sys.modules[_MAIN] = module
    try:
        yield
    finally:
        sys.modules[_MAIN] = own


class Pickle:
    """`pickle` as it comes with Python. Code is kept by name: the session must have it when it loads."""

    about: ClassVar[str] = "pickle, compiled, protocol 5"
    saves_code: ClassVar[bool] = False

    def dump(self, value: object, file: Writable) -> None:
        pickle.dump(value, file, protocol=_PROTOCOL)

    def load(self, file: Readable) -> Any:
        return pickle.load(file)  # noqa: S301  (what the harness has written)


class PurePickle(Pickle):
    """The handicap of the published comparison: Python's own pickler, not the compiled one."""

    about: ClassVar[str] = "pickle, pure Python, protocol 5"

    def dump(self, value: object, file: Writable) -> None:
        pure_pickler()(file, protocol=_PROTOCOL).dump(value)


@cache
def pure_pickler() -> type[pickle._Pickler]:
    """Return the pure-Python pickler as it came, of a second copy of its module: dill adds its own types to the first."""
    found: type[pickle._Pickler] = module_copy(pickle, f"{__name__}_pickle")._Pickler
    return found


def module_copy(module: ModuleType, name: str) -> Any:
    """Return a new module from the same source, which can be imported by that name."""
    made = ModuleType(name)
    made.__file__ = module.__file__
    sys.modules[name] = made
    SourceFileLoader(name, str(module.__file__)).exec_module(made)
    return made


class Dill:
    """`dill`, whose pickler is pure Python always, as its users call it in a notebook."""

    about: ClassVar[str] = "dill, its defaults, protocol 5"
    saves_code: ClassVar[bool] = True

    def __init__(self) -> None:
        import dill

        # Imported before a session is `__main__`: dill keeps for ever what it finds there.
        self._dill = dill

    def dump(self, value: object, file: Writable) -> None:
        with warnings.catch_warnings():  # where it matters, an error says the same
            warnings.simplefilter("ignore", self._dill.PicklingWarning)
            self._dill.dump(value, file, protocol=_PROTOCOL)

    def load(self, file: Readable) -> Any:
        return self._dill.load(file)


class Cloudpickle:
    """`cloudpickle`: the compiled pickler, with functions and classes by value.

    A function comes back with globals of its own, not the session's, so it is not the function that it was.
    """

    about: ClassVar[str] = "cloudpickle, compiled, protocol 5"
    saves_code: ClassVar[bool] = False

    def __init__(self) -> None:
        import cloudpickle

        self._cloudpickle = cloudpickle

    def dump(self, value: object, file: Writable) -> None:
        self._cloudpickle.dump(value, file, protocol=_PROTOCOL)

    def load(self, file: Readable) -> Any:
        return pickle.load(file)  # noqa: S301  (what the harness has written)
