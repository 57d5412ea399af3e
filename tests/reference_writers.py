"""Payment orders and collections built element by element with lxml, to hold the writers of bank files against."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from lxml import etree

from paysvc.core.messages import CollectionBatch, ControlTotals, PaymentBatch
from tests.iso_papers import ISO

Element = etree._Element


def pain001(batch: PaymentBatch) -> bytes:
    document, root = _opened("pain.001.001.09", "CstmrCdtTrfInitn")
    totals = _totals(batch.payments.amount_vnd.tolist())
    _group_header(root, batch.message_id, batch.created_at, totals, batch.debtor.name)
    block = _block(root, f"{batch.message_id}-1", "TRF", totals)
    _leaf(_inner(block, "PmtTpInf", "CtgyPurp"), "Cd", batch.purpose)
    _leaf(_inner(block, "ReqdExctnDt"), "Dt", str(batch.value_date))
    _own_side(block, "Dbtr", batch.debtor.name, batch.debtor.account, batch.debtor.bank_bin)
    _leaf(block, "ChrgBr", "DEBT").tail = "\n"
    for e2e, amount, bank, account, name, _citizen, _point, remittance in batch.payments.to_tuples():
        payment = _inner(block, "CdtTrfTxInf")
        payment.tail = "\n"
        _leaf(_inner(payment, "PmtId"), "EndToEndId", e2e)
        _amount(_inner(payment, "Amt"), amount)
        _bank(payment, "CdtrAgt", bank)
        _leaf(_inner(payment, "Cdtr"), "Nm", tidy(name))
        _account(payment, "CdtrAcct", account)
        _leaf(_inner(payment, "Purp"), "Cd", batch.purpose)
        _remittance(payment, remittance)
    return _written(document)


def pain008(batch: CollectionBatch) -> bytes:
    document, root = _opened("pain.008.001.08", "CstmrDrctDbtInitn")
    totals = _totals(batch.collections.amount_vnd.tolist())
    _group_header(root, batch.message_id, batch.created_at, totals, batch.creditor.name)
    block = _block(root, f"{batch.message_id}-1", "DD", totals)
    _leaf(_inner(block, "PmtTpInf"), "SeqTp", str(batch.sequence_type))
    _leaf(block, "ReqdColltnDt", str(batch.collection_date))
    _own_side(block, "Cdtr", batch.creditor.name, batch.creditor.account, batch.creditor.bank_bin)
    _leaf(block, "ChrgBr", "CRED")
    scheme = _inner(block, "CdtrSchmeId")
    scheme.tail = "\n"
    _leaf(_inner(scheme, "Id", "OrgId", "Othr"), "Id", batch.creditor.scheme_id)
    for e2e, amount, mandate, signed, bank, account, name, remittance in batch.collections.to_tuples():
        collection = _inner(block, "DrctDbtTxInf")
        collection.tail = "\n"
        _leaf(_inner(collection, "PmtId"), "EndToEndId", e2e)
        _amount(collection, amount)
        related = _inner(collection, "DrctDbtTx", "MndtRltdInf")
        _leaf(related, "MndtId", mandate)
        _leaf(related, "DtOfSgntr", signed)
        _bank(collection, "DbtrAgt", bank)
        _leaf(_inner(collection, "Dbtr"), "Nm", tidy(name))
        _account(collection, "DbtrAcct", account)
        _remittance(collection, remittance)
    return _written(document)


def tidy(text: str) -> str:
    """Composed, trimmed, at most 140 characters, and no mark cut off its letter."""
    kept = unicodedata.normalize("NFC", text).strip()
    if len(kept) > 140:
        letters = [at for at, character in enumerate(kept) if not unicodedata.combining(character)]
        kept = kept[: max([at for at in letters if at <= 140], default=0)]
    return kept.rstrip()


def _opened(message: str, root: str) -> tuple[Element, Element]:
    document = etree.Element(etree.QName(ISO + message, "Document"), nsmap={None: ISO + message})
    opened = _inner(document, root)
    opened.text = "\n"
    return document, opened


def _written(document: Element) -> bytes:
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8") + b"\n"


def _inner(parent: Element, *names: str) -> Element:
    for name in names:
        parent = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    return parent


def _leaf(parent: Element, name: str, text: str) -> Element:
    element = _inner(parent, name)
    element.text = text
    return element


def _totals(amounts: list[int]) -> ControlTotals:
    return ControlTotals(len(amounts), sum(amounts))


def _write_totals(parent: Element, totals: ControlTotals) -> None:
    _leaf(parent, "NbOfTxs", str(totals.count))
    _leaf(parent, "CtrlSum", str(totals.sum_vnd))


def _group_header(root: Element, message_id: str, created_at: datetime, totals: ControlTotals, name: str) -> None:
    header = _inner(root, "GrpHdr")
    header.tail = "\n"
    _leaf(header, "MsgId", message_id)
    _leaf(header, "CreDtTm", created_at.isoformat(timespec="seconds"))
    _write_totals(header, totals)
    _leaf(_inner(header, "InitgPty"), "Nm", name)


def _block(root: Element, block_id: str, method: str, totals: ControlTotals) -> Element:
    block = _inner(root, "PmtInf")
    _leaf(block, "PmtInfId", block_id)
    _leaf(block, "PmtMtd", method)
    _leaf(block, "BtchBookg", "false")
    _write_totals(block, totals)
    return block


def _own_side(block: Element, side: str, name: str, account: str, bank: str) -> None:
    _leaf(_inner(block, side), "Nm", name)
    _leaf(_account(block, f"{side}Acct", account), "Ccy", "VND")
    _bank(block, f"{side}Agt", bank)


def _account(parent: Element, name: str, number: str) -> Element:
    account = _inner(parent, name)
    other = _inner(account, "Id", "Othr")
    _leaf(other, "Id", number)
    _leaf(_inner(other, "SchmeNm"), "Cd", "BBAN")
    return account


def _bank(parent: Element, name: str, bank: str) -> None:
    member = _inner(parent, name, "FinInstnId", "ClrSysMmbId")
    _leaf(_inner(member, "ClrSysId"), "Cd", "VN")
    _leaf(member, "MmbId", bank)


def _amount(parent: Element, amount: int) -> None:
    _leaf(parent, "InstdAmt", str(amount)).set("Ccy", "VND")


def _remittance(parent: Element, text: str) -> None:
    if tidy(text):
        _leaf(_inner(parent, "RmtInf"), "Ustrd", tidy(text))
