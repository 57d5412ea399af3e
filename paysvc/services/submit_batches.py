"""submit-batches: cut an approved plan into bank files, keep their bytes, hand them over.

Every step may be cut off and done again. Batches are made in one transaction; the bytes of
a file are in the vault and noted before the first of them leaves. How it leaves is in
`paysvc.outgoing_batches` and `paysvc.handing_over`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from paysvc.bank_interface import EncodingImpossible
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import Clock
from paysvc.core.messages import ControlTotals
from paysvc.domain.batching import BatchLimits, MadeBatch, Terms, make_batches
from paysvc.domain.errors import Conflict, ConnectorUnavailable, DoesNotReconcile, NotFound, PaysvcError, Waiting
from paysvc.domain.instructions import BatchState, CycleState
from paysvc.domain.officers import Officer, require
from paysvc.domain.payment_dates import WorkingCalendar, earliest_value_date, next_working_day
from paysvc.domain.progress import Progress, silent
from paysvc.domain.sending_answers import PAID_BY_HAND, lost_file_open
from paysvc.domain.submission import BatchReport, Submission, Unpayable
from paysvc.outgoing_batches import hand_over
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, bank_files, batches, cycles, dissolving, lost_files, plans, resubmissions
from paysvc.store.batches import Batch
from paysvc.store.calendar import read_calendar
from paysvc.store.cycles import Cycle
from paysvc.store.engine import Database
from paysvc.store.payment_batches import read_payment_batch
from paysvc.store.tables import instant_text
from paysvc.store.vault import Vault

VERB = "submit-batches"


@dataclass(slots=True)
class _Desk:
    """Everything a run works with, and what it has to tell at the end."""

    database: Database
    sealer: Sealer
    vault: Vault
    banks: BankRegistry
    clock: Clock
    actor: Officer
    progress: Progress
    unpayable: list[Unpayable]
    waiting: list[PaysvcError]
    names_cut: int = 0
    done: int = 0
    total: int = 0

    def tell(self, count: int) -> None:
        self.done += count
        self.progress(self.done, self.total)

    def note(self, connection: Connection, one: Batch, detail: dict[str, object]) -> None:
        subject = f"batch:{one.message_id}"
        audit_trail.append(connection, self.clock.now(), self.actor, VERB, subject, {"bank": one.bank_code, **detail})


def submit_batches(
    database: Database,
    sealer: Sealer,
    vault: Vault,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    progress: Progress = silent,
) -> Submission:
    """Make, write and send the bank files of an approved cycle, as far as that is possible now.

    Raises `NotFound` for an unknown cycle, `Waiting` for a plan that is not approved,
    `Conflict` when the plan is not what was approved, `NotAllowed`. What goes wrong with a
    single batch raises nothing and is named in the result.
    """
    require(actor, VERB)
    desk = _Desk(database, sealer, vault, banks, clock, actor, progress, [], [])
    cycle = _make_batches(desk, cycle_code)
    found = _standing(desk, cycle)
    desk.total = 2 * sum(one.count for one in found)
    for step in (_write_file, hand_over):
        for one in found:
            try:
                step(desk, cycle, one)
            except PaysvcError as failure:
                # One batch's trouble is no reason to keep the others waiting.
                desk.waiting.append(failure)
            desk.tell(one.count)
        found = _standing(desk, cycle)
    return Submission(
        cycle_code, tuple(_reports(desk, cycle)), tuple(desk.unpayable), tuple(desk.waiting), desk.names_cut
    )


def _standing(desk: _Desk, cycle: Cycle) -> list[Batch]:
    with desk.database.read() as connection:
        found = batches.list_batches(connection, cycle.id)
    return [one for one in found if one.state is not BatchState.DISSOLVED]


def _make_batches(desk: _Desk, cycle_code: str) -> Cycle:
    """Release the cycle and put every payment that is in no batch yet into one, all or nothing."""
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        cycle = _approved(connection, cycle_code)
        _dissolve_answered(desk, connection, cycle)
        for one, doubles in dissolving.find_overtaken(connection, cycle.id):
            _dissolve(desk, connection, one, because="it holds what is paid after all", without=sorted(doubles))
        planned = batches.read_planned(connection, cycle.id)
        now = desk.clock.now()
        taken = lost_files.take_up(connection, cycle, planned, now)
        desk.unpayable += [Unpayable(*one, "end_to_end_id", PAID_BY_HAND) for one in taken.settled]
        desk.waiting += taken.waiting
        made = _cut(desk, connection, cycle, taken.rest)
        if made or taken.message_ids or cycle.state is CycleState.APPROVED:
            _refuse_if_changed(connection, cycle)
        if cycle.state is CycleState.APPROVED:
            cycles.change_cycle(connection, cycle, state=CycleState.RELEASED.value)
        if made or taken.message_ids:
            batches.insert_batches(connection, cycle.id, made, taken.rest["id"], now)
            detail = {
                "taken_up": list(taken.message_ids),
                "batches": len(made),
                "count": sum(len(one.rows) for one in made),
                "sum_vnd": str(sum(one.sum_vnd for one in made)),
            }
            audit_trail.append(connection, now, desk.actor, VERB, f"cycle:{cycle.code}", detail)
    return cycle


def _dissolve(desk: _Desk, connection: Connection, one: Batch, **detail: object) -> None:
    at = desk.clock.now()
    dissolving.dissolve(connection, one, at, VERB)
    desk.note(connection, one, {"state": BatchState.DISSOLVED.value, "dissolved_at": instant_text(at), **detail})


def _dissolve_answered(desk: _Desk, connection: Connection, cycle: Cycle) -> None:
    """Free what officers answered for as paid by a lost file and waits here in a batch that was not written."""
    lost = [one.references for one in lost_files.not_taken_up(connection)]
    for one in batches.list_batches(connection, cycle.id) if lost else []:
        if one.state is BatchState.SEALED and bank_files.find_file(connection, one.id) is None:
            held = batches.read_batched(connection, one.id)["end_to_end_id"]
            if any(not references.isdisjoint(held) for references in lost):
                _dissolve(desk, connection, one, because="payments of it are in a lost file")


def _approved(connection: Connection, cycle_code: str) -> Cycle:
    cycle = cycles.get_cycle(connection, cycle_code)
    if cycle.state in (CycleState.DRAFT, CycleState.SUBMITTED):
        raise Waiting(
            "plan_not_approved",
            f"The plan of {cycle_code} is {cycle.state} and not approved.",
            next_step="A second officer has to approve it: paysvc approve-plan.",
        )
    return cycle


def _refuse_if_changed(connection: Connection, cycle: Cycle) -> None:
    """The approval speaks of a digest; what is here now must still give it (crash point C8)."""
    found = plans.content_sha256(connection, cycle.id)
    approved = {one.content_sha256 for one in cycles.standing_approvals(connection, cycle.id)}
    if found != cycle.content_sha256 or found not in approved:
        raise Conflict(
            "plan_differs_from_approval",
            f"The plan of {cycle.code} is not the one that was approved.",
            next_step="Find out who changed the database; nothing was sent.",
        )


def _cut(desk: _Desk, connection: Connection, cycle: Cycle, planned: dict[str, list[Any]]) -> list[MadeBatch]:
    """The planned payments as batches; what no file of its bank may hold, the bank made by now under an
    earlier id, or is for a bank that is not there, is named and stays."""
    stays = set()
    for name, other in resubmissions.overtaken(connection, cycle.id).items():
        if name in planned["end_to_end_id"]:  # and not taken up with a lost file
            row = planned["end_to_end_id"].index(name)
            message = f"{other}, whose place it takes, is paid after all."
            desk.unpayable.append(Unpayable(name, planned["bank_code"][row], "replaces", message))
            stays.add(row)
    calendar = _calendar(desk, connection, cycle)
    terms = {}
    for bank_code in sorted(set(planned["bank_code"])):
        try:
            bank = desk.banks.get(bank_code)
        except NotFound as failure:
            desk.waiting.append(failure)
            stays |= {row for row, code in enumerate(planned["bank_code"]) if code == bank_code}
            continue
        able = bank.adapter.capabilities
        terms[bank_code] = Terms(
            BatchLimits(able.max_payments, able.max_amount_vnd),
            _value_date(desk, calendar, cycle, bank),
            batches.last_part(connection, cycle.id, bank_code),
        )
    for values in planned.values():
        values[:] = [one for row, one in enumerate(values) if row not in stays]
    made, too_large = _made_of(connection, calendar, cycle, planned, terms)
    for row in too_large:
        bank_code = planned["bank_code"][row]
        message = f"The payment is larger than any file of bank {bank_code} may be."
        desk.unpayable.append(Unpayable(planned["end_to_end_id"][row], bank_code, "amount_vnd", message))
    return made


def _made_of(
    connection: Connection,
    calendar: WorkingCalendar,
    cycle: Cycle,
    planned: dict[str, list[Any]],
    terms: dict[str, Terms],
) -> tuple[list[MadeBatch], list[int]]:
    """As `make_batches`. What a dissolved batch said in just these words is paid on the next working day: its
    MsgId, in which the day is, names another file of ours."""
    while True:
        made, too_large = make_batches(cycle.code, planned, terms)
        used_up = batches.used_up(connection, made)
        if not used_up:
            return made, too_large
        for bank_code in used_up:
            later = next_working_day(terms[bank_code].value_date + timedelta(days=1), calendar)
            terms[bank_code] = replace(terms[bank_code], value_date=later)


def _value_date(desk: _Desk, calendar: WorkingCalendar, cycle: Cycle, bank: Bank) -> date:
    """The cycle's day, or the first on which the bank can still execute a file given now."""
    cut_off = bank.adapter.capabilities.cut_off_hour
    return max(cycle.value_date, earliest_value_date(desk.clock.now(), cut_off, calendar))


