"""The second road of a report: the bytes in the vault, read again from the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paysvc.bank_registry import BankRegistry
from paysvc.core.columns import Bool, Int64, SentColumns, TextColumn, concatenate
from paysvc.core.join import find_positions
from paysvc.core.messages import BankReturns
from paysvc.core.proof import exact_sum
from paysvc.core.scan_pain001 import ORDERS, read_pain001
from paysvc.core.scan_xml import message_name
from paysvc.core.second_road import Verdicts, judge_bank, statement_figures
from paysvc.core.verdicts import OUTCOMES, totals_by_outcome
from paysvc.domain.errors import DoesNotReconcile, FileRefused
from paysvc.domain.money import VND
from paysvc.domain.report_figures import Figure
from paysvc.domain.report_lines import REFUSED, SENDING_UNKNOWN, ReportLine
from paysvc.domain.report_records import BankFigures, SecondRoad, SentFile
from paysvc.store.report_files import StoredReceived
from paysvc.store.vault import Vault


@dataclass(frozen=True, slots=True)
class FilesOfCycle:
    """What was sent and what came back. `instructed` holds for each line (đồng, batch)."""

    lines: list[ReportLine]
    instructed: list[tuple[int, int]]
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
    for bank in sorted({line.bank for line in files.lines if line.bank}):
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
            yield banks.get(bank).adapter.parse_returns(one.original_name, vault.get(one.digest))


def _sent_side(vault: Vault, files: FilesOfCycle, bank: str, read_back: dict[str, Figure]) -> _Side:
    pieces: list[tuple[SentColumns, str]] = []
    from_bytes: set[int] = set()
    for batch_id, file in files.sent.items():
        if file.bank == bank and (payments := _read_back(vault, file)) is not None:
            read_back[file.sha256] = Figure(len(payments), exact_sum(payments.amount_vnd))
            pieces.append((payments, file.sending))
            from_bytes.add(batch_id)
    by_batch: dict[int, list[int]] = {}
    own = [position for position, line in enumerate(files.lines) if line.bank == bank]
    for position in own:
        batch_id = files.instructed[position][1]
        if batch_id not in from_bytes:
            by_batch.setdefault(batch_id if batch_id in files.sent else 0, []).append(position)
    for batch_id, positions in sorted(by_batch.items()):
        made = files.sent.get(batch_id)
        pieces.append((_from_lines(files, positions, made), made.sending if made else ""))
    sent = concatenate([columns for columns, _ in pieces])
    states = [state for columns, state in pieces for _ in range(len(columns))]
    ids = TextColumn.of([files.lines[position].end_to_end_id for position in own])
    at = find_positions(ids, sent.end_to_end_id)
    lines = np.where(at >= 0, np.array(own, np.int64)[at], -1)
    without_file = sum(len(positions) for batch_id, positions in by_batch.items() if batch_id == 0)
    unsent_vnd = sum(files.instructed[position][0] for position in by_batch.get(0, ()))
    return _Side(
        sent,
        lines,
        np.array([state == REFUSED for state in states], np.bool_),
        np.array([state == SENDING_UNKNOWN for state in states], np.bool_),
        Figure(len(sent) - without_file, exact_sum(sent.amount_vnd) - unsent_vnd),
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


def _from_lines(files: FilesOfCycle, positions: list[int], file: SentFile | None) -> SentColumns:
    message_id = file.message_id if file else ""
    return SentColumns(
        end_to_end_id=TextColumn.of([files.lines[position].end_to_end_id for position in positions]),
        amount_vnd=np.array([files.instructed[position][0] for position in positions], np.int64),
        currency=TextColumn.repeat(VND, len(positions)),
        message_id=TextColumn.repeat(message_id, len(positions)),
        payment_information_id=TextColumn.repeat(f"{message_id}-1" if message_id else "", len(positions)),
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


def _differing(files: FilesOfCycle, bank: str, side: _Side, verdicts: Verdicts) -> Iterator[int]:
    """Numbers of the bank's lines that the files judge otherwise, ask otherwise, or do not hold;
    0 for a payment in a file that is on no list."""
    names = [outcome.value for outcome in OUTCOMES]
    rows = zip(side.lines.tolist(), verdicts.outcomes.tolist(), side.sent.amount_vnd.tolist(), strict=True)
    seen = set()
    for position, outcome, amount in rows:
        line = files.lines[position] if position >= 0 else None
        if line is None or line.outcome != names[outcome] or line.amount_vnd != amount:
            yield line.line if line else 0
        seen.add(position)
    for position, line in enumerate(files.lines):
        if line.bank == bank and position not in seen:
            yield line.line
