"""A bank's word by letter: two officers record it, it counts once, and it ends what nothing else would."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, text

from paysvc import failpoints
from paysvc.bank_interface import BankFile, BankRefused, OutcomeUnknown
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.domain.bank_letters import KIND, MAX_SCAN_BYTES, About, ApprovedLetter, LetterContent, Named, Says
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, PaysvcError
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.collect_returns import collect_returns
from paysvc.services.publish_report import publish_report
from paysvc.services.recall_payments import recall_payments
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.services.record_letters import (
    approve_letter,
    decline_letter,
    export_letter,
    list_letters,
    propose_letter,
)
from paysvc.services.resubmit_payments import list_proposals, propose_resubmission
from paysvc.signing import open_or_create_signer
from paysvc.store import snapshot
from paysvc.store.bank_letters import StoredLetter
from paysvc.store.engine import Database
from paysvc.store.returns import FileState
from paysvc.store.tables import bank_letter, batch, inbound_file
from paysvc.store.vault import Vault
from paysvc.verify_report import State, verify_report
from tests.paying_office import APPROVER, BTXH, MAKER, SYSTEM, PayingOffice, practising
from tests.payment_world import status_file
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled

AUDITOR = Officer("auditor.tuan", Role.AUDITOR)
SCAN = b"%PDF-1.7 the bank's letter, with names and a stamp"
#: The clock of the tests stands on 21 November 2026; the letters are written on the day.
DATED = date(2026, 11, 21)


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    """AGRI cannot be asked, and notices no second file."""
    banks = BankRegistry(
        [
            practising("AGRI", AGRIBANK, can_enquire="no", duplicate_key="none"),
            practising("VCB", VIETCOMBANK),
        ]
    )
    made = PayingOffice(database, sealer, vault, clock, banks)
    made.enrol()
    return made


def record(
    office: PayingOffice,
    says: str,
    *names: str,
    about: str = "payments",
    actor: Officer = MAKER,
    **changes: Any,
) -> StoredLetter:
    wanted: dict[str, Any] = {"bank_code": "AGRI", "number": "88/NHNo", "dated": DATED, "scan": SCAN, **changes}
    named = [Named(one, f"row {at}") for at, one in enumerate(names, 1)]
    return propose_letter(
        office.database, office.vault, office.banks, office.clock, actor,
        says=Says(says), about=About(about), named=named, **wanted,
    ).letter  # fmt: skip


def agree(office: PayingOffice, letter: StoredLetter, actor: Officer = APPROVER) -> StoredLetter:
    return approve_letter(
        office.database, office.vault, office.clock, actor, letter_id=letter.id, content_sha256=letter.content_sha256
    )


def take(office: PayingOffice) -> list[tuple[str, str, str]]:
    done = reconcile_returns(office.database, office.vault, office.banks, office.clock, SYSTEM)
    return [(one.kind, one.state.value, one.code) for one in done.files]


def letter(office: PayingOffice, says: str, *names: str, about: str = "payments", **changes: Any) -> StoredLetter:
    """Recorded, approved and taken."""
    office.clock.advance(timedelta(minutes=1))
    found = agree(office, record(office, says, *names, about=about, **changes))
    assert take(office) == [(KIND, "ACCEPTED", "")]
    return found


def lose(office: PayingOffice) -> tuple[str, str]:
    """A month whose answer was lost at a bank that cannot be asked: its payment and its message id."""

    def silent(file: BankFile) -> str:
        raise OutcomeUnknown("the line broke")

    office.bank().script.append(silent)
    office.approve(office.plan("2026-12"))
    office.send("2026-12")
    (reference,) = office.payments_of("2026-12")
    assert office.state_of(reference) == "UNKNOWN"
    with office.database.read() as connection:
        message_id = connection.execute(select(batch.c.message_id)).scalar_one()
    return reference, message_id


def contradict(office: PayingOffice) -> str:
    """A payment that its bank both completed and refused, with nothing booked."""
    (one,) = office.pay("2026-12")
    office.receive(
        status_file("S1", statuses=[(one, "ACSC", "", "")]), status_file("S2", statuses=[(one, "RJCT", "AC04", "")])
    )
    assert (office.state_of(one), office.discrepancies()) == ("DISPUTED", [("disputed", one)])
    return one


def agrees(office: PayingOffice) -> None:
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()


def refused_as(code: str, act: Callable[[], object], kind: type[PaysvcError] = Conflict) -> PaysvcError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code
    return caught.value


# ------------------------------------------------------------------------------ the stories


@pytest.mark.parametrize("about", ["files", "payments"])
def test_who_is_in_a_lost_file_of_a_bank_that_cannot_be_asked_is_paid_once(office: PayingOffice, about: str) -> None:
    one, message_id = lose(office)
    office.clock.advance(timedelta(hours=1))
    assert [failure.code for failure in office.send("2026-12").waiting] == ["outcome_needs_a_person"]
    recorded = record(office, "not_made", message_id if about == "files" else one, about=about)
    assert (recorded.state, take(office), office.state_of(one)) == ("proposed", [], "UNKNOWN"), "one officer is none"
    assert agree(office, recorded).state == "stored"
    assert take(office) == [(KIND, "ACCEPTED", "")]
    assert take(office) == []
    assert (office.state_of(one), office.payments()[one].reason_code) == ("REJECTED", "LETTER")
    assert office.plan("2027-01").planned.count == 1, "the letter pays nobody again by itself"

    office.resubmit("2026-12")
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    office.book(*((name, True) for name in office.payments_of("2027-01")))
    assert (office.state_of(one), office.state_of(second)) == ("REJECTED", "SETTLED")
    assert (office.paid_vnd(), office.discrepancies()) == (2 * BTXH, [])
    # Nothing of the lost file left again.
    assert len({name for name, _ in office.bank().sendings}) == len(office.bank().sendings) == 2
    agrees(office)


def test_a_file_that_arrives_after_all_is_found_and_its_second_payment_recalled(office: PayingOffice) -> None:
    one, message_id = lose(office)
    letter(office, "not_made", message_id, about="files")
    office.resubmit("2026-12")
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    office.book((one, True))
    assert office.state_of(one) == "SETTLED"
    assert office.discrepancies() == [("paid_after_resubmission", second)]
    recalls = recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM).recalls
    assert [recall.end_to_end_id for recall in recalls] == [second]
    agrees(office)


def test_a_dispute_is_ended_by_a_letter_and_paid_again_on_it(office: PayingOffice, tmp_path: Path) -> None:
    one = contradict(office)
    refused_as("payment_not_resubmittable", lambda: office.resubmit("2026-12", one))
    before = report(office, tmp_path / "before")
    recorded = letter(office, "not_made", one)
    assert office.state_of(one) == "REJECTED"
    assert (office.discrepancies(), office.discrepancies(resolved=True)) == ([], [("disputed", one)])
    agrees(office)

    propose_resubmission(office.database, office.clock, MAKER, cycle_code="2026-12")
    (proposed,) = list_proposals(office.database, AUDITOR, cycle_code="2026-12").proposals
    with office.database.read() as connection:
        file_id = connection.execute(select(bank_letter.c.inbound_file_id)).scalar_one()
    assert str(proposed.evidence) == f"status:{file_id}:0", (
        "the letter is the proof, not the word that was contradicted"
    )
    office.resubmit("2026-12", one)
    office.pay("2027-01")
    office.book(*((name, True) for name in office.payments_of("2027-01")))
    assert office.paid_vnd() == 2 * BTXH
    agrees(office)

    after = report(office, tmp_path / "after")
    assert not [file for file in before["received_files"] if file["kind"] == KIND]
    (shown,) = [file for file in after["received_files"] if file["kind"] == KIND]
    assert (shown["name"], shown["state"]) == (f"letter-{recorded.id}.json", "accepted")
    kept = json.loads((tmp_path / "after" / shown["path"]).read_bytes())["bank_letter"]
    assert (kept["maker"], kept["approver"], kept["names"]) == (MAKER.officer_id, APPROVER.officer_id, [one])


def report(office: PayingOffice, folder: Path) -> dict[str, Any]:
    """The report, published and verified, and the same bytes when it is asked for again later."""
    office.clock.advance(timedelta(hours=1))
    signer, as_of = open_or_create_signer(folder.parent / "key.pem"), office.clock.now()

    def publish(into: Path) -> bytes:
        publish_report(
            office.database, office.vault, signer, office.banks, office.clock, AUDITOR,
            cycle_code="2026-12", as_of=as_of, folder=into,
        )  # fmt: skip
        return (into / "report.json").read_bytes()

    first = publish(folder)
    office.clock.advance(timedelta(hours=1))
    assert publish(folder.with_name(f"{folder.name}-again")) == first
    states = {part.state for part in verify_report(folder, signer.public_pem).parts}
    assert states <= {State.HOLDS, State.NOT_CHECKED}
    content: dict[str, Any] = json.loads(first)
    return content


def test_a_letter_that_the_bank_has_the_file_leaves_it_to_the_statement(office: PayingOffice) -> None:
    one, message_id = lose(office)
    letter(office, "received", message_id, about="files")
    assert office.state_of(one) == "SENT"
    assert len(office.bank().sendings) == 1
    letter(office, "made", one, number="89/NHNo")
    assert (office.state_of(one), office.paid_vnd()) == ("SENT", 0), "only a statement shows that money moved"
    office.book((one, True))
    assert (office.state_of(one), office.paid_vnd()) == ("SETTLED", BTXH)
    agrees(office)


def test_letters_that_contradict_leave_it_open(office: PayingOffice) -> None:
    one = contradict(office)
    letter(office, "not_made", one)
    office.resubmit("2026-12", one)
    office.pay("2027-01")
    (second,) = office.made_again("2027-01")
    letter(office, "made", one, number="89/NHNo")
    assert office.state_of(one) == "DISPUTED"
    assert office.discrepancies() == [("disputed", one), ("paid_after_resubmission", second)]
    letter(office, "not_made", one, number="90/NHNo")
    assert office.state_of(one) == "DISPUTED", "a third letter is not a last word either"
    agrees(office)
    office.book((one, True))
    assert office.state_of(one) == "SETTLED"
    agrees(office)


def test_a_status_after_the_letter_changes_nothing_and_a_booking_does(office: PayingOffice) -> None:
    one = contradict(office)
    letter(office, "not_made", one)
    office.receive(status_file("S3", statuses=[(one, "ACCC", "", "")]))
    assert office.state_of(one) == "REJECTED"
    office.book((one, True))
    assert (office.state_of(one), office.paid_vnd()) == ("SETTLED", BTXH)
    assert office.discrepancies() == []
    agrees(office)


# ------------------------------------------------------------- order and repetition


def test_every_order_of_files_letters_and_statements_gives_one_state(
    database_url: str, sealer: Sealer, vault: Vault, clock: FixedClock, database: Database
) -> None:
    """One person an order, in one office: what the bank said of each is the same, in another order."""
    banks = BankRegistry([practising("AGRI", AGRIBANK), practising("VCB", VIETCOMBANK)])
    office = PayingOffice(database, sealer, vault, clock, banks)
    stories = {
        # What is said of a payment -> what has to be its state in the end.
        ("ACSC", "RJCT", "not_made"): "REJECTED",
        ("ACSC", "RJCT", "made"): "DISPUTED",
        ("made", "not_made"): "DISPUTED",
        ("RJCT", "made"): "DISPUTED",
        ("ACSC", "not_made"): "REJECTED",
        ("ACSC", "not_made", "debit"): "SETTLED",
        ("ACSC", "RJCT", "made", "not_made"): "DISPUTED",
        ("made", "not_made", "debit"): "SETTLED",
    }
    orders = [(order, end) for story, end in stories.items() for order in itertools.permutations(story)]
    # A letter that the statement contradicts is refused when it is recorded; before it, it stands.
    orders = [one for one in orders if "debit" not in one[0] or one[0][-1] == "debit"]
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * len(orders))
    payments = office.pay("2026-12")
    for step in range(max(len(order) for order, _ in orders)):
        now = {one: order[step] for one, (order, _) in zip(payments, orders, strict=True) if step < len(order)}
        for status in ("ACSC", "RJCT"):
            named = [(one, status, "", "") for one, said in now.items() if said == status]
            office.receive(status_file(f"S{step}{status}", statuses=named))
        for says in ("made", "not_made"):
            named = [one for one, said in now.items() if said == says]
            if named:
                letter(office, says, *named, number=f"{step}/{says}")
                # Said once more, on another paper.
                letter(office, says, *named[:2], number=f"{step}/{says} again")
        if debits := [(one, True) for one, said in now.items() if said == "debit"]:
            office.book(*debits)
    ends = {one: office.state_of(one) for one in payments}
    assert ends == {one: end for one, (_, end) in zip(payments, orders, strict=True)}
    agrees(office)


@pytest.mark.parametrize("is_statement_first", [True, False])
def test_a_letter_and_a_statement_that_wait_together_end_as_one(office: PayingOffice, is_statement_first: bool) -> None:
    """Both were there before either was taken: the booking holds, and the letter's word is kept beside it."""
    one = contradict(office)
    recorded = record(office, "not_made", one)
    steps: list[Callable[[], object]] = [
        lambda: office.bank().put_out("statement", office.statement((one, True))),
        lambda: collect_returns(office.database, office.vault, office.banks, office.clock, SYSTEM),
    ]
    steps.insert(2 if is_statement_first else 0, lambda: agree(office, recorded))
    for step in steps:
        step()
        office.clock.advance(timedelta(minutes=1))
    kinds = ["statement", KIND] if is_statement_first else [KIND, "statement"]
    assert take(office) == [(kind, "ACCEPTED", "") for kind in kinds]
    row = office.payments()[one]
    assert (row.state, row.letter_word, office.paid_vnd(), office.discrepancies()) == ("SETTLED", "not_made", BTXH, [])
    agrees(office)


