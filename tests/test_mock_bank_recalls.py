"""The mock bank is asked to take payments back, and pays late what it had rejected; its ledger stays truthful."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.mock_bank_program import OPENING, Counter, found, ids, pain001

TEN = ids(10)
SUM = sum(amount for _, amount in TEN)


def camt056(
    payments: Sequence[tuple[str, int]], case: str = "RC-1", message: str = "M1", count: int | None = None
) -> bytes:
    """A request as a payer writes it; `count` may lie."""
    total = sum(amount for _, amount in payments)
    rows = "".join(
        f"<TxInf><CxlId>{case}</CxlId><OrgnlGrpInf><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09"
        f"</OrgnlMsgNmId></OrgnlGrpInf><OrgnlEndToEndId>{name}</OrgnlEndToEndId><OrgnlIntrBkSttlmAmt Ccy='VND'>{amount}"
        "</OrgnlIntrBkSttlmAmt><CxlRsnInf><Rsn><Cd>DUPL</Cd></Rsn></CxlRsnInf></TxInf>"
        for name, amount in payments
    )
    who = "<Pty><Nm>SLDTBXH</Nm></Pty>"
    return (
        "<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.056.001.08'>"
        f"<FIToFIPmtCxlReq><Assgnmt><Id>{case}</Id><Assgnr>{who}</Assgnr><Assgne>{who}</Assgne>"
        f"<CreDtTm>2026-12-02T08:00:00+07:00</CreDtTm></Assgnmt><Case><Id>{case}</Id><Cretr>{who}</Cretr></Case>"
        f"<CtrlData><NbOfTxs>{count or len(payments)}</NbOfTxs><CtrlSum>{total}</CtrlSum></CtrlData>"
        f"<Undrlyg>{rows}</Undrlyg></FIToFIPmtCxlReq></Document>"
    ).encode()


def after_one_day(home: Path, **wishes: object) -> Counter:
    counter = Counter(home, **{"recall_decline_rate": 0, **wishes})
    counter.bring(pain001(TEN))
    counter.work()
    return counter


def recall(counter: Counter, *payments: tuple[str, int], day: str = "2026-12-02", case: str = "RC-1") -> bytes:
    """The bank's answer."""
    counter.bring(camt056(payments, case), f"{case}.xml")
    counter.work(day)
    return counter.papers("camt029")[-1]


def test_what_is_booked_comes_back_under_its_own_id(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path)
    paper = recall(counter, TEN[3])
    assert found(paper, "//RslvdCase/Id") == ["RC-1"]
    assert (found(paper, "//Sts/Conf"), found(paper, "//TxCxlSts")) == (["CNCL"], ["ACCR"])
    statement = counter.papers("camt053")[1]
    assert found(statement, "//Ntry[CdtDbtInd='CRDT']//EndToEndId") == [TEN[3][0]]
    assert found(statement, "//RtrInf/Rsn/Cd") == ["FOCR"]
    assert counter.outcomes()[TEN[3][0]] == "returned"
    assert counter.figures()["closing_vnd"] == OPENING - SUM + TEN[3][1]


def test_a_creditor_may_keep_the_money(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, recall_decline_rate=1)
    paper = recall(counter, TEN[3])
    assert (found(paper, "//Sts/Conf"), found(paper, "//TxCxlSts")) == (["RJCR"], ["RJCR"])
    assert found(paper, "//CxlStsRsnInf/Rsn/Cd") == ["CUST"]
    assert set(counter.outcomes().values()) == {"paid"}


def test_left_to_itself_the_bank_says_no_to_about_a_fifth(tmp_path: Path) -> None:
    counter = Counter(tmp_path)
    many = ids(300)
    counter.bring(pain001(many))
    counter.work()
    counter.bring(camt056(many), "RC.xml")
    counter.work("2026-12-02")
    (paper,) = counter.papers("camt029")
    assert found(paper, "//Sts/Conf") == ["PECR"]
    declined = found(paper, "//TxCxlSts").count("RJCR")
    assert 30 < declined < 90
    assert list(counter.outcomes().values()).count("paid") == declined


