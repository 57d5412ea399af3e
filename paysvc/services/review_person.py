"""review-match, where the question is who somebody is: one person registered twice, or two people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.errors import InvalidInput
from paysvc.domain.matching import Outcome
from paysvc.domain.officers import Officer, require
from paysvc.sealing import Sealer
from paysvc.services.match_accounts import match_anew
from paysvc.services.review_match import ReviewResult, accept_match, given_reason, reject_match, require_same_facts
from paysvc.store import audit_trail, match_review, same_person
from paysvc.store.engine import Database
from paysvc.store.match_review import StoredMatch

#: About an account the first two, about a person the others.
DECISIONS = ("accept", "reject", "two_persons", "same_person")


def two_persons(database: Database, clock: Clock, actor: Officer, match_id: int, *, reason: str) -> ReviewResult:
    """Say that this is nobody else of those it resembles; the person is matched again at once.

    It is not asked again for the same likeness. Raises as `review_match.accept_match`.
    """
    require(actor, "review-match")
    given, now = given_reason(reason), clock.now()
    with database.write() as connection:
        match = _in_doubt(connection, match_id)
        same_person.settle(connection, match.beneficiary_id, same_person.TWO_PERSONS, actor.officer_id, given, now)
        return _decided(connection, actor, match, "two_persons", _others(match), [], now)


def one_person(
    database: Database,
    sealer: Sealer,
    clock: Clock,
    actor: Officer,
    match_id: int,
    *,
    reason: str,
    other_id: int | None = None,
) -> ReviewResult:
    """Say that this is the same person as `other_id` (a beneficiary that the outcome names).

    The earlier record stays, with all that it is owed and was paid; it takes over the number, and
    the numbers and enrolments it does not have. What a payment under this record was made for is
    not paid under the other again. `other_id` is needed where the outcome names several. Raises
    as `review_match.accept_match`.
    """
    require(actor, "review-match")
    given, now = given_reason(reason), clock.now()
    with database.write() as connection:
        match = _in_doubt(connection, match_id)
        others = _others(match)
        chosen = others[0] if other_id is None and len(others) == 1 else other_id
        if chosen not in others:
            raise InvalidInput("person_not_named", "Say which of the beneficiaries that the outcome names it is.")
        same_person.settle(connection, match.beneficiary_id, same_person.SAME_PERSON, actor.officer_id, given, now)
        same_person.retire(connection, sealer, match.beneficiary_id, chosen, now)
        return _decided(connection, actor, match, "same_person", [chosen], [chosen], now)


def decide(
    database: Database,
    sealer: Sealer,
    clock: Clock,
    actor: Officer,
    match_id: int,
    *,
    decision: str,
    reason: str,
    account_id: int | None = None,
    other_id: int | None = None,
) -> ReviewResult:
    """Any decision of review-match by its name, one of `DECISIONS`."""
    if decision == "accept":
        return accept_match(database, clock, actor, match_id, reason=reason, account_id=account_id)
    if decision == "reject":
        return reject_match(database, clock, actor, match_id, reason=reason)
    if decision == "two_persons":
        return two_persons(database, clock, actor, match_id, reason=reason)
    return one_person(database, sealer, clock, actor, match_id, reason=reason, other_id=other_id)


def _in_doubt(connection: Connection, match_id: int) -> StoredMatch:
    match_review.lock(connection)
    match = match_review.read_open(connection, match_id)
    if match.outcome != Outcome.MAYBE_SAME_PERSON:
        raise InvalidInput("outcome_not_reviewed", f"The outcome {match.outcome} is not about who somebody is.")
    require_same_facts(connection, match)
    return match


def _others(match: StoredMatch) -> list[int]:
    return sorted({int(one["beneficiary"]) for one in match.evidence["others"]})


def _decided(
    connection: Connection,
    actor: Officer,
    match: StoredMatch,
    decision: str,
    others: list[int],
    also_changed: list[int],
    now: datetime,
) -> ReviewResult:
    match_anew(connection, [match.beneficiary_id, *also_changed], now)
    new = match_review.read_open_of(connection, match.beneficiary_id)
    # The reason stays in the registry: an officer may have written a name into it.
    detail = {"match": new.match_id, "replaces": match.match_id, "decision": decision, "others": others}
    audit_trail.append(connection, now, actor, "review-match", f"beneficiary:{match.beneficiary_id}", detail)
    return ReviewResult(new.match_id, Outcome(new.outcome), new.account_id)
