"""collect-returns: fetch what the banks have put out for us, and keep it before looking at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paysvc.bank_interface import BankUnreachable, FetchedFile
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import Clock
from paysvc.domain.errors import ConnectorUnavailable, PaysvcError
from paysvc.domain.officers import Officer, require
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
    """What a run of collect-returns brought. Banks in `unreachable` may be asked again any time."""

    files: tuple[CollectedFile, ...]
    unreachable: tuple[PaysvcError, ...]

    @property
    def new_files(self) -> tuple[CollectedFile, ...]:
        return tuple(file for file in self.files if file.is_new)


class _NoMoreFromThisBank(Exception):
    """The bank broke off; `failure` is what to tell."""

    def __init__(self, failure: PaysvcError) -> None:
        super().__init__(failure.message)
        self.failure = failure


def collect_returns(database: Database, vault: Vault, banks: BankRegistry, clock: Clock, actor: Officer) -> Collection:
    """Ask every bank for files we have not fetched; keep each raw under its digest.

    A file is noted one by one as it comes, so what came before a break stays. One bank that
    cannot be reached does not keep the others waiting. Raises `NotAllowed`.
    """
    require(actor, VERB)
    files: list[CollectedFile] = []
    unreachable: list[PaysvcError] = []
    for bank in banks:
        with database.read() as connection:
            seen = returns.seen_names(connection, bank.settings.code)
        try:
            for fetched in _fetch(bank, seen):
                files.append(_keep(database, vault, clock, actor, bank.settings.code, fetched))
        except _NoMoreFromThisBank as stop:
            unreachable.append(stop.failure)
    return Collection(tuple(files), tuple(unreachable))


def _keep(
    database: Database, vault: Vault, clock: Clock, actor: Officer, bank_code: str, fetched: FetchedFile
) -> CollectedFile:
    """Bytes first, then the note of them: a note never speaks of bytes that are not there."""
    digest = vault.put(fetched.content)
    size = len(fetched.content)
    with database.write() as connection:
        now = clock.now()
        is_new = returns.store_file(connection, bank_code, fetched.name, digest, size, now)
        detail = {"bank": bank_code, "size": size, "new": is_new}
        audit_trail.append(connection, now, actor, VERB, f"file:{digest.hex()}", detail)
    return CollectedFile(bank_code, fetched.name, size, is_new)


def _fetch(bank: Bank, seen: frozenset[str]) -> Iterator[FetchedFile]:
    """The bank's files; whatever its door raises becomes one thing that can be told."""
    try:
        yield from bank.adapter.fetch(seen)
    except BankUnreachable:
        raise _NoMoreFromThisBank(
            ConnectorUnavailable(
                "bank_unreachable",
                f"Bank {bank.settings.code} could not be reached; nothing of it was lost.",
                next_step="Run collect-returns again later.",
            )
        ) from None
    except Exception as failure:
        raise _NoMoreFromThisBank(
            ConnectorUnavailable(
                "bank_fetch_failed",
                f"Fetching from bank {bank.settings.code} failed ({type(failure).__name__}).",
                next_step="Run collect-returns again; when it stays so, look at the bank's settings.",
            )
        ) from failure
