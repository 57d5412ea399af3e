"""Polars: the obvious code, and a narrow join with the rest in NumPy, tuned by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.answers import verdict_answer
from benchmarks.peers import verdict_arrow

_IS_VND = pl.col("currency") == "VND"


class _Polars:
    def __init__(self, folder: Path, url: str) -> None:
        self.sent = pl.from_arrow(verdict_arrow.sent_table(folder), rechunk=True)
        self.entries = pl.from_arrow(verdict_arrow.entry_table(folder), rechunk=True)

    def prepare(self) -> None:
        """Nothing changes."""


def verdicts(sent: pl.DataFrame, entries: pl.DataFrame, **more: pl.Expr) -> pl.DataFrame:
    """One row an instruction, and one a reference that nobody sent (those have no `row`).

    `more` are aggregates over the booked entries of a reference that the caller wants besides.
    """
    is_debit, amount = pl.col("is_debit"), pl.col("amount")
    grouped = (
        entries.lazy()
        .filter(pl.col("status") == 0)
        .with_columns(
            debited=pl.when(is_debit & _IS_VND).then(amount).otherwise(0),
            credited=pl.when(~is_debit & _IS_VND).then(amount).otherwise(0),
            own=pl.when(_IS_VND).then(amount),
        )
        .group_by("reference")
        .agg(
            debits=is_debit.sum().cast(pl.Int64),
            credits=is_debit.not_().sum().cast(pl.Int64),
            debited=pl.col("debited").sum(),
            credited=pl.col("credited").sum(),
            least=pl.col("own").min(),
            most=pl.col("own").max(),
            is_foreign=_IS_VND.not_().any(),
            **more,
        )
    )
    joined = sent.lazy().join(grouped, on="reference", how="full", coalesce=True)
    by_sums, by_count = pl.col("debited") - pl.col("credited"), pl.col("debits") - pl.col("credits")
    net = pl.when(pl.col("is_foreign") & (by_sums <= 0)).then(by_count).otherwise(by_sums)
    differs = (pl.col("least") != amount) | (pl.col("most") != amount)
    more_back = (by_sums < 0) & (pl.col("debits") > 0) & ~pl.col("is_foreign")
    return (
        joined.with_columns(
            outcome=pl.when(pl.col("debits").is_null())
            .then(pl.when("is_refused").then(3).otherwise(0))
            .when((pl.col("debits") > 0) & (net == 0))
            .then(2)
            .when(net > 0)
            .then(1)
            .otherwise(0)
            .cast(pl.UInt8),
            kinds=(
                (differs.fill_null(value=False) | more_back.fill_null(value=False)).cast(pl.UInt8)
                + pl.col("is_foreign").fill_null(value=False).cast(pl.UInt8) * 2
                + (pl.col("debits") >= 2).fill_null(value=False).cast(pl.UInt8) * 4
                + ((pl.col("credits") > 0) & (pl.col("debits") == 0)).fill_null(value=False).cast(pl.UInt8) * 8
            ),
        )
        .select("row", "bank", "amount", "reference", "outcome", "kinds", "debited", "credited", *more)
        .collect(engine="streaming")
    )


def totals_of(ours: pl.DataFrame) -> pl.DataFrame:
    """Count and sum by bank and outcome."""
    return ours.group_by("bank", "outcome").agg(count=pl.len(), sum=pl.col("amount").sum())


class FullJoin(_Polars):
    """Group by reference, full join, streaming engine: what one writes first."""

    def work(self) -> Any:
        found = verdicts(self.sent, self.entries)
        ours = found.filter(pl.col("row").is_not_null())
        unknown = found.filter(pl.col("row").is_null())["reference"]
        exceptions = ours.filter(pl.col("kinds") != 0).select("row", "kinds")
        return ours.select("row", "outcome"), totals_of(ours), exceptions, unknown

    def answer(self, result: Any) -> dict[str, Any]:
        outcomes, totals, exceptions, unknown = result
        ordered = verdict_arrow.in_order(outcomes["row"].to_numpy(), outcomes["outcome"].to_numpy())
        columns = exceptions["row"].to_numpy(), exceptions["kinds"].to_numpy()
        return verdict_answer(ordered, totals.rows(), columns, unknown.to_list())


class Slim(_Polars):
    """A left join of references with row numbers, then NumPy scatters by row: the fastest found."""

    def work(self) -> Any:
        booked = self.entries.filter(pl.col("status") == 0)
        joined = (
            booked.lazy()
            .join(self.sent.lazy().select("reference", "row"), on="reference", how="left")
            .select("row", "amount", "is_debit", is_foreign=~_IS_VND, reference="reference")
            .collect(engine="streaming")
        )
        unknown = joined.filter(pl.col("row").is_null())["reference"]
        known = joined.select("row", "amount", "is_debit", "is_foreign").filter(pl.col("row").is_not_null())
        at, amount = known["row"].to_numpy(), known["amount"].to_numpy()
        is_debit, is_foreign = known["is_debit"].to_numpy(), known["is_foreign"].to_numpy()
        sent, bank = self.sent["amount"].to_numpy(), self.sent["bank"].to_numpy()
        count = len(sent)
        debits = np.bincount(at[is_debit], minlength=count)
        back = np.flatnonzero(~is_debit)
        credits_ = np.bincount(at[back], minlength=count)
        # Sums of one instruction stay far below 2^53, so that floating weights are exact.
        signed = np.where(is_debit, amount, -amount) * ~is_foreign
        net = np.bincount(at, weights=signed, minlength=count).astype(np.int64)
        foreign = np.zeros(count, np.bool_)
        foreign[at[is_foreign]] = True
        kinds = np.zeros(count, np.uint8)
        kinds[at[~is_foreign & (amount != sent[at])]] = 1
        kinds[(net < 0) & (debits > 0) & ~foreign] = 1
        by_count = np.where(foreign & (net <= 0), debits - credits_, net)
        outcome = np.zeros(count, np.uint8)
        outcome[self.sent["is_refused"].to_numpy() & (debits + credits_ == 0)] = 3
        outcome[(debits > 0) & (by_count == 0)] = 2
        outcome[by_count > 0] = 1
        kinds += foreign * np.uint8(2) + (debits >= 2) * np.uint8(4) + ((credits_ > 0) & (debits == 0)) * np.uint8(8)
        exceptions = np.flatnonzero(kinds)
        group = bank.astype(np.intp) * 4 + outcome
        counts = np.bincount(group, minlength=4)
        sums = np.bincount(group, weights=sent, minlength=4)
        return outcome, (counts, sums), (exceptions, kinds[exceptions]), unknown

    def answer(self, result: Any) -> dict[str, Any]:
        outcome, (counts, sums), exceptions, unknown = result
        totals = [[*divmod(group, 4), counts[group], sums[group]] for group in np.flatnonzero(counts).tolist()]
        return verdict_answer(outcome, totals, exceptions, unknown.to_list())
