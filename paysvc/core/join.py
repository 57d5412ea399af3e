"""From a bank's reference to the row of what we sent."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from paysvc.core.columns import Int64, TextColumn


def find_positions(keys: TextColumn, references: TextColumn) -> Int64:
    """The row of `keys` that holds each of `references`, −1 where none does.

    Whole keys are compared, byte for byte; the empty reference is found nowhere. Result is as
    long as `references`. Raises ValueError when a key occurs twice (the figures would depend
    on which of the two was meant).
    """
    values = keys.to_bytes_list()
    rows = dict(zip(values, range(len(values)), strict=True))
    if len(rows) != len(values):
        raise ValueError(f"{len(values) - len(rows)} key(s) occur more than once")
    rows.pop(b"", None)
    wanted = references.to_bytes_list()
    return np.fromiter(map(rows.get, wanted, repeat(-1)), dtype=np.int64, count=len(wanted))
