"""collect-returns: fetch what the banks have put out for us, and keep it before looking at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paysvc.bank_interface import BankUnreachable, FetchedFile, SeenFiles
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import Clock
from paysvc.domain.errors import ConnectorUnavailable, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.domain.statement_watch import says_missing
from paysvc.missing_statements import find_missing_statements
from paysvc.store import audit_trail, returns
from paysvc.store.engine import Database
from paysvc.store.vault import Vault

VERB = "collect-returns"


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """One file a bank gave us in this run; `is_new` is False for bytes that it gave before."""

    bank_code: str
    name: str
    size: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Collection:
    """What a run of collect-returns brought. Banks in `unreachable` may be asked again any time.

    `waiting` names the banks of which a statement did not come, as far as the files tell that were
    decided before this run; a person asks for it.
    """

    files: tuple[CollectedFile, ...]
    unreachable: tuple[PaysvcError, ...]
    waiting: tuple[PaysvcError, ...] = ()

    @property
    def new_files(self) -> tuple[CollectedFile, ...]:
        return tuple(file for file in self.files if file.is_new)

    @property
    def is_complete(self) -> bool:
        """True when every bank was reached and none owes us a statement."""
        return not self.unreachable and not self.waiting


@dataclass(frozen=True, slots=True)
class _Kept:
    """A fetched file whose bytes are in the vault."""

    name: str
    digest: bytes
    size: int


def collect_returns(database: Database, vault: Vault, banks: BankRegistry, clock: Clock, actor: Officer) -> Collection:
    """Ask every bank for files we have not fetched; keep each raw under its digest.

    What came before a break stays. One bank that cannot be reached does not keep the others
    waiting. Raises `NotAllowed`.
    """
    require(actor, VERB)
    database.require_writable()
    files: list[CollectedFile] = []
    unreachable: list[PaysvcError] = []
    for bank in banks:
        with database.read() as connection:
            seen = returns.seen_files(connection, bank.settings.code)
        kept: list[_Kept] = []
        failure = _fetch(bank, seen, vault, kept)
        if kept:
            files += _note(database, clock, actor, bank.settings.code, kept)
        if failure is not None:
            unreachable.append(failure)
    with database.read() as connection:
        missing = find_missing_statements(connection, banks, clock.now())
    return Collection(tuple(files), tuple(unreachable), tuple(map(says_missing, missing)))


def _fetch(bank: Bank, seen: SeenFiles, vault: Vault, kept: list[_Kept]) -> PaysvcError | None:
    """Put the bank's files into the vault and name them in `kept`; None, or why it broke off."""
    door = _door(bank, seen)
    while True:
        try:
            fetched = next(door, None)
        except BankUnreachable:
            return ConnectorUnavailable(
                "bank_unreachable",
                f"Bank {bank.settings.code} could not be reached; nothing of it was lost.",
                next_step="Run collect-returns again later.",
            )
        except Exception as failure:  # noqa: BLE001  # a bank's door is not ours, and the other banks wait
            return ConnectorUnavailable(
                "bank_fetch_failed",
                f"Fetching from bank {bank.settings.code} failed ({type(failure).__name__}).",
                next_step="Run collect-returns again; when it stays so, look at the bank's settings.",
            )
        if fetched is None:
            return None
        kept.append(_Kept(fetched.name, vault.put(fetched.content), len(fetched.content)))


def _door(bank: Bank, seen: SeenFiles) -> Iterator[FetchedFile]:
    # A door that already fails when it is opened then fails like one that fails later.
    yield from bank.adapter.fetch(seen)


def _note(database: Database, clock: Clock, actor: Officer, bank_code: str, kept: list[_Kept]) -> list[CollectedFile]:
    """Note what lies in the vault. Should the program end before this, the bank is asked for
    the same files again, and gives the same bytes."""
    with database.write() as connection:
        now, found = clock.now(), []
        for one in kept:
            is_new = returns.store_file(connection, bank_code, one.name, one.digest, one.size, now)
            detail = {"bank": bank_code, "size": one.size, "new": is_new}
            audit_trail.append(connection, now, actor, VERB, f"file:{one.digest.hex()}", detail)
            found.append(CollectedFile(bank_code, one.name, one.size, is_new))
    return found
