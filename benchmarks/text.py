"""Columns of text as the generators make them: one buffer of UTF-8 bytes and int64 offsets.

Deliberately not the core's `TextColumn`: what the core is measured and checked by does not use it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]


class Text(NamedTuple):
    """Value i is `data[offsets[i]:offsets[i + 1]]` (Arrow's large_utf8)."""

    data: Bytes
    offsets: Int64

    @classmethod
    def of_rows(cls, rows: Bytes, lengths: Int64) -> Text:
        """The first `lengths[i]` bytes of row i of a matrix."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        if len(lengths) and int(lengths.min()) == rows.shape[1]:
            return cls(rows.reshape(-1), offsets)
        return cls(rows[np.arange(rows.shape[1]) < lengths[:, None]], offsets)

    @classmethod
    def of(cls, values: Iterable[bytes]) -> Text:
        texts = list(values)
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return cls(np.frombuffer(b"".join(texts), np.uint8), offsets)

    @property
    def count(self) -> int:
        return len(self.offsets) - 1

    def to_bytes(self, begin: int = 0, end: int | None = None) -> list[bytes]:
        offsets = self.offsets[begin : None if end is None else end + 1]
        whole, first = self.data[offsets[0] : offsets[-1]].tobytes(), int(offsets[0])
        return [whole[start - first : stop - first] for start, stop in pairwise(offsets.tolist())]

    def to_strings(self, begin: int = 0, end: int | None = None) -> list[str]:
        return [value.decode() for value in self.to_bytes(begin, end)]

    def digest(self) -> str:
        """SHA-256 over what every layout of the same texts agrees about."""
        mixed = hashlib.sha256(np.diff(self.offsets).astype("<i8").tobytes())
        mixed.update(self.data[: self.offsets[-1]])
        return mixed.hexdigest()


def digest_of_texts(values: Sequence[str] | Sequence[bytes]) -> str:
    """`Text.digest` of a sequence of Python strings or bytes."""
    return Text.of(value.encode() if isinstance(value, str) else value for value in values).digest()


def digest_of_numbers(values: object) -> str:
    """SHA-256 over the values as 64-bit integers."""
    return hashlib.sha256(np.ascontiguousarray(np.asarray(values).astype("<i8"))).hexdigest()
