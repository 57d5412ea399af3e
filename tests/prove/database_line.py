"""The line to a PostgreSQL server, which breaks where it hurts: at the end of a transaction."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from contextlib import suppress
from enum import Enum

#: How a transaction begins that reads one snapshot and writes nothing.
_READING = b"REPEATABLE READ"
#: A simple query that says nothing but COMMIT, as libpq sends it; the start of the server's word that it was done.
_COMMIT, _COMMITTED = b"Q\x00\x00\x00\x0bCOMMIT\x00", b"C\x00\x00\x00\x0bCOMMIT\x00"
_BLOCK = 65536
#: How long the server may take to commit before the line breaks all the same, in seconds.
_PATIENCE = 20


class Loss(Enum):
    """What is lost of a COMMIT. Who sent it sees the same: the line broke."""

    #: The server has committed when the line breaks; its answer is lost.
    ANSWER = "answer"
    #: The server never hears of it.
    REQUEST = "request"


class DatabaseLine:
    """Passes TCP on to a server's port, and breaks at the COMMITs of writers that it was told of.

    `commits` counts those that came by, over all connections; `losses` those at which it broke.
    """

    def __init__(self, server_port: int, luck: random.Random | None = None) -> None:
        self._server_port, self._luck = server_port, luck or random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._is_open = True
        self._due: dict[int, Loss] = {}
        #: How likely it breaks at any COMMIT, 0 to 1.
        self.roughness = 0.0
        self.commits = 0
        self.losses = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, which: int, loss: Loss) -> None:
        """Break at the `which`-th COMMIT from now on, 1 for the next."""
        with self._lock:
            self._due = {self.commits + which: loss}

    def close(self) -> None:
        self._is_open = False
        with suppress(OSError):  # a call wakes who waits for one
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._listener.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            if not self._is_open:
                ours.close()
                return
            threading.Thread(target=self._pass_on, args=(ours,), daemon=True).start()

    def _pass_on(self, ours: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), timeout=5)
        except OSError:
            _reset(ours)
            return
        server.settimeout(None)
        for side in (ours, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_reading = False
        try:
            while True:
                for side in select.select([ours, server], [], [])[0]:
                    block = side.recv(_BLOCK)
                    if not block:
                        return
                    if side is ours and b"BEGIN" in block:
                        is_reading = _READING in block
                    loss = self._at_commit(block) if side is ours and not is_reading else None
                    if loss is Loss.REQUEST:
                        return
                    (server if side is ours else ours).sendall(block)
                    if loss is Loss.ANSWER:
                        _await_commit(server)
                        return
        except OSError:
            return
        finally:
            _reset(ours)
            _reset(server)

    def _at_commit(self, block: bytes) -> Loss | None:
        if _COMMIT not in block:
            return None
        with self._lock:
            self.commits += 1
            loss = self._due.pop(self.commits, None)
            if loss is None and self._luck.random() < self.roughness:
                loss = self._luck.choice(list(Loss))
            self.losses += loss is not None
            return loss


def _await_commit(server: socket.socket) -> None:
    """Until the server says that it committed, or would not."""
    server.settimeout(_PATIENCE)
    answer = b""
    while _COMMITTED not in answer and b"Z\x00\x00\x00\x05I" not in answer:
        block = server.recv(_BLOCK)
        if not block:
            return
        answer += block


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
