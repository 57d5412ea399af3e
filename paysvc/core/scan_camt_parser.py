"""Statement entries by the parser: any legal file, and the words for any fault.

Field meanings: ISO 20022 camt.053.001.02, .04 and .08. What changed between them and
matters here: the entry's status became a choice (`Sts` → `Sts/Cd`), and the transaction got
its own `Amt` and `CdtDbtInd` (.02 has the amount under `AmtDtls` only).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from paysvc.core.columns import BOOKED, ENTRY_STATUS_CODES, INFORMATION, EntryColumns, no_entries
from paysvc.core.messages import Statement
from paysvc.core.scan_amount import Amount, amount_of, count_of
from paysvc.core.scan_claims import DIRECTIONS, StatementClaims
from paysvc.core.scan_xml import (
    MAX_FIELD_LENGTH,
    NO_REFERENCE,
    Element,
    Shape,
    qualified,
    records,
    text_of,
)
from paysvc.core.source import Source
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND

_BOOKED = int(BOOKED)
_STATUS = {code: int(status) for code, status in ENTRY_STATUS_CODES.items()}
#: Body and container of the messages that have entries.
_BODIES = {"camt.053": ("BkToCstmrStmt", "Stmt"), "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}
_ROWS_A_PIECE = 20_000

#: One row of `EntryColumns`, in the order of its columns.
_Row = tuple[str, int, str, bool, int, str, str, int, str]


#: The next entries of a statement of the file, with its position there, from 0.
EntriesOf = tuple[int, EntryColumns]


@dataclass(slots=True)
class Claims:
    """What is known of a file once it has been read to its end; the statements are without entries."""

    message_id: str = ""
    statements: list[Statement] = field(default_factory=list)

    def forget(self) -> None:
        """As if nothing had been read."""
        self.message_id = ""
        self.statements.clear()


def nothing_counted() -> dict[tuple[bool, bool], int]:
    """Per direction (debit?) and per "booked?": number of entries, for TxsSummry."""
    return {(is_debit, booked): 0 for is_debit in (True, False) for booked in (True, False)}


def shape_of(name: str) -> Shape:
    body, container = _BODIES[name[:8]]
    return Shape(body=body, container=container, record="Ntry", parts="NtryDtls", part="TxDtls")


class _Transaction:
    """What one `TxDtls` says; an amount is None where it says none."""

    __slots__ = ("amount", "bank_reference", "instructed", "is_debit", "reason", "reference")

    def __init__(self) -> None:
        self.reference = self.bank_reference = self.reason = ""
        self.amount: Amount | None = None
        self.instructed: Amount | None = None
        self.is_debit: bool | None = None


class EntryParser:
    """Reads one file; holds the state of the statement and of the entry that are open."""

    def __init__(self, name: str, claims: Claims) -> None:
        def tag(local: str) -> str:
            return qualified(name, local)

        self._name, self._shape, self._claims = name, shape_of(name), claims
        self._group_header, self._statement, self._entry = tag("GrpHdr"), tag(self._shape.container), tag("Ntry")
        self._details, self._transaction, self._batch = tag("NtryDtls"), tag("TxDtls"), tag("Btch")
        self._amount, self._direction, self._status = tag("Amt"), tag("CdtDbtInd"), tag("Sts")
        self._booking_date, self._references = tag("BookgDt"), tag("Refs")
        self._end_to_end_id, self._instruction_id = tag("EndToEndId"), tag("InstrId")
        self._bank_reference, self._amount_details = tag("AcctSvcrRef"), tag("AmtDtls")
        self._return, self._reason = tag("RtrInf"), tag("Rsn")
        self._ready: list[EntriesOf] = []
        self._open_statement()

    def read(self, source: Source) -> Iterator[EntriesOf]:
        take = {
            self._group_header: self._take_group_header,
            self._transaction: self._take_part,
            self._entry: self._take_entry,
            self._statement: self._take_statement,
        }
        for element in records(source, self._name, self._shape):
            if element.tag in take:
                take[element.tag](element)
            yield from self._ready
            self._ready.clear()
        if not self._claims.statements:
            raise FileRefused("statement_missing", "The file holds no statement.", place="byte 0")

    def _open_statement(self) -> None:
        self._entry_number = 0
        self._rows: list[_Row] = []
        self._problems: list[str] = []
        self._counted = nothing_counted()
        self._open_entry()

    def _open_entry(self) -> None:
        self._pending: list[_Transaction] = []
        #: The `NtryDtls` seen in this entry, each with how many transactions came before it.
        self._groups: list[tuple[Element, int]] = []

    def _take_group_header(self, header: Element) -> None:
        self._claims.message_id = self._claims.message_id or text_of(header.find(qualified(self._name, "MsgId")))

    # A transaction of an entry -------------------------------------------------------------

    def _take_part(self, element: Element) -> None:
        """A transaction of an entry that is still open."""
        details = element.getparent()
        if details is not None:
            self._take_transaction(element, details)

    def _take_transaction(self, element: Element, details: Element) -> None:
        if not self._groups or self._groups[-1][0] is not details:
            self._groups.append((details, len(self._pending)))
        found = _Transaction()
        place = f"entry {self._entry_number + 1}"
        for child in element:
            tag = child.tag
            if tag == self._references:
                self._take_references(child, found)
            elif tag == self._amount:
                found.amount = amount_of(child, place)
            elif tag == self._direction:
                found.is_debit = self._direction_of(child, place)
            elif tag == self._amount_details:
                self._take_amount_details(child, found, place)
            elif tag == self._return:
                found.reason = self._reason_of(child)
        self._pending.append(found)

    def _take_references(self, references: Element, found: _Transaction) -> None:
        """The EndToEndId, or the InstrId where a bank gives none; and the bank's own."""
        end_to_end_id = instruction_id = ""
        for child in references:
            tag = child.tag
            if tag == self._end_to_end_id:
                end_to_end_id = (child.text or "").strip()
            elif tag == self._bank_reference:
                found.bank_reference = (child.text or "").strip()
            elif tag == self._instruction_id:
                instruction_id = (child.text or "").strip()
        if not end_to_end_id or end_to_end_id == NO_REFERENCE:
            end_to_end_id = "" if instruction_id == NO_REFERENCE else instruction_id
        found.reference = end_to_end_id

    def _take_amount_details(self, details: Element, found: _Transaction, place: str) -> None:
        """`AmtDtls/TxAmt` is the transaction's amount where it has none of its own (.02)."""
        for local in ("TxAmt", "InstdAmt"):
            amount = details.find(f"{qualified(self._name, local)}/{self._amount}")
            if amount is None:
                continue
            if local == "InstdAmt":
                found.instructed = amount_of(amount, place)
            elif found.amount is None:
                found.amount = amount_of(amount, place)

    def _reason_of(self, returned: Element) -> str:
        reason = returned.find(self._reason)
        return text_of(reason[0]) if reason is not None and len(reason) else ""

    # An entry ------------------------------------------------------------------------------

    def _take_entry(self, element: Element) -> None:
        number = self._entry_number + 1
        place = f"entry {number}"
        amount = direction = status = None
        bank_reference = booking_date = ""
        for child in element:
            tag = child.tag
            if tag == self._amount:
                amount = child
            elif tag == self._direction:
                direction = child
            elif tag == self._status:
                status = child
            elif tag == self._booking_date:
                booking_date = text_of(child[0])[:10] if len(child) else ""
            elif tag == self._bank_reference:
                bank_reference = (child.text or "").strip()
            elif tag == self._details:
                for part in child:
                    if part.tag == self._transaction:
                        self._take_transaction(part, child)
        # A batch booking is the sum of many payments, and may be far above any one of them.
        largest = MAX_TOTAL_VND if len(self._pending) > 1 else MAX_PAYMENT_VND
        booked = amount_of(amount, place, largest)
        is_debit = self._direction_of(direction, place)
        code = self._status_of(status, place)
        self._counted[is_debit, code == _BOOKED] += 1
        if self._pending:
            self._complete_details(booked, is_debit, place)
        for found in self._pending or (_Transaction(),):
            units, currency, _ = found.amount or booked
            debits = is_debit if found.is_debit is None else found.is_debit
            own = found.bank_reference or bank_reference
            self._rows.append((found.reference, units, currency, debits, code, found.reason, own, number, booking_date))
        if len(self._rows) >= _ROWS_A_PIECE:
            self._close_piece()
        self._entry_number = number
        self._open_entry()

    def _complete_details(self, booked: Amount, is_debit: bool, place: str) -> None:
        """Give every transaction an amount, and hold them against the entry."""
        if len(self._pending) == 1:
            only = self._pending[0]
            # A converted amount describes the payment; the account was booked in the entry's own.
            # The same figure in another currency is no conversion, but a contradiction to show.
            if only.amount is None or (only.amount[1] != booked[1] and only.amount[0] != booked[0]):
                only.amount = booked
            agrees = only.amount == booked and only.is_debit in (None, is_debit)
            if agrees and not self._has_more(self._groups[0][0]):
                return
        for found in self._pending:
            found.amount = found.amount or found.instructed
        self._check_details(booked, is_debit, place)

    def _has_more(self, details: Element) -> bool:
        """True unless the transaction is all that is in `details`, so that there is no `Btch`."""
        return len(details) != 1 or details[0].tag != self._transaction

    def _check_details(self, booked: Amount, is_debit: bool, place: str) -> None:
        missing = sum(found.amount is None for found in self._pending)
        if missing:
            self._problems.append(f"In {place} {missing} of {len(self._pending)} transactions have no amount.")
            for found in self._pending:
                found.amount = found.amount or (0, booked[1], 0)
            return
        if len(self._pending) > 1 and any(found.amount[1] != booked[1] for found in self._pending if found.amount):
            self._problems.append(f"In {place} the transactions are in another currency than the entry.")
            return
        total = self._sum_of(self._pending, is_debit)
        if total != booked[2] and len({found.amount[1] for found in self._pending if found.amount} | {booked[1]}) == 1:
            self._problems.append(f"In {place} the transactions do not add up to the entry's amount.")
        ends = [start for _, start in self._groups[1:]] + [len(self._pending)]
        for (details, start), end in zip(self._groups, ends, strict=True):
            batch = details.find(self._batch)
            if batch is not None:
                self._check_batch(batch, self._pending[start:end], is_debit, place)

    def _check_batch(self, batch: Element, members: list[_Transaction], is_debit: bool, place: str) -> None:
        count = count_of(batch.find(qualified(self._name, "NbOfTxs")), place)
        if count is not None and count != len(members):
            self._problems.append(f"In {place} the batch claims {count} transactions and holds {len(members)}.")
        total = batch.find(qualified(self._name, "TtlAmt"))
        if total is not None and amount_of(total, place, MAX_TOTAL_VND)[2] != abs(self._sum_of(members, is_debit)):
            self._problems.append(f"In {place} the batch's total is not the sum of its transactions.")

    def _sum_of(self, members: list[_Transaction], is_debit: bool) -> int:
        """The members' amounts, those against the entry's direction taken off."""
        return sum(
            (found.amount[2] if found.is_debit is None or found.is_debit == is_debit else -found.amount[2])
            for found in members
            if found.amount is not None
        )

    def _direction_of(self, element: Element | None, place: str) -> bool:
        is_debit = DIRECTIONS.get(text_of(element))
        if is_debit is None:
            raise FileRefused("wrong_structure", "An entry is neither a credit nor a debit.", place=place)
        return is_debit

    def _status_of(self, element: Element | None, place: str) -> int:
        """The booking state: the text of `Sts`, or of the code in it (since .08)."""
        code = text_of(element[0] if element is not None and len(element) else element)
        status = _STATUS.get(code)
        if status is not None:
            return status
        if not code:
            raise FileRefused("wrong_structure", "An entry has no status.", place=place)
        self._problems.append(f"In {place} the status is none that the standard knows.")
        return int(INFORMATION)

    # A statement ---------------------------------------------------------------------------

    def _close_piece(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        (reference, amount, currency, is_debit, status, reason, bank_reference, number, day) = zip(*rows, strict=True)
        for values in (reference, reason, bank_reference):
            if max(map(len, values)) > MAX_FIELD_LENGTH:
                raise FileRefused(
                    "field_too_long", "A reference is longer than any bank's.", place=f"entry {number[0]} ff."
                )
        entries = EntryColumns(
            reference=TextColumn.of(reference),
            amount_vnd=np.array(amount, dtype=np.int64),
            currency=TextColumn.of(currency),
            is_debit=np.array(is_debit, dtype=np.bool_),
            status=np.array(status, dtype=np.uint8),
            reason_code=TextColumn.of(reason),
            bank_reference=TextColumn.of(bank_reference),
            entry_number=np.array(number, dtype=np.int32),
            booking_date=TextColumn.of(day),
        )
        self._ready.append((len(self._claims.statements), entries))

    def _take_statement(self, element: Element) -> None:
        if next(element.iterchildren(self._details, self._transaction), None) is not None:
            raise FileRefused("wrong_structure", "A transaction stands outside every entry.")
        self._close_piece()
        claims = StatementClaims(self._name, element, self._problems, self._counted)
        self._claims.statements.append(claims.statement(no_entries()))
        self._open_statement()
