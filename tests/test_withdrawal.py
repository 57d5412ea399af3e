"""Withdrawing what never left, and closing a cycle: what may be, what becomes of the dues, and what stands."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from paysvc.bank_interface import BankFile, BankUnreachable, EncodingImpossible, EncodingProblem
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import PaymentBatch
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.instructions import end_to_end_ids
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import withdraw_plan
from paysvc.services.close_cycle import ClosedCycle, close_cycle
from paysvc.services.publish_report import publish_report
from paysvc.services.withdraw_payments import Withdrawn, withdraw_payments
from paysvc.signing import open_or_create_signer
from paysvc.store import (
    answered_files,
    audit_trail,
    batches,
    cycles,
    dissolving,
    ledger,
    lost_files,
    outcomes,
    plans,
    programmes,
)
from paysvc.store.engine import Database
from paysvc.store.tables import (
    audit_event,
    bank_file,
    batch,
    beneficiary,
    instant_text,
    lost_file,
    lost_reference,
    withdrawal,
)
from paysvc.store.vault import Vault
from paysvc.store.witness import Sending
from paysvc.verify_report import verify_report
from tests.paying_office import APPROVER, BTXH, MAKER, SYSTEM, PayingOffice, practising
from tests.payment_world import PractisingBank
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled

REASON = "Tên dài hơn tệp của ngân hàng"
HTXH = 500_000


class PickyBank(PractisingBank):
    """A bank whose dialect has no letter for these payments."""

    unwritable: frozenset[str] = frozenset()

    def encode(self, batch: PaymentBatch) -> BankFile:
        names = batch.payments.end_to_end_id.to_list()
        problems = [EncodingProblem(row, "creditor_name", "No such letter.") for row, name in enumerate(names)
                    if name in self.unwritable]  # fmt: skip
        if problems:
            raise EncodingImpossible(problems)
        return super().encode(batch)


class Office(PayingOffice):
    """A paying office whose banks cannot write everything."""

    def cannot_write(self, *references: str, code: str = "AGRI") -> None:
        bank = self.bank(code)
        assert isinstance(bank, PickyBank)
        bank.unwritable = frozenset(references)

    def withdraw(self, *references: str, month: str = "2026-12", actor: Officer = APPROVER, **more: str) -> Withdrawn:
        return withdraw_payments(
            self.database, self.clock, actor, cycle_code=month, reason=REASON, end_to_end_ids=references, **more
        )

    def close(self, month: str = "2026-12", actor: Officer = APPROVER) -> ClosedCycle:
        return close_cycle(self.database, self.clock, actor, cycle_code=month)

    def batches(self, month: str = "2026-12") -> list[tuple[str, int]]:
        with self.database.read() as connection:
            cycle = cycles.get_cycle(connection, month)
            rows = connection.execute(
                select(batch.c.state, batch.c["count"]).where(batch.c.cycle_id == cycle.id).order_by(batch.c.id)
            )
            return [tuple(row) for row in rows]

    def reserved(self) -> int:
        with self.database.read() as connection:
            return ledger.balance(connection, ledger.reserved("NS"))

    def fund(self) -> int:
        with self.database.read() as connection:
            return ledger.balance(connection, ledger.fund("NS"))


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> Office:
    banks = BankRegistry([practising("AGRI", AGRIBANK, PickyBank), practising("VCB", VIETCOMBANK, PickyBank)])
    return Office(database, sealer, vault, clock, banks)


def released(office: Office, people: int = 3) -> list[str]:
    """A released month of which the first payment cannot be written and the others have left."""
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * people)
    office.approve(office.plan("2026-12"))
    first, *others = office.payments_of("2026-12")
    office.cannot_write(first)
    office.send("2026-12")
    assert office.batches() == [("DISSOLVED", people), ("SENT", people - 1), ("SEALED", 1)]
    return [first, *others]


def code_of(refused: pytest.ExceptionInfo[Conflict]) -> str:
    return refused.value.code


# ------------------------------------------------------------------------------ the story


def test_who_cannot_be_written_is_paid_by_the_next_plan(office: Office) -> None:
    first, *others = released(office)
    before = office.fund()
    assert office.plan("2027-01").arrears == Figure(0, 0), "it stands in the way of another payment"

    done = office.withdraw(first)
    assert (done.figure, len(done.dissolved)) == (Figure(1, BTXH), 1)
    assert office.state_of(first) == "CANCELLED"
    assert office.batches() == [("DISSOLVED", 3), ("SENT", 2), ("DISSOLVED", 1)]
    assert (office.reserved(), office.fund()) == (0, before + BTXH)
    assert office.differences() == []

    again = office.plan("2027-01")
    assert again.arrears == Figure(1, BTXH)
    (second,) = office.made_again("2027-01")
    assert (office.replaced(), office.payments()[second].generation) == ({(second, first)}, 1)
    office.approve(again)
    assert office.send("2027-01").is_complete
    office.book(*((one, True) for one in others))
    office.book(*((one, True) for one in office.payments_of("2027-01")))
    assert office.paid_vnd() == 6 * BTXH
    assert office.plan("2027-02").arrears == Figure(0, 0)
    assert (office.discrepancies(), office.differences()) == ([], [])


def test_the_rest_of_its_batch_is_cut_anew(office: Office) -> None:
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    office.approve(office.plan("2026-12"))
    first, second, third = office.payments_of("2026-12")
    office.bank().cannot_write = RuntimeError("broken")
    office.send("2026-12")
    assert office.batches() == [("SEALED", 3)]
    office.withdraw(second)
    assert [office.state_of(one) for one in (first, second, third)] == ["PLANNED", "CANCELLED", "PLANNED"]
    assert office.differences() == []
    office.bank().cannot_write = None
    assert office.send("2026-12").is_complete
    assert [office.state_of(one) for one in (first, second, third)] == ["SENT", "CANCELLED", "SENT"]
    assert office.batches() == [("DISSOLVED", 3), ("SENT", 2)]
    ((_, content),) = office.bank().sendings
    assert second.encode() not in content
    assert office.differences() == []


def test_everybody_of_a_bank_that_is_not_there_any_more(office: Office) -> None:
    office.enrol(Enrolled({"BTXH": "NANG"}), *[Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK)] * 2)
    office.approve(office.plan("2026-12"))
    both = office.banks
    office.banks = BankRegistry([both.get("AGRI")])
    assert [one.code for one in office.send("2026-12").waiting] == ["bank_not_configured"]
    done = withdraw_payments(
        office.database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, bank_code="VCB"
    )
    assert (done.figure, done.dissolved) == (Figure(2, 2 * BTXH), ())
    assert office.send("2026-12").is_complete
    with pytest.raises(Conflict) as nothing:
        withdraw_payments(
            office.database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, bank_code="AGRI"
        )
    assert code_of(nothing) == "nothing_waits"
    assert office.differences() == []


def test_months_of_one_payment_come_together_and_under_an_id_of_their_own(office: Office) -> None:
    office.enrol()
    office.approve(office.plan("2026-12", periods=["2026-11", "2026-12"]))
    (first,) = office.payments_of("2026-12")
    office.cannot_write(first)
    office.send("2026-12")
    office.withdraw(first)
    office.approve(office.plan("2027-01"))
    (second,) = office.made_again("2027-01")
    assert office.payments()[second].amount_vnd == 2 * BTXH
    office.cannot_write(second)
    office.send("2027-01")
    office.withdraw(second, month="2027-01")
    office.plan("2027-02")
    (third,) = office.made_again("2027-02")
    assert office.replaced() == {(second, first), (third, second)}
    assert (len({first, second, third}), office.payments()[third].generation) == (3, 2)
    assert office.differences() == []


def test_what_was_approved_still_verifies(office: Office) -> None:
    first, *_ = released(office)
    with office.database.read() as connection:
        cycle = cycles.get_cycle(connection, "2026-12")
    office.withdraw(first)
    with office.database.read() as connection:
        assert plans.content_sha256(connection, cycle.id) == cycle.content_sha256
        found = outcomes.outcomes_of_cycle(connection, cycle.id)
    assert (found.withdrawn, found.outstanding, found.planned) == (
        Figure(1, BTXH), Figure(2, 2 * BTXH), Figure(3, 3 * BTXH),
    )  # fmt: skip
    assert office.send("2026-12").is_complete


# ----------------------------------------------------------------- overtaken by the original


def overtaken(office: Office, periods: tuple[str, ...] = ("2026-12",)) -> tuple[str, str]:
    """A payment that the bank had refused and books after all, and the one in its place, in a released plan."""
    office.enrol()
    (first,) = office.pay("2026-12", periods=list(periods))
    office.refuse(first)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    (second,) = office.made_again("2027-01")
    office.book((first, True), amount=BTXH * len(periods))
    office.send("2027-01")
    assert (office.state_of(first), office.state_of(second)) == ("SETTLED", "PLANNED")
    return first, second


@pytest.mark.parametrize("periods", [("2026-12",), ("2026-11", "2026-12")])
def test_what_the_original_paid_is_not_owed_again(office: Office, periods: tuple[str, ...]) -> None:
    first, second = overtaken(office, periods)
    office.withdraw(second, month="2027-01")
    later = office.plan("2027-02")
    assert (later.arrears, later.planned) == (Figure(0, 0), Figure(1, BTXH))
    assert office.differences() == []
    # The original comes back in the end: its months are owed, once, as two officers had said.
    whole = BTXH * len(periods)
    office.book((first, False), amount=whole)
    assert office.plan("2027-02").arrears == Figure(len(periods), whole)
    (third,) = office.made_again("2027-02")
    assert (office.replaced(), office.payments()[third].generation) == ({(second, first), (third, second)}, 2)
    assert office.differences() == []


def test_a_plan_of_it_that_the_original_overtakes_again_is_drawn_anew(office: Office) -> None:
    first, second = overtaken(office)
    office.withdraw(second, month="2027-01")
    office.book((first, False))
    drawn = office.plan("2027-02")
    assert drawn.arrears == Figure(1, BTXH)
    office.book((first, True))
    with pytest.raises(Conflict) as outdated:
        office.approve(drawn)
    assert code_of(outdated) == "plan_outdated"
    assert office.plan("2027-02").arrears == Figure(0, 0)


def test_of_two_months_only_the_one_that_is_not_paid_is_owed(office: Office) -> None:
    """One programme was planned for two months; of one of them the higher programme is booked after all."""
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}))
    (high,) = office.pay("2026-12", programme_codes=["BTXH"])
    office.refuse(high)
    office.resubmit("2026-12")
    office.approve(office.plan("lower", programme_codes=["HTXH"], periods=["2026-11", "2026-12"]))
    (low,) = office.payments_of("lower")
    assert office.payments()[low].amount_vnd == 2 * HTXH
    office.book((high, True))
    assert [(one.end_to_end_id, one.field) for one in office.send("lower").unpayable] == [(low, "replaces")]
    office.withdraw(low, month="lower")
    again = office.plan("again", programme_codes=["HTXH"], periods=["2027-01"])
    assert again.arrears == Figure(2, 2 * HTXH)
    assert again.excluded_by == {"stacking": Figure(1, HTXH)}
    (alone,) = office.made_again("again")
    assert office.payments()[alone].amount_vnd == HTXH
    office.approve(again)
    assert office.send("again").is_complete
    assert (office.discrepancies(), office.differences()) == ([], [])


# ---------------------------------------------------------------------- what is forbidden


def test_what_was_written_is_never_withdrawn(office: Office) -> None:
    _, sent, other = released(office)
    with pytest.raises(Conflict) as refused:
        office.withdraw(sent)
    assert code_of(refused) == "payment_not_withdrawable"
    office.refuse(sent)
    office.book((other, True))
    for one in (sent, other):
        with pytest.raises(Conflict):
            office.withdraw(one)
    assert office.plan("2027-01").arrears == Figure(0, 0)


def test_a_file_that_is_written_and_waits_is_left_alone(office: Office) -> None:
    office.enrol()
    office.approve(office.plan("2026-12"))
    office.bank().script.append(unreachable)
    office.send("2026-12")
    (first,) = office.payments_of("2026-12")
    assert (office.batches(), office.state_of(first)) == ([("SEALED", 1)], "BATCHED")
    with pytest.raises(Conflict) as refused:
        office.withdraw(first)
    assert code_of(refused) == "payment_not_withdrawable"
    assert office.send("2026-12").is_complete


def unreachable(file: object) -> str:
    raise BankUnreachable("no route")


def test_all_are_withdrawn_or_none(office: Office) -> None:
    first, sent, _ = released(office)
    with pytest.raises(Conflict):
        office.withdraw(first, sent)
    with pytest.raises(NotFound) as unknown:
        office.withdraw(first, "P000000000000000")
    assert unknown.value.code == "payment_unknown"
    assert office.state_of(first) == "BATCHED"
    with office.database.read() as connection:
        assert connection.execute(select(withdrawal)).all() == []


def test_what_stands_in_a_lost_file_is_not_withdrawn(office: Office) -> None:
    first, *_ = released(office)
    at = office.clock.now()
    with office.database.write() as connection:
        connection.execute(
            insert(lost_file).values(
                id=1, bank_code="AGRI", cycle_code="2026-12", message_id="M1", name="lost", sha256=bytes(32), size=9,
                written_by="x", left_at=at, attempts=1, found_at=at, settled_at=at, settled_by="administrator.an",
            )
        )  # fmt: skip
        connection.execute(insert(lost_reference).values(lost_file_id=1, reference=first))
    with pytest.raises(Conflict) as refused:
        office.withdraw(first)
    assert code_of(refused) == "payment_not_withdrawable"
    assert "left before the database was restored" in refused.value.message
    with pytest.raises(Conflict) as nothing:
        withdraw_payments(
            office.database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, bank_code="AGRI"
        )
    assert code_of(nothing) == "nothing_waits"


def paid_under_another_id(office: Office, reference: str) -> str:
    """The id under which the lost database paid the dues of this payment, which it had withdrawn."""
    line = office.payments()[reference]
    with office.database.read() as connection:
        key = connection.execute(
            select(beneficiary.c.citizen_key).where(beneficiary.c.id == line.beneficiary_id)
        ).scalar_one()
    (found,) = end_to_end_ids(office.sealer.reference_key, ["BTXH"], ["2026-12"], [key], ["monthly"], [1])
    return found


def lose(office: Office, reference: str, *, is_answered: bool) -> None:
    """A file of another month with this id is known to have left, and the database not to know it."""
    at = office.clock.now()
    sent = Sending("AGRI", "2027-01", "M20270107AAAAAAAAAAAAAAAA", "lost", bytes(32), 9, 1, "x", at)
    with office.database.write() as connection:
        lost_files.insert_lost_file(connection, sent, [reference], at)
        if is_answered:
            (file,) = lost_files.open_files(connection)
            lost_files.settle(connection, file, "administrator.an", at)
            answered_files.burn_what_waits(connection, file.id, office.sealer.reference_key)


@pytest.mark.parametrize("is_batched", [True, False])
def test_an_older_database_does_not_pay_what_was_withdrawn_and_paid_in_the_lost_one(
    office: Office, is_batched: bool
) -> None:
    """Here the payment still waits; there it was withdrawn, and left in a later plan under another id."""
    first, *_ = waiting(office, is_batched=is_batched)
    again = paid_under_another_id(office, first)
    lose(office, again, is_answered=False)
    office.cannot_write()
    told = office.send("2026-12").waiting
    assert "lost_file_open" in {one.code for one in told}
    assert len(office.bank().sendings) == 1, "what had left before"
    # The officers do again what was done there: then that plan says what the file says.
    office.withdraw(first)
    office.plan("2027-01")
    assert again in office.payments_of("2027-01")
    assert office.differences() == []


@pytest.mark.parametrize("is_batched", [True, False])
def test_what_a_file_answered_by_hand_may_have_paid_under_another_id_never_leaves(
    office: Office, is_batched: bool
) -> None:
    first, *_ = waiting(office, is_batched=is_batched)
    lose(office, paid_under_another_id(office, first), is_answered=True)
    office.cannot_write()
    sent = office.send("2026-12")
    assert [(one.end_to_end_id, one.field) for one in sent.unpayable] == [(first, "end_to_end_id")]
    assert (office.state_of(first), len(office.bank().sendings)) == ("PLANNED", 1)
    with pytest.raises(Conflict) as refused:
        office.withdraw(first)
    assert code_of(refused) == "payment_not_withdrawable"
    with pytest.raises(Conflict) as still:
        office.close()
    assert "1 payments PLANNED" in still.value.message
    assert office.differences() == []


def waiting(office: Office, *, is_batched: bool) -> list[str]:
    """As `released`; the one that could not be written is in a batch, or in none."""
    if is_batched:
        return released(office)
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    office.approve(office.plan("2026-12"))
    names = office.payments_of("2026-12")
    office.cannot_write(names[0])
    office.send("2026-12")
    with office.database.write() as connection:
        for one in batches.list_batches(connection, 1):
            if one.state == "SEALED":
                dissolving.dissolve(connection, one, office.clock.now(), "submit-batches")
                at = instant_text(office.clock.now())
                detail = {"bank": one.bank_code, "state": "DISSOLVED", "dissolved_at": at}
                subject = f"batch:{one.message_id}"
                audit_trail.append(connection, office.clock.now(), SYSTEM, "submit-batches", subject, detail)
    assert office.state_of(names[0]) == "PLANNED"
    return names


def test_only_an_approver_without_a_hand_in_the_plan_withdraws(office: Office) -> None:
    first, *_ = released(office)
    with pytest.raises(NotAllowed) as own:
        office.withdraw(first, actor=Officer(MAKER.officer_id, Role.APPROVER))
    assert own.value.code == "own_plan"
    for wrong in (MAKER, SYSTEM, Officer("auditor.tuan", Role.AUDITOR), Officer("an", Role.ADMINISTRATOR)):
        with pytest.raises(NotAllowed):
            office.withdraw(first, actor=wrong)
        with pytest.raises(NotAllowed):
            office.close(actor=wrong)
    for reason, code in (("  ", "reason_missing"), ("tài khoản 19001234567", "reason_with_number")):
        with pytest.raises(InvalidInput) as refused:
            withdraw_payments(
                office.database, office.clock, APPROVER, cycle_code="2026-12", reason=reason, end_to_end_ids=[first]
            )
        assert refused.value.code == code
    for names, bank in (([], None), ([first], "AGRI")):
        with pytest.raises(InvalidInput) as missing:
            withdraw_payments(
                office.database, office.clock, APPROVER, cycle_code="2026-12", reason=REASON, end_to_end_ids=names,
                bank_code=bank,
            )  # fmt: skip
        assert missing.value.code == "payment_missing"


def test_a_plan_that_has_no_batches_is_changed_itself(office: Office) -> None:
    office.enrol()
    office.approve(office.plan("2026-12"))
    (first,) = office.payments_of("2026-12")
    with pytest.raises(Conflict) as refused:
        office.withdraw(first)
    assert code_of(refused) == "cycle_not_released"
    withdraw_plan(office.database, office.clock, MAKER, cycle_code="2026-12", reason="Xem lại")


def test_withdrawing_again_changes_nothing(office: Office) -> None:
    first, *_ = released(office)
    office.withdraw(first)
    assert [one.is_new for one in office.withdraw(first).payments] == [False]
    with office.database.read() as connection:
        told = select(audit_event.c.subject).where(audit_event.c.verb == "withdraw-payments")
        assert len(connection.execute(told).all()) == 2, "of the cycle and of the batch, once"
        assert len(connection.execute(select(withdrawal)).all()) == 1
    assert (office.reserved(), office.differences()) == (0, [])


def test_the_trail_tells_who_and_why_and_names_nobody(office: Office) -> None:
    first, *_ = released(office)
    office.withdraw(first)
    with office.database.read() as connection:
        rows = connection.execute(
            select(audit_event.c.actor, audit_event.c.detail).where(
                audit_event.c.verb == "withdraw-payments", audit_event.c.subject == "cycle:2026-12"
            )
        ).all()
    ((actor, detail),) = rows
    said = json.loads(detail)
    assert (actor, said["count"], said["sum_vnd"], said["reason"]) == (APPROVER.officer_id, 1, str(BTXH), REASON)
    assert office.payments()[first].creditor_name not in detail


def test_what_a_bank_books_under_a_withdrawn_id_is_a_stranger_s_money(office: Office) -> None:
    first, *_ = released(office)
    office.withdraw(first)
    office.book((first, True))
    assert office.state_of(first) == "CANCELLED"
    assert office.discrepancies() == [("unknown_reference", first)]
    assert office.differences() == []


# -------------------------------------------------------------------- racing submit-batches


def test_a_file_that_is_being_written_meanwhile_is_not_kept(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approver withdraws a payment between the reading of its batch and the noting of its file."""
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 2)
    office.approve(office.plan("2026-12"))
    first, second = office.payments_of("2026-12")
    put = office.vault.put

    def put_late(content: bytes) -> bytes:
        monkeypatch.undo()
        office.withdraw(first)
        return put(content)

    monkeypatch.setattr(office.vault, "put", put_late)
    office.send("2026-12")
    assert (office.state_of(first), office.state_of(second)) == ("CANCELLED", "PLANNED")
    with office.database.read() as connection:
        assert connection.execute(select(bank_file)).all() == []
    assert office.bank().sendings == []
    assert office.send("2026-12").is_complete
    assert office.state_of(second) == "SENT"
    assert office.differences() == []


