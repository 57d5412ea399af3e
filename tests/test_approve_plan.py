"""Four eyes: what is approved is exactly what was looked at, by somebody else, and paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, DoesNotReconcile, InvalidInput, NotAllowed, NotFound, PaysvcError
from paysvc.domain.instructions import BETWEEN_VALUES, CycleState, content_sha256
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services import approve_plan as four_eyes
from paysvc.services.approve_plan import PlanState
from paysvc.services.plan_payments import PlanResult, plan_payments
from paysvc.services.set_rules import set_rules
from paysvc.store import ledger, plans
from paysvc.store.engine import Database
from paysvc.store.tables import (
    approval,
    audit_event,
    batch,
    beneficiary,
    entitlement,
    instruction,
    obligation_claim,
    payment_cycle,
)
from tests.planned_province import ADMINISTRATOR, BANKS, RULES, Enrolled, Province

BTXH, HTXH = 750_000, 500_000
CODE = "2026-12"


@dataclass
class Office:
    """The people around one cycle, and what they do with it."""

    database: Database
    sealer: Sealer
    clock: FixedClock
    maker: Officer
    approver: Officer

    def plan(self, code: str = CODE, **changes: Any) -> PlanResult:
        wanted: dict[str, Any] = {"programme_codes": ["BTXH", "HTXH"], "periods": ["2026-12"], **changes}
        return plan_payments(self.database, self.sealer, BANKS, self.clock, self.maker, cycle_code=code, **wanted)

    def submit(self, actor: Officer | None = None, code: str = CODE) -> PlanState:
        return four_eyes.submit_plan(self.database, self.clock, actor or self.maker, cycle_code=code)

    def approve(self, content: bytes, actor: Officer | None = None, code: str = CODE) -> PlanState:
        return four_eyes.approve_plan(
            self.database, self.clock, actor or self.approver, cycle_code=code, content_sha256=content
        )

    def give_back(self, reason: str = "Xem lại danh sách") -> PlanState:
        return four_eyes.return_plan(self.database, self.clock, self.approver, cycle_code=CODE, reason=reason)

    def withdraw(self, reason: str = "Thiếu một người") -> PlanState:
        return four_eyes.withdraw_plan(self.database, self.clock, self.maker, cycle_code=CODE, reason=reason)

    def hold(self, reference: str, actor: Officer | None = None, reason: str = "complaint") -> PlanState:
        return four_eyes.hold_payment(
            self.database, self.clock, actor or self.maker, cycle_code=CODE, end_to_end_id=reference, reason=reason
        )

    def state(self) -> str:
        with self.database.read() as connection:
            return str(connection.execute(select(payment_cycle.c.state)).scalar_one())

    def balances(self) -> dict[str, int]:
        with self.database.read() as connection:
            assert ledger.trial_balance(connection)[1] == 0
            return {one.account: one.amount_vnd for one in ledger.balances(connection)}

    def references(self) -> list[str]:
        with self.database.read() as connection:
            return list(
                connection.execute(select(instruction.c.end_to_end_id).order_by(instruction.c.end_to_end_id)).scalars()
            )

    def standing(self) -> int:
        with self.database.read() as connection:
            return connection.execute(
                select(func.count()).select_from(approval).where(approval.c.cancelled_at.is_(None))
            ).scalar_one()


FUNDED = 10_000_000


@pytest.fixture
def office(database: Database, sealer: Sealer, clock: FixedClock, maker: Officer, approver: Officer) -> Office:
    province = Province(database, sealer, clock, fund_vnd=FUNDED)
    province.add(
        Enrolled({"BTXH": "NANG"}),
        Enrolled({"HTXH": "HTXH-75"}, outcome="no_account"),
        Enrolled({"BTXH": "NANG"}, outcome="name_close"),
    )
    return Office(database, sealer, clock, maker, approver)


def refused(code: str, kind: type[PaysvcError], act: Callable[[], object]) -> None:
    with pytest.raises(kind) as found:
        act()
    assert found.value.code == code


def test_from_draft_to_approved(office: Office) -> None:
    planned = office.plan()
    submitted = office.submit()
    assert submitted.state is CycleState.SUBMITTED
    assert submitted.content_sha256 == planned.content_sha256
    assert (submitted.planned, submitted.held) == (Figure(2, BTXH + HTXH), Figure(1, BTXH))
    approved = office.approve(submitted.content_sha256)
    assert approved.state is CycleState.APPROVED
    assert office.balances()["fund:NS"] == FUNDED - BTXH - HTXH
    assert office.balances()["reserved:NS"] == BTXH + HTXH
    with office.database.read() as connection:
        given = connection.execute(select(approval)).one()
        verbs = connection.execute(select(audit_event.c.verb).order_by(audit_event.c.id)).scalars().all()
    assert (given.approver_id, given.maker_id) == ("approver.minh", "maker.lan")
    assert given.content_sha256 == planned.content_sha256
    assert verbs[-3:] == ["plan-payments", "submit-plan", "approve-plan"]


def test_each_step_comes_after_the_one_before(office: Office) -> None:
    refused("cycle_unknown", NotFound, office.submit)
    content = office.plan().content_sha256
    refused("cycle_not_submitted", Conflict, lambda: office.approve(content))
    refused("cycle_not_changeable", Conflict, office.withdraw)
    office.submit()
    refused("cycle_not_draft", Conflict, office.submit)
    office.approve(content)
    refused("cycle_not_submitted", Conflict, lambda: office.approve(content))
    assert office.standing() == 1


def test_nobody_approves_what_is_their_own(office: Office) -> None:
    """Not the maker in another role, and not who submitted somebody else's plan."""
    content = office.plan().content_sha256
    other = Officer("maker.tam", Role.MAKER)
    office.submit(other)
    for officer_id in (office.maker.officer_id, other.officer_id):
        turned = Officer(officer_id, Role.APPROVER)
        refused("own_plan", NotAllowed, lambda turned=turned: office.approve(content, turned))  # type: ignore[misc]
    refused("role_not_allowed", NotAllowed, lambda: office.approve(content, Officer("x.y", Role.MAKER)))
    refused("role_not_allowed", NotAllowed, lambda: office.submit(office.approver))
    assert office.standing() == 0


