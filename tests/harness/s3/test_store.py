"""What a folder of objects keeps."""

from __future__ import annotations

import pytest

from harness.s3 import S3ServerError
from harness.s3._errors import S3Refusal
from harness.s3._store import Condition, ObjectStore


def put(store: ObjectStore, key: str, data: bytes, condition: Condition | None = None) -> None:
    blob, path = store.new_blob()
    path.write_bytes(data)
    store.commit(
        "bench",
        key,
        blob=blob,
        size=len(data),
        etag=data.hex(),
        headers={"a": "1"},
        condition=condition or Condition(),
    )


@pytest.fixture
def folder(tmp_path):
    store = ObjectStore(tmp_path)
    store.create_bucket("bench")
    put(store, "k", b"one")
    store.close()
    return tmp_path


def blobs(folder):
    return sorted(path.read_bytes() for path in (folder / "blobs").glob("*/*"))


def test_objects_survive_a_restart(folder):
    store = ObjectStore(folder)
    found = store.get("bench", "k")
    assert (found.size, found.etag, found.headers) == (3, b"one".hex(), {"a": "1"})
    assert store.blob_path(found.blob).read_bytes() == b"one"
    store.close()


def test_a_replaced_object_leaves_no_bytes(folder):
    store = ObjectStore(folder)
    put(store, "k", b"two")
    assert blobs(folder) == [b"two"]
    store.delete("bench", "k")
    assert blobs(folder) == []
    store.close()


def test_bytes_of_an_unfinished_write_are_removed_at_start(folder):
    store = ObjectStore(folder)
    _, path = store.new_blob()
    path.write_bytes(b"half")
    store.close()
    store = ObjectStore(folder)
    assert blobs(folder) == [b"one"]
    store.close()


def test_parts_survive_a_restart_and_go_with_their_upload(folder):
    store = ObjectStore(folder)
    upload = store.create_upload("bench", "big", {})
    blob, path = store.new_blob()
    path.write_bytes(b"part")
    store.put_part(upload, 1, blob=blob, size=4, etag="e")
    store.close()
    store = ObjectStore(folder)
    assert [(part.number, part.etag) for part in store.parts(upload)] == [(1, "e")]
    store.abort_upload(upload)
    assert blobs(folder) == [b"one"]
    store.close()


def test_conditions_are_checked_at_the_commit(folder):
    store = ObjectStore(folder)
    with pytest.raises(S3Refusal) as error:
        put(store, "k", b"two", Condition(absent=True))
    assert error.value.code == "PreconditionFailed"
    with pytest.raises(S3Refusal) as error:
        put(store, "none", b"two", Condition(etag="e"))
    assert error.value.code == "NoSuchKey"
    put(store, "k", b"two", Condition(etag=b"one".hex()))
    assert store.get("bench", "k").etag == b"two".hex()
    store.close()


def test_two_servers_do_not_share_a_folder(folder):
    first = ObjectStore(folder)
    put(first, "k", b"two")
    with pytest.raises(S3ServerError, match="cannot use"):
        ObjectStore(folder)
    first.close()


def test_a_bucket_that_is_not_empty_stays(folder):
    store = ObjectStore(folder)
    with pytest.raises(S3Refusal) as error:
        store.delete_bucket("bench")
    assert error.value.code == "BucketNotEmpty"
    store.close()
