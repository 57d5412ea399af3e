"""An older database is put back (crash point C33): it is found out, and nobody is paid a second time.

The bank's own list of what reached its door is the proof.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from paysvc import failpoints
from paysvc.bank_interface import BankFile, BankUnreachable, EncodingImpossible, EncodingProblem, OutcomeUnknown
from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.core.messages import PaymentBatch
from paysvc.domain.errors import BadSetting, Conflict, InvalidInput, NotAllowed, NotFound, Waiting
from paysvc.domain.identifiers import end_to_end_id, message_id
from paysvc.domain.instructions import BatchState
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.recover import GivenFile, Recovery, recover
from paysvc.store import audit_trail, bank_files, batches, cycles, file_checks, lost_files, schema, snapshot
from paysvc.store.engine import Database, open_database
from paysvc.store.returns import FileState
from paysvc.store.tables import bank_file
from paysvc.store.vault import Vault
from paysvc.store.witness import Doubt, Reported, Witness
from paysvc.wiring import wire

from .finished_month import Demo
from .payment_world import CYCLE, SYSTEM, World, statement_file, statement_of, status_file

PEOPLE = (("AGRI", 500_000), ("AGRI", 750_000), ("POST", 1_000_000))


class Office:
    """A world whose database is held against a witness, and which somebody copies and puts back."""

    def __init__(self, url: str, folder: Path, sealer: Sealer, vault: Vault, clock: FixedClock) -> None:
        self.url, self.folder = url, folder
        self.witness = Witness(folder / "witness.jsonl")
        self._stack = ExitStack()
        self.world = World(self._open(), sealer, vault, clock)

    def _open(self) -> Database:
        opened = open_database(self.url, self.witness)
        self._stack.callback(opened.close)
        return opened

    def close(self) -> None:
        self._stack.close()

    def copy(self) -> Path:
        target = self.folder / "old.copy"
        snapshot.copy_out(self.world.database, target)
        return target

    def put_back(self, copy: Path) -> None:
        """As somebody does who knows nothing of `paysvc restore`."""
        self.empty()
        bare = open_database(self.url)
        snapshot.put_in(bare, copy)
        bare.close()
        self.world.database = self._open()

    def empty(self) -> None:
        self.world.database.close()
        if self.url.startswith("sqlite"):
            Path(self.url.removeprefix("sqlite:///")).unlink()
            return
        bare = open_database(self.url)
        with bare.write() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        bare.close()

    def doubt(self) -> Doubt | None:
        with self.world.database.read() as connection:
            return self.witness.doubt(connection)

    def recover(self, *given: GivenFile, all_given: bool = False, by_hand: tuple[str, ...] = ()) -> Recovery:
        world = self.world
        return recover(
            world.database,
            self.witness,
            world.vault,
            world.clock,
            AN,
            MINH,
            given=given,
            all_given=all_given,
            by_hand=by_hand,
            sealer=world.sealer,
        )

    def require_sound_books(self) -> None:
        world = self.world
        found = check_books(world.database, world.vault, world.banks, world.clock, SYSTEM).differences
        # The world's deposit is posted without an event, which the check rightly says.
        assert {one.subject for one in found} <= {"fund:NS", "treasury"}

    def batches(self) -> dict[str, BatchState]:
        with self.world.database.read() as connection:
            return {one.bank_code: one.state for one in batches.list_batches(connection, self.world.cycle_id)}


AN, MINH = Officer("administrator.an", Role.ADMINISTRATOR), Officer("approver.minh", Role.APPROVER)


@pytest.fixture
def office(database_url: str, tmp_path: Path, sealer: Sealer, vault: Vault, clock: FixedClock) -> Iterator[Office]:
    made = Office(database_url, tmp_path, sealer, vault, clock)
    yield made
    made.close()


def lose(file: BankFile) -> str:
    raise OutcomeUnknown("the line broke before the bank had it")


def unreachable(file: BankFile) -> str:
    raise BankUnreachable("no route")


def refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(Waiting) as caught:
        act()
    assert caught.value.code == code


# --------------------------------------------------------------------------- it is found out


def test_an_installation_that_was_always_whole_is_in_no_doubt(office: Office) -> None:
    office.world.approve(*PEOPLE)
    assert office.world.submit().is_complete
    assert office.doubt() is None
    assert office.witness.is_whole
    assert [one.message_id for one in office.witness.sendings()] == office.world.message_ids()
    with pytest.raises(Conflict, match="nothing to recover"):
        office.recover()


def test_what_is_noted_before_bytes_leave_is_in_the_trail(office: Office) -> None:
    heads = []

    def look(file: BankFile) -> str:
        said = office.witness._said()
        assert said is not None
        with office.world.database.read() as connection:
            heads.append((audit_trail.hash_of(connection, said.head.event), said.head.hash, said.sendings[-1].name))
        return office.world.bank().accept(file)

    office.world.bank().script.append(look)
    office.world.approve(*PEOPLE).submit()
    ((in_trail, noted, name),) = heads
    assert in_trail == noted
    assert office.world.bank().sendings[0][0] == name


def test_an_older_database_can_only_be_read(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    world.bank("POST").script.append(unreachable)
    copy = office.copy()
    world.submit()
    office.put_back(copy)
    assert office.doubt() is Doubt.OLDER
    before = snapshot.read_facts(world.database)
    for verb in (world.submit, world.collect, world.reconcile):
        refused("database_older", verb)
    refused("database_older", lambda: world.receive(b"anything"))
    refused("database_older", world.database.require_writable)
    assert snapshot.read_facts(world.database) == before
    assert world.outcomes().entitled.count == 3
    assert len(world.bank().sendings) == 1
    assert world.bank().enquiries == 0


def test_a_process_that_was_open_all_the_time_finds_it_out_as_well(office: Office) -> None:
    """PostgreSQL's database can be exchanged below a running server; on SQLite a transaction shows the same."""
    world = office.world.approve(*PEOPLE)
    world.submit()
    with world.database.read() as connection:
        event, _ = audit_trail.head(connection)
    office.witness.note(Reported("BC-1"), (event + 1, bytes(32)))
    refused("database_older", world.submit)


