"""The core at 100,000 payments (1,000,000 with PAYSVC_BENCH_MILLION=1): each bench asserts its answer.

Run alone, never under xdist: `python -m pytest benchmarks/bench_core.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from paysvc.core import scan_camt, scan_pain001, scan_pain002
from paysvc.core.columns import PaymentColumns, SentColumns, TextColumn
from paysvc.core.emit_pain001 import write_pain001
from paysvc.core.join import find_positions
from paysvc.core.messages import BankReturns, ControlTotals, Debtor, PaymentBatch, Statement
from paysvc.core.proof import problems_of
from paysvc.core.scan_camt import read_camt
from paysvc.core.scan_mt940 import read_by_fields, read_mt940
from paysvc.core.scan_pain001 import SentFile, read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.core.verdicts import OUTCOMES, decide, discrepancies, tally, totals_by_outcome
from paysvc.domain.reconciliation import Outcome

COUNT = 1_000_000 if os.environ.get("PAYSVC_BENCH_MILLION") == "1" else 100_000
AMOUNT = 500_000
ISO = "urn:iso:std:iso:20022:tech:xsd:"
#: Every 40th payment comes back (2.5 %), the share that the field sees.
RETURNED = range(0, COUNT, 40)
OPENING = COUNT * AMOUNT


class Readers(NamedTuple):
    """One way of reading what banks send."""

    camt: Callable[[bytes], tuple[str, tuple[Statement, ...]]]
    pain001: Callable[[bytes], SentFile]
    pain002: Callable[[bytes], BankReturns]


#: The kernels, and the parser that they are held against, side by side.
HOW = ("kernels", "parser")
READERS = {
    "kernels": Readers(read_camt, read_pain001, read_pain002),
    "parser": Readers(
        lambda content: scan_camt.read_by_parser(content, message_name(content)),
        lambda content: scan_pain001.read_by_parser(content, message_name(content)),
        lambda content: scan_pain002.read_by_parser(content, message_name(content)),
    ),
}


def reference(number: int) -> str:
    return f"P{number:015}"


@pytest.fixture(scope="module")
def batch() -> PaymentBatch:
    payments = PaymentColumns(
        end_to_end_id=TextColumn.of(map(reference, range(COUNT))),
        amount_vnd=np.full(COUNT, AMOUNT, dtype=np.int64),
        creditor_bin=TextColumn.repeat("970436", COUNT),
        creditor_account=TextColumn.of(f"10{number:011}" for number in range(COUNT)),
        creditor_name=TextColumn.of(f"NGUYỄN THỊ HOÀ {number % 97}" for number in range(COUNT)),
        citizen_id=TextColumn.repeat("", COUNT),
        point_code=TextColumn.repeat("", COUNT),
        remittance=TextColumn.repeat("Trợ cấp xã hội 11/2026", COUNT),
    )
    debtor = Debtor("KHO BẠC NHÀ NƯỚC", "3713010001", "970405")
    created = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
    return PaymentBatch("M20261124ABCDEFGHJKMNPQRS", created, date(2026, 11, 24), debtor, "SSBE", payments)


@pytest.fixture(scope="module")
def order(batch: PaymentBatch) -> bytes:
    return write_pain001(batch)


@pytest.fixture(scope="module")
def sent(order: bytes) -> SentColumns:
    return read_pain001(order).payments


def _entry(number: int, side: str, kind: str, reason: str = "") -> str:
    returned = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
    return (
        f'<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="VND">{AMOUNT}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        "<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-24</Dt></BookgDt><ValDt><Dt>2026-11-24</Dt></ValDt>"
        f"<AcctSvcrRef>{kind}{number:014}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd>"
        "<SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs>"
        f"<AcctSvcrRef>{kind}{number:014}</AcctSvcrRef><EndToEndId>{reference(number)}</EndToEndId></Refs>"
        f'<Amt Ccy="VND">{AMOUNT}</Amt><CdtDbtInd>{side}</CdtDbtInd>{returned}</TxDtls></NtryDtls></Ntry>\n'
    )


def _balance(code: str, amount: int) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">{amount}</Amt>'
        "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-24</Dt></Dt></Bal>"
    )


@pytest.fixture(scope="module")
def statement() -> bytes:
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{ISO}camt.053.001.08"><BkToCstmrStmt><GrpHdr>'
        "<MsgId>C1</MsgId><CreDtTm>2026-11-24T18:00:00+07:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id>"
        "<ElctrncSeqNb>1</ElctrncSeqNb><Acct><Id><Othr><Id>3713010001</Id></Othr></Id><Ccy>VND</Ccy></Acct>"
        f"{_balance('OPBD', OPENING)}{_balance('CLBD', len(RETURNED) * AMOUNT)}"
    )
    parts = [head]
    parts += (_entry(number, "DBIT", "FT") for number in range(COUNT))
    parts += (_entry(number, "CRDT", "RT", "AC04") for number in RETURNED)
    return "".join([*parts, "</Stmt></BkToCstmrStmt></Document>"]).encode()


@pytest.fixture(scope="module")
def believed(statement: bytes) -> Statement:
    return read_camt(statement)[1][0]


def test_write_a_payment_order(benchmark: BenchmarkFixture, batch: PaymentBatch) -> None:
    content = benchmark.pedantic(write_pain001, args=(batch,), rounds=3)
    assert content.count(b"<CdtTrfTxInf>") == COUNT
    assert f"<CtrlSum>{COUNT * AMOUNT}</CtrlSum>".encode() in content


@pytest.mark.parametrize("how", HOW)
def test_read_a_payment_order(benchmark: BenchmarkFixture, order: bytes, how: str) -> None:
    found = benchmark.pedantic(READERS[how].pain001, args=(order,), rounds=3, warmup_rounds=1)
    assert found.totals == ControlTotals(COUNT, COUNT * AMOUNT)


@pytest.mark.parametrize("how", HOW)
def test_read_a_status_report(benchmark: BenchmarkFixture, how: str) -> None:
    content = (
        f'<Document xmlns="{ISO}pain.002.001.10"><CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId>'
        "<CreDtTm>2026-11-24T09:00:00+07:00</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId>"
        "<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts>"
        "<OrgnlPmtInfId>M1-1</OrgnlPmtInfId>"
        + "".join(
            f"<TxInfAndSts><OrgnlEndToEndId>{reference(number)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
            "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts>"
            for number in range(COUNT)
        )
        + "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()
    found = benchmark.pedantic(READERS[how].pain002, args=(content,), rounds=3, warmup_rounds=1)
    assert found.statuses is not None
    assert (len(found.statuses), found.statuses.reference[COUNT - 1]) == (COUNT, reference(COUNT - 1))


@pytest.mark.parametrize("how", HOW)
def test_read_and_prove_a_statement(benchmark: BenchmarkFixture, statement: bytes, how: str) -> None:
    def read() -> tuple[Statement, list[str]]:
        found = READERS[how].camt(statement)[1][0]
        return found, problems_of(found)

    found, problems = benchmark.pedantic(read, rounds=3, warmup_rounds=1)
    assert problems == []
    assert (len(found.entries), int(found.entries.is_debit.sum())) == (COUNT + len(RETURNED), COUNT)


@pytest.mark.parametrize("how", HOW)
def test_read_account_lines(benchmark: BenchmarkFixture, how: str) -> None:
    """MT940, the entries of a statement; its reference reads by fields."""
    head = f":20:S1\n:25:3713010001\n:28C:1/1\n:60F:C261124VND{OPENING},\n"
    lines = (
        f":61:2611241124D{AMOUNT},NTRF{reference(number)}//FT{number:014}\n:86:/EREF/{reference(number)}/TXT/CHI TRA\n"
        for number in range(COUNT)
    )
    content = "".join([head, *lines, ":62F:C261124VND0,\n"]).encode()
    read = read_mt940 if how == "kernels" else read_by_fields
    (found,) = benchmark.pedantic(read, args=(content,), rounds=3, warmup_rounds=1)
    assert problems_of(found) == []
    assert found.entries.reference[COUNT - 1] == reference(COUNT - 1)


def test_join_and_decide(benchmark: BenchmarkFixture, sent: SentColumns, believed: Statement) -> None:
    refused = np.zeros(COUNT, dtype=np.bool_)

    def verdicts() -> dict[Outcome, tuple[int, int]]:
        positions = find_positions(sent.end_to_end_id, believed.entries.reference)
        booked = tally(sent, believed.entries, positions)
        assert not any(flag.any() for flag in discrepancies(booked).values())
        return totals_by_outcome(decide(booked, refused), sent.amount_vnd)

    totals = benchmark.pedantic(verdicts, rounds=3)
    back = len(RETURNED)
    assert totals[Outcome.SETTLED] == (COUNT - back, (COUNT - back) * AMOUNT)
    assert totals[Outcome.RETURNED] == (back, back * AMOUNT)
    assert sum(number for number, _ in totals.values()) == COUNT
    assert len(OUTCOMES) == len(totals)
