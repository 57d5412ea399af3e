"""What is paid twice after a re-submission is recalled: noted before it leaves, sent once, answered by the bank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncssh
import pytest
from lxml import etree
from sqlalchemy import select

from bank_adapters.iso20022 import Iso20022Adapter
from paysvc import failpoints
from paysvc.bank_interface import (
    BankFile,
    BankRefused,
    BankUnreachable,
    Enquiry,
    RecallsPayments,
    SendState,
)
from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.emit_camt056 import write_camt056
from paysvc.core.messages import BankReturns, ControlTotals, Debtor, RecallAnswer, RecallOutcome, RecallRequest
from paysvc.core.scan_camt029 import read_camt029
from paysvc.domain.errors import FileRefused, NotAllowed
from paysvc.domain.recalling import RecallState, case_id
from paysvc.sealing import Sealer
from paysvc.services.recall_payments import Recalls, recall_payments
from paysvc.services.reconcile_returns import Reconciliation
from paysvc.store import audit_trail, recalls
from paysvc.store.engine import Database
from paysvc.store.recalls import ATTEMPTS
from paysvc.store.tables import audit_event
from paysvc.store.vault import Vault
from paysvc.store.witness import Requested, Witness
from tests.paying_office import BTXH, MAKER, SYSTEM, PayingOffice, practising
from tests.payment_world import PractisingBank
from tests.planned_province import AGRIBANK, VIETCOMBANK

DOUBLE = "paid_after_resubmission"


class RecallingBank(PractisingBank):
    """A bank that takes requests to take a payment back, and answers them."""

    def encode_recall(self, request: RecallRequest) -> BankFile:
        content = f"{request.case_id} {request.message_id} {request.end_to_end_id} {request.reason}".encode()
        return BankFile(f"{request.case_id}.txt", content, request.case_id, ControlTotals(1, request.amount_vnd))

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        said = json.loads(content)
        if said["kind"] != "recall":
            return super().parse_returns(name, content)
        answers = tuple(RecallAnswer(case, RecallOutcome(outcome), code) for case, outcome, code in said["answers"])
        return BankReturns("recall", said["id"], recall_answers=answers)


@pytest.fixture
def options() -> Mapping[str, str]:
    return {}


@pytest.fixture
def office(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, options: Mapping[str, str]
) -> PayingOffice:
    banks = BankRegistry(
        [practising("AGRI", AGRIBANK, RecallingBank, **options), practising("VCB", VIETCOMBANK, PractisingBank)]
    )
    made = PayingOffice(database, sealer, vault, clock, banks)
    made.enrol()
    return made


def paid_twice(office: PayingOffice) -> tuple[str, str]:
    """The original was booked after the payment in its place had left; returns both."""
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    (second,) = office.pay("2027-01", periods=["2026-12"])
    office.book((first, True))
    return first, second


def run(office: PayingOffice) -> Recalls:
    return recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)


def recall_of(office: PayingOffice) -> recalls.Recall:
    with office.database.read() as connection:
        (found,) = recalls.list_recalls(connection)
    return found


def attempts_of(office: PayingOffice) -> list[str]:
    with office.database.read() as connection:
        return [outcome for _, outcome, _ in ATTEMPTS.list_all(connection, recall_of(office).id)]


def requests_at(office: PayingOffice) -> list[bytes]:
    return [content for name, content in office.bank().sendings if name.startswith("RC-")]


def answer(office: PayingOffice, *answers: tuple[str, str, str], message: str = "A1") -> Reconciliation:
    return office.receive(json.dumps({"kind": "recall", "id": message, "answers": answers}).encode())


# ------------------------------------------------------------------------------ the story


def test_the_later_payment_is_recalled_and_its_money_comes_back(office: PayingOffice) -> None:
    _, second = paid_twice(office)
    assert run(office).waiting == ()
    found = recall_of(office)
    assert (found.end_to_end_id, found.state, found.case_id) == (second, RecallState.SENT, case_id(second))
    (content,) = requests_at(office)
    assert found.sha256 is not None
    assert office.vault.get(found.sha256) == content, "what left is kept"
    assert content.split()[1].decode() in office.bank().sendings[1][0], "it names the file of the later payment"

    answer(office, (found.case_id, "accepted", ""))
    assert recall_of(office).state is RecallState.ACCEPTED
    assert (office.state_of(second), office.discrepancies()) == ("SENT", [(DOUBLE, second)]), "words move no money"
    office.book((second, True))
    office.book((second, False))
    assert (office.state_of(second), office.discrepancies()) == ("RETURNED", [])
    assert (office.paid_vnd(), office.differences()) == (BTXH, [])
    assert (len(run(office).recalls), len(requests_at(office))) == (0, 1)


def test_nothing_is_recalled_where_nothing_is_paid_twice(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.pay("2027-01")
    assert run(office) == Recalls((), ())


def test_only_those_who_may_recall(office: PayingOffice) -> None:
    with pytest.raises(NotAllowed):
        recall_payments(office.database, office.vault, office.banks, office.clock, MAKER)


def test_a_bank_that_takes_no_such_file_is_asked_by_a_person(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    office = PayingOffice(database, sealer, vault, clock)
    office.enrol()
    _, second = paid_twice(office)
    assert not isinstance(office.bank(), RecallsPayments)
    for _ in range(2):
        (waiting,) = run(office).waiting
        assert (waiting.code, second in waiting.message) == ("recall_needs_a_person", True)
    assert (recall_of(office).state, requests_at(office)) == (RecallState.BY_HAND, [])
    office.book((second, True))
    office.book((second, False))
    assert run(office).waiting == ()
    assert recall_of(office).state is RecallState.WITHDRAWN


def test_a_declined_recall_leaves_the_discrepancy_open(office: PayingOffice) -> None:
    _, second = paid_twice(office)
    run(office)
    answer(office, (case_id(second), "declined", "CUST"))
    found = recall_of(office)
    assert (found.state, found.answer_code) == (RecallState.DECLINED, "CUST")
    assert office.discrepancies() == [(DOUBLE, second)]
    assert run(office).recalls == ()


def test_answers_repeat_and_contradict(office: PayingOffice) -> None:
    _, second = paid_twice(office)
    run(office)
    answer(office, (case_id(second), "pending", ""), message="A0")
    assert recall_of(office).state is RecallState.SENT
    answer(office, (case_id(second), "accepted", ""))
    (again,) = answer(office, (case_id(second), "accepted", ""), message="A2").files
    (late,) = answer(office, (case_id(second), "pending", ""), message="A3").files
    (other,) = answer(office, (case_id(second), "declined", "CUST"), message="A4").files
    assert [again.state, late.state, other.state] == ["REPEATED", "REPEATED", "QUARANTINED"]
    assert other.code == "recall_answered_otherwise"
    assert recall_of(office).state is RecallState.ACCEPTED


def test_an_answer_to_what_was_never_asked_waits(office: PayingOffice) -> None:
    (file,) = answer(office, ("RC-P000000000000000", "accepted", "")).files
    assert (file.state, file.code) == ("PARKED", "recall_unknown")


def test_the_request_waits_until_the_bank_has_the_payment(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    office.bank().script.append(silent)
    office.send("2027-01")
    (second,) = office.made_again("2027-01")
    office.book((first, True))
    assert (office.state_of(second), office.discrepancies()) == ("UNKNOWN", [(DOUBLE, second)])
    assert run(office).recalls == ()
    office.book((second, True))
    assert run(office).recalls[0].state is RecallState.SENT


# ----------------------------------------------------- a pair that ends, and comes to life again


def states_of_recalls(office: PayingOffice) -> list[tuple[str, RecallState]]:
    with office.database.read() as connection:
        return [(one.case_id, one.state) for one in recalls.list_recalls(connection)]


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_withdrawn_request_stands_in_nobodys_way(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, by_hand: bool
) -> None:
    make = PractisingBank if by_hand else RecallingBank
    banks = BankRegistry([practising("AGRI", AGRIBANK, make), practising("VCB", VIETCOMBANK)])
    office = PayingOffice(database, sealer, vault, clock, banks)
    office.enrol()
    first, second = paid_twice(office)
    if not by_hand:
        office.bank().script.append(gone)
    run(office)
    office.book((first, False))
    assert run(office).waiting == ()
    assert states_of_recalls(office) == [(case_id(second), RecallState.WITHDRAWN)]

    office.book((first, True))  # its return is taken back
    assert (DOUBLE, second) in office.discrepancies()
    for _ in range(2):
        assert [one.code for one in run(office).waiting] == (["recall_needs_a_person"] if by_hand else [])
    again = RecallState.BY_HAND if by_hand else RecallState.SENT
    assert states_of_recalls(office) == [
        (f"RC-{second}", RecallState.WITHDRAWN),
        (f"RC-{second}-2", again),
    ]
    if not by_hand:
        answer(office, (f"RC-{second}-2", "accepted", ""))
        assert states_of_recalls(office)[1][1] is RecallState.ACCEPTED
    assert office.differences() == []


def test_an_answer_speaks_of_its_own_life_of_the_pair(office: PayingOffice) -> None:
    first, second = paid_twice(office)
    run(office)
    answer(office, (case_id(second), "declined", "CUST"))
    assert run(office) == Recalls((), ())
    office.clock.advance(timedelta(days=1))
    office.book((first, False))
    office.book((first, True))
    run(office)
    assert states_of_recalls(office) == [
        (f"RC-{second}", RecallState.DECLINED),
        (f"RC-{second}-2", RecallState.SENT),
    ]


def test_what_the_bank_is_asked_still_is_not_asked_twice_and_told_after_another_life(office: PayingOffice) -> None:
    first, second = paid_twice(office)
    run(office)
    assert run(office).waiting == ()
    office.clock.advance(timedelta(days=1))
    office.book((first, False))
    office.book((first, True))
    (waiting,) = run(office).waiting
    assert (waiting.code, second in waiting.message) == ("recall_not_asked", True)
    assert states_of_recalls(office) == [(f"RC-{second}", RecallState.SENT)]


def test_what_the_bank_booked_of_a_file_that_it_refused_is_recalled(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    (second,) = office.pay("2027-01", periods=["2026-12"])
    message = office.bank().sendings[-1][0]
    office.bank().refused[message] = "AM04 no cover"
    office.clock.advance(timedelta(days=60))
    office.send("2027-01")
    assert office.state_of(second) == "REJECTED"
    office.book((first, True), (second, True))
    assert office.discrepancies() == [(DOUBLE, second)]
    run(office)
    assert states_of_recalls(office) == [(case_id(second), RecallState.SENT)]


def test_a_pair_about_which_nobody_is_asked_is_told(office: PayingOffice) -> None:
    (first,) = office.pay("2026-12")
    office.refuse(first)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01", periods=["2026-12"]))
    office.bank().script.append(silent)
    office.send("2027-01")
    (second,) = office.made_again("2027-01")
    office.book((first, True))
    (waiting,) = run(office).waiting
    assert (waiting.code, second in waiting.message, "UNKNOWN" in waiting.message) == ("recall_not_asked", True, True)
    office.book((second, True))
    office.bank().script.append(refusing)
    for _ in range(2):
        (waiting,) = run(office).waiting
        assert (waiting.code, "telephone" in waiting.next_step) == ("recall_not_asked", True)
    assert states_of_recalls(office) == [(case_id(second), RecallState.REFUSED)]
    office.book((first, False))
    assert run(office).waiting == ()


def test_a_case_id_fits_however_often_is_asked() -> None:
    ids = [case_id("P61GYPKBY7AF25GQ", before) for before in (0, 1, 2, 999)]
    assert ids == ["RC-P61GYPKBY7AF25GQ", *(f"RC-P61GYPKBY7AF25GQ-{number}" for number in (2, 3, 1000))]
    assert max(map(len, ids)) <= 35


# -------------------------------------------------------------- what may go wrong on the way


def silent(file: BankFile) -> str:
    raise TimeoutError("no answer")


def gone(file: BankFile) -> str:
    raise BankUnreachable("no route")


def refusing(file: BankFile) -> str:
    raise BankRefused("AC02", "not our account")


def knowing(file: BankFile) -> str:
    raise BankRefused("DUPL", "we have it")


def test_a_bank_that_cannot_be_reached_gets_the_same_bytes_later(office: PayingOffice) -> None:
    paid_twice(office)
    office.bank().script.append(gone)
    (waiting,) = run(office).waiting
    assert (waiting.code, recall_of(office).state) == ("bank_unreachable", RecallState.SEALED)
    office.clock.advance(timedelta(days=1))
    run(office)
    assert recall_of(office).state is RecallState.SENT
    first, second = requests_at(office)
    assert first == second
    assert attempts_of(office) == ["not_sent", "sent"]


@pytest.mark.parametrize("has_it", [True, False])
def test_a_lost_answer_is_asked_for(office: PayingOffice, has_it: bool) -> None:
    paid_twice(office)
    bank = office.bank()
    office.bank().script.append(lambda file: (bank.accept(file), silent(file))[1] if has_it else silent(file))
    (waiting,) = run(office).waiting
    assert (waiting.code, recall_of(office).state) == ("outcome_unknown", RecallState.UNKNOWN)
    assert "recall-payments" in waiting.next_step
    bank.answers.append(ConnectionResetError())
    assert run(office).waiting[0].code == "outcome_unknown"
    run(office)
    assert recall_of(office).state is RecallState.SENT
    assert len(requests_at(office)) == (1 if has_it else 2)


def test_what_the_bank_would_not_notice_any_more_does_not_leave(office: PayingOffice) -> None:
    paid_twice(office)
    office.bank().script += [silent, gone]
    for _ in range(2):
        run(office)
    assert (recall_of(office).state, attempts_of(office)) == (RecallState.SEALED, ["unknown", "not_sent"])
    office.clock.advance(timedelta(days=400))
    assert run(office).waiting[0].code == "outcome_needs_a_person"
    assert (recall_of(office).state, len(requests_at(office))) == (RecallState.UNKNOWN, 2)


@pytest.mark.parametrize("options", [{"can_enquire": "no"}, {"duplicate_key": "none"}], ids=str)
def test_what_no_program_may_find_out_is_left_to_a_person(office: PayingOffice) -> None:
    paid_twice(office)
    office.bank().script.append(silent)
    run(office)
    assert run(office).waiting[0].code == "outcome_needs_a_person"
    assert (recall_of(office).state, len(requests_at(office))) == (RecallState.UNKNOWN, 1)


def test_a_request_that_the_database_forgot_is_made_again_in_the_same_bytes(
    office: PayingOffice, tmp_path: Path
) -> None:
    """The journal beside the database knows it; the bank has other bytes of no name."""
    _, second = paid_twice(office)
    witness = Witness(tmp_path / "witness.jsonl")
    with office.database.read() as connection:
        head = audit_trail.head(connection)
    witness.note_recovered(head)
    content = b"as it left before the database was lost"
    name = f"RC-{second}.json"
    digest = office.vault.put(content)
    witness.note(Requested("AGRI", case_id(second), name, digest, len(content), "practice 0"), head)
    office.bank().has[name] = content
    office.database = replace(office.database, witness=witness)
    run(office)
    assert requests_at(office) == [content]
    assert (recall_of(office).state, recall_of(office).written_by) == (RecallState.SENT, "practice 0")
    run(office)
    assert witness.find_request("AGRI", case_id(second)) == Requested(
        "AGRI", case_id(second), name, digest, len(content), "practice 0"
    )


def test_what_left_is_noted_beside_the_database(office: PayingOffice, tmp_path: Path) -> None:
    _, second = paid_twice(office)
    witness = Witness(tmp_path / "witness.jsonl")
    with office.database.read() as connection:
        witness.note_recovered(audit_trail.head(connection))
    office.database = replace(office.database, witness=witness)
    run(office)
    (content,) = requests_at(office)
    found = witness.find_request("AGRI", case_id(second))
    assert found is not None
    assert office.vault.get(found.sha256) == content


def test_a_request_that_the_bank_refuses_is_over(office: PayingOffice) -> None:
    paid_twice(office)
    office.bank().script.append(refusing)
    run(office)
    found = recall_of(office)
    assert (found.state, found.answer_code, attempts_of(office)) == (RecallState.REFUSED, "AC02", ["refused"])
    assert run(office).recalls == ()


def test_a_bank_that_knows_it_already_is_asked_whether_it_has_it(office: PayingOffice) -> None:
    paid_twice(office)
    bank = office.bank()
    bank.script.append(lambda file: (bank.accept(file), knowing(file))[1])
    (waiting,) = run(office).waiting
    assert (waiting.code, recall_of(office).state) == ("outcome_unknown", RecallState.UNKNOWN)
    run(office)
    assert (recall_of(office).state, len(requests_at(office))) == (RecallState.SENT, 1)


def test_an_answer_that_comes_late_ends_nothing_that_the_bank_has_answered(office: PayingOffice) -> None:
    """The sender slept; meanwhile the bank's answer to the request itself was taken."""
    _, second = paid_twice(office)
    bank = office.bank()

    def late(file: BankFile) -> str:
        words = bank.accept(file)
        answer(office, (case_id(second), "accepted", ""))
        return words

    bank.script.append(late)
    run(office)
    assert (recall_of(office).state, attempts_of(office)) == (RecallState.ACCEPTED, ["sent"])


