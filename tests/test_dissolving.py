"""A sealed file with a payment that was made after all: nothing of it left, so nothing of it leaves like that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select, text
from sqlalchemy.exc import IntegrityError

from paysvc import failpoints, handing_over
from paysvc.bank_interface import BankFile, BankUnreachable, OutcomeUnknown
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.emit_pain001 import write_pain001
from paysvc.core.messages import PaymentBatch
from paysvc.domain.books import Equation
from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BatchState
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.publish_report import publish_report
from paysvc.services.recall_payments import recall_payments
from paysvc.services.withdraw_payments import withdraw_payments
from paysvc.signing import open_or_create_signer
from paysvc.store import batches, dissolving, state_checks
from paysvc.store.engine import Database
from paysvc.store.tables import batch, dissolved_payment, instant_text, instruction, send_attempt
from paysvc.store.vault import Vault
from paysvc.verify_report import verify_report
from tests.paying_office import SYSTEM, PayingOffice, practising
from tests.payment_world import PractisingBank
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled
from tests.test_forged_books import forging

AUDITOR = Officer("auditor.tuan", Role.AUDITOR)
DOUBLE = "paid_after_resubmission"


class IsoBank(PractisingBank):
    """Its files can be read back by everybody."""

    def encode(self, batch: PaymentBatch) -> BankFile:
        if self.cannot_write:
            raise self.cannot_write
        return BankFile(f"{batch.message_id}.xml", write_pain001(batch), batch.message_id, batch.totals)


@pytest.fixture(params=[PractisingBank, IsoBank], ids=["own dialect", "pain.001"])
def office(
    request: pytest.FixtureRequest, database: Database, sealer: Sealer, vault: Vault, clock: FixedClock
) -> PayingOffice:
    banks = BankRegistry([practising("AGRI", AGRIBANK, request.param), practising("VCB", VIETCOMBANK)])
    return PayingOffice(database, sealer, vault, clock, banks)


def unreachable(file: BankFile) -> str:
    raise BankUnreachable("no route")


def lost(file: BankFile) -> str:
    raise OutcomeUnknown("the line broke")


def seal(office: PayingOffice, *before: Callable[[BankFile], str]) -> tuple[str, str]:
    """A month with a payment that is made again, in a file that nobody has: the original, and the one in its place.
    `before` is what the sendings ran into; without it the bank was out of reach."""
    if not office.payments():
        office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    original = office.pay("2026-12")[0]
    office.refuse(original)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    office.clock.advance(timedelta(hours=1))
    office.bank().script += before or [unreachable]
    office.send("2027-01")
    (again,) = office.made_again("2027-01")
    office.clock.advance(timedelta(hours=1))
    return original, again


def rows_of(office: PayingOffice, month: str = "2027-01") -> list[Row[Any]]:
    with office.database.read() as connection:
        cycle = select(instruction.c.cycle_id).where(instruction.c.end_to_end_id == office.payments_of(month)[0])
        found = select(batch).where(batch.c.cycle_id == cycle.scalar_subquery()).order_by(batch.c.id)
        return list(connection.execute(found).all())


def states(office: PayingOffice) -> list[str]:
    return [row.state for row in rows_of(office)]


def reached(office: PayingOffice, *references: str) -> list[int]:
    """How many files that the bank has hold each of these payments."""
    return [sum(one.encode() in content for content in office.bank().has.values()) for one in references]


def everything_agrees(office: PayingOffice) -> bool:
    return check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).differences == ()


# ------------------------------------------------------------------------ what is dissolved


def test_a_written_file_is_cut_anew_without_what_was_made_after_all(office: PayingOffice) -> None:
    original, again = seal(office)
    others = [one for one in office.payments_of("2027-01") if one != again]
    assert states(office) == ["SEALED"]
    office.book((original, True))
    assert office.discrepancies() == [(DOUBLE, again)]
    for _ in range(2):
        (named,) = office.send("2027-01").unpayable
        assert (named.end_to_end_id, named.field) == (again, "replaces")
        assert original in named.message
    assert states(office) == ["DISSOLVED", "SENT"]
    assert (office.state_of(again), {office.state_of(one) for one in others}) == ("PLANNED", {"SENT"})
    assert reached(office, again, *others) == [0, *[1] * len(others)]
    # Nobody is paid twice any more, so nobody is asked to give anything back.
    assert (office.discrepancies(), office.discrepancies(resolved=True)) == ([], [(DOUBLE, again)])
    assert recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM).waiting == ()
    assert everything_agrees(office)


def test_what_was_in_a_written_file_is_not_withdrawn(office: PayingOffice) -> None:
    """Where rows from before the dissolution are put back, that file may leave; its months must not be another's."""
    original, again = seal(office)
    office.book((original, True))
    office.send("2027-01")
    assert (states(office), office.state_of(again)) == (["DISSOLVED", "SENT"], "PLANNED")
    other = Officer("approver.thu", Role.APPROVER)
    with pytest.raises(Conflict, match="a bank file with it was written"):
        withdraw_payments(
            office.database, office.clock, other, cycle_code="2027-01", reason="paid", end_to_end_ids=[again]
        )
    forged = (
        "INSERT INTO withdrawal (id, instruction_id, reason, withdrawn_by, withdrawn_at)"
        " SELECT 900, id, 'paid', 'approver.thu', :at FROM instruction WHERE end_to_end_id = :name"
    )
    with pytest.raises(IntegrityError, match="was never written is withdrawn"), office.database.write() as connection:
        connection.execute(text(forged), {"at": instant_text(office.clock.now()), "name": again})