def test_an_approval_names_what_was_looked_at(office: Office) -> None:
    first = office.plan().content_sha256
    office.hold(office.references()[0])
    office.submit()
    refused("content_changed", Conflict, lambda: office.approve(first))
    refused("content_changed", Conflict, lambda: office.approve(bytes(32)))
    assert (office.state(), office.standing()) == ("SUBMITTED", 0)


#: What somebody with the database in hand might change, the triggers being out of the way.
TAMPERED = {
    "amount": "UPDATE instruction SET amount_vnd = amount_vnd + 1 WHERE channel = 'cash'",
    "name": "UPDATE instruction SET creditor_name = 'NGUYEN VAN KHAC' WHERE channel = 'cash'",
    "bank": "UPDATE instruction SET bank_code = 'VCB' WHERE bank_code = 'AGRI'",
    "bin": "UPDATE instruction SET creditor_bin = '970436' WHERE bank_code = 'AGRI'",
    "unit": "UPDATE instruction SET unit_code = '99999' WHERE channel = 'cash'",
    "reference": "UPDATE instruction SET end_to_end_id = 'P000000000000000' WHERE channel = 'cash'",
    "generation": "UPDATE instruction SET generation = 1 WHERE channel = 'cash'",
    "taken out": "DELETE FROM instruction WHERE channel = 'cash'",
    "account": "UPDATE instruction SET account_id = 3 WHERE account_id = 1",
    "account number": "UPDATE bank_account SET account_key = holder_key WHERE id = 1",
    "person": "UPDATE entitlement SET beneficiary_id = 3 WHERE beneficiary_id = 2",
    "person's number": "UPDATE beneficiary SET citizen_key = citizen_id_sealed WHERE id = 2",
    "programme": "UPDATE entitlement SET programme_code = 'NCC' WHERE beneficiary_id = 2",
    "value date": "UPDATE payment_cycle SET value_date = '2026-12-08'",
    "cycle code": "UPDATE payment_cycle SET code = 'X'",
    "periods": "UPDATE payment_cycle SET periods = '2026-11'",
}


def test_the_digest_covers_whatever_decides_who_is_paid_what(office: Office) -> None:
    content = office.plan().content_sha256
    _drop_the_guard(office.database, "beneficiary_first_key_stands", "beneficiary")
    with office.database.write() as connection:
        for what, change in TAMPERED.items():
            savepoint = connection.begin_nested()
            assert connection.execute(text(change)).rowcount, what
            assert plans.content_sha256(connection, 1) != content, what
            savepoint.rollback()
        assert plans.content_sha256(connection, 1) == content