def test_a_database_with_another_past_is_found_out(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.submit()
    office.put_back(copy)
    bare = open_database(office.url)
    # It goes on by itself, past the event that the witness names.
    for number in range(30):
        with bare.write() as connection:
            audit_trail.append(connection, world.clock.now(), AN, "check-books", f"books {number}", {})
    bare.close()
    assert office.doubt() is Doubt.FORKED
    refused("database_forked", world.submit)


def test_a_lost_journal_is_no_new_beginning(office: Office) -> None:
    office.world.approve(*PEOPLE).submit()
    (office.folder / "witness.jsonl").unlink()
    assert office.doubt() is Doubt.MISSING
    refused("witness_missing", office.world.submit)


def test_an_empty_database_in_an_old_home_is_no_new_beginning(office: Office) -> None:
    office.world.approve(*PEOPLE).submit()
    fresh = open_database(f"sqlite:///{office.folder / 'fresh.db'}", office.witness)
    schema.upgrade(fresh)
    with pytest.raises(Waiting, match="older"), fresh.write():
        pass
    fresh.close()


@pytest.mark.parametrize(
    "damage", [b"{", b'{"what":"sending","event":1,"hash":""}', b'{"what":"?","event":1,"hash":""}']
)
def test_a_damaged_journal_is_found_out_and_a_torn_last_line_is_none(office: Office, damage: bytes) -> None:
    office.world.approve(*PEOPLE).submit()
    path = office.folder / "witness.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + damage)
    assert office.doubt() is None
    # The next note takes the place of what a crash left of one.
    with office.world.database.read() as connection:
        office.witness.note(Reported("BC-1"), audit_trail.head(connection))
    assert office.doubt() is None
    assert path.read_bytes().startswith(whole + b'{"event"')
    path.write_bytes(whole + damage + b"\n")
    assert office.doubt() is Doubt.DAMAGED
    refused("journal_incomplete", office.recover)
    office.recover(all_given=True)
    assert office.doubt() is None


# ------------------------------------------------------------------ nothing is sent a second time


def test_a_sealed_batch_that_was_sent_since_is_asked_for(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    world.bank().script.append(unreachable)
    world.submit()
    assert office.batches() == {"AGRI": BatchState.SEALED, "POST": BatchState.SENT}
    copy = office.copy()
    assert world.submit().is_complete
    sent = list(world.bank().sendings)
    office.put_back(copy)
    found = office.recover()
    assert found.lost_files == ()
    assert len(found.in_question) == 1
    assert office.batches()["AGRI"] is BatchState.UNKNOWN
    assert world.submit().is_complete
    assert world.bank().sendings == sent
    assert world.bank().enquiries == 1
    assert office.batches() == {"AGRI": BatchState.SENT, "POST": BatchState.SENT}
    office.require_sound_books()


def test_a_batch_whose_file_was_written_since_is_asked_for(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    world = office.world.approve(*PEOPLE)
    with monkeypatch.context() as armed:
        place = "services.submit_batches._write_file begun"
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))
        with pytest.raises(OSError, match="asked for at"):
            world.submit()
    copy = office.copy()
    assert world.submit().is_complete
    office.put_back(copy)
    assert office.batches() == {"AGRI": BatchState.SEALED, "POST": BatchState.SEALED}
    assert len(office.recover().in_question) == 2
    assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    office.require_sound_books()


@pytest.mark.parametrize("days", [0, 30])
def test_batches_made_and_sent_since_are_taken_up_as_they_were(office: Office, days: int) -> None:
    """On the same day the MsgId would be the same, on a later one another: the bank would take both."""
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    assert world.submit().is_complete
    message_ids, balances, left_at = world.message_ids(), world.balances(), world.clock.now()
    office.put_back(copy)
    found = office.recover()
    assert sorted(one.sending.message_id for one in found.lost_files) == sorted(message_ids)
    assert {reference for one in found.lost_files for reference in one.references} == set(world.payments())
    world.clock.advance(timedelta(days=days))
    again = world.submit()
    # After a month without a word the banks are asked about it; that is all there is to do.
    assert not again.unpayable
    assert {one.code for one in again.waiting} <= {"bank_says_nothing"}
    assert [one.message_id for one in again.batches] == message_ids
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    assert {row["state"] for row in world.payments().values()} == {"SENT"}
    assert world.balances() == balances
    with world.database.read() as connection:
        # A report asks for what the banks gave since the first file: some of it may be older than the taking up.
        assert set(connection.execute(select(bank_file.c.created_at)).scalars()) == {left_at}
    office.require_sound_books()
    assert office.doubt() is None


def test_on_a_later_day_the_bank_would_have_been_given_another_file(office: Office) -> None:
    """What the tests above are worth: without the journal the same people go into a second file."""
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.submit()
    office.put_back(copy)
    world.database = open_database(office.url)
    world.clock.advance(timedelta(days=30))
    world.submit()
    assert len({content for _, content in world.bank().sendings}) == 2
    world.database.close()


def test_what_never_arrived_leaves_once_with_the_same_bytes(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.bank().script.append(lose)
    world.submit()
    office.put_back(copy)
    office.recover()
    world.clock.advance(timedelta(days=2))
    assert world.submit().is_complete
    (name, content), second = world.bank().sendings
    assert second == (name, content)
    with world.database.read() as connection:
        one = batches.list_batches(connection, world.cycle_id)[0]
        file = bank_files.find_file(connection, one.id)
        assert file is not None
        assert bank_files.ATTEMPTS.list_all(connection, file.id)[0] == (
            1,
            "unknown",
            "left before the database was restored",
        )
        assert [outcome for _, outcome, _ in bank_files.ATTEMPTS.list_all(connection, file.id)] == ["unknown", "sent"]


def test_beyond_the_banks_memory_a_person_asks(office: Office) -> None:
    """The days count from when the file first left, which only the journal knows."""
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.bank().script.append(lose)
    world.submit()
    office.put_back(copy)
    office.recover()
    world.clock.advance(timedelta(days=8))
    (waiting,) = world.submit().waiting
    assert waiting.code == "outcome_needs_a_person"
    assert len(world.bank().sendings) == 1


def test_a_bank_that_cannot_be_asked_waits_for_a_person(office: Office) -> None:
    world = office.world
    world = office.world = World(
        world.database, world.sealer, world.vault, world.clock, {"AGRI": {"can_enquire": "no"}}
    )
    world.approve(("AGRI", 500_000))
    copy = office.copy()
    world.submit()
    (reference,) = world.references()
    office.put_back(copy)
    office.recover()
    for _ in range(2):
        (waiting,) = world.submit().waiting
        assert waiting.code == "outcome_needs_a_person"
    assert len(world.bank().sendings) == 1
    world.receive(statement_file("S1", statement_of("S1", 1, 10**9, [(reference, 500_000, True, "B1")])))
    assert world.state_of(reference) == "SETTLED"
    assert world.submit().is_complete


def test_a_plan_that_says_something_else_goes_nowhere(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE)
    world.submit()
    message_ids = world.message_ids()
    office.put_back(empty)
    office.recover()
    changed = (PEOPLE[0], ("AGRI", 760_000), PEOPLE[2])
    world.approve(*changed)
    refused("plan_differs_from_lost_file", world.submit)
    with world.database.read() as connection:
        assert batches.list_batches(connection, world.cycle_id) == []
        # It can be withdrawn, corrected and approved anew.
        assert cycles.get_cycle(connection, CYCLE).state == "APPROVED"
    # Planned anew as it was, it is taken up.
    office.put_back(empty)
    office.recover()
    world.approve(*PEOPLE)
    assert [one.message_id for one in world.submit().batches] == message_ids
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]


def test_nothing_new_leaves_while_a_lost_file_is_in_no_plan(office: Office) -> None:
    """Its people may be in the new plan under another id: a month alone then, and with its arrears now."""
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    lost = world.message_ids()
    office.put_back(empty)
    office.recover()
    world.first_person = 10
    world.approve(*PEOPLE)
    for _ in range(2):
        (waiting,) = world.submit().waiting
        assert waiting.code == "lost_file_open"
        assert lost[0] in waiting.message
    with world.database.read() as connection:
        assert cycles.codes_to_send(connection, world.clock.now()) == [CYCLE]
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    # Two officers answer for the files; then the others may go.
    assert office.recover(by_hand=tuple(lost)).settled == tuple(lost)
    assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [2, 2]
    with pytest.raises(NotFound):
        office.recover(by_hand=tuple(lost[:1]))


def test_whom_officers_answered_for_nobody_pays_again(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    lost = world.message_ids()
    office.put_back(empty)
    office.recover(by_hand=tuple(lost))
    world.approve(*PEOPLE)
    found = world.submit()
    assert {one.end_to_end_id for one in found.unpayable} == set(world.payments())
    assert {row["state"] for row in world.payments().values()} == {"PLANNED"}
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]


# ------------------------------------------------------------------------- what banks say meanwhile


def test_a_statement_about_a_lost_file_waits_until_it_is_in_a_plan(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    first, second = world.references()
    world.receive(
        statement_file(
            "S1", statement_of("S1", 1, 10**9, [(first, 500_000, True, "B1"), (second, 750_000, True, "B2")])
        ),
        status_file("T1", "", [(first, "ACSC", "", "B1"), ("PSTRANGER", "RJCT", "AC01", "")]),
    )
    settled = world.balances()
    office.put_back(empty)
    office.recover()
    # What was fetched since the copy is fetched again.
    assert len(world.collect().new_files) == 2
    parked = world.reconcile().files
    assert [(one.state, one.code) for one in parked] == [(FileState.PARKED, "lost_file_open")] * 2
    assert world.discrepancies() == []
    world.approve(*PEOPLE)
    world.submit()
    assert [one.state for one in world.reconcile().files] == [FileState.ACCEPTED] * 2
    assert {world.state_of(one) for one in (first, second)} == {"SETTLED"}
    assert world.balances() == settled
    assert len(world.bank().sendings) == 1
    office.require_sound_books()


def test_once_officers_answered_its_lines_are_strangers(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    (reference, _), lost = world.references(), world.message_ids()
    office.put_back(empty)
    office.recover(by_hand=tuple(lost))
    world.receive(statement_file("S1", statement_of("S1", 1, 10**9, [(reference, 500_000, True, "B1")])))
    assert world.discrepancies() == [("unknown_reference", reference, 500_000)]


# ----------------------------------------------------------------------------- what recovery needs


def test_recovery_takes_two_people_with_their_roles(office: Office) -> None:
    world = office.world
    for actor, approver in ((MINH, MINH), (AN, AN), (MINH, AN), (AN, Officer(AN.officer_id, MINH.role))):
        with pytest.raises(NotAllowed):
            recover(world.database, office.witness, world.vault, world.clock, actor, approver)


def test_bytes_that_are_lost_as_well_stop_it_and_can_be_given(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    lost = {one.bank_code: one for one in office.witness.sendings()}
    digest = lost["AGRI"].sha256.hex()
    (world.vault.folder / digest[:2] / digest[2:]).unlink()
    office.put_back(empty)
    with pytest.raises(Waiting, match=lost["AGRI"].message_id) as caught:
        office.recover()
    assert caught.value.code == "lost_file_bytes_missing"
    assert office.doubt() is Doubt.OLDER
    ((name, content),) = world.bank().sendings
    with pytest.raises(InvalidInput):
        office.recover(GivenFile("AGRI", name, content + b" "))
    with pytest.raises(InvalidInput):
        office.recover(GivenFile("AGRI", name, b"nothing of ours"))
    assert len(office.recover(GivenFile("AGRI", name, content)).lost_files) == 2
    assert office.doubt() is None
    world.approve(*PEOPLE)
    assert world.submit().is_complete
    assert world.bank().sendings == [(name, content)]


def test_officers_may_answer_for_a_file_of_which_nothing_is_left(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(("POST", 1_000_000)).submit()
    (lost,) = office.witness.sendings()
    (world.vault.folder / lost.sha256.hex()[:2] / lost.sha256.hex()[2:]).unlink()
    office.put_back(empty)
    assert office.recover(by_hand=(lost.message_id,)).lost_files == ()
    assert office.doubt() is None


def test_without_a_journal_the_banks_files_are_given_by_hand(office: Office) -> None:
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    (office.folder / "witness.jsonl").unlink()
    office.put_back(empty)
    with office.world.database.write(in_doubt=True) as connection:
        audit_trail.append(connection, world.clock.now(), AN, "check-books", "books", {})
    refused("witness_missing", world.submit)
    refused("journal_incomplete", office.recover)
    given = [GivenFile(code, *world.bank(code).sendings[0]) for code in ("AGRI", "POST")]
    assert len(office.recover(*given, all_given=True).lost_files) == 2
    assert office.doubt() is None
    world.approve(*PEOPLE)
    assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    # From here on the journal is whole again, for databases that are older still, too.
    assert office.witness.is_whole
    office.put_back(empty)
    assert office.doubt() is Doubt.OLDER
    found = office.recover()
    assert sorted(one.sending.bank_code for one in found.lost_files) == ["AGRI", "POST"]
    world.approve(*PEOPLE)
    assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]


def test_a_journal_that_was_lost_alone_learns_what_the_database_knows(office: Office) -> None:
    """Later an older database is put back: what left between the two was in no line of the new journal."""
    world, empty = office.world, office.copy()
    world.approve(*PEOPLE).submit()
    (office.folder / "witness.jsonl").unlink()
    office.recover(all_given=True)
    assert {one.bank_code for one in office.witness.sendings()} == {"AGRI", "POST"}
    office.put_back(empty)
    assert len(office.recover().lost_files) == 2
    world.approve(*PEOPLE)
    assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_a_whole_home_put_back_is_found_out_by_a_journal_that_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FixedClock, is_elsewhere: bool
) -> None:
    """As by a snapshot of a machine: database, vault and keys are of one earlier moment."""
    home, elsewhere = tmp_path / "home", tmp_path / "another disk"
    elsewhere.mkdir()
    if is_elsewhere:
        monkeypatch.setenv("PAYSVC_WITNESS_FILE", str(elsewhere / "witness.jsonl"))

    def work() -> None:
        wired = wire(read_settings(home=home), clock)
        schema.upgrade(wired.database)
        with wired.database.write() as connection:
            audit_trail.append(connection, clock.now(), AN, "check-books", "books", {})
        with wired.database.read() as connection:
            head = audit_trail.head(connection)
        assert wired.database.witness is not None
        wired.database.witness.note(Reported("BC-1"), head)
        wired.close()

    work()
    shutil.copytree(home, tmp_path / "snapshot")
    work()
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "snapshot", home)
    if is_elsewhere:
        refused("database_older", work)
    else:
        work()  # nobody can know: docs/decisions/0017 says so


def test_a_journal_in_no_folder_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    monkeypatch.setenv("PAYSVC_WITNESS_FILE", str(tmp_path / "nowhere" / "witness.jsonl"))
    with pytest.raises(BadSetting, match="nowhere"):
        wire(read_settings(home=tmp_path / "home"), clock)


def test_an_older_copy_after_a_recovery_is_found_out_again(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.submit()
    for _ in range(2):
        office.put_back(copy)
        assert office.doubt() is not None
        office.recover()
        assert world.submit().is_complete
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    office.require_sound_books()


def test_a_backup_between_a_batch_and_its_cutting_anew_pays_nobody_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two payments cannot be written; the other leaves in a batch that the backup does not know."""
    world = office.world.approve(*PEOPLE)
    bank = world.bank("AGRI")
    good, bad = sorted(world.references("AGRI"))
    encode = bank.encode

    def write(batch: PaymentBatch) -> BankFile:
        references = list(batch.payments.end_to_end_id)
        if bad in references:
            raise EncodingImpossible([EncodingProblem(references.index(bad), "creditor_name", "No such letter.")])
        return encode(batch)

    monkeypatch.setattr(bank, "encode", write)
    with monkeypatch.context() as armed:
        place = "services.submit_batches._make_anew_without begun"
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))
        with pytest.raises(OSError, match="asked for at"):
            world.submit()
    copy = office.copy()
    world.submit()
    assert [row[0] for row in json.loads(bank.sendings[0][1])[1]] == [good]
    office.put_back(copy)
    found = office.recover()
    assert [one.references for one in found.lost_files if one.sending.bank_code == "AGRI"] == [frozenset({good})]
    world.submit()
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    assert (world.state_of(good), world.state_of(bad)) == ("SENT", "BATCHED")
    office.require_sound_books()


def test_a_recovery_is_in_the_trail(office: Office) -> None:
    world = office.world.approve(*PEOPLE)
    copy = office.copy()
    world.submit()
    office.put_back(copy)
    office.recover()
    with world.database.read() as connection:
        ((actor, detail),) = connection.execute(
            text("SELECT actor, detail FROM audit_event WHERE verb = 'recover'")
        ).all()
    assert actor == AN.officer_id
    assert MINH.officer_id in detail
    assert "database_older" in detail


def test_every_dialects_ids_are_found_in_its_bytes() -> None:
    ids = {end_to_end_id(bytes(32), "BTXH", "2026-12", bytes([row]) * 32, "monthly", 0) for row in range(50)}
    message = message_id("2026-12-04", bytes(range(32)))
    written = (
        "".join(f"<EndToEndId>{one}</EndToEndId>" for one in sorted(ids)) + f"<MsgId>{message}</MsgId>",
        f"H|PAY01|{message}|20261204|\r\n" + "".join(f"D|1|{one}|500000|970405|\r\n" for one in sorted(ids)),
        f"HPAYCASH1{message:35}20261204" + "".join(f"D000000001{one:35}000000000500000" for one in sorted(ids)),
    )
    for content in written:
        assert lost_files.references_in(content.encode()) == ids
        assert lost_files.message_id_in(content.encode()) == message


def test_the_end_of_a_message_id_is_nobodys_payment() -> None:
    own, reference = "M20261204P123456789ABCDEF", "PVRBGA46EZHXJ4E4"
    assert lost_files.references_in(f"<MsgId>{own}</MsgId>{own}-1 {reference}".encode()) == {reference}
    assert lost_files.message_id_in(own.encode()) == own


# --------------------------------------------------------------------- a crash around the journal


@pytest.mark.parametrize("moment", ["noting", "noted"])
def test_a_journal_that_cannot_be_written_keeps_the_file_here(
    office: Office, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the journal says then, the installation is in no doubt, and the file leaves once."""
    world = office.world.approve(*PEOPLE)
    place = f"store.witness.Witness._add {moment}=fail"
    with monkeypatch.context() as armed:
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": place}))
        with pytest.raises(OSError, match="_add"):
            world.submit()
    assert world.bank().sendings == []
    assert office.doubt() is None
    assert [world.submit().is_complete for _ in range(2)] == [True, True]
    assert [len(world.bank(code).sendings) for code in ("AGRI", "POST")] == [1, 1]
    assert office.doubt() is None


# -------------------------------------------------------------------------------- a real month


def test_a_real_months_files_can_be_taken_up_in_every_dialect(on_sqlite: Demo) -> None:
    """The journal knows each file; its bytes name its payments; and the rows give its MsgId again."""
    wiring = wire(read_settings(home=on_sqlite.home))
    witness = wiring.database.witness
    assert witness is not None
    with wiring.database.read() as connection:
        assert witness.doubt(connection) is None
        known = {row.message_id: row for row in connection.execute(text("SELECT * FROM bank_file"))}
        assert witness.is_whole
        assert {one.message_id for one in witness.sendings()} == set(known)
        assert len({row.written_by.split()[0] for row in known.values()}) == 3
        for sent in witness.sendings():
            content = wiring.vault.get(sent.sha256)
            one = batches.find_by_message_id(connection, sent.bank_code, sent.message_id)
            assert one is not None
            references = lost_files.references_in(content)
            assert {name for name, _ in file_checks.payments_of(connection, one.id)} <= references
            assert lost_files.message_id_in(content) == sent.message_id
            planned = _as_planned(connection, one.id)
            rows = [row for row, name in enumerate(planned["end_to_end_id"]) if name in references]
            rows.sort(key=planned["end_to_end_id"].__getitem__)
            made = lost_files._as_it_was(connection, cycles.get_cycle(connection, sent.cycle_code), sent, planned, rows)
            assert made is not None
            assert (made.content_sha256, made.sum_vnd, len(made.rows)) == (one.content_sha256, one.sum_vnd, one.count)
            # One payment less, or another amount, is another file.
            assert (
                lost_files._as_it_was(
                    connection, cycles.get_cycle(connection, sent.cycle_code), sent, planned, rows[1:]
                )
                is None
            )
    wiring.close()


def _as_planned(connection: Connection, batch_id: int) -> dict[str, list[Any]]:
    """The payments of a batch as `read_planned` gave them before it was made."""
    query = text(
        "SELECT i.id, i.end_to_end_id, i.amount_vnd, i.bank_code, i.creditor_bin, i.creditor_name, i.unit_code,"
        " p.purpose, a.account_key FROM instruction i JOIN entitlement e ON e.id = i.entitlement_id"
        " JOIN programme p ON p.code = e.programme_code LEFT JOIN bank_account a ON a.id = i.account_id"
        " WHERE i.batch_id = :batch ORDER BY i.id"
    )
    rows = connection.execute(query, {"batch": batch_id}).mappings().all()
    return {name: [row[name] for row in rows] for name in rows[0]}
