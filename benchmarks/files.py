"""A world as the files that a bank puts out: camt.053 (full and compact) and MT940, written in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.references import make_references
from benchmarks.text import Text, digest_of_numbers
from benchmarks.world import Made

_AT_ONCE = 50_000
_DAY = "2026-11-24"
_REASON = b"AC04"
_STATES = ("BOOK", "PDNG")
_NAMES = ("NGUYỄN THỊ HOÀ", "TRẦN VĂN ĐẠT", "LÊ THỊ THUÝ", "PHẠM HỮU NAM", "HỒ THỊ XUÂN", "VI VĂN QUÝ", "LÔ THỊ YẾN")
#: MT940 has 15 digits for an amount.
_OPENING = 10**14


class _Row(NamedTuple):
    """What a template is filled with."""

    number: int
    amount: int
    currency: str
    side: str
    state: str
    bank_reference: str
    reference: str
    returned: str
    name: str


def _full(row: _Row) -> str:
    """An entry as a core banking system prints it: about 1,045 bytes, no line breaks inside."""
    number, amount, currency, side, state, bank_reference, reference, returned, name = row
    return (
        f'<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Sts><Cd>{state}</Cd></Sts><BookgDt><Dt>{_DAY}</Dt></BookgDt><ValDt><Dt>{_DAY}</Dt></ValDt>"
        f"<AcctSvcrRef>{bank_reference}</AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd>"
        "<SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls><Refs>"
        f"<MsgId>M20261124ABCDEFGHJKMNPQRS</MsgId><AcctSvcrRef>{bank_reference}</AcctSvcrRef>"
        f"<PmtInfId>M20261124ABCDEFGHJKMNPQRS-1</PmtInfId><EndToEndId>{reference}</EndToEndId></Refs>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        "<RltdPties><Dbtr><Pty><Nm>KHO BAC NHA NUOC TINH NGHE AN</Nm></Pty></Dbtr>"
        f"<Cdtr><Pty><Nm>{name}</Nm></Pty></Cdtr><CdtrAcct><Id><Othr><Id>10{number:011}</Id></Othr></Id></CdtrAcct>"
        "</RltdPties><RltdAgts><CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>970436</MmbId></ClrSysMmbId></FinInstnId>"
        "</CdtrAgt></RltdAgts><Purp><Cd>SSBE</Cd></Purp><RmtInf><Ustrd>Trợ cấp xã hội hàng tháng, kỳ chi trả"
        f" tháng 11/2026</Ustrd></RmtInf>{returned}</TxDtls></NtryDtls></Ntry>\n"
    )


def _compact(row: _Row) -> str:
    """The least by which banks let a payment be found again: about 600 bytes."""
    number, amount, currency, side, state, bank_reference, reference, returned, name = row
    return (
        f'<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Sts><Cd>{state}</Cd></Sts><BookgDt><Dt>{_DAY}</Dt></BookgDt><ValDt><Dt>{_DAY}</Dt></ValDt>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><AcctSvcrRef>{bank_reference}</AcctSvcrRef><EndToEndId>{reference}</EndToEndId></Refs>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<RltdPties><CdtrAcct><Id><Othr><Id>10{number:011}</Id></Othr></Id><Nm>{name}</Nm></CdtrAcct></RltdPties>"
        f"{returned}</TxDtls></NtryDtls></Ntry>\n"
    )


_SHAPES = {"full": _full, "compact": _compact}


def write_camt053(made: Made, path: Path, shape: str) -> None:
    """camt.053.001.08 with one statement; `shape` is `full` or `compact`."""
    written = _SHAPES[shape]
    closing = _OPENING + _movement(made)
    with path.open("wb") as file:
        file.write(
            (
                "<?xml version='1.0' encoding='UTF-8'?>\n"
                '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr>'
                "<MsgId>C1</MsgId><CreDtTm>2026-11-24T18:00:00+07:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id><ElctrncSeqNb>1</ElctrncSeqNb>"
                "<Acct><Id><Othr><Id>3713010001</Id></Othr></Id><Ccy>VND</Ccy></Acct>"
                f"{_balance('OPBD', _OPENING)}{_balance('CLBD', closing)}\n"
            ).encode()
        )
        for rows in _rows(made, "<RtrInf><Rsn><Cd>%s</Cd></Rsn></RtrInf>"):
            file.write("".join(map(written, rows)).encode())
        file.write(b"</Stmt></BkToCstmrStmt></Document>\n")


def write_mt940(made: Made, path: Path) -> None:
    """One message; entries have no state, and all are in the account's currency."""
    with path.open("wb") as file:
        file.write(f":20:S1\n:25:3713010001\n:28C:1/1\n:60F:C261124VND{_OPENING},\n".encode())
        for rows in _rows(made, "/RSN/%s"):
            file.write(
                "".join(
                    [
                        f":61:2611241124{row.side[0]}{row.amount},NTRF{row.reference}//{row.bank_reference}\n"
                        f":86:/EREF/{row.reference}{row.returned}/TXT/CHI TRA TRO CAP XA HOI THANG 11\n"
                        for row in rows
                    ]
                ).encode()
            )
        file.write(f":62F:C261124VND{_OPENING + _movement(made)},\n".encode())


