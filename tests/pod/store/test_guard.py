"""Who could change a variable past the namespace: every reference that is not explained is somebody's."""

from __future__ import annotations

import datetime
import decimal
import weakref
from collections import OrderedDict, defaultdict, deque
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pod.store._guard import is_fixed, unsafe
from pod.tracking import Namespace
from tests.pod import workshop


def unsafe_of(namespace: dict[str, Any], **options: Any) -> set[str]:
    """Ask as a save does: what is fixed is left out, and this dict of the rest holds one reference more."""
    values = {name: value for name, value in dict.items(namespace) if name[0] != "_" and not is_fixed(value)}
    return unsafe(values, [], 2, **options)


def made(source: str, **more: Any) -> Namespace:
    namespace = Namespace(more)
    exec(source, namespace)
    return namespace


IMPORTS = (
    "import numpy as np, pandas as pd, datetime, decimal\n"
    "from collections import OrderedDict, defaultdict, deque\nfrom tests.pod import workshop\n"
)

SAFE = {
    "containers": "x = [1, [2], {'k': (3, [4])}, {5}, frozenset([6])]",
    "shared": "x = [1]; y = [x, x]; z = {'k': y}",
    "cycles": "x = []; x.append(x); y = [x]",
    "collections": "x = deque([[1]]); y = defaultdict(list, k=[1]); z = OrderedDict(k=[1])",
    "arrays": "x = np.arange(10); y = x[2:]; z = y.reshape(2, 4)",
    "arrays of objects": "x = np.array([None, 'text', [1]], dtype=object)",
    "frames": "x = pd.DataFrame({'a': [1, 2], 'b': ['p', 'q']}); y = x['a'] > 1; z = x.index",
    "bytearrays": "x = bytearray(b'abc'); y = np.frombuffer(bytes(8))",
    "instances of a module's class": "x = workshop.Tool([1]); y = [x]",
    "instances with a dict that was asked for": "x = workshop.Tool([1]); x.__dict__['more'] = [2]",
    "numbers and dates": "x = [datetime.datetime(2020, 1, 1), decimal.Decimal(1), np.float64(1), pd.Timestamp(0)]",
    "constants": "x = (1, 2, (3, 4)); y = [(), frozenset(), x]; del x",
    "what is imported": "x = [np, pd.DataFrame, len, workshop.put, np.sum, np.add, int]",
}

UNSAFE = {
    "functions": "def x(): pass",
    "classes": "class X: pass\nx = X",
    "instances of a session's class": "class X: pass\nx = X()",
    "bound methods": "x = [1]; y = [x.append]",
    "ufuncs of functions": "def f(a): pass\nx = np.frompyfunc(f, 1, 1)",
    "iterators": "x = iter([1])",
    "generators": "x = (i for i in [1])",
    "memory views": "x = memoryview(bytearray(3))",
    "arrays over another's memory": "x = np.frombuffer(memoryview(bytearray(8)))",
    "code that runs when it is saved": "x = type('P', (), {'__reduce__': lambda self: (int, ())})()",
    "random generators": "import random; x = random.Random(1)",
}


@pytest.mark.parametrize("kind", SAFE)
def test_what_nobody_else_holds_is_safe(kind: str) -> None:
    namespace = made(IMPORTS + SAFE[kind])
    assert unsafe_of(namespace) == set()


@pytest.mark.parametrize("kind", UNSAFE)
def test_what_may_hold_more_than_it_tells_is_not(kind: str) -> None:
    assert unsafe_of(made(IMPORTS + UNSAFE[kind])) >= {"x"}


@pytest.mark.parametrize(
    "reach",
    [
        lambda x: x,
        lambda x: x[0],
        lambda x: x[0]["k"][1],
        iter,
        lambda x: x[1].append,
        lambda x: memoryview(x[2]),
        lambda x: x[3][1:],
        lambda x: x[4].value,
        lambda x: x[5]["a"],
    ],
)
def test_what_somebody_else_holds_is_not_safe_nor_what_it_is_connected_with(reach: Any) -> None:
    source = (
        "x = [{'k': (1, [2])}, [3], bytearray(b'4'), np.arange(5), workshop.Tool([6]), pd.DataFrame({'a': [1]})]\n"
        "y = [x]; z = [7]"
    )
    namespace = made(IMPORTS + source)
    assert unsafe_of(namespace) == set()
    held = reach(dict.__getitem__(namespace, "x"))
    assert unsafe_of(namespace) == {"x", "y"}
    del held
    assert unsafe_of(namespace) == set()


def test_what_the_session_holds_is_explained() -> None:
    namespace = made("x = [1]; y = [[2]]")
    held = [dict.__getitem__(namespace, "x"), dict.__getitem__(namespace, "y")[0]]
    others = list(held)
    values = dict(dict.items(namespace))
    values = {name: values[name] for name in ("x", "y")}
    assert unsafe(values, held, 2) == set()
    others.append(held[0])
    assert unsafe(values, held, 2) == {"x"}


def test_a_weak_reference_holds_nothing() -> None:
    namespace = made("from tests.pod import workshop\nx = workshop.Tool([1])")
    follow = weakref.ref(dict.__getitem__(namespace, "x"))
    assert unsafe_of(namespace) == set()
    assert follow() is not None


def test_a_large_graph_is_not_looked_at_to_its_end() -> None:
    namespace = made("x = [[i] for i in range(100)]; y = [1]")
    assert unsafe_of(namespace, most=200) == set()
    assert unsafe_of(namespace, most=50) == {"x", "y"}
    assert unsafe_of(made("x = list(range(100_000)); y = ['text'] * 100_000"), most=2) == set()


@pytest.mark.parametrize(
    "value",
    [
        1, "text", b"bytes", None, 1.5, (), range(3), np.float64(1), np.dtype("f8"), decimal.Decimal(1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.date(2020, 1, 1), np, int, len, workshop.put,
    ],
)  # fmt: skip
def test_what_cannot_be_changed_is_fixed(value: object) -> None:
    assert is_fixed(value)


@pytest.mark.parametrize(
    "value",
    [[], {}, (1,), [1].append, np.zeros(1), pd.DataFrame(), bytearray(), deque(), defaultdict(list), OrderedDict(),
     lambda: 1, workshop.Tool()],
)  # fmt: skip
def test_what_can_be_is_not(value: object) -> None:
    assert not is_fixed(value)


def test_a_function_does_not_lead_to_all_modules() -> None:
    assert unsafe_of(made("f = lambda: b; a = [1]"), most=10) == {"f"}
