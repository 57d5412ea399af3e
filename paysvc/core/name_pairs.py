"""Names compared in pairs, a million at a time: the same answers as `compare_names`, in columns.

All names of a side are laid out as one array of code points, a line each, and folded at once.
Almost every pair of a month's run is then seen to be equal, or equal but for the accents that
the bank did not write, without a Python object per name; only the rest is taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paysvc.core.columns import Bool, Int64
from paysvc.domain.names import (
    ACCENTS_NOT_COMPARABLE,
    SAME_TEXT,
    NameComparison,
    base_letter,
    compare_names,
    fold,
    spelled_letter,
)

_Codes = NDArray[np.uint32]

#: Pairs handled at once: their code points stay within the processor's cache.
_CHUNK = 16_384

_LINE_END, _SPACE = 10, 32
#: No letter has the highest code; it marks those that fall away.
_NOTHING = 0xFFFFFFFF


def compare_pairs(left: Sequence[str], right: Sequence[str]) -> list[NameComparison]:
    """`compare_names` for every pair of two equally long lists; raises ValueError when they are not."""
    if len(left) != len(right):
        raise ValueError(f"lists of unequal length: {len(left)} and {len(right)}")
    # Two registers mostly have a name letter by letter; one that begins with a capital is a name.
    compared: list[NameComparison | None] = [
        SAME_TEXT if one == other and one[:1].isupper() else None for one, other in zip(left, right, strict=True)
    ]
    rows = [row for row, answer in enumerate(compared) if answer is None]
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        answers = _compare_chunk([left[row] for row in chunk], [right[row] for row in chunk])
        for row, answer in zip(chunk, answers, strict=True):
            compared[row] = answer
    return [answer for answer in compared if answer is not None]


def _compare_chunk(left: Sequence[str], right: Sequence[str]) -> list[NameComparison]:
    one, other = _names(left), _names(right)
    is_simple = one.is_simple & other.is_simple
    same_text = is_simple & _equal_rows(one.written, other.written)
    accents_missing = is_simple & (one.is_plain != other.is_plain) & _equal_rows(one.base, other.base)
    compared: list[NameComparison | None] = [None] * len(left)
    for known, answer in ((accents_missing, ACCENTS_NOT_COMPARABLE), (same_text, SAME_TEXT)):
        for row in np.flatnonzero(known).tolist():
            compared[row] = answer
    return [answer or compare_names(left[row], right[row]) for row, answer in enumerate(compared)]


@dataclass(frozen=True, slots=True)
class _Names:
    """One side: code points of all names, each ended by a line end; flags are one a name.

    `is_plain` is written without accents; `is_simple` has a letter, and nothing that needs to
    be taken apart: no remark in brackets, no mark that belongs to no letter.
    """

    written: _Codes
    base: _Codes
    is_plain: Bool
    is_simple: Bool


def _names(texts: Sequence[str]) -> _Names:
    lines = "\n".join(texts) + "\n"
    if lines.count("\n") != len(texts):
        lines = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
    codes = np.frombuffer(fold(lines).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    written = _collapsed(_mapped(codes, _single_space))
    spelled = _collapsed(_mapped(written, spelled_letter))
    base = _mapped(spelled, base_letter)
    is_simple = np.diff(np.flatnonzero(base == _LINE_END), prepend=-1) > 1
    is_simple[np.searchsorted(np.flatnonzero(written == _LINE_END), _unusual(written))] = False
    return _Names(written, base, _equal_rows(spelled, base), is_simple)


def _unusual(written: _Codes) -> Int64:
    """Where brackets and left-over marks lie; there are hardly ever any."""
    letters = map(chr, _distinct(written))
    unusual = [ord(one) for one in letters if one in "([{" or not base_letter(spelled_letter(one))]
    return np.flatnonzero(np.isin(written, unusual)) if unusual else np.zeros(0, dtype=np.int64)


def _distinct(codes: _Codes) -> list[int]:
    return np.flatnonzero(np.bincount(codes)).tolist()


def _single_space(letter: str) -> str:
    return " " if letter.isspace() else letter


def _mapped(codes: _Codes, letter: Callable[[str], str]) -> _Codes:
    """Every letter replaced by `letter` of it (one letter or none), which is asked once for each."""
    table = np.zeros(int(codes.max()) + 1, dtype=np.uint32)
    for code in _distinct(codes):
        replaced = letter(chr(code))
        table[code] = ord(replaced) if replaced else _NOTHING
    table[_LINE_END] = _LINE_END
    mapped = table[codes]
    return mapped[mapped != _NOTHING] if _NOTHING in table else mapped


def _collapsed(codes: _Codes) -> _Codes:
    """Without spaces at either end of a line, and one between words."""
    is_space = codes == _SPACE
    before = np.concatenate((np.array([_LINE_END], dtype=np.uint32), codes[:-1]))
    needless = is_space & ((before == _SPACE) | (before == _LINE_END))
    if needless.any():
        codes = codes[~needless]
        is_space = codes == _SPACE
    at_end = is_space[:-1] & (codes[1:] == _LINE_END)
    return codes[~np.append(at_end, False)] if at_end.any() else codes


def _equal_rows(one: _Codes, other: _Codes) -> Bool:
    """For each line whether it is the same in both."""
    one_ends, other_ends = np.flatnonzero(one == _LINE_END), np.flatnonzero(other == _LINE_END)
    one_lengths, other_lengths = np.diff(one_ends, prepend=-1), np.diff(other_ends, prepend=-1)
    equal: Bool = one_lengths == other_lengths
    if not equal.any():
        return equal
    # Lines of equal length lie at equal places once the others are left out.
    one, other = one[np.repeat(equal, one_lengths)], other[np.repeat(equal, other_lengths)]
    lengths = one_lengths[equal]
    starts = np.cumsum(lengths) - lengths
    equal[equal] = np.logical_and.reduceat(one == other, starts)
    return equal
