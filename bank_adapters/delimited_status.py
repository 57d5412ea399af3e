"""A status file in the delimited dialect: `H|RES01`, `D|`, `T|` lines, or `FileRefused` and nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NoReturn

import numpy as np

from bank_adapters.delimited_windows1258 import from_windows_1258
from bank_adapters.payment_checks import DIGITS, PRINTABLE, rows_outside
from paysvc.core.columns import StatusColumns
from paysvc.core.csv_columns import split_fields, text_numbers
from paysvc.core.line_fields import BYTES, CAPITALS, NUMBER, WORD, Field
from paysvc.core.messages import BankReturns, GroupStatus
from paysvc.core.proof import exact_sum
from paysvc.core.scan_xml import WORTH_SCANNING
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused

_GROUP_STATUSES = frozenset({"ACCP", "PART", "RJCT"})
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST_REASON = 140
#: Line number, reference, status, reason, bank's reference, amount. A letter of a reason with its
#: tone mark is one or two bytes (in Windows-1258), and is one letter when it is composed.
_FIELDS = (
    Field(NUMBER, 1, 9),
    Field(WORD, 1, 35),
    Field(CAPITALS, 4, 4),
    Field(BYTES, 0, 2 * _LONGEST_REASON),
    Field(WORD, 0, 35),
    Field(NUMBER, 1, 15),
)
_TRAILER = re.compile(r"T\|([0-9]{1,9})\|([0-9]{1,18})\|([0-9a-f]{64})")


def read_status(content: bytes) -> BankReturns:
    """What the status file says, kind "status". Raises `FileRefused` unless it is whole and its totals hold."""
    scanned = read_scanned(content) if len(content) >= WORTH_SCANNING else None
    return scanned or read_by_lines(content)


def read_by_lines(content: bytes) -> BankReturns:
    """`read_status` for any legal file and any fault: the reference that the scanner is held against."""
    lines = _whole_lines(content)
    return _status(content, lines[0], lines[-1], lambda: _details(lines[1:-1]))


def read_scanned(content: bytes) -> BankReturns | None:
    """`read_status` for a file of plain lines; None where only `read_by_lines` can tell."""
    begin, end = content.find(b"\r\n") + 2, content.rfind(b"\r\n", 0, -2) + 2
    if begin > end:
        return None
    details = _scanned_details(content, begin, end)
    if details is None:
        return None
    try:
        frame = _whole_lines(content[:begin] + content[end:])
        return _status(content, frame[0], frame[-1], lambda: details)
    except FileRefused:
        # Read again by lines, it is found again, with its place in the whole file.
        return None


def _status(content: bytes, first: str, last: str, details: Callable[[], tuple[StatusColumns, int]]) -> BankReturns:
    """What the file says whose first and last line these are; `details` gives the columns and their sum."""
    bank_message_id, answers, group_status, reason = _header(first)
    count, total_vnd = _trailer(content, last)
    statuses, sum_vnd = details()
    if len(statuses) != count:
        message = f"The trailer counts {count} lines, the file has {len(statuses)}."
        _refuse("control_totals_lie", message, len(statuses) + 2)
    if sum_vnd != total_vnd:
        _refuse("control_totals_lie", "The trailer's sum is not the sum of the lines.", len(statuses) + 2)
    return BankReturns(
        kind="status",
        bank_message_id=bank_message_id,
        answers_message_id=answers,
        statuses=statuses,
        groups=(GroupStatus(answers, None, group_status, reason),),
    )


def _refuse(code: str, message: str, line: int) -> NoReturn:
    raise FileRefused(code, message, place=f"line {line}")


def _whole_lines(content: bytes) -> list[str]:
    """The lines, when the file has a first and a last one and every one ends as it should."""
    if not content.startswith(b"H|RES01|"):
        version = re.match(rb"H\|RES[0-9]{2}\|", content)
        code = "wrong_version" if version else "wrong_message"
        _refuse(code, "The file does not begin as a status file of this dialect (H|RES01|).", 1)
    try:
        lines = from_windows_1258(content).split("\r\n")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        raise FileRefused("wrong_encoding", "A byte means nothing in Windows-1258.", place=f"line {line}") from None
    if lines.pop() or not lines[-1].startswith("T|"):
        _refuse("file_truncated", "The file does not end with its trailer (T|) and CR LF.", len(lines) + 1)
    if content.count(b"\r") != len(lines) or content.count(b"\n") != len(lines):
        _refuse("line_malformed", "A line does not end with CR LF.", 1)
    return lines


def _header(line: str) -> tuple[str, str, str, str]:
    """Bank's message id, message id it answers, group status, reason."""
    fields = line.split("|")
    if len(fields) != 7:
        _refuse("line_malformed", "The header has not seven fields.", 1)
    _, _, bank_message_id, answers, group_status, reason, created = fields
    if rows_outside(TextColumn.of([bank_message_id, answers]), PRINTABLE, 1, 35):
        _refuse("line_malformed", "A message id in the header is empty, too long or not plain ASCII.", 1)
    if group_status not in _GROUP_STATUSES:
        _refuse("line_malformed", "The group status is not ACCP, PART or RJCT.", 1)
    if len(reason) > 35 or not re.fullmatch(r"[0-9]{14}", created):
        _refuse("line_malformed", "The reason or the time in the header is malformed.", 1)
    return bank_message_id, answers, group_status, reason


