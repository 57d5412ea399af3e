"""The post office, which pays cash at its counters: fixed-width lists over SFTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bank_adapters.fixed_width_payments import NAME_LENGTH, read_cash_list, write_cash_list
from bank_adapters.fixed_width_returns import read_cash_returns
from bank_adapters.options import limit_options
from bank_adapters.sftp_door import SftpDoor
from paysvc.bank_interface import BankFile, Capabilities, Channel, DuplicateKey, Enquiry, FetchedFile, SeenFiles
from paysvc.core.columns import SentColumns
from paysvc.core.messages import BankReturns, PaymentBatch


class FixedWidthAdapter:
    """docs/for-banks.md, part C. Options: those of `SftpDoor` and of `limit_options`."""

    dialect = "fixed_width"

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.bank_code = bank_code
        limits = limit_options(options, max_payments=50_000)
        self.capabilities = Capabilities(
            channel=Channel.CASH,
            duplicate_key=DuplicateKey.MESSAGE_ID,
            can_enquire=True,
            name_length=NAME_LENGTH,
            duplicate_days=limits.duplicate_days,
            max_payments=limits.max_payments,
            max_amount_vnd=limits.max_amount_vnd,
            cut_off_hour=limits.cut_off_hour,
        )
        self._door = SftpDoor(options)

    def encode(self, batch: PaymentBatch) -> BankFile:
        """`{message_id}.lst`; raises `EncodingImpossible`."""
        return write_cash_list(batch)

    def read_payments(self, content: bytes) -> SentColumns:
        """What a file of `encode` orders; raises `FileRefused`."""
        return read_cash_list(content)

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        """A result list or a statement, told apart by content, never by name; raises `FileRefused`."""
        return read_cash_returns(content)

    def send(self, file: BankFile) -> str:
        return self._door.send(file)

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return self._door.enquire(file_name)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return self._door.fetch(seen)
