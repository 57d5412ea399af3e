"""A plan drawn from columns of facts: everybody's dues, what happens to each, and the lines.

Pure: the same facts give the same plan, whatever the row ids and the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paysvc.domain.answered_dues import IN_ANSWERED_FILE, Answered, NamedDues, may_be_paid
from paysvc.domain.disbursement import (
    DISPOSITIONS,
    EXCLUDED,
    HELD,
    PLANNED,
    Decision,
    Dues,
    Int64,
    Lines,
    decide,
    draw_lines,
    join_dues,
    stack,
)
from paysvc.domain.errors import Conflict
from paysvc.domain.payment_dates import month_number
from paysvc.domain.programmes import Programme, RateTable

#: One list of values per name, all equally long.
Facts = Mapping[str, Sequence[Any]]

_STACKED = Decision(EXCLUDED, "stacking")
_SAME_PERSON = Decision(EXCLUDED, "same_person")
_LOWER_PAID = Decision(HELD, "lower_already_paid")
#: Where a decision ranks below every number that occurs.
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan is drawn from, as `store.plan_facts` reads it.

    `programmes` are in the order of their codes. `enrolments` (beneficiary_id,
    programme_code, category, from_period, to_period, channel) are the open ones, `persons`
    (id, outcome, account_id, bank_bin …) everybody in them or in `owed`, by rising id.
    `known` (programme_code, period, beneficiary_id) exists already, `owed` is what no plan
    carries. `promised` maps a stacking group to what other plans carry in it
    (beneficiary_id, period, amount_vnd). `account_bank` names the bank that pays accounts of
    a BIN. `officer_holds` maps (beneficiary_id, programme_code) to the reason. `paid_elsewhere`
    (beneficiary_id, programme_code, period) is what another record of the same person carries.
    """

    programmes: Sequence[Programme]
    rates: RateTable
    periods: Sequence[str]
    enrolments: Facts
    persons: Facts
    known: Facts
    owed: Facts
    promised: Mapping[str, Facts]
    account_bank: Callable[[str], str | None]
    cash_bank: str | None
    officer_holds: Mapping[tuple[int, str], str]
    paid_elsewhere: Facts = field(default_factory=dict)
    #: What officers answered for by hand after a recovery; None when there is nothing.
    answered: Answered | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlanDraft:
    """`decisions[lines.decision[i]]` is what happens to line i; see `Dues` and `Lines`."""

    dues: Dues
    lines: Lines
    decisions: tuple[Decision, ...]

    def column_of(self, pick: Callable[[Decision], Any]) -> list[Any]:
        """One value per line, picked from its decision."""
        values = [pick(decision) for decision in self.decisions]
        return [values[number] for number in self.lines.decision.tolist()]

    @property
    def planned_lines(self) -> Int64:
        """The rows of the lines that are paid, those of a bank and a programme together.

        Written in this order, what one bank's file speaks of lies side by side in the store.
        """
        planned = np.array([one.disposition == PLANNED for one in self.decisions], dtype=np.bool_)
        rows = np.flatnonzero(planned[self.lines.decision])
        banks = np.array([one.bank_code for one in self.decisions])
        return rows[np.lexsort((self.lines.programme[rows], banks[self.lines.decision[rows]]))]


def draw_plan(facts: PlanFacts) -> PlanDraft:
    """Everybody's dues and what happens to them. Raises `InvalidInput` where a rate is missing."""
    person_ids = np.array(facts.persons["id"], dtype=np.int64)
    dues = join_dues([_new_dues(facts, person_ids), _owed_dues(facts, person_ids)])
    book = _DecisionBook()
    decision = _decide_all(facts, dues, book)
    _hold_for_officers(facts, dues, person_ids, decision, book)
    _exclude_paid_elsewhere(facts, dues, person_ids, decision, book)
    _hold_answered(facts, dues, decision, book)
    _apply_stacking(facts, dues, person_ids, decision, book)
    # What an earlier cycle left out and this one leaves out too is not counted anew.
    excluded = np.array([one.disposition == EXCLUDED for one in book.decisions], dtype=np.bool_)
    counted = ~(dues.was_excluded & excluded[decision]) if len(dues) else np.zeros(0, dtype=np.bool_)
    dues, decision = dues.take(counted), decision[counted]
    return PlanDraft(dues, draw_lines(dues, decision, len(book.decisions)), tuple(book.decisions))


