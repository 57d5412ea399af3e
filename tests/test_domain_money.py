"""Amounts as people, spreadsheets and banks write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.money import MAX_PAYMENT_VND, NotWholeDong, format_vnd, parse_iso_amount, parse_vnd


@pytest.mark.parametrize(
    ("written", "dong"),
    [
        ("500000", 500_000),
        ("500.000", 500_000),
        ("500,000", 500_000),
        ("500 000 đ", 500_000),
        ("1.234.567\u00a0₫", 1_234_567),
        ("1,234,567 VND", 1_234_567),
        ("  360000 ", 360_000),
        (str(MAX_PAYMENT_VND), MAX_PAYMENT_VND),
    ],
)
def test_what_people_write_is_read(written: str, dong: int) -> None:
    assert parse_vnd(written) == dong


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("500.5", "not_whole"),
        ("500,50", "not_whole"),
        ("1.234,567", "not_whole"),
        ("1.23.456", "not_whole"),
        ("5e5", "not_whole"),
        ("４００", "not_whole"),
        ("", "empty"),
        ("đ", "empty"),
        ("0", "zero"),
        ("-500000", "negative"),
        ("10000000000000", "too_large"),
    ],
)
def test_what_is_not_whole_dong_is_refused_and_never_rounded(written: str, reason: str) -> None:
    with pytest.raises(NotWholeDong) as refused:
        parse_vnd(written)
    assert refused.value.reason == reason


@pytest.mark.parametrize(("written", "dong"), [("500000", 500_000), ("500000.00", 500_000), (" 7 ", 7)])
def test_iso_amounts_may_carry_empty_decimals(written: str, dong: int) -> None:
    assert parse_iso_amount(written) == dong


@pytest.mark.parametrize("written", ["500.000", "500000.50", "-1", "", "1e5", "500,000", "10000000000000", "0"])
def test_iso_amounts_are_not_read_as_people_write(written: str) -> None:
    # In ISO 20022 the point is the decimal point: 500.000 is five hundred with empty decimals.
    if written == "500.000":
        assert parse_iso_amount(written) == 500
        return
    with pytest.raises(NotWholeDong):
        parse_iso_amount(written)


@given(st.integers(1, MAX_PAYMENT_VND))
def test_every_amount_we_show_can_be_typed_back(amount: int) -> None:
    assert parse_vnd(format_vnd(amount)) == amount


def test_money_looks_the_same_in_both_languages() -> None:
    assert format_vnd(1_234_567) == "1.234.567\u00a0₫"
