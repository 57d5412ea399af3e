"""The end of a story: the faults are over, the bank puts out all it has, and both books say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .model_bank import ModelBank
from .model_facts import Instruction

if TYPE_CHECKING:
    from .model import Model

#: Running on like this changes nothing more; if it still does, something never comes to rest.
_ROUNDS = 4


def come_to_rest(model: Model) -> None:
    """Raises `Broken` naming what does not agree."""
    model.tell("in the end every fault is over, and the banks put out all they have")
    model.restart()
    send_all(model)
    for bank in model.bank.values():
        put_everything_out(bank, {one: payments_in(model, one) for one in open_messages(model, bank)})
    seen = b""
    for _ in range(_ROUNDS):
        model.attempt(model.desk.collect)
        model.attempt(model.desk.reconcile)
        send_all(model)
        if seen == (seen := repr(sorted(model.now.batches.items())).encode()) and not waiting(model):
            break
    for difference in differences(model):
        model.fail("in_the_end_both_books_say_the_same", difference)
    for difference in model.desk.check_everything():
        model.fail("every_equation_of_the_books_holds", difference)


def send_all(model: Model) -> None:
    for cycle, state in refreshed(model).items():
        if state in ("APPROVED", "RELEASED"):
            model.attempt(lambda cycle=cycle: model.desk.send(cycle))
    refreshed(model)


def refreshed(model: Model) -> dict[str, str]:
    """The cycles as they are now."""
    model._looked_at = -1
    model.look()
    return model.now.cycles


def batches(model: Model, bank: ModelBank) -> list[tuple[str, tuple[str, str]]]:
    return [(message, one) for message, one in model.now.batches.items() if one[0] == bank.code]


def open_messages(model: Model, bank: ModelBank) -> list[str]:
    return [one for one, (_, state) in batches(model, bank) if state not in ("SENT", "REFUSED", "DISSOLVED")]


def payments_in(model: Model, message: str) -> tuple[str, ...]:
    return tuple(one.reference for one in model.now.instructions.values() if one.message == message)


def waiting(model: Model) -> list[str]:
    return [one.name for one in model.now.inbound if one.state in ("STORED", "PARKED")]


def put_everything_out(bank: ModelBank, asked_for: Mapping[str, tuple[str, ...]]) -> None:
    """All that lies in drawers, the truth about every message and every day. Of the messages it is asked
    for (with the payments that should be in them) it refuses those it never had."""
    bank.arrive()
    for paper in [*bank.drawer]:
        bank.put_out(paper)
    bank.drawer = []
    for message, references in asked_for.items():
        if message not in bank.taken_at:
            bank.references_of[message] = references
            bank.put_out(bank.disown(message))
    for message in bank.taken_at:
        bank.put_out(bank.report(message, "whole"))
        bank.put_out(bank.report(message, "truth"))
    if sum(len(one["bookings"]) for one in bank.statements) < len(bank.bookings):
        bank.state()
    for number in range(1, len(bank.statements) + 1):
        bank.put_out(bank.statement(number, "truth"))


def differences(model: Model) -> Iterator[str]:
    """What the two sides do not say alike."""
    for message, (code, state) in model.now.batches.items():
        if state not in ("SENT", "REFUSED", "DISSOLVED"):
            yield f"{message} is still {state} at {code}"
    yield from (f"{name} is still not decided" for name in waiting(model))
    for one in model.now.instructions.values():
        if not one.message:
            continue
        expected = by_the_bank(model.bank[one.bank], one)
        if one.state != expected:
            yield f"{one.reference} is {one.state}, by {one.bank}'s books {expected}"
    for bank in model.bank.values():
        believed = [one for one in model.now.statements if one.bank == bank.code]
        if len(believed) != len(bank.statements):
            yield f"{len(believed)} of {len(bank.statements)} statements of {bank.code} are believed"
        elif believed and believed[-1].closing != bank.statements[-1]["closing"]:
            yield f"{bank.code} has another balance"


def by_the_bank(bank: ModelBank, one: Instruction) -> str:
    """What became of a payment: debits and credits that were booked, and what was said."""
    debits, credits_ = (bank.booked(one.reference, is_debit=way) for way in (True, False))
    refused, completed = one.reference in bank.said_refused, one.reference in bank.said_completed
    if debits:
        net = sum(debits) - sum(credits_)
        return "SETTLED" if net > 0 else "DISPUTED" if net < 0 else "RETURNED"
    if refused:
        return "DISPUTED" if credits_ or completed else "REJECTED"
    return "SENT"
