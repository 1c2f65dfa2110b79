"""Which backend a location means, and what is shown of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pod.errors import InvalidArgument, NotAStore, StoreUnavailable
from pod.log import FileBackend, Log, MemoryBackend, open_backend
from pod.log._url import ServerUrl
from tests.pod.log.steps import KEY, commit, observed


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    for location in (
        tmp_path / "a",
        str(tmp_path / "a"),
        f"file://{tmp_path}/a",
        f"file://localhost{tmp_path}/a",
    ):
        label, backend = open_backend(location)
        assert label == tmp_path / "a"
        assert type(backend) is FileBackend
        backend.close()
    label, backend = open_backend(f"file://{tmp_path}/with%20space")
    assert label == tmp_path / "with space"
    backend.close()


def test_a_store_in_memory_is_shared_by_its_name() -> None:
    label, backend = open_backend("memory://one name?&=/")
    assert (label, type(backend)) == ("memory://one name?&=/", MemoryBackend)
    one, same, other = (Log.open(f"memory://open {name}", key=KEY) for name in "aab")
    commit(one, [b"abc"])
    assert observed(same).versions == {1: (b"abc",)}
    assert observed(other).versions == {}
    one.close()
    assert observed(Log.open("memory://open a", key=KEY, create=False)).versions == {1: (b"abc",)}
    with pytest.raises(NotAStore, match="this process has no such store"):
        Log.open("memory://open c", key=KEY, create=False)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("s3://bucket/store", "s3://bucket/store: pod knows no s3://; there are file, memory, postgresql, redis"),
        ("memory://", "memory://: a store in memory needs a name"),
        ("file://server/folder", "a folder's URL is file:///and/its/path, without a host"),
        (Path("postgresql://me:pw@server/db"), "postgresql:/me@server/db: a URL is to be given as a str"),
        (Path("memory://name"), "memory:/name: a URL is to be given as a str, not as a Path"),
        ("redis://server/0?store=", "redis://server/0?store=: a store's name has at most 63 letters"),
        ("redis://server/0?store=a%20b", "a store's name has at most 63 letters, digits"),
        ("redis://server:port/0", "redis://server:port/0: "),
        ("redis://server/0?lock_s=soon", "lock_s must be a number of seconds"),
        ("postgresql://server/db?store=pg_own", "keeps names that begin with pg_ for itself"),
        ("postgresql://server/db?lock_s=3", "lock_s is for Redis"),
        ("postgresql://server/db?typo=1", 'invalid URI query parameter: "typo"'),
        ("postgresql://[::1/db", "postgresql://[::1/db: "),
    ],
)  # fmt: skip
def test_what_cannot_be_a_place_is_refused(location: str | Path, said: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(said)):
        open_backend(location)


@pytest.mark.parametrize(
    ("url", "label", "store", "connect"),
    [
        ("redis://server:1/2", "redis://server:1/2", "pod", "redis://server:1/2"),
        ("redis://:pw@server/0", "redis://server/0", "pod", "redis://:pw@server/0"),
        (
            "postgresql://me:p%40w@server/db?store=mine&sslmode=require",
            "postgresql://me@server/db?store=mine&sslmode=require",
            "mine",
            "postgresql://me:p%40w@server/db?sslmode=require",
        ),
        (
            "postgresql:///db?host=/run/pg&password=pw&store=pod",
            "postgresql:///db?host=/run/pg",
            "pod",
            "postgresql:///db?host=/run/pg&password=pw",
        ),
        ("redis+unix:///a.sock?db=1", "redis+unix:///a.sock?db=1", "pod", "redis+unix:///a.sock?db=1"),
    ],
)
def test_a_label_has_no_password_and_opens_the_same(url: str, label: str, store: str, connect: str) -> None:
    parsed = ServerUrl.parse(url)
    assert (parsed.label, parsed.store, parsed.connect) == (label, store, connect)
    again = ServerUrl.parse(label)
    assert (again.label, again.store) == (label, store)
    assert "pw" not in repr(parsed)
    assert "p%40w" not in repr(parsed)
    assert parsed.hide("p@w pw p%40w") in {"*** pw ***", "p@w *** p%40w", "p@w pw p%40w"}


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("postgresql://me:s3/cret@server/db", "postgresql://me@server/db"),
        ("postgresql://me:s3?cret@server/db", "postgresql://me@server/db"),
        ("postgresql://me:s3#cret@server/db", "postgresql://me@server/db"),
        ("postgresql://m/e:s3cret@server/db", "postgresql://m@server/db"),
        ("redis://:s3/cret@server:1/0", "redis://@server:1/0"),
        ("redis://:s3/cr@et@server:1/0?store=mine", "redis://@server:1/0?store=mine"),
    ],
)
def test_a_password_that_cuts_its_url_off_is_to_be_encoded_and_is_not_shown(url: str, label: str) -> None:
    with pytest.raises(InvalidArgument, match="percent-encode the password") as raised:
        open_backend(url)
    assert str(raised.value).startswith(f"{label}: ")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file://me:s3cret@server/a", "file://me@server/a"),
        ("pg://me@server/db?password=s3cret&a=1", "pg://me@server/db?password=***&a=1"),
        (
            "postgresql://me:s3cret@[::1/db?a=1&sslpassword=s3cret",
            "postgresql://me@[::1/db?a=1&sslpassword=***",
        ),
        ("postgresql://me:s3cret\u2100@server/db", "postgresql://me@server/db"),
    ],
)
def test_the_error_of_a_url_that_is_none_has_no_password(url: str, shown: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        open_backend(url)
    assert str(raised.value).startswith(f"{shown}: ")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis+unix:///nowhere.sock", "postgresql://127.0.0.1:1/db?connect_timeout=2"]
)  # fmt: skip
def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(
        StoreUnavailable, match="see that the server runs and lets you in, then try again"
    ) as raised:
        open_backend(url)
    assert str(raised.value).startswith(f"{url}: ")


@pytest.mark.parametrize(("library", "extra"), [("psycopg", "postgres"), ("redis", "redis")])
def test_a_missing_client_library_is_named_with_what_to_install(library: str, extra: str) -> None:
    scheme = {"postgres": "postgresql"}.get(extra, extra)
    source = (
        f"import sys\nsys.modules[{library!r}] = None\nimport pod\n"
        f"try: pod.open('{scheme}://me:hidden@server/0')\nexcept pod.InvalidArgument as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert f"the Python package {library} cannot be imported" in done.stdout
    assert done.stdout.endswith(f"get it with: pip install 'pond-pod-bench[{extra}]'\n")


def test_folders_need_no_client_library(tmp_path: Path) -> None:
    source = (
        "import sys\nsys.modules['psycopg'] = sys.modules['redis'] = None\nimport pod\n"
        f"print(int(pod.open({str(tmp_path / 'store')!r}).save({{'a': 1}})))"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
