"""What is lost with an object that cannot be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.store._host import type_name
from pod.store._report import Unsaved

if TYPE_CHECKING:
    from pod.graph import Pod
    from pod.store._record import Bound


def drop_broken(
    bound: dict[str, Bound],
    pods: dict[int, Pod],
    owners: dict[int, int],
    lost: dict[str, Unsaved],
    current: dict[str, object],
) -> None:
    """Report the variables whose pods refer to an object that could not be saved."""
    causes = [lost.pop(key) for key in list(lost) if key.startswith("\0")]
    if not causes and not lost:
        return
    broken = {oid for oid, pod in pods.items() if any(found not in owners for found in pod.references)}
    grown = True
    while grown:
        more = {
            oid
            for oid, pod in pods.items()
            if oid not in broken and any(owners.get(found) in broken for found in pod.references)
        }
        broken |= more
        grown = bool(more)
    reason = causes[0].reason if causes else "it refers to an object that could not be saved"
    for name, known in list(bound.items()):
        if known.oid is not None and (known.oid not in owners or owners[known.oid] in broken):
            del bound[name]
            if not known.hidden:
                lost[name] = Unsaved(name, type_name(current[name]), reason)
