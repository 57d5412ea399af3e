"""The first road in columns gives the lines that one dictionary after the other gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paysvc.core.first_road import BookedColumns, DueColumns, Facts, InstructionColumns, instructed_of, lines_of
from paysvc.core.text_column import TextColumn
from paysvc.domain.report_lines import (
    NOTHING_BOOKED,
    Booked,
    ReportLine,
    Said,
    discrepancies_of,
    judge,
    shown_bank_reference,
    shown_reason,
)
from paysvc.domain.report_records import SentFile


class Due(NamedTuple):
    amount: int
    disposition: str
    reason: str


class Instructed(NamedTuple):
    entitlement: int
    amount: int
    batch: int


class Entry(NamedTuple):
    instruction: int
    amount: int
    currency: str
    is_debit: bool
    reason: str
    reference: str


# Ids of instructions start from 101, of entitlements from 1; one of each is of no such row.
_AMOUNTS = st.sampled_from([500, 501])
_DUES = st.lists(st.builds(Due, _AMOUNTS, st.sampled_from(["planned"] * 4 + ["held"]), st.just("")), max_size=5)
_INSTRUCTED = st.lists(st.builds(Instructed, st.integers(1, 6), _AMOUNTS, st.integers(0, 3)), max_size=6)
_ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(101, 107),
        st.sampled_from([500, 500, 501, 0]),
        st.sampled_from(["VND", "VND", "USD"]),
        st.sampled_from([True, True, False]),
        st.sampled_from(["", "", "AC04", "gone to 0402010123"]),
        st.sampled_from(["", "D01", "D 02", "=A1", "D03"]),
    ),
    max_size=8,
)
_SAID = st.dictionaries(
    st.integers(101, 107), st.builds(Said, st.booleans(), st.just("AC01"), st.just("R1")), max_size=2
)
_FILES = {
    batch: SentFile("AGRI", "f", f"M{batch}", "", 0, 0, 0, "", sending)
    for batch, sending in ((1, "sent"), (2, "unknown"))
}


def _facts(dues: list[Due], instructed: list[Instructed], entries: list[Entry], said: dict[int, Said]) -> Facts:
    def numbers(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    return Facts(
        DueColumns(
            id=np.arange(1, len(dues) + 1),
            programme=TextColumn.repeat("BTXH", len(dues)),
            unit=TextColumn.repeat("1", len(dues)),
            amount_vnd=numbers([one.amount for one in dues]),
            disposition=TextColumn.of([one.disposition for one in dues]),
            reason=TextColumn.of([one.reason for one in dues]),
        ),
        InstructionColumns(
            id=np.arange(101, 101 + len(instructed)),
            entitlement_id=numbers([one.entitlement for one in instructed]),
            end_to_end_id=TextColumn.of([f"P{place}" for place in range(len(instructed))]),
            amount_vnd=numbers([one.amount for one in instructed]),
            channel=TextColumn.repeat("account", len(instructed)),
            bank=TextColumn.repeat("AGRI", len(instructed)),
            batch_id=numbers([one.batch for one in instructed]),
        ),
        BookedColumns(
            instruction_id=numbers([one.instruction for one in entries]),
            amount_vnd=numbers([one.amount for one in entries]),
            currency=TextColumn.of([one.currency for one in entries]),
            is_debit=np.array([one.is_debit for one in entries], np.bool_),
            reason=TextColumn.of([one.reason for one in entries]),
            bank_reference=TextColumn.of([one.reference for one in entries]),
        ),
        said,
        _FILES,
    )


def _booked(entries: list[Entry], instructed_vnd: int) -> Booked:
    if not entries:
        return NOTHING_BOOKED
    debits, credits_ = ([one for one in entries if one.is_debit is side] for side in (True, False))
    references = [sorted(one.reference for one in side if one.reference) for side in (debits, credits_)]
    reasons = sorted(one.reason for one in entries if one.reason)
    return Booked(
        len(debits),
        sum(one.amount for one in debits if one.currency == "VND"),
        len(credits_),
        sum(one.amount for one in credits_ if one.currency == "VND"),
        any(one.currency == "VND" and one.amount != instructed_vnd for one in entries),
        any(one.currency != "VND" for one in entries),
        reasons[0] if reasons else "",
        (references[0] + references[1] + [""])[0],
    )


def _line(number: int, due: Due, found: tuple[int, Instructed] | None, booked: Booked, said: Said | None) -> ReportLine:
    if due.disposition != "planned" or found is None:
        outcome, sending = ("outstanding", "not_sent") if due.disposition == "planned" else (due.disposition, "")
        return ReportLine(number, "", "BTXH", "1", "", "", due.amount, sending, "", 0, 0, outcome, due.reason, "", "")
    place, instructed = found
    file = _FILES.get(instructed.batch)
    outcome, sending, reason = judge(file.sending if file else "not_sent", booked, said)
    reference = booked.bank_reference or (said.bank_reference if said else "")
    return ReportLine(
        number, f"P{place}", "BTXH", "1", "account", "AGRI", due.amount, sending, file.message_id if file else "",
        booked.debits_vnd, booked.credits_vnd, outcome, shown_reason(reason), shown_bank_reference(reference),
        discrepancies_of(booked),
    )  # fmt: skip


@given(_DUES, _INSTRUCTED, _ENTRIES, _SAID)
def test_lines_in_columns_are_the_lines_one_by_one(
    dues: list[Due], instructed: list[Instructed], entries: list[Entry], said: dict[int, Said]
) -> None:
    facts = _facts(dues, instructed, entries, said)
    last = {one.entitlement: (place, one) for place, one in enumerate(instructed)}
    expected = []
    for number, due in enumerate(dues, 1):
        found = last.get(number)
        own = [] if found is None else [one for one in entries if one.instruction == 101 + found[0]]
        booked = _booked(own, found[1].amount if found else 0)
        expected.append(_line(number, due, found, booked, said.get(101 + found[0]) if found else None))
    assert list(lines_of(facts).to_rows()) == expected
    planned = [last.get(number) if due.disposition == "planned" else None for number, due in enumerate(dues, 1)]
    assert instructed_of(facts).amount_vnd.tolist() == [one[1].amount if one else 0 for one in planned]
    assert instructed_of(facts).batch_id.tolist() == [
        one[1].batch if one and one[1].batch in _FILES else 0 for one in planned
    ]
