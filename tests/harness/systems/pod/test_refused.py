"""What is saved of many variables of which a library refuses some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.systems.pod._refused import LeavingOut


class Library:
    """Refuses odd numbers, and counts what it is asked."""

    def __init__(self) -> None:
        self.tried = 0
        self.written: list[dict[str, Any]] = []

    def attempt(self, some: Mapping[str, Any]) -> None:
        self.tried += 1
        for value in some.values():
            if value % 2:
                raise ValueError(f"{value} is\nodd")

    def write(self, some: Mapping[str, Any]) -> None:
        self.attempt(some)
        self.written.append(dict(some))


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=4))
def test_each_save_has_what_can_be_saved_and_names_the_rest(saves: list[dict[str, int]]) -> None:
    library = Library()
    leaving_out = LeavingOut(library.attempt)
    for variables in saves:
        reasons = leaving_out.save(variables, library.write)
        odd = {name: f"ValueError: {value} is odd" for name, value in variables.items() if value % 2}
        assert reasons == odd
        assert library.written[-1] == {name: value for name, value in variables.items() if not value % 2}


def test_each_is_tried_only_after_all_together_have_failed() -> None:
    library = Library()
    leaving_out = LeavingOut(library.attempt)
    leaving_out.save({"a": 2, "b": 4}, library.write)
    assert library.tried == 1
    leaving_out.save({"a": 2, "b": 5}, library.write)
    assert library.tried == 1 + 4
    leaving_out.save({"a": 2, "b": 5}, library.write)
    assert library.tried == 1 + 4 + 2


def test_a_failure_that_no_variable_explains_is_raised() -> None:
    def write(_some: Mapping[str, Any]) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        LeavingOut(lambda _some: None).save({"a": 1}, write)


def test_too_little_memory_is_no_refusal() -> None:
    def attempt(_some: Mapping[str, Any]) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        LeavingOut(attempt).save({"a": 1}, attempt)
