"""A request to take one payment back: camt.056.001.08 in the Vietnamese profile (`emit_head`)."""

from __future__ import annotations

from paysvc.core.emit_head import bank, text
from paysvc.core.emit_pain001 import MESSAGE as ORDERED_BY
from paysvc.core.messages import RecallRequest

MESSAGE = "camt.056.001.08"


def write_camt056(request: RecallRequest) -> bytes:
    """The request as UTF-8 that validates against camt.056.001.08; the same request gives the same bytes.

    Raises ValueError for an id that is not 1 to 35 characters.
    """
    for value in (request.case_id, request.message_id, request.end_to_end_id):
        if not 1 <= len(value) <= 35:
            raise ValueError("an id of 1 to 35 characters is needed")
    case, who = text(request.case_id), f"<Pty><Nm>{text(request.debtor.name[:140])}</Nm></Pty>"
    moment = request.created_at.isoformat(timespec="seconds")
    ordered = request.message_created_at.isoformat(timespec="seconds")
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{MESSAGE}"><FIToFIPmtCxlReq>\n'
        f"<Assgnmt><Id>{case}</Id><Assgnr>{who}</Assgnr><Assgne><Agt>{bank(request.debtor.bank_bin)}</Agt></Assgne>"
        f"<CreDtTm>{moment}</CreDtTm></Assgnmt>\n"
        f"<Case><Id>{case}</Id><Cretr>{who}</Cretr></Case>\n"
        f"<CtrlData><NbOfTxs>1</NbOfTxs><CtrlSum>{request.amount_vnd}</CtrlSum></CtrlData>\n"
        f"<Undrlyg><TxInf><CxlId>{case}</CxlId><OrgnlGrpInf><OrgnlMsgId>{text(request.message_id)}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>{ORDERED_BY}</OrgnlMsgNmId><OrgnlCreDtTm>{ordered}</OrgnlCreDtTm></OrgnlGrpInf>"
        f"<OrgnlEndToEndId>{text(request.end_to_end_id)}</OrgnlEndToEndId>"
        f'<OrgnlIntrBkSttlmAmt Ccy="VND">{request.amount_vnd}</OrgnlIntrBkSttlmAmt>'
        f"<OrgnlIntrBkSttlmDt>{request.value_date.isoformat()}</OrgnlIntrBkSttlmDt>"
        f"<CxlRsnInf><Rsn><Cd>{text(request.reason)}</Cd></Rsn></CxlRsnInf></TxInf></Undrlyg>\n"
        "</FIToFIPmtCxlReq></Document>\n"
    ).encode()
