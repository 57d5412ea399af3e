"""Which rows a bank file cannot carry, and what its texts look like when they are written.

A kernel looks at a whole column; single values are looked at only where it is not certain
of all of them.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from paysvc.core.proof import exact_sum
from paysvc.core.text_column import Int64, TextColumn, concatenate_text, frozen
from paysvc.domain.identifiers import is_bank_bin
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND

#: ISO 20022 Max35Text, Max34Text and Max140Text.
LONGEST_ID, LONGEST_ACCOUNT, LONGEST_NAME = 35, 34, 140

# What XML 1.0 cannot carry, and every other control or line separator, which no field may hold.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ID = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Columns of these alone need no look at single values; `_ID` allows more.
_PLAIN_ID = (string.ascii_letters + string.digits + "-").encode()
_PLAIN_ACCOUNT = bytes(range(0x21, 0x7F))
_DIGITS = string.digits.encode()
_BIN_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Unwritable:
    """One row that a bank file cannot carry; `position` counts from 0 in the batch."""

    position: int
    field: str
    message: str


class CannotBeWritten(ValueError):
    """The batch has rows that its file cannot carry; `problems` names each of them."""

    def __init__(self, problems: list[Unwritable]) -> None:
        super().__init__(f"{len(problems)} row(s) cannot be written, first {problems[0].field}")
        self.problems = problems


Column = TextColumn | Int64

#: What a rule finds: row and sentence of each value that cannot be written, and the column as it is
#: written (only where there is no such value).
Checked = tuple[list[tuple[int, str]], Column]
Rule = Callable[[Any], Checked]


def check_rows(columns: object, rules: Mapping[str, Rule]) -> tuple[list[Unwritable], dict[str, Column]]:
    """Every rule on its column of the bundle: what cannot be written, in the order of the rows, and
    the columns as they are written."""
    found, written = [], {}
    for field, rule in rules.items():
        problems, written[field] = rule(getattr(columns, field))
        found += [Unwritable(position, field, message) for position, message in problems]
    return sorted(found, key=lambda one: (one.position, one.field)), written


def amounts(column: Int64) -> Checked:
    wrong = np.flatnonzero((column < 1) | (column > MAX_PAYMENT_VND))
    return [(int(row), f"An amount is from 1 to {MAX_PAYMENT_VND} đồng.") for row in wrong], column


def end_to_end_ids(column: TextColumn) -> Checked:
    """Max35Text that every rail passes on, each once."""
    if _is_made_of(column, _PLAIN_ID, 1, LONGEST_ID) and _are_different(column):
        return [], column
    problems, seen = [], set()
    for row, value in enumerate(column):
        if not _is_id(value):
            problems.append((row, "An EndToEndId is 1 to 35 plain characters."))
        elif value in seen:
            problems.append((row, "An EndToEndId occurs twice."))
        seen.add(value)
    return problems, column


def mandate_ids(column: TextColumn) -> Checked:
    """Max35Text; one mandate may be used for several collections."""
    if _is_made_of(column, _PLAIN_ID, 1, LONGEST_ID):
        return [], column
    message = "A mandate is known by 1 to 35 plain characters."
    return [(row, message) for row, value in enumerate(column) if not _is_id(value)], column


def banks(column: TextColumn) -> Checked:
    if _is_made_of(column, _DIGITS, _BIN_LENGTH, _BIN_LENGTH):
        return [], column
    return [(row, "A bank is known by 6 digits.") for row, value in enumerate(column) if not is_bank_bin(value)], column


def accounts(column: TextColumn) -> Checked:
    """Max34Text without spaces."""
    if _is_made_of(column, _PLAIN_ACCOUNT, 1, LONGEST_ACCOUNT):
        return [], column
    message = "An account number has 1 to 34 characters."
    return [
        (row, message)
        for row, value in enumerate(column)
        if not 1 <= len(value) <= LONGEST_ACCOUNT or _UNWRITABLE.search(value) or value != value.strip()
    ], column


def signed_until(last: date, column: TextColumn) -> Checked:
    """Days on which mandates were signed, ISO text, none of them after `last`."""
    different, codes = column.categories()
    messages = [_wrong_signature(value, last) for value in different]
    wrong = np.flatnonzero(np.array(list(map(bool, messages)), np.bool_)[codes])
    return [(row, messages[codes[row]]) for row in wrong.tolist()], column


def names(column: TextColumn) -> Checked:
    return _texts(column, least=1)


def remittances(column: TextColumn) -> Checked:
    """As `names`, but a text may be empty."""
    return _texts(column, least=0)


def cut_name(name: str, length: int = LONGEST_NAME) -> str:
    """`name` in NFC and at most `length` characters, never parting a letter from its mark."""
    composed = unicodedata.normalize("NFC", name).strip()
    end = length
    while 0 < end < len(composed) and unicodedata.combining(composed[end]):
        end -= 1
    return composed[:end].rstrip()


def require_header(
    amounts_vnd: Int64, created_at: datetime, bank_bin: str, ids: Sequence[str], name: str, account: str
) -> None:
    """Raises ValueError for a head that cannot be written; bank, name and account are our own side's."""
    if not len(amounts_vnd):
        raise ValueError("an order without payments does not exist")
    if exact_sum(amounts_vnd) > MAX_TOTAL_VND:
        raise ValueError("the control sum is beyond every ledger")
    if created_at.tzinfo is None:
        raise ValueError("created_at needs an offset")
    limits = [*((one, LONGEST_ID) for one in ids), (name, LONGEST_NAME), (account, LONGEST_ACCOUNT)]
    if any(_UNWRITABLE.search(text) or not 1 <= len(text) <= limit for text, limit in limits):
        raise ValueError("an identification, our name or our account cannot be written")
    if not is_bank_bin(bank_bin):
        raise ValueError("our bank cannot be written")


