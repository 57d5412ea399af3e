"""Cutting a plan into files: whole, in one order, the same every time."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.batching import BatchLimits, content_sha256, cut, remittance

FRIDAY = date(2026, 12, 4)


def test_a_file_is_filled_in_the_order_of_the_ids_up_to_the_banks_limits() -> None:
    found = cut(["C", "A", "D", "B"], [300, 100, 400, 200], BatchLimits(max_payments=3, max_amount_vnd=500))
    assert [part.positions for part in found.parts] == [(1, 3), (0,), (2,)]
    assert [part.sum_vnd for part in found.parts] == [300, 300, 400]
    assert found.too_large == ()


def test_what_no_file_may_hold_is_named_and_not_cut() -> None:
    found = cut(["A", "B"], [501, 500], BatchLimits(10, 500))
    assert found.too_large == (0,)
    assert [part.positions for part in found.parts] == [(1,)]


def test_nothing_planned_makes_no_file() -> None:
    assert cut([], [], BatchLimits(10, 10)).parts == ()


@pytest.mark.parametrize("limits", [BatchLimits(0, 10), BatchLimits(10, 0)])
def test_a_bank_that_takes_nothing_is_a_mistake_in_its_settings(limits: BatchLimits) -> None:
    with pytest.raises(ValueError, match="takes no payment"):
        cut(["A"], [1], limits)


@given(
    st.lists(st.integers(1, 1000), max_size=60),
    st.integers(1, 7),
    st.integers(1, 1500),
    st.randoms(use_true_random=False),
)
def test_every_payment_is_in_one_place_and_the_order_of_the_list_does_not_matter(
    amounts: list[int], most: int, most_vnd: int, shuffler: object
) -> None:
    ids = [f"P{row:04d}" for row in range(len(amounts))]
    limits = BatchLimits(most, most_vnd)
    found = cut(ids, amounts, limits)
    placed = [position for part in found.parts for position in part.positions] + list(found.too_large)
    assert sorted(placed) == list(range(len(ids)))
    for part in found.parts:
        assert 1 <= part.count <= most
        assert part.sum_vnd == sum(amounts[position] for position in part.positions) <= most_vnd
    order = list(range(len(ids)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    shuffled = cut([ids[row] for row in order], [amounts[row] for row in order], limits)
    assert [[ids[order[position]] for position in part.positions] for part in shuffled.parts] == [
        [ids[position] for position in part.positions] for part in found.parts
    ]


def test_the_digest_speaks_of_everything_the_bank_is_told() -> None:
    said = {"end_to_end_id": ["P1", "P2"], "amount_vnd": ["500000", "1"], "creditor_name": ["NGUYEN VAN A", "B"]}

    def digest(
        cycle: str = "2026-12", bank: str = "AGRI", day: date = FRIDAY, purpose: str = "SSBE", **other: list[str]
    ) -> bytes:
        return content_sha256(cycle, bank, day, purpose, {**said, **other})

    others = [
        digest(cycle="2026-11"),
        digest(bank="VCB"),
        digest(day=date(2026, 12, 5)),
        digest(purpose="PENS"),
        digest(end_to_end_id=["P2", "P1"]),
        digest(amount_vnd=["500001", "1"]),
        digest(amount_vnd=["50000", "01"]),
        digest(creditor_name=["NGUYEN VAN", "AB"]),
    ]
    assert len({digest(), *others}) == 9


def test_the_payee_reads_the_programme_and_the_months() -> None:
    assert remittance("Trợ cấp xã hội", ["2027-01", "2026-12"]) == "Trợ cấp xã hội 12/2026, 01/2027"


def test_a_long_programme_name_gives_way_to_the_months() -> None:
    text = remittance("Trợ cấp " * 40, ["2026-12"])
    assert len(text) <= 140
    assert text.endswith(" 12/2026")
