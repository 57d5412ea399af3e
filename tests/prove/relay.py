"""An office in which every piece of work is one process, killed at one place after the other until it gets through.

Each process is told of many places and dies at the first that it comes by. The next one, which
finds what the dead one left, is told of those that remain; so a piece of work is broken off at
every step of its way, and at those of picking it up again.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx

from paysvc.scheduler import LEASE

from .crew import PLACES, Crew, NotDone, forked
from .errand import BROKEN, DONE, Command, Ending, Errand, Request, Tick, Work
from .errand import run as run_errand

#: How often somebody is to be killed at each place in a run.
ENOUGH = 25
#: How likely whoever takes over dies at the same place again, while that is not enough: many places are come by
#: once a month, or once.
_SAME_PLACE = 0.9

#: How long a piece of work may take, in seconds, and how often it may be begun.
_WORK_LIMIT = 300.0
_MOST_PROCESSES = 3000

#: How likely a process is killed at no place but at some moment of its first third of a second.
_AT_ANY_MOMENT = 0.05
_FIRST_MOMENTS = 0.35

_ACTIONS, _SHARES = ("kill", "fail", "full"), (90, 5, 5)


class Relay(Crew):
    """A crew of which nobody stays: who does a piece of work was started for it and ends with it."""

    #: So often somebody has to be killed at a place before it is left out at times.
    enough = ENOUGH
    #: Place -> what happens to the processes of this piece of work there.
    _armed: dict[str, str]
    #: Where the last process died, or "" for elsewhere; and where each dies, until the machine is on again.
    _died_at = _end = ""
    #: Where nobody fails for the time being: what places begin with.
    spared: tuple[str, ...] = ()

    # ------------------------------------------------------------------ there is nobody to look after

    def start(self) -> None:
        """Nobody waits for work."""
        self._armed = {}

    def look(self) -> None:
        """Nobody is there who could have died."""
        self._read_places()

    def kill_one(self) -> bool:
        return False

    def calm_down(self) -> None:
        """From now on nobody fails."""
        self.violence, self._armed = 0.0, {}

    # -------------------------------------------------------------------------- what is to happen

    def arm(self) -> None:
        """Draw where the processes of the next piece of work fail: the more likely, the seldomer it
        happened there so far."""
        self._armed = {}
        if self.violence == 0:
            return
        for place in PLACES:
            if not place.startswith(self.spared) and self.luck.random() < self._wish(place):
                self._armed[place] = self.luck.choices(_ACTIONS, _SHARES)[0]

    def _wish(self, place: str) -> float:
        count = self.tally.times_killed(place)
        if count < self.enough:
            # Not always: who dies when the answer is there never comes to write it down.
            return 1 - count / (2 * self.enough)
        return self.violence * self.enough / (2 * count)

    # ------------------------------------------------------------------------------------ its work

    def tick_until(self, place: str) -> None:
        """A tick that ends where the machine goes off, at the latest at `place`. Raises `NotDone`."""
        self._end = place
        try:
            self.tick()
        finally:
            self._end = ""

    def tick(self, step: timedelta = timedelta(minutes=1)) -> None:
        """Move the clock on and work through what is due then. Raises `NotDone` when nobody gets through."""
        self.arm()
        if self._end:
            self._armed[self._end] = "kill"
        self.clock.advance(step)
        for _ in range(_MOST_PROCESSES):
            ending = self._try(Tick())
            if ending is not None and ending.status == DONE:
                return
            # Whoever died, or could not let it go, has the lease until it runs out.
            self.clock.advance(LEASE + timedelta(seconds=1))
            if ending is not None or (self._end and self._died_at == self._end):
                return  # the scheduler asks again at its next tick
        raise NotDone(f"no tick by {_MOST_PROCESSES} processes")

    def ask(self, token: str, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request to one process; None when it was killed."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        ending = self._try(Request(method, path, {**more, "headers": headers}))
        return None if ending is None else httpx.Response(ending.status, content=ending.content)

    def command(self, *words: str, accept: Sequence[str] = ()) -> None:
        """A command line, typed again until it has ended. `accept` are codes of refusals that say that somebody
        who was killed or lost the database had done it. Raises `NotDone` for another refusal."""
        self.arm()
        deaths = 0
        for _ in range(_MOST_PROCESSES):
            ending = self._try(Command(words))
            if ending is None or ending.status == BROKEN:
                deaths += 1
                continue
            code = str(httpx.Response(ending.status, content=ending.content).json().get("code", ""))
            if not code or (deaths and code in accept):
                return
            raise NotDone(f"paysvc {' '.join(words)} was refused: {ending.content.decode()}")
        raise NotDone(f"paysvc {' '.join(words)} was not done by {_MOST_PROCESSES} processes")

    def _try(self, work: Work) -> Ending | None:
        """One process with one piece of work: how it ended, or None when it was killed."""
        wish = ";".join(f"{place}={action}" for place, action in self._armed.items())
        ours, theirs = forked().Pipe()
        told = Errand(self.home, self.database_url, self._clock_path, self.bug, wish, work)
        process = forked().Process(target=run_errand, args=(told, theirs), daemon=True)
        process.start()
        theirs.close()
        self.tally.starts += 1
        is_in_danger = not self.spared and self.luck.random() < self.violence * _AT_ANY_MOMENT
        if not ours.poll(self.luck.random() * _FIRST_MOMENTS if is_in_danger else _WORK_LIMIT):
            process.kill()
            if not is_in_danger:
                raise NotDone(f"{work} took longer than {_WORK_LIMIT:.0f} s")
        process.join()
        ending: Ending | None = None
        with ours, suppress(EOFError):  # it is dead
            ending = ours.recv()
        self._account(ending, process.exitcode)
        return ending

    def _account(self, ending: Ending | None, exit_code: int | None) -> None:
        """Count what became of a process, and leave out what happened where it is to happen no more."""
        passed = self._read_places()
        for place in [place for place in passed if self._armed.get(place) in ("fail", "full")]:
            if self._armed.pop(place, ""):
                self.tally.errors += 1
        if ending is not None:
            return
        if exit_code != -signal.SIGKILL:
            raise NotDone(f"a process of the office ended by itself with {exit_code}")
        last = passed[-1] if passed else ""
        place = last if self._armed.get(last) == "kill" else ""
        self.tally.kills += 1
        self.tally.killed_at[place] += 1
        self._died_at = place
        is_enough = self.tally.times_killed(place) >= self.enough or self.luck.random() >= _SAME_PLACE
        if place and is_enough and place != self._end:
            del self._armed[place]
        self._after_kill()
