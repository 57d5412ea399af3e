"""A line between an adapter and its bank that breaks, or falls silent, after so many bytes."""

from __future__ import annotations

import socket
import struct
import threading
from enum import Enum
from types import TracebackType
from typing import Self

_BLOCK = 4096


class Fault(Enum):
    """What the line does when the bytes towards the bank have run out."""

    CUT = "cut"
    SILENCE = "silence"


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Relay:
    """Passes TCP on to a port of this machine until `limit` bytes have gone there, over all connections.

    `sent` counts the bytes that went towards the bank. Without a limit it only counts.
    """

    def __init__(self, bank_port: int, limit: int | None = None, fault: Fault = Fault.CUT) -> None:
        self._bank_port, self._limit, self._fault = bank_port, limit, fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = int(self._listener.getsockname()[1])
        self.sent = 0
        self.has_failed = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *failure: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.close()
        self._hang_up()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            if self.has_failed and self._fault is Fault.CUT:
                _reset(ours)
                continue
            bank = socket.create_connection(("127.0.0.1", self._bank_port))
            with self._lock:
                self._open += [ours, bank]
            threading.Thread(target=self._towards_bank, args=(ours, bank), daemon=True).start()
            threading.Thread(target=self._towards_us, args=(bank, ours), daemon=True).start()

    def _towards_bank(self, ours: socket.socket, bank: socket.socket) -> None:
        try:
            while block := ours.recv(_BLOCK):
                with self._lock:
                    room = len(block) if self._limit is None else max(self._limit - self.sent, 0)
                    self.sent += min(room, len(block))
                bank.sendall(block[:room])
                if room < len(block):
                    self._fail()
                    if self._fault is Fault.CUT:
                        return
            bank.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _towards_us(self, bank: socket.socket, ours: socket.socket) -> None:
        try:
            while block := bank.recv(_BLOCK):
                if not self.has_failed:
                    ours.sendall(block)
            if not self.has_failed:
                ours.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _fail(self) -> None:
        self.has_failed = True
        if self._fault is Fault.CUT:
            self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            _reset(connection)


def _reset(connection: socket.socket) -> None:
    try:
        # A linger time of 0 sends RST, as a machine does that has lost the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
