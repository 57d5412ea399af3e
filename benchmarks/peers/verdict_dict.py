"""Plain Python: a dictionary from reference to row, lists for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answers import verdict_answer
from benchmarks.world import ENTRY_COLUMNS, SENT_COLUMNS, World


class Dictionary:
    def __init__(self, folder: Path, url: str) -> None:
        world = World.load(folder, *SENT_COLUMNS, *ENTRY_COLUMNS)
        self.reference, self.amount = world.reference.to_strings(), world.amount.tolist()
        self.bank, self.is_refused = world.bank.tolist(), world.is_refused.tolist()
        self.entries = [
            world.entry_reference.to_strings(),
            world.entry_amount.tolist(),
            world.entry_currency.to_strings(),
            world.entry_is_debit.tolist(),
            world.entry_status.tolist(),
        ]

    def prepare(self) -> None:
        """Nothing changes."""

    def work(self) -> Any:
        rows = {reference: row for row, reference in enumerate(self.reference)}
        count, sent = len(rows), self.amount
        debits, credits_, net, kinds = [0] * count, [0] * count, [0] * count, [0] * count
        unknown = []
        for reference, amount, currency, is_debit, status in zip(*self.entries, strict=True):
            if status:
                continue
            row = rows.get(reference)
            if row is None:
                unknown.append(reference)
                continue
            if is_debit:
                debits[row] += 1
            else:
                credits_[row] += 1
            if currency != "VND":
                kinds[row] |= 2
                continue
            net[row] += amount if is_debit else -amount
            if amount != sent[row]:
                kinds[row] |= 1
        return self._verdicts(debits, credits_, net, kinds), kinds, unknown

    def _verdicts(self, debits: list[int], credits_: list[int], net: list[int], kinds: list[int]) -> Any:
        outcomes, totals, exceptions = [0] * len(debits), {}, []
        for row, (out, back, balance, bank, refused) in enumerate(
            zip(debits, credits_, net, self.bank, self.is_refused, strict=True)
        ):
            left = out - back if kinds[row] & 2 and balance <= 0 else balance
            if not out and not back:
                outcome = 3 if refused else 0
            elif out and left == 0:
                outcome = 2
            else:
                outcome = 1 if left > 0 else 0
            outcomes[row] = outcome
            if balance < 0 < out and not kinds[row] & 2:
                kinds[row] |= 1
            if out >= 2:
                kinds[row] |= 4
            if back and not out:
                kinds[row] |= 8
            if kinds[row]:
                exceptions.append(row)
            before = totals.get((bank, outcome), (0, 0))
            totals[bank, outcome] = before[0] + 1, before[1] + self.amount[row]
        return outcomes, totals, exceptions

    def answer(self, result: Any) -> dict[str, Any]:
        (outcomes, totals, exceptions), kinds, unknown = result
        rows = [[*key, *value] for key, value in totals.items()]
        found = np.array(exceptions, np.int64), np.array([kinds[row] for row in exceptions], np.uint8)
        return verdict_answer(outcomes, rows, found, unknown)
