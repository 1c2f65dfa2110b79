"""``python -m harness.s3._guard COMMAND…``: run a program that must not outlive the harness.

The program is ended when stdin closes, which happens when the parent ends, however it ends. Should this guard itself be
killed, the kernel kills the program (PR_SET_PDEATHSIG, where there is one). The first line on stdout is JSON, ``{"pid": …}``.

Why a process: PR_SET_PDEATHSIG fires when the *thread* that forked ends, so a library cannot rely on it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
from collections.abc import Sequence

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="harness.s3._guard", description=__doc__)
    parser.add_argument("--cpus", default="", help="comma list; default: any")
    parser.add_argument("--grace-s", type=float, default=5.0, help="between SIGTERM and SIGKILL")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args(argv)
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(args.command, args.cpus, guard)
    print(json.dumps({"pid": pid}), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.kill(pid, signal.SIGTERM))
    _wait_for_an_end(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, args.grace_s)
    _, status = os.waitpid(pid, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


def _become(command: Sequence[str], cpus: str, guard: int) -> None:
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpus:
                os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
        if os.getppid() == guard:
            stdin = os.open(os.devnull, os.O_RDONLY)
            os.dup2(stdin, 0)
            os.dup2(2, 1)
            os.setpgid(0, 0)
            os.execvp(command[0], list(command))  # noqa: S606  (no shell is meant)
    except OSError as error:
        print(f"cannot run {command[0]}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def _wait_for_an_end(pid: int) -> None:
    """Until the parent closes stdin or the program ends."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(read_end, selectors.EVENT_READ)
        while True:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            for key, _ in selector.select():
                if not os.read(key.fd, 4096):
                    return


if __name__ == "__main__":
    sys.exit(main())
