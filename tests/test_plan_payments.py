"""Who is paid what in a cycle, and that nobody vanishes and nobody is planned twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.officers import Officer
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import approve_plan, hold_payment, submit_plan
from paysvc.services.plan_payments import PlanResult, plan_payments
from paysvc.services.resubmit_payments import approve_resubmission, propose_resubmission
from paysvc.services.set_rules import set_rules
from paysvc.store.engine import Database
from paysvc.store.tables import (
    account_match,
    audit_event,
    batch,
    beneficiary,
    enrolment,
    entitlement,
    instruction,
    obligation,
    payment_cycle,
    unit,
    unit_successor,
)
from tests.planned_province import ADMINISTRATOR, AGRIBANK, BANKS, VIETCOMBANK, Enrolled, Province, bank

Plan = Callable[..., PlanResult]

BTXH, HTXH, NCC = 750_000, 500_000, 2_789_000


@pytest.fixture
def province(database: Database, sealer: Sealer, clock: FixedClock) -> Province:
    return Province(database, sealer, clock)


@pytest.fixture
def plan(database: Database, sealer: Sealer, clock: FixedClock, maker: Officer) -> Plan:
    """December's cycle of the three monthly programmes, unless said otherwise."""

    def _plan(**changes: Any) -> PlanResult:
        wanted: dict[str, Any] = {
            "cycle_code": "2026-12",
            "programme_codes": ["BTXH", "HTXH", "NCC"],
            "periods": ["2026-12"],
        }
        return plan_payments(database, sealer, changes.pop("banks", BANKS), clock, maker, **{**wanted, **changes})

    return _plan


def lines_of(database: Database, code: str = "2026-12") -> dict[tuple[int, str], tuple[str, str, int]]:
    """(person, programme) -> (disposition, reason, đồng)."""
    with database.read() as connection:
        rows = connection.execute(
            select(entitlement)
            .join(payment_cycle, payment_cycle.c.id == entitlement.c.cycle_id)
            .where(payment_cycle.c.code == code)
        )
        return {(row.beneficiary_id, row.programme_code): (row.disposition, row.reason, row.amount_vnd) for row in rows}


def credits_of(database: Database, code: str = "2026-12") -> dict[str, Any]:
    """EndToEndId -> the credit."""
    with database.read() as connection:
        rows = connection.execute(
            select(instruction, entitlement.c.beneficiary_id, entitlement.c.programme_code)
            .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
            .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
            .where(payment_cycle.c.code == code)
        )
        return {row.end_to_end_id: row for row in rows}


def came_back(database: Database, clock: FixedClock, maker: Officer, approver: Officer, plan: PlanResult) -> None:
    """The bank refused the file with everything of this cycle, and two officers let it be paid again."""
    code = plan.cycle_code
    submit_plan(database, clock, maker, cycle_code=code)
    approve_plan(database, clock, approver, cycle_code=code, content_sha256=plan.content_sha256)
    with database.write() as connection:
        cycle_id = connection.execute(select(payment_cycle.c.id).where(payment_cycle.c.code == code)).scalar_one()
        connection.execute(
            insert(batch).values(
                id=cycle_id, cycle_id=cycle_id, bank_code="AGRI", part=1, value_date=plan.value_date, count=1,
                sum_vnd=plan.planned.amount_vnd, content_sha256=plan.content_sha256, message_id=f"M{cycle_id}",
                state="SEALED", version=1, created_at=clock.now(),
            )
        )  # fmt: skip
        for state in ("SENDING", "REFUSED"):
            connection.execute(update(batch).where(batch.c.id == cycle_id).values(state=state))
        ours = update(instruction).where(instruction.c.cycle_id == cycle_id)
        connection.execute(ours.values(batch_id=cycle_id, state="BATCHED"))
        connection.execute(ours.values(state="REJECTED", is_live=False, is_refused=True))
    found = propose_resubmission(database, clock, maker, cycle_code=code)
    approve_resubmission(database, clock, approver, cycle_code=code, content_sha256=found.content_sha256)


