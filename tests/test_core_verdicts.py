"""Entries against instructions: every outcome by its rule, and the same figures as SQL gives."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from benchmarks.references import KINDS, make_references
from paysvc.core.columns import BOOKED, PENDING, EntryColumns, SentColumns
from paysvc.core.join import WORTH_A_KERNEL, find_positions
from paysvc.core.text_column import CategoryColumn, TextColumn
from paysvc.core.verdicts import OUTCOMES, decide, discrepancies, tally, totals_by_outcome
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome

SENT_AMOUNT = 500_000


def sent_columns(references: list[str], amounts: list[int]) -> SentColumns:
    count = len(references)
    return SentColumns(
        end_to_end_id=TextColumn.of(references),
        amount_vnd=np.array(amounts, dtype=np.int64),
        currency=CategoryColumn.repeat("VND", count),
        message_id=CategoryColumn.repeat("M1", count),
        payment_information_id=CategoryColumn.repeat("M1-1", count),
    )


def entry_columns(rows: list[tuple[str, int, bool, str, int, str, str]]) -> EntryColumns:
    """Rows of (reference, amount, is debit, currency, status, reason, bank reference)."""
    reference, amount, is_debit, currency, status, reason, own = zip(*rows, strict=True) if rows else ((),) * 7
    return EntryColumns(
        reference=TextColumn.of(reference),
        amount_vnd=np.array(amount, dtype=np.int64),
        currency=TextColumn.of(currency),
        is_debit=np.array(is_debit, dtype=np.bool_),
        status=np.array(status, dtype=np.uint8),
        reason_code=TextColumn.of(reason),
        bank_reference=TextColumn.of(own),
        entry_number=np.arange(1, len(rows) + 1, dtype=np.int32),
        booking_date=TextColumn.repeat("2026-11-24", len(rows)),
    )


Row = tuple[str, int, bool, str, int, str, str]


def debit(amount: int = SENT_AMOUNT, currency: str = "VND", status: int = int(BOOKED)) -> Row:
    return ("P1", amount, True, currency, status, "", "")


def credit(amount: int = SENT_AMOUNT, currency: str = "VND", status: int = int(BOOKED)) -> Row:
    return ("P1", amount, False, currency, status, "", "")


CASES = {
    # what is booked, refused?, outcome, discrepancies
    "nothing": ([], False, "outstanding", ""),
    "nothing, refused": ([], True, "rejected", ""),
    "paid": ([debit()], False, "settled", ""),
    "paid though refused": ([debit()], True, "settled", ""),
    "came back": ([debit(), credit()], False, "returned", ""),
    "came back, refused too": ([credit(), debit()], True, "returned", ""),
    "pending only": ([debit(status=int(PENDING))], False, "outstanding", ""),
    "pending and refused": ([debit(status=int(PENDING))], True, "rejected", ""),
    "a pending return": ([debit(), credit(status=int(PENDING))], False, "settled", ""),
    "one dong short": ([debit(499_999)], False, "settled", "amount_mismatch"),
    "back but one dong": ([debit(), credit(499_999)], False, "settled", "amount_mismatch"),
    "in two parts": ([debit(200_000), debit(300_000)], False, "settled", "amount_mismatch+duplicate_settlement"),
    "paid twice": ([debit(), debit()], False, "settled", "duplicate_settlement"),
    "paid twice, back once": ([debit(), credit(), debit()], False, "settled", "duplicate_settlement"),
    "paid twice, back twice": ([debit(), credit(), debit(), credit()], False, "returned", "duplicate_settlement"),
    "back without a debit": ([credit()], False, "outstanding", "return_without_settlement"),
    "back without a debit, refused": ([credit()], True, "outstanding", "return_without_settlement"),
    "back twice": ([debit(), credit(), credit()], False, "outstanding", "amount_mismatch"),
    "in dollars": ([debit(20, "USD")], False, "settled", "currency_mismatch"),
    "in dollars and back": ([debit(20, "USD"), credit(20, "USD")], False, "returned", "currency_mismatch"),
    "back in dollars": ([debit(), credit(20, "USD")], False, "settled", "currency_mismatch"),
    "dollars back without a debit": (
        [credit(20, "USD")],
        False,
        "outstanding",
        "currency_mismatch+return_without_settlement",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_every_outcome_follows_from_what_is_booked(what: str) -> None:
    rows, refused, outcome, kinds = CASES[what]
    sent = sent_columns(["P0", "P1"], [1, SENT_AMOUNT])
    for arranged in (rows, rows[::-1]):
        entries = entry_columns(arranged)
        found = tally(sent, entries, find_positions(sent.end_to_end_id, entries.reference))
        assert OUTCOMES[decide(found, np.array([False, refused]))[1]] == outcome
        flags = discrepancies(found)
        assert "+".join(kind for kind in DiscrepancyKind if kind in flags and flags[kind][1]) == kinds
        assert not any(flag[0] for flag in flags.values())


def test_sums_are_of_dong_only_and_counts_of_everything_booked() -> None:
    sent = sent_columns(["P1"], [SENT_AMOUNT])
    entries = entry_columns([debit(), debit(20, "USD"), credit(100), debit(status=int(PENDING))])
    found = tally(sent, entries, np.zeros(4, np.int64))
    assert (found.debit_count[0], found.debited_vnd[0]) == (2, SENT_AMOUNT)
    assert (found.credit_count[0], found.credited_vnd[0]) == (1, 100)


def test_reason_and_bank_reference_do_not_depend_on_the_order() -> None:
    sent = sent_columns(["P1"], [SENT_AMOUNT])
    rows = [
        ("P1", SENT_AMOUNT, True, "VND", 0, "", "FT3"),
        ("P1", SENT_AMOUNT, False, "VND", 0, "MD07", "FT1"),
        ("P1", SENT_AMOUNT, True, "VND", 0, "", ""),
        ("P1", SENT_AMOUNT, False, "VND", 0, "AC04", "FT0"),
        ("P1", SENT_AMOUNT, True, "VND", 0, "", "FT2"),
        ("P1", SENT_AMOUNT, True, "VND", 1, "AA00", "FT0"),
    ]
    for start in range(len(rows)):
        found = tally(sent, entry_columns(rows[start:] + rows[:start]), np.zeros(len(rows), np.int64))
        assert (found.reason_code.to_list(), found.bank_reference.to_list()) == (["AC04"], ["FT2"])


def test_a_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="1 key"):
        find_positions(TextColumn.of(["A", "B", "A"]), TextColumn.of(["A"]))


def test_references_are_found_whole_or_not_at_all() -> None:
    keys = TextColumn.of(["P1", "P10", "", "Đ"])
    assert find_positions(keys, TextColumn.of(["P10", "P", "P100", "", "Đ", "p1"])).tolist() == [1, -1, -1, -1, 3, -1]
    assert find_positions(TextColumn.of([]), TextColumn.of(["P1"])).tolist() == [-1]
    assert find_positions(keys, TextColumn.of([])).tolist() == []


def test_what_does_not_belong_together_is_refused() -> None:
    sent, entries = sent_columns(["P1"], [5]), entry_columns([debit()])
    for positions in ([], [1], [0, 0]):
        with pytest.raises(ValueError, match="do not belong"):
            tally(sent, entries, np.array(positions, dtype=np.int64))
    huge = entry_columns([debit(9 * 10**17), debit(9 * 10**17)])
    with pytest.raises(ValueError, match="beyond every ledger"):
        tally(sent, huge, np.zeros(2, np.int64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [WORTH_A_KERNEL - 1, 3 * WORTH_A_KERNEL])
def test_a_hundred_thousand_payments_give_the_figures_that_sql_gives(kind: str, count: int, tmp_path: Path) -> None:
    """The same question put to DuckDB: another road from the same rows to the same totals, in
    plain columns and by the kernels."""
    chance = np.random.default_rng(20261121)
    moves = 2 * count
    references = [row.tobytes().decode("ascii") for row in make_references(kind, count, chance)]
    amounts = (chance.integers(1, 9, count) * 250_000).tolist()
    picked = chance.integers(-500, count, moves)
    rows = [
        (
            references[at] if at >= 0 else f"X{-at}",
            (amounts[at] if at >= 0 else 1) + (1 if off < 0.01 else 0),
            side < 0.8,
            "USD" if coin < 0.005 else "VND",
            int(state),
            "",
            "",
        )
        for at, off, side, coin, state in zip(
            picked.tolist(),
            chance.random(moves).tolist(),
            chance.random(moves).tolist(),
            chance.random(moves).tolist(),
            chance.choice([0, 0, 0, 0, 1, 2, 3], moves).tolist(),
            strict=True,
        )
    ]
    refused = chance.random(count) < 0.1
    sent, entries = sent_columns(references, amounts), entry_columns(rows)
    found = tally(sent, entries, find_positions(sent.end_to_end_id, entries.reference))
    outcomes, flags = decide(found, refused), discrepancies(found)

    instruction = pl.DataFrame({"reference": references, "amount": amounts, "refused": refused})
    entry = pl.DataFrame(rows, schema=["reference", "amount", "debit", "currency", "status", "a", "b"], orient="row")
    with duckdb.connect() as database:
        for name, rows_of in (("instruction", instruction), ("entry", entry)):
            rows_of.write_csv(tmp_path / f"{name}.csv")
            database.sql(f"CREATE TABLE {name} AS FROM read_csv('{tmp_path / f'{name}.csv'}')")
        verdicts = """
            WITH booked AS (
                SELECT i.reference, i.amount AS sent, any_value(i.refused) AS refused,
                       count(e.amount) FILTER (e.debit) AS debits, count(e.amount) FILTER (NOT e.debit) AS credits,
                       coalesce(sum(CASE WHEN e.debit THEN e.amount ELSE -e.amount END)
                                FILTER (e.currency = 'VND'), 0) AS net,
                       coalesce(bool_or(e.currency <> 'VND'), false) AS other,
                       coalesce(bool_or(e.currency = 'VND' AND e.amount <> i.amount), false) AS differs
                FROM instruction i LEFT JOIN entry e ON e.reference = i.reference AND e.status = 0
                GROUP BY i.reference, i.amount)
            SELECT CASE WHEN net > 0 THEN 'settled'
                        WHEN other AND debits > credits THEN 'settled'
                        WHEN other AND debits > 0 AND debits = credits THEN 'returned'
                        WHEN NOT other AND debits > 0 AND net = 0 THEN 'returned'
                        WHEN refused AND debits + credits = 0 THEN 'rejected'
                        ELSE 'outstanding' END AS outcome,
                   differs OR (net < 0 AND debits > 0 AND NOT other) AS amount_mismatch,
                   other AS currency_mismatch, debits >= 2 AS duplicate_settlement,
                   credits > 0 AND debits = 0 AS return_without_settlement, sent
            FROM booked"""
        totals = {
            outcome: (number, int(amount))
            for outcome, number, amount in database.sql(
                f"SELECT outcome, count(*), sum(sent) FROM ({verdicts}) GROUP BY outcome"
            ).fetchall()
        }
        kinds = [str(kind) for kind in flags]
        counted = database.sql(
            f"SELECT {', '.join(f'count(*) FILTER ({kind})' for kind in kinds)} FROM ({verdicts})"
        ).fetchall()[0]
    ours = totals_by_outcome(outcomes, sent.amount_vnd)
    assert {str(outcome): total for outcome, total in ours.items() if total[0]} == totals
    assert [int(flags[DiscrepancyKind(kind)].sum()) for kind in kinds] == list(counted)
    assert min(counted) > 0
    assert set(totals) == {"outstanding", "settled", "returned", "rejected"}
    assert sum(number for number, _ in ours.values()) == count
    assert ours[Outcome.UNKNOWN] == (0, 0)
