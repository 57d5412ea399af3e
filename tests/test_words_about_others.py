"""What a bank says of a second copy, or of payments in another file than the one it answers."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from paysvc.bank_interface import BankFile, BankRefused, Enquiry, SendState
from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BatchState
from paysvc.domain.officers import Officer
from paysvc.domain.sending_answers import ALREADY_THERE
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.resubmit_payments import propose_resubmission
from paysvc.store.engine import Database
from paysvc.store.returns import FileState
from paysvc.store.tables import payment_status
from paysvc.store.vault import Vault
from tests.payment_world import CYCLE, SYSTEM, World, statement_file, statement_of, status_file


@pytest.fixture
def world(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> World:
    made = World(database, sealer, vault, clock, {"AGRI": {}})
    made.approve(("AGRI", 500_000), ("AGRI", 750_000))
    return made


def require_sound_books(world: World) -> None:
    found = check_books(world.database, world.vault, world.banks, world.clock, SYSTEM).differences
    # The world's deposit is posted without an event, which the check rightly says.
    assert {one.subject for one in found} <= {"fund:NS", "treasury"}


def time_out() -> str:
    raise TimeoutError


def lost_though_it_came(world: World) -> str:
    """The bank has the file, and we do not know; the MsgId."""
    bank = world.bank()

    def take(file: BankFile) -> str:
        bank.accept(file)
        raise TimeoutError

    bank.script = [take]
    bank.answers = [Enquiry(SendState.STILL_UNKNOWN)] * 9
    return world.message_ids()[0]


@pytest.mark.parametrize("reason", sorted(ALREADY_THERE))
@pytest.mark.parametrize("of_the_file", [True, False])
def test_a_second_copy_that_is_refused_leaves_the_first_on_its_way(
    world: World, maker: Officer, reason: str, of_the_file: bool
) -> None:
    """The bank said too early that it had not got it, and got it twice: it refuses the second."""
    bank = world.bank()
    message_id = lost_though_it_came(world)
    bank.answers = [Enquiry(SendState.NOT_RECEIVED)]
    assert world.submit().is_complete
    first, second = world.references()
    groups = [(message_id, None, "RJCT", reason, 2, 1_250_000)] if of_the_file else []
    named = [] if of_the_file else [(one, "RJCT", reason, "") for one in (first, second)]
    world.receive(status_file("S1", message_id, named, groups))
    assert [world.state_of(one) for one in (first, second)] == ["SENT", "SENT"]
    with pytest.raises(Conflict) as refused:
        propose_resubmission(world.database, world.clock, maker, cycle_code=CYCLE)
    assert refused.value.code == "nothing_unpaid"
    with world.database.read() as connection:
        kept = connection.execute(select(payment_status.c.status, payment_status.c.reason_code)).all()
    assert kept == [] if of_the_file else [("DUPL", reason)] * 2
    lines = [(first, 500_000, True, "B1"), (second, 750_000, True, "B2")]
    world.receive(statement_file("M1", statement_of("ST1", 1, 9_000_000, lines)))
    assert [world.state_of(one) for one in (first, second)] == ["SETTLED", "SETTLED"]
    require_sound_books(world)


@pytest.mark.parametrize("reason", sorted(ALREADY_THERE))
def test_a_second_copy_that_is_refused_at_the_door_is_asked_about(world: World, reason: str) -> None:
    def has_it(file: BankFile) -> str:
        raise BankRefused(reason, "we have it")

    bank = world.bank()
    bank.script = [has_it]
    assert [one.code for one in world.submit().waiting] == ["outcome_unknown"]
    assert {row["state"] for row in world.payments().values()} == {"UNKNOWN"}


@pytest.mark.parametrize("answers_another", [True, False])
def test_whoever_speaks_of_a_payment_has_its_file(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, answers_another: bool
) -> None:
    """A daily list answers no file of ours, or one of several that it speaks of."""
    world = World(database, sealer, vault, clock, {"AGRI": {"max_payments": "2"}})
    world.approve(("AGRI", 500_000), ("AGRI", 750_000), ("AGRI", 900_000), ("AGRI", 900_001))
    bank = world.bank()
    bank.script = [bank.accept, lambda file: [bank.accept(file), time_out()][0]]
    bank.answers = [Enquiry(SendState.STILL_UNKNOWN)] * 9
    sent, unknown = world.submit().batches
    assert (sent.state, unknown.state) == (BatchState.SENT, BatchState.UNKNOWN)
    third, fourth = sorted(world.references())[2:]
    answered = sent.message_id if answers_another else ""
    taken = world.receive(status_file("S1", answered, [(third, "RJCT", "AC04", "")]))
    assert [one.state for one in taken.files] == [FileState.ACCEPTED]
    assert [world.state_of(one) for one in (third, fourth)] == ["REJECTED", "SENT"]
    require_sound_books(world)
    assert world.submit().is_complete
    amount = world.payments()[fourth]["amount_vnd"]
    world.receive(statement_file("M1", statement_of("ST1", 1, 9_000_000, [(fourth, amount, True, "B2")])))
    assert [world.state_of(one) for one in (third, fourth)] == ["REJECTED", "SETTLED"]
    require_sound_books(world)