def test_everybody_is_on_one_line_and_the_lines_add_up(database: Database, province: Province, plan: Plan) -> None:
    by_account, by_cash, on_the_list, in_doubt, dead, unseen = province.add(
        Enrolled({"BTXH": "NANG"}),
        Enrolled({"HTXH": "HTXH-75"}, outcome="no_account"),
        Enrolled({"NCC": "LS1"}, outcome="account_not_usable"),
        Enrolled({"BTXH": "NANG"}, outcome="name_close"),
        Enrolled({"HTXH": "HTXH-75"}, outcome="deceased"),
        Enrolled({"NCC": "LS1"}, outcome=None),
    )
    result = plan()
    assert lines_of(database) == {
        (by_account, "BTXH"): ("planned", "", BTXH),
        (by_cash, "HTXH"): ("planned", "", HTXH),
        (on_the_list, "NCC"): ("held", "worklist", NCC),
        (in_doubt, "BTXH"): ("held", "name_close", BTXH),
        (dead, "HTXH"): ("excluded", "deceased", HTXH),
        (unseen, "NCC"): ("held", "not_matched", NCC),
    }
    assert result.people == 6
    assert result.entitled == Figure(6, 2 * BTXH + 2 * HTXH + 2 * NCC)
    assert result.planned == Figure(2, BTXH + HTXH)
    assert result.held == Figure(3, BTXH + 2 * NCC)
    assert result.excluded == Figure(1, HTXH)
    assert result.sent_through == {("account", "AGRI"): Figure(1, BTXH), ("cash", "POST"): Figure(1, HTXH)}
    assert result.held_by == {"name_close": Figure(1, BTXH), "not_matched": Figure(1, NCC), "worklist": Figure(1, NCC)}
    assert result.excluded_by == {"deceased": Figure(1, HTXH)}
    assert result.needed == {"NS": Figure(2, BTXH + HTXH)}


#: (what matching found, what the person asked for) -> what happens.
PLACES: dict[tuple[str | None, str], tuple[str, str]] = {
    ("matched", "account"): ("planned", ""),
    ("matched", "cash"): ("planned", ""),
    ("no_account", "account"): ("planned", ""),
    ("account_not_usable", "account"): ("planned", ""),
    ("name_close", "account"): ("held", "name_close"),
    ("name_close", "cash"): ("planned", ""),
    ("name_mismatch", "account"): ("held", "name_mismatch"),
    ("several_accounts", "account"): ("held", "several_accounts"),
    ("data_differ", "account"): ("held", "data_differ"),
    ("data_differ", "cash"): ("held", "data_differ"),
    ("not_in_population", "account"): ("held", "not_in_population"),
    ("not_in_population", "cash"): ("held", "not_in_population"),
    ("deceased", "cash"): ("excluded", "deceased"),
    ("something_new", "account"): ("held", "something_new"),
    (None, "cash"): ("held", "not_matched"),
}


def test_every_outcome_of_matching_has_its_place(database: Database, province: Province, plan: Plan) -> None:
    people = province.add(
        *(Enrolled({"BTXH": "NANG"}, outcome=outcome, channel=channel) for outcome, channel in PLACES)
    )
    plan()
    lines = lines_of(database)
    found = {given: lines[person, "BTXH"][:2] for given, person in zip(PLACES, people, strict=True)}
    assert found == PLACES


def test_a_credit_carries_what_the_bank_has_to_know(database: Database, province: Province, plan: Plan) -> None:
    province.add(
        Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK, unit="16690"),
        Enrolled({"HTXH": "HTXH-75"}, channel="cash", name="Lô Văn Ính"),
    )
    plan()
    by_programme = {one.programme_code: one for one in credits_of(database).values()}
    account, cash = by_programme["BTXH"], by_programme["HTXH"]
    assert (account.bank_code, account.channel, account.creditor_bin) == ("VCB", "account", VIETCOMBANK)
    assert (account.creditor_name, account.unit_code, account.amount_vnd) == ("NGUYEN THI HOA", "16690", BTXH)
    assert account.account_id is not None
    assert (account.state, account.generation) == ("PLANNED", 0)
    assert (cash.bank_code, cash.channel, cash.creditor_bin, cash.account_id) == ("POST", "cash", "", None)
    assert cash.creditor_name == "Lô Văn Ính", "the counter looks at the person's papers"
    assert all(len(reference) == 16 and reference.startswith("P") for reference in credits_of(database))


