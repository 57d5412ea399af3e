"""A statement that proved itself and follows its neighbours, line by line into the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy import Connection

from paysvc.bank_interface import BankSettings
from paysvc.core.columns import BOOKED, FUTURE, INFORMATION, PENDING, EntryColumns, SentColumns
from paysvc.core.join import find_positions
from paysvc.core.messages import BankReturns, Statement
from paysvc.core.proof import exact_sum, problems_of
from paysvc.core.text_column import Bool, CategoryColumn, Int64, TextColumn
from paysvc.core.verdicts import TallyColumns, tally
from paysvc.domain.errors import FileRefused
from paysvc.domain.instructions import BatchState
from paysvc.domain.money import VND
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.domain.statement_chain import Fit, Link, fit, is_same_place, together, what_is_missing
from paysvc.store import batches, bookings, lost_files, money_moves, sending, statements
from paysvc.store.bookings import Columns, NewDiscrepancy
from paysvc.store.bulk import WithNulls
from paysvc.store.returns import InboundFile
from paysvc.store.statement_watch import EARLIER_WAITS, LATER_WAITS
from paysvc.store.statements import BelievedStatement
from paysvc.store.taking import MustWait, Taken

#: Verdicts of a line, and their places.
_VERDICTS = (
    *("unknown_reference", "funding", "return", "repeated_settlement", "settlement"),
    *("pending", "information", "future"),
)
_UNKNOWN, _FUNDING, _RETURN, _REPEATED, _SETTLEMENT, _PENDING, _INFORMATION, _FUTURE = range(len(_VERDICTS))

#: What a bank writes that has no reference of its own for a line.
_NO_MARK = frozenset({"", "NONREF", "NOTPROVIDED"})

#: Verdict of a line that is not booked, by its state: it moves nothing.
_NOT_BOOKED = {int(PENDING): _PENDING, int(INFORMATION): _INFORMATION, int(FUTURE): _FUTURE}


def take_statements(
    connection: Connection, bank: BankSettings, file: InboundFile, said: BankReturns, at: datetime
) -> Taken:
    """All statements of a file, or none: a statement that says what another said is passed over.

    Raises `FileRefused` for a statement that does not prove itself, is not about our account
    or contradicts its neighbours, and `MustWait` while one before it is missing.
    """
    return take_together(connection, bank, [(file, said)], at)[0]


def take_together(
    connection: Connection, bank: BankSettings, files: Sequence[tuple[InboundFile, BankReturns]], at: datetime
) -> list[Taken]:
    """As `take_statements`, for files none of which fits without the others (see `find_together`)."""
    for _, said in files:
        require_proved(bank, said)
    believed = statements.list_statements(connection, bank.code, bank.debtor.account)
    kept: list[Statement] = []
    news = [_unsaid(connection, believed, kept, said) for _, said in files]
    if kept:
        _require_continuity(believed, kept)
    return [_take_new(connection, bank.code, file, new, at) for (file, _), new in zip(files, news, strict=True)]


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """What a parked file's place in the row depends on: its statements without their lines."""

    file: InboundFile
    links: tuple[Link, ...]
    #: Tells statements apart that stand alike; of no meaning in another process.
    said: tuple[int, ...]


def waiting_file(bank: BankSettings, file: InboundFile, said: BankReturns) -> WaitingFile:
    """Raises `FileRefused` as `take_statements` does for a statement that does not prove itself."""
    require_proved(bank, said)
    keys = tuple(hash(tuple(statements.line_keys(one.entries))) for one in said.statements)
    return WaitingFile(file, tuple(map(_link, said.statements)), keys)


def find_together(connection: Connection, bank: BankSettings, waiting: Sequence[WaitingFile]) -> list[InboundFile]:
    """Those of the waiting files that can be believed only at once; [] when there are none."""
    believed = [one.link for one in statements.list_statements(connection, bank.code, bank.debtor.account)]
    # Of a statement that waits in several files, one does; the others then repeat it.
    seen: set[tuple[object, ...]] = set()
    links: list[list[Link]] = []
    for one in waiting:
        links.append([])
        for link, said in zip(one.links, one.said, strict=True):
            place = (link.sequence, link.from_date, link.to_date, link.opening_vnd, link.closing_vnd, said)
            if place not in seen:
                links[-1].append(link)
            seen.add(place)
    return [waiting[place].file for place in together(believed, links)]


