"""Statement entries from the kernel's spans to columns, where nothing about them is unusual.

An entry that contradicts itself, or says something in a way that is not plain, leaves the
file to the reference reader of `scan_camt`, which knows the words for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from paysvc.core.columns import EntryColumns
from paysvc.core.compiled import kernel
from paysvc.core.scan_records import RecordScan, Segment
from paysvc.core.scan_xml import Shape
from paysvc.core.source import Source
from paysvc.core.spans import (
    SPAN_BITS,
    SPAN_LENGTH,
    VND_WORD,
    amount_at,
    number_at,
    reference_at,
    text_column,
)
from paysvc.core.text_column import Bool, Int32, Int64, UInt8
from paysvc.core.words import KEEP, word
from paysvc.core.xml_kernel import Space
from paysvc.core.xml_paths import CompiledPaths, Leaf, MessagePaths, Node, Repeat, compile_paths
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND

_U = np.uint64
_DEBIT, _CREDIT = (_U(int.from_bytes(code, "little")) for code in (b"DBIT", b"CRDT"))
_STATUS_CODES = np.array([int.from_bytes(code, "little") for code in (b"BOOK", b"PDNG", b"INFO", b"FUTR")], np.uint64)
_DATE_LENGTH = 10

#: The slots in the order in which the kernels below name them.
_RECORD_SLOTS: tuple[str, ...] = ("amount", "currency", "direction", "status", "bank_reference", "date")
_RECORD_SLOTS += ("groups", "batch", "count", "total", "total_currency")
_PART_SLOTS: tuple[str, ...] = ("reference", "instruction", "bank_reference", "amount", "currency", "direction")
_PART_SLOTS += ("booked", "booked_currency", "instructed", "instructed_currency", "reason")


class _Rows(NamedTuple):
    """What the kernel writes: a row per transaction (or per entry without any), text as spans.

    The last two columns have a row per entry.
    """

    reference: Int64
    amount: Int64
    currency: Int64
    is_debit: Bool
    status: UInt8
    reason: Int64
    bank_reference: Int64
    entry: Int32
    date: Int64
    entry_is_debit: Bool
    entry_is_booked: Bool


@dataclass(frozen=True, slots=True)
class EntryPiece:
    """The entries of a chunk, numbered from 0, and of each of them whether it is a debit and booked."""

    entries: EntryColumns
    is_debit: Bool
    is_booked: Bool

    def of(self, segment: Segment) -> tuple[EntryColumns, dict[tuple[bool, bool], int]]:
        """The rows of a segment, their entries numbered from 1 in their statement, and how many
        entries they are per (debit?, booked?)."""
        begin, end = segment.begin, segment.end
        rows = np.searchsorted(self.entries.entry_number, [begin, end])
        found = self.entries.part(int(rows[0]), int(rows[1]))
        found = replace(found, entry_number=found.entry_number + np.int32(segment.before + 1 - begin))
        debits, booked = self.is_debit[begin:end], self.is_booked[begin:end]
        both, debit_count, booked_count = (int(np.count_nonzero(one)) for one in (debits & booked, debits, booked))
        return found, {
            (True, True): both,
            (True, False): debit_count - both,
            (False, True): booked_count - both,
            (False, False): len(debits) - debit_count - booked_count + both,
        }


def scan_entries(source: Source, name: str, shape: Shape) -> RecordScan[EntryPiece]:
    """The entries of a camt.053 or camt.054 file of this shape, chunk by chunk."""
    return RecordScan(source, _paths(name, shape), _interpret)


@cache
def _paths(name: str, shape: Shape) -> CompiledPaths:
    """Versions .02 and .04 have the entry's status as text, .08 as a code inside."""
    code = Leaf("status")
    status = Node({"Cd": code}, slot="status_choice", closed=True) if name.endswith(".08") else code
    day = Node({"Dt": Leaf("date"), "DtTm": Leaf("date")}, slot="dated", closed=True)
    reason = Node({"Cd": Leaf("reason"), "Prtry": Leaf("reason")}, slot="reason_choice", closed=True)
    references = {"EndToEndId": "reference", "InstrId": "instruction", "AcctSvcrRef": "bank_reference"}
    details = {
        "TxAmt": Node({"Amt": Leaf("booked", "booked_currency")}, slot="booked_choice"),
        "InstdAmt": Node({"Amt": Leaf("instructed", "instructed_currency")}, slot="instructed_choice"),
    }
    transaction: dict[str, Leaf | Node] = {
        "Refs": Node({tag: Leaf(slot) for tag, slot in references.items()}, slot="references"),
        "Amt": Leaf("amount", "currency"),
        "CdtDbtInd": Leaf("direction"),
        "AmtDtls": Node(details, slot="amount_details"),
        "RtrInf": Node({"Rsn": reason}, slot="returned"),
    }
    batch = Node({"NbOfTxs": Leaf("count"), "TtlAmt": Leaf("total", "total_currency")}, slot="batch")
    groups = Node({shape.part: Node(transaction, part=True), "Btch": batch}, slot="groups", repeat=Repeat.COUNT)
    entry: dict[str, Leaf | Node] = {
        "Amt": Leaf("amount", "currency"),
        "CdtDbtInd": Leaf("direction"),
        "Sts": status,
        "BookgDt": day,
        "AcctSvcrRef": Leaf("bank_reference"),
        shape.parts: groups,
    }
    message = MessagePaths(shape.body, shape.container, shape.record, Node(entry))
    return compile_paths(message, record_slots=_RECORD_SLOTS, part_slots=_PART_SLOTS)


