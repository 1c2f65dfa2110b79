"""Real servers for the tests of databases' backends, each with a password, in a folder of its own and gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import redis

PASSWORD = "s3cret-of/the@tests"
QUOTED = "s3cret-of%2Fthe%40tests"
_PATIENCE_S = 60.0
_numbers = count(1)


@cache
def postgres_program(name: str) -> str | None:
    """Return the newest of PostgreSQL's programs of that name: Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


def _stranger() -> str | None:
    """Return a user that is not root."""
    known = {each.pw_name for each in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


@dataclass
class Server:
    """A server that can be stopped, killed and started again.

    Attributes
    ----------
    command
        What it runs.
    url
        Of its database, with the password.
    is_up
        Whether it answers.
    """

    command: Sequence[str]
    url: str
    is_up: Callable[[], bool]
    folder: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None
    stop_signal: int = signal.SIGTERM

    def start(self) -> None:
        """Start it, again if need be: children of a PostgreSQL server that was killed may live for a moment."""
        until = time.monotonic() + _PATIENCE_S
        self._launch()
        while not self.is_up():
            if time.monotonic() > until:
                self.stop()
                raise RuntimeError((self.folder / "server.log").read_text())
            if self.process is not None and self.process.poll() is not None:
                time.sleep(0.5)
                self._launch()
            time.sleep(0.02)

    def _launch(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_mortal(), *self.command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **as_user(self.user),
            )  # fmt: skip

    def stop(self, how: int | None = None) -> None:
        """End it by its process id."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(self.stop_signal if how is None else how)
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def store(self) -> str:
        """Return the URL of a store that nobody has used."""
        sign = "&" if "?" in self.url else "?"
        return f"{self.url}{sign}store=test{next(_numbers)}"


def _mortal() -> list[str]:
    """Return what a command is run by so that it ends with this process, however that ends."""
    return ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []


def as_user(user: str | None) -> dict[str, Any]:
    """Return what `subprocess` takes to run something as another user."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@contextmanager
def folder_of(user: str | None) -> Iterator[Path]:
    """A short path, for names of sockets have 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="pod-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server(*options: str) -> Iterator[Server]:
    """A server on a unix socket."""
    user = None if os.geteuid() else _stranger()
    with folder_of(user) as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user is not None:
            shutil.chown(secret, user)
        initdb, postgres = postgres_program("initdb"), postgres_program("postgres")
        assert initdb is not None
        assert postgres is not None
        made = subprocess.run(
            [initdb, "-D", folder / "data", "-U", "pod", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=False, capture_output=True, text=True, cwd=folder, **as_user(user),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        url = f"postgresql://pod:{QUOTED}@/postgres?host={folder}"

        def is_up() -> bool:
            try:
                psycopg.connect(url, connect_timeout=5).close()
            except psycopg.OperationalError:
                return False
            return True

        command = [
            postgres,
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
            *options,
        ]
        server = Server(command, url, is_up, folder, user, stop_signal=signal.SIGINT)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            _remove_shared_memory(user, folder)


def _remove_shared_memory(user: str | None, folder: Path) -> None:
    """A killed server leaves a segment of System V's, which the next one on its folder removes."""
    segment = folder / "data" / "postmaster.pid"
    if segment.exists():
        with_segment = segment.read_text().split("\n")
        if len(with_segment) > 6 and with_segment[6].split():
            subprocess.run(["ipcrm", "-m", with_segment[6].split()[1]], check=False, capture_output=True)


@contextmanager
def redis_server(*options: str, durable: bool = True) -> Iterator[Server]:
    """A server on loopback."""
    with folder_of(None) as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]

        def is_up() -> bool:
            try:
                with redis.Redis("127.0.0.1", port, password=PASSWORD) as client:
                    return bool(client.ping())
            except (redis.ConnectionError, redis.ResponseError):
                return False

        command = [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(folder / "redis.sock"),
            "--dir", str(folder), "--requirepass", PASSWORD, "--save", "", *settings, *options,
        ]  # fmt: skip
        server = Server(command, f"redis://:{QUOTED}@127.0.0.1:{port}/0", is_up, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
