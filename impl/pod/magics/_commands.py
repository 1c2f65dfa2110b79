"""The commands of `%pod`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, ClassVar

from pod.errors import InvalidArgument, PodError
from pod.magics._text import first_line, size_text, table, unsaved_text, when_text
from pod.tracking import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.magics._extension import Extension
    from pod.store import Change, CheckedOut, Store, Version

_SHOWN: int = 10


class Commands:
    """What `%pod` does; a mistake is one line on standard error."""

    NAMES: ClassVar[tuple[str, ...]] = ("log", "diff", "checkout", "save", "status", "off", "on", "open")

    def __init__(self, extension: Extension) -> None:
        self._extension = extension

    def pod(self, line: str = "") -> None:
        """Versions of this notebook's variables, one after each cell.

        ::

            %pod log [-n N] [-s]              the newest N versions (10), with the first line of each one's cell; -s: all of it
            %pod diff A [B]                   what differs from version A to B (the newest): + added, - removed, ~ changed
            %pod checkout VERSION [NAMES...]  bind its variables here, all or these; with all, remove those it does not have
            %pod save [-m MESSAGE]            save now, and look at everything, also at what no cell named
            %pod status                       the store, the last version, and what is not saved
            %pod off                          save no longer after each cell
            %pod on                           save again
            %pod open PATH                    save to another store: a folder, or a URL

        A version is named by its number, a tag or a branch. The store is POD_DIR, or .pod of the working directory.

        Examples
        --------
        ::

            %load_ext pod
            %pod log -n 3
            %pod diff 12
            %pod checkout 12 df model
            %pod save -m "before the long run"
        """
        try:
            words = shlex.split(line)
            name, arguments = (words[0], words[1:]) if words else ("status", [])
            if name not in self.NAMES:
                raise InvalidArgument(f"there is no %pod {name}; there are: {', '.join(self.NAMES)}")
            command: Callable[[list[str]], None] = getattr(self, f"_{name}")
            command(arguments)
        except (PodError, ValueError) as error:  # a quote that is not closed is a ValueError
            print(f"pod: {error}", file=sys.stderr)

    def _log(self, arguments: list[str]) -> None:
        count, whole = _SHOWN, False
        while arguments:
            option = arguments.pop(0)
            if option == "-s":
                whole = True
            elif option == "-n" and arguments and arguments[0].isdecimal():
                count = int(arguments.pop(0))
            else:
                raise InvalidArgument(f"%pod log [-n N] [-s], with a number N; not {option}")
        versions = self._extension.store.log()[:count]
        if not versions:
            print("no versions yet")
        elif whole:
            print("\n\n".join(_with_source(version) for version in versions))
        else:
            rows = [("version", "saved", "variables", "written", "cell", "message")]
            rows += [(*_columns(version), first_line(version.message)) for version in versions]
            print(table(rows, right=(0, 2, 3)))

    def _diff(self, arguments: list[str]) -> None:
        if len(arguments) not in {1, 2}:
            raise InvalidArgument("%pod diff A [B], with one or two versions")
        store = self._extension.store
        newest = store.log()
        a = _named(arguments[0])
        b = _named(arguments[1]) if len(arguments) == 2 else (newest[0].tid if newest else a)
        found = store.diff(a, b)
        marked = (("+", found.added), ("-", found.removed), ("~", found.changed))
        rows = [_change(mark, change) for mark, changes in marked for change in changes]
        if rows:
            print(table([("", "name", f"in {found.a}", f"in {found.b}"), *rows], right=(2, 3)))
        else:
            print(f"versions {found.a} and {found.b} have the same variables")

    def _checkout(self, arguments: list[str]) -> None:
        if not arguments:
            raise InvalidArgument("%pod checkout VERSION [NAMES...]")
        done = self._extension.checkout(_named(arguments[0]), arguments[1:] or None)
        print("\n".join(_said(done, self._extension)))

    def _save(self, arguments: list[str]) -> None:
        if arguments and (len(arguments) != 2 or arguments[0] != "-m"):
            raise InvalidArgument('%pod save [-m MESSAGE], the message in quotes: %pod save -m "two words"')
        self._extension.save(arguments[1] if arguments else None, full=True)

    def _status(self, arguments: list[str]) -> None:
        _no_more("status", arguments)
        extension = self._extension
        versions = extension.store.log()
        print(f"store: {extension.store.path}, {_size_of(extension.store)}")
        print("after each cell: " + ("saved" if extension.is_on else "not saved (%pod on)"))
        if versions:
            last = versions[0]
            print(f"last version: {last.tid}, {when_text(last.time_s)}, {last.names} variables")
        else:
            print("last version: none")
        print(f"variables now: {len(variables_of(extension.shell.user_ns))}")
        for lost in extension.report.unsaved if extension.report is not None else ():
            print(unsaved_text(lost).removeprefix("pod: "))

    def _off(self, arguments: list[str]) -> None:
        _no_more("off", arguments)
        self._extension.turn(on=False)
        print("cells are no longer saved; %pod on: save again")

    def _on(self, arguments: list[str]) -> None:
        _no_more("on", arguments)
        self._extension.turn(on=True)
        print(f"saved after each cell: {self._extension.location}")

    def _open(self, arguments: list[str]) -> None:
        if len(arguments) != 1:
            raise InvalidArgument("%pod open PATH, with one folder or URL")
        self._extension.open(arguments[0])
        print(f"saved after each cell: {self._extension.location}")


def _named(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _no_more(name: str, arguments: list[str]) -> None:
    if arguments:
        raise InvalidArgument(f"%pod {name} takes nothing more")


def _columns(version: Version) -> tuple[str, str, str, str, str]:
    cell = ("failed: " if version.failed else "") + first_line(version.source)
    size = size_text(version.bytes_written)
    return str(version.tid), when_text(version.time_s), str(version.names), size, cell


def _with_source(version: Version) -> str:
    head = f"version {version.tid}, {when_text(version.time_s)}" + (", failed" if version.failed else "")
    lines = [head if version.message is None else f"{head}: {version.message}"]
    return "\n".join([*lines, *(f"    {line}" for line in (version.source or "").splitlines())])


def _change(mark: str, change: Change) -> tuple[str, str, str, str]:
    return mark, change.name, size_text(change.a_bytes), size_text(change.b_bytes)


def _said(done: CheckedOut, extension: Extension) -> list[str]:
    """Say what a checkout replaced, and how to go back."""
    before = extension.report
    lines = [f"version {done.tid} is checked out"]
    replaced, same = done.replaced, 0
    if before is not None:
        changed = {change.name for change in extension.store.diff(int(before), done.tid).changed}
        replaced = tuple(name for name in done.replaced if name in changed)
        same = len(done.replaced) - len(replaced)
    for what, names in (
        ("added", done.added),
        ("replaced", replaced),
        ("removed", done.removed),
        ("kept, for it cannot be saved", done.kept),
    ):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    if same:
        lines.append(f"equal, and objects of their own now: {same} variables")
    lines += [f"not loaded: {name}: {type(error).__name__}: {error}" for name, error in done.lost.items()]
    if before is not None:
        lines.append(f"to go back: %pod checkout {int(before)}")
    return lines


def _size_of(store: Store) -> str:
    stats = store.stats()
    return size_text(sum(int(stats[name]) for name in ("log_bytes", "index_bytes")))
