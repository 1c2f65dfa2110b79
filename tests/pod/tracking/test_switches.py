"""Whatever another thread does between two lines of a namespace's methods, no change is lost and no version is torn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pod
from pod.tracking import Namespace
from tests.pod.stopping import Stopping

_METHODS = Namespace.__getitem__.__code__.co_filename
_SEVEN = [1, 2, 3, 4, 5, 6, 7]

ROUTES = pytest.mark.parametrize(
    "route",
    [
        "a",
        "globals()['a']",
        "globals().get('a')",
        "globals().setdefault('a')",
        "globals().pop('a')",
        "globals().copy()['a']",
        "list(globals().values())[0]",
        "dict(globals().items())['a']",
        "(globals() | {})['a']",
    ],
)


def switched(number: int, run: Callable[[], object], meanwhile: Callable[[], object]) -> bool:
    """Run something, and another thread before the n-th line that it runs of the methods; False: there are fewer."""
    left = number

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != _METHODS:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                thread = threading.Thread(target=meanwhile)
                thread.start()
                thread.join(60)
                assert not thread.is_alive()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return left <= 0


@ROUTES
def test_a_save_between_two_lines_of_an_access_misses_nothing(route: str) -> None:
    code = compile(f"b = {route}; b.append(2)", "<cell>", "exec")
    with pod.open("memory://switches") as store:
        for number in count(1):
            ns = pod.new_managed_namespace({"a": [1]})
            store.save(ns)
            if not switched(number, lambda ns=ns: exec(code, ns), lambda ns=ns: store.save(ns)):  # type: ignore[misc]
                break
            saved = store.load(store.save(ns))
            assert {name: saved[name] for name in saved} == dict(ns), number
    assert number > 3


def test_an_access_between_two_lines_of_a_save_is_seen_by_it_or_by_the_next() -> None:
    with pod.open("memory://switches") as store:
        for number in count(1):
            ns = pod.new_managed_namespace({"a": [1]})
            store.save(ns)
            if not switched(number, lambda ns=ns: store.save(ns), lambda ns=ns: ns["a"].append(2)):  # type: ignore[misc]
                break
            assert store.load(store.save(ns))["a"] == [1, 2], number
    assert number > 3


@ROUTES
def test_who_is_on_the_way_to_a_value_waits_when_a_gate_closes(route: str, tmp_path: Path) -> None:
    code = compile(f"b = {route}; b.append(8)", "<cell>", "exec")
    podding = Stopping()
    with pod.open(tmp_path / "store", mode="thread-deferred", podding=podding) as store:
        for number in count(1):
            ns = pod.new_managed_namespace({"a": [*_SEVEN]})
            podding.go.clear()
            futures: list[pod.SaveFuture] = []

            def meanwhile(ns: pod.Namespace = ns, futures: list[pod.SaveFuture] = futures) -> None:
                futures.append(store.save_async(ns))
                threading.Timer(0.05, podding.go.set).start()

            if not switched(number, lambda ns=ns: exec(code, ns), meanwhile):  # type: ignore[misc]
                break
            assert dict(store.load(futures[0])).get("a", _SEVEN) == _SEVEN, number
            assert store.load(store.save(ns))["b"] == [*_SEVEN, 8], number
    assert number > 3
