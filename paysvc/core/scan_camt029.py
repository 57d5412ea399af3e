"""A bank's answer to requests to take payments back (camt.029): accepted, declined, or not decided yet.

Field meanings: ISO 20022 camt.029.001.09. A transaction's own TxCxlSts decides (ACCR, RJCR, PDCR);
where the bank lists no transaction, the status of the whole case does (Conf: CNCL, RJCR, PDCR).
"""

from __future__ import annotations

from paysvc.core.messages import BankReturns, RecallAnswer, RecallOutcome
from paysvc.core.scan_xml import Element, Shape, message_name, qualified, records, refuse_unless, text_of
from paysvc.core.source import Source
from paysvc.domain.errors import FileRefused

RECALL_ANSWERS = frozenset({"camt.029.001.09"})

_SHAPE = Shape(body="RsltnOfInvstgtn", container="CxlDtls", record="TxInfAndSts")
_OUTCOMES = {
    "ACCR": RecallOutcome.ACCEPTED,
    "CNCL": RecallOutcome.ACCEPTED,
    "RJCR": RecallOutcome.DECLINED,
    "PDCR": RecallOutcome.PENDING,
}


def read_camt029(content: bytes | Source) -> BankReturns:
    """Every answer in the file, as `BankReturns` of kind `recall`.

    Raises `FileRefused`: the codes of `scan_xml`, `wrong_structure` (no case named, or a status that
    is none of the standard's), `field_too_long`.
    """
    source = Source.of(content)
    name = message_name(source)
    refuse_unless(name, RECALL_ANSWERS, "an answer to a recall")

    def within(element: Element, *path: str) -> str:
        found = element.find("/".join(qualified(name, one) for one in path))
        value = text_of(found)
        if len(value) > 35:
            raise FileRefused("field_too_long", f"A {path[-1]} is longer than 35 characters.")
        return value

    message_id = case_id = status = ""
    answers = []
    for element in records(source, name, _SHAPE):
        if element.tag == qualified(name, "Assgnmt"):
            message_id = within(element, "Id")
        elif element.tag == qualified(name, "RslvdCase"):
            case_id = within(element, "Id")
        elif element.tag == qualified(name, "Sts"):
            status = within(element, "Conf")
        elif element.tag == qualified(name, "TxInfAndSts"):
            code = within(element, "CxlStsRsnInf", "Rsn", "Cd") or within(element, "CxlStsRsnInf", "Rsn", "Prtry")
            own = within(element, "RslvdCase", "Id") or case_id
            answers.append(_answer(own, within(element, "TxCxlSts") or status, code))
    if not answers:
        answers.append(_answer(case_id, status, ""))
    return BankReturns("recall", message_id, recall_answers=tuple(answers))


def _answer(case_id: str, status: str, code: str) -> RecallAnswer:
    if not case_id:
        raise FileRefused("wrong_structure", "The answer does not say which case it is about.")
    if status not in _OUTCOMES:
        raise FileRefused("wrong_structure", "The answer holds no status of a cancellation that the standard has.")
    return RecallAnswer(case_id, _OUTCOMES[status], code)