def test_a_bank_that_made_what_it_had_refused_as_a_whole_is_asked(office: PayingOffice) -> None:
    """The file was REFUSED at the door and its money is free; a letter says that a payment of it was made."""

    def refusing(file: BankFile) -> str:
        raise BankRefused("AM18", "other number")

    office.approve(office.plan("2026-12"))
    office.bank().script.append(refusing)
    office.send("2026-12")
    (one,) = office.payments_of("2026-12")
    letter(office, "made", one)
    assert (office.state_of(one), office.discrepancies()) == ("DISPUTED", [("disputed", one)])
    agrees(office)
    letter(office, "not_made", one, number="89/NHNo")
    assert office.state_of(one) == "DISPUTED"
    office.book((one, True))
    assert office.state_of(one) == "SETTLED"
    agrees(office)


# ----------------------------------------------------------------------- what is refused


def test_a_letter_speaks_only_of_what_its_bank_was_told(office: PayingOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK))
    planned = office.plan("2026-12")
    office.approve(planned)
    waiting = office.payments_of("2026-12")[0]
    refused_as("letter_names_unknown", lambda: record(office, "made", waiting), NotFound)
    office.send("2026-12")
    ours, theirs = sorted(office.payments_of("2026-12"), key=lambda one: office.payments()[one].bank_code)
    failure = refused_as("letter_names_unknown", lambda: record(office, "made", ours, theirs, "PNOBODY"), NotFound)
    assert failure.place == "row 2"
    assert "1 more like it" in failure.message
    refused_as("letter_names_unknown", lambda: record(office, "made", "M1", about="files"), NotFound)
    refused_as("received_of_payments", lambda: record(office, "received", ours), InvalidInput)
    refused_as("bank_not_configured", lambda: record(office, "made", ours, bank_code="BIDV"), NotFound)
    office.book((ours, True))
    failure = refused_as("letter_against_statement", lambda: record(office, "not_made", ours))
    assert failure.place == "row 1"
    assert record(office, "made", ours).state == "proposed"


