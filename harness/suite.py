"""Suites: declarative TOML files that say what is measured. Errors name the file, the line and the key."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from harness.errors import SuiteError, UsageError
from harness.schemas import of_files

__all__ = [
    "EVERY",
    "Rules",
    "Suite",
    "SystemSpec",
    "Workload",
    "load_suite",
    "parse_bytes",
    "parse_scale",
    "suite_names",
]

SUITE_FOLDER: Final = Path(__file__).parent / "suites"
SCHEMA: Final = 1

_TOP: Final[Mapping[str, type | tuple[type, ...]]] = {
    "schema": int,
    "name": str,
    "kind": str,
    "repeats": int,
    "timeout_s": (int, float),
    "scale": (str, int, float),
    "system": list,
    "workload": list,
    "rules": dict,
}
_PARAMS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "access": str,
    "mode": str,
    "batch_size": int,
    "workers": int,
    "image_px": int,
}
_RULES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "judged_scale": (str, int, float),
    "judged_repeats": int,
    "other_cpu_limit": (int, float),
    "other_cpu_repeats": int,
    "minimum_repeats": int,
    "memory_limit": str,
    "seed": int,
}
_SYSTEM: Final[Mapping[str, type | tuple[type, ...]]] = {
    "name": str,
    "configs": list,
    "profiles": list,
    "rounds": int,
}
EVERY: Final = "*"
_UNITS: Final = {"MiB": 1 << 20, "GiB": 1 << 30}
ACCESSES: Final = ("random", "serial")
MODES: Final = ("decode", "raw")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN: Final = ("local", "published")
"""What ``results/`` holds beside suites."""


@dataclass(frozen=True, slots=True)
class SystemSpec:
    """One system and the configs of it that a suite runs.

    Attributes
    ----------
    name
        A system, or ``*``: each system there is, in its first config.
    configs
        Its configs; none for ``*``.
    profiles
        The simulated networks it runs over; none for the run's own.
    rounds
        How many of a run's first rounds it takes part in; None for all.
    line
        Where the suite's file says so.
    """

    name: str
    configs: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    rounds: int | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """What the loader does with the files."""

    name: str
    access: str = "random"
    mode: str = "decode"
    batch_size: int = 64
    workers: int = 4
    image_px: int = 224


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run must respect to be judged."""

    judged_scale: Fraction = Fraction(1, 16)
    judged_repeats: int = 7
    other_cpu_limit: float = 0.05
    other_cpu_repeats: int = 2
    minimum_repeats: int = 5
    memory_limit_bytes: int | None = None
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of cases: systems x configs x workloads, and how often."""

    source: str
    """The file's name, for messages."""
    name: str
    kind: str
    repeats: int
    timeout_s: float
    scale: Fraction
    systems: tuple[SystemSpec, ...]
    workloads: tuple[Workload, ...]
    rules: Rules


def parse_scale(text: str | float) -> Fraction:
    """Read ``1/32``, ``1`` or ``0.25``.

    Raises
    ------
    UsageError
        When it is not a number in (0, 1].
    """
    try:
        scale = Fraction(str(text)).limit_denominator(1_000_000)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"scale {text!r} is not a fraction like 1/32") from None
    if not 0 < scale <= 1:
        raise UsageError(f"scale {text} is not in (0, 1]: 1 is the real size")
    return scale


def parse_bytes(text: str) -> int:
    """Read ``512MiB`` or ``4GiB``.

    Raises
    ------
    UsageError
        When it is not a whole number of one of the two, greater than 0.
    """
    match = re.fullmatch(r"([1-9][0-9]*) ?(MiB|GiB)", text)
    if not match:
        raise UsageError(f"{text!r} is not a size like 512MiB or 4GiB")
    return int(match[1]) * _UNITS[match[2]]


def suite_names() -> list[str]:
    """Return the names of the suites that ship with the harness."""
    return sorted(path.stem for path in SUITE_FOLDER.glob("*.toml"))


