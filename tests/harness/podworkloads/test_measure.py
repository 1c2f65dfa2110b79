"""Bytes, objects and new bytes are what their definitions say."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from harness.podworkloads._measure import Measure, Measured, mutation_rate


def test_lists_of_bytes_have_as_many_objects_as_were_published() -> None:
    variables = {f"l_{k}": [bytes([k, i]) * 50 for i in range(10)] for k in range(10)}

    measured = Measure().look(variables)

    assert measured.objects == 110
    assert measured.snapshot_bytes == len(pickle.dumps(variables, protocol=5))


@pytest.mark.parametrize(
    ("value", "objects"),
    [(1, 0), (None, 0), ((), 0), ("text", 1), ([1.5, 2], 1), (["a", "b"], 3), ({"k": []}, 3)],
)
def test_objects_that_are_counted(value: object, objects: int) -> None:
    assert Measure().look({"name": value}).objects == objects


def test_an_object_that_two_variables_share_is_counted_once() -> None:
    shared = ["x" * 100]

    assert Measure().look({"a": [shared], "b": [shared]}).objects == 4


def test_only_units_that_no_version_had_are_new() -> None:
    measure = Measure()
    frame = {"left": np.zeros(1000), "right": np.ones(1000)}
    first = measure.look({"frame": frame})
    again = measure.look({"frame": frame})
    frame["left"][0] = 1
    changed = measure.look({"frame": frame})

    assert (first.new_bytes == first.sizes["frame"], again.new_bytes, changed.new_bytes) == (True, 0, 8000)


def test_arrays_of_objects_are_units() -> None:
    words = np.array([f"word {i}" for i in range(1000)], dtype=object)
    measure = Measure()
    measure.look({"a": words})

    assert measure.look({"a": words, "b": [words, 1]}).new_bytes < 300


def test_equal_content_is_new_once_under_two_names() -> None:
    measured = Measure().look({"a": np.arange(1000), "b": np.arange(1000)})

    assert measured.new_bytes < 8000 + 300


def test_what_cannot_be_pickled_has_no_size() -> None:
    measured = Measure().look({"a": [1], "lock": threading.Lock()})

    assert (measured.sizes["lock"], measured.objects) == (-1, 1)


def test_the_mutation_rate_is_the_published_formula() -> None:
    versions = [Measured(100, 1, 100, {})] + [Measured(100, 1, 25, {})] * 4

    assert mutation_rate(versions) == pytest.approx(0.25)
