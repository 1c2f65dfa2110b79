"""``python -m harness.s3.sim``: what `start_s3` starts; people use ``harness s3 sim``.

The first line on stdout is JSON, ``{"port": …, "pid": …}``, written when the server listens.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.s3._control import model_from_json
from harness.s3._errors import S3ServerError
from harness.s3._run_sim import SimOptions, run_sim

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end; returns the exit status."""
    parser = argparse.ArgumentParser(prog="harness.s3.sim", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--model", default='{"name": "none"}', help="JSON: a profile's name and what differs from it"
    )
    parser.add_argument("--bucket", default="bench")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpus", default="", help="comma list; default: any")
    parser.add_argument("--ends-with-stdin", action="store_true")
    args = parser.parse_args(argv)
    if args.cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in args.cpus.split(",")})
    try:
        options = SimOptions(
            folder=args.folder,
            model=model_from_json(json.loads(args.model)),
            host=args.host,
            port=args.port,
            bucket=args.bucket or None,
            log=args.log,
            seed=args.seed,
            ends_with_stdin=args.ends_with_stdin,
        )
        run_sim(options, lambda port: print(json.dumps({"port": port, "pid": os.getpid()}), flush=True))
    except (S3ServerError, TypeError, ValueError) as error:
        print(f"harness s3 sim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