def _link(statement: Statement) -> Link:
    proof = statement.proof
    opening, closing = proof.opening_vnd or 0, proof.closing_vnd or 0
    return Link(statement.sequence, statement.to_date, opening, closing, statement.from_date, statement.statement_id)


def require_proved(bank: BankSettings, said: BankReturns) -> None:
    """Raises `FileRefused` unless each statement of a file is about our account and proves itself."""
    if not said.statements:
        raise FileRefused("no_statement", "The file holds no account statement.")
    for statement in said.statements:
        if statement.account != bank.debtor.account:
            raise FileRefused("account_not_ours", "The statement is about another account than the configured one.")
        problems = problems_of(statement)
        if problems:
            raise FileRefused("statement_not_proved", " ".join(problems))


def _unsaid(
    connection: Connection, believed: list[BelievedStatement], kept: list[Statement], said: BankReturns
) -> list[Statement]:
    """The statements of a file that are neither believed nor among `kept`, to which they are added."""
    found = []
    for statement in sorted(said.statements, key=lambda one: _link(one).order):
        if not _says_what_was_said(connection, believed, statement) and not _is_among(kept, statement):
            found.append(statement)
            kept.append(statement)
    return found


def _says_what_was_said(connection: Connection, believed: list[BelievedStatement], statement: Statement) -> bool:
    """True when this statement, under its id or another, is one that we have.

    Raises `FileRefused` when the bank uses an id again for something else.
    """
    link, keys = _link(statement), statements.line_keys(statement.entries)
    for other in believed:
        if _could_be(other.link, link, keys) and _is_same(connection, other, link, keys):
            return True
        _require_other_id(other.statement_id, statement)
    return False


def _is_among(kept: list[Statement], statement: Statement) -> bool:
    """As `_says_what_was_said`, about statements that are not in the store yet."""
    if not kept:
        return False
    link, keys = _link(statement), statements.line_keys(statement.entries)
    for other in kept:
        as_before = (other.proof.opening_vnd, other.proof.closing_vnd) == (link.opening_vnd, link.closing_vnd)
        if as_before and _could_be(_link(other), link, keys) and statements.line_keys(other.entries) == keys:
            return True
        _require_other_id(other.statement_id, statement)
    return False


def _could_be(other: Link, link: Link, keys: Sequence[tuple[str, str, int, bool, str]]) -> bool:
    # Lines without a bank's reference could be alike on two days; a running number or the days tell.
    is_marked = bool(keys) and all(key[0] not in _NO_MARK for key in keys)
    return is_marked or other.name == link.name or is_same_place(other, link)


def _require_other_id(statement_id: str, statement: Statement) -> None:
    if statement_id == statement.statement_id:
        raise FileRefused("statement_changed", "The bank gave another statement under this id before.")


def _is_same(
    connection: Connection, other: BelievedStatement, link: Link, keys: list[tuple[str, str, int, bool, str]]
) -> bool:
    if (other.link.opening_vnd, other.link.closing_vnd) != (link.opening_vnd, link.closing_vnd):
        return False
    return other.line_count == len(keys) and statements.read_line_keys(connection, other.id) == keys


def _require_continuity(believed: list[BelievedStatement], kept: list[Statement]) -> None:
    chain, new = [one.link for one in believed], list(map(_link, kept))
    answer = fit(chain, new)
    if answer is Fit.GAP:
        # A later one that waits says that the bank has gone on: that rings at once.
        is_later = not chain or max(one.order for one in new) > min(one.order for one in chain)
        raise MustWait(LATER_WAITS if is_later else EARLIER_WAITS, what_is_missing(chain, new))
    if answer is not Fit.FITS:
        raise FileRefused(answer.value, _WHY[answer])


