"""Listings against a model: a plain dict's sorted keys."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.s3._listing import list_page, successor
from harness.s3._store import Condition, ObjectStore

NAMES = st.lists(
    st.sampled_from(["a", "b", "é", "\U0010ffff", "\x01", "/", "//", "-", "z", "\uffff"]),
    min_size=1,
    max_size=6,
).map("".join)
TREES = st.sets(NAMES, max_size=25)
PREFIXES = st.one_of(st.just(""), NAMES)
DELIMITERS = st.sampled_from(["", "/", "a", "//"])


@dataclass(frozen=True)
class Entry:
    key: str


def scan_of(keys: set[str]):
    ordered = sorted(key.encode() for key in keys)

    def scan(start: bytes, end: bytes | None, limit: int) -> list[Entry]:
        return [Entry(k.decode()) for k in ordered if k >= start and (end is None or k < end)][:limit]

    return scan


def model(keys: set[str], prefix: str, delimiter: str) -> list[tuple[str, str]]:
    """What a whole listing says, in order: ("key" or "prefix", name)."""
    found: list[tuple[str, str]] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = ("key", key) if cut < 0 else ("prefix", key[: cut + len(delimiter)])
        if entry not in found:
            found.append(entry)
    return found


def pages(lister, prefix: str, delimiter: str, size: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    after = ""
    while True:
        page = lister(prefix=prefix, delimiter=delimiter, after=after, max_keys=size)
        entries = [("key", entry.key) for entry in page.contents] + [
            ("prefix", p) for p in page.common_prefixes
        ]
        assert len(entries) <= size
        found += sorted(entries, key=lambda entry: entry[1].encode())
        if not page.truncated:
            return found
        assert len(entries) == size
        assert page.last.encode() == max(name.encode() for _, name in entries)
        after = page.last


@given(TREES, PREFIXES, DELIMITERS, st.integers(1, 7))
def test_pages_put_together_are_the_whole_listing(keys, prefix, delimiter, size):
    def lister(**asked):
        return list_page(scan_of(keys), **asked)

    assert pages(lister, prefix, delimiter, size) == model(keys, prefix, delimiter)


@given(TREES, PREFIXES, NAMES, st.integers(1, 30))
def test_a_listing_starts_behind_the_marker(keys, prefix, after, size):
    page = list_page(scan_of(keys), prefix=prefix, delimiter="", after=after, max_keys=size)
    expected = [name for _, name in model({k for k in keys if k.encode() > after.encode()}, prefix, "")]
    assert [entry.key for entry in page.contents] == expected[:size]
    assert page.truncated == (len(expected) > size)


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_the_successor_is_above_all_that_start_with_it(prefix, tail):
    above = successor(prefix)
    assert above is None or (prefix + tail < above and not above.startswith(prefix))
    assert (above is None) == (prefix.strip(b"\xff") == b"")


@settings(max_examples=25, deadline=None)
@given(keys=TREES, prefix=PREFIXES, delimiter=DELIMITERS, size=st.integers(1, 7))
def test_the_store_lists_as_the_model_does(tmp_path_factory, keys, prefix, delimiter, size):
    store = ObjectStore(tmp_path_factory.mktemp("store"))
    try:
        store.create_bucket("bench")
        for key in keys:
            blob, path = store.new_blob()
            path.write_bytes(b"")
            store.commit("bench", key, blob=blob, size=0, etag="0", headers={}, condition=Condition())

        def lister(**asked):
            return store.list_objects("bench", **asked)

        assert pages(lister, prefix, delimiter, size) == model(keys, prefix, delimiter)
    finally:
        store.close()


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_page_of_nothing_is_not_truncated(delimiter):
    page = list_page(scan_of({"a", "b/c"}), prefix="", delimiter=delimiter, after="", max_keys=0)
    assert (page.contents, page.common_prefixes, page.truncated) == ([], [], False)


def test_a_large_group_costs_one_step():
    asked: list[int] = []
    keys = {f"d/{number:05}" for number in range(5000)} | {"e"}
    inner = scan_of(keys)

    def scan(start: bytes, end: bytes | None, limit: int) -> list[Entry]:
        asked.append(limit)
        return inner(start, end, limit)

    page = list_page(scan, prefix="", delimiter="/", after="", max_keys=10)
    assert (page.common_prefixes, [entry.key for entry in page.contents]) == (["d/"], ["e"])
    assert len(asked) == 2