def load_suite(name_or_path: str) -> Suite:
    """Read a shipped suite by name, or any by path.

    Raises
    ------
    SuiteError
        When there is no such suite, or it is wrong.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SUITE_FOLDER / f"{name_or_path}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SuiteError(f"{path.name}:{line}: is not UTF-8, as TOML has to be") from None
    except OSError:
        raise SuiteError(
            f"no suite {name_or_path!r}; there are: {', '.join(suite_names())} (or give a path ending in .toml)"
        ) from None
    return _Reader(path.name, text).suite()


class _Reader:
    """Checks one suite's text, key by key."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        try:
            self._raw: Mapping[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SuiteError(f"{name}: {error}") from None

    def suite(self) -> Suite:
        raw = self._checked(self._raw, _TOP, "", 0)
        for key in ("schema", "name", "kind", "repeats", "timeout_s", "scale", "system", "workload"):
            if key not in raw:
                raise self._error("", 0, key, "is missing")
        if raw["schema"] != SCHEMA:
            raise self._error("", 0, "schema", f"is {raw['schema']}; this harness reads {SCHEMA}")
        if raw["kind"] != "fuse":
            raise self._error("", 0, "kind", f"is {raw['kind']!r}; there is: fuse")
        return Suite(
            source=self._name,
            name=self._suite_name(str(raw["name"])),
            kind=str(raw["kind"]),
            repeats=self._positive(raw, "repeats", "", 0),
            timeout_s=self._timeout_s(raw),
            scale=self._scale(raw, "scale", ""),
            systems=tuple(self._system(t, i) for i, t in enumerate(self._tables(raw, "system"), 1)),
            workloads=tuple(self._workload(t, i) for i, t in enumerate(self._tables(raw, "workload"), 1)),
            rules=self._rules(raw.get("rules", {})),
        )

    def _suite_name(self, name: str) -> str:
        """Return the name, which is that of a folder in ``results/``, too."""
        if not _NAME.fullmatch(name):
            problem = f"is {name!r}; letters, digits, dots, dashes and underscores make a name"
            raise self._error("", 0, "name", problem)
        if name in _TAKEN or not of_files(name):
            raise self._error("", 0, "name", f"is {name!r}, which means something else in results/")
        return name

    def _timeout_s(self, raw: Mapping[str, object]) -> float:
        value = raw["timeout_s"]
        if not isinstance(value, int | float) or not 1 <= value < math.inf:
            raise self._error("", 0, "timeout_s", f"must be a second or more, not {value!r}")
        return float(value)

    def _system(self, table: Mapping[str, object], index: int) -> SystemSpec:
        self._checked(table, _SYSTEM, "system", index)
        if "name" not in table:
            raise self._error("system", index, "name", "is missing")
        name = str(table["name"])
        configs = self._names(table, "configs", index)
        if name == EVERY and configs:
            raise self._error("system", index, "configs", f"must be left out where the name is {EVERY!r}")
        if name != EVERY and not configs:
            raise self._error("system", index, "configs", "is missing")
        return SystemSpec(
            name=name,
            configs=configs,
            profiles=self._names(table, "profiles", index),
            rounds=self._positive(table, "rounds", "system", index) if "rounds" in table else None,
            line=self._line("system", index, "name"),
        )

    def _names(self, table: Mapping[str, object], key: str, index: int) -> tuple[str, ...]:
        names = table.get(key)
        if names is None:
            return ()
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise self._error("system", index, key, "must be a list of names, with one at least")
        return tuple(names)

    def _workload(self, table: Mapping[str, object], index: int) -> Workload:
        self._checked(table, {"name": str, "params": dict}, "workload", index)
        for key in ("name", "params"):
            if key not in table:
                raise self._error("workload", index, key, "is missing")
        params = table["params"]
        assert isinstance(params, dict)  # noqa: S101  (checked above; for the type checker)
        self._checked(params, _PARAMS, "workload", index)
        for key, allowed in (("access", ACCESSES), ("mode", MODES)):
            if params.get(key, allowed[0]) not in allowed:
                raise self._error(
                    "workload", index, key, f"is {params[key]!r}; there are: {', '.join(allowed)}"
                )
        for key in ("batch_size", "workers", "image_px"):
            if key in params:
                self._positive(params, key, "workload", index)
        return Workload(name=str(table["name"]), **params)

    def _rules(self, table: object) -> Rules:
        assert isinstance(table, dict)  # noqa: S101  (checked above; for the type checker)
        self._checked(table, _RULES, "rules", 0)
        known = dict(table)
        if "judged_scale" in known:
            known["judged_scale"] = self._scale(known, "judged_scale", "rules")
        if "memory_limit" in known:
            known["memory_limit_bytes"] = self._bytes(known.pop("memory_limit"), "memory_limit", "rules")
        return Rules(**known)

    def _checked(
        self,
        table: Mapping[str, object],
        known: Mapping[str, type | tuple[type, ...]],
        where: str,
        index: int,
    ) -> Mapping[str, object]:
        for key, value in table.items():
            if key not in known:
                raise self._error(where, index, key, f"is unknown; there are: {', '.join(known)}")
            if not isinstance(value, known[key]) or isinstance(value, bool):
                raise self._error(where, index, key, f"has the wrong type: {value!r}")
        return table

    def _tables(self, raw: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
        tables = raw[key]
        if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
            raise self._error("", 0, key, f"must be given as [[{key}]], once at least")
        return tables

    def _positive(self, table: Mapping[str, object], key: str, where: str, index: int) -> int:
        value = table[key]
        if not isinstance(value, int | float) or value <= 0:
            raise self._error(where, index, key, f"must be greater than 0, not {value!r}")
        return value if isinstance(value, int) else int(value)

    def _scale(self, table: Mapping[str, object], key: str, where: str) -> Fraction:
        value = table[key]
        try:
            return parse_scale(value if isinstance(value, str | int | float) else str(value))
        except UsageError as error:
            raise self._error(where, 0, key, str(error)) from None

    def _bytes(self, text: str, key: str, where: str) -> int:
        try:
            return parse_bytes(text)
        except UsageError as error:
            raise self._error(where, 0, key, str(error)) from None

    def _error(self, table: str, index: int, key: str, problem: str) -> SuiteError:
        where = f"[{table}]" if table == "rules" else (f"[[{table}]] {index}" if table else "top level")
        return SuiteError(f"{self._name}:{self._line(table, index, key)}: {where}, key {key!r}: {problem}")

    def _line(self, table: str, index: int, key: str) -> int:
        """Find the line of a key; the table's own line, or 1, when the key is not there."""
        current, seen, table_line = "", 0, 1
        for number, line in enumerate(self._text.splitlines(), 1):
            if header := re.match(r"\s*\[+\s*([\w.-]+)\s*\]+", line):
                seen = seen + 1 if header[1] == current else 1
                current = header[1]
                if not table and current == key:
                    return number
                if current == table and (not index or seen == index):
                    table_line = number
            elif (
                current == table
                and (not index or seen == index)
                and re.search(rf"(^|[\s{{,])[\"']?{re.escape(key)}[\"']?\s*=", line)
            ):
                return number
        return table_line