def test_a_refusal_may_come_as_the_answer_to_the_enquiry(office: PayingOffice) -> None:
    paid_twice(office)
    office.bank().script.append(silent)
    run(office)
    office.bank().answers.append(Enquiry(SendState.REFUSED, "FF01 no such file"))
    run(office)
    assert (recall_of(office).state, recall_of(office).answer_code) == (RecallState.REFUSED, "FF01")


def test_what_has_ended_before_it_left_is_not_recalled(office: PayingOffice) -> None:
    first, _ = paid_twice(office)
    office.bank().script.append(gone)
    run(office)
    office.book((first, False))
    assert run(office).waiting == ()
    assert (recall_of(office).state, len(requests_at(office))) == (RecallState.WITHDRAWN, 1)


def test_the_bank_s_answer_ends_what_we_did_not_know(office: PayingOffice) -> None:
    _, second = paid_twice(office)
    office.bank().script.append(silent)
    run(office)
    answer(office, (case_id(second), "accepted", ""))
    assert recall_of(office).state is RecallState.ACCEPTED


@pytest.mark.parametrize(
    ("place", "sendings"),
    [
        ("services.recall_payments._request begun", 0),
        ("services.recall_payments._request written", 0),
        ("services.recall_payments._request committed", 0),
        ("handing_over._claim begun", 0),
        ("handing_over._claim written", 0),
        ("handing_over._claim committed", 0),
        ("handing_over._note_answer begun", 1),
        ("handing_over._note_answer written", 1),
        ("handing_over._note_answer committed", 1),
    ],
)
def test_a_run_that_breaks_off_is_taken_up_and_asks_once(
    office: PayingOffice, monkeypatch: pytest.MonkeyPatch, place: str, sendings: int
) -> None:
    paid_twice(office)
    with monkeypatch.context() as armed:
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))
        with pytest.raises(OSError, match="asked for at"):
            run(office)
    assert len(requests_at(office)) == sendings
    for _ in range(2):
        run(office)
    assert (recall_of(office).state, len(requests_at(office))) == (RecallState.SENT, 1)