def test_a_batch_whose_file_is_not_written_is_dissolved_as_well(office: PayingOffice) -> None:
    office.bank().cannot_write = None
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    original = office.pay("2026-12")[0]
    office.refuse(original)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    office.bank().cannot_write = RuntimeError("the adapter is wrong")
    office.send("2027-01")
    office.book((original, True))
    office.bank().cannot_write = None
    assert [one.field for one in office.send("2027-01").unpayable] == ["replaces"]
    assert states(office) == ["DISSOLVED", "SENT"]
    assert reached(office, *office.made_again("2027-01")) == [0]
    assert everything_agrees(office)


def test_of_a_group_of_programmes_the_other_one_is_left_out_of_a_written_file(office: PayingOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}), Enrolled({"HTXH": "HTXH-75"}))
    (early,) = office.pay("2026-12", programme_codes=["BTXH"])
    office.refuse(early)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01", programme_codes=["HTXH"], periods=["2026-12"]))
    office.bank().script.append(unreachable)
    office.send("2027-01")
    beside, alone = office.payments_of("2027-01")
    office.book((early, True))
    assert [one.end_to_end_id for one in office.send("2027-01").unpayable] == [beside]
    assert (states(office), reached(office, beside, alone)) == (["DISSOLVED", "SENT"], [0, 1])
    assert (office.discrepancies(), everything_agrees(office)) == ([], True)


def test_it_is_paid_when_the_original_comes_back_also_in_a_file_of_just_the_same_words(office: PayingOffice) -> None:
    """The very batch that was dissolved is made once more: its MsgId is used up, so it is another day's."""
    office.enrol(*[Enrolled({"BTXH": "NANG"}, to_period="2026-12")])
    (original,) = office.pay("2026-12")
    office.refuse(original)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    office.bank().script.append(unreachable)
    office.send("2027-01")
    (again,) = office.payments_of("2027-01")
    for turn in (1, 2):
        office.book((original, True))
        office.send("2027-01")
        assert (states(office), office.state_of(again)) == (["DISSOLVED"] * turn, "PLANNED")
        office.book((original, False))
        office.bank().script += [unreachable] * (turn == 1)
        office.send("2027-01")
    assert states(office) == ["DISSOLVED", "DISSOLVED", "SENT"]
    days = [row.value_date for row in rows_of(office)]
    assert days == sorted(set(days))
    assert reached(office, again) == [1]
    assert everything_agrees(office)


