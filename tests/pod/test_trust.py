"""The user's key: made once, kept from others, never guessed."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pod.errors import InvalidArgument, StoreReadOnly
from pod.trust import Key, key_path


def of_user(config: Path) -> Key:
    return Key.of_user(environment={"XDG_CONFIG_HOME": str(config)})


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = of_user(tmp_path / "config")
    assert of_user(tmp_path / "config") == first
    assert of_user(tmp_path / "another") != first
    assert len(first.secret) == 32


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        of_user(tmp_path / "config")
    finally:
        os.umask(umask)
    path = tmp_path / "config" / "pod" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    of_user(tmp_path)
    path = tmp_path / "pod" / "key"
    path.chmod(mode)
    with pytest.raises(
        InvalidArgument, match=f"others may read it .mode {mode:04o}.; correct it with: chmod 600 {path}"
    ):
        of_user(tmp_path)


@pytest.mark.parametrize("text", [b"hello\n", b"00" * 31 + b"\n", b"00" * 33 + b"\n", b"\xff" * 65])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: bytes) -> None:
    of_user(tmp_path)
    (tmp_path / "pod" / "key").write_bytes(text)
    with pytest.raises(InvalidArgument, match="key"):
        of_user(tmp_path)


@pytest.mark.parametrize("left", [b"", bytes(65)])
def test_what_a_power_failure_left_of_it_is_replaced(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "pod").mkdir()
    path = tmp_path / "pod" / "key"
    path.write_bytes(left)
    path.chmod(0o600)
    key = of_user(tmp_path)
    assert of_user(tmp_path) == key
    assert path.read_bytes() == key.secret.hex().encode() + b"\n"


def test_many_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: of_user(tmp_path), range(32)))
    assert len(keys) == 1


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(StoreReadOnly, match="pod keeps the key that signs your stores there"):
        of_user(tmp_path / "config")


def test_a_key_does_not_show_its_secret() -> None:
    key = Key(b"s" * 32)
    assert repr(key) == f"Key(id={key.id!r})"
    assert key.id not in key.secret


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(InvalidArgument, match="a key has 32 bytes, not 5"):
        Key(b"short")


def test_signatures_are_hmac_sha256() -> None:
    import hashlib
    import hmac

    key = Key(b"k" * 32)
    assert key.sign(b"data") == hmac.new(b"k" * 32, b"data", hashlib.sha256).digest()
    assert key.signed(b"data", key.sign(b"data"))
    assert not key.signed(b"date", key.sign(b"data"))
    assert not Key(b"l" * 32).signed(b"data", key.sign(b"data"))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_CONFIG_HOME": "/conf", "HOME": "/home/u"}, "/conf/pod/key"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/home/u"}, "/home/u/.config/pod/key"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/home/u"}, "/home/u/.config/pod/key"),
        ({"HOME": "/home/u"}, "/home/u/.config/pod/key"),
    ],
)
def test_the_key_lies_where_xdg_says(environment: dict[str, str], expected: str) -> None:
    assert key_path(environment) == Path(expected)
