"""One trial in a process of its own: ``python -m harness.podbench.trial order.json`` writes ``result.json`` beside it.

The session and the warm loads come first. Then the process replaces itself by a fresh interpreter, whose memory holds
nothing of them, and that opens the store anew and does the same loads cold.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harness.durable import write_json
from harness.errors import HarnessError
from harness.kernelcache import Proof, evict
from harness.podbench._judge import ReferenceJudge
from harness.podbench._known import reference_of, workload_of
from harness.podbench._loads import Loads, measure_loads
from harness.podbench._order import Order
from harness.podbench._session import Session, other_cpu_share
from harness.systems.pod import has_server, open_system, outlives_process

__all__ = ["main", "run_cold", "run_warm"]

_COLD: Final = "--cold"
_SERVED: Final = (
    "the database's server was started anew for these loads, and keeps in memory what they have read"
)


def _judge(order: Order, *, code: bool) -> ReferenceJudge:
    partial = workload_of(order).partial
    return ReferenceJudge(reference_of(order), partial=partial, code=code, exclude=order.exclude)


def run_warm(order: Order) -> dict[str, Any]:
    """Run the session and load each version in the same process, which still has everything at hand."""
    cells = workload_of(order).cells(order.parameters)
    excluded = reference_of(order).excluded if order.exclude else ()
    system = open_system(order.system, order.store, fidelity=order.fidelity)
    try:
        session = Session(system, excluded)
        system.seed(order.seed)  # after it was opened, which may draw numbers, too
        cpus = os.sched_getaffinity(0)
        share = other_cpu_share(cpus, lambda: session.run(cells, collect=order.fidelity != "paper"))
        loads = measure_loads(
            system, session.versions, _judge(order, code=system.saves_code), session.unsaved, order.seed
        )
    finally:
        system.close()
    return {
        "versions": session.versions,
        "samples": session.samples,
        "unsaved": {name: why for one in session.unsaved for name, why in one.items()},
        "unsaved_counts": [len(one) for one in session.unsaved],
        "unsaved_names": [sorted(one) for one in session.unsaved],
        "cpus": sorted(cpus),
        "other_cpu_share": round(share, 4),
        "warm": loads.as_json(),
    }


def run_cold(order: Order, before: dict[str, Any]) -> dict[str, Any]:
    """Open the store that another process has left, and load each version once more; its pages are dropped before each.

    The proof is the worst of all. A database's server lives from the first load to the last, as its users' does.
    """
    if not outlives_process(order.system):
        gone = Proof(reset=False, proof="not loaded: nothing is left by the process that saved")
        return {**Loads().as_json(), "open_s": 0.0, "page_cache": gone.as_json()}
    proofs = [_forget(order.store)]
    begin = time.perf_counter()
    system = open_system(order.system, order.store, fidelity=order.fidelity, existing=True)
    opened_s = time.perf_counter() - begin
    try:
        loads = measure_loads(
            system,
            before["versions"],
            _judge(order, code=system.saves_code),
            before["unsaved_names"],
            order.seed,
            lambda: proofs.append(_forget(order.store)),
        )
    finally:
        system.close()
    worst = min(proofs, key=lambda proof: proof.reset)
    if has_server(order.system):
        worst = replace(worst, proof=f"{worst.proof}; {_SERVED}")
    return {**loads.as_json(), "open_s": opened_s, "page_cache": worst.as_json()}


def _forget(store: Path) -> Proof:
    """Have the kernel forget the store's files; those of libraries stay, for everyone alike."""
    gc.collect()
    return evict(path for path in sorted(store.rglob("*")) if path.is_file())


def main(arguments: list[str]) -> int:
    """Run the trial that the file describes; what a system or a workload did wrong is one line in the log."""
    order = Order.read(Path(arguments[0]))
    try:
        if _COLD in arguments:
            result = json.loads(order.result.read_text())
            write_json(order.result, {**result, "cold": run_cold(order, result)})
            return 0
        write_json(order.result, run_warm(order))
    except HarnessError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code
    sys.stdout.flush()
    # The interpreter is replaced: nothing comes back from here.
    return os.execv(sys.executable, [sys.executable, "-m", "harness.podbench.trial", arguments[0], _COLD])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
