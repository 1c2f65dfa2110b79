"""The extension: what it does before and after each cell, and the store that it saves to.

It never breaks a cell: whatever a save raises becomes one line, and the next cell's save has what this one lacks.
"""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from pod.errors import PodError
from pod.magics._commands import Commands
from pod.magics._shell import Shell, held_by, leads_to, tell
from pod.magics._source import is_own, uses_of_cell
from pod.magics._text import seconds_text, size_text, unsaved_text
from pod.store import default_path
from pod.store import open as open_store
from pod.tracking import ANYTHING, NOTHING, Followed, Uses, variables_of

if TYPE_CHECKING:
    from pod.store import CheckedOut, Follower, SaveReport, Store

_EVENTS: Final = ("pre_execute", "pre_run_cell", "post_run_cell")
_NAME: Final = "pod"
_LOCATION: Final = "_pod_location"


class Extension:
    """Saves the namespace of one shell after each cell.

    Parameters
    ----------
    location
        Of the store; the default one if there is none.

    Attributes
    ----------
    is_on
        Whether cells are saved.
    report
        Of the last save.
    """

    def __init__(self, shell: Shell, location: str | None = None) -> None:
        self.shell = shell
        self.is_on = True
        self.report: SaveReport | None = None
        self._location = location
        self._store: Store | None = None
        self._follower: Follower | None = None
        self._cells: list[Any] = []  # what IPython says of the cells that run, each within the one before
        self._uses: Uses = ANYTHING  # of the outermost
        self._unseen = 0  # executions that no `pre_run_cell` told of
        self._is_wanted = False  # a command changed the namespace
        self._is_saved = False  # all that cells did, so far
        self._told: tuple[object, ...] = ()

    # The store

    @property
    def location(self) -> str:
        """Where the store is, or will be; without the password of a URL."""
        return str(default_path() if self._location is None else self.store.path)

    @property
    def store(self) -> Store:
        """The store, opened when it is first asked for."""
        if self._store is None:
            self._store = open_store(self._location)
            self._follow()
        return self._store

    def open(self, location: str) -> None:
        """Save to another store from here on."""
        location = location if "://" in location else os.path.abspath(location)  # noqa: PTH100
        opened = open_store(location)
        self.close()
        self._location, self._store, self.report, self._is_saved = location, opened, None, False
        self._follow()

    def close(self) -> None:
        """Close the store; it is opened anew when it is needed."""
        store, self._store, self._follower = self._store, None, None
        if store is not None:
            store.close()

    def _follow(self) -> None:
        shell = self.shell
        followed = Followed(shell.user_ns, leads_to(shell), lambda: held_by(shell))
        self._follower = self.store.follow(followed)

    # Cells

    def pre_execute(self) -> None:
        """Count what is executed; what is silent is told of by nothing else."""
        self._unseen += 1

    def pre_run_cell(self, info: Any) -> None:
        """Find out what a cell uses, before it runs."""
        self._unseen = max(0, self._unseen - 1)
        self._cells.append(info)
        if len(self._cells) > 1:
            return  # the outer cell runs this one, with a magic
        self._uses = uses_of_cell(self.shell, info.raw_cell, getattr(info, "transformed_cell", None))
        if self._follower is not None:
            self._follower.about_to(self._uses)

    def post_run_cell(self, result: Any) -> None:
        """Save, unless the cell is one of another, or nothing but commands.

        What IPython says of a cell that was interrupted in its event loop is not what it said before: those are counted.
        """
        info = getattr(result, "info", None)
        began = self._ended(info)
        if self._cells:
            return
        raw = getattr(info or began, "raw_cell", None) or ""
        try:
            self._ran(raw, result, was_seen=began is not None)
        except BaseException as error:  # noqa: BLE001  (no cell fails for what its save raises)
            self._lost(error)

    def _ended(self, info: Any) -> Any:
        """Forget a cell that ended, and those within it; return what IPython said of it when it began.

        Where IPython itself was interrupted it says something new of the innermost cell; nothing is the end of all.
        """
        ends = [at for at, cell in enumerate(self._cells) if info is None or info is cell] or [-1]
        began = self._cells[ends[0] :]
        del self._cells[ends[0] :]
        return began[0] if began else None

    def _ran(self, raw: str, result: Any, *, was_seen: bool) -> None:
        wanted, self._is_wanted = self._is_wanted, False
        own = is_own(raw)
        uses = NOTHING if own else self._uses if was_seen else ANYTHING
        if self._unseen:
            self._unseen, uses = 0, ANYTHING
        if self._follower is None and (own or not self.is_on):
            return  # there is no store yet, and nothing to put there
        self._is_saved &= own
        if not self.is_on or (own and not wanted):
            self._follower_of_store().ran(None, uses)
        else:
            failed = result is None or not result.success
            self._follower_of_store().ran(raw, uses, failed=failed)
            self.save()

    def _follower_of_store(self) -> Follower:
        if self._follower is None:
            self.store  # noqa: B018  (opening it makes the follower)
        return cast("Follower", self._follower)

    def save(self, message: str | None = None, *, full: bool = False) -> None:
        """Save, and tell of it."""
        self._follower_of_store()
        self._save(message, full=full)
        tell(self.shell, self._line(cast("SaveReport", self.report)))

    def _save(self, message: str | None, *, full: bool = False) -> None:
        self._is_saved = False
        self.report = self.store.save(self.shell.user_ns, message, full=full)
        self._is_saved = True

    def checkout(self, version: int | str, names: list[str] | None) -> CheckedOut:
        """Put a version's variables into the namespace; what there was is saved first."""
        follower = self._follower_of_store()
        self.store.version(version)  # a mistake is not worth a version
        if not self._is_alone():
            follower.ran(None, ANYTHING)  # what the cell did before its command
            self._save(f"before the checkout of {version}")
        done = follower.checkout(version, names)
        self._is_wanted = True
        return done

    def _is_alone(self) -> bool:
        """Say whether the command is all there is in its cell, and the state before it is saved."""
        raw = getattr(self._cells[0], "raw_cell", None) if self._cells else None
        return self._is_saved and not self._unseen and raw is not None and is_own(raw)

    def turn(self, *, on: bool) -> None:
        """Save after each cell, or no longer."""
        self.is_on = on

    def _line(self, report: SaveReport) -> str:
        follower = self._follower_of_store()
        parts = [
            f"pod: version {int(report)}",
            f"{follower.looked_at} of {len(variables_of(self.shell.user_ns))} variables",
            size_text(report.bytes_written),
            seconds_text(sum(report.seconds.values())),
        ]
        told, self._told = self._told, report.unsaved
        if report.unsaved and told == report.unsaved:
            parts.append("not saved: " + ", ".join(lost.name for lost in report.unsaved))
            return ", ".join(parts)
        return "\n".join([", ".join(parts), *map(unsaved_text, report.unsaved)])

    def _lost(self, error: BaseException) -> None:
        said = "interrupted" if isinstance(error, KeyboardInterrupt) else _first_line(error)
        with suppress(Exception):
            tell(self.shell, f"pod: not saved: {said}; the next cell's save has it all")

    def complete(self, _shell: Any, event: Any) -> list[str]:
        """Return the commands, after `%pod `."""
        return list(Commands.NAMES) if len(event.line.split()) + event.line.endswith(" ") <= 2 else []


