"""What a cell's code uses, the magics in it included whose doings are known."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from pod.tracking import ANYTHING, Uses, uses_of_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from pod.magics._shell import Shell

# Of IPython, and of these magics: what they do with the namespace is to run a cell's lines, or to bind a name.
_OWN: Final = ("IPython.", "pod.")
_HARMLESS: Final = {
    "line": frozenset(["cd", "conda", "ls", "matplotlib", "pip", "pod", "pwd", "who", "who_ls", "whos"]),
    "cell": frozenset(["bash", "html", "javascript", "js", "latex", "markdown", "sh", "svg", "writefile"]),
}
_RUN_LINES: Final = {"line": frozenset({"time", "timeit"}), "cell": frozenset({"capture", "time", "timeit"})}
_EXPANDED: Final = re.compile(r"[{$]")
_OWN_COMMANDS: Final = re.compile(r"\s*%(pod\b.*|(load|reload|unload)_ext\s+pod\s*)")
_NOTHING: Final = re.compile(r"\s*(#.*)?")


def uses_of_cell(shell: Shell, raw: str, source: str | None) -> Uses:
    """Return what a cell uses, given the Python that it means, if IPython says it."""
    if shell.ast_transformers:
        return ANYTHING
    try:
        return uses_of_all(_codes(shell, shell.transform_cell(raw) if source is None else source))
    except Exception:  # noqa: BLE001  (it is no Python, or the user's own transformers raise: the cell will tell)
        return ANYTHING


def is_own(raw: str) -> bool:
    """Say whether a cell is nothing but commands of this extension, and its loading."""
    lines = [line for line in raw.splitlines() if not _NOTHING.fullmatch(line)]
    return all(_OWN_COMMANDS.fullmatch(line) for line in lines) and (bool(lines) or not raw.strip())


def _codes(shell: Shell, source: str) -> Iterator[CodeType]:
    known = _KnownMagics(shell)
    tree = known.visit(ast.parse(source))
    yield compile(
        ast.fix_missing_locations(tree),
        "<cell>",
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    for lines in known.sources:
        yield from _codes(shell, shell.transform_cell(lines))


class _KnownMagics(ast.NodeTransformer):
    """Takes calls of known magics out of a cell's Python; `sources` are the lines that they run."""

    def __init__(self, shell: Shell) -> None:
        self._magics = shell.magics_manager.magics
        self.sources: list[str] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[]), attr=method),
                args=arguments,
                keywords=[],
            ) if all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in arguments):
                texts = [each.value for each in arguments if isinstance(each, ast.Constant)]
                if self._is_known(method, [text for text in texts if isinstance(text, str)]):
                    return ast.copy_location(ast.Constant(None), node)
        self.generic_visit(node)
        return node

    def _is_known(self, method: str, texts: list[str]) -> bool:
        match method, texts:
            case "system" | "getoutput", [text]:
                return not _EXPANDED.search(text)
            case "run_line_magic", [name, text]:
                return self._is_known_magic("line", name, text, text)
            case "run_cell_magic", [name, line, text]:
                return self._is_known_magic("cell", name, line, text)
        return False

    def _is_known_magic(self, kind: str, name: str, line: str, text: str) -> bool:
        found = self._magics[kind].get(name)
        if not getattr(found, "__module__", "").startswith(_OWN):
            return False
        if name in _HARMLESS[kind]:
            return not _EXPANDED.search(line)
        if (
            name not in _RUN_LINES[kind]
            or line.lstrip().startswith("-")
            or (_EXPANDED.search(line) and kind == "cell")
        ):
            return False
        if kind == "cell" and name != "capture" and line.strip():
            return False
        self.sources.append(text)
        return True
