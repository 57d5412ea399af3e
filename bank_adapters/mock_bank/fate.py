"""What becomes of a payment: drawn from the seed and its end-to-end id, and from nothing else.

The same id has the same fate in every run, in every order of files and after a restart.
The mix is the one field reports give for benefit payments: about 2.5 % of credits fail, half
refused at once and half returned within a working week, and one in a thousand comes back
after a month; of cash lists about 1.5 % is not collected.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

MILLION = 1_000_000

#: ISO 20022 reason codes of failing credits, in parts per thousand.
REASONS = (
    ("AC04", 250),  # account closed
    ("AC06", 200),  # account blocked or dormant
    ("AC01", 200),  # account number wrong
    ("BE01", 150),  # holder and account do not agree
    ("MD07", 80),  # holder deceased
    ("AG01", 40),  # no such credit on this kind of account
    ("RR04", 40),  # regulatory reason
    ("NARR", 20),
    ("MS03", 20),
)
#: Cash that nobody came for (not collected, or could not be delivered).
NOT_COLLECTED = "CNPC"

_WORDS = struct.Struct(">8I")
_REASON_OF_THOUSANDTH = tuple(code for code, share in REASONS for _ in range(share))


@dataclass(frozen=True, slots=True)
class Rates:
    """How often payments fail, in parts per million of all payments."""

    rejected: int
    returned: int
    late: int


class Fate(NamedTuple):
    """`kind` is `paid`, `rejected`, `returned` or `late`; `reason` is empty for `paid`.

    `days` is the number of working days until a return (1-5), or of calendar days that a late
    return takes beyond its month (0-9). `collected` is the working day, counted from 0, on
    which cash is fetched. `grouped` says whether the booking goes into a batch booking.
    """

    kind: str
    reason: str
    days: int
    collected: int
    grouped: bool


_PAID = [[Fate("paid", "", 0, collected, in_batch) for collected in range(5)] for in_batch in (False, True)]


class Fates:
    """Draws fates for one bank."""

    def __init__(self, seed: int, rates: Rates, *, is_cash: bool) -> None:
        self._prefix = f"{seed}|".encode()
        # A 32-bit draw fails when it is below the rate's share of all draws.
        self._reject_below = (rates.rejected << 32) // MILLION
        self._return_below = (rates.returned << 32) // MILLION
        self._late_below = (rates.late << 32) // MILLION
        self._is_cash = is_cash

    def of(self, end_to_end_id: str) -> Fate:
        """The fate of one payment; each draw has its own 32 bits, so no rate moves another."""
        draws: tuple[int, ...] = _WORDS.unpack(sha256(self._prefix + end_to_end_id.encode()).digest())
        rejected, returned, late, reason, days, window, grouped, _ = draws
        collected = 0 if window % 10 < 7 else 1 + window % 4
        in_batch = grouped % 20 == 0
        if rejected < self._reject_below:
            code = NOT_COLLECTED if self._is_cash else _REASON_OF_THOUSANDTH[reason % 1000]
            return Fate("rejected", code, 0, collected, in_batch)
        if returned < self._return_below:
            return Fate("returned", _REASON_OF_THOUSANDTH[reason % 1000], 1 + days % 5, collected, in_batch)
        if late < self._late_below:
            return Fate("late", _REASON_OF_THOUSANDTH[reason % 1000], days % 10, collected, in_batch)
        return _PAID[in_batch][collected]
