"""Random sessions: statements over a few names, which alias, mutate and rebind each other by every route.

A statement may fail (`q.append(1)` where `q` is an int): what it did before stays done. None depends on addresses, time
or the order of a set, so a session that is run again gives the same state, sharing included. That is why none lets an
instance be reached by nothing but its own attributes' dict: CPython 3.13's collector empties it, whoever holds the dict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

__all__ = ["NAMES", "PREAMBLE", "outside_statements", "statements"]

NAMES: Final = ("p", "q", "r", "s", "t", "u")

PREAMBLE: Final = """
import itertools, random
from collections import OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from functools import partial
import numpy as np
import pandas as pd
from tests.pod import workshop

class Node:
    held = []
    def __init__(self, value=None):
        self.value = value
    def get(self):
        return self.value
    def grow(self):
        self.value.append(len(self.value))

class Slotted:
    __slots__ = ("value", "x")
    def __init__(self, value):
        self.value = value

class Items(list):
    pass

Pair = namedtuple("Pair", "left right", module="__main__")

def keep(x):
    return x

def cell(content):
    def put(new):
        nonlocal content
        content = new
    def get():
        return content
    return put, get

def objects(*items):
    array = np.empty(len(items), object)
    array[:] = [None] * len(items)
    for place, item in enumerate(items):
        array[place] = item
    return array
