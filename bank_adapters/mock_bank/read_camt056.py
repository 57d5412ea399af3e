"""Reads camt.056.001.08 as it comes in: requests to take payments back."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lxml import etree

from bank_adapters.mock_bank.orders import FileRefused, check_totals, is_number

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"
_PREFIXES = {"c": NAMESPACE}
#: Where a file says what it is.
_HEAD = 1024


class Recall(NamedTuple):
    """One request: of the payment `end_to_end_id` that came with the payer's message `message_id`."""

    cancellation_id: str
    message_id: str
    end_to_end_id: str
    amount: int


class RecallFile(NamedTuple):
    """One file of requests. `assignment_id` is the payer's id of it, `case_id` of the case."""

    assignment_id: str
    case_id: str
    recalls: list[Recall]
    total: int


def is_camt056(path: Path) -> bool:
    """True for a file that says near its beginning that it is one."""
    with path.open("rb") as source:
        return NAMESPACE.encode() in source.read(_HEAD)


def read_camt056(path: Path) -> RecallFile:
    """The requests of one camt.056.001.08.

    Raises FileRefused FF01 for anything that is no whole document of that schema or has a DTD,
    AM18 or AM10 for control totals that lie.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.parse(path, parser).getroot()
    except etree.XMLSyntaxError as fault:
        raise FileRefused("FF01", f"not well-formed XML at line {fault.lineno}") from None
    has_dtd = bool(root.getroottree().docinfo.doctype)  # type: ignore[union-attr]
    request = root.find("c:FIToFIPmtCxlReq", _PREFIXES)
    if has_dtd or root.tag != f"{{{NAMESPACE}}}Document" or request is None:
        raise FileRefused("FF01", "not a camt.056.001.08 document")
    assignment = _text(request, "c:Assgnmt/c:Id")
    if not 1 <= len(assignment) <= 35:
        raise FileRefused("FF01", "the assignment id is missing or too long")
    recalls = [_recall(one, assignment) for one in request.findall("c:Undrlyg/c:TxInf", _PREFIXES)]
    if not recalls:
        raise FileRefused("FF01", "no payment is named", assignment)
    total = sum(one.amount for one in recalls)
    stated = _text(request, "c:CtrlData/c:CtrlSum") or None
    if request.find("c:CtrlData", _PREFIXES) is not None:
        check_totals(_text(request, "c:CtrlData/c:NbOfTxs"), len(recalls), stated, total, assignment, "the file")
    return RecallFile(assignment, _text(request, "c:Case/c:Id"), recalls, total)


def _recall(transaction: etree._Element, assignment: str) -> Recall:
    amount = _text(transaction, "c:OrgnlIntrBkSttlmAmt")
    found = Recall(
        _text(transaction, "c:CxlId"),
        _text(transaction, "c:OrgnlGrpInf/c:OrgnlMsgId"),
        _text(transaction, "c:OrgnlEndToEndId"),
        int(amount) if is_number(amount) else 0,
    )
    if not found.message_id or not found.end_to_end_id or not found.amount:
        raise FileRefused("FF01", "a request lacks one of message id, end-to-end id or amount", assignment)
    return found


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path, default="", namespaces=_PREFIXES) or "").strip()