def test_accounts_of_other_banks_go_through_the_default_bank(
    database: Database, province: Province, plan: Plan
) -> None:
    province.add(Enrolled({"BTXH": "NANG"}, bin="970422"))
    assert plan().sent_through == {("account", "VCB"): Figure(1, BTXH)}


def test_where_no_bank_pays_people_are_held_and_named(database: Database, province: Province, plan: Plan) -> None:
    abroad, at_the_counter = province.add(
        Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK), Enrolled({"HTXH": "HTXH-75"}, channel="cash")
    )
    plan(banks=BankRegistry([bank("AGRI", [AGRIBANK])]))
    assert lines_of(database)[abroad, "BTXH"][:2] == ("held", "no_bank_for_account")
    assert lines_of(database)[at_the_counter, "HTXH"][:2] == ("held", "no_cash_channel")


# ---------------------------------------------------------------- the higher one only


def test_of_two_programmes_the_higher_one_is_paid(database: Database, province: Province, plan: Plan) -> None:
    both, alone = province.add(
        Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75", "NCC": "LS1"}), Enrolled({"HTXH": "HTXH-75"})
    )
    result = plan()
    assert lines_of(database) == {
        (both, "BTXH"): ("planned", "", BTXH),
        (both, "HTXH"): ("excluded", "stacking", HTXH),
        (both, "NCC"): ("planned", "", NCC),
        (alone, "HTXH"): ("planned", "", HTXH),
    }
    assert (result.people, result.entitled.count) == (2, 4)


def test_a_tie_is_broken_by_the_programme_code(database: Database, province: Province, plan: Plan) -> None:
    (person,) = province.add(Enrolled({"HTXH": "HTXH-75", "BTXH": "DON-THAN"}))
    plan()
    assert lines_of(database)[person, "BTXH"] == ("planned", "", 500_000)
    assert lines_of(database)[person, "HTXH"] == ("excluded", "stacking", HTXH)


def test_stacking_is_month_by_month(database: Database, province: Province, plan: Plan) -> None:
    """Social pension until November, social assistance from December: both months are paid."""
    province.add(Enrolled({"HTXH": "HTXH-75", "BTXH": "NANG"}, from_period="2026-11"))
    with database.write() as connection:
        connection.execute(update(enrolment).where(enrolment.c.programme_code == "BTXH").values(from_period="2026-12"))
    plan(periods=["2026-11", "2026-12"])
    with database.read() as connection:
        rows = connection.execute(select(entitlement).order_by(entitlement.c.programme_code, entitlement.c.disposition))
        assert [(r.programme_code, r.disposition, r.amount_vnd) for r in rows] == [
            ("BTXH", "planned", BTXH),
            ("HTXH", "excluded", HTXH),
            ("HTXH", "planned", HTXH),
        ]


def test_stacking_looks_into_other_cycles(database: Database, province: Province, plan: Plan) -> None:
    (person,) = province.add(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    plan(cycle_code="A", programme_codes=["BTXH"])
    plan(cycle_code="B", programme_codes=["HTXH"])
    assert lines_of(database, "B") == {(person, "HTXH"): ("excluded", "stacking", HTXH)}


def test_an_equal_amount_in_another_cycle_is_enough(database: Database, province: Province, plan: Plan) -> None:
    (person,) = province.add(Enrolled({"BTXH": "DON-THAN", "HTXH": "HTXH-75"}))
    plan(cycle_code="A", programme_codes=["HTXH"])
    plan(cycle_code="B", programme_codes=["BTXH"])
    assert lines_of(database, "B") == {(person, "BTXH"): ("excluded", "stacking", 500_000)}


def test_when_the_lower_one_was_planned_first_an_officer_decides(
    database: Database, province: Province, plan: Plan
) -> None:
    (person,) = province.add(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    plan(cycle_code="A", programme_codes=["HTXH"])
    plan(cycle_code="B", programme_codes=["BTXH"])
    assert lines_of(database, "B") == {(person, "BTXH"): ("held", "lower_already_paid", BTXH)}


def test_what_was_left_out_once_is_not_counted_again(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}), Enrolled({"NCC": "LS1"}, outcome="deceased"))
    plan(cycle_code="A")
    result = plan(cycle_code="B", periods=["2027-01"])
    assert result.entitled == Figure(3, BTXH + HTXH + NCC), "January only"
    assert result.arrears == Figure(0, 0)


