"""Dues that two payments carry to somebody at once, or two programmes of which one is to be paid: seen when the
bank's word brings one of them to life (C29)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, or_, select

from paysvc.domain.instructions import NOT_LIVE
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store import bookings, stacked_payments
from paysvc.store.bookings import Columns, NewDiscrepancy
from paysvc.store.bulk import in_chunks
from paysvc.store.resubmissions import MINE, OTHER, SAME_DUES
from paysvc.store.tables import discrepancy, instruction

_KIND = DiscrepancyKind.PAID_AFTER_RESUBMISSION.value


class _Pair(NamedTuple):
    """Two live payments of which one is too much, by the later of them, which is the one to be recalled."""

    later_id: int
    later: str
    bank_code: str
    amount_vnd: int
    earlier_id: int
    earlier: str
    #: Or else of two programmes of one group, to the same person for the same month.
    is_of_same_dues: bool = True


def note(connection: Connection, inbound_file_id: int, before: Columns, after: Columns, at: datetime) -> int:
    """Look at the payments that a bank's file brought to life or ended; returns how many are new pairs.

    `before` and `after` as in `store.money_moves.apply`, and written already. A pair is noted
    once, about its later payment; it is closed when one of the two has come back.
    """
    changed = [
        row
        for row, (was, now) in enumerate(zip(before["state"], after["state"], strict=True))
        if (was in NOT_LIVE) != (now in NOT_LIVE)
    ]
    if not changed:
        return 0
    ids = [before["id"][row] for row in changed]
    noted = _open_notes(connection, ids)
    pairs = _pairs(connection, {*ids, *noted})
    new = sorted(one for one in pairs if one not in noted)
    for bank_code in sorted({pairs[one].bank_code for one in new}):
        news = [_described(pairs[one]) for one in new if pairs[one].bank_code == bank_code]
        bookings.insert_discrepancies(connection, bank_code, inbound_file_id, news, at)
    over = [row_id for later_id, row_id in noted.items() if later_id not in pairs]
    bookings.resolve_discrepancies(connection, over, at, "reconcile-returns", "One of the two payments ended.")
    return len(new)


def note_taken_up(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    """As `note`, about payments that left before the database was put back, and are only now known to have left.

    The bank's word that brought the other one to life was read before that; the last one about it is named.
    """
    noted = _open_notes(connection, ids)
    for later_id, pair in sorted(_pairs(connection, {*ids, *noted}).items()):
        file_id = None if later_id in noted else bookings.last_word(connection, pair.earlier_id)
        if file_id is not None:
            bookings.insert_discrepancies(connection, pair.bank_code, file_id, [_described(pair)], at)


def _pairs(connection: Connection, ids: Collection[int]) -> dict[int, _Pair]:
    """The pairs in which these payments are, by the later of each."""
    return {pair.later_id: pair for pair in [*_stacked_pairs(connection, ids), *_live_pairs(connection, ids)]}


def _described(pair: _Pair) -> NewDiscrepancy:
    other = "whose place it takes" if pair.is_of_same_dues else "of a programme that excludes its own in that month"
    detail = f"It and {pair.earlier}, {other}, are both paid or on their way."
    return NewDiscrepancy(_KIND, pair.later, pair.later_id, pair.amount_vnd, detail)


def _live_pairs(connection: Connection, ids: Iterable[int]) -> list[_Pair]:
    """The pairs of the same dues in which these payments are, both of them live and in a batch."""
    one = instruction.c
    is_later = one.generation > OTHER.c.generation

    def of_later(name: str) -> ColumnElement[Any]:
        return case((is_later, one[name]), else_=OTHER.c[name])

    columns = [of_later(name) for name in ("id", "end_to_end_id", "bank_code", "amount_vnd")]
    columns += [case((is_later, OTHER.c[name]), else_=one[name]) for name in ("id", "end_to_end_id")]
    found = []
    for chunk in in_chunks(ids):
        rows = connection.execute(
            select(*columns)
            .join_from(SAME_DUES, instruction, one.entitlement_id == MINE.c.entitlement_id)
            .where(one.id.in_(chunk), one.is_live, OTHER.c.is_live)
            .where(one.batch_id.is_not(None), OTHER.c.batch_id.is_not(None))
            .distinct()
        )
        found += [_Pair._make((*row, True)) for row in rows]
    return sorted(found, reverse=True)


def _stacked_pairs(connection: Connection, ids: Iterable[int]) -> list[_Pair]:
    """As `_live_pairs`, of programmes of one group. Neither takes the other's place; the one planned later is
    too much."""
    found = stacked_payments.pairs(connection, ids)
    one = instruction.c
    live = {
        row.id: row
        for chunk in in_chunks({row_id for pair in found for row_id in pair})
        for row in connection.execute(
            select(one.id, one.end_to_end_id, one.bank_code, one.amount_vnd).where(
                one.id.in_(chunk), one.is_live, one.batch_id.is_not(None)
            )
        )
    }
    both = [(live[earlier], live[later]) for earlier, later in sorted(found) if earlier in live and later in live]
    return [_Pair(*later, earlier.id, earlier.end_to_end_id, is_of_same_dues=False) for earlier, later in both]


def _open_notes(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Open notes about these payments or about others of the same dues or group: the payment -> the note."""
    columns = discrepancy.c
    others = select(OTHER.c.id).join_from(SAME_DUES, instruction, instruction.c.entitlement_id == MINE.c.entitlement_id)
    found: dict[int, int] = {}
    stacked = {row_id for pair in stacked_payments.pairs(connection, ids) for row_id in pair}
    for chunk in in_chunks({*ids, *stacked}):
        concerned = or_(
            columns.instruction_id.in_(chunk), columns.instruction_id.in_(others.where(instruction.c.id.in_(chunk)))
        )
        rows = connection.execute(
            select(columns.instruction_id, columns.id).where(
                and_(columns.kind == _KIND, columns.resolved_at.is_(None), concerned)
            )
        )
        found.update((row.instruction_id, row.id) for row in rows)
    return found
