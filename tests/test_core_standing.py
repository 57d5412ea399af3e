"""Where payments and their money stand: whatever the bank said, every đồng is somewhere."""

from __future__ import annotations

from itertools import product

import numpy as np

from paysvc.core.standing import STATES, places, states
from paysvc.core.text_column import TextColumn
from paysvc.core.verdicts import TallyColumns
from paysvc.domain.instructions import INSTRUCTION_NEXT, InstructionState, may_follow

A = 500_000


def tally(rows: list[tuple[int, int, int, int]]) -> TallyColumns:
    columns = [np.array(values, dtype=np.int64) for values in zip(*rows, strict=True)]
    no = np.zeros(len(rows), dtype=np.bool_)
    empty = TextColumn.repeat("", len(rows))
    return TallyColumns(*columns, no, no, empty, empty)


def stands(bookings: tuple[int, int, int, int], refused: bool = False, completed: bool = False) -> str:
    code = states(np.array([A]), tally([bookings]), np.array([refused]), np.array([completed]))[0]
    return STATES[code]


def test_states_follow_from_what_is_booked_and_said() -> None:
    assert stands((0, 0, 0, 0)) == "SENT"
    assert stands((0, 0, 0, 0), refused=True) == "REJECTED"
    assert stands((0, 0, 0, 0), refused=True, completed=True) == "DISPUTED"
    assert stands((1, A, 0, 0), refused=True) == "SETTLED"
    assert stands((1, A, 1, A)) == "RETURNED"
    assert stands((2, 2 * A, 1, A)) == "SETTLED"
    assert stands((0, 0, 1, A)) == "SENT"
    assert stands((0, 0, 1, A), refused=True) == "DISPUTED"
    assert stands((1, A, 2, 2 * A)) == "DISPUTED"
    # What left less what came back is nothing or the amount; a part that came back is neither.
    assert stands((1, A, 1, A - 1)) == "DISPUTED"
    assert stands((2, 2 * A, 1, 1)) == "DISPUTED"
    assert stands((1, A + 100, 1, 100)) == "SETTLED"
    assert stands((1, A - 100, 0, 0)) == "SETTLED"


def test_the_money_of_every_payment_is_somewhere_and_all_of_it_is_its_amount() -> None:
    rows = [
        (debits, debits * A + wrong * bool(debits), credits_, credits_ * A)
        for debits, credits_, wrong in product(range(4), range(4), (0, 100, -100))
    ]
    for refused, completed in product((False, True), repeat=2):
        counted = tally(rows)
        flags = (np.full(len(rows), refused), np.full(len(rows), completed))
        amounts = np.full(len(rows), A, dtype=np.int64)
        found = places(amounts, counted, states(amounts, counted, *flags))
        total = found.in_transit + found.fund + found.paid + found.returned + found.suspense + found.treasury
        assert (total == A).all()
        # What left the account and did not come back is paid; what came unannounced, from outside.
        assert (found.paid + found.treasury == counted.debited_vnd - counted.credited_vnd).all()


def test_no_further_word_of_a_bank_leads_where_the_life_cycle_does_not() -> None:
    """From every standing, every next booking or status leads to a state that may follow."""
    flags = list(product((False, True), repeat=2))
    for debits, credits_, (refused, completed), back in product(range(3), range(3), flags, (A, A // 2)):
        before = stands((debits, debits * A, credits_, credits_ * back), refused, completed)
        nexts = [
            stands(((debits + 1), (debits + 1) * A, credits_, credits_ * back), refused, completed),
            stands((debits, debits * A, credits_ + 1, credits_ * back + A), refused, completed),
            stands((debits, debits * A, credits_ + 1, credits_ * back + A // 2), refused, completed),
            stands((debits, debits * A, credits_, credits_ * back), True, completed),
            stands((debits, debits * A, credits_, credits_ * back), refused, True),
        ]
        for after in nexts:
            one, other = InstructionState(before), InstructionState(after)
            assert one is other or may_follow(INSTRUCTION_NEXT, one, other), (debits, credits_, refused, one, other)
