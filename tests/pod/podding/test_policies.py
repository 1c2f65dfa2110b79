"""What each policy decides."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from pod.errors import InvalidArgument
from pod.podding import (
    BUNDLE,
    FINAL,
    SPLIT,
    BundleAll,
    ByVariable,
    ConstantVolatility,
    Exhaustive,
    LearnedGreedy,
    Manual,
    PublishedVolatility,
    RandomPodding,
    SplitAll,
    Untrained,
    podding_named,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.podding import Podding


def _function() -> None:
    """Something with code."""


class Thing:
    """Something of the user's."""


class TestNames:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("default", ByVariable),
            ("manual", Manual),
            ("lga", LearnedGreedy),
            ("const(0.5)", LearnedGreedy),
            ("naive", SplitAll),
            ("bundle", BundleAll),
            ("random", RandomPodding),
            ("random(17)", RandomPodding),
            ("exhaustive(0110)", Exhaustive),
            ("exhaustive()", Exhaustive),
        ],
    )
    def test_a_name_means_a_policy(self, text: str, expected: type) -> None:
        assert type(podding_named(text)) is expected

    @pytest.mark.parametrize(
        "text", ["", "other", "lga(1)", "const", "const(much)", "random(x)", "LGA", "naive ", "const(1)(2)"]
    )
    def test_an_unknown_one_is_an_error_that_tells_the_known_ones(self, text: str) -> None:
        with pytest.raises(InvalidArgument, match="known are: default, manual, lga, const"):
            podding_named(text)

    def test_what_a_policy_cannot_use_is_an_error(self) -> None:
        with pytest.raises(InvalidArgument, match="from 0 to 1"):
            podding_named("const(1.5)")
        with pytest.raises(InvalidArgument, match="from 0 to 1"):
            podding_named("const(nan)")
        with pytest.raises(InvalidArgument, match="zeros and ones"):
            podding_named("exhaustive(012)")
        with pytest.raises(InvalidArgument, match="known are: fixed, paper"):
            podding_named("lga", fidelity="exact")


class TestManual:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ([1], SPLIT),
            ({}, SPLIT),
            (OrderedDict(a=1), SPLIT),
            (_function, SPLIT),
            (_function.__code__, SPLIT),
            (sys, SPLIT),
            (np.arange(3), FINAL),
            (pd.DataFrame({"a": [1]}), FINAL),
            (pd.Series([1]), BUNDLE),
            ((1, [2]), BUNDLE),
            ({1}, BUNDLE),
            (frozenset([1]), BUNDLE),
            (Thing(), BUNDLE),
            (Fraction(1, 2), BUNDLE),
        ],
        ids=repr,
    )
    def test_it_goes_by_the_type(self, value: object, expected: int) -> None:
        policy = Manual()
        policy.start()
        assert policy.apart(value, 0, 100) == expected

    def test_what_is_cut_out_of_what_was_cut_out_is_final(self) -> None:
        assert [Manual().apart([1], depth, 0) for depth in (0, 1, 2)] == [SPLIT, FINAL, FINAL]

    def test_scikit_learn_s_are_final(self) -> None:
        naive_bayes = pytest.importorskip("sklearn.naive_bayes")
        assert Manual().apart(naive_bayes.GaussianNB(), 0, 0) == FINAL

    def test_figures_are_final(self) -> None:
        figure = pytest.importorskip("matplotlib.figure")
        assert Manual().apart(figure.Figure(), 0, 0) == FINAL


