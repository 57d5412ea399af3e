"""A mock bank under test: the program as a process, or the bank behind its doors, and what payers bring."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from lxml import etree

from bank_adapters.mock_bank.bank import Bank, Founding
from bank_adapters.mock_bank.misbehaviour import read_request

ACCOUNT = "3713010001"
OPENING = 10**12
#: A Tuesday on which banks work, and the day from which the account exists.
FIRST_DAY = date(2026, 12, 1)

#: (end-to-end id, đồng)
Payments = Sequence[tuple[str, int]]


def ids(count: int, series: str = "A") -> list[tuple[str, int]]:
    """Payments with ids that no other series has, of half a million đồng and a little."""
    return [(f"P{series}{number:014d}", 500_000 + number % 7 * 1000) for number in range(count)]


def pain001(
    payments: Payments, message: str = "M1", *, day: str = "2026-12-01", account: str = ACCOUNT, **lies: Any
) -> bytes:
    """A payment order as a payer writes it; `count`, `total` and `currency` may lie."""
    count, total = lies.get("count", len(payments)), lies.get("total", sum(amount for _, amount in payments))
    currency, totals = lies.get("currency", "VND"), f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
    rows = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{name}</EndToEndId></PmtId><Amt><InstdAmt Ccy='{currency}'>{amount}"
        "</InstdAmt></Amt><CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>970436</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>"
        f"<Cdtr><Nm>Nguyễn Thị Đặng Hoà</Nm></Cdtr><CdtrAcct><Id><Othr><Id>00110{row}</Id></Othr></Id></CdtrAcct>"
        "</CdtTrfTxInf>"
        for row, (name, amount) in enumerate(payments)
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.001.001.09'>"
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>{message}</MsgId><CreDtTm>2026-11-30T08:00:00+07:00</CreDtTm>{totals}"
        f"<InitgPty><Nm>SLDTBXH</Nm></InitgPty></GrpHdr><PmtInf><PmtInfId>{message}-1</PmtInfId><PmtMtd>TRF</PmtMtd>"
        f"<ReqdExctnDt><Dt>{day}</Dt></ReqdExctnDt><Dbtr><Nm>SLDTBXH</Nm></Dbtr><DbtrAcct><Id><Othr><Id>{account}</Id>"
        "</Othr></Id></DbtrAcct><DbtrAgt><FinInstnId><ClrSysMmbId><MmbId>970405</MmbId></ClrSysMmbId></FinInstnId>"
        f"</DbtrAgt>{rows}</PmtInf></CstmrCdtTrfInitn></Document>"
    ).encode()


def pay01(payments: Payments, message: str = "M1", *, day: str = "20261201", account: str = ACCOUNT) -> bytes:
    """A list for the bank with delimited files."""
    total = sum(amount for _, amount in payments)
    lines = [f"H|PAY01|{message}|{day}|{account}|970405|{len(payments)}|{total}|20261130080000|SSBE|SỞ Y TẾ"]
    lines += [
        f"D|{row}|{name}|{amount}|970436|00110{row}|NGUYỄN THỊ ĐẶNG|Trợ cấp"
        for row, (name, amount) in enumerate(payments, start=1)
    ]
    # Windows-1258 has the vowels and, after them, the tones as marks of their own.
    marks = {
        "Ở": "Ơ\u0309",
        "Ế": "Ê\u0301",
        "Ễ": "Ê\u0303",
        "Ị": "I\u0323",
        "Ặ": "Ă\u0323",
        "ợ": "ơ\u0323",
        "ấ": "â\u0301",
    }
    text = "".join(marks.get(letter, letter) for letter in "".join(line + "\r\n" for line in lines))
    body = text.encode("cp1258")
    return body + f"T|{len(payments)}|{total}|{hashlib.sha256(body).hexdigest()}\r\n".encode()


def paycash1(payments: Payments, message: str = "M1", *, day: str = "20261201", account: str = ACCOUNT) -> bytes:
    """A list for the post office."""
    total = sum(amount for _, amount in payments)
    records = [f"HPAYCASH1{message:<35}{day}{account:<20}{len(payments):09d}{total:018d}20261130080000"]
    records += [
        f"D{row:09d}{name:<35}{amount:015d}{'16834':<10}{row:012d}{'NGUYEN THI HOA':<70}{'TRO CAP':<40}"
        for row, (name, amount) in enumerate(payments, start=1)
    ]
    records.append(f"T{len(payments):09d}{total:018d}")
    return "".join(f"{record:<200}\r\n" for record in records).encode("ascii")


class Counter:
    """The bank behind its doors, in this process: files in, days worked, papers out."""

    def __init__(
        self, home: Path, profile: str = "iso", *, seed: int = 1, opening: int = OPENING, **wishes: Any
    ) -> None:
        founding = Founding(profile, seed, FIRST_DAY, opening, ACCOUNT, "970405")
        self.bank = Bank(home, founding, reports_acceptances=wishes.pop("report", "all") == "all")
        weakref.finalize(self, self.bank.close)
        # Payments fail only where a test asks for it.
        self.wish(**{"reject_rate": 0, "return_rate": 0, "late_rate": 0, **wishes})

    def wish(self, **wishes: Any) -> None:
        self.bank.misbehave(read_request(json.dumps(wishes)))

    def bring(self, content: bytes, name: str = "M1.xml") -> None:
        (self.bank.premises.inbox / name).write_bytes(content)

    def work(self, day: str = "2026-12-01") -> dict[str, Any]:
        return self.bank.work_through(date.fromisoformat(day))

    def paper(self, name: str) -> bytes:
        return (self.bank.premises.outbox / name).read_bytes()

    def papers(self, kind: str) -> list[bytes]:
        """What lies in the outbox of one kind, oldest first."""
        return [self.paper(one.name) for one in self.bank.premises.listing() if one.name.startswith(kind)]

    def figures(self) -> dict[str, Any]:
        figures = self.bank.figures()
        assert figures["integrity"] == "ok"
        return figures

    def outcomes(self) -> dict[str, str]:
        """Outcome by end-to-end id."""
        rows = [line.split(",") for line in self.bank.payments_csv().splitlines()[1:]]
        return {row[0]: row[4] for row in rows}


class Program:
    """The program as a process."""

    def __init__(self, process: subprocess.Popen[str], told: dict[str, Any]) -> None:
        self.process, self.told = process, told
        self.control = httpx.Client(base_url=told["control_url"], timeout=60)

    def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """POST /control/… with a request, GET without."""
        path = f"/control/{what}"
        answer = self.control.post(path, json=request) if request else self.control.get(path)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def stop(self) -> int:
        self.control.close()
        self.process.terminate()
        assert self.process.stdout is not None
        with self.process.stdout:
            assert self.process.stdout.read() == "", "more than the one line on standard output"
        return self.process.wait(20)


def start(home: Path, profile: str, *options: str) -> Program:
    words = [sys.executable, "-m", "bank_adapters.mock_bank", "--profile", profile, "--home", str(home), *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Program(process, json.loads(process.stdout.readline()))


@contextmanager
def running(home: Path, profile: str, *options: str) -> Iterator[Program]:
    program = start(home, profile, *options)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            assert program.stop() == 0


def found(content: bytes, path: str) -> list[str]:
    """Texts at an XPath whose steps need no prefix."""
    document = etree.fromstring(content)
    for element in document.iter():
        element.tag = etree.QName(element).localname
    return [getattr(one, "text", one) for one in document.xpath(path)]
