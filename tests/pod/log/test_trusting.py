"""Who wrote a log: another's, or a changed one, is refused until it is trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from pod.errors import Corrupt, NotAStore, Untrusted
from pod.format import ENTRY_BYTES, FILE_HEADER_BYTES, PIECE_BYTES
from pod.log import trust
from pod.trust import Key
from tests.pod.log.disk import Disk
from tests.pod.log.steps import (
    FOLDER,
    KEY,
    OTHER_KEY,
    commit,
    content,
    digest_of,
    observed,
    open_log,
    record_of,
)

LOG = FOLDER / "00000001.pods"


def written(key: Key = KEY) -> Disk:
    disk = Disk()
    log = open_log(disk, key=key)
    commit(log, [b"abc"], {"tag/a": 1})
    commit(log, [content(1, 500)])
    return disk


def test_another_users_store_is_refused_with_the_command_that_trusts_it() -> None:
    disk = written(OTHER_KEY)
    with pytest.raises(Untrusted) as raised:
        open_log(disk)
    assert str(raised.value) == (
        f"{FOLDER}: written with another user's key; loading it could run anybody's code."
        f" If you trust whoever wrote it, run: pod trust {FOLDER}"
    )
    assert raised.value.code == "untrusted"


def test_an_empty_store_is_anybodys() -> None:
    disk = Disk()
    open_log(disk, key=OTHER_KEY)
    assert commit(open_log(disk), [b"x"]) == 1
    with pytest.raises(Untrusted):
        open_log(disk, key=OTHER_KEY)


def test_a_trusted_store_is_ones_own() -> None:
    disk = written(OTHER_KEY)
    before = observed(open_log(disk, key=OTHER_KEY))
    report = trust(FOLDER, io=disk, key=KEY)
    assert (report.versions, report.signed) == (2, True)
    log = open_log(disk)
    assert observed(log) == before
    assert commit(log, [b"mine"]) == 3
    assert log.verify() == []
    with pytest.raises(Untrusted):
        open_log(disk, key=OTHER_KEY)


def test_trusting_twice_does_nothing() -> None:
    disk = written()
    size = len(disk.content(LOG))
    report = trust(FOLDER, io=disk, key=KEY)
    assert (report.versions, report.signed) == (2, False)
    assert len(disk.content(LOG)) == size


def test_trusting_tells_how_far_it_is() -> None:
    told: list[int] = []
    trust(FOLDER, io=written(OTHER_KEY), key=KEY, progress=lambda done, total: told.append(total - done))
    assert told[-1] == 0


def test_a_damaged_store_is_not_trusted() -> None:
    disk = written(OTHER_KEY)
    disk.content(LOG)[FILE_HEADER_BYTES + PIECE_BYTES] ^= 1
    with pytest.raises(Corrupt, match=r"a piece does not match its digest .* cannot be trusted"):
        trust(FOLDER, io=disk, key=KEY)
    with pytest.raises(Untrusted):
        open_log(disk)


def test_there_must_be_a_store_to_trust() -> None:
    disk = Disk()
    with pytest.raises(NotAStore):
        trust(FOLDER, io=disk, key=KEY)
    assert disk.journal == []


def test_what_another_user_adds_to_ones_own_store_is_refused() -> None:
    disk = written()
    log = open_log(disk)
    trust(FOLDER, io=disk, key=OTHER_KEY)
    commit(open_log(disk, key=OTHER_KEY), [b"theirs"])
    for use in (log.head, log.begin):
        with pytest.raises(Untrusted, match="another user's key"):
            use()
    trust(FOLDER, io=disk, key=KEY)
    assert log.head() == 3
    with pytest.raises(Untrusted):
        open_log(disk, key=OTHER_KEY)


# --- what somebody who lacks the key but knows the format can do -----------------------------------------


def forged_piece(disk: Disk) -> None:
    """Replace the bytes of a piece; its digest stays."""
    disk.content(LOG)[FILE_HEADER_BYTES + PIECE_BYTES : FILE_HEADER_BYTES + PIECE_BYTES + 3] = b"xyz"


def forged_record(disk: Disk) -> None:
    """Change the last record, and make the entry's own digest right again."""
    data = disk.content(LOG)
    data[-1] ^= 1
    _correct_last_entry(data)


def forged_head(disk: Disk) -> None:
    """Change the tid in the last head, and make the entry's own digest right again."""
    data = disk.content(LOG)
    entry = bytes(data).rindex(b"ent\x01")
    data[entry + ENTRY_BYTES + 16] ^= 4
    _correct_last_entry(data)


def forged_signature(disk: Disk) -> None:
    """Sign the last head with another key, under the id of the right one."""
    data = disk.content(LOG)
    entry = bytes(data).rindex(b"ent\x01")
    head_bytes = int.from_bytes(data[entry + 8 : entry + 12], "little")
    start = entry + ENTRY_BYTES
    end = start + head_bytes
    data[end - 32 : end] = OTHER_KEY.sign(bytes(data[start : end - 32]))
    _correct_last_entry(data)


def _correct_last_entry(data: bytearray) -> None:
    entry = bytes(data).rindex(b"ent\x01")
    piece = entry - 500 - PIECE_BYTES
    digest = blake3(data[piece : piece + PIECE_BYTES])
    digest.update(data[entry + ENTRY_BYTES :])
    digest.update(data[entry : entry + 32])
    data[entry + 32 : entry + 64] = digest.digest()


@pytest.mark.parametrize("forge", [forged_piece, forged_record, forged_head, forged_signature])
@pytest.mark.parametrize("with_hint", [True, False])
def test_forged_bytes_are_never_returned(forge: Callable[[Disk], None], with_hint: bool) -> None:
    disk = written()
    whole = observed(open_log(disk))
    forge(disk)
    if not with_hint:
        disk.delete(FOLDER / "durable")
    assert sum(is_refused(disk, tid, contents) for tid, contents in whole.versions.items()) > 0


def is_refused(disk: Disk, tid: int, contents: tuple[bytes, ...]) -> bool:
    """Whether a version is refused; what is returned is what was written."""
    try:
        log = open_log(disk)
        record = log.record(tid)
        found = tuple(log.read(digest_of(each)) for each in contents)
    except (Untrusted, Corrupt):
        return True
    assert (record, found) == (record_of(contents), contents)
    return False


def test_a_forged_signature_is_told_from_another_users() -> None:
    disk = written()
    forged_signature(disk)
    with pytest.raises(Untrusted, match="changed behind pod's back, or damaged"):
        open_log(disk)


def test_entries_cannot_be_taken_out_of_the_middle() -> None:
    disk = written()
    data = disk.content(LOG)
    second = bytes(data).index(b"pie\x01", FILE_HEADER_BYTES + 4)
    del data[FILE_HEADER_BYTES:second]
    with pytest.raises(Corrupt, match="does not follow the one before it"):
        open_log(disk)


def test_the_key_of_the_tests_is_not_in_the_store(tmp_path: Path) -> None:
    disk = written()
    for inode in disk.files().values():
        assert KEY.secret not in bytes(inode.data)