def test_every_step_is_in_the_trail(office: PayingOffice) -> None:
    _, second = paid_twice(office)
    run(office)
    with office.database.read() as connection:
        rows = connection.execute(
            select(audit_event.c.detail).where(audit_event.c.subject == f"recall:{case_id(second)}")
        ).scalars()
        assert [json.loads(row)["state"] for row in rows] == ["SEALED", "SENDING", "SENT"]


# ------------------------------------------------------------------------- the ISO dialect

REQUEST = RecallRequest(
    case_id="RC-P61GYPKBY7AF25GQ",
    created_at=datetime(2027, 1, 12, 2, 30, tzinfo=UTC),
    debtor=Debtor("Kho bạc <Nghệ An> & Vinh", "3713010001", "970405"),
    message_id="M20270105ABCDEFGHJKMNPQRS",
    message_created_at=datetime(2027, 1, 4, 2, 0, tzinfo=UTC),
    end_to_end_id="P61GYPKBY7AF25GQ",
    amount_vnd=750_000,
    value_date=date(2027, 1, 5),
    reason="DUPL",
)


def test_a_camt056_names_file_payment_amount_and_reason() -> None:
    content = write_camt056(REQUEST)
    assert content == write_camt056(REQUEST)
    root = etree.fromstring(content)
    name = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"}

    def only(path: str) -> str:
        (found,) = root.findall(f".//{path}", name)
        return found.text or ""

    assert root.tag == f"{{{name['c']}}}Document"
    assert only("c:Assgnmt/c:Id") == only("c:Case/c:Id") == only("c:TxInf/c:CxlId") == REQUEST.case_id
    assert only("c:Assgnmt/c:Assgnr/c:Pty/c:Nm") == REQUEST.debtor.name
    assert only("c:Assgne//c:MmbId") == "970405"
    assert (only("c:CtrlData/c:NbOfTxs"), only("c:CtrlData/c:CtrlSum")) == ("1", "750000")
    assert (only("c:OrgnlMsgId"), only("c:OrgnlMsgNmId")) == (REQUEST.message_id, "pain.001.001.09")
    assert (only("c:OrgnlEndToEndId"), only("c:OrgnlIntrBkSttlmAmt")) == (REQUEST.end_to_end_id, "750000")
    assert (only("c:OrgnlIntrBkSttlmDt"), only("c:CxlRsnInf/c:Rsn/c:Cd")) == ("2027-01-05", "DUPL")


