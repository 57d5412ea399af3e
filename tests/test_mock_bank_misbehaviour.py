"""Each misbehaviour as the payer sees it, while the ledger stays truthful."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bank_adapters.mock_bank.picks import Picks
from tests.mock_bank_program import OPENING, Counter, found, ids, pain001, pay01, paycash1

TEN = ids(10)
SUM = sum(amount for _, amount in TEN)


def after_one_day(home: Path, **wishes: Any) -> Counter:
    counter = Counter(home, **wishes)
    counter.bring(pain001(TEN))
    counter.work()
    return counter


def shown_closing(paper: bytes) -> int:
    return int(found(paper, "//Bal[Tp//Cd='CLBD']/Amt")[0])


def shown_amounts(paper: bytes, name: str, status: str = "BOOK") -> list[int]:
    return [int(text) for text in found(paper, f"//Ntry[Sts/Cd='{status}']//TxDtls[Refs/EndToEndId='{name}']/Amt")]


def test_rates_are_what_was_asked_for(tmp_path: Path) -> None:
    assert set(after_one_day(tmp_path / "a", reject_rate=1).outcomes().values()) == {"rejected"}
    counter = after_one_day(tmp_path / "b", return_rate=1)
    counter.work("2026-12-09")
    assert set(counter.outcomes().values()) == {"returned"}


def test_a_payment_is_rejected_by_number_or_by_name(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, reject_rate=0, return_rate=0, late_rate=0, reject=[TEN[4][0], TEN[7][0]])
    assert {name for name, state in counter.outcomes().items() if state == "rejected"} == {TEN[4][0], TEN[7][0]}
    assert counter.bank.misbehaviour.value("reject") == 0
    counter.wish(reject=3)
    counter.bring(pain001(ids(2, "B"), "M2"), "M2.xml")
    counter.work("2026-12-02")
    assert sum(state == "rejected" for state in counter.outcomes().values()) == 4
    assert counter.bank.misbehaviour.value("reject") == 1


def test_what_is_asked_for_while_a_file_is_taken_stands(tmp_path: Path) -> None:
    counter = Counter(tmp_path, reject=2)
    picks = Picks(counter.bank.misbehaviour)
    assert picks.takes("reject", TEN[0][0])
    counter.wish(debit_twice=1)
    picks.settle()
    assert [counter.bank.misbehaviour.value(name) for name in ("reject", "debit_twice")] == [1, 1]


def test_a_debit_is_booked_twice_by_number_or_by_name(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, debit_twice=["PA00000000000003"])
    (paper,) = counter.papers("camt053")
    assert shown_amounts(paper, "PA00000000000003") == [503_000, 503_000]
    assert counter.figures()["duplicates"] == {"count": 1, "amount_vnd": 503_000}
    assert counter.figures()["closing_vnd"] == OPENING - SUM - 503_000 == shown_closing(paper)
    counter.wish(debit_twice=2)
    counter.bring(pain001(ids(10, "B"), "M2"), "M2.xml")
    counter.work("2026-12-02")
    assert counter.figures()["duplicates"]["count"] == 3
    # A payment of an earlier day can be named too.
    counter.wish(debit_twice=["PA00000000000004"])
    counter.work("2026-12-03")
    assert shown_amounts(counter.papers("camt053")[2], "PA00000000000004") == [504_000]
    assert counter.bank.misbehaviour.value("debit_twice") == 0


def test_another_amount_is_booked(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, wrong_amount=1)
    (paper,) = counter.papers("camt053")
    assert shown_amounts(paper, TEN[0][0]) == [450_000]
    assert counter.figures()["closing_vnd"] == OPENING - SUM + 50_000 == shown_closing(paper)


def test_an_entry_names_another_currency(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, wrong_currency=1)
    (paper,) = counter.papers("camt053")
    assert found(paper, "//Ntry[Amt/@Ccy='USD']//EndToEndId") == [TEN[0][0]]
    assert counter.figures()["closing_vnd"] == OPENING - SUM


def test_a_pending_entry_is_shown_first_and_booked_the_next_day(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, pending=1)
    (paper,) = counter.papers("camt053")
    assert shown_amounts(paper, TEN[0][0], "PDNG") == [TEN[0][1]]
    assert shown_amounts(paper, TEN[0][0]) == []
    assert counter.outcomes()[TEN[0][0]] == "outstanding"
    counter.work("2026-12-02")
    assert shown_amounts(counter.papers("camt053")[1], TEN[0][0]) == [TEN[0][1]]
    assert counter.outcomes()[TEN[0][0]] == "paid"


def test_strays_and_credits_that_nobody_asked_for(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, strays=2, unsolicited_credits=1)
    (paper,) = counter.papers("camt053")
    references = set(found(paper, "//EndToEndId")) - {name for name, _ in TEN}
    assert len(references) == 3
    assert "NOTPROVIDED" in references
    figures = counter.figures()
    assert figures["strays"]["count"] == 2
    net = figures["unsolicited"]["amount_vnd"] - figures["strays"]["amount_vnd"]
    assert figures["closing_vnd"] == OPENING - SUM + net == shown_closing(paper)
    counter.work("2026-12-02")
    assert counter.figures()["strays"]["count"] == 2, "asked for once"


def test_a_stray_is_given_back_and_the_account_is_where_it_was(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, unnumbered_statements=True)
    closings = [OPENING - SUM]
    for day, wish in (("2026-12-02", {"strays": 1}), ("2026-12-03", {"stray_reversals": 1}), ("2026-12-04", {})):
        counter.wish(**wish)
        counter.work(day)
        closings.append(shown_closing(counter.papers("camt053")[-1]))
    assert closings[0] == closings[2] == closings[3] > closings[1]
    papers = counter.papers("camt053")
    assert [found(paper, "//ElctrncSeqNb") for paper in papers] == [[]] * 4
    counter.wish(unnumbered_statements=False)
    counter.bank.state_again("2026-12-04", "reissue")
    assert found(counter.papers("camt053")[-1], "//ElctrncSeqNb") == ["4"]


def test_a_credit_without_a_debit(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, reject_rate=1, credit_without_debit=1)
    (paper,) = counter.papers("camt053")
    assert found(paper, "//Ntry[CdtDbtInd='CRDT']//EndToEndId") == [TEN[0][0]]
    assert counter.outcomes()[TEN[0][0]] == "rejected"
    assert counter.figures()["credits_without_debit"]["count"] == 1


def test_late_returns_come_after_a_month(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, late_returns=1)
    assert "return" not in counter.work("2026-12-30")["booked"]
    assert counter.work("2026-12-31")["booked"]["return"] == {"count": 1, "amount_vnd": TEN[0][1]}
    counter.wish(late_returns=[TEN[1][0]], late_after_days=0)
    counter.work("2027-01-05")
    assert [counter.outcomes()[name] for name, _ in TEN[:3]] == ["returned", "returned", "paid"]


def test_the_closing_balance_lies_and_the_reissue_does_not(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, wrong_totals=1)
    assert shown_closing(counter.papers("camt053")[0]) == OPENING - SUM + 1_000_000
    assert counter.figures()["closing_vnd"] == OPENING - SUM
    counter.bank.state_again("2026-12-01", "reissue")
    lying, true = counter.papers("camt053")
    assert shown_closing(true) == OPENING - SUM
    assert found(lying, "//Stmt/Id") != found(true, "//Stmt/Id")
    assert found(lying, "//ElctrncSeqNb") == found(true, "//ElctrncSeqNb")
    counter.work("2026-12-02")
    assert found(counter.papers("camt053")[2], "//Bal/Amt") == [str(OPENING - SUM)] * 2


@pytest.mark.parametrize(
    ("profile", "write", "kind"),
    [("iso", pain001, "camt053"), ("delimited", pay01, "mt940"), ("post", paycash1, "stmt")],
)
def test_a_statement_comes_twice_as_copy_and_as_reissue(tmp_path: Path, profile: str, write: Any, kind: str) -> None:
    counter = Counter(tmp_path, profile, duplicate_statement=True)
    counter.bring(write(TEN), "M1")
    counter.work("2026-12-07")
    statement, copy, reissue = counter.papers(kind)[:3]
    assert statement == copy
    assert reissue != statement
    changed = [(old, new) for old, new in zip(statement.splitlines(), reissue.splitlines(), strict=True) if old != new]
    assert all(b"R01" in new for _, new in changed)


def test_a_statement_is_cut_off(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, truncated_statement=1)
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(counter.papers("camt053")[0])
    counter.bank.state_again("2026-12-01", "reissue")
    assert shown_closing(counter.papers("camt053")[1]) == OPENING - SUM


def test_files_are_refused_on_request_and_the_refusal_is_remembered(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, refuse_files=1, refuse_code="TM01")
    assert (counter.bank.premises.refused / "M1.xml.reason").read_text().startswith("TM01 ")
    counter.bring(pain001(TEN))
    counter.bring(pain001(ids(3, "B"), "M2"), "M2.xml")
    assert counter.work("2026-12-02")["taken"] == {
        "files": 1,
        "refused": 1,
        "repeated": 0,
        "accepted": 3,
        "rejected": 0,
        "recalls": 0,
    }


def test_silence_takes_everything_and_says_nothing_until_it_ends(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, silence_after_accepting=True)
    assert counter.bank.premises.listing() == []
    assert not any(counter.bank.premises.outbox.iterdir())
    assert counter.bank.premises.find("M1.xml") == counter.bank.premises.archive / "M1.xml"
    assert counter.figures()["payments"]["paid"]["count"] == 10
    counter.wish(silence_after_accepting=False)
    assert [one.name[:7] for one in counter.bank.premises.listing()] == ["pain002", "camt053"]


@pytest.mark.parametrize(
    "wish",
    [
        {"reject_rate": 1.5},
        {"reject_rate": "a lot"},
        {"debit_twice": -1},
        {"debit_twice": [1]},
        {"strays": True},
        {"silence": True},
        {"duplicate_statement": "thrice"},
        {"refuse_code": "A|B"},
    ],
)
def test_what_cannot_be_asked_for_changes_nothing(tmp_path: Path, wish: dict[str, Any]) -> None:
    counter = Counter(tmp_path)
    before = counter.bank.misbehaviour.shown()
    with pytest.raises(ValueError, match=next(iter(wish))):
        counter.wish(**{"unsolicited_credits": 3, **wish})
    assert counter.bank.misbehaviour.shown() == before


def test_a_format_without_currencies_says_that_it_cannot_show_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"only in camt\.053"):
        Counter(tmp_path, "delimited", wrong_currency=1)
