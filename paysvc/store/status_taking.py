"""A status file into the store: each status kept, and joined to what was said before by rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import numpy as np
from sqlalchemy import Connection

from paysvc.bank_interface import BankSettings
from paysvc.core.columns import StatusColumns, no_statuses
from paysvc.core.messages import BankReturns, ControlTotals, GroupStatus
from paysvc.domain import bank_letters
from paysvc.domain.bank_returns import REFUSALS, STATUS_RANK, LetterWord, MergedStatus, merge_letter, merge_status
from paysvc.domain.errors import FileRefused
from paysvc.domain.instructions import BatchState
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store import bank_files, batches, bookings, lost_files, money_moves, returns, sending
from paysvc.store.batches import Batch
from paysvc.store.bookings import CHANGEABLE, Columns, NewDiscrepancy
from paysvc.store.returns import InboundFile
from paysvc.store.statements import fitting
from paysvc.store.taking import MustWait, Taken

#: A file says few different things, each of many payments.
_merged = lru_cache(maxsize=1024)(merge_status)

#: Reads an earlier file again: its name and digest -> what it says.
Reread = Callable[[str, bytes], BankReturns]


@dataclass(slots=True)
class _Rows:
    """Statuses as they will be stored: those named in the file, then those spread from groups
    to payments of which they say more than the file says by name."""

    references: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    reason_codes: list[str] = field(default_factory=list)
    bank_references: list[str] = field(default_factory=list)


def take_statuses(
    connection: Connection, bank: BankSettings, file: InboundFile, said: BankReturns, reread: Reread, at: datetime
) -> Taken:
    """One status file (or receipt, or letter). A status of a whole file reaches every payment in it, also
    those that the file names with another status: as if it had come in a file of its own.

    Raises `MustWait` while a file of ours that it answers is not known, and `FileRefused` when
    its totals are not those of our file, or its message id was used for something else.
    """
    if _says_what_was_said(connection, bank, said, reread):
        return Taken(is_repetition=True)
    answered = _answered(connection, bank.code, said)
    for group in said.groups:
        _require_agreement(group, answered[group.message_id])
    for one in answered.values():
        if one.state not in (BatchState.SENT, BatchState.REFUSED):
            sending.record_sent(connection, one, at)
    named = said.statuses if said.statuses is not None else no_statuses()
    known = _known(connection, bank.code, named, [answered[group.message_id] for group in said.groups])
    if _arrived(connection, known, at):
        known = _known(connection, bank.code, named, [answered[group.message_id] for group in said.groups])
    rows = _rows(named, said.groups, answered, known)
    places = {reference: row for row, reference in enumerate(known["end_to_end_id"])}
    found = [places.get(reference) for reference in rows.references]
    strangers = sorted({one for one, row in zip(rows.references, found, strict=True) if row is None})
    lost_files.refuse_open(connection, bank.code, strangers)
    if rows.references and not answered and not any(row is not None for row in found):
        raise MustWait("payments_unknown", "It speaks only of payments that this bank was not told to make.")
    ids = [None if row is None else known["id"][row] for row in found]
    returns.insert_statuses(
        connection, file, rows.references, ids, rows.statuses, rows.reason_codes, rows.bank_references
    )
    nothing = np.zeros(len(known["id"]), dtype=np.int64)
    event = f"{bank.code}:{file.sha256.hex()}"
    after = _joined(known, rows, found, is_letter=said.kind == bank_letters.KIND)
    noted = money_moves.apply(connection, bank.code, file.id, known, after, nothing, nothing > 0, at, event)
    _note_strangers(connection, bank.code, file, strangers, at)
    return Taken(statuses=len(rows.references), unknown_references=len(strangers), discrepancies=noted + len(strangers))


def _says_what_was_said(connection: Connection, bank: BankSettings, said: BankReturns, reread: Reread) -> bool:
    """True when the bank sent this message before in other bytes.

    Raises `FileRefused` when it sent another message under this id.
    """
    if not said.bank_message_id:
        return False
    before = returns.find_accepted(connection, bank.code, said.kind, said.bank_message_id[:80])
    if before is None:
        return False
    earlier = reread(before.name, before.sha256)
    if (
        earlier.groups == said.groups
        and earlier.answers_message_id == said.answers_message_id
        and _lines(earlier) == _lines(said)
    ):
        return True
    raise FileRefused("message_changed", "The bank gave another message under this id before.")


def _lines(said: BankReturns) -> list[tuple[str, str, str, str]]:
    one = said.statuses if said.statuses is not None else no_statuses()
    return sorted(zip(one.reference, one.status, one.reason_code, one.bank_reference, strict=True))


def _answered(connection: Connection, bank_code: str, said: BankReturns) -> dict[str, Batch]:
    """Our batches that the file answers, by MsgId. Raises `MustWait` for one we do not know."""
    message_ids = {said.answers_message_id, *(group.message_id for group in said.groups)} - {""}
    answered = {}
    for message_id in sorted(message_ids):
        one = batches.find_by_message_id(connection, bank_code, message_id)
        if one is None or bank_files.find_file(connection, one.id) is None:
            raise MustWait("message_unknown", "It answers a file that is not known to have been written here.")
        if one.state is BatchState.DISSOLVED:
            raise MustWait("message_dissolved", f"It answers {message_id}, of which nothing left for this bank.")
        answered[message_id] = one
    return answered


def _arrived(connection: Connection, known: Columns, at: datetime) -> bool:
    """Whoever speaks of a payment has its file, also when the file answers another or none (safety rule 3).

    True when we did not know that. Raises `MustWait` for a payment of which nothing was written.
    """
    found = [batches.get_batch(connection, one) for one in sorted(set(known["batch_id"]))]
    open_ones = [one for one in found if one.state not in (BatchState.SENT, BatchState.REFUSED)]
    for one in open_ones:
        if bank_files.find_file(connection, one.id) is None:
            raise MustWait("message_unknown", "It speaks of a payment that is not known to have been written here.")
        sending.record_sent(connection, one, at)
    return bool(open_ones)


def _require_agreement(group: GroupStatus, one: Batch) -> None:
    if group.declared is not None and group.declared != ControlTotals(one.count, one.sum_vnd):
        raise FileRefused("control_totals_differ", f"Its totals of {one.message_id} are not those of the file we sent.")
    if group.payment_information_id not in (None, f"{one.message_id}-1"):
        raise FileRefused("block_unknown", f"It speaks of a payment block that {one.message_id} does not have.")


def _known(connection: Connection, bank_code: str, named: StatusColumns, whole: list[Batch]) -> Columns:
    """Every payment the file speaks of, by name or as part of a whole file, each once."""
    parts = [bookings.read_by_batch(connection, batch_id) for batch_id in sorted({one.id for one in whole})]
    found = {reference for part in parts for reference in part["end_to_end_id"]}
    others = [reference for reference in named.reference.to_list() if reference not in found]
    return bookings.joined_parts([*parts, bookings.read_by_reference(connection, bank_code, others)])


def _rows(named: StatusColumns, groups: tuple[GroupStatus, ...], answered: dict[str, Batch], known: Columns) -> _Rows:
    rows = _Rows(
        fitting(named.reference, 140).to_list(),
        fitting(named.status, 8).to_list(),
        fitting(named.reason_code, 35).to_list(),
        fitting(named.bank_reference, 35).to_list(),
    )
    # PART, or a code of the bank's own, says nothing about single payments.
    spreading = [group for group in groups if group.status in STATUS_RANK or group.status in REFUSALS]
    named_as: dict[str, MergedStatus] = {}
    for reference, status in zip(rows.references, rows.statuses, strict=True) if spreading else ():
        named_as[reference] = _merged(named_as.get(reference, MergedStatus()), status)
    for group in spreading:
        batch_id = answered[group.message_id].id
        members = [
            reference
            for reference, of_batch in zip(known["end_to_end_id"], known["batch_id"], strict=True)
            if of_batch == batch_id and _says_more(group.status, named_as.get(reference))
        ]
        rows.references += members
        rows.statuses += [group.status] * len(members)
        rows.reason_codes += [group.reason_code[:35]] * len(members)
        rows.bank_references += [""] * len(members)
    return rows


def _says_more(group_status: str, named_as: MergedStatus | None) -> bool:
    """Whether the file's own status adds to what it says of this payment by name (None: nothing)."""
    return named_as is None or _merged(named_as, group_status) != named_as


