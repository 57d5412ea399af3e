"""The entries of an MT940 file by a compiled kernel: runs of `:61:` and `:86:` lines to columns.

What stands around a run (balances, numbers, envelopes) is left to `scan_mt940`, which gets
the file with the first line of each run in the run's place. A line that is not plain leaves
the whole file to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from paysvc.core.columns import BOOKED, EntryColumns
from paysvc.core.scan_mt940_kernel import NO_ENTRY_DAY, OPEN, Rows, scan_part
from paysvc.core.spans import picked_texts, text_column
from paysvc.core.text_column import TextColumn, UInt8, number_groups
from paysvc.core.words import RUNS_HERE

_MOST_RUNS = 4_096

#: One thread's work at a time (bytes).
PART_BYTES = 1 << 23
#: `:61:` with a day, a side, an amount and a kind.
_SHORTEST_ENTRY = 18


_KINDS = {"is_debit": np.bool_, "has_fraction": np.bool_}


@dataclass(frozen=True, slots=True)
class ScannedLines:
    """The entries of all runs; `runs` rows are (first entry, end). `frame` has one line for each run."""

    rows: Rows
    runs: list[tuple[int, int]]
    frame: bytes
    _data: UInt8

    def entries(
        self, begin: int, end: int, currency: str, day_text: Callable[[int, int | None], bytes]
    ) -> EntryColumns:
        """The entries `begin` to `end` as columns; `day_text` gives the ISO day of yymmdd and mmdd."""
        rows = Rows._make(column[begin:end] for column in self.rows)
        count = end - begin
        days, codes = number_groups(rows.days)
        texts = [_day_text(day, day_text) for day in days.tolist()]
        return EntryColumns(
            reference=text_column(self._data, rows.reference),
            amount_vnd=rows.amount,
            currency=TextColumn.repeat(currency, count),
            is_debit=rows.is_debit,
            status=np.full(count, BOOKED, dtype=np.uint8),
            reason_code=text_column(self._data, rows.reason),
            bank_reference=text_column(self._data, rows.bank_reference),
            entry_number=np.arange(1, count + 1, dtype=np.int32),
            booking_date=picked_texts(TextColumn.of_bytes(texts), codes),
        )

    def has_fraction(self, begin: int, end: int) -> bool:
        """Whether an amount of these entries has a fraction other than zero."""
        return bool(self.rows.has_fraction[begin:end].any())


def scan_lines(content: bytes, *, part_bytes: int = PART_BYTES) -> ScannedLines | None:
    """The entries of an MT940 file, or None where only the reference reader can tell."""
    if not RUNS_HERE or b"\0" in content:
        return None
    data = np.frombuffer(content, dtype=np.uint8)
    cuts = _cuts(content, part_bytes)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(cuts) - 1)) as pool:
        parts = list(pool.map(lambda cut: _part(data, *cut), pairwise(cuts)))
    found: list[_Part] = []
    for part, (begin, end) in zip(parts, pairwise(cuts), strict=True):
        if part is None:
            return None
        if found and not found[-1].is_open:
            # The cut lay before the first entry of a run: that part is read again, as what it is.
            again = _part(data, begin, end, inside=False)
            if again is None:
                return None
            found.append(again)
        else:
            found.append(part)
    return _joined(content, data, found)


class _Part(NamedTuple):
    """The rows of a part of the file and its runs (first line's start and end, end, rows so far)."""

    rows: Rows
    runs: list[list[int]]
    entries: int

    @property
    def is_open(self) -> bool:
        """Whether the last run goes on in the next part."""
        return bool(self.runs) and self.runs[-1][2] == OPEN


def _cuts(content: bytes, part_bytes: int) -> list[int]:
    """Where parts begin: with an entry's line."""
    cuts = [0]
    while (found := content.find(b"\n:61:", cuts[-1] + part_bytes)) >= 0:
        cuts.append(found + 1)
    return [*cuts, len(content)]


def _part(data: UInt8, begin: int, end: int, *, inside: bool | None = None) -> _Part | None:
    most = (end - begin) // _SHORTEST_ENTRY + 1
    rows = Rows._make(np.empty(most, dtype=_KINDS.get(name, np.int64)) for name in Rows._fields)
    runs = np.zeros((_MOST_RUNS, 4), dtype=np.int64)
    is_inside = begin > 0 if inside is None else inside
    count, written = scan_part(data, begin, end, is_inside, rows, runs)
    if count < 0:
        return None
    return _Part(Rows._make(column[:written] for column in rows), runs[:count].tolist(), written)


def _joined(content: bytes, data: UInt8, parts: list[_Part]) -> ScannedLines:
    """The parts' rows as one, runs that were cut put together, and the file without them."""
    frame: list[bytes] = []
    runs: list[tuple[int, int]] = []
    kept_from = before = run_begin = 0
    is_open = False
    for part in parts:
        for _, first_end, end, row in part.runs:
            if not is_open:
                frame.append(content[kept_from:first_end])
                run_begin = runs[-1][1] if runs else 0
            is_open = end == OPEN
            if not is_open:
                kept_from = end
                runs.append((run_begin, before + row))
        before += part.entries
    frame.append(content[kept_from:])
    rows = Rows._make(np.concatenate(columns) for columns in zip(*(part.rows for part in parts), strict=True))
    return ScannedLines(rows, runs, b"".join(frame), data)


def _day_text(days: int, day_text: Callable[[int, int | None], bytes]) -> bytes:
    value_day, entry_day = divmod(days, 10_000)
    return day_text(value_day, None if entry_day == NO_ENTRY_DAY else entry_day)