def test_a_letter_cannot_speak_of_what_left_after_it(office: PayingOffice) -> None:
    one, _ = lose(office)
    refused_as("letter_before_file", lambda: record(office, "not_made", one, dated=DATED - timedelta(days=1)))
    refused_as(
        "letter_of_tomorrow", lambda: record(office, "not_made", one, dated=DATED + timedelta(days=1)), InvalidInput
    )


def test_a_whole_file_of_which_a_payment_is_booked_was_not_unmade(office: PayingOffice) -> None:
    office.enrol()
    first, _ = office.pay("2026-12")
    with office.database.read() as connection:
        message_id = connection.execute(select(batch.c.message_id)).scalar_one()
    office.book((first, True))
    refused_as("letter_against_statement", lambda: record(office, "not_made", message_id, about="files"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": ""}, "letter_number_malformed"),
        ({"number": "88\n/NHNo"}, "letter_number_malformed"),
        ({"number": "8" * 81}, "letter_number_malformed"),
        ({"scan": b""}, "scan_size"),
        ({"scan": b"x" * (MAX_SCAN_BYTES + 1)}, "scan_size"),
    ],
)
def test_what_no_letter_can_be_is_refused(office: PayingOffice, changes: dict[str, Any], code: str) -> None:
    (one,) = office.pay("2026-12")
    refused_as(code, lambda: record(office, "made", one, **changes), InvalidInput)
    refused_as("letter_names_nothing", lambda: record(office, "made"), InvalidInput)
    failure = refused_as("letter_name_malformed", lambda: record(office, "made", one, "Nguyễn"), InvalidInput)
    assert failure.place == "row 2"


