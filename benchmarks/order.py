"""What the payment order (pain.001) is written from, and its layout by nothing but format strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from benchmarks.answers import file_answer
from benchmarks.references import make_references
from benchmarks.text import Int64, Text

_AT_ONCE = 50_000
BANKS = ("970405", "970436", "970415", "970418", "970422")
MESSAGE_ID, PURPOSE = "M20261124ABCDEFGHJKMNPQRS", "SSBE"
CREATED, VALUE_DATE = "2026-11-21T01:00:00+00:00", "2026-11-24"
DEBTOR_NAME, DEBTOR_ACCOUNT, DEBTOR_BANK = "KHO BẠC NHÀ NƯỚC", "3713010001", "970405"
REMITTANCE = "Trợ cấp xã hội 11/2026"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_NAMES = ("NGUYỄN THỊ HOÀ", "TRẦN VĂN ĐẠT", "LÊ THỊ THUÝ", "PHẠM HỮU NAM", "HỒ THỊ XUÂN", "VI VĂN QUÝ", "LÔ THỊ YẾN")


class Payments(NamedTuple):
    """Columns of payments: numbers, and text as each contender likes it."""

    reference: Text
    amount: Int64
    bank: Int64
    account: Text
    name: Text


class Listed(NamedTuple):
    """The same as lists of Python's own, which is what a writer of format strings starts from."""

    reference: Sequence[str]
    amount: Sequence[int]
    bank: Sequence[str]
    account: Sequence[str]
    name: Sequence[str]


def make_payments(count: int) -> Payments:
    """One name in fifty needs escaping."""
    draw = np.random.default_rng(20261121)
    numbers = np.arange(count, dtype=np.int64)
    names = [f"{name} {number}".encode() for number in range(97) for name in _NAMES]
    names += [f"CƠ SỞ <{number}> & BẠN".encode() for number in range(len(names) // 50)]
    picked = draw.integers(0, len(names), count)
    widest = max(map(len, names))
    table = np.frombuffer(b"".join(name.ljust(widest) for name in names), np.uint8).reshape(len(names), widest)
    lengths = np.array([len(name) for name in names])
    account = make_references("dense", count, draw)[:, 3:]
    return Payments(
        Text.of_rows(make_references("issued", count, draw), np.full(count, 16)),
        draw.integers(100, 3_000, count) * 1_000,
        numbers % len(BANKS),
        Text.of_rows(np.ascontiguousarray(account), np.full(count, 13)),
        Text.of_rows(table[picked], lengths[picked]),
    )


def save(payments: Payments, folder: Path) -> None:
    for name, value in payments._asdict().items():
        if isinstance(value, Text):
            np.savez(folder / f"order.{name}.npz", data=value.data, offsets=value.offsets)
        else:
            np.save(folder / f"order.{name}.npy", value)


def load(folder: Path) -> Payments:
    texts = {}
    for name in ("reference", "account", "name"):
        with np.load(folder / f"order.{name}.npz") as stored:
            texts[name] = Text(stored["data"], stored["offsets"])
    return Payments(amount=np.load(folder / "order.amount.npy"), bank=np.load(folder / "order.bank.npy"), **texts)


def listed(payments: Payments, begin: int = 0, end: int | None = None) -> Listed:
    """The rows from `begin` to `end` as lists."""
    return Listed(
        payments.reference.to_strings(begin, end),
        payments.amount[begin:end].tolist(),
        [BANKS[bank] for bank in payments.bank[begin:end].tolist()],
        payments.account.to_strings(begin, end),
        payments.name.to_strings(begin, end),
    )


def head(count: int, total: int) -> str:
    """All that stands before the first payment."""
    totals = f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<Document xmlns="{NAMESPACE}"><CstmrCdtTrfInitn>\n'
        f"<GrpHdr><MsgId>{MESSAGE_ID}</MsgId><CreDtTm>{CREATED}</CreDtTm>"
        f"{totals}<InitgPty><Nm>{DEBTOR_NAME}</Nm></InitgPty></GrpHdr>\n"
        f"<PmtInf><PmtInfId>{MESSAGE_ID}-1</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>false</BtchBookg>{totals}"
        f"<PmtTpInf><CtgyPurp><Cd>{PURPOSE}</Cd></CtgyPurp></PmtTpInf>"
        f"<ReqdExctnDt><Dt>{VALUE_DATE}</Dt></ReqdExctnDt><Dbtr><Nm>{DEBTOR_NAME}</Nm></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>{DEBTOR_ACCOUNT}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id><Ccy>VND</Ccy></DbtrAcct>"
        "<DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId>"
        f"<MmbId>{DEBTOR_BANK}</MmbId></ClrSysMmbId></FinInstnId></DbtrAgt><ChrgBr>DEBT</ChrgBr>\n"
    )


TAIL = "</PmtInf></CstmrCdtTrfInitn></Document>\n"


def rows(payments: Listed) -> Iterator[str]:
    """Each payment, escaped by `saxutils.escape`."""
    remittance = escape(REMITTANCE)
    return (
        f"<CdtTrfTxInf><PmtId><EndToEndId>{escape(reference)}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="VND">{amount}</InstdAmt></Amt>'
        f"<CdtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId><MmbId>{bank}</MmbId></ClrSysMmbId>"
        f"</FinInstnId></CdtrAgt><Cdtr><Nm>{escape(name)}</Nm></Cdtr>"
        f"<CdtrAcct><Id><Othr><Id>{escape(account)}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></CdtrAcct>"
        f"<Purp><Cd>{PURPOSE}</Cd></Purp><RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></CdtTrfTxInf>\n"
        for reference, amount, bank, account, name in zip(*payments, strict=True)
    )


def write_order(payments: Payments, path: Path) -> dict[str, Any]:
    """The order as a file, in chunks, and the answer of who writes it again; see `answers.file_answer`."""
    count = len(payments.amount)
    with path.open("wb") as file:
        file.write(head(count, int(payments.amount.sum())).encode())
        for begin in range(0, count, _AT_ONCE):
            file.write("".join(rows(listed(payments, begin, min(begin + _AT_ONCE, count)))).encode())
        file.write(TAIL.encode())
    return file_answer(path)
