"""Faults of the kind that pays somebody twice or nobody at all, each built into the running service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from paysvc import handing_over
from paysvc.bank_interface import DuplicateKey
from paysvc.core import standing
from paysvc.core.text_column import TextColumn
from paysvc.domain.bank_returns import REFUSALS, MergedStatus
from paysvc.domain.instructions import BatchState
from paysvc.domain.statement_chain import Fit
from paysvc.services import approve_plan, submit_batches
from paysvc.store import (
    audit_trail,
    batches,
    cycles,
    ledger,
    returns,
    statement_taking,
    status_taking,
)
from paysvc.store.attempts import AttemptOutcome, Attempts
from paysvc.store.engine import Database
from paysvc.store.returns import FileState
from paysvc.store.tables import batch, instruction, payment_cycle

from .model_office import raw

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Bug:
    """`apply` builds it into this process; `drops` are the database's rules that would stop it anyway."""

    name: str
    sentence: str
    apply: Callable[[Patch], None] = lambda patch: None
    drops: tuple[str, ...] = ()

    @contextmanager
    def built_in(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            self.apply(patch)
            yield

    def prepare(self, home: Path) -> None:
        """Take the rules out of this office's database."""
        with raw(home) as rows:
            for trigger in self.drops:
                rows.execute(f"DROP TRIGGER {trigger}")


NONE = Bug("", "nothing is wrong")
BUGS: dict[str, Bug] = {}


def _bug(sentence: str, *drops: str) -> Callable[[Callable[[Patch], None]], None]:
    """The name of the function, with hyphens, is the name of the fault."""

    def add(apply: Callable[[Patch], None]) -> None:
        name = apply.__name__.replace("_", "-")
        BUGS[name] = Bug(name, sentence, apply, drops)

    return add


# ----------------------------------------------------------------------------------- returns


@_bug("The last status counts, not the highest in rank.")
def status_last_wins(patch: Patch) -> None:
    patch.setattr(status_taking, "merge_status", lambda before, status: MergedStatus(status, status in REFUSALS))


@_bug("A status file is believed whatever totals it repeats of ours.")
def lying_status_believed(patch: Patch) -> None:
    patch.setattr(status_taking, "_require_agreement", lambda group, one: None)


@_bug("A statement is believed although its lines do not lead from its opening to its closing balance.")
def unproved_statement_believed(patch: Patch) -> None:
    patch.setattr(statement_taking, "problems_of", lambda statement: [])


@_bug("A statement is believed although the one before it is missing.")
def missing_page_accepted(patch: Patch) -> None:
    patch.setattr(statement_taking, "_require_continuity", lambda believed, statement: None)


@_bug("A statement that says again what was said counts again.")
def repeated_statement_counts(patch: Patch) -> None:
    fit = statement_taking.fit
    patch.setattr(statement_taking, "_says_what_was_said", lambda connection, believed, statement: False)
    patch.setattr(
        statement_taking, "fit",
        lambda chain, new: Fit.FITS if (found := fit(chain, new)) is Fit.NUMBER_USED else found,
    )  # fmt: skip


@_bug("A line belongs to the first payment of its amount, whatever its reference.")
def line_matched_by_amount(patch: Patch) -> None:
    take = statement_taking._take

    def by_amount(connection: Any, bank_code: str, file: Any, statement: Any, *rest: Any) -> Any:
        column = instruction.c
        rows = connection.execute(
            select(column.amount_vnd, column.end_to_end_id)
            .where(column.bank_code == bank_code, column.batch_id.is_not(None))
            .order_by(column.id.desc())
        )
        first = {int(amount): reference for amount, reference in rows}
        entries = statement.entries
        matched = [
            first.get(int(amount), reference)
            for amount, reference in zip(entries.amount_vnd, entries.reference.to_list(), strict=True)
        ]
        changed = replace(statement, entries=replace(entries, reference=TextColumn.of(matched)))
        return take(connection, bank_code, file, changed, *rest)

    patch.setattr(statement_taking, "_take", by_amount)


@_bug("Money that came back counts as a refusal.")
def return_taken_as_rejection(patch: Patch) -> None:
    states = standing.states

    def wrong(*given: Any) -> Any:
        found = states(*given)
        found[found == standing.STATES.index("RETURNED")] = standing.STATES.index("REJECTED")
        return found

    patch.setattr(standing, "states", wrong)


@_bug("A file that has to wait for another is never looked at again.")
def parked_for_ever(patch: Patch) -> None:
    listed = returns.list_undecided
    patch.setattr(
        returns,
        "list_undecided",
        lambda connection: [one for one in listed(connection) if one.state is FileState.STORED],
    )


# ------------------------------------------------------------------------------------- plans


@_bug("The approval is not bound to the content that was approved.")
def approval_not_bound(patch: Patch) -> None:
    patch.setattr(submit_batches, "_refuse_if_changed", lambda connection, cycle: None)


@_bug("Who submitted a plan may approve it.", "approval_by_another_person")
def own_plan_approved(patch: Patch) -> None:
    expect = approve_plan._expect

    def nobody(connection: Any, code: str, state: Any) -> Any:
        return replace(expect(connection, code, state), submitted_by=None)

    patch.setattr(approve_plan, "_expect", nobody)


@_bug("A plan is written over whatever version of it was read.", "payment_cycle_life")
def plan_update_lost(patch: Patch) -> None:
    def change(connection: Any, cycle: Any, **values: object) -> Any:
        connection.execute(
            update(payment_cycle)
            .where(payment_cycle.c.id == cycle.id)
            .values(version=cycle.version + 1, **values)
        )  # fmt: skip
        return cycles.get_cycle(connection, cycle.code)

    patch.setattr(cycles, "change_cycle", change)


# ----------------------------------------------------------------------------------- sending


def _set(connection: Any, one: Any, after: BatchState) -> Any:
    """The batch in this state, whatever it was."""
    connection.execute(update(batch).where(batch.c.id == one.id).values(state=after.value, version=one.version + 1))
    return batches.get_batch(connection, one.id)


@_bug("A file is moved on whatever state of it was read.", "batch_life")
def batch_update_lost(patch: Patch) -> None:
    patch.setattr(batches, "move_batch", _set)


@_bug(
    "A sender that slept writes down what it knows over what others found out meanwhile.",
    "batch_life",
    "instruction_life",
    "send_attempt_ended_stands",
)
def sleeper_overwrites(patch: Patch) -> None:
    note = handing_over._note_answer

    def overwrite(desk: Any, outgoing: Any, number: int, outcome: Any, *rest: Any) -> None:
        if outcome is not AttemptOutcome.UNKNOWN:
            note(desk, outgoing, number, outcome, *rest)
            return
        with desk.database.write() as connection:
            outgoing.attempts.finish(connection, outgoing.attempts_of, number, desk.clock.now(), outcome, "")
            outgoing.one = _set(connection, outgoing.one, BatchState.UNKNOWN)
            connection.execute(
                update(instruction)
                .where(instruction.c.batch_id == outgoing.one.id)
                .values(state="UNKNOWN", is_live=True)
            )
            outgoing.note(connection, attempt=number)

    patch.setattr(handing_over, "_note_answer", overwrite)


@_bug("No answer in time is taken as a refusal.")
def time_out_taken_as_refusal(patch: Patch) -> None:
    note = handing_over._note_answer

    def refuse(desk: Any, outgoing: Any, number: int, outcome: Any, *rest: Any) -> None:
        is_lost = outcome is AttemptOutcome.UNKNOWN
        note(desk, outgoing, number, AttemptOutcome.REFUSED if is_lost else outcome, *rest)

    patch.setattr(handing_over, "_note_answer", refuse)


@_bug("A file whose answer was lost counts as not sent after an hour.")
def unknown_expires(patch: Patch) -> None:
    ask = handing_over._ask

    def expire(desk: Any, outgoing: Any) -> None:
        with desk.database.write() as connection:
            now = desk.clock.now()
            first = outgoing.attempts.first_at(connection, outgoing.attempts_of)
            if first is not None and now - first >= timedelta(hours=1):
                outgoing.move(connection, handing_over.Stage.SEALED, now)
                outgoing.note(connection, because="too old")
                return
        ask(desk, outgoing)

    patch.setattr(handing_over, "_ask", expire)


@_bug("A file is sent again however long ago the bank last remembered it.")
def retry_past_the_window(patch: Patch) -> None:
    def just_now(attempts: Any, connection: Any, file_id: int) -> datetime | None:
        return None

    patch.setattr(Attempts, "first_at", just_now)


@_bug("What the bank had not got goes to it again whenever it can be reached.")
def sealed_past_the_window(patch: Patch) -> None:
    claim = handing_over._claim

    def trust(desk: Any, outgoing: Any, able: Any) -> Any:
        return claim(desk, outgoing, replace(able, duplicate_key=DuplicateKey.MESSAGE_ID, duplicate_days=10_000))

    patch.setattr(handing_over, "_claim", trust)
    # It is asked a second time, right before the file leaves.
    patch.setattr(handing_over, "_may_leave", lambda *_: True)


@_bug("A file is sent again to a bank that does not notice a second one.")
def retry_without_memory(patch: Patch) -> None:
    ask = handing_over._ask

    def trust(desk: Any, outgoing: Any) -> None:
        if desk.banks.get(outgoing.bank_code).adapter.capabilities.can_enquire:
            ask(desk, outgoing)
            return
        with desk.database.write() as connection:
            outgoing.move(connection, handing_over.Stage.SEALED, desk.clock.now())
            outgoing.note(connection, because="nobody to ask")

    patch.setattr(handing_over, "_ask", trust)


@_bug("Each try writes the file anew, with the date of the day.")
def retry_with_new_bytes(patch: Patch) -> None:
    leave = handing_over._leave

    def dated(desk: Any, outgoing: Any, adapter: Any, leaving: Any) -> Any:
        day = f" {desk.clock.now():%d}".encode()
        return leave(desk, outgoing, adapter, replace(leaving, content=leaving.content + day))

    patch.setattr(handing_over, "_leave", dated)


@_bug("The file leaves before the attempt is written down.")
def sent_before_noted(patch: Patch) -> None:
    start = Attempts.start

    def late(attempts: Any, connection: Any, file_id: int, at: datetime) -> int:
        return 1

    def note(desk: Any, outgoing: Any, number: int, *rest: Any) -> None:
        with desk.database.write() as connection:
            number = start(outgoing.attempts, connection, outgoing.attempts_of, desk.clock.now())
        noted(desk, outgoing, number, *rest)

    noted = handing_over._note_answer
    patch.setattr(Attempts, "start", late)
    patch.setattr(handing_over, "_note_answer", note)


@_bug("The money of a file that the bank refused stays reserved.")
def refused_money_kept(patch: Patch) -> None:
    post = ledger.post

    def all_but_one(connection: Any, at: datetime, kind: str, *rest: Any) -> bool:
        return True if kind == "batch_refused" else post(connection, at, kind, *rest)

    patch.setattr(ledger, "post", all_but_one)


# ------------------------------------------------------------------------------------- trail


@_bug("Events are written after the transaction that they tell of.")
def event_outside_the_transaction(patch: Patch) -> None:
    append, write = audit_trail.append, Database.write
    pending: list[tuple[Any, ...]] = []

    @contextmanager
    def write_then_tell(self: Database, **how: bool) -> Iterator[Any]:
        told_before = len(pending)
        try:
            with write(self, **how) as connection:
                yield connection
        except BaseException:
            del pending[told_before:]
            raise
        events, pending[:] = list(pending), []
        with write(self, **how) as connection:
            for one in events:
                append(connection, *one)

    patch.setattr(audit_trail, "append", lambda connection, *rest: pending.append(rest))
    patch.setattr(Database, "write", functools.wraps(write)(write_then_tell))
