"""A statement is believed only after its own proof: its figures must agree among themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paysvc.core.columns import BOOKED, Bool, Int64
from paysvc.core.messages import Statement
from paysvc.domain.money import VND, format_vnd


def problems_of(statement: Statement) -> list[str]:
    """Why the statement contradicts itself, one sentence each; [] when it is proved.

    Checked are: the contradictions found while reading, the account's currency, opening +
    booked credits − booked debits = closing, and every claim about the number and the sum
    of entries. Totals may be over all entries or over those in the account's currency, and
    claims about entries over all or over the booked ones: banks do each, and a statement is
    refused only when no reading of it agrees.
    """
    problems = list(statement.problems)
    if statement.currency != VND:
        problems.append(f"The account is kept in {statement.currency or 'an unnamed currency'}, not in {VND}.")
    problems += _equation(statement)
    problems += _claims(statement)
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


def _equation(statement: Statement) -> Iterator[str]:
    opening, closing = statement.proof.opening_vnd, statement.proof.closing_vnd
    if opening is None or closing is None:
        missing = "opening" if opening is None else "closing"
        yield f"The statement names no {missing} balance, so nothing proves it."
        return
    entries = statement.entries
    booked = entries.status == BOOKED
    sums = []
    for chosen in _readings(statement, booked):
        credit = exact_sum(entries.amount_vnd[chosen & ~entries.is_debit])
        debit = exact_sum(entries.amount_vnd[chosen & entries.is_debit])
        if opening + credit - debit == closing:
            return
        sums.append((credit, debit))
    credit, debit = sums[0]
    yield (
        f"Opening {format_vnd(opening)} + credits {format_vnd(credit)} − debits {format_vnd(debit)} = "
        f"{format_vnd(opening + credit - debit)}, but the statement closes with {format_vnd(closing)}."
    )


def _claims(statement: Statement) -> Iterator[str]:
    proof, entries = statement.proof, statement.entries
    every = np.ones(len(entries), dtype=np.bool_)
    rows = [
        _entries(statement, chosen)
        for base in (every, entries.status == BOOKED)
        for chosen in _readings(statement, base)
    ]
    claims = (
        ("number of entries", proof.entry_count, [len(net) for net in rows]),
        ("sum of entries", proof.entry_sum_vnd, [exact_sum(np.abs(net)) for net in rows]),
        ("sum of credits", proof.credit_sum_vnd, [exact_sum(net[net > 0]) for net in rows]),
        ("sum of debits", proof.debit_sum_vnd, [-exact_sum(net[net < 0]) for net in rows]),
    )
    for what, claimed, found in claims:
        if claimed is not None and claimed not in found:
            yield f"The statement claims {claimed} as {what}, but its entries give {found[0]}."


def _readings(statement: Statement, chosen: Bool) -> list[Bool]:
    """`chosen` rows in the account's currency; and, where others are among them, all `chosen`."""
    same = statement.entries.currency.is_equal(statement.currency)
    return [chosen] if bool(same[chosen].all()) else [chosen & same, chosen]


def _entries(statement: Statement, chosen: Bool) -> Int64:
    """Signed amount of each entry: the details of a batch booking put together again."""
    entries = statement.entries
    signed = np.where(entries.is_debit, -entries.amount_vnd, entries.amount_vnd)[chosen]
    _, position = np.unique(entries.entry_number[chosen], return_inverse=True)
    net = np.zeros(int(position.max()) + 1 if len(position) else 0, dtype=np.int64)
    np.add.at(net, position, signed)
    return net
