"""Every pair of states: what may follow is in the table, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.identifiers import end_to_end_id
from paysvc.domain.instructions import (
    BATCH_NEXT,
    CYCLE_NEXT,
    INSTRUCTION_NEXT,
    BatchState,
    CycleState,
    InstructionState,
    content_sha256,
    end_to_end_ids,
    may_follow,
)

#: Written out once more, as the officers say it: a slip in the tables has to be made twice.
CYCLE = {
    "DRAFT SUBMITTED",
    "SUBMITTED APPROVED",
    "SUBMITTED DRAFT",
    "APPROVED RELEASED",
    "APPROVED DRAFT",
    "RELEASED CLOSED",
}

BATCH = {
    "SEALED SENDING",
    "SEALED DISSOLVED",
    "SENDING SENT",
    "SENDING REFUSED",
    "SENDING UNKNOWN",
    "SENDING SEALED",
    "UNKNOWN SENT",
    "UNKNOWN REFUSED",
    "UNKNOWN SEALED",
    "SENT REFUSED",
}

INSTRUCTION = {
    "PLANNED BATCHED",
    "PLANNED CANCELLED",
    "BATCHED PLANNED",
    "BATCHED SENT",
    "BATCHED UNKNOWN",
    "BATCHED REJECTED",
    "SENT SETTLED",
    "SENT REJECTED",
    "SENT RETURNED",
    "SENT DISPUTED",
    "UNKNOWN BATCHED",
    "UNKNOWN SENT",
    "UNKNOWN SETTLED",
    "UNKNOWN REJECTED",
    "UNKNOWN RETURNED",
    "UNKNOWN DISPUTED",
    "SETTLED RETURNED",
    "SETTLED DISPUTED",
    "REJECTED SETTLED",
    "REJECTED RETURNED",
    "REJECTED DISPUTED",
    "RETURNED SETTLED",
    "RETURNED DISPUTED",
    "DISPUTED SETTLED",
    "DISPUTED RETURNED",
    "DISPUTED REJECTED",
}

LIFE_CYCLES = [
    pytest.param(CycleState, CYCLE_NEXT, CYCLE, id="cycle"),
    pytest.param(BatchState, BATCH_NEXT, BATCH, id="batch"),
    pytest.param(InstructionState, INSTRUCTION_NEXT, INSTRUCTION, id="instruction"),
]


@pytest.mark.parametrize(("states", "table", "allowed"), LIFE_CYCLES)
def test_every_pair_of_states(states: Any, table: Mapping[Any, frozenset[Any]], allowed: set[str]) -> None:
    assert set(table) == set(states), "every state has its line"
    for before, after in product(states, states):
        assert may_follow(table, before, after) == (f"{before} {after}" in allowed), f"{before} -> {after}"


def test_nothing_that_left_us_comes_back_to_be_sent_anew() -> None:
    """An instruction that a bank may have is never planned again, and time alone settles nothing."""
    sent = {InstructionState.SENT, InstructionState.SETTLED, InstructionState.RETURNED, InstructionState.DISPUTED}
    for state in sent:
        assert not INSTRUCTION_NEXT[state] & {InstructionState.PLANNED, InstructionState.BATCHED}
    assert InstructionState.CANCELLED not in INSTRUCTION_NEXT[InstructionState.UNKNOWN]


def test_a_released_cycle_is_never_a_draft_again() -> None:
    seen, open_states = set(), [CycleState.RELEASED]
    while open_states:
        state = open_states.pop()
        seen.add(state)
        open_states += CYCLE_NEXT[state] - seen
    assert seen == {CycleState.RELEASED, CycleState.CLOSED}


def test_ids_by_the_column_are_the_ids_one_by_one() -> None:
    rows = [
        (programme, period, bytes([person]) * 32, component, generation)
        for programme, period, person, component, generation in product(
            ("BTXH", "HTXH"), ("2026-12", "2027-01"), range(3), ("monthly", "one-off"), (0, 1)
        )
    ]
    key = b"k" * 32
    at_once = end_to_end_ids(key, *map(list, zip(*rows, strict=True)))  # type: ignore[arg-type]
    assert at_once == [end_to_end_id(key, *row) for row in rows]
    assert len(set(at_once)) == len(rows)
    assert end_to_end_ids(key, [], [], [], [], []) == []


def test_contents_that_differ_in_anything_have_other_digests() -> None:
    contents = [
        ({"code": "A"}, 2, ["P1\x1fP2", "1\x1f2"]),
        ({"code": "B"}, 2, ["P1\x1fP2", "1\x1f2"]),
        ({"code": "A"}, 2, ["P2\x1fP1", "1\x1f2"]),
        ({"code": "A"}, 2, ["P1\x1fP2", "1\x1f2", "\x1f"]),
        ({"code": "A"}, 1, ["P1P2", "12"]),
        ({"code": "A"}, 1, ["P1P", "212"]),
        ({"code": "A"}, 1, ["P1P212", ""]),
        ({"code": "A"}, 0, ["", ""]),
    ]
    assert len({content_sha256(*content) for content in contents}) == len(contents)


@pytest.mark.parametrize("column", ["P1\x1fP2\x1fP3", "P1P2", ""])
def test_a_value_that_could_be_two_is_not_digested(column: str) -> None:
    with pytest.raises(DoesNotReconcile, match="no value may hold"):
        content_sha256({}, 2, [column])
