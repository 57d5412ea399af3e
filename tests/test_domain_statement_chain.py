"""Which statement may follow which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paysvc.domain.statement_chain import Fit, Link, breaks, fit, in_row, together, what_is_missing
from tests.honest_statements import Stated, arrivals, honest_years


def link(number: int | None, opening: int, closing: int, day: date | None = None) -> Link:
    return Link(number, day or date(2026, 12, 1) + timedelta(days=number or 0), opening, closing)


CHAIN = [link(8, 100, 70), link(7, 150, 100), link(9, 70, 60)]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (link(10, 60, 50), Fit.FITS),
        (link(10, 61, 50), Fit.OPENING_DIFFERS),
        (link(6, 200, 150), Fit.FITS),
        (link(6, 200, 151), Fit.CLOSING_DIFFERS),
        (link(8, 100, 71), Fit.NUMBER_USED),
        (link(12, 50, 40), Fit.GAP),
        (link(12, 60, 40), Fit.GAP),
        (link(4, 300, 250), Fit.GAP),
        (link(10, 60, 50, date(2026, 12, 9)), Fit.GAP),
    ],
)
def test_a_numbered_statement_goes_at_either_end(new: Link, expected: Fit) -> None:
    assert fit(CHAIN, [new]) is expected


def test_any_statement_may_be_the_first_that_reaches_us() -> None:
    assert fit([], [link(217, 5, 9)]) is Fit.FITS


@pytest.mark.parametrize(
    ("opening", "closing", "day", "expected"),
    [
        (60, 50, 30, Fit.FITS),
        (60, 50, 9, Fit.GAP),
        (200, 150, 2, Fit.FITS),
        (200, 150, 8, Fit.FITS),
        (200, 150, 30, Fit.GAP),
        (61, 50, 30, Fit.GAP),
        # In between: only what leads back to the balance it leaves.
        (100, 100, 9, Fit.FITS),
        (100, 99, 9, Fit.GAP),
        (70, 70, 8, Fit.GAP),
    ],
)
def test_without_numbers_balances_and_days_tell(opening: int, closing: int, day: int, expected: Fit) -> None:
    chain = [Link(None, one.to_date, one.opening_vnd, one.closing_vnd) for one in CHAIN]
    assert fit(chain, [Link(None, date(2026, 12, day), opening, closing)]) is expected


def test_a_new_year_may_count_from_one_again() -> None:
    last = link(365, 10, 20, date(2026, 12, 31))
    first = link(1, 20, 30, date(2027, 1, 1))
    assert fit([last], [first]) is Fit.FITS
    assert fit([first], [last]) is Fit.FITS
    assert fit([last], [link(1, 25, 30, date(2027, 1, 1))]) is Fit.GAP
    assert fit([last, first], [link(2, 30, 31, date(2027, 1, 2))]) is Fit.FITS


def test_a_new_year_is_not_taken_for_the_old_one() -> None:
    """The first statement that ever came was No. 2; a year later No. 1 follows the last one."""
    old = [link(n, 100 * n, 100 * n + 100) for n in range(2, 20)]
    assert fit(old, [link(1, 2000, 7, date(2027, 1, 4))]) is Fit.FITS
    assert fit(old, [link(1, 2001, 7, date(2027, 1, 4))]) is Fit.GAP
    assert fit(old, [link(1, 100, 200, date(2026, 12, 1))]) is Fit.FITS


def test_a_number_that_overtakes_is_not_held_against_that_of_another_year() -> None:
    """The first that ever came was No. 230; a year later No. 229 comes before No. 228."""
    first_day = date(2026, 11, 1)
    chain = [link(n, n, n + 1, first_day + timedelta(days=n - 230)) for n in range(230, 260)]
    chain += [link(n, 259 + n, 260 + n, date(2027, 1, 3) + timedelta(days=n)) for n in range(1, 228)]
    late, early = (link(n, 259 + n, 260 + n, date(2027, 1, 3) + timedelta(days=n)) for n in (228, 229))
    assert fit(chain, [early]) is Fit.GAP
    assert fit(chain, [late]) is Fit.FITS
    assert fit([*chain, late], [early]) is Fit.FITS
    assert (
        what_is_missing(chain, [early]) == "Between No. 227 of 2027-08-18 and No. 229 of 2027-08-20 is missing No. 228."
    )


def test_three_in_one_day_without_numbers_are_put_in_order_by_their_balances() -> None:
    day, next_day = date(2026, 12, 1), date(2026, 12, 2)
    of_day = [Link(None, day, 0, 10), Link(None, day, 10, 20), Link(None, day, 20, 0), Link(None, day, 0, 5)]
    for rotated in range(4):
        chain: list[Link] = []
        for one in (of_day[rotated:] + of_day[:rotated])[::-1]:
            assert fit(chain, [one]) in (Fit.FITS, Fit.GAP)
            chain.append(one)
        assert breaks(chain) == []
        assert in_row(chain)[-1].closing_vnd == 5
    assert fit(of_day, [Link(None, next_day, 5, 6)]) is Fit.FITS
    assert fit(of_day, [Link(None, next_day, 0, 6)]) is Fit.GAP


def test_an_account_that_is_empty_between_payouts_is_put_in_order_by_its_days() -> None:
    first = Link(None, date(2026, 12, 1), 0, 500)
    third = Link(None, date(2026, 12, 3), 700, 0)
    assert fit([first], [third]) is Fit.GAP
    assert fit([first], [Link(None, date(2026, 12, 2), 500, 700)]) is Fit.FITS


def test_days_that_led_from_zero_to_zero_find_their_place_together() -> None:
    """Nothing showed that they were missing, and none of them fits alone."""
    chain = [Link(None, date(2026, 12, 1), 90, 0), Link(None, date(2026, 12, 9), 0, 7)]
    funding, paid = Link(None, date(2026, 12, 2), 0, 500), Link(None, date(2026, 12, 3), 500, 0)
    false = Link(None, date(2026, 12, 3), 500, 1)
    assert fit(chain, [funding]) is Fit.GAP
    assert what_is_missing(chain, [funding]).endswith(" is missing what leads from 500\u00a0₫ to 0\u00a0₫.")
    assert together(chain, [[paid], [false], [funding]]) == [0, 2]
    assert together(chain, [[false], [funding]]) == []


# ----------------------------------------------------------------------- any honest bank


class Row:
    """Believes as the office does, without a store."""

    def __init__(self) -> None:
        self.believed: list[Link] = []
        self.parked: list[list[Link]] = []
        self.refused: list[tuple[Fit, list[Link]]] = []

    def receive(self, *file: Link) -> None:
        self.parked.append(list(file))
        while self._go_on():
            assert breaks(self.believed) == []

    def _go_on(self) -> bool:
        for file in self.parked:
            new = self._unsaid(file)
            found = fit(self.believed, new) if new else Fit.FITS
            if found is not Fit.GAP:
                self.parked.remove(file)
                if found is Fit.FITS:
                    self.believed += new
                else:
                    self.refused.append((found, file))
                return True
        waiting: list[list[Link]] = []
        for file in self.parked:
            before = [one for links in waiting for one in links]
            waiting.append([one for one in self._unsaid(file) if not any(is_said(one, other) for other in before)])
        chosen = together(self.believed, waiting)
        for place in chosen:
            self.believed += waiting[place]
        self.parked = [file for place, file in enumerate(self.parked) if place not in chosen]
        return bool(chosen)

    def _unsaid(self, file: Sequence[Link]) -> list[Link]:
        return [one for one in file if not any(is_said(one, other) for other in self.believed)]


def is_said(one: Link, other: Link) -> bool:
    return one.name.removesuffix("-AGAIN") == other.name.removesuffix("-AGAIN")


def names(links: Sequence[Link]) -> list[str]:
    return sorted(one.name.removesuffix("-AGAIN") for one in links)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_honest_bank_is_believed_in_whatever_order_it_comes(data: st.DataObject) -> None:
    year = data.draw(honest_years())
    row = Row()
    for file in data.draw(arrivals(year)):
        row.receive(*[one.link for one in file])
    assert row.refused == []
    assert row.parked == []
    assert names(row.believed) == names([one.link for one in year])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_false_statement_is_never_believed_and_stops_no_honest_one(data: st.DataObject) -> None:
    year = data.draw(honest_years())
    files = data.draw(arrivals(year))
    row, false = Row(), data.draw(false_ones(year))
    # Whatever comes first of all is believed: it has nothing to contradict.
    after = data.draw(st.integers(0, len(files)))
    for file in files:
        if row.believed and after <= 0 and not is_said_in(row, false):
            row.receive(false)
        row.receive(*[one.link for one in file])
        after -= 1
    row.receive(false)
    assert names(row.believed) == names([one.link for one in year])
    assert all(one == false for _, file in row.refused for one in file)
    assert all(file == [false] for file in row.parked)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_forged_day_between_those_that_are_there_is_not_believed(data: st.DataObject) -> None:
    """It opens with the right balance, at its place, and leads nowhere."""
    year = [one.link for one in data.draw(honest_years())]
    row = Row()
    for one in year:
        row.receive(one)
    between = [one for one in year if one.to_date != year[-1].to_date]
    assume(between)
    true = data.draw(st.sampled_from(between))
    row.receive(replace(true, name="FALSE", closing_vnd=true.closing_vnd + 3))
    assert names(row.believed) == names(year)


@st.composite
def false_ones(draw: st.DrawFn, year: Sequence[Stated]) -> Link:
    """One of the year's days with balances that no honest statement has, the total right or wrong."""
    true = draw(st.sampled_from(year)).link
    opening, closing = true.opening_vnd + 3, true.closing_vnd + draw(st.sampled_from((3, 4)))
    return replace(true, name="FALSE", opening_vnd=opening, closing_vnd=closing)


def is_said_in(row: Row, link: Link) -> bool:
    return any(link in file for file in row.parked) or any(link in file for _, file in row.refused)
