"""From what a bank's file adds to the payments it speaks of: states, ledger, discrepancies.

`before` and `after` are columns of `store.bookings`: the same instructions in the same order,
as they were and with the file's words joined in. The money moves by the difference of where
it was and where it is now, so a file can only ever add what it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Connection

from paysvc.core import standing, verdicts
from paysvc.core.standing import PlaceColumns
from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8
from paysvc.core.verdicts import TallyColumns
from paysvc.domain.bank_returns import FINAL_ACCEPTANCES, LetterWord
from paysvc.domain.instructions import INSTRUCTION_NEXT, InstructionState, may_follow
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store import bookings, double_payments, ledger
from paysvc.store.bookings import Columns, NewDiscrepancy, NotedDiscrepancy
from paysvc.store.ledger import Posting
from paysvc.store.sending import in_transit

_DIFFERS = "A booked amount differs from the amount sent."
_MORE_BACK = "More came back than had gone out."
_DISPUTED = "What the bank said or booked excludes itself; ask it which holds."
_LAST_WORD = "A letter of the bank says that it did not make the payment."
_DETAILS = {
    DiscrepancyKind.CURRENCY_MISMATCH: "An entry in another currency is booked.",
    DiscrepancyKind.DUPLICATE_SETTLEMENT: "The bank booked more than one debit.",
    DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT: "Money came back that was never booked out.",
}


def apply(
    connection: Connection,
    bank_code: str,
    inbound_file_id: int,
    before: Columns,
    after: Columns,
    differing_vnd: Int64,
    currency_differs: Bool,
    at: datetime,
    event: str,
) -> int:
    """Write the new standing of the payments, move their money, note what does not agree.

    `differing_vnd` (how far booked amounts are from the amount sent, in đồng) and
    `currency_differs` speak of this file's entries, one a payment.
    `event` names the file (and statement) and makes the postings count once. Returns how many
    discrepancies were noted. Raises ValueError for a change of state that cannot be.
    """
    if not before["id"]:
        return 0
    noted = bookings.read_noted(connection, _may_be_noted(before))
    was_foreign = _known_foreign(before["id"], noted)
    no_difference = np.zeros(len(before["id"]), dtype=np.bool_)
    tally_before = _tally(before, no_difference, was_foreign)
    tally_after = _tally(after, differing_vnd > 0, was_foreign | currency_differs)
    codes_before, codes_after = _state_codes(before, tally_before), _state_codes(after, tally_after)
    after["state"] = [standing.STATES[code] for code in codes_after.tolist()]
    _require_possible(before["state"], after["state"])
    bookings.update_instructions(connection, before, after)
    amounts = np.array(before["amount_vnd"], dtype=np.int64)
    _move(
        connection,
        bank_code,
        before,
        standing.places(amounts, tally_before, codes_before),
        standing.places(amounts, tally_after, codes_after),
        at,
        event,
    )
    paid_twice = double_payments.note(connection, inbound_file_id, before, after, at)
    found = _note(connection, bank_code, inbound_file_id, before, differing_vnd, tally_after, noted, at)
    disputed = _note_disputes(connection, bank_code, inbound_file_id, after, noted, at)
    return paid_twice + found + disputed


def first_text(one: str, other: str) -> str:
    """The first in order of the two that are not empty: it does not matter who came first."""
    return min(one, other) if one and other else one or other


def post_unknown_money(
    connection: Connection, bank_code: str, net_vnd: int, count: int, at: datetime, event: str
) -> None:
    """Money under references that nobody knows (credits − debits): in suspense until explained."""
    postings = [Posting(ledger.suspense(bank_code), net_vnd, count), Posting(ledger.TREASURY, -net_vnd, count)]
    _post(connection, at, "unknown_money", event, postings)


def _may_be_noted(columns: Columns) -> list[int]:
    """Those of the payments about which something can have been noted before: most are new."""
    had_bookings = np.array(columns["debit_count"], np.int64) + np.array(columns["credit_count"], np.int64) > 0
    is_disputed = np.fromiter((one == InstructionState.DISPUTED for one in columns["state"]), np.bool_)
    return [columns["id"][row] for row in np.flatnonzero(had_bookings | is_disputed).tolist()]


def _known_foreign(ids: Sequence[int], noted: Iterable[NotedDiscrepancy]) -> Bool:
    foreign = {one.instruction_id for one in noted if one.kind == DiscrepancyKind.CURRENCY_MISMATCH}
    return np.fromiter((one in foreign for one in ids), dtype=np.bool_, count=len(ids))


def _tally(columns: Columns, amount_differs: Bool, currency_differs: Bool) -> TallyColumns:
    empty = TextColumn.repeat("", len(columns["id"]))
    return TallyColumns(
        debit_count=np.array(columns["debit_count"], dtype=np.int32),
        debited_vnd=np.array(columns["debited_vnd"], dtype=np.int64),
        credit_count=np.array(columns["credit_count"], dtype=np.int32),
        credited_vnd=np.array(columns["credited_vnd"], dtype=np.int64),
        amount_differs=amount_differs,
        currency_differs=currency_differs,
        # Decisions are made by numbers; the texts are merged by the caller.
        reason_code=empty,
        bank_reference=empty,
    )


def _state_codes(columns: Columns, tally: TallyColumns) -> UInt8:
    completed = np.fromiter((best in FINAL_ACCEPTANCES for best in columns["best_status"]), np.bool_, len(tally))
    completed &= ~np.fromiter((word == LetterWord.NOT_MADE for word in columns["letter_word"]), np.bool_, len(tally))
    amounts = np.array(columns["amount_vnd"], dtype=np.int64)
    return standing.states(amounts, tally, np.array(columns["is_refused"], dtype=np.bool_), completed)


def _require_possible(before: Sequence[str], after: Sequence[str]) -> None:
    for one, other in set(zip(before, after, strict=True)):
        if one != other and not may_follow(INSTRUCTION_NEXT, InstructionState(one), InstructionState(other)):
            raise ValueError(f"a payment cannot go from {one} to {other}")


# ------------------------------------------------------------------------------- ledger


def _move(
    connection: Connection,
    bank_code: str,
    columns: Columns,
    was: PlaceColumns,
    now: PlaceColumns,
    at: datetime,
    event: str,
) -> None:
    """Post the difference: bookings, what came back of them, and money nobody announced."""
    came_back = now.returned - was.returned
    unannounced = now.treasury - was.treasury
    funds, channels = columns["fund_code"], columns["channel"]
    transit_accounts = [in_transit(bank_code, channel) for channel in channels]
    suspense = ledger.suspense(bank_code)
    moved = [
        *_sums(transit_accounts, now.in_transit - was.in_transit),
        *_sums([ledger.fund(one) for one in funds], now.fund - was.fund),
        *_sums([ledger.paid(one) for one in funds], now.paid - was.paid + came_back),
        *_sums([suspense] * len(funds), now.suspense - was.suspense + unannounced),
    ]
    _post(connection, at, "bank_word", event, moved)
    returned = [
        *_sums([ledger.paid(one) for one in funds], -came_back),
        *_sums([ledger.returned(one) for one in funds], came_back),
    ]
    _post(connection, at, "returned", event, returned)
    strange = [
        *_sums([suspense] * len(funds), -unannounced),
        *_sums([ledger.TREASURY] * len(funds), unannounced),
    ]
    _post(connection, at, "unannounced_money", event, strange)


def _sums(accounts: Sequence[str], changes: Int64) -> list[Posting]:
    """One posting an account; the count is how many payments it is about."""
    rows = np.flatnonzero(changes)
    amounts: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for row, change in zip(rows.tolist(), changes[rows].tolist(), strict=True):
        amounts[accounts[row]] += change
        counts[accounts[row]] += 1
    return [Posting(account, amounts[account], counts[account]) for account in sorted(amounts)]


def _post(connection: Connection, at: datetime, kind: str, event: str, postings: Sequence[Posting]) -> None:
    if any(one.amount_vnd or one.count for one in postings):
        ledger.post(connection, at, kind, f"{kind}:{event}", postings)


# ------------------------------------------------------------------------ discrepancies


def _note(
    connection: Connection,
    bank_code: str,
    inbound_file_id: int,
    columns: Columns,
    differing_vnd: Int64,
    tally: TallyColumns,
    noted: Sequence[NotedDiscrepancy],
    at: datetime,
) -> int:
    """Note each thing once, and close what this file explained."""
    found = verdicts.discrepancies(tally)
    is_noted = {(one.instruction_id, one.kind, one.detail) for one in noted if one.is_open or not _passes(one)}
    news = []
    holds: set[tuple[int, str, str]] = set()
    for kind, flags in found.items():
        for row in np.flatnonzero(flags).tolist():
            detail = _DETAILS.get(kind) or (_DIFFERS if tally.amount_differs[row] else _MORE_BACK)
            key = (columns["id"][row], kind.value, detail)
            holds.add(key)
            if key not in is_noted:
                concerned = _concerned(kind, detail, columns["amount_vnd"][row], int(differing_vnd[row]), tally, row)
                news.append(NewDiscrepancy(kind.value, columns["end_to_end_id"][row], key[0], concerned, detail))
    bookings.insert_discrepancies(connection, bank_code, inbound_file_id, news, at)
    over = [
        one.id
        for one in noted
        if one.is_open
        and one.kind != DiscrepancyKind.DISPUTED
        and _passes(one)
        and (one.instruction_id, one.kind, one.detail) not in holds
    ]
    bookings.resolve_discrepancies(connection, over, at, "reconcile-returns", "A later file explained it.")
    return len(news)


def _note_disputes(
    connection: Connection,
    bank_code: str,
    inbound_file_id: int,
    after: Columns,
    noted: Sequence[NotedDiscrepancy],
    at: datetime,
) -> int:
    """A payment that is DISPUTED now has an open note, and one that no longer is has none."""
    kind = DiscrepancyKind.DISPUTED.value
    is_open = {one.instruction_id: one.id for one in noted if one.kind == kind and one.is_open}
    rows = [row for row, state in enumerate(after["state"]) if state == InstructionState.DISPUTED]
    news = [
        NewDiscrepancy(kind, after["end_to_end_id"][row], after["id"][row], after["amount_vnd"][row], _DISPUTED)
        for row in rows
        if after["id"][row] not in is_open
    ]
    bookings.insert_discrepancies(connection, bank_code, inbound_file_id, news, at)
    disputed = {after["id"][row] for row in rows}
    refused = {after["id"][row] for row, state in enumerate(after["state"]) if state == InstructionState.REJECTED}
    for is_refused, words in ((False, "The bank booked what became of it."), (True, _LAST_WORD)):
        over = [one for at_, one in is_open.items() if at_ not in disputed and (at_ in refused) is is_refused]
        bookings.resolve_discrepancies(connection, over, at, "reconcile-returns", words)
    return len(news)


def _passes(one: NotedDiscrepancy) -> bool:
    """True for what may only have been a matter of order: the missing debit may come yet."""
    return one.kind == DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT or one.detail == _MORE_BACK


def _concerned(kind: DiscrepancyKind, detail: str, amount: int, differing: int, tally: TallyColumns, row: int) -> int:
    """The đồng that do not agree."""
    debited, credited = int(tally.debited_vnd[row]), int(tally.credited_vnd[row])
    if kind is DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT or detail == _MORE_BACK:
        return credited - debited
    if kind is DiscrepancyKind.CURRENCY_MISMATCH:
        return amount
    return debited - amount if kind is DiscrepancyKind.DUPLICATE_SETTLEMENT else differing
