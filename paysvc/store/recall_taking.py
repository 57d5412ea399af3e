"""A bank's answers to our requests to take payments back, into the store."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from paysvc.bank_interface import BankSettings
from paysvc.core.messages import BankReturns, RecallOutcome
from paysvc.domain.errors import FileRefused
from paysvc.domain.recalling import RECALL_NEXT, RecallState
from paysvc.store import recalls
from paysvc.store.returns import InboundFile
from paysvc.store.taking import MustWait, Taken

#: PENDING proves only that the bank has the request.
_AFTER = {
    RecallOutcome.ACCEPTED: RecallState.ACCEPTED,
    RecallOutcome.DECLINED: RecallState.DECLINED,
    RecallOutcome.PENDING: RecallState.SENT,
}
_DECIDED = frozenset({RecallState.ACCEPTED, RecallState.DECLINED})


def take_recall_answers(
    connection: Connection, bank: BankSettings, file: InboundFile, said: BankReturns, at: datetime
) -> Taken:
    """Every answer of a file, or none. What was answered so before is a repetition.

    An answer moves no money: that comes back by a statement. Raises `MustWait` for a request that
    is not known, and `FileRefused` when the bank had given the opposite answer before.
    """
    changed = 0
    for answer in said.recall_answers:
        one = recalls.find_by_case(connection, bank.code, answer.case_id)
        if one is None or one.state is RecallState.BY_HAND:
            raise MustWait("recall_unknown", "It answers a request that is not known to have been made here.")
        after = _AFTER[answer.outcome]
        if one.state is after or (after is RecallState.SENT and one.state in _DECIDED):
            continue
        if after not in RECALL_NEXT[one.state]:
            raise FileRefused("recall_answered_otherwise", "The bank gave another answer to this request before.")
        words = {"answer_file_id": file.id, "answered_at": at, "answer_code": answer.code[:35]}
        recalls.move_recall(connection, one, after, **(words if after in _DECIDED else {}))
        changed += 1
    return Taken(is_repetition=not changed, statuses=changed)
