"""The lines of a report as columns: written, read back, and added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from paysvc.core.columns import Columns
from paysvc.core.csv_columns import numbers_text, read_csv, text_numbers, write_csv
from paysvc.core.proof import exact_sum, exact_sums
from paysvc.core.text_column import Bool, Int64, TextColumn, group_rows
from paysvc.domain.report_figures import Booking, Cell, Figure, Summary
from paysvc.domain.report_lines import SEPARATOR, SETTLED, ReportLine


@dataclass(frozen=True, slots=True)
class LineColumns(Columns):
    """One row an entitlement; the columns are the fields of `domain.report_lines.ReportLine`."""

    line: Int64
    end_to_end_id: TextColumn
    programme: TextColumn
    unit: TextColumn
    channel: TextColumn
    bank: TextColumn
    amount_vnd: Int64
    sending: TextColumn
    message_id: TextColumn
    booked_debits_vnd: Int64
    booked_credits_vnd: Int64
    outcome: TextColumn
    reason: TextColumn
    bank_reference: TextColumn
    discrepancy: TextColumn

    @classmethod
    def of(cls, lines: Iterable[ReportLine]) -> Self:
        """The same lines as columns."""
        columns = list(zip(*lines, strict=True)) or [()] * len(ReportLine._fields)
        return cls(**{name: _column(name, values) for name, values in zip(ReportLine._fields, columns, strict=True)})

    @classmethod
    def read_csv(cls, content: bytes) -> Self:
        """The lines of a `lines.csv`. Raises ValueError for what is not one."""
        names = ReportLine._fields
        texts: dict[str, Any] = dict(zip(names, read_csv(content, names), strict=True))
        return cls(**texts | {name: text_numbers(texts[name]) for name in _NUMBERS})

    def to_csv(self) -> bytes:
        """The bytes of `lines.csv`."""
        texts = [numbers_text(one) if isinstance(one, np.ndarray) else one for one in self.columns()]
        return write_csv(ReportLine._fields, texts)

    def to_rows(self) -> Iterator[ReportLine]:
        """Line by line; for the few that somebody looks at closely."""
        return map(ReportLine._make, self.to_tuples())

    def total_vnd(self) -> int:
        """What is due on all lines, in đồng."""
        return exact_sum(self.amount_vnd)

    def banks(self) -> list[str]:
        """The banks that lines name, in order; lines without an instruction name none."""
        return sorted(filter(None, self.bank.categories()[0]))


_NUMBERS = frozenset({"line", "amount_vnd", "booked_debits_vnd", "booked_credits_vnd"})


def _column(name: str, values: Sequence[Any]) -> Any:
    return np.array(values, np.int64) if name in _NUMBERS else TextColumn.of(values)


def summarise(lines: LineColumns) -> Summary:
    """All that the figures of a report are computed from; the order of lines changes nothing."""
    return Summary(_cells(lines), _bookings(lines), _discrepancies(lines), len(lines))


def _cells(lines: LineColumns) -> dict[Cell, Figure]:
    columns: list[TextColumn] = [getattr(lines, name) for name in Cell._fields]
    first, codes = group_rows(columns)
    counts = np.bincount(codes, minlength=len(first)).tolist()
    amounts = exact_sums(lines.amount_vnd, codes, len(first))
    names = map(Cell, *(column.take(first).to_list() for column in columns))
    return dict(sorted(zip(names, map(Figure, counts, amounts), strict=True)))


def _bookings(lines: LineColumns) -> dict[str, Booking]:
    settled = np.where(lines.outcome.is_equal(SETTLED), lines.amount_vnd, 0)
    debits, credits_ = lines.booked_debits_vnd, lines.booked_credits_vnd
    has_any = (settled != 0) | (debits != 0) | (credits_ != 0)
    return {bank: _booking(lines, has_any & lines.bank.is_equal(bank), settled) for bank in _banks_of(lines, has_any)}


def _banks_of(lines: LineColumns, chosen: Bool) -> list[str]:
    names, codes = lines.bank.categories()
    return sorted(names.take(np.unique(codes[chosen])))


def _booking(lines: LineColumns, own: Bool, settled: Int64) -> Booking:
    """`settled` holds for each line what is instructed if it is settled, else 0."""
    debits, credits_ = lines.booked_debits_vnd, lines.booked_credits_vnd
    explained = own & (lines.discrepancy.lengths > 0)
    net = exact_sum(debits[explained]) - exact_sum(credits_[explained])
    return Booking(
        settled_vnd=exact_sum(settled[own]),
        booked_debits_vnd=exact_sum(debits[own]),
        booked_credits_vnd=exact_sum(credits_[own]),
        explained_vnd=net - exact_sum(settled[explained]),
    )


def _discrepancies(lines: LineColumns) -> dict[str, int]:
    kinds, codes = lines.discrepancy.categories()
    found: dict[str, int] = {}
    for kind, count in zip(kinds, np.bincount(codes, minlength=len(kinds)).tolist(), strict=True):
        for one in kind.split(SEPARATOR) if kind else ():
            found[one] = found.get(one, 0) + count
    return dict(sorted(found.items()))
