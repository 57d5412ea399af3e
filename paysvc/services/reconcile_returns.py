"""reconcile-returns: believe what proves itself, and put every line where it belongs.

Each file is one transaction: all of it counts, or none of it. What a file says is joined to
what is known (statuses by rank, bookings by addition), so neither the order of files nor
their repetition shows in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DataError

from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import Clock
from paysvc.core.messages import BankReturns
from paysvc.domain.bank_letters import KIND as LETTER
from paysvc.domain.errors import FileRefused, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.store import audit_trail, bank_letters, batches, returns
from paysvc.store.engine import Database
from paysvc.store.recall_taking import take_recall_answers
from paysvc.store.returns import FileState, InboundFile
from paysvc.store.statement_taking import find_together, take_statements, take_together, waiting_file
from paysvc.store.status_taking import take_statuses
from paysvc.store.taking import MustWait, Taken
from paysvc.store.vault import Vault

VERB = "reconcile-returns"


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file. `code` and `reason` say why it is not ACCEPTED; figures in đồng."""

    bank_code: str
    name: str
    kind: str
    state: FileState
    code: str = ""
    reason: str = ""
    taken: Taken = field(default_factory=Taken)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a run of reconcile-returns decided, file by file, in the order they were decided.

    `waiting` names files that could not be looked at (their bank is not configured, say).
    """

    files: tuple[FileReport, ...]
    waiting: tuple[PaysvcError, ...]

    def of_state(self, state: FileState) -> tuple[FileReport, ...]:
        return tuple(file for file in self.files if file.state is state)


@dataclass(frozen=True, slots=True)
class _Desk:
    database: Database
    vault: Vault
    banks: BankRegistry
    clock: Clock
    actor: Officer


def reconcile_returns(
    database: Database,
    vault: Vault,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    progress: Progress = silent,
) -> Reconciliation:
    """Work through every file that is not decided yet, oldest first.

    A file that waits for another (an earlier statement, a batch of ours) is looked at again
    as soon as something it may have waited for was accepted. Where nothing else helps,
    statements that wait for one another are taken at once. Raises `NotAllowed`.
    """
    require(actor, VERB)
    database.require_writable()
    desk = _Desk(database, vault, banks, clock, actor)
    with database.read() as connection:
        queue = returns.list_undecided(connection)
    reports: dict[int, FileReport] = {}
    waiting: list[PaysvcError] = []
    done, total = 0, len(queue)
    while queue:
        parked: list[InboundFile] = []
        accepted: set[str] = set()
        for file in queue:
            try:
                report = _decide(desk, file)
            except PaysvcError as failure:
                if failure.code == "file_decided":
                    continue  # by another run
                waiting.append(failure)
                continue
            reports[file.id] = report
            if report.state is FileState.PARKED:
                parked.append(file)
            elif report.state is FileState.ACCEPTED:
                accepted.add(file.bank_code)
            done += report.state is not FileState.PARKED
            progress(done, total)
        queue = [file for file in parked if file.bank_code in accepted]
        if not queue:
            for report, file in _decide_together(desk, parked):
                reports[file.id] = report
                done += 1
                parked.remove(file)
                accepted.add(file.bank_code)
            queue = [file for file in parked if file.bank_code in accepted]
        queue = _reread(desk, queue)
    progress(total, total)
    return Reconciliation(tuple(reports.values()), tuple(waiting))


def _reread(desk: _Desk, files: list[InboundFile]) -> list[InboundFile]:
    with desk.database.read() as connection:
        return [returns.get_file(connection, file.id) for file in files]


def _decide(desk: _Desk, file: InboundFile) -> FileReport:
    """Read one file and take it, or write down why not. The bytes stay in the vault either way."""
    bank = desk.banks.get(file.bank_code)
    content = desk.vault.get(file.sha256)
    said = BankReturns("", "")
    try:
        said = _parse(bank, file.name, content)
        return _take(desk, bank, file, said)
    except MustWait as wait:
        return _not_taken(desk, file, said, FileState.PARKED, wait.code, wait.reason)
    except FileRefused as refusal:
        return _not_taken(desk, file, said, FileState.QUARANTINED, refusal.code, str(refusal))
    except DataError as failure:
        # Text that the database cannot hold (a NUL, say) is not worth stopping the others for.
        reason = f"The file holds what the store cannot keep ({type(failure.orig).__name__})."
        return _not_taken(desk, file, said, FileState.QUARANTINED, "content_not_storable", reason)


def _decide_together(desk: _Desk, parked: list[InboundFile]) -> Iterator[tuple[FileReport, InboundFile]]:
    """For each bank, the parked statements that can be believed only at once, if there are any."""
    for code in sorted({file.bank_code for file in parked}):
        bank, waiting = desk.banks.get(code), []
        of_bank = {file.id: file for file in parked if file.bank_code == code}
        # Their lines are let go: many large files may wait.
        for file in _reread(desk, list(of_bank.values())):
            try:
                said = _parse(bank, file.name, desk.vault.get(file.sha256))
                if said.kind == "statement":
                    waiting.append(waiting_file(bank.settings, file, said))
            except PaysvcError:
                continue
        if len(waiting) < 2:
            continue
        with desk.database.read() as connection:
            chosen = find_together(connection, bank.settings, waiting)
        try:
            reports = _take_together(desk, bank, chosen)
        except (PaysvcError, MustWait, DataError):
            continue  # Nothing of it was written; each waits on, or is judged alone.
        for report, file in zip(reports, chosen, strict=True):
            yield report, of_bank[file.id]


def _take_together(desk: _Desk, bank: Bank, files: list[InboundFile]) -> list[FileReport]:
    """All of some statement files in one transaction. Raises `MustWait`, `FileRefused`, `Conflict`."""
    if not files:
        return []
    read = [(file, _parse(bank, file.name, desk.vault.get(file.sha256))) for file in files]
    now = desk.clock.now()
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        everything = take_together(connection, bank.settings, read, now)
        return [
            _taken(desk, connection, file, said, taken, now)
            for (file, said), taken in zip(read, everything, strict=True)
        ]


def _parse(bank: Bank, name: str, content: bytes) -> BankReturns:
    try:
        return bank.read_returns(name, content)
    except FileRefused:
        raise
    except Exception as failure:
        # An adapter promises to raise nothing else; when it does, the file is still only data.
        raise FileRefused(
            "adapter_failed", f"The adapter of bank {bank.settings.code} could not read it ({type(failure).__name__})."
        ) from failure


def _take(desk: _Desk, bank: Bank, file: InboundFile, said: BankReturns) -> FileReport:
    """All of a file in one transaction. Raises `MustWait`, `FileRefused`, `Conflict`."""
    now = desk.clock.now()
    with desk.database.write() as connection:
        batches.queue_for_money(connection)
        if said.kind == "statement":
            taken = take_statements(connection, bank.settings, file, said, now)
        elif said.kind == "recall":
            taken = take_recall_answers(connection, bank.settings, file, said, now)
        else:
            if said.kind == LETTER:
                bank_letters.require_approved(connection, file)
            taken = take_statuses(connection, bank.settings, file, said, _reader(desk, bank), now)
        return _taken(desk, connection, file, said, taken, now)


def _taken(
    desk: _Desk, connection: Any, file: InboundFile, said: BankReturns, taken: Taken, now: datetime
) -> FileReport:
    """Write down that a file was taken, in the transaction in which it was."""
    state = FileState.REPEATED if taken.is_repetition else FileState.ACCEPTED
    code = "said_before" if taken.is_repetition else ""
    reason = "Everything in it was said in a file before." if taken.is_repetition else ""
    returns.decide_file(
        connection, file, state, now, kind=said.kind, bank_message_id=said.bank_message_id,
        reason_code=code, reason=reason,
    )  # fmt: skip
    _note(desk, connection, file, {"state": state.value, "kind": said.kind, **taken.figures()})
    return FileReport(file.bank_code, file.name, said.kind, state, code, reason, taken)


def _reader(desk: _Desk, bank: Bank) -> Callable[[str, bytes], BankReturns]:
    """Reads a file of this bank from the vault again."""
    return lambda name, digest: bank.read_returns(name, desk.vault.get(digest))


def _not_taken(
    desk: _Desk, file: InboundFile, said: BankReturns, state: FileState, code: str, reason: str
) -> FileReport:
    with desk.database.write() as connection:
        returns.decide_file(
            connection, file, state, desk.clock.now(), kind=said.kind, bank_message_id=said.bank_message_id,
            reason_code=code, reason=reason,
        )  # fmt: skip
        if state is not file.state:
            _note(desk, connection, file, {"state": state.value, "kind": said.kind, "code": code})
    return FileReport(file.bank_code, file.name, said.kind, state, code, reason)


def _note(desk: _Desk, connection: Any, file: InboundFile, detail: dict[str, object]) -> None:
    subject = f"file:{file.sha256.hex()}"
    audit_trail.append(connection, desk.clock.now(), desk.actor, VERB, subject, {"bank": file.bank_code, **detail})