# ------------------------------------------------------------------------------- closing


def test_a_cycle_is_closed_when_all_is_known(office: Office) -> None:
    first, second, third = released(office)
    with pytest.raises(Conflict) as still:
        office.close()
    assert code_of(still) == "cycle_open"
    assert "1 payments BATCHED, 2 payments SENT, 1 batches SEALED" in still.value.message
    office.withdraw(first)
    office.book((second, True))
    with pytest.raises(Conflict) as one_left:
        office.close()
    assert "stays open: 1 payments SENT." in one_left.value.message
    office.refuse(third)
    closed = office.close()
    assert (closed.is_new, closed.outcomes.withdrawn, closed.outcomes.settled) == (
        True, Figure(1, BTXH), Figure(1, BTXH),
    )  # fmt: skip
    assert not office.close().is_new
    assert office.differences() == []
    with office.database.read() as connection:
        assert cycles.codes_to_send(connection, office.clock.now()) == []
    assert office.send("2026-12").is_complete
    with pytest.raises(Conflict) as released_only:
        office.withdraw(second)
    assert code_of(released_only) == "payment_not_withdrawable"


def test_a_cycle_that_was_not_released_is_not_closed(office: Office) -> None:
    office.enrol()
    office.approve(office.plan("2026-12"))
    with pytest.raises(Conflict) as refused:
        office.close()
    assert code_of(refused) == "cycle_not_released"
    with pytest.raises(NotFound):
        office.close("2031-01")


