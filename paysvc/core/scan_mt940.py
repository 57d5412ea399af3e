"""MT940 customer statements (SWIFT category 9): bytes in, statements in columns out.

Read by fields, as the format is made: `:tag:value`, where a value runs on over the lines
that do not start with a tag. Tolerant of what real banks vary (line ends, SWIFT envelopes
or none, pages, the optional entry date, `RD` and `RC`, no `:86:`); strict about amounts,
dates, balances and the order of fields. Whether the balances prove the entries is asked
elsewhere (core/proof.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import NamedTuple, NoReturn

import numpy as np

from paysvc.core.columns import BOOKED, EntryColumns
from paysvc.core.messages import Statement, StatementProof
from paysvc.core.scan_xml import WORTH_SCANNING
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import VND

# A line that starts with a tag starts a field: no other line of a field may start with a colon.
_TAG = re.compile(rb"^:([0-9]{2}[A-Z]?|[A-Z]{2}):", re.MULTILINE)
_ENVELOPE = re.compile(rb"^(?:-\}|\{|\$)[^\n]*\{4:[ \t]*$", re.MULTILINE)
_BLOCK_END = re.compile(rb"^-\}", re.MULTILINE)
_MESSAGE_END = re.compile(rb"^-(?:\}[^\n]*)?[ \t]*$", re.MULTILINE)
_PRINTABLE = re.compile(rb"[ -~]{1,35}")
_NUMBER = re.compile(rb"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_BALANCE = re.compile(rb"([CD])([0-9]{6})([A-Z]{3})([0-9]{1,15}),([0-9]{0,2})")
_ENTRY = re.compile(
    rb"([0-9]{6})([0-9]{4})?"  # value date, entry date
    rb"(R?[CD])[A-Z]?"  # mark; third letter of the currency
    rb"([0-9]{1,15}),([0-9]{0,2})"  # amount
    rb"[NSF][A-Z0-9]{3}"  # type of transaction
    rb"([ -~]{0,35}?)(?://([ -~]{0,35}))?"  # our reference; the bank's
    rb"(?:\n.*)?",  # supplementary details: nothing for us
    re.DOTALL,
)
_END_TO_END = re.compile(rb"(?:^|/)EREF/([!-.0-~]{1,35})")
_REASON = re.compile(rb"/RSN/([!-.0-~]{1,35})")
#: From here on `:86:` is what somebody wrote to somebody; it must not be able to name a payment.
_FREE_TEXT = re.compile(rb"/(?:TXT|REMI)/")
_NO_REFERENCE = frozenset({b"", b"NONREF", b"NOTPROVIDED"})


class _Balance(NamedTuple):
    """`:60a:` or `:62a:`; whole units of the currency, negative when overdrawn."""

    day: date
    currency: str
    amount: int


class _Entry(NamedTuple):
    """One `:61:` with the line it stands in and its `:86:` ("" when it has none)."""

    line: int
    value: bytes
    details: bytes


@dataclass(slots=True)
class _Page:
    """One message: a statement, or one page of one."""

    line: int
    statement_id: str
    account: str | None = None
    number: tuple[int, int | None] | None = None
    opening: _Balance | None = None
    closing: _Balance | None = None
    is_first: bool = True
    is_last: bool = True
    entries: list[_Entry] = field(default_factory=list)


def read_mt940(content: bytes) -> tuple[Statement, ...]:
    """The statements of an MT940 file in its order, the pages of a statement put together.

    Amounts are whole đồng (`500000,` or `500000,00`); of another currency a fraction is cut,
    as `EntryColumns` says. `D` and `RC` (a credit taken back) are debits, `C` and `RD`
    credits. The reference is that of `:61:`; where that is missing, `NONREF`, or only the
    beginning of a longer `/EREF/` in `:86:`, it is the latter. The reason is `/RSN/`. Free
    text (from `/TXT/` or `/REMI/` on) is never searched, because strangers write it. The id of a
    statement is `:20:`, the number of `:28C:` and the day of the closing balance, with `/` between.

    Raises `FileRefused` (with code and line) for all that is not a whole, legal file.
    """
    scanned = read_scanned(content) if len(content) >= WORTH_SCANNING else None
    return scanned or read_by_fields(content)


def read_by_fields(content: bytes) -> tuple[Statement, ...]:
    """`read_mt940` for any legal file and any fault: the reference that the scanner is held against."""
    return tuple(_statement(group, _entries_of) for group in _grouped_pages(content))


def read_scanned(content: bytes) -> tuple[Statement, ...] | None:
    """`read_mt940` for a file of plain entries; None where only `read_by_fields` can tell."""
    from paysvc.core.scan_mt940_lines import scan_lines

    lines = scan_lines(content)
    if lines is None:
        return None
    runs = iter(lines.runs)

    def entries(pages: list[_Page], currency: str) -> EntryColumns:
        of_pages = [next(runs) for page in pages for _ in page.entries]
        begin, end = (of_pages[0][0], of_pages[-1][1]) if of_pages else (0, 0)
        if currency == VND and lines.has_fraction(begin, end):
            _refuse("amount_not_whole", "An amount is not in whole đồng.", 0)
        return lines.entries(begin, end, currency, _booking_day_of)

    try:
        return tuple([_statement(group, entries) for group in _grouped_pages(lines.frame)])
    except FileRefused:
        # Read again by fields, it is found again, with its place in the whole file.
        return None


def _grouped_pages(content: bytes) -> Iterator[list[_Page]]:
    return _grouped(list(_pages(_fields(_unwrapped(content)))))


def _entries_of(pages: list[_Page], currency: str) -> EntryColumns:
    return _entries([entry for page in pages for entry in page.entries], currency)


def _refuse(code: str, message: str, line: int) -> NoReturn:
    raise FileRefused(code, message, place=f"line {line}" if line else "")


def _unwrapped(content: bytes) -> bytes:
    """Line ends as `\\n`; envelopes and ends of messages blanked, so that lines keep their number."""
    if not content.strip():
        _refuse("file_empty", "The file is empty.", 0)
    if b"\0" in content or content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse("wrong_encoding", "An MT940 file is plain text of one byte a character, without a mark.", 1)
    text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if len(_ENVELOPE.findall(text)) != len(_BLOCK_END.findall(text)):
        _refuse("file_truncated", "A SWIFT message ({4:) does not end with -}.", 0)
    return _MESSAGE_END.sub(b"", _ENVELOPE.sub(b"", text))


def _fields(text: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Line number, tag and value (without line ends at its end) of every field."""
    parts = _TAG.split(text)
    if parts[0].strip():
        _refuse("wrong_message", "The file does not begin as an MT940 statement.", 1)
    line = 1 + parts[0].count(b"\n")
    for position in range(1, len(parts), 2):
        value = parts[position + 1]
        yield line, parts[position], value.rstrip(b"\n ")
        line += value.count(b"\n")


