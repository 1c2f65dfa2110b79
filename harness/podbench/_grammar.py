"""How a request names systems and workloads: the published scripts' grammar.

::

    systems    = name { "," name }
    workloads  = workload { "," workload }
    workload   = name { suffix }
    suffix     = "[exc]"            the data variables are not saved
               | "[n=" number "]"   only a name of its own: the K-th repetition of the same case
               | "[" key "=" number "]"   a parameter of the workload: tc tv tl tml tme of rmtree
    numbers    = number { "," number } [ "," ( "…" | "..." ) "," number ]
    number     = digits [ ( "e" | "E" ) [ "+" ] digits ]

Suffixes may come in any order, each once at most. A name may be repeated. Errors name the position, counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from harness.errors import GrammarError

__all__ = ["Asked", "parse_numbers", "parse_systems", "parse_workloads"]

LARGEST: Final = 10**12
_MOST_STEPS: Final = 10_000
_EXCLUDE: Final = "exc"
_REPETITION: Final = "n"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"[0-9]+(?:[eE]\+?[0-9]+)?")
_DOTS: Final = re.compile(r"…|\.\.\.")
_SPACE: Final = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """One workload as it was asked for.

    Attributes
    ----------
    name
        The workload's.
    parameters
        Those that were given, in the order of the workload's own.
    exclude
        Whether its data variables are left out of every save.
    repetition
        The K of ``[n=K]``.
    typed
        How it was typed, but for blanks and with ``[exc]`` first, as the published scripts call files.
    """

    name: str
    parameters: tuple[tuple[str, int], ...] = ()
    exclude: bool = False
    repetition: int | None = None
    typed: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return the text that parses to this."""
        given = "".join(f"[{key}={value}]" for key, value in self.parameters)
        exclude = f"[{_EXCLUDE}]" if self.exclude else ""
        repetition = "" if self.repetition is None else f"[{_REPETITION}={self.repetition}]"
        return f"{self.name}{given}{exclude}{repetition}"


def parse_systems(
    text: str, known: Sequence[str], aliases: Mapping[str, str] | None = None, option: str = "SUT"
) -> list[str]:
    """Read a comma list of systems, repetitions included; an alias counts as the name it stands for.

    Raises
    ------
    GrammarError
        Naming the position, and for an unknown name all known ones.
    """
    reader = _Reader(option, text)
    meant = {alias: name for alias, name in (aliases or {}).items() if name in known}
    names = {name: name for name in known} | meant
    found = [names[reader.name(names, "system")]]
    while reader.comma():
        found.append(names[reader.name(names, "system")])
    reader.end()
    return found


def parse_workloads(text: str, known: Mapping[str, Sequence[str]]) -> list[Asked]:
    """Read a comma list of workloads.

    Parameters
    ----------
    known
        The names of the parameters of each workload, by its name.

    Raises
    ------
    GrammarError
        Naming the position, and for an unknown name all known ones.
    """
    reader = _Reader("NB", text)
    found = [reader.workload(known)]
    while reader.comma():
        found.append(reader.workload(known))
    reader.end()
    return found


def parse_numbers(option: str, text: str) -> dict[int, str]:
    """Read a list of numbers; return how each was typed. ``0,10,…,100`` stands for the numbers in these steps.

    Raises
    ------
    GrammarError
        Naming the position.
    """
    reader = _Reader(option, text)
    found = [reader.typed_number()]
    while reader.comma():
        if reader.dots():
            found += [(number, str(number)) for number in reader.steps([number for number, _ in found])]
            break
        found.append(reader.typed_number())
    reader.end()
    return dict(found)


class _Reader:
    """A text, and how far it has been read."""

    def __init__(self, option: str, text: str) -> None:
        self._option = option
        self._text = text
        self._at = 0
        self._skip_space()

    def workload(self, known: Mapping[str, Sequence[str]]) -> Asked:
        name = self.name(known, "workload")
        given: dict[str, int] = {}
        typed = ""
        exclude = False
        while self._takes("["):
            start = self._at
            key = self._matched(_NAME) or self._fail(f"a suffix is {_suffixes(known[name])}")
            if key in given or (key == _EXCLUDE and exclude):
                self._fail(f"{key!r} is given twice", start)
            if key == _EXCLUDE:
                exclude = True
            elif key == _REPETITION or key in known[name]:
                if not self._takes("="):
                    self._fail(f"'=' and a number are missing after {key!r}")
                given[key], number = self.typed_number()
                typed += f"[{key}={number}]"
            else:
                self._fail(f"unknown suffix {key!r} of {name}; there are: {_suffixes(known[name])}", start)
            if not self._takes("]"):
                self._fail("']' is missing")
        repetition = given.pop(_REPETITION, None)
        ordered = tuple((key, given[key]) for key in known[name] if key in given)
        return Asked(name, ordered, exclude, repetition, f"{name}{'[exc]' if exclude else ''}{typed}")

    def name(self, known: Mapping[str, object], what: str) -> str:
        start = self._at
        name = self._matched(_NAME)
        if name is None:
            self._fail(f"the name of a {what} is missing")
        if name not in known:
            self._fail(f"unknown {what} {name!r}; there are: {', '.join(known)}", start)
        return name

    def typed_number(self) -> tuple[int, str]:
        start = self._at
        return self.number(), self._text[start : self._at].strip()

    def number(self) -> int:
        start = self._at
        text = self._matched(_NUMBER)
        if text is None:
            self._fail("a whole number like 10 or 1e2 is missing")
        digits, _, power = text.lower().partition("e")
        exponent = int(power or 0) if len(power) < 4 else LARGEST
        if len(digits.lstrip("0")) + (exponent if int(digits) else 0) > len(str(LARGEST)):
            self._fail(f"{text} is too large a number", start)
        value: int = int(digits) * 10**exponent if int(digits) else 0
        return value

    def dots(self) -> bool:
        return self._matched(_DOTS) is not None

    def steps(self, before: Sequence[int]) -> list[int]:
        """Return what follows two numbers in their step, up to the one behind the dots."""
        if len(before) < 2 or before[-1] <= before[-2]:
            self._fail("… needs two growing numbers before it: 0,10,…,100")
        if not self.comma():
            self._fail("… needs the last number behind it: 0,10,…,100")
        start, step = self._at, before[-1] - before[-2]
        last = self.number()
        if last <= before[-1] or (last - before[-1]) % step:
            self._fail(f"{last} is not reached from {before[-1]} in steps of {step}", start)
        if (last - before[-1]) // step > _MOST_STEPS:
            self._fail(f"… stands for {_MOST_STEPS:,} numbers at most", start)
        return [*range(before[-1] + step, last + 1, step)]

    def comma(self) -> bool:
        return self._takes(",")

    def end(self) -> None:
        if self._at < len(self._text):
            self._fail(f"{self._text[self._at]!r} was not expected")

    def _takes(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        self._skip_space()
        return True

    def _matched(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        self._skip_space()
        return match[0]

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _fail(self, problem: str, at: int | None = None) -> NoReturn:
        place = self._at if at is None else at
        raise GrammarError(f"{self._option}={self._text}: character {place + 1}: {problem}")


def _suffixes(parameters: Sequence[str]) -> str:
    return " ".join([f"[{_EXCLUDE}]", f"[{_REPETITION}=K]", *(f"[{key}=K]" for key in parameters)])
