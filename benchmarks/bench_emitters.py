"""pain.001 from columns to a file with its SHA-256: our writer beside what one would write by hand.

Every contender starts from the same columns, writes the same bytes and returns their digest.
Run alone, never under xdist: `python -m pytest benchmarks/bench_emitters.py`
(100,000 payments; 1,000,000 with PAYSVC_BENCH_MILLION=1).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

import numpy as np
import pytest
from lxml import etree
from pytest_benchmark.fixture import BenchmarkFixture

from paysvc.core.columns import PaymentColumns, TextColumn
from paysvc.core.emit_pain001 import emit_pain001, write_pain001
from paysvc.core.messages import Debtor, PaymentBatch

COUNT = 1_000_000 if os.environ.get("PAYSVC_BENCH_MILLION") == "1" else 100_000
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
Contender = Callable[[PaymentBatch, Path], bytes]


def orders(count: int = COUNT) -> PaymentBatch:
    """One name in a thousand needs escaping, as it does among shops and schools."""
    names = (f"{'CÔNG TY A&B' if number % 1_000 == 7 else 'NGUYỄN THỊ HOÀ'} {number % 97}" for number in range(count))
    payments = PaymentColumns(
        end_to_end_id=TextColumn.of(f"P{number:015}" for number in range(count)),
        amount_vnd=np.random.default_rng(1).integers(100_000, 5_000_000, count),
        creditor_bin=TextColumn.repeat("970436", count),
        creditor_account=TextColumn.of(f"10{number:011}" for number in range(count)),
        creditor_name=TextColumn.of(names),
        citizen_id=TextColumn.repeat("", count),
        point_code=TextColumn.repeat("", count),
        remittance=TextColumn.repeat("Trợ cấp xã hội 11/2026", count),
    )
    debtor = Debtor("KHO BẠC NHÀ NƯỚC", "3713010001", "970405")
    created = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
    return PaymentBatch("M20261124ABCDEFGHJKMNPQRS", created, date(2026, 11, 24), debtor, "SSBE", payments)


def head_and_end(batch: PaymentBatch) -> tuple[str, str]:
    """What stands before and behind the payments: the same for all contenders, and nothing of their work."""
    one = PaymentBatch(
        batch.message_id,
        batch.created_at,
        batch.value_date,
        batch.debtor,
        batch.purpose,
        batch.payments.take(np.zeros(1, np.int64)),
    )
    head, payment, end = write_pain001(one).decode().partition("<CdtTrfTxInf>")
    totals, ours = one.totals, batch.totals
    for before, after in (
        (f"<NbOfTxs>{totals.count}<", f"<NbOfTxs>{ours.count}<"),
        (f"<CtrlSum>{totals.sum_vnd}<", f"<CtrlSum>{ours.sum_vnd}<"),
    ):
        head = head.replace(before, after)
    return head, (payment + end).partition("</CdtTrfTxInf>\n")[2]


def rows(batch: PaymentBatch) -> Iterator[tuple[str, int, str, str, str, str]]:
    sent = batch.payments
    return zip(
        sent.end_to_end_id.to_list(),
        sent.amount_vnd.tolist(),
        sent.creditor_bin.to_list(),
        sent.creditor_name.to_list(),
        sent.creditor_account.to_list(),
        sent.remittance.to_list(),
        strict=True,
    )


def by_kernel(batch: PaymentBatch, path: Path) -> bytes:
    with path.open("wb") as file:
        return emit_pain001(batch, file).sha256


def by_f_strings(batch: PaymentBatch, path: Path) -> bytes:
    head, end = head_and_end(batch)
    payments = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{escape(e2e)}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="VND">{amount}</InstdAmt></Amt>'
        f"<CdtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId><MmbId>{bank}</MmbId></ClrSysMmbId>"
        f"</FinInstnId></CdtrAgt><Cdtr><Nm>{escape(name)}</Nm></Cdtr><CdtrAcct><Id><Othr><Id>{escape(account)}</Id>"
        f"<SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></CdtrAcct><Purp><Cd>SSBE</Cd></Purp>"
        f"<RmtInf><Ustrd>{escape(remittance)}</Ustrd></RmtInf></CdtTrfTxInf>\n"
        for e2e, amount, bank, name, account, remittance in rows(batch)
    )
    content = f"{head}{payments}{end}".encode()
    path.write_bytes(content)
    return hashlib.sha256(content).digest()


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        return self._file.write(piece)


def by_lxml(batch: PaymentBatch, path: Path) -> bytes:
    """lxml's incremental writer, a payment at a time (faster than an element at a time)."""
    head, end = head_and_end(batch)
    opened, closed = f'<Document xmlns="{NAMESPACE}">', "</Document>\n"
    with path.open("wb") as file:
        target = _Hashed(file)
        with etree.xmlfile(target, encoding="UTF-8") as out:
            out.write_declaration()
            with out.element("Document", nsmap={None: NAMESPACE}):
                out.flush()
                target.write(head.partition(opened)[2].encode())
                for row in rows(batch):
                    out.write(_element(*row))
                out.flush()
                target.write(end.removesuffix(closed).encode())
        target.write(b"\n")
    return target.digest.digest()


