"""One piece of work of the office as one process: a request, a tick of the scheduler, or a command line.

The process is forked from one that has loaded everything, does that piece alone, says how it
ended, and ends. What it does is what `paysvc serve` and `paysvc …` do with it; only the clock is shared.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from paysvc import failpoints
from paysvc.cli import office as cli_office
from paysvc.cli.main import paysvc as command_line
from paysvc.config import Settings, read_settings
from paysvc.domain.errors import PaysvcError
from paysvc.scheduler import Ticker, process_name
from paysvc.web.app import create_app
from paysvc.web.observing import configure_logging
from paysvc.wiring import Wiring, wire

from . import bugs
from .shared_clock import SharedClock

#: How a piece of work is said to have ended; as HTTP has it, for the other two as well.
DONE, REFUSED, BROKEN = 200, 409, 500
#: The refusal that says that it is unknown whether it was done: the line to the database broke.
_LOST = "database_unreachable"

_prepared: list[Flask] = []


@dataclass(frozen=True, slots=True)
class Request:
    """An officer's request; `more` are `headers`, `params`, `json` and `content` as httpx takes them."""

    method: str
    path: str
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of the scheduler, by a process that lets the lease go afterwards."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: what is typed after `paysvc`."""

    words: tuple[str, ...]


Work = Request | Tick | Command


@dataclass(frozen=True, slots=True)
class Errand:
    """What a process is told. `bug` names a seeded fault, or is ""; `failpoints` is as `PAYSVC_FAILPOINTS`."""

    home: Path
    database_url: str
    clock: Path
    bug: str
    failpoints: str
    work: Work


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended: a status of HTTP and the body; a refusal has its `code` in a JSON object."""

    status: int
    content: bytes = b"{}"


def prepare() -> None:
    """Make the application once, in the process from which the others are forked: it takes a fifth of a second."""
    # It is given its wiring by the process that answers with it, and asks for it at each request.
    app = create_app(cast("Wiring", None))
    configure_logging("WARNING")
    for path in ("/openapi.json", "/cycles"):  # what is loaded at the first request
        app.test_client().get(path)
    _prepared.append(app)


def run(errand: Errand, line: Connection) -> None:
    """Do the work and say through `line` how it ended, unless this process is killed before."""
    log = os.open(errand.home / "office.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    bugs.build_in(errand.bug)
    configure_logging("WARNING")
    failpoints.arm({"PAYSVC_FAILPOINTS": errand.failpoints, "PAYSVC_FAILPOINTS_SEEN": str(errand.home / "seen")})
    clock = SharedClock(errand.clock)
    try:
        ending = _done(errand, clock)
    except PaysvcError as refusal:
        status = BROKEN if refusal.code == _LOST else REFUSED
        ending = Ending(status, json.dumps({"code": refusal.code, "message": refusal.message}).encode())
    except (OSError, SQLAlchemyError) as failure:
        sys.stderr.write(f"broken off: {type(failure).__name__}\n")
        ending = Ending(BROKEN)
    line.send(ending)


def _done(errand: Errand, clock: SharedClock) -> Ending:
    if isinstance(errand.work, Command):
        return _command(errand, errand.work, clock)
    wiring = wire(read_settings(home=errand.home, database_url=errand.database_url), clock)
    try:
        return _tick(wiring) if isinstance(errand.work, Tick) else _request(wiring, errand.work, bool(errand.bug))
    finally:
        wiring.close()


def _request(wiring: Wiring, asked: Request, is_changed: bool) -> Ending:
    # What was prepared has its views from before a fault was built in.
    app = create_app(wiring) if is_changed or not _prepared else _prepared[0]
    app.extensions["paysvc"] = wiring
    more = asked.more
    answer = app.test_client().open(
        asked.path,
        method=asked.method,
        headers=dict(more["headers"]),
        query_string=more.get("params"),
        json=more.get("json"),
        data=more.get("content"),
    )
    return Ending(answer.status_code, answer.get_data())


def _tick(wiring: Wiring) -> Ending:
    """As the scheduler does: what fails is asked for at the next tick."""
    ticker, status = Ticker(wiring, process_name()), DONE
    for work in (ticker.tick, ticker.let_go):
        try:
            work()
        except Exception as failure:  # noqa: BLE001  # the scheduler survives everything as well
            sys.stderr.write(f"no tick: {type(failure).__name__}\n")
            status = BROKEN
    return Ending(status)


def _command(errand: Errand, asked: Command, clock: SharedClock) -> Ending:
    def wired(settings: Settings) -> Wiring:
        return wire(settings, clock)

    cli_office.wire = wired  # type: ignore[assignment]  # the commands know no other clock than the machine's
    before = ["--home", str(errand.home), "--database", errand.database_url]
    command_line([*before, *asked.words], standalone_mode=False)
    return Ending(DONE)
