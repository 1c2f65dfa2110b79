"""The run's S3 server, as seen from a trial in another process: counters, CPU seconds, profile, warm files.

The run holds the server; the trial asks for numbers at each epoch's ends. One JSON line each way over a socket on
loopback. A trial without a server (nothing but tmpfs) has no probe.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import TrialFailed

if TYPE_CHECKING:  # a trial asks through this module, and has no use for the server itself
    from harness.s3 import S3Server

__all__ = ["Probe", "ServerReading", "serve_probe", "warm_files"]

_TIMEOUT_S: Final = 300.0
_BLOCK: Final = 8 << 20
COUNTED: Final = ("get", "head", "list", "put", "delete", "other", "bytes_out", "bytes_in", "errors")


@dataclass(frozen=True, slots=True)
class ServerReading:
    """The server's counters at one moment; None where it cannot tell."""

    counters: Mapping[str, int] | None
    usd: float | None
    cpu_s: float | None

    def since(self, before: ServerReading) -> dict[str, float] | None:
        """Return what was asked of the server since `before`, in the words of a result."""
        if self.counters is None or before.counters is None:
            return None
        spent = {name: self.counters[name] - before.counters[name] for name in COUNTED}
        return {
            "get": spent["get"],
            "head": spent["head"],
            "list": spent["list"],
            "put": spent["put"],
            "other": spent["delete"] + spent["other"],
            "errors": spent["errors"],
            "bytes": spent["bytes_out"],
            "usd": round((self.usd or 0.0) - (before.usd or 0.0), 9),
        }


def warm_files(folder: Path) -> int:
    """Read every file below a folder once, so that the server's own disk is not what a cold epoch measures."""
    total = 0
    buffer = bytearray(_BLOCK)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    total += count
    return total


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, s3: S3Server, data: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.s3 = s3
        self.data = data


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            try:
                answer = self._answer(json.loads(line))
            except Exception as error:  # noqa: BLE001  (whatever it is, the trial says it)
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _answer(self, question: Mapping[str, str]) -> dict[str, object]:
        if question["ask"] == "read":
            counters = self.server.s3.counters()
            return {
                "counters": {name: getattr(counters, name) for name in COUNTED} if counters else None,
                "usd": counters.usd if counters else None,
                "cpu_s": self.server.s3.cpu_s(),
            }
        if question["ask"] == "profile":
            self.server.s3.set_profile(question["name"])
            return {}
        return {"bytes": warm_files(self.server.data) if self.server.data else 0}


@contextlib.contextmanager
def serve_probe(s3: S3Server, data: Path | None) -> Iterator[int]:
    """Answer trials until the block ends; yields the port."""
    server = _Server(s3, data)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Probe:
    """The trial's end. Without a port it knows no server and answers nothing."""

    def __init__(self, port: int | None) -> None:
        self._port = port

    def _ask(self, question: Mapping[str, str]) -> dict[str, object]:
        with socket.create_connection(("127.0.0.1", self._port or 0), timeout=_TIMEOUT_S) as link:
            link.sendall(json.dumps(question).encode() + b"\n")
            with link.makefile("rb") as lines:
                answer: dict[str, object] = json.loads(lines.readline() or b'{"error": "closed"}')
        if "error" in answer:
            raise TrialFailed(f"the S3 server's probe: {answer['error']}")
        return answer

    @property
    def present(self) -> bool:
        """Whether there is a server to ask."""
        return self._port is not None

    def read(self) -> ServerReading:
        """Return the server's counters now."""
        if not self.present:
            return ServerReading(None, None, None)
        answer = self._ask({"ask": "read"})
        counters, usd, cpu = answer["counters"], answer["usd"], answer["cpu_s"]
        return ServerReading(
            counters={str(k): int(v) for k, v in counters.items()} if isinstance(counters, dict) else None,
            usd=float(usd) if isinstance(usd, int | float) else None,
            cpu_s=float(cpu) if isinstance(cpu, int | float) else None,
        )

    def set_profile(self, name: str) -> None:
        """Switch the simulated network's profile."""
        if self.present:
            self._ask({"ask": "profile", "name": name})

    def warm(self) -> int:
        """Have the server's files read into the page cache again; return their bytes."""
        if not self.present:
            return 0
        answer = self._ask({"ask": "warm"})["bytes"]
        return answer if isinstance(answer, int) else 0
