"""submit-batches: nobody is paid twice and nobody is lost, wherever it breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from paysvc import handing_over
from paysvc.bank_interface import (
    BankFile,
    BankRefused,
    BankUnreachable,
    EncodingImpossible,
    EncodingProblem,
    Enquiry,
    OutcomeUnknown,
    SendState,
)
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import ControlTotals, PaymentBatch
from paysvc.domain.errors import Conflict, NotAllowed, NotFound, Waiting
from paysvc.domain.instructions import BatchState
from paysvc.domain.officers import Officer
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.submit_batches import submit_batches
from paysvc.store import audit_trail, bank_files, cycles
from paysvc.store.engine import Database
from paysvc.store.tables import bank_account, bank_file, batch, payment_cycle
from paysvc.store.vault import Vault
from tests.payment_world import CYCLE, SYSTEM, PractisingBank, World, make_world, status_file

MakeWorld = Callable[..., World]


@pytest.fixture
def world_of(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> MakeWorld:
    """Makes the world with the banks' options: `world_of(AGRI={"max_payments": "2"})`."""
    return lambda **options: make_world(database, sealer, vault, clock, **options)


@pytest.fixture
def world(world_of: MakeWorld) -> World:
    """Two people paid by account, one at the post office."""
    return world_of().approve(("AGRI", 500_000), ("AGRI", 750_000), ("POST", 1_000_000))


def raising(failure: BaseException) -> Callable[[BankFile], str]:
    def send(file: BankFile) -> str:
        raise failure

    return send


def taking_then(bank: PractisingBank, failure: BaseException) -> Callable[[BankFile], str]:
    """The bank takes the file; its answer never reaches us."""

    def send(file: BankFile) -> str:
        bank.accept(file)
        raise failure

    return send


def speak(world: World, code: str) -> None:
    """The bank says a word about one payment of the file it has."""
    world.receive(status_file(f"S-{code}", statuses=[(world.references(code)[0], "ACSP", "", "")]), code=code)


def stored_state(world: World, code: str = "AGRI") -> str:
    with world.database.read() as connection:
        return str(connection.execute(select(batch.c.state).where(batch.c.bank_code == code)).scalar_one())


def attempts(world: World, code: str = "AGRI") -> list[str]:
    with world.database.read() as connection:
        file_id = connection.execute(select(bank_file.c.id).where(bank_file.c.bank_code == code)).scalar_one()
        return [outcome for _, outcome, _ in bank_files.ATTEMPTS.list_all(connection, file_id)]


# ------------------------------------------------------------------------- when all goes well


def test_an_approved_plan_leaves_as_one_file_a_bank(world: World) -> None:
    result = world.submit()
    assert result.is_complete
    assert [(one.bank_code, one.count, one.sum_vnd, one.state) for one in result.batches] == [
        ("AGRI", 2, 1_250_000, BatchState.SENT),
        ("POST", 1, 1_000_000, BatchState.SENT),
    ]
    assert {row["state"] for row in world.payments().values()} == {"SENT"}
    assert world.outcomes().outstanding == world.outcomes().entitled
    assert world.balances() == {
        "treasury": -2_250_000,
        "in_transit:AGRI": 1_250_000,
        "cash_in_transit:POST": 1_000_000,
    }


def test_the_bytes_that_left_are_the_bytes_in_the_vault(world: World) -> None:
    world.submit()
    with world.database.read() as connection:
        rows = connection.execute(select(bank_file)).all()
    for row in rows:
        ((name, content),) = world.bank(row.bank_code).sendings
        assert world.vault.get(row.sha256) == content
        assert (row.name, row.size, row.written_by) == (name, len(content), "practice of tests 1")


def test_doing_it_again_changes_nothing(world: World) -> None:
    first = world.submit()
    before, sent = world.payments(), list(world.bank().sendings)
    assert world.submit() == first
    assert world.payments() == before
    assert world.bank().sendings == sent


