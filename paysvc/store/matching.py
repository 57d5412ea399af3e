"""Outcomes of matching as dated versions, and the look-up of accounts by citizen ID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    exists,
    func,
    select,
    text,
    update,
)

from paysvc.core.match_facts import DecisionColumns
from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.domain.identifiers import citizen_id
from paysvc.sealing import Sealer
from paysvc.store.bulk import Same, insert_columns, next_ids, read_columns, update_columns
from paysvc.store.tables import (
    account_match,
    bank_account,
    beneficiary,
    beneficiary_version,
    population_record,
    superseded_identifier,
)

#: `decided_by` of an outcome that no officer decided.
BY_RULE = "match-accounts"

#: The most citizen IDs one call of `resolve` takes.
MOST_RESOLVED = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """New outcomes, one per beneficiary, and the open versions (ids) that they replace."""

    beneficiary_id: Sequence[int]
    decisions: DecisionColumns
    facts_digest: Sequence[bytes]
    outdated: Sequence[int]


def lock(connection: Connection) -> None:
    """Until the transaction ends nobody else changes the registry or an outcome.

    SQLite has one writer at a time already.
    """
    if connection.dialect.name == "postgresql":
        tables = (beneficiary, beneficiary_version, superseded_identifier, bank_account, population_record)
        listed = ", ".join(table.name for table in tables)
        connection.execute(text(f"LOCK TABLE {listed} IN SHARE MODE"))
        connection.execute(text(f"LOCK TABLE {account_match.name} IN SHARE ROW EXCLUSIVE MODE"))


def count_people(connection: Connection) -> int:
    """Beneficiaries that are registered today."""
    registered = select(func.count()).where(beneficiary_version.c.valid_to.is_(None))
    return int(connection.execute(registered).scalar_one())


def close_unregistered(connection: Connection, at: datetime) -> int:
    """End the outcomes of people who are not registered any more; returns how many."""
    registered = exists().where(
        beneficiary_version.c.beneficiary_id == account_match.c.beneficiary_id,
        beneficiary_version.c.valid_to.is_(None),
    )
    ended = update(account_match).where(account_match.c.valid_to.is_(None), ~registered).values(valid_to=at)
    return int(connection.execute(ended).rowcount)


def replace_outcomes(connection: Connection, change: Change, at: datetime) -> int:
    """End the outdated versions and open the new ones, decided by rule; returns how many ended.

    Raises `Conflict` when an outdated version is not open any more.
    """
    if change.outdated:
        ended = update_columns(connection, account_match, ["id"], {"id": change.outdated, "valid_to": Same(at)})
        if ended != len(change.outdated):
            raise Conflict("match_changed", "An outcome changed while it was being replaced.", next_step="Try again.")
    decisions = change.decisions
    insert_columns(
        connection,
        account_match,
        {
            "id": next_ids(connection, "account_match", len(change.beneficiary_id)),
            "beneficiary_id": change.beneficiary_id,
            # Members of an enumeration are text, but the drivers want the plain kind.
            "outcome": list(map(str, decisions.outcome)),
            "account_id": decisions.account_id,
            "name_level": list(map(str, decisions.name_level)),
            "evidence": decisions.evidence,
            "facts_digest": change.facts_digest,
            "decided_by": Same(BY_RULE),
            "reason": Same(""),
            "valid_from": Same(at),
        },
        staged=True,
    )
    return len(change.outdated)


def count_outcomes(connection: Connection) -> dict[str, int]:
    """Open versions per outcome; outcomes nobody has are missing."""
    counted = (
        select(account_match.c.outcome, func.count())
        .where(account_match.c.valid_to.is_(None))
        .group_by(account_match.c.outcome)
    )
    return {outcome: int(count) for outcome, count in connection.execute(counted)}


# ---------------------------------------------------------------- looking people up

#: What `resolve` says of a number for which matching has no outcome.
MALFORMED, NOT_REGISTERED, NOT_MATCHED = "malformed", "not_registered", "not_matched"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is known of one citizen ID: an outcome (or one of the three words above), an account.

    `bank_bin` and `account` (masked) are "" unless the outcome is about exactly one account.
    """

    outcome: str
    bank_bin: str = ""
    account: str = ""


def resolve(connection: Connection, sealer: Sealer, ids: Sequence[str]) -> list[Resolution]:
    """The open outcome for each of up to 1,000 citizen IDs, in the order asked, in one query.

    Raises `InvalidInput` for more than 1,000.
    """
    if len(ids) > MOST_RESOLVED:
        raise InvalidInput(
            "too_many_ids",
            f"{len(ids)} citizen IDs were given; one call takes at most {MOST_RESOLVED}.",
            next_step="Ask in several calls.",
        )
    known = [citizen_id(one) for one in ids]
    keys = sealer.blind_index("citizen_id", [one.number for one in known if one is not None])
    match, listed = account_match.c, bank_account.c
    found = read_columns(
        connection,
        select(beneficiary.c.citizen_key, match.outcome, listed.id, listed.bank_bin, listed.account_sealed)
        .join_from(
            beneficiary,
            account_match,
            and_(match.beneficiary_id == beneficiary.c.id, match.valid_to.is_(None)),
            isouter=True,
        )
        .outerjoin(bank_account, listed.id == match.account_id)
        .where(beneficiary.c.citizen_key.in_(keys)),
    )
    held = [row for row, account_id in enumerate(found["id"]) if account_id is not None]
    numbers = sealer.open_column(
        "bank_account",
        "account_sealed",
        [found["id"][row] for row in held],
        [found["account_sealed"][row] for row in held],
    )
    masked = {row: (found["bank_bin"][row], masked_account(number)) for row, number in zip(held, numbers, strict=True)}
    answers = {
        key: Resolution(outcome or NOT_MATCHED, *masked.get(row, ("", "")))
        for row, (key, outcome) in enumerate(zip(found["citizen_key"], found["outcome"], strict=True))
    }
    answered = iter(answers.get(key, Resolution(NOT_REGISTERED)) for key in keys)
    return [Resolution(MALFORMED) if one is None else next(answered) for one in known]


def masked_account(number: str) -> str:
    """`••••1234`; of a number of fewer than eight characters only the last two are shown."""
    return "••••" + number[-4 if len(number) >= 8 else -2 :]