_WHY = {
    Fit.OPENING_DIFFERS: "It does not open with the balance with which the statement before it closes.",
    Fit.CLOSING_DIFFERS: "It does not close with the balance with which the statement after it opens.",
    Fit.NUMBER_USED: "Another statement of this account bears its running number.",
}


def _take_new(connection: Connection, bank_code: str, file: InboundFile, news: list[Statement], at: datetime) -> Taken:
    taken = Taken(is_repetition=True)
    for statement in news:
        taken = _take(connection, bank_code, file, statement, at, taken)
    return taken


def _take(
    connection: Connection, bank_code: str, file: InboundFile, statement: Statement, at: datetime, taken: Taken
) -> Taken:
    entries = statement.entries
    known = _read_known(connection, bank_code, entries, at)
    positions = find_positions(TextColumn.of(known["end_to_end_id"]), entries.reference)
    booked = entries.status == BOOKED
    lost_files.refuse_open(connection, bank_code, entries.reference.take(np.flatnonzero(positions < 0)))
    added = tally(_sent(known), entries, positions)
    debits_vnd, credits_vnd = _booked_sums(statement)
    funding = _funding(connection, entries, booked & (positions < 0))
    row_id = statements.insert_statement(connection, file.id, bank_code, statement, debits_vnd, credits_vnd, at)
    ids = np.array([*known["id"], 0], dtype=np.int64)
    statements.insert_lines(
        connection,
        row_id,
        entries,
        WithNulls(ids[positions], positions < 0),
        _verdicts(entries, positions, np.array(known["debit_count"], dtype=np.int64), funding),
    )
    event = f"{bank_code}:{file.sha256.hex()}:{row_id}"
    after, differing = _joined(known, added), _differing(known, entries, positions)
    noted = money_moves.apply(
        connection, bank_code, file.id, known, after, differing, added.currency_differs, at, event
    )
    strange = _note_strangers(connection, bank_code, file, statement, booked & (positions < 0) & ~funding, at, event)
    return replace(
        taken,
        is_repetition=False,
        statements=taken.statements + 1,
        lines=taken.lines + len(entries),
        debits_vnd=taken.debits_vnd + debits_vnd,
        credits_vnd=taken.credits_vnd + credits_vnd,
        unknown_references=taken.unknown_references + strange,
        discrepancies=taken.discrepancies + noted + strange,
    )


def _read_known(connection: Connection, bank_code: str, entries: EntryColumns, at: datetime) -> Columns:
    """The payments that the lines speak of. A line about a payment proves that its file arrived,
    whatever the sending side knows (safety rule 3)."""
    references = entries.reference.to_list()
    known = bookings.read_by_reference(connection, bank_code, references)
    arrived = [batches.get_batch(connection, one) for one in sorted(set(known["batch_id"]))]
    open_ones = [one for one in arrived if one.state not in (BatchState.SENT, BatchState.REFUSED)]
    for one in open_ones:
        sending.record_sent(connection, one, at)
    return bookings.read_by_reference(connection, bank_code, references) if open_ones else known


def _sent(known: Columns) -> SentColumns:
    count = len(known["id"])
    return SentColumns(
        end_to_end_id=TextColumn.of(known["end_to_end_id"]),
        amount_vnd=np.array(known["amount_vnd"], dtype=np.int64),
        currency=CategoryColumn.repeat(VND, count),
        message_id=CategoryColumn.repeat("", count),
        payment_information_id=CategoryColumn.repeat("", count),
    )


def _differing(known: Columns, entries: EntryColumns, positions: Int64) -> Int64:
    """How far the booked lines of each payment are from the amount sent, added up, in đồng."""
    rows = np.flatnonzero((entries.status == BOOKED) & (positions >= 0) & _in_vnd(entries))
    amounts = np.array(known["amount_vnd"], dtype=np.int64)
    found = np.zeros(len(amounts), dtype=np.int64)
    np.add.at(found, positions[rows], np.abs(entries.amount_vnd[rows] - amounts[positions[rows]]))
    return found


