"""The life of a request that a bank take a payment back."""

from __future__ import annotations

from enum import StrEnum

#: ISO 20022 ExternalCancellationReason: the payment is made twice.
DUPLICATE = "DUPL"


class RecallState(StrEnum):
    """As of a batch until the bank has it; the bank's answer ends it. Money comes back by a statement alone."""

    #: The bank takes no such file: a person has to ask it.
    BY_HAND = "BY_HAND"
    SEALED = "SEALED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    REFUSED = "REFUSED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    #: One of the two payments had ended before the request left.
    WITHDRAWN = "WITHDRAWN"


_ANSWERED = frozenset({RecallState.ACCEPTED, RecallState.DECLINED})

RECALL_NEXT: dict[RecallState, frozenset[RecallState]] = {
    RecallState.BY_HAND: frozenset({RecallState.WITHDRAWN}),
    RecallState.SEALED: frozenset({RecallState.SENDING, RecallState.SENT, RecallState.WITHDRAWN}) | _ANSWERED,
    RecallState.SENDING: frozenset(
        {RecallState.SENT, RecallState.REFUSED, RecallState.UNKNOWN, RecallState.SEALED} | _ANSWERED
    ),
    # SEALED from here only when the bank says that it never got the file.
    RecallState.UNKNOWN: frozenset({RecallState.SENT, RecallState.REFUSED, RecallState.SEALED} | _ANSWERED),
    RecallState.SENT: _ANSWERED,
    RecallState.REFUSED: frozenset(),
    RecallState.ACCEPTED: frozenset(),
    RecallState.DECLINED: frozenset(),
    RecallState.WITHDRAWN: frozenset(),
}


def case_id(end_to_end_id: str, requests_before: int = 0) -> str:
    """By which the bank names the request: of at most 35 characters, one for each request about a payment, for ever."""
    return f"RC-{end_to_end_id}" + (f"-{requests_before + 1}" if requests_before else "")
