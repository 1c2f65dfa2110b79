"""What a version measures, independent of any system.

Bytes
    The length of one pickle (protocol 5, cloudpickle's rules for functions and classes) of the dict of all variables:
    what a system that saves everything writes. Buffers of arrays are counted, not copied.
Objects
    The objects that the pickler puts into its memo while it does so, but for the dict and its names: every str, bytes,
    list, dict, tuple, array, instance and class that is met, once. Numbers, None and empty tuples have no place in it.
New bytes
    Each variable is pickled alone and taken apart into units: the buffers of arrays; arrays of objects; what remains, as
    one. A unit whose content (digest) no earlier version had, and no earlier unit of this one, is new.
Mutation rate
    From the new bytes of all versions, with the published formula: what each save after the first adds to a store that
    keeps every unit once, as a share of a mean snapshot.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np
from blake3 import blake3

__all__ = ["Measure", "Measured", "mutation_rate"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One version."""

    snapshot_bytes: int
    objects: int
    new_bytes: int
    sizes: Mapping[str, int]
    """Pickled bytes of each variable alone; one that cannot be pickled has -1, and is in no other figure."""


class Measure:
    """Measures the versions of a session, in order."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def look(self, variables: Mapping[str, object]) -> Measured:
        """Return what the next version measures."""
        sizes, new = {}, 0
        for name, value in variables.items():
            units = _units(value)
            sizes[name] = -1 if units is None else sum(length for _, length in units)
            for digest, length in units or ():
                if digest not in self._known:
                    self._known.add(digest)
                    new += length
        snapshot_bytes, objects = _snapshot(
            {name: variables[name] for name, size in sizes.items() if size >= 0}
        )
        return Measured(snapshot_bytes, objects, new, sizes)


def mutation_rate(versions: Sequence[Measured]) -> float:
    """Return the mutation rate of a session."""
    everything = sum(version.snapshot_bytes for version in versions)
    new = sum(version.new_bytes for version in versions)
    return (len(versions) * new / everything - 1) / (len(versions) - 1)


def _snapshot(variables: dict[str, object]) -> tuple[int, int]:
    buffers: list[int] = []

    def count(buffer: pickle.PickleBuffer) -> None:
        buffers.append(buffer.raw().nbytes)

    stream = io.BytesIO()
    pickler = cloudpickle.Pickler(stream, protocol=5, buffer_callback=count)
    pickler.dump(variables)
    own = 1 + len({id(name) for name in variables})
    return stream.getbuffer().nbytes + sum(buffers), len(pickler.memo.copy()) - own


def _units(value: object) -> list[tuple[bytes, int]] | None:
    """Return the units of a variable: digest and length; None when it cannot be pickled."""
    found: list[tuple[bytes, int]] = []
    try:
        _Taker(found).take(value)
    except Exception:  # noqa: BLE001 - an object's own code raises what it likes
        return None
    return found


class _Taker(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles one unit; other units within it are pickled apart."""

    def __init__(self, found: list[tuple[bytes, int]]) -> None:
        self._stream = io.BytesIO()
        self._found = found
        super().__init__(self._stream, protocol=5, buffer_callback=self._add)

    def take(self, value: object) -> None:
        self.dump(value)
        self._add(self._stream.getbuffer())

    def persistent_id(self, value: Any) -> object:
        if type(value) is not np.ndarray or not value.dtype.hasobject:
            return None
        _Taker(self._found).take((value.shape, value.dtype.str, value.ravel("K").tolist()))
        return ("array of objects", len(self._found))

    def _add(self, buffer: pickle.PickleBuffer | memoryview) -> None:
        data = buffer.raw() if isinstance(buffer, pickle.PickleBuffer) else buffer
        self._found.append((blake3(data).digest(16), data.nbytes))