@pytest.mark.parametrize(("moment", "is_done"), [("begun", False), ("written", False), ("committed", True)])
def test_a_run_that_ends_in_the_middle_has_dissolved_and_cut_or_done_nothing(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, moment: str, is_done: bool
) -> None:
    original, again = seal(office)
    office.book((original, True))
    with monkeypatch.context() as armed:
        place = f"services.submit_batches._make_batches {moment}=fail"
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": place}))
        with pytest.raises(OSError, match="_make_batches"):
            office.send("2027-01")
    assert states(office) == (["DISSOLVED", "SEALED"] if is_done else ["SEALED"])
    assert everything_agrees(office)
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["DISSOLVED", "SENT"], [0])
    assert everything_agrees(office)


# -------------------------------------------------------------------- what may have left stays


def test_a_file_of_which_the_bank_says_that_it_has_not_got_it_stays_as_it_is(office: PayingOffice) -> None:
    """It may only answer early. The same bytes are what it would notice; other ids it would not."""
    original, again = seal(office, lost, unreachable)
    assert states(office) == ["UNKNOWN"]
    office.book((original, True))
    office.send("2027-01")  # the bank says that it has not got it, and is out of reach then
    assert states(office) == ["SEALED"]
    with office.database.read() as connection:
        (one,) = list(batches.list_of_state(connection, BatchState.SEALED))
        assert dissolving.find_overtaken(connection, one.cycle_id) == []
    with office.database.write() as connection, pytest.raises(Conflict, match="may have left"):
        dissolving.dissolve(connection, one, office.clock.now(), "tests")
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["SENT"], [1])
    assert len({content for name, content in office.bank().sendings[1:]}) == 1
    assert office.discrepancies() == [(DOUBLE, again)]
    asked = recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    assert [one.code for one in asked.waiting] == ["recall_needs_a_person"]
    assert everything_agrees(office)


# ----------------------------------------------------------------------------------- races


