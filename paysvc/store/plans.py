"""What a cycle holds: obligations, lines of the plan, claims, instructions.

Written in whole columns, so that 300,000 people are four bulk inserts, and added up again
from the rows. Row ids never enter what an approval binds to.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    table,
    text,
    update,
)

from paysvc.domain import instructions
from paysvc.domain.disbursement import DISPOSITIONS, PLANNED, Figure
from paysvc.domain.errors import NotFound
from paysvc.domain.instructions import InstructionState
from paysvc.store.bulk import Same, Values, insert_columns, next_ids
from paysvc.store.cycles import get_cycle_by_id
from paysvc.store.tables import (
    bank_account,
    beneficiary,
    entitlement,
    instruction,
    obligation,
    obligation_claim,
    programme,
    rate,
    replacement,
    unplanned_obligation,
)

_Name = TypeVar("_Name", str, tuple[str, str])


def clear_draft(connection: Connection, cycle_id: int) -> None:
    """Take out everything the draft holds, and what became due only through it.

    Dues of other months than its own stay: another plan had recorded them, and may have been drawn
    anew without them since. The next plan of their programme carries them.
    """
    lines = select(entitlement.c.id).where(entitlement.c.cycle_id == cycle_id)
    payments = select(instruction.c.id).where(instruction.c.cycle_id == cycle_id)
    connection.execute(delete(replacement).where(replacement.c.instruction_id.in_(payments)))
    connection.execute(delete(instruction).where(instruction.c.cycle_id == cycle_id))
    connection.exec_driver_sql("CREATE TEMPORARY TABLE draft_obligation (id BIGINT PRIMARY KEY)")
    connection.execute(
        text(
            "INSERT INTO draft_obligation SELECT DISTINCT c.obligation_id FROM obligation_claim c"
            " JOIN entitlement e ON e.id = c.entitlement_id WHERE e.cycle_id = :cycle_id"
        ),
        {"cycle_id": cycle_id},
    )
    connection.execute(delete(obligation_claim).where(obligation_claim.c.entitlement_id.in_(lines)))
    connection.execute(delete(entitlement).where(entitlement.c.cycle_id == cycle_id))
    connection.exec_driver_sql("DELETE FROM draft_obligation WHERE id IN (SELECT obligation_id FROM obligation_claim)")
    its_own = obligation.c.period.in_(get_cycle_by_id(connection, cycle_id).periods)
    nobodys = obligation.c.id.in_(select(column("id")).select_from(table("draft_obligation")))
    others = select(obligation.c.id).where(nobodys, ~its_own)
    connection.execute(insert(unplanned_obligation).from_select(["obligation_id"], others))
    connection.execute(delete(obligation).where(nobodys, its_own))
    connection.exec_driver_sql("DROP TABLE draft_obligation")


def insert_obligations(connection: Connection, at: datetime, columns: Mapping[str, Values]) -> range:
    """Record what becomes due: programme_code, period, beneficiary_id, component, amount_vnd,
    rate_id. Returns the row ids, in the order of the columns."""
    ids = next_ids(connection, "obligation", len(columns["beneficiary_id"]))
    insert_columns(connection, obligation, {"id": ids, **columns, "created_at": Same(at)}, staged=True)
    return ids


def insert_lines(connection: Connection, cycle_id: int, columns: Mapping[str, Values]) -> range:
    """Write lines of the plan: programme_code, beneficiary_id, unit_code, amount_vnd,
    disposition, reason, follows. Returns the row ids, in the order of the columns."""
    ids = next_ids(connection, "entitlement", len(columns["beneficiary_id"]))
    insert_columns(connection, entitlement, {"id": ids, "cycle_id": Same(cycle_id), **columns}, staged=True)
    return ids


def insert_claims(connection: Connection, columns: Mapping[str, Values]) -> None:
    """Write which line carries which obligation: entitlement_id, obligation_id, released_at."""
    insert_columns(connection, obligation_claim, columns, staged=True)
    planned = exists().where(obligation_claim.c.obligation_id == unplanned_obligation.c.obligation_id)
    connection.execute(delete(unplanned_obligation).where(planned))


def insert_instructions(connection: Connection, cycle_id: int, columns: Mapping[str, Values]) -> None:
    """Write planned credits: entitlement_id, end_to_end_id, generation, amount_vnd, channel,
    bank_code, account_id, creditor_bin, creditor_name, unit_code."""
    count = len(columns["entitlement_id"])
    if count:
        fixed = {"cycle_id": Same(cycle_id), "state": Same(InstructionState.PLANNED.value)}
        ids = next_ids(connection, "instruction", count)
        insert_columns(connection, instruction, {"id": ids, **columns, **fixed}, staged=True)


def hold_line(connection: Connection, cycle_id: int, end_to_end_id: str, reason: str, at: datetime) -> int:
    """Turn the planned line behind this payment of a draft into a held one; returns its đồng.

    The credit is taken out (nothing of a draft has left) and its obligations are free for a
    later cycle. Raises `NotFound`.
    """
    row = connection.execute(
        select(instruction.c.id, instruction.c.entitlement_id, instruction.c.amount_vnd).where(
            instruction.c.cycle_id == cycle_id, instruction.c.end_to_end_id == end_to_end_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound("payment_unknown", f"This cycle has no payment {end_to_end_id}.")
    connection.execute(delete(replacement).where(replacement.c.instruction_id == row.id))
    connection.execute(delete(instruction).where(instruction.c.id == row.id))
    connection.execute(
        update(entitlement).where(entitlement.c.id == row.entitlement_id).values(disposition="held", reason=reason)
    )
    connection.execute(
        update(obligation_claim).where(obligation_claim.c.entitlement_id == row.entitlement_id).values(released_at=at)
    )
    return int(row.amount_vnd)


def content_sha256(connection: Connection, cycle_id: int) -> bytes:
    """The digest of what the rows say now, of the cycle and of every instruction in it.

    What an approval binds to, recomputed; 32 bytes.
    """
    header = get_cycle_by_id(connection, cycle_id).header()
    rows = _content(connection, cycle_id).subquery()
    # The database joins the values of a column: an object a value would take twice as long. It joins
    # all columns in one pass, so in one order, and the ids say in which.
    join = func.string_agg if connection.dialect.name == "postgresql" else func.group_concat
    joined = (func.coalesce(join(cast(column, Text), instructions.BETWEEN_VALUES), "") for column in rows.c)
    count, ids, *columns = connection.execute(select(func.count(), *joined).select_from(rows)).one()
    return instructions.content_sha256(header, count, in_order_of_ids(ids, columns))


def in_order_of_ids(ids: str, columns: Sequence[str]) -> Sequence[str]:
    """Columns of joined values in ascending order of the ids, which are joined in the same way."""
    between = instructions.BETWEEN_VALUES
    numbers = list(map(int, ids.split(between))) if ids else []
    if all(map(operator.lt, numbers, numbers[1:])):
        return columns  # as the query asks for; no database owes it to an aggregate over a subquery
    lists = [column.split(between) for column in columns]
    if any(len(values) != len(numbers) for values in lists):
        return columns  # a value holds what stands between values: the digest refuses these columns
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return [between.join([values[row] for row in order]) for values in lists]


def _content(connection: Connection, cycle_id: int) -> Select[Any]:
    """The instructions of a cycle as an approval sees them, in the order of their ids: id, and the rest as text."""
    of_postgresql = connection.dialect.name == "postgresql"

    def in_hex(column: ColumnElement[bytes]) -> ColumnElement[str]:
        return func.coalesce(func.upper(func.encode(column, "hex")) if of_postgresql else func.hex(column), "")

    return (
        select(
            instruction.c.id,
            instruction.c.end_to_end_id,
            cast(instruction.c.generation, Text),
            cast(instruction.c.amount_vnd, Text),
            instruction.c.channel,
            instruction.c.bank_code,
            instruction.c.creditor_bin,
            in_hex(bank_account.c.account_key),
            instruction.c.creditor_name,
            in_hex(func.coalesce(beneficiary.c.first_key, beneficiary.c.citizen_key)),
            instruction.c.unit_code,
            entitlement.c.programme_code,
        )
        .select_from(instruction)
        .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
        .join(beneficiary, beneficiary.c.id == entitlement.c.beneficiary_id)
        .outerjoin(bank_account, bank_account.c.id == instruction.c.account_id)
        .where(instruction.c.cycle_id == cycle_id)
        .order_by(instruction.c.id)
    )


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """What the rows of a cycle add up to. Lines are persons in a programme; amounts in đồng.

    `needed` is what the planned lines take from each fund, `sent_through` (channel, bank)
    what goes where, `reasons` (disposition, reason) why the rest does not go.
    """

    people: int
    lines: Mapping[str, Figure]
    reasons: Mapping[tuple[str, str], Figure]
    sent_through: Mapping[tuple[str, str], Figure]
    needed: Mapping[str, Figure]
    claimed: Figure

    @property
    def entitled(self) -> Figure:
        return _sum(self.lines.values())

    def reasons_of(self, disposition: str) -> dict[str, Figure]:
        """Reason -> figure, of the held or of the excluded."""
        return {reason: figure for (which, reason), figure in self.reasons.items() if which == disposition}


def read_figures(connection: Connection, cycle_id: int) -> PlanFigures:
    """Add the rows of the cycle up, by several roads that have to meet; see `contradiction`."""
    lines = entitlement.c
    kinds = (lines.programme_code, lines.disposition, lines.reason)
    by_kind = connection.execute(
        select(*kinds, func.count().label("n"), func.sum(lines.amount_vnd).label("vnd"))
        .where(lines.cycle_id == cycle_id)
        .group_by(*kinds)
        .order_by(*kinds)
    ).all()
    funds = {row.code: row.fund_code for row in connection.execute(select(programme.c.code, programme.c.fund_code))}
    credit = instruction.c
    by_bank = connection.execute(
        select(credit.channel, credit.bank_code, func.count().label("n"), func.sum(credit.amount_vnd).label("vnd"))
        .where(credit.cycle_id == cycle_id)
        .group_by(credit.channel, credit.bank_code)
        .order_by(credit.channel, credit.bank_code)
    ).all()
    claimed = connection.execute(
        select(func.count(lines.id.distinct()).label("n"), func.sum(obligation.c.amount_vnd).label("vnd"))
        .select_from(entitlement)
        .join(obligation_claim, obligation_claim.c.entitlement_id == lines.id)
        .join(obligation, obligation.c.id == obligation_claim.c.obligation_id)
        .where(lines.cycle_id == cycle_id)
    ).one()
    people = connection.execute(
        select(func.count(lines.beneficiary_id.distinct())).where(lines.cycle_id == cycle_id)
    ).scalar_one()
    return PlanFigures(
        people=people,
        lines=dict.fromkeys(DISPOSITIONS, Figure()) | _added(by_kind, lambda row: row.disposition),
        reasons=_added(
            (row for row in by_kind if row.disposition != DISPOSITIONS[PLANNED]),
            lambda row: (row.disposition, row.reason),
        ),
        sent_through={(row.channel, row.bank_code): Figure(row.n, int(row.vnd)) for row in by_bank},
        # A line of a programme that is not there asks no fund, and contradicts.
        needed=_added(
            (row for row in by_kind if row.disposition == DISPOSITIONS[PLANNED] and row.programme_code in funds),
            lambda row: funds[row.programme_code],
        ),
        claimed=Figure(claimed.n, int(claimed.vnd or 0)),
    )


def contradiction(figures: PlanFigures) -> str | None:
    """What does not add up in a plan, as one sentence, or None. Nobody vanishes, no đồng does."""
    if figures.claimed != figures.entitled:
        return f"lines hold {figures.entitled} and their obligations {figures.claimed}"
    planned = figures.lines[DISPOSITIONS[PLANNED]]
    if _sum(figures.sent_through.values()) != planned:
        return f"{planned} is planned and {_sum(figures.sent_through.values())} instructed"
    if _sum(figures.needed.values()) != planned:
        return f"{planned} is planned and {_sum(figures.needed.values())} asked of the funds"
    return None


def has_outdated_rate(connection: Connection, cycle_id: int) -> bool:
    """True when a rate behind a line of this draft was changed after it was planned."""
    return connection.execute(
        select(
            exists().where(
                entitlement.c.cycle_id == cycle_id,
                obligation_claim.c.entitlement_id == entitlement.c.id,
                obligation.c.id == obligation_claim.c.obligation_id,
                rate.c.id == obligation.c.rate_id,
                or_(
                    rate.c.standard_vnd * rate.c.coefficient_milli != obligation.c.amount_vnd * 1000,
                    obligation.c.period < rate.c.from_period,
                    obligation.c.period > func.coalesce(rate.c.to_period, obligation.c.period),
                ),
            )
        )
    ).scalar_one()


def _added(rows: Iterable[Row[Any]], name: Callable[[Row[Any]], _Name]) -> dict[_Name, Figure]:
    """Figures of the rows (`n`, `vnd`), added up under the name that each is given, in the order of names."""
    found: dict[_Name, Figure] = defaultdict(Figure)
    for row in rows:
        found[name(row)] += Figure(row.n, int(row.vnd))
    return dict(sorted(found.items()))


def _sum(figures: Iterable[Figure]) -> Figure:
    listed = list(figures)
    return Figure(sum(one.count for one in listed), sum(one.amount_vnd for one in listed))
