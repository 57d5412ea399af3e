"""The second road of a report: the bytes in the vault, read again from the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paysvc.bank_registry import BankRegistry
from paysvc.core.columns import SentColumns, concatenate
from paysvc.core.first_road import InstructedColumns
from paysvc.core.join import find_positions
from paysvc.core.messages import BankReturns
from paysvc.core.proof import exact_sum
from paysvc.core.report_lines import LineColumns
from paysvc.core.scan_pain001 import ORDERS, read_pain001
from paysvc.core.scan_xml import message_name
from paysvc.core.second_road import Verdicts, judge_bank, statement_figures
from paysvc.core.text_column import Bool, CategoryColumn, Int64, TextColumn
from paysvc.core.verdicts import OUTCOMES, totals_by_outcome
from paysvc.domain.errors import DoesNotReconcile, FileRefused
from paysvc.domain.money import VND
from paysvc.domain.report_figures import Figure
from paysvc.domain.report_lines import REFUSED, SENDING_UNKNOWN
from paysvc.domain.report_records import BankFigures, SecondRoad, SentFile
from paysvc.store.report_files import StoredReceived
from paysvc.store.vault import Vault


@dataclass(frozen=True, slots=True)
class FilesOfCycle:
    """What was sent and what came back; `instructed` has a row for each line."""

    lines: LineColumns
    instructed: InstructedColumns
    sent: dict[int, SentFile]
    received: list[StoredReceived]

    def paths(self) -> Iterator[tuple[str, bytes]]:
        """Where each file lies in the published folder, and its digest."""
        for sent in self.sent.values():
            yield sent.path, bytes.fromhex(sent.sha256)
        for received in self.received:
            yield received.shown.path, received.digest


@dataclass(frozen=True, slots=True)
class _Side:
    """What was sent through one bank: rows and, for each, its line (−1: on no list)."""

    sent: SentColumns
    lines: Int64
    refused: Bool
    unknown: Bool
    in_files: Figure


def walk(vault: Vault, banks: BankRegistry, files: FilesOfCycle) -> SecondRoad:
    """Reach every figure again from the stored bytes.

    A sent file is read back where its bytes are pain.001; the payments of other dialects are
    taken from the instructions of the batch. Raises `NotFound` for a bank that is not
    configured or bytes that are gone, `SignatureInvalid` for bytes that were changed,
    `FileRefused` for an accepted file that cannot be read any more.
    """
    read_back: dict[str, Figure] = {}
    found: dict[str, BankFigures] = {}
    statements: dict[tuple[str, str, str], tuple[int, int, int, int]] = {}
    differing: set[int] = set()
    for bank in files.lines.banks():
        side = _sent_side(vault, files, bank, read_back)
        returns = list(_returns(vault, banks, files, bank))
        verdicts = _judge(bank, side, returns)
        found[bank] = _figures(bank, side, verdicts)
        differing.update(_differing(files, bank, side, verdicts))
        for statement in (statement for one in returns for statement in one.statements):
            statements[bank, statement.account, statement.statement_id] = statement_figures(statement)
    return SecondRoad(found, read_back, statements, sorted(differing))


def _judge(bank: str, side: _Side, returns: list[BankReturns]) -> Verdicts:
    try:
        return judge_bank(side.sent, side.refused, side.unknown, returns)
    except ValueError as failure:
        # The same EndToEndId twice, or sums beyond every ledger: no figure can be made of it.
        raise DoesNotReconcile(
            "bank_files_contradict", f"The files of bank {bank} contradict themselves: {failure}."
        ) from failure


def _returns(vault: Vault, banks: BankRegistry, files: FilesOfCycle, bank: str) -> Iterator[BankReturns]:
    for one in files.received:
        if one.shown.bank == bank and one.shown.state == "accepted":
            yield banks.get(bank).read_returns(one.original_name, vault.get(one.digest))


def _sent_side(vault: Vault, files: FilesOfCycle, bank: str, read_back: dict[str, Figure]) -> _Side:
    """Files that can be read back first, then what was instructed for the others, in the order of batches."""
    pieces: list[tuple[SentColumns, str]] = []
    own = np.flatnonzero(files.lines.bank.is_equal(bank))
    batches = files.instructed.batch_id[own]
    without_bytes = sorted(set(np.unique(batches).tolist()))
    for batch_id, file in files.sent.items():
        if file.bank == bank and (payments := _read_back(vault, file)) is not None:
            read_back[file.sha256] = Figure(len(payments), exact_sum(payments.amount_vnd))
            pieces.append((payments, file.sending))
            if batch_id in without_bytes:
                without_bytes.remove(batch_id)
    for batch_id in without_bytes:
        made = files.sent.get(batch_id)
        pieces.append((_from_lines(files, own[batches == batch_id], made), made.sending if made else ""))
    sent = concatenate([columns for columns, _ in pieces])
    counts = [len(columns) for columns, _ in pieces]
    at = find_positions(files.lines.end_to_end_id.take(own), sent.end_to_end_id)
    unsent = files.instructed.amount_vnd[own[batches == 0]]
    return _Side(
        sent,
        np.where(at >= 0, own[at], -1),
        np.repeat([state == REFUSED for _, state in pieces], counts),
        np.repeat([state == SENDING_UNKNOWN for _, state in pieces], counts),
        Figure(len(sent) - len(unsent), exact_sum(sent.amount_vnd) - exact_sum(unsent)),
    )


def _read_back(vault: Vault, file: SentFile) -> SentColumns | None:
    """The payments that the stored bytes order, or None for bytes in another dialect."""
    content = vault.get(bytes.fromhex(file.sha256))
    try:
        if message_name(content) not in ORDERS:
            return None
    except FileRefused:
        return None
    return read_pain001(content).payments


def _from_lines(files: FilesOfCycle, positions: Int64, file: SentFile | None) -> SentColumns:
    message_id = file.message_id if file else ""
    return SentColumns(
        end_to_end_id=files.lines.end_to_end_id.take(positions),
        amount_vnd=files.instructed.amount_vnd[positions],
        currency=CategoryColumn.repeat(VND, len(positions)),
        message_id=CategoryColumn.repeat(message_id, len(positions)),
        payment_information_id=CategoryColumn.repeat(f"{message_id}-1" if message_id else "", len(positions)),
    )


def _figures(bank: str, side: _Side, verdicts: Verdicts) -> BankFigures:
    outcomes = totals_by_outcome(verdicts.outcomes, side.sent.amount_vnd)
    return BankFigures(
        bank=bank,
        sent=side.in_files,
        outcomes={outcome.value: Figure(*figure) for outcome, figure in outcomes.items()},
        booked_debits_vnd=exact_sum(verdicts.tally.debited_vnd),
        booked_credits_vnd=exact_sum(verdicts.tally.credited_vnd),
    )


def _differing(files: FilesOfCycle, bank: str, side: _Side, verdicts: Verdicts) -> set[int]:
    """Numbers of the bank's lines that the files judge otherwise, ask otherwise, or do not hold;
    0 for a payment in a file that is on no list."""
    lines = files.lines
    is_listed = side.lines >= 0
    at = side.lines[is_listed]
    names = TextColumn.of([outcome.value for outcome in OUTCOMES])
    outcomes = names.take(verdicts.outcomes[is_listed].astype(np.int64))
    agrees = outcomes.is_same(lines.outcome.take(at)) & (lines.amount_vnd[at] == side.sent.amount_vnd[is_listed])
    is_missing = lines.bank.is_equal(bank)
    is_missing[at] = False
    differing = {*lines.line[at[~agrees]].tolist(), *lines.line[is_missing].tolist()}
    return differing if is_listed.all() else differing | {0}
