"""The parts of IPython's shell that are used here, and what it holds of the user's objects."""

from __future__ import annotations

import re
import sys
from html import escape
from typing import Any, Final, Protocol

_SHOWN: Final = re.compile(r"_{1,3}|_\d+")
_UNDERSCORES: Final = ("_", "__", "___")


class Shell(Protocol):
    """IPython's `InteractiveShell`, as far as it is used here."""

    user_ns: dict[str, Any]
    user_ns_hidden: dict[str, Any]
    user_module: Any
    events: Any
    displayhook: Any
    display_pub: Any
    last_execution_result: Any
    magics_manager: Any
    ast_transformers: list[Any]

    def transform_cell(self, raw_cell: str) -> str:
        """Return the Python that a cell means."""

    def register_magic_function(
        self, func: Any, magic_kind: str = "line", magic_name: str | None = None
    ) -> None:
        """Add a magic."""

    def set_hook(self, name: str, hook: Any, priority: int = 50, str_key: str | None = None) -> None:
        """Add a hook."""


def held_by(shell: Shell) -> list[object]:
    """Return what IPython's history of results holds, once for each reference."""
    space, hidden, hook = shell.user_ns, shell.user_ns_hidden, shell.displayhook
    held = list(space.get("_oh", {}).values())
    for names in (space, hidden):
        held += [value for name, value in names.items() if _SHOWN.fullmatch(name)]
    held += [getattr(hook, name, None) for name in _UNDERSCORES]
    held.append(getattr(shell.last_execution_result, "result", None))
    return [value for value in held if value is not None and not isinstance(value, str)]


def leads_to(shell: Shell) -> tuple[object, ...]:
    """Return objects that lead to the whole namespace."""
    return shell, shell.user_module, shell.user_ns.get("get_ipython")


def tell(shell: Shell, text: str) -> None:
    """Show a remark beside a cell's output: small in a notebook, on standard error in a terminal."""
    if hasattr(shell, "kernel"):
        lines = "<br>".join(map(escape, text.splitlines()))
        html = f'<small style="color: gray">{lines}</small>'
        shell.display_pub.publish(data={"text/plain": text, "text/html": html})
    else:
        print(text, file=sys.stderr)
