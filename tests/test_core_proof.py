"""A statement whose figures do not agree is not believed, and the reason is a sentence with the figures."""

from __future__ import annotations

import pytest

from paysvc.core.messages import Statement
from paysvc.core.proof import problems_of
from paysvc.core.scan_camt import read_camt
from tests.iso_papers import OPENING, Booking, statement

ENTRIES = (
    [Booking("P1", 300_000), Booking("P2", 200_000)],
    Booking("P3", 100_000),
    Booking("P1", 300_000, debit=False),
    Booking("P4", 40_000, status="PDNG"),
)
#: Debits booked 600,000 in two entries, credits 300,000 in one; 40,000 more are pending.
CLOSING = OPENING - 300_000


def read(**changes: object) -> Statement:
    return read_camt(statement(*ENTRIES, **changes))[1][0]  # type: ignore[arg-type]


def summary(count: int, total: int, credit: tuple[int, int], debit: tuple[int, int], net: int = -300_000) -> str:
    return (
        f"<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries><Sum>{total}</Sum><TtlNetNtry><Amt>{abs(net)}</Amt>"
        f"<CdtDbtInd>{'DBIT' if net < 0 else 'CRDT'}</CdtDbtInd></TtlNetNtry></TtlNtries>"
        f"<TtlCdtNtries><NbOfNtries>{credit[0]}</NbOfNtries><Sum>{credit[1]}</Sum></TtlCdtNtries>"
        f"<TtlDbtNtries><NbOfNtries>{debit[0]}</NbOfNtries><Sum>{debit[1]}</Sum></TtlDbtNtries></TxsSummry>"
    )


def test_opening_and_booked_movements_give_the_closing_balance() -> None:
    assert problems_of(read()) == []
    assert read().proof.closing_vnd == CLOSING


@pytest.mark.parametrize("wrong", [CLOSING + 1, CLOSING - 1, CLOSING - 40_000, -CLOSING])
def test_a_balance_that_is_one_dong_off_is_not_believed(wrong: int) -> None:
    (problem,) = problems_of(read(closing=wrong))
    assert "Opening 1.000.000.000.000\u00a0₫ + credits 300.000\u00a0₫ − debits 600.000\u00a0₫" in problem
    assert "= 999.999.700.000\u00a0₫, but the statement closes with" in problem


def test_claims_may_be_over_booked_entries_or_over_all() -> None:
    booked = summary(3, 900_000, (1, 300_000), (2, 600_000))
    everything = summary(4, 940_000, (1, 300_000), (3, 640_000))
    assert problems_of(read(summary=booked)) == []
    assert problems_of(read(summary=everything)) == []


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        (summary(5, 900_000, (1, 300_000), (2, 600_000)), "number of entries"),
        (summary(3, 900_001, (1, 300_000), (2, 600_000)), "sum of entries"),
        (summary(3, 900_000, (1, 300_001), (2, 600_000)), "sum of credits"),
        (summary(3, 900_000, (1, 300_000), (2, 600_001)), "sum of debits"),
        (summary(3, 900_000, (2, 300_000), (2, 600_000)), "2 credits"),
        (summary(3, 900_000, (1, 300_000), (1, 600_000)), "1 debits"),
        (summary(3, 900_000, (1, 300_000), (2, 600_000), net=300_000), "net movement"),
    ],
)
def test_totals_that_lie_are_named(lie: str, word: str) -> None:
    (problem,) = problems_of(read(summary=lie))
    assert word in problem


def test_without_balances_nothing_is_proved() -> None:
    content = statement(*ENTRIES)
    without = content.replace(b"<Cd>CLBD</Cd>", b"<Cd>CLAV</Cd>")
    assert problems_of(read_camt(without)[1][0]) == ["The statement names no closing balance, so nothing proves it."]


def test_two_different_closing_balances_are_a_contradiction() -> None:
    content = statement(*ENTRIES)
    at = content.index(b"<TxsSummry>") if b"<TxsSummry>" in content else content.index(b"<Ntry>")
    start = content.rindex(b"<Bal>", 0, at)
    second = content[start:at].replace(str(CLOSING).encode(), b"5")
    assert "two different balances CLBD" in " ".join(problems_of(read_camt(content[:at] + second + content[at:])[1][0]))


def test_an_account_in_another_currency_is_not_ours() -> None:
    content = statement(Booking("P1", currency="USD"), closing=OPENING - 500_000).replace(b"VND", b"USD")
    assert problems_of(read_camt(content)[1][0]) == ["The account is kept in USD, not in VND."]


@pytest.mark.parametrize("closing", [OPENING, OPENING - 500_000])
def test_a_foreign_entry_may_be_in_the_balance_or_not(closing: int) -> None:
    content = statement(Booking("P1", currency="USD"), closing=closing)
    assert problems_of(read_camt(content)[1][0]) == []


def test_sums_beyond_64_bits_are_still_sums() -> None:
    rows = [Booking(f"P{n}", 9_999_999_999_999) for n in range(2_000)]
    found = read_camt(statement(*rows, opening=0, closing=0))[1][0]
    assert "debits 19.999.999.999.998.000" in problems_of(found)[0]
