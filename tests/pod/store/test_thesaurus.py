"""The thesaurus against a list that is searched from its start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.store._thesaurus import ENTRY_BYTES, KEY_BYTES, Thesaurus

_KEYS = [bytes([number]) * KEY_BYTES for number in range(6)]
_STEPS = st.lists(st.sampled_from([*_KEYS, *_KEYS, "keep", "forget"]), max_size=60)


class _Listed:
    """What a thesaurus does, on a list of [key, salt, whether it is committed], oldest first."""

    def __init__(self, capacity: int, *, last_goes_first: bool) -> None:
        self.capacity = capacity
        self.last_goes_first = last_goes_first
        self.entries: list[tuple[bytes, bytes, bool]] = []

    def find(self, key: bytes) -> bytes | None:
        for number, entry in enumerate(self.entries):
            if entry[0] == key:
                if not self.last_goes_first:
                    self.entries.append(self.entries.pop(number))
                return entry[1]
        return None

    def add(self, key: bytes, salt: bytes) -> None:
        self.entries.append((key, salt, False))
        while len(self.entries) > self.capacity:
            newest = len(self.entries) - 1
            self.entries.pop(max(0, newest - 1) if self.last_goes_first and newest else 0)

    def keep(self) -> None:
        self.entries = [(key, salt, True) for key, salt, _committed in self.entries]

    def forget(self) -> None:
        self.entries = [entry for entry in self.entries if entry[2]]


@pytest.mark.parametrize("as_published", [False, True])
@given(steps=_STEPS, capacity=st.integers(0, 5))
def test_it_remembers_what_a_list_would(steps: list[bytes | str], capacity: int, as_published: bool) -> None:
    entry_bytes = KEY_BYTES if as_published else ENTRY_BYTES
    actual = Thesaurus(capacity * entry_bytes, as_published=as_published)
    expected = _Listed(capacity, last_goes_first=as_published)
    for number, step in enumerate(steps):
        if step == "keep":
            actual.keep()
            expected.keep()
        elif step == "forget":
            actual.forget()
            expected.forget()
        else:
            assert isinstance(step, bytes)
            found = actual.find(step)
            assert found == expected.find(step)
            if found is None:
                salt = number.to_bytes(16, "big")
                actual.add(step, salt)
                expected.add(step, salt)
        assert len(actual) == len(expected.entries) <= capacity
    assert [actual.find(key) for key in _KEYS] == [expected.find(key) for key in _KEYS]


@pytest.mark.parametrize(
    ("capacity_bytes", "as_published", "entries"),
    [
        (0, False, 0),
        (4, False, 0),
        (31, False, 0),
        (32, False, 1),
        (4096, False, 128),
        (4, True, 0),
        (16, True, 1),
        (1024, True, 64),
    ],
)
def test_an_entry_has_its_size(capacity_bytes: int, as_published: bool, entries: int) -> None:
    thesaurus = Thesaurus(capacity_bytes, as_published=as_published)
    for number in range(200):
        thesaurus.add(number.to_bytes(KEY_BYTES, "big"), bytes(16))
    assert len(thesaurus) == entries


def test_a_full_one_as_published_keeps_what_came_first() -> None:
    thesaurus = Thesaurus(2 * KEY_BYTES, as_published=True)
    for key in _KEYS[:4]:
        thesaurus.add(key, key)
    assert [key for key in _KEYS if thesaurus.find(key)] == [_KEYS[0], _KEYS[3]]


def test_a_full_one_lets_go_of_what_was_used_longest_ago() -> None:
    thesaurus = Thesaurus(2 * ENTRY_BYTES)
    thesaurus.add(_KEYS[0], _KEYS[0])
    thesaurus.add(_KEYS[1], _KEYS[1])
    assert thesaurus.find(_KEYS[0]) == _KEYS[0]
    thesaurus.add(_KEYS[2], _KEYS[2])
    assert [key for key in _KEYS if thesaurus.find(key)] == [_KEYS[0], _KEYS[2]]