def test_columns_are_digested_in_the_order_of_their_ids() -> None:
    def joined(*values: str) -> str:
        return BETWEEN_VALUES.join(values)

    columns = [joined("c", "", "ạ"), joined("3", "10", "9")]
    in_order = [joined("", "ạ", "c"), joined("10", "9", "3")]
    assert plans.in_order_of_ids(joined("11", "9", "10"), columns) == in_order
    assert plans.in_order_of_ids(joined("9", "10", "11"), in_order) == in_order
    assert plans.in_order_of_ids("", ["", ""]) == ["", ""]
    # What could be two values is left as it is, for the digest to refuse.
    ambiguous = [joined("a", "b", "c", "d"), columns[1]]
    with pytest.raises(DoesNotReconcile):
        content_sha256({}, 3, plans.in_order_of_ids(joined("11", "9", "10"), ambiguous))


def test_changed_rows_are_neither_submitted_nor_approved(office: Office) -> None:
    content = office.plan().content_sha256

    def name_is(name: str) -> None:
        with office.database.write() as connection:
            connection.execute(update(instruction).where(instruction.c.channel == "cash").values(creditor_name=name))

    name_is("Lô Văn Khác")
    refused("content_differs", DoesNotReconcile, office.submit)
    name_is("Nguyễn Thị Hoa")
    office.submit()
    _drop_the_guard(office.database, "instruction_content_fixed", "instruction")
    name_is("Lô Văn Khác")
    refused("content_differs", DoesNotReconcile, lambda: office.approve(content))
    assert (office.state(), office.standing()) == ("SUBMITTED", 0)


def _drop_the_guard(database: Database, trigger: str, table: str) -> None:
    with database.write() as connection:
        on_table = f" ON {table}" if database.is_postgresql else ""
        connection.execute(text(f"DROP TRIGGER {trigger}{on_table}"))


def test_a_returned_plan_frees_its_money_and_needs_a_new_approval(office: Office) -> None:
    content = office.plan().content_sha256
    office.submit()
    office.approve(content)
    state = office.give_back()
    assert state.state is CycleState.DRAFT
    assert office.balances() == {"fund:NS": FUNDED, "fund:TET": FUNDED, "reserved:NS": 0, "treasury": -2 * FUNDED}
    assert office.standing() == 0
    office.submit()
    refused("cycle_not_submitted", Conflict, lambda: (office.give_back(), office.approve(content)))
    office.submit()
    office.approve(content)
    assert office.balances()["reserved:NS"] == BTXH + HTXH, "reserved again, once"
    with office.database.read() as connection:
        reasons = connection.execute(select(approval.c.cancel_reason).order_by(approval.c.id)).scalars().all()
    assert reasons == ["Xem lại danh sách", ""]


def test_a_maker_takes_a_plan_back(office: Office) -> None:
    content = office.plan().content_sha256
    office.submit()
    assert office.withdraw().state is CycleState.DRAFT
    office.submit()
    office.approve(content)
    assert office.withdraw().state is CycleState.DRAFT
    assert office.balances()["reserved:NS"] == 0
    assert office.plan().content_sha256 == content, "and may be planned again"


def test_a_reason_is_given_and_names_nobody(office: Office) -> None:
    office.plan()
    office.submit()
    for reason, code in (("", "reason_missing"), ("  ", "reason_missing"), ("x" * 501, "reason_missing")):
        refused(code, InvalidInput, lambda reason=reason: office.give_back(reason))  # type: ignore[misc]
    refused("reason_with_number", InvalidInput, lambda: office.give_back("Sai số 040150001234"))
    assert office.state() == "SUBMITTED"


def test_holding_a_payment_makes_the_plan_a_draft_again(office: Office) -> None:
    content = office.plan().content_sha256
    office.submit()
    office.approve(content)
    reference = office.references()[0]
    state = office.hold(reference)
    assert state.state is CycleState.DRAFT
    assert state.content_sha256 != content
    assert state.planned.count == 1
    assert state.held.count == 2
    assert reference not in office.references()
    assert office.balances()["reserved:NS"] == 0
    with office.database.read() as connection:
        held = connection.execute(
            select(entitlement, obligation_claim.c.released_at)
            .join(obligation_claim, obligation_claim.c.entitlement_id == entitlement.c.id)
            .where(entitlement.c.reason == "officer:complaint")
        ).one()
    assert held.disposition == "held"
    assert held.released_at is not None, "another cycle may carry it"
    office.submit()
    office.approve(state.content_sha256)
    assert office.balances()["reserved:NS"] == state.planned.amount_vnd


