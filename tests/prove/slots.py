"""Processes that run the schedule, killed again and again: every slot is run, and ended once.

Some are stopped instead, at their work and for longer than their lease; when another has taken over they are woken,
and go on with what they had in hand. The token of their lease is all that holds them back then.
"""

from __future__ import annotations

import random
import signal
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

from . import bugs
from .slot_runner import LATE

ROOT = Path(__file__).parents[2]
#: Seconds in which one more slot has to have ended; a lease that nobody lets go of lasts two.
_LIMIT = 120.0
#: Seconds between two looks at how far they are, which the processes' database has to answer too.
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Result:
    """`kills` that happened, `sleepers` that woke when another had taken over, and what is not as it has to be,
    as sentences."""

    kills: int
    sleepers: int
    problems: list[str]


class _Runners:
    """The processes; one that is killed is started again at once."""

    def __init__(self, url: str, home: Path, stack: ExitStack, count: int, bug: str) -> None:
        self._words = [sys.executable, "-m", "tests.prove.slot_runner", url, str(home), str(home / "effects"), bug]
        self._stack = stack
        self._running = [self._start() for _ in range(count)]
        #: Process -> how often it was killed or woken.
        self.harmed: Counter[int] = Counter()

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
        at_work = [number for number, one in enumerate(self._running) if _is_of(holder, one)]
        chosen = draw.choice([*at_work, draw.randrange(len(self._running))])
        self.harmed[self._running[chosen].pid] += 1
        self._running[chosen].kill()
        self._running[chosen].wait()
        self._running[chosen] = self._start()

    def put_to_sleep(self, holder: str) -> None:
        """Ask the one that is at work to stop in the middle of its next slot."""
        for one in self._running:
            if _is_of(holder, one):
                one.send_signal(signal.SIGUSR1)

    def wake_the_late(self, holder: str) -> int:
        """Wake who sleeps although another has the lease by now; how many these were."""
        late = [one for one in self._running if not _is_of(holder, one) and _is_stopped(one)]
        for one in late:
            self.harmed[one.pid] += 1
            one.send_signal(signal.SIGCONT)
        return len(late)


def _is_of(holder: str, process: subprocess.Popen[str]) -> bool:
    return holder.endswith(f":{process.pid}")


def _is_stopped(process: subprocess.Popen[str]) -> bool:
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] in "Tt"


def _ended(database: Database) -> tuple[int, str]:
    """How many slots have ended, and who has the lease."""
    with database.read() as connection:
        statement = select(func.count()).select_from(run).where(run.c.state == schedules.DONE)
        holder = connection.execute(select(lease.c.holder)).scalar() or ""
        return int(connection.execute(statement).scalar_one()), holder


def run_slots(
    database: Database,
    url: str,
    home: Path,
    *,
    slots: int,
    processes: int,
    kills: int,
    stops: int,
    seed: int,
    bug: str = "",
) -> Result:
    """Let `processes` run so many slots while at equal distances one of them is killed or stopped."""
    names = [f"slot-{number:03d}" for number in range(slots)]
    _put_schedules(database, names)
    bugs.damage(database.engine, bug)
    draw = random.Random(seed)
    accidents = [*["kill"] * kills, *["stop"] * stops]
    draw.shuffle(accidents)
    killed = slept = met = 0
    with ExitStack() as stack:
        runners = _Runners(url, home, stack, processes, bug)
        runners.wait_until_ready()
        before, moved_at = -1, 0.0
        while (found := _ended(database))[0] < slots:
            done, holder = found
            if done != before:
                before, moved_at = done, time.monotonic()
            if time.monotonic() > moved_at + _LIMIT:
                told = f"{done} of {slots} slots, {killed} kills, {slept} sleepers, and nothing more in {_LIMIT:.0f} s"
                return Result(killed, slept, [told])
            slept += runners.wake_the_late(holder)
            if met < len(accidents) and done >= (met + 1) * slots // (len(accidents) + 1):
                if accidents[met] == "kill":
                    runners.kill_one(draw, holder)
                    killed += 1
                else:
                    runners.put_to_sleep(holder)
                met += 1
            time.sleep(_LOOK)
    return Result(killed, slept, _problems(database, home, names, runners.harmed))


def _put_schedules(database: Database, names: list[str]) -> None:
    now = SystemClock().now()
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


def _problems(database: Database, home: Path, names: list[str], harmed: Counter[int]) -> list[str]:
    """What is not as it has to be after these processes were killed or stopped so often."""
    problems, slots = [], len(names)
    with database.read() as connection:
        runs = connection.execute(select(run.c.schedule_id, run.c.state, run.c.claimed_by, run.c.detail)).all()
    if sorted((row.schedule_id, row.state) for row in runs) != [(name, schedules.DONE) for name in names]:
        problems.append(f"{len(runs)} runs are recorded of {slots} slots")
    # Each process leaves its name with the end of a slot.
    strangers = sum(row.claimed_by != row.detail for row in runs)
    if strangers:
        problems.append(f"{strangers} slots were ended by another process than had claimed them last")
    effects: dict[str, list[int]] = {}
    for line in (home / "effects").read_text().splitlines():
        slot, pid = line.split()
        effects.setdefault(slot, []).append(int(pid))
    # Who came late to hold its lease, on a busy machine, may have lost it as if it had been stopped.
    spared = harmed + Counter(effects.pop(LATE, []))
    if set(effects) != set(names):
        problems.append(f"{len(set(names) - set(effects))} slots had no effect")
    # What somebody was killed or stopped at is done anew; nothing else is done twice.
    again = Counter(pid for done in effects.values() for pid in done[:-1])
    if unharmed := (again - spared).total():
        problems.append(f"{unharmed} slots were run again although nobody was killed or stopped at them")
    return problems
