"""How a store's saves get along with the user's threads: what mode they run in, who waits for them, what need not be saved."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pod.store._coats import Coats
from pod.store._deferred import Deferral
from pod.store._future import may_fork
from pod.store._keeping import Keeping
from pod.store._links import Links, PublishedLinks
from pod.store._options import MODES, checked_known
from pod.store._saving import Waits
from pod.store._session import Policies
from pod.tracking import Everything, Namespace, PublishedStaticChecker, StaticChecker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pod.log import Log
    from pod.store._options import Options
    from pod.store._session import Session

NO_EFFECT: Final = "no effect"


class Modes(Keeping):
    """What a store knows of modes, locks and waiting."""

    def __init__(self, log: Log, options: Options) -> None:
        super().__init__(log)
        self.options = options
        self._tracking = options.new_tracking()
        self._is_published = options.fidelity == "paper"
        links = PublishedLinks if self._is_published else Links
        self._policies = Policies(options.new_podding(), Coats(options), links)
        self._checker = PublishedStaticChecker() if self._is_published else StaticChecker()
        self._waits = Waits([], [])

    def effective(self, mode: str | None = None) -> dict[str, str]:
        """Return the options that say how `save_async` saves, "no effect" where one changes nothing here.

        Parameters
        ----------
        mode
            As for `save_async`.
        """
        chosen = self._mode_of(mode)
        deferred = chosen == "thread-deferred"
        looks_at_all = isinstance(self._tracking, Everything)
        return {
            "mode": chosen,
            "lock": self.options.lock if deferred else NO_EFFECT,
            "ascc": str(self.options.ascc) if deferred or not looks_at_all else NO_EFFECT,
        }

    def take_waits(self) -> Waits:
        """Return how long threads waited for saves since this was asked last."""
        waits, self._waits = self._waits, Waits([], [])
        return waits

    @contextmanager
    def cell(self, source: str, ns: Mapping[str, Any]) -> Iterator[bool]:
        """Run a cell inside: with `ascc`, one that is proved to read only touches no name, and waits for no save.

        Parameters
        ----------
        source
            What is run, with `ns` as its globals; a name may be asked for by other code meanwhile, but by the same thread
            only if it changes nothing, either.

        Yields
        ------
        bool
            Whether it was proved.
        """
        if self.options.ascc and isinstance(ns, Namespace) and self._checker.is_static(source, ns):
            with ns.reading():
                yield True
        else:
            yield False

    def _mode_of(self, mode: str | None) -> str:
        found = self.options.mode if mode is None else checked_known("mode", mode, MODES)
        if found == "auto":
            # What a forked process stores the thesaurus never learns.
            found = "fork" if may_fork() and self._policies.coats.thesaurus is None else "thread"
        if found == "fork" and not self._log.backend.is_shared_across_forks:
            found = "thread"
        return "thread-deferred" if found == "thread" and self._is_published else found

    def _join(self) -> None:
        """Wait for the save before this one."""
        began, running = time.perf_counter(), self._running
        self._settle()
        if running is not None:
            self._waits.join_s.append(time.perf_counter() - began)

    def _deferral(self, session: Session) -> Deferral | None:
        """Return what keeps threads from a namespace; None if nothing can."""
        namespace = session.namespace()
        if not isinstance(namespace, Namespace):
            return None
        return Deferral(
            namespace,
            every_name=self.options.lock == "all",
            trusting=self._is_published,
            waited=self._waited,
        )

    def _waited(self, seconds: float) -> None:
        self._waits.lock_s.append(seconds)