def test_an_id_that_does_not_fit_is_refused() -> None:
    for wrong in ({"case_id": "R" * 36}, {"end_to_end_id": ""}, {"message_id": "M" * 36}):
        with pytest.raises(ValueError, match="35 characters"):
            write_camt056(replace(REQUEST, **wrong))


CAMT029 = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.09"><RsltnOfInvstgtn><Assgnmt><Id>X1</Id></Assgnmt>'
    "{case}<Sts><Conf>{status}</Conf></Sts>{details}</RsltnOfInvstgtn></Document>"
)
CASE = "<RslvdCase><Id>RC-1</Id></RslvdCase>"


def read(status: str = "CNCL", case: str = CASE, details: str = "") -> BankReturns:
    return read_camt029(CAMT029.format(case=case, status=status, details=details).encode())


def test_a_camt029_is_read_by_its_transaction_or_else_by_its_case() -> None:
    for status, outcome in (("CNCL", "accepted"), ("RJCR", "declined"), ("PDCR", "pending")):
        said = read(status)
        assert (said.kind, said.bank_message_id) == ("recall", "X1")
        assert said.recall_answers == (RecallAnswer("RC-1", RecallOutcome(outcome)),)
    reason = "<CxlStsRsnInf><Rsn><Cd>CUST</Cd></Rsn></CxlStsRsnInf>"
    details = (
        f"<CxlDtls><TxInfAndSts><TxCxlSts>RJCR</TxCxlSts>{reason}</TxInfAndSts><TxInfAndSts>"
        "<RslvdCase><Id>RC-2</Id></RslvdCase><TxCxlSts>ACCR</TxCxlSts></TxInfAndSts></CxlDtls>"
    )
    assert read("PDCR", details=details).recall_answers == (
        RecallAnswer("RC-1", RecallOutcome.DECLINED, "CUST"),
        RecallAnswer("RC-2", RecallOutcome.ACCEPTED),
    )


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"status": "MAYB"}, "wrong_structure"),
        ({"case": ""}, "wrong_structure"),
        ({"case": f"<RslvdCase><Id>{'R' * 36}</Id></RslvdCase>"}, "field_too_long"),
    ],
)
def test_a_camt029_that_says_nothing_certain_is_refused(changed: dict[str, str], code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(**changed)
    assert refused.value.code == code


def test_the_iso_adapter_asks_and_understands_the_answer() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    door = {"host": "127.0.0.1", "user": "u", "password": "p", "host_key": key}
    adapter = Iso20022Adapter("AGRI", door)
    assert isinstance(adapter, RecallsPayments)
    file = adapter.encode_recall(REQUEST)
    assert (file.name, file.message_id) == (f"{REQUEST.case_id}.xml", REQUEST.case_id)
    answered = adapter.parse_returns("x", CAMT029.format(case=CASE, status="CNCL", details="").encode())
    assert answered.kind == "recall"
    with pytest.raises(ValueError, match="hyphens"):
        adapter.encode_recall(replace(REQUEST, case_id="a/b"))
