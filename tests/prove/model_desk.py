"""What the office does in the model: it plans, approves and sends, sleeps, crashes, and is intruded upon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict, NotAllowed, PaysvcError
from paysvc.domain.officers import Officer, Role
from paysvc.store import cycles

from . import model_bugs
from .model_bank import Killed, ModelBank
from .model_door import look_at
from .model_invariants import TALLY, Broken, Invariants
from .model_office import BANK_OPTIONS, MAKER, MONTHS, START, SUBMITTER, Desk, DiskFull, Doom, Intruder, doomed, place

SMALL = st.integers(0, 7)
FAULTS = st.sampled_from(
    (
        *("well", "unreachable", "refused", "lost", "slow", "answer lost", "answer garbled"),
        *("killed before it came", "killed after it came"),
        *("asleep before it came", "asleep after it came", "asleep after it came, answer lost"),
    )
)
#: What another desk does while the first one sleeps, and what is done under doom.
VERBS = ("send", "collect", "reconcile", "withdraw a payment")


class AtTheDesk(Invariants):
    """What the office does: plans, approvals, sendings, and what befalls it there."""

    bug = model_bugs.NONE

    def __init__(self) -> None:
        super().__init__()
        self.clock = FixedClock(START)
        self.bank = {code: ModelBank(code, options, self.clock) for code, options in BANK_OPTIONS.items()}
        self.home = place().set_up()
        for one in self.bank.values():
            one.watch = lambda file, code=one.code: look_at(self.home, code, file, self.clock)
        self.bug.prepare(self.home)
        self.desk = Desk(self.home, self.bank, self.clock)
        self.stale: dict[str, cycles.Cycle] = {}
        #: What is always possible is done a few times only: it would crowd out all else.
        self.tries: Counter[str] = Counter()
        self.last_jump = -1
        TALLY.examples += 1

    # -------------------------------------------------------------------------- helpers

    def tell(self, what: str) -> None:
        TALLY.steps += 1
        self.story.append(f"{self.clock.now():%d %b %H:%M}  {what}")

    def add(self, what: str) -> None:
        self.story[-1] += f": {what}"

    def attempt(self, work: Callable[[], Any]) -> Any:
        """Do it; a refusal in the service's own words is an answer, anything else is a fall."""
        try:
            found = work()
        except PaysvcError as refusal:
            self.add(f"refused, {refusal.code}")
        except Killed as killed:
            self.add(f"killed at '{killed}', everything is opened anew")
            self.restart()
        except DiskFull as full:
            self.add(f"the disk was full at '{full.filename}'")
        except Broken:
            raise
        except Exception as fall:  # noqa: BLE001  # whatever it is, it is the finding
            self.fail("the_office_never_falls_over", f"{type(fall).__name__}: {fall}")
        else:
            return found if found is not None else True
        return None

    def restart(self) -> None:
        self.desk.close()
        self.desk = Desk(self.home, self.bank, self.clock)

    def pick(self, which: int, *states: str) -> str:
        """One of the cycles in these states."""
        found = [code for code, state in self._cycles().items() if state in states]
        return found[which % len(found)]

    def _cycles(self) -> dict[str, str]:
        self.look()
        return self.now.cycles

    def has(self, *states: str) -> bool:
        return any(state in states for state in self._cycles().values())

    @contextmanager
    def another_desk(self, deeds: list[str], cycle: str, *, before_it_leaves: bool) -> Iterator[None]:
        """While the first desk is asleep in a sending (or before it notes the attempt), another does
        these; nothing of theirs is shared."""

        def work() -> None:
            other = Desk(self.home, self.bank, self.clock, 1)
            for deed in deeds:
                self.add(f"meanwhile another desk: {deed}")
                if deed == "an hour":
                    self.clock.advance(timedelta(hours=1))
                else:
                    self.attempt(lambda deed=deed: self.verb(other, deed, cycle))
            other.close()

        for one in self.bank.values():
            one.while_asleep = work
        self.desk.vault.before_get = work if before_it_leaves else None
        try:
            yield
        finally:
            self.desk.vault.before_get = None
            for one in self.bank.values():
                one.while_asleep = lambda: None

    def verb(self, desk: Desk, name: str, cycle: str) -> Any:
        if name == "withdraw a payment":
            return desk.withdraw_payment(cycle)
        return desk.send(cycle) if name == "send" else desk.collect() if name == "collect" else desk.reconcile()

    # ---------------------------------------------------------------------------- plans

    @initialize(start=st.sampled_from(("planned", "approved", "approved", "booked", "booked")))
    def the_first_month(self, start: str) -> None:
        """Most of what can go wrong needs payments on their way, so many stories begin there."""
        self.tell(f"the first month is {start}")
        self.attempt(lambda: self.desk.plan(MONTHS[0]))
        self._remember(MONTHS[0])
        if start != "planned":
            self.attempt(lambda: self.desk.submit_plan(MONTHS[0]))
            self.attempt(lambda: self.desk.approve(MONTHS[0]))
        if start == "booked":
            self.attempt(lambda: self.desk.send(MONTHS[0]))
            bank = self.bank["AGRI"]
            self.add("on three days one payment was paid, another, and the first came back")
            for deed, order in (("pay", 0), ("pay", 1), ("return", 0)):
                bank.do(deed, bank.orders[order])
                bank.state()

    def _remember(self, cycle: str) -> None:
        with self.desk.database.read() as connection:
            found = cycles.find_cycle(connection, cycle)
        if found is not None:
            self.stale.setdefault(cycle, found)

    @precondition(lambda self: len(self._cycles()) < len(MONTHS) and not self.has("DRAFT"))
    @rule()
    def plan_the_next_month(self) -> None:
        month = MONTHS[len(self._cycles())]
        self.tell(f"plan {month}")
        self.attempt(lambda: self.desk.plan(month))
        self._remember(month)

    @precondition(lambda self: self.has("DRAFT"))
    @rule(which=SMALL, again=st.booleans())
    def submit_plan(self, which: int, again: bool) -> None:
        cycle = self.pick(which, "DRAFT")
        self.tell(f"{'plan anew and ' if again else ''}submit the plan of {cycle}")
        if again:
            self.attempt(lambda: self.desk.plan(cycle))
        self.attempt(lambda: self.desk.submit_plan(cycle))

    @precondition(lambda self: self.has("SUBMITTED"))
    @rule(which=SMALL)
    def approve(self, which: int) -> None:
        cycle = self.pick(which, "SUBMITTED")
        self.tell(f"approve {cycle}")
        self.attempt(lambda: self.desk.approve(cycle))

    @precondition(lambda self: self.has("SUBMITTED") and self.tries["own hand"] < 3)
    @rule(which=SMALL, who=st.sampled_from((MAKER, SUBMITTER)))
    def the_own_hand_approves(self, which: int, who: Officer) -> None:
        self.tries["own hand"] += 1
        cycle = self.pick(which, "SUBMITTED")
        self.tell(f"{who.officer_id}, who had a hand in {cycle}, is an approver now and approves it")
        try:
            self.desk.approve(cycle, Officer(who.officer_id, Role.APPROVER))
        except NotAllowed as refusal:
            self.add(f"refused, {refusal.code}")
        else:
            self.fail("two_people_approve", f"{who.officer_id} could approve {cycle}")

    @precondition(lambda self: self.has("SUBMITTED", "APPROVED") and self.tries["taken back"] < 4)
    @rule(which=SMALL, deed=st.sampled_from(("return", "withdraw", "hold a payment of")))
    def take_back(self, which: int, deed: str) -> None:
        self.tries["taken back"] += 1
        cycle = self.pick(which, "SUBMITTED", "APPROVED")
        self.tell(f"{deed} {cycle}")
        references = sorted(one.reference for one in self.now.instructions.values() if one.cycle == cycle)
        if deed == "return":
            self.attempt(lambda: self.desk.give_back(cycle))
        elif deed == "withdraw":
            self.attempt(lambda: self.desk.withdraw(cycle))
        elif references:
            self.attempt(lambda: self.desk.hold(cycle, references[which % len(references)]))

    @precondition(lambda self: self.has("RELEASED") and self.tries["withdrawn"] < 4)
    @rule(which=SMALL)
    def withdraw_a_payment(self, which: int) -> None:
        self.tries["withdrawn"] += 1
        cycle = self.pick(which, "RELEASED")
        self.tell(f"withdraw a payment of {cycle}")
        if reference := self.attempt(lambda: self.desk.withdraw_payment(cycle, which)):
            self.add(str(reference))

    @precondition(lambda self: self.has("RELEASED") and self.tries["closed"] < 3)
    @rule(which=SMALL)
    def close_a_cycle(self, which: int) -> None:
        self.tries["closed"] += 1
        cycle = self.pick(which, "RELEASED")
        self.tell(f"close {cycle}")
        self.attempt(lambda: self.desk.close_cycle(cycle))

    @precondition(lambda self: self.stale and self.tries["stale"] < 2)
    @rule(which=SMALL)
    def a_program_writes_what_it_read_long_ago(self, which: int) -> None:
        self.tries["stale"] += 1
        code = sorted(self.stale)[which % len(self.stale)]
        self.tell(f"a program changes {code} as it was when it was planned")
        try:
            with self.desk.database.write() as connection:
                was = cycles.get_cycle(connection, code).version
                now = cycles.change_cycle(connection, self.stale[code])
        except Conflict as refusal:
            self.add(f"refused, {refusal.code}")
            return
        self.stale[code] = now
        if was != now.version - 1:
            self.fail("no_update_is_lost", f"{code} was at version {was} and is at {now.version}")

    @precondition(lambda self: self.has("APPROVED") and self.tries["intruder"] < 3)
    @rule(which=SMALL, what=st.sampled_from(("amount_vnd", "creditor_name", "creditor_bin")))
    def an_intruder_changes_what_was_approved(self, which: int, what: str) -> None:
        self.tries["intruder"] += 1
        cycle = self.pick(which, "APPROVED")
        reference = min(one.reference for one in self.now.instructions.values() if one.cycle == cycle)
        self.tell(f"past the rules somebody changes {what} of {reference} in {cycle}, then it is to be sent")
        intruder = Intruder(self.home)
        intruder.change(reference, what)
        try:
            self.desk.send(cycle)
        except Conflict as refusal:
            self.add(f"refused, {refusal.code}")
        else:
            self.fail("what_leaves_is_what_was_approved", f"{cycle} was sent although {what} had been changed")
        intruder.put_back()

    # --------------------------------------------------------------------- to the banks

    @precondition(lambda self: self.has("APPROVED", "RELEASED"))
    @rule(which=SMALL, faults=st.lists(FAULTS, max_size=2),
          deeds=st.lists(st.sampled_from(("send", *VERBS, "an hour")), max_size=2), is_kept_waiting=st.booleans(),
          mood=st.sampled_from(("well", "well", "silent", "down")))  # fmt: skip
    def send(self, which: int, faults: list[str], deeds: list[str], is_kept_waiting: bool, mood: str) -> None:
        cycle = self.pick(which, "APPROVED", "RELEASED")
        self.tell(
            f"send {cycle} [{', '.join(faults)}]{'' if mood == 'well' else f', asked for a file the banks are {mood}'}"
        )
        # The banks run into the same faults one after the other, each from the first.
        for bank in self.bank.values():
            bank.faults, bank.mood = list(faults), mood
        with self.another_desk(["send", *deeds], cycle, before_it_leaves=is_kept_waiting):
            self.attempt(lambda: self.desk.send(cycle))
        for bank in self.bank.values():
            bank.faults, bank.mood = [], "well"

    @precondition(lambda self: self.has("SUBMITTED", "APPROVED", "RELEASED"))
    @rule(which=SMALL, verb=st.sampled_from((*VERBS, "send", "approve")), turn=st.integers(1, 24),
          is_full=st.sampled_from((False, False, True)))  # fmt: skip
    def end_in_the_middle(self, which: int, verb: str, turn: int, is_full: bool) -> None:
        wanted = ("SUBMITTED",) if verb == "approve" else ("APPROVED", "RELEASED", "SUBMITTED")
        if not self.has(*wanted):
            wanted = ("SUBMITTED", "APPROVED", "RELEASED")
        cycle = self.pick(which, *wanted)
        doom = Doom(turn, is_full)
        self.tell(f"{verb} ({cycle}), {'the disk is full' if is_full else 'killed'} at place {turn}")
        with doomed(doom):
            if verb == "approve":
                self.attempt(lambda: self.desk.approve(cycle))
            else:
                self.attempt(lambda: self.verb(self.desk, verb, cycle))
        TALLY.ended += bool(doom.place)
        TALLY.done[doom.place] += bool(doom.place)