def _pages(fields: Iterable[tuple[int, bytes, bytes]]) -> Iterator[_Page]:
    page: _Page | None = None
    before = b""
    for line, tag, value in fields:
        if tag == b"20":
            if page:
                yield _complete(page)
            page = _Page(line, _printable(value, line))
        elif page is None:
            _refuse("wrong_message", "The file does not begin with a statement number (:20:).", line)
        elif tag == b"61":
            if page.opening is None or page.closing is not None:
                _refuse("line_misplaced", "An entry (:61:) stands outside the balances.", line)
            page.entries.append(_Entry(line, value, b""))
        elif tag == b"86":
            if before == b"61":
                page.entries[-1] = _Entry(*page.entries[-1][:2], value)
        else:
            _head_or_balance(page, line, tag, value)
        before = tag
    if page is None:
        _refuse("file_empty", "The file holds no statement.", 0)
    yield _complete(page)


def _head_or_balance(page: _Page, line: int, tag: bytes, value: bytes) -> None:
    """Take `:25:`, `:28C:`, `:60a:` and `:62a:`; what else a bank adds (`:64:`, `:65:` …) claims nothing."""
    if tag in (b"25", b"25P"):
        _once(page.account, line)
        page.account = _printable(value.split(b"\n")[0], line)
    elif tag in (b"28C", b"28"):
        _once(page.number, line)
        found = _NUMBER.fullmatch(value)
        if not found:
            _refuse("line_malformed", "A statement number (:28C:) is not a number and a page.", line)
        page.number = (int(found[1]), int(found[2]) if found[2] else None)
    elif tag in (b"60F", b"60M"):
        _once(page.opening, line)
        page.opening, page.is_first = _balance(value, line), tag == b"60F"
    elif tag in (b"62F", b"62M"):
        _once(page.closing, line)
        if page.opening is None:
            _refuse("line_misplaced", "A closing balance stands before the opening balance.", line)
        page.closing, page.is_last = _balance(value, line), tag == b"62F"


