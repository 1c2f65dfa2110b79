"""A gate keeps threads from names, but for the one that saves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pod.tracking import Gate, Namespace


def started(use: Callable[[], object]) -> tuple[threading.Thread, threading.Event]:
    done = threading.Event()

    def run() -> None:
        use()
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, done


def test_whoever_made_it_passes_until_it_leaves_and_whoever_enters_does() -> None:
    waits: list[float] = []
    namespace = Namespace(a=1, b=2)
    gate = Gate({"a"}, waits.append)
    namespace.close_gate(gate)
    assert namespace["a"] == 1
    gate.leave({"a"})
    assert namespace["b"] == 2
    entered, passed = started(lambda: (gate.enter(), namespace["a"]))
    assert passed.wait(60)
    entered.join()
    assert waits == []
    waiting, through = started(lambda: namespace["a"])
    assert not through.wait(0.2)
    namespace.open_gate(gate)
    waiting.join(60)
    assert through.is_set()
    assert len(waits) == 1
    assert waits[0] > 0
    assert namespace["a"] == 1


@pytest.mark.parametrize("names", [None, {"a"}])
def test_what_hands_out_everything_waits_for_any_name(names: set[str] | None) -> None:
    namespace = Namespace(a=1)
    gate = Gate(names, lambda _seconds: None)
    namespace.close_gate(gate)
    gate.leave(names)
    thread, done = started(namespace.copy)
    assert not done.wait(0.2)
    gate.open()
    thread.join(60)
    assert done.is_set()


def test_who_waits_for_a_name_goes_on_when_it_is_let_go_of() -> None:
    namespace = Namespace(a=1, b=2)
    gate = Gate(None, lambda _seconds: None)
    namespace.close_gate(gate)
    gate.leave(None)
    thread, done = started(lambda: namespace["a"])
    assert not done.wait(0.2)
    gate.leave({"b"})
    thread.join(60)
    assert done.is_set()


def test_several_gates_are_waited_for() -> None:
    namespace = Namespace(a=1)
    gates = [Gate({"a"}, lambda _seconds: None) for _ in range(2)]
    for gate in gates:
        namespace.close_gate(gate)
        gate.leave({"a"})
    thread, done = started(lambda: namespace["a"])
    namespace.open_gate(gates[1])
    assert not done.wait(0.2)
    namespace.open_gate(gates[0])
    thread.join(60)
    assert done.is_set()


def test_who_only_reads_neither_waits_nor_touches() -> None:
    namespace = Namespace(a=1)
    gate = Gate(None, lambda _seconds: None)
    namespace.close_gate(gate)
    gate.leave(None)
    with namespace.reading(), namespace.reading():
        assert namespace["a"] == 1
        assert list(namespace.values()) == [1]
    namespace.open_gate(gate)
    assert (namespace._touched, namespace._everything) == (set(), False)
    assert namespace["a"] == 1
    assert namespace._touched == {"a"}