def _interpret(data: UInt8, space: Space) -> EntryPiece | None:
    records, parts, _ = space.counts.tolist()
    most = records + parts
    spans = [np.empty(most, dtype=np.int64) for _ in range(6)]
    rows = _Rows(
        reference=spans[0],
        amount=spans[1],
        currency=spans[2],
        is_debit=np.empty(most, dtype=np.bool_),
        status=np.empty(most, dtype=np.uint8),
        reason=spans[3],
        bank_reference=spans[4],
        entry=np.empty(most, dtype=np.int32),
        date=spans[5],
        entry_is_debit=np.empty(records, dtype=np.bool_),
        entry_is_booked=np.empty(records, dtype=np.bool_),
    )
    written = _fill(data, space.records, space.parts, space.first_part, records, parts, rows)
    if written < 0:
        return None
    entries = EntryColumns(
        reference=text_column(data, rows.reference[:written]),
        amount_vnd=rows.amount[:written],
        currency=text_column(data, rows.currency[:written]),
        is_debit=rows.is_debit[:written],
        status=rows.status[:written],
        reason_code=text_column(data, rows.reason[:written]),
        bank_reference=text_column(data, rows.bank_reference[:written]),
        entry_number=rows.entry[:written],
        booking_date=text_column(data, rows.date[:written]),
    )
    return EntryPiece(entries, rows.entry_is_debit, rows.entry_is_booked)


@kernel
def _debits(data: Any, span: Any) -> Any:
    """1 for DBIT, 0 for CRDT, -1 for anything else."""
    if span & SPAN_LENGTH != 4:
        return -1
    code = word(data, span >> SPAN_BITS) & KEEP[4]
    return 1 if code == _DEBIT else 0 if code == _CREDIT else -1


@kernel
def _status(data: Any, span: Any) -> Any:
    if span & SPAN_LENGTH == 4:
        code = word(data, span >> SPAN_BITS) & KEEP[4]
        for number in range(4):
            if _STATUS_CODES[number] == code:
                return number
    return -1


@kernel
def _fill(data: Any, records: Any, parts: Any, first_part: Any, count: Any, part_count: Any, rows: Any) -> Any:
    """Write the rows; returns how many, or -1 where an entry is not plain.

    The slots' numbers are those of `_RECORD_SLOTS` and `_PART_SLOTS`.
    """
    written = 0
    for record in range(count):
        first = first_part[record]
        end = first_part[record + 1] if record + 1 < count else part_count
        members = end - first
        whole, exact, currency = amount_at(data, records[record, 0], records[record, 1])
        is_debit = _debits(data, records[record, 2])
        status = _status(data, records[record, 3])
        if whole < 0 or is_debit < 0 or status < 0 or whole > (MAX_TOTAL_VND if members > 1 else MAX_PAYMENT_VND):
            return -1
        rows.entry_is_debit[record] = is_debit
        rows.entry_is_booked[record] = status == 0
        date = records[record, 5]
        if date & SPAN_LENGTH > _DATE_LENGTH:
            # Letters are counted, not bytes.
            for step in range(_DATE_LENGTH):
                if data[(date >> SPAN_BITS) + step] >= 0x80:
                    return -1
            date = (date & ~SPAN_LENGTH) | _DATE_LENGTH
        total = 0
        for part in range(first, max(end, first + 1)):
            own_whole, own_currency, own_debit = whole, records[record, 1], is_debit
            reference = reason = bank_reference = 0
            if members > 0:
                found_whole, found_exact, found_currency = -1, 0, _U(0)
                for slot in (8, 6, 3):  # instructed, booked and own amount: the last one given counts
                    if parts[part, slot] == 0:
                        continue
                    one_whole, one_exact, one_currency = amount_at(data, parts[part, slot], parts[part, slot + 1])
                    if one_whole < 0 or one_whole > MAX_PAYMENT_VND:
                        return -1
                    if slot == 8 and members == 1:
                        continue
                    found_whole, found_exact, found_currency = one_whole, one_exact, one_currency
                    own_currency = parts[part, slot + 1]
                if members == 1 and (found_whole < 0 or (found_currency != currency and found_whole != whole)):
                    # A converted amount describes the payment; the account was booked in the entry's own.
                    found_whole, found_exact, found_currency, own_currency = whole, exact, currency, records[record, 1]
                if found_whole < 0 or found_currency != currency or (members > 1 and currency != VND_WORD):
                    return -1
                if parts[part, 5] != 0:
                    own_debit = _debits(data, parts[part, 5])
                    if own_debit < 0:
                        return -1
                own_whole = found_whole
                total += found_exact if own_debit == is_debit else -found_exact
                reference = reference_at(data, parts[part, 0], parts[part, 1])
                bank_reference, reason = parts[part, 2], parts[part, 10]
            rows.reference[written] = reference
            rows.amount[written] = own_whole
            rows.currency[written] = own_currency
            rows.is_debit[written] = own_debit
            rows.status[written] = status
            rows.reason[written] = reason
            rows.bank_reference[written] = bank_reference if bank_reference & SPAN_LENGTH else records[record, 4]
            rows.entry[written] = record
            rows.date[written] = date
            written += 1
        if members > 0 and total != exact:
            return -1
        if records[record, 7] != 0:
            if records[record, 6] != 1 or members == 0:
                return -1
            if records[record, 8] != 0 and number_at(data, records[record, 8]) != members:
                return -1
            if records[record, 9] != 0:
                whole, exact, currency = amount_at(data, records[record, 9], records[record, 10])
                if whole < 0 or exact != abs(total):
                    return -1
    return written