"""

_MAKE: Final = """
{a} = []
{a} = [{i}, {i}]
{a} = [{b}, {c}]
{a} = {b}
{a} = {b}
{a} = ({b}, [{i}])
{a} = ({b},)
{a} = {{'k': {b}}}
{a} = {{{b}: [{i}]}}
{a} = {{{i}, 'x', (1, {i})}}
{a} = {{{b}}}
{a} = frozenset([{i}, ({b},)])
{a} = Node({b})
{a} = Node([{i}])
{a} = {{Node({b})}}
{a} = Slotted({b})
{a} = Items([{b}])
{a} = Pair({b}, {c})
{a} = deque([{b}], 5)
{a} = defaultdict(list, k={b})
{a} = OrderedDict(k={b})
{a} = Decimal('{i}.5')
{a} = {i}
{a} = 'text {i}'
{a} = bytearray(b'abcdef')
{a} = random.Random({i})
{a} = np.arange(6)
{a} = np.zeros((2, 3))
{a} = np.arange(6, dtype='f4').reshape(2, 3, order='F')
{a} = objects({b}, {c})
if type({b}) is bytearray: {a} = np.frombuffer({b}, 'u1')
{a} = {b}[1:4]
{a} = {b}[::2]
{a} = {b}[-1]
{a} = {b}.T
{a} = {b}.reshape(-1)
{a} = {b}.view('u1')
{a} = pd.DataFrame({{'x': [1, 2, 3], 'y': ['a', 'b', 'c']}})
{a} = pd.DataFrame({{'x': [{b}, {c}]}}, dtype=object)
{a} = pd.Series([{b}, {i}], dtype=object)
{a} = {b}['x']
{a} = {b}['k']
{a} = {b}[0]
{a} = {b}.index
{a} = iter({b})
{a} = zip({b}, {c})
{a} = enumerate({b})
{a} = map(keep, {b})
{a} = itertools.count({i})
{a} = partial(keep, {b})
{a} = partial({b}, {c})
{a} = {b}.append
{a} = {b}.get
{a} = {b}.grow
{a} = {b}.__init__
{a}, {b} = cell({c})
{a} = cell({b})[1]
{a} = cell({b})
def {a}(x={b}, *, y={c}): return x, y
def {a}(): return {b}, {c}
def {a}(): return [{a}, {b}]
def {a}(): {b}.append({i})
def {a}(): global {b}; {b} = {c}
def {a}(): global {b}; {b} = [{i}]
def {a}(): global {b}; del {b}
def {a}(): {b}.value = {c}
{a} = lambda: {b}
{a} = lambda x=[]: x.append({i}) or x
class {a}: held = {b}; get = lambda self: (self.held, {c})
class {a}(Node): held = {b}
class {a}: pass
class {a}: {b}.append({i})
exec('def {a}():\\n class K: {b}.append({i})')
{a} = type('K', ({b},), {{'__module__': '__main__', 'held': {c}}})
{a} = {b}()
{a} = {b}({c})
{a} = type({b}) if type({b}).__module__ == '__main__' else {b}
{a} = {b}.held
{a} = {b}.value
{a} = vars({b})
{a} = {b}.__dict__
{a} = {b}.__self__
{a} = {b}.__closure__
{a} = {b}.__defaults__
{a} = workshop.box
{a} = workshop.Tool({b})
{a} = workshop.put
{a} = workshop.grow
{a} = keep
{a} = (x for x in [{b}])
"""

_IDIOMS: Final = """
{a}, {b} = cell([{i}])
{a}, {b} = cell({c}); {a}([{i}])
{a} = Node({{}}); {b} = vars({a}); {c} = {a}.__dict__['value']
{a} = Node({b}); {b} = {a}.__dict__ = vars({a}); {b}['more'] = {a}
{a} = np.arange(8); {b} = {a}[2:6]; {c} = {b}[::2]
{a} = np.zeros((3, 4)); {b} = {a}.T; {c} = {a}.reshape(-1)[3:]
{a} = [{i}]; {b} = ({a},); {c} = {{'k': {b}}}
{a} = []; {b} = [{a}]; {a}.append({b})
{a} = [{i}]; {b} = objects({a}, {a}); {c} = {a}
{a} = [{i}]; {b} = {a}.append; {c} = [{a}, {b}]
{a} = Node([{i}]); {b} = {a}.get; {c} = {a}.grow
{a} = type('T', (), {{'__module__': '__main__', 'held': [{i}]}}); {b} = {a}(); {c} = {b}.held
{a} = [{i}, {i}]; {b} = iter({a}); {c} = zip({a}, {b})
{a} = pd.DataFrame({{'x': [1, 2], 'y': [3, 4]}}); {b} = {a}['x']; {c} = {{'df': {a}}}
{a} = [{i}]; {b} = pd.Series([{a}, {a}], dtype=object)
{a} = bytearray(b'0123456789abcdef'); {b} = np.frombuffer({a}, 'u2')
{a} = Items([{i}]); {a}.own = {a}; {b} = {a}.own
{a} = Pair([{i}], {{}}); {b} = {a}.left
{a} = frozenset([({i}, 'x')]); {b} = {{{a}: {a}}}
{a} = workshop.box; {b} = workshop.grow
{a} = workshop.Tool([{i}]); {b} = {a}.get; {c} = {a}.value
"""

_MUTATE: Final = """
{a}.append({b})
{a}.append({i})
{a}.append({a})
{a}.append([{b}, {c}])
{a}.insert(0, {b})
{a}.pop()
{a}.clear()
{a}.reverse()
{a}.extend([{b}, {i}])
{a} += [{b}]
{a} += ({b},)
{a}[0] = {b}
{a}[0] = {i}
{a}[0].append({i})
{a}[0][0] = {b}
{a}[-1] = {i}
{a}[-1].append({b})
{a}['k'] = {b}
{a}['k'].append({i})
{a}[{b}] = {c}
{a}[{i}] = {b}
{a}[{i}].append({b})
{a}.setdefault('k', []).append({i})
{a}.update(k={b})
del {a}[0]
del {a}['k']
{a}.add({i})
{a}.add({b})
{a}.discard({i})
if len({a}) == 1: next(iter({a})).value = {b}
{a}.value = {b}
{a}.value = {i}
{a}.value.append({i})
{a}.value.value = {b}
{a}.x = {b}
{a}.held = {b}
{a}.held.append({i})
if type({a}).__module__ == '__main__' and not isinstance({a}, tuple): type({a}).held = {b}
type({a}).held.append({i})
if type({a}).__module__ == '__main__' and not isinstance({a}, tuple): type({a}).more = [{b}]
Node.held.append({i})
{a}.left.append({i})
{a}()
{a}({b})
{a}().append({i})
{a}()[0].append({i})
{a}()[1].append({b})
{a}.get().append({i})
{a}.random()
next({a})
next({a}).append({i})
next({a})[0].append({i})
{a}.rotate(1)
{a}[1:3] = {i}
{a}[...] = {i}
{a}.flat[0] = {i}
if len({a}) < 20: {a} *= 2
{a}.loc[0, 'x'] = {i}
{a}.loc[0, 'y'] = 'text {i}'
{a}['z'] = {i}
{a}.iloc[0] = {i}
{a}['x'][0].append({i})
{a}.attrs['k'] = {i}
{a}.__defaults__[0].append({i})
{a}.__defaults__ = ({b},)
{a}.__dict__['k'] = {b}
{a}.note = {b}
{a}.keywords['k'] = {b}
{a}.args[0].append({i})
{a}.__closure__[0].cell_contents.append({i})
{a}.__closure__[0].cell_contents = {b}
{a}[0].cell_contents = {b}
{a}.__self__.append({i})
workshop.box.append({i})
workshop.put({a})
workshop.grow()
"""

_REBIND: Final = """
del {a}
{a}, {b} = {b}, {a}
{a} = {b} = [{i}]
{a} = [*itertools.islice({b}, 3)]
for {a} in {b}: break
globals()['{a}'] = {b}
globals()['{a}'].append({i})
globals().update({a}=[{i}])
globals().update({a}={b})
globals().update([('{a}', {b})])
globals().get('{a}').append({i})
globals().get('{a}')[0].append({i})
globals().pop('{a}')
globals().pop('{a}').append({i})
globals().setdefault('{a}', []).append({i})
globals().setdefault('{a}', {b})
globals().__setitem__('{a}', {b})
globals().__delitem__('{a}')
globals().__ior__({{'{a}': {b}}})
globals().copy()['{a}'].append({i})
dict(globals())['{a}'].append({i})
{{**globals()}}['{a}'].append({i})
(globals() | {{}})['{a}'].append({i})
[v.append({i}) for v in list(globals().values()) if type(v) is list]
[v.append({i}) for k, v in globals().items() if k == '{a}' and type(v) is list]
exec('{a} = {b}')
exec('{a}.append({i})', globals())
eval('{a}').append({i})
vars()['{a}'] = {b}
locals()['{a}'].append({i})
"""


_names: Final = st.sampled_from(NAMES)


def _templates(text: str) -> list[str]:
    return text.strip().splitlines()


def _fill(template: str, a: str, b: str, c: str, i: int) -> str:
    return template.format(a=a, b=b, c=c, i=i)


_OUTSIDE: Final = """
h.append({i})
h.append([{i}])
h = h[0]
h = h['k']
h = h.value
h[0] = {i}
h[0].append({i})
h['k'] = {i}
h[...] = {i}
h.add({i})
h.value = [{i}]
h.value.append({i})
h.held = [{i}]
h()
next(h)
h.clear()
h.loc[0, 'x'] = {i}
h.__defaults__ = ([{i}],)
"""


def outside_statements() -> st.SearchStrategy[str]:
    """Draw what a stranger does with an object that he holds."""
    made: Callable[..., str] = _fill
    return st.builds(made, st.sampled_from(_templates(_OUTSIDE)), _names, _names, _names, st.integers(0, 3))


def statements() -> st.SearchStrategy[str]:
    """Draw one statement: an idiom that relates variables, one that makes something, mutates, or rebinds."""

    def drawn(templates: list[str]) -> st.SearchStrategy[str]:
        make: Callable[..., str] = _fill
        return st.builds(make, st.sampled_from(templates), _names, _names, _names, st.integers(0, 3))

    return st.one_of(
        drawn(_templates(_IDIOMS)),
        drawn(_templates(_MAKE)),
        drawn(_templates(_MUTATE)),
        drawn([*_templates(_MUTATE)[:24], *_templates(_REBIND)]),
    )
