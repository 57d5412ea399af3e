"""From lines to figures: a cube (`core.report_lines` fills it), and every total of a report out of the cube.

Counts are entitlements: one person in one programme (`lượt người`). Amounts are whole đồng.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from paysvc.domain.report_lines import (
    EXCLUDED,
    HELD,
    NOT_COLLECTED,
    NOT_SENT,
    OUTCOMES,
    OUTSTANDING,
    REFUSED,
    REJECTED,
    RETURNED,
    SENDING_UNKNOWN,
    SENT,
    SETTLED,
    UNKNOWN,
    WITHDRAWN,
)

CASH = "cash"


class Cell(NamedTuple):
    """What lines have in common that are counted together."""

    programme: str
    unit: str
    channel: str
    bank: str
    outcome: str
    reason: str
    sending: str


@dataclass(frozen=True, slots=True)
class Figure:
    """How many entitlements and how much."""

    count: int = 0
    amount_vnd: int = 0

    def as_json(self) -> dict[str, object]:
        return {"count": self.count, "amount_vnd": whole(self.amount_vnd)}

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.count + other.count, self.amount_vnd + other.amount_vnd)

    def __str__(self) -> str:
        return f"{self.count} payments of {self.amount_vnd} đồng"


class Booking(NamedTuple):
    """Sums over the lines of one bank, for the tie with the statements.

    `settled_vnd` is what was instructed of the settled lines, `booked_vnd` debits − credits of
    all lines, `explained_vnd` the part of booked − settled that lies in lines which carry a
    discrepancy.
    """

    settled_vnd: int = 0
    booked_debits_vnd: int = 0
    booked_credits_vnd: int = 0
    explained_vnd: int = 0

    @property
    def booked_vnd(self) -> int:
        return self.booked_debits_vnd - self.booked_credits_vnd

    @property
    def unexplained_vnd(self) -> int:
        return self.booked_vnd - self.settled_vnd - self.explained_vnd


class Summary(NamedTuple):
    """All that the figures of a report are computed from."""

    cells: dict[Cell, Figure]
    bookings: dict[str, Booking]
    discrepancies: dict[str, int]
    line_count: int


def whole(amount: int) -> int | str:
    """An amount as canonical JSON can carry it: text beyond 2^53 (RFC 8785)."""
    return amount if abs(amount) < 2**53 else str(amount)


def add_up(cells: Mapping[Cell, Figure], belongs: Callable[[Cell], bool]) -> Figure:
    """The figure of all cells that belong."""
    chosen = [figure for cell, figure in cells.items() if belongs(cell)]
    return Figure(sum(one.count for one in chosen), sum(one.amount_vnd for one in chosen))


def _every(cell: Cell) -> bool:
    return True


#: Every total of a report, in the order in which money comes to it.
TOTALS: dict[str, Callable[[Cell], bool]] = {
    "entitled": _every,
    HELD: lambda cell: cell.outcome == HELD,
    EXCLUDED: lambda cell: cell.outcome == EXCLUDED,
    WITHDRAWN: lambda cell: cell.outcome == WITHDRAWN,
    "approved": lambda cell: cell.outcome not in (HELD, EXCLUDED, WITHDRAWN),
    NOT_SENT: lambda cell: cell.sending == NOT_SENT,
    "sending_unknown": lambda cell: cell.sending == SENDING_UNKNOWN,
    "refused_at_the_door": lambda cell: cell.sending == REFUSED,
    SENT: lambda cell: cell.sending == SENT,
    SETTLED: lambda cell: cell.outcome == SETTLED,
    "settled_to_account": lambda cell: cell.outcome == SETTLED and cell.channel != CASH,
    "cash_paid": lambda cell: cell.outcome == SETTLED and cell.channel == CASH,
    RETURNED: lambda cell: cell.outcome == RETURNED,
    REJECTED: lambda cell: cell.outcome == REJECTED,
    "unclaimed": lambda cell: cell.outcome == REJECTED and cell.channel == CASH and cell.reason == NOT_COLLECTED,
    OUTSTANDING: lambda cell: cell.outcome == OUTSTANDING,
    "in_transit": lambda cell: cell.outcome == OUTSTANDING and cell.sending == SENT,
    UNKNOWN: lambda cell: cell.outcome == UNKNOWN,
}


def totals(cells: Mapping[Cell, Figure]) -> dict[str, Figure]:
    return {name: add_up(cells, belongs) for name, belongs in TOTALS.items()}


def breakdown(cells: Mapping[Cell, Figure], field: str) -> list[dict[str, object]]:
    """Rows `{code, entitled, settled, …}` of one field of `Cell`, sorted by code; every
    entitlement is in exactly one row ("" where the field does not apply)."""
    place = Cell._fields.index(field)
    rows: dict[str, dict[Cell, Figure]] = {}
    for cell, figure in cells.items():
        rows.setdefault(cell[place], {})[cell] = figure
    return [{"code": code, **_by_outcome(rows[code])} for code in sorted(rows)]


def _by_outcome(cells: Mapping[Cell, Figure]) -> dict[str, object]:
    outcomes: dict[str, dict[Cell, Figure]] = {name: {} for name in OUTCOMES}
    for cell, figure in cells.items():
        outcomes[cell.outcome][cell] = figure
    return {name: add_up(own, _every).as_json() for name, own in {"entitled": cells, **outcomes}.items()}


def by_reason(cells: Mapping[Cell, Figure]) -> list[dict[str, object]]:
    """Rows `{outcome, reason, count, amount_vnd}` of everything that was not simply paid."""
    rows: dict[tuple[str, str], Figure] = {}
    for cell, figure in cells.items():
        if cell.outcome in (SETTLED, UNKNOWN) or (cell.outcome == OUTSTANDING and not cell.reason):
            continue
        rows[cell.outcome, cell.reason] = rows.get((cell.outcome, cell.reason), Figure()) + figure
    return [{"outcome": key[0], "reason": key[1], **rows[key].as_json()} for key in sorted(rows)]


def figures_json(summary: Summary) -> dict[str, object]:
    """The part of a report that lines alone decide; an auditor recomputes it from lines.csv."""
    return {
        "totals": {name: figure.as_json() for name, figure in totals(summary.cells).items()},
        "by_programme": breakdown(summary.cells, "programme"),
        "by_unit": breakdown(summary.cells, "unit"),
        "by_bank": breakdown(summary.cells, "bank"),
        "by_channel": breakdown(summary.cells, "channel"),
        "by_reason": by_reason(summary.cells),
        "bookings": [
            {"bank": bank, **{name: whole(value) for name, value in one._asdict().items()}}
            for bank, one in summary.bookings.items()
        ],
        "line_discrepancies": dict(summary.discrepancies),
        "line_count": summary.line_count,
    }
