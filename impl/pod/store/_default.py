"""The default store, for `pod.save` and `pod.load`."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any

from pod.store._open import default_path, open_store
from pod.store._store import Store
from pod.tracking import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pod.store._future import SaveFuture
    from pod.store._report import SaveReport

_opened: dict[tuple[int, Path | str], Store] = {}


def _default() -> Store:
    """Return the store of the default path, one for each path and process."""
    key = (os.getpid(), default_path())
    store = _opened.get(key)
    if store is None:
        store = _opened[key] = open_store(key[1])
        atexit.register(_close, key)
    return store


def _close(key: tuple[int, Path | str]) -> None:
    store = _opened.pop(key, None)
    if store is not None and key[0] == os.getpid():
        store.close()


def new_managed_namespace(initial: Mapping[str, Any] | None = None) -> Namespace:
    """Return a managed namespace: a dict that knows which of its names were touched since the last save."""
    return Namespace(initial or {})


def save(
    ns: Mapping[str, Any], message: str | None = None, names: Iterable[str] | None = None, full: bool = False
) -> SaveReport:
    """Save in the default store; see `Store.save`."""
    return _default().save(ns, message, names, full)


def save_async(
    ns: Mapping[str, Any],
    message: str | None = None,
    names: Iterable[str] | None = None,
    full: bool = False,
    *,
    mode: str | None = None,
) -> SaveFuture:
    """Save in the default store, and return before it is done; see `Store.save_async`."""
    return _default().save_async(ns, message, names, full, mode=mode)


def load(version: int | str | SaveFuture, names: Iterable[str] | None = None) -> Namespace:
    """Load from the default store; see `Store.load`."""
    return _default().load(version, names, stacklevel=2)
