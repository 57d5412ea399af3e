"""The first road of a report: its lines from what the store holds.

Nearly every line is ordinary: nothing is booked or said of it, or there is one debit over
just what was instructed. Those are judged once a bank file and put together in columns; all
others are judged line by line, and both by the one rule of `domain.report_lines`.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from paysvc.core.columns import Columns, concatenate
from paysvc.core.report_lines import LineColumns
from paysvc.core.text_column import Bool, Int64, TextColumn
from paysvc.domain.money import VND
from paysvc.domain.report_lines import (
    NOT_SENT,
    NOTHING_BOOKED,
    OUTSTANDING,
    WITHDRAWN,
    Booked,
    ReportLine,
    Said,
    discrepancies_of,
    judge,
    shown_bank_reference,
    shown_reason,
)
from paysvc.domain.report_records import SentFile


@dataclass(frozen=True, slots=True)
class DueColumns(Columns):
    """The entitlements of a cycle, in rising order of their ids; `disposition` says what the plan made of each."""

    id: Int64
    programme: TextColumn
    unit: TextColumn
    amount_vnd: Int64
    disposition: TextColumn
    reason: TextColumn


@dataclass(frozen=True, slots=True)
class InstructionColumns(Columns):
    """Instructions of the cycle; of several for one entitlement the last row stands. `batch_id`
    is 0 where there is none yet."""

    id: Int64
    entitlement_id: Int64
    end_to_end_id: TextColumn
    amount_vnd: Int64
    channel: TextColumn
    bank: TextColumn
    batch_id: Int64


@dataclass(frozen=True, slots=True)
class BookedColumns(Columns):
    """What believed statements booked: one row an entry, under instructions of this cycle or others."""

    instruction_id: Int64
    amount_vnd: Int64
    currency: TextColumn
    is_debit: Bool
    reason: TextColumn
    bank_reference: TextColumn


@dataclass(frozen=True, slots=True)
class InstructedColumns(Columns):
    """What was instructed for each line of a report, 0 where there is none.

    `amount_vnd` in đồng; `batch_id` only where the batch has a file.
    """

    amount_vnd: Int64
    batch_id: Int64


@dataclass(frozen=True)
class Facts:
    """All that is known at the moment of the report. `said` goes by the instruction's id,
    `files` by the batch's id; `withdrawn` are ids of instructions."""

    due: DueColumns
    instructions: InstructionColumns
    entries: BookedColumns
    said: Mapping[int, Said]
    files: Mapping[int, SentFile]
    withdrawn: frozenset[int] = frozenset()

    @cached_property
    def instruction_row(self) -> Int64:
        """Per entitlement the row of its instruction, −1 where it has none or is not planned."""
        found = np.full(len(self.due), -1, np.int64)
        at = _rows_of(self.due.id, self.instructions.entitlement_id)
        known = np.flatnonzero(at >= 0)
        found[at[known]] = known
        found[~self.due.disposition.is_equal("planned")] = -1
        return found

    @cached_property
    def booked_row(self) -> Int64:
        """Per entry the row of its instruction, −1 for one of another cycle."""
        return _rows_of(self.instructions.id, self.entries.instruction_id)


def lines_of(facts: Facts) -> LineColumns:
    """One line per entitlement, in their order."""
    entry = _ordinary_entry(facts)
    row = facts.instruction_row
    is_ordinary = row >= 0
    is_ordinary[is_ordinary] = entry[row[is_ordinary]] > _OTHERWISE
    ordinary, others = np.flatnonzero(is_ordinary), np.flatnonzero(~is_ordinary)
    source = np.empty(len(row), np.int64)
    source[np.concatenate([ordinary, others])] = np.arange(len(row))
    return concatenate([_ordinary(facts, ordinary, entry), LineColumns.of(_one_by_one(facts, others))]).take(source)


def instructed_of(facts: Facts) -> InstructedColumns:
    """What was instructed for each line."""
    row = facts.instruction_row
    amount, batch_id = np.zeros(len(row), np.int64), np.zeros(len(row), np.int64)
    has_one = row >= 0
    amount[has_one], batch_id[has_one] = (
        facts.instructions.amount_vnd[row[has_one]],
        facts.instructions.batch_id[row[has_one]],
    )
    batch_id[~np.isin(batch_id, np.array(sorted(facts.files), np.int64))] = 0
    return InstructedColumns(amount, batch_id)


