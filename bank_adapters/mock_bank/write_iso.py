"""Writes pain.002.001.10, camt.029.001.09 and camt.053.001.08, streamed, in the order of the official schemas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from xml.sax.saxutils import escape

from bank_adapters.mock_bank.ledger import Ledger
from bank_adapters.mock_bank.papers import Resolution, Statement, StatementLine, StatusLine, StatusReport
from bank_adapters.mock_bank.premises import Sheet

_OPEN = '<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{}">\n'
_SIDE = {True: "DBIT", False: "CRDT"}
#: Bank transaction codes (domain, family, sub-family) by kind of booking.
_DOMESTIC_TRANSFER = "<Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly>"
_RETURNED_TRANSFER = "<Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>RRTN</SubFmlyCd></Fmly>"
_INCOMING_TRANSFER = "<Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly>"
_CODES = {"return": _RETURNED_TRANSFER, "orphan": _RETURNED_TRANSFER, "unsolicited": _INCOMING_TRANSFER}


@lru_cache(maxsize=4096)
def _xml(text: str) -> str:
    """Text between tags; the ids of messages and blocks come again and again."""
    return escape(text)


def _id(text: str) -> str:
    """An end-to-end id between tags, nearly always letters and digits."""
    return text if text.isalnum() else escape(text)


def write_pain002(sheet: Sheet, report: StatusReport) -> None:
    """The whole report: the group, then per payment block its transactions."""
    sheet.write(_OPEN.format("pain.002.001.10"))
    sheet.write(
        f"<CstmrPmtStsRpt><GrpHdr><MsgId>{report.report_id}</MsgId><CreDtTm>{report.day}T09:30:00+07:00</CreDtTm>"
        f"</GrpHdr>\n<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(report.answers) or 'NOTPROVIDED'}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{_original_totals(report)}"
        f"<GrpSts>{report.group_status}</GrpSts>{_reason(report.code, report.reason)}{_per_status(report.lines)}"
        "</OrgnlGrpInfAndSts>\n"
    )
    # Blocks as the payer made them; a file may hold several, and a block's lines stand together.
    for block, lines in groupby(report.lines, key=lambda line: line.block):
        sheet.write(f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{escape(block)}</OrgnlPmtInfId>\n")
        sheet.write_all(_transaction_status(report.report_id, line) for line in lines)
        sheet.write("</OrgnlPmtInfAndSts>\n")
    sheet.write("</CstmrPmtStsRpt></Document>\n")


def _original_totals(report: StatusReport) -> str:
    if not report.count:
        return ""
    return f"<OrgnlNbOfTxs>{report.count}</OrgnlNbOfTxs><OrgnlCtrlSum>{report.total}</OrgnlCtrlSum>"


def _reason(code: str, text: str = "") -> str:
    if not code:
        return ""
    more = f"<AddtlInf>{escape(text[:105])}</AddtlInf>" if text else ""
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{more}</StsRsnInf>"


def _per_status(lines: list[StatusLine]) -> str:
    parts = []
    for status in sorted({line.status for line in lines}):
        amounts = [line.amount for line in lines if line.status == status]
        parts.append(
            f"<NbOfTxsPerSts><DtldNbOfTxs>{len(amounts)}</DtldNbOfTxs><DtldSts>{status}</DtldSts>"
            f"<DtldCtrlSum>{sum(amounts)}</DtldCtrlSum></NbOfTxsPerSts>"
        )
    return "".join(parts)


def _transaction_status(report_id: str, line: StatusLine) -> str:
    reference = f"<AcctSvcrRef>{line.bank_reference}</AcctSvcrRef>" if line.bank_reference else ""
    return (
        f"<TxInfAndSts><StsId>{report_id}-{line.line}</StsId>"
        f"<OrgnlEndToEndId>{_id(line.end_to_end_id)}</OrgnlEndToEndId><TxSts>{line.status}</TxSts>"
        f"{_reason(line.reason)}{reference}</TxInfAndSts>\n"
    )


def write_camt029(sheet: Sheet, resolution: Resolution) -> None:
    """The whole answer: the case's status, then that of each payment."""
    declined = [code for _, code in resolution.answers if code]
    status = "RJCR" if len(declined) == len(resolution.answers) else "PECR" if declined else "CNCL"
    case = f"<Id>{escape(resolution.case_id)}</Id><Cretr><Pty><Nm>NOTPROVIDED</Nm></Pty></Cretr>"
    sheet.write(_OPEN.format("camt.029.001.09"))
    sheet.write(
        f"<RsltnOfInvstgtn><Assgnmt><Id>{resolution.report_id}</Id><Assgnr><Pty><Nm>BANK</Nm></Pty></Assgnr>"
        f"<Assgne><Pty><Nm>PAYER</Nm></Pty></Assgne><CreDtTm>{resolution.day}T09:30:00+07:00</CreDtTm></Assgnmt>\n"
        f"<RslvdCase>{case}</RslvdCase><Sts><Conf>{status}</Conf></Sts>\n<CxlDtls>"
    )
    for one, code in resolution.answers:
        reason = f"<CxlStsRsnInf><Rsn><Cd>{code}</Cd></Rsn></CxlStsRsnInf>" if code else ""
        sheet.write(
            f"<TxInfAndSts><CxlStsId>{escape(one.cancellation_id) or 'NOTPROVIDED'}</CxlStsId><OrgnlGrpInf>"
            f"<OrgnlMsgId>{escape(one.message_id)}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
            f"</OrgnlGrpInf><OrgnlEndToEndId>{_id(one.end_to_end_id)}</OrgnlEndToEndId>"
            f"<TxCxlSts>{'RJCR' if code else 'ACCR'}</TxCxlSts>{reason}</TxInfAndSts>\n"
        )
    sheet.write("</CxlDtls></RsltnOfInvstgtn></Document>\n")


