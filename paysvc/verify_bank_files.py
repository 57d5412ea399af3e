"""The bank files of a published report, read again and held against its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from paysvc.bank_registry import GROUP
from paysvc.core.columns import SentColumns
from paysvc.core.join import Keys
from paysvc.core.messages import BankReturns
from paysvc.core.proof import exact_sum, problems_of
from paysvc.core.report_lines import LineColumns
from paysvc.core.scan_camt import read_camt
from paysvc.core.scan_letter import is_letter, read_letter
from paysvc.core.scan_mt940 import read_mt940
from paysvc.core.scan_pain001 import ORDERS, read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.core.second_road import judge_bank, statement_figures
from paysvc.core.text_column import CategoryColumn, TextColumn
from paysvc.core.verdicts import OUTCOMES
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import VND
from paysvc.domain.report_lines import REFUSED, SENDING_UNKNOWN

_HOLDS, _FAILED, _NOT_CHECKED = "holds", "failed", "not checked"

#: (part, state, message)
Found = tuple[str, str, str]
Report = Mapping[str, Any]


def check_bank_files(folder: Path, report: Report, intact: set[str], lines: LineColumns) -> Iterator[Found]:
    """Read every bank file again whose dialect can be read here, and judge the lines by them.

    Yields a part for each bank and for each file that contradicts the report. A dialect is
    readable when it is ISO 20022, MT940 or a recorded letter, or when the adapter that the report names is
    installed; other files are covered by their digests, and it says so.
    """
    dialects = {one["code"]: one["dialect"] for one in report["banks"]}
    for code in lines.banks():
        own = lines.take(np.flatnonzero(lines.bank.is_equal(code)))
        sent = [one for one in report["sent_files"] if one["bank"] == code]
        yield from _sent_files(folder, code, sent, intact, own)
        received = [one for one in report["received_files"] if one["bank"] == code and one["state"] == "accepted"]
        if not all(one["path"] in intact for one in (*sent, *received)):
            yield f"bank {code}", _NOT_CHECKED, "A file of this bank was changed; see above."
            continue
        returns: list[BankReturns] = []
        unreadable = 0
        for one in received:
            try:
                content = (folder / one["path"]).read_bytes()
                read = _read_returns(code, dialects.get(code, ""), one["name"], content)
            except FileRefused as refusal:
                yield one["path"], _FAILED, f"It cannot be read: {refusal.message}"
                continue
            if read is None:
                unreadable += 1
            else:
                yield from _statements(report, code, one, read)
                returns.append(read)
        if unreadable:
            message = (
                f"{unreadable} of {len(received)} files are in a dialect that is not installed here (digest only)."
            )
            yield f"bank {code}", _NOT_CHECKED, message
        else:
            yield _judge(code, own, returns)


def _sent_files(
    folder: Path, code: str, sent: Sequence[Report], intact: set[str], lines: LineColumns
) -> Iterator[Found]:
    """The payments in each pain.001 are the lines that name its message id, to one đồng."""
    readable = 0
    for one in sent:
        if one["path"] not in intact:
            continue
        content = (folder / one["path"]).read_bytes()
        try:
            if message_name(content) not in ORDERS:
                continue
            payments = read_pain001(content).payments
        except FileRefused as refusal:
            if content.lstrip()[:1] == b"<":
                yield one["path"], _FAILED, f"It cannot be read: {refusal.message}"
            continue
        readable += 1
        named = lines.take(np.flatnonzero(lines.message_id.is_equal(one["message_id"])))
        if len(payments) != one["payment_count"] or not _are_lines(payments, named):
            yield one["path"], _FAILED, "Its payments are not the lines of lines.csv that name it."
    state = _HOLDS if readable == len(sent) else _NOT_CHECKED
    message = f"{readable} of {len(sent)} read again: their payments are the lines, one for one"
    rest = "" if readable == len(sent) else "; a dialect that is only written is covered by its digest"
    yield f"files sent to {code}", state, f"{message}{rest}."


def _are_lines(payments: SentColumns, lines: LineColumns) -> bool:
    """Whether payments and lines are the same references with the same amounts, each once."""
    try:
        at = Keys.of(lines.end_to_end_id).find(payments.end_to_end_id)
    except ValueError:
        return False
    is_each_once = len(payments) == len(lines) and np.array_equal(np.sort(at), np.arange(len(lines)))
    return is_each_once and np.array_equal(lines.amount_vnd[at], payments.amount_vnd)


def _read_returns(code: str, dialect: str, name: str, content: bytes) -> BankReturns | None:
    """What a file of this bank says, or None when nothing here reads its dialect. Raises `FileRefused`."""
    if is_letter(content):
        return read_letter(code, content)
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        message = message_name(content)
        if message.startswith("pain.002."):
            return read_pain002(content)
        if message.startswith("camt.053."):
            bank_message_id, statements = read_camt(content)
            return BankReturns("statement", bank_message_id, statements=statements)
    elif start.startswith((b":20:", b"{1:")):
        statements = read_mt940(content)
        return BankReturns("statement", statements[0].statement_id, statements=statements)
    return _by_adapter(dialect, name, content)


def _by_adapter(dialect: str, name: str, content: bytes) -> BankReturns | None:
    """By the pure half of the installed adapter. Nobody has the bank's settings here, so it is
    made without them; an adapter whose reading needs settings counts as not installed."""
    found = [entry for entry in entry_points(group=GROUP) if entry.name == dialect]
    if not found:
        return None
    try:
        adapter_class = found[0].load()
        read = adapter_class.__new__(adapter_class).parse_returns(name, content)
    except FileRefused:
        raise
    except Exception:  # noqa: BLE001  # a stranger's code, without what it was promised
        return None
    return read if isinstance(read, BankReturns) else None


def _statements(report: Report, code: str, one: Report, read: BankReturns) -> Iterator[Found]:
    """Each statement proves itself again, and has the balances that the report shows."""
    shown = {
        (row["account"], row["statement_id"]): tuple(
            int(row[name]) for name in ("opening_vnd", "debits_vnd", "credits_vnd", "closing_vnd")
        )
        for row in report["statements"]
        if row["bank"] == code
    }
    for statement in read.statements:
        problems = problems_of(statement)
        if problems:
            yield one["path"], _FAILED, f"Statement {statement.statement_id} contradicts itself: {problems[0]}"
        figures = shown.get((statement.account, statement.statement_id))
        if figures is not None and figures != statement_figures(statement):
            yield one["path"], _FAILED, f"Statement {statement.statement_id} has other balances than report.json."


def _judge(code: str, lines: LineColumns, returns: Sequence[BankReturns]) -> Found:
    """What became of every line, decided again from the files alone."""
    count = len(lines)
    files = CategoryColumn.of(lines.message_id)
    sent = SentColumns(
        end_to_end_id=lines.end_to_end_id,
        amount_vnd=lines.amount_vnd,
        currency=CategoryColumn.repeat(VND, count),
        message_id=files,
        # Our payment block in a file is the file's id with `-1`.
        payment_information_id=CategoryColumn(
            files.codes, TextColumn.of([f"{one}-1" if one else "" for one in files.texts])
        ),
    )
    verdicts = judge_bank(sent, lines.sending.is_equal(REFUSED), lines.sending.is_equal(SENDING_UNKNOWN), returns)
    outcomes = TextColumn.of([outcome.value for outcome in OUTCOMES]).take(verdicts.outcomes.astype(np.int64))
    tallied = verdicts.tally
    holds = outcomes.is_same(lines.outcome)
    holds &= (tallied.debited_vnd == lines.booked_debits_vnd) & (tallied.credited_vnd == lines.booked_credits_vnd)
    if not holds.all():
        different = count - int(holds.sum())
        return f"bank {code}", _FAILED, f"{different} of {count} lines are not what the bank's files say."
    net = exact_sum(tallied.debited_vnd) - exact_sum(tallied.credited_vnd)
    return f"bank {code}", _HOLDS, f"{count} lines follow from {len(returns)} files of the bank; {net} đồng booked net."
