"""Processes that run the schedule, killed again and again: every slot is run, and ended once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from paysvc.clock import SystemClock
from paysvc.store import schedules
from paysvc.store.engine import Database
from paysvc.store.tables import lease, run

ROOT = Path(__file__).parents[2]
#: Seconds in which one more slot has to have ended; a lease that nobody lets go of lasts two.
_LIMIT = 120.0
#: Seconds between two looks at how far they are, which the processes' database has to answer too.
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Result:
    """`kills` that happened, and what is not as it has to be, as sentences."""

    kills: int
    problems: list[str]


class _Runners:
    """The processes; one that is killed is started again at once."""

    def __init__(self, url: str, home: Path, stack: ExitStack, count: int, bug: str) -> None:
        self._words = [sys.executable, "-m", "tests.prove.slot_runner", url, str(home), str(home / "effects"), bug]
        self._stack = stack
        self._running = [self._start() for _ in range(count)]

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(self._words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def wait_until_ready(self) -> None:
        for process in self._running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def kill_one(self, draw: random.Random, holder: str) -> None:
        """As often the one that is at work as any of them."""
        at_work = [number for number, one in enumerate(self._running) if holder.endswith(f":{one.pid}")]
        chosen = draw.choice([*at_work, draw.randrange(len(self._running))])
        self._running[chosen].kill()
        self._running[chosen].wait()
        self._running[chosen] = self._start()


def _ended(database: Database) -> tuple[int, str]:
    """How many slots have ended, and who has the lease."""
    with database.read() as connection:
        statement = select(func.count()).select_from(run).where(run.c.state == schedules.DONE)
        holder = connection.execute(select(lease.c.holder)).scalar() or ""
        return int(connection.execute(statement).scalar_one()), holder


def run_slots(
    database: Database, url: str, home: Path, *, slots: int, processes: int, kills: int, seed: int, bug: str = ""
) -> Result:
    """Let `processes` run so many slots while they are killed at equal distances."""
    now = SystemClock().now()
    names = [f"slot-{number:03d}" for number in range(slots)]
    with database.write() as connection:
        for name in names:
            schedules.put_schedule(
                connection,
                name,
                verb="collect-returns",
                arguments={"slot": name},
                every=timedelta(days=366),
                first_due_at=now,
                enabled=True,
            )
    draw, killed, problems = random.Random(seed), 0, []
    with ExitStack() as stack:
        runners = _Runners(url, home, stack, processes, bug)
        runners.wait_until_ready()
        before, moved_at = -1, 0.0
        while (found := _ended(database))[0] < slots:
            done, holder = found
            if done != before:
                before, moved_at = done, time.monotonic()
            if time.monotonic() > moved_at + _LIMIT:
                return Result(killed, [f"{done} of {slots} slots, {killed} kills, and nothing more in {_LIMIT:.0f} s"])
            if killed < kills and done >= (killed + 1) * slots // (kills + 1):
                runners.kill_one(draw, holder)
                killed += 1
            time.sleep(_LOOK)
    with database.read() as connection:
        runs = connection.execute(select(run.c.schedule_id, run.c.state)).all()
    if sorted(runs) != [(name, schedules.DONE) for name in names]:
        problems.append(f"{len(runs)} runs are recorded of {slots} slots")
    effects = Counter((home / "effects").read_text().splitlines())
    if set(effects) != set(names):
        problems.append(f"{len(set(names) - set(effects))} slots had no effect")
    # What was killed at work is done anew; nothing else is done twice.
    if effects.total() - slots > killed:
        problems.append(f"{effects.total() - slots} slots were run again after {killed} kills")
    return Result(killed, problems)
