"""The line between the office and a bank, which loses, cuts and delays as it was told to."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

_BLOCK = 16384


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to connections: shares between 0 and 1, and the longest delay of a block in seconds.

    `lost`: refused before a byte. `cut`: broken after some bytes in one direction, which may be
    in the middle of a file. `silenced`: the office's bytes arrive and the answer does not. `repeated`:
    a file that was brought is brought again, by whatever stands before the bank (`gateway`).
    """

    lost: float = 0.0
    cut: float = 0.0
    silenced: float = 0.0
    delay: float = 0.0
    repeated: float = 0.0


CALM = Weather()


class Line:
    """Passes TCP on to a port of this machine. `faults` counts what was done to connections."""

    def __init__(self, bank_port: int, luck: random.Random) -> None:
        self._bank_port, self._luck = bank_port, luck
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.weather = CALM
        self.faults = 0
        self._is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._is_open = False
        # A blocked accept does not always notice that its socket was closed; a call does wake it.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._listener.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            weather = self.weather
            if not self._is_open or self._luck.random() < weather.lost:
                self.faults += self._is_open
                _reset(ours)
                continue
            cut_after, answers_after = None, None
            if self._luck.random() < weather.cut:
                cut_after = self._luck.choice((self._luck.randrange(200), self._luck.randrange(30_000)))
            elif self._luck.random() < weather.silenced:
                answers_after = self._luck.randrange(8_000)
            passing = (ours, cut_after, answers_after, weather.delay)
            threading.Thread(target=self._pass_on, args=passing, daemon=True).start()

    def _pass_on(self, ours: socket.socket, cut_after: int | None, answers_after: int | None, delay: float) -> None:
        """Both directions of one connection, until one side ends it or its fault is due."""
        try:
            bank = socket.create_connection(("127.0.0.1", self._bank_port), timeout=5)
        except OSError:
            _reset(ours)
            return
        for side in (ours, bank):
            # Small packets that wait for one another would make every round trip 40 ms long.
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        passed, answered = 0, 0
        try:
            while True:
                readable, _, _ = select.select([ours, bank], [], [], 30)
                if not readable:
                    return
                for side in readable:
                    block = side.recv(_BLOCK)
                    if not block:
                        return
                    if delay:
                        time.sleep(self._luck.random() * delay)
                    if cut_after is not None and passed + len(block) > cut_after:
                        # The first part still arrives: half a file is what is to be survived.
                        (bank if side is ours else ours).sendall(block[: cut_after - passed])
                        self.faults += 1
                        return
                    passed += len(block)
                    if side is bank:
                        answered += len(block)
                        if answers_after is not None and answered > answers_after:
                            self.faults += 1
                            return
                    (bank if side is ours else ours).sendall(block)
        except OSError:
            return
        finally:
            _reset(ours)
            _reset(bank)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
