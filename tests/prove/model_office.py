"""The office that the model works: real services over a real SQLite file, thrown away and opened anew at will."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from paysvc import failpoints
from paysvc.bank_interface import BankSettings
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import Debtor
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import open_or_create_sealer
from paysvc.services.approve_plan import approve_plan, hold_payment, return_plan, submit_plan, withdraw_plan
from paysvc.services.check_books import check_books
from paysvc.services.close_cycle import close_cycle
from paysvc.services.collect_returns import Collection, collect_returns
from paysvc.services.plan_payments import PlanResult, plan_payments
from paysvc.services.reconcile_returns import Reconciliation, reconcile_returns
from paysvc.services.submit_batches import Submission, submit_batches
from paysvc.services.withdraw_payments import withdraw_payments
from paysvc.store import schema
from paysvc.store.engine import Database, open_database
from paysvc.store.vault import Vault
from tests.payment_world import ACCOUNT
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled, Province

from .model_bank import Killed, ModelAdapter, ModelBank

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
MEMORY = Path("/dev/shm")

SYSTEM = Officer("system", Role.SYSTEM)
MAKER, SUBMITTER = Officer("maker.lan", Role.MAKER), Officer("maker.tuan", Role.MAKER)
APPROVER = Officer("approver.minh", Role.APPROVER)

#: What each bank promises: one notices a second file, one remembers nothing and cannot be asked.
BANK_OPTIONS: dict[str, dict[str, str]] = {
    "AGRI": {"duplicate_days": "7", "max_payments": "2"},
    "VCB": {"duplicate_key": "none", "can_enquire": "no"},
    "POST": {"channel": "cash", "duplicate_days": "3"},
}
_SERVES = {"AGRI": {AGRIBANK}, "VCB": {VIETCOMBANK}, "POST": set[str]()}

#: Among them one twice entitled (and so once excluded) and one held: nobody may vanish. The first
#: month is of one bank, the second of two, all others of three.
PEOPLE = (
    Enrolled({"HTXH": "HTXH-75"}),
    Enrolled({"BTXH": "NANG"}),
    Enrolled({"HTXH": "HTXH-75"}, outcome="name_mismatch"),
    Enrolled({"HTXH": "HTXH-75"}),
    Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}, bin=VIETCOMBANK, from_period="2027-01"),
    Enrolled({"HTXH": "HTXH-75"}, bin=VIETCOMBANK, from_period="2027-01"),
    Enrolled({"HTXH": "HTXH-75"}, channel="cash", from_period="2027-02"),
)
MONTHS = ("2026-12", "2027-01", "2027-02", "2027-03", "2027-04")


@dataclass(frozen=True)
class Place:
    """Where this process's models work, one after the other. In memory where there is some: every
    commit is synced, and a disk would take most of the time."""

    folder: tempfile.TemporaryDirectory[str]

    @property
    def template(self) -> Path:
        """A province that is set up and has planned nothing: its database and its keys."""
        return Path(self.folder.name) / "template"

    @property
    def home(self) -> Path:
        return Path(self.folder.name) / "office"

    def set_up(self) -> Path:
        """The office's folder as it was on the first day."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.template, self.home)
        return self.home

    @lru_cache(maxsize=8)  # noqa: B019  # there is one place a process
    def open(self, desk: int) -> Database:
        """The office's database for the desk of this number."""
        return open_database(f"sqlite:///{self.home / 'paysvc.db'}")


@lru_cache(maxsize=1)
def place() -> Place:
    found = Place(tempfile.TemporaryDirectory(prefix="paysvc-model-", dir=MEMORY if MEMORY.is_dir() else None))
    found.template.mkdir()
    database = open_database(f"sqlite:///{found.template / 'paysvc.db'}")
    schema.upgrade(database)
    Province(database, open_or_create_sealer(found.template / "keys.json"), FixedClock(START)).add(*PEOPLE)
    database.close()
    return found


