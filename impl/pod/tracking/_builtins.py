"""The builtins of code in a managed namespace, which show when code with locals of its own is about to run in it.

The body of a class, and what a function gives to `exec` or `eval`, read the namespace's names past
`__getitem__`. That they ran shows nowhere but here, where what runs them is looked up. Nothing is put between the code and
what it calls: what is found is what `builtins` holds at that moment.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RUN_CODE: Final = frozenset({"__build_class__", "exec", "eval"})


class Builtins(dict[str, Any]):
    """A dict of builtins, which calls `running` when code with locals of its own may be about to run."""

    __slots__ = ("_running",)

    def __init__(self, running: Callable[[], None]) -> None:
        super().__init__(vars(builtins))  # for the few that the interpreter reads past `__getitem__`
        self._running = running

    def __getitem__(self, key: str) -> Any:
        if key in _RUN_CODE:
            self._running()
        return vars(builtins)[key]

    def __repr__(self) -> str:
        return "vars(builtins)"

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        return vars, (builtins,)
