"""Functions, their code and their cells, and ufuncs of functions, by value."""

from __future__ import annotations

import builtins
import dis
import gc
import importlib.util
import marshal
import sys
import types
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pod.graph._names import module_name, module_of_globals
from pod.graph._types import BY_CALL, IMMUTABLE, OWN_DICT, Reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME_OPS: Final = frozenset(
    dis.opmap[name]
    for name in (
        "LOAD_GLOBAL",
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
        "LOAD_NAME",
        "LOAD_FROM_DICT_OR_GLOBALS",
    )
    if name in dis.opmap
)
_MARSHAL: Final = 2  # the last version whose bytes do not depend on reference counts
_OF_A_FUNCTION: Final = " (vectorized)"  # how the names of ufuncs end that numpy makes of functions
_LOOKED_AT: Final = 10_000  # containers among a save's variables


class Globals:
    """Stands for the global variables of a module that no import finds, or of `__main__`: only what functions use is stored."""

    __slots__ = ("name",)

    def __init__(self, name: object) -> None:
        self.name = name


class Variables:
    """Stands for all the variables of a module that is stored by value."""

    __slots__ = ("module",)

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module


class Elsewhere:
    """Finds what stands for the globals of functions that are not those of the namespace.

    Dicts and modules that a save holds are looked for once, near its variables: what a function has as globals may be one.
    """

    def __init__(self, namespace: object) -> None:
        self._namespace = namespace
        self._stubs: dict[int, Globals | Variables] = {}
        self._shown: dict[int, object] | None = None

    def shown(self, variables: dict[str, Any]) -> object | None:
        """Return what a save holds that has these variables: the dict itself, or what stands for a module's."""
        if self._shown is None:
            self._shown = dict(self._look())
        found = self._shown.get(id(variables))
        if isinstance(found, types.ModuleType):
            return self._stubs.setdefault(id(variables), Variables(found))
        return found

    def stub(self, variables: dict[str, Any]) -> object:
        """Return what stands for variables of which only those that functions use are stored."""
        return self._stubs.setdefault(id(variables), Globals(variables.get("__name__")))

    def _look(self) -> Iterator[tuple[int, object]]:
        namespace = self._namespace
        if not isinstance(namespace, Mapping):
            return
        pairs = dict.items(namespace) if isinstance(namespace, dict) else namespace.items()
        pending = deque(value for _name, value in pairs)
        seen: set[int] = {id(namespace)}
        while pending and len(seen) < _LOOKED_AT:
            value = pending.popleft()
            if id(value) in seen:
                continue
            if isinstance(value, dict):
                seen.add(id(value))
                yield id(value), value
                pending.extend(islice(dict.values(value), _LOOKED_AT))
            elif isinstance(value, types.ModuleType):
                if module_name(value) is None:
                    yield id(vars(value)), value
            elif isinstance(value, list | tuple):
                seen.add(id(value))
                pending.extend(islice(value, _LOOKED_AT))


def names_used(code: types.CodeType) -> Iterator[str]:
    """Yield the global names that code uses, in the order of use, nested functions and classes included."""
    for instruction in dis.get_instructions(code):
        if instruction.opcode in _NAME_OPS and isinstance(instruction.argval, str):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_used(constant)


def reduce_function(function: types.FunctionType, namespace: object, elsewhere: Elsewhere) -> Reduced:
    """Take a function apart that no import finds.

    Its globals are the namespace that is saved, or those of an importable module, or a dict or a module that is saved itself, or
    else a copy of what it uses.
    """
    used = tuple(dict.fromkeys(names_used(function.__code__)))
    variables = function.__globals__
    where: object = variables
    names: tuple[str, ...] = ()
    copied: dict[str, object] | None = None
    if variables is namespace:
        names = used
    elif (module := module_of_globals(variables)) is not None:
        where = module
    elif (shown := elsewhere.shown(variables)) is not None:
        where = shown
    else:
        where = elsewhere.stub(variables)
        copied = {
            name: dict.__getitem__(variables, name) for name in used if dict.__contains__(variables, name)
        }
    state = (
        copied,
        function.__defaults__,
        function.__kwdefaults__,
        _attributes(function),
        function.__annotations__ or None,
        function.__doc__,
        function.__module__,
        function.__qualname__,
        getattr(function, "__type_params__", ()),
    )
    arguments = (function.__code__, where, function.__name__, function.__closure__)
    return Reduced(BY_CALL, make_function, arguments, state, setter=fill_function, names=names)