def test_what_a_bank_says_of_a_closed_cycle_is_believed_and_who_is_unpaid_is_paid_again(office: Office) -> None:
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 2)
    first, second = office.pay("2026-12")
    office.book((first, True))
    office.refuse(second)
    office.close()
    office.book((first, False))
    assert (office.state_of(first), office.differences()) == ("RETURNED", [])
    assert office.resubmit("2026-12").figure == Figure(2, 2 * BTXH)
    again = office.plan("2027-01")
    assert again.arrears == Figure(2, 2 * BTXH)
    # And what was refused is booked late: the money moved, whatever was closed.
    office.book((second, True))
    assert office.state_of(second) == "SETTLED"
    with pytest.raises(Conflict) as outdated:
        office.approve(again)
    assert code_of(outdated) == "plan_outdated"
    office.approve(office.plan("2027-01"))
    assert office.send("2027-01").is_complete
    assert (office.discrepancies(), office.differences()) == ([], [])


def test_a_closed_cycle_still_binds_the_fund_of_its_programme(office: Office) -> None:
    """What a bank brings back later goes to the fund that paid it, and reports are made again from it."""
    office.enrol()
    (first,) = office.pay("2026-12")
    office.book((first, True))
    office.close()
    with office.database.write() as connection:
        (programme,) = programmes.read_programmes(connection, ["BTXH"])
        with pytest.raises(Conflict) as bound:
            programmes.write_programmes(connection, [replace(programme, fund_code="TET")])
    assert code_of(bound) == "programme_in_use"
    office.book((first, False))
    assert office.differences() == []


