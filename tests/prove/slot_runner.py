"""A process that runs slots until it is killed: `python -m tests.prove.slot_runner DATABASE HOME EFFECTS [BUG]`.

In place of the verb it appends a line to a file, slot and process; its lease is short, so that a test need not
wait two minutes for each process it kills. After SIGUSR1 it stops itself at its next piece of work,
when it holds no transaction: on SQLite, nobody could take over from one who sleeps with the write lock.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from paysvc import scheduler
from paysvc.config import read_settings
from paysvc.wiring import Wiring, wire

from . import bugs

#: How long the work of a slot takes, in seconds.
_WORK = 0.03
#: In place of a slot: the process came late to hold its lease.
LATE = "late"


def main(url: str, home: str, effects: str, bug: str = "") -> None:
    bugs.build_in(bug)
    target = os.open(effects, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(wiring: Wiring, arguments: Mapping[str, Any]) -> str:
        os.write(target, f"{arguments['slot']} {os.getpid()}\n".encode())
        pause.wait(_WORK)  # long enough for another to come in between, were it let
        if is_tired.is_set():
            is_tired.clear()
            with asking:
                os.kill(os.getpid(), signal.SIGSTOP)
        return scheduler.process_name()

    pause, is_tired, asking = Event(), Event(), Lock()
    signal.signal(signal.SIGUSR1, lambda *_: is_tired.set())
    scheduler.LEASE = timedelta(seconds=2)
    scheduler.VERBS["collect-returns"] = note
    wiring = wire(read_settings(home=Path(home), database_url=url))
    ticker = scheduler.Ticker(wiring, scheduler.process_name())
    sys.stdout.write("ready\n")
    sys.stdout.flush()

    def hold_on() -> None:
        # Beside the ticks, as the scheduler does: on a busy machine a tick may outlast the lease.
        length, held_at = scheduler.LEASE.total_seconds(), time.monotonic()
        while not pause.wait(length / 4):
            with asking:
                ticker.hold()
            if time.monotonic() > held_at + length * 0.8:
                os.write(target, f"{LATE} {os.getpid()}\n".encode())  # it may have lost the lease by no harm of ours
            held_at = time.monotonic()

    Thread(target=hold_on, daemon=True).start()
    at_work = 0
    # Who finds nothing to do asks less often: four that ask all the time keep each other from the database.
    while not pause.wait(0.01 if at_work else 0.1):
        at_work = ticker.tick()


if __name__ == "__main__":
    main(*sys.argv[1:])
