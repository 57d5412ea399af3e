"""The three banks that one program can be: which files they read and write, and their habits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bank_adapters.mock_bank.fate import Rates
from bank_adapters.mock_bank.ledger import Ledger
from bank_adapters.mock_bank.orders import PaymentFile
from bank_adapters.mock_bank.papers import Statement, StatusReport
from bank_adapters.mock_bank.premises import Sheet
from bank_adapters.mock_bank.read_delimited import read_delimited
from bank_adapters.mock_bank.read_fixed_width import read_fixed_width
from bank_adapters.mock_bank.read_pain001 import read_pain001
from bank_adapters.mock_bank.write_delimited import write_mt940, write_status
from bank_adapters.mock_bank.write_fixed_width import write_result, write_statement
from bank_adapters.mock_bank.write_iso import write_camt053, write_pain002


@dataclass(frozen=True, slots=True)
class Profile:
    """A bank's dialect and door. `is_cash` pays at a counter over several days.

    `status_name` and `statement_name` are file names with `{}` for what makes them unique.
    """

    name: str
    is_cash: bool
    door: str
    habit: Rates
    encoding: str
    read: Callable[[Path], PaymentFile]
    status_name: str
    write_status: Callable[[Sheet, StatusReport], None]
    statement_name: str
    write_statement: Callable[[Sheet, Statement, Ledger], None]
    #: Whether a file refused whole is answered with a status file besides its place and reason.
    answers_refusals: bool = True
    #: Whether it takes requests to take payments back (camt.056).
    takes_recalls: bool = False


_ACCOUNTS = Rates(rejected=12_500, returned=12_500, late=1_000)
_CASH = Rates(rejected=15_000, returned=0, late=0)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "iso", False, "sftp", _ACCOUNTS, "utf-8", read_pain001,
            "pain002-{}.xml", write_pain002, "camt053-{}.xml", write_camt053, takes_recalls=True,
        ),
        Profile(
            "delimited", False, "https", _ACCOUNTS, "cp1258", read_delimited,
            "status-{}.txt", write_status, "mt940-{}.sta", write_mt940,
        ),
        Profile(
            "post", True, "sftp", _CASH, "ascii", read_fixed_width,
            "result-{}.lst", write_result, "stmt-{}.lst", write_statement, answers_refusals=False,
        ),
    )
}  # fmt: skip
