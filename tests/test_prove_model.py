"""The model of the office: that it holds, that it notices, and that no order of messages shows in the end."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from copy import deepcopy
from itertools import permutations
from math import factorial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from paysvc.clock import FixedClock

from .payment_world import status_file
from .prove.model import run_model
from .prove.model_bank import Killed, ModelBank, Paper
from .prove.model_bugs import BUGS
from .prove.model_facts import read_facts
from .prove.model_office import BANK_OPTIONS, START, Desk, Doom, Intruder, doomed, place
from .prove.model_rest import by_the_bank
from .prove.model_stories import stories, tell_all


@pytest.mark.slow
def test_both_sides_books_agree_whatever_happens() -> None:
    found = run_model(25, 40, seed=2026)
    assert not found.violations, found.violations[0]
    # A model that does nothing proves nothing.
    assert found.examples >= 25
    assert found.steps > 300
    assert found.invariants_checked > 2_000
    assert found.crashes >= 1


@pytest.mark.slow
def test_what_is_known_to_go_wrong_elsewhere_goes_well() -> None:
    found = tell_all(with_ends=False)
    assert not found.violations, found.violations[0]
    assert found.examples == len(list(stories(with_ends=False))) > 60
    assert len({one.name for one in stories()}) == len(list(stories()))


#: Those that the first stories tell of; `./run prove --bug` takes any of them.
QUICK = (
    *("approval-not-bound", "own-plan-approved", "plan-update-lost", "refused-money-kept", "sent-before-noted"),
    *("line-matched-by-amount", "retry-past-the-window", "retry-with-new-bytes", "retry-without-memory"),
    *("return-taken-as-rejection", "sleeper-overwrites", "time-out-taken-as-refusal", "unknown-expires"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_fault_that_is_built_in_is_noticed(name: str) -> None:
    found = tell_all(name, with_ends=False)
    assert found.violations, f"{name} was not noticed in {found.examples} stories: {BUGS[name].sentence}"


def test_every_fault_says_what_is_wrong() -> None:
    assert len(BUGS) >= 20
    assert all(one.name == name and one.sentence.endswith(".") for name, one in BUGS.items())


@pytest.fixture
def office() -> Iterator[tuple[Desk, dict[str, ModelBank]]]:
    """The first month, planned only."""
    clock = FixedClock(START)
    banks = {code: ModelBank(code, options, clock) for code, options in BANK_OPTIONS.items()}
    desk = Desk(place().set_up(), banks, clock)
    desk.plan("2026-12")
    yield desk, banks
    desk.close()


def test_a_month_that_was_held_and_is_carried_later_survives_that_both_plans_are_drawn_anew(
    office: tuple[Desk, dict[str, ModelBank]],
) -> None:
    desk, _ = office
    desk.hold("2026-12", min(read_facts(desk.home, 0).instructions))
    for month in ("2027-01", "2026-12", "2027-01"):
        desk.plan(month)
    facts = read_facts(desk.home, 0)
    assert len(facts.due["2026-12"]) == 4


@pytest.mark.parametrize("what", ["amount_vnd", "creditor_name", "creditor_bin"])
def test_what_is_changed_between_the_batch_and_its_file_never_leaves(
    office: tuple[Desk, dict[str, ModelBank]], what: str
) -> None:
    """The batch was made of what was approved; then the process ended, and somebody came past the rules."""
    desk, banks = office
    desk.submit_plan("2026-12")
    desk.approve("2026-12")
    with doomed(Doom(3)) as doom, pytest.raises(Killed):
        desk.send("2026-12")
    assert doom.place.endswith("_make_batches committed")
    intruder = Intruder(desk.home)
    intruder.change(min(read_facts(desk.home, 0).instructions), what)
    assert [one.code for one in desk.send("2026-12").waiting] == ["batch_differs_from_approval"]
    assert len(banks["AGRI"].leavings) == 1  # the other file
    intruder.put_back()
    assert desk.send("2026-12").is_complete
    assert [one.problem for one in banks["AGRI"].leavings] == ["", ""]


# -------------------------------------------------------------------------------- confluence

SENTENCES = ("RCVD", "ACTC", "ACSP", "ACSC", "RJCT", "debit", "return")


def messages_of(bank: ModelBank, said: list[tuple[str, int]]) -> list[bytes]:
    """Each sentence about one of the bank's payments as a file of its own; statements in a row of days."""
    found = []
    for number, (sentence, which) in enumerate(said):
        order = bank.orders[which]
        if sentence in ("debit", "return"):
            bank.book(
                order.reference,
                order.amount,
                is_debit=sentence == "debit",
                reason="" if sentence == "debit" else "AC06",
            )
            bank.state()
            found.append(bank.statement(len(bank.statements), "truth").content)
            continue
        reason = "AC04" if sentence == "RJCT" else ""
        found.append(status_file(f"C{number}", order.message, [(order.reference, sentence, reason, "")]))
        (bank.said_refused if sentence == "RJCT" else set()).add(order.reference)
        (bank.said_completed if sentence == "ACSC" else set()).add(order.reference)
    return found