def test_what_another_run_dissolved_before_the_attempt_does_not_leave(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender has read the batch and its bytes, and sleeps; when it wakes the batch is another two."""
    original, again = seal(office)
    claim = handing_over._claim

    def sleep_first(*arguments: Any) -> Any:
        monkeypatch.setattr(handing_over, "_claim", claim)
        office.book((original, True))
        office.send("2027-01")
        return claim(*arguments)

    monkeypatch.setattr(handing_over, "_claim", sleep_first)
    sent_before = len(office.bank().sendings)
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["DISSOLVED", "SENT"], [0])
    assert len(office.bank().sendings) == sent_before + 1
    assert everything_agrees(office)


def test_a_word_of_the_bank_that_comes_after_the_cutting_is_heard_before_the_file_leaves(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, again = seal(office)
    claim = handing_over._claim

    def hear_first(*arguments: Any) -> Any:
        monkeypatch.setattr(handing_over, "_claim", claim)
        office.book((original, True))
        return claim(*arguments)

    monkeypatch.setattr(handing_over, "_claim", hear_first)
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["SEALED"], [0])
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["DISSOLVED", "SENT"], [0])
    assert everything_agrees(office)


def test_what_another_run_dissolved_while_it_was_encoded_is_not_written(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, again = seal(office)
    office.book((original, True))
    bank, encode = office.bank(), office.bank().encode

    def dissolve_first(batch: PaymentBatch) -> BankFile:
        monkeypatch.setattr(bank, "encode", encode)
        with office.database.write() as connection:
            (one,) = batches.list_of_state(connection, BatchState.SEALED)
            dissolving.dissolve(connection, one, office.clock.now(), "tests")
        return encode(batch)

    monkeypatch.setattr(bank, "encode", dissolve_first)
    office.send("2027-01")
    assert states(office) == ["DISSOLVED", "DISSOLVED"]
    office.send("2027-01")
    assert reached(office, again, *(one for one in office.payments_of("2027-01") if one != again)) == [0, 1, 1, 1]


def test_an_attempt_that_is_under_way_keeps_its_batch(office: PayingOffice) -> None:
    """Another run finds it open, and nobody knows then what the bank has."""
    seen: list[str] = []

    def meanwhile(file: BankFile) -> str:
        office.book((office.payments_of("2026-12")[0], True))
        office.send("2027-01")
        seen.extend(states(office))
        return office.bank().accept(file)

    _, again = seal(office, meanwhile)
    assert (seen, states(office)) == (["SENT"], ["SENT"])
    assert reached(office, again) == [1]
    assert len({content for name, content in office.bank().sendings[1:]}) == 1


# --------------------------------------------------------------------------------- reports


@pytest.mark.parametrize("with_files", [True, False])
def test_a_report_of_an_earlier_moment_is_the_same_after_the_dissolution(
    office: PayingOffice, tmp_path: Path, with_files: bool
) -> None:
    signer = open_or_create_signer(tmp_path / "signing.pem")

    def publish(name: str, as_of: Any) -> dict[str, bytes]:
        folder = tmp_path / name
        publish_report(
            office.database, office.vault, signer, office.banks, office.clock, AUDITOR, cycle_code="2027-01",
            as_of=as_of, folder=folder, include_bank_files=with_files,
        )  # fmt: skip
        assert not [part for part in verify_report(folder).parts if part.state == "failed"], name
        return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}

    original, _again = seal(office)
    sealed_at = office.clock.now()
    office.clock.advance(timedelta(minutes=1))
    office.book((original, True))
    office.clock.advance(timedelta(minutes=1))
    booked_at = office.clock.now()
    office.clock.advance(timedelta(minutes=1))
    before = {at: publish(f"before-{at:%H%M}", at) for at in (sealed_at, booked_at)}
    office.bank().script.append(unreachable)
    office.send("2027-01")
    office.clock.advance(timedelta(minutes=1))
    assert states(office) == ["DISSOLVED", "SEALED"]
    for at, was in before.items():
        assert publish(f"after-{at:%H%M}", at) == was
    cut_at = office.clock.now()
    office.clock.advance(timedelta(minutes=1))
    cut = publish("cut", cut_at)
    office.send("2027-01")
    office.clock.advance(timedelta(minutes=1))
    sent_at = office.clock.now()
    office.clock.advance(timedelta(minutes=1))
    sent = publish("sent", sent_at)
    for at, was in before.items():
        assert publish(f"late-{at:%H%M}", at) == was
    assert publish("late-cut", cut_at) == cut

    dissolved, made = (row.message_id for row in rows_of(office))
    lines = {name: Counter(_columns(one["lines.csv"])) for name, one in (("cut", cut), ("sent", sent))}
    lines["sealed"] = Counter(_columns(before[sealed_at]["lines.csv"]))
    count = len(office.payments_of("2027-01"))
    assert lines["sealed"] == {(dissolved, "not_sent"): count}
    assert lines["cut"] == {(made, "not_sent"): count - 1, ("", "not_sent"): 1}
    assert lines["sent"] == {(made, "sent"): count - 1, ("", "not_sent"): 1}
    assert dissolved.encode() not in sent["report.json"]


def _columns(content: bytes) -> list[tuple[str, str]]:
    """MsgId and sending of each line."""
    head, *rows = [line.split(",") for line in content.decode().splitlines()]
    return [(row[head.index("message_id")], row[head.index("sending")]) for row in rows]


# ------------------------------------------------------------------------------ the books


_DISSOLVED, _MADE = "{dissolved}", "{made}"
_IN = "(SELECT id FROM batch WHERE message_id = '{}')"
FORGINGS: dict[str, tuple[list[str], str]] = {
    "a batch that left is called dissolved": (
        [f"UPDATE batch SET state = 'DISSOLVED', dissolved_at = created_at WHERE message_id = '{_MADE}'"],
        _MADE,
    ),
    "a dissolved batch stands again": (
        [f"UPDATE batch SET state = 'SEALED', dissolved_at = NULL WHERE message_id = '{_DISSOLVED}'"],
        _DISSOLVED,
    ),
    "it was dissolved at another time": (
        [f"UPDATE batch SET dissolved_at = created_at WHERE message_id = '{_DISSOLVED}'"],
        _DISSOLVED,
    ),
    "what it held is forgotten": (["DELETE FROM dissolved_payment"], _DISSOLVED),
    "one payment of it is forgotten": (["DELETE FROM dissolved_payment WHERE position = 0"], _DISSOLVED),
    "it held another payment": (
        ["UPDATE dissolved_payment SET instruction_id = (SELECT MIN(id) FROM instruction) WHERE position = 0"],
        _DISSOLVED,
    ),
    "it held them in another order": (
        [f"UPDATE dissolved_payment SET position = {after} WHERE position = {before}" for before, after in
         ((0, 100), (1, 0), (100, 1))],
        _DISSOLVED,
    ),
    "another batch is said to have held something": (
        [(f"INSERT INTO dissolved_payment SELECT batch_id, batch_position, id FROM instruction"
         f" WHERE batch_id = {_IN.format(_MADE)}")],
        _MADE,
    ),
    "a payment is in it": (
        [f"UPDATE instruction SET batch_id = {_IN.format(_DISSOLVED)} WHERE end_to_end_id = '{{again}}'"],
        _DISSOLVED,
    ),
    "its file may have left": (["UPDATE send_attempt SET outcome = 'unknown' WHERE outcome = 'not_sent'"], _DISSOLVED),
}  # fmt: skip


def test_a_forged_dissolution_is_found(office: PayingOffice) -> None:
    original, again = seal(office)
    office.book((original, True))
    office.send("2027-01")
    dissolved, made = (row.message_id for row in rows_of(office))
    names = {"dissolved": dissolved, "made": made, "again": again}
    for what, (statements, subject) in FORGINGS.items():
        with forging(office.database) as connection:
            if office.database.is_postgresql:
                connection.execute(text("ALTER TABLE batch DROP CONSTRAINT ck_batch_dissolved_by_state"))
            for one in statements:
                assert connection.execute(text(one.format(**names))).rowcount, what
            found = [str(one) for one in state_checks.states(connection).differences]
        assert [one for one in found if subject.format(**names) in one], (what, found)


def test_the_bytes_of_a_dissolved_file_are_held_against_what_it_held(office: PayingOffice) -> None:
    original, _ = seal(office)
    office.book((original, True))
    office.send("2027-01")
    with office.database.write() as connection:
        of = " ON dissolved_payment" if office.database.is_postgresql else ""
        connection.execute(text(f"DROP TRIGGER dissolved_payment_never_delete{of}"))
        connection.execute(dissolved_payment.delete().where(dissolved_payment.c.position == 0))
    found = check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).differences
    message_id = rows_of(office)[0].message_id
    told = {one.equation for one in found if message_id in one.subject}
    # Of a dialect that only its bank reads, the bytes hold the rest all the same.
    is_read = isinstance(office.bank(), IsoBank)
    assert told == {Equation.STATES, *([Equation.SENT_FILES] if is_read else [])}


def test_every_try_at_a_dissolved_file_is_kept(office: PayingOffice) -> None:
    original, _ = seal(office)
    office.bank().script.append(unreachable)
    office.send("2027-01")
    office.book((original, True))
    office.send("2027-01")
    with office.database.read() as connection:
        tries = select(send_attempt.c.outcome).order_by(send_attempt.c.bank_file_id, send_attempt.c.number)
        assert list(connection.execute(tries).scalars()) == ["sent", "not_sent", "not_sent", "sent"]
