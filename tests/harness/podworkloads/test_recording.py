"""A recording namespace notes every way of reading and binding a name."""

from __future__ import annotations

import pytest

from harness.podworkloads._recording import Recording

BEFORE = """
a = [1]
b = [2]
def read_a():
    return a
def bind_b():
    global b
    b = [3]
"""


def touched(source: str) -> tuple[set[str], set[str]]:
    namespace = Recording({"__name__": "__main__"})
    exec(compile(BEFORE, "<cell>", "exec", dont_inherit=True), namespace)
    namespace.since()
    exec(compile(source, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace.since()


@pytest.mark.parametrize(
    ("source", "read", "bound"),
    [
        ("a", {"a"}, set()),
        ("a.append(2)", {"a"}, set()),
        ("c = 1", set(), {"c"}),
        ("a += [2]", {"a"}, {"a"}),
        ("del a", set(), {"a"}),
        ("read_a()", {"read_a", "a"}, set()),
        ("bind_b()", {"bind_b"}, {"b"}),
        ("globals()['a']", {"a"}, set()),
        ("globals()['c'] = 1", set(), {"c"}),
        ("globals().get('a'); globals().get('missing')", {"a"}, set()),
        ("globals().update(c=1)", set(), {"c"}),
        ("globals().setdefault('a', 1); globals().setdefault('c', 1)", {"a"}, {"c"}),
        ("globals().pop('a')", set(), {"a"}),
        ("for c in a: pass", {"a"}, {"c"}),
        ("import json as j", set(), {"j"}),
        ("len('x')", set(), set()),
    ],
)
def test_names_read_and_bound(source: str, read: set[str], bound: set[str]) -> None:
    assert touched(source) == (read, bound)


def test_going_over_all_names_reads_them() -> None:
    read, _ = touched("dict(globals().items())")

    assert {"a", "b", "read_a", "bind_b"} <= read