class _DecisionBook:
    """Every decision that occurs, once; rows carry its number."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self._numbers: dict[Decision, int] = {}

    def number(self, decision: Decision) -> int:
        if decision not in self._numbers:
            self._numbers[decision] = len(self.decisions)
            self.decisions.append(decision)
        return self._numbers[decision]


def _new_dues(facts: PlanFacts, person_ids: Int64) -> Dues:
    """What falls due for the first time: every enrolment in every period it covers."""
    row_person = _positions(person_ids, np.array(facts.enrolments["beneficiary_id"], dtype=np.int64))
    row_programme = _programme_numbers(facts, facts.enrolments["programme_code"])
    categories, row_category = _encode(facts.enrolments["category"])
    first = _months(facts.enrolments["from_period"])
    last = _months(facts.enrolments["to_period"])
    cash = _is_cash(facts.enrolments["channel"])
    known = _known_keys(facts, person_ids)
    parts = []
    for period in facts.periods:
        month = month_number(period)
        key = (row_person * len(facts.programmes) + row_programme) * _MONTHS + month
        rows = np.flatnonzero((first <= month) & (month <= last) & ~np.isin(key, known))
        rate_id, amount = _rates(facts, categories, row_programme[rows], row_category[rows], period)
        count = len(rows)
        parts.append(
            Dues(
                person=row_person[rows],
                programme=row_programme[rows],
                period=np.full(count, month, dtype=np.int64),
                amount_vnd=amount,
                wants_cash=cash[rows],
                rate_id=rate_id,
                obligation_id=np.zeros(count, dtype=np.int64),
                generation=np.zeros(count, dtype=np.int64),
                follows=np.zeros(count, dtype=np.int64),
                was_excluded=np.zeros(count, dtype=np.bool_),
            )
        )
    return join_dues(parts)


def _owed_dues(facts: PlanFacts, person_ids: Int64) -> Dues:
    """What was due before and no plan carries: held, excluded, or come back."""
    owed = facts.owed
    return Dues(
        person=_positions(person_ids, np.array(owed["beneficiary_id"], dtype=np.int64)),
        programme=_programme_numbers(facts, owed["programme_code"]),
        period=_months(owed["period"]),
        amount_vnd=np.array(owed["amount_vnd"], dtype=np.int64),
        wants_cash=_is_cash(owed["channel"]),
        rate_id=np.array([one or 0 for one in owed["rate_id"]], dtype=np.int64),
        obligation_id=np.array(owed["id"], dtype=np.int64),
        generation=np.array(owed["generation"], dtype=np.int64),
        follows=np.array(owed["follows"], dtype=np.int64),
        was_excluded=np.array([one == DISPOSITIONS[EXCLUDED] for one in owed["disposition"]], dtype=np.bool_),
    )


def _rates(
    facts: PlanFacts, categories: Sequence[str], programme: Int64, category: Int64, period: str
) -> tuple[Int64, Int64]:
    """(row ids, amounts) of the rates; each combination that occurs is looked up once."""
    found, inverse = np.unique(programme * max(len(categories), 1) + category, return_inverse=True)
    rates = [
        facts.rates.find(facts.programmes[one // len(categories)].code, categories[one % len(categories)], period)
        for one in found.tolist()
    ]
    table = np.array(rates, dtype=np.int64).reshape(len(rates), 2)
    return table[inverse, 0], table[inverse, 1]


def _decide_all(facts: PlanFacts, dues: Dues, book: _DecisionBook) -> Int64:
    """The number of the decision on each due; each combination that occurs is decided once."""
    outcomes, outcome = _encode([one or "" for one in facts.persons["outcome"]])
    bins, creditor_bin = _encode([one or "" for one in facts.persons["bank_bin"]])
    key = (outcome * max(len(bins), 1) + creditor_bin)[dues.person]
    key = (key * len(facts.programmes) + dues.programme) * 2 + dues.wants_cash
    found, inverse = np.unique(key, return_inverse=True)
    numbers = []
    for one in found.tolist():
        rest, wants_cash = divmod(one, 2)
        rest, programme = divmod(rest, len(facts.programmes))
        outcome_number, bin_number = divmod(rest, len(bins))
        decision = decide(
            outcomes[outcome_number],
            bool(wants_cash),
            facts.programmes[programme].without_account,
            facts.account_bank(bins[bin_number]) if bins[bin_number] else None,
            facts.cash_bank,
        )
        numbers.append(book.number(decision))
    return np.array(numbers, dtype=np.int64)[inverse]


def _hold_for_officers(facts: PlanFacts, dues: Dues, person_ids: Int64, decision: Int64, book: _DecisionBook) -> None:
    """What an officer held stays held when the plan is drawn again."""
    codes = {programme.code: number for number, programme in enumerate(facts.programmes)}
    for (beneficiary_id, programme_code), reason in facts.officer_holds.items():
        if programme_code not in codes:
            continue
        rows = np.flatnonzero((person_ids[dues.person] == beneficiary_id) & (dues.programme == codes[programme_code]))
        for row in rows.tolist():
            if book.decisions[decision[row]].disposition != EXCLUDED:
                decision[row] = book.number(Decision(HELD, reason))


def _exclude_paid_elsewhere(
    facts: PlanFacts, dues: Dues, person_ids: Int64, decision: Int64, book: _DecisionBook
) -> None:
    """A month that another record of the same person was paid for is not paid again."""
    paid = facts.paid_elsewhere
    if not paid or not len(paid["beneficiary_id"]):
        return
    many = len(facts.programmes)
    ids, codes = np.array(paid["beneficiary_id"], dtype=np.int64), _programme_numbers(facts, paid["programme_code"])
    there = (ids * many + codes) * _MONTHS + _months(paid["period"])
    mine = (person_ids[dues.person] * many + dues.programme) * _MONTHS + dues.period
    decision[np.isin(mine, there)] = book.number(_SAME_PERSON)


def _hold_answered(facts: PlanFacts, dues: Dues, decision: Int64, book: _DecisionBook) -> None:
    """Who may have been paid by a file that no row knows stays held: officers settle it outside."""
    if facts.answered is None or not len(dues):
        return
    excluded = np.array([one.disposition == EXCLUDED for one in book.decisions], dtype=np.bool_)
    rows = np.flatnonzero(~excluded[decision])
    codes = [facts.programmes[number].code for number in dues.programme[rows].tolist()]
    keys = [facts.persons["citizen_key"][person] for person in dues.person[rows].tolist()]
    named = NamedDues(codes, dues.period[rows], keys, dues.generation[rows])
    decision[rows[may_be_paid(facts.answered, named)]] = book.number(Decision(HELD, IN_ANSWERED_FILE))


def _apply_stacking(facts: PlanFacts, dues: Dues, person_ids: Int64, decision: Int64, book: _DecisionBook) -> None:
    """The higher programme only; who is excluded already (deceased) is out of the comparison."""
    names = sorted({programme.stacking_group for programme in facts.programmes if programme.stacking_group})
    if not names or not len(dues):
        return
    group_of_programme = np.array(
        [names.index(one.stacking_group) if one.stacking_group else -1 for one in facts.programmes], dtype=np.int64
    )
    out = np.array([one.disposition == EXCLUDED for one in book.decisions], dtype=np.bool_)[decision]
    group = np.where(out, -1, group_of_programme[dues.programme])
    promised = _promised(facts, names, dues, person_ids, group)
    stacked = stack(dues.person, dues.period, group, dues.amount_vnd, dues.programme, promised)
    decision[stacked.excluded] = book.number(_STACKED)
    decision[stacked.lower_already_paid] = book.number(_LOWER_PAID)


def _promised(facts: PlanFacts, names: Sequence[str], dues: Dues, person_ids: Int64, group: Int64) -> Int64:
    """For each due, the highest amount that another plan carries in its group and period."""
    promised = np.zeros(len(dues), dtype=np.int64)
    for number, name in enumerate(names):
        carried = facts.promised.get(name)
        if not carried or not len(carried["beneficiary_id"]):
            continue
        keys = np.array(carried["beneficiary_id"], dtype=np.int64) * _MONTHS + _months(carried["period"])
        order = np.argsort(keys)
        keys, amounts = keys[order], np.array(carried["amount_vnd"], dtype=np.int64)[order]
        rows = np.flatnonzero(group == number)
        wanted = person_ids[dues.person[rows]] * _MONTHS + dues.period[rows]
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        promised[rows] = np.where(keys[place] == wanted, amounts[place], 0)
    return promised


#: More months than any period's number; keeps periods apart in combined keys.
_MONTHS = 12 * 10_000


def _known_keys(facts: PlanFacts, person_ids: Int64) -> Int64:
    ids = np.array(facts.known["beneficiary_id"], dtype=np.int64)
    # Somebody whose enrolment was taken back for good is in no list of today's.
    here = np.isin(ids, person_ids)
    rows = np.flatnonzero(here)
    programme = _programme_numbers(facts, facts.known["programme_code"])[rows]
    month = _months(facts.known["period"])[rows]
    return (np.searchsorted(person_ids, ids[rows]) * len(facts.programmes) + programme) * _MONTHS + month


def _positions(person_ids: Int64, wanted: Int64) -> Int64:
    """The row of each wanted person. Raises `Conflict` for one of whom the registry knows nothing."""
    if len(wanted) and (not len(person_ids) or not bool(np.isin(wanted, person_ids).all())):
        raise Conflict(
            "registry_incomplete",
            "A person is enrolled of whom the registry has no record.",
            next_step="Import the beneficiaries again.",
        )
    return np.searchsorted(person_ids, wanted).astype(np.int64)


def _programme_numbers(facts: PlanFacts, codes: Sequence[str]) -> Int64:
    numbers = {programme.code: number for number, programme in enumerate(facts.programmes)}
    return np.array([numbers[code] for code in codes], dtype=np.int64)


def _encode(values: Sequence[str]) -> tuple[list[str], Int64]:
    """(the distinct values, the number of each row's)."""
    numbers: dict[str, int] = {}
    rows = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
    return list(numbers), rows


def _months(periods: Sequence[str | None]) -> Int64:
    """Month numbers; None is later than every month."""
    numbers: dict[str | None, int] = {None: int(_NEVER)}
    for period in set(periods):
        if period is not None:
            numbers[period] = month_number(period)
    return np.array([numbers[period] for period in periods], dtype=np.int64)


def _is_cash(channels: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.array([channel == "cash" for channel in channels], dtype=np.bool_)
