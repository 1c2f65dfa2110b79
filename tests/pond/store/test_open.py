"""From an address to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pond.errors import InvalidArgument
from pond.store import ClientStore, FileStore, open_store
from tests.pond.store.suite import content


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gs://bucket/prefix", "unknown scheme gs://; use s3://, file://, memory:// or a path"),
        ("S3X://bucket", "unknown scheme s3x://"),
        ("file://host/path", "a file URL looks like file:///path/to/volume"),
        ("file://", "a file URL looks like"),
        ("file:///a%00b", "a file URL looks like"),
        ("s3://", "an S3 URL looks like s3://bucket/prefix"),
        ("s3:///prefix", "an S3 URL looks like"),
        ("s3://b", "an S3 URL looks like"),
        ("s3://bad bucket/x", "an S3 URL looks like"),
        ("s3://-bucket/x", "an S3 URL looks like"),
    ],
)
def test_an_address_that_cannot_be_read_is_bad_usage(address: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        open_store(address)
    assert said in str(refused.value)
    assert str(refused.value).startswith(address)


def test_a_bare_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("here/volume")
    assert isinstance(store, FileStore)
    assert store.folder == tmp_path / "here" / "volume"


@pytest.mark.s3
@pytest.mark.usefixtures("sim")
@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("s3://bench/a/b/", "s3://bench/a/b"),
        ("S3://bench/a", "s3://bench/a"),
        ("s3://bench", "s3://bench"),
        ("s3://bench/", "s3://bench"),
        ("s3://bench/run#1?x=2", "s3://bench/run#1?x=2"),
    ],
)
def test_an_s3_address_is_taken_to_its_end(address: str, url: str) -> None:
    store = open_store(address)
    assert isinstance(store, ClientStore)
    assert store.url == url


@pytest.mark.s3
@pytest.mark.usefixtures("sim")
def test_prefixes_that_differ_behind_a_hash_are_apart() -> None:
    open_store("s3://bench/apart#1").put("key", [b"one"])
    open_store("s3://bench/apart#2").put("key", [b"two"])
    assert content(open_store("s3://bench/apart#1"), "key") == b"one"
