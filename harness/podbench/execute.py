"""One case in a process of its own: ``python -m harness.podbench.execute order.json`` has papermill run the notebook."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from harness.durable import write_json
from harness.home import notebook_path
from harness.podbench._order import Order
from harness.trial import execute_notebook

__all__ = ["NOTEBOOK", "main"]

NOTEBOOK = "pod/driver.ipynb"


def main(arguments: list[str]) -> int:
    """Execute the driver notebook for an order; what went wrong is written beside its result."""
    order, executed = Order.read(Path(arguments[0])), arguments[1]
    parameters: dict[str, object] = {
        "order_file": arguments[0],
        "system": order.system,
        "workload": order.workload,
        "parameters": dict(order.parameters),
        "exclude": order.exclude,
        "scale": order.scale,
        "fidelity": order.fidelity,
        "seed": order.seed,
    }
    problem = execute_notebook(str(notebook_path(NOTEBOOK)), executed, parameters, order.folder)
    gc.freeze()  # what ends now need not be searched for cycles
    if problem is None:
        return 0
    write_json(order.failed, {"reason": problem})
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
