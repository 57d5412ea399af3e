"""Reconciliation for people who have only files: what was sent against what came back.

Needs no database. A file is believed whole or refused whole (`FileRefused`, with its name);
what is believed is put together without regard to the order of files or of entries.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from paysvc.core.columns import EntryColumns, SentColumns, concatenate, drained, no_statuses
from paysvc.core.comparison import Comparing, Comparison, Line, Sent, rows_of
from paysvc.core.join import Keys
from paysvc.core.messages import BankReturns, ControlTotals, Statement
from paysvc.core.proof import EntrySums, exact_sum, problems_of
from paysvc.core.scan_camt import STATEMENTS, StatementFile
from paysvc.core.scan_pain001 import SentFile, read_pain001
from paysvc.core.scan_pain002 import STATUS_REPORTS, read_pain002
from paysvc.core.scan_xml import message_name, refuse_unless
from paysvc.core.source import Source
from paysvc.core.text_column import Int64, TextColumn, concatenate_text
from paysvc.domain.errors import FileRefused, InvalidInput
from paysvc.domain.money import MAX_TOTAL_VND, VND, format_vnd
from paysvc.domain.reconciliation import BETWEEN_FILES, Outcome

#: Outcomes that files can show; whether a file left us at all is not in them.
SHOWN_OUTCOMES = (Outcome.SETTLED, Outcome.RETURNED, Outcome.REJECTED, Outcome.OUTSTANDING)


@dataclass(frozen=True, slots=True)
class StatementFigures:
    """A statement that was proved, with its balances in đồng."""

    statement_id: str
    opening_vnd: int
    closing_vnd: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the files say together.

    `notices` are sentences for a person: what was odd and changed no figure.
    """

    instructions: ControlTotals
    comparison: Comparison
    statements: tuple[StatementFigures, ...]
    notices: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """One line a payment, in the order of EndToEndIds; references never sent after them."""
        return self.comparison.lines

    @property
    def agrees(self) -> bool:
        """True when there is no discrepancy of any kind."""
        return not any(self.comparison.discrepancies.values())

    def to_json(self) -> dict[str, object]:
        """The figures; amounts are integers of đồng, and every outcome and discrepancy is named."""
        outcomes, kinds = self.comparison.outcomes, self.comparison.discrepancies
        return {
            "instructions": {"count": self.instructions.count, "amount_vnd": self.instructions.sum_vnd},
            "outcomes": {
                str(outcome): {"count": outcomes[outcome][0], "amount_vnd": outcomes[outcome][1]}
                for outcome in SHOWN_OUTCOMES
            },
            "discrepancies": {str(kind): {"count": kinds[kind]} for kind in BETWEEN_FILES},
            "statements": [
                {
                    "id": one.statement_id,
                    "opening_vnd": one.opening_vnd,
                    "closing_vnd": one.closing_vnd,
                    # One that is not proved is refused with its file, and nothing is shown.
                    "proved": True,
                }
                for one in self.statements
            ],
        }


#: A file by its name: its bytes, or where they lie.
NamedFile = tuple[str, bytes | Source]


def reconcile_files(sent: Sequence[NamedFile], returned: Sequence[NamedFile]) -> Reconciliation:
    """Hold what the bank returned against what was sent.

    `sent` are pain.001 files, `returned` camt.053 and pain.002 files. Statements are read piece by
    piece, so that memory grows with what was sent and not with their length. The same bytes
    twice count once, and so does a statement (account and id) that comes again with the same
    content. Raises `FileRefused` naming the file for one that cannot be believed, and
    `InvalidInput` when nothing was sent or the sums are beyond every ledger.
    """
    orders = _read_sent(sent)
    payments = orders.sent.payments
    total = exact_sum(payments.amount_vnd)
    reading = _Reading(orders)
    try:
        back = reading.read(list(_distinct(returned)))
        if total > MAX_TOTAL_VND:
            raise ValueError  # what one order may hold, many together may not
    except ValueError:
        raise InvalidInput("amount_too_large", "The sum of all files is beyond every ledger.") from None
    statements = sorted(back.statements.values(), key=lambda one: (one.statement_id, one.account))
    reports = back.reports
    return Reconciliation(
        instructions=ControlTotals(len(payments), total),
        comparison=back.comparing.comparison(
            concatenate([report.statuses or no_statuses() for report in reports]) if reports else no_statuses(),
            [group for report in reports for group in report.groups],
        ),
        statements=tuple(_figures(statement) for statement in statements),
        notices=(*_broken_chains(statements), *_answers_to_nothing(reports, orders.message_ids)),
    )


