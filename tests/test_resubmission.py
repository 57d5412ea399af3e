"""Paying again whom the bank did not pay: on its word, by two officers, once; and the original that settles late."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from paysvc.bank_interface import BankRefused
from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import approve_plan, hold_payment, submit_plan, withdraw_plan
from paysvc.services.resubmit_payments import (
    approve_resubmission,
    decline_resubmission,
    list_proposals,
    propose_resubmission,
)
from paysvc.store import cycles
from paysvc.store.engine import Database
from paysvc.store.report_resubmissions import read_resubmissions
from paysvc.store.tables import audit_event, bank_account, resubmission
from paysvc.store.vault import Vault
from tests.paying_office import APPROVER, BTXH, MAKER, SYSTEM, PayingOffice
from tests.planned_province import VIETCOMBANK, Enrolled

DOUBLE = "paid_after_resubmission"


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol()
    return made


def propose(office: PayingOffice, *names: str, reason_code: str | None = None) -> bytes:
    return propose_resubmission(
        office.database, office.clock, MAKER, cycle_code="2026-12", end_to_end_ids=names, reason_code=reason_code
    ).content_sha256


def approve(office: PayingOffice, digest: bytes, *names: str, actor: Officer = APPROVER) -> None:
    approve_resubmission(
        office.database, office.clock, actor, cycle_code="2026-12", content_sha256=digest, end_to_end_ids=names
    )


# ------------------------------------------------------------------------------ the story


@pytest.mark.parametrize("how", ["rejected", "returned", "refused whole"])
def test_who_was_not_paid_is_paid_again_once(office: PayingOffice, how: str) -> None:
    if how == "refused whole":
        office.approve(office.plan("2026-12"))
        office.bank().script.append(refusing)
        office.send("2026-12")
        (first,) = office.payments_of("2026-12")
    else:
        (first,) = office.pay("2026-12")
    if how == "rejected":
        office.refuse(first)
    if how == "returned":
        office.book((first, True))
        office.book((first, False))
    assert office.state_of(first) == ("RETURNED" if how == "returned" else "REJECTED")
    assert office.plan("2027-01").planned == Figure(1, BTXH), "nobody is paid again without being asked for"

    decision = office.resubmit("2026-12")
    assert (decision.figure, decision.closed) == (Figure(1, BTXH), ())
    again = office.plan("2027-01")
    assert (again.planned, again.arrears) == (Figure(2, 2 * BTXH), Figure(1, BTXH))
    (second,) = office.made_again("2027-01")
    assert office.replaced() == {(second, first)}
    assert (second != first, office.payments()[second].generation) == (True, 1)

    office.approve(again)
    assert office.send("2027-01").is_complete
    office.book(*((one, True) for one in office.payments_of("2027-01")))
    assert office.state_of(second) == "SETTLED"
    assert office.paid_vnd() == 2 * BTXH
    assert office.plan("2027-02").planned == Figure(1, BTXH), "what was paid again is owed no more"
    assert (office.discrepancies(), office.differences()) == ([], [])


def refusing(file: object) -> str:
    raise BankRefused("AM18", "other number")


def test_months_of_one_payment_are_released_together_and_replaced_by_one(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12", periods=["2026-11", "2026-12"])
    office.refuse(first)
    office.resubmit("2026-12", first)
    assert office.plan("2027-01").arrears == Figure(2, 2 * BTXH)
    (second,) = office.made_again("2027-01")
    assert office.replaced() == {(second, first)}
    assert office.payments()[second].amount_vnd == 2 * BTXH


def test_each_payment_has_one_in_its_place(office: PayingOffice) -> None:
    firsts = [office.pay(month)[0] for month in ("2026-11", "2026-12")]
    for month, one in zip(("2026-11", "2026-12"), firsts, strict=True):
        office.refuse(one)
        office.resubmit(month)
    office.plan("2027-01")
    assert {gone for _, gone in office.replaced()} == set(firsts)
    assert len({later for later, _ in office.replaced()}) == len(office.made_again("2027-01")) == 2
    assert len(office.payments_of("2027-01")) == 3


def test_what_was_never_instructed_rides_with_nothing_that_was(office: PayingOffice) -> None:
    """Neither an older month nor the newest waits when the bank books after all what it had refused."""
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01", periods=["2026-11", "2027-01"]))
    (second,) = office.made_again("2027-01")
    (new,) = set(office.payments_of("2027-01")) - {second}
    assert {name: (row.generation, row.amount_vnd) for name, row in office.payments().items() if name != first} == {
        second: (1, BTXH), new: (0, 2 * BTXH),
    }  # fmt: skip
    office.book((first, True))
    office.send("2027-01")
    assert (office.state_of(second), office.state_of(new)) == ("PLANNED", "SENT")
    office.book((new, True), amount=2 * BTXH)
    assert office.plan("2027-02", periods=["2027-02"]).planned == Figure(1, BTXH)
    assert (office.paid_vnd(), office.discrepancies(), office.differences()) == (3 * BTXH, [], [])


def test_what_fails_again_is_replaced_again(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    office.refuse(second)
    office.resubmit("2027-01")
    office.plan("2027-02")
    (third,) = office.made_again("2027-02")
    assert office.replaced() == {(second, first), (third, second)}
    assert office.payments()[third].generation == 2


def test_only_what_the_bank_gave_this_reason_for_is_proposed(office: PayingOffice) -> None:
    office.enrol()
    first, second = office.pay("2026-12")
    office.refuse(first, reason="AC04")
    office.refuse(second, reason="BE01")
    propose(office, reason_code="BE01")
    waiting = list_proposals(office.database, MAKER, cycle_code="2026-12")
    assert [one.end_to_end_id for one in waiting.proposals] == [second]
    propose(office)
    assert list_proposals(office.database, MAKER, cycle_code="2026-12").figure == Figure(2, 2 * BTXH)


# ---------------------------------------------------------------------- what is forbidden


def test_nobody_is_paid_again_while_the_bank_has_not_said_no(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    with pytest.raises(Conflict) as refused:
        propose(office, first)
    assert refused.value.code == "payment_not_resubmittable"
    with pytest.raises(Conflict) as nothing:
        propose(office)
    assert nothing.value.code == "nothing_unpaid"


def test_what_is_unknown_or_disputed_is_never_proposed(office: PayingOffice) -> None:
    office.approve(office.plan("2026-12"))
    office.bank().script.append(breaking)
    office.send("2026-12")
    (first,) = office.payments_of("2026-12")
    assert office.state_of(first) == "UNKNOWN"
    with pytest.raises(Conflict):
        propose(office, first)
    office.refuse(first)
    office.receive(
        b'{"kind": "status", "id": "S9", "answers": "", "statuses": [["%s", "ACSC", "", ""]], "groups": []}'
        % first.encode()
    )
    assert office.state_of(first) == "DISPUTED"
    with pytest.raises(Conflict):
        propose(office, first)


def breaking(file: object) -> str:
    raise TimeoutError("no answer")


def test_a_return_that_does_not_bring_everything_back_is_not_enough(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.book((first, True))
    office.book((first, False), amount=BTXH - 1)
    with pytest.raises(Conflict):
        propose(office, first)


def test_the_maker_of_a_proposal_does_not_approve_it(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    digest = propose(office)
    with pytest.raises(NotAllowed) as own:
        approve(office, digest, actor=Officer(MAKER.officer_id, Role.APPROVER))
    assert own.value.code == "own_proposal"
    for wrong in (MAKER, SYSTEM, Officer("auditor.tuan", Role.AUDITOR)):
        with pytest.raises(NotAllowed):
            approve(office, digest, actor=wrong)
    with pytest.raises(NotAllowed):
        propose_resubmission(office.database, office.clock, APPROVER, cycle_code="2026-12")
    assert office.plan("2027-01").arrears == Figure(0, 0)


def test_an_approval_speaks_of_what_was_looked_at(office: PayingOffice) -> None:
    office.enrol()
    first, second = office.pay("2026-12")
    office.refuse(first)
    digest = propose(office)
    office.refuse(second)
    propose(office)
    with pytest.raises(Conflict) as changed:
        approve(office, digest)
    assert changed.value.code == "content_changed"
    approve(office, digest, first)
    with pytest.raises(Conflict) as nothing:
        approve(office, digest, first)
    assert nothing.value.code == "nothing_proposed"
    with pytest.raises(Conflict) as twice:
        propose(office, first)
    assert twice.value.code == "payment_not_resubmittable"


def test_proposing_twice_changes_nothing(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    digest = propose(office)
    assert propose(office, first) == digest
    with office.database.read() as connection:
        assert len(connection.execute(select(resubmission)).all()) == 1


def test_what_was_declined_may_be_proposed_again(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    propose(office)
    for reason, code in (("", "reason_missing"), ("tài khoản 19001234567", "reason_with_number")):
        with pytest.raises(InvalidInput) as refused:
            decline_resubmission(office.database, office.clock, APPROVER, cycle_code="2026-12", reason=reason)
        assert refused.value.code == code
    closed = decline_resubmission(
        office.database, office.clock, APPROVER, cycle_code="2026-12", reason="Chờ xã xác minh"
    ).closed
    assert [(one.end_to_end_id, one.code, one.reason) for one in closed] == [(first, "declined", "Chờ xã xác minh")]
    assert office.plan("2027-01").arrears == Figure(0, 0)
    assert office.resubmit("2026-12").figure.count == 1
    again = office.plan("2027-01")
    assert again.arrears == Figure(1, BTXH)
    office.approve(again)
    (second,) = office.made_again("2027-01")
    with office.database.read() as connection:
        cycle = cycles.get_cycle(connection, "2026-12")
        told = read_resubmissions(connection, cycle.id, office.clock.now())
    # A report that said that the declined one was replaced would be refused.
    assert [(one.state, one.replaced_by) for one in told] == [("closed", ""), ("approved", second)]


def test_unknown_names_are_refused(office: PayingOffice) -> None:
    office.pay("2026-12")
    with pytest.raises(NotFound):
        propose(office, "P000000000000000")
    with pytest.raises(NotFound):
        propose_resubmission(office.database, office.clock, MAKER, cycle_code="2031-01")


def test_who_decided_is_in_the_trail(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    with office.database.read() as connection:
        rows = connection.execute(
            select(audit_event.c.verb, audit_event.c.actor)
            .where(audit_event.c.verb.like("%resubmission"))
            .order_by(audit_event.c.id)
        )
        assert [tuple(row) for row in rows] == [
            ("propose-resubmission", MAKER.officer_id), ("approve-resubmission", APPROVER.officer_id),
        ]  # fmt: skip


# ------------------------------------------------------ the original settles after all (C29)


def test_a_payment_booked_before_the_approval_closes_the_proposal(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    digest = propose(office)
    office.book((first, True))
    assert office.state_of(first) == "SETTLED"
    decision = approve_resubmission(
        office.database, office.clock, APPROVER, cycle_code="2026-12", content_sha256=digest
    )
    assert (decision.approved, [one.code for one in decision.closed]) == ((), ["not_unpaid"])
    assert list_proposals(office.database, MAKER, cycle_code="2026-12").proposals == ()
    assert office.plan("2027-01").arrears == Figure(0, 0)


def test_a_proposal_is_closed_when_the_bank_has_said_more(office: PayingOffice) -> None:
    """Refused, booked and come back: it is unpaid still, but not for the reason that was looked at."""
    (first,) = office.pay("2026-12")
    office.refuse(first)
    digest = propose(office)
    office.book((first, True))
    office.book((first, False))
    decision = approve_resubmission(
        office.database, office.clock, APPROVER, cycle_code="2026-12", content_sha256=digest
    )
    assert [one.code for one in decision.closed] == ["said_otherwise"]
    assert office.resubmit("2026-12").figure == Figure(1, BTXH)


@pytest.mark.parametrize("how", ["rejected", "returned"])
def test_what_was_booked_after_the_release_is_not_planned(office: PayingOffice, how: str) -> None:
    (first,) = office.pay("2026-12")
    if how == "rejected":
        office.refuse(first)
    else:
        office.book((first, True))
        office.book((first, False))
    office.resubmit("2026-12")
    office.book((first, True))
    assert office.state_of(first) == "SETTLED"
    assert office.plan("2027-01").arrears == Figure(0, 0)
    # It comes back in the end: then it is owed, as two officers had said.
    office.book((first, False))
    assert office.plan("2027-01").arrears == Figure(1, BTXH)
    assert office.differences() == []


def test_what_was_paid_late_still_counts_against_a_lower_programme(office: PayingOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    office.pay("2026-12", programme_codes=["BTXH"])
    both = office.payments_of("2026-12")
    office.refuse(*both)
    office.resubmit("2026-12")
    office.book(*((one, True) for one in both))
    later = office.plan("2026-12b", programme_codes=["HTXH"], periods=["2026-12"])
    assert (later.planned.count, later.excluded_by) == (0, {"stacking": Figure(1, 500_000)})


def test_a_plan_that_the_bank_overtook_is_drawn_anew(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    drawn = office.plan("2027-01")
    assert drawn.arrears.count == 1
    office.book((first, True))
    with pytest.raises(Conflict) as outdated:
        office.approve(drawn)
    assert outdated.value.code == "plan_outdated"
    assert office.plan("2027-01").arrears == Figure(0, 0)
    assert office.replaced() == set()


def test_a_submitted_plan_that_the_bank_overtook_is_not_approved(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    drawn = office.plan("2027-01")
    submit_plan(office.database, office.clock, MAKER, cycle_code="2027-01")
    office.book((first, True))
    with pytest.raises(Conflict) as outdated:
        approve_plan(office.database, office.clock, APPROVER, cycle_code="2027-01", content_sha256=drawn.content_sha256)
    assert outdated.value.code == "plan_outdated"
    withdraw_plan(office.database, office.clock, MAKER, cycle_code="2027-01", reason="Ngân hàng đã chi")
    assert office.plan("2027-01").arrears == Figure(0, 0)


def test_an_approved_payment_that_the_bank_overtook_does_not_leave(office: PayingOffice) -> None:
    office.enrol()
    first, other = office.pay("2026-12")
    office.refuse(first, other)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    office.book((first, True))
    sent = office.send("2027-01")
    (late,) = [one for one, gone in office.replaced() if gone == first]
    assert [(one.end_to_end_id, one.field, one.bank_code) for one in sent.unpayable] == [(late, "replaces", "AGRI")]
    assert first in sent.unpayable[0].message
    assert (office.state_of(late), sent.batches[0].count) == ("PLANNED", 3)
    assert office.send("2027-01").unpayable, "it stays where it is"
    with office.database.read() as connection:
        assert cycles.codes_to_send(connection, office.clock.now()) == ["2027-01"], "and is tried by itself"
    # Only when the first one has come back may it leave.
    office.book((first, False))
    assert office.send("2027-01").is_complete
    assert office.state_of(late) == "SENT"
    assert (office.discrepancies(), office.differences()) == ([], [])


def test_both_paid_is_a_discrepancy_until_one_comes_back(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    office.book((first, True))
    assert office.discrepancies() == [(DOUBLE, second)]
    office.book((second, True))
    assert office.discrepancies() == [(DOUBLE, second)], "one thing is noted once"
    office.book((second, False))
    assert (office.discrepancies(), office.discrepancies(resolved=True)) == ([], [(DOUBLE, second)])
    assert office.differences() == []


def test_the_order_of_the_bank_s_files_makes_no_difference(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    """The original's late debit comes before or after the second payment's, in one file or in two."""
    office = PayingOffice(database, sealer, vault, clock)
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    firsts = office.pay("2026-12")
    office.refuse(*firsts)
    office.resubmit("2026-12")
    office.pay("2027-01", periods=["2026-12"])
    seconds = [later for first in firsts for later, earlier in office.replaced() if earlier == first]
    office.book((firsts[0], True), (seconds[1], True), (seconds[2], True), (firsts[2], True))
    office.book((seconds[0], True), (firsts[1], True))
    assert {office.state_of(one) for one in (*firsts, *seconds)} == {"SETTLED"}
    assert office.discrepancies() == sorted((DOUBLE, one) for one in seconds)
    assert (office.paid_vnd(), office.differences()) == (6 * BTXH, [])


def test_two_that_were_refused_and_booked_late_are_seen_too(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    office.refuse(second)
    office.book((first, True))
    assert office.discrepancies() == []
    office.book((second, True))
    assert office.discrepancies() == [(DOUBLE, second)]


def test_nobody_is_paid_a_third_time_while_the_original_is_paid(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    (second,) = office.pay("2027-01", periods=["2026-12"])
    office.book((first, True))
    office.refuse(second)
    assert office.state_of(second) == "REJECTED"
    with pytest.raises(Conflict) as refused:
        propose_resubmission(office.database, office.clock, MAKER, cycle_code="2027-01", end_to_end_ids=[second])
    assert refused.value.code == "payment_not_resubmittable"
    assert office.discrepancies() == []


def test_it_goes_through_another_bank_and_is_seen_there(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    with office.database.write() as connection:
        connection.execute(update(bank_account).values(bank_bin=VIETCOMBANK))
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    assert office.payments()[second].bank_code == "VCB"
    office.book((first, True))
    assert office.discrepancies() == [(DOUBLE, second)]
    assert office.differences() == []


# ------------------------------------------------------------------- plans that change


def test_a_plan_drawn_anew_links_anew(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    drawn = office.plan("2027-01")
    office.approve(drawn)
    withdraw_plan(office.database, office.clock, MAKER, cycle_code="2027-01", reason="Bổ sung danh sách")
    again = office.plan("2027-01")
    (second,) = office.made_again("2027-01")
    assert (again.content_sha256, office.replaced()) == (drawn.content_sha256, {(second, first)})


def test_who_is_held_in_the_new_plan_stays_owed(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.plan("2027-01")
    (second,) = office.made_again("2027-01")
    hold_payment(office.database, office.clock, MAKER, cycle_code="2027-01", end_to_end_id=second, reason="khieu_nai")
    assert office.replaced() == set()
    # The month itself is carried by the plan of January still, which is a draft.
    assert office.plan("2027-02").arrears == Figure(1, BTXH)
    (third,) = office.made_again("2027-02")
    assert office.replaced() == {(third, first)}