def _attributes(function: types.FunctionType) -> dict[str, Any] | None:
    """Return a function's attributes, None if it has none and nobody holds the dict for them."""
    attributes = function.__dict__
    return attributes if attributes or sys.getrefcount(attributes) > _PRIVATE_ATTRIBUTES else None


def make_function(
    code: types.CodeType, where: dict[str, Any] | str, name: str, closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """Make a function that is filled later."""
    variables = where if isinstance(where, dict) else vars(importlib.import_module(where))
    return types.FunctionType(code, variables, name, None, closure)


def fill_function(function: types.FunctionType, state: tuple[Any, ...]) -> None:
    """Give a function what it is called with and known by."""
    copied, defaults, keywords, attributes, annotations, doc, module, qualname, parameters = state
    if copied:
        for name, value in copied.items():
            function.__globals__.setdefault(name, value)
    function.__defaults__ = defaults
    function.__kwdefaults__ = keywords
    if attributes is not None:
        function.__dict__ = attributes
    if annotations is not None:
        function.__annotations__ = annotations
    function.__doc__ = doc
    function.__module__ = module
    function.__qualname__ = qualname
    if parameters:
        setattr(function, "__type_params__", parameters)  # noqa: B010  (Python 3.12 and later)


def reduce_globals(stub: Globals) -> Reduced:
    """Take apart what stands for the variables of a module that is not stored."""
    return Reduced(BY_CALL, make_globals, (stub.name,))


def reduce_variables(stub: Variables) -> Reduced:
    """Take apart what stands for the variables of a module that is."""
    return Reduced(BY_CALL, vars, (stub.module,))


def make_globals(name: object) -> dict[str, Any]:
    """Make the variables of a module that nobody imports."""
    return {"__builtins__": builtins, "__name__": name}


def reduce_code(code: types.CodeType) -> Reduced:
    """Take code apart; it can be loaded by the Python version that compiled it."""
    return Reduced(
        BY_CALL, make_code, (importlib.util.MAGIC_NUMBER, marshal.dumps(code, _MARSHAL)), flags=IMMUTABLE
    )


def make_code(magic: bytes, data: bytes) -> types.CodeType:
    """Make code again."""
    if magic != importlib.util.MAGIC_NUMBER:
        raise ValueError("a function stored by value needs the Python version that saved it")
    return marshal.loads(data)  # type: ignore[no-any-return]  # noqa: S302  (the store's signature was checked)


def reduce_cell(cell: types.CellType) -> Reduced:
    """Take a closure's variable apart."""
    try:
        content: tuple[object, ...] = (cell.cell_contents,)
    except ValueError:
        content = ()
    return Reduced(BY_CALL, types.CellType, (), content, setter=fill_cell)


def fill_cell(cell: types.CellType, content: tuple[object, ...]) -> None:
    """Give a closure's variable its value, if it has one."""
    for value in content:
        cell.cell_contents = value


def is_ufunc(cls: type) -> bool:
    """Say whether this is numpy's type of ufuncs."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls is numpy.ufunc


def reduce_ufunc(ufunc: Any) -> Reduced | None:
    """Take a ufunc apart that `numpy.frompyfunc` made; None of any other, which has a name."""
    if not ufunc.__name__.endswith(_OF_A_FUNCTION):
        return None
    attributes = getattr(ufunc, "__dict__", None)  # since numpy 2.2
    function, *more = gc.get_referents(ufunc)
    identity = tuple(found for found in more if found is not attributes)
    flags = 0 if attributes is None else OWN_DICT
    return Reduced(BY_CALL, make_ufunc, (function, ufunc.nin, ufunc.nout, identity), flags=flags)


def make_ufunc(function: Callable[..., Any], inputs: int, outputs: int, identity: tuple[object, ...]) -> Any:
    """Make a ufunc of a function; without an identity it has none, and with None it can be reordered."""
    import numpy as np

    named = {"identity": identity[0]} if identity else {}
    return np.frompyfunc(function, inputs, outputs, **named)


def _measure() -> int:
    def function() -> None:
        pass

    def held(function: Any) -> int:
        attributes = function.__dict__
        return sys.getrefcount(attributes)

    return held(function)


_PRIVATE_ATTRIBUTES: Final = _measure()