# -------------------------------------------------------------------------------- report


def test_the_report_says_so_from_that_moment_on(office: Office, tmp_path: Path) -> None:
    first, second, _ = released(office)
    office.book((second, True))
    signer = open_or_create_signer(tmp_path / "key.pem")
    auditor = Officer("auditor.tuan", Role.AUDITOR)

    def publish(name: str, as_of: datetime) -> tuple[dict[str, bytes], dict[str, str]]:
        folder = tmp_path / name
        publish_report(
            office.database, office.vault, signer, office.banks, office.clock, auditor, cycle_code="2026-12",
            as_of=as_of, folder=folder,
        )  # fmt: skip
        assert [str(one) for one in verify_report(folder).failed] == []
        with (folder / "lines.csv").open(newline="", encoding="utf-8") as opened:
            (line,) = (row for row in csv.DictReader(opened) if row["end_to_end_id"] == first)
        return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}, line

    before = office.clock.now()
    early, line = publish("early", before)
    assert (line["outcome"], line["sending"], line["bank"]) == ("outstanding", "not_sent", "AGRI")
    office.clock.advance(timedelta(days=1))
    office.withdraw(first)
    office.approve(office.plan("2027-01"))
    (again,) = office.made_again("2027-01")
    late, line = publish("late", office.clock.now())
    assert (line["outcome"], line["sending"], line["bank"], line["amount_vnd"]) == ("withdrawn", "", "", str(BTXH))
    report = json.loads(late["report.json"])
    totals = {name: one["count"] for name, one in report["totals"].items() if one["count"]}
    assert totals == {
        "entitled": 3, "withdrawn": 1, "approved": 2, "sent": 2, "settled": 1, "settled_to_account": 1,
        "outstanding": 1, "in_transit": 1,
    }  # fmt: skip
    (listed,) = report["withdrawals"]
    assert (listed["end_to_end_id"], listed["withdrawn_by"], listed["replaced_by"]) == (
        first, APPROVER.officer_id, again,
    )  # fmt: skip
    assert publish("early again", before)[0] == early


