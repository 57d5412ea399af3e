"""What everybody at the bank works with: books, folders, settings, and the files being made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from bank_adapters.mock_bank.fate import Fates
from bank_adapters.mock_bank.ledger import Ledger
from bank_adapters.mock_bank.misbehaviour import Misbehaviour
from bank_adapters.mock_bank.premises import OutFile, Premises, Sheet
from bank_adapters.mock_bank.profiles import Profile


@dataclass(slots=True)
class Office:
    """One bank's means; used by one thread at a time."""

    profile: Profile
    ledger: Ledger
    premises: Premises
    misbehaviour: Misbehaviour
    seed: int
    reports_acceptances: bool
    _finished: list[OutFile] = field(default_factory=list)

    def fates(self) -> Fates:
        """The fates at the rates in force now."""
        rates = self.misbehaviour.rates(self.profile.habit)
        return Fates(self.seed, rates, is_cash=self.profile.is_cash)

    @property
    def closed_day(self) -> date:
        """The last day whose business is done."""
        return date.fromisoformat(self.ledger.fact("closed_day") or "")

    def paper_number(self, day: str) -> str:
        """What makes the next file's name and id unique: the day and a running number."""
        return f"{day.replace('-', '')}-{self.ledger.next_number('outbox'):05d}"

    def sheet(self, name_pattern: str, number: str) -> Sheet:
        return Sheet(self.premises.making, name_pattern.format(number), self.profile.encoding)

    def keep(self, file: OutFile, *, message_id: str = "", statement_day: str = "") -> None:
        """Note a finished file in the books; it leaves after the commit."""
        number = self.ledger.next_number("outbox")
        self.ledger.write(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)",
            number, file.name, file.sha256, file.size, message_id, statement_day,
        )  # fmt: skip
        self._finished.append(file)

    def keep_copy(
        self, name: str, name_pattern: str, day: str, *, message_id: str = "", statement_day: str = ""
    ) -> None:
        """The same bytes again under another name."""
        folders = (self.premises.making, self.premises.outbox, self.premises.held)
        original = next(folder / name for folder in folders if (folder / name).exists())
        sha256, size = self.ledger.rows("SELECT sha256, size FROM outbox WHERE name = ?", name)[0]
        copy = name_pattern.format(self.paper_number(day))
        shutil.copyfile(original, self.premises.making / copy)
        self.keep(OutFile(copy, sha256, size), message_id=message_id, statement_day=statement_day)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """One transaction of the books; what was written in it leaves when it is committed."""
        self._finished.clear()
        with self.ledger.writing():
            yield
        self.premises.put_out(self._finished, hold=bool(self.misbehaviour.value("silence_after_accepting")))

    def all_out(self) -> list[OutFile]:
        """Every file the bank ever made for the payer, oldest first."""
        return [OutFile(*row) for row in self.ledger.rows("SELECT name, sha256, size FROM outbox ORDER BY number")]
