"""The published system's checker: an allow-list of kinds of nodes and of rules, and nothing else is looked at.

It is written after the description of Chipmink's `AllowlistStaticCodeChecker`; rules for single variables of its own
benchmark are left out, and where it raises an error (an unknown name, a magic) a cell is not static. Its hole is kept: what
stands in a subscript is allowed whatever it does, so `l[l.pop(0)]` passes and what it changes is not saved.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from pod.tracking.static._lists import ATTRIBUTES, BUILTINS, FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALLOWED: Final = (
    ast.Module,
    ast.Expr,
    ast.Constant,
    ast.Name,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Slice,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.keyword,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)
_DISALLOWED_KEYWORDS: Final = frozenset({"inplace", "out"})
_TYPES: Final = frozenset(
    {"list", "dict", "tuple", "set", "str", "int", "float", "ndarray", "DataFrame", "Series", "Index"}
)
_MORE_ATTRIBUTES: Final = frozenset(
    {"groupby", "merge", "plot", "hist", "show", "apply", "drop", "fillna", "dropna"}
)


class PublishedStaticChecker:
    """Passes cells of which every node is on its list, but for those in subscripts."""

    def is_static(self, source: str, namespace: Mapping[str, Any]) -> bool:
        """Say whether the published rules allow a cell."""
        try:
            return _passes(ast.parse(source), namespace)
        except Exception:  # noqa: BLE001  (a magic, an object that cannot be asked)
            return False


def _passes(node: ast.AST, namespace: Mapping[str, Any]) -> bool:
    if isinstance(node, ast.Subscript):
        return _passes(node.value, namespace)
    if isinstance(node, ast.Call):
        return _is_rule(node, namespace)
    if isinstance(node, ast.Attribute):
        return node.attr in ATTRIBUTES | _MORE_ATTRIBUTES and _passes(node.value, namespace)
    if isinstance(node, ast.Name) and not _has(namespace, node.id):
        return False
    return isinstance(node, _ALLOWED) and all(
        _passes(child, namespace) for child in ast.iter_child_nodes(node)
    )


def _is_rule(node: ast.Call, namespace: Mapping[str, Any]) -> bool:
    """Say whether a call is of a known builtin or module, or of a known method of a variable of a known type."""
    if any(keyword.arg in _DISALLOWED_KEYWORDS for keyword in node.keywords):
        return False
    arguments = [*node.args, *node.keywords]
    if isinstance(node.func, ast.Name):
        known = node.func.id in BUILTINS and not _has(namespace, node.func.id)
    else:
        known = isinstance(node.func, ast.Attribute) and _is_known_method(node.func, namespace)
    return known and all(_passes(argument, namespace) for argument in arguments)


def _is_known_method(function: ast.Attribute, namespace: Mapping[str, Any]) -> bool:
    base: ast.AST = function.value
    while isinstance(base, ast.Attribute | ast.Subscript | ast.Call):
        base = base.func if isinstance(base, ast.Call) else base.value
    if not isinstance(base, ast.Name) or not _has(namespace, base.id):
        return False
    value = namespace[base.id] if not isinstance(namespace, dict) else dict.__getitem__(namespace, base.id)
    module = getattr(value, "__name__", None)
    if module in FUNCTIONS:
        return function.attr in FUNCTIONS[module]
    return type(value).__name__ in _TYPES and function.attr in ATTRIBUTES | _MORE_ATTRIBUTES


def _has(namespace: Mapping[str, Any], name: str) -> bool:
    return dict.__contains__(namespace, name) if isinstance(namespace, dict) else name in namespace