def test_what_is_not_booked_yet_never_will_be(tmp_path: Path) -> None:
    counter = Counter(tmp_path)
    counter.bring(pain001(TEN, day="2026-12-04"))
    counter.work()
    paper = recall(counter, TEN[3])
    assert found(paper, "//TxCxlSts") == ["ACCR"]
    told = counter.papers("pain002")[-1]
    assert (found(told, "//OrgnlEndToEndId"), found(told, "//TxSts")) == ([TEN[3][0]], ["CANC"])
    counter.work("2026-12-04")
    assert counter.outcomes()[TEN[3][0]] == "rejected"
    assert counter.figures()["closing_vnd"] == OPENING - SUM + TEN[3][1]


def test_what_cannot_be_taken_back_is_said(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path)
    recall(counter, TEN[3])
    assert found(recall(counter, TEN[3], day="2026-12-03", case="RC-2"), "//CxlStsRsnInf/Rsn/Cd") == ["ARDT"]
    unknown = ("PX00000000000000", 500_000)
    wrong = (TEN[4][0], TEN[4][1] + 1)
    for row, (day, one) in enumerate((("2026-12-04", unknown), ("2026-12-07", wrong))):
        assert found(recall(counter, one, day=day, case=f"RC-X{row}"), "//CxlStsRsnInf/Rsn/Cd") == ["NOOR"]
    assert counter.figures()["payments"]["returned"]["count"] == 1


def test_the_same_request_gets_the_same_answer_and_moves_nothing(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path)
    first = recall(counter, TEN[3])
    counter.bring(camt056([TEN[3]]), "again.xml")
    assert counter.work("2026-12-03")["taken"]["repeated"] == 1
    assert counter.papers("camt029") == [first, first]
    counter.bring(camt056([TEN[4]]), "other.xml")
    assert counter.work("2026-12-04")["taken"]["refused"] == 1
    assert counter.bank.premises.refusal("other.xml") == ("DUPL", "another file was taken under this id")
    assert counter.figures()["payments"]["returned"]["count"] == 1


def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path)
    good = camt056([TEN[3]])
    bad = {
        "FF01": [good[:-20], good.replace(b"FIToFIPmtCxlReq>", b"Other>"), good.replace(b"<Id>RC-1</Id>", b"", 1)],
        "AM18": [camt056([TEN[3]], count=2)],
        "AM10": [good.replace(b"<CtrlSum>", b"<CtrlSum>1")],
    }
    bad["FF01"] += [
        good.replace(b"<Document", b"<!DOCTYPE Document [<!ENTITY a 'b'>]><Document", 1),
        good.replace(TEN[3][0].encode(), b""),
        camt056([]),
    ]
    names = [(f"{code}-{row}.xml", code, content) for code, some in bad.items() for row, content in enumerate(some)]
    for name, _, content in names:
        counter.bring(content, name)
    assert counter.work("2026-12-02")["taken"]["refused"] == len(names)
    refusals = {name: counter.bank.premises.refusal(name) for name, _, _ in names}
    assert {name: (one or ("", ""))[0] for name, one in refusals.items()} == {name: code for name, code, _ in names}
    assert counter.papers("camt029") == []


def test_a_rejected_payment_is_booked_after_all(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, reject_rate=1)
    assert set(counter.outcomes().values()) == {"rejected"}
    counter.wish(reject_rate=0, settle_rejected=[TEN[3][0]])
    counter.work("2026-12-02")
    statement = counter.papers("camt053")[1]
    assert found(statement, "//Ntry[CdtDbtInd='DBIT']//EndToEndId") == [TEN[3][0]]
    assert counter.outcomes()[TEN[3][0]] == "paid"
    counter.wish(settle_rejected=2)
    counter.work("2026-12-03")
    assert list(counter.outcomes().values()).count("paid") == 3
    assert counter.bank.misbehaviour.value("settle_rejected") == 0
    figures = counter.figures()
    assert (figures["integrity"], figures["closing_vnd"]) == (
        "ok",
        OPENING - sum(amount for name, amount in TEN if counter.outcomes()[name] == "paid"),
    )


def test_what_is_rejected_today_is_not_booked_today(tmp_path: Path) -> None:
    counter = after_one_day(tmp_path, reject_rate=1, settle_rejected=1)
    assert set(counter.outcomes().values()) == {"rejected"}
    counter.work("2026-12-02")
    assert list(counter.outcomes().values()).count("paid") == 1
