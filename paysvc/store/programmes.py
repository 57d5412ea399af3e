"""Funds, programmes and their dated rates; what was paid by a rate is never rewritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.domain.errors import Conflict, InvalidInput, NotFound
from paysvc.domain.instructions import CycleState
from paysvc.domain.programme_rules import PaidTogether
from paysvc.domain.programmes import Fund, Programme, ProgrammeKind, Rate, WithoutAccount, chain
from paysvc.store.bulk import insert_columns, next_ids
from paysvc.store.tables import (
    entitlement,
    fund,
    obligation,
    obligation_claim,
    payment_cycle,
    programme,
    rate,
    setting,
)

#: States in which money of a cycle is promised, on its way or accounted for: of a closed one a bank may still
#: bring something back, and its reports are made again from the fund that paid it.
_BOUND = (CycleState.SUBMITTED.value, CycleState.APPROVED.value, CycleState.RELEASED.value, CycleState.CLOSED.value)

_PAID_TOGETHER = "paid_together:"


def read_programmes(connection: Connection, codes: Iterable[str] | None = None) -> list[Programme]:
    """These programmes (all when None) in the order of their codes. Raises `NotFound`."""
    statement = select(programme).order_by(programme.c.code)
    if codes is not None:
        statement = statement.where(programme.c.code.in_(list(codes)))
    found = [
        Programme(
            code=row.code,
            name=row.name,
            kind=ProgrammeKind(row.kind),
            purpose=row.purpose,
            fund_code=row.fund_code,
            stacking_group=row.stacking_group,
            legal_basis=row.legal_basis,
            without_account=WithoutAccount(row.without_account),
        )
        for row in connection.execute(statement)
    ]
    missing = sorted(set(codes or ()) - {one.code for one in found})
    if missing:
        raise NotFound(
            "programme_unknown",
            f"There is no programme '{missing[0]}'.",
            next_step="Set the rules with a file that has it.",
        )
    return found


def lock_programmes(connection: Connection, codes: Iterable[str]) -> None:
    """Let nobody else plan these programmes, or others of their stacking groups, until this transaction is over.

    Two plans at once would both find the same obligations free, and of one group each would miss
    what the other promises. SQLite has one writer anyway.
    """
    wanted = programme.alias("wanted")
    groups = select(wanted.c.stacking_group).where(wanted.c.code.in_(sorted(codes)), wanted.c.stacking_group != "")
    connection.execute(
        select(programme.c.code)
        .where(or_(programme.c.code.in_(sorted(codes)), programme.c.stacking_group.in_(groups)))
        # All in one order, so that two who wait for each other cannot be.
        .order_by(programme.c.code)
        .with_for_update()
    ).all()


def read_funds(connection: Connection) -> list[Fund]:
    return [Fund(row.code, row.name, row.source) for row in connection.execute(select(fund).order_by(fund.c.code))]


def read_rates(connection: Connection, codes: Iterable[str] | None = None) -> dict[int, Rate]:
    """Row id -> rate, of these programmes (all when None), in order of time."""
    statement = select(rate).order_by(rate.c.programme_code, rate.c.category, rate.c.from_period)
    if codes is not None:
        statement = statement.where(rate.c.programme_code.in_(list(codes)))
    return {
        row.id: Rate(
            row.programme_code,
            row.category,
            row.from_period,
            row.to_period,
            row.standard_vnd,
            row.coefficient_milli,
            row.legal_basis,
        )
        for row in connection.execute(statement)
    }


def read_paid_together(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Month -> the periods paid together in it."""
    rows = connection.execute(
        select(setting.c.name, setting.c.value).where(setting.c.name.startswith(_PAID_TOGETHER, autoescape=True))
    )
    return {row.name.removeprefix(_PAID_TOGETHER): tuple(json.loads(row.value)["periods"]) for row in rows}


def write_paid_together(connection: Connection, decisions: Sequence[PaidTogether]) -> int:
    """Decide which periods these months pay; returns how many differ from before."""
    rows = [
        {
            "name": _PAID_TOGETHER + one.month,
            "value": json.dumps({"periods": one.periods, "source": one.source}, ensure_ascii=False),
        }
        for one in decisions
    ]
    return _upsert(connection, setting, "name", rows)


def write_funds(connection: Connection, funds: Sequence[Fund]) -> int:
    """Add these funds or renew what is known of them; returns how many differ from before."""
    return _upsert(connection, fund, "code", [{"code": f.code, "name": f.name, "source": f.source} for f in funds])