def _calendar(desk: _Desk, connection: Connection, cycle: Cycle) -> WorkingCalendar:
    now = desk.clock.now()
    return read_calendar(connection, now.year - 1, max(now.year, cycle.value_date.year) + 1)


def _write_file(desk: _Desk, cycle: Cycle, one: Batch) -> None:
    """Encode a batch, keep the bytes, note their digest; what has been written stays as it is."""
    bank = desk.banks.get(one.bank_code)
    able = bank.adapter.capabilities
    with desk.database.read() as connection:
        one = batches.get_batch(connection, one.id)
        if bank_files.find_file(connection, one.id) or one.state is not BatchState.SEALED:
            return
        # What waits here may have been withdrawn in the lost database, and paid in that file under another id.
        for lost in lost_files.open_files(connection):
            raise lost_file_open(lost.sending.message_id, lost.sending.cycle_code)
        batch, names_cut = read_payment_batch(connection, desk.sealer, one, bank.settings.debtor, able, cycle.periods)
    try:
        file = bank.adapter.encode(batch)
    except EncodingImpossible as failure:
        desk.unpayable += [
            Unpayable(batch.payments.end_to_end_id[problem.position], one.bank_code, problem.field, problem.message)
            for problem in failure.problems
        ]
        _make_anew_without(desk, cycle, one, {problem.position for problem in failure.problems})
        return
    except Exception as failure:
        # An adapter promises to raise nothing else; when it does, the other banks are not to wait for it.
        raise ConnectorUnavailable(
            "adapter_failed",
            f"The adapter of bank {one.bank_code} could not write {one.message_id} ({type(failure).__name__}).",
            next_step="Nothing of it left. Correct or replace the adapter; it is tried again by itself.",
        ) from failure
    expected = ControlTotals(one.count, one.sum_vnd)
    if batch.totals != expected or file.totals != expected or file.message_id != one.message_id:
        raise DoesNotReconcile(
            "bank_file_differs", f"The file written for {one.message_id} does not hold what the batch holds."
        )
    digest = desk.vault.put(file.content)
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        # Another run may have written or dissolved it, or an officer withdrawn a payment of it, since it was read.
        if bank_files.find_file(connection, one.id) or batches.get_batch(connection, one.id) != one:
            return
        bank_files.insert_file(connection, one, file.name, digest, len(file.content), bank.written_by, desk.clock.now())
        desk.names_cut += names_cut
        desk.note(connection, one, {"written": digest.hex(), "count": one.count, "sum_vnd": str(one.sum_vnd)})