def _trailer(content: bytes, line: str) -> tuple[int, int]:
    """Count and sum that the trailer claims, when its digest is that of the bytes before it."""
    found = _TRAILER.fullmatch(line)
    if not found:
        _refuse("line_malformed", "The trailer is not count, sum and SHA-256.", content.count(b"\n"))
    # The trailer is ASCII, so it has as many bytes as characters.
    if hashlib.sha256(memoryview(content)[: -len(line) - 2]).hexdigest() != found[3]:
        message = "The trailer's SHA-256 is not that of the bytes before it."
        _refuse("digest_differs", message, content.count(b"\n"))
    return int(found[1]), int(found[2])


def _details(lines: list[str]) -> tuple[StatusColumns, int]:
    """The `D` lines in columns, and the sum of their amounts."""
    for line, detail in enumerate(lines, start=2):
        if detail.count("|") != 6 or not detail.startswith("D|"):
            _refuse("line_malformed", "The line is not a D line of seven fields.", line)
    fields = split_fields("".join([f"{line}\n" for line in lines]).encode(), 7, ord("|"))
    _, numbers, references, states, reasons, bank_references, amounts = fields
    columns = StatusColumns(references, states, reasons, bank_references)
    rules = (
        (numbers, DIGITS, 1, 9),
        (columns.reference, PRINTABLE, 1, 35),
        (columns.status, _CAPITALS, 4, 4),
        (columns.bank_reference, PRINTABLE, 0, 35),
        (amounts, DIGITS, 1, 15),
    )
    for column, allowed, least, most in rules:
        if wrong := rows_outside(column, allowed, least, most):
            _refuse("line_malformed", "A field of the line is empty, too long or of the wrong kind.", wrong[0] + 2)
    if max(map(len, reasons.categories()[0]), default=0) > _LONGEST_REASON:
        _refuse("line_malformed", "A reason is longer than 140 characters.", 1)
    return columns, exact_sum(text_numbers(amounts))


def _scanned_details(content: bytes, begin: int, end: int) -> tuple[StatusColumns, int] | None:
    """`_details` of the lines in `content[begin:end]`; None where they are not plain."""
    from paysvc.core.scan_fields import scan_delimited
    from paysvc.core.spans import text_column

    data = np.frombuffer(content, dtype=np.uint8)
    found = scan_delimited(data, begin, end, mark=ord("D"), separator=ord("|"), fields=_FIELDS)
    if found is None:
        return None
    _, references, states, reasons, bank_references, amounts = found
    decoded = _decoded(text_column(data, reasons))
    if decoded is None:
        return None
    columns = StatusColumns(
        reference=text_column(data, references),
        status=text_column(data, states),
        reason_code=decoded,
        bank_reference=text_column(data, bank_references),
    )
    return columns, exact_sum(amounts)


def _decoded(reasons: TextColumn) -> TextColumn | None:
    """The reasons, in Windows-1258, as text; None where one is no text or too long."""
    from paysvc.core.spans import picked_texts

    if reasons.data.tobytes().isascii():
        return reasons if int(reasons.lengths.max(initial=0)) <= _LONGEST_REASON else None
    different, codes = reasons.categories()
    try:
        # Decoded each by itself they read as in the whole file: no tone mark composes with a separator.
        texts = [from_windows_1258(reason) for reason in different.to_bytes_list()]
    except UnicodeDecodeError:
        return None
    return picked_texts(TextColumn.of(texts), codes) if max(map(len, texts)) <= _LONGEST_REASON else None
