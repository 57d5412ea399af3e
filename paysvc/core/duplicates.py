"""A bank that refuses a second copy does not refuse the payment: what it says of the copy moves nothing.

CANC is not among such refusals. By the code list it answers a request to cancel, so it is the payment's end, and its
reason is the one that we ask with: DUPL.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paysvc.core.columns import StatusColumns
from paysvc.core.messages import BankReturns, GroupStatus
from paysvc.core.text_column import TextColumn, concatenate_text
from paysvc.domain.sending_answers import ALREADY_THERE

#: In place of the refusal: no status of ISO 20022, so it is kept and shown, and ranks nowhere.
_COPY = "DUPL"
_REFUSED = "RJCT"


def refusals_of_copies_set_aside(said: BankReturns) -> BankReturns:
    """The same, with `DUPL` for each refusal, of a payment or of a file, whose reason is that the bank has it
    already (docs/decisions/0008): the first copy may be on its way."""
    groups = tuple(map(_group, said.groups))
    statuses = said.statuses if said.statuses is None else _statuses(said.statuses)
    return replace(said, groups=groups, statuses=statuses)


def _group(one: GroupStatus) -> GroupStatus:
    is_copy = one.status == _REFUSED and one.reason_code in ALREADY_THERE
    return replace(one, status=_COPY) if is_copy else one


def _statuses(statuses: StatusColumns) -> StatusColumns:
    is_copy = statuses.reason_code.is_in(ALREADY_THERE) & statuses.status.is_in({_REFUSED})
    if not is_copy.any():
        return statuses
    count = len(statuses)
    with_copy = concatenate_text([statuses.status, TextColumn.of([_COPY])])
    return replace(statuses, status=with_copy.take(np.where(is_copy, count, np.arange(count))))
