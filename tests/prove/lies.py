"""What a bank may do wrong for a while. Each is honest in the bank's own books."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from paysvc.demo.banks import MockBank

Lie = dict[str, Any]

#: Told when files are brought; later they could not show.
ABOUT_FILES: tuple[Lie, ...] = (
    {"drop_ack": 2},
    {"drop_ack": True},
    {"silence_after_accepting": True},
    {"refuse_files": 1},
    {"reject_rate": 0.3, "return_rate": 0.2},
    {"slow_ms": 20},
)
#: Told when the bank works and says what it did.
ABOUT_BOOKINGS: tuple[Lie, ...] = (
    {"silence_after_accepting": True},
    {"duplicate_statement": "copy"},
    {"duplicate_statement": "reissue"},
    {"duplicate_statement": True},
    {"wrong_totals": 1},
    {"truncated_statement": 1},
    {"debit_twice": 1},
    {"strays": 1},
    {"unsolicited_credits": 1},
    {"late_returns": 1},
    {"credit_without_debit": 1},
    {"settle_rejected": 1},
    {"wrong_amount": 1},
    {"reject_rate": 0.3, "return_rate": 0.2},
    {"slow_ms": 20},
)
HONEST: Lie = {
    "drop_ack": 0, "silence_after_accepting": False, "duplicate_statement": None, "wrong_totals": 0,
    "truncated_statement": 0, "refuse_files": 0, "debit_twice": 0, "strays": 0, "unsolicited_credits": 0,
    "late_returns": 0, "credit_without_debit": 0, "settle_rejected": 0, "wrong_amount": 0, "reject": 0,
    "reject_rate": 0.06, "return_rate": 0.08, "late_rate": 0.02, "slow_ms": 0, "stray_reversals": 0,
    "unnumbered_statements": False,
}  # fmt: skip

_ISO_ONLY = ("wrong_currency", "pending", "unnumbered_statements")


def for_bank(bank: MockBank, wishes: Lie) -> Lie:
    """What this kind of bank can be asked for."""
    return {name: value for name, value in wishes.items() if bank.profile.profile == "iso" or name not in _ISO_ONLY}


def draw_lie(luck: random.Random, told: Counter[tuple[str, str]], bank: MockBank, lies: Sequence[Lie]) -> Lie:
    """One of those that this bank told least often; `told` counts by bank and lie."""
    code = bank.profile.code
    seldom = min(told[code, str(lie)] for lie in lies)
    lie = luck.choice([lie for lie in lies if told[code, str(lie)] == seldom])
    told[code, str(lie)] += 1
    return for_bank(bank, lie)
