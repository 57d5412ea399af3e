"""What a report says beside its lines, as it stood at a moment; and which reports there are.

All reading functions take the moment and give the same answer for it later, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from paysvc.domain.errors import Conflict, NotFound, Waiting
from paysvc.store.bulk import next_ids
from paysvc.store.tables import (
    approval,
    audit_event,
    entitlement,
    instant_text,
    payment_cycle,
    programme,
    report,
    unit,
)


@dataclass(frozen=True, slots=True)
class CycleFacts:
    """A cycle and the approval that stood at the moment of the report."""

    id: int
    code: str
    kind: str
    programmes: tuple[str, ...]
    periods: tuple[str, ...]
    value_date: date
    created_at: datetime
    submitted_by: str
    submitted_at: datetime | None
    maker: str
    approver: str
    approved_at: datetime
    content_sha256: bytes


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A report that was published: what names it and binds it to its bytes."""

    number: str
    amendment: int
    as_of: datetime
    report_sha256: bytes


def read_cycle(connection: Connection, code: str, as_of: datetime) -> CycleFacts:
    """The cycle and its standing approval. Raises `NotFound`; `Waiting` when it was not approved then."""
    cycle = connection.execute(select(payment_cycle).where(payment_cycle.c.code == code)).first()
    if cycle is None:
        raise NotFound("cycle_unknown", f"There is no payment cycle {code}.")
    columns = approval.c
    standing = connection.execute(
        select(approval)
        .where(
            columns.cycle_id == cycle.id,
            columns.content_sha256 == cycle.content_sha256,
            columns.approved_at <= as_of,
            or_(columns.cancelled_at.is_(None), columns.cancelled_at > as_of),
        )
        .order_by(columns.approved_at, columns.id)
    ).first()
    if standing is None:
        raise Waiting(
            "cycle_not_approved",
            f"The content of {code} was not approved at {instant_text(as_of)}.",
            next_step="A report speaks of an approved list: have it approved, or choose a later moment.",
        )
    return CycleFacts(
        id=cycle.id,
        code=cycle.code,
        kind=cycle.kind,
        programmes=_listed(cycle.programmes),
        periods=_listed(cycle.periods),
        value_date=cycle.value_date,
        created_at=cycle.created_at,
        submitted_by=cycle.submitted_by or "",
        submitted_at=cycle.submitted_at,
        maker=standing.maker_id,
        approver=standing.approver_id,
        approved_at=standing.approved_at,
        content_sha256=standing.content_sha256,
    )


def read_names(connection: Connection, cycle: CycleFacts, unit_codes: Iterable[str]) -> dict[str, object]:
    """What a report calls things: programmes, units and province as they were on the value
    date, and how many different people the cycle is about."""
    units, province = _read_units(connection, unit_codes, cycle.value_date)
    people = func.count(entitlement.c.beneficiary_id.distinct())
    return {
        "programmes": read_programmes(connection, cycle.programmes),
        "units": units,
        "province": province,
        "distinct_people": connection.execute(select(people).where(entitlement.c.cycle_id == cycle.id)).scalar_one(),
    }


def read_programmes(connection: Connection, codes: Iterable[str]) -> list[dict[str, str]]:
    """`{code, name, fund, legal_basis}` of each programme, by code."""
    columns = programme.c
    rows = connection.execute(
        select(columns.code, columns.name, columns.fund_code, columns.legal_basis)
        .where(columns.code.in_(sorted(codes)))
        .order_by(columns.code)
    )
    return [{"code": row[0], "name": row[1], "fund": row[2], "legal_basis": row[3]} for row in rows]


def _read_units(connection: Connection, codes: Iterable[str], on: date) -> tuple[list[dict[str, str]], str]:
    """`{code, name}` by code, and the name of the province that most of them lie in ("" when
    no unit names one)."""
    columns = unit.c
    rows = connection.execute(
        select(columns.code, columns.name, columns.level, columns.parent_code)
        .where(columns.valid_from <= on, or_(columns.valid_to.is_(None), columns.valid_to >= on))
        .order_by(columns.code, columns.valid_from)
    ).all()
    wanted = sorted(set(codes))
    names = {row.code: row.name for row in rows}
    provinces = {row.code: row.name for row in rows if row.level == "province"}
    parent_of = {row.code: row.parent_code for row in rows}
    parents = [parent_of[code] for code in wanted if parent_of.get(code) in provinces]
    province = max(sorted(set(parents)), key=parents.count, default="")
    return [{"code": code, "name": names.get(code, "")} for code in wanted], provinces.get(province, "")


def read_audit_head(connection: Connection, as_of: datetime) -> dict[str, object]:
    """`{event, hash}`: number and hash (hex) of the last event of the audit chain at the moment.

    Publishing itself is left out: it happens at or after the moment and must not change
    what the same moment gives again.
    """
    columns = audit_event.c
    row = connection.execute(
        select(columns.id, columns.hash)
        .where(columns.at <= as_of, columns.verb != "publish-report")
        .order_by(columns.id.desc())
        .limit(1)
    ).first()
    return {"event": row.id if row else 0, "hash": row.hash.hex() if row else bytes(32).hex()}


def find_published(
    connection: Connection, cycle_id: int, as_of: datetime, key_id: str, includes_bank_files: bool
) -> tuple[PublishedRow | None, PublishedRow | None]:
    """The report with these very parameters, or None; and the one that it amends, or None."""
    rows = connection.execute(select(report).where(report.c.cycle_id == cycle_id).order_by(report.c.amendment)).all()
    before: PublishedRow | None = None
    for row in rows:
        published = PublishedRow(row.number, row.amendment, row.as_of, row.manifest_sha256)
        parameters = (row.as_of, row.signing_key_id, row.includes_bank_files)
        if parameters == (as_of, key_id, includes_bank_files):
            return published, before
        before = published
    return None, before


def insert_report(
    connection: Connection,
    cycle_id: int,
    row: PublishedRow,
    key_id: str,
    includes_bank_files: bool,
    published_at: datetime,
    actor: str,
) -> None:
    """Note what was published. Raises `Conflict` when somebody took the number meanwhile."""
    try:
        connection.execute(
            insert(report).values(
                id=next_ids(connection, "report", 1)[0],
                number=row.number,
                cycle_id=cycle_id,
                as_of=row.as_of,
                amendment=row.amendment,
                manifest_sha256=row.report_sha256,
                signing_key_id=key_id,
                includes_bank_files=includes_bank_files,
                published_at=published_at,
                actor=actor,
            )
        )
    except IntegrityError as failure:
        raise Conflict(
            "report_number_taken",
            f"Report {row.number} was published by somebody else meanwhile.",
            next_step="Publish again: it will be the next amendment.",
        ) from failure


def _listed(stored: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", stored) if word)
