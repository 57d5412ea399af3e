"""Columns that are in order as a whole, seen at once instead of cell by cell.

Nearly every column of a real list is, so the readers of single cells are asked only about
columns for which these say None. What they return is what those readers would.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

#: Takes the raw cells; returns the canonical texts, or None when a cell needs a closer look.
WholeColumn = Callable[[Sequence[str]], list[str] | None]

_CITIZEN_IDS = re.compile(r"(?:[0-9]{12}\n)*")
_HOLDER_IDS = re.compile(r"(?:[0-9]{12}\n|[0-9]{9}\n)*")
_ACCOUNTS = re.compile(r"(?:[0-9]{6,34}\n)*")


def _lines(pattern: re.Pattern[str]) -> WholeColumn:
    def whole(cells: Sequence[str]) -> list[str] | None:
        text = "\n".join(cells) + "\n"
        values = text[:-1].split("\n")
        # A cell may itself hold a line break, and would then pass for two.
        return values if len(values) == len(cells) and pattern.fullmatch(text) else None

    return whole


def account_numbers(cells: Sequence[str]) -> list[str] | None:
    """Digits only, all from text cells."""
    return _lines(_ACCOUNTS)(cells) if set(map(type, cells)) == {str} else None


def names(cells: Sequence[str]) -> list[str] | None:
    """Printable, composed (NFC), starting with a letter, single spaces inside, not too long."""
    text = "|".join(cells)
    if not text.isprintable() or not unicodedata.is_normalized("NFC", text):
        return None
    starts = "".join([cell[:1] for cell in cells])
    is_clean = (
        len(starts) == len(cells)
        and starts.isalpha()
        and not text.endswith(" ")
        and " |" not in text
        and "  " not in text
        and max(map(len, cells)) <= 140
    )
    return list(cells) if is_clean else None


def blanks(cells: Sequence[str]) -> list[str] | None:
    """A column that nobody filled."""
    return None if any(cells) else list(cells)


WHOLE_COLUMNS: dict[str, WholeColumn] = {
    "citizen_id": _lines(_CITIZEN_IDS),
    "holder_id": _lines(_HOLDER_IDS),
    "account_number": account_numbers,
    "full_name": names,
    "holder_name": names,
    "old_id": blanks,
    "previous_id": blanks,
}
