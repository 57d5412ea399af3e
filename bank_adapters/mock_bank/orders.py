"""What a payer's file asks of the bank, whatever dialect it was written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple


class Payment(NamedTuple):
    """One credit asked for. `line` counts from 1 in the file; `amount` is whole đồng.

    `creditor` is `bank/account` or, for cash, `point/citizen ID`. `block` is the PmtInfId or
    empty. `value_date` is ISO text. `problem` is a reason code when the bank can see at once
    that it cannot pay, else empty.
    """

    line: int
    end_to_end_id: str
    amount: int
    creditor: str
    block: str
    value_date: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """One file of payments whose control totals agree. `total` is the sum of amounts."""

    message_id: str
    debtor_account: str
    payments: Sequence[Payment]
    total: int


class FileRefused(Exception):
    """The whole file is refused; `code` is an ISO 20022 status reason code.

    `FF01` means that the bytes are no file of this dialect, so the id in them is not used up;
    any other code answers a message that was understood.
    """

    def __init__(self, code: str, message: str, message_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.message_id = message_id


def check_totals(
    stated_count: str, count: int, stated_sum: str | None, total: int | Decimal, message_id: str, where: str
) -> None:
    """Compare what the file says of itself with what is in it.

    Raises FileRefused AM18 for the number of payments, AM10 for their sum (ISO 20022
    ExternalStatusReason: InvalidNumberOfTransactions, InvalidControlSum).
    """
    if not is_number(stated_count) or int(stated_count) != count:
        raise FileRefused("AM18", f"{where} states {stated_count[:20]} payments and holds {count}", message_id)
    if stated_sum is None:
        return
    try:
        agrees = Decimal(stated_sum) == total
    except InvalidOperation:
        agrees = False
    if not agrees:
        raise FileRefused("AM10", f"{where} states the sum {stated_sum[:30]} and holds {total}", message_id)


def is_number(text: str) -> bool:
    """True for 1 to 18 of the digits 0-9 and nothing else."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def iso_date(digits: str, message_id: str) -> str:
    """`yyyymmdd` as ISO text. Raises FileRefused DT01 for anything that is no day."""
    text = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    check_date(text, message_id)
    return text


def check_date(text: str, message_id: str) -> None:
    """Raises FileRefused DT01 (InvalidDate) unless `text` is a day as `yyyy-mm-dd`."""
    try:
        is_day = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise FileRefused("DT01", "a value date is not a day of the calendar", message_id)
