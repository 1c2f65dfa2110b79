"""Objects in S3, simulated: as they should be, and when things go wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import boto3
import obstore
import pytest
from obstore import exceptions as errors

from harness.s3 import Fault, SimProcess
from pond.errors import AccessDenied, AlreadyExists, NotFound, ObjectChanged, StoreUnavailable
from pond.store import ClientStore, ObjectStore, RetryPolicy, open_store
from pond.store._open import _CREDENTIALS_TTL
from tests.pond.store.suite import StoreSuite, content, keys

pytestmark = pytest.mark.s3

AT_ONCE = RetryPolicy(attempts=4, first_wait_s=0, longest_wait_s=0)
DATA = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def opened(sim_process: SimProcess) -> ClientStore:
    """Opened once: reading the AWS configuration takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sim_process.env.items():
            patch.setenv(name, value)
        found = open_store(f"s3://{sim_process.bucket}")
    assert isinstance(found, ClientStore)
    return found


@pytest.fixture
def store(opened: ClientStore, s3_url: str) -> ClientStore:
    """An empty store at a prefix of its own."""
    prefix = s3_url.rpartition("/")[2] + "/"
    return ClientStore(s3_url, prefix, opened._reader, opened._writer, retry=AT_ONCE)


@pytest.fixture
def retries(store: ClientStore) -> list[str]:
    """Why attempts were made again."""
    reasons: list[str] = []
    store.on_retry = reasons.append
    return reasons


class TestS3Store(StoreSuite):
    @pytest.fixture
    def store(self, store: ClientStore) -> ObjectStore:
        return store

    @pytest.fixture
    def leftovers(self, sim: SimProcess, s3_url: str) -> Callable[[], list[str]]:
        def found() -> list[str]:
            prefix = s3_url.rpartition("/")[2]
            uploads = boto3.client("s3").list_multipart_uploads(Bucket=sim.bucket, Prefix=prefix)
            return [upload["Key"] for upload in uploads.get("Uploads", [])]

        return found


# --- etags -------------------------------------------------------------------------------------------


def test_an_object_that_was_replaced_is_not_read(store: ClientStore) -> None:
    etag = store.put("key", [DATA]).etag
    assert bytes(memoryview(store.get_range("key", 0, 10, etag))) == DATA[:10]
    store.put("key", [DATA[::-1]])
    with pytest.raises(ObjectChanged, match="key: the object was replaced since the version was made"):
        store.get_range("key", 0, 10, etag)


def test_the_etag_is_the_same_from_put_head_and_list(store: ClientStore) -> None:
    etag = store.put("key", [DATA]).etag
    assert etag
    assert [store.head("key").etag, next(store.list("")).etag] == [etag, etag]


# --- refusals ----------------------------------------------------------------------------------------

