"""Promises about how versions are stored: what is written, and that it is read whatever wrote it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pod
from pod.errors import Corrupt
from pod.format import decode, encode
from pod.log import Log
from tests.pod.notebook import Notebook
from tests.pod.semantics.promises import promise


@promise(51)
def test_a_version_loads_whatever_the_options(tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [
        {"codec": codec, "chunk_dedup": chunk_dedup, "thesaurus_bytes": thesaurus_bytes}
        for codec, chunk_dedup, thesaurus_bytes in product(
            ("none", "lz4", "zstd"), (True, False), (None, 0, 4096)
        )
    ]
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("a = list(range(5000)); b = [a, b'x' * 100_000]")
        tids = [notebook.save()]
        for number, chosen in enumerate(options):
            notebook.options = chosen
            notebook.reopen()
            tids.append(notebook.save(full=True))
            assert notebook.store.diff(tids[-2], tids[-1]) == pod.Diff(*tids[-2:])
            notebook.cell(f"a[70] = {number}; c{number} = 'x' * {number}")
            tids.append(notebook.save())
            assert [change.name for change in notebook.store.diff(*tids[-2:]).changed] == ["a", "b"]
        notebook.check()
        notebook.options = {}
        notebook.reopen()
        notebook.check()
    with Log.open(tmp_path / "store") as log:
        record: Any = decode(log.record(tids[-1]))
        with log.begin() as transaction:
            newer = transaction.commit(encode(record | {"format": 99}))
    with (
        pod.open(tmp_path / "store") as store,
        pytest.raises(Corrupt, match="another format: a newer pod wrote it"),
    ):
        store.load(newer)


@promise(52)
def test_a_codec_compresses_and_what_is_equal_is_stored_once(tmp_path: Path) -> None:
    values = {"a": np.arange(500_000.0), "b": b"the same again " * 50_000}
    with pod.open(tmp_path / "none") as store:
        plain = store.save(values).bytes_written
    for codec in ("lz4", "zstd"):
        with pod.open(tmp_path / codec, codec=codec) as store:
            ns = pod.new_managed_namespace(values)
            assert store.save(ns).bytes_written < 0.8 * plain
            ns["a"] = np.arange(500_000.0)
            ns["a"][7] = -1
            assert store.save(ns).bytes_written < 0.05 * plain
        with pod.open(tmp_path / codec, codec=codec) as store:
            assert store.save(values | {"a": ns["a"]}).pods_new == 0


@promise(53)
def test_the_pod_is_what_is_stored_once_without_chunk_dedup(tmp_path: Path) -> None:
    with pod.open(tmp_path, chunk_dedup=False) as store:
        ns = pod.new_managed_namespace({"a": np.arange(500_000.0)})
        first = store.save(ns)
        ns["a"][7] = -1
        changed = store.save(ns)
        assert changed.bytes_written == pytest.approx(first.bytes_written, rel=0.001)
        assert changed.bytes_written > 4_000_000
        assert (store.save(ns, full=True).pods_new, store.save({"b": ns["a"]}).pods_new) == (0, 0)
    with pod.open(tmp_path, chunk_dedup=False) as store:
        assert store.save({"c": np.arange(500_000.0)}).pods_new == 0


@promise(54)
def test_a_thesaurus_finds_what_it_remembers(tmp_path: Path) -> None:
    values = {name: bytes([number]) * 100_000 for number, name in enumerate("abcd")}
    # Four pods; or 64 KiB and the rest of each, and the chunk that they have in common.
    for chunk_dedup, things in ((False, 4), (True, 9)):
        for remembered, new in ((things, 0), (things - 1, 4), (0, 4)):
            options: dict[str, Any] = {
                "chunk_dedup": chunk_dedup,
                "thesaurus_bytes": 32 * remembered,
                "tracking": "all",
            }
            folder = tmp_path / f"{chunk_dedup}{remembered}"
            with pod.open(folder, **options) as store:
                first = store.save(values)
                assert (first.pods_new, store.save(values).pods_new) == (4, new)
            with pod.open(folder, **options) as store:
                again = store.save(values)
                assert again.pods_new == 4
                assert again.bytes_written == pytest.approx(first.bytes_written, rel=0.01)
                forked = store.save_async({"e": b"e" * 100_000}, mode="fork").result(60)
                assert (forked.pods_new, store.save({"e": b"e" * 100_000}).pods_new) == (1, 1)