# ---------------------------------------------------------------------- what check finds


@pytest.mark.parametrize(
    ("forging", "words"),
    [
        ("UPDATE withdrawal SET withdrawn_by = 'somebody'", {"withdrawals: withdrawal of event"}),
        ("DELETE FROM withdrawal", {"withdrawals: withdrawal of event", "withdrawals: withdraw:", "states: payment"}),
        (
            (
                "UPDATE obligation_claim SET released_at = NULL WHERE released_at IS NOT NULL AND entitlement_id IN"
                " (SELECT entitlement_id FROM instruction WHERE state = 'CANCELLED')"
            ),
            {"claims: payment"},
        ),
        ("UPDATE payment_cycle SET state = 'CLOSED' WHERE state = 'RELEASED'", {"withdrawals: cycle 2026-12"}),
        (
            "UPDATE instruction SET state = 'PLANNED', is_live = true WHERE state = 'CANCELLED'",
            {"states: payment", "accounts: fund:NS", "accounts: reserved:NS", "claims: payment"},
        ),
        (
            "UPDATE ledger_transaction SET kind = 'release' WHERE kind = 'withdraw'",
            {"withdrawals: withdrawal of event"},
        ),
    ],
)
def test_each_forging_is_named(office: Office, forging: str, words: set[str]) -> None:
    first, *_ = released(office)
    office.withdraw(first)
    assert office.differences() == []
    with office.database.engine.connect() as connection:
        if office.database.is_postgresql:
            connection.exec_driver_sql("SET session_replication_role = replica")
        else:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        assert connection.exec_driver_sql(forging).rowcount
        connection.commit()
        if office.database.is_postgresql:
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")
    found = office.differences()
    assert all(any(one.startswith(each) for one in found) for each in words), found
    assert all(any(one.startswith(each) for each in words) for one in found), found
