"""Four processes that run the schedule, killed again and again: every slot is run, and ended once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from paysvc.clock import SystemClock
from paysvc.store import schedules
from paysvc.store.engine import Database
from paysvc.store.tables import lease, run

SLOTS, PROCESSES, KILLS = 600, 4, 15
ROOT = Path(__file__).parents[1]


class Runners:
    """The processes; one that is killed is started again at once."""

    def __init__(self, url: str, home: Path, stack: ExitStack) -> None:
        self._words = [sys.executable, "-m", "tests.slot_runner", url, str(home), str(home / "effects")]
        self._stack = stack
        self._running = [self._start() for _ in range(PROCESSES)]

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
        """As often the one that is at work as any of the four."""
        at_work = [number for number, one in enumerate(self._running) if holder.endswith(f":{one.pid}")]
        chosen = draw.choice([*at_work, draw.randrange(PROCESSES)])
        self._running[chosen].kill()
        self._running[chosen].wait()
        self._running[chosen] = self._start()


def ended(database: Database) -> tuple[int, str]:
    """How many slots have ended, and who has the lease."""
    with database.read() as connection:
        statement = select(func.count()).select_from(run).where(run.c.state == schedules.DONE)
        holder = connection.execute(select(lease.c.holder)).scalar() or ""
        return int(connection.execute(statement).scalar_one()), holder


def test_every_slot_is_run_and_ended_once_whatever_is_killed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    now = SystemClock().now()
    names = [f"slot-{number:03d}" for number in range(SLOTS)]
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
    draw, kills = random.Random(20261122), 0
    with ExitStack() as stack:
        runners = Runners(database_url, tmp_path, stack)
        runners.wait_until_ready()
        deadline = time.monotonic() + 300
        while (found := ended(database))[0] < SLOTS:
            done, holder = found
            assert time.monotonic() < deadline, f"{done} of {SLOTS} slots after {kills} kills"
            if kills < KILLS and done >= (kills + 1) * SLOTS // (KILLS + 1):
                runners.kill_one(draw, holder)
                kills += 1
    # As many as the slots gave time for.
    assert kills > KILLS // 2
    with database.read() as connection:
        runs = connection.execute(select(run.c.schedule_id, run.c.state)).all()
    assert sorted(runs) == [(name, schedules.DONE) for name in names]
    effects = Counter((tmp_path / "effects").read_text().splitlines())
    # What was killed at work is done anew; nothing else is done twice.
    assert set(effects) == set(names)
    assert effects.total() - SLOTS <= KILLS
