"""A Dask cluster on this machine, in processes of their own: prints its address, and ends when stdin does."""

from __future__ import annotations

import json
import os
import sys

from distributed import LocalCluster

if __name__ == "__main__":
    home = {"HARNESS_HOME": os.environ["HARNESS_HOME"]}
    with LocalCluster(
        n_workers=int(sys.argv[1]),
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        env=home,
        local_directory=home["HARNESS_HOME"],
    ) as cluster:
        print(json.dumps({"address": cluster.scheduler_address}), flush=True)
        sys.stdin.read()
