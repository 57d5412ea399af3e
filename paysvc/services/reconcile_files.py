"""Reconciliation for people who have only files: what was sent against what came back.

Needs no database. A file is believed whole or refused whole (`FileRefused`, with its name);
what is believed is put together without regard to the order of files or of entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from paysvc.core.columns import SentColumns, concatenate, concatenate_text, no_entries, no_statuses
from paysvc.core.comparison import CameBack, Comparison, Line, Sent, compare, rows_of
from paysvc.core.messages import BankReturns, ControlTotals, Statement
from paysvc.core.proof import exact_sum, problems_of
from paysvc.core.scan_camt import STATEMENTS, read_camt
from paysvc.core.scan_pain001 import SentFile, read_pain001
from paysvc.core.scan_pain002 import STATUS_REPORTS, read_pain002
from paysvc.core.scan_xml import message_name, refuse_unless
from paysvc.domain.errors import FileRefused, InvalidInput
from paysvc.domain.money import MAX_TOTAL_VND, VND, format_vnd
from paysvc.domain.reconciliation import DiscrepancyKind, Outcome

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
            "discrepancies": {str(kind): {"count": kinds[kind]} for kind in DiscrepancyKind},
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


def reconcile_files(sent: Sequence[tuple[str, bytes]], returned: Sequence[tuple[str, bytes]]) -> Reconciliation:
    """Hold what the bank returned against what was sent.

    `sent` are pain.001 files, `returned` camt.053 and pain.002 files, each as (name, bytes).
    The same bytes twice count once, and so does a statement (account and id) that comes again
    with the same content. Raises `FileRefused` naming the file for one that cannot be
    believed, and `InvalidInput` when nothing was sent or the sums are beyond every ledger.
    """
    orders = _read_sent(sent)
    payments = concatenate([order.payments for order in orders])
    statements, reports = _read_returned(returned, orders, payments)
    entries = [statement.entries for statement in statements]
    moved = sum(exact_sum(one.amount_vnd) for one in entries)
    if max(moved, exact_sum(payments.amount_vnd)) > MAX_TOTAL_VND:
        raise InvalidInput("amount_too_large", "The sum of all files is beyond every ledger.")
    back = CameBack(
        entries=concatenate(entries) if entries else no_entries(),
        statuses=concatenate([report.statuses or no_statuses() for report in reports]) if reports else no_statuses(),
        groups=tuple(group for report in reports for group in report.groups),
    )
    everything = Sent(payments, concatenate_text([order.instruction_id for order in orders]))
    return Reconciliation(
        instructions=ControlTotals(len(payments), exact_sum(payments.amount_vnd)),
        comparison=compare(everything, back),
        statements=tuple(_figures(statement) for statement in statements),
        notices=(*_broken_chains(statements), *_answers_to_nothing(reports, orders)),
    )


def _distinct(files: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Each content once, under the first name it came with."""
    seen: set[bytes] = set()
    for name, content in files:
        digest = hashlib.sha256(content).digest()
        if digest not in seen:
            seen.add(digest)
            yield name, content


@contextmanager
def _in_file(name: str) -> Iterator[None]:
    """Put the file's name before the place of any refusal."""
    try:
        yield
    except FileRefused as refusal:
        refusal.place = f"{name}: {refusal.place}" if refusal.place else name
        raise


def _read_sent(files: Sequence[tuple[str, bytes]]) -> list[SentFile]:
    orders: list[SentFile] = []
    seen: set[bytes] = set()
    for name, content in _distinct(files):
        with _in_file(name):
            order = read_pain001(content)
            _require_new_references(order, seen)
            orders.append(order)
    if not orders:
        raise InvalidInput("nothing_sent", "There is no payment order to reconcile.", next_step="Name one or more.")
    return orders


def _require_new_references(order: SentFile, seen: set[bytes]) -> None:
    """Every EndToEndId once over all orders, and every payment in đồng."""
    references = order.payments.end_to_end_id.to_bytes_list()
    before = len(seen)
    seen.update(references)
    if len(seen) != before + len(references):
        raise FileRefused(
            "reference_repeated",
            "An EndToEndId occurs twice in what was sent, so what came back under it belongs to neither.",
            next_step="Name every order once, and none that replaced another.",
        )
    if any(currency != VND.encode() for currency in order.payments.currency.to_bytes_list()):
        raise FileRefused("currency_not_supported", "The order has payments in another currency than VND.")


def _read_returned(
    files: Sequence[tuple[str, bytes]], orders: Sequence[SentFile], payments: SentColumns
) -> tuple[list[Statement], list[BankReturns]]:
    accounts = frozenset[str]().union(*(order.accounts for order in orders))
    statements: dict[tuple[str, str], Statement] = {}
    reports: list[BankReturns] = []
    for name, content in _distinct(files):
        with _in_file(name):
            kind = message_name(content)
            refuse_unless(kind, STATEMENTS | STATUS_REPORTS, "an account statement or a payment status report")
            if kind in STATUS_REPORTS:
                reports.append(read_pain002(content))
                _require_our_totals(reports[-1], payments)
                continue
            for statement in read_camt(content)[1]:
                _require_proof(statement, accounts)
                before = statements.setdefault((statement.account, statement.statement_id), statement)
                _require_same(before, statement)
    return sorted(statements.values(), key=lambda one: (one.statement_id, one.account)), reports


def _require_proof(statement: Statement, accounts: frozenset[str]) -> None:
    place = f"statement {statement.statement_id}"
    problems = problems_of(statement)
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


def _require_same(before: Statement, again: Statement) -> None:
    if before is not again and _content_of(before) != _content_of(again):
        raise FileRefused(
            "statement_differs",
            "The same statement came twice, with different content.",
            next_step="Ask the bank which of the two holds.",
            place=f"statement {again.statement_id}",
        )


def _content_of(statement: Statement) -> tuple[object, ...]:
    """What a statement says, whatever the order in which it lists its entries."""
    entries = statement.entries
    texts = (entries.reference, entries.currency, entries.reason_code, entries.bank_reference, entries.booking_date)
    numbers = (entries.amount_vnd, entries.is_debit, entries.status)
    columns = [column.to_bytes_list() for column in texts] + [column.tolist() for column in numbers]
    balances = (statement.proof.opening_vnd, statement.proof.closing_vnd)
    return statement.currency, balances, sorted(zip(*columns, strict=True))


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


def _answers_to_nothing(reports: Sequence[BankReturns], orders: Sequence[SentFile]) -> Iterator[str]:
    sent = {order.message_id for order in orders}
    for report in reports:
        if report.answers_message_id not in sent:
            yield f"Status report {report.bank_message_id} answers a file that is not among those sent."
