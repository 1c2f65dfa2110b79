"""The compiled kernel and the Python one: the same bytes, each reads the other's."""

from __future__ import annotations

import contextlib
import sys
from collections import OrderedDict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.oracle import differences, portray
from pod import graph
from pod.chunks import PIECE_BYTES
from pod.graph import _ops
from pod.kernel import _build
from pod.tracking import variables_of
from tests.pod.kernel.encoding import Shelf, decode, written
from tests.pod.kinds import MUST

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.podding import Podding

compiled = pytest.importorskip("pod.kernel._kernel", reason="the kernel is not compiled")


def both(
    value: object, namespace: Any = None, apart_least: int = sys.maxsize, podding: Podding | None = None
) -> tuple[list[Any], Shelf, list[Any], Shelf]:
    results: list[Any] = []
    for encoder_class in (graph.Encoder, compiled.Encoder):
        policy = None if podding is None else podding.fresh()
        shelf = Shelf(namespace, policy)
        if policy is None:
            encoder = encoder_class(shelf, apart_least)
        else:
            encoder = encoder_class(shelf, policy.apart_least, policy.objects)
        encoder.namespace = namespace
        encoder.begin([])
        results += [encoder.encode(value), shelf]
    return results[0], results[1], results[2], results[3]


def test_the_binary_was_made_of_the_sources_beside_it() -> None:
    folder = _build.Path(_build.__file__).parent
    assert _build.source_digest(folder) == compiled.SOURCE_DIGEST


@pytest.mark.parametrize("kind", MUST)
def test_both_write_the_same_bytes_and_read_each_other_s(kind: str) -> None:
    namespace: dict[str, Any] = {}
    exec(MUST[kind], namespace)
    values = variables_of(namespace)
    slow, slow_shelf, fast, fast_shelf = both(values, namespace)
    assert written(fast) == written(slow)
    assert fast_shelf.pieces == slow_shelf.pieces
    expected = portray(namespace)
    for decoder, pods, shelf in ((compiled.Decoder, slow, slow_shelf), (graph.Decoder, fast, fast_shelf)):
        loaded: dict[str, Any] = {}
        loaded.update(decode(decoder, pods, shelf, loaded))
        assert differences(expected, portray(loaded)) == []


atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.sampled_from([..., NotImplemented, (), "x" * 33, b"y" * 32, "é" * 17, "\ud800", len, int]),
)


@st.composite
def graphs(draw: st.DrawFn) -> object:
    """A graph of containers that refer to each other at will."""
    made: list[Any] = draw(st.lists(atoms, min_size=1, max_size=10))
    for _ in range(draw(st.integers(1, 25))):
        parts = draw(st.lists(st.sampled_from(range(len(made))), max_size=6))
        chosen = [made[part] for part in parts]
        kind = draw(st.sampled_from(["list", "tuple", "dict", "object", "deque", "grow", "set"]))
        if kind == "list":
            made.append(chosen)
        elif kind == "tuple":
            made.append(tuple(chosen))
        elif kind == "dict":
            made.append({str(number): part for number, part in enumerate(chosen)})
        elif kind == "object":
            made.append(Thing(chosen))
        elif kind == "deque":
            made.append(Queue(chosen))
        elif kind == "set":
            made.append({part for part in chosen if type(part) in {int, str, bytes}})
        else:
            grown = [value for value in made if type(value) is list]
            if grown and made:
                draw(st.sampled_from(grown)).append(draw(st.sampled_from(made)))
    return made


class Thing:
    def __init__(self, parts: list[Any]) -> None:
        for number, part in enumerate(parts):
            setattr(self, f"part{number}", part)


class Queue(list[Any]):
    pass


@given(graphs(), st.sampled_from([2, 4, sys.maxsize]))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_write_random_graphs_alike(value: object, apart_least: int) -> None:
    slow, _, fast, fast_shelf = both(value, None, apart_least)
    assert written(fast) == written(slow)
    expected = portray({"value": value})
    for decoder in (graph.Decoder, compiled.Decoder):
        assert differences(expected, portray({"value": decode(decoder, fast, fast_shelf)})) == []


@pytest.mark.parametrize(
    "value",
    [
        [f"item {number}" for number in range(30_000)],
        [bytes([number % 251]) * (number % 300) for number in range(5_000)],
        {number: [number, str(number % 7)] for number in range(8_000)},
        [Thing([number, "same"]) for number in range(5_000)],
        [[True, None]] * 3 + [[number % 2 == 0] for number in range(40_000)],
        list(range(60_000)),
        [number / 3 for number in range(30_000)],
    ],
    ids=["str", "bytes", "dict", "objects", "bools", "ints", "floats"],
)
def test_both_cut_chunks_at_the_same_places(value: Any) -> None:
    slow, _, fast, shelf = both(value)
    assert written(fast) == written(slow)
    assert len(fast[-1].streams) > 4
    assert differences(portray({"v": value}), portray({"v": decode(compiled.Decoder, fast, shelf)})) == []