def write_camt053(sheet: Sheet, statement: Statement, ledger: Ledger) -> None:
    """One statement: balances, summary, one entry a booking, batch bookings with their details."""
    day = statement.day
    number = "" if statement.sequence is None else f"<ElctrncSeqNb>{statement.sequence}</ElctrncSeqNb>"
    sheet.write(_OPEN.format("camt.053.001.08"))
    sheet.write(
        f"<BkToCstmrStmt><GrpHdr><MsgId>C{statement.statement_id}</MsgId><CreDtTm>{day}T18:00:00+07:00</CreDtTm>"
        f"</GrpHdr>\n<Stmt><Id>{statement.statement_id}</Id>{number}"
        f"<CreDtTm>{day}T18:00:00+07:00</CreDtTm><FrToDt><FrDtTm>{statement.from_day}T00:00:00+07:00</FrDtTm>"
        f"<ToDtTm>{day}T23:59:59+07:00</ToDtTm></FrToDt><Acct><Id><Othr><Id>{escape(statement.account)}</Id></Othr>"
        "</Id><Ccy>VND</Ccy><Svcr><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId>"
        f"<MmbId>{escape(statement.bank)}</MmbId></ClrSysMmbId></FinInstnId></Svcr></Acct>\n"
        f"{_balance('OPBD', statement.opening, statement.from_day)}{_balance('CLBD', statement.closing, day)}"
        f"{_summary(statement)}"
    )
    sheet.write_all(_entries(statement, ledger))
    sheet.write("</Stmt></BkToCstmrStmt></Document>\n")


def _balance(code: str, amount: int, day: str) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">{abs(amount)}</Amt>'
        f"<CdtDbtInd>{_SIDE[amount < 0]}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def _summary(statement: Statement) -> str:
    """Counts and sums of all entries shown; the net is that of the booked ones."""
    debit_entries = statement.debit_entries + statement.pending_entries
    debits = statement.debits + statement.pending
    net = statement.credits - statement.debits
    return (
        f"<TxsSummry><TtlNtries><NbOfNtries>{debit_entries + statement.credit_entries}</NbOfNtries>"
        f"<Sum>{debits + statement.credits}</Sum><TtlNetNtry><Amt>{abs(net)}</Amt>"
        f"<CdtDbtInd>{_SIDE[net < 0]}</CdtDbtInd></TtlNetNtry></TtlNtries>"
        f"<TtlCdtNtries><NbOfNtries>{statement.credit_entries}</NbOfNtries><Sum>{statement.credits}</Sum></TtlCdtNtries>"
        f"<TtlDbtNtries><NbOfNtries>{debit_entries}</NbOfNtries><Sum>{debits}</Sum></TtlDbtNtries></TxsSummry>\n"
    )


def _entries(statement: Statement, ledger: Ledger) -> Iterator[str]:
    number = 0
    batch: list[StatementLine] = []
    for line in statement.lines(ledger):
        if batch and line.batch != batch[0].batch:
            number += 1
            yield _entry(number, statement.day, batch)
            batch.clear()
        if line.batch is None:
            number += 1
            yield _entry(number, statement.day, [line])
        else:
            batch.append(line)
    if batch:
        yield _entry(number + 1, statement.day, batch)


def _entry(number: int, day: str, lines: list[StatementLine]) -> str:
    first = lines[0]
    total, batch, reference = first.amount, "", first.bank_reference
    if len(lines) > 1:
        total, reference = sum(line.amount for line in lines), f"B{first.bank_reference[1:]}"
        batch = (
            f"<Btch><MsgId>{_xml(first.message_id)}</MsgId><PmtInfId>{_xml(first.block)}</PmtInfId>"
            f'<NbOfTxs>{len(lines)}</NbOfTxs><TtlAmt Ccy="{first.currency}">{total}</TtlAmt></Btch>'
        )
    details = _details(first) if len(lines) == 1 else "".join(map(_details, lines))
    return (
        f'<Ntry><NtryRef>{number}</NtryRef><Amt Ccy="{first.currency}">{total}</Amt>'
        f"<CdtDbtInd>{_SIDE[first.is_debit]}</CdtDbtInd><Sts><Cd>{'BOOK' if first.is_booked else 'PDNG'}</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{first.value_date}</Dt></ValDt>"
        f"<AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Domn>{_CODES.get(first.kind, _DOMESTIC_TRANSFER)}</Domn></BkTxCd>"
        f"<NtryDtls>{batch}{details}</NtryDtls></Ntry>\n"
    )


def _details(line: StatementLine) -> str:
    message = f"<MsgId>{_xml(line.message_id)}</MsgId>" if line.message_id else ""
    block = f"<PmtInfId>{_xml(line.block)}</PmtInfId>" if line.block else ""
    returned = f"<RtrInf><Rsn><Cd>{line.reason}</Cd></Rsn></RtrInf>" if line.reason else ""
    return (
        f"<TxDtls><Refs>{message}<AcctSvcrRef>{line.bank_reference}</AcctSvcrRef>{block}"
        f'<EndToEndId>{_id(line.reference)}</EndToEndId></Refs><Amt Ccy="{line.currency}">{line.amount}</Amt>'
        f"<CdtDbtInd>{_SIDE[line.is_debit]}</CdtDbtInd>{returned}</TxDtls>"
    )
