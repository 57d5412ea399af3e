"""From a bank's reference to the row of what we sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from paysvc.core.columns import Int64, TextColumn


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Texts of which each occurs once, prepared so that many columns can be looked up in them.

    `hashes` are the texts' 64-bit numbers in rising order and `rows` where each text lies in
    `texts`. The numbers only lead to a row; what decides is the whole text, byte for byte.
    """

    texts: TextColumn
    hashes: NDArray[np.uint64]
    rows: Int64

    @classmethod
    def of(cls, texts: TextColumn) -> Self:
        """Raises ValueError when a text occurs twice (the figures would depend on which was meant)."""
        numbers = texts.hashes()
        rows = np.argsort(numbers).astype(np.int64, copy=False)
        numbers = numbers[rows]
        if (numbers[1:] == numbers[:-1]).any():
            values = texts.to_bytes_list()
            repeated = len(values) - len(set(values))
            if repeated:
                raise ValueError(f"{repeated} key(s) occur more than once")
        return cls(texts, numbers, rows)

    def find(self, references: TextColumn) -> Int64:
        """The row that holds each of `references` (result as long as these), −1 where none does;
        the empty reference is found nowhere."""
        found = np.full(len(references), -1, dtype=np.int64)
        if not len(self.texts) or not len(references):
            return found
        numbers = references.hashes()
        at = np.searchsorted(self.hashes, numbers)
        at[at == len(self.hashes)] = 0
        wanted = np.flatnonzero((self.hashes[at] == numbers) & (references.lengths > 0))
        rows = self.rows[at[wanted]]
        is_it = self.texts.take(rows).is_same(references.take(wanted))
        found[wanted[is_it]] = rows[is_it]
        if not is_it.all():
            self._find_others(references, wanted[~is_it], found)
        return found

    def _find_others(self, references: TextColumn, wanted: Int64, found: Int64) -> None:
        """References whose number leads to another text: that of a stranger, or the wrong one of two."""
        values = self.texts.to_bytes_list()
        rows = dict(zip(values, range(len(values)), strict=True))
        for place, value in zip(wanted.tolist(), references.take(wanted).to_bytes_list(), strict=True):
            found[place] = rows.get(value, -1)


def find_positions(keys: TextColumn, references: TextColumn) -> Int64:
    """The row of `keys` that holds each of `references`, −1 where none does; see `Keys`."""
    return Keys.of(keys).find(references)