@pytest.mark.slow
def test_every_order_and_repetition_of_up_to_five_messages_ends_in_one_state(
    office: tuple[Desk, dict[str, ModelBank]], tmp_path: Path
) -> None:
    """All orders of each drawn set; each message comes once more at a drawn place, in other bytes or the same."""
    desk, banks = office
    desk.submit_plan("2026-12")
    desk.approve("2026-12")
    desk.send("2026-12")
    desk.close()
    sent = tmp_path / "sent"
    shutil.copytree(desk.home, sent)
    orders = []

    @settings(
        max_examples=4, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        st.lists(st.tuples(st.sampled_from(SENTENCES), st.integers(0, 1)), min_size=3, max_size=5), st.integers(0, 9)
    )
    @example([("RJCT", 0), ("ACSC", 0), ("debit", 1), ("return", 1), ("RJCT", 1)], 1)
    def agree(said: list[tuple[str, int]], seed: int) -> None:
        bank = deepcopy(banks["AGRI"])
        files = messages_of(bank, said)
        luck = random.Random(seed)
        ends = {end_of(sent, banks, bank, files, order, luck) for order in permutations(range(len(files)))}
        orders.append(factorial(len(files)))
        assert len(ends) == 1, said

    agree()
    assert len(orders) >= 4
    assert sum(orders) >= 120


def end_of(
    sent: Path,
    banks: dict[str, ModelBank],
    bank: ModelBank,
    files: list[bytes],
    order: tuple[int, ...],
    luck: random.Random,
) -> str:
    """What the rows say of payments and money after these messages in this order, as text."""
    shutil.rmtree(place().home)
    shutil.copytree(sent, place().home)
    bank.outbox = []
    desk = Desk(place().home, {**banks, "AGRI": bank}, FixedClock(START))
    arriving = [files[number] for number in order]
    for content in files:
        arriving.insert(luck.randint(0, len(arriving)), content + b" " * luck.randint(0, 2))
    one_by_one = luck.random() < 0.3
    for content in arriving:
        bank.put_out(Paper(content, True, "a message"))
        if one_by_one:
            desk.collect()
            desk.reconcile()
    desk.collect()
    desk.reconcile()
    facts = read_facts(desk.home, 0)
    desk.close()
    assert {one.state for one in facts.inbound} <= {"ACCEPTED", "REPEATED"}
    for one in facts.instructions.values():
        assert one.state == by_the_bank(bank, one), order
    balances: dict[str, int] = {}
    for account, amount, _ in facts.postings.values():
        balances[account] = balances.get(account, 0) + amount
    rows = [list(one) for one in sorted(facts.instructions.values())]
    return json.dumps([rows, sorted((name, amount) for name, amount in balances.items() if amount)])
