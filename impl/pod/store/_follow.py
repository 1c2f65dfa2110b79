"""A store and an exact dict that it follows: what is told of the code that runs there, and versions that come back into it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pod.store._load import Loader
from pod.tracking import ANYTHING, Followed, Namespace, Uses, uses_of_all, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pod.log import Log
    from pod.store._record import Record
    from pod.store._session import Session


_GONE: Final = object()


class LoadedInto(NamedTuple):
    """What was loaded of a version: its variables, what only functions need, and why what is lost could not be built."""

    tid: int
    values: dict[str, object]
    needed: dict[str, object]
    lost: dict[str, Exception]


class CheckedOut(NamedTuple):
    """What a checkout did to a namespace; names are sorted.

    Attributes
    ----------
    added, replaced, removed
        Names that were not there, that were bound to something else, and that the version does not have.
    kept
        Names that the version does not have, which are there still, for they could not be saved.
    lost
        Names that could not be built here, each with the reason.
    """

    tid: int
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    lost: Mapping[str, Exception]


class Follower:
    """Tells a store what code ran in an exact dict, for as long as it lives.

    Whatever runs there without being told of may change what a save then does not look at; `save(full=True)` does.
    """

    def __init__(
        self,
        session: Session,
        followed: Followed,
        load: Callable[[int | str, Iterable[str] | None], LoadedInto],
    ) -> None:
        self._session = session
        self._followed = followed
        self._load = load

    @property
    def namespace(self) -> dict[str, Any]:
        """The dict."""
        return self._followed.namespace

    @property
    def looked_at(self) -> int:
        """At how many variables the last save looked."""
        return self._session.looked_at

    def about_to(self, uses: Uses) -> None:
        """Let go of what code is about to bind anew, so that its memory is free as soon as the user's code frees it."""
        for name in uses.replaced:
            self._session.rebound(name)

    def ran(self, source: str | None, uses: Uses | None = None, *, failed: bool = False) -> None:
        """Note that code ran in the dict.

        Parameters
        ----------
        source
            Kept with the next version; None: nothing is.
        uses
            What the code uses, if that is known otherwise than by compiling the source.
        failed
            It raised, after what it did until then.
        """
        self._followed.ran(uses or _uses_of(source))
        if source is not None:
            self._session.cells.append(source)
            self._session.failed = failed

    def checkout(self, version: int | str, names: Iterable[str] | None = None) -> CheckedOut:
        """Bind a version's variables in the dict, all or some; of all, remove the variables that it does not have.

        What cannot be saved stays, and so does what other threads bind meanwhile. Save first what must not be lost.

        Raises
        ------
        NoSuchVersion, InvalidArgument, CannotLoad
            The dict is as it was.
        """
        chosen = None if names is None else list(names)
        unsaved = self._session.unsaved
        space, current = self.namespace, variables_of(self.namespace)
        loaded = self._load(version, chosen)
        others = current.keys() - loaded.values.keys() if chosen is None else set()
        others = {name for name in others if space.get(name, _GONE) is current[name]}
        for name in others - unsaved:
            del space[name]
        space.update(loaded.values)
        for name, value in loaded.needed.items():
            space.setdefault(name, value)
        added = {*loaded.values, *loaded.needed} - current.keys()
        replaced = {name for name, value in loaded.values.items() if current.get(name, value) is not value}
        return CheckedOut(
            loaded.tid,
            tuple(sorted(added)),
            tuple(sorted(replaced)),
            tuple(sorted(others - unsaved)),
            tuple(sorted(others & unsaved)),
            loaded.lost,
        )


def _uses_of(source: str | None) -> Uses:
    try:
        return (
            ANYTHING
            if source is None
            else uses_of_all([compile(source, "<cell>", "exec", dont_inherit=True)])
        )
    except SyntaxError:
        return ANYTHING


def load_into(
    log: Log, tid: int, record: Record, variables: dict[str, Any], names: list[str] | None
) -> LoadedInto:
    """Load variables whose functions have an exact dict as globals; the dict is as it was, but for what others bind there.

    Code that runs during a load asks a managed namespace for what is not read yet, and an exact dict cannot be asked. So what
    has functions is loaded twice: the second time they find in the dict what was loaded the first time.
    """
    namespace = Namespace()
    loader = Loader(log, record, namespace)
    references = sys.getrefcount(namespace)
    loader.load(names)
    if sys.getrefcount(namespace) > references:
        before, put = dict(variables), loader.values
        try:
            variables.update(put)
            loader = Loader(log, record, Namespace(), variables)
            loader.load(names)
        finally:
            for name, value in put.items():
                if variables.get(name, _GONE) is not value:
                    continue  # another thread bound it meanwhile
                if name in before:
                    variables[name] = before[name]
                else:
                    del variables[name]
    for name in names or ():
        if name in loader.lost:
            raise loader.cannot(name)
    values = {name: loader.values[name] for name in loader.bound}
    needed = {name: value for name, value in loader.values.items() if name not in values}
    return LoadedInto(tid, values, needed, loader.lost)