def _is_id(value: str) -> bool:
    return bool(_ID.fullmatch(value)) and value == value.strip()


def _is_made_of(column: TextColumn, letters: bytes, least: int, most: int) -> bool:
    """Whether every text has `least` to `most` bytes, all of them among `letters`."""
    from paysvc.core.emit_kernels import holds_only

    is_letter = np.zeros(256, np.uint8)
    is_letter[np.frombuffer(letters, np.uint8)] = 1
    return bool(holds_only(frozen(column.data), frozen(column.offsets), is_letter, least, most))


def _are_different(column: TextColumn) -> bool:
    """Whether each text occurs once."""
    from paysvc.core.join_kernels import index

    return index(column) is not None


def _texts(column: TextColumn, least: int) -> Checked:
    """Texts as `cut_name` makes them; `least` is 1 where none may be empty, or else 0."""
    from paysvc.core.emit_kernels import mark_unusual

    is_unusual = np.zeros(len(column), np.bool_)
    if not mark_unusual(frozen(column.data), frozen(column.offsets), least, LONGEST_NAME, is_unusual):
        return [], column
    rows = np.flatnonzero(is_unusual)
    unusual = column.take(rows)
    # A text that everybody gets is looked at once.
    different = {value: (_wrong_text(value, least), cut_name(value)) for value in set(unusual)}
    problems = [
        (row, message) for row, value in zip(rows.tolist(), unusual, strict=True) if (message := different[value][0])
    ]
    written = TextColumn.of([different[value][1] for value in unusual])
    return problems, _replaced(column, rows, written)


def _wrong_text(value: str, least: int) -> str:
    if _UNWRITABLE.search(value):
        return "The text holds a control character."
    return "The text is empty." if len(cut_name(value)) < least else ""


def _replaced(column: TextColumn, rows: Int64, others: TextColumn) -> TextColumn:
    """The column with `others` in `rows`; bytes are moved by a kernel, for there may be a million texts."""
    from paysvc.core.spans import picked_texts

    both = concatenate_text([column, others])
    at = np.arange(len(column), dtype=np.int64)
    at[rows] = np.arange(len(column), len(both), dtype=np.int64)
    return picked_texts(both, at)


def _wrong_signature(value: str, last: date) -> str:
    try:
        signed = date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        signed = None
    if signed is None:
        return "A day is written as 2026-12-31."
    return "" if signed <= last else "A mandate is signed before it is used."
