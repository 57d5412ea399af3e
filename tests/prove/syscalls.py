"""Every point between two system calls that matter: a cycle is traced once, and then once for each.

`strace` counts what the cycle's process asks of the kernel (syncs, renames, bytes to the bank
or to PostgreSQL) and, at the n-th of a kind, kills it or lets the call fail. Somebody else
then does the rest, and all books have to agree.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import make_url

from paysvc.demo.banks import PROFILES

from .crew import NotDone, Tally, forked
from .people import Person, files_of
from .small_cycle import GAVE_UP, Task, run
from .world import PEACE, Violation, World, moment, world

#: Which calls there are, and what may happen in them.
CALLS = ("fdatasync", "fsync", "rename", "sendto")
ACTIONS = {"kill": "signal=SIGKILL", "fail": "error=EIO", "full": "error=ENOSPC"}

#: A Friday; the month's payment is due on Monday the 7th.
FIRST_DAY, LAST_DAY = date(2026, 12, 4), date(2026, 12, 8)

#: More rounds than these after one fault would mean that nothing moves any more.
_MOST_ROUNDS = 8
_ANSWER_LIMIT = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """The `turn`-th call of a kind in one thread of the cycle, from 1, and what happens there."""

    call: str
    turn: int
    action: str


@cache
def is_possible() -> bool:
    """Whether there is a `strace`, and it may look at processes here."""
    found = shutil.which("strace")
    return found is not None and subprocess.run([found, "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0


class SmallCycle:
    """The only cycle of a small office with one bank. `fault` befalls the first process at work."""

    def __init__(self, made: World, fault: Boundary | None, trace: Path | None) -> None:
        self._world, self._fault, self._trace = made, fault, trace
        made.people = _PEOPLE
        money = sum(one.amount_vnd for one in made.people) * 3
        lists, begins, reports = files_of(made.people), made.clock.now(), moment(LAST_DAY, 22) + timedelta(minutes=4)
        self.task = Task(
            made.home, made.database_url, "2026-12", begins, lists, money, made.crew.bug, as_of=reports
        )  # fmt: skip

    def live(self) -> None:
        """From the lists to the signed report; raises `Violation` or `NotDone`."""
        made = self._world
        made.tell(f"{self._fault}")
        self._until(self.work)
        self._fault = self._trace = None
        self._until(lambda: not made.unsettled() or (self.work() and not made.unsettled()))
        made.require_agreement(self.task.code)

    def _until(self, is_done: Callable[[], bool]) -> None:
        for _ in range(_MOST_ROUNDS):
            if is_done():
                return
            self._world.look_around()
            self._fault = self._trace = None  # only the first process is hurt
        raise Violation(f"not at rest: {self._world.unsettled()}")

    def work(self) -> bool:
        """One process at the task; True when it came to its end."""
        ours, theirs = forked().Pipe()
        # No clock goes back: who comes later begins later.
        task = replace(self.task, begins=max(self.task.begins, self._world.clock.now()))
        process = forked().Process(target=run, args=(task, theirs), daemon=True)
        process.start()
        theirs.close()
        tracer: subprocess.Popen[str] | None = None
        try:
            if not ours.poll(_ANSWER_LIMIT) or ours.recv() != "ready" or process.pid is None:
                raise NotDone("the cycle's process was not ready")
            if self._fault is not None or self._trace is not None:
                tracer = _attach(process.pid, self._fault, self._trace)
            ours.send("go")
            while True:
                if not ours.poll(_ANSWER_LIMIT):
                    raise NotDone("the cycle's process stands still")
                if ours.recv() == "done":
                    return True
                self._world.let_banks_work(LAST_DAY)
                self._world.clock.advance(timedelta(minutes=5))
                ours.send(self._world.clock.now())
        except (EOFError, OSError):
            return False  # it was killed, or gave up
        finally:
            ours.close()
            process.join(_ANSWER_LIMIT)
            if process.exitcode is None:  # it stands still, and its tracer with it
                process.kill()
                process.join()
            tally = self._world.tally
            tally.kills += process.exitcode == -signal.SIGKILL
            tally.errors += process.exitcode == GAVE_UP
            if tracer is not None:
                tracer.communicate(timeout=_ANSWER_LIMIT)


def _attach(pid: int, boundary: Boundary | None, trace: Path | None) -> subprocess.Popen[str]:
    words = ["strace", "-f", "-p", str(pid), "-o", str(trace or "/dev/null"), "-s", "200"]
    if boundary is None:
        words += ["-yy", "-e", f"trace={','.join(CALLS)},write,pwrite64"]
    else:
        fault = f"{boundary.call}:{ACTIONS[boundary.action]}:when={boundary.turn}"
        words += ["-e", f"trace={boundary.call}", "-e", f"inject={fault}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    if "attached" not in tracer.stderr.readline():
        raise NotDone("strace could not attach")
    return tracer


_LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)")
#: How threads wake one another. No disk and no network makes that fail, and who was not woken sleeps for ever; as
#: a fault befalls the n-th call of every thread, those turns are only killed at.
_IS_LOCAL = re.compile(r"\d+<UNIX")
#: A transaction is over: the process notes the place, and strace the note.
_COMMITTED = re.compile(r'"([\w.<>]+) committed\\n"')


def read_trace(trace: Path, calls: Collection[str]) -> tuple[list[Boundary], list[str]]:
    """The boundaries at these calls that a trace shows, and the commits that waited for no sync."""
    turns: Counter[tuple[str, str]] = Counter()
    local: set[int] = set()
    unsynced, is_dirty = [], False
    for line in trace.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        thread, call, rest = found.groups()
        if call in calls:
            turns[thread, call] += 1
            if _IS_LOCAL.match(rest):
                local.add(turns[thread, call])
        if call == "pwrite64":
            is_dirty = True  # only the database writes at places of a file
        elif call in ("fdatasync", "fsync"):
            is_dirty = False
        elif call == "write" and is_dirty and (place := _COMMITTED.search(rest)):
            unsynced.append(place[1])
    most = {call: max((count for (_, one), count in turns.items() if one == call), default=0) for call in calls}
    boundaries = [Boundary(call, turn, how) for call in calls for turn in range(1, most[call] + 1) for how in ACTIONS]
    return [
        one for one in boundaries if one.call != "sendto" or one.action == "kill" or one.turn not in local
    ], unsynced


#: Three people with accounts at one bank: two files a month, and few calls.
_PEOPLE = [
    Person("040050000001", "NGUYEN VAN SON", "TRO-CAP", "NHE", "2026-12", "970405", "710000000001"),
    Person("040150000002", "TRAN THI MAI", "TRO-CAP", "NANG", "2026-12", "970405", "710000000002"),
    Person("040150000003", "LE THI HOA", "CO-CONG", "LS", "2026-12", "970409", "710000000003"),
]


def cycle(
    folder: Path,
    database_url: str,
    tally: Tally,
    bug: str = "",
    fault: Boundary | None = None,
    trace: Path | None = None,
) -> None:
    """One cycle in a world of its own. Raises `Violation` or `NotDone`."""
    with world(folder, database_url, 1, tally, PEACE, bug, profiles=PROFILES[:1], first_day=FIRST_DAY) as made:
        SmallCycle(made, fault, trace).live()


def survey(folder: Path, database_url: str, tally: Tally, bug: str = "") -> list[Boundary]:
    """Trace a cycle without a fault; the boundaries there are.

    Raises `Violation` when a commit did not wait for the disk.
    """
    trace = folder.with_suffix(".trace")
    cycle(folder, database_url, tally, bug, trace=trace)
    # Where the database is a server, what is sent to it hides what is sent to banks: a fault cannot be
    # aimed at the one without the other, and the driver waits for ever after an error that no network gives.
    is_server = make_url(database_url).port is not None
    boundaries, unsynced = read_trace(trace, [call for call in CALLS if not is_server or call != "sendto"])
    if unsynced:
        raise Violation(f"{len(unsynced)} commits did not wait for the disk, one of {unsynced[0]}")
    return boundaries