def test_both_cut_after_texts_of_every_length() -> None:
    texts = [chr(97 + i % 26) * (i % 41) + str(i)[: i % 5] for i in range(40_000)]
    slow, slow_shelf, fast, fast_shelf = both([texts, [text.encode() for text in texts]])
    assert written(fast) == written(slow)
    assert fast_shelf.pieces == slow_shelf.pieces


def test_chunks_of_more_than_one_batch_stay_in_order() -> None:
    value = [bytes([i % 251]) * 50 + str(i).encode() for i in range(60_000)]
    _slow, _, fast, shelf = both(value)
    assert sum(len(shelf.pieces[digest]) for digest in fast[-1].streams) > 3 << 20
    assert decode(compiled.Decoder, fast, shelf, None) == value


@pytest.mark.parametrize("cut", [1, 2, 7, 20, 41])
def test_a_stream_that_ends_early_is_an_error_and_no_crash(cut: int) -> None:
    shelf = Shelf()
    encoder = compiled.Encoder(shelf)
    encoder.begin([])
    value = [{"a": (1, "text", b"x" * 50, 2.5)}, Thing([1]), {3}, 10**30]
    (pod,) = encoder.encode(value)
    whole = shelf.pieces[pod.streams[0]]
    decoder = compiled.Decoder([whole[:-cut]], pod.blobs, pod.references, shelf, None)
    with pytest.raises(ValueError, match="pod's"):
        decoder.run(lambda _oid: None, object())


@pytest.mark.parametrize("decoder_class", [graph.Decoder, compiled.Decoder])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_blob_of_another_length_than_its_pod_says_is_an_error(kind: Any, decoder_class: Any) -> None:
    shelf = Shelf()
    encoder = compiled.Encoder(shelf)
    encoder.begin([])
    (pod,) = encoder.encode(kind(range(256)) * 400)
    ((length, digests),) = pod.blobs
    assert (length, len(digests)) == (102_400, 2)
    stream = shelf.pieces[pod.streams[0]]
    huge = stream.replace(b"\x80\xa0\x06", b"\x80\x80\x80\x80\x80\x80\x80\x01")
    for data, blob in (
        (stream, (length, digests[:1])),
        (stream, (length, digests + digests)),
        (stream, (1 << 49, digests)),
        (stream, (1, digests)),
        (huge, (1 << 49, digests)),
    ):
        decoder = decoder_class([data], [blob], pod.references, shelf, None)
        with pytest.raises(ValueError, match=r"length|structure"):
            decoder.run(lambda _oid: None, object())


def test_a_piece_of_a_blob_is_as_long_as_the_kernel_has_it() -> None:
    header = (_build.Path(_build.__file__).parent / "_kernel.h").read_text()
    assert f"#define PIECE_MOST {PIECE_BYTES} " in header


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_garbage_is_an_error_and_no_crash(data: bytes) -> None:
    decoder = compiled.Decoder([data], [], [1], Empty(), {})
    with contextlib.suppress(Exception):
        decoder.run(lambda _oid: [], object())
    assert decoder.count >= 0


class Empty(Shelf):
    """Knows no names, so that garbage calls nothing."""

    def by_name(self, module: str, qualname: str, /) -> object:
        raise AttributeError(qualname)


def test_the_opcodes_are_the_same() -> None:
    header = (_build.Path(_build.__file__).parent / "_kernel.h").read_text()
    listed = (
        header[header.index("OP_END") : header.index("OP_COUNT")].replace("= 0x00", "").replace("\n", " ")
    )
    names = [name.strip().removeprefix("OP_") for name in listed.split(",") if name.strip()]
    assert [(name, getattr(_ops, name)) for name in names] == [(name, at) for at, name in enumerate(names)]


@pytest.mark.parametrize("decoder_class", [graph.Decoder, compiled.Decoder])
@pytest.mark.parametrize("base", [dict, set, OrderedDict, Exception, Decimal, int])
def test_a_class_that_is_plain_no_longer_is_an_error_and_no_crash(decoder_class: Any, base: type) -> None:
    class Now(Shelf):
        def by_name(self, module: str, qualname: str, /) -> object:
            return type("Thing", (base,), {})

    shelf = Now()
    encoder = compiled.Encoder(shelf)
    encoder.begin([])
    (pod,) = encoder.encode(Thing([1]))
    decoder = decoder_class([shelf.pieces[pod.streams[0]]], pod.blobs, pod.references, shelf, None)
    with pytest.raises(TypeError, match="not safe"):
        decoder.run(lambda _oid: None, object())


