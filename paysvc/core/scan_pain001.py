"""A payment order (pain.001) read back: what was sent, as the bank was asked to pay it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paysvc.core.columns import SentColumns, drained
from paysvc.core.messages import ControlTotals
from paysvc.core.scan_amount import amount_of, count_of, total_of
from paysvc.core.scan_xml import (
    NO_REFERENCE,
    WORTH_SCANNING,
    Element,
    Shape,
    message_name,
    place_of,
    qualified,
    records,
    refuse_unless,
    text_of,
)
from paysvc.core.source import Source
from paysvc.core.text_column import CategoryColumn, TextColumn, concatenate_text
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_TOTAL_VND

if TYPE_CHECKING:
    from paysvc.core.scan_pain_columns import PieceOfPayments, ScannedPayments

ORDERS = frozenset({"pain.001.001.03", "pain.001.001.09"})

#: ISO 20022 Max35Text.
_LONGEST_ID = 35
_SHAPE = Shape(body="CstmrCdtTrfInitn", container="PmtInf", record="CdtTrfTxInf")
_ROWS_A_PIECE = 20_000


@dataclass(frozen=True, slots=True)
class SentFile:
    """One payment order, its payments in file order.

    `created_at` is the file's own text; `accounts` are the payers' account numbers (empty
    when the file names none); `instruction_id` is each payment's InstrId, or empty.
    """

    message_id: str
    created_at: str
    totals: ControlTotals
    payments: SentColumns
    accounts: frozenset[str]
    instruction_id: TextColumn


def read_pain001(content: bytes | Source) -> SentFile:
    """What a pain.001 file orders, with its control totals checked.

    `totals` are counted from the payments. Raises `FileRefused`: the codes of `scan_xml` and
    `scan_amount`, `wrong_structure`, `control_totals_lie` (NbOfTxs or CtrlSum, of the file or
    of a payment block, is not what the payments give), `reference_missing`.
    """
    source = Source.of(content)
    name = message_name(source)
    refuse_unless(name, ORDERS, "a payment order")
    scanned = read_scanned(source, name) if source.size >= WORTH_SCANNING else None
    return scanned or read_by_parser(source, name)


def read_by_parser(content: bytes | Source, name: str) -> SentFile:
    """`read_pain001` for any legal file and any fault: the reference that the scanner is held against."""
    return _OrderReader(name).read(Source.of(content))


def read_scanned(content: bytes | Source, name: str) -> SentFile | None:
    """`read_pain001` for a file that the scanner understands; None for all others."""
    from paysvc.core.scan_pain_columns import scan_payments

    scanned = scan_payments(Source.of(content))
    if scanned is None:
        return None
    try:
        return _OrderReader(name, scanned).read(Source.of(scanned.frame))
    except FileRefused:
        # The parser finds it again, and its place in the whole file.
        return None


class _OrderReader:
    """Reads one file; a payment block's header stands before its payments, its check after.

    With `scanned` it reads the frame of a file whose payments are known already.
    """

    def __init__(self, name: str, scanned: ScannedPayments | None = None) -> None:
        def tag(local: str) -> str:
            return qualified(name, local)

        self._name = name
        self._group_header, self._block, self._payment = tag("GrpHdr"), tag("PmtInf"), tag("CdtTrfTxInf")
        self._payment_id, self._amount = tag("PmtId"), tag("Amt")
        self._end_to_end_id, self._instructed = tag("EndToEndId"), tag("InstdAmt")
        self._instruction_id = tag("InstrId")
        self._message_id = self._created_at = ""
        self._declared: tuple[int | None, int | None] = (None, None)
        self._accounts: set[str] = set()
        self._rows: list[tuple[str, int, str, str]] = []
        self._instruction_ids: list[TextColumn] = []
        self._pieces: list[SentColumns] = []
        self._block_count = self._block_sum = self._count = self._sum = 0
        self._scanned = scanned
        self._blocks = iter(scanned.blocks) if scanned else iter(())

    def read(self, source: Source) -> SentFile:
        take = {
            self._group_header: self._take_group_header,
            self._payment: self._take_payment,
            self._block: self._take_block,
        }
        for element in records(source, self._name, _SHAPE):
            if element.tag in take:
                take[element.tag](element)
        if not self._message_id or not self._pieces or self._rows:
            raise FileRefused("wrong_structure", "The order has no identification, or no payments in a payment block.")
        self._require(self._declared, self._count, self._sum, "the file")
        return SentFile(
            message_id=self._message_id,
            created_at=self._created_at,
            totals=ControlTotals(self._count, self._sum),
            payments=drained(self._pieces),
            accounts=frozenset(filter(None, self._accounts)),
            instruction_id=concatenate_text(self._instruction_ids),
        )

    def _take_group_header(self, header: Element) -> None:
        self._message_id = self._message_id or self._text(header, "MsgId")
        self._created_at = self._created_at or self._text(header, "CreDtTm")
        self._declared = self._declared_in(header)

    def _take_payment(self, element: Element) -> None:
        place = f"payment {self._count + 1}"
        reference = instruction_id = ""
        amount = None
        for child in element:
            tag = child.tag
            if tag == self._payment_id:
                for one in child:
                    if one.tag == self._end_to_end_id:
                        reference = text_of(one)
                    elif one.tag == self._instruction_id:
                        instruction_id = text_of(one)
            elif tag == self._amount:
                amount = child[0] if len(child) == 1 and child[0].tag == self._instructed else None
        if reference == NO_REFERENCE:
            reference = instruction_id
        if not reference or len(reference) > _LONGEST_ID or len(instruction_id) > _LONGEST_ID:
            message = "A payment has no EndToEndId, or an id that is too long."
            raise FileRefused("reference_missing", message, place=place_of(element, place))
        units, currency, _ = amount_of(amount, place)
        self._rows.append((reference, units, currency, instruction_id))
        self._block_count += 1
        self._block_sum += units
        self._count += 1
        self._sum += units
        if self._sum > MAX_TOTAL_VND:
            raise FileRefused("amount_too_large", "The order's sum is beyond every ledger.", place=place)
        if len(self._rows) >= _ROWS_A_PIECE:
            self._close_piece(element.getparent())

    def _take_scanned_block(self, block: Element, payments: PieceOfPayments) -> None:
        begin, end = next(self._blocks)
        self._block_count = end - begin
        self._block_sum = int(payments.amount_vnd[begin:end].sum())
        self._count += self._block_count
        self._sum += self._block_sum
        if begin == end:
            return
        self._instruction_ids.append(payments.instruction_id.part(begin, end))
        self._pieces.append(
            SentColumns(
                end_to_end_id=payments.end_to_end_id.part(begin, end),
                amount_vnd=payments.amount_vnd[begin:end],
                currency=CategoryColumn.of(payments.currency.part(begin, end)),
                message_id=CategoryColumn.repeat(self._message_id, end - begin),
                payment_information_id=CategoryColumn.repeat(self._text(block, "PmtInfId"), end - begin),
            )
        )

    def _take_block(self, element: Element) -> None:
        if self._scanned is not None:
            self._take_scanned_block(element, self._scanned.payments)
        self._close_piece(element)
        self._require(self._declared_in(element), self._block_count, self._block_sum, "a payment block")
        self._block_count = self._block_sum = 0
        account = element.find("/".join(qualified(self._name, step) for step in ("DbtrAcct", "Id")))
        if account is not None:
            number = self._text(account, "IBAN") or text_of(
                account.find(f"{qualified(self._name, 'Othr')}/{qualified(self._name, 'Id')}")
            )
            self._accounts.add(number)

    def _close_piece(self, block: Element | None) -> None:
        rows, self._rows = self._rows, []
        if not rows or block is None:
            return
        references, amounts, currencies, instruction_ids = zip(*rows, strict=True)
        self._instruction_ids.append(TextColumn.of(instruction_ids))
        self._pieces.append(
            SentColumns(
                end_to_end_id=TextColumn.of(references),
                amount_vnd=np.array(amounts, dtype=np.int64),
                currency=CategoryColumn.of(TextColumn.of(currencies)),
                message_id=CategoryColumn.repeat(self._message_id, len(rows)),
                payment_information_id=CategoryColumn.repeat(self._text(block, "PmtInfId"), len(rows)),
            )
        )

    def _declared_in(self, element: Element) -> tuple[int | None, int | None]:
        count = count_of(element.find(qualified(self._name, "NbOfTxs")), "the header")
        return count, total_of(element.find(qualified(self._name, "CtrlSum")), "the header")

    def _require(self, declared: tuple[int | None, int | None], count: int, total: int, where: str) -> None:
        if declared[0] not in (None, count) or declared[1] not in (None, total):
            raise FileRefused(
                "control_totals_lie",
                f"In {where} NbOfTxs {declared[0]} and CtrlSum {declared[1]} are declared, "
                f"but the payments give {count} and {total}.",
                next_step="Use the file as it was sent.",
            )

    def _text(self, element: Element, local: str) -> str:
        return text_of(element.find(qualified(self._name, local)))
