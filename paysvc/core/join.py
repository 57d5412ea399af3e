"""From a bank's reference to the row of what we sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from paysvc.core.text_column import Int64, TextColumn

#: Keys from which on the kernels are worth being loaded; fewer go into a dictionary.
WORTH_A_KERNEL = 20_000

_NOWHERE = -1


class Keys:
    """Texts of which each occurs once, prepared so that many columns can be looked up in them."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[TextColumn], Int64]) -> None:
        self._find = find

    @classmethod
    def of(cls, texts: TextColumn) -> Self:
        """Raises ValueError when a text occurs twice (the figures would depend on which was meant)."""
        found = by_kernel(texts) if len(texts) >= WORTH_A_KERNEL else by_dictionary(texts)
        if found is None:
            repeated = len(texts) - len(set(texts.to_bytes_list()))
            raise ValueError(f"{repeated} key(s) occur more than once")
        return cls(found)

    def find(self, references: TextColumn) -> Int64:
        """The row that holds each of `references` (result as long as these), −1 where none does;
        the empty reference is found nowhere."""
        return self._find(references)


def find_positions(keys: TextColumn, references: TextColumn) -> Int64:
    """The row of `keys` that holds each of `references`, −1 where none does; see `Keys`."""
    return Keys.of(keys).find(references)


def by_dictionary(texts: TextColumn) -> Callable[[TextColumn], Int64] | None:
    """What `Keys` does, in the plainest way: the reference that the kernels are held against.

    None where a text occurs twice.
    """
    rows = {key: row for row, key in enumerate(texts.to_bytes_list())}
    if len(rows) < len(texts):
        return None
    rows.pop(b"", None)

    def find(references: TextColumn) -> Int64:
        wanted = references.to_bytes_list()
        return np.fromiter((rows.get(one, _NOWHERE) for one in wanted), dtype=np.int64, count=len(wanted))

    return find


def by_kernel(texts: TextColumn) -> Callable[[TextColumn], Int64] | None:
    """The same, compiled; None where a text occurs twice."""
    # Only who looks up many keys pays for loading the kernels.
    from paysvc.core import join_kernels

    table = join_kernels.index(texts)
    return None if table is None else lambda references: join_kernels.find(table, references)