def write_pain002(count: int, path: Path) -> dict[str, Any]:
    """A report that refuses every payment, and the answer of who reads it."""
    references = Text.of_rows(
        make_references("issued", count, np.random.default_rng(20261121)), np.full(count, 16, np.int64)
    )
    with path.open("wb") as file:
        file.write(
            b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr>'
            b"<MsgId>R1</MsgId><CreDtTm>2026-11-24T09:00:00+07:00</CreDtTm></GrpHdr>"
            b"<OrgnlGrpInfAndSts><OrgnlMsgId>M1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
            b"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>M1-1</OrgnlPmtInfId>"
        )
        for begin in range(0, count, _AT_ONCE):
            file.write(
                b"".join(
                    b"<TxInfAndSts><OrgnlEndToEndId>%b</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
                    b"<StsRsnInf><Rsn><Cd>%b</Cd></Rsn></StsRsnInf></TxInfAndSts>\n" % (reference, _REASON)
                    for reference in references.to_bytes(begin, min(begin + _AT_ONCE, count))
                )
            )
        file.write(b"</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>\n")
    return {"reference": references.digest(), "reason": Text.of([_REASON] * count).digest()}


def entries_truth(made: Made) -> dict[str, Any]:
    """The answer that every reader of these files has to give; see `answers.entries_answer`."""
    world = made.world
    count = len(world.entry_amount)
    return {
        "reference": world.entry_reference.digest(),
        "reason": world.entry_reason.digest(),
        "bank_reference": world.entry_bank_reference.digest(),
        "booking_date": Text(
            np.frombuffer(_DAY.encode() * count, np.uint8), np.arange(count + 1, dtype=np.int64) * len(_DAY)
        ).digest(),
        "amount": digest_of_numbers(world.entry_amount),
        "is_debit": digest_of_numbers(world.entry_is_debit),
    }


def camt_truth(made: Made) -> dict[str, Any]:
    """As above, and what MT940 does not have."""
    world = made.world
    status = digest_of_numbers(world.entry_status)
    return {**entries_truth(made), "currency": world.entry_currency.digest(), "status": status}


def _rows(made: Made, returned: str) -> Iterator[list[_Row]]:
    world = made.world
    count = len(world.entry_amount)
    for begin in range(0, count, _AT_ONCE):
        end = min(begin + _AT_ONCE, count)
        numbers = range(begin, end)
        reasons = [returned % reason if reason else "" for reason in world.entry_reason.to_strings(begin, end)]
        columns = (
            numbers,
            world.entry_amount[begin:end].tolist(),
            world.entry_currency.to_strings(begin, end),
            ["DBIT" if is_debit else "CRDT" for is_debit in world.entry_is_debit[begin:end].tolist()],
            [_STATES[status] for status in world.entry_status[begin:end].tolist()],
            world.entry_bank_reference.to_strings(begin, end),
            world.entry_reference.to_strings(begin, end),
            reasons,
            [_NAMES[number % 7] for number in numbers],
        )
        yield list(map(_Row._make, zip(*columns, strict=True)))


def _movement(made: Made) -> int:
    """What the booked entries in đồng add to the account."""
    world = made.world
    is_ours = (world.entry_status == 0) & (world.entry_currency.data[::3] == ord("V"))
    signed = np.where(world.entry_is_debit, -world.entry_amount, world.entry_amount)
    return int(signed[is_ours].sum())


def _balance(code: str, amount: int) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">{amount}</Amt>'
        "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-24</Dt></Dt></Bal>"
    )
