"""Which names of a namespace a piece of code uses, and whether it may use any of them.

Where a namespace is an exact dict, no access to it can be seen. What can be is the code that runs in it: the names that it
loads, stores and deletes, nested functions and classes included. Code that may get at the whole namespace (`exec`,
`globals`, a frame, the history of what was shown) may use any name; it is known by what it has to say to get there.
"""

from __future__ import annotations

import dis
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

_BINDING: Final = frozenset({"STORE_NAME", "DELETE_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})
_LOADING: Final = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_ANYTHING: Final = frozenset(
    ["__builtins__", "__import__", "breakpoint", "eval", "exec", "get_ipython", "globals", "locals", "vars"]
)
_SHOWN: Final = re.compile(r"Out|_oh|_{1,3}|_\d+")
_WORDS: Final = frozenset(
    [
        "Trace",
        "__builtins__",
        "__globals__",
        "__main__",
        "builtins",
        "cProfile",
        "doctest",
        "f_globals",
        "f_locals",
        "get_ipython",
        "get_objects",
        "get_referents",
        "get_referrers",
        "getmodule",
        "pdb",
        "run_cell",
        "runcall",
        "runctx",
        "set_trace",
        "user_global_ns",
        "user_module",
        "user_ns",
    ]
)
_MAIN: Final = "__main__"  # also what every module's `__name__` is compared with
_SAYS_ITS_MODULE: Final = frozenset({"__name__", "__module__"})
_PROFILES: Final = frozenset({"profile", "run"})
_FINDS_MODULES: Final = frozenset({"modules", "import_module", "run_module", "run_path"})
_INLINE: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})  # a generator may outlive its cell


class Uses(NamedTuple):
    """What code uses of the namespace it runs in.

    Attributes
    ----------
    names
        What it loads, stores or deletes.
    replaced
        What it stores or deletes, and nowhere loads.
    anything
        It may use any name.
    makes_functions
        There may be new functions after it ran.
    """

    names: frozenset[str]
    replaced: frozenset[str]
    anything: bool
    makes_functions: bool


NOTHING: Final = Uses(frozenset(), frozenset(), anything=False, makes_functions=False)
ANYTHING: Final = Uses(frozenset(), frozenset(), anything=True, makes_functions=True)


@lru_cache(4096)
def uses(code: CodeType) -> Uses:
    """Return what code uses, nested functions and classes included."""
    loaded: set[str] = set()
    bound: set[str] = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in _LOADING:
            loaded.add(instruction.argval)
        elif instruction.opname in _BINDING:
            bound.add(instruction.argval)
    anything = reaches_anything(loaded) or _says_a_word(code)
    makes_functions = False
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            inner = uses(constant)
            loaded |= inner.names  # what a function stores, it may not have stored yet
            anything = anything or inner.anything
            makes_functions = makes_functions or inner.makes_functions or constant.co_name not in _INLINE
    return Uses(frozenset(loaded | bound), frozenset(bound - loaded), anything, makes_functions)


def uses_of_all(codes: Iterable[CodeType]) -> Uses:
    """Return what pieces of code use that run one after the other."""
    names: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    anything = makes_functions = False
    for found in map(uses, codes):
        names |= found.names
        loaded |= found.names - found.replaced
        anything |= found.anything
        makes_functions |= found.makes_functions
    return Uses(names, names - loaded, anything, makes_functions)


def reaches_anything(names: Iterable[str]) -> bool:
    """Say whether one of these names leads to the whole namespace, or to what was shown of it."""
    return any(name in _ANYTHING or _SHOWN.fullmatch(name) for name in names)


def _says_a_word(code: CodeType) -> bool:
    """Say whether code names an attribute or a module through which a namespace is found."""
    said = set(code.co_names)
    texts = set(_texts(code.co_consts))
    if said & _FINDS_MODULES and (_MAIN in texts or said & _SAYS_ITS_MODULE):
        return True
    if said & _WORDS or said >= _PROFILES:
        return True
    return bool(texts & (_WORDS - {_MAIN})) or any(_MAIN in text for text in texts - {_MAIN})


def _texts(constants: Iterable[object]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple | frozenset):
            yield from _texts(constant)
