"""reconcile-returns: only what proves itself counts, and it counts once, in whatever order it comes."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from paysvc.bank_interface import OutcomeUnknown
from paysvc.clock import FixedClock
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import NotAllowed
from paysvc.domain.officers import Officer
from paysvc.sealing import Sealer
from paysvc.services.reconcile_returns import Reconciliation, reconcile_returns
from paysvc.store import book_checks, bookings, ledger
from paysvc.store.batches import queue_for_money
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import inbound_file, ledger_transaction, payment_status, statement_line
from paysvc.store.vault import Vault
from tests.payment_world import World, make_world, statement_file, statement_of, status_file

OPENING = 10_000_000
AMOUNTS = (500_000, 750_000, 1_000_000)


@pytest.fixture
def world(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> World:
    """Three people paid by account and one in cash, all sent."""
    world = make_world(database, sealer, vault, clock)
    world.approve(*[("AGRI", amount) for amount in AMOUNTS], ("POST", 300_000))
    assert world.submit().is_complete
    return world


def message_of(world: World, code: str = "AGRI") -> str:
    return next(one.message_id for one in world.submit().batches if one.bank_code == code)


def decided(found: Reconciliation) -> list[tuple[str, str]]:
    return [(one.state.value, one.code) for one in found.files]


def debits(world: World) -> list[list[Any]]:
    """A booked debit for every payment by account."""
    rows = [(one, row) for one, row in world.payments().items() if row["bank_code"] == "AGRI"]
    return [[one, row["amount_vnd"], True, f"D{number}"] for number, (one, row) in enumerate(rows)]


def assert_the_books_agree(world: World) -> None:
    with world.database.read() as connection:
        examined = [equation(connection) for equation in (book_checks.accounts, book_checks.bookings)]
    # The plan was not made by the program, so its deposit is not in the trail.
    assert [one for each in examined for one in each.differences if one.subject not in ("fund:NS", "treasury")] == []


def count(world: World, table: Any) -> int:
    with world.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


# ------------------------------------------------------------------------------- statuses


def test_a_refused_payment_is_rejected_and_its_money_is_free_again(world: World) -> None:
    first, second, third = world.references()
    found = world.receive(
        status_file(
            "S1", message_of(world), [(first, "ACSC", "", "B1"), (second, "RJCT", "AC04", ""), (third, "ACSP", "", "")]
        )
    )
    assert decided(found) == [("ACCEPTED", "")]
    assert [world.state_of(one) for one in (first, second, third)] == ["SENT", "REJECTED", "SENT"]
    assert world.payments()[second]["reason_code"] == "AC04"
    assert world.outcomes().rejected == Figure(1, 750_000)
    assert world.balances()["fund:NS"] == 750_000
    assert world.balances()["in_transit:AGRI"] == 1_500_000


def test_silence_and_acceptance_are_not_success(world: World) -> None:
    world.receive(status_file("S1", message_of(world), groups=[(message_of(world), None, "ACSC", "")]))
    assert world.outcomes().outstanding.count == 4
    assert world.payments()[world.references()[0]]["best_status"] == "ACSC"


def test_a_status_of_the_whole_file_reaches_every_payment_in_it(world: World) -> None:
    """Refused after it was accepted: no contradiction, whether the file names the payment or not."""
    first, second, third = world.references()
    mid = message_of(world)
    groups = [(mid, None, "RJCT", "AM04", 3, sum(AMOUNTS))]
    world.receive(status_file("S1", mid, [(first, "ACSP", "", ""), (second, "RJCT", "AC04", "")], groups))
    assert [world.state_of(one) for one in (first, second, third)] == ["REJECTED"] * 3
    assert [world.payments()[one]["reason_code"] for one in (first, second, third)] == ["AM04", "AC04", "AM04"]
    assert world.discrepancies() == []
    # A row for each that is named, and one where the whole file says more.
    assert count(world, payment_status) == 4


#: What the bank says of the whole file, and of the first payment in it; what becomes of that and of the others.
CONTRADICTIONS = [
    ("RJCT", "ACSC", "DISPUTED", "REJECTED"),
    ("RJCT", "ACSP", "REJECTED", "REJECTED"),
    ("ACSC", "RJCT", "DISPUTED", "SENT"),
    ("ACCP", "RJCT", "REJECTED", "SENT"),
]


@pytest.mark.parametrize(("whole", "single", "of_it", "of_others"), CONTRADICTIONS)
@pytest.mark.parametrize("grouping", ["one file", "single first", "whole first"])
def test_a_bank_that_contradicts_itself_does_so_in_one_file_as_in_two(
    world: World, whole: str, single: str, of_it: str, of_others: str, grouping: str
) -> None:
    """C22: neither the order of what is said nor how it is put into files may matter."""
    first, second, third = world.references()
    mid = message_of(world)
    reasons = {"RJCT": "AM04"}
    named, groups = [(first, single, reasons.get(single, ""), "")], [(mid, None, whole, reasons.get(whole, ""))]
    files = {
        "one file": [status_file("S1", mid, named, groups)],
        "single first": [status_file("S1", mid, named), status_file("S2", mid, groups=groups)],
        "whole first": [status_file("S1", mid, groups=groups), status_file("S2", mid, named)],
    }
    assert {state for state, _ in decided(world.receive(*files[grouping]))} == {"ACCEPTED"}
    assert [world.state_of(one) for one in (first, second, third)] == [of_it, of_others, of_others]
    assert world.payments()[first]["best_status"] == (single if whole == "RJCT" else whole)
    assert world.discrepancies() == ([("disputed", first, 500_000)] if of_it == "DISPUTED" else [])


def test_a_partly_accepted_file_says_nothing_of_single_payments(world: World) -> None:
    mid = message_of(world)
    world.receive(status_file("S1", mid, groups=[(mid, f"{mid}-1", "PART", "")]))
    assert count(world, payment_status) == 0


def test_totals_that_are_not_those_of_our_file_are_not_believed(world: World) -> None:
    mid = message_of(world)
    lying = status_file("S1", mid, groups=[(mid, None, "RJCT", "AM04", 3, sum(AMOUNTS) + 1)])
    strange_block = status_file("S2", mid, groups=[(mid, "another block", "RJCT", "AM04")])
    good = status_file("S3", mid, [(world.references()[0], "RJCT", "AC01", "")])
    assert decided(world.receive(lying, strange_block, good)) == [
        ("QUARANTINED", "control_totals_differ"),
        ("QUARANTINED", "block_unknown"),
        ("ACCEPTED", ""),
    ]
    assert world.outcomes().rejected.count == 1


def test_a_status_for_a_file_that_was_never_written_waits(world: World) -> None:
    parked = world.receive(status_file("S1", "M20261204UNKNOWN", [(world.references()[0], "RJCT", "AC01", "")]))
    assert decided(parked) == [("PARKED", "message_unknown")]
    assert decided(world.reconcile()) == [("PARKED", "message_unknown")]
    assert world.outcomes().rejected.count == 0


def test_another_banks_word_does_not_count(world: World) -> None:
    """The post office cannot reject what another bank was told to pay."""
    found = world.receive(status_file("S1", "", [(world.references("AGRI")[0], "RJCT", "AC01", "")]), code="POST")
    assert decided(found) == [("PARKED", "payments_unknown")]
    assert world.outcomes().rejected.count == 0


def test_a_bank_that_both_completed_and_refused_leaves_a_dispute(world: World) -> None:
    one = world.references()[0]
    mid = message_of(world)
    world.receive(status_file("S1", mid, [(one, "ACSC", "", "")]), status_file("S2", mid, [(one, "RJCT", "AC04", "")]))
    assert world.state_of(one) == "DISPUTED"
    assert world.outcomes().rejected.count == 1  # refused and nothing booked; and nobody may pay it again
    assert world.balances()["in_transit:AGRI"] == sum(AMOUNTS)


def test_a_dispute_is_open_until_the_bank_books_what_became_of_it(world: World) -> None:
    one, mid = world.references()[0], message_of(world)
    files = [status_file("S1", mid, [(one, "ACSC", "", "")]), status_file("S2", mid, [(one, "RJCT", "AC04", "")])]
    assert [file.taken.discrepancies for file in world.receive(*files).files] == [0, 1]
    assert world.discrepancies() == [("disputed", one, 500_000)]
    # Said once more it is no second thing, and words do not end it.
    world.receive(status_file("S3", mid, [(one, "RJCT", "AC01", "")]), status_file("S4", mid, [(one, "ACCC", "", "")]))
    assert world.discrepancies() == [("disputed", one, 500_000)]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"]])))
    assert (world.state_of(one), world.discrepancies()) == ("SETTLED", [])


def test_the_note_of_a_dispute_is_written_with_the_state_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, mid = world.references()[0], message_of(world)
    world.receive(status_file("S1", mid, [(one, "ACSC", "", "")]))

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("paysvc.store.bookings.insert_discrepancies", die)
        with pytest.raises(Killed):
            world.receive(status_file("S2", mid, [(one, "RJCT", "AC04", "")]))
    assert (world.state_of(one), world.discrepancies()) == ("SENT", [])
    world.reconcile()
    assert (world.state_of(one), world.discrepancies()) == ("DISPUTED", [("disputed", one, 500_000)])


def test_unknown_reasons_and_statuses_are_stored_and_stop_nothing(world: World) -> None:
    first, second, _ = world.references()
    rows = [(first, "RJCT", "a reason of this bank's own making, far too long", ""), (second, "BLAH", "X", "")]
    assert decided(world.receive(status_file("S1", message_of(world), rows))) == [("ACCEPTED", "")]
    assert world.payments()[first]["reason_code"] == "a reason of this bank's own making, far too long"[:35]
    assert world.state_of(second) == "SENT"


def test_a_status_under_a_strange_reference_is_kept_and_noted(world: World) -> None:
    first = world.references()[0]
    world.receive(status_file("S1", message_of(world), [(first, "ACSP", "", ""), ("STRANGER", "RJCT", "AC01", "")]))
    assert world.discrepancies() == [("unknown_reference", "STRANGER", 0)]
    assert count(world, payment_status) == 2


def test_a_message_in_other_bytes_is_a_repetition_and_a_message_id_used_again_is_not_believed(world: World) -> None:
    one, mid = world.references()[0], message_of(world)
    said = status_file("S1", mid, [(one, "ACSP", "", "")])
    changed = status_file("S1", mid, [(one, "RJCT", "AC01", "")])
    assert decided(world.receive(said, said + b"\n", changed)) == [
        ("ACCEPTED", ""),
        ("REPEATED", "said_before"),
        ("QUARANTINED", "message_changed"),
    ]
    assert world.state_of(one) == "SENT"


def test_cash_paid_and_cash_not_collected(world: World) -> None:
    (reference,) = world.references("POST")
    mid = message_of(world, "POST")
    world.receive(status_file("R1", mid, [(reference, "RJCT", "CNPC", "")]), code="POST")
    assert world.outcomes().rejected == Figure(1, 300_000)
    assert world.payments()[reference]["reason_code"] == "CNPC"
    assert "cash_in_transit:POST" not in world.balances()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_late_and_repeated_reports_take_nothing_back(world: World, order: tuple[int, ...]) -> None:
    first, second, _ = world.references()
    mid = message_of(world)
    files = [
        status_file("S1", mid, [(first, "ACSC", "", ""), (second, "RCVD", "", "")]),
        status_file("S2", mid, [(first, "RCVD", "", ""), (second, "RJCT", "AC04", "")]),
        status_file("S3", mid, [(first, "ACSP", "", ""), (second, "ACSP", "", "")]),
    ]
    for number in order:
        world.receive(files[number])
    assert world.payments()[first]["best_status"] == "ACSC"
    assert world.state_of(second) == "REJECTED"


# ----------------------------------------------------------------------------- statements


def test_a_booked_debit_settles_a_credit_brings_back_and_a_pending_line_does_nothing(world: World) -> None:
    first, second, third = world.references()
    entries = [
        [first, 500_000, True, "D1"],
        [second, 750_000, True, "D2"],
        [second, 750_000, False, "C2", "AC04"],
        [third, 1_000_000, True, "D3", "", "PDNG"],
    ]
    found = world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    assert decided(found) == [("ACCEPTED", "")]
    assert [world.state_of(one) for one in (first, second, third)] == ["SETTLED", "RETURNED", "SENT"]
    assert world.verdicts() == ["settlement", "settlement", "return", "pending"]
    assert world.payments()[second]["reason_code"] == "AC04"
    outcomes = world.outcomes()
    assert (outcomes.settled, outcomes.returned) == (Figure(1, 500_000), Figure(1, 750_000))
    assert world.balances() == {
        "treasury": -2_550_000,
        "paid:NS": 500_000,
        "returned:NS": 750_000,
        "in_transit:AGRI": 1_000_000,
        "cash_in_transit:POST": 300_000,
    }
    assert world.discrepancies() == []


LIES = [
    ({"closing": OPENING}, "statement_not_proved"),
    ({"account": "9999999999"}, "account_not_ours"),
    ({"count": 7}, "statement_not_proved"),
]


@pytest.mark.parametrize(("lie", "code"), LIES)
def test_a_statement_that_does_not_prove_itself_changes_nothing_and_the_next_good_one_counts(
    world: World, lie: dict[str, Any], code: str
) -> None:
    before = world.balances()
    lying = statement_file("M1", statement_of("ST1", 1, OPENING, debits(world), **lie))
    assert decided(world.receive(lying)) == [("QUARANTINED", code)]
    assert world.balances() == before
    assert count(world, statement_line) == 0
    good = statement_file("M2", statement_of("ST1", 1, OPENING, debits(world)))
    assert decided(world.receive(good)) == [("ACCEPTED", "")]
    assert world.outcomes().settled == Figure(3, sum(AMOUNTS))


@pytest.mark.parametrize(("content", "code"), [(b"", "not_json"), (b"{half", "not_json"), (b"bug", "adapter_failed")])
def test_what_is_not_a_file_of_the_bank_is_kept_aside(world: World, content: bytes, code: str) -> None:
    good = statement_file("M1", statement_of("ST1", 1, OPENING, debits(world)))
    assert decided(world.receive(content, good)) == [("QUARANTINED", code), ("ACCEPTED", "")]
    assert world.outcomes().settled.count == 3


def test_of_two_statements_in_a_file_one_false_one_makes_both_wait_for_a_person(world: World) -> None:
    first = statement_of("ST1", 1, OPENING, debits(world))
    second = statement_of("ST2", 2, first["closing"] + 1, [])
    assert decided(world.receive(statement_file("M1", first, second))) == [("QUARANTINED", "opening_differs")]
    assert world.outcomes().settled.count == 0


def test_a_missing_day_makes_the_next_one_wait_until_it_comes(world: World) -> None:
    rows = debits(world)
    first = statement_of("ST1", 1, OPENING, rows[:1])
    second = statement_of("ST2", 2, first["closing"], rows[1:2])
    third = statement_of("ST3", 3, second["closing"], rows[2:])
    assert decided(world.receive(statement_file("M1", first), statement_file("M3", third))) == [
        ("ACCEPTED", ""),
        ("PARKED", "statement_missing"),
    ]
    assert world.outcomes().settled.count == 1
    # The parked one is looked at first, parked again, and taken once its neighbour is there.
    assert decided(world.receive(statement_file("M2", second))) == [("ACCEPTED", ""), ("ACCEPTED", "")]
    assert world.outcomes().settled.count == 3


def test_a_statement_that_does_not_follow_its_neighbour_is_not_believed(world: World) -> None:
    first = statement_of("ST1", 1, OPENING, debits(world)[:1])
    wrong = statement_of("ST2", 2, first["closing"] + 5, debits(world)[1:])
    taken = statement_of("ST9", 1, OPENING, debits(world)[1:])
    assert decided(
        world.receive(statement_file("M1", first), statement_file("M2", wrong), statement_file("M3", taken))
    ) == [
        ("ACCEPTED", ""),
        ("QUARANTINED", "opening_differs"),
        ("QUARANTINED", "number_used"),
    ]


def test_the_same_statement_counts_once_under_any_name_message_or_id(world: World) -> None:
    one = statement_of("ST1", 1, OPENING, debits(world))
    again = {**one, "id": "ST1-COPY", "entries": one["entries"][::-1]}
    renumbered = {**one, "id": "ST1-COPY-2", "sequence": 2}
    files = [statement_file("M1", one), statement_file("M2", one), statement_file("M3", again)]
    assert decided(world.receive(*files, statement_file("M4", renumbered))) == [
        ("ACCEPTED", ""),
        ("REPEATED", "said_before"),
        ("REPEATED", "said_before"),
        ("REPEATED", "said_before"),
    ]
    assert world.outcomes().settled.count == 3
    assert world.discrepancies() == []
    assert count(world, statement_line) == 3


def test_a_statement_id_used_for_something_else_is_not_believed(world: World) -> None:
    one = statement_of("ST1", 1, OPENING, debits(world)[:1])
    other = statement_of("ST1", 2, one["closing"], debits(world)[1:])
    assert decided(world.receive(statement_file("M1", one), statement_file("M2", other))) == [
        ("ACCEPTED", ""),
        ("QUARANTINED", "statement_changed"),
    ]


def test_a_repeated_statement_beside_a_new_one_is_passed_over(world: World) -> None:
    rows = debits(world)
    first = statement_of("ST1", 1, OPENING, rows[:1])
    second = statement_of("ST2", 2, first["closing"], rows[1:])
    found = world.receive(statement_file("M1", first), statement_file("M2", second, first))
    assert decided(found) == [("ACCEPTED", ""), ("ACCEPTED", "")]
    assert found.files[1].taken.lines == 2
    assert world.outcomes().settled.count == 3


# -------------------------------------------------------------------------- discrepancies


def test_a_debit_booked_twice_is_recorded_and_its_money_is_claimed_back(world: World) -> None:
    one = world.references()[0]
    first = statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"]])
    second = statement_of("ST2", 2, first["closing"], [[one, 500_000, True, "D2"]])
    world.receive(statement_file("M1", first), statement_file("M2", second))
    assert world.state_of(one) == "SETTLED"
    assert world.verdicts() == ["settlement", "repeated_settlement"]
    assert world.discrepancies() == [("duplicate_settlement", one, 500_000)]
    balances = world.balances()
    assert (balances["paid:NS"], balances["suspense:AGRI"]) == (1_000_000, -500_000)


def test_a_discrepancy_is_noted_once_however_often_it_is_seen(world: World) -> None:
    one = world.references()[0]
    closing = OPENING
    for number in range(1, 5):
        statement = statement_of(f"ST{number}", number, closing, [[one, 400_000, True, f"D{number}"]])
        closing = statement["closing"]
        world.receive(statement_file(f"M{number}", statement))
    assert world.discrepancies() == [("amount_mismatch", one, 100_000), ("duplicate_settlement", one, 300_000)]


def test_a_wrong_amount_is_settled_and_noted(world: World) -> None:
    one = world.references()[0]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, [[one, 499_000, True, "D1"]])))
    assert world.state_of(one) == "SETTLED"
    assert world.discrepancies() == [("amount_mismatch", one, 1_000)]
    assert (world.balances()["paid:NS"], world.balances()["suspense:AGRI"]) == (499_000, 1_000)


def test_a_wrong_currency_is_noted_and_no_dong_of_it_is_believed(world: World) -> None:
    one = world.references()[0]
    entries = [[one, 20, True, "D1", "", "BOOK", "USD"]]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    assert [(kind, reference) for kind, reference, _ in world.discrepancies()] == [("currency_mismatch", one)]
    assert world.balances()["suspense:AGRI"] == 500_000
    # A return in that currency as well: the numbers of entries decide, across files.
    back = statement_of("ST2", 2, OPENING, [[one, 20, False, "C1", "AC04", "BOOK", "USD"]])
    world.receive(statement_file("M2", back))
    assert world.state_of(one) == "RETURNED"


def test_money_under_a_strange_reference_lies_in_suspense(world: World) -> None:
    entries = [["STRANGER", 70_000, True, "X1"], ["", 30_000, False, "X2"], ["", 10_000, False, ""]]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    assert world.verdicts() == ["unknown_reference"] * 3
    assert world.discrepancies() == [
        ("unknown_reference", "ST1:2", 10_000),
        ("unknown_reference", "STRANGER", 70_000),
        ("unknown_reference", "X2", 30_000),
    ]
    assert world.balances()["suspense:AGRI"] == -30_000


def test_another_cycles_or_banks_payment_is_a_stranger_here(world: World) -> None:
    (at_the_post,) = world.references("POST")
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, [[at_the_post, 300_000, True, "D1"]])))
    assert world.verdicts() == ["unknown_reference"]
    assert world.state_of(at_the_post) == "SENT"


def test_a_recorded_deposit_is_funding_and_no_discrepancy(world: World) -> None:
    entries = [["ORDER 7", 2_550_000, False, "F1"], ["ORDER 8", 1, False, "F2"], ["ORDER 7", 2_550_001, False, "F3"]]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    assert world.verdicts() == ["funding", "unknown_reference", "unknown_reference"]


def test_a_return_before_its_debit_is_explained_when_the_debit_comes(world: World) -> None:
    one = world.references()[0]
    first = statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"]])
    second = statement_of("ST2", 2, first["closing"], [[one, 500_000, False, "C1", "AC04"]])
    world.receive(statement_file("M2", second))
    assert world.discrepancies() == [("return_without_settlement", one, 500_000)]
    assert world.state_of(one) == "SENT"
    assert world.outcomes().outstanding.count == 4
    assert world.balances()["suspense:AGRI"] == 500_000
    world.receive(statement_file("M1", first))
    assert world.discrepancies() == []
    assert world.state_of(one) == "RETURNED"
    assert "suspense:AGRI" not in world.balances()
    assert world.balances()["returned:NS"] == 500_000


def test_more_back_than_went_out_needs_a_person(world: World) -> None:
    one = world.references()[0]
    entries = [[one, 500_000, True, "D1"], [one, 500_000, False, "C1"], [one, 500_000, False, "C2"]]
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    assert world.state_of(one) == "DISPUTED"
    assert world.discrepancies() == [("amount_mismatch", one, 500_000), ("disputed", one, 500_000)]
    assert world.outcomes().outstanding.count == 4


def test_a_part_that_came_back_needs_a_person_until_the_rest_follows(world: World) -> None:
    """C27: what left less what came back is nothing or the amount; where the money is, is known all the same."""
    one = world.references()[0]
    first = statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"], [one, 200_000, False, "C1", "AC04"]])
    world.receive(statement_file("M1", first))
    assert world.state_of(one) == "DISPUTED"
    assert world.discrepancies() == [("amount_mismatch", one, 300_000), ("disputed", one, 500_000)]
    assert world.outcomes().settled == Figure(1, 500_000)
    assert (world.balances()["paid:NS"], world.balances()["returned:NS"]) == (300_000, 200_000)
    assert_the_books_agree(world)
    rest = statement_of("ST2", 2, first["closing"], [[one, 300_000, False, "C2", "AC04"]])
    world.receive(statement_file("M2", rest))
    assert world.state_of(one) == "RETURNED"
    assert ("disputed", one, 500_000) not in world.discrepancies()
    assert_the_books_agree(world)


def test_a_part_that_the_bank_takes_again_settles_the_payment(world: World) -> None:
    one = world.references()[0]
    first = statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"], [one, 200_000, False, "C1", "AC04"]])
    second = statement_of("ST2", 2, first["closing"], [[one, 200_000, True, "D2"]])
    world.receive(statement_file("M1", first))
    world.receive(statement_file("M2", second))
    assert world.state_of(one) == "SETTLED"
    assert [kind for kind, _, _ in world.discrepancies()] == ["amount_mismatch", "duplicate_settlement"]
    assert_the_books_agree(world)


def test_a_file_that_ends_a_dispute_and_brings_it_up_again_leaves_it_open(world: World) -> None:
    one = world.references()[0]
    first = statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"], [one, 200_000, False, "C1"]])
    second = statement_of("ST2", 2, first["closing"], [[one, 300_000, False, "C2"]])
    third = statement_of("ST3", 3, second["closing"], [[one, 100_000, False, "C3"]])
    world.receive(statement_file("M1", first, second, third))
    assert world.state_of(one) == "DISPUTED"
    assert ("disputed", one, 500_000) in world.discrepancies()


def test_a_rejected_payment_that_is_booked_after_all_is_settled(world: World) -> None:
    one = world.references()[0]
    world.receive(
        status_file("S1", message_of(world), [(one, "RJCT", "AC04", "")]),
        statement_file("M1", statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"]])),
    )
    assert world.state_of(one) == "SETTLED"
    assert world.balances().get("fund:NS", 0) == 0
    assert world.balances()["paid:NS"] == 500_000


# ------------------------------------------------------------- the bank's word leads out of UNKNOWN


@pytest.mark.parametrize("by", ["status", "statement"])
def test_a_status_file_or_a_statement_ends_an_unknown(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, by: str
) -> None:
    world = make_world(database, sealer, vault, clock, AGRI={"can_enquire": "no"}).approve(("AGRI", 500_000))

    def lose_the_answer(file: Any) -> str:
        raise OutcomeUnknown("no answer")

    world.bank().script = [lose_the_answer]
    (batch,) = world.submit().batches
    assert world.outcomes().unknown.count == 1
    (one,) = world.references()
    said = {
        "status": status_file("S1", batch.message_id, [(one, "ACSP", "", "")]),
        "statement": statement_file("M1", statement_of("ST1", 1, OPENING, [[one, 500_000, True, "D1"]])),
    }
    assert decided(world.receive(said[by])) == [("ACCEPTED", "")]
    assert world.outcomes().unknown.count == 0
    assert world.submit().is_complete
    assert len(world.bank().sendings) == 1
    assert world.state_of(one) == ("SENT" if by == "status" else "SETTLED")


# ----------------------------------------------------------------- order and repetition


def what_is_so(world: World) -> dict[str, Any]:
    """Everything that files of a bank may change, without the row numbers of how it came about."""
    kept = ("state", "best_status", "is_refused", "debit_count", "debited_vnd", "credit_count", "credited_vnd",
            "reason_code", "bank_reference")  # fmt: skip
    return {
        "payments": {one: [row[name] for name in kept] for one, row in world.payments().items()},
        "balances": world.balances(),
        "open": world.discrepancies(),
        "verdicts": sorted(world.verdicts()),
        "outcomes": world.outcomes(),
    }


@pytest.fixture
def sent_world(tmp_path: Path, sqlite_template: Path, clock: FixedClock, sealer: Sealer, vault: Vault) -> World:
    path = tmp_path / "sent.db"
    shutil.copyfile(sqlite_template, path)
    world = make_world(open_database(f"sqlite:///{path}"), sealer, vault, clock)
    world.approve(*[("AGRI", 500_000 + 1_000 * row) for row in range(8)])
    assert world.submit().is_complete
    return world


def test_every_order_and_every_repetition_of_files_ends_in_the_same_place(
    tmp_path: Path, sent_world: World, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    mid = message_of(sent_world)
    refs = sent_world.references()
    amounts = {one: row["amount_vnd"] for one, row in sent_world.payments().items()}
    statuses = status_file(
        "S1", mid, [(refs[0], "ACSC", "", "S0"), (refs[1], "RJCT", "AC04", ""), (refs[2], "RJCT", "AC01", ""),
                    (refs[6], "ACSP", "", ""), (refs[6], "RCVD", "", "")],
    )  # fmt: skip
    first = statement_of(
        "ST1", 1, OPENING,
        [[one, amounts[one], True, f"D{row}"] for row, one in enumerate(refs[:1] + refs[2:6])]
        + [[refs[5], amounts[refs[5]], True, "D5b"], ["STRANGER", 5_000, True, "X"]],
    )  # fmt: skip
    second = statement_of(
        "ST2", 2, first["closing"],
        [[refs[3], amounts[refs[3]], False, "C3", "AC06"], [refs[4], amounts[refs[4]] - 1, False, "C4", "MS03"],
         [refs[7], amounts[refs[7]], False, "C7", "AC04"]],
    )  # fmt: skip
    again = {**first, "id": "ST1-COPY", "entries": first["entries"][::-1]}
    files = {
        "statuses": statuses,
        "debits": statement_file("M1", first),
        "returns": statement_file("M2", second),
        "copy": statement_file("M3", again),
    }
    template = Path(str(sent_world.database.engine.url.database))
    sent_world.database.close()
    ends: list[dict[str, Any]] = []
    for number, order in enumerate(permutations(files)):
        path = tmp_path / f"order-{number}.db"
        shutil.copyfile(template, path)
        world = make_world(open_database(f"sqlite:///{path}"), sealer, vault, clock)
        world.cycle_id = sent_world.cycle_id
        together = number % 2 == 0
        if together:
            world.receive(*[files[name] for name in order])
        else:
            for name in order:
                world.receive(files[name])
        # Everything once more, in other bytes and the other way round.
        world.receive(*[files[name] + b" " for name in reversed(order)])
        ends.append(what_is_so(world))
        world.database.close()
        path.unlink()
    assert ends[0]["payments"][refs[0]][0] == "SETTLED"
    assert ends[0]["payments"][refs[1]][0] == "REJECTED"
    assert ends[0]["payments"][refs[2]][0] == "SETTLED"
    assert ends[0]["payments"][refs[3]][0] == "RETURNED"
    for end in ends:
        assert end == ends[0]
    assert ends[0]["payments"][refs[4]][0] == "DISPUTED"  # one đồng of it did not come back
    assert sorted(kind for kind, _, _ in ends[0]["open"]) == [
        "amount_mismatch",
        "disputed",
        "duplicate_settlement",
        "return_without_settlement",
        "unknown_reference",
    ]


def test_postings_are_made_once_however_often_we_run(world: World) -> None:
    world.receive(statement_file("M1", statement_of("ST1", 1, OPENING, debits(world))))
    posted = count(world, ledger_transaction)
    for _ in range(2):
        assert world.reconcile().files == ()
    assert count(world, ledger_transaction) == posted
    with world.database.read() as connection:
        assert ledger.unbalanced(connection, 1) == []


def test_a_run_that_is_killed_in_a_file_leaves_nothing_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    before = what_is_so(world)
    world.bank().put_out("one", statement_file("M1", statement_of("ST1", 1, OPENING, debits(world))))
    world.collect()
    with monkeypatch.context() as patched:
        patched.setattr("paysvc.store.returns.decide_file", die)
        with pytest.raises(Killed):
            world.reconcile()
    assert what_is_so(world) == before
    assert decided(world.reconcile()) == [("ACCEPTED", "")]
    assert world.outcomes().settled.count == 3


def test_two_runs_at_once_queue_for_the_money(
    postgresql_url: str, sealer: Sealer, vault: Vault, clock: FixedClock
) -> None:
    """Else both could read a payment before either has added its debit to it."""
    world = make_world(open_database(postgresql_url), sealer, vault, clock).approve(("AGRI", 500_000))
    world.submit()
    entries = [[world.references()[0], 500_000, True, "D1"]]
    world.bank().put_out("one", statement_file("M1", statement_of("ST1", 1, OPENING, entries)))
    world.collect()
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as other_run:
        with world.database.write() as ours, world.database.engine.connect() as watching:
            queue_for_money(ours)
            theirs = other_run.submit(world.reconcile)
            while not watching.execute(waiting).scalar_one():
                assert not theirs.done(), "the other run did not wait"
        assert decided(theirs.result()) == [("ACCEPTED", "")]
    world.database.close()


def test_a_payment_is_looked_up_however_many_there_ever_were(sent_world: World) -> None:
    """SQLite would scan the whole history for every file, were it asked in another way."""
    asked: list[Any] = []
    with sent_world.database.write() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        bookings.read_by_reference(connection, "AGRI", sent_world.references())
        statement, parameters = asked[-1]
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert plan[0] == "SCAN wanted_reference"
    assert all(step.startswith("SEARCH") for step in plan[1:])


@pytest.mark.parametrize("worth_reading", [0, 4])
def test_reading_whole_batches_finds_what_look_ups_find(
    sent_world: World, monkeypatch: pytest.MonkeyPatch, worth_reading: int
) -> None:
    """Two of three payments, a stranger and nothing; batches are read whole, or (0) are too large for it."""
    wanted = [*sent_world.references()[:2], "STRANGE", ""]
    with sent_world.database.write() as connection:
        expected = bookings.read_by_reference(connection, "AGRI", wanted)
        for name, value in (("_WORTH_SAMPLING", 1), ("_SAMPLE", 3), ("_WORTH_READING", worth_reading)):
            monkeypatch.setattr(bookings, name, value)
        found = bookings.read_by_reference(connection, "AGRI", wanted)
        assert bookings.read_by_reference(connection, "POST", wanted)["id"] == []
    assert sorted(zip(*found.values(), strict=True)) == sorted(zip(*expected.values(), strict=True))
    assert len(found["id"]) == 2


def test_a_file_the_database_cannot_hold_is_kept_aside(world: World) -> None:
    """PostgreSQL keeps no NUL in a text; SQLite does."""
    strange = status_file("S1", message_of(world), [("STRANGE\x00", "RJCT", "AC01", "")])
    good = status_file("S2", message_of(world), [(world.references()[0], "RJCT", "AC01", "")])
    states = [state for state, _ in decided(world.receive(strange, good))]
    assert states == (["QUARANTINED", "ACCEPTED"] if world.database.is_postgresql else ["ACCEPTED", "ACCEPTED"])
    assert world.outcomes().rejected.count == 1


def test_what_happened_to_a_file_is_written_beside_it(world: World) -> None:
    world.receive(b"nonsense", statement_file("M1", statement_of("ST1", 1, OPENING, debits(world))))
    with world.database.read() as connection:
        columns = inbound_file.c
        rows = connection.execute(
            select(columns.state, columns.kind, columns.bank_message_id, columns.reason_code).order_by(columns.id)
        ).all()
    assert [tuple(row) for row in rows] == [
        ("QUARANTINED", "", "", "not_json"),
        ("ACCEPTED", "statement", "M1", ""),
    ]


def test_who_may_not(world: World, approver: Officer) -> None:
    with pytest.raises(NotAllowed):
        reconcile_returns(world.database, world.vault, world.banks, world.clock, approver)
