"""The model: an office over real services and a real database, beside banks with books of their own.

Hypothesis draws what happens: plans, approvals, faults while sending, a bank's days and its
papers in any order, crashes at any place, sleepers, intruders, jumps of the clock. After every
step the invariants hold; in the end, with the faults over, both sides' books say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from . import model_bugs, model_rest
from .model_bank import ModelBank, Paper
from .model_desk import SMALL, AtTheDesk
from .model_invariants import TALLY, Broken, Tally
from .model_office import BANK_OPTIONS

BANKS = st.sampled_from(sorted(BANK_OPTIONS))
DEEDS = st.sampled_from(
    (
        *("pay", "pay", "refuse", "return", "pay another amount", "debit again", "credit without debit"),
        *("complete and refuse", "book what was refused", "take a stranger's money"),
    )
)
STATUSES = st.sampled_from(("truth", "truth", "early", "half", "whole"))
STATEMENTS = st.sampled_from(("truth", "truth", "reissued", "with the next"))
LIES = st.sampled_from(("wrong totals", "cut report", "wrong total", "line missing", "cut"))
#: Whether a bank's paper is looked at now, fetched some time, or not yet put out.
WHEN = st.sampled_from(("at once", "at once", "out", "late"))
JUMPS = {
    "a minute": timedelta(minutes=1), "two hours": timedelta(hours=2), "a day": timedelta(days=1),
    "four days": timedelta(days=4), "nine days": timedelta(days=9), "two months": timedelta(days=61),
}  # fmt: skip


class Model(AtTheDesk):
    """One office and its three banks; each rule tells in plain words what it does."""

    # ------------------------------------------------------------------- the banks' work

    @precondition(lambda self: any(one.orders or one.under_way for one in self.bank.values()))
    @rule(code=BANKS, deeds=st.lists(DEEDS, min_size=1, max_size=4), first=SMALL, states=st.booleans())
    def a_bank_works(self, code: str, deeds: list[str], first: int, states: bool) -> None:
        bank = self._bank(code)
        self.tell(f"{bank.code} works: {', '.join(deeds)}{'; it closes the day' if states else ''}")
        bank.arrive()
        for number, deed in enumerate(deeds):
            if bank.orders:
                bank.do(deed, bank.orders[(first + number) % len(bank.orders)])
        if states:
            bank.state()

    def _bank(self, code: str) -> ModelBank:
        """This bank, or where it has nothing yet the first one that has."""
        at_work = [one for one in self.bank.values() if one.orders or one.under_way]
        return self.bank[code] if self.bank[code] in at_work else at_work[0]

    @precondition(lambda self: any(one.taken_at for one in self.bank.values()))
    @rule(code=BANKS, which=SMALL, kind=STATUSES, when=WHEN)
    def a_bank_reports(self, code: str, which: int, kind: str, when: str) -> None:
        bank = next(one for one in (self.bank[code], *self.bank.values()) if one.taken_at)
        message = sorted(bank.taken_at)[which % len(bank.taken_at)]
        self._hand_out(bank, bank.report(message, kind), when)

    @precondition(lambda self: any(one.statements for one in self.bank.values()))
    @rule(code=BANKS, which=SMALL, kind=STATEMENTS, when=WHEN)
    def a_bank_states(self, code: str, which: int, kind: str, when: str) -> None:
        bank = next(one for one in (self.bank[code], *self.bank.values()) if one.statements)
        number = len(bank.statements) - which % len(bank.statements)
        self._hand_out(bank, bank.statement(number, kind), when)

    @precondition(lambda self: any(one.statements for one in self.bank.values()))
    @rule(code=BANKS, which=SMALL, lie=LIES, when=WHEN)
    def a_bank_lies(self, code: str, which: int, lie: str, when: str) -> None:
        bank = next(one for one in (self.bank[code], *self.bank.values()) if one.statements)
        if lie in ("wrong totals", "cut report"):
            message = sorted(bank.taken_at)[which % len(bank.taken_at)]
            self._hand_out(bank, bank.report(message, lie.removesuffix(" report")), when)
        else:
            self._hand_out(bank, bank.statement(1 + which % len(bank.statements), lie), when)

    def _hand_out(self, bank: ModelBank, paper: Paper, when: str) -> None:
        self.tell(f"{bank.code} writes {paper.what}{', and leaves it in a drawer' if when == 'late' else ''}")
        if when == "late":
            bank.drawer.append(paper)
            return
        bank.put_out(paper)
        if when == "at once":
            self.add("collect and reconcile")
            self.attempt(self.desk.collect)
            self.attempt(self.desk.reconcile)

    @precondition(lambda self: any(one.drawer for one in self.bank.values()))
    @rule(which=SMALL)
    def a_drawer_is_emptied(self, which: int) -> None:
        bank = next(one for one in self.bank.values() if one.drawer)
        paper = bank.drawer.pop(which % len(bank.drawer))
        self.tell(f"{bank.code} finds {paper.what} and puts it out")
        bank.put_out(paper)

    @precondition(lambda self: any(one.outbox for one in self.bank.values()))
    @rule(code=BANKS, which=SMALL, other_bytes=st.booleans())
    def a_bank_says_it_again(self, code: str, which: int, other_bytes: bool) -> None:
        bank = next(one for one in (self.bank[code], *self.bank.values()) if one.outbox)
        _, paper = bank.outbox[which % len(bank.outbox)]
        self.tell(f"{bank.code} puts {paper.what} out again{' in other bytes' if other_bytes else ''}")
        bank.put_out(paper, b" " * len(bank.outbox) if other_bytes else b"")

    # ------------------------------------------------------------------------- and back

    @precondition(lambda self: any(one.outbox for one in self.bank.values()))
    @rule(gives=st.sampled_from((99, 99, 1, 0)), reconciles=st.booleans())
    def collect(self, gives: int, reconciles: bool) -> None:
        self.tell("collect" + ("" if gives == 99 else f", the line breaks after {gives}"))
        for bank in self.bank.values():
            bank.gives = gives
        self.attempt(self.desk.collect)
        for bank in self.bank.values():
            bank.gives = 99
        if reconciles:
            self.add("reconcile")
            self.attempt(self.desk.reconcile)

    @precondition(lambda self: self.last_jump < len(self.story))
    @rule(jump=st.sampled_from(sorted(JUMPS)), anew=st.booleans())
    def time_passes(self, jump: str, anew: bool) -> None:
        self.tell(f"{jump} passes{', and the office is closed and opened' if anew else ''}")
        self.clock.advance(JUMPS[jump])
        self.last_jump = len(self.story)
        if anew:
            self.restart()

    def teardown(self) -> None:
        try:
            if not self.is_broken and self.facts is not None:
                model_rest.come_to_rest(self)
        finally:
            self.desk.close()


@dataclass(frozen=True)
class ModelResult:
    """What a run of the model came to; `violations` are the shortest stories found, `caught_by` their names."""

    examples: int
    steps: int
    invariants_checked: int
    crashes: int
    violations: tuple[str, ...]
    caught_by: tuple[str, ...]


def run_model(examples: int, steps: int, seed: int, bug: str = "", *, shrink: bool = True) -> ModelResult:
    """Run so many examples of at most so many steps; the same seed draws the same ones.

    `bug` names one of `model_bugs.BUGS` to build in. Ends with the first violation, told as
    shortly as Hypothesis can tell it unless `shrink` is False.
    """
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    wanted = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, phases=phases,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    TALLY.__init__()  # type: ignore[misc]  # counts from nothing
    violations: list[Broken] = []
    with built_model(bug) as machine:
        try:
            run_state_machine_as_test(seeded(seed)(machine), settings=wanted)
        except Broken as broken:
            violations.append(broken)
    return result_of(TALLY, violations)


@contextmanager
def built_model(bug: str = "") -> Iterator[type[Model]]:
    """The model over a service into whose process this fault is built, or none."""
    fault = model_bugs.BUGS[bug] if bug else model_bugs.NONE
    with fault.built_in():
        yield type("Model", (Model,), {"bug": fault})


def result_of(tally: Tally, violations: list[Broken]) -> ModelResult:
    """What was counted and found, as it is told."""
    return ModelResult(
        tally.examples, tally.steps, tally.checked, tally.ended, tuple(map(str, violations)),
        tuple(one.name for one in violations),
    )  # fmt: skip
