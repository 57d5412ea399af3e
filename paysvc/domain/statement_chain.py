"""Statements of one account follow one another without a gap, or they are not believed.

The closing balance of each is the opening balance of the next, days do not run backwards,
and where the bank numbers its statements the number rises by one (from 1 again in a new
year, as some banks do). The account may have lived before its first statement reached us.

What is believed is judged as a set: it holds when it can be laid out in such a row. Nothing
depends on the order of arrival, and where two statements join only because the balance
happens to be the same again, those that belong between them still find their place.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain as joined
from itertools import groupby, pairwise

from paysvc.domain.money import format_vnd


@dataclass(frozen=True, slots=True)
class Link:
    """What continuity needs of a statement. Balances in đồng; `name` is for people only.

    The days are those of its first and last balance; a bank may date the opening balance
    with the day before, so only `to_date` says where a statement stands.
    """

    sequence: int | None
    to_date: date | None
    opening_vnd: int
    closing_vnd: int
    from_date: date | None = None
    name: str = ""

    @property
    def order(self) -> tuple[date, int]:
        return (self.to_date or date.min, self.sequence or 0)


class Fit(StrEnum):
    """How statements go with those believed before them."""

    FITS = "fits"
    #: Another statement has to come first: wait.
    GAP = "statement_missing"
    #: It contradicts a neighbour: refuse.
    OPENING_DIFFERS = "opening_differs"
    CLOSING_DIFFERS = "closing_differs"
    NUMBER_USED = "number_used"


def fit(chain: Sequence[Link], new: Sequence[Link]) -> Fit:
    """Whether `chain` (any order) with all of `new` is a row, or they wait, or contradict it."""
    for place, one in enumerate(new):
        for other in joined(chain, new[:place]):
            found = _contradiction(other, one)
            if found:
                return found
    return Fit.GAP if breaks([*chain, *new]) else Fit.FITS


def follows(before: Link, after: Link) -> bool:
    """True when nothing in the two says that a statement is missing between them."""
    if before.closing_vnd != after.opening_vnd:
        return False
    if before.to_date and after.to_date and before.to_date > after.to_date:
        return False
    if before.sequence is None or after.sequence is None:
        return True
    return after.sequence == before.sequence + 1 or (after.sequence == 1 and _is_later_year(before, after))


def is_same_place(one: Link, other: Link) -> bool:
    """True when both stand at one place: one number in one year or, without a number, the same days."""
    if one.sequence is None or other.sequence is None:
        return one.to_date is not None and (one.from_date, one.to_date) == (other.from_date, other.to_date)
    return one.sequence == other.sequence and _is_same_year(one, other)


def in_row(links: Sequence[Link]) -> list[Link]:
    """`links` as they follow one another, as far as they do.

    Numbers tell the order within a day. Among statements of one day without numbers the
    balances tell: each has to be come to from the one before, and none may be left over.
    """
    is_dated = all(link.to_date for link in links)
    if all(link.sequence is not None for link in links):
        return sorted(links, key=lambda link: link.order if is_dated else (date.min, link.sequence or 0))
    by_day = sorted(links, key=lambda link: link.order) if is_dated else links
    days = [_glued(list(of_day)) for _, of_day in groupby(by_day, lambda link: link.to_date if is_dated else None)]
    row: list[Link] = []
    at = _first_balance(days)
    for runs in days:
        row += _walk(runs, at)
        at = row[-1].closing_vnd
    return row


def breaks(links: Sequence[Link]) -> list[tuple[Link, Link]]:
    """The neighbours, laid out in a row, that do not follow one another; [] when all do."""
    return [(before, after) for before, after in pairwise(in_row(links)) if not follows(before, after)]


def what_is_missing(chain: Sequence[Link], new: Sequence[Link]) -> str:
    """One sentence about where a statement is missing, when `fit` says GAP."""
    found = breaks([*chain, *new])
    own = {id(link) for link in new}
    before, after = next((pair for pair in found if id(pair[1]) in own or id(pair[0]) in own), found[0])
    return f"Between {_named(before)} and {_named(after)} is missing {_missing(before, after)}."


def together(chain: Sequence[Link], waiting: Sequence[Sequence[Link]]) -> list[int]:
    """Places in `waiting` (each the statements of one file) of files that fit only at once; [] for none.

    An account that had the same balance before and after some days shows no gap where those
    are missing. None of them fits then alone, but all of them lead from that balance back
    to it. No two of `waiting` say the same.
    """
    for places in _groups(chain, waiting):
        chosen = sorted(places)
        if fit(chain, [link for place in chosen for link in waiting[place]]) is Fit.FITS:
            return chosen
    return []


# --------------------------------------------------------------------------- two statements


def _contradiction(known: Link, new: Link) -> Fit | None:
    """What is wrong with `new` whatever else may come: only within a year are numbers certain."""
    if known.sequence is None or new.sequence is None or not _is_same_year(known, new):
        return None
    if new.sequence == known.sequence:
        return Fit.NUMBER_USED
    if new.sequence == known.sequence + 1 and new.opening_vnd != known.closing_vnd:
        return Fit.OPENING_DIFFERS
    if new.sequence == known.sequence - 1 and new.closing_vnd != known.opening_vnd:
        return Fit.CLOSING_DIFFERS
    return None


def _is_later_year(before: Link, after: Link) -> bool:
    """True when the last day of `after` is in a later year than the first of `before`."""
    first = before.from_date or before.to_date
    return first is not None and after.to_date is not None and first.year < after.to_date.year


def _is_same_year(one: Link, other: Link) -> bool:
    """True when both are surely of one year: their days are, or are the same, or are not named."""
    if one.to_date is None or other.to_date is None or (one.from_date, one.to_date) == (other.from_date, other.to_date):
        return True
    return len({day.year for link in (one, other) for day in (link.from_date, link.to_date) if day}) == 1


# -------------------------------------------------------------------- without numbers: one day


def _glued(of_day: list[Link]) -> list[list[Link]]:
    """Statements of one day in the order of their numbers; those whose numbers join stay together."""
    runs: list[list[Link]] = []
    for link in sorted(of_day, key=lambda one: one.sequence or 0):
        if runs and link.sequence is not None and runs[-1][-1].sequence is not None and follows(runs[-1][-1], link):
            runs[-1].append(link)
        else:
            runs.append([link])
    return runs


def _open_start(runs: list[list[Link]]) -> int | None:
    """The balance that a day leaves more often than it comes back to, or None for a closed round."""
    surplus = Counter(run[0].opening_vnd for run in runs)
    surplus.subtract(run[-1].closing_vnd for run in runs)
    return next((balance for balance, count in surplus.items() if count > 0), None)


def _first_balance(days: list[list[list[Link]]]) -> int:
    """The balance the row opens with: where days end as they began, one that all of them pass."""
    passed: set[int] | None = None
    for runs in days:
        start = _open_start(runs)
        if start is not None:
            return start
        balances = {run[0].opening_vnd for run in runs}
        passed = balances if passed is None else passed & balances
    return min(passed or {0})


def _walk(runs: list[list[Link]], at: int) -> list[Link]:
    """All of a day, each run once, beginning at the balance `at` where the day allows it.

    Hierholzer's way: go on while something leaves the balance that was reached, and put the
    rounds that were left out where the way passes them.
    """
    leaving: dict[int, list[list[Link]]] = {}
    for run in reversed(runs):
        leaving.setdefault(run[0].opening_vnd, []).append(run)
    start = _open_start(runs)
    row: list[Link] = []
    while any(leaving.values()):
        begin = at if start is None else start
        if not leaving.get(begin):
            begin = next(balance for balance, left in leaving.items() if left)
        way: list[list[Link]] = []
        path: list[tuple[int, list[Link]]] = [(begin, [])]
        while path:
            balance, run = path[-1]
            if leaving.get(balance):
                after = leaving[balance].pop()
                path.append((after[-1].closing_vnd, after))
            else:
                way.append(run)
                path.pop()
        row += [link for run in reversed(way) for link in run]
    return row


# ------------------------------------------------------------------------------ what waits


def _groups(chain: Sequence[Link], waiting: Sequence[Sequence[Link]]) -> Iterator[set[int]]:
    """Files that may fit together: first those that lead from a statement to the next one, then
    those up to a day, then all but one (which may be false)."""
    yield from _bridges(in_row(chain), waiting)
    by_day = sorted(
        (place for place, links in enumerate(waiting) if links),
        key=lambda place: max(link.order for link in waiting[place]),
    )
    for count in range(len(by_day), 1, -1):
        yield set(by_day[:count])
    for left_out in by_day:
        yield set(by_day) - {left_out}


def _bridges(row: list[Link], waiting: Sequence[Sequence[Link]]) -> Iterator[set[int]]:
    """The shortest way through waiting statements from each statement of the row to its next one."""
    leaving: dict[int, list[tuple[int, Link]]] = {}
    for place, links in enumerate(waiting):
        for link in links:
            leaving.setdefault(link.opening_vnd, []).append((place, link))
    for before, after in pairwise(row):
        reached: set[int] = set()
        ways = deque([(before, frozenset[int]())])
        while ways:
            at, places = ways.popleft()
            if places and follows(at, after):
                yield set(places)
                break
            for place, link in leaving.get(at.closing_vnd, ()):
                is_late = link.to_date and after.to_date and link.to_date > after.to_date
                if id(link) not in reached and not is_late and follows(at, link):
                    reached.add(id(link))
                    ways.append((link, places | {place}))


# --------------------------------------------------------------------------------- in words


def _named(link: Link) -> str:
    number = "the statement" if link.sequence is None else f"No. {link.sequence}"
    return (
        number + (f" of {link.to_date.isoformat()}" if link.to_date else "") + (f" ({link.name})" if link.name else "")
    )


def _missing(before: Link, after: Link) -> str:
    if before.sequence is not None and after.sequence is not None and _is_same_year(before, after):
        first, last = before.sequence + 1, after.sequence - 1
        if first == last:
            return f"No. {first}"
        if first < last:
            return f"No. {first} to No. {last}"
    return f"what leads from {format_vnd(before.closing_vnd)} to {format_vnd(after.opening_vnd)}"