def _once(already: object, line: int) -> None:
    if already is not None:
        _refuse("line_misplaced", "A field stands twice in one statement.", line)


def _printable(value: bytes, line: int) -> str:
    if not _PRINTABLE.fullmatch(value.strip()):
        _refuse("line_malformed", "An identification (:20:, :25:) is empty, too long or not plain ASCII.", line)
    return value.strip().decode("ascii")


def _balance(value: bytes, line: int) -> _Balance:
    found = _BALANCE.fullmatch(value)
    if not found:
        _refuse("line_malformed", "A balance (:60a:, :62a:) is not mark, date, currency and amount.", line)
    mark, day, currency, whole, fraction = found.groups()
    amount = _units(whole, fraction, currency == b"VND", line)
    return _Balance(_day(day, line), currency.decode("ascii"), -amount if mark == b"D" else amount)


def _units(whole: bytes, fraction: bytes, is_dong: bool, line: int) -> int:
    """Whole units; a fraction of a đồng does not exist (ISO 4217) and refuses the file."""
    if is_dong and fraction.strip(b"0"):
        _refuse("amount_not_whole", "An amount is not in whole đồng.", line)
    return int(whole)


def _day(yymmdd: bytes, line: int) -> date:
    return _existing_day(2000 + int(yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:]), line)