# ---------------------------------------------------------------- once, and again


def test_another_cycle_of_the_same_month_plans_nothing_twice(
    database: Database, province: Province, plan: Plan
) -> None:
    held, _ = province.add(Enrolled({"BTXH": "NANG"}, outcome="name_close"), Enrolled({"HTXH": "HTXH-75"}))
    plan(cycle_code="A")
    result = plan(cycle_code="B")
    assert lines_of(database, "B") == {(held, "BTXH"): ("held", "name_close", BTXH)}, "only what was not planned"
    assert result.planned == Figure(0, 0)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(obligation)).scalar_one() == 2


def test_when_everything_is_planned_there_is_nothing_to_plan(
    database: Database, province: Province, plan: Plan
) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    plan(cycle_code="A")
    with pytest.raises(Conflict) as refused:
        plan(cycle_code="B")
    assert refused.value.code == "nothing_due"
    with database.read() as connection:
        assert connection.execute(select(payment_cycle.c.code)).scalars().all() == ["A"]


def test_planning_a_draft_again_gives_the_same_content(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}), Enrolled({"NCC": "LS1"}, channel="cash"))
    first, credits_before = plan(), credits_of(database)
    second, credits_after = plan(), credits_of(database)
    assert second == first
    assert list(credits_after) == list(credits_before)
    assert {one.id for one in credits_after.values()}.isdisjoint(one.id for one in credits_before.values())
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(obligation)).scalar_one() == 3


def test_planning_again_follows_todays_facts(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}), Enrolled({"HTXH": "HTXH-75"}))
    first = plan()
    with database.write() as connection:
        connection.execute(update(account_match).where(account_match.c.beneficiary_id == 1).values(outcome="deceased"))
        connection.execute(update(enrolment).where(enrolment.c.programme_code == "HTXH").values(to_period="2026-11"))
    second = plan()
    assert second.content_sha256 != first.content_sha256
    assert lines_of(database) == {(1, "BTXH"): ("excluded", "deceased", BTXH)}
    with database.read() as connection:
        due = connection.execute(select(obligation.c.programme_code)).scalars().all()
    assert due == ["BTXH"], "what became due only through the old draft is gone"


def test_only_a_draft_is_planned_again(
    database: Database, province: Province, plan: Plan, clock: FixedClock, maker: Officer
) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    plan()
    submit_plan(database, clock, maker, cycle_code="2026-12")
    with pytest.raises(Conflict) as refused:
        plan()
    assert refused.value.code == "cycle_not_draft"


# ---------------------------------------------------------------- arrears


def test_who_was_held_is_paid_with_the_next_cycle(database: Database, province: Province, plan: Plan) -> None:
    (person,) = province.add(Enrolled({"BTXH": "NANG"}, outcome="name_close"))
    plan()
    with database.write() as connection:
        connection.execute(update(account_match).values(outcome="no_account"))
    result = plan(cycle_code="2027-01", periods=["2027-01"])
    assert lines_of(database, "2027-01") == {(person, "BTXH"): ("planned", "", 2 * BTXH)}
    assert result.arrears == Figure(1, BTXH)


def test_what_a_later_cycle_carries_is_owed_no_more(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}, outcome="name_close"))
    plan()
    with database.write() as connection:
        connection.execute(update(account_match).values(outcome="no_account"))
    plan(cycle_code="2027-01", periods=["2027-01"])
    result = plan(cycle_code="2027-02", periods=["2027-02"])
    assert (result.planned, result.arrears) == (Figure(1, BTXH), Figure(0, 0))


def test_who_left_the_programme_still_gets_what_is_owed(database: Database, province: Province, plan: Plan) -> None:
    (person,) = province.add(Enrolled({"BTXH": "NANG"}, outcome="name_close", channel="cash"))
    with database.write() as connection:
        connection.execute(update(enrolment).values(channel="account"))
    plan()
    with database.write() as connection:
        connection.execute(update(account_match).values(outcome="no_account"))
        connection.execute(update(enrolment).values(valid_to=datetime(2026, 12, 20, tzinfo=UTC)))
    plan(cycle_code="2027-01", periods=["2027-01"])
    assert lines_of(database, "2027-01") == {(person, "BTXH"): ("planned", "", BTXH)}


