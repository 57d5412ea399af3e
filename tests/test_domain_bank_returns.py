"""What a bank says, in whatever order it says it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.bank_returns import (
    REFUSALS,
    STATUS_RANK,
    LetterWord,
    MergedStatus,
    NextStep,
    merge_letter,
    merge_status,
    next_step,
)

REPORTS = st.lists(st.sampled_from([*STATUS_RANK, *REFUSALS, "XXXX"]), max_size=5)


def merged(reports: list[str]) -> MergedStatus:
    return reduce(merge_status, reports, MergedStatus())


@given(REPORTS)
def test_every_order_and_repetition_gives_one_state(reports: list[str]) -> None:
    expected = merged(reports)
    for order in permutations(reports):
        assert merged(list(order)) == expected
        assert merged(list(order) * 2) == expected


WORDS = st.lists(
    st.tuples(st.just(merge_status), st.sampled_from([*STATUS_RANK, *REFUSALS]))
    | st.tuples(st.just(merge_letter), st.sampled_from(["RCVD", "ACSC", "RJCT"])),
    max_size=5,
)


@given(WORDS)
def test_letters_among_files_make_no_order_either(words: list[tuple[Any, str]]) -> None:
    def joined(order: Iterable[tuple[Any, str]]) -> MergedStatus:
        return reduce(lambda before, word: word[0](before, word[1]), order, MergedStatus())

    expected = joined(words)
    for order in permutations(words):
        assert joined(order) == expected
        assert joined(order * 2) == expected


def test_a_letter_is_the_last_word_unless_another_contradicts_it() -> None:
    disputed = merged(["ACSC", "RJCT"])
    denied = merge_letter(disputed, "RJCT")
    assert (denied.letter, denied.is_disputed) == (LetterWord.NOT_MADE, False)
    assert not merge_status(denied, "ACCC").is_disputed
    assert (merge_letter(denied, "ACSC").letter, merge_letter(denied, "ACSC").is_disputed) == (LetterWord.BOTH, True)
    assert merge_letter(disputed, "RCVD") == disputed
    assert merge_letter(merged(["RJCT"]), "ACSC").is_disputed


def test_a_late_lower_status_does_not_take_anything_back() -> None:
    assert merged(["ACSC", "RCVD", "PDNG"]).best == "ACSC"


def test_completed_and_refused_is_a_dispute() -> None:
    assert merged(["ACSC", "RJCT"]).is_disputed
    assert not merged(["ACSP", "RJCT"]).is_disputed


def test_an_unknown_status_is_kept_without_effect() -> None:
    assert merged(["XXXX"]) == MergedStatus()


def test_reasons_are_routed_and_unknown_ones_go_to_a_person() -> None:
    assert next_step("MD07") is NextStep.STOP_PROGRAMME
    assert next_step("AC04") is NextStep.USE_OTHER_ACCOUNT
    assert next_step("ZZ99") is NextStep.MANUAL
    assert next_step("") is NextStep.MANUAL