def _existing_day(year: int, month: int, day: int, line: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        _refuse("line_malformed", "A date does not exist.", line)


def _complete(page: _Page) -> _Page:
    for value, name in ((page.account, ":25:"), (page.number, ":28C:"), (page.opening, ":60F:")):
        if value is None:
            _refuse("field_missing", f"A statement has no {name}.", page.line)
    if page.closing is None:
        _refuse("file_truncated", "A statement has no closing balance (:62F:).", page.line)
    return page


def _grouped(pages: list[_Page]) -> Iterator[list[_Page]]:
    """The pages of one statement together: the first opens with F, the last closes with F."""
    group: list[_Page] = []
    for page in pages:
        if page.is_first == bool(group):
            _refuse("file_truncated", "A page of a statement is missing.", page.line)
        if group and not _follows(group[-1], page):
            _refuse("file_truncated", "A page does not follow the page before it.", page.line)
        group.append(page)
        if page.is_last:
            yield group
            group = []
    if group:
        _refuse("file_truncated", "The last page of a statement is missing.", group[0].line)


def _follows(before: _Page, page: _Page) -> bool:
    assert before.number is not None
    assert page.number is not None
    same = before.account == page.account and before.number[0] == page.number[0]
    # A bank that does not number its pages cannot be held to the numbers.
    return same and (before.number[1] is None or page.number[1] == before.number[1] + 1)


def _statement(pages: list[_Page], entries: Callable[[list[_Page], str], EntryColumns]) -> Statement:
    opening, closing, number = pages[0].opening, pages[-1].closing, pages[0].number
    assert opening is not None
    assert closing is not None
    assert number is not None
    problems = [
        "The balance carried to a page is not the balance the page before ended with."
        for before, page in pairwise(pages)
        if page.opening != before.closing
    ]
    if closing.currency != opening.currency:
        problems.append("The closing balance is in another currency than the opening balance.")
    return Statement(
        # Banks put one and the same text into every `:20:`, or begin anew with 1 each year.
        statement_id=f"{pages[0].statement_id}/{number[0]}/{closing.day:%y%m%d}",
        account=pages[0].account or "",
        currency=opening.currency,
        # 0 is what a bank writes that does not number its statements.
        sequence=number[0] or None,
        from_date=opening.day,
        to_date=closing.day,
        proof=StatementProof(opening.amount, closing.amount),
        entries=entries(pages, opening.currency),
        problems=tuple(problems),
    )


def _entries(entries: list[_Entry], currency: str) -> EntryColumns:
    references, amounts, debits, reasons, bank_references, days = [], [], [], [], [], []
    is_dong, seen_days = currency == VND, dict[tuple[bytes, bytes | None], bytes]()
    for line, value, details in entries:
        found = _ENTRY.fullmatch(value)
        if not found:
            _refuse("line_malformed", "An entry (:61:) is not date, mark, amount, type and reference.", line)
        value_day, entry_day, mark, whole, fraction, reference, bank_reference = found.groups()
        if (value_day, entry_day) not in seen_days:
            seen_days[value_day, entry_day] = _booking_day(value_day, entry_day, line)
        named, reason = _details(details)
        references.append(_reference(reference.strip(), named))
        amounts.append(_units(whole, fraction, is_dong, line))
        debits.append(mark in (b"D", b"RC"))
        reasons.append(reason)
        bank_references.append((bank_reference or b"").strip())
        days.append(seen_days[value_day, entry_day])
    count = len(entries)
    return EntryColumns(
        reference=TextColumn.of_bytes(references),
        amount_vnd=np.array(amounts, dtype=np.int64),
        currency=TextColumn.repeat(currency, count),
        is_debit=np.array(debits, dtype=np.bool_),
        status=np.full(count, BOOKED, dtype=np.uint8),
        reason_code=TextColumn.of_bytes(reasons),
        bank_reference=TextColumn.of_bytes(bank_references),
        entry_number=np.arange(1, count + 1, dtype=np.int32),
        booking_date=TextColumn.of_bytes(days),
    )


def _details(value: bytes) -> tuple[bytes, bytes]:
    """The EndToEndId and the reason that the structured part of `:86:` names ("" for none)."""
    if b"/" not in value:
        return b"", b""
    # A bank breaks the value every 65 characters, wherever that falls.
    structured = _FREE_TEXT.split(value.replace(b"\n", b""), maxsplit=1)[0]
    named, reason = _END_TO_END.search(structured), _REASON.search(structured)
    return (named[1] if named else b""), (reason[1] if reason else b"")


def _reference(ours: bytes, named: bytes) -> bytes:
    if ours in _NO_REFERENCE or named.startswith(ours):
        return b"" if (named or ours) in _NO_REFERENCE else named
    return ours


def _booking_day_of(value_day: int, entry_day: int | None) -> bytes:
    return _booking_day(b"%06d" % value_day, None if entry_day is None else b"%04d" % entry_day, 0)


def _booking_day(value_day: bytes, entry_day: bytes | None, line: int) -> bytes:
    """ISO text of the entry date, which has no year: it is the one nearest to the value date."""
    day = _day(value_day, line)
    if entry_day is not None:
        months = int(entry_day[:2]) - day.month
        year = day.year + (1 if months < -6 else -1 if months > 6 else 0)
        day = _existing_day(year, int(entry_day[:2]), int(entry_day[2:]), line)
    return day.isoformat().encode("ascii")