def _first_line(error: BaseException) -> str:
    text = str(error) if isinstance(error, PodError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def load(shell: Any) -> None:
    """Save after each cell of a shell from here on."""
    if _NAME in _loaded(shell):
        return
    extension = Extension(shell, vars(shell).get(_LOCATION))
    for event in _EVENTS:
        shell.events.register(event, getattr(extension, event))
    shell.register_magic_function(Commands(extension).pod, "line", _NAME)
    shell.set_hook("complete_command", extension.complete, str_key="%pod")
    _loaded(shell)[_NAME] = extension
    atexit.register(extension.close)


def unload(shell: Any) -> None:
    """Stop saving, and close the store; what loads this again finds the store that was open."""
    extension = _loaded(shell).pop(_NAME, None)
    if extension is None:
        return
    for event in _EVENTS:
        shell.events.unregister(event, getattr(extension, event))
    shell.magics_manager.magics["line"].pop(_NAME, None)
    shell.strdispatchers["complete_command"].strs.pop("%pod", None)
    atexit.unregister(extension.close)
    vars(shell)[_LOCATION] = extension._location
    extension.close()


def _loaded(shell: Any) -> dict[str, Extension]:
    """Return the extensions of a shell."""
    return cast("dict[str, Extension]", vars(shell).setdefault("_pod_extension", {}))
