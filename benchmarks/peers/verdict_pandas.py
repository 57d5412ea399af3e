"""pandas: group by reference and an outer merge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answers import verdict_answer
from benchmarks.peers import verdict_arrow


class Merge:
    def __init__(self, folder: Path, url: str) -> None:
        self.sent = verdict_arrow.sent_table(folder).to_pandas()
        self.entries = verdict_arrow.entry_table(folder).to_pandas()

    def prepare(self) -> None:
        """Nothing changes."""

    def work(self) -> Any:
        booked = self.entries[self.entries["status"] == 0]
        is_debit, is_vnd, amount = booked["is_debit"], booked["currency"] == "VND", booked["amount"]
        columns = {
            "debits": is_debit.astype("int64"),
            "credits": (~is_debit).astype("int64"),
            "debited": amount.where(is_debit & is_vnd, 0),
            "credited": amount.where(~is_debit & is_vnd, 0),
            "least": amount.where(is_vnd),
            "most": amount.where(is_vnd),
            "is_foreign": ~is_vnd,
        }
        how = dict.fromkeys(("debits", "credits", "debited", "credited"), "sum")
        how |= {"least": "min", "most": "max", "is_foreign": "max"}
        grouped = booked[["reference"]].assign(**columns).groupby("reference", sort=False).agg(how)
        joined = self.sent.merge(grouped, left_on="reference", right_index=True, how="outer", indicator=True)
        unknown = joined.loc[joined["_merge"] == "right_only", "reference"]
        ours = joined[joined["_merge"] != "right_only"]
        debits, credits_ = ours["debits"].fillna(0), ours["credits"].fillna(0)
        by_sums = ours["debited"].fillna(0) - ours["credited"].fillna(0)
        foreign = ours["is_foreign"].fillna(value=False).astype(bool)
        net = (debits - credits_).where(foreign & (by_sums <= 0), by_sums)
        differs = (ours["least"].notna()) & ((ours["least"] != ours["amount"]) | (ours["most"] != ours["amount"]))
        differs |= (by_sums < 0) & (debits > 0) & ~foreign
        is_refused = ours["is_refused"].astype(bool) & (debits + credits_ == 0)
        outcome = np.select([is_refused, (debits > 0) & (net == 0), net > 0], [3, 2, 1], 0)
        kinds = differs * 1 + foreign * 2 + (debits >= 2) * 4 + ((credits_ > 0) & (debits == 0)) * 8
        verdict = ours[["row", "bank", "amount"]].assign(outcome=outcome, kinds=kinds)
        totals = verdict.groupby(["bank", "outcome"])["amount"].agg(["count", "sum"]).reset_index()
        exceptions = verdict.loc[verdict["kinds"] != 0, ["row", "kinds"]]
        return verdict[["row", "outcome"]], totals, exceptions, unknown

    def answer(self, result: Any) -> dict[str, Any]:
        outcomes, totals, exceptions, unknown = result
        ordered = verdict_arrow.in_order(outcomes["row"].astype("int64"), outcomes["outcome"])
        rows = totals.astype("int64").itertuples(index=False, name=None)
        columns = exceptions["row"].astype("int64"), exceptions["kinds"]
        return verdict_answer(ordered, rows, columns, unknown.tolist())
