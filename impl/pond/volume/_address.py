"""``URL@VERSION`` and the keys of a volume."""

from typing import NamedTuple
from urllib.parse import quote, unquote

from pond.errors import InvalidArgument

VERSIONS = "versions/"
PACKS = "packs/"
_SUFFIX = ".manifest"
_MAX_NAME_BYTES = 64  # three times that, escaped, is still a file's name


class Address(NamedTuple):
    """A volume and, unless the latest is meant, a version of it."""

    url: str
    version: str | None


def parse_address(text: str) -> Address:
    """Split ``URL[@VERSION]``: the version is what follows the last ``@`` behind the last ``/``.

    Raises
    ------
    InvalidArgument
        The version's name cannot be one.
    """
    head, slash, tail = text.rpartition("/")
    name, at, version = tail.rpartition("@")
    if not at:
        return Address(text, None)
    check_version_name(version)
    return Address(f"{head}{slash}{name}", version)


def check_version_name(name: str) -> None:
    """Raise ``InvalidArgument`` unless ``name`` can name a version."""
    bad = [c for c in name if c in "/@" or not c.isprintable()]
    if not name or bad or len(name.encode()) > _MAX_NAME_BYTES or name != name.strip():
        raise InvalidArgument(
            f"{name!r} cannot name a version: 1 to {_MAX_NAME_BYTES} bytes, no '/', no '@', "
            "no control characters, no space at either end"
        )


def manifest_key(version: str) -> str:
    """Return the key of a version's manifest."""
    return f"{VERSIONS}{quote(version, safe='').replace('.', '%2E')}{_SUFFIX}"


def version_of_key(key: str) -> str | None:
    """Return the version that a key is the manifest of, or None."""
    if not key.startswith(VERSIONS) or not key.endswith(_SUFFIX):
        return None
    return unquote(key.removeprefix(VERSIONS).removesuffix(_SUFFIX))