class Handing:
    """Is reduced to what another object holds alone."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __reduce__(self) -> Any:
        return list, ([*vars(self.thing).values()],), None, iter([self.thing.part0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: [[1], {"a": [2]}, (3, [4]), {5}, frozenset([6]), bytearray(b"7")],
        lambda: [Thing([[1]]), Queue([2]), iter([[3]])],
        lambda: [[]],
    ],
    ids=["containers", "objects", "empty"],
)
def test_what_is_handed_out_is_what_was_written(make: Callable[[], list[Any]]) -> None:
    thing = Thing(make())
    handing = Handing(thing)
    slow, _, fast, shelf = both([thing, handing, {"again": handing}])
    assert written(fast) == written(slow)
    for decoder in (graph.Decoder, compiled.Decoder):
        loaded, handed, again = decode(decoder, fast, shelf)
        assert again["again"] is handed
        held = [*vars(loaded).values()]
        assert [id(part) for part in handed] == [id(part) for part in [*held, held[0]]]


def test_what_is_handed_out_was_written_in_another_pod() -> None:
    for encoder_class in (graph.Encoder, compiled.Encoder):
        shelf = Shelf()
        encoder = encoder_class(shelf)
        encoder.begin([])
        thing = Thing([[1], [2]])
        pods = encoder.encode(thing)
        failing = [Handing(thing), (number for number in ())]
        with pytest.raises(TypeError, match="generator"):
            encoder.encode(failing)
        pods += encoder.encode(Handing(thing))
        assert [len(pod.references) for pod in pods] == [0, 2]
        assert [len(pod.exports) for pod in pods] == [3, 1]
        loaded = decode(compiled.Decoder, pods, shelf)
        assert loaded == [[1], [2], [1]]
        assert loaded[0] is loaded[2]


class Looping:
    """Is made of what leads to it again."""

    def __init__(self, shared: list[Any], around: list[Any]) -> None:
        self.shared = shared
        self.around = around

    def __reduce__(self) -> Any:
        return Looping, (self.shared, self.around)


def test_a_root_that_lies_in_another_pod_takes_its_oid_along() -> None:
    seen = []
    for encoder_class in (graph.Encoder, compiled.Encoder):
        shelf = Shelf()
        encoder = encoder_class(shelf, 2)
        looping = Looping([1], [])
        looping.around.append([looping.shared, looping])
        pods: list[Any] = []
        for _ in range(3):
            encoder.begin(pods)
            pods = encoder.encode(looping)
            inner, outer = pods
            assert inner.within == outer.oid
            assert outer.oid not in inner.exports
            loaded = decode(compiled.Decoder, pods, shelf)
            assert loaded.around[0][0] is loaded.shared
            assert loaded.around[0][1] is loaded
            encoder.finish(pods, {})
            seen.append(written(pods))
    assert seen[:3] == seen[3:]


class Hiding:
    """Does not tell what it holds."""

    def __init__(self, *told: Any) -> None:
        self.told = told
        self.hidden: Any = None

    def __reduce__(self) -> Any:
        return Hiding, self.told


@pytest.mark.parametrize(
    ("hides", "tells", "exposed"),
    [(True, False, True), (True, True, False), (False, True, False)],
    ids=["hidden", "hidden and told", "told"],
)
def test_who_follows_a_reference_that_is_not_told_is_a_stranger(
    hides: bool, tells: bool, exposed: bool
) -> None:
    for encoder_class in (graph.Encoder, compiled.Encoder):
        encoder = encoder_class(Shelf())
        encoder.begin([])
        held = [[1]]
        between = Hiding(held)
        holder = Hiding(between) if tells else Hiding()
        holder.hidden = held if hides else None
        pods = [pod for value in (held, between, holder) for pod in encoder.encode(value)]
        for value in (held, between, holder):
            encoder.count(value, 1)
        del value
        encoder.finish(pods, {})
        assert [pod.exposed for pod in pods] == [exposed, False, False]


def test_references_from_what_cannot_be_written_are_not_explained() -> None:
    for encoder_class in (graph.Encoder, compiled.Encoder):
        encoder = encoder_class(Shelf())
        encoder.begin([])
        held = [1]
        failing = [held, Hiding(held), (number for number in ())]
        pods = encoder.encode(held)
        encoder.count(held, 1)
        with pytest.raises(TypeError, match="generator"):
            encoder.encode(failing)
        encoder.finish(pods, {})
        assert [pod.exposed for pod in pods] == [True]


@pytest.mark.parametrize(("strangers", "exposed"), [(0, False), (1, True)])
def test_what_several_objects_of_one_hold_is_its_alone(strangers: int, exposed: bool) -> None:
    for encoder_class in (graph.Encoder, compiled.Encoder):
        encoder = encoder_class(Shelf())
        encoder.begin([])
        held = [[1]]
        box = [[held]]
        holder = Hiding(held)
        holder.hidden = [box, {"box": box}, (box, [box[0]])]
        others = [box] * strangers
        del box
        pods = [pod for value in (held, holder) for pod in encoder.encode(value)]
        for value in (held, holder):
            encoder.count(value, 1)
        del value
        encoder.finish(pods, {})
        assert [pod.exposed for pod in pods] == [exposed, False]
        del others


class Telling:
    """Tells of itself what it makes when it is asked, and notes where that was."""

    def __init__(self) -> None:
        self.places: set[int] = set()

    def __reduce_ex__(self, protocol: object) -> Any:
        inner = [[1], ([2],), {"three": [3]}]
        state = {"inner": inner, "pair": (inner[0], [4])}
        self.places |= {id(state), id(inner), id(inner[0]), id(inner[1]), id(inner[1][0]), id(state["pair"])}
        return Telling, (), {"state": state}


def test_what_was_made_to_be_written_is_forgotten_with_it() -> None:
    for encoder_class in (graph.Encoder, compiled.Encoder):
        encoder = encoder_class(Shelf())
        encoder.begin([])
        telling = Telling()
        pods = encoder.encode(telling)
        encoder.count(telling, 1)
        encoder.finish(pods, {})
        encoder.begin([])
        others = [[number] for number in range(100)]
        others += [{"number": number} for number in range(100)]  # type: ignore[misc]
        others += [([number], number) for number in range(100)]  # type: ignore[misc]
        assert any(id(other) in telling.places for other in others)
        for other in others:
            assert encoder.locate(other) is None


class Endless:
    """Is reduced to itself, in something new."""

    def __reduce__(self) -> Any:
        return list, ([self],)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("encoder_class", [graph.Encoder, compiled.Encoder])
def test_a_reduction_without_end_is_an_error(encoder_class: Any) -> None:
    encoder = encoder_class(Shelf())
    encoder.begin([])
    with pytest.raises(RecursionError, match="without end"):
        encoder.encode(Endless())
    assert len(encoder.encode([1])) == 1


@pytest.mark.parametrize("encoder_class", [graph.Encoder, compiled.Encoder])
def test_dict_items_are_pairs(encoder_class: Any) -> None:
    class Odd:
        def __reduce__(self) -> Any:
            return dict, (), None, None, iter([["k", 1]])

    encoder = encoder_class(Shelf())
    encoder.begin([])
    with pytest.raises(TypeError, match="must be pairs"):
        encoder.encode(Odd())


class Making:
    """Is reduced to another one, which did not exist."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __reduce__(self) -> Any:
        making = Making(self.where)
        if self.where == "arguments":
            return list, ([making],)
        if self.where == "items":
            return list, (), None, iter([making])
        if self.where == "pairs":
            return dict, (), None, None, iter([("k", {"v": (making,)})])
        return list, (), [making]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("encoder_class", [graph.Encoder, compiled.Encoder])
