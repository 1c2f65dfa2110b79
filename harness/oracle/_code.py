"""Code objects as values, and which globals they read."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType
from typing import Final

from harness.oracle._atoms import is_atom, shown

__all__ = ["code_facts", "globals_read"]

_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})


def _nested(code: CodeType) -> Iterator[CodeType]:
    todo = [code]
    while todo:
        current = todo.pop()
        yield current
        todo += [constant for constant in current.co_consts if isinstance(constant, CodeType)]


def globals_read(code: CodeType) -> list[str]:
    """Return the names of the globals that code reads, the functions and classes within it included; sorted."""
    found = {
        str(step.argval)
        for part in _nested(code)
        for step in dis.get_instructions(part)
        if step.opname in _READS
    }
    return sorted(name for name in found if not (name.startswith("__") and name.endswith("__")))


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return code_facts(value)
    if isinstance(value, tuple):
        return ("tuple", tuple(_constant(item) for item in value))
    if isinstance(value, frozenset):
        return ("frozenset", tuple(sorted(repr(_constant(item)) for item in value)))
    return shown(value) if is_atom(value) else repr(value)


def code_facts(code: CodeType) -> tuple[object, ...]:
    """Return what code does, as plain data: everything but the places that it was compiled from."""
    return (
        code.co_name,
        code.co_qualname,
        code.co_code,
        tuple(_constant(constant) for constant in code.co_consts),
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_stacksize,
        code.co_exceptiontable,
    )
