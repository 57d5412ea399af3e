"""Where payments and their money stand after all that the bank booked and said so far.

Both answers are functions of what is known now and not of how it came to be known, so the
order in which files arrive cannot show in the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paysvc.core import verdicts
from paysvc.core.columns import Columns
from paysvc.core.text_column import Bool, Int64, UInt8
from paysvc.core.verdicts import TallyColumns

#: What a state code stands for (names of `domain.instructions.InstructionState`).
STATES = ("SENT", "SETTLED", "RETURNED", "REJECTED", "DISPUTED")
_SENT, _SETTLED, _RETURNED, _REJECTED, _DISPUTED = (np.uint8(code) for code in range(len(STATES)))


@dataclass(frozen=True, slots=True)
class PlaceColumns(Columns):
    """Where the đồng of each payment are; each row sums to the amount sent.

    `in_transit`: the bank was told to pay and has booked nothing. `fund`: refused, free
    again. `paid`: booked and not come back. `returned`: booked and come back. `suspense`:
    booked and unexplained; negative when the bank took more than it was told to pay.
    `treasury`: money from outside that nobody announced (a credit without its debit), negative.
    """

    in_transit: Int64
    fund: Int64
    paid: Int64
    returned: Int64
    suspense: Int64
    treasury: Int64


def states(amount_vnd: Int64, tally: TallyColumns, refused: Bool, completed: Bool) -> UInt8:
    """The state of each payment (its amount in đồng) in a file that the bank has, as a code into `STATES`.

    `refused` and `completed` say what status reports said: RJCT or CANC, and one of the final
    acceptances that no letter of the bank takes back. DISPUTED needs a person: the bank both
    refused and completed it, or more came back than went out, or only a part did, or it refused what it brings back.
    """
    outcomes = verdicts.decide(tally, refused)
    found = np.full(len(tally), _SENT, dtype=np.uint8)
    found[outcomes == verdicts.SETTLED] = _SETTLED
    # C27: what left and what came back leave nothing or the amount. In another currency sums do not tell.
    has_come_back = (tally.debit_count > 0) & (tally.credit_count > 0) & ~tally.currency_differs
    is_part = has_come_back & (tally.debited_vnd - tally.credited_vnd != amount_vnd)
    found[(outcomes == verdicts.SETTLED) & is_part] = _DISPUTED
    found[outcomes == verdicts.RETURNED] = _RETURNED
    found[outcomes == verdicts.REJECTED] = _REJECTED
    found[(outcomes == verdicts.REJECTED) & completed] = _DISPUTED
    is_open = outcomes == verdicts.OUTSTANDING
    found[is_open & (tally.debit_count > 0)] = _DISPUTED
    found[is_open & (tally.credit_count > 0) & refused] = _DISPUTED
    return found


def places(amount_vnd: Int64, tally: TallyColumns, state_codes: UInt8) -> PlaceColumns:
    """Where the money of each payment is, given its amount (đồng), its bookings and its state."""
    nothing = np.zeros(len(tally), dtype=np.int64)
    is_debited = tally.debit_count > 0
    is_free = state_codes == _REJECTED
    came_back = np.where(is_debited, np.minimum(tally.debited_vnd, tally.credited_vnd), 0)
    unannounced = tally.credited_vnd - came_back
    return PlaceColumns(
        in_transit=np.where(is_debited | is_free, nothing, amount_vnd),
        fund=np.where(is_free, amount_vnd, nothing),
        paid=np.where(is_debited, tally.debited_vnd - came_back, nothing),
        returned=came_back,
        suspense=np.where(is_debited, amount_vnd - tally.debited_vnd, nothing) + unannounced,
        treasury=-unannounced,
    )
