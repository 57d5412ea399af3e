"""acknowledge-books: an administrator answers for what the check of the books found, so that sending goes on."""

from __future__ import annotations

from paysvc.clock import Clock
from paysvc.domain.errors import Conflict, InvalidInput, Waiting
from paysvc.domain.officers import Officer, require
from paysvc.store import audit_trail, findings
from paysvc.store.engine import Database

VERB = "acknowledge-books"


def acknowledge_books(database: Database, clock: Clock, actor: Officer, *, reason: str) -> tuple[str, ...]:
    """Answer for every difference of the last checks; returns the equations. Others stop sending again.

    The differences stay, and every check names them. Raises `InvalidInput` without a reason,
    `Conflict` when there is nothing to answer for, `NotAllowed`.
    """
    require(actor, VERB)
    if not reason.strip():
        raise InvalidInput("reason_missing", "An acknowledgement needs a reason.")
    with database.write() as connection:
        found = findings.standing(connection)
        if not found:
            raise Conflict("nothing_to_acknowledge", "The last checks found nothing that nobody answers for.")
        detail = {"differing": found, "reason": reason.strip()}
        audit_trail.append(connection, clock.now(), actor, VERB, findings.SUBJECT, detail)
    return tuple(sorted(found))


def require_books(database: Database) -> None:
    """Raise `Waiting` while the last checks found differences that nobody answers for."""
    with database.read() as connection:
        found = findings.standing(connection)
    if found:
        raise Waiting(
            "books_differ",
            f"The books differ ({', '.join(sorted(found))}); nothing is sent by itself.",
            next_step="Find out why: paysvc check --differences. Sending goes on after a check that finds nothing, or"
            " when an administrator answers for the differences: paysvc acknowledge-books.",
        )