def test_what_a_statement_says_meanwhile_stands_at_the_approval(office: PayingOffice) -> None:
    (one,) = office.pay("2026-12")
    recorded = record(office, "not_made", one)
    office.book((one, True))
    refused_as("letter_against_statement", lambda: agree(office, recorded))
    closed = decline_letter(office.database, office.clock, APPROVER, letter_id=recorded.id, reason="đã ghi có")
    assert (closed.state, take(office), list_letters(office.database, AUDITOR)) == ("closed", [], [])
    refused_as("letter_decided", lambda: agree(office, recorded))
    agrees(office)


def test_a_file_that_left_again_since_is_not_what_the_letter_means(office: PayingOffice) -> None:
    """The bank was asked meanwhile, said that it had nothing, and got the file: the paper cannot mean that."""
    office.banks = BankRegistry([practising("AGRI", AGRIBANK), practising("VCB", VIETCOMBANK)])
    one, _ = lose(office)
    recorded = record(office, "not_made", one)
    agree(office, recorded)
    office.clock.advance(timedelta(minutes=5))
    office.send("2026-12")
    assert office.state_of(one) == "SENT"
    assert take(office) == [(KIND, "QUARANTINED", "letter_overtaken")]
    assert office.state_of(one) == "SENT"
    refused_as("letter_decided", lambda: record(office, "not_made", one))
    agrees(office)


