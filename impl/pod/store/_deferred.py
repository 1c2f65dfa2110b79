"""A save that encodes after its call returned: what it keeps threads from meanwhile, and what it encodes before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pod.store._steps import finished, first_step
from pod.tracking import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from pod.store._host import Sink
    from pod.store._session import Session
    from pod.store._steps import Encoded, Suspects
    from pod.tracking import Namespace, Touched

_REFERENCES: Final = (
    4  # to a variable's object: the namespace's, the session's, those of `Suspects` and of `Deferral.guard`
)


class Deferral:
    """One save's gate, and what may be encoded behind it.

    Parameters
    ----------
    namespace
        What is saved.
    every_name
        Keep threads from all names, rather than from those whose variables are encoded behind the gate.
    trusting
        Encode everything behind the gate, whoever may change it past the namespace, as the published system does.
    waited
        Called with the seconds that a thread was kept waiting.
    """

    def __init__(
        self, namespace: Namespace, *, every_name: bool, trusting: bool, waited: Callable[[float], None]
    ) -> None:
        self._namespace = namespace
        self._every_name = every_name
        self._trusting = trusting
        self._waited = waited
        self._gate: Gate | None = None
        self._names: Collection[str] = ()

    def guard(self, suspects: Suspects) -> Collection[str]:
        """Close the gate; return the names whose variables may be encoded behind it."""
        from pod.store._guard import is_fixed, unsafe  # it imports numpy, which importing pod must not

        written, leading = suspects.written, suspects.leading
        self._names = {*written, *leading}
        self._gate = Gate(None if self._every_name else self._names, self._waited)
        self._namespace.close_gate(self._gate)
        if self._trusting:
            self._names = set(written)
            return self._names
        values = {
            name: value
            for values in (written, leading)
            for name, value in values.items()
            if not is_fixed(value)
        }
        open_to_others = unsafe(values, suspects.held, _REFERENCES)
        if open_to_others & leading.keys():
            return ()  # what it lets go of may be written behind the gate
        self._names = values.keys() - open_to_others
        texts = {name for name, value in written.items() if type(value) is str or type(value) is bytes}
        return (self._names & written.keys()) | texts

    def hand_over(self) -> None:
        """Keep threads only from what is still to be encoded, the calling one, too."""
        if self._gate is not None:
            self._gate.leave(None if self._every_name else self._names)

    def take_over(self) -> None:
        """Let the calling thread encode the rest."""
        if self._gate is not None:
            self._gate.enter()

    def end(self) -> None:
        """Open the gate."""
        if self._gate is not None:
            self._namespace.open_gate(self._gate)


class Encoding:
    """The encoding of a save that a thread finishes: all of it, or up to what is safe, is done before that.

    Parameters
    ----------
    deferral
        What may be encoded by the thread; None: nothing.
    """

    def __init__(self, session: Session, sink: Sink, deferral: Deferral | None) -> None:
        self._session = session
        self._sink = sink
        self._deferral = deferral
        self._steps: Generator[None, None, Encoded] | None = None
        self._done: tuple[Encoded, tuple[bytes, bytes]] | None = None

    def begin(self, touched: Touched, chosen: list[str] | None, sink: Sink) -> None:
        """Encode what could change after the call; the namespace is guarded where that is not all."""
        guard = None if self._deferral is None else self._deferral.guard
        self._steps = self._session.encoding(touched, chosen, sink, guard)
        self._session.postpone()
        encoded = first_step(self._steps)
        if encoded is not None:
            self._done = encoded, self._session.known.roots(encoded, self._sink)
            self._end()
        elif self._deferral is not None:
            self._deferral.hand_over()

    def finish(self) -> tuple[Encoded, tuple[bytes, bytes]]:
        """Encode the rest; return what was encoded, and the roots of the maps of names and pods."""
        if self._done is None:
            assert self._steps is not None  # noqa: S101
            try:
                if self._deferral is not None:
                    self._deferral.take_over()
                encoded = finished(self._steps)
                self._done = encoded, self._session.known.roots(encoded, self._sink)
            finally:
                self._end()
        return self._done

    def abandon(self) -> None:
        """Stop, and let everybody go on."""
        if self._steps is not None:
            self._steps.close()
        self._end()

    def _end(self) -> None:
        if self._deferral is not None:
            self._deferral.end()
        self._session.catch_up()
