"""check-books: every equation of the books asked anew, of the rows and of the kept bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.core.scan_pain001 import ORDERS, read_pain001
from paysvc.core.scan_xml import message_name
from paysvc.domain.books import Difference, Equation, Examined
from paysvc.domain.errors import DoesNotReconcile, FileRefused, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.store import audit_trail, book_checks, statements
from paysvc.store.engine import Database
from paysvc.store.statements import BelievedStatement
from paysvc.store.vault import Vault

VERB = "check-books"


@dataclass(frozen=True, slots=True)
class BooksChecked:
    """What became of every equation that was asked."""

    examined: tuple[Examined, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        return tuple(difference for one in self.examined for difference in one.differences)

    def require_agreement(self) -> None:
        """Raise `DoesNotReconcile` naming the first difference, if there is any."""
        if self.differences:
            raise DoesNotReconcile(
                "books_differ",
                f"{len(self.differences)} difference(s) in the books, the first: {self.differences[0]}.",
                next_step="Send nothing before it is explained; docs/operations.md says what each equation means.",
            )


def check_books(
    database: Database,
    vault: Vault,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    with_files: bool = True,
    progress: Progress = silent,
) -> BooksChecked:
    """Ask every equation of `domain.books`, and leave what came of it in the trail.

    Each is asked of a snapshot of its own, so that on SQLite writers need not wait for all of
    them. `with_files` also reads every kept file of a bank again, which takes as long as
    reconciling them did; what they are held against never changes. Differences are the result
    and raise nothing. Raises `NotAllowed`.
    """
    require(actor, VERB)
    total = len(book_checks.OF_ROWS) + 2 * with_files
    examined = []
    for one in _examine(database, vault, banks, with_files=with_files):
        examined.append(one)
        progress(len(examined), total)
    found = BooksChecked(tuple(examined))
    # Asked above all of a database that somebody put back.
    with database.write(in_doubt=True) as connection:
        detail = {"differences": len(found.differences), "with_files": with_files}
        audit_trail.append(connection, clock.now(), actor, VERB, "books", detail)
    return found


def _examine(database: Database, vault: Vault, banks: BankRegistry, *, with_files: bool) -> Iterator[Examined]:
    for equation in book_checks.OF_ROWS:
        with database.read() as connection:
            found = equation(connection)
        yield found
    if with_files:
        yield _sent(database, vault)
        yield _returned(database, vault, banks)


def _sent(database: Database, vault: Vault) -> Examined:
    """Every file that was written, read back: its payments are those of its batch."""
    with database.read() as connection:
        files = book_checks.sent_files(connection)
    found = []
    for file in files:
        subject = f"file of batch {file.message_id}"
        try:
            content = vault.get(file.sha256)
            ordered = _payments_in(content)
        except PaysvcError as failure:
            found.append(Difference(Equation.SENT_FILES, subject, "readable", failure.code))
            continue
        if len(content) != file.size:
            found.append(Difference(Equation.SENT_FILES, subject, f"{file.size} bytes", f"{len(content)} bytes"))
        if ordered is not None and ordered != _payments_of(database, file.batch_id):
            found.append(Difference(Equation.SENT_FILES, subject, "the payments of its batch", "others"))
    return Examined(Equation.SENT_FILES, len(files), tuple(found))


def _payments_in(content: bytes) -> list[tuple[str, int]] | None:
    """EndToEndId and đồng of every payment, sorted; None for bytes in a dialect that only a bank reads."""
    try:
        if message_name(content) not in ORDERS:
            return None
    except FileRefused:
        return None
    payments = read_pain001(content).payments
    return sorted(zip(payments.end_to_end_id.to_list(), payments.amount_vnd.tolist(), strict=True))


def _payments_of(database: Database, batch_id: int) -> list[tuple[str, int]]:
    with database.read() as connection:
        return book_checks.payments_of(connection, batch_id)


def _returned(database: Database, vault: Vault, banks: BankRegistry) -> Examined:
    """Every believed statement, read from its bytes again: it says what its lines say."""
    count, found = 0, []
    for bank in banks:
        with database.read() as connection:
            believed = statements.list_statements(connection, bank.settings.code, bank.settings.debtor.account)
        for digest in dict.fromkeys(one.file_sha256 for one in believed):
            own = [one for one in believed if one.file_sha256 == digest]
            count += len(own)
            try:
                said = bank.read_returns(own[0].file_name, vault.get(digest)).statements
            except PaysvcError as failure:
                found += [_differs(bank.settings.code, one, "readable", failure.code) for one in own]
                continue
            by_id = {one.statement_id: statements.line_keys(one.entries) for one in said}
            for one in own:
                with database.read() as connection:
                    kept = statements.read_line_keys(connection, one.id)
                if by_id.get(one.statement_id) != kept:
                    found.append(_differs(bank.settings.code, one, "the lines of its file", "others"))
    return Examined(Equation.RETURNED_FILES, count, tuple(found))


def _differs(bank_code: str, one: BelievedStatement, expected: str, found: str) -> Difference:
    return Difference(Equation.RETURNED_FILES, f"statement {one.statement_id} of {bank_code}", expected, found)
