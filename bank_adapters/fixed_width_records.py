"""Records of exactly 200 ASCII characters and CR LF, as a matrix: a field is a block of columns.

Text is left-aligned and space-filled, a number right-aligned and zero-filled. A hundred
thousand records are one array, and a field of all of them is one operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import numpy as np

from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8
from paysvc.domain.errors import FileRefused

RECORD_LENGTH = 200
WITH_LINE_END = RECORD_LENGTH + 2
_SPACE, _ZERO = 0x20, 0x30


class RecordWriter:
    """Writes equally built records, field after field from the left."""

    def __init__(self, count: int, kind: bytes) -> None:
        self._matrix = np.full((count, WITH_LINE_END), _SPACE, dtype=np.uint8)
        self._matrix[:, RECORD_LENGTH:] = (0x0D, 0x0A)
        self._matrix[:, 0] = kind[0]
        self._at = 1

    def text(self, values: TextColumn, width: int) -> None:
        """ASCII texts; the caller made them fit."""
        lengths = np.diff(values.offsets)
        rows = np.repeat(np.arange(len(values)), lengths)
        within = np.arange(int(values.offsets[-1])) - np.repeat(values.offsets[:-1], lengths)
        self._matrix[rows, self._at + within] = values.data[: values.offsets[-1]]
        self._at += width

    def number(self, values: Int64, width: int) -> None:
        """Whole numbers from 0 that have at most `width` digits."""
        rest = values.copy()
        for column in range(self._at + width - 1, self._at - 1, -1):
            rest, digit = np.divmod(rest, 10)
            self._matrix[:, column] = _ZERO + digit
        self._at += width

    def content(self) -> bytes:
        return self._matrix.tobytes()


class RecordReader:
    """Reads equally built records, field after field; `first_line` is where they stand in the file."""

    def __init__(self, matrix: UInt8, first_line: int) -> None:
        self._matrix = matrix
        self._first_line = first_line
        self._at = 1

    def __len__(self) -> int:
        return len(self._matrix)

    def text(self, width: int) -> TextColumn:
        """The field without the spaces that fill it."""
        block = self._block(width)
        used: Int64 = width - np.argmax(block[:, ::-1] != _SPACE, axis=1)
        used = np.where((block == _SPACE).all(axis=1), 0, used)
        offsets = np.zeros(len(block) + 1, dtype=np.int64)
        np.cumsum(used, out=offsets[1:])
        return TextColumn(block[np.arange(width) < used[:, None]], offsets)

    def number(self, width: int) -> Int64:
        """The field as a number; refuses the file where it is not all digits."""
        digits: UInt8 = self._block(width) - np.uint8(_ZERO)  # below '0' wraps round to a large value
        self.require(np.asarray((digits <= 9).all(axis=1)), "A number is not zero-filled digits.")
        total = np.zeros(len(digits), dtype=np.int64)
        for column in digits.T:
            total = total * 10 + column
        return total

    def filler(self) -> None:
        """The rest of the record, which has to be empty: what stands there was put in the wrong place."""
        blank = (self._block(RECORD_LENGTH - self._at) == _SPACE).all(axis=1)
        self.require(blank, "The filler of a record is not empty.")

    def require(self, fits: Bool, message: str) -> None:
        """Refuse the file at the first record that does not fit."""
        if not fits.all():
            self.refuse("line_malformed", message, int(np.argmin(fits)))

    def refuse(self, code: str, message: str, position: int = 0) -> NoReturn:
        raise FileRefused(code, message, place=f"line {self._first_line + position}")

    def _block(self, width: int) -> UInt8:
        block = self._matrix[:, self._at : self._at + width]
        self._at += width
        return block


class Records(NamedTuple):
    """A file taken apart; `name` is the format named in its header."""

    name: bytes
    header: RecordReader
    details: RecordReader
    trailer: RecordReader


def open_records(content: bytes, formats: Mapping[bytes, bytes]) -> Records:
    """Which of `formats` (name as in the header -> letter of its details), and header, details, trailer.

    Raises `FileRefused` unless all records are whole, plain ASCII, and in the order H, details, T.
    """
    if not content.strip():
        raise FileRefused("file_empty", "The file is empty.")
    name = content[1:9] if content[:1] == b"H" else b""
    if name not in formats:
        versions = {known[:7] for known in formats}
        code = "wrong_version" if content[:1] == b"H" and content[1:8] in versions else "wrong_message"
        raise FileRefused(code, "The file does not begin with a header of this dialect.", place="line 1")
    if len(content) % WITH_LINE_END:
        raise FileRefused("file_truncated", "The file is not made of whole records of 200 characters.")
    matrix = np.frombuffer(content, dtype=np.uint8).reshape(-1, WITH_LINE_END)
    whole = RecordReader(matrix, 1)
    whole.require(
        (matrix[:, RECORD_LENGTH:] == np.array([0x0D, 0x0A])).all(axis=1), "A record does not end with CR LF."
    )
    text = matrix[:, :RECORD_LENGTH]
    printable = ((text >= _SPACE) & (text < 0x7F)).all(axis=1)
    if not printable.all():
        whole.refuse("wrong_encoding", "A record holds something else than printable ASCII.", int(np.argmin(printable)))
    if len(matrix) < 2 or matrix[-1, 0] != ord("T"):
        whole.refuse("file_truncated", "The last record is not the trailer.", len(matrix) - 1)
    header, trailer = RecordReader(matrix[:1], 1), RecordReader(matrix[-1:], len(matrix))
    header.text(8)
    details = RecordReader(matrix[1:-1], 2)
    details.require(matrix[1:-1, 0] == formats[name][0], "A record between header and trailer is of another kind.")
    return Records(name, header, details, trailer)