METHODS: dict[str, Callable[[ObjectStore], object]] = {
    "get_range": lambda store: store.get_range("key", 0, 1),
    "list": lambda store: list(store.list("")),
    "put": lambda store: store.put("key", [b"x"]),
    "put_if_absent": lambda store: store.put_if_absent("key", b"x"),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_bucket_is_said(sim: SimProcess, method: str) -> None:
    with pytest.raises(NotFound, match=r"^s3://no-such-bucket/prefix: no such bucket$"):
        METHODS[method](open_store("s3://no-such-bucket/prefix", retry=AT_ONCE))


@pytest.mark.parametrize("method", METHODS)
def test_wrong_credentials_are_access_denied(
    s3_url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessDenied, match="access denied; check the AWS credentials"):
        METHODS[method](open_store(s3_url, retry=AT_ONCE))


def test_a_profile_that_does_not_exist_is_said(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AccessDenied, match=r"AWS configuration: .*nobody"):
        open_store(s3_url)


def test_a_server_that_is_not_there_is_unavailable(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="key: "):
        open_store(s3_url, retry=AT_ONCE).get_range("key", 0, 1)


# --- faults while reading ----------------------------------------------------------------------------

FAULTS = [
    Fault("reset"),
    Fault("reset", after_bytes=1000),
    Fault("short"),
    Fault("500"),
    Fault("503"),
    Fault("stall", stall_s=0.01),
    Fault("stall", after_bytes=1000, stall_s=0.01),
]


def named(fault: Fault) -> str:
    return fault.kind if fault.after_bytes is None else f"{fault.kind}-half-way"


# A fault must be known for one whatever digits the key has: error texts quote it.
KEYS = ["packs/a.pack", "packs/4164034041.pack", "packs/NoSuchBucket.pack"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_that_passes_is_retried_and_the_bytes_are_right(
    sim: SimProcess, store: ClientStore, retries: list[str], fault: Fault, key: str
) -> None:
    store.put(key, [DATA])
    sim.set_faults([_times(fault, 3)])
    assert bytes(memoryview(store.get_range(key, 5, 5000))) == DATA[5:5005]
    assert len(retries) == 3
    assert [reason for reason in retries if "\n" in reason or "<" in reason] == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_that_lasts_is_unavailable_after_all_attempts(
    sim: SimProcess, store: ClientStore, retries: list[str], fault: Fault, key: str
) -> None:
    store.put(key, [DATA])
    sim.set_faults([fault])
    with pytest.raises(StoreUnavailable, match=key):
        store.get_range(key, 5, 5000)
    assert len(retries) == AT_ONCE.attempts - 1
    assert sim.fault_hits() == [AT_ONCE.attempts]


@pytest.mark.parametrize("kind", ["reset", "500", "503"])
def test_head_is_retried_too(sim: SimProcess, store: ClientStore, retries: list[str], kind: str) -> None:
    store.put("key", [DATA])
    sim.set_faults([Fault(kind, operation="head", count=2)])
    assert store.head("key").size_bytes == len(DATA)
    assert len(retries) == 2


def test_what_is_not_there_or_not_allowed_is_not_retried(store: ClientStore, retries: list[str]) -> None:
    store.put("key", [DATA])
    for read, error in (
        (lambda: store.get_range("none", 0, 1), NotFound),
        (lambda: store.get_range("key", len(DATA) - 1, 2), ObjectChanged),
        (lambda: store.get_range("key", 0, 1, '"other"'), ObjectChanged),
    ):
        with pytest.raises(error):
            read()
    assert retries == []


def test_the_wait_is_doubled_up_to_its_bound_and_drawn_from_its_upper_half() -> None:
    policy = RetryPolicy(attempts=6, first_wait_s=0.1, longest_wait_s=1.0)
    assert list(policy.waits_s(lambda: 1.0)) == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert list(policy.waits_s(lambda: 0.0)) == [0.05, 0.1, 0.2, 0.4, 0.5]


def test_it_sleeps_what_the_policy_says(
    sim: SimProcess, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("pond.store._object.random.random", lambda: 1.0)
    store = open_store(s3_url, retry=RetryPolicy(attempts=4, first_wait_s=2.0, longest_wait_s=5.0))
    assert isinstance(store, ClientStore)
    monkeypatch.setattr(store, "_sleep", slept.append)
    store.put("key", [DATA])
    sim.set_faults([Fault("503")])
    with pytest.raises(StoreUnavailable):
        store.get_range("key", 0, 1)
    assert slept == [2.0, 4.0, 5.0]


def test_a_server_that_stalls_for_ever_is_given_up(
    sim: SimProcess, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pond.store._open._READ_TIMEOUT", "200ms")
    store = open_store(s3_url, retry=RetryPolicy(attempts=2, first_wait_s=0, longest_wait_s=0))
    store.put("key", [DATA])
    for after_bytes in (None, 1000):
        sim.set_faults([Fault("stall", after_bytes=after_bytes)])
        with pytest.raises(StoreUnavailable, match="key: "):
            store.get_range("key", 0, 5000)
        assert sim.fault_hits() == [2]


# --- faults while writing ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "500", "503"])
def test_a_put_survives_a_fault_that_passes(sim: SimProcess, store: ClientStore, kind: str) -> None:
    sim.set_faults([Fault(kind, operation="put", count=1)])
    parts = [bytes([i]) * (1 << 20) for i in range(20)]
    assert store.put("key", iter(parts)).size_bytes == 20 << 20
    assert content(store, "key") == b"".join(parts)


@pytest.mark.parametrize("kind", ["reset", "short", "500", "503"])
def test_a_conditional_put_whose_answer_is_lost_has_won(
    sim: SimProcess, store: ClientStore, kind: str
) -> None:
    sim.set_faults([Fault(kind, operation="put", count=1)])
    info = store.put_if_absent("versions/v1", DATA)
    assert (info.key, info.size_bytes, info.etag) == (
        "versions/v1",
        len(DATA),
        store.head("versions/v1").etag,
    )
    assert content(store, "versions/v1") == DATA
    with pytest.raises(AlreadyExists):
        store.put_if_absent("versions/v1", b"other")


def test_a_conditional_put_that_never_gets_an_answer_is_unavailable(
    sim: SimProcess, store: ClientStore
) -> None:
    sim.set_faults([Fault("reset"), Fault("reset", operation="put")])
    with pytest.raises(StoreUnavailable, match="versions/v1"):
        store.put_if_absent("versions/v1", DATA)


class _Answers:
    """`obstore.put` whose first answer is lost, though it worked or will; later ones are what the test says."""

    def __init__(self, *, worked: bool, later: Exception) -> None:
        self._worked = worked
        self._later = later
        self._calls = 0

    def __call__(self, client: object, path: str, data: bytes, **options: object) -> object:
        self._calls += 1
        if self._calls > 1:
            raise self._later
        if self._worked:
            obstore.put(client, path, data, **options)  # type: ignore[arg-type]
        raise errors.GenericError("error sending request")


@pytest.mark.parametrize(
    ("worked", "later"),
    [(True, errors.PermissionDeniedError("denied")), (False, errors.AlreadyExistsError("409 conflict"))],
)
def test_a_refusal_after_a_lost_answer_decides_nothing(
    store: ClientStore, monkeypatch: pytest.MonkeyPatch, worked: bool, later: Exception
) -> None:
    answers = _Answers(worked=worked, later=later)
    monkeypatch.setattr("pond.store._object.obstore", SimpleNamespace(**{**vars(obstore), "put": answers}))
    with pytest.raises(StoreUnavailable, match="whether it was written is not known"):
        store.put_if_absent("versions/v1", DATA)


def test_credentials_are_asked_for_before_they_expire() -> None:
    least_left = timedelta(minutes=10)  # boto3 renews what has less
    kept = _CREDENTIALS_TTL - timedelta(minutes=5)  # obstore asks again that much before
    assert timedelta(0) < kept < least_left


# --- load --------------------------------------------------------------------------------------------


def test_a_listing_of_more_than_one_page_is_whole(store: ClientStore) -> None:
    names = [f"many/{number:05}" for number in range(1005)]
    for name in names:
        store.put_if_absent(name, b"")
    assert keys(store, "many/") == names
    assert sum(1 for _ in itertools.islice(store.list("many/"), 10)) == 10


def _times(fault: Fault, count: int) -> Fault:
    return Fault(fault.kind, after_bytes=fault.after_bytes, stall_s=fault.stall_s, count=count)