def _make_anew_without(desk: _Desk, cycle: Cycle, one: Batch, unwritable: set[int]) -> None:
    """Cut a batch that cannot be written into one that can, and one of what cannot, which waits for its adapter."""
    if len(unwritable) == one.count:
        return
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        # What was read to be written may have been changed since.
        _refuse_if_changed(connection, cycle)
        if batches.get_batch(connection, one.id).version != one.version:
            return
        held, now = batches.read_batched(connection, one.id), desk.clock.now()
        left_out = [held["end_to_end_id"][row] for row in sorted(unwritable)]
        _dissolve(desk, connection, one, without=left_out)
        bank = desk.banks.get(one.bank_code)
        calendar = _calendar(desk, connection, cycle)
        able, value_date = bank.adapter.capabilities, _value_date(desk, calendar, cycle, bank)
        made: list[Batch] = []
        for rows in ([row for row in range(one.count) if row not in unwritable], sorted(unwritable)):
            part = {name: [values[row] for row in rows] for name, values in held.items()}
            last = batches.last_part(connection, cycle.id, one.bank_code)
            terms = Terms(BatchLimits(able.max_payments, able.max_amount_vnd), value_date, last)
            cut, _ = _made_of(connection, calendar, cycle, part, {one.bank_code: terms})
            batches.insert_batches(connection, cycle.id, cut, part["id"], now)
            new = [batches.find_by_message_id(connection, one.bank_code, each.message_id) for each in cut]
            made = made or [each for each in new if each is not None]
    for each in made:
        _write_file(desk, cycle, each)


def _reports(desk: _Desk, cycle: Cycle) -> Iterable[BatchReport]:
    for one in _standing(desk, cycle):
        with desk.database.read() as connection:
            is_written = bank_files.find_file(connection, one.id) is not None
        yield BatchReport(one.bank_code, one.part, one.message_id, one.count, one.sum_vnd, one.state, is_written)
