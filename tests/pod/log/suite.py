"""What every backend must do: inherited by the tests of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pod.errors import Corrupt, StoreBusy
from pod.log import Backend
from tests.pod.log.steps import content, digest_of

Reopen = Callable[[], Backend]
"""Opens the same place once more, as another process would."""

BIG = content(1, 3_000_000)
OURS, THEIRS = object(), object()
"""Tokens of transactions."""


def add(backend: Backend, head: bytes, body: bytes, *contents: bytes) -> None:
    backend.begin(OURS, 0.0)
    for each in contents:
        backend.append([(digest_of(each), [each])])
    backend.commit(head, body)


class BackendSuite:
    """Subclasses have a fixture `reopen`; the place is empty at first."""

    @pytest.fixture
    def reopen(self) -> Reopen:
        raise NotImplementedError

    @pytest.fixture
    def backend(self, reopen: Reopen) -> Backend:
        return reopen()

    def test_it_is_empty_at_first(self, backend: Backend) -> None:
        assert list(backend.heads()) == []
        assert list(backend.digests()) == []
        stats = backend.stats()
        assert (stats.pieces, stats.entries) == (0, 0)
        assert backend.verify() == []

    def test_what_was_committed_comes_back(self, backend: Backend, reopen: Reopen) -> None:
        add(backend, b"head 0", b"body 0", b"abc", b"", b"x" * 100_000)
        add(backend, b"head 1", b"")
        for each in (backend, reopen()):
            assert list(each.heads()) == [b"head 0", b"head 1"]
            assert [each.body(0), each.body(1)] == [b"body 0", b""]
            assert each.read(digest_of(b"abc")) == b"abc"
            assert each.read(digest_of(b"")) == b""
            assert each.read(digest_of(b"x" * 100_000)) == b"x" * 100_000
            assert each.verify() == []

    def test_parts_are_one_piece(self, backend: Backend) -> None:
        parts = [b"abc", bytearray(b"def"), memoryview(b"ghi"), b"", b"j" * 70_000]
        whole = b"".join(bytes(part) for part in parts)
        backend.begin(OURS, 0.0)
        backend.append([(digest_of(whole), parts)])
        backend.commit(b"head", b"body")
        assert backend.read(digest_of(whole)) == whole
        assert backend.size(digest_of(whole)) == len(whole)

    def test_a_part_may_change_once_it_was_appended(self, backend: Backend) -> None:
        for size in (100, 1_000_000):
            part = bytearray(b"a" * size)
            digest = digest_of(part)
            backend.begin(OURS, 0.0)
            backend.append([(digest, [part])])
            part[:] = b"b" * size
            backend.commit(b"head", b"")
            assert backend.read(digest) == b"a" * size

    def test_parts_need_not_be_bytes(self, backend: Backend) -> None:
        numbers = memoryview(bytes(800)).cast("d")
        add(backend, b"head", b"", numbers.tobytes())
        backend.begin(OURS, 0.0)
        backend.append([(digest_of(b"z" + bytes(800)), [b"z", numbers])])
        backend.commit(b"head", b"")
        assert backend.read(digest_of(b"z" + bytes(800))) == b"z" + bytes(800)

    def test_large_pieces_come_back(self, backend: Backend, reopen: Reopen) -> None:
        add(backend, b"head", b"body" * 100_000, BIG, BIG[:-1], *(content(seed, 5000) for seed in range(50)))
        again = reopen()
        assert again.read(digest_of(BIG)) == BIG
        assert again.body(0) == b"body" * 100_000
        assert all(again.read(digest_of(content(seed, 5000))) == content(seed, 5000) for seed in range(50))

    def test_pieces_are_read_into_buffers(self, backend: Backend) -> None:
        add(backend, b"head", b"", b"abc", b"defg", BIG)
        whole = bytearray(7 + len(BIG))
        view = memoryview(whole)
        backend.read_into(
            [(digest_of(BIG), view[7:]), (digest_of(b"abc"), view[:3]), (digest_of(b"defg"), view[3:7])]
        )
        assert whole == b"abcdefg" + BIG

    def test_pieces_are_read_through_in_any_order(self, backend: Backend) -> None:
        sizes = [10, 0, 5000, 300_000, 200_000, 1, 70_000]
        contents = [*(content(seed, size) for seed, size in enumerate(sizes)), BIG]
        add(backend, b"head 0", b"", *contents[:4])
        add(backend, b"head 1", b"", *contents[4:])
        for order in (contents, contents[::-1], [*contents[::2], *contents[1::2], contents[0]], []):
            digests = [digest_of(each) for each in order]
            assert [bytes(each) for each in backend.read_through(digests)] == order
        with pytest.raises(Corrupt, match="is missing"):
            list(backend.read_through([digest_of(contents[0]), digest_of(b"not there")]))

    def test_what_is_read_through_stays_while_others_read(self, backend: Backend) -> None:
        contents = [content(seed, 20_000) for seed in range(40)]
        add(backend, b"head", b"", *contents)
        digests = [digest_of(each) for each in contents]
        left = backend.read_through(digests)
        held = next(left)
        pairs = zip(backend.read_through(digests), backend.read_through(digests[::-1]), strict=True)
        for (one, other), first, last in zip(pairs, contents, contents[::-1], strict=True):
            assert (bytes(one), bytes(other)) == (first, last)
        assert bytes(held) == contents[0]
        assert [bytes(each) for each in left] == contents[1:]

    def test_what_was_rolled_back_is_gone(self, backend: Backend, reopen: Reopen) -> None:
        add(backend, b"head 0", b"body", b"kept")
        backend.begin(OURS, 0.0)
        backend.append([(digest_of(BIG), [BIG])])
        backend.append([(digest_of(b"small"), [b"small"])])
        backend.roll_back(OURS)
        for each in (backend, reopen()):
            each.refresh()
            assert list(each.heads()) == [b"head 0"]
            assert list(each.digests()) == [digest_of(b"kept")]
            assert (each.size(digest_of(BIG)), each.size(digest_of(b"small"))) == (None, None)
        add(backend, b"head 1", b"", b"small")
        assert list(reopen().heads()) == [b"head 0", b"head 1"]

    def test_pieces_are_not_there_before_the_commit(self, backend: Backend, reopen: Reopen) -> None:
        other = reopen()
        backend.begin(OURS, 0.0)
        backend.append([(digest_of(BIG), [BIG])])
        other.refresh()
        assert (list(other.heads()), other.size(digest_of(BIG))) == ([], None)
        backend.commit(b"head", b"")
        other.refresh()
        assert (list(other.heads()), other.size(digest_of(BIG))) == ([b"head"], len(BIG))

    def test_there_is_one_writer(self, backend: Backend, reopen: Reopen) -> None:
        other = reopen()
        backend.begin(OURS, 0.0)
        with pytest.raises(StoreBusy):
            other.begin(THEIRS, 0.0)
        for each in (backend, other):
            each.roll_back(THEIRS)
        with pytest.raises(StoreBusy):
            other.begin(THEIRS, 0.0)
        other.roll_back(THEIRS)
        backend.roll_back(OURS)
        other.begin(THEIRS, 0.0)
        with pytest.raises(StoreBusy):
            backend.begin(OURS, 0.0)
        backend.roll_back(OURS)
        other.commit(b"theirs", b"")
        add(backend, b"ours", b"")
        assert list(backend.heads()) == [b"theirs", b"ours"]

    def test_a_missing_piece_is_an_error(self, backend: Backend) -> None:
        add(backend, b"head", b"", b"there")
        assert backend.size(digest_of(b"not there")) is None
        with pytest.raises(Corrupt, match="is missing; run: pod verify"):
            backend.read(digest_of(b"not there"))

    def test_keep_deletes_the_others(self, backend: Backend, reopen: Reopen) -> None:
        other = reopen()
        for number in range(4):
            add(backend, b"head %d" % number, b"body", b"piece %d" % number, b"common")
        generation = backend.generation
        backend.begin(OURS, 0.0)
        kept = [digest_of(b"common"), digest_of(b"piece 2")]
        backend.keep(
            [(b"new head", b"new body"), (b"last", b"")],
            ((digest, [backend.read(digest)]) for digest in kept),
        )
        other.refresh()
        for each in (backend, other, reopen()):
            assert each.generation == generation + 1
            assert list(each.heads()) == [b"new head", b"last"]
            assert [each.body(0), each.body(1)] == [b"new body", b""]
            assert sorted(each.digests()) == sorted(kept)
            assert each.read(digest_of(b"common")) == b"common"
            assert each.verify() == []
        assert backend.stats().pieces == 2

    def test_one_can_go_on_after_keep(self, backend: Backend, reopen: Reopen) -> None:
        add(backend, b"head", b"", b"piece")
        other = reopen()
        backend.begin(OURS, 0.0)
        backend.keep([(b"kept", b"")], [])
        add(other, b"theirs", b"", b"piece")
        add(backend, b"ours", b"", BIG)
        assert list(reopen().heads()) == [b"kept", b"theirs", b"ours"]
        assert reopen().read(digest_of(b"piece")) == b"piece"

    def test_many_entries_come_back(self, backend: Backend, reopen: Reopen) -> None:
        for number in range(400):
            add(backend, b"head %d" % number, b"body %d" % number, content(number, number))
        backend.close()
        again = reopen()
        assert list(again.heads()) == [b"head %d" % number for number in range(400)]
        assert again.body(399) == b"body 399"
        assert again.read(digest_of(content(123, 123))) == content(123, 123)
        assert list(again.digests()) == [digest_of(content(number, number)) for number in range(400)]

    def test_verify_tells_how_far_it_is(self, backend: Backend) -> None:
        add(backend, b"head", b"body", BIG, b"small")
        told: list[tuple[int, int]] = []
        assert backend.verify(lambda done, total: told.append((done, total))) == []
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1] > len(BIG)