# ------------------------------------------------------------------------------ two officers


def test_two_officers_and_the_content_that_was_looked_at(office: PayingOffice) -> None:
    (one,) = office.pay("2026-12")
    recorded = record(office, "not_made", one)
    assert record(office, "not_made", one).id == recorded.id, "recorded again it is the same"
    own = Officer(MAKER.officer_id, Role.APPROVER)
    refused_as("own_letter", lambda: agree(office, recorded, own), NotAllowed)
    refused_as("role_not_allowed", lambda: agree(office, recorded, MAKER), NotAllowed)
    refused_as("role_not_allowed", lambda: record(office, "made", one, actor=APPROVER), NotAllowed)
    refused_as(
        "content_changed",
        lambda: approve_letter(
            office.database, office.vault, office.clock, APPROVER, letter_id=recorded.id, content_sha256=bytes(32)
        ),
    )
    refused_as(
        "letter_unknown",
        lambda: decline_letter(office.database, office.clock, MAKER, letter_id=99, reason="x"),
        NotFound,
    )
    first = agree(office, recorded)
    assert agree(office, recorded) == first
    refused_as("letter_decided", lambda: agree(office, recorded, Officer("approver.thu", Role.APPROVER)))
    refused_as("letter_decided", lambda: record(office, "not_made", one))
    scan = export_letter(office.database, office.vault, office.clock, AUDITOR, letter_id=recorded.id)
    assert (scan.name, scan.content) == (f"letter-{recorded.id}.pdf", SCAN)
    assert len(list_letters(office.database, AUDITOR, only_open=False)) == 1