@pytest.mark.parametrize("where", ["arguments", "items", "pairs", "state"])
def test_making_without_end_is_an_error(where: str, encoder_class: Any) -> None:
    encoder = encoder_class(Shelf())
    encoder.begin([])
    with pytest.raises(RecursionError, match="without end"):
        encoder.encode(Making(where))


def _chain(kind: str, length: int) -> Any:
    value: Any = None
    for _ in range(length):
        if kind == "list":
            value, inner = Queue(), value
            value.append([inner])
        elif kind == "attribute":
            value, inner = Queue(), value
            value.next = inner
        elif kind == "ordered dict":
            value = OrderedDict(inner=value)
        elif kind == "arguments":
            value = Told([value])
        else:
            value, inner = ValueError(), value
            value.next = inner  # type: ignore[attr-defined]
    return value


class Told:
    """Is reduced to what it holds."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __reduce__(self) -> Any:
        return Told, (self.inner,)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("encoder_class", [graph.Encoder, compiled.Encoder])
def test_arrays_in_arrays_have_an_end(encoder_class: Any) -> None:
    value: Any = None
    for _ in range(20_000):
        value, inner = np.empty(1, object), value
        value[0] = inner
    encoder = encoder_class(Shelf())
    encoder.begin([])
    (pod,) = encoder.encode(value)
    assert pod.objects >= 20_000
    while value is not None:  # numpy would free them with a C call for each that is inside
        value[0], value = None, value[0]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("encoder_class", [graph.Encoder, compiled.Encoder])
@pytest.mark.parametrize("kind", ["list", "attribute", "ordered dict", "arguments", "exception"])
def test_what_is_deep_has_an_end(kind: str, encoder_class: Any) -> None:
    value = _chain(kind, 40_000)
    encoder = encoder_class(Shelf())
    encoder.begin([])
    (pod,) = encoder.encode(value)
    assert pod.objects >= 40_000