def _distinct(files: Sequence[NamedFile]) -> Iterator[tuple[str, Source]]:
    """Each content once, under the first name it came with."""
    sources = [(name, Source.of(content)) for name, content in files]
    # Only files of one length can be the same; of a single long one nothing has to be read.
    sizes = Counter(source.size for _, source in sources)
    seen: set[bytes] = set()
    for name, source in sources:
        if sizes[source.size] > 1:
            digest = source.sha256()
            if digest in seen:
                continue
            seen.add(digest)
        yield name, source


@contextmanager
def _in_file(name: str) -> Iterator[None]:
    """Put the file's name before the place of any refusal."""
    try:
        yield
    except FileRefused as refusal:
        refusal.place = f"{name}: {refusal.place}" if refusal.place else name
        raise


@dataclass(frozen=True, slots=True)
class _Orders:
    """All that was sent, ready to be looked up, and what the orders themselves are called by."""

    sent: Sent
    keys: Keys
    message_ids: frozenset[str]
    accounts: frozenset[str]


def _read_sent(files: Sequence[NamedFile]) -> _Orders:
    payments: list[SentColumns] = []
    rows: list[Int64] = []
    instruction_ids: list[TextColumn] = []
    ends: dict[str, int] = {}
    message_ids, accounts = set[str](), set[str]()

    def take(name: str, order: SentFile) -> None:
        begin = max(ends.values(), default=0)
        ends[name] = begin + len(order.payments)
        payments.append(order.payments)
        # An InstrId that is the payment's EndToEndId too, as ours are, says nothing more.
        own = (order.instruction_id.lengths > 0) & ~order.instruction_id.is_same(order.payments.end_to_end_id)
        rows.append(begin + np.flatnonzero(own))
        instruction_ids.append(order.instruction_id.take(np.flatnonzero(own)))
        message_ids.add(order.message_id)
        accounts.update(order.accounts)

    for name, source in _distinct(files):
        take(name, _read_order(name, source))
    if not payments:
        raise InvalidInput("nothing_sent", "There is no payment order to reconcile.", next_step="Name one or more.")
    sent = Sent(drained(payments), np.concatenate(rows), concatenate_text(instruction_ids))
    try:
        keys = Keys.of(sent.payments.end_to_end_id)
    except ValueError:
        raise FileRefused(
            "reference_repeated",
            "An EndToEndId occurs twice in what was sent, so what came back under it belongs to neither.",
            next_step="Name every order once, and none that replaced another.",
            place=_first_to_repeat(sent.payments.end_to_end_id, ends),
        ) from None
    return _Orders(sent, keys, frozenset(message_ids), frozenset(accounts))


def _read_order(name: str, source: Source) -> SentFile:
    with _in_file(name):
        order = read_pain001(source)
        if not order.payments.currency.is_equal(VND).all():
            raise FileRefused("currency_not_supported", "The order has payments in another currency than VND.")
        return order


def _first_to_repeat(references: TextColumn, ends: Mapping[str, int]) -> str:
    """The first file in which a reference stands that stood before."""
    seen: set[bytes] = set()
    for name, end in ends.items():
        seen.update(references.part(len(seen), end).to_bytes_list())
        if len(seen) < end:
            return name
    return ""


#: Where a statement stands: its file's position among the files, and its own in the file.
_Place = tuple[int, int]


@dataclass(slots=True)
class _CameBack:
    """What was read: statements (without entries) by their place, reports, and the comparison so far."""

    comparing: Comparing
    statements: dict[_Place, Statement] = field(default_factory=dict)
    reports: list[BankReturns] = field(default_factory=list)
    contents: dict[_Place, _Content] = field(default_factory=dict)


class _Reading:
    """Reads what came back, once; and, where a statement turns out to have come twice, once more.

    Who a statement is, is known for certain when its file has been read, and by then its entries
    are counted. The second time it is known beforehand which ones to compare and to pass over.
    """

    def __init__(self, orders: _Orders) -> None:
        self._orders = orders

    def read(self, files: Sequence[tuple[str, Source]]) -> _CameBack:
        """All files; a statement that came again is there once."""
        found = self._read(files, {})
        first: dict[tuple[str, str], _Place] = {}
        again: dict[_Place, _Place] = {}
        for place, one in found.statements.items():
            before = first.setdefault((one.account, one.statement_id), place)
            if before != place:
                again[place] = again[before] = before
        if again:
            found = self._read(files, again)
            for place in [place for place, before in again.items() if place != before]:
                del found.statements[place]
        return found

    def _read(self, files: Sequence[tuple[str, Source]], again: Mapping[_Place, _Place]) -> _CameBack:
        """`again` names the first coming of each statement that comes more than once."""
        found = _CameBack(Comparing(self._orders.sent, self._orders.keys))
        for number, (name, source) in enumerate(files):
            with _in_file(name):
                kind = message_name(source)
                refuse_unless(kind, STATEMENTS | STATUS_REPORTS, "an account statement or a payment status report")
                if kind in STATUS_REPORTS:
                    found.reports.append(read_pain002(source))
                    _require_our_totals(found.reports[-1], self._orders.sent.payments)
                else:
                    self._read_statements(number, source, again, found)
        return found

    def _read_statements(self, number: int, source: Source, again: Mapping[_Place, _Place], found: _CameBack) -> None:
        file = StatementFile(source)
        sums: defaultdict[int, EntrySums] = defaultdict(EntrySums)
        for at, entries in file:
            place = (number, at)
            sums[at].add(entries)
            if place in again:
                found.contents.setdefault(place, _Content()).add(entries)
            if again.get(place, place) == place:
                found.comparing.add(entries)
        for at, statement in enumerate(file.statements):
            place = (number, at)
            _require_proof(statement, sums[at], self._orders.accounts)
            found.statements[place] = statement
            before = again.get(place, place)
            if before != place:
                _require_same(_said(found, before), _said(found, place), statement)