def test_who_held_a_payment_does_not_approve_what_is_left(office: Office) -> None:
    office.plan()
    office.submit()
    changed = office.hold(office.references()[0], actor=office.approver)
    office.submit()
    refused("own_plan", NotAllowed, lambda: office.approve(changed.content_sha256))
    assert office.approve(changed.content_sha256, Officer("approver.thu", Role.APPROVER)).state is CycleState.APPROVED


def test_what_cannot_be_held(office: Office, auditor: Officer) -> None:
    office.plan()
    refused("payment_unknown", NotFound, lambda: office.hold("P000000000000000"))
    refused("hold_reason_malformed", InvalidInput, lambda: office.hold(office.references()[0], reason="Nguyễn Văn A"))
    refused("role_not_allowed", NotAllowed, lambda: office.hold(office.references()[0], actor=auditor))


def test_a_plan_of_which_a_batch_was_made_stays(office: Office) -> None:
    content = office.plan().content_sha256
    office.submit()
    office.approve(content)
    with office.database.write() as connection:
        connection.execute(
            batch.insert().values(
                id=1,
                cycle_id=1,
                bank_code="AGRI",
                part=1,
                value_date=office.clock.now().date(),
                count=1,
                sum_vnd=BTXH,
                content_sha256=b"c" * 32,
                message_id="M1",
                state="SEALED",
                version=1,
                created_at=office.clock.now(),
            )
        )
    for act in (office.give_back, office.withdraw, lambda: office.hold(office.references()[0])):
        refused("cycle_not_changeable", Conflict, act)
    assert (office.state(), office.standing()) == ("APPROVED", 1)


def test_two_cycles_never_spend_the_same_money(office: Office) -> None:
    """Both fit when they are planned; the fund pays for one of them."""
    office.plan("A")
    second = office.plan("B", periods=["2027-01"])
    office.submit(code="A")
    office.submit(code="B")
    with office.database.write() as connection:
        spent = FUNDED - (BTXH + HTXH)
        ledger.post(
            connection,
            office.clock.now(),
            "x",
            "x",
            [ledger.Posting("fund:NS", -spent, 1), ledger.Posting("treasury", spent, 1)],
        )
    office.approve(second.content_sha256, code="B")
    with office.database.read() as connection:
        content = connection.execute(
            select(payment_cycle.c.content_sha256).where(payment_cycle.c.code == "A")
        ).scalar_one()
    refused("fund_short", Conflict, lambda: office.approve(content, code="A"))
    assert office.balances()["fund:NS"] == 0


def test_a_plan_by_yesterdays_rate_is_planned_again(office: Office) -> None:
    before = office.plan()
    rules = RULES.replace(
        'standard_vnd = 500000\nlegal_basis = "Nghị định 176', 'standard_vnd = 540000\nlegal_basis = "Nghị định 176'
    )
    set_rules(office.database, office.clock, ADMINISTRATOR, name="moi.toml", content=rules.encode())
    refused("plan_outdated", Conflict, office.submit)
    after = office.plan()
    assert after.planned.amount_vnd == before.planned.amount_vnd + 40_000
    office.submit()


def test_a_plan_that_pays_nobody_is_not_submitted(office: Office) -> None:
    office.plan()
    for reference in office.references():
        office.hold(reference)
    refused("nothing_planned", Conflict, office.submit)


def test_a_plan_changed_meanwhile_is_not_approved_over_it(office: Office) -> None:
    """The version read is not the version there: another officer was faster."""
    office.plan()
    office.submit()
    with office.database.write() as connection:
        cycle = four_eyes.cycles.get_cycle(connection, CODE)
        connection.execute(update(payment_cycle).values(version=payment_cycle.c.version + 1))
        with pytest.raises(Conflict) as found:
            four_eyes.cycles.change_cycle(connection, cycle, state="DRAFT")
    assert found.value.code == "cycle_changed"


def test_a_cycle_never_jumps(office: Office) -> None:
    office.plan()
    with office.database.write() as connection:
        cycle = four_eyes.cycles.get_cycle(connection, CODE)
        for state in ("APPROVED", "RELEASED", "CLOSED"):
            with pytest.raises(ValueError, match="never goes"):
                four_eyes.cycles.change_cycle(connection, cycle, state=state)


def test_nobody_in_the_registry_is_lost_on_the_way(office: Office) -> None:
    office.plan()
    with office.database.read() as connection:
        people = connection.execute(select(func.count()).select_from(beneficiary)).scalar_one()
        lines = connection.execute(select(func.count(entitlement.c.beneficiary_id.distinct()))).scalar_one()
    assert people == lines == 3
