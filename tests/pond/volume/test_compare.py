"""What differs between versions, and whether the bytes are all there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pond.errors import PondError, StoreUnavailable
from pond.format import BLOCK_BYTES, PACK_HEADER_BYTES
from pond.volume import Change, Version, diff, runs, verify
from tests.pond.stores import failing
from tests.pond.trees import PACK_KEY, TREES, Content, Link, full_tree, recording, version_of

# --- diff --------------------------------------------------------------------------------------------


def expected_changes(old: dict[bytes, Content], new: dict[bytes, Content]) -> set[Change]:
    changes = {Change("removed", path) for path in old.keys() - new.keys()}
    changes |= {Change("added", path) for path in new.keys() - old.keys()}
    return changes | {Change("changed", path) for path in old.keys() & new.keys() if old[path] != new[path]}


def mixed(one: dict[bytes, Content], two: dict[bytes, Content]) -> dict[bytes, Content]:
    """`one`, with what is at the top of `two` in place of what is at the top of it."""
    tops = {path.split(b"/")[0] for path in two}
    return {path: content for path, content in one.items() if path.split(b"/")[0] not in tops} | two


@given(TREES, TREES)
def test_diff_is_what_a_comparison_of_dictionaries_is(
    one: dict[bytes, Content], two: dict[bytes, Content]
) -> None:
    for old, new in ((one, two), (one, mixed(one, two)), (one, one)):
        found = list(diff(version_of(old), version_of(new)))
        assert set(found) == expected_changes(old, new)
        assert len(found) == len(set(found))


def test_diff_reads_no_file() -> None:
    old, new = version_of({b"a": b"1", b"b": b"2"}), version_of({b"a": b"1", b"b": b"3"})
    assert list(diff(old, new)) == [Change("changed", b"b")]
    assert recording(old).gets + recording(new).gets == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({b"x": b"1"}, {b"x": Link(b"1")}),
        ({b"x": None}, {b"x": b""}),
        ({b"x/y": b"1"}, {b"x": b"1"}),
        ({b"x": Link(b"a")}, {b"x/y": b"1"}),
    ],
)
def test_diff_knows_a_path_that_became_another_kind(
    old: dict[bytes, Content], new: dict[bytes, Content]
) -> None:
    old, new = full_tree(old), full_tree(new)
    assert set(diff(version_of(old), version_of(new))) == expected_changes(old, new)


# --- runs --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60), st.integers(1, 20_000))
def test_runs_are_all_entries_in_order_end_to_end_and_small_enough(sizes: list[int], limit: int) -> None:
    manifest = version_of({b"%03d" % i: b"x" * size for i, size in enumerate(sizes)}).manifest
    found = list(runs(manifest, range(manifest.entries), limit))
    assert [entry for run in found for entry in run] == list(range(manifest.entries))
    for run in found:
        length = sum(manifest.extent(entry).length for entry in run)
        first, last = manifest.extent(run[0]), manifest.extent(run[-1])
        assert length == last.offset + last.length - first.offset
        assert length <= limit or len(run) == 1


# --- verify ------------------------------------------------------------------------------------------

TREE: dict[bytes, Content] = {
    b"a": b"a" * 5000,
    b"b": bytes(i % 251 for i in range(BLOCK_BYTES + 9)),
    b"folder/c": b"c" * 300,
    b"folder/empty": b"",
    b"link": Link(b"a"),
    b"twin of a": b"a" * 5000,
}


def damaged_at(position: int) -> Version:
    version = version_of(TREE)
    pack = bytearray(recording(version).objects[PACK_KEY])
    pack[position] ^= 1
    recording(version).objects[PACK_KEY] = bytes(pack)
    return version


def owner(version: Version, position: int) -> list[bytes]:
    """The files that have the byte at a position of the pack."""
    manifest = version.manifest
    return [
        path
        for path in TREE
        for entry in manifest.file_entries(manifest.resolve(path) or 0)
        if not isinstance(TREE[path], Link)
        and manifest.extent(entry).offset <= position < sum(manifest.extent(entry)[1:])
    ]


def test_a_sound_version_has_no_damage_and_every_entry_is_counted() -> None:
    version = version_of(TREE)
    told: list[tuple[int, int]] = []
    assert verify(version, run_bytes=4096, progress=lambda n, size: told.append((n, size))) == []
    assert (sum(n for n, _ in told), sum(size for _, size in told)) == (
        version.manifest.entries,
        version.stored_bytes,
    )


@given(st.integers(0, len(recording(version_of(TREE)).objects[PACK_KEY]) - 1))
def test_a_flipped_byte_of_a_pack_names_its_file(position: int) -> None:
    version = damaged_at(position)
    damages = verify(version)
    if position < PACK_HEADER_BYTES:
        assert damages == []  # no file's byte
    else:
        assert [damage.paths for damage in damages] == [tuple(owner(version, position))]
        assert damages[0].reason == "the bytes do not match their digest"


def test_the_first_and_the_last_byte_of_every_entry_are_checked() -> None:
    sound = version_of(TREE)
    for entry in range(sound.manifest.entries):
        _, offset, length = sound.manifest.extent(entry)
        for position in (offset, offset + length - 1):
            assert [damage.paths for damage in verify(damaged_at(position))] == [
                tuple(owner(sound, position))
            ]


@pytest.mark.parametrize("keep", [0, 20, 40, 5031])
def test_a_pack_that_is_cut_off_names_what_is_lost(keep: int) -> None:
    version = version_of(TREE)
    recording(version).objects[PACK_KEY] = recording(version).objects[PACK_KEY][:keep]
    lost = {path for damage in verify(version, run_bytes=1) for path in damage.paths}
    assert lost == {b"a", b"b", b"folder/c", b"twin of a"}
    assert all("shorter than" in damage.reason for damage in verify(version))


def test_a_missing_pack_names_all_its_files() -> None:
    version = version_of(TREE)
    del recording(version).objects[PACK_KEY]
    damages = verify(version)
    assert {path for damage in damages for path in damage.paths} == {b"a", b"b", b"folder/c", b"twin of a"}
    assert {damage.reason for damage in damages} == {"test://volume/packs/0.pack: no such object"}


def test_a_store_that_does_not_answer_is_told_from_damage() -> None:
    version = version_of(TREE)
    recording(version).before = failing(StoreUnavailable("no answer"))
    assert {damage.reason for damage in verify(version)} == {"no answer"}


def test_equal_entries_are_both_named() -> None:
    version = version_of({b"one": b"same", b"two": b"same"})
    recording(version).objects[PACK_KEY] = recording(version).objects[PACK_KEY].replace(b"same", b"SAME")
    (damage,) = verify(version)
    assert damage == replace(damage, paths=(b"one", b"two"))


def test_errors_of_the_program_are_not_damage() -> None:
    version = version_of(TREE)

    def broken(_get: object) -> None:
        raise ZeroDivisionError

    recording(version).before = broken
    with pytest.raises(ZeroDivisionError):
        verify(version)
    assert not issubclass(ZeroDivisionError, PondError)