def test_what_came_back_is_paid_again_under_a_new_id(
    database: Database, province: Province, plan: Plan, clock: FixedClock, maker: Officer, approver: Officer
) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    ids: list[str] = []
    for number, month in enumerate(["2026-12", "2027-01", "2027-02"]):
        planned = plan(cycle_code=month, periods=[month])
        credits_ = credits_of(database, month)
        # Each month that came back is a payment of its own again, one generation higher each time.
        assert sorted((one.amount_vnd, one.generation) for one in credits_.values()) == [
            (BTXH, generation) for generation in range(number + 1)
        ]
        ids += credits_
        came_back(database, clock, maker, approver, planned)
    assert len(set(ids)) == 6, "a failed id is burnt"


def test_a_decision_that_comes_late_is_paid_by_naming_the_months(
    database: Database, province: Province, plan: Plan
) -> None:
    old, late = province.add(Enrolled({"BTXH": "NANG"}), Enrolled({"HTXH": "HTXH-75"}, from_period="2026-11"))
    plan(cycle_code="2026-11", programme_codes=["BTXH"], periods=["2026-11"])
    plan(periods=["2026-11", "2026-12"])
    assert lines_of(database) == {
        (old, "BTXH"): ("planned", "", BTXH),
        (late, "HTXH"): ("planned", "", 2 * HTXH),
    }


def test_an_enrolment_counts_from_its_first_to_its_last_month(
    database: Database, province: Province, plan: Plan
) -> None:
    province.add(
        Enrolled({"BTXH": "NANG"}, from_period="2027-01"),
        Enrolled({"BTXH": "NANG"}, to_period="2026-11"),
        Enrolled({"BTXH": "NANG"}, from_period="2026-12", to_period="2026-12"),
    )
    plan()
    assert list(lines_of(database)) == [(3, "BTXH")]


# ---------------------------------------------------------------- rates, funds, dates


def test_a_category_without_a_rate_refuses_the_plan_by_name(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}), Enrolled({"BTXH": "KHAC"}))
    with pytest.raises(InvalidInput) as refused:
        plan()
    assert refused.value.code == "no_rate"
    assert all(word in refused.value.message for word in ("BTXH", "KHAC", "2026-12"))
    assert lines_of(database) == {}


def test_each_month_is_paid_at_its_own_rate(
    database: Database, province: Province, plan: Plan, clock: FixedClock
) -> None:
    (person,) = province.add(Enrolled({"HTXH": "HTXH-75"}))
    rules = """
        [programmes.HTXH]
        name = "Hưu trí xã hội"
        purpose = "SSBE"
        fund = "NS"
        stacking_group = "THANG"
        without_account = "cash"
        legal_basis = "Nghị định 176/2025"
        [[programmes.HTXH.rates]]
        from_period = "2026-12"
        standard_vnd = 540000
        legal_basis = "Nghị định mới"
        coefficients_milli = { HTXH-75 = 1000 }
    """
    set_rules(database, clock, ADMINISTRATOR, name="moi.toml", content=rules.encode())
    plan(periods=["2026-11", "2026-12"])
    assert lines_of(database)[person, "HTXH"] == ("planned", "", 500_000 + 540_000)


