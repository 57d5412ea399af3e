"""The mock bank's books: double entry, one answer per message id, fates that never change."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3
from collections import Counter as Tally
from datetime import date
from pathlib import Path

import pytest

from bank_adapters.mock_bank import banking_days
from bank_adapters.mock_bank.fate import MILLION, REASONS, Fates, Rates
from bank_adapters.mock_bank.figures import ledger_figures
from bank_adapters.mock_bank.ledger import Ledger, LedgerBroken
from tests.mock_bank_program import OPENING, Counter, found, ids, pain001, pay01, paycash1

TEN = ids(10)
SUM = sum(amount for _, amount in TEN)


@pytest.fixture
def bank(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


def test_every_booking_has_two_postings_that_sum_to_zero(tmp_path: Path) -> None:
    counter = Counter(tmp_path, return_rate=0.3, debit_twice=2, strays=1, unsolicited_credits=1)
    counter.bring(pain001(ids(50)))
    counter.work("2026-12-08")
    counter.figures()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as books:
        sums = books.execute("SELECT SUM(amount), COUNT(*) FROM posting GROUP BY booking_id").fetchall()
        (bookings,) = books.execute("SELECT COUNT(*) FROM booking").fetchone()
        (everything,) = books.execute("SELECT SUM(amount) FROM posting").fetchone()
    books.close()
    assert set(sums) == {(0, 2)}
    assert len(sums) == bookings > 60
    assert everything == 0


@pytest.mark.parametrize("statement", ["UPDATE booking SET amount = 1", "DELETE FROM booking", "DELETE FROM posting"])
def test_what_is_booked_stays_booked(bank: Counter, tmp_path: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="never"), sqlite3.connect(tmp_path / "ledger.sqlite") as books:
        books.execute(statement)
    books.close()
    assert bank.figures()["opening_vnd"] == OPENING


def test_the_check_sees_a_posting_that_is_missing_or_wrong(bank: Counter, tmp_path: Path) -> None:
    bank.bring(pain001(TEN))
    bank.work()
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "forged.sqlite")
    ledger = Ledger(tmp_path / "forged.sqlite")
    ledger.write("DROP TRIGGER posting_stays")
    ledger.write("UPDATE posting SET amount = amount + 1 WHERE booking_id = 5 AND account = 'payer'")
    with pytest.raises(LedgerBroken):
        ledger.check()
    ledger.write("UPDATE posting SET amount = amount - 1 WHERE booking_id = 5 AND account = 'payer'")
    ledger.check()
    ledger.write("UPDATE statement SET closing = closing + 1")
    assert ledger_figures(ledger)["integrity"] != "ok"
    ledger.close()


def test_what_was_received_is_paid_rejected_returned_or_outstanding(tmp_path: Path) -> None:
    counter = Counter(tmp_path, reject_rate=0.2, return_rate=0.2)
    counter.bring(pain001(ids(200)))
    counter.bring(pain001(ids(30, "B"), "M2", day="2026-12-21"), "M2.xml")
    counter.work("2026-12-09")
    figures = counter.figures()
    outcomes = figures["payments"]
    received = outcomes.pop("received")
    for figure in ("count", "amount_vnd", "debits_vnd", "credits_vnd"):
        assert sum(one[figure] for one in outcomes.values()) == received[figure]
    assert received["count"] == 230
    assert outcomes["outstanding"]["count"] + outcomes["rejected"]["count"] >= 30
    assert min(one["count"] for one in outcomes.values()) > 10
    assert figures["closing_vnd"] == OPENING - outcomes["paid"]["amount_vnd"]
    rows = list(csv.DictReader(io.StringIO(counter.bank.payments_csv())))
    assert Tally(row["outcome"] for row in rows) == {name: one["count"] for name, one in outcomes.items()}
    assert sum(int(row["debits_vnd"]) for row in rows) == received["debits_vnd"]


def test_the_same_bytes_again_are_answered_again_and_booked_once(bank: Counter) -> None:
    bank.bring(pain001(TEN))
    bank.work()
    bank.bring(pain001(TEN))
    assert bank.work()["taken"] == {"files": 0, "refused": 0, "repeated": 1, "accepted": 0, "rejected": 0, "recalls": 0}
    bank.bring(pain001(TEN), "another-name.xml")
    bank.work("2026-12-02")
    first, second, third = bank.papers("pain002")
    assert first == second == third
    assert bank.figures()["payments"]["received"]["count"] == 10
    assert bank.figures()["closing_vnd"] == OPENING - SUM


def test_other_bytes_under_a_known_message_id_are_refused_for_ever(bank: Counter) -> None:
    bank.bring(pain001(TEN))
    bank.work()
    bank.bring(pain001(ids(10, "B")))
    bank.work("2027-03-01")
    answer = bank.papers("pain002")[1]
    assert found(answer, "//GrpSts") == ["RJCT"]
    assert found(answer, "//Rsn/Cd") == ["DUPL"]
    assert bank.figures()["payments"]["received"]["count"] == 10
    # The file taken first stays in the archive; the other lies with its reason.
    assert (bank.bank.premises.archive / "M1.xml").read_bytes() == pain001(TEN)
    assert (bank.bank.premises.refused / "M1.xml.reason").read_text().startswith("DUPL ")


REFUSED = {
    "AM18 count": (pain001(TEN, count=9), "AM18"),
    "AM10 sum": (pain001(TEN, total=SUM + 1), "AM10"),
    "FF01 truncated": (pain001(TEN)[:-40], "FF01"),
    "FF01 empty": (b"", "FF01"),
    "FF01 another schema": (pain001(TEN).replace(b"pain.001.001.09", b"pain.001.001.03"), "FF01"),
    "FF01 a document type": (pain001(TEN).replace(b"<Document", b"<!DOCTYPE x [<!ENTITY a 'b'>]><Document"), "FF01"),
    "FF01 no account": (
        pain001(TEN).replace(b"<CdtrAcct><Id><Othr><Id>001100</Id></Othr></Id></CdtrAcct>", b""),
        "FF01",
    ),
    "FF01 negative": (pain001([("P1", -5)], total=-5), "FF01"),
    "AC02 account": (pain001(TEN, account="999"), "AC02"),
    "CH03 far ahead": (pain001(TEN, day="2027-03-01"), "CH03"),
    "DT01 no day": (pain001(TEN, day="2026-02-30"), "DT01"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_cannot_be_believed_is_refused_whole(bank: Counter, what: str) -> None:
    content, code = REFUSED[what]
    bank.bring(content)
    bank.bring(pain001(ids(10, "B"), "M2"), "M2.xml")
    assert bank.work()["taken"] == {
        "files": 1,
        "refused": 1,
        "repeated": 0,
        "accepted": 10,
        "rejected": 0,
        "recalls": 0,
    }
    assert (bank.bank.premises.refused / "M1.xml").read_bytes() == content
    assert (bank.bank.premises.refused / "M1.xml.reason").read_text().split()[0] == code
    assert found(bank.papers("pain002")[0], "//GrpSts") == ["RJCT"]
    assert found(bank.papers("pain002")[0], "//Rsn/Cd") == [code]
    assert set(bank.outcomes()) == {name for name, _ in ids(10, "B")}


def delimited_with(old: bytes, new: bytes) -> bytes:
    content = pay01(TEN)
    assert old in content
    return content.replace(old, new, 1)


@pytest.mark.parametrize(
    ("profile", "content", "code"),
    [
        ("delimited", delimited_with(b"|10|", b"|11|"), "FF01"),
        ("delimited", pay01(TEN).replace(b"\r\n", b"\n"), "FF01"),
        ("delimited", pay01(TEN)[:-90], "FF01"),
        ("delimited", pay01([("P1", 0), *TEN], account="1"), "AC02"),
        ("post", paycash1(TEN).replace(b"000000010", b"000000011", 1), "AM18"),
        ("post", paycash1(TEN).replace(f"{SUM:018d}".encode(), f"{SUM + 1:018d}".encode()), "AM10"),
        ("post", paycash1(TEN)[:-1], "FF01"),
        ("post", paycash1(TEN).replace(b"NGUYEN", b"NGUY\xcaN"), "FF01"),
    ],
)
def test_lists_that_cannot_be_believed_are_refused_whole(
    tmp_path: Path, profile: str, content: bytes, code: str
) -> None:
    counter = Counter(tmp_path, profile)
    counter.bring(content, "M1")
    counter.work()
    assert (counter.bank.premises.refused / "M1.reason").read_text().split()[0] == code
    assert counter.figures()["payments"]["received"]["count"] == 0


def test_payments_beyond_the_funds_are_rejected_one_by_one(tmp_path: Path) -> None:
    counter = Counter(tmp_path, opening=1_000_000)
    counter.bring(pain001([("P1", 600_000), ("P2", 600_000), ("P3", 400_000), ("P4", 1)]))
    counter.work()
    assert counter.outcomes() == {"P1": "paid", "P2": "rejected", "P3": "paid", "P4": "rejected"}
    assert found(counter.papers("pain002")[0], "//Rsn/Cd") == ["AM04", "AM04"]
    assert counter.figures()["closing_vnd"] == 0


def test_a_payment_in_another_currency_is_rejected(bank: Counter) -> None:
    bank.bring(pain001([("P1", 500)], currency="USD"))
    bank.work()
    assert found(bank.papers("pain002")[0], "//Rsn/Cd") == ["AM03"]


def test_a_payment_is_booked_on_its_value_date_or_the_next_banking_day(bank: Counter) -> None:
    # The fifth of December 2026 is a Saturday.
    bank.bring(pain001(TEN, day="2026-12-05"))
    assert bank.work("2026-12-06")["booked"] == {}
    assert set(found(bank.papers("pain002")[0], "//TxSts")) == {"ACSP"}
    assert bank.figures()["payments"]["outstanding"]["count"] == 10
    assert bank.work("2026-12-07")["booked"] == {"debit": {"count": 10, "amount_vnd": SUM}}


def test_a_closed_day_stays_closed(bank: Counter) -> None:
    bank.work("2026-12-03")
    bank.bring(pain001(TEN))
    assert bank.work("2026-12-01")["date"] == "2026-12-03"
    assert len(bank.papers("pain002")) == 1
    assert bank.figures()["payments"]["outstanding"]["count"] == 10
    bank.work("2026-12-04")
    assert bank.figures()["payments"]["paid"]["count"] == 10
    assert len(bank.papers("camt053")) == 4


def test_returns_come_back_one_to_five_working_days_later_with_their_reason(tmp_path: Path) -> None:
    counter = Counter(tmp_path, return_rate=1)
    counter.bring(pain001(ids(200)))
    days = [counter.work(f"2026-12-{day:02d}")["booked"].get("return", {}).get("count", 0) for day in range(1, 10)]
    assert days[0] == 0
    # Wednesday to Friday, no week-end, Monday and Tuesday.
    assert [bool(count) for count in days[1:]] == [True, True, True, False, False, True, True, False]
    assert sum(days) == 200
    reasons = {code for paper in counter.papers("camt053") for code in found(paper, "//RtrInf/Rsn/Cd")}
    assert reasons <= {code for code, _ in REASONS}
    assert len(reasons) > 4
    assert counter.figures()["closing_vnd"] == OPENING


def test_fates_depend_on_seed_and_id_alone(tmp_path: Path) -> None:
    def outcomes(home: str, seed: int, order: int) -> dict[str, str]:
        counter = Counter(tmp_path / home, seed=seed, reject_rate=0.2, return_rate=0.2)
        payments = ids(300)[::order]
        counter.bring(pain001(payments[:100], "M1"), "M1.xml")
        counter.bring(pain001(payments[100:], "M2"), "M2.xml")
        counter.work("2026-12-09")
        return counter.outcomes()

    assert outcomes("a", 1, 1) == outcomes("b", 1, -1)
    assert outcomes("a2", 1, 1) != outcomes("c", 2, 1)


def test_the_mix_of_fates_is_the_one_promised() -> None:
    fates = Fates(1, Rates(12_500, 12_500, 1_000), is_cash=False)
    drawn = [fates.of(f"P{number:015d}") for number in range(100_000)]
    kinds = Tally(fate.kind for fate in drawn)
    assert abs(kinds["rejected"] - 1250) < 150
    assert abs(kinds["returned"] - 1250) < 150
    assert abs(kinds["late"] - 100) < 40
    failed = [fate.reason for fate in drawn if fate.reason]
    for code, share in REASONS:
        assert abs(failed.count(code) * 1000 - share * len(failed)) < 30 * len(failed)
    assert {fate.days for fate in drawn if fate.kind == "returned"} == {1, 2, 3, 4, 5}
    cash = Fates(1, Rates(15_000, 0, 0), is_cash=True)
    reasons = Tally(cash.of(f"P{number:015d}").reason for number in range(100_000))
    assert reasons.keys() == {"", "CNPC"}
    assert abs(reasons["CNPC"] - 1500) < 160
    assert sum(share for _, share in REASONS) * 1000 == MILLION


def test_the_bank_keeps_vietnams_holidays() -> None:
    days = [date(2026, 11, 24), date(2026, 2, 17), date(2026, 8, 22), date(2026, 8, 31), date(2026, 12, 1)]
    assert [banking_days.is_banking_day(day) for day in days] == [False, False, True, False, True]
    assert banking_days.after(date(2026, 11, 20), 2) == date(2026, 11, 25)
