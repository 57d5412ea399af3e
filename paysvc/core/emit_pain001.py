"""A batch as an ISO 20022 payment order: pain.001.001.09 in the Vietnamese profile (`emit_head`).

The payer bears all charges so that every person receives the whole amount. No citizen ID is
written, and no UETR (it would have to be a random version-4 UUID, and the same batch gives the
same bytes).
"""

from __future__ import annotations

import io
import re

from paysvc.core.emit_checks import (
    CannotBeWritten,
    Rule,
    Unwritable,
    accounts,
    amounts,
    banks,
    check_rows,
    end_to_end_ids,
    names,
    remittances,
    require_header,
)
from paysvc.core.emit_head import ACCOUNT, AMOUNT, BANK, REMITTANCE, account, bank, control_totals, end, head, text
from paysvc.core.emit_rows import CHUNK_BYTES, Document, Emitted, Sink, Slot, emit
from paysvc.core.messages import PaymentBatch

MESSAGE = "pain.001.001.09"
_ROOT = "CstmrCdtTrfInitn"
_PURPOSE = re.compile(r"[A-Z0-9]{1,4}")

_RULES: dict[str, Rule] = {
    "end_to_end_id": end_to_end_ids,
    "amount_vnd": amounts,
    "creditor_bin": banks,
    "creditor_account": accounts,
    "creditor_name": names,
    "remittance": remittances,
}


def unwritable(batch: PaymentBatch) -> list[Unwritable]:
    """The payments that `emit_pain001` would refuse, each with the field and one sentence.

    Names and remittance texts that are only too long are no obstacle: they are cut.
    """
    return check_rows(batch.payments, _RULES)[0]


def emit_pain001(batch: PaymentBatch, sink: Sink, *, chunk_bytes: int = CHUNK_BYTES) -> Emitted:
    """The batch into `sink` (see `emit`) as UTF-8 that validates against pain.001.001.09; the same
    bytes every time.

    Names and remittance texts are written in NFC and cut to 140 characters. Before anything is
    written, raises `CannotBeWritten` when there is a payment that `unwritable` names, and
    ValueError for an empty batch or a header that cannot be written.
    """
    problems, columns = check_rows(batch.payments, _RULES)
    if problems:
        raise CannotBeWritten(problems)
    _require_header(batch)
    document = Document(_head(batch).encode(), _slots(batch.purpose), columns, _END_OF_ROW, end(_ROOT), batch.totals)
    return emit(document, sink, chunk_bytes)


def write_pain001(batch: PaymentBatch) -> bytes:
    """As `emit_pain001`, in memory."""
    content = io.BytesIO()
    emit_pain001(batch, content)
    return content.getvalue()


_END_OF_ROW = b"</CdtTrfTxInf>\n"


def _slots(purpose: str) -> list[Slot]:
    return [
        Slot("end_to_end_id", b"<CdtTrfTxInf><PmtId><EndToEndId>", b"</EndToEndId></PmtId>"),
        Slot("amount_vnd", b"<Amt>" + AMOUNT[0], AMOUNT[1] + b"</Amt>"),
        Slot("creditor_bin", b"<CdtrAgt>" + BANK[0], BANK[1] + b"</CdtrAgt>"),
        Slot("creditor_name", b"<Cdtr><Nm>", b"</Nm></Cdtr>"),
        Slot(
            "creditor_account",
            b"<CdtrAcct>" + ACCOUNT[0],
            ACCOUNT[1] + b"</CdtrAcct><Purp><Cd>%b</Cd></Purp>" % purpose.encode(),
        ),
        Slot("remittance", *REMITTANCE, skips_empty=True),
    ]


def _require_header(batch: PaymentBatch) -> None:
    debtor = batch.debtor
    ids = (batch.message_id, batch.payment_information_id)
    require_header(batch.payments.amount_vnd, batch.created_at, debtor.bank_bin, ids, debtor.name, debtor.account)
    if not _PURPOSE.fullmatch(batch.purpose):
        raise ValueError("the purpose cannot be written")


def _head(batch: PaymentBatch) -> str:
    debtor = batch.debtor
    return (
        head(MESSAGE, _ROOT, batch.message_id, batch.created_at, batch.totals, debtor.name)
        + f"<PmtInf><PmtInfId>{text(batch.payment_information_id)}</PmtInfId><PmtMtd>TRF</PmtMtd>"
        f"<BtchBookg>false</BtchBookg>{control_totals(batch.totals)}"
        f"<PmtTpInf><CtgyPurp><Cd>{batch.purpose}</Cd></CtgyPurp></PmtTpInf>"
        f"<ReqdExctnDt><Dt>{batch.value_date.isoformat()}</Dt></ReqdExctnDt><Dbtr><Nm>{text(debtor.name)}</Nm></Dbtr>"
        f"<DbtrAcct>{account(debtor.account)}<Ccy>VND</Ccy></DbtrAcct>"
        f"<DbtrAgt>{bank(debtor.bank_bin)}</DbtrAgt><ChrgBr>DEBT</ChrgBr>\n"
    )