def test_a_cycle_over_its_fund_is_refused_with_the_shortfall(
    database: Database, sealer: Sealer, clock: FixedClock, plan: Plan
) -> None:
    Province(database, sealer, clock, fund_vnd=BTXH + HTXH - 1).add(
        Enrolled({"BTXH": "NANG"}), Enrolled({"HTXH": "HTXH-75"}), Enrolled({"NCC": "LS1"}, outcome="no_account")
    )
    with pytest.raises(Conflict) as refused:
        plan()
    assert refused.value.code == "fund_short"
    assert "NS lacks 1 đồng" in refused.value.message
    with database.read() as connection:
        for table in (payment_cycle, entitlement, obligation, instruction):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_refused_plan_leaves_the_draft_as_it_was(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    before = plan()
    province.add(Enrolled({"BTXH": "KHAC"}))
    with pytest.raises(InvalidInput):
        plan()
    with database.read() as connection:
        assert connection.execute(select(payment_cycle.c.content_sha256)).scalar_one() == before.content_sha256
    assert lines_of(database) == {(1, "BTXH"): ("planned", "", BTXH)}


def test_two_months_in_one_before_tet(database: Database, province: Province, plan: Plan, clock: FixedClock) -> None:
    (person,) = province.add(Enrolled({"BTXH": "NANG"}))
    tet = '[[paid_together]]\nmonth = "2027-01"\nperiods = ["2027-01", "2027-02"]\nsource = "Thông báo"\n'
    set_rules(database, clock, ADMINISTRATOR, name="tet.toml", content=tet.encode())
    result = plan(cycle_code="TET", periods=["2027-01", "2027-02"])
    assert result.value_date == date(2027, 1, 5)
    assert lines_of(database, "TET") == {(person, "BTXH"): ("planned", "", 2 * BTXH)}
    assert len(credits_of(database, "TET")) == 1, "one credit for both months"


def test_the_value_date(province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    assert plan().value_date == date(2026, 12, 7), "the 5th is a Saturday"
    assert plan(pay_day=10).value_date == date(2026, 12, 10)
    assert plan(value_date=date(2026, 12, 1)).value_date == date(2026, 12, 1)


def test_a_month_that_is_past_is_paid_as_soon_as_can_be(province: Province, plan: Plan) -> None:
    """The clock stands at Saturday 21 November 2026; Monday is worked, Tuesday a holiday."""
    province.add(Enrolled({"BTXH": "NANG"}))
    assert plan(periods=["2026-10"]).value_date == date(2026, 11, 23)


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"value_date": date(2026, 11, 20)}, "value_date_past"),
    ({"value_date": date(2026, 11, 24)}, "value_date_not_worked"),
    ({"value_date": date(2026, 12, 5)}, "value_date_not_worked"),
    ({"pay_day": 31}, "pay_day_out_of_range"),
    ({"periods": ["2026-12", "2026-12"]}, "period_twice"),
    ({"periods": ["12/2026"]}, "period_malformed"),
    ({"periods": []}, "period_malformed"),
    ({"cycle_code": "tháng 12"}, "cycle_code_malformed"),
    ({"programme_codes": []}, "programme_missing"),
    ({"kind": "yearly"}, "cycle_kind_unknown"),
    ({"programme_codes": ["QUA-TET"]}, "programme_of_other_kind"),
    ({"kind": "campaign", "programme_codes": ["QUA-TET"], "periods": ["2027-01", "2027-02"]}, "campaign_of_one_period"),
]