def test_an_account_is_told_to_the_bank_and_a_citizen_id_only_to_the_counter(world: World) -> None:
    world.submit()
    by_account = json.loads(world.bank("AGRI").sendings[0][1])[1]
    at_counter = json.loads(world.bank("POST").sendings[0][1])[1]
    assert {(row[3], row[5], row[6]) for row in by_account} == {("1000000000", "", ""), ("1000000001", "", "")}
    assert [(row[3], row[5], row[6]) for row in at_counter] == [("", "040900000002", "17329")]
    assert at_counter[0][7] == "Trợ cấp xã hội 12/2026"


def test_files_keep_to_the_banks_limits_and_to_the_order_of_the_ids(world_of: MakeWorld) -> None:
    world = world_of(AGRI={"max_payments": "2", "max_amount_vnd": "1200000"})
    world.approve(*[("AGRI", 500_000)] * 3, ("AGRI", 1_000_000))
    result = world.submit()
    assert sum(one.count for one in result.batches) == 4
    assert all(one.count <= 2 and one.sum_vnd <= 1_200_000 for one in result.batches)
    written = [row[0] for _, content in world.bank().sendings for row in json.loads(content)[1]]
    assert written == sorted(world.payments())
    assert len({one.message_id for one in result.batches}) == len(result.batches)


def test_a_payment_larger_than_any_file_is_named_and_the_others_leave(world_of: MakeWorld) -> None:
    world = world_of(AGRI={"max_amount_vnd": "900000"}).approve(("AGRI", 500_000), ("AGRI", 1_000_000))
    result = world.submit()
    large = next(one for one, row in world.payments().items() if row["amount_vnd"] == 1_000_000)
    assert [(one.end_to_end_id, one.field) for one in result.unpayable] == [(large, "amount_vnd")]
    assert world.state_of(large) == "PLANNED"
    assert world.outcomes().outstanding.count == 2
    assert len(world.bank().sendings) == 1
    assert not world.submit().is_complete


def test_names_are_cut_to_the_banks_field_and_counted(world_of: MakeWorld) -> None:
    world = world_of(AGRI={"name_length": "10"}).approve(
        ("AGRI", 1), ("AGRI", 2), names=["NGUYEN THI HOA", "LE VAN AN"]
    )
    assert world.submit().names_cut == 1
    assert {row[4] for row in json.loads(world.bank().sendings[0][1])[1]} == {"NGUYEN THI", "LE VAN AN"}


def test_a_file_given_after_the_day_was_closed_is_for_the_next_working_day(world: World) -> None:
    # Friday 2026-12-04, 16:30 in Vietnam: after the cut-off of the value date itself.
    world.clock.set(datetime(2026, 12, 4, 9, 30, tzinfo=UTC))
    message_id = world.submit().batches[0].message_id
    assert message_id.startswith("M20261207")
    with world.database.read() as connection:
        assert connection.execute(select(batch.c.value_date).limit(1)).scalar_one() == date(2026, 12, 7)


def test_progress_counts_to_the_end(world: World) -> None:
    seen: list[tuple[int, int | None]] = []
    submit_batches(
        world.database, world.sealer, world.vault, world.banks, world.clock, Officer("approver.minh", "approver"),  # type: ignore[arg-type]
        cycle_code=CYCLE, progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1] == (6, 6)
    assert seen == sorted(seen)


def test_every_step_is_in_the_trail_and_the_trail_holds(world: World) -> None:
    world.submit()
    with world.database.read() as connection:
        assert audit_trail.first_broken_event(connection) is None
        found = connection.exec_driver_sql("SELECT detail FROM audit_event WHERE verb = 'submit-batches'").scalars()
        details = " ".join(found)
    assert '"state":"SENDING"' in details
    assert '"state":"SENT"' in details
    assert "040900000002" not in details
    assert "1000000000" not in details


# ------------------------------------------------------------------------- what may not leave


def test_a_plan_without_approval_waits(world: World) -> None:
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE approval SET cancelled_at = '2026-11-21T00:00:00.000000Z'")
        connection.execute(update(payment_cycle).values(state="DRAFT"))
    with pytest.raises(Waiting, match="not approved"):
        world.submit()
    assert world.bank().sendings == []


