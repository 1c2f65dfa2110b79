"""What is stored by its name: classes, functions and modules that an import finds again."""

from __future__ import annotations

import importlib
import sys
import types
from functools import reduce
from typing import Any


def name_of(obj: Any, qualname: str | None = None) -> tuple[str, str] | None:
    """Return (module, qualname) under which an import finds this very object; None: it is stored by value.

    As with cloudpickle, what `__main__` defines is stored by value.
    """
    found = qualname or getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if not isinstance(found, str) or "<locals>" in found or "<lambda>" in found:
        return None
    module = getattr(obj, "__module__", None)
    if module is None and not isinstance(obj, type | types.FunctionType):
        module = _search(obj, found)
    if not isinstance(module, str) or module == "__main__":
        return None
    holder = sys.modules.get(module)
    if holder is None or _reach(holder, found) is not obj:
        return _type_name(obj) if module == "builtins" else None
    return module, found


def module_of(cls: type) -> str:
    """Return the module that a class says it is of, empty if it says none."""
    found = getattr(cls, "__module__", None)
    return found if isinstance(found, str) else ""


def module_name(module: types.ModuleType) -> str | None:
    """Return the name under which a module is imported, None for one that no import finds."""
    name = getattr(module, "__name__", None)
    if isinstance(name, str) and sys.modules.get(name) is module:
        return name
    return next((known for known, other in list(sys.modules.items()) if other is module), None)


def module_of_globals(namespace: dict[str, Any]) -> str | None:
    """Return the module, other than `__main__`, whose variables these are."""
    name = namespace.get("__name__")
    if not isinstance(name, str) or name == "__main__":
        return None
    module = sys.modules.get(name)
    return name if module is not None and getattr(module, "__dict__", None) is namespace else None


def by_name(module: str, qualname: str) -> object:
    """Find what `name_of` named."""
    found = sys.modules.get(module)
    if found is None:
        found = importlib.import_module(module)
    return reduce(getattr, qualname.split("."), found) if qualname else found


def _search(obj: object, name: str) -> str | None:
    """Return the first module, by its name, that has an object; no module's own code runs for it."""
    modules = sorted(
        known for known, module in list(sys.modules.items()) if isinstance(module, types.ModuleType)
    )
    return next((known for known in modules if vars(sys.modules[known]).get(name) is obj), None)


def _type_name(obj: object) -> tuple[str, str] | None:
    """Return the name that the module `types` has for a type of the interpreter."""
    if isinstance(obj, type):
        for name in types.__all__:
            if getattr(types, name) is obj:
                return "types", name
    return None


def _reach(holder: object, qualname: str) -> object:
    try:
        return reduce(getattr, qualname.split("."), holder)
    except AttributeError:
        return None
