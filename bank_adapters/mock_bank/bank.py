"""The bank: founded once in its home, working through days, answering what it is asked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bank_adapters.mock_bank.acceptance import Taken, take_files
from bank_adapters.mock_bank.banking_days import ONE_DAY, is_banking_day
from bank_adapters.mock_bank.booking import book_day
from bank_adapters.mock_bank.figures import ledger_figures, payments_csv
from bank_adapters.mock_bank.ledger import Booking, Ledger
from bank_adapters.mock_bank.misbehaviour import Misbehaviour
from bank_adapters.mock_bank.office import Office
from bank_adapters.mock_bank.premises import Premises
from bank_adapters.mock_bank.profiles import PROFILES
from bank_adapters.mock_bank.statements import close_statement, copy_statement, reissue_statement, write_results

#: A request to work through more days than these is a slip of the pen.
MOST_DAYS = 1000


@dataclass(frozen=True, slots=True)
class Founding:
    """What is decided once, when a bank is founded in an empty home."""

    profile: str
    seed: int
    first_day: date
    opening_vnd: int
    account: str
    bank: str


class Bank:
    """One bank. Every method may be called from any thread; one works at a time."""

    def __init__(self, home: Path, founding: Founding, *, reports_acceptances: bool) -> None:
        """Open the bank in `home`, founding it when there is none.

        Raises ValueError when the home is that of another kind of bank or of another account.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._lock = threading.RLock()
        ledger = Ledger(home / "ledger.sqlite")
        self._found(ledger, founding)
        profile = PROFILES[founding.profile]
        self.misbehaviour = Misbehaviour(home / "misbehaviour.json", is_iso=founding.profile == "iso")
        self.premises = Premises(home)
        seed = int(ledger.fact("seed") or 0)
        self._office = Office(profile, ledger, self.premises, self.misbehaviour, seed, reports_acceptances)
        self.premises.open_again(self._office.all_out(), hold=self._is_silent())

    @staticmethod
    def _found(ledger: Ledger, founding: Founding) -> None:
        for name, wanted in (("profile", founding.profile), ("account", founding.account), ("bank", founding.bank)):
            found = ledger.fact(name)
            if found is not None and found != wanted:
                ledger.close()
                raise ValueError(f"this home belongs to a bank with {name} {found}, not {wanted}")
        if ledger.fact("profile") is not None:
            return
        before = (founding.first_day - ONE_DAY).isoformat()
        with ledger.writing():
            for name, value in asdict(founding).items():
                ledger.set_fact(name, str(value))
            ledger.set_fact("closed_day", before)
            if founding.opening_vnd:
                ledger.book(before, [Booking("opening", None, founding.opening_vnd)])
                ledger.post(1)

    @property
    def account(self) -> str:
        return self._office.ledger.fact("account") or ""

    def secret(self, name: str, given: str | None) -> str:
        """The password or token of this home: as given, else the one it had, else a new one."""
        path = self.home / name
        if given is None and path.exists():
            return path.read_text()
        value = given or secrets.token_urlsafe(24)
        path.touch(mode=0o600)
        path.write_text(value)
        return value

    def work_through(self, day: date) -> dict[str, Any]:
        """Do all business up to and including `day`: take files, answer them, book, state.

        A day that is closed stays closed; what is brought after it is taken and answered, and
        booked on the next. Raises ValueError for a day too far ahead.
        """
        with self._lock:
            office = self._office
            if (day - office.closed_day).days > MOST_DAYS:
                raise ValueError(f"{day} is more than {MOST_DAYS} days after {office.closed_day}")
            last_number = office.ledger.next_number("outbox") - 1
            first_booking = office.ledger.next_number("booking")
            taken = take_files(office, max(office.closed_day, min(day, office.closed_day + ONE_DAY)))
            while office.closed_day < day:
                self._close_day(office.closed_day + ONE_DAY)
            return self._summary(taken, first_booking, last_number)

    def _close_day(self, day: date) -> None:
        office = self._office
        with office.committing():
            if is_banking_day(day):
                first_booking = book_day(office, day)
                if office.profile.is_cash:
                    write_results(office, day)
                close_statement(office, day, first_booking)
            office.ledger.set_fact("closed_day", day.isoformat())

    def _summary(self, taken: Taken, first_booking: int, last_number: int) -> dict[str, Any]:
        ledger = self._office.ledger
        booked = {
            kind: {"count": count, "amount_vnd": amount}
            for kind, count, amount in ledger.rows(
                "SELECT kind, COUNT(*), SUM(amount) FROM booking WHERE id >= ? GROUP BY kind", first_booking
            )
        }
        written = ledger.rows("SELECT name FROM outbox WHERE number > ? ORDER BY number", last_number)
        return {
            "date": ledger.fact("closed_day"),
            "taken": asdict(taken),
            "booked": booked,
            "files": [name for (name,) in written],
            "held_back": self._is_silent(),
            "closing_vnd": ledger.balance(),
        }

    def misbehave(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a request into the settings; what was held back leaves when the silence ends.

        Does not wait for a day that is being worked through. Raises ValueError.
        """
        was_silent = self._is_silent()
        self.misbehaviour.update(request)
        if was_silent and not self._is_silent():
            with self._lock:
                self.premises.release(self._office.all_out())
        return self.misbehaviour.shown()

    def state_again(self, day: str, kind: str) -> dict[str, Any]:
        """Put out the statement of a day once more: `copy` or `reissue`. Raises ValueError."""
        again = {"copy": copy_statement, "reissue": reissue_statement}.get(kind)
        if again is None:
            raise ValueError("a statement can be given again as copy or as reissue")
        with self._lock:
            last_number = self._office.ledger.next_number("outbox") - 1
            with self._office.committing():
                again(self._office, day)
            return self._summary(Taken(), self._office.ledger.next_number("booking"), last_number)

    def figures(self) -> dict[str, Any]:
        with self._lock:
            return ledger_figures(self._office.ledger)

    def payments_csv(self) -> str:
        with self._lock:
            return "".join(payments_csv(self._office.ledger))

    def close(self) -> None:
        """Wait for the day that is being worked through, then close the books."""
        with self._lock:
            self._office.ledger.close()

    def _is_silent(self) -> bool:
        return bool(self.misbehaviour.value("silence_after_accepting"))
