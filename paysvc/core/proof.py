"""A statement is believed only after its own proof: its figures must agree among themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paysvc.core.columns import BOOKED, EntryColumns
from paysvc.core.messages import Statement
from paysvc.core.text_column import Bool, Int32, Int64
from paysvc.domain.money import VND, format_vnd


class EntrySums:
    """What the entries of one statement add up to, taken piece by piece (no entry in two pieces).

    Kept apart are booked entries and others, and the currencies, because banks differ in which
    of them their totals are over. All sums are exact.
    """

    def __init__(self) -> None:
        self._figures: dict[tuple[bool, str], list[int]] = {}

    def add(self, entries: EntryColumns) -> None:
        """Add some entries of the statement."""
        is_booked = entries.status == BOOKED
        for currency, has_it in _currencies(entries):
            for booked in (True, False):
                chosen = has_it & (is_booked if booked else ~is_booked)
                if chosen.any():
                    figures = self._figures.setdefault((booked, currency), [0] * len(_FIGURES))
                    for at, figure in enumerate(_figures_of(entries, chosen)):
                        figures[at] += figure

    def readings(self, currency: str, *, booked_only: bool) -> list[dict[str, int]]:
        """Figures (`_FIGURES`) of the entries in `currency`; where others are among them, of all too."""
        chosen = {key: figures for key, figures in self._figures.items() if key[0] or not booked_only}
        same = [figures for (_, own), figures in chosen.items() if own == currency]
        ways = [same] if len(same) == len(chosen) else [same, list(chosen.values())]
        return [dict(zip(_FIGURES, map(sum, zip([0] * len(_FIGURES), *one, strict=True)), strict=True)) for one in ways]


def sums_of(entries: EntryColumns) -> EntrySums:
    """`EntrySums` of entries that are all at hand."""
    sums = EntrySums()
    sums.add(entries)
    return sums


def problems_of(statement: Statement, sums: EntrySums | None = None) -> list[str]:
    """Why the statement contradicts itself, one sentence each; [] when it is proved.

    `sums` are those of its entries where these were read piece by piece and `statement` is
    without them. Checked are: the contradictions found while reading, the account's currency, opening +
    booked credits − booked debits = closing, and every claim about the number and the sum
    of entries. Totals may be over all entries or over those in the account's currency, and
    claims about entries over all or over the booked ones: banks do each, and a statement is
    refused only when no reading of it agrees.
    """
    figures = sums or sums_of(statement.entries)
    problems = list(statement.problems)
    if statement.currency != VND:
        problems.append(f"The account is kept in {statement.currency or 'an unnamed currency'}, not in {VND}.")
    problems += _equation(statement, figures)
    problems += _claims(statement, figures)
    return problems


def exact_sum(amounts: Int64) -> int:
    """The sum as a Python integer, right also where 64 bits would overflow."""
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def exact_sums(amounts: Int64, codes: Int64, count: int) -> list[int]:
    """Sums by code (0 to `count` − 1, one a row) as Python integers, exact as in `exact_sum`."""
    upper, lower = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(upper, codes, amounts >> 32)
    np.add.at(lower, codes, amounts & 0xFFFFFFFF)
    return [(high << 32) + low for high, low in zip(upper.tolist(), lower.tolist(), strict=True)]


#: What is added up over entries: booked lines by direction, and entries by their net.
_FIGURES = ("credit", "debit", "count", "sum", "credits", "debits")


def _currencies(entries: EntryColumns) -> Iterator[tuple[str, Bool]]:
    """Each currency of the entries, and which of them have it."""
    currency = entries.currency
    if len(entries):
        first = currency[0]
        has_first = currency.is_equal(first)
        yield first, has_first
        if not has_first.all():
            texts, codes = currency.categories()
            for code, text in enumerate(texts):
                if text != first:
                    yield text, codes == code


def _figures_of(entries: EntryColumns, chosen: Bool) -> tuple[int, ...]:
    amounts, is_debit = entries.amount_vnd[chosen], entries.is_debit[chosen]
    credit, debit = exact_sum(amounts[~is_debit]), exact_sum(amounts[is_debit])
    net = _entries(entries.entry_number[chosen], np.where(is_debit, -amounts, amounts))
    credits_, debits = exact_sum(net[net > 0]), -exact_sum(net[net < 0])
    return credit, debit, len(net), credits_ + debits, credits_, debits


def _equation(statement: Statement, sums: EntrySums) -> Iterator[str]:
    opening, closing = statement.proof.opening_vnd, statement.proof.closing_vnd
    if opening is None or closing is None:
        missing = "opening" if opening is None else "closing"
        yield f"The statement names no {missing} balance, so nothing proves it."
        return
    found = [(one["credit"], one["debit"]) for one in sums.readings(statement.currency, booked_only=True)]
    if any(opening + credit - debit == closing for credit, debit in found):
        return
    credit, debit = found[0]
    yield (
        f"Opening {format_vnd(opening)} + credits {format_vnd(credit)} − debits {format_vnd(debit)} = "
        f"{format_vnd(opening + credit - debit)}, but the statement closes with {format_vnd(closing)}."
    )


def _claims(statement: Statement, sums: EntrySums) -> Iterator[str]:
    proof = statement.proof
    found = [one for booked_only in (False, True) for one in sums.readings(statement.currency, booked_only=booked_only)]
    claims = (
        ("number of entries", proof.entry_count, "count"),
        ("sum of entries", proof.entry_sum_vnd, "sum"),
        ("sum of credits", proof.credit_sum_vnd, "credits"),
        ("sum of debits", proof.debit_sum_vnd, "debits"),
    )
    for what, claimed, figure in claims:
        if claimed is not None and claimed not in [one[figure] for one in found]:
            yield f"The statement claims {claimed} as {what}, but its entries give {found[0][figure]}."


def _entries(numbers: Int32, signed: Int64) -> Int64:
    """Signed amount of each entry: the details of a batch booking put together again."""
    starts = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    if len(starts) + 1 >= len(numbers):
        return signed
    if (numbers[starts] < numbers[starts - 1]).any():
        _, position = np.unique(numbers, return_inverse=True)
        net = np.zeros(int(position.max()) + 1, dtype=np.int64)
        np.add.at(net, position, signed)
        return net
    return np.add.reduceat(signed, np.concatenate([[0], starts]))
