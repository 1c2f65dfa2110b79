"""A save that goes on after the call returned: in a forked process, or in a thread. And one that did not need to."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from pod.errors import PodError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pod.store._report import SaveReport


class Running(Protocol):
    def wait(self, timeout_s: float | None) -> SaveReport | BaseException | None:
        """Return the outcome, None if it is not there in time."""


class SaveFuture:
    """The outcome of `save_async`, when it is there."""

    def __init__(self, running: Running, settled: Callable[[SaveReport | BaseException], None]) -> None:
        """`settled` is called with the outcome once it is there, and again should that be interrupted."""
        self._running = running
        self._settled = settled
        self._outcome: SaveReport | BaseException | None = None
        self._waiting = threading.RLock()  # of several that wait, one looks

    def _wait(self, timeout_s: float | None) -> SaveReport | BaseException:
        until = None if timeout_s is None else time.monotonic() + timeout_s
        if not self._waiting.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            raise TimeoutError("the save is still running")
        try:
            if self._outcome is None:
                outcome = self._running.wait(None if until is None else max(0.0, until - time.monotonic()))
                if outcome is None:
                    raise TimeoutError("the save is still running")
                self._settled(outcome)
                self._outcome = outcome
            return self._outcome
        finally:
            self._waiting.release()

    def result(self, timeout_s: float | None = None) -> SaveReport:
        """Wait for the save and return its report.

        Raises
        ------
        TimeoutError
            It is not done in time.
        Exception
            Whatever the save raised.
        """
        outcome = self._wait(timeout_s)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def exception(self, timeout_s: float | None = None) -> BaseException | None:
        """Wait for the save and return what it raised, None if it went well."""
        outcome = self._wait(timeout_s)
        return outcome if isinstance(outcome, BaseException) else None

    def done(self) -> bool:
        """Say whether the save has ended."""
        try:
            self._wait(0)
        except TimeoutError:
            return False
        return True


def may_fork() -> bool:
    """Say whether a fork is safe: no other Python thread runs, and no notebook's kernel."""
    return hasattr(os, "fork") and threading.active_count() == 1 and "ipykernel" not in sys.modules


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the calling thread meet a Ctrl-C afterwards, and a process that it forks never: all of a terminal's are sent it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Forked:
    """A save in a forked process, which sees the memory as it was.

    Raises
    ------
    OSError
        There is no memory for a process, or there are too many.
    """

    def __init__(self, save: Callable[[], SaveReport]) -> None:
        self._parts: list[bytes] = []
        self._outcome: SaveReport | BaseException | None = None
        self._read, write = os.pipe()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads that run no Python
                self._process = os.fork()
        except BaseException:
            os.close(self._read)
            os.close(write)
            raise
        if self._process == 0:
            _save_and_exit(save, write)
        os.close(write)

    def wait(self, timeout_s: float | None) -> SaveReport | BaseException | None:
        """Return what the process sends."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while self._outcome is None:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._read], [], [], left)[0]:
                return None
            part = os.read(self._read, 1 << 16)
            if part:
                self._parts.append(part)
            else:
                self._end()
        return self._outcome

    def _end(self) -> None:
        """Take the outcome from what the process has sent; it may have been waited for by somebody else."""
        status = "unknown"
        with suppress(ChildProcessError):
            status = str(os.waitpid(self._process, 0)[1])
        self._outcome = _unpacked(b"".join(self._parts), status)
        os.close(self._read)


def _save_and_exit(save: Callable[[], SaveReport], write: int) -> None:
    """Save, send the outcome, and leave without what belongs to the parent."""
    status = 1
    try:
        try:
            outcome: object = save()
        except BaseException as error:  # noqa: BLE001  (the parent raises it)
            outcome = error
        data = _packed(outcome)
        while data:
            data = data[os.write(write, data) :]
        status = 0
    finally:
        os._exit(status)


def _packed(outcome: object) -> bytes:
    try:
        data = pickle.dumps(outcome)
        pickle.loads(data)  # noqa: S301  (an error may be picklable and not come back)
    except Exception:  # noqa: BLE001  (then its text has to do)
        data = pickle.dumps(PodError(f"{type(outcome).__name__}: {outcome}"))
    return data


def _unpacked(data: bytes, status: str) -> SaveReport | BaseException:
    try:
        outcome: SaveReport | BaseException = pickle.loads(data)  # noqa: S301  (from our own fork)
    except Exception:  # noqa: BLE001  (nothing, or not all of it: `_packed` has tried the rest)
        return StoreUnavailable(f"the process that saved ended early, with status {status}")
    return outcome


class Threaded:
    """What is left of a save, in a thread. `start` it once whoever needs to knows of it."""

    def __init__(self, finish: Callable[[], SaveReport]) -> None:
        self._finish = finish
        self._outcome: SaveReport | BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pod-save")
        self._turn = threading.Lock()  # whoever takes it first says whether the thread does anything

    def start(self) -> None:
        """Start the thread; should that raise, `cancel` says whether it may run all the same."""
        self._thread.start()

    def cancel(self) -> bool:
        """Keep the thread from doing anything; False: it has begun."""
        return self._turn.acquire(blocking=False)

    def _run(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._outcome = self._finish()
        except BaseException as error:  # noqa: BLE001  (whoever asks for the result gets it)
            self._outcome = error

    def wait(self, timeout_s: float | None) -> SaveReport | BaseException | None:
        """Return what the thread came to."""
        self._thread.join(timeout_s)
        return None if self._thread.is_alive() else self._outcome


class Done:
    """A save that ended before its call did."""

    def __init__(self, outcome: SaveReport | BaseException) -> None:
        self._outcome = outcome

    def wait(self, timeout_s: float | None) -> SaveReport | BaseException | None:
        """Return the outcome."""
        return self._outcome
