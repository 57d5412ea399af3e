"""Rows of constants and texts, written as one array: what a file of equally built records is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from paysvc.core.text_column import Int64, TextColumn, UInt8


def write_rows(pieces: Sequence[bytes | TextColumn], count: int) -> UInt8:
    """`count` rows one behind the other, each the `pieces` in order: a constant, or its own text of
    a column of `count` texts."""
    ends = np.cumsum(sum((_lengths(piece, count) for piece in pieces), np.zeros(count, np.int64)))
    written = np.empty(int(ends[-1]) if count else 0, np.uint8)
    at = np.concatenate([np.zeros(1, np.int64), ends])[:count]
    for piece in pieces:
        if isinstance(piece, TextColumn):
            piece.put_into(written, at)
        elif piece and count:
            window = sliding_window_view(written, len(piece), writeable=True)
            window[at] = np.frombuffer(piece, np.uint8)
        at = at + _lengths(piece, count)
    return written


def _lengths(piece: bytes | TextColumn, count: int) -> Int64:
    return piece.lengths if isinstance(piece, TextColumn) else np.full(count, len(piece), np.int64)