class Desk:
    """One process of the office: everything in it is read from disk, nothing is shared with another.

    What stays from desk to desk of a number is how SQLAlchemy compiled its statements, which takes
    longer than running them; its connections are new.
    """

    def __init__(self, home: Path, banks: dict[str, ModelBank], clock: FixedClock, number: int = 0) -> None:
        self.home, self.clock = home, clock
        self.sealer = open_or_create_sealer(home / "keys.json")
        opened = place().open(number)
        opened.close()
        self.database = Database(opened.engine, opened.description)
        self.vault = WatchedVault(home / "vault", self.sealer)
        self.banks = BankRegistry([_settled(bank) for bank in banks.values()])

    def close(self) -> None:
        self.database.close()

    def plan(self, cycle: str) -> PlanResult:
        return plan_payments(
            self.database, self.sealer, self.banks, self.clock, MAKER, cycle_code=cycle,
            programme_codes=["BTXH", "HTXH"], periods=[cycle],
        )  # fmt: skip

    def submit_plan(self, cycle: str) -> None:
        submit_plan(self.database, self.clock, SUBMITTER, cycle_code=cycle)

    def approve(self, cycle: str, actor: Officer = APPROVER) -> None:
        content = self._content(cycle)
        approve_plan(self.database, self.clock, actor, cycle_code=cycle, content_sha256=content)

    def give_back(self, cycle: str) -> None:
        return_plan(self.database, self.clock, APPROVER, cycle_code=cycle, reason="look again")

    def withdraw(self, cycle: str) -> None:
        withdraw_plan(self.database, self.clock, MAKER, cycle_code=cycle, reason="look again")

    def hold(self, cycle: str, reference: str) -> None:
        hold_payment(
            self.database, self.clock, MAKER, cycle_code=cycle, end_to_end_id=reference, reason="complaint"
        )  # fmt: skip

    def send(self, cycle: str) -> Submission:
        return submit_batches(self.database, self.sealer, self.vault, self.banks, self.clock, SYSTEM, cycle_code=cycle)

    def collect(self) -> Collection:
        return collect_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)

    def reconcile(self) -> Reconciliation:
        return reconcile_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)

    def withdraw_payment(self, cycle: str, which: int = 0) -> str:
        """One that has not left, if there is any; else one of which nobody may say that it never will."""
        with raw(self.home) as rows:
            found = rows.execute(
                "SELECT i.end_to_end_id FROM instruction i JOIN payment_cycle c ON c.id = i.cycle_id WHERE c.code = ?"
                " ORDER BY i.state NOT IN ('PLANNED', 'BATCHED'), i.end_to_end_id",
                (cycle,),
            ).fetchall()
        (reference,) = found[which % len(found)]
        withdraw_payments(
            self.database, self.clock, APPROVER, cycle_code=cycle, end_to_end_ids=[reference], reason="never left"
        )  # fmt: skip
        return str(reference)

    def close_cycle(self, cycle: str) -> None:
        close_cycle(self.database, self.clock, APPROVER, cycle_code=cycle)

    def check_everything(self) -> list[str]:
        checked = check_books(self.database, self.vault, self.banks, self.clock, SYSTEM)
        return [str(one) for one in checked.differences]

    def _content(self, cycle: str) -> bytes:
        with raw(self.home) as rows:
            found = rows.execute("SELECT content_sha256 FROM payment_cycle WHERE code = ?", (cycle,)).fetchone()
        return bytes(found[0]) if found and found[0] else b""


class WatchedVault(Vault):
    """A vault whose reader may be kept waiting while somebody else works."""

    before_get: Callable[[], None] | None = None

    def get(self, digest: bytes) -> bytes:
        work, self.before_get = self.before_get, None
        if work is not None:
            work()
        return super().get(digest)


def _settled(bank: ModelBank) -> Bank:
    serves = frozenset(_SERVES[bank.code])
    debtor = Debtor("KHO BAC", ACCOUNT, AGRIBANK)
    settings = BankSettings(bank.code, f"Bank {bank.code}", "model", debtor, serves, bank.code == "VCB")
    return Bank(settings, ModelAdapter(bank), "a model's adapter 1")


@contextmanager
def raw(home: Path) -> Iterator[sqlite3.Connection]:
    """The file itself, past all code of the service."""
    connection = sqlite3.connect(home / "paysvc.db", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@dataclass
class Doom:
    """Ends the process, or fails it as a full disk does, at the `turn`-th place it comes by; 0 is never."""

    turn: int
    is_failure: bool = False
    passed: int = 0
    place: str = ""

    def pass_by(self, place: str) -> None:
        self.passed += 1
        if self.passed != self.turn:
            return
        self.place = place
        if self.is_failure:
            raise DiskFull(28, "no space left", place)
        raise Killed(place)


class DiskFull(OSError):
    """An error that the model asked for."""


@contextmanager
def doomed(doom: Doom) -> Iterator[Doom]:
    before = failpoints._armed
    failpoints._armed = doom  # type: ignore[assignment]  # raises in this process where orders would kill it
    try:
        yield doom
    finally:
        failpoints._armed = before


@dataclass
class Intruder:
    """Somebody with the file in his hands: changes what the rules protect, and puts the rules back."""

    home: Path
    trigger: str = "instruction_content_fixed"
    undo: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def change(self, reference: str, what: str) -> None:
        value: dict[str, Any] = {"amount_vnd": 9_999_999, "creditor_name": "KE GIAN", "creditor_bin": "970499"}
        with raw(self.home) as rows:
            (old,) = rows.execute(
                f"SELECT {what} FROM instruction WHERE end_to_end_id = ?", (reference,)
            ).fetchone()  # fmt: skip
            self.undo.append((f"UPDATE instruction SET {what} = ? WHERE end_to_end_id = ?", (old, reference)))
            self._past_the_rule(
                rows, f"UPDATE instruction SET {what} = ? WHERE end_to_end_id = ?", (value[what], reference)
            )

    def put_back(self) -> None:
        with raw(self.home) as rows:
            for statement, values in self.undo:
                self._past_the_rule(rows, statement, values)
        self.undo = []

    def _past_the_rule(self, rows: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
        (rule,) = rows.execute("SELECT sql FROM sqlite_master WHERE name = ?", (self.trigger,)).fetchone()
        rows.execute(f"DROP TRIGGER {self.trigger}")
        rows.execute(statement, values)
        rows.execute(rule)