def _joined(known: Columns, added: TallyColumns) -> Columns:
    """The payments with this statement's bookings added to those before."""
    after = dict(known)
    for name in ("debit_count", "debited_vnd", "credit_count", "credited_vnd"):
        after[name] = (np.array(known[name], dtype=np.int64) + getattr(added, name)).tolist()
    for name in ("reason_code", "bank_reference"):
        texts = [one[:35] for one in getattr(added, name).to_list()]
        after[name] = list(map(money_moves.first_text, known[name], texts))
    return after


def _funding(connection: Connection, entries: EntryColumns, strangers: Bool) -> Bool:
    """Which credits are money of a fund whose deposit was recorded, at most as much as recorded."""
    rows = np.flatnonzero(strangers & ~entries.is_debit & _in_vnd(entries)).tolist()
    references = {row: entries.reference[row] for row in rows}
    amounts = bookings.deposited(connection, sorted(set(references.values())))
    found = np.zeros(len(entries), dtype=np.bool_)
    for row, reference in references.items():
        found[row] = int(entries.amount_vnd[row]) <= amounts.get(reference, 0)
    return found


def _verdicts(entries: EntryColumns, positions: Int64, debited_before: Int64, funding: Bool) -> TextColumn:
    """Exactly one verdict a line."""
    found = np.full(len(entries), _UNKNOWN)
    found[funding] = _FUNDING
    is_known = positions >= 0
    found[is_known & ~entries.is_debit] = _RETURN
    found[is_known & entries.is_debit] = _REPEATED
    debits = np.flatnonzero(is_known & entries.is_debit & (entries.status == BOOKED))
    _, first = np.unique(positions[debits], return_index=True)
    firsts = debits[first]
    found[firsts[debited_before[positions[firsts]] == 0]] = _SETTLEMENT
    for code, verdict in _NOT_BOOKED.items():
        found[entries.status == code] = verdict
    return TextColumn.of(_VERDICTS).take(found)


def _booked_sums(statement: Statement) -> tuple[int, int]:
    """Booked debits and credits in đồng, as the statement's own equation takes them: with the
    entries in other currencies only where it would not hold without them."""
    entries = statement.entries
    booked = entries.status == BOOKED
    sums = (0, 0)
    for chosen in (booked, booked & _in_vnd(entries)):
        debits = exact_sum(entries.amount_vnd[chosen & entries.is_debit])
        credits_ = exact_sum(entries.amount_vnd[chosen & ~entries.is_debit])
        if (statement.proof.opening_vnd or 0) + credits_ - debits == statement.proof.closing_vnd:
            sums = (debits, credits_)
    return sums


def _in_vnd(entries: EntryColumns) -> Bool:
    return entries.currency.is_equal(VND)


def _note_strangers(
    connection: Connection,
    bank_code: str,
    file: InboundFile,
    statement: Statement,
    strangers: Bool,
    at: datetime,
    event: str,
) -> int:
    """Booked lines that belong to no payment of this bank: their money goes to suspense."""
    entries = statement.entries
    rows = np.flatnonzero(strangers).tolist()
    sums: dict[str, int] = defaultdict(int)
    net, count, home = 0, 0, _in_vnd(entries)
    for row in rows:
        amount = int(entries.amount_vnd[row])
        name = entries.reference[row] or entries.bank_reference[row] or f"{statement.statement_id}:{row}"
        sums[name[:140]] += amount
        if home[row]:
            net += -amount if entries.is_debit[row] else amount
            count += 1
    kind, why = DiscrepancyKind.UNKNOWN_REFERENCE.value, "A booked line under a reference we never sent."
    news = [NewDiscrepancy(kind, name, None, amount, why) for name, amount in sorted(sums.items())]
    bookings.insert_discrepancies(connection, bank_code, file.id, news, at)
    money_moves.post_unknown_money(connection, bank_code, net, count, at, event)
    return len(news)