def write_programmes(connection: Connection, programmes: Sequence[Programme]) -> int:
    """Add these programmes or renew what is known of them; returns how many differ from before.

    Raises `InvalidInput` for a fund that does not exist, and `Conflict` for another kind
    once something was due, or another fund once a cycle of it was submitted.
    """
    known_funds = {one.code for one in read_funds(connection)}
    before = {one.code: one for one in read_programmes(connection)}
    for one in programmes:
        if one.fund_code not in known_funds:
            raise InvalidInput(
                "rules_unusable", f"There is no fund '{one.fund_code}'.", place=f"programmes.{one.code}.fund"
            )
        was = before.get(one.code)
        if was is not None and was.kind is not one.kind and _was_due(connection, one.code):
            raise Conflict(
                "programme_in_use",
                f"The kind of programme {one.code} stays {was.kind}: something was due already.",
                next_step="Give the other kind a programme of its own.",
            )
        if was is not None and was.fund_code != one.fund_code and _is_bound(connection, one.code):
            raise Conflict(
                "programme_in_use",
                f"Programme {one.code} keeps its fund: a cycle of it was submitted or paid.",
                next_step="Withdraw a plan that was not sent, or give what the other fund pays a programme of its own.",
            )
    rows = [
        {
            "code": one.code,
            "name": one.name,
            "kind": one.kind.value,
            "purpose": one.purpose,
            "fund_code": one.fund_code,
            "stacking_group": one.stacking_group,
            "legal_basis": one.legal_basis,
            "without_account": one.without_account.value,
        }
        for one in programmes
    ]
    return _upsert(connection, programme, "code", rows)


def write_rates(connection: Connection, decided: Sequence[Rate]) -> tuple[int, int]:
    """Add these rates to the history; returns (added, changed).

    A later rate ends the one before it. A rate by which something was submitted, approved or
    paid keeps its figures and its periods: otherwise `Conflict`, and nothing is written.
    """
    stored = read_rates(connection, {one.programme_code for one in decided})
    rows = {(one.programme_code, one.category, one.from_period): (row_id, one) for row_id, one in stored.items()}
    added: list[Rate] = []
    changed: dict[int, Rate] = {}
    for programme_code, category in sorted({(one.programme_code, one.category) for one in decided}):
        key = (programme_code, category)
        merged = {one.from_period: one for one in stored.values() if (one.programme_code, one.category) == key}
        merged |= {one.from_period: one for one in decided if (one.programme_code, one.category) == key}
        ends = {first: one.to_period for first, one in merged.items() if one.to_period is not None}
        for one in chain(merged.values(), ends):
            row_id, was = rows.get((*key, one.from_period), (None, None))
            if row_id is None:
                added.append(one)
            elif one != was:
                changed[row_id] = one
    _require_unused(connection, stored, changed)
    _insert_rates(connection, added)
    for row_id, one in changed.items():
        connection.execute(update(rate).where(rate.c.id == row_id).values(**_rate_values(one)))
    return len(added), len(changed)


def _rate_values(one: Rate) -> dict[str, Any]:
    return {
        "programme_code": one.programme_code,
        "category": one.category,
        "from_period": one.from_period,
        "to_period": one.to_period,
        "standard_vnd": one.standard_vnd,
        "coefficient_milli": one.coefficient_milli,
        "legal_basis": one.legal_basis,
    }


def _insert_rates(connection: Connection, rates: Sequence[Rate]) -> None:
    if not rates:
        return
    rows = [_rate_values(one) for one in rates]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    insert_columns(connection, rate, {"id": next_ids(connection, "rate", len(rows)), **columns})


def _require_unused(connection: Connection, stored: Mapping[int, Rate], changed: Mapping[int, Rate]) -> None:
    """Refuse to rewrite what stands behind a submitted plan; drafts are planned again instead."""
    if not changed:
        return
    submitted = exists().where(
        obligation_claim.c.obligation_id == obligation.c.id,
        obligation_claim.c.entitlement_id == entitlement.c.id,
        entitlement.c.cycle_id == payment_cycle.c.id,
        payment_cycle.c.state != CycleState.DRAFT.value,
    )
    statement = (
        select(obligation.c.rate_id, func.min(obligation.c.period), func.max(obligation.c.period))
        .where(obligation.c.rate_id.in_(list(changed)), submitted)
        .group_by(obligation.c.rate_id)
    )
    for row_id, first_used, last_used in connection.execute(statement):
        was, now = stored[row_id], changed[row_id]
        same_figures = (was.standard_vnd, was.coefficient_milli) == (now.standard_vnd, now.coefficient_milli)
        if not same_figures or not (now.covers(first_used) and now.covers(last_used)):
            raise Conflict(
                "rate_in_use",
                f"The rate of {was.programme_code}/{was.category} from {was.from_period} was used up to {last_used}.",
                next_step=f"Let the new rate begin after {last_used}, and pay a difference as a campaign.",
            )


def _was_due(connection: Connection, code: str) -> bool:
    return connection.execute(select(exists().where(obligation.c.programme_code == code))).scalar_one()


def _is_bound(connection: Connection, code: str) -> bool:
    return connection.execute(
        select(
            exists().where(
                entitlement.c.programme_code == code,
                entitlement.c.cycle_id == payment_cycle.c.id,
                payment_cycle.c.state.in_(_BOUND),
            )
        )
    ).scalar_one()


def _upsert(connection: Connection, table: Table, key: str, rows: Sequence[dict[str, Any]]) -> int:
    before = {
        row[key]: dict(row)
        for row in connection.execute(select(table).where(table.c[key].in_([row[key] for row in rows]))).mappings()
    }
    changed = [row for row in rows if before.get(row[key]) != row]
    if changed:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        replaced = {name: statement.excluded[name] for name in changed[0] if name != key}
        connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=replaced), changed)
    return len(changed)
