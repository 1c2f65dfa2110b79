"""Sets and dicts in a cycle with a key whose hash is another one until its state is there."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pod import graph
from pod.tracking import variables_of
from tests.pod.kernel.encoding import Shelf, decode

compiled = pytest.importorskip("pod.kernel._kernel", reason="the kernel is not compiled")

_LOUD = """
class Key:
    __slots__ = ("__dict__", "n")
    def __init__(self, n): self.n = n
    def __hash__(self): return hash(self.n)
    def __eq__(self, other): return type(other) is type(self) and self.n == other.n
    def __lt__(self, other): return self.n < other.n
"""
_QUIET = _LOUD.replace("self.n)", "getattr(self, 'n', 0))").replace(
    "self.n == other.n", "getattr(self, 'n', 0) == getattr(other, 'n', 0)"
)
_SETS_AND_DICTS = {
    "set": ("x = Key(1); x.all = {x, 'a'}", "x in x.all and Key(1) in x.all and len(x.all) == 2"),
    "dict": (
        "x = Key(1); x.all = {'a': 0, x: 1, 'b': 2}",
        "[*x.all.items()] == [('a', 0), (x, 1), ('b', 2)]",
    ),
    "found in the dict": ("x = Key(1); x.all = {'a': 0, x: 1}", "x.all[x] == x.all[Key(1)] == 1"),
    "within tuples": (
        "x = Key(1); x.all = {(x, 1), ((x,),)}; x.d = {(x,): 2}",
        "(x, 1) in x.all and ((x,),) in x.all and x.d[(x,)] == 2",
    ),
    "within lists": ("x = Key(1); x.all = [[{x}, {x: 1}]]", "x in x.all[0][0] and x.all[0][1][x] == 1"),
    "value of a dict": ("x = Key(1); x.all = {'a': {x: {x: 3}}}", "x.all['a'][x][x] == 3"),
    "through another object": (
        "x, y = Key(1), Key(2); x.y = y; y.all = {x, y}; y.d = {y: 'y', x: 'x'}",
        "y.all == {Key(1), Key(2)} and x in y.all and [*y.d.items()] == [(y, 'y'), (x, 'x')]",
    ),
    "hangs on what is built": (
        "class Holder:\n"
        "    def __init__(self, key): self.key = key\n"
        "    def __hash__(self): return hash(self.key) + 1\n"
        "    def __eq__(self, other): return type(other) is type(self) and self.key == other.key\n"
        "x = Key(1); h = Holder(x); x.all = [h, {h}, {h: 1}]",
        "h in x.all[1] and Holder(Key(1)) in x.all[1] and x.all[2][h] == 1 and x.all[0] is h",
    ),
    "equal at first": (
        "x, y, z = Key(1), Key(2), Key(0); x.y = y; y.all = {z, x, y}; y.d = {z: 'z', y: 'y', x: 'x', 'a': 1}; l = [x]",
        "y.all == {Key(0), Key(1), Key(2)} and [*y.d.items()] == [(z, 'z'), (y, 'y'), (x, 'x'), ('a', 1)]",
    ),
    "one set, twice": (
        "x = Key(1); x.all = [{x}]; x.all.append(x.all[0])",
        "x.all[0] is x.all[1] and x in x.all[0]",
    ),
    "one dict, twice": ("x = Key(1); x.all = [{x: 1}] * 2", "x.all[0] is x.all[1] and x in x.all[0]"),
    "beside a cycle": (
        "class C: pass\nc = C(); k = Key(1); c.parts = {'k': k}; c.c = c; c.all = {k}; c.d = {(k, c): 1, k: 2}",
        "k in c.all and c.d == {(Key(1), c): 1, Key(1): 2}",
    ),
}
_READING = """
class Reading:
    def __init__(self, key):
        key.reading = self
        self.__setstate__({"key": key, "all": {(key, self), 1}, "d": {(key, self): 1, "a": 2}})
    def __getstate__(self): return self.__dict__
    def __setstate__(self, state):
        self.__dict__ = state
        self.all.add("new")
        self.d["a"] = self.d["new"] = len(self.all)
