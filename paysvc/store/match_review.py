"""Outcomes that wait for an officer, and the officer's decision as a new version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, select, text, update

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import Conflict, NotFound
from paysvc.domain.identifiers import CitizenId
from paysvc.sealing import Sealer
from paysvc.store.bulk import next_ids, read_columns
from paysvc.store.matching import masked_account
from paysvc.store.tables import AWAITS_REVIEW, account_match, bank_account, beneficiary, beneficiary_version


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that may be chosen; the number is masked. `registered_on` is ISO text or ""."""

    account_id: int
    bank_bin: str
    account: str
    holder_name: str
    status: str
    registered_on: str


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody registered who may be the same person; the citizen ID is masked. `ground` says why."""

    beneficiary_id: int
    ground: str
    citizen_id: str
    full_name: str
    birth: str
    unit_code: str


@dataclass(frozen=True, slots=True)
class MatchToReview:
    """One open outcome with what an officer compares; the citizen ID is masked."""

    match_id: int
    beneficiary_id: int
    citizen_id: str
    full_name: str
    birth: str
    unit_code: str
    outcome: str
    evidence: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    others: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """An open version as it lies in the table."""

    match_id: int
    beneficiary_id: int
    outcome: str
    account_id: int | None
    name_level: str
    evidence: Mapping[str, Any]
    facts_digest: bytes


def lock(connection: Connection) -> None:
    """Wait for a run of match-accounts, so that it and a decision do not wait for each other."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {account_match.name} IN ROW EXCLUSIVE MODE"))


def read_page(
    connection: Connection, sealer: Sealer, outcome: str | None, after: int, limit: int
) -> list[MatchToReview]:
    """Up to `limit` open outcomes that no officer decided, with ids above `after`, by id."""
    columns = account_match.c
    waiting = select(columns.id, columns.beneficiary_id, columns.outcome, columns.account_id, columns.evidence).where(
        AWAITS_REVIEW, columns.id > after
    )
    if outcome is not None:
        waiting = waiting.where(columns.outcome == outcome)
    rows = connection.execute(waiting.order_by(columns.id).limit(limit)).all()
    evidence = [json.loads(row.evidence) for row in rows]
    chosen_from = [_candidate_ids(row.account_id, said) for row, said in zip(rows, evidence, strict=True)]
    named = [[(int(one["beneficiary"]), one["ground"]) for one in said.get("others", ())] for said in evidence]
    wanted = {row.beneficiary_id for row in rows} | {person for others in named for person, _ in others}
    people = _people(connection, sealer, sorted(wanted))
    accounts = _candidates(connection, sealer, sorted({one for ids in chosen_from for one in ids}))
    return [
        MatchToReview(
            row.id,
            row.beneficiary_id,
            *people[row.beneficiary_id],
            row.outcome,
            said,
            tuple(accounts[account_id] for account_id in ids),
            tuple(Other(person, ground, *people[person]) for person, ground in others),
        )
        for row, said, ids, others in zip(rows, evidence, chosen_from, named, strict=True)
    ]


def count_waiting(connection: Connection) -> int:
    """Open outcomes that no officer decided yet."""
    return len(connection.execute(select(account_match.c.id).where(AWAITS_REVIEW)).all())


def read_open(connection: Connection, match_id: int) -> StoredMatch:
    """The open version with this id. Raises `NotFound`, or `Conflict` when it is not open any more."""
    statement = select(account_match).where(account_match.c.id == match_id).with_for_update()
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound("match_unknown", "There is no such outcome.")
    if row["valid_to"] is not None:
        raise _changed()
    return _stored(row)


def read_open_of(connection: Connection, beneficiary_id: int) -> StoredMatch:
    """The open version of somebody who has one."""
    columns = account_match.c
    is_open = and_(columns.beneficiary_id == beneficiary_id, columns.valid_to.is_(None))
    return _stored(connection.execute(select(account_match).where(is_open)).mappings().one())


def _stored(row: RowMapping) -> StoredMatch:
    return StoredMatch(
        match_id=row["id"],
        beneficiary_id=row["beneficiary_id"],
        outcome=row["outcome"],
        account_id=row["account_id"],
        name_level=row["name_level"],
        evidence=json.loads(row["evidence"]),
        facts_digest=bytes(row["facts_digest"]),
    )


def replace(connection: Connection, old: int, new: StoredMatch, actor: str, reason: str, at: datetime) -> int:
    """End the version `old` and open `new` (its `match_id` is given here); returns the new id.

    Raises `Conflict` when `old` is not open any more.
    """
    columns = account_match.c
    ended = update(account_match).where(columns.id == old, columns.valid_to.is_(None)).values(valid_to=at)
    if connection.execute(ended).rowcount != 1:
        raise _changed()
    match_id = next_ids(connection, "account_match", 1)[0]
    connection.execute(
        insert(account_match).values(
            id=match_id,
            beneficiary_id=new.beneficiary_id,
            outcome=str(new.outcome),
            account_id=new.account_id,
            name_level=new.name_level,
            evidence=canonical_json(new.evidence).decode(),
            facts_digest=new.facts_digest,
            decided_by=actor,
            reason=reason,
            valid_from=at,
        )
    )
    return match_id


def _changed() -> Conflict:
    return Conflict(
        "match_changed",
        "This outcome was replaced by a newer one.",
        next_step="Look at the person's present outcome and decide anew.",
    )


def _candidate_ids(account_id: int | None, evidence: Mapping[str, Any]) -> list[int]:
    listed = [int(one["account"]) for one in evidence.get("candidates", ())]
    return listed or ([] if account_id is None else [account_id])


def _people(
    connection: Connection, sealer: Sealer, beneficiary_ids: Sequence[int]
) -> dict[int, tuple[str, str, str, str]]:
    person = beneficiary_version.c
    found = read_columns(
        connection,
        select(beneficiary.c.id, beneficiary.c.citizen_id_sealed, person.full_name, person.birth, person.unit_code)
        .join_from(beneficiary, beneficiary_version, person.beneficiary_id == beneficiary.c.id)
        .where(person.valid_to.is_(None), beneficiary.c.id.in_(beneficiary_ids)),
    )
    numbers = sealer.open_column("beneficiary", "citizen_id_sealed", found["id"], found["citizen_id_sealed"])
    masked = [CitizenId(number).masked() for number in numbers]
    described = zip(masked, found["full_name"], found["birth"], found["unit_code"], strict=True)
    return dict(zip(found["id"], described, strict=True))


def _candidates(connection: Connection, sealer: Sealer, account_ids: Sequence[int]) -> dict[int, Candidate]:
    listed = bank_account.c
    found = read_columns(
        connection,
        select(
            listed.id, listed.bank_bin, listed.account_sealed, listed.holder_name, listed.status, listed.registered_on
        ).where(listed.id.in_(account_ids)),
    )
    numbers = sealer.open_column("bank_account", "account_sealed", found["id"], found.pop("account_sealed"))
    found["account_sealed"] = [masked_account(number) for number in numbers]
    names = ("id", "bank_bin", "account_sealed", "holder_name", "status", "registered_on")
    rows = zip(*(found[name] for name in names), strict=True)
    return {row[0]: Candidate(*row) for row in rows}
