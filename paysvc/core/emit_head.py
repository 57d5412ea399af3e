"""What the heads of payment orders and collections share, and the profile both are written in.

The profile: accounts are `Othr/Id` with scheme BBAN (Vietnam has no IBAN), banks are known by
their NAPAS BIN under the clearing system `VN`, amounts are VND without decimals, and each
payment is booked by itself so that a statement can be held against the order.
"""

from __future__ import annotations

from datetime import datetime
from html import escape

from paysvc.core.messages import ControlTotals

_BANK = "<FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId><MmbId>{}</MmbId></ClrSysMmbId></FinInstnId>"
_ACCOUNT = "<Id><Othr><Id>{}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id>"

#: What stands before and behind a BIN, an account number, an amount and a remittance text.
BANK, ACCOUNT, AMOUNT, REMITTANCE = (
    (before.encode(), behind.encode())
    for before, behind in (
        _BANK.split("{}"),
        _ACCOUNT.split("{}"),
        ('<InstdAmt Ccy="VND">', "</InstdAmt>"),
        ("<RmtInf><Ustrd>", "</Ustrd></RmtInf>"),
    )
)


def text(value: str) -> str:
    """A text as it stands between tags."""
    return escape(value, quote=False)


def bank(bank_bin: str) -> str:
    return _BANK.format(bank_bin)


def account(number: str) -> str:
    return _ACCOUNT.format(text(number))


def head(message: str, root: str, message_id: str, created_at: datetime, totals: ControlTotals, name: str) -> str:
    """The file up to its payment block: prolog, both outer elements and the group header."""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}"><{root}>\n'
        f"<GrpHdr><MsgId>{text(message_id)}</MsgId><CreDtTm>{created_at.isoformat(timespec='seconds')}</CreDtTm>"
        f"{control_totals(totals)}<InitgPty><Nm>{text(name)}</Nm></InitgPty></GrpHdr>\n"
    )


def control_totals(totals: ControlTotals) -> str:
    return f"<NbOfTxs>{totals.count}</NbOfTxs><CtrlSum>{totals.sum_vnd}</CtrlSum>"


def end(root: str) -> bytes:
    return f"</PmtInf></{root}></Document>\n".encode()
