"""A namespace that notes which of its names a cell reads and binds."""

from __future__ import annotations

from typing import Any

__all__ = ["Recording"]


class Recording(dict[str, Any]):
    """Globals for `exec` that note names. What binds past the mapping's methods is found by `since`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read: set[str] = set()
        self._bound: set[str] = set()
        self._before = self._addresses()

    def since(self) -> tuple[set[str], set[str]]:
        """Return the names read and the names bound or deleted since the last call."""
        now = self._addresses()
        hidden = {
            name for name in now.keys() | self._before.keys() if now.get(name) != self._before.get(name)
        }
        read, bound = self._read, self._bound | hidden
        self._read, self._bound, self._before = set(), set(), now
        return read, bound

    def _addresses(self) -> dict[str, int]:
        # Values that were held here would live longer, and pandas counts references.
        return {name: id(value) for name, value in dict.items(self)}

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        self._read.add(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        self._bound.add(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self._bound.add(name)
        super().__delitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name in self:
            return self[name]
        self[name] = default
        return default

    def pop(self, name: str, *default: Any) -> Any:
        self._bound.add(name)
        return super().pop(name, *default)

    def values(self) -> Any:
        self._read |= dict.keys(self)
        return super().values()

    def items(self) -> Any:
        self._read |= dict.keys(self)
        return super().items()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def popitem(self) -> tuple[str, Any]:
        name, value = super().popitem()
        self._bound.add(name)
        return name, value