def _element(e2e: str, amount: int, bank: str, name: str, account: str, remittance: str) -> etree._Element:
    payment = etree.Element("CdtTrfTxInf")
    _inner(payment, "PmtId", "EndToEndId").text = e2e
    instructed = _inner(payment, "Amt", "InstdAmt")
    instructed.set("Ccy", "VND")
    instructed.text = str(amount)
    member = _inner(payment, "CdtrAgt", "FinInstnId", "ClrSysMmbId")
    _inner(member, "ClrSysId", "Cd").text = "VN"
    _inner(member, "MmbId").text = bank
    _inner(payment, "Cdtr", "Nm").text = name
    other = _inner(payment, "CdtrAcct", "Id", "Othr")
    _inner(other, "Id").text = account
    _inner(other, "SchmeNm", "Cd").text = "BBAN"
    _inner(payment, "Purp", "Cd").text = "SSBE"
    _inner(payment, "RmtInf", "Ustrd").text = remittance
    payment.tail = "\n"
    return payment


def _inner(parent: etree._Element, *names: str) -> etree._Element:
    for name in names:
        parent = etree.SubElement(parent, name)
    return parent


#: How each contender is called, and the fewest rounds of it that are worth their time at a million.
CONTENDERS: dict[str, tuple[Contender, int]] = {
    "kernel": (by_kernel, 5),
    "f-strings": (by_f_strings, 5),
    "lxml.xmlfile": (by_lxml, 1),
}


@pytest.fixture(scope="module")
def batch() -> PaymentBatch:
    return orders()


@pytest.fixture(scope="module")
def content(batch: PaymentBatch) -> bytes:
    return write_pain001(batch)


@pytest.mark.parametrize("how", CONTENDERS)
def test_write_an_order_to_a_file(
    benchmark: BenchmarkFixture, batch: PaymentBatch, content: bytes, tmp_path: Path, how: str
) -> None:
    contender, rounds = CONTENDERS[how]
    path = tmp_path / "order.xml"
    rounds = 5 if COUNT == 100_000 else rounds
    digest = benchmark.pedantic(contender, args=(batch, path), rounds=rounds, warmup_rounds=min(1, rounds - 1))
    assert digest == hashlib.sha256(content).digest()
    assert path.read_bytes() == content


def test_hash_and_write_the_same_bytes_once(benchmark: BenchmarkFixture, content: bytes, tmp_path: Path) -> None:
    """One after the other: what no writer that does not overlap them can be faster than."""
    path = tmp_path / "order.xml"

    def once() -> bytes:
        path.write_bytes(content)
        return hashlib.sha256(content).digest()

    digest = benchmark.pedantic(once, rounds=5, warmup_rounds=1)
    assert digest == hashlib.sha256(path.read_bytes()).digest()
