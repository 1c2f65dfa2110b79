"""Say where two portraits differ, in words that lead to the place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from harness.oracle._portrait import Canonical, Portrait, Shown, is_ref

__all__ = ["differences"]

_SHOWN: Final = 160
_STEPS: Final = 12


def differences(expected: Portrait, actual: Portrait, names: Iterable[str] | None = None) -> list[str]:
    """Return what tells two namespaces apart; nothing when they hold equal values, shared alike.

    Parameters
    ----------
    expected, actual
        Portraits, of any two processes.
    names
        Compare what these variables reach, as after a partial load; `actual` must hold them and no others. All of
        `expected` when left out.
    """
    wanted = expected.names if names is None else frozenset(names)
    found = [f"{name} is missing" for name in sorted(wanted - actual.names)]
    found += [f"{name} should not be there" for name in sorted(actual.names - wanted)]
    if found:
        return found
    left, right = expected.canonical(wanted), actual.canonical(wanted)
    if left == right:
        return []
    for (name, before), (_, after) in zip(left.roots, right.roots, strict=True):
        if before != after:
            found.append(f"{name}: expected {_child(left, before)}, got {_child(right, after)}")
    for look in (
        _but_for_references,
        lambda node: node,
    ):  # a shifted number is the effect of another difference
        for number, (before, after) in enumerate(zip(left.nodes, right.nodes, strict=False)):
            if look(before) != look(after):
                found.append(
                    f"{_path(left, number)}: {_node_difference(left, right, look(before), look(after))}"
                )
                return found
    return found or [f"expected {len(left.nodes)} objects, got {len(right.nodes)}"]


def _but_for_references(node: Shown) -> Shown:
    kind, facts, children, _ = node
    return kind, facts, tuple("an object" if is_ref(child) else child for child in children), ()


def _node_difference(left: Canonical, right: Canonical, before: Shown, after: Shown) -> str:
    names = ("kind", "facts", "children", "shared memory")
    for name, expected, got in zip(names, before, after, strict=True):
        if expected == got:
            continue
        if name == "children" and isinstance(expected, tuple) and isinstance(got, tuple):
            for place, (one, other) in enumerate(zip(expected, got, strict=False)):
                if one != other:
                    return (
                        f"{before[0]} child {place}: expected {_child(left, one)}, got {_child(right, other)}"
                    )
            return f"{before[0]}: expected {len(expected)} children, got {len(got)}"
        return f"{name}: expected {_short(expected)}, got {_short(got)}"
    return "nothing"


def _child(where: Canonical, child: object) -> str:
    if not is_ref(child):
        return _short(child)
    return f"the {where.nodes[child[1]][0]} first met at {_path(where, child[1])}"


def _path(where: Canonical, number: int) -> str:
    """Return how a node was reached first, from a variable on."""
    steps: list[str] = []
    while isinstance(origin := where.origin[number], tuple):
        number, place = origin
        steps.append(f"{where.nodes[number][0]}.{place}")
    if len(steps) > _STEPS:
        steps[_STEPS // 2 : -_STEPS // 2] = [f"... {len(steps) - _STEPS} more ..."]
    return " > ".join([origin, *reversed(steps)])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