def _rows_of(ids: Int64, wanted: Int64) -> Int64:
    """The row of `ids` (each once) that holds each of `wanted`, −1 where none does."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    found: Int64 = order[at]
    return np.where(ids[found] == wanted, found, -1)


_NOTHING, _OTHERWISE = -1, -2


def _ordinary_entry(facts: Facts) -> Int64:
    """Per instruction its only entry where that is ordinary, `_NOTHING` where nothing is booked
    or said, `_OTHERWISE` where the line has to be looked at by itself."""
    own = np.flatnonzero(facts.booked_row >= 0)
    at = facts.booked_row[own]
    found = np.full(len(facts.instructions), _NOTHING, np.int64)
    found[at] = np.where(_is_ordinary(facts, own), own, _OTHERWISE)
    found[np.bincount(at, minlength=len(found)) > 1] = _OTHERWISE
    by_itself = [*facts.said, *facts.withdrawn]
    found[np.isin(facts.instructions.id, np.array(by_itself, np.int64))] = _OTHERWISE
    return found


def _is_ordinary(facts: Facts, chosen: Int64) -> Bool:
    """Which of these entries are debits over just what was instructed, give no reason, and have a
    reference that is shown as it is."""
    entries = facts.entries.take(chosen)
    instructed = facts.instructions.amount_vnd[facts.booked_row[chosen]]
    is_ordinary: Bool = entries.is_debit & entries.currency.is_equal(VND) & (entries.amount_vnd == instructed)
    is_ordinary &= (instructed > 0) & (entries.reason.lengths == 0) & _is_shown_as_it_is(entries.bank_reference)
    return is_ordinary


#: What references are made of where nobody has to look at each, and how long they are then.
_PLAIN, _PLAIN_LENGTH = (string.ascii_letters + string.digits).encode(), 35


def _is_shown_as_it_is(references: TextColumn) -> Bool:
    if references.lengths.max(initial=0) <= _PLAIN_LENGTH and references.holds_only(_PLAIN):
        return np.ones(len(references), np.bool_)
    return np.array([shown_bank_reference(one) == one for one in references], np.bool_)


def _ordinary(facts: Facts, chosen: Int64, ordinary_entry: Int64) -> LineColumns:
    """The lines of these entitlements, whose instructions have an ordinary entry or `_NOTHING`."""
    due, row = facts.due.take(chosen), facts.instruction_row[chosen]
    instructions, entry = facts.instructions.take(row), ordinary_entry[row]
    batches, codes = np.unique(instructions.batch_id, return_inverse=True)
    message_ids, outcomes, sendings, reasons = _judged_once(facts, batches.tolist())
    case = codes * 2 + (entry >= 0)
    booked = np.where(entry >= 0, instructions.amount_vnd, 0)
    return LineColumns(
        line=chosen + 1,
        end_to_end_id=instructions.end_to_end_id,
        programme=due.programme,
        unit=due.unit,
        channel=instructions.channel,
        bank=instructions.bank,
        amount_vnd=due.amount_vnd,
        sending=sendings.take(case),
        message_id=message_ids.take(case),
        booked_debits_vnd=booked,
        booked_credits_vnd=np.zeros_like(booked),
        outcome=outcomes.take(case),
        reason=reasons.take(case),
        bank_reference=facts.entries.bank_reference.pick(entry),
        discrepancy=TextColumn.repeat("", len(chosen)),
    )


def _judged_once(facts: Facts, batches: Sequence[int]) -> list[TextColumn]:
    """Message id, outcome, sending and reason: two rows a batch, of what is not booked and of what is."""
    judged = []
    for batch_id in batches:
        sending, message_id = _sending(facts.files.get(batch_id))
        for booked in (NOTHING_BOOKED, Booked(debit_count=1, debits_vnd=1)):
            judged.append((message_id, *judge(sending, booked, None)))
    return [TextColumn.of(column) for column in zip(*judged, strict=True)] or [TextColumn.of([])] * 4


def _sending(file: SentFile | None) -> tuple[str, str]:
    """How far an instruction came, and the message id of its file."""
    return (file.sending, file.message_id) if file else (NOT_SENT, "")


#: One booked entry: instruction, đồng, currency, is it a debit, reason, the bank's reference.
_Entry = tuple[int, int, str, bool, str, str]


def _one_by_one(facts: Facts, chosen: Int64) -> Iterator[ReportLine]:
    """The lines of these entitlements, each judged by itself."""
    rows = facts.instruction_row[chosen]
    booked = _booked(facts, rows[rows >= 0])
    instructions = facts.instructions.take(rows[rows >= 0]).to_tuples()
    numbered = zip((chosen + 1).tolist(), facts.due.take(chosen).to_tuples(), rows.tolist(), strict=True)
    for number, (_, programme, unit, amount, disposition, reason), row in numbered:
        if row < 0:
            yield _without_instruction(number, programme, unit, amount, disposition, reason)
        else:
            instruction_id, _, end_to_end_id, _, channel, bank, batch_id = next(instructions)
            if instruction_id in facts.withdrawn:
                yield _of_no_bank(number, end_to_end_id, programme, unit, amount, WITHDRAWN, "", "")
                continue
            due = (number, end_to_end_id, programme, unit, channel, bank, amount)
            entries = booked.get(instruction_id, NOTHING_BOOKED)
            yield _judged(due, facts.files.get(batch_id), entries, facts.said.get(instruction_id))


def _booked(facts: Facts, rows: Int64) -> dict[int, Booked]:
    """What is booked under the instructions of these rows, by their ids."""
    is_wanted = np.zeros(len(facts.instructions), np.bool_)
    is_wanted[rows] = True
    at = np.flatnonzero(facts.booked_row >= 0)
    at = at[is_wanted[facts.booked_row[at]]]
    instructed = facts.instructions.amount_vnd[facts.booked_row[at]].tolist()
    found: dict[int, tuple[int, list[_Entry]]] = {}
    for entry, amount in zip(facts.entries.take(at).to_tuples(), instructed, strict=True):
        found.setdefault(entry[0], (amount, []))[1].append(entry)
    return {instruction_id: _add_up(entries, amount) for instruction_id, (amount, entries) in found.items()}


def _without_instruction(
    number: int, programme: str, unit: str, amount: int, disposition: str, reason: str
) -> ReportLine:
    """Held or excluded; or planned and yet not instructed, which the check names."""
    is_planned = disposition == "planned"
    outcome, state = (OUTSTANDING, NOT_SENT) if is_planned else (disposition, "")
    return _of_no_bank(number, "", programme, unit, amount, outcome, state, shown_reason(reason))


def _of_no_bank(
    number: int, end_to_end_id: str, programme: str, unit: str, amount: int, outcome: str, sending: str, reason: str
) -> ReportLine:
    return ReportLine(
        number, end_to_end_id, programme, unit, "", "", amount, sending, "", 0, 0, outcome, reason, "", ""
    )


def _judged(due: tuple[Any, ...], file: SentFile | None, booked: Booked, said: Said | None) -> ReportLine:
    """`due` are the first seven fields of the line."""
    sending, message_id = _sending(file)
    outcome, state, reason = judge(sending, booked, said)
    reference = booked.bank_reference or (said.bank_reference if said else "")
    shown = (shown_reason(reason) if reason else "", shown_bank_reference(reference))
    disagrees = "" if booked is NOTHING_BOOKED else discrepancies_of(booked)
    sums = (booked.debits_vnd, booked.credits_vnd)
    return ReportLine._make((*due, state, message_id, *sums, outcome, *shown, disagrees))


def _add_up(entries: Sequence[_Entry], instructed_vnd: int) -> Booked:
    """The entries under one reference; the order in which they were booked does not matter."""
    if len(entries) == 1 and entries[0][2] == VND:
        _, amount, _, is_debit, reason, reference = entries[0]
        sums = (1, amount, 0, 0) if is_debit else (0, 0, 1, amount)
        return Booked(*sums, amount != instructed_vnd, False, reason, reference)
    debits = [entry for entry in entries if entry[3]]
    credits_ = [entry for entry in entries if not entry[3]]
    references = sorted(entry[5] for entry in debits if entry[5]) or sorted(entry[5] for entry in credits_ if entry[5])
    return Booked(
        len(debits),
        sum(entry[1] for entry in debits if entry[2] == VND),
        len(credits_),
        sum(entry[1] for entry in credits_ if entry[2] == VND),
        any(entry[2] == VND and entry[1] != instructed_vnd for entry in entries),
        any(entry[2] != VND for entry in entries),
        min((entry[4] for entry in entries if entry[4]), default=""),
        references[0] if references else "",
    )
