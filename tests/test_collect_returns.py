"""collect-returns: every file is kept raw before anybody looks at it, and counts once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from paysvc.bank_interface import BankUnreachable, FetchedFile, SeenFiles
from paysvc.clock import FixedClock
from paysvc.domain.errors import NotAllowed
from paysvc.domain.officers import Officer
from paysvc.sealing import Sealer
from paysvc.services.collect_returns import collect_returns
from paysvc.store.engine import Database
from paysvc.store.tables import fetched_name, inbound_file
from paysvc.store.vault import Vault
from tests.payment_world import World, make_world, statement_file, statement_of


@pytest.fixture
def world(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> World:
    return make_world(database, sealer, vault, clock)


def stored(world: World) -> list[tuple[str, str, bytes, str]]:
    with world.database.read() as connection:
        columns = inbound_file.c
        rows = connection.execute(
            select(columns.bank_code, columns.name, columns.sha256, columns.state).order_by(columns.id)
        )
        return [(row.bank_code, row.name, world.vault.get(row.sha256), row.state) for row in rows]


def test_what_the_banks_put_out_is_kept_as_it_came(world: World) -> None:
    world.bank("AGRI").put_out("pain002-1.xml", b"<whatever/>")
    world.bank("POST").put_out("result-1.lst", b"\xff\x00 not even text")
    found = world.collect()
    assert [(one.bank_code, one.name, one.is_new) for one in found.files] == [
        ("AGRI", "pain002-1.xml", True),
        ("POST", "result-1.lst", True),
    ]
    assert stored(world) == [
        ("AGRI", "pain002-1.xml", b"<whatever/>", "STORED"),
        ("POST", "result-1.lst", b"\xff\x00 not even text", "STORED"),
    ]


def test_a_name_is_fetched_once(world: World) -> None:
    world.bank().put_out("one", b"1")
    world.collect()
    world.bank().put_out("two", b"2")
    assert [one.name for one in world.collect().files] == ["two"]


def test_a_file_that_the_bank_corrects_under_its_name_is_fetched_and_judged_for_itself(world: World) -> None:
    wrong = statement_of("ST1", 1, 1_000, [["STRANGER", 400, True, "X1"]], closing=599)
    world.bank().put_out("statement", statement_file("M1", wrong))
    world.collect()
    assert [file.state for file in world.reconcile().files] == ["QUARANTINED"]
    right = statement_file("M1", {**wrong, "closing": 600})
    assert len(right) == len(statement_file("M1", wrong))
    world.bank().put_out("statement", right)
    assert [(file.name, file.is_new) for file in world.collect().files] == [("statement", True)]
    assert [file.state for file in world.reconcile().files] == ["ACCEPTED"]
    # Once each: neither the first bytes nor the second come again.
    assert world.collect().files == ()
    world.bank().put_out("statement", statement_file("M1", wrong))
    assert [file.is_new for file in world.collect().files] == [False]
    assert (world.collect().files, world.reconcile().files) == ((), ())
    assert [state for _, _, _, state in stored(world)] == ["QUARANTINED", "ACCEPTED"]


def test_the_same_bytes_under_another_name_count_once(world: World) -> None:
    world.bank().put_out("one", b"the same")
    world.bank().put_out("again", b"the same")
    assert [one.is_new for one in world.collect().files] == [True, False]
    assert len(stored(world)) == 1
    assert world.collect().files == ()
    with world.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(fetched_name)).scalar_one() == 2


def test_two_banks_may_say_the_same(world: World) -> None:
    world.bank("AGRI").put_out("one", b"the same")
    world.bank("POST").put_out("one", b"the same")
    assert [one.is_new for one in world.collect().files] == [True, True]


def test_one_bank_out_of_reach_does_not_keep_the_others_waiting(world: World) -> None:
    world.bank("AGRI").is_reachable = False
    world.bank("POST").put_out("result-1.lst", b"1")
    found = world.collect()
    assert [one.code for one in found.unreachable] == ["bank_unreachable"]
    assert [one.name for one in found.new_files] == ["result-1.lst"]


@pytest.mark.parametrize(
    ("failure", "code"), [(BankUnreachable("gone"), "bank_unreachable"), (KeyError("?"), "bank_fetch_failed")]
)
def test_what_came_before_the_line_broke_stays(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception, code: str
) -> None:
    def break_off(seen: SeenFiles) -> Iterator[FetchedFile]:
        yield FetchedFile("one", b"1")
        raise failure

    monkeypatch.setattr(world.bank(), "fetch", break_off)
    found = world.collect()
    assert [one.name for one in found.files] == ["one"]
    assert [one.code for one in found.unreachable] == [code]
    assert len(stored(world)) == 1


def test_who_may_not(world: World, maker: Officer) -> None:
    with pytest.raises(NotAllowed):
        collect_returns(world.database, world.vault, world.banks, world.clock, maker)
