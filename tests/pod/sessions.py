"""What a session does, step by step, so that it can be done again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.oracle import portray
from tests.pod import workshop

__all__ = ["RESET", "Hiding", "Session", "Step", "keeping", "replayed", "workshop_as_imported"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a session.

    `run` is a statement; `hold`: a stranger takes an object and keeps it, under the name `h`; `outside`: what
    the stranger does with it; `keep`: all other
    names go, but functions still find them.
    """

    what: Literal["run", "hold", "outside", "keep"]
    text: str


RESET: Final = Step("outside", "from tests.pod import workshop; workshop.reset(); globals().pop('h', None)")


class Hiding(dict[str, object]):
    """A namespace that can hide variables: functions find them, but they are no variables any more."""

    def __init__(self) -> None:
        super().__init__(__name__="__main__")
        self.hidden: dict[str, object] = {}

    def __missing__(self, name: str) -> object:
        return self.hidden[name]


class Session:
    """A namespace, and a stranger who may hold one object of it."""

    def __init__(self, namespace: dict[str, object], steps: Sequence[Step] = ()) -> None:
        self.namespace = namespace
        self.stranger: dict[str, object] = {}
        self.steps = list(steps)

    def do(self, step: Step) -> None:
        """Take one step; a statement that fails has done what it did until then."""
        self.steps.append(step)
        with contextlib.suppress(Exception):
            if step.what == "hold":
                self.stranger["h"] = self.namespace[step.text]
            elif step.what == "keep":
                self._keep(set(step.text.split()))
            else:
                where = self.namespace if step.what == "run" else self.stranger
                exec(compile(step.text, "<session>", "exec", dont_inherit=True), where)

    def _keep(self, names: set[str]) -> None:
        """Hide what functions among these variables read, and forget the rest."""
        assert isinstance(self.namespace, Hiding)
        needed = portray(self.namespace).with_globals(names)
        for name in set(self.names()) - names:
            value = self.namespace.pop(name)
            if name in needed:
                self.namespace.hidden[name] = value

    def names(self) -> list[str]:
        """Return the variables, sorted, without touching the namespace."""
        return sorted(name for name in dict.keys(self.namespace) if not name.startswith("__"))


def keeping(names: Iterable[str]) -> Step:
    """Return the step after which only these names are left."""
    return Step("keep", " ".join(sorted(names)))


def replayed(steps: Sequence[Step]) -> Session:
    """Take all steps in a namespace of their own."""
    session = Session(Hiding())
    with workshop_as_imported():
        for step in steps:
            session.do(step)
    return session


@contextlib.contextmanager
def workshop_as_imported() -> Iterator[None]:
    """Run the block with the user's module as it was at its import; then it is again as it was before the block."""
    functions = (workshop.put, workshop.grow)
    before = workshop.box, [(dict(f.__dict__), f.__defaults__) for f in functions]
    workshop.reset()
    try:
        yield
    finally:
        workshop.box = before[0]
        for function, (attributes, defaults) in zip(functions, before[1], strict=True):
            function.__dict__.clear()
            function.__dict__.update(attributes)
            function.__defaults__ = defaults
