"""Payment statuses (pain.002) and payment orders (pain.001) from the kernel's spans to columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from paysvc.core.columns import Columns, StatusColumns, concatenate, no_statuses
from paysvc.core.compiled import kernel
from paysvc.core.scan_records import RecordScan
from paysvc.core.source import NotUnderstood, Source
from paysvc.core.spans import SPAN_BITS, SPAN_LENGTH, amount_at, reference_at, text_column
from paysvc.core.text_column import Int64, TextColumn, UInt8
from paysvc.core.words import KEEP, word
from paysvc.core.xml_kernel import Space
from paysvc.core.xml_paths import CompiledPaths, Leaf, MessagePaths, Node, compile_paths
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND

_STATUS_SLOTS = ("reference", "instruction", "status", "reason", "bank_reference")
_PAYMENT_SLOTS = ("reference", "instruction", "amount", "currency")

#: ISO 20022 Max35Text.
_LONGEST_ID = 35


@dataclass(frozen=True, slots=True)
class ScannedStatuses:
    """The payments of a status report, the statuses in each block counted, and the report without them."""

    statuses: StatusColumns
    counted: list[Counter[str]]
    frame: bytes


@dataclass(frozen=True, slots=True)
class PieceOfPayments(Columns):
    """Payments of an order, in its order."""

    end_to_end_id: TextColumn
    amount_vnd: Int64
    currency: TextColumn
    instruction_id: TextColumn


@dataclass(frozen=True, slots=True)
class ScannedPayments:
    """The payments of an order; `blocks` are (first row, end) of each payment block."""

    payments: PieceOfPayments
    blocks: list[tuple[int, int]]
    frame: bytes


def scan_statuses(source: Source) -> ScannedStatuses | None:
    """The payments of a pain.002 file, or None where only the reference reader can tell."""
    scan = RecordScan(source, _status_paths(), _interpret_statuses)
    counted: dict[int, Counter[str]] = {}
    pieces = [no_statuses()]
    try:
        for (statuses, codes), segments in scan:
            pieces.append(statuses)
            for segment in segments:
                before = counted.setdefault(segment.container, Counter())
                before.update(_counted(codes[segment.begin : segment.end]))
    except NotUnderstood:
        return None
    blocks = [counted.get(at, Counter()) for at in range(scan.containers)]
    return ScannedStatuses(concatenate(pieces), blocks, scan.frame)


def scan_payments(source: Source) -> ScannedPayments | None:
    """The payments of a pain.001 file, or None where only the reference reader can tell."""
    scan = RecordScan(source, _payment_paths(), _interpret_payments)
    nothing = TextColumn.of([])
    pieces = [PieceOfPayments(nothing, np.zeros(0, np.int64), nothing, nothing)]
    ends: dict[int, int] = {}
    rows = total = 0
    try:
        for piece, segments in scan:
            pieces.append(piece)
            total += int(piece.amount_vnd.sum())
            for segment in segments:
                rows += segment.end - segment.begin
                ends[segment.container] = rows
    except NotUnderstood:
        return None
    if total > MAX_TOTAL_VND:
        return None
    blocks, begin = [], 0
    for container in range(scan.containers):
        end = ends.get(container, begin)
        blocks.append((begin, end))
        begin = end
    return ScannedPayments(concatenate(pieces), blocks, scan.frame)


@cache
def _status_paths() -> CompiledPaths:
    reason = Node({"Cd": Leaf("reason"), "Prtry": Leaf("reason")}, slot="reason_choice", closed=True)
    record: dict[str, Leaf | Node] = {
        "OrgnlEndToEndId": Leaf("reference"),
        "OrgnlInstrId": Leaf("instruction"),
        "TxSts": Leaf("status"),
        "StsRsnInf": Node({"Rsn": reason}),
        "AcctSvcrRef": Leaf("bank_reference"),
    }
    message = MessagePaths("CstmrPmtStsRpt", "OrgnlPmtInfAndSts", "TxInfAndSts", Node(record))
    return compile_paths(message, record_slots=_STATUS_SLOTS)


@cache
def _payment_paths() -> CompiledPaths:
    record: dict[str, Leaf | Node] = {
        "PmtId": Node({"EndToEndId": Leaf("reference"), "InstrId": Leaf("instruction")}, slot="identified"),
        "Amt": Node({"InstdAmt": Leaf("amount", "currency")}, slot="amount_choice", closed=True),
    }
    message = MessagePaths("CstmrCdtTrfInitn", "PmtInf", "CdtTrfTxInf", Node(record))
    return compile_paths(message, record_slots=_PAYMENT_SLOTS)


def _interpret_statuses(data: UInt8, space: Space) -> tuple[StatusColumns, Int64] | None:
    """The statuses, and of each its code as a word."""
    count = int(space.counts[0])
    columns = np.empty((5, count), dtype=np.int64)
    if not _fill_statuses(data, space.records, count, columns):
        return None
    *spans, codes = columns
    return StatusColumns(*(text_column(data, one) for one in spans)), codes


def _interpret_payments(data: UInt8, space: Space) -> PieceOfPayments | None:
    count = int(space.counts[0])
    columns = np.empty((4, count), dtype=np.int64)
    if not _fill_payments(data, space.records, count, columns):
        return None
    reference, amount, currency, instruction = columns
    return PieceOfPayments(
        end_to_end_id=text_column(data, reference),
        amount_vnd=amount,
        currency=text_column(data, currency),
        instruction_id=text_column(data, instruction),
    )


def _counted(codes: Int64) -> Counter[str]:
    values, counts = np.unique(codes, return_counts=True)
    names = (value.to_bytes(8, "little").rstrip(b"\0").decode() for value in values.astype(np.uint64).tolist())
    return Counter(dict(zip(names, counts.tolist(), strict=True)))


@kernel
def _fill_statuses(data: Any, records: Any, count: Any, columns: Any) -> Any:
    for row in range(count):
        status = records[row, 2]
        length = status & SPAN_LENGTH
        if length > 7:
            return False
        columns[0, row] = reference_at(data, records[row, 0], records[row, 1])
        columns[1, row] = status
        columns[2, row] = records[row, 3]
        columns[3, row] = records[row, 4]
        columns[4, row] = np.int64(word(data, status >> SPAN_BITS) & KEEP[length])
    return True


@kernel
def _fill_payments(data: Any, records: Any, count: Any, columns: Any) -> Any:
    for row in range(count):
        whole, _, _ = amount_at(data, records[row, 2], records[row, 3])
        reference, instruction = records[row, 0], records[row, 1]
        if reference & SPAN_LENGTH == 0:
            return False
        reference = reference_at(data, reference, instruction)
        length = reference & SPAN_LENGTH
        if (
            not 0 <= whole <= MAX_PAYMENT_VND
            or not 0 < length <= _LONGEST_ID
            or instruction & SPAN_LENGTH > _LONGEST_ID
        ):
            return False
        columns[0, row] = reference
        columns[1, row] = whole
        columns[2, row] = records[row, 3]
        columns[3, row] = instruction
    return True