_PLACES = [
    *((step, f"services.record_letters.{step} {moment}")
      for step in ("propose_letter", "approve_letter") for moment in ("begun", "written", "committed")),
    *(("approve_letter", f"store.vault.Vault.put {moment}") for moment in ("written", "synced", "renamed", "kept")),
]  # fmt: skip


@pytest.mark.parametrize(("step", "place"), _PLACES)
def test_a_crash_at_each_place_leaves_one_letter_and_one_file(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, step: str, place: str
) -> None:
    one = contradict(office)

    def crashing(act: Callable[[], StoredLetter]) -> StoredLetter:
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))
            with pytest.raises(OSError, match=place.split()[1]):
                act()
        office.clock.advance(timedelta(seconds=1))
        return act()

    if step == "propose_letter":
        recorded = crashing(lambda: record(office, "not_made", one))
        agree(office, recorded)
    else:
        recorded = record(office, "not_made", one)
        crashing(lambda: agree(office, recorded))
    assert take(office) == [(KIND, "ACCEPTED", "")]
    with office.database.read() as connection:
        of_kind = select(func.count()).select_from(inbound_file).where(inbound_file.c.kind == KIND)
        counts = (
            connection.execute(select(func.count()).select_from(bank_letter)).scalar_one(),
            connection.execute(of_kind).scalar_one(),
        )
    assert (counts, office.state_of(one)) == ((1, 1), "REJECTED")
    agrees(office)


# -------------------------------------------------------------------------------- forgery


def forged(one: str, bank_code: str = "AGRI", **changes: Any) -> bytes:
    wanted: dict[str, Any] = {
        "bank_code": bank_code, "number": "88/NHNo", "dated": DATED, "scan_sha256": bytes(32), "scan_size": 1,
        "says": Says.NOT_MADE, "about": About.PAYMENTS, "names": (one,), "maker": MAKER.officer_id, **changes,
    }  # fmt: skip
    content = LetterContent(**wanted)
    return ApprovedLetter(1, content, APPROVER.officer_id, datetime(2026, 11, 21, 3, tzinfo=UTC)).file


@pytest.mark.parametrize("is_recorded", [False, True])
def test_what_a_bank_puts_out_itself_is_no_letter(office: PayingOffice, is_recorded: bool) -> None:
    one = contradict(office)
    if is_recorded:
        # There is a letter of this number that waits for its approver.
        record(office, "not_made", one)
    done = office.receive(forged(one))
    assert [(file.kind, file.state, file.code) for file in done.files] == [
        (KIND, FileState.QUARANTINED, "letter_not_approved")
    ]
    done = office.receive(forged(one, "VCB"), forged(one)[:-1], b'{"bank_letter":{}}', b'{"bank_letter":{"names":1}}')
    assert [file.code for file in done.files] == ["letter_of_another_bank", *["letter_malformed"] * 3]
    assert office.state_of(one) == "DISPUTED"
    agrees(office)


def test_an_approved_letter_that_the_bank_puts_out_as_well_counts_once(office: PayingOffice) -> None:
    one = contradict(office)
    found = agree(office, record(office, "not_made", one))
    assert found.approved_at is not None
    content = found.approved(APPROVER.officer_id, found.approved_at).file
    done = office.receive(content)
    assert [(file.kind, file.state) for file in done.files] == [(KIND, FileState.ACCEPTED)]
    assert office.receive(content).files == ()
    agrees(office)


