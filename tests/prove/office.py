"""One office process: the API behind an HTTP server, and the scheduler's ticker, as `paysvc serve` has them.

It differs from that command in three things: its clock is shared with whoever proves, so that a
month takes seconds; it ticks whenever that clock moved, instead of every few seconds; and
it was forked from a process that had loaded everything, so that thousands can be killed in an hour.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from paysvc import failpoints
from paysvc.config import read_settings
from paysvc.scheduler import Ticker, process_name
from paysvc.web.app import create_app
from paysvc.web.observing import configure_logging
from paysvc.wiring import wire

from . import bugs
from .shared_clock import SharedClock

#: How long a process that has nothing to do waits before it looks at the clock again, in seconds.
_GLANCE = 0.002


@dataclass(frozen=True, slots=True)
class Orders:
    """What an office process is told at its start.

    `cell` is where it shows, in the clock's file, the time up to which it has ticked. `bug`
    names a seeded fault that is built in first, or is "".
    """

    home: Path
    database_url: str
    clock: Path
    cell: int
    bug: str = ""


class _Quiet(WSGIRequestHandler):
    def log(self, *words: object) -> None:
        """Requests are logged by the application, without anybody's data; not here once more."""


def run(orders: Orders, line: Connection) -> None:
    """Work until killed. Sends its port when it can be spoken to; what comes in is where it shall
    fail from now on (as `PAYSVC_FAILPOINTS` says it), and is answered when it is heard."""
    log = os.open(orders.home / "office.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    bugs.build_in(orders.bug)
    _arm(orders, "")
    configure_logging("WARNING")
    clock = SharedClock(orders.clock)
    wiring = wire(read_settings(home=orders.home, database_url=orders.database_url), clock)
    server = make_server("127.0.0.1", 0, create_app(wiring), threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ticker = Ticker(wiring, process_name())
    line.send(server.port)
    threading.Thread(target=_listen, args=(orders, line), daemon=True).start()
    while True:
        moment = clock.ticks()
        if clock.cell(orders.cell) != moment:
            _survive(ticker)
            clock.put(orders.cell, moment)
        time.sleep(_GLANCE)


def _listen(orders: Orders, line: Connection) -> None:
    while True:
        try:
            wish = line.recv()
        except (EOFError, OSError):
            return
        _arm(orders, wish)
        line.send(wish)


def _arm(orders: Orders, wish: str) -> None:
    failpoints.arm({"PAYSVC_FAILPOINTS": wish, "PAYSVC_FAILPOINTS_SEEN": str(orders.home / "seen")})


def _survive(ticker: Ticker) -> None:
    try:
        ticker.tick()
    except Exception as failure:  # noqa: BLE001  # as the scheduler does: it is asked for at the next tick
        sys.stderr.write(f"no tick: {type(failure).__name__}\n")
