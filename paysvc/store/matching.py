"""Outcomes of matching as dated versions, and the look-up of accounts by citizen ID."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    LargeBinary,
    and_,
    column,
    exists,
    func,
    literal,
    select,
    text,
    update,
)

from paysvc.core.match_facts import DecisionColumns
from paysvc.domain.errors import Conflict
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
NOT_REGISTERED, NOT_MATCHED = "not_registered", "not_matched"

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ResolutionColumns:
    """What is known of each citizen ID: an outcome (or one of the two words above), an account.

    `bank_bin` and `account` (masked) are "" unless the outcome is about exactly one account.
    """

    outcome: list[str]
    bank_bin: list[str]
    account: list[str]


@dataclass(frozen=True, slots=True)
class FoundColumns:
    """The registered among those asked for: position there, open outcome, the account it is about.

    `outcome` is None where matching has none, the last three (`account_id` None) without one account.
    """

    position: Sequence[int]
    outcome: Sequence[str | None]
    account_id: Sequence[Any]
    bank_bin: Sequence[Any]
    account_sealed: Sequence[Any]


def look_up(connection: Connection, citizen_keys: Sequence[bytes]) -> FoundColumns:
    """What lies under the blind indexes of citizen IDs, by one query."""
    match, listed, count = account_match.c, bank_account.c, len(citizen_keys)
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        numbered = func.generate_series(0, count - 1).table_valued(column("value", Integer)).render_derived()
    else:
        numbered = func.json_each(str(list(range(count)))).table_valued(column("value", Integer))
    position = numbered.c.value
    key = func.substr(literal(b"".join(citizen_keys), LargeBinary), 1 + _KEY_BYTES * position, _KEY_BYTES)
    wanted = (position, match.outcome, listed.id, listed.bank_bin, listed.account_sealed)
    present, old = beneficiary.alias("present").c, superseded_identifier.c
    # A citizen ID that was replaced by another finds its person still.
    had = select(old.beneficiary_id).where(old.identifier_key == key, old.kind == "citizen_id").limit(1)
    has = select(present.id).where(present.citizen_key == key)
    person = func.coalesce(has.scalar_subquery(), had.scalar_subquery())
    joined = (
        numbered.join(beneficiary, beneficiary.c.id == person)
        .outerjoin(account_match, and_(match.beneficiary_id == beneficiary.c.id, match.valid_to.is_(None)))
        .outerjoin(bank_account, listed.id == match.account_id)
    )
    if is_postgresql:
        return FoundColumns(*read_columns(connection, select(*wanted).select_from(joined)).values())
    # SQLite steps from row to row under the interpreter's lock and lets go of it in between, so
    # beside other busy threads a thousand rows wait a thousand times: all of them as one.
    row = func.json_array(*wanted[:-1], func.hex(listed.account_sealed))
    rows = json.loads(connection.execute(select(func.json_group_array(row)).select_from(joined)).scalar_one())
    columns: list[Sequence[Any]] = [list(values) for values in zip(*rows, strict=True)] or [[]] * len(wanted)
    columns[-1] = list(map(bytes.fromhex, columns[-1]))
    return FoundColumns(*columns)


def resolutions(sealer: Sealer, found: FoundColumns, count: int) -> ResolutionColumns:
    """What is to be said of each of the `count` citizen IDs that were looked up, accounts masked."""
    answer = ResolutionColumns([NOT_REGISTERED] * count, [""] * count, [""] * count)
    for position, outcome in zip(found.position, found.outcome, strict=True):
        answer.outcome[position] = outcome or NOT_MATCHED
    held = [row for row, account_id in enumerate(found.account_id) if account_id is not None]
    ids, sealed = [found.account_id[row] for row in held], [found.account_sealed[row] for row in held]
    for row, number in zip(held, sealer.open_column("bank_account", "account_sealed", ids, sealed), strict=True):
        answer.bank_bin[found.position[row]] = found.bank_bin[row]
        answer.account[found.position[row]] = masked_account(number)
    return answer


def masked_account(number: str) -> str:
    """`••••1234`; of a number of fewer than eight characters only the last two are shown."""
    return "••••" + number[-4 if len(number) >= 8 else -2 :]
