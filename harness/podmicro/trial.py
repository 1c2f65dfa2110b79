"""One trial in a process of its own: ``python -m harness.podmicro.trial order.json`` writes ``result.json`` beside it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.podmicro._bench import Bench
from harness.podmicro._workloads import WORKLOADS
from harness.procfs import cpu_totals, own_cpu_s

__all__ = ["Order", "main"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a trial is to do. Holds a path, so it is never published."""

    workload: str
    system: str
    scale: float
    verify: bool
    folder: str

    def write(self) -> Path:
        """Write the order into its folder."""
        path = Path(self.folder) / "order.json"
        path.write_text(json.dumps(asdict(self)))
        return path


def run(order: Order) -> dict[str, object]:
    """Run the session; return samples, verdict, and the share of the machine that others took meanwhile."""
    folder = Path(order.folder)
    cpus = os.sched_getaffinity(0)
    before, own = cpu_totals(cpus), own_cpu_s()
    bench = Bench(order.system, folder, order.scale, verify=order.verify)
    WORKLOADS[order.workload].run(bench)
    after = cpu_totals(cpus)
    busy = after.busy_s - before.busy_s
    capacity = busy + after.idle_s - before.idle_s
    other = max(0.0, busy - (own_cpu_s() - own))
    verdict = bench.finish()
    return {
        "samples": bench.samples,
        "verdict": verdict,
        "other_cpu_share": other / capacity if capacity else 0.0,
        "cpus": sorted(cpus),
    }


def main(arguments: list[str]) -> int:
    """Run the trial that the file describes."""
    order = Order(**json.loads(Path(arguments[0]).read_text()))
    result = run(order)
    (Path(order.folder) / "result.json").write_text(json.dumps(result))
    shutil.rmtree(Path(order.folder) / "store", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
