"""Where a store is, if it is not in a folder: URLs, and what may be shown of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from pod.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["DEFAULT_STORE", "ServerUrl", "hidden", "scheme_of"]

DEFAULT_STORE: Final = "pod"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_STORE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_SECRET_PARAMETERS: Final = frozenset({"password", "sslpassword", "ssl_password"})
_OURS: Final = frozenset({"store", "lock_s"})
_STARS: Final = "***"
_USER_PART: Final = re.compile(r"(:/+[^:/?#]*).*@", re.DOTALL)
_SECRET_VALUE: Final = re.compile(rf"([?&](?:{'|'.join(sorted(_SECRET_PARAMETERS))})=)[^&]*")


def scheme_of(location: str) -> str | None:
    """Return what stands before `://`, in small letters; None: it is no URL."""
    found = _SCHEME.match(location)
    return None if found is None else found[1].lower()


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A database's URL, taken apart.

    Attributes
    ----------
    label
        The URL without passwords: what is shown, and what opens the same store if the password is known from elsewhere.
    store
        Which of the stores in the database: the parameter `store`.
    connect
        What the client library gets: passwords, and no parameter of pod's.
    lock_s
        The parameter of that name, of databases whose locks expire.
    """

    label: str
    store: str
    connect: str = field(repr=False)
    lock_s: float | None
    _secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> ServerUrl:
        """Take a URL apart.

        Raises
        ------
        InvalidArgument
            It cannot be one, the store's name cannot be one, or a password may have cut it off.
        """
        try:
            split = urlsplit(url)
            parameters = parse_qsl(split.query, keep_blank_values=True)
        except ValueError:  # its text may have the password
            raise InvalidArgument(
                f"{hidden(url)}: there is no host after the //; percent-encode what is not ASCII there"
            ) from None
        if url.count("@") > split.netloc.count("@"):
            raise InvalidArgument(
                f"{hidden(url)}: there is an @ after the host; if a password has / ? or #, percent-encode the password"
                " (%2F %3F %23), and else the @ (%40)"
            )
        given = dict(parameters)
        store = given.get("store", DEFAULT_STORE)
        theirs = [(name, value) for name, value in parameters if name not in _OURS]
        shown = [(name, value) for name, value in parameters if name not in _SECRET_PARAMETERS]
        if store == DEFAULT_STORE:
            shown = [(name, value) for name, value in shown if name != "store"]
        label = _joined(split, _without_password(split.netloc), shown)
        if not _STORE.fullmatch(store):
            raise InvalidArgument(
                f"{label}: a store's name has at most 63 letters, digits, and the signs _ . - after the first"
            )
        user, _, _ = split.netloc.rpartition("@")
        _, _, password = user.partition(":")
        secrets = [password, *(value for name, value in theirs if name in _SECRET_PARAMETERS)]
        connect = _joined(split, split.netloc, theirs)
        return cls(label, store, connect, _seconds(label, given.get("lock_s")), _forms(secrets))

    def hide(self, text: str) -> str:
        """Return a text without the passwords."""
        for secret in self._secrets:
            text = text.replace(secret, _STARS)
        return text


def _seconds(label: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds < 1e6:
        raise InvalidArgument(f"{label}: lock_s must be a number of seconds, at least 0.1")
    return seconds


def hidden(url: str) -> str:
    """Return a URL that may be malformed, without what stands where a password would."""
    return _SECRET_VALUE.sub(rf"\1{_STARS}", _USER_PART.sub(r"\1@", url, count=1))


def _without_password(netloc: str) -> str:
    user, _, host = netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{name}@{host}" if name else host


def _joined(split: SplitResult, netloc: str, parameters: Collection[tuple[str, str]]) -> str:
    """Write the URL out; `urlunsplit` would drop the slashes of one without a host."""
    query = "?" + urlencode(list(parameters), safe="/:") if parameters else ""
    return f"{split.scheme}://{netloc}{split.path}{query}"


def _forms(secrets: Collection[str]) -> tuple[str, ...]:
    """Return secrets as they stand in the URL and as they are, the longest first."""
    forms = {form for secret in secrets if secret for form in (secret, unquote(secret))}
    return tuple(sorted(forms, key=len, reverse=True))