def test_a_plan_that_is_not_what_was_approved_does_not_leave(world: World) -> None:
    with world.database.write() as connection:
        connection.execute(update(bank_account).where(bank_account.c.id == 1).values(account_key=bytes(range(32))))
    with pytest.raises(Conflict, match="not the one that was approved"):
        world.submit()
    assert world.bank().sendings == []
    assert {row["state"] for row in world.payments().values()} == {"PLANNED"}


def test_an_unknown_cycle_and_an_officer_who_may_not(world: World, maker: Officer) -> None:
    with pytest.raises(NotFound):
        submit_batches(
            world.database, world.sealer, world.vault, world.banks, world.clock,
            Officer("approver.minh", "approver"), cycle_code="2031-01",  # type: ignore[arg-type]
        )  # fmt: skip
    with pytest.raises(NotAllowed):
        submit_batches(world.database, world.sealer, world.vault, world.banks, world.clock, maker, cycle_code=CYCLE)


def test_an_adapter_that_breaks_keeps_only_its_own_bank_waiting(world: World) -> None:
    world.bank().cannot_write = ZeroDivisionError("NGUYEN THI HOA")
    result = world.submit()
    assert [(one.code, "NGUYEN" in one.message) for one in result.waiting] == [("adapter_failed", False)]
    assert [(one.bank_code, one.state) for one in result.batches] == [
        ("AGRI", BatchState.SEALED),
        ("POST", BatchState.SENT),
    ]
    world.bank().cannot_write = None
    assert world.submit().is_complete


def without_one(bank: PractisingBank, reference: str) -> Callable[[PaymentBatch], BankFile]:
    """The bank's dialect cannot write this payment, wherever it stands."""
    encode = type(bank).encode

    def write(batch: PaymentBatch) -> BankFile:
        references = list(batch.payments.end_to_end_id)
        if reference in references:
            raise EncodingImpossible([EncodingProblem(references.index(reference), "creditor_name", "No such letter.")])
        return encode(bank, batch)

    return write


def test_one_payment_that_no_file_can_say_keeps_nobody_else_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = world.bank()
    good, bad = sorted(one for one, row in world.payments().items() if row["bank_code"] == "AGRI")
    with monkeypatch.context() as armed:
        armed.setattr(bank, "encode", without_one(bank, bad))
        for _ in range(3):
            result = world.submit()
            assert [(one.end_to_end_id, one.field) for one in result.unpayable] == [(bad, "creditor_name")]
        assert [(one.bank_code, one.count, one.state, one.is_written) for one in result.batches] == [
            ("AGRI", 1, BatchState.SENT, True),
            ("AGRI", 1, BatchState.SEALED, False),
            ("POST", 1, BatchState.SENT, True),
        ]
        assert [row[0] for row in json.loads(bank.sendings[0][1])[1]] == [good]
    assert world.submit().is_complete
    assert [row[0] for _, content in bank.sendings for row in json.loads(content)[1]] == [good, bad]
    found = check_books(world.database, world.vault, world.banks, world.clock, SYSTEM).differences
    # The world's deposit is posted without an event, which the check rightly says.
    assert {one.subject for one in found} <= {"fund:NS", "treasury"}


def test_a_plan_that_was_changed_is_not_cut_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = world.bank()
    _, bad = sorted(one for one, row in world.payments().items() if row["bank_code"] == "AGRI")
    write = without_one(bank, bad)

    def meanwhile(batch: PaymentBatch) -> BankFile:
        with world.database.write() as connection:
            connection.execute(update(bank_account).where(bank_account.c.id == 1).values(account_key=bytes(range(32))))
        return write(batch)

    monkeypatch.setattr(bank, "encode", meanwhile)
    assert "plan_differs_from_approval" in [one.code for one in world.submit().waiting]
    assert bank.sendings == []


def test_what_a_dialect_cannot_carry_is_named_and_waits_for_it(world: World) -> None:
    problems = [EncodingProblem(row, "creditor_name", "A letter is missing.") for row in (0, 1)]
    world.bank().cannot_write = EncodingImpossible(problems)
    result = world.submit()
    assert [(one.bank_code, one.field) for one in result.unpayable] == [("AGRI", "creditor_name")] * 2
    assert [(one.bank_code, one.state, one.is_written) for one in result.batches] == [
        ("AGRI", BatchState.SEALED, False),
        ("POST", BatchState.SENT, True),
    ]
    assert world.outcomes().outstanding.count == 3
    world.bank().cannot_write = None
    assert world.submit().is_complete
    assert len(world.bank().sendings) == 1


