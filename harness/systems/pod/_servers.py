"""Databases' real servers, each for one store: on loopback, with its files in the store's folder, ended with it.

PostgreSQL does not run as root. Where root starts it, it runs as another user, who may pass through the folders that
only root can see. A server ends with the process that started it, also when that is killed, where there is `setpriv`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import HarnessError, NotInstalled

__all__ = ["SERVERS", "Database", "Server"]

_HOST: Final = "127.0.0.1"
_START_S: Final = 60.0
_END_S: Final = 30.0
_ATTEMPTS: Final = 5
_POLL_S: Final = 0.02
_USERS: Final = ("postgres", "nobody")
_DEBIAN: Final = Path("/usr/lib/postgresql")
_ROLE: Final = "pod"
_CAPABILITIES: Final = ("--inh-caps", "--ambient-caps", "--bounding-set")


class Server:
    """A server that runs.

    Attributes
    ----------
    url
        What `pod.open` takes.
    pid
        Of its first process.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
        self.url = url
        self.pid = process.pid
        self._process = process
        self._stop = stop

    def close(self) -> None:
        """End it in order; if it does not, kill it."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True)
class Database:
    """One database's program.

    Attributes
    ----------
    name
        That `make peers` takes.
    program
        The server's.
    package
        Debian's, which has it.
    prepare
        Makes what the server needs in a folder, unless it is there.
    runner
        What runs the program, so that it ends by a signal when this process ends.
    command
        The program and its arguments, for a folder and a port.
    answers
        Whether the server behind a URL does.
    """

    name: str
    program: str
    package: str
    url: str
    stop: signal.Signals
    prepare: Callable[[Path], None]
    runner: Callable[[signal.Signals | None], Sequence[str]]
    command: Callable[[Path, int], Sequence[str]]
    answers: Callable[[str], bool]

    def how_to_get(self) -> str | None:
        """Say how to install it; None: it is here."""
        if _program(self.program):
            return None
        return f"apt-get install {self.package}, or: make peers PEERS={self.name}"

    def version(self) -> str:
        """Return what the program says of its version."""
        said = subprocess.run([_found(self.program), "--version"], check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def start(self, folder: Path) -> Server:
        """Start a server on a folder, and wait until it answers.

        Raises
        ------
        NotInstalled
            Its program is not on this machine.
        HarnessError
            It does not start; the message has its last words.
        """
        self.prepare(folder)
        log = folder / "server.log"
        for _attempt in range(_ATTEMPTS):  # another process may take the port first
            port = _free_port()
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [*self.runner(self.stop), *self.command(folder, port)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                )
            server = Server(self.url.format(host=_HOST, port=port), process, self.stop)
            if self._waited(server.url, process):
                return server
            server.close()
        said = log.read_text(errors="replace").strip().splitlines()
        raise HarnessError(f"{self.program} does not start on {folder}: {(said or ['it says nothing'])[-1]}")

    def _waited(self, url: str, process: subprocess.Popen[bytes]) -> bool:
        until = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < until:
            if self.answers(url):
                return True
            time.sleep(_POLL_S)
        return False


def _program(name: str) -> str | None:
    """Return where a program is: on PATH, or where Debian keeps PostgreSQL's."""
    versions = sorted(
        _DEBIAN.glob("*/bin"), key=lambda path: [int(n) for n in path.parts[-2].split(".") if n.isdigit()]
    )
    return shutil.which(name) or next(
        (found for path in reversed(versions) if (found := shutil.which(name, path=str(path)))), None
    )


def _found(name: str) -> str:
    path = _program(name)
    if path is None:
        raise NotInstalled(f"there is no {name} on PATH")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _as_child(stop: signal.Signals | None, *more: str) -> list[str]:
    """Return what makes a program end with this process."""
    helper = shutil.which("setpriv")
    ending = [] if stop is None else ["--pdeathsig", stop.name.removeprefix("SIG")]
    return [helper, *ending, *more, "--"] if helper and (ending or more) else []


# PostgreSQL


def _as_other_user(stop: signal.Signals | None) -> list[str]:
    """The same, and where this is root the program runs as somebody else, who keeps root's way through folders."""
    if os.geteuid() != 0:
        return _as_child(stop)
    user = _other_user()
    _found("setpriv")
    may = [part for kind in _CAPABILITIES for part in (kind, "-all,+dac_override")]
    return _as_child(stop, "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", *may)


def _other_user() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in _USERS if name in known)


def _prepare_postgres(folder: Path) -> None:
    data = folder / "data"
    if data.is_dir():
        return
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, _other_user().pw_uid, _other_user().pw_gid)
    command = [
        _found("initdb"),
        "-D",
        str(data),
        "-U",
        _ROLE,
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
    ]
    done = subprocess.run(
        [*_as_other_user(None), *command], check=False, capture_output=True, text=True, cwd="/"
    )
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise HarnessError(f"initdb fails on {data}: {done.stderr.strip() or done.stdout.strip()}")


def _postgres(folder: Path, port: int) -> list[str]:
    settings = {"listen_addresses": _HOST, "port": str(port), "unix_socket_directories": ""}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [_found("postgres"), "-D", str(folder / "data"), *options]


def _postgres_answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


# Redis: every write is in its file, synced, before it answers


def _prepare_redis(folder: Path) -> None:
    (folder / "data").mkdir(exist_ok=True)


def _redis(folder: Path, port: int) -> list[str]:
    settings = {
        "bind": _HOST, "port": str(port), "dir": str(folder / "data"), "appendonly": "yes", "appendfsync": "always",
        "save": "", "daemonize": "no",
    }  # fmt: skip
    return [
        _found("redis-server"),
        *(part for name, value in settings.items() for part in (f"--{name}", value)),
    ]


def _redis_answers(url: str) -> bool:
    import redis

    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:  # also while it reads its file
        return False
    finally:
        client.close()


_POSTGRESQL: Final = Database(
    name="postgresql",
    program="postgres",
    package="postgresql",
    url=f"postgresql://{_ROLE}@{{host}}:{{port}}/postgres",
    stop=signal.SIGINT,
    prepare=_prepare_postgres,
    runner=_as_other_user,
    command=_postgres,
    answers=_postgres_answers,
)
_REDIS: Final = Database(
    name="redis",
    program="redis-server",
    package="redis-server",
    url="redis://{host}:{port}/0",
    stop=signal.SIGTERM,
    prepare=_prepare_redis,
    runner=_as_child,
    command=_redis,
    answers=_redis_answers,
)
SERVERS: Final[Mapping[str, Database]] = {database.name: database for database in (_POSTGRESQL, _REDIS)}
