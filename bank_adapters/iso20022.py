"""The ISO 20022 bank: pain.001 and camt.056 out, pain.002, camt.053 and camt.029 back, over SFTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bank_adapters.options import limit_options
from bank_adapters.payment_checks import REFERENCE, Complaints, rows_outside
from bank_adapters.sftp_door import SftpDoor
from paysvc.bank_interface import (
    BankFile,
    Capabilities,
    Channel,
    DuplicateKey,
    EncodingImpossible,
    EncodingProblem,
    Enquiry,
    FetchedFile,
    SeenFiles,
)
from paysvc.core.columns import SentColumns
from paysvc.core.emit_camt056 import write_camt056
from paysvc.core.emit_checks import LONGEST_NAME, CannotBeWritten
from paysvc.core.emit_pain001 import write_pain001
from paysvc.core.messages import BankReturns, ControlTotals, PaymentBatch, RecallRequest
from paysvc.core.scan_camt import read_camt
from paysvc.core.scan_camt029 import read_camt029
from paysvc.core.scan_pain001 import read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.core.text_column import TextColumn


class Iso20022Adapter:
    """docs/for-banks.md, part A. Options: those of `SftpDoor` and of `limit_options`."""

    dialect = "iso20022"

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.bank_code = bank_code
        limits = limit_options(options, max_payments=100_000)
        self.capabilities = Capabilities(
            channel=Channel.ACCOUNT,
            duplicate_key=DuplicateKey.MESSAGE_ID,
            can_enquire=True,
            name_length=LONGEST_NAME,
            duplicate_days=limits.duplicate_days,
            max_payments=limits.max_payments,
            max_amount_vnd=limits.max_amount_vnd,
            cut_off_hour=limits.cut_off_hour,
        )
        self._door = SftpDoor(options)

    def encode(self, batch: PaymentBatch) -> BankFile:
        """`{message_id}.xml`; raises `EncodingImpossible`."""
        complaints = Complaints(batch)
        # The message id becomes the name of the file, so it is held closer than the standard holds it.
        named = not rows_outside(TextColumn.of([batch.message_id]), REFERENCE, 1, 35)
        complaints.require_batch(named, "message_id", "The message id is not 1 to 35 letters, digits and hyphens.")
        complaints.stop_if_any()
        try:
            content = write_pain001(batch)
        except CannotBeWritten as refusal:
            problems = [EncodingProblem(one.position, one.field, one.message) for one in refusal.problems]
            raise EncodingImpossible(problems) from None
        except ValueError as failure:
            complaints.require_batch(False, "header", f"The file's header cannot be written: {failure}.")
            complaints.stop_if_any()
            raise
        return BankFile(f"{batch.message_id}.xml", content, batch.message_id, batch.totals)

    def read_payments(self, content: bytes) -> SentColumns:
        """What a file of `encode` orders; raises `FileRefused`."""
        return read_pain001(content).payments

    def encode_recall(self, request: RecallRequest) -> BankFile:
        """A camt.056, `{case_id}.xml`; raises ValueError."""
        if rows_outside(TextColumn.of([request.case_id]), REFERENCE, 1, 35):
            raise ValueError("a case id is 1 to 35 letters, digits and hyphens")
        totals = ControlTotals(1, request.amount_vnd)
        return BankFile(f"{request.case_id}.xml", write_camt056(request), request.case_id, totals)

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        """A pain.002, a camt.029 or a camt.053, told apart by namespace, never by name; raises `FileRefused`."""
        message = message_name(content)
        if message.startswith("pain.002."):
            return read_pain002(content)
        if message.startswith("camt.029."):
            return read_camt029(content)
        bank_message_id, statements = read_camt(content)
        return BankReturns(kind="statement", bank_message_id=bank_message_id, statements=statements)

    def send(self, file: BankFile) -> str:
        return self._door.send(file)

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return self._door.enquire(file_name)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return self._door.fetch(seen)