def test_what_cannot_be_is_refused(province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    for wanted, code in IMPOSSIBLE:
        with pytest.raises(InvalidInput) as refused:
            plan(**wanted)
        assert refused.value.code == code, wanted


def test_an_unknown_programme_is_named(province: Province, plan: Plan) -> None:
    with pytest.raises(NotFound, match="XYZ"):
        plan(programme_codes=["BTXH", "XYZ"])


def test_only_a_maker_plans(
    database: Database, sealer: Sealer, clock: FixedClock, province: Province, approver: Officer
) -> None:
    with pytest.raises(NotAllowed):
        plan_payments(
            database, sealer, BANKS, clock, approver, cycle_code="X", programme_codes=["BTXH"], periods=["2026-12"]
        )


# ---------------------------------------------------------------- campaigns, units, holds


def test_a_campaign_pays_everybody_once(database: Database, province: Province, plan: Plan) -> None:
    both = province.add(
        Enrolled({"QUA-TET": "NGUOI", "BTXH": "NANG"}), Enrolled({"QUA-TET": "NGUOI"}, outcome="no_account")
    )
    gift = {"kind": "campaign", "programme_codes": ["QUA-TET"], "periods": ["2027-01"]}
    result = plan(cycle_code="TET-1", **gift)
    assert result.planned == Figure(2, 800_000)
    assert result.needed == {"TET": Figure(2, 800_000)}
    assert {person for person, _ in lines_of(database, "TET-1")} == set(both)
    with pytest.raises(Conflict, match="not planned or paid"):
        plan(cycle_code="TET-2", **gift)
    with pytest.raises(InvalidInput) as refused:
        plan(cycle_code="TET-3", **{**gift, "periods": ["2027-02"]})
    assert refused.value.code == "no_rate"


def test_lines_stand_under_the_unit_of_today(database: Database, province: Province, plan: Plan) -> None:
    with database.write() as connection:
        connection.execute(
            insert(unit).values(
                id=1, code="16681", name="Phường mới", level="commune", valid_from=date(2025, 7, 1), source="QĐ 19"
            )
        )
        connection.execute(
            insert(unit_successor).values(old_code="16684", new_code="16681", since=date(2025, 7, 1), source="QĐ 19")
        )
    province.add(Enrolled({"BTXH": "NANG"}, unit="16684"), Enrolled({"BTXH": "NANG"}, unit="99999"))
    plan()
    with database.read() as connection:
        assert connection.execute(select(entitlement.c.unit_code).order_by(entitlement.c.id)).scalars().all() == [
            "16681",
            "99999",
        ]


def test_planning_again_keeps_what_an_officer_held(
    database: Database, province: Province, plan: Plan, clock: FixedClock, maker: Officer
) -> None:
    doubtful, _ = province.add(Enrolled({"BTXH": "NANG"}), Enrolled({"BTXH": "NANG"}))
    plan()
    reference = next(key for key, one in credits_of(database).items() if one.beneficiary_id == doubtful)
    hold_payment(database, clock, maker, cycle_code="2026-12", end_to_end_id=reference, reason="complaint")
    assert plan().held_by == {"officer:complaint": Figure(1, BTXH)}
    assert plan(keep_holds=False).held == Figure(0, 0)


def test_the_plan_is_written_down_in_the_trail_without_names(
    database: Database, province: Province, plan: Plan
) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    plan()
    with database.read() as connection:
        event = connection.execute(select(audit_event).where(audit_event.c.verb == "plan-payments")).one()
    assert event.subject == "cycle:2026-12"
    assert "NGUYEN" not in event.detail
    assert "0402" not in event.detail


def test_a_person_without_a_record_stops_the_plan(database: Database, province: Province, plan: Plan) -> None:
    province.add(Enrolled({"BTXH": "NANG"}))
    with database.write() as connection:
        connection.execute(
            insert(beneficiary).values(
                id=77, citizen_key=b"k" * 32, citizen_id_sealed=b"", created_at=province.clock.now()
            )
        )
        connection.execute(update(enrolment).values(beneficiary_id=77))
    with pytest.raises(Conflict) as refused:
        plan()
    assert refused.value.code == "registry_incomplete"


def test_a_whole_month_goes_round(
    database: Database, province: Province, plan: Plan, clock: FixedClock, maker: Officer, approver: Officer
) -> None:
    """Planned, submitted, approved; then the next month is planned beside it."""
    province.add(*[Enrolled({"BTXH": "NANG"}) for _ in range(50)])
    content = plan().content_sha256
    submit_plan(database, clock, maker, cycle_code="2026-12")
    approve_plan(database, clock, approver, cycle_code="2026-12", content_sha256=content)
    result = plan(cycle_code="2027-01", periods=["2027-01"])
    assert (result.planned, result.arrears) == (Figure(50, 50 * BTXH), Figure(0, 0))
    assert not set(credits_of(database)) & set(credits_of(database, "2027-01"))


def test_two_makers_at_once_plan_nobody_twice(
    database: Database, sealer: Sealer, province: Province, clock: FixedClock, maker: Officer
) -> None:
    """Two cycles of the same month from two threads: one gets everybody, the other nothing."""
    province.add(*[Enrolled({"BTXH": "NANG"}) for _ in range(40)])
    start = Barrier(2)

    def run(code: str) -> PlanResult | Conflict:
        start.wait(timeout=30)
        try:
            return plan_payments(
                database, sealer, BANKS, clock, maker, cycle_code=code, programme_codes=["BTXH"], periods=["2026-12"]
            )
        except Conflict as refusal:
            return refusal

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, ["A", "B"]))
    (won,) = [one for one in results if isinstance(one, PlanResult)]
    (lost,) = [one for one in results if isinstance(one, Conflict)]
    assert won.planned == Figure(40, 40 * BTXH)
    assert lost.code == "nothing_due"
