"""What an honest bank states of one account, in every style of numbering, and how it may arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from hypothesis import strategies as st

from paysvc.domain.statement_chain import Link

#: Name, đồng and direction of a booked line; its bank reference may be "".
Line = tuple[str, int, bool, str]

STYLES = ("through", "yearly", "none")


@dataclass(frozen=True, slots=True)
class Stated:
    """One statement: where it stands and its booked lines."""

    link: Link
    lines: tuple[Line, ...]


@st.composite
def honest_years(draw: st.DrawFn, most: int = 12) -> list[Stated]:
    """The statements around a turn of the year, in their order.

    Up to three a day and days without any, empty ones, fees, and an account that is often at
    zero. The opening balance is dated with its own day, the day before, or the last statement's.
    """
    style = draw(st.sampled_from(STYLES))
    eve = draw(st.sampled_from(("own", "day before", "last")))
    is_marked = draw(st.booleans())
    days = [
        date(2026, 12, 26) + timedelta(days=30 * month + day)
        for month in range(draw(st.integers(1, 2)))
        for day in sorted(draw(st.sets(st.integers(0, 14), min_size=1, max_size=most // 2)))
        for _ in range(draw(st.integers(1, 3)))
    ][:most]
    number = draw(st.integers(0, 5) | st.integers(200, 240))
    balance = draw(st.sampled_from((0, 0, 10, 30)))
    year: list[Stated] = []
    last = days[0]
    for place, day in enumerate(days):
        number = 1 if style == "yearly" and day.year > last.year else number + 1
        nets = draw(st.sampled_from(([], [10], [-10], [-balance], [20, -10], [10, -10], [30, -balance - 30], [-1, 1])))
        lines = tuple(
            (f"E{place}-{row}", abs(net), net < 0, f"B{place}-{row}" if is_marked else "")
            for row, net in enumerate(nets)
            if net
        )
        closing = balance + sum(nets)
        start = {"own": day, "day before": day - timedelta(days=1), "last": last}[eve]
        sequence = None if style == "none" else number
        year.append(Stated(Link(sequence, day, balance, closing, start, f"S{place}"), lines))
        balance, last = closing, day
    return year


@st.composite
def arrivals(draw: st.DrawFn, year: Sequence[Stated]) -> list[tuple[Stated, ...]]:
    """Files with these statements in any order: some with two, some again in another file or under another id."""
    order = draw(st.permutations(range(len(year))))
    files: list[tuple[Stated, ...]] = []
    while order:
        count = draw(st.sampled_from((1, 1, 1, 2)))
        files.append(tuple(year[place] for place in order[:count]))
        order = order[count:]
    for file in draw(st.lists(st.sampled_from(files), max_size=3)):
        again = tuple(replace(one, link=replace(one.link, name=f"{one.link.name}-AGAIN")) for one in file)
        files.insert(draw(st.integers(0, len(files))), draw(st.sampled_from((file, again))))
    return files