def test_bytes_that_changed_in_the_vault_do_not_leave(world: World) -> None:
    world.bank().script = [raising(BankUnreachable("no route"))]
    world.submit()
    with world.database.read() as connection:
        name = connection.execute(select(bank_file.c.sha256).where(bank_file.c.bank_code == "AGRI")).scalar_one().hex()
    kept = world.vault._folder / name[:2] / name[2:]
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    assert [one.code for one in world.submit().waiting] == ["vault_file_changed"]
    assert len(world.bank().sendings) == 1


# ---------------------------------------------------------------- when the bank cannot be reached


def test_an_unreachable_bank_gets_the_same_bytes_later_and_the_others_do_not_wait(world: World) -> None:
    world.bank("AGRI").script = [raising(BankUnreachable("no route"))]
    result = world.submit()
    assert [one.code for one in result.waiting] == ["bank_unreachable"]
    assert [one.state for one in result.batches] == [BatchState.SEALED, BatchState.SENT]
    assert world.balances()["reserved:NS"] == 1_250_000
    speak(world, "POST")
    world.clock.advance(timedelta(days=40))
    assert world.submit().is_complete
    first, second = world.bank("AGRI").sendings
    assert first == second
    assert attempts(world) == ["not_sent", "sent"]
    assert world.bank("AGRI").enquiries == 0


def test_a_bank_that_is_not_there_keeps_its_own_payments_waiting_and_no_others(world: World) -> None:
    everything, world.banks = world.banks, BankRegistry([world.banks.get("POST")])
    result = world.submit()
    assert [one.code for one in result.waiting] == ["bank_not_configured"]
    assert [(one.bank_code, one.state) for one in result.batches] == [("POST", BatchState.SENT)]
    with world.database.read() as connection:
        assert cycles.codes_to_send(connection, world.clock.now()) == [CYCLE]
    world.banks = everything
    assert world.submit().is_complete
    assert len(world.bank("AGRI").sendings) == 1


# ------------------------------------------------------------------------ when nobody knows


@pytest.mark.parametrize(
    "failure", [OutcomeUnknown("no answer"), TimeoutError(), ConnectionResetError(), ValueError("a bug"), OSError(5)]
)
def test_a_lost_answer_is_unknown_and_the_bank_is_asked_before_anything_else(world: World, failure: Exception) -> None:
    bank = world.bank()
    bank.script = [taking_then(bank, failure)]
    result = world.submit()
    assert [one.code for one in result.waiting] == ["outcome_unknown"]
    assert world.outcomes().unknown.count == 2
    assert world.balances()["reserved:NS"] == 1_250_000
    assert world.submit().is_complete
    assert (bank.enquiries, len(bank.sendings)) == (1, 1)
    assert world.outcomes().unknown.count == 0
    assert world.balances()["in_transit:AGRI"] == 1_250_000


def test_time_passing_does_not_end_an_unknown(world: World) -> None:
    bank = world.bank()
    bank.script = [taking_then(bank, TimeoutError())]
    bank.answers = [Enquiry(SendState.STILL_UNKNOWN), BankUnreachable("no route"), RuntimeError("no idea")]
    world.submit()
    speak(world, "POST")
    for _ in range(3):
        world.clock.advance(timedelta(days=30))
        assert [one.code for one in world.submit().waiting] == ["outcome_unknown"]
        assert stored_state(world) == "UNKNOWN"
    assert len(bank.sendings) == 1
    # The bank has it; that it says nothing of it is another matter.
    assert [one.code for one in world.submit().waiting] == ["bank_says_nothing"]
    assert len(bank.sendings) == 1


def test_what_the_bank_says_it_never_got_is_sent_again_in_the_same_bytes(world: World) -> None:
    bank = world.bank()
    bank.script = [raising(TimeoutError())]
    world.submit()
    assert world.submit().is_complete
    first, second = bank.sendings
    assert first == second
    assert attempts(world) == ["unknown", "sent"]


