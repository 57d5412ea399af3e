"""What is true after every step, each said in a sentence and held against the banks' own books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine, invariant

from paysvc.store import book_checks

from .model_bank import Leaving, ModelBank
from .model_facts import Facts, change_counter, read_facts
from .model_office import BANK_OPTIONS, PEOPLE, Desk

#: Ways that an instruction may go, by what the states mean; anything else is a lost or a made-up fact.
_FINAL = {"SENT", "REFUSED", "DISSOLVED"}
_KNOWN = {"PLANNED", "BATCHED", "SENT", "UNKNOWN", "SETTLED", "REJECTED", "RETURNED", "DISPUTED"}
#: Of which it is known what became of them.
_ENDED = {"SETTLED", "REJECTED", "RETURNED", "CANCELLED"}


class Broken(AssertionError):
    """An invariant does not hold. `name` is which, the text says what, and the story how it came to be."""

    def __init__(self, name: str, sentence: str, story: list[str]) -> None:
        super().__init__("\n  ".join([f"{name}: {sentence}", *story]))
        self.name = name


@dataclass
class Tally:
    """What a run of the model did."""

    examples: int = 0
    steps: int = 0
    checked: int = 0
    ended: int = 0
    done: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


Problems = Callable[["Invariants"], Iterator[str]]
TALLY = Tally()


def holds(problems: Problems) -> Callable[[Invariants], None]:
    """An invariant, from a method that gives a sentence for each thing that does not hold."""

    @wraps(problems)
    def check(self: Invariants) -> None:
        if self.is_broken or not self.look():
            return
        TALLY.checked += 1
        for sentence in problems(self):
            self.fail(problems.__name__, sentence)

    found: Callable[[Invariants], None] = invariant()(check)
    return found


class Invariants(RuleBasedStateMachine):
    """The part of the model that looks and does nothing."""

    home: Path
    desk: Desk
    bank: dict[str, ModelBank]

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.is_broken = False
        self.facts: Facts | None = None
        self.before: Facts | None = None
        self._counter = (b"", 0)
        self._is_new = False
        self._states: dict[str, str] = {}
        self._event_states: dict[str, str] = {}
        self._stood: dict[tuple[int, int], tuple[str, int, int]] = {}
        self._kept: dict[int, str] = {}
        self._looked_at = -1

    def fail(self, name: str, sentence: str) -> None:
        self.is_broken = True
        raise Broken(name, sentence, self.story)

    def look(self) -> bool:
        """Read the database once a step; False when nothing in it or at a bank's door changed since."""
        if self._looked_at == TALLY.steps:
            return self._is_new
        self._looked_at = TALLY.steps
        counter = change_counter(self.home), sum(len(one.leavings) for one in self.bank.values())
        self._is_new = counter != self._counter
        self._counter = counter
        if self._is_new:
            self.before = self.facts
            self.facts = read_facts(self.home, self.facts.last_event if self.facts else 0)
        return self._is_new

    @property
    def now(self) -> Facts:
        assert self.facts is not None
        return self.facts

    # ------------------------------------------------------------------------- the books

    @holds
    def the_ledger_sums_to_zero(self) -> Iterator[str]:
        total = sum(amount for _, amount, _ in self.now.postings.values())
        if total:
            yield f"all postings together are {total} đồng"

    @holds
    def every_equation_of_the_books_holds(self) -> Iterator[str]:
        with self.desk.database.read() as connection:
            for equation in book_checks.OF_ROWS:
                yield from map(str, equation(connection).differences)

    @holds
    def postings_stand(self) -> Iterator[str]:
        for key, was in self._stood.items():
            if self.now.postings.get(key) != was:
                yield f"posting {key} was {was} and is {self.now.postings.get(key)}"
        self._stood = self.now.postings

    # -------------------------------------------------------------------------- what left

    def _leavings(self) -> Iterator[tuple[ModelBank, str, list[Leaving]]]:
        for bank in self.bank.values():
            by_message = defaultdict(list)
            for one in bank.leavings:
                by_message[one.message].append(one)
            for message, leavings in by_message.items():
                yield bank, message, leavings

    @holds
    def bytes_under_one_name_never_differ(self) -> Iterator[str]:
        for bank, message, leavings in self._leavings():
            noted = self.now.files.get(message)
            if {(one.name, one.digest) for one in leavings} != {noted}:
                yield f"{bank.code} was handed other bytes of {message} than were noted"
        for one in self.now.inbound:
            if self._kept.setdefault(one.id, one.sha256) != one.sha256:
                yield f"the bytes of {one.name} changed"

    @holds
    def nothing_leaves_before_it_was_approved_and_noted(self) -> Iterator[str]:
        for bank in self.bank.values():
            yield from (f"{one.message} left for {bank.code}: {one.problem}" for one in bank.leavings if one.problem)

    @holds
    def no_message_leaves_again_past_its_window(self) -> Iterator[str]:
        for bank, message, leavings in self._leavings():
            options = BANK_OPTIONS[bank.code]
            if len(leavings) > 1 and options.get("duplicate_key") == "none":
                yield f"{message} left twice for {bank.code}, which would not notice"
            window = timedelta(days=int(options.get("duplicate_days", "7")))
            for one in leavings[1:]:
                if one.at - leavings[0].at >= window:
                    yield f"{message} left again after {one.at - leavings[0].at}"

    @holds
    def no_bank_takes_a_payment_twice(self) -> Iterator[str]:
        for bank in self.bank.values():
            references = [one.reference for one in bank.orders]
            for reference in {one for one in references if references.count(one) > 1}:
                yield f"{bank.code} took {reference} more than once"

    @holds
    def what_was_withdrawn_never_leaves(self) -> Iterator[str]:
        for reference, one in self.now.instructions.items():
            if one.state == "CANCELLED" and any(order.reference == reference for order in self.bank[one.bank].orders):
                yield f"{reference} was withdrawn and {one.bank} has it"
            was = self.before.instructions.get(reference) if self.before else None
            if was is not None and was.state == "CANCELLED" and one.state != was.state:
                yield f"{reference} was withdrawn and became {one.state}"

    @holds
    def a_withdrawn_month_is_owed_or_carried_again(self) -> Iterator[str]:
        if self.now.withdrawn_and_bound:
            yield f"{self.now.withdrawn_and_bound} months are bound to a payment that was withdrawn"

    @holds
    def a_cycle_is_closed_when_all_is_known(self) -> Iterator[str]:
        for code, state in self.now.cycles.items():
            if state == "CLOSED" and self.before and self.before.cycles.get(code) != state:
                for one in self.now.instructions.values():
                    if one.cycle == code and one.state not in _ENDED:
                        yield f"{code} was closed while {one.reference} is {one.state}"

    @holds
    def no_month_has_two_live_payments(self) -> Iterator[str]:
        if self.now.twice_live:
            yield f"{self.now.twice_live} months have two live payments"

    @holds
    def claims_stand_at_most_once(self) -> Iterator[str]:
        if self.now.twice_claimed:
            yield f"{self.now.twice_claimed} months are claimed twice"

    @holds
    def two_people_approve(self) -> Iterator[str]:
        for approver, maker, submitter, cycle in self.now.approvals:
            if approver in (maker, submitter):
                yield f"{approver} approved the own plan of {cycle}"

    # --------------------------------------------------------------------------- states

    @holds
    def settled_means_booked(self) -> Iterator[str]:
        for one in self.now.instructions.values():
            debits = self.bank[one.bank].booked(one.reference, is_debit=True)
            if one.state in ("SETTLED", "RETURNED") and not debits:
                yield f"{one.reference} is {one.state} and {one.bank} booked no debit"

    @holds
    def rejected_means_that_the_bank_said_no(self) -> Iterator[str]:
        for one in self.now.instructions.values():
            if one.state == "REJECTED" and one.reference not in self.bank[one.bank].said_refused:
                yield f"{one.reference} is REJECTED and {one.bank} never refused it"

    @holds
    def sent_means_that_the_bank_has_it(self) -> Iterator[str]:
        for message, (code, state) in self.now.batches.items():
            has = message in self.bank[code].taken_at or message in self.bank[code].refused_files
            if state == "SENT" and not has:
                yield f"{message} is SENT and {code} never had it"
            if state == "REFUSED" and message not in self.bank[code].refused_files:
                yield f"{message} is REFUSED and {code} did not refuse it"

    @holds
    def unknown_is_left_on_the_banks_word_only(self) -> Iterator[str]:
        for message, (code, state) in self.now.batches.items():
            was = self.before.batches.get(message, ("", ""))[1] if self.before else ""
            if was == "UNKNOWN" and state != "UNKNOWN" and message not in self.bank[code].words:
                yield f"{message} was UNKNOWN and became {state} without a word of {code}"

    @holds
    def a_final_state_of_a_file_stands(self) -> Iterator[str]:
        for message, (_, state) in self.now.batches.items():
            was = self._states.get(message, "")
            if was in _FINAL and state != was:
                yield f"{message} was {was} and became {state}"
            self._states[message] = state

    @holds
    def every_payment_is_in_one_state_with_its_file(self) -> Iterator[str]:
        fitting = {
            "SEALED": {"BATCHED"},
            "DISSOLVED": set(),
            "SENDING": {"BATCHED"},
            "UNKNOWN": {"UNKNOWN"},
            "SENT": _KNOWN - {"PLANNED", "BATCHED", "UNKNOWN"},
            # What the bank books after it refused is still true.
            "REFUSED": {"REJECTED", "SETTLED", "RETURNED", "DISPUTED"},
        }
        for one in self.now.instructions.values():
            allowed = fitting[self.now.batches[one.message][1]] if one.message else {"PLANNED", "CANCELLED"}
            if one.state not in allowed:
                yield f"{one.reference} is {one.state} in a file that is {self.now.batches.get(one.message)}"

    @holds
    def nobody_vanishes(self) -> Iterator[str]:
        if self.now.unpaid_lines:
            yield f"{self.now.unpaid_lines} lines of plans do not have exactly their payment"
        for cycle in self.now.cycles:
            # Whom an officer held may be carried by a later plan; in none at all may nobody be.
            expected = sum(one.from_period <= cycle for one in PEOPLE)
            if not len(self.now.due[cycle]) == len(self.now.persons[cycle]) == expected:
                yield f"{expected} people are due for {cycle}, plans carry {len(self.now.persons[cycle])}"
        if before := self.before:
            for reference, one in before.instructions.items():
                is_fixed = (
                    before.cycles[one.cycle] in ("RELEASED", "CLOSED") or self.now.cycles[one.cycle] == "APPROVED"
                )
                if reference not in self.now.instructions and is_fixed:
                    yield f"{reference} is gone"

    # ------------------------------------------------------------------- what came back

    @holds
    def bookings_are_those_of_the_bank(self) -> Iterator[str]:
        believed = defaultdict(set)
        for one in self.now.statements:
            believed[one.bank].add(one.number)
        lines: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for code, numbers in believed.items():
            for booking in self.bank[code].stated(sorted(numbers)):
                sums = lines[code, booking.reference]
                sums[0 if booking.is_debit else 2] += 1
                sums[1 if booking.is_debit else 3] += booking.amount
        for one in self.now.instructions.values():
            ours = [one.debit_count, one.debited, one.credit_count, one.credited]
            theirs = lines[one.bank, one.reference]
            if ours != theirs:
                yield f"{one.reference}: {ours} here, {theirs} at {one.bank} (debits, đồng, credits, đồng)"

    @holds
    def statements_follow_one_another(self) -> Iterator[str]:
        last: dict[str, tuple[int, int]] = {}
        for one in self.now.statements:
            true = self.bank[one.bank].statements[one.number - 1]
            if (one.opening, one.closing) != (true["opening"], true["closing"]):
                yield f"statement {one.number} of {one.bank} has other balances than at the bank"
            said = sorted((row.reference, row.amount, row.is_debit) for row in true["bookings"])
            if sorted(one.lines) != said:
                yield f"statement {one.number} of {one.bank} has other lines than at the bank"
            if one.bank in last and last[one.bank] != (one.number - 1, one.opening):
                yield f"statement {one.number} of {one.bank} does not follow {last[one.bank]}"
            last[one.bank] = (one.number, one.closing)

    @holds
    def no_lie_is_believed(self) -> Iterator[str]:
        for one in self.now.inbound:
            paper = dict(self.bank[one.bank].outbox)[one.name]
            if not paper.is_true and one.state in ("ACCEPTED", "REPEATED"):
                yield f"{one.name} of {one.bank}, {paper.what}, is {one.state}"

    @holds
    def what_is_not_believed_changes_nothing(self) -> Iterator[str]:
        yield from self.now.traces

    @holds
    def every_change_is_in_the_trail(self) -> Iterator[str]:
        is_file_accepted = False
        for subject, verb, detail in self.now.events:
            if "state" in detail:
                self._event_states[subject] = str(detail["state"])
                is_file_accepted |= detail["state"] == "ACCEPTED"
            elif verb == "plan-payments":
                self._event_states[subject] = "DRAFT"
            elif verb == "submit-batches" and "batches" in detail:
                self._event_states[subject] = "RELEASED"
            elif verb == "collect-returns":
                self._event_states.setdefault(subject, "STORED")
        told = self._event_states
        for code, state in self.now.cycles.items():
            if told.get(f"cycle:{code}") != state:
                yield f"cycle {code} is {state}, in the trail {told.get(f'cycle:{code}')}"
        for one in self.now.inbound:
            if told.get(f"file:{one.sha256}") != one.state:
                yield f"{one.name} is {one.state}, in the trail {told.get(f'file:{one.sha256}')}"
        for message, (_, state) in self.now.batches.items():
            # A bank's file that speaks of a batch proves that it arrived; the event is the file's.
            if state == "SENT" and is_file_accepted:
                told[f"batch:{message}"] = state
            if told.get(f"batch:{message}", "SEALED") != state:
                yield f"file {message} is {state}, in the trail {told.get(f'batch:{message}')}"
