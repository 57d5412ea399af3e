"""Which seeded fault is caught at which level, how soon and by what, as a table for docs/proving.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: In a cell: the fault cannot be built into what this level runs; and nobody let it run there.
CANNOT, NOT_TRIED = "-", "not tried"

#: A cell's words about what noticed a fault are cut after so many letters.
_WORDS = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """One fault alone at one level on one database. `noticed` is what was found, or "" for nothing;
    `is_story` says that one of the model's told stories broke."""

    database: str
    seconds: float
    noticed: str
    is_story: bool = False

    @property
    def is_caught(self) -> bool:
        return bool(self.noticed)


def head(levels: Sequence[str]) -> Iterator[str]:
    yield f"| seeded fault | {' | '.join(levels)} | what notices it |"
    yield "|---" * (len(levels) + 2) + "|"


def row(name: str, cells: Iterable[str | Sequence[Attempt]]) -> str:
    """One fault's line; a cell is `CANNOT`, `NOT_TRIED`, or what was tried there."""
    shown, noticed = [], []
    for cell in cells:
        if isinstance(cell, str):
            shown.append(cell)
            continue
        shown.append(", ".join(_shown(one, names_database=len(cell) > 1) for one in cell))
        noticed += [_in_short(one.noticed) for one in cell if one.is_caught]
    return f"| {name} | {' | '.join(shown)} | {'; '.join(dict.fromkeys(noticed))} |"


def _shown(one: Attempt, *, names_database: bool) -> str:
    told = f"{one.seconds:.0f} s" if one.is_caught else f"not caught in {one.seconds:.0f} s"
    if one.is_story:
        told = f"stories {told}"
    return f"{one.database} {told}" if names_database else told


def _in_short(noticed: str) -> str:
    """The first line of a violation, without `LEVEL DATABASE SEED: ` and fit for a table's cell."""
    first = re.sub(r"^[a-z-]+ [a-z]+ \d+: ", "", noticed).split("\n")[0].split("; ")[0].replace("|", "/").strip()
    return first if len(first) <= _WORDS else first[: _WORDS - 1].rstrip() + "…"
