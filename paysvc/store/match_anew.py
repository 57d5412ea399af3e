"""What changes when people are matched: outcomes whose facts are not those they were decided from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from paysvc.core.match_facts import decide_columns, digest_facts
from paysvc.store import match_facts, matching


def match_again(connection: Connection, beneficiary_ids: Sequence[int], at: datetime) -> None:
    """Match these few again, after a decision about who they are."""
    for beneficiary_id in beneficiary_ids:
        for cases in list(match_facts.read_cases(connection, beneficiary_id)):
            for change in changes_of(cases):
                matching.replace_outcomes(connection, change, at)


def changes_of(cases: match_facts.Cases) -> list[matching.Change]:
    """One change that holds the people whose facts are not those of their open outcome, or none."""
    digests = digest_facts(cases.facts)
    rows = [row for row, digest in enumerate(digests) if digest != cases.facts_digest[row]]
    if not rows:
        return []
    decisions = decide_columns(cases.facts)
    return [
        matching.Change(
            beneficiary_id=[cases.beneficiary_id[row] for row in rows],
            decisions=decisions if len(rows) == len(cases) else decisions.take(rows),
            facts_digest=[digests[row] for row in rows],
            outdated=[match_id for row in rows if (match_id := cases.match_id[row]) is not None],
        )
    ]
