"""The bank with delimited files: Windows-1258 out, status files and MT940 statements back, over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bank_adapters.delimited_payments import NAME_LENGTH, read_payments, write_payments
from bank_adapters.delimited_status import read_status
from bank_adapters.https_door import HttpsDoor
from bank_adapters.options import limit_options
from paysvc.bank_interface import BankFile, Capabilities, Channel, DuplicateKey, Enquiry, FetchedFile, SeenFiles
from paysvc.core.columns import SentColumns
from paysvc.core.messages import BankReturns, PaymentBatch
from paysvc.core.scan_mt940 import read_mt940
from paysvc.domain.errors import FileRefused


class DelimitedAdapter:
    """docs/for-banks.md, part B. Options: those of `HttpsDoor` and of `limit_options`."""

    dialect = "delimited"

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.bank_code = bank_code
        limits = limit_options(options, max_payments=50_000)
        self.capabilities = Capabilities(
            channel=Channel.ACCOUNT,
            duplicate_key=DuplicateKey.MESSAGE_ID,
            can_enquire=True,
            name_length=NAME_LENGTH,
            duplicate_days=limits.duplicate_days,
            max_payments=limits.max_payments,
            max_amount_vnd=limits.max_amount_vnd,
            cut_off_hour=limits.cut_off_hour,
        )
        self._door = HttpsDoor(options)

    def encode(self, batch: PaymentBatch) -> BankFile:
        """`{message_id}.txt`; raises `EncodingImpossible`."""
        return write_payments(batch)

    def read_payments(self, content: bytes) -> SentColumns:
        """What a file of `encode` orders; raises `FileRefused`."""
        return read_payments(content)

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        """A status file or an MT940 statement, told apart by content, never by name; raises `FileRefused`."""
        if not content.strip():
            raise FileRefused("file_empty", "The file is empty.")
        if content.startswith(b"H|"):
            return read_status(content)
        statements = read_mt940(content)
        return BankReturns(
            kind="statement",
            bank_message_id=statements[0].statement_id,
            statements=statements,
        )

    def send(self, file: BankFile) -> str:
        return self._door.send(file)

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return self._door.enquire(file_name)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return self._door.fetch(seen)