#: What is changed behind the program's back, the equation that tells, and a part of its words.
LETTER_FORGINGS = [
    ("UPDATE bank_letter SET approved_by = 'maker.lan'", "letters", "approve-letter"),
    ("UPDATE bank_letter SET approved_by = 'approver.thu'", "letters", "approve-letter"),
    ("UPDATE bank_letter SET number = '1'", "letters", "what was recorded"),
    ("UPDATE bank_letter SET says = 'made'", "letters", "what was recorded"),
    ("UPDATE inbound_file SET size = 1 WHERE kind = 'letter'", "letters", "a file of its bank with these words"),
    ("DELETE FROM bank_letter", "letters", "expected kept"),
    ("DELETE FROM bank_letter", "letters", "recorded by two officers"),
    ("UPDATE instruction SET letter_word = ''", "states", "letter: not_made"),
    ("UPDATE instruction SET letter_word = 'both'", "states", "letter: not_made"),
    ("UPDATE payment_status SET status = 'ACSC' WHERE reason_code = 'LETTER'", "states", "letter: made"),
]
SCAN_FORGED = "letter-scans"


@pytest.mark.parametrize(("forging", "equation", "told"), LETTER_FORGINGS)
def test_each_forging_of_a_letter_is_named(office: PayingOffice, forging: str, equation: str, told: str) -> None:
    one = contradict(office)
    letter(office, "not_made", one)
    assert office.differences() == []
    with office.database.write() as connection:
        _let_go(connection)
        assert connection.execute(text(forging)).rowcount
    found = office.differences()
    assert any(one.startswith(f"{equation}: ") and told in one for one in found), found


def _let_go(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        return
    for table in ("bank_letter", "inbound_file", "instruction", "payment_status"):
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    connection.execute(text("ALTER TABLE bank_letter DROP CONSTRAINT ck_bank_letter_two_people"))


def test_a_scan_that_is_gone_or_changed_is_told(office: PayingOffice) -> None:
    one = contradict(office)
    found = letter(office, "not_made", one)
    digest = found.content.scan_sha256.hex()
    path = office.vault.folder / digest[:2] / digest[2:]
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))

    def told() -> list[str]:
        done = check_books(office.database, office.vault, office.banks, office.clock, SYSTEM)
        return [str(one) for one in done.differences]

    assert told() == [f"{SCAN_FORGED}: scan of letter {found.id}: expected readable, found vault_file_changed"]
    path.unlink()
    assert told() == [f"{SCAN_FORGED}: scan of letter {found.id}: expected readable, found file_not_in_vault"]
    path.write_bytes(kept)
    agrees(office)


# ------------------------------------------------------------------------ kept, and at once


def test_no_backup_and_no_restore_passes_without_the_scans(office: PayingOffice, tmp_path: Path) -> None:
    """Both ask for every digest that the copy of the database names."""
    recorded = record(office, "not_made", contradict(office))
    facts = snapshot.copy_out(office.database, tmp_path / "copy")
    assert recorded.content.scan_sha256 in facts.digests


@pytest.mark.parametrize("deed", ["approve", "decline"])
def test_of_officers_who_decide_at_once_one_does(office: PayingOffice, deed: str) -> None:
    one = contradict(office)
    recorded = record(office, "not_made", one)
    barrier = Barrier(3)

    def decide(number: int) -> str:
        barrier.wait()
        try:
            if number and deed == "decline":
                decline_letter(office.database, office.clock, APPROVER, letter_id=recorded.id, reason="khác")
            else:
                agree(office, recorded, Officer(f"approver.{number}", Role.APPROVER))
        except Conflict as failure:
            return failure.code
        return "done"

    with ThreadPoolExecutor(3) as pool:
        ends = sorted(pool.map(decide, range(3)))
    assert ends == ["done", "letter_decided", "letter_decided"]
    with office.database.read() as connection:
        files = connection.execute(select(func.count()).select_from(inbound_file)).scalar_one()
        (found,) = list_letters(office.database, AUDITOR, only_open=False)
    assert files == 2 + (found.approved_by is not None)
    agrees(office)


def test_the_same_paper_recorded_at_once_is_one_letter(office: PayingOffice) -> None:
    one = contradict(office)
    barrier = Barrier(3)

    def write_down(_: int) -> int:
        barrier.wait()
        return record(office, "not_made", one).id

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(write_down, range(3)))) == 1
    agrees(office)
