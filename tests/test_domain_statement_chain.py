"""Which statement may follow which."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from paysvc.domain.statement_chain import Fit, Link, fit


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
        (link(4, 300, 250), Fit.GAP),
    ],
)
def test_a_numbered_statement_goes_at_either_end(new: Link, expected: Fit) -> None:
    assert fit(CHAIN, new) is expected


def test_any_statement_may_be_the_first_that_reaches_us() -> None:
    assert fit([], link(217, 5, 9)) is Fit.FITS


@pytest.mark.parametrize(
    ("opening", "closing", "expected"), [(60, 50, Fit.FITS), (200, 150, Fit.FITS), (61, 50, Fit.GAP)]
)
def test_without_numbers_only_the_balances_join(opening: int, closing: int, expected: Fit) -> None:
    chain = [Link(None, one.to_date, one.opening_vnd, one.closing_vnd) for one in CHAIN]
    assert fit(chain, Link(None, date(2026, 12, 30), opening, closing)) is expected


def test_a_new_year_may_count_from_one_again() -> None:
    last = link(365, 10, 20, date(2026, 12, 31))
    first = link(1, 20, 30, date(2027, 1, 1))
    assert fit([last], first) is Fit.FITS
    assert fit([first], last) is Fit.FITS
    assert fit([last], link(1, 25, 30, date(2027, 1, 1))) is Fit.GAP
    assert fit([last, first], link(2, 30, 31, date(2027, 1, 2))) is Fit.FITS
