"""Which names of a namespace are variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pod.kernel import binds_the_same
from pod.tracking._namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_VARIABLES: Final = re.compile(r"__.*__|In|Out|_+|_\d+|_i+|_i\d+|_[iod]h|get_ipython", re.DOTALL)


def is_variable(name: str) -> bool:
    """Say whether a name is a variable's: not a dunder, and none that IPython keeps its history in."""
    return _NOT_VARIABLES.fullmatch(name) is None


def variables_of(mapping: Mapping[str, Any]) -> dict[str, object]:
    """Return a namespace's variables in their order, without touching them."""
    found = dict(dict.items(mapping)) if isinstance(mapping, dict) else dict(mapping)
    for name in found.keys() - _VARIABLES:
        if type(name) is not str or not _learn(name):
            del found[name]
    for name, value in _hidden_by_ipython(mapping).items():
        if found.get(name, _MISSING) is value:  # else the user has bound it since
            del found[name]
    return found


def value_of(mapping: Mapping[str, Any], name: str, missing: object) -> object:
    """Return what a name is bound to, as code that runs there finds it, without touching it."""
    if not isinstance(mapping, dict):
        return mapping.get(name, missing)
    found = dict.get(mapping, name, missing)
    return mapping.hidden.get(name, missing) if found is missing and isinstance(mapping, Namespace) else found


def binds_as_before(mapping: Mapping[str, Any], seen: dict[str, object]) -> bool:
    """Say whether a namespace's variables are those that were seen, bound to the same objects; it may say no without need."""
    return isinstance(mapping, dict) and binds_the_same(mapping, seen, _OTHERS)


def _learn(name: str) -> bool:
    """Remember that a name is a variable's, so that a thousand names cost no thousand matches."""
    if is_variable(name):
        _VARIABLES.add(name)
        return True
    _OTHERS.add(name)
    return False


def _hidden_by_ipython(mapping: Mapping[str, Any]) -> Mapping[str, object]:
    if "get_ipython" not in mapping:
        return {}
    get = dict.__getitem__(mapping, "get_ipython") if isinstance(mapping, dict) else mapping["get_ipython"]
    shell = get() if callable(get) else None
    return getattr(shell, "user_ns_hidden", {})


_MISSING: Final = object()
_VARIABLES: Final[set[str]] = set()
_OTHERS: Final[set[str]] = set()
