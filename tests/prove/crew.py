"""The office's processes, as whoever proves sees them: started, asked, killed, stopped, woken."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from . import office
from .places import all_places
from .shared_clock import CELLS, SharedClock

_START_LIMIT = 300.0
#: A tick of the small province takes a second or two; with the machine busy, some more.
_TICK_LIMIT = 300.0
#: How long an answer may take before the process that owes it is looked at.
_ANSWER_LIMIT = 20.0
#: A process that is stopped may hold what another waits for, so it is not left like that for long.
_STOPPED_LIMIT = 1.5

#: Of how many places one order speaks.
_PLACES_AT_ONCE = 24

PLACES = sorted(all_places())

_context: list[ForkServerContext] = []


def forked() -> ForkServerContext:
    """Where processes come from: a process that has loaded the service and does nothing else."""
    if not _context:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.prove.preload"])
        _context.append(context)
    return _context[0]


@dataclass(slots=True)
class Member:
    """One office process."""

    process: BaseProcess
    cell: int
    port: int
    line: Connection
    #: Place -> what is to happen there, as it was told last.
    failpoints: dict[str, str] = field(default_factory=dict)
    stopped_at: float | None = None

    @property
    def is_dead(self) -> bool:
        return self.process.exitcode is not None

    @property
    def is_stopped(self) -> bool:
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return stat.rpartition(") ")[2][0] in "Tt"


@dataclass(slots=True)
class Tally:
    """What was done to processes; `killed_at` counts by place, with "" for kills at any moment."""

    starts: int = 0
    kills: int = 0
    stops: int = 0
    errors: int = 0
    killed_at: Counter[str] = field(default_factory=Counter)
    #: The same of earlier runs that this one continues.
    killed_before: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    #: Seconds that the slowest world took to come to rest after its last fault.
    longest_rest: float = 0.0
    #: (bank, lie) -> how often the bank told it.
    lies_told: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: The last places that were passed, oldest first.
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    def times_killed(self, place: str) -> int:
        """How often somebody was killed there, in this run and those before it."""
        return self.killed_at[place] + self.killed_before[place]


class NotDone(Exception):
    """The office does not get its work done; the text says what it was at."""


class Crew:
    """The processes of one office. `tally` is shared by all crews of a run."""

    def __init__(
        self,
        home: Path,
        database_url: str,
        clock: SharedClock,
        clock_path: Path,
        luck: random.Random,
        tally: Tally,
        bug: str,
        after_kill: Callable[[], None],
    ) -> None:
        self.home, self.database_url, self.clock, self.luck, self.tally = home, database_url, clock, luck, tally
        self._clock_path, self.bug, self._after_kill = clock_path, bug, after_kill
        self.members: list[Member] = []
        #: How likely a process is told to fail in a piece of work.
        self.violence = 0.0
        self.size = 1
        self._next_cell = 0
        self._read_seen = 0
        self._client = httpx.Client(trust_env=False, timeout=_ANSWER_LIMIT)

    # ------------------------------------------------------------------ starting and ending

    def start(self) -> None:
        """As many processes as there are to be, each with orders of its own."""
        while len(self.members) < self.size:
            self._start_one()

    def _start_one(self) -> None:
        self._next_cell += 1
        cell = 1 + self._next_cell % (CELLS - 1)
        self.clock.put(cell, 0)
        ours, theirs = forked().Pipe()
        told = office.Orders(self.home, self.database_url, self._clock_path, cell, self.bug)
        process = forked().Process(target=office.run, args=(told, theirs), daemon=True)
        process.start()
        theirs.close()
        self.tally.starts += 1
        if not ours.poll(_START_LIMIT):
            raise NotDone(f"an office process was not ready in {_START_LIMIT:.0f} s")
        try:
            port = ours.recv()
        except EOFError:
            process.join(_START_LIMIT)
            raise NotDone(f"an office process ended with {process.exitcode} when it was started") from None
        self.members.append(Member(process, cell, port, ours))

    def arm(self) -> None:
        """Tell one process, perhaps, to fail: at the first it comes by of many places, most of them such
        at which it happened seldom so far."""
        ready = [one for one in self.members if not one.is_dead and not one.is_stopped]
        if not ready or self.luck.random() >= self.violence:
            return
        weights = [1 / (1 + self.tally.times_killed(place)) ** 2 for place in PLACES]
        places = set(self.luck.choices(PLACES, weights, k=_PLACES_AT_ONCE))
        action = self.luck.choices(("kill", "stop", "fail", "full"), (82, 6, 6, 6))[0]
        turn = self.luck.choice((1, 1, 1, 1, 2))
        for one in ready:
            before, one.failpoints = one.failpoints, {place: self._possible(action, place) for place in places}
            try:
                one.line.send(";".join(f"{place}={how}:{turn}" for place, how in one.failpoints.items()))
                is_heard = one.line.poll(5) and bool(one.line.recv())
            except (OSError, EOFError):
                is_heard = False
            if not is_heard:
                # It dies of its orders before, or of these.
                one.failpoints |= {place: how for place, how in before.items() if how == "kill"}

    def _possible(self, action: str, place: str) -> str:
        # A stopped process would keep the only write lock that SQLite has.
        keeps_lock = "sqlite" in self.database_url and place.endswith((" begun", " written"))
        return "kill" if action == "stop" and keeps_lock else action

    def kill_all(self) -> None:
        """The machine goes off."""
        for one in self.members:
            if not one.is_dead:
                one.process.kill()
                one.process.join()
        self.members = []

    def kill_one(self) -> bool:
        """Kill a process at whatever it is doing."""
        alive = [one for one in self.members if not one.is_dead]
        if not alive:
            return False
        one = self.luck.choice(alive)
        one.process.kill()
        one.process.join()
        if one.process.exitcode == -signal.SIGKILL:
            self.tally.kills += 1
            self.tally.killed_at[""] += 1
        self.members.remove(one)
        self._after_kill()
        return True

    def look(self) -> None:
        """Count and replace who died by its orders; wake who was stopped for long enough."""
        self._read_places()
        for one in list(self.members):
            if one.is_dead:
                self._bury(one)
            elif one.is_stopped:
                if one.stopped_at is None:
                    one.stopped_at = time.monotonic()
                    self.tally.stops += 1
                    self._start_one()  # somebody takes over while it sleeps
                elif time.monotonic() - one.stopped_at > _STOPPED_LIMIT:
                    self._wake(one)
        if len(self.members) < self.size:
            self.start()
            if self.luck.random() < 0.5:
                self.arm()  # and once more while it picks up what was left

    def _bury(self, one: Member) -> None:
        self.members.remove(one)
        self._read_places()  # once more: the place of its death was written after the last look
        place = next((place for place in reversed(self.tally.latest) if one.failpoints.get(place) == "kill"), "")
        if one.process.exitcode == -signal.SIGKILL and place:
            self.tally.kills += 1
            self.tally.killed_at[place] += 1
            self._after_kill()
        else:
            raise NotDone(f"an office process ended by itself with {one.process.exitcode}")

    def _wake(self, one: Member) -> None:
        assert one.process.pid is not None
        os.kill(one.process.pid, signal.SIGCONT)
        one.stopped_at = None

    def wake_all(self) -> None:
        for one in self.members:
            if not one.is_dead and one.is_stopped:
                self._wake(one)

    def _read_places(self) -> list[str]:
        """Count what was passed since this was called last, and return it, in order."""
        path = self.home / "seen"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read_seen)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read_seen += len(whole)
        places = whole.decode().split("\n")[:-1]
        self.tally.passed.update(places)
        self.tally.latest.extend(places)
        return places

    def calm_down(self) -> None:
        """From now on nobody is told to fail; whoever was goes."""
        self.violence = 0.0
        self.wake_all()
        for one in [one for one in self.members if one.failpoints]:
            one.process.kill()
            one.process.join()
            if one.process.exitcode == -signal.SIGKILL:
                self.tally.kills += 1
                self.tally.killed_at[""] += 1
            self.members.remove(one)
        self.start()

    def close(self) -> None:
        self._read_places()
        self.kill_all()
        self._client.close()

    # ------------------------------------------------------------------------ its work

    def tick(self, step: timedelta = timedelta(minutes=1)) -> None:
        """Move the clock on and wait until some process has worked through what is due then.

        Raises `NotDone` when none does.
        """
        self.look()
        self.arm()
        self.clock.advance(step)
        due, limit = self.clock.ticks(), time.monotonic() + _TICK_LIMIT
        kill_at = time.monotonic() + self.luck.random() * 0.6 if self.luck.random() < self.violence * 0.5 else None
        while time.monotonic() < limit:
            self.look()
            alive = [one for one in self.members if not one.is_dead and not one.is_stopped]
            if alive and all(self.clock.cell(one.cell) >= due for one in alive):
                return
            if kill_at is not None and time.monotonic() > kill_at:
                kill_at = None
                self.kill_one()
            time.sleep(0.002)
        raise NotDone(f"no tick in {_TICK_LIMIT:.0f} s")

    def ask(self, token: str, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request to one process; None when no answer came."""
        self.look()
        ready = [one for one in self.members if not one.is_dead and not one.is_stopped]
        if not ready:
            time.sleep(0.01)
            return None
        one = self.luck.choice(ready)
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        # A process that is told to stop inside the request answers when it is woken, or never.
        limit = 2.0 if "stop" in one.failpoints.values() else _ANSWER_LIMIT
        try:
            return self._client.request(
                method, f"http://127.0.0.1:{one.port}{path}", headers=headers, timeout=limit, **more
            )
        except httpx.TransportError:
            one.process.join(0.5)  # most likely it was killed; `look` needs to see that
            return None