class _Content:
    """What a statement's entries say, whatever the order in which it lists them."""

    def __init__(self) -> None:
        self._count = self._sum = 0

    def add(self, entries: EntryColumns) -> None:
        texts = (entries.reference, entries.currency, entries.reason_code, entries.bank_reference, entries.booking_date)
        numbers = (entries.amount_vnd, entries.is_debit, entries.status)
        columns = [column.to_bytes_list() for column in texts] + [column.tolist() for column in numbers]
        self._count += len(entries)
        # A sum of digests: the same for every order, and nothing that a bank could aim at.
        self._sum += sum(
            int.from_bytes(hashlib.sha256(repr(row).encode()).digest(), "big") for row in zip(*columns, strict=True)
        )

    def figures(self) -> tuple[int, int]:
        return self._count, self._sum


def _said(found: _CameBack, place: _Place) -> tuple[object, ...]:
    statement = found.statements[place]
    content = found.contents.get(place, _Content())
    return statement.currency, statement.proof.opening_vnd, statement.proof.closing_vnd, content.figures()


def _require_proof(statement: Statement, sums: EntrySums, accounts: frozenset[str]) -> None:
    place = f"statement {statement.statement_id}"
    problems = problems_of(statement, sums)
    if problems:
        raise FileRefused(
            "statement_not_proved",
            " ".join(problems[:3]),
            next_step="Ask the bank for a statement whose figures agree.",
            place=place,
        )
    if accounts and statement.account not in accounts:
        raise FileRefused(
            "statement_of_another_account",
            "The statement is of another account than the orders were paid from.",
            next_step="Check which statement was meant.",
            place=place,
        )


def _require_same(before: tuple[object, ...], now: tuple[object, ...], statement: Statement) -> None:
    if before != now:
        raise FileRefused(
            "statement_differs",
            "The same statement came twice, with different content.",
            next_step="Ask the bank which of the two holds.",
            place=f"statement {statement.statement_id}",
        )


def _require_our_totals(report: BankReturns, payments: SentColumns) -> None:
    """What the bank repeats of our control totals is what we sent."""
    for group in report.groups:
        rows = rows_of(group, payments) if group.declared else ()
        if group.declared is None or not len(rows):
            continue
        total = exact_sum(payments.amount_vnd[rows])
        if group.declared != ControlTotals(len(rows), total):
            raise FileRefused(
                "control_totals_lie",
                f"The report repeats {group.declared.count} payments of {format_vnd(group.declared.sum_vnd)}, but "
                f"{len(rows)} of {format_vnd(total)} were sent.",
                next_step="Ask the bank which file it took.",
            )


def _figures(statement: Statement) -> StatementFigures:
    opening, closing = statement.proof.opening_vnd, statement.proof.closing_vnd
    assert opening is not None and closing is not None  # noqa: PT018  # proved, so both are there
    return StatementFigures(statement.statement_id, opening, closing)


def _broken_chains(statements: Sequence[Statement]) -> Iterator[str]:
    """Statements numbered one after the other whose balances do not meet: a question to the bank."""
    numbered = {(one.account, one.sequence): one for one in statements if one.sequence is not None}
    for (account, sequence), one in numbered.items():
        following = numbered.get((account, (sequence or 0) + 1))
        if following is not None and following.proof.opening_vnd != one.proof.closing_vnd:
            yield (
                f"Statement {following.statement_id} does not open with the balance with which the statement "
                f"numbered before it, {one.statement_id}, closed."
            )


def _answers_to_nothing(reports: Sequence[BankReturns], sent: frozenset[str]) -> Iterator[str]:
    for report in reports:
        if report.answers_message_id not in sent:
            yield f"Status report {report.bank_message_id} answers a file that is not among those sent."