@pytest.mark.parametrize(
    "options",
    [
        {"duplicate_key": "none"},
        {"duplicate_key": "end_to_end_id"},
        {"can_enquire": "no"},
        {"duplicate_days": "3"},
    ],
)
def test_a_bank_that_would_not_notice_a_second_file_stops_for_a_person(
    world_of: MakeWorld, options: dict[str, str]
) -> None:
    world = world_of(AGRI=options).approve(("AGRI", 500_000))
    world.bank().script = [raising(TimeoutError())]
    world.submit()
    world.clock.advance(timedelta(days=3))
    for _ in range(2):
        assert [one.code for one in world.submit().waiting] == ["outcome_needs_a_person"]
    assert len(world.bank().sendings) == 1
    assert world.outcomes().unknown.count == 1


def test_a_bank_that_says_it_has_the_file_already_does_not_refuse_it(world: World) -> None:
    bank = world.bank()
    bank.script = [taking_then(bank, BankRefused("DUPL", "message id known"))]
    world.submit()
    assert stored_state(world) == "UNKNOWN"
    assert world.submit().is_complete
    assert len(bank.sendings) == 1


def test_a_bank_that_refuses_a_second_copy_does_not_refuse_the_first(world: World) -> None:
    bank = world.bank()
    bank.script = [taking_then(bank, TimeoutError())]
    bank.answers = [Enquiry(SendState.REFUSED, "DUPL other bytes under this id")]
    world.submit()
    assert [one.code for one in world.submit().waiting] == ["outcome_needs_a_person"]
    assert world.outcomes().unknown.count == 2
    assert world.submit().is_complete


def test_whatever_a_bank_answers_can_be_written_down(world: World) -> None:
    world.bank().script = [raising(BankRefused("NARR", "no\x00" + "!" * 2_000))]
    assert world.submit().totals(BatchState.REFUSED).count == 2


# ------------------------------------------------------------------------ when the bank says no


def test_a_refused_file_rejects_its_payments_and_frees_their_money(world: World) -> None:
    world.bank().script = [raising(BankRefused("AM10", "the sum is wrong"))]
    result = world.submit()
    assert result.totals(BatchState.REFUSED).count == 2
    found = world.outcomes()
    assert (found.rejected.count, found.rejected.amount_vnd, found.outstanding.count) == (2, 1_250_000, 1)
    assert {world.payments()[one]["reason_code"] for one in world.references()} == {"AM10"}
    assert world.balances()["fund:NS"] == 1_250_000
    assert world.submit().is_complete
    assert len(world.bank().sendings) == 1


def test_a_refusal_found_by_asking_counts_as_well(world: World) -> None:
    bank = world.bank()
    bank.script = [raising(TimeoutError())]
    world.submit()
    bank.refused[bank.sendings[0][0]] = "FF01 not a file of ours"
    assert world.submit().totals(BatchState.REFUSED).count == 2
    assert world.payments()[world.references()[0]]["reason_code"] == "FF01"
    assert world.balances()["fund:NS"] == 1_250_000


# ---------------------------------------------------------------- when the program is killed


class Killed(BaseException):
    """The process ends here; nothing after this line of it runs."""


@pytest.mark.parametrize("bank_took_it", [True, False])
def test_killed_while_sending(world: World, bank_took_it: bool) -> None:
    bank = world.bank()
    bank.script = [taking_then(bank, Killed()) if bank_took_it else raising(Killed())]
    with pytest.raises(Killed):
        world.submit()
    assert stored_state(world) == "SENDING"
    assert world.outcomes().unknown.count == 2
    assert world.submit().is_complete
    assert len(bank.sendings) == (1 if bank_took_it else 2)
    assert len({content for _, content in bank.sendings}) == 1
    assert attempts(world) == (["unknown"] if bank_took_it else ["unknown", "sent"])


