"""A bank's payment status report (pain.002) into columns: what it says of file, block and payment.

Field meanings: ISO 20022 pain.002.001.03 and .10. Banks differ in what they list: some every
payment, some only the refused ones, so a report's own counts are held against what it lists
and never against what we sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from paysvc.core.columns import StatusColumns, concatenate, no_statuses
from paysvc.core.messages import BankReturns, ControlTotals, GroupStatus
from paysvc.core.scan_amount import count_of, total_of
from paysvc.core.scan_xml import (
    MAX_FIELD_LENGTH,
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
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused

if TYPE_CHECKING:
    from paysvc.core.scan_pain_columns import ScannedStatuses

STATUS_REPORTS = frozenset({"pain.002.001.03", "pain.002.001.10"})

_SHAPE = Shape(body="CstmrPmtStsRpt", container="OrgnlPmtInfAndSts", record="TxInfAndSts")
_ROWS_A_PIECE = 20_000

#: reference, status, reason code, bank reference
_Row = tuple[str, str, str, str]


def read_pain002(content: bytes | Source) -> BankReturns:
    """Everything a pain.002 file says, as `BankReturns` of kind `status`.

    A payment is known by its OrgnlEndToEndId, else by its OrgnlInstrId, else by the empty
    reference. A `GroupStatus` is there for the file and for each payment block named, with
    an empty status where the bank gives none. Raises `FileRefused`: the codes of `scan_xml`,
    `wrong_structure`, `field_too_long`, `control_totals_lie` (the report's counts per status
    contradict what it lists).
    """
    source = Source.of(content)
    name = message_name(source)
    refuse_unless(name, STATUS_REPORTS, "a payment status report")
    scanned = read_scanned(source, name) if source.size >= WORTH_SCANNING else None
    return scanned or read_by_parser(source, name)


def read_by_parser(content: bytes | Source, name: str) -> BankReturns:
    """`read_pain002` for any legal file and any fault: the reference that the scanner is held against."""
    return _StatusReader(name).read(Source.of(content))


def read_scanned(content: bytes | Source, name: str) -> BankReturns | None:
    """`read_pain002` for a file that the scanner understands; None for all others."""
    from paysvc.core.scan_pain_columns import scan_statuses

    scanned = scan_statuses(Source.of(content))
    if scanned is None:
        return None
    try:
        return _StatusReader(name, scanned).read(Source.of(scanned.frame))
    except FileRefused:
        # The parser finds it again, and its place in the whole file.
        return None


class _StatusReader:
    """Reads one file; transactions wait until their payment block is complete.

    With `scanned` it reads the frame of a file whose transactions are known already.
    """

    def __init__(self, name: str, scanned: ScannedStatuses | None = None) -> None:
        def tag(local: str) -> str:
            return qualified(name, local)

        self._name = name
        self._group_header, self._group = tag("GrpHdr"), tag("OrgnlGrpInfAndSts")
        self._block, self._transaction = tag("OrgnlPmtInfAndSts"), tag("TxInfAndSts")
        self._end_to_end_id, self._instruction_id = tag("OrgnlEndToEndId"), tag("OrgnlInstrId")
        self._status, self._reasons = tag("TxSts"), tag("StsRsnInf")
        self._reason, self._bank_reference = tag("Rsn"), tag("AcctSvcrRef")
        self._message_id = self._answers = ""
        self._groups: list[GroupStatus] = []
        self._rows: list[_Row] = []
        self._pieces: list[StatusColumns] = []
        self._in_block: Counter[str] = Counter()
        self._in_file: Counter[str] = Counter()
        self._declared_in_file: dict[str, int] = {}
        self._counted = iter(scanned.counted) if scanned else None
        if scanned and len(scanned.statuses):
            self._pieces.append(scanned.statuses)

    def read(self, source: Source) -> BankReturns:
        take = {
            self._group_header: self._take_group_header,
            self._group: self._take_group,
            self._transaction: self._take_transaction,
            self._block: self._take_block,
        }
        for element in records(source, self._name, _SHAPE):
            if element.tag in take:
                take[element.tag](element)
        if not self._answers:
            raise FileRefused("wrong_structure", "The report does not say which message it answers.")
        _require_agreement(self._declared_in_file, self._in_file, "the file")
        self._close_piece()
        return BankReturns(
            kind="status",
            bank_message_id=self._message_id,
            answers_message_id=self._answers,
            statuses=concatenate(self._pieces) if self._pieces else no_statuses(),
            groups=tuple(self._groups),
        )

    def _take_group_header(self, header: Element) -> None:
        self._message_id = self._message_id or text_of(header.find(qualified(self._name, "MsgId")))

    def _take_group(self, element: Element) -> None:
        if self._answers:
            raise FileRefused("wrong_structure", "The report answers two messages.", place=place_of(element, "group"))
        self._answers = self._text(element, "OrgnlMsgId")
        self._declared_in_file = self._declared_per_status(element)
        self._groups.append(self._status_of_group(element, None, "GrpSts"))

    def _take_block(self, element: Element) -> None:
        block = self._text(element, "OrgnlPmtInfId")
        if not block:
            place = place_of(element, "payment block")
            raise FileRefused("wrong_structure", "A payment block has no identification.", place=place)
        if self._counted is not None:
            self._in_block = next(self._counted)
            self._in_file.update(self._in_block)
        _require_agreement(self._declared_per_status(element), self._in_block, "a payment block")
        self._in_block.clear()
        self._groups.append(self._status_of_group(element, block, "PmtInfSts"))

    def _take_transaction(self, element: Element) -> None:
        end_to_end_id = instruction_id = status = reason = bank_reference = ""
        for child in element:
            tag = child.tag
            if tag == self._end_to_end_id:
                end_to_end_id = text_of(child)
            elif tag == self._instruction_id:
                instruction_id = text_of(child)
            elif tag == self._status:
                status = text_of(child)
            elif tag == self._reasons:
                reason = reason or self._reason_of(child)
            elif tag == self._bank_reference:
                bank_reference = text_of(child)
        reference = instruction_id if end_to_end_id in ("", NO_REFERENCE) else end_to_end_id
        row = ("" if reference == NO_REFERENCE else reference, status, reason, bank_reference)
        if max(map(len, row)) > MAX_FIELD_LENGTH:
            place = place_of(element, f"transaction {sum(self._in_file.values()) + 1}")
            raise FileRefused("field_too_long", "A field is longer than any bank's.", place=place)
        self._rows.append(row)
        self._in_block[status] += 1
        self._in_file[status] += 1
        if len(self._rows) >= _ROWS_A_PIECE:
            self._close_piece()

    def _reason_of(self, information: Element) -> str:
        reason = information.find(self._reason)
        return text_of(reason[0]) if reason is not None and len(reason) else ""

    def _close_piece(self) -> None:
        if self._rows:
            self._pieces.append(StatusColumns(*(TextColumn.of(values) for values in zip(*self._rows, strict=True))))
        self._rows = []

    def _text(self, element: Element, local: str) -> str:
        return text_of(element.find(qualified(self._name, local)))

    def _status_of_group(self, element: Element, block: str | None, status: str) -> GroupStatus:
        reasons = (self._reason_of(one) for one in element.iterchildren(self._reasons))
        count = count_of(element.find(qualified(self._name, "OrgnlNbOfTxs")), "group")
        total = total_of(element.find(qualified(self._name, "OrgnlCtrlSum")), "group")
        return GroupStatus(
            message_id=self._answers,
            payment_information_id=block,
            status=self._text(element, status),
            reason_code=next(filter(None, reasons), ""),
            declared=None if count is None or total is None else ControlTotals(count, total),
        )

    def _declared_per_status(self, element: Element) -> dict[str, int]:
        return dict(self._declared(element))

    def _declared(self, element: Element) -> Iterator[tuple[str, int]]:
        for one in element.iterchildren(qualified(self._name, "NbOfTxsPerSts")):
            count = count_of(one.find(qualified(self._name, "DtldNbOfTxs")), "group")
            if count is not None:
                yield self._text(one, "DtldSts"), count


def _require_agreement(declared: dict[str, int], listed: Counter[str], where: str) -> None:
    """A bank may leave a status out of its list, but not list another number than it declares."""
    for status, count in declared.items():
        if listed[status] not in (0, count):
            raise FileRefused(
                "control_totals_lie",
                f"The report declares {count} payments {status} in {where}, but lists {listed[status]}.",
                next_step="Ask the bank for the report again.",
            )
