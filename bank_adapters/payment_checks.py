"""Which payments a dialect cannot carry: whole columns are looked at, rows only where one does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from unicodedata import normalize

import numpy as np

from paysvc.bank_interface import EncodingImpossible, EncodingProblem
from paysvc.core.messages import PaymentBatch
from paysvc.core.text_column import Bool, Int64, TextColumn

#: Letters, digits and hyphen: what every rail passes on unchanged.
REFERENCE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
#: paysvc.domain.identifiers.is_account_number
ACCOUNT = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.-"
DIGITS = b"0123456789"
#: Printable ASCII without the space.
PRINTABLE = bytes(range(0x21, 0x7F))


class Complaints:
    """Collects what does not fit, to say all of it at once and write nothing."""

    def __init__(self, batch: PaymentBatch) -> None:
        self._batch = batch
        self._problems: list[EncodingProblem] = []

    def add(self, rows: Iterable[int], field: str, message: str) -> None:
        self._problems += [EncodingProblem(int(row), field, message) for row in rows]

    def add_each(self, field: str, problems: Mapping[int, str]) -> None:
        """One complaint per row in `problems`, which gives the message."""
        self._problems += [EncodingProblem(row, field, message) for row, message in problems.items()]

    def require_batch(self, fits: bool, field: str, message: str) -> None:
        """A header that cannot be written makes every payment under it impossible."""
        if not fits:
            self.add(range(max(len(self._batch.payments), 1)), field, message)

    def require_characters(self, field: str, allowed: bytes, least: int, most: int) -> None:
        """Every value of the column has `least` to `most` characters, all of them `allowed`."""
        column: TextColumn = getattr(self._batch.payments, field)
        rows = rows_outside(column, allowed, least, most)
        span = str(least) if least == most else f"{least} to {most}"
        self.add(rows, field, f"The field has to be {span} of the characters that this bank takes.")

    def require_amounts(self, most: int) -> None:
        """Every amount is from 1 to `most` đồng."""
        amounts = self._batch.payments.amount_vnd
        self.add(
            np.flatnonzero((amounts < 1) | (amounts > most)), "amount_vnd", f"The amount has to be 1 to {most} đồng."
        )

    def stop_if_any(self) -> None:
        """Raise `EncodingImpossible`, in the order of the batch, when there was anything."""
        if self._problems:
            raise EncodingImpossible(sorted(self._problems, key=lambda one: (one.position, one.field)))


def rows_outside(column: TextColumn, allowed: bytes, least: int, most: int) -> list[int]:
    """Positions of values with a byte that is not `allowed`, or shorter or longer than that."""
    lengths = np.diff(column.offsets)
    wrong = (lengths < least) | (lengths > most)
    legal = np.zeros(256, dtype=np.bool_)
    legal[np.frombuffer(allowed, dtype=np.uint8)] = True
    wrong[_rows_marked(column, ~legal)] = True
    return [int(row) for row in np.flatnonzero(wrong)]


def rows_with_control_characters(column: TextColumn) -> list[int]:
    """Positions of values with a control character (line ends among them), which no dialect carries."""
    control = np.zeros(256, dtype=np.bool_)
    control[:0x20] = control[0x7F] = True
    return [int(row) for row in np.unique(_rows_marked(column, control))]


def cut_texts(column: TextColumn, length: int) -> list[str]:
    """The values composed (NFC), without space around them, at most `length` characters long."""
    return [normalize("NFC", value).strip()[:length].rstrip() for value in column]


def _rows_marked(column: TextColumn, marked: Bool) -> Int64:
    """For every byte of the column that is marked, the row it stands in."""
    positions = np.flatnonzero(marked[column.data[: column.offsets[-1]]])
    return np.searchsorted(column.offsets, positions, side="right") - 1
