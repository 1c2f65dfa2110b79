"""Coats: codecs, pods that are stored whole, and what a thesaurus remembers of what was stored."""

from __future__ import annotations

import shutil
import tempfile
import tracemalloc
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pod
from harness.oracle import differences, portray
from pod.errors import Corrupt, StoreFull
from pod.format import decode, digest_of, encode
from pod.graph import Pod
from pod.log import Log
from pod.store._coats import Coats
from pod.store._codecs import CODECS
from pod.store._options import Options
from pod.store._record import Record
from pod.store._source import CoatedSource
from tests.pod.disks import BrokenDisk
from tests.pod.notebook import Notebook, loaded_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COATS: list[dict[str, Any]] = [
    {"codec": codec, "chunk_dedup": chunk_dedup, "thesaurus_bytes": thesaurus_bytes}
    for codec, chunk_dedup, thesaurus_bytes in product(
        ("none", "lz4", "zstd"), (True, False), (None, 0, 64, 4096)
    )
]
EVERY = pytest.mark.parametrize("options", COATS, ids=lambda options: "-".join(map(str, options.values())))
SOME: list[dict[str, Any]] = [
    {"codec": "lz4"},
    {"chunk_dedup": False},
    {"codec": "zstd", "chunk_dedup": False, "thesaurus_bytes": 4096},
    {"thesaurus_bytes": 64},
]
_FEW = pytest.mark.parametrize("options", SOME, ids=str)
_SESSION = (
    "import numpy as np\na = np.arange(30_000.0); b = [[i] for i in range(300)]; c = b[:10]; d = b'ab' * 70_000; n = list(range(4000))",
    "a[7] = -1; b[3].append(b[4]); e = 'é' * 90_000; f = np.array(['x', None, c], dtype=object)",
    "class C:\n    def __init__(self): self.of = b\ng = C(); h = lambda: (g, d); del c",
    "n[70] = 'new'; s = {str(i) for i in range(50)}; v = a[5:]",
)


