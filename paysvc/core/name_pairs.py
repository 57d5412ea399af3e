"""Names compared in pairs, a million at a time: the same answers as `compare_names`, in columns.

All names of a side are folded as one text and read by a kernel. Almost every pair of a month's
run is then seen to be equal, or equal but for the accents that the bank did not write, without
a Python object per name; only the rest is taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from paysvc.domain.names import (
    ACCENTS_NOT_COMPARABLE,
    SAME_TEXT,
    WRITTEN_FORM,
    NameComparison,
    compare_names,
    fold,
)

if TYPE_CHECKING:
    from paysvc.core.name_kernel import Codes

#: Pairs handled at once: their code points stay within the processor's cache.
_CHUNK = 16_384
#: Fewer are compared one by one: no command should load the compiler for them.
COLUMNS_FROM = 256


def compare_pairs(left: Sequence[str], right: Sequence[str]) -> list[NameComparison]:
    """`compare_names` for every pair of two equally long lists; raises ValueError when they are not."""
    if len(left) != len(right):
        raise ValueError(f"lists of unequal length: {len(left)} and {len(right)}")
    # Two registers mostly have a name letter by letter; one that begins with a capital is a name.
    compared: list[NameComparison | None] = [
        SAME_TEXT if one == other and one[:1].isupper() else None for one, other in zip(left, right, strict=True)
    ]
    rows = [row for row, answer in enumerate(compared) if answer is None]
    compare = _compare_chunk if len(rows) >= COLUMNS_FROM else _compare_each
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        answers = compare([left[row] for row in chunk], [right[row] for row in chunk])
        for row, answer in zip(chunk, answers, strict=True):
            compared[row] = answer
    return [answer for answer in compared if answer is not None]


def _compare_each(left: Sequence[str], right: Sequence[str]) -> list[NameComparison]:
    return list(map(compare_names, left, right))


def _compare_chunk(left: Sequence[str], right: Sequence[str]) -> list[NameComparison]:
    from paysvc.core.name_kernel import settle

    # In the order of the kernel's answers.
    known = (None, SAME_TEXT, WRITTEN_FORM, ACCENTS_NOT_COMPARABLE)
    settled = settle(_folded(left), _folded(right)).tolist()
    return [known[answer] or compare_names(left[row], right[row]) for row, answer in enumerate(settled)]


def _folded(texts: Sequence[str]) -> Codes:
    """The code points of all names, folded, each name ended by a line end."""
    lines = "\n".join(texts) + "\n"
    if lines.count("\n") != len(texts):
        lines = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
    return np.frombuffer(fold(lines).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
