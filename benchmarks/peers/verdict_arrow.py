"""The columns of a join as Arrow tables, and the rule in SQL, for the engines that speak both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.text import Text
from benchmarks.world import ENTRY_COLUMNS, SENT_COLUMNS, World


def text_array(text: Text) -> pa.LargeStringArray:
    """The same buffers, nothing copied."""
    return pa.LargeStringArray.from_buffers(text.count, pa.py_buffer(text.offsets), pa.py_buffer(text.data))


def sent_table(folder: Path) -> pa.Table:
    """Instructions: `row` counts from 0."""
    world = World.load(folder, *SENT_COLUMNS)
    return pa.table(
        {
            "row": np.arange(len(world.amount)),
            "reference": text_array(world.reference),
            "amount": world.amount,
            "bank": world.bank,
            "is_refused": world.is_refused,
        }
    )


def entry_table(folder: Path) -> pa.Table:
    """Entries, in the order of the statement."""
    world = World.load(folder, *ENTRY_COLUMNS)
    return pa.table(
        {
            "reference": text_array(world.entry_reference),
            "amount": world.entry_amount,
            "currency": text_array(world.entry_currency),
            "is_debit": world.entry_is_debit,
            "status": world.entry_status,
        }
    )


#: One row an instruction, and one a reference that nobody sent (those have no `row`).
VERDICTS = """
WITH grouped AS (
  SELECT reference,
    count(*) FILTER (WHERE is_debit) AS debits,
    count(*) FILTER (WHERE NOT is_debit) AS credits,
    coalesce(sum(amount) FILTER (WHERE is_debit AND currency = 'VND'), 0) AS debited,
    coalesce(sum(amount) FILTER (WHERE NOT is_debit AND currency = 'VND'), 0) AS credited,
    min(amount) FILTER (WHERE currency = 'VND') AS least,
    max(amount) FILTER (WHERE currency = 'VND') AS most,
    bool_or(currency <> 'VND') AS is_foreign
  FROM entries WHERE status = 0 GROUP BY reference),
joined AS (
  SELECT s.row, s.bank, s.amount, s.is_refused, g.*,
    CASE WHEN is_foreign AND debited <= credited THEN debits - credits ELSE debited - credited END AS net
  FROM sent s FULL JOIN grouped g ON s.reference = g.reference)
SELECT row, bank, amount, reference,
  CASE WHEN reference IS NULL THEN CASE WHEN is_refused THEN 3 ELSE 0 END
       WHEN debits > 0 AND net = 0 THEN 2
       WHEN net > 0 THEN 1 ELSE 0 END AS outcome,
  CASE WHEN reference IS NULL THEN 0 ELSE
    CASE WHEN least <> amount OR most <> amount OR (credited > debited AND debits > 0 AND NOT is_foreign)
      THEN 1 ELSE 0 END
    + CASE WHEN is_foreign THEN 2 ELSE 0 END
    + CASE WHEN debits >= 2 THEN 4 ELSE 0 END
    + CASE WHEN credits > 0 AND debits = 0 THEN 8 ELSE 0 END
  END AS kinds
FROM joined
"""
TOTALS = "SELECT bank, outcome, count(*), sum(amount) FROM verdict WHERE row IS NOT NULL GROUP BY bank, outcome"
OUTCOMES = "SELECT row, outcome FROM verdict WHERE row IS NOT NULL"
EXCEPTIONS = "SELECT row, kinds FROM verdict WHERE row IS NOT NULL AND kinds <> 0"
UNKNOWN = "SELECT reference FROM verdict WHERE row IS NULL"


def in_order(rows: Any, outcomes: Any) -> Any:
    """Outcomes by instruction; only to compare answers."""
    ordered = np.zeros(len(rows), np.uint8)
    ordered[np.asarray(rows)] = np.asarray(outcomes)
    return ordered
