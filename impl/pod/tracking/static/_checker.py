"""The checker that is sound; the package says what it proves."""

from __future__ import annotations

import ast
import builtins
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from pod.tracking._variables import value_of
from pod.tracking.static._lists import (
    ATTRIBUTES,
    BUILTINS,
    CONSTANTS,
    FUNCTIONS,
    KEYWORDS,
    METHOD_ARGUMENTS_MOST,
    NATIVE_METHODS,
)
from pod.tracking.static._plain import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_MISSING: Final = object()
_BUILTINS: Final = {name: getattr(builtins, name) for name in BUILTINS}
# Whose parts decide: they read what their parts are.
_TRANSPARENT: Final = (
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Subscript,
    ast.Slice,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)


class StaticChecker:
    """Passes cells that only read."""

    def is_static(self, source: str, namespace: Mapping[str, Any]) -> bool:
        """Say whether a cell, run in a namespace, is proved to change nothing that the namespace leads to."""
        try:
            cell = ast.parse(source)
            return all(
                isinstance(statement, ast.Pass)
                or (isinstance(statement, ast.Expr) and _Scope(namespace).passes(statement.value))
                for statement in cell.body
            )
        except Exception:  # noqa: BLE001  (a magic, an object that cannot be asked: nothing is proved)
            return False


class _Scope:
    """The names that an expression sees: the namespace's, and those that comprehensions around it bind."""

    def __init__(self, namespace: Mapping[str, Any], bound: frozenset[str] = frozenset()) -> None:
        self._namespace = namespace
        self._bound = bound

    def passes(self, node: ast.AST | None) -> bool:
        """Say whether an expression makes a plain value of plain values, and writes nothing."""
        if node is None or isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            return isinstance(node.ctx, ast.Load) and self._is_plain(node.id)
        if isinstance(node, ast.Attribute):
            if self._module(node.value) is not None:
                return node.attr in CONSTANTS[str(self._module(node.value))]
            return node.attr in ATTRIBUTES and self.passes(node.value)
        if isinstance(node, ast.Call):
            return self._passes_call(node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return self._passes_comprehension(node.generators, node.elt)
        if isinstance(node, ast.DictComp):
            return self._passes_comprehension(node.generators, node.key, node.value)
        return isinstance(node, _TRANSPARENT) and all(map(self.passes, ast.iter_child_nodes(node)))

    def _is_plain(self, name: str) -> bool:
        if name in self._bound:
            return True
        value = self._value(name)
        return value is not _MISSING and is_plain(value)

    def _value(self, name: str) -> object:
        """Return what the namespace has for a name, without touching it."""
        return value_of(self._namespace, name, _MISSING)

    def _module(self, node: ast.expr) -> str | None:
        """Return the name of the module that an expression names, if its functions are known."""
        if not isinstance(node, ast.Name) or node.id in self._bound:
            return None
        value = self._value(node.id)
        if not isinstance(value, types.ModuleType):
            return None
        return next((name for name in FUNCTIONS if sys.modules.get(name) is value), None)

    def _passes_call(self, node: ast.Call) -> bool:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(isinstance(argument, ast.Starred) for argument in arguments):
            return False
        if any(keyword.arg not in KEYWORDS for keyword in node.keywords):
            return False
        return self._is_known(node.func, len(node.args)) and all(map(self.passes, arguments))

    def _is_known(self, function: ast.expr, arguments: int) -> bool:
        """Say whether what is called with so many positional arguments writes nothing."""
        if isinstance(function, ast.Name):
            name = function.id
            if name in self._bound or self._value(name) is not _MISSING or name not in _BUILTINS:
                return False
            return vars(builtins).get(name) is _BUILTINS[name] and (name != "type" or arguments == 1)
        if not isinstance(function, ast.Attribute):
            return False
        module = self._module(function.value)
        if module is not None:
            return arguments <= FUNCTIONS[module].get(function.attr, -1)
        if not (function.attr in ATTRIBUTES and self.passes(function.value)):
            return False
        return arguments <= METHOD_ARGUMENTS_MOST or function.attr in NATIVE_METHODS

    def _passes_comprehension(self, generators: list[ast.comprehension], *results: ast.expr) -> bool:
        scope = self
        for generator in generators:
            names = _targets(generator.target)
            if names is None or generator.is_async or not scope.passes(generator.iter):
                return False
            scope = _Scope(self._namespace, scope._bound | names)
            if not all(map(scope.passes, generator.ifs)):
                return False
        return all(map(scope.passes, results))


def _targets(node: ast.expr) -> frozenset[str] | None:
    """Return the names that a comprehension's target binds, None if it does something else."""
    if isinstance(node, ast.Name):
        return frozenset({node.id})
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_targets(part) for part in node.elts]
        return (
            None
            if any(part is None for part in parts)
            else frozenset().union(*(part or () for part in parts))
        )
    return None