class TestLearnedGreedy:
    """Untrained, so the rate of a list is 0.1; an empty one has 56 bytes, each item 8 more."""

    def begun(self) -> LearnedGreedy:
        policy = LearnedGreedy(Untrained())
        policy.begin([], 0)
        return policy

    @pytest.mark.parametrize(("held_bytes", "items", "expected"), [(0, 1493, BUNDLE), (0, 1494, SPLIT)])
    def test_an_object_is_split_where_that_costs_less(
        self, held_bytes: int, items: int, expected: int
    ) -> None:
        # held * rate + bytes * the pod's rate > 1200 if it is split
        assert self.begun().apart([None] * items, 0, held_bytes) == expected

    def test_what_a_pod_holds_counts(self) -> None:
        assert self.begun().apart([], 0, 11_943) == BUNDLE
        assert self.begun().apart([], 0, 11_945) == SPLIT

    def test_each_object_that_is_bundled_makes_its_pod_more_volatile(self) -> None:
        policy = self.begun()
        asked = [policy.apart([None] * 300, 0, 0) for _ in range(8)]
        assert asked == [BUNDLE, BUNDLE, BUNDLE, BUNDLE, SPLIT, SPLIT, SPLIT, SPLIT]

    def test_pods_are_as_volatile_as_their_own_objects(self) -> None:
        policy = self.begun()
        assert [policy.apart([None] * 300, 0, 0) for _ in range(5)][-1] == SPLIT
        policy.begin([], 1)
        assert policy.apart([None] * 300, 1, 0) == BUNDLE
        assert policy.apart([None] * 300, 0, 0) == SPLIT
        policy.begin([], 1)
        assert policy.apart([None] * 1494, 1, 0) == FINAL

    def test_a_variable_begins_anew(self) -> None:
        policy = self.begun()
        assert [policy.apart([None] * 300, 0, 0) for _ in range(5)][-1] == SPLIT
        policy.begin([], 0)
        assert policy.apart([None] * 300, 0, 0) == BUNDLE

    def test_the_bytes_of_arrays_count(self) -> None:
        assert self.begun().apart(np.zeros(10), 0, 0) == BUNDLE
        assert self.begun().apart(np.zeros(2000), 0, 0) == SPLIT
        assert self.begun().apart(pd.DataFrame({"a": np.zeros(2000)}), 0, 0) == SPLIT

    def test_a_type_need_not_tell_where_it_is_from(self) -> None:
        nowhere = type("Nowhere", (), {"__module__": None})()
        assert (self.begun().apart(nowhere, 0, 0), Manual().apart(nowhere, 0, 0)) == (BUNDLE, BUNDLE)

    def test_how_a_container_grew_does_not_count(self) -> None:
        grown: list[Any] = []
        for _ in range(1493):
            grown.append(None)
        assert sys.getsizeof(grown) > sys.getsizeof([None] * 1494)
        assert self.begun().apart(grown, 0, 0) == BUNDLE

    @pytest.mark.parametrize("rate", [0, 1])
    @pytest.mark.parametrize(("held_bytes", "items"), [(0, 100_000), (10**9, 0), (10**9, 10**5)])
    def test_without_and_with_certain_change_nothing_is_split(
        self, rate: float, held_bytes: int, items: int
    ) -> None:
        policy = LearnedGreedy(ConstantVolatility(rate))
        policy.begin([], 0)
        assert policy.apart([None] * items, 0, held_bytes) == BUNDLE

    def test_sessions_have_nothing_in_common(self) -> None:
        policy = self.begun()
        assert [policy.apart([None] * 300, 0, 0) for _ in range(5)][-1] == SPLIT
        other = policy.fresh()
        other.begin([], 0)
        assert other.apart([None] * 300, 0, 0) == BUNDLE


class TestVolatility:
    def test_what_cannot_change_has_no_rate(self) -> None:
        values = ["a", b"a", 1, 1.0, 1j, True, (1,), frozenset(), None, int, [1], {}, Thing()]
        assert [Untrained().rate(value) for value in values] == [0.0] * 10 + [0.1] * 3

    def test_the_published_one_draws_from_the_user_s_generator(self) -> None:
        random.seed(1)
        expected = random.random(), random.random()
        random.seed(1)
        assert PublishedVolatility().rate([]) == 0.1
        assert random.random() == expected[1]

    def test_the_published_one_turns_its_model_s_answer_around(self) -> None:
        random.seed(1)
        likely = PublishedVolatility(ConstantVolatility(1))
        rates = [likely.rate([]) for _ in range(1000)]
        assert set(rates) == {0.0, 0.1}
        assert 60 < rates.count(0.0) < 140
        unlikely = PublishedVolatility(ConstantVolatility(0))
        assert {unlikely.rate([]) for _ in range(1000)} == {0.1}
        assert {likely.rate((1,)) for _ in range(100)} == {0.0}

    def test_only_paper_draws_from_the_user_s_generator(self) -> None:
        def drawn(fidelity: str) -> bool:
            policy = podding_named("lga", fidelity=fidelity)
            random.seed(2)
            before = random.getstate()
            policy.begin([], 0)
            return random.getstate() != before

        assert [drawn("fixed"), drawn("paper")] == [False, True]


class TestFixedDecisions:
    @pytest.mark.parametrize("make", [SplitAll, RandomPodding, lambda: Exhaustive("1" * 50)])
    def test_tuples_and_numbers_are_bundled(self, make: Callable[[], Podding]) -> None:
        class Number(int):
            pass

        values: list[object] = [(1,), Number(5)]
        assert [make().apart(value, 0, 0) for value in values * 20] == [BUNDLE] * 40

    def test_all_is_split(self) -> None:
        assert [SplitAll().apart(value, 7, 0) for value in ([], {}, {1}, Thing(), np.zeros(1))] == [SPLIT] * 5

    def test_random_ones_are_weighted_and_do_not_touch_the_user_s_generator(self) -> None:
        random.seed(3)
        before = random.getstate()
        policy = RandomPodding(5)
        drawn = [policy.apart([], 0, 0) for _ in range(4000)]
        assert [round(drawn.count(what) / 1000) for what in (BUNDLE, SPLIT, FINAL)] == [2, 1, 1]
        assert random.getstate() == before
        assert [policy.fresh().apart([], 0, 0) for _ in range(3)] == drawn[:1] * 3

    def test_the_nth_object_of_a_save_gets_the_nth_bit(self) -> None:
        policy = Exhaustive("0110")
        policy.start()
        assert [policy.apart([], 0, 0) for _ in range(6)] == [BUNDLE, SPLIT, SPLIT, BUNDLE, BUNDLE, BUNDLE]
        policy.start()
        assert [policy.apart([], 0, 0) for _ in range(2)] == [BUNDLE, SPLIT]

    def test_it_tells_how_many_were_asked_for(self) -> None:
        policy = Exhaustive()
        session = policy.fresh()
        for count in (3, 5, 2):
            session.start()
            for _ in range(count):
                session.apart([], 0, 0)
        assert policy.asked == 5
