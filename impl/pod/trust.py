"""Who may have written a store: a key of the user's own signs what pod writes.

Unpickling runs code. So a store is read only if its newest entry bears a signature (HMAC-SHA256) of this user's key;
that entry names the one before by its digest, and so on, and each record names its pieces by theirs. What another user
wrote, or what anybody changed, is refused before a byte of it is unpickled. The key lies outside of all stores, in
`$XDG_CONFIG_HOME/pod/key` (`~/.config/pod/key`), readable by its user alone. A signature says nothing of age: someone
who may write the folder can put an older state of the same store in place.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pod.errors import InvalidArgument, StoreBusy, StoreReadOnly
from pod.io import OS, make_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pod.io import IO

__all__ = ["KEY_ID_BYTES", "SIGNATURE_BYTES", "Key", "key_path"]

SIGNATURE_BYTES = 32
KEY_ID_BYTES = 8
_SECRET_BYTES = 32
_FILE_BYTES = 2 * _SECRET_BYTES + 1  # hexadecimal, and a newline
_LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that signs.

    Attributes
    ----------
    secret
        32 random bytes.
    id
        8 bytes that tell keys apart and do not betray the secret.
    """

    secret: bytes = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _SECRET_BYTES:
            raise InvalidArgument(f"a key has {_SECRET_BYTES} bytes, not {len(self.secret)}")
        object.__setattr__(self, "id", self.sign(b"pod key id")[:KEY_ID_BYTES])

    def sign(self, data: bytes) -> bytes:
        """Return the signature of bytes."""
        return hmac.digest(self.secret, data, "sha256")

    def signed(self, data: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, told in constant time."""
        return hmac.compare_digest(self.sign(data), signature)

    @classmethod
    def of_user(
        cls,
        *,
        io: IO = OS,
        environment: Mapping[str, str] = os.environ,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Key:
        """Return the user's key, made at the first use.

        Raises
        ------
        InvalidArgument
            The file can be read by others, or does not hold a key.
        StoreReadOnly
            There is none, and none can be written.
        """
        path = key_path(environment)
        try:
            text = _read(io, path)
            if not text:
                text = _make(io, path, entropy)
        except OSError as error:
            raise StoreReadOnly(
                f"{path}: {error.strerror}; pod keeps the key that signs your stores there"
                " (XDG_CONFIG_HOME says where)"
            ) from error
        try:
            return cls(bytes.fromhex(text.decode("ascii")))
        except ValueError as error:
            raise InvalidArgument(
                f"{path}: not a key; restore it, or delete it and trust your stores anew with: pod trust PATH"
            ) from error


def key_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's key lies."""
    configured = environment.get("XDG_CONFIG_HOME", "")
    if configured.startswith("/"):  # relative ones are to be ignored, says the XDG specification
        return Path(configured, "pod", "key")
    return Path(environment.get("HOME") or Path.home(), ".config", "pod", "key")


def _read(io: IO, path: Path) -> bytes:
    """Return what the key file holds, nothing for a missing one."""
    try:
        file = io.open(path)
    except FileNotFoundError:
        return b""
    try:
        mode = file.status().mode
        if mode & 0o077:
            raise InvalidArgument(
                f"{path}: others may read it (mode {mode:04o}); correct it with: chmod 600 {path}"
            )
        return file.read(0, _FILE_BYTES + 1).strip(b"\0")  # a power failure may have left zeros
    finally:
        file.close()


def _make(io: IO, path: Path, entropy: Callable[[int], bytes]) -> bytes:
    """Write a new key and return its text, or that of the process that was quicker."""
    make_folders(io, path.parent)
    file = io.open(path, create=True)
    try:
        if not file.lock(_LOCK_TIMEOUT_S):
            raise StoreBusy(f"{path}: another process has been making it for {_LOCK_TIMEOUT_S:.0f} s")
        text = _read(io, path)
        if not text:
            text = entropy(_SECRET_BYTES).hex().encode() + b"\n"
            file.write(0, [text])
            file.sync()
            io.sync_folder(path.parent)
        return text
    finally:
        file.close()
