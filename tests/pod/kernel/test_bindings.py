"""Whether a namespace binds what it did: the kernel and its fallback say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pod import kernel
from pod.kernel import _bindings

BOTH = [_bindings.binds_the_same, kernel.binds_the_same]
ONE, TWO = [1], [2]


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    found: dict[str, Any] = {"a": ONE, "b": TWO, "c": 3}
    change(found)
    return found


@pytest.mark.parametrize("binds_the_same", BOTH)
@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda d: None, True),
        (lambda d: d.update(a=ONE), True),
        (lambda d: d.update(_1=ONE, __x__=1), True),
        (lambda d: d.update(a=[1]), False),
        (lambda d: d.update(d=ONE), False),
        (lambda d: d.pop("b"), False),
        (lambda d: d.update(a=d.pop("a")), False),
        (lambda d: d.clear(), False),
        (lambda d: d.update({1: ONE}), False),
    ],
)
def test_what_is_bound_as_it_was(
    binds_the_same: Any, change: Callable[[dict[str, Any]], object], same: bool
) -> None:
    seen = changed(lambda d: None)
    assert binds_the_same(changed(change), seen, {"_1", "__x__"}) is same


@pytest.mark.parametrize("binds_the_same", BOTH)
def test_a_dict_of_a_class_is_not_asked(binds_the_same: Any) -> None:
    class Loud(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise AssertionError(name)

        __iter__ = keys = values = items = __len__ = __contains__ = __getitem__  # type: ignore[assignment]

    assert binds_the_same(Loud(a=ONE, _1=TWO), {"a": ONE}, {"_1"})
    assert not binds_the_same(Loud(), {"a": ONE}, {"_1"})
    assert binds_the_same(Loud(), {}, set())
