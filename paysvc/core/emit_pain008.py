"""A batch of direct debits: pain.008.001.08 in the Vietnamese profile (`emit_head`).

Every debit names the mandate that allows it and the day on which that was signed. The
collecting side bears all charges, so that nobody pays more than the bill.
"""

from __future__ import annotations

import io
from functools import partial

from paysvc.core.emit_checks import (
    CannotBeWritten,
    Rule,
    Unwritable,
    accounts,
    amounts,
    banks,
    check_rows,
    end_to_end_ids,
    mandate_ids,
    names,
    remittances,
    require_header,
    signed_until,
)
from paysvc.core.emit_head import ACCOUNT, AMOUNT, BANK, REMITTANCE, account, bank, control_totals, end, head, text
from paysvc.core.emit_rows import CHUNK_BYTES, Document, Emitted, Sink, Slot, emit
from paysvc.core.messages import CollectionBatch

MESSAGE = "pain.008.001.08"
_ROOT = "CstmrDrctDbtInitn"

_SLOTS = (
    Slot("end_to_end_id", b"<DrctDbtTxInf><PmtId><EndToEndId>", b"</EndToEndId></PmtId>"),
    Slot("amount_vnd", *AMOUNT),
    Slot("mandate_id", b"<DrctDbtTx><MndtRltdInf><MndtId>", b"</MndtId>"),
    Slot("mandate_signed_on", b"<DtOfSgntr>", b"</DtOfSgntr></MndtRltdInf></DrctDbtTx>"),
    Slot("debtor_bin", b"<DbtrAgt>" + BANK[0], BANK[1] + b"</DbtrAgt>"),
    Slot("debtor_name", b"<Dbtr><Nm>", b"</Nm></Dbtr>"),
    Slot("debtor_account", b"<DbtrAcct>" + ACCOUNT[0], ACCOUNT[1] + b"</DbtrAcct>"),
    Slot("remittance", *REMITTANCE, skips_empty=True),
)
_END_OF_ROW = b"</DrctDbtTxInf>\n"


def unwritable(batch: CollectionBatch) -> list[Unwritable]:
    """The collections that `emit_pain008` would refuse, each with the field and one sentence.

    Names and remittance texts that are only too long are no obstacle: they are cut.
    """
    return check_rows(batch.collections, _rules(batch))[0]


def emit_pain008(batch: CollectionBatch, sink: Sink, *, chunk_bytes: int = CHUNK_BYTES) -> Emitted:
    """The batch into `sink` (see `emit`) as UTF-8 that validates against pain.008.001.08; the same
    bytes every time.

    Names and remittance texts are written in NFC and cut to 140 characters. Before anything is
    written, raises `CannotBeWritten` when there is a collection that `unwritable` names, and
    ValueError for an empty batch or a header that cannot be written.
    """
    problems, columns = check_rows(batch.collections, _rules(batch))
    if problems:
        raise CannotBeWritten(problems)
    creditor = batch.creditor
    ids = (batch.message_id, batch.payment_information_id, creditor.scheme_id)
    require_header(
        batch.collections.amount_vnd, batch.created_at, creditor.bank_bin, ids, creditor.name, creditor.account
    )
    document = Document(_head(batch).encode(), _SLOTS, columns, _END_OF_ROW, end(_ROOT), batch.totals)
    return emit(document, sink, chunk_bytes)


def write_pain008(batch: CollectionBatch) -> bytes:
    """As `emit_pain008`, in memory."""
    content = io.BytesIO()
    emit_pain008(batch, content)
    return content.getvalue()


def _rules(batch: CollectionBatch) -> dict[str, Rule]:
    return {
        "end_to_end_id": end_to_end_ids,
        "amount_vnd": amounts,
        "mandate_id": mandate_ids,
        "mandate_signed_on": partial(signed_until, batch.collection_date),
        "debtor_bin": banks,
        "debtor_account": accounts,
        "debtor_name": names,
        "remittance": remittances,
    }


def _head(batch: CollectionBatch) -> str:
    creditor = batch.creditor
    return (
        head(MESSAGE, _ROOT, batch.message_id, batch.created_at, batch.totals, creditor.name)
        + f"<PmtInf><PmtInfId>{text(batch.payment_information_id)}</PmtInfId><PmtMtd>DD</PmtMtd>"
        f"<BtchBookg>false</BtchBookg>{control_totals(batch.totals)}"
        f"<PmtTpInf><SeqTp>{batch.sequence_type}</SeqTp></PmtTpInf>"
        f"<ReqdColltnDt>{batch.collection_date.isoformat()}</ReqdColltnDt><Cdtr><Nm>{text(creditor.name)}</Nm></Cdtr>"
        f"<CdtrAcct>{account(creditor.account)}<Ccy>VND</Ccy></CdtrAcct>"
        f"<CdtrAgt>{bank(creditor.bank_bin)}</CdtrAgt><ChrgBr>CRED</ChrgBr>"
        f"<CdtrSchmeId><Id><OrgId><Othr><Id>{text(creditor.scheme_id)}</Id></Othr></OrgId></Id></CdtrSchmeId>\n"
    )