def _joined(known: Columns, rows: _Rows, found: list[int | None], *, is_letter: bool) -> Columns:
    """The payments with these statuses merged in; order and repetition make no difference."""
    after = {**known, **{name: list(known[name]) for name in CHANGEABLE}}
    best, refused, words, reasons, references = (
        after[name] for name in ("best_status", "is_refused", "letter_word", "reason_code", "bank_reference")
    )
    join = merge_letter if is_letter else merge_status
    merged: dict[tuple[str, bool, str, str], MergedStatus] = {}
    for row, status, reason, reference in zip(
        found, rows.statuses, rows.reason_codes, rows.bank_references, strict=True
    ):
        if row is None:
            continue
        key = (best[row], bool(refused[row]), words[row], status)
        if key not in merged:
            merged[key] = join(MergedStatus(*key[:2], LetterWord(key[2])), status)
        best[row], refused[row], words[row] = merged[key].best, merged[key].refused, merged[key].letter.value
        if status in REFUSALS:
            reasons[row] = money_moves.first_text(reasons[row], reason)
        references[row] = money_moves.first_text(references[row], reference)
    return after


def _note_strangers(
    connection: Connection, bank_code: str, file: InboundFile, references: list[str], at: datetime
) -> None:
    news = [
        NewDiscrepancy(
            DiscrepancyKind.UNKNOWN_REFERENCE.value, reference, None, 0, "A status under a reference we never sent."
        )
        for reference in references
    ]
    bookings.insert_discrepancies(connection, bank_code, file.id, news, at)
