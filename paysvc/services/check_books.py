"""check-books: every equation of the books asked anew, of the rows and of the kept bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.domain.books import OF_FILES, Difference, Examined
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.kept_files import KeptFiles
from paysvc.store import audit_trail, book_checks, findings
from paysvc.store.engine import Database
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
    total = len(book_checks.OF_ROWS) + len(OF_FILES) * with_files
    examined = []
    for one in _examine(database, vault, banks, with_files=with_files):
        examined.append(one)
        progress(len(examined), total)
    found = BooksChecked(tuple(examined))
    # Asked above all of a database that somebody put back.
    with database.write(in_doubt=True) as connection:
        detail = {
            "differences": len(found.differences),
            "with_files": with_files,
            "asked": [one.equation.value for one in found.examined],
            "differing": findings.findings(found.examined),
        }
        audit_trail.append(connection, clock.now(), actor, VERB, findings.SUBJECT, detail)
    return found


def _examine(database: Database, vault: Vault, banks: BankRegistry, *, with_files: bool) -> Iterator[Examined]:
    for equation in book_checks.OF_ROWS:
        with database.read() as connection:
            found = equation(connection)
        yield found
    if with_files:
        yield from KeptFiles(database, vault, banks).examine()
