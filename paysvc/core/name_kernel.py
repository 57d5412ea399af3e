"""Which pairs of names are plainly equal: one compiled pass over their code points.

A pair that this does not settle (`APART`) is not refused: it is for `compare_names`. Settled
is only what needs no word of a name by itself, in letters below `_LETTERS`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paysvc.core.compiled import kernel
from paysvc.core.text_column import UInt8
from paysvc.domain.names import base_letter, spelled_letter

Codes = NDArray[np.uint32]

#: What the pass says of a pair.
APART, SAME_TEXT, WRITTEN_FORM, ACCENTS_NOT_COMPARABLE = range(4)

LINE_END, _SPACE = 10, 32
#: Letters up to here have an entry in the tables: Latin with all its marks, and punctuation.
_LETTERS = 0x3000


class _Alphabet(NamedTuple):
    """Per letter: as it is read, without accents, whether it is white space, and whether it needs a closer look."""

    spelled: Codes
    base: Codes
    is_space: UInt8
    is_odd: UInt8


@cache
def _alphabet() -> _Alphabet:
    letters = [chr(code) for code in range(_LETTERS)]
    spelled = [spelled_letter.__wrapped__(letter) for letter in letters]
    bases = [base_letter.__wrapped__(letter) for letter in spelled]
    return _Alphabet(
        spelled=np.array(list(map(ord, spelled)), dtype=np.uint32),
        # Of a spelled letter; what has no base is odd and never asked for.
        base=np.array([ord(base_letter.__wrapped__(letter) or " ") for letter in letters], dtype=np.uint32),
        is_space=np.array([letter.isspace() for letter in letters], dtype=np.uint8),
        # Remarks stand in brackets; a mark without a base belongs to no letter.
        is_odd=np.array([one in "([{" or not base for one, base in zip(letters, bases, strict=True)], dtype=np.uint8),
    )


def settle(one: Codes, other: Codes) -> UInt8:
    """What can be said of each pair of folded names, each ended by a line end, equally many a side."""
    one_ends, other_ends = np.flatnonzero(one == LINE_END), np.flatnonzero(other == LINE_END)
    longest = 1 + max(int(np.diff(ends, prepend=-1).max(initial=0)) for ends in (one_ends, other_ends))
    settled = np.empty(len(one_ends), dtype=np.uint8)
    scratch = np.empty((4, longest), dtype=np.uint32)
    _settle(one, one_ends, other, other_ends, *_alphabet(), scratch, settled)
    return settled


@kernel
def _settle(
    one: Any,
    one_ends: Any,
    other: Any,
    other_ends: Any,
    spelled: Any,
    base: Any,
    is_space: Any,
    is_odd: Any,
    scratch: Any,
    settled: Any,
) -> None:
    at = other_at = 0
    for row in range(len(settled)):
        end, other_end = one_ends[row], other_ends[row]
        written, length = _read(one, at, end, spelled, is_space, is_odd, scratch[0], scratch[1])
        other_written, other_length = _read(
            other, other_at, other_end, spelled, is_space, is_odd, scratch[2], scratch[3]
        )
        at, other_at = end + 1, other_end + 1
        settled[row] = APART
        if length == 0 or other_length == 0:
            continue
        if written == other_written and _same(scratch[0], scratch[2], written):
            settled[row] = SAME_TEXT
        elif length == other_length:
            settled[row] = _compare_spelled(scratch[1], scratch[3], length, base)


@kernel
def _read(codes: Any, at: Any, end: Any, spelled: Any, is_space: Any, is_odd: Any, written: Any, letters: Any) -> Any:
    """Lengths of the name as written and as spelled, white space collapsed in both; (0, 0) for an odd one."""
    long = length = 0
    for place in range(at, end):
        code = codes[place]
        if code >= _LETTERS or is_odd[code]:
            return 0, 0
        if not is_space[code]:
            written[long] = code
            long += 1
        elif long > 0 and written[long - 1] != _SPACE:
            written[long] = _SPACE
            long += 1
        letter = spelled[code]
        if letter != _SPACE or (length > 0 and letters[length - 1] != _SPACE):
            letters[length] = letter
            length += 1
    if long > 0 and written[long - 1] == _SPACE:
        long -= 1
    if length > 0 and letters[length - 1] == _SPACE:
        length -= 1
    return long, length


@kernel
def _same(one: Any, other: Any, length: Any) -> Any:
    is_same = True
    for place in range(length):
        is_same &= one[place] == other[place]
    return is_same


@kernel
def _compare_spelled(one: Any, other: Any, length: Any, base: Any) -> Any:
    is_same = is_plain = other_is_plain = True
    for place in range(length):
        letter, other_letter = one[place], other[place]
        without, other_without = base[letter], base[other_letter]
        if without != other_without:
            return APART
        is_same &= letter == other_letter
        is_plain &= letter == without
        other_is_plain &= other_letter == other_without
    if is_same:
        return WRITTEN_FORM
    return ACCENTS_NOT_COMPARABLE if is_plain != other_is_plain else APART
