"""The compiled kernel and the Python one ask a policy the same questions, and cut at the same places."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.oracle import differences, portray
from pod import graph
from pod.podding import BUNDLE, FINAL, SPLIT
from pod.tracking import variables_of
from tests.pod.kernel.encoding import Shelf, decode, written
from tests.pod.kernel.test_kernel import Looping, both, compiled, graphs
from tests.pod.kinds import MUST
from tests.pod.podding.policies import POLICIES, EveryThing
from tests.pod.podding.test_podding import CELLS, OBJECTS

if TYPE_CHECKING:
    from pod.podding import Podding

ENCODERS = (graph.Encoder, compiled.Encoder)


@pytest.mark.parametrize("policy", ["everything", "by turns"])
@pytest.mark.parametrize("kind", MUST)
def test_both_write_the_same_bytes(kind: str, policy: str) -> None:
    namespace: dict[str, Any] = {}
    exec(MUST[kind], namespace)
    values = variables_of(namespace)
    slow, slow_shelf, fast, fast_shelf = both(values, namespace, podding=POLICIES[policy])
    assert written(fast) == written(slow)
    assert fast_shelf.pieces == slow_shelf.pieces
    expected = portray(namespace)
    for decoder, pods, shelf in ((compiled.Decoder, slow, slow_shelf), (graph.Decoder, fast, fast_shelf)):
        loaded: dict[str, Any] = {}
        loaded.update(decode(decoder, pods, shelf, loaded))
        assert differences(expected, portray(loaded)) == []


@given(graphs(), st.sampled_from(sorted(POLICIES)))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_write_random_graphs_alike(value: object, policy: str) -> None:
    slow, _, fast, fast_shelf = both(value, podding=POLICIES[policy])
    assert written(fast) == written(slow)
    expected = portray({"value": value})
    for decoder in (graph.Decoder, compiled.Decoder):
        assert differences(expected, portray({"value": decode(decoder, fast, fast_shelf)})) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_both_cut_a_session_alike(policy: str) -> None:
    namespace: dict[str, Any] = {}
    for cell in (*CELLS, *OBJECTS):
        exec(cell, namespace)
    values = variables_of(namespace)
    values["rows"] = [{"i": i, "name": f"n{i}", "more": [i] * (i % 400)} for i in range(400)]
    slow, slow_shelf, fast, fast_shelf = both(values, namespace, podding=POLICIES[policy])
    assert written(fast) == written(slow)
    assert fast_shelf.pieces == slow_shelf.pieces
    assert len(fast) > (1 if policy in {"default", "bundle"} else 5)


class Noting(EveryThing):
    """Cuts out lists, and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begin(self, root: object, depth: int, /) -> None:
        self.told.append(("begin", root, depth))

    def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
        self.told.append(("apart", value, depth, held_bytes))
        return SPLIT if isinstance(value, list) else BUNDLE


def encoded(encoder_class: Any, value: object, podding: Podding) -> list[Any]:
    encoder = encoder_class(Shelf(podding=podding), podding.apart_least, podding.objects)
    encoder.begin([])
    made: list[Any] = encoder.encode(value)
    return made


@pytest.mark.parametrize("encoder_class", ENCODERS)
def test_a_policy_is_told_where_an_object_was_met(encoder_class: Any) -> None:
    policy = Noting()
    inner, other = [b"x" * 20], {"k": 1}
    value = [b"y" * 10, inner, inner, other]
    encoded(encoder_class, value, policy)
    assert policy.told == [
        ("begin", value, 0),
        ("apart", inner, 0, 13),
        ("begin", inner, 1),
        ("apart", other, 0, 17),
    ]


@pytest.mark.parametrize("encoder_class", ENCODERS)
def test_nothing_is_asked_of_a_policy_that_is_shown_nothing(encoder_class: Any) -> None:
    class Silent(Noting):
        apart_least = sys.maxsize
        objects = False

    policy = Silent()
    encoded(encoder_class, [[1], {"k": Looping([1], [2])}], policy)
    assert policy.told == []


@pytest.mark.parametrize("encoder_class", ENCODERS)
def test_nothing_below_a_final_pod_is_asked_about(encoder_class: Any) -> None:
    class Final(Noting):
        def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
            self.told.append(("apart", value, depth, held_bytes))
            return FINAL

    class Held:
        pass

    policy = Final()
    inner: list[Any] = [{"k": [1]}, Held()]
    pods = encoded(encoder_class, [inner], policy)
    assert [told[:2] for told in policy.told] == [("begin", [inner]), ("apart", inner)]
    assert [len(pod.references) for pod in pods] == [0, 1, 1]  # the class is a pod all the same


@pytest.mark.parametrize("encoder_class", ENCODERS)
@pytest.mark.parametrize("answer", [-1, 3])
def test_an_answer_that_means_nothing_is_an_error(encoder_class: Any, answer: int) -> None:
    class Odd(Noting):
        def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
            return answer

    with pytest.raises(ValueError, match="must return BUNDLE, SPLIT or FINAL"):
        encoded(encoder_class, [[1]], Odd())


@pytest.mark.parametrize("encoder_class", ENCODERS)
def test_what_a_policy_raises_leaves_nothing_of_the_root(encoder_class: Any) -> None:
    class Failing(Noting):
        def apart(self, value: object, depth: int, held_bytes: int, /) -> int:
            if isinstance(value, dict):
                raise LookupError("no")
            return super().apart(value, depth, held_bytes)

    policy = Failing()
    encoder = encoder_class(Shelf(podding=policy), policy.apart_least, policy.objects)
    encoder.begin([])
    inner = [1]
    with pytest.raises(LookupError, match="no"):
        encoder.encode([inner, [{"k": 1}]])
    assert encoder.locate(inner) is None
    inner_pod, pod = encoder.encode([inner])
    assert (pod.references, policy.told[-2:]) == (
        [inner_pod.oid],
        [("apart", inner, 0, 1), ("begin", inner, 1)],
    )
