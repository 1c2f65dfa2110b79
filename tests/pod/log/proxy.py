"""A proxy before a server, which can lose an answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Thread

_GRACE_S = 0.5


class Proxy:
    """Takes connections on loopback and passes all on, until it sees `last_words` of a client.

    These are passed on, too; but all connections end before their answer has come back.
    """

    def __init__(self, connect: Callable[[], socket.socket], last_words: bytes) -> None:
        self._connect = connect
        self._last_words = last_words
        self.armed = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            self._pairs.append((client, server))
            for source, target, watched in ((client, server, True), (server, client, False)):
                thread = Thread(target=self._pass, args=(source, target, watched), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        seen = b""
        try:
            while data := source.recv(1 << 16):
                seen = (seen + data)[-(1 << 17) :]
                if watched and self.armed and self._last_words in seen:
                    self.armed = False
                    self.cuts += 1
                    self._deaf(target, data)
                    return
                target.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, target):
                each.close()

    def _deaf(self, server: socket.socket, data: bytes) -> None:
        """Let the server have its last words, and the clients no answer."""
        for client, _ in self._pairs:
            client.shutdown(socket.SHUT_RDWR)
        server.sendall(data)
        time.sleep(_GRACE_S)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            for each in pair:
                each.close()
        for thread in self._threads:
            thread.join(10)
