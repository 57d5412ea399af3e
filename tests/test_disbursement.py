"""The rules of a plan, told with whatever Hypothesis thinks of: nobody vanishes, no đồng does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.domain.disbursement import EXCLUDED, HELD, PLANNED, decide, stack
from paysvc.domain.plan_columns import credit_columns, is_released, line_columns, obligation_columns
from paysvc.domain.plan_draft import PlanDraft, PlanFacts, draw_plan
from paysvc.domain.programmes import Programme, ProgrammeKind, Rate, RateTable, WithoutAccount

OUTCOMES = [
    None,
    "matched",
    "name_close",
    "name_mismatch",
    "several_accounts",
    "no_account",
    "account_not_usable",
    "not_in_population",
    "deceased",
    "data_differ",
]
PERIODS = ["2026-11", "2026-12", "2027-01"]


def programme(code: str, group: str, policy: WithoutAccount) -> Programme:
    return Programme(code, code, ProgrammeKind.REGULAR, "SSBE", "NS", group, "x", policy)


PROGRAMMES = [
    programme("A", "G", WithoutAccount.CASH),
    programme("B", "G", WithoutAccount.WORKLIST),
    programme("C", "", WithoutAccount.CASH),
]

AMOUNTS = {("A", "1"): 500, ("A", "2"): 750, ("B", "1"): 500, ("B", "2"): 900, ("C", "1"): 100, ("C", "2"): 200}

RATES = RateTable(
    {
        number: Rate(code, category, "2020-01", None, amount, 1000, "x")
        for number, ((code, category), amount) in enumerate(AMOUNTS.items(), 1)
    }
)


@dataclass(frozen=True)
class Someone:
    """What a plan knows of one person."""

    outcome: str | None
    bin: str
    enrolments: dict[str, tuple[str, str, str | None, str]]


PEOPLE = st.builds(
    Someone,
    outcome=st.sampled_from(OUTCOMES),
    bin=st.sampled_from(["970405", "970436", "000000"]),
    enrolments=st.dictionaries(
        st.sampled_from(["A", "B", "C"]),
        st.tuples(
            st.sampled_from(["1", "2"]),
            st.sampled_from(["2026-01", "2026-12", "2027-01"]),
            st.sampled_from([None, "2026-11", "2026-12"]),
            st.sampled_from(["account", "cash"]),
        ),
        max_size=3,
    ),
)

ROUTES = {"970405": "AGRI", "970436": "VCB"}


def facts_of(people: list[Someone], cash_bank: str | None = "POST") -> PlanFacts:
    rows = [(10 + n, code, *each) for n, who in enumerate(people) for code, each in sorted(who.enrolments.items())]
    usable = [who.outcome == "matched" for who in people]
    return PlanFacts(
        programmes=PROGRAMMES,
        rates=RATES,
        periods=PERIODS,
        enrolments={
            "beneficiary_id": [row[0] for row in rows],
            "programme_code": [row[1] for row in rows],
            "category": [row[2] for row in rows],
            "from_period": [row[3] for row in rows],
            "to_period": [row[4] for row in rows],
            "channel": [row[5] for row in rows],
        },
        persons={
            "id": [10 + n for n in range(len(people))],
            "citizen_key": [bytes([n]) * 32 for n in range(len(people))],
            "full_name": [f"Người {n}" for n in range(len(people))],
            "unit_code": ["16681"] * len(people),
            "outcome": [who.outcome for who in people],
            "account_id": [n if ok else None for n, ok in enumerate(usable)],
            "bank_bin": [who.bin if ok else None for who, ok in zip(people, usable, strict=True)],
            "account_key": [bytes([n]) * 32 if ok else None for n, ok in enumerate(usable)],
            "holder_name": ["NGUOI" if ok else None for ok in usable],
        },
        known={"programme_code": [], "period": [], "beneficiary_id": []},
        owed={
            name: []
            for name in (
                "id",
                "programme_code",
                "period",
                "beneficiary_id",
                "amount_vnd",
                "rate_id",
                "disposition",
                "generation",
                "follows",
                "channel",
            )
        },
        promised={"G": {"beneficiary_id": [], "period": [], "amount_vnd": []}},
        account_bank=ROUTES.get,
        cash_bank=cash_bank,
        officer_holds={},
    )


def due_of(people: list[Someone]) -> dict[tuple[int, str, str], int]:
    """(person, programme, period) -> đồng, told one by one."""
    return {
        (10 + n, code, period): AMOUNTS[code, category]
        for n, who in enumerate(people)
        for code, (category, first, last, _) in who.enrolments.items()
        for period in PERIODS
        if first <= period and (last is None or period <= last)
    }


def paid_of(people: list[Someone], draft: PlanDraft) -> dict[tuple[int, str, str], int]:
    """What ends on planned lines, due by due."""
    dues, decisions = draft.dues, draft.lines.decision[draft.lines.line_of_due]
    return {
        (10 + person, PROGRAMMES[code].code, f"{month // 12:04d}-{month % 12 + 1:02d}"): amount
        for person, code, month, amount, decision in zip(
            dues.person.tolist(),
            dues.programme.tolist(),
            dues.period.tolist(),
            dues.amount_vnd.tolist(),
            decisions.tolist(),
            strict=True,
        )
        if draft.decisions[decision].disposition == PLANNED
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(PEOPLE, max_size=12))
def test_every_due_is_on_exactly_one_line(people: list[Someone]) -> None:
    draft = draw_plan(facts_of(people))
    lines = line_columns(facts_of(people), draft)
    due = due_of(people)
    assert len(draft.dues) == len(due)
    assert int(draft.lines.amount_vnd.sum()) == sum(due.values())
    assert {*zip(lines["beneficiary_id"], lines["programme_code"], strict=True)} == {(p, code) for p, code, _ in due}
    keys = [*zip(lines["beneficiary_id"], lines["programme_code"], lines["disposition"], lines["reason"], strict=True)]
    assert len(set(keys)) == len(keys), "one line per person, programme and what happens"
    assert all((disposition == "planned") == (reason == "") for _, _, disposition, reason in keys)
    added: dict[int, int] = defaultdict(int)
    for line, amount in zip(draft.lines.line_of_due.tolist(), draft.dues.amount_vnd.tolist(), strict=True):
        added[line] += amount
    assert [added[line] for line in range(len(draft.lines))] == draft.lines.amount_vnd.tolist()
    assert len(obligation_columns(facts_of(people), draft)["period"]) == len(due)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(PEOPLE, max_size=12))
def test_of_a_group_one_programme_is_paid_for_a_month_and_it_is_the_highest(people: list[Someone]) -> None:
    paid = paid_of(people, draw_plan(facts_of(people)))
    due = due_of(people)
    for person, period in product({p for p, _, _ in due}, PERIODS):
        in_group = {code: due[person, code, period] for code in ("A", "B") if (person, code, period) in due}
        got = [code for code in ("A", "B") if (person, code, period) in paid]
        assert len(got) <= 1
        for code in got:
            assert in_group[code] == max(in_group.values())
            assert code == min(c for c, amount in in_group.items() if amount == max(in_group.values()))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(PEOPLE, max_size=12), st.sampled_from(["POST", None]))
def test_a_credit_goes_only_where_it_may(people: list[Someone], cash_bank: str | None) -> None:
    facts = facts_of(people, cash_bank)
    draft = draw_plan(facts)
    line_ids = range(1000, 1000 + len(draft.lines))
    made = credit_columns(facts, draft, line_ids, b"k" * 32)
    lines = line_columns(facts, draft)
    assert len(set(made["end_to_end_id"])) == len(made["end_to_end_id"])
    planned = [i for i, what in zip(line_ids, lines["disposition"], strict=True) if what == "planned"]
    # A bank's payments of a programme lie side by side, otherwise in the order of the lines.
    files = zip(made["bank_code"], (lines["programme_code"][i - 1000] for i in made["entitlement_id"]), strict=True)
    placed = list(zip(files, made["entitlement_id"], strict=True))
    assert placed == sorted(placed)
    assert sorted(made["entitlement_id"]) == planned
    for number, line in enumerate(line - 1000 for line in made["entitlement_id"]):
        who = people[lines["beneficiary_id"][line] - 10]
        assert made["amount_vnd"][number] == lines["amount_vnd"][line] > 0
        assert who.outcome not in (None, "deceased", "not_in_population", "data_differ")
        if made["channel"][number] == "account":
            assert (who.outcome, made["bank_code"][number]) == ("matched", ROUTES[who.bin])
            assert made["account_id"][number] is not None
        else:
            assert made["bank_code"][number] == cash_bank == "POST"
            assert made["account_id"][number] is None
    free = is_released(draft)
    carried = [not one for one in free]
    assert sum(carried) == len(paid_of(people, draft))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(PEOPLE, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_the_lists_decides_nothing(people: list[Someone], random: object) -> None:
    facts = facts_of(people)
    rows = list(zip(*facts.enrolments.values(), strict=True))
    random.shuffle(rows)  # type: ignore[attr-defined]
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in facts.enrolments]
    shuffled = dict(zip(facts.enrolments, map(list, columns), strict=True))
    again = PlanFacts(**{name: getattr(facts, name) for name in facts.__dataclass_fields__} | {"enrolments": shuffled})

    def credits_of(given_facts: PlanFacts) -> set[tuple[object, ...]]:
        draft = draw_plan(given_facts)
        made = credit_columns(given_facts, draft, range(len(draft.lines)), b"k" * 32)
        return {
            *zip(made["end_to_end_id"], made["amount_vnd"].tolist(), made["channel"], made["bank_code"], strict=True)
        }

    assert credits_of(again) == credits_of(facts)


GROUPED = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-1, 1), st.integers(1, 5), st.integers(0, 9))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(GROUPED, max_size=25, unique_by=lambda row: (row[0], row[1], row[4])), st.data())
def test_stacking_against_the_rule_in_plain_words(
    rows: list[tuple[int, int, int, int, int]], data: st.DataObject
) -> None:
    promised = [data.draw(st.integers(0, 6)) if row[2] >= 0 else 0 for row in rows]
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)] or [np.zeros(0, np.int64)] * 5
    person, period, group, amount, rank = columns
    found = stack(person, period, group, amount, rank, np.array(promised, dtype=np.int64))
    for n, (who, month, which, money, place) in enumerate(rows):
        rivals = [r for r in rows if which >= 0 and r[:3] == (who, month, which)]
        beaten = any((r[3], -r[4]) > (money, -place) for r in rivals)
        expected = beaten or (promised[n] > 0 and promised[n] >= money)
        assert bool(found.excluded[n]) == expected
        assert bool(found.lower_already_paid[n]) == (promised[n] > 0 and not expected)


@pytest.mark.parametrize(("wants_cash", "policy"), list(product([True, False], WithoutAccount)))
@pytest.mark.parametrize("outcome", ["", *[one for one in OUTCOMES if one], "unheard_of"])
def test_every_decision_is_complete(outcome: str, wants_cash: bool, policy: WithoutAccount) -> None:
    for account_bank, cash_bank in product([None, "AGRI"], [None, "POST"]):
        made = decide(outcome, wants_cash, policy, account_bank, cash_bank)
        assert made.disposition in (PLANNED, HELD, EXCLUDED)
        assert (made.disposition == PLANNED) == (made.reason == "") == bool(made.channel) == bool(made.bank_code)
        if outcome in ("", "deceased", "not_in_population", "data_differ", "unheard_of"):
            assert made.disposition != PLANNED or (outcome == "unheard_of" and wants_cash)