def test_killed_while_writing_the_files_makes_the_same_files_again(world: World) -> None:
    world.bank("POST").cannot_write = Killed()  # type: ignore[assignment]
    with pytest.raises(Killed):
        world.submit()
    with world.database.read() as connection:
        ids = set(connection.execute(select(batch.c.message_id)).scalars())
    assert world.bank("AGRI").sendings == []
    world.clock.advance(timedelta(hours=5))
    world.bank("POST").cannot_write = None
    result = world.submit()
    assert result.is_complete
    assert {one.message_id for one in result.batches} == ids
    assert json.loads(world.bank("POST").sendings[0][1])[0][1] == "2026-11-21T01:00:00+00:00"


def test_killed_between_the_vault_and_the_note_of_the_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bank_files, "insert_file", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            world.submit()
    assert world.bank().sendings == []
    assert world.submit().is_complete
    assert len(world.bank().sendings) == 1


def test_killed_while_the_batches_are_made_leaves_the_plan_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(audit_trail, "append", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            world.submit()
    assert {row["state"] for row in world.payments().values()} == {"PLANNED"}
    with world.database.read() as connection:
        assert connection.execute(select(payment_cycle.c.state)).scalar_one() == "APPROVED"
    assert world.submit().is_complete


def test_a_sender_that_slept_while_another_took_over_changes_nothing(world: World) -> None:
    """Two runs, one stopped in the middle of sending: the same bytes twice, one payment."""
    bank = world.bank()

    def sleep_through_another_run(file: BankFile) -> str:
        assert world.submit().is_complete
        raise BankUnreachable("woke up late")

    bank.script = [sleep_through_another_run]
    assert [one.code for one in world.submit().waiting] == ["bank_unreachable"]
    assert attempts(world) == ["unknown", "sent"]
    assert stored_state(world) == "SENT"
    assert len({content for _, content in bank.sendings}) == 1
    assert world.balances()["in_transit:AGRI"] == 1_250_000


def test_a_sender_that_woke_up_with_the_banks_yes_is_believed(world: World) -> None:
    bank = world.bank()

    def sleep_until_unknown(file: BankFile) -> str:
        bank.answers = [Enquiry(SendState.STILL_UNKNOWN)]
        world.submit()
        return bank.accept(file)

    bank.script = [sleep_until_unknown]
    world.submit()
    assert stored_state(world) == "SENT"
    assert len(bank.sendings) == 1


def test_what_the_bank_would_not_notice_any_more_is_asked_for_and_does_not_leave(world: World) -> None:
    """It said that it had not got the file; then it could not be reached until its memory had ended."""
    bank = world.bank()
    bank.script = [raising(TimeoutError()), raising(BankUnreachable("no route"))]
    world.submit()
    assert [one.code for one in world.submit().waiting] == ["bank_unreachable"]
    assert (stored_state(world), attempts(world)) == ("SEALED", ["unknown", "not_sent"])
    speak(world, "POST")
    world.clock.advance(timedelta(days=30))
    for _ in range(2):
        assert [one.code for one in world.submit().waiting] == ["outcome_needs_a_person"]
    assert (stored_state(world), attempts(world), len(bank.sendings)) == ("UNKNOWN", ["unknown", "not_sent"], 2)
    bank.accept(BankFile(*bank.sendings[0], message_id="", totals=ControlTotals(2, 1_250_000)))
    # The bank has it; that it says nothing of it is another matter.
    assert [one.code for one in world.submit().waiting] == ["bank_says_nothing"]
    assert (stored_state(world), len(bank.sendings)) == ("SENT", 2)


def at_the_leaving(world: World, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """The next sender stops right before its first byte leaves, while `then` happens."""
    left = [then]

    def reach(moment: str, **words: int) -> None:
        if moment == "leaving" and left:
            left.pop()()

    monkeypatch.setattr(handing_over, "reach", reach)


def test_a_sender_that_was_taken_for_dead_before_it_sent_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = world.bank()

    def others_take_over() -> None:
        assert world.submit().is_complete
        world.clock.advance(timedelta(days=30))

    at_the_leaving(world, monkeypatch, others_take_over)
    world.submit()
    assert (len(bank.sendings), stored_state(world), attempts(world)) == (1, "SENT", ["unknown", "sent"])


def test_a_second_sender_that_slept_past_the_banks_memory_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = world.bank()
    bank.script = [raising(TimeoutError())]
    world.submit()
    speak(world, "POST")
    at_the_leaving(world, monkeypatch, lambda: world.clock.advance(timedelta(days=30)))
    world.submit()
    assert (len(bank.sendings), stored_state(world), attempts(world)) == (1, "SEALED", ["unknown", "not_sent"])
    assert [one.code for one in world.submit().waiting] == ["outcome_needs_a_person"]
    assert (len(bank.sendings), stored_state(world)) == (1, "UNKNOWN")


@pytest.mark.parametrize("others_send", [True, False])
def test_a_no_that_came_late_is_believed_only_while_nothing_left_since(world: World, others_send: bool) -> None:
    """The first copy is on its way; another run asks, and sends the second, which the bank takes. Then it
    refuses the first."""
    bank = world.bank()

    def overtaken(file: BankFile) -> str:
        bank.script = [taking_then(bank, TimeoutError()) if others_send else raising(BankUnreachable("no route"))]
        bank.answers = [] if others_send else [Enquiry(SendState.STILL_UNKNOWN)]
        world.submit()
        raise BankRefused("TM01", "after the cut-off")

    bank.script = [overtaken]
    world.submit()
    assert stored_state(world) == ("UNKNOWN" if others_send else "REFUSED")
    if others_send:
        assert world.submit().is_complete
        assert (stored_state(world), world.balances()["in_transit:AGRI"]) == ("SENT", 1_250_000)


# ---------------------------------------------------------------------- a bank that says nothing


def test_a_bank_that_refused_a_file_without_a_word_is_found_out_by_asking(world: World) -> None:
    world.submit()
    speak(world, "AGRI")
    bank, before = world.bank("POST"), world.balances()
    (name,) = bank.has
    bank.has.pop(name)
    bank.refused[name] = "AM18 wrong number of payments"
    world.clock.set(datetime(2026, 12, 6, 3, tzinfo=UTC))
    assert world.submit().is_complete
    assert bank.enquiries == 0  # it may still say something
    world.clock.set(datetime(2026, 12, 8, 3, tzinfo=UTC))
    result = world.submit()
    assert result.is_complete
    assert result.totals(BatchState.REFUSED).count == 1
    (reference,) = world.references("POST")
    assert (world.state_of(reference), world.payments()[reference]["reason_code"]) == ("REJECTED", "AM18")
    amount = world.payments()[reference]["amount_vnd"]
    after = world.balances()
    assert after["fund:NS"] - before.get("fund:NS", 0) == amount
    assert "cash_in_transit:POST" not in after
    world.submit()
    assert world.balances() == after


def test_a_bank_that_has_the_file_and_says_nothing_is_no_reason_to_pay_again(world: World) -> None:
    world.submit()
    world.clock.set(datetime(2026, 12, 20, 3, tzinfo=UTC))
    result = world.submit()
    assert {one.code for one in result.waiting} == {"bank_says_nothing"}
    assert {one.state for one in result.batches} == {BatchState.SENT}
    assert len(world.bank().sendings) == 1


def test_a_bank_has_as_long_to_speak_of_a_file_that_left_late(world: World) -> None:
    world.bank().script = [raising(BankUnreachable("no route"))]
    world.submit()
    speak(world, "POST")
    world.clock.set(datetime(2026, 12, 20, 3, tzinfo=UTC))
    assert world.submit().is_complete
    world.clock.advance(timedelta(days=2))
    assert world.submit().is_complete
    world.clock.advance(timedelta(days=2))
    assert [one.code for one in world.submit().waiting] == ["bank_says_nothing"]


def test_a_bank_that_spoke_of_one_payment_is_not_asked_about_the_others(world: World) -> None:
    """One word about one payment of the file: the bank has taken it, and goes on speaking."""
    world.submit()
    for code in ("AGRI", "POST"):
        speak(world, code)
    world.clock.set(datetime(2026, 12, 20, 3, tzinfo=UTC))
    assert world.submit().is_complete
    assert world.bank().enquiries == 0