@EVERY
def test_every_version_loads_whole_and_in_parts(options: dict[str, Any], tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", **options) as notebook:
        tids = notebook.run(*_SESSION)
        notebook.reopen()
        notebook.check()
        assert notebook.store.verify() == []
        notebook.ns = notebook.store.load(tids[1])
        notebook.cell("b.append(a)")
        notebook.save()
        notebook.check()


_values = st.recursive(
    st.one_of(
        st.none(),
        st.integers(),
        st.text(max_size=20),
        st.binary(max_size=20),
        st.builds(
            bytes.__mul__, st.binary(min_size=1, max_size=3), st.sampled_from([30_000, 65_536, 131_073])
        ),
        st.builds(bytearray.__mul__, st.builds(bytearray, st.just(b"x")), st.sampled_from([65_536, 70_000])),
        st.builds(np.arange, st.sampled_from([3, 8192, 20_000])),
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
_namespaces = st.dictionaries(st.sampled_from("abcdef"), _values, min_size=1)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(saves=st.lists(st.tuples(_namespaces, st.sampled_from(COATS)), min_size=1, max_size=4))
def test_a_store_takes_other_options_each_time(saves: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="coats-"))
    try:
        ns = pod.new_managed_namespace()
        expected = {}
        for values, options in saves:
            ns.update(values)
            with pod.open(folder, **options) as store:
                expected[int(store.save(ns))] = portray(ns)
                store.save(dict(ns))
        with pod.open(folder) as store:
            for tid, portrait in expected.items():
                assert differences(portrait, portray(store.load(tid))) == []
                for name in portrait.names:
                    assert differences(portrait, portray(store.load(tid, [name])), [name]) == []
            assert store.verify() == []
    finally:
        shutil.rmtree(folder)


@_FEW
def test_a_collection_keeps_what_is_needed(options: dict[str, Any], tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", **options) as notebook:
        tids = notebook.run(*_SESSION)
        notebook.store.gc(keep=tids[1:3])
        notebook.check(tids[1:3])
        assert notebook.store.verify() == []
        notebook.cell("a[9] = 5; b.pop()")
        notebook.check([notebook.save(), notebook.save(full=True)])


@_FEW
def test_a_version_goes_to_another_store(options: dict[str, Any], tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", **options) as notebook, pod.open(tmp_path / "other") as other:
        tids = notebook.run(*_SESSION)
        notebook.store.export(tids[-1], tmp_path / "file")
        imported = other.import_(tmp_path / "file")
        assert differences(notebook.versions[tids[-1]], portray(other.load(imported))) == []
        assert other.verify() == []
        other.gc(keep=1)
        assert differences(notebook.versions[tids[-1]], portray(other.load(imported))) == []


@_FEW
def test_another_process_needs_no_options_to_load(options: dict[str, Any], tmp_path: Path) -> None:
    with Notebook(tmp_path / "store", **options) as notebook:
        tid = notebook.run(*_SESSION)[-1]
    assert loaded_elsewhere(notebook.folder, tid) == notebook.versions[tid].digest()


@_FEW
@pytest.mark.parametrize("fork", [True, False])
def test_a_save_in_the_background_stores_the_same(
    options: dict[str, Any], fork: bool, tmp_path: Path
) -> None:
    with Notebook(tmp_path / "store", **options) as notebook:
        for source in _SESSION:
            notebook.cell(source)
            then = portray(notebook.ns)
            future = notebook.store.save_async(notebook.ns, mode="fork" if fork else "thread")
            notebook.cell("later = 1; b.append('later')")
            notebook.remember(future.result(60), then)
            notebook.cell("del later")
        notebook.save()
        notebook.check()


# What is found, and what is stored again.


def _array(folder: Path, **options: Any) -> list[int]:
    """What three saves write: of 4 MB, of the same with one element changed, and of the same again."""
    with pod.open(folder, **options) as store:
        ns = pod.new_managed_namespace({"a": np.arange(500_000.0)})
        written = [store.save(ns).bytes_written]
        ns["a"][7] = -1
        written.append(store.save(ns).bytes_written)
        written.append(store.save(ns, full=True).bytes_written)
    return written


def test_a_pod_that_changed_is_stored_whole_without_chunk_dedup(tmp_path: Path) -> None:
    first, changed, equal = _array(tmp_path / "pods", chunk_dedup=False)
    assert changed == pytest.approx(first, rel=0.001)
    assert equal < 2000
    first, changed, equal = _array(tmp_path / "chunks")
    assert changed < first / 50
    assert equal < 2000


def test_an_equal_pod_is_found_without_chunk_dedup_after_a_restart_and_under_another_name(
    tmp_path: Path,
) -> None:
    for name, new in (("a", 1), ("a", 0), ("b", 0)):
        with pod.open(tmp_path, chunk_dedup=False) as store:
            report = store.save({name: np.arange(500_000.0)})
            assert report.pods_new == new
            assert (report.bytes_written > 4_000_000) == bool(new)


@pytest.mark.parametrize("chunk_dedup", [True, False])
@pytest.mark.parametrize("fidelity", ["fixed", "paper"])
def test_without_a_thesaurus_every_save_stores_all_that_it_looks_at(
    chunk_dedup: bool, fidelity: str, tmp_path: Path
) -> None:
    written = {}
    for capacity in (0, 4):
        with pod.open(
            tmp_path / str(capacity),
            chunk_dedup=chunk_dedup,
            tracking="all",
            thesaurus_bytes=capacity,
            fidelity=fidelity,
        ) as store:
            ns = pod.new_managed_namespace(
                {
                    "a": np.arange(200_000.0),
                    "b": [[i] for i in range(30_000)],
                    "c": bytes(300_000),
                    "d": bytes(300_000),
                }
            )
            reports = [store.save(ns) for _ in range(5)]
            assert [(report.pods_new, report.pods_reused) for report in reports] == [(4, 0)] * 5
            written[capacity] = sum(report.bytes_written for report in reports)
            assert written[capacity] == pytest.approx(5 * reports[0].bytes_written, rel=0.001)
            assert store.diff(1, 5) == pod.Diff(1, 5)
    assert written[0] == pytest.approx(written[4], rel=0.001)


def test_a_thesaurus_finds_as_many_pods_as_it_has_entries(tmp_path: Path) -> None:
    values = {name: bytes([number]) * 100_000 for number, name in enumerate("abcd")}
    new = {}
    for entries in (2, 3, 4, 5):
        with pod.open(tmp_path / str(entries), chunk_dedup=False, thesaurus_bytes=32 * entries) as store:
            new[entries] = [store.save(values).pods_new for _ in range(3)]
    assert new == {2: [4, 4, 4], 3: [4, 4, 4], 4: [4, 0, 0], 5: [4, 0, 0]}
    for entries in (1, 2, 3, 4):
        with pod.open(
            tmp_path / f"paper{entries}", chunk_dedup=False, thesaurus_bytes=16 * entries, fidelity="paper"
        ) as store:
            new[entries] = [store.save(values).pods_new for _ in range(3)]
    assert new == {1: [4, 4, 4], 2: [4, 3, 3], 3: [4, 2, 2], 4: [4, 0, 0], 5: [4, 0, 0]}


def test_a_thesaurus_begins_empty(tmp_path: Path) -> None:
    new = []
    for _ in range(2):
        with pod.open(tmp_path, chunk_dedup=False, thesaurus_bytes=4096) as store:
            new += [store.save({"a": bytes(100_000)}).pods_new for _ in range(2)]
    assert new == [1, 0, 1, 0]


def test_what_a_forked_process_stored_is_stored_again_by_its_parent(tmp_path: Path) -> None:
    with pod.open(tmp_path, chunk_dedup=False, thesaurus_bytes=4096) as store:
        values = {"a": bytes(100_000)}
        forked = store.save_async(values, mode="fork").result(60)
        assert (forked.pods_new, store.save(values).pods_new, store.save(values).pods_new) == (1, 1, 0)
        threaded = store.save_async({"b": bytes(200_000)}, mode="thread").result(60)
        assert (threaded.pods_new, store.save({"b": bytes(200_000)}).pods_new) == (1, 0)


def test_a_thesaurus_that_remembers_what_was_collected_loses_nothing(tmp_path: Path) -> None:
    with pod.open(tmp_path, chunk_dedup=False, thesaurus_bytes=4096) as store:
        store.save({"a": bytes(100_000)})
        store.save({"b": 1})
        store.gc(keep=1)
        again = store.save({"a": bytes(100_000)})
        assert again.pods_new == 1
        assert store.load(again) == {"a": bytes(100_000)}


@_FEW
def test_a_save_that_failed_leaves_nothing_in_the_thesaurus(options: dict[str, Any], tmp_path: Path) -> None:
    disk = BrokenDisk()
    with Notebook(tmp_path / "store", io=disk, **options | {"thesaurus_bytes": 4096}) as notebook:
        notebook.cell("a = bytes(100_000)")
        notebook.save()
        thesaurus = notebook.store._policies.coats.thesaurus
        assert thesaurus is not None
        before = len(thesaurus)
        notebook.cell("import os\nb = os.urandom(300_000); g = [b, (i for i in ())]")
        disk.fill(200_000)
        with pytest.raises(StoreFull):
            notebook.store.save(notebook.ns)
        assert len(thesaurus) == before
        with pytest.raises(StoreFull):
            notebook.store.save_async(notebook.ns, mode="thread").result(60)
        assert len(thesaurus) == before
        disk.mend()
        tid = notebook.save()
        assert [lost.name for lost in notebook.reports[tid].unsaved] == ["g"]
        assert notebook.store.save(notebook.ns).pods_new == 0
        notebook.check()


@pytest.mark.parametrize("chunk_dedup", [True, False])
def test_a_save_that_starts_over_stores_the_same_again(chunk_dedup: bool, tmp_path: Path) -> None:
    sizes = []
    for reaches_far in (False, True):
        with Notebook(tmp_path / str(reaches_far), chunk_dedup=chunk_dedup, thesaurus_bytes=0) as notebook:
            notebook.cell("far = [[1], 5]; far.append(far[0]); m = bytes(400_000); z = []")
            notebook.save()
            notebook.cell("m = bytes(500_000)")
            found = dict.__getitem__(notebook.ns, "far")[0]  # past the namespace, which knows nothing of it
            notebook.cell("z.append(7)")
            if reaches_far:
                dict.__getitem__(notebook.ns, "z").append(found)
            sizes.append(notebook.reports[notebook.save()].bytes_written)
            loaded = notebook.store.load(2)
            assert (loaded["z"][1:] == [loaded["far"][0]]) == reaches_far
            notebook.check()
    assert 500_000 < sizes[0] < sizes[1] < 502_000  # not twice


@_FEW
def test_equal_sessions_make_equal_stores(options: dict[str, Any], tmp_path: Path) -> None:
    pieces = []
    for name in ("one", "other"):
        with Notebook(tmp_path / name, **options) as notebook:
            for source in _SESSION:
                notebook.cell(source)
                notebook.save()
        with Log.open(tmp_path / name, create=False) as log:
            pieces.append(sorted(log.digests()))
    assert pieces[0] == pieces[1]


def test_a_reducer_that_uses_its_memory_again_is_saved_as_it_was(tmp_path: Path) -> None:
    source = (
        "import pickle\nscratch = bytearray(200_000)\n"
        "class Shared:\n"
        "    def __init__(self, fill): self.fill = fill\n"
        "    def __reduce_ex__(self, protocol):\n"
        "        scratch[:] = bytes([self.fill]) * 200_000\n"
        "        return bytes, (pickle.PickleBuffer(memoryview(scratch).toreadonly()),)\n"
        "x = [Shared(1), Shared(2), Shared(3)]"
    )
    for number, options in enumerate(({}, {"chunk_dedup": False}, {"codec": "lz4"})):
        ns = pod.new_managed_namespace()
        exec(source, ns)
        with pod.open(tmp_path / str(number), **options) as store:
            loaded = store.load(store.save(ns, names=["x"]))
            assert loaded["x"] == [bytes([fill]) * 200_000 for fill in (1, 2, 3)]


def test_nothing_is_kept_of_what_was_saved_or_could_not_be(tmp_path: Path) -> None:
    with pod.open(tmp_path, chunk_dedup=False) as store:
        ns = pod.new_managed_namespace({"a": 1})
        store.save(ns)
        tracemalloc.start()
        try:
            ns["good"] = np.arange(2_000_000.0)
            ns["bad"] = [np.arange(1_000_000), (i for i in ())]
            assert [lost.name for lost in store.save(ns).unsaved] == ["bad"]
            now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak > 32_000_000
    assert now < 25_000_000  # the arrays themselves


# What is stored is what is read.


def test_a_store_without_coats_has_the_first_format(tmp_path: Path) -> None:
    with pod.open(tmp_path) as store:
        tids = [store.save({"a": [1]})]
        with pod.open(tmp_path, codec="lz4") as other:
            tids.append(other.save({"a": [1]}))
        tids.append(store.save({"a": [1]}))
    with Log.open(tmp_path) as log:
        records: list[Any] = [decode(log.record(tid)) for tid in tids]
    assert [record["format"] for record in records] == [1, 2, 1]
    assert records[0]["pods"] == records[2]["pods"] != records[1]["pods"]


def test_a_version_keeps_its_format_as_long_as_a_pod_of_it_wears_a_coat(tmp_path: Path) -> None:
    with pod.open(tmp_path, codec="lz4") as store:
        first = store.save({"a": [1], "b": [2]})
    with pod.open(tmp_path) as store:
        ns = store.load(first)
        formats = []
        for name in ("c", "a", "b"):
            ns[name] = [name]
            formats.append(Record.parse(store._log.record(store.save(ns))).has_coats)
        assert formats == [True, True, False]


def test_a_format_that_is_newer_is_refused() -> None:
    record = Record(0, None, None, None, (), b"", b"", 0, 0, 1)
    packed: Any = decode(record.pack())
    with pytest.raises(Corrupt, match="another format: a newer pod wrote it"):
        Record.parse(encode(packed | {"format": 3}))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(tmp_path / "log") as opened:
        yield opened


def _stored(log: Log, *pieces: bytes) -> list[bytes]:
    with log.begin() as transaction:
        for piece in pieces:
            transaction.put(digest_of(piece), [piece])
        transaction.commit(b"")
    return [digest_of(piece) for piece in pieces]


_LZ4, _ZSTD = CODECS["lz4"](), CODECS["zstd"]()
_SALT = bytes(16)


@pytest.mark.parametrize(
    ("code", "pieces"),
    [
        (1, [_SALT + b"ab", _SALT + b"c"]),
        (2, [_LZ4.compress(b"ab"), _LZ4.compress(b"c")]),
        (5, [_SALT + _ZSTD.compress(b"ab"), _SALT + _ZSTD.compress(b"c")]),
    ],
)
def test_chunks_may_have_what_their_pod_says_and_no_more(code: int, pieces: list[bytes], log: Log) -> None:
    found = Pod(1, 0)
    found.streams = _stored(log, *pieces)
    source = CoatedSource(log, code)
    found.size_bytes = 3
    assert [bytes(chunk) for chunk in source.streams(found)] == [b"ab", b"c"]
    for less in (0, 2):
        found.size_bytes = less
        with pytest.raises(Corrupt, match="a piece is not what its pod's record says"):
            list(map(bytes, source.streams(found)))


@pytest.mark.parametrize(
    ("pieces", "length"),
    [
        ([_LZ4.compress(bytes(65_536)), _LZ4.compress(bytes(10))], 65_545),
        ([_LZ4.compress(bytes(65_536)), _LZ4.compress(bytes(10))], 65_547),
        ([_LZ4.compress(bytes(65_535)), _LZ4.compress(bytes(10))], 65_546),
        ([_LZ4.compress(bytes(100_000_000))], 65_536),
        ([_LZ4.compress(b"ab")], 1 << 60),
        ([_LZ4.compress(b"ab"), _LZ4.compress(b"")], 2),
        ([_ZSTD.compress(b"ab")], 2),
        ([b"ab"], 2),
        ([b""], 2),
        ([], 2),
    ],
)
def test_a_blob_that_is_not_what_its_pod_says_is_corrupt(pieces: list[bytes], length: int, log: Log) -> None:
    digests = _stored(log, *pieces)
    with pytest.raises(Corrupt, match=r"a (piece|blob) is not what its pod's record says"):
        CoatedSource(log, 2).blob(digests, length)


def test_a_blob_has_memory_that_may_be_written(log: Log) -> None:
    data = bytes(range(256)) * 300
    pieces = [_LZ4.compress(data[:65_536]), _LZ4.compress(data[65_536:])]
    blob = CoatedSource(log, 2).blob(_stored(log, *pieces), len(data))
    assert (bytes(blob), blob.readonly) == (data, False)
    whole = np.zeros(len(data) // 8)
    CoatedSource(log, 2).blob_into([digest_of(piece) for piece in pieces], memoryview(whole))
    assert whole.tobytes() == data
    with pytest.raises(Corrupt, match="a piece is not what its pod's record says"):
        CoatedSource(log, 2).blob_into([digest_of(piece) for piece in pieces], memoryview(np.zeros(3)))


def test_a_coat_of_an_unknown_kind_is_corrupt(log: Log) -> None:
    for code in (6, 8, 255):
        with pytest.raises(Corrupt, match=f"a coat of kind {code}, which is unknown"):
            CoatedSource(log, code)


@_FEW
def test_a_flipped_byte_is_found(options: Mapping[str, Any], tmp_path: Path) -> None:
    with pod.open(tmp_path / "store", **options) as store:
        tid = store.save({"a": np.arange(20_000.0)})
    files = [
        path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.stat().st_size > 10_000
    ]
    assert len(files) == 1
    data = bytearray(files[0].read_bytes())
    data[len(data) // 2] ^= 1
    files[0].write_bytes(data)
    with pod.open(tmp_path / "store", **options) as store:
        assert len(store.verify()) > 0
        with pytest.raises(Corrupt, match="damaged"):
            store.load(tid)


def test_without_options_nothing_wears_a_coat() -> None:
    assert [Coats(Options(**options)).code for options in ({}, *SOME)] == [0, 2, 1, 5, 1]


def test_with_a_thesaurus_the_default_mode_is_the_one_that_it_learns_from(tmp_path: Path) -> None:
    with pod.open(tmp_path / "store", thesaurus_bytes=4096) as store:
        assert store.effective()["mode"] == "thread"
        assert store.effective("fork")["mode"] == "fork"
