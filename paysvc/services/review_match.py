"""review-match: what the rule leaves to a person, decided by a person, with a reason.

Whether an account is somebody's, and who somebody is: one person registered twice, or two people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.core.match_facts import digest_facts
from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.domain.matching import ACCEPTABLE, FOR_REVIEW, REJECTED_AS, Outcome
from paysvc.domain.names import NameLevel
from paysvc.domain.officers import Officer, require
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, match_anew, match_facts, match_review, same_person
from paysvc.store.engine import Database
from paysvc.store.match_review import MatchToReview, StoredMatch

#: About an account the first two, about a person the others.
DECISIONS = ("accept", "reject", "two_persons", "same_person")

#: The most a page of the review list holds.
LONGEST_PAGE = 200

#: The longest reason that is kept.
LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """`next_after` is what to ask the next page with, or None on the last; `waiting` counts all."""

    matches: tuple[MatchToReview, ...]
    waiting: int
    next_after: int | None


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """The version that holds from now on."""

    match_id: int
    outcome: Outcome
    account_id: int | None


def list_matches(
    database: Database,
    sealer: Sealer,
    actor: Officer,
    *,
    outcome: Outcome | None = None,
    after: int = 0,
    limit: int = 50,
) -> ReviewPage:
    """Outcomes that wait for an officer, oldest first, numbers masked. Raises `NotAllowed`, `InvalidInput`."""
    require(actor, "read")
    if not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInput("page_size", f"A page holds 1 to {LONGEST_PAGE} outcomes.")
    if outcome is not None and outcome not in FOR_REVIEW:
        raise InvalidInput("outcome_not_reviewed", f"The outcome {outcome} does not wait for an officer.")
    with database.read() as connection:
        found = match_review.read_page(connection, sealer, outcome, after, limit + 1)
        waiting = match_review.count_waiting(connection)
    page = tuple(found[:limit])
    return ReviewPage(page, waiting, page[-1].match_id if len(found) > limit else None)


def accept_match(
    database: Database, clock: Clock, actor: Officer, match_id: int, *, reason: str, account_id: int | None = None
) -> ReviewResult:
    """Say that the account is the person's: of one with a close name, or of several, the one chosen.

    `account_id` (a candidate of the review list) is needed where there are several. A name
    mismatch cannot be accepted: correct the registry or let the bank correct its list. Raises
    `NotAllowed`, `InvalidInput`, `NotFound`, and `Conflict` when the outcome or any fact
    behind it changed.
    """
    return _decided(database, clock, actor, match_id, reason, lambda match, about: _accepted(match, about, account_id))


def reject_match(database: Database, clock: Clock, actor: Officer, match_id: int, *, reason: str) -> ReviewResult:
    """Say that it is not the person's account: a close name becomes a mismatch, several become none usable.

    Raises as `accept_match`. A decision can be taken back by deciding again on its version.
    """
    return _decided(database, clock, actor, match_id, reason, _rejected)


def _decided(
    database: Database,
    clock: Clock,
    actor: Officer,
    match_id: int,
    reason: str,
    decide: Callable[[StoredMatch, Outcome], StoredMatch],
) -> ReviewResult:
    require(actor, "review-match")
    given, now = given_reason(reason), clock.now()
    with database.write() as connection:
        match_review.lock(connection)
        match = match_review.read_open(connection, match_id)
        about = _reviewed_outcome(match)
        new = decide(match, about)
        if (new.outcome, new.account_id) == (match.outcome, match.account_id) and "review" in match.evidence:
            raise Conflict("already_decided", "This was decided in the same way before.")
        require_same_facts(connection, match)
        review = {"decision": "accepted" if new.outcome == Outcome.MATCHED else "rejected", "outcome": str(about)}
        new = replace(new, evidence={**match.evidence, "review": review})
        new_id = match_review.replace(connection, match_id, new, actor.officer_id, given, now)
        # The reason stays in the registry: an officer may have written a name into it.
        detail = {"match": new_id, "replaces": match_id, **review, "account": new.account_id}
        audit_trail.append(connection, now, actor, "review-match", f"beneficiary:{match.beneficiary_id}", detail)
    return ReviewResult(new_id, Outcome(new.outcome), new.account_id)


def given_reason(reason: str) -> str:
    """The reason without blanks around it. Raises `InvalidInput` when there is none, or too much."""
    given = reason.strip()
    if not given or len(given) > LONGEST_REASON:
        raise InvalidInput("reason_required", f"A decision needs a reason of 1 to {LONGEST_REASON} characters.")
    return given


def require_same_facts(connection: Connection, match: StoredMatch) -> None:
    """Raise `Conflict` when any fact behind the outcome is not what it was."""
    for cases in match_facts.read_cases(connection, match.beneficiary_id):
        if digest_facts(cases.facts) != [match.facts_digest]:
            raise Conflict(
                "facts_changed",
                "The registry changed since this outcome was found.",
                next_step="Run match-accounts and look at the new outcome.",
            )


def _reviewed_outcome(match: StoredMatch) -> Outcome:
    """What the rule left to a person, also where a person has decided it before."""
    reviewed = match.evidence.get("review", {}).get("outcome", match.outcome)
    if reviewed not in FOR_REVIEW:
        raise InvalidInput("outcome_not_reviewed", f"The outcome {reviewed} does not wait for an officer.")
    if reviewed not in REJECTED_AS:
        raise InvalidInput("outcome_about_person", "Decide whether it is the same person, or two persons.")
    return Outcome(reviewed)


def _accepted(match: StoredMatch, about: Outcome, account_id: int | None) -> StoredMatch:
    if about not in ACCEPTABLE:
        raise InvalidInput(
            "name_mismatch_not_acceptable",
            "An account in another name cannot be accepted.",
            next_step="Correct the name in the registry, or let the bank correct its list.",
        )
    levels = {one["account"]: one["name"] for one in match.evidence.get("candidates", ())}
    if about is Outcome.NAME_CLOSE:
        levels = {match.account_id: match.name_level}
    chosen = account_id if account_id is not None or len(levels) > 1 else next(iter(levels))
    if chosen not in levels:
        raise InvalidInput("account_not_a_candidate", "Choose one of the accounts that the outcome lists.")
    if levels[chosen] == NameLevel.MISMATCH:
        raise InvalidInput("name_mismatch_not_acceptable", "An account in another name cannot be accepted.")
    return replace(match, outcome=str(Outcome.MATCHED), account_id=chosen, name_level=levels[chosen])


def _rejected(match: StoredMatch, about: Outcome) -> StoredMatch:
    several = about is Outcome.SEVERAL_ACCOUNTS
    return replace(
        match,
        outcome=str(REJECTED_AS[about]),
        account_id=None if several else match.account_id,
        name_level="" if several else match.name_level,
    )


# ----------------------------------------------------------------- who somebody is


def two_persons(database: Database, clock: Clock, actor: Officer, match_id: int, *, reason: str) -> ReviewResult:
    """Say that this is nobody else of those it resembles; the person is matched again at once.

    It is not asked again for the same likeness. Raises as `review_match.accept_match`.
    """
    require(actor, "review-match")
    given, now = given_reason(reason), clock.now()
    with database.write() as connection:
        match = _in_doubt(connection, match_id)
        same_person.settle(connection, match.beneficiary_id, same_person.TWO_PERSONS, actor.officer_id, given, now)
        return _identified(connection, actor, match, "two_persons", _others(match), [], now)


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
        return _identified(connection, actor, match, "same_person", [chosen], [chosen], now)


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


def _identified(
    connection: Connection,
    actor: Officer,
    match: StoredMatch,
    decision: str,
    others: list[int],
    also_changed: list[int],
    now: datetime,
) -> ReviewResult:
    match_anew.match_again(connection, [match.beneficiary_id, *also_changed], now)
    new = match_review.read_open_of(connection, match.beneficiary_id)
    # The reason stays in the registry: an officer may have written a name into it.
    detail = {"match": new.match_id, "replaces": match.match_id, "decision": decision, "others": others}
    audit_trail.append(connection, now, actor, "review-match", f"beneficiary:{match.beneficiary_id}", detail)
    return ReviewResult(new.match_id, Outcome(new.outcome), new.account_id)
