"""match-accounts: give every beneficiary exactly one outcome, and change only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paysvc.clock import Clock
from paysvc.domain.matching import Outcome
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, match_anew, match_facts, matching, same_person
from paysvc.store.engine import Database


@dataclass(frozen=True, slots=True)
class MatchResult:
    """How many people have which outcome now (all outcomes are named), and what this run did.

    `opened` versions are new, `closed` were replaced or ended, `unchanged` stand because the
    facts are those they were decided from; among these are the officers' decisions.
    """

    people: int
    outcomes: Mapping[Outcome, int]
    opened: int
    unchanged: int
    closed: int


def match_accounts(
    database: Database, sealer: Sealer, clock: Clock, actor: Officer, *, progress: Progress = silent
) -> MatchResult:
    """Match all registered beneficiaries with the open account lists and population records.

    A second run over the same facts changes nothing. Where a fact changed, the open version
    ends and a new one begins at this moment; an officer's decision stands while the facts do.
    Numbers are joined by their blind indexes as they lie, so the sealer opens nothing. Who may be
    somebody registered earlier is noted, too, and waits until an officer decided.
    Raises `NotAllowed`.
    """
    require(actor, "match-accounts")
    now, people = clock.now(), 0
    with database.write() as connection:
        matching.lock(connection)
        same_person.find_doubts(connection, sealer, now)
        total = matching.count_people(connection)
        # Written only when all is read: the outcomes are read in the same stream as the people.
        changes: list[matching.Change] = []
        for cases in match_facts.read_cases(connection):
            changes += match_anew.changes_of(cases)
            people += len(cases)
            progress(people, total)
        closed = matching.close_unregistered(connection, now)
        for change in changes:
            closed += matching.replace_outcomes(connection, change, now)
        opened = sum(len(change.beneficiary_id) for change in changes)
        counted = matching.count_outcomes(connection)
        result = MatchResult(
            people=people,
            outcomes={outcome: counted.get(outcome, 0) for outcome in Outcome},
            opened=opened,
            unchanged=people - opened,
            closed=closed,
        )
        if opened or closed:
            audit_trail.append(connection, now, actor, "match-accounts", "registry", _told(result))
    return result


def _told(result: MatchResult) -> dict[str, object]:
    return {
        "people": result.people,
        "opened": result.opened,
        "closed": result.closed,
        "unchanged": result.unchanged,
        "outcomes": {str(outcome): count for outcome, count in result.outcomes.items()},
    }
