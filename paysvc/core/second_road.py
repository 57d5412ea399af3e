"""The second road to a report's figures: from the bytes of bank files, without the store's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from paysvc.core.columns import BOOKED as ENTRY_BOOKED
from paysvc.core.columns import EntryColumns, SentColumns, concatenate, no_entries
from paysvc.core.join import Keys
from paysvc.core.messages import BankReturns, GroupStatus, Statement
from paysvc.core.proof import exact_sum
from paysvc.core.text_column import Bool, UInt8
from paysvc.core.verdicts import OUTSTANDING, REJECTED, UNKNOWN, TallyColumns, decide, tally
from paysvc.domain.bank_returns import REFUSALS
from paysvc.domain.money import VND


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a bank's files say of what was sent there: one row an instruction.

    `outcomes` are codes of `core.verdicts.OUTCOMES`; `is_mentioned` says where the bank said
    or booked anything at all.
    """

    outcomes: UInt8
    tally: TallyColumns
    is_mentioned: Bool


def judge_bank(
    sent: SentColumns, refused_at_door: Bool, sending_unknown: Bool, returns: Sequence[BankReturns]
) -> Verdicts:
    """Judge all instructions of one bank by all that it gave us; the order of files does not matter.

    `refused_at_door` and `sending_unknown` (one row an instruction) say what handing over
    found out; any word of the bank weighs more. A statement that lies in two files counts once.
    """
    entries = concatenate([no_entries(), *(one.entries for one in distinct_statements(returns))])
    keys = Keys.of(sent.end_to_end_id)
    tallied = tally(sent, entries, keys.find(entries.reference))
    refused, mentioned = _words(sent, keys, returns)
    mentioned |= (tallied.debit_count + tallied.credit_count) > 0
    outcomes = decide(tallied, refused)
    silent = (outcomes == OUTSTANDING) & ~mentioned
    outcomes[silent & refused_at_door] = REJECTED
    outcomes[silent & sending_unknown] = UNKNOWN
    return Verdicts(outcomes, tallied, mentioned)


def distinct_statements(returns: Iterable[BankReturns]) -> list[Statement]:
    """Each statement once: one that comes again under its own id, or that a bank issued again
    under another id with the same balances and the same entries, is the same."""
    named: set[tuple[str, str]] = set()
    alike: dict[tuple[str, int | None, int | None, int], list[Statement]] = {}
    found = []
    for statement in (statement for one in returns for statement in one.statements):
        name = (statement.account, statement.statement_id)
        claims = (statement.account, statement.proof.opening_vnd, statement.proof.closing_vnd, len(statement.entries))
        before = alike.setdefault(claims, [])
        if name in named or any(_content(one) == _content(statement) for one in before):
            continue
        named.add(name)
        before.append(statement)
        found.append(statement)
    return found


def _content(statement: Statement) -> list[tuple[bytes, bytes, int, bool]]:
    entries = statement.entries
    columns = (
        entries.bank_reference.to_bytes_list(),
        entries.reference.to_bytes_list(),
        entries.amount_vnd.tolist(),
        entries.is_debit.tolist(),
    )
    return sorted(zip(*columns, strict=True))


def booked_sums(entries: EntryColumns, currency: str = "") -> tuple[int, int]:
    """Debits and credits of the booked entries in đồng; of one currency only where it is given."""
    booked = entries.status == ENTRY_BOOKED
    if currency:
        booked &= entries.currency.is_equal(currency)
    debits = exact_sum(entries.amount_vnd[booked & entries.is_debit])
    return debits, exact_sum(entries.amount_vnd[booked & ~entries.is_debit])


def statement_figures(statement: Statement) -> tuple[int, int, int, int]:
    """Opening, debits, credits, closing in đồng; entries in another currency count among the
    debits and credits only where the bank's own balances counted them."""
    opening, closing = statement.proof.opening_vnd or 0, statement.proof.closing_vnd or 0
    debits, credits_ = booked_sums(statement.entries, VND)
    if opening + credits_ - debits != closing:
        debits, credits_ = booked_sums(statement.entries)
    return opening, debits, credits_, closing


def _words(sent: SentColumns, keys: Keys, returns: Sequence[BankReturns]) -> tuple[Bool, Bool]:
    """Per instruction: whether status files refused it, and whether they spoke of it."""
    refused, mentioned = np.zeros(len(sent), np.bool_), np.zeros(len(sent), np.bool_)
    for one in returns:
        if one.statuses is not None and len(one.statuses):
            at = keys.find(one.statuses.reference)
            mentioned[at[at >= 0]] = True
            refused[at[one.statuses.status.is_in(REFUSALS) & (at >= 0)]] = True
        for group in one.groups:
            if group.status:
                in_group = _in_group(sent, group)
                mentioned |= in_group
                if group.status in REFUSALS:
                    refused |= in_group
    return refused, mentioned


def _in_group(sent: SentColumns, group: GroupStatus) -> Bool:
    """The instructions that left in the file, or in the payment block, that the bank speaks of."""
    column, wanted = (
        (sent.message_id, group.message_id)
        if group.payment_information_id is None
        else (sent.payment_information_id, group.payment_information_id)
    )
    return column.is_equal(wanted)