k = Key(1); r = Reading(k)
"""
_FROZENSETS = {
    "frozenset": "x = Key(1); x.all = frozenset([x])",
    "in a list": "x = Key(1); x.all = [frozenset([(x, 1)])]",
    "key of a dict": "x = Key(1); x.all = {frozenset([x]): 1}",
    "equal at first": "x = Key(1); x.all = frozenset([x, Key(0)])",
}
_SOUND_FROZENSETS = {
    "by identity": (
        "class C: pass\nc = C(); c.all = frozenset([c, (c, 1)])",
        "c in c.all and (c, 1) in c.all",
    ),
    "of what is there": (
        "x = Key(0); x.all = frozenset([1, 'a']); x.x = x; l = [x]",
        "x.all == {1, 'a'}",
    ),
    "hash is right": ("x = Key(0); x.all = {frozenset([(x, 1)])}", "frozenset([(Key(0), 1)]) in x.all"),
}
decoders = pytest.mark.parametrize(
    "decoder_class", [graph.Decoder, compiled.Decoder], ids=["python", "compiled"]
)


def _again(decoder_class: Any, *sources: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec("\n".join(sources), namespace)
    shelf = Shelf(namespace)
    encoder = graph.Encoder(shelf, sys.maxsize)
    encoder.namespace = namespace
    encoder.begin([])
    pods = encoder.encode(variables_of(namespace))
    loaded: dict[str, Any] = {}
    loaded.update(decode(decoder_class, pods, shelf, loaded))
    return loaded


@decoders
@pytest.mark.parametrize("keys", [_LOUD, _QUIET], ids=["raises", "does not raise"])
@pytest.mark.parametrize("case", _SETS_AND_DICTS)
def test_sets_and_dicts_find_their_keys(case: str, keys: str, decoder_class: Any) -> None:
    source, expression = _SETS_AND_DICTS[case]
    made: dict[str, Any] = {}
    exec(f"{keys}\n{source}", made)
    assert eval(expression, made)
    assert eval(expression, _again(decoder_class, keys, source))


@decoders
def test_code_that_runs_meanwhile_finds_what_is_there_and_may_change_it(decoder_class: Any) -> None:
    loaded = _again(decoder_class, _QUIET, _READING)
    k, r = loaded["k"], loaded["r"]
    assert r.all == {(k, r), 1, "new"}
    assert [*r.d.items()] == [((k, r), 1), ("a", 3), ("new", 3)]


@decoders
@pytest.mark.parametrize("case", _FROZENSETS)
def test_a_frozenset_that_would_not_find_its_members_is_an_error(case: str, decoder_class: Any) -> None:
    with pytest.raises(ValueError, match="a frozenset is part of"):
        _again(decoder_class, _QUIET, _FROZENSETS[case])
    with pytest.raises(AttributeError, match="'n'"):
        _again(decoder_class, _LOUD, _FROZENSETS[case])


@decoders
@pytest.mark.parametrize("case", _SOUND_FROZENSETS)
def test_a_frozenset_that_finds_its_members_is_none(case: str, decoder_class: Any) -> None:
    source, expression = _SOUND_FROZENSETS[case]
    assert eval(expression, _again(decoder_class, _QUIET, source))


@decoders
def test_a_hash_that_raises_at_the_end_is_an_error(decoder_class: Any) -> None:
    source = _LOUD + "x = Key(1); x.all = {x}; del x.n"
    with pytest.raises(AttributeError, match="'n'"):
        _again(decoder_class, source.replace("del x.n", "object.__delattr__(x, 'n')"))


@decoders
def test_deep_cycles(decoder_class: Any) -> None:
    source = (
        "class C: pass\n"
        "first = c = C()\n"
        "for i in range(20_000): c.inner, c.keys, c.d = [C()], {first, c}, {(first, c): i}; c.inner[0].up = c; c = c.inner[0]"
    )
    c = _again(decoder_class, source)["first"]
    first, i = c, 0
    while hasattr(c, "inner"):
        assert c.keys == {first, c}
        assert c.d == {(first, c): i}
        assert c.inner[0].up is c
        c, i = c.inner[0], i + 1
    assert i == 20_000
