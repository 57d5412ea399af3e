"""The published report of a month, as an outsider verifies it, and held against the banks' ledgers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from paysvc.verify_report import verify_report

from .audit import Books, Instruction, Order

#: What a report says became of money, as far as the banks' ledgers decide it.
OUTCOMES = ("settled", "returned", "rejected")


def verified(folder: Path, public_pem: bytes) -> list[str]:
    """The parts of a report that do not hold, as sentences; nothing of the office is asked but its key."""
    return [
        f"the report {folder.name} does not hold: {part.name}: {part.message}"
        for part in verify_report(folder, public_pem).failed
    ]


def differences(folder: Path, code: str, books: Books) -> list[str]:
    """Which totals of the report of this cycle are others than those of the banks' ledgers."""
    totals = json.loads((folder / "report.json").read_bytes())["totals"]
    count, vnd = _by_the_banks(code, books)
    found = []
    for outcome in OUTCOMES:
        reported = totals[outcome]["count"], int(totals[outcome]["amount_vnd"])
        if reported != (count[outcome], vnd[outcome]):
            found.append(
                f"the report counts {reported[0]} {outcome} with {reported[1]} đồng,"
                f" the banks {count[outcome]} with {vnd[outcome]}"
            )
    return found


def _by_the_banks(code: str, books: Books) -> tuple[Counter[str], Counter[str]]:
    """How many payments of this cycle ended how, and their đồng, by the ledgers alone; only which cycle a
    reference is of, and what was turned away at a bank's door, leaves no trace there and is ours."""
    count, vnd = Counter[str](), Counter[str]()
    at_bank = {order.reference: order for order in books.orders}
    for one in books.instructions.values():
        if one.cycle != code:
            continue
        order = at_bank.get(one.reference)
        if order is not None:
            outcome, amount = _outcome(order), order.amount_vnd
        else:
            is_refused = one.message in books.turned_away or _refused_the_file(one, books)
            outcome, amount = "rejected" if is_refused else "", one.amount_vnd
        count[outcome] += 1
        vnd[outcome] += amount
    return count, vnd


def _refused_the_file(one: Instruction, books: Books) -> bool:
    _, is_taken = books.bank_messages[one.bank].get(one.message, ("", True))
    return not is_taken


def _outcome(order: Order) -> str:
    net = sum(order.debits) - sum(order.credits)
    if not order.debits and not order.credits:
        return "rejected" if order.state == "rejected" else ""
    if net > 0:
        return "settled"
    return "returned" if net == 0 and order.debits else ""
