"""Account statements (camt.053) and notifications (camt.054) into columns: batch bookings opened,
claims kept for the proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from paysvc.core.columns import (
    EntryColumns,
    concatenate,
    no_entries,
)
from paysvc.core.messages import Statement
from paysvc.core.scan_camt_parser import Claims, EntriesOf, EntryParser, nothing_counted, shape_of
from paysvc.core.scan_claims import StatementClaims
from paysvc.core.scan_xml import (
    WORTH_SCANNING,
    message_name,
    qualified,
    records,
    refuse_unless,
    text_of,
)
from paysvc.core.source import NotUnderstood, Source
from paysvc.domain.errors import FileRefused

STATEMENTS = frozenset({"camt.053.001.02", "camt.053.001.04", "camt.053.001.08"})
NOTIFICATIONS = frozenset({"camt.054.001.02", "camt.054.001.04", "camt.054.001.08"})


class StatementFile:
    """A camt.053 (or camt.054) file being read, however long it is.

    Iterate once for the entries; nothing is believed before the end, where the figures are
    known: `statements` then has each statement with its claims, without entries, for
    `core.proof`. Raises `FileRefused` while iterating for bytes that are no whole, legal
    file: the codes of `scan_xml` and `scan_amount`, `wrong_structure`, `field_too_long`
    and `statement_missing`; what was handed out before is then worth nothing.
    """

    def __init__(self, content: bytes | Source, accepted: frozenset[str] = STATEMENTS) -> None:
        self._source = Source.of(content)
        self._name = message_name(self._source)
        what = "an account statement" if accepted is STATEMENTS else "a debit and credit notification"
        refuse_unless(self._name, accepted, what)
        self._claims = Claims()

    @property
    def message_id(self) -> str:
        return self._claims.message_id

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(self._claims.statements)

    def __iter__(self) -> Iterator[EntriesOf]:
        given = 0
        if self._source.size >= WORTH_SCANNING:
            try:
                for number, entries in _scanned(self._source, self._name, self._claims):
                    given += len(entries)
                    yield number, entries
            except NotUnderstood:
                self._claims = Claims()
            else:
                return
        # Up to here both readers say the same; the parser goes on where the scanner stopped.
        for number, entries in _parsed(self._source, self._name, self._claims):
            passed = min(given, len(entries))
            given -= passed
            if passed < len(entries):
                yield number, entries.part(passed, len(entries))


def read_camt(content: bytes | Source) -> tuple[str, tuple[Statement, ...]]:
    """The bank's message id and the statements of a camt.053 file, entries and all.

    Nothing is believed yet: `core.proof` says whether a statement's figures agree. Raises
    `FileRefused` as `StatementFile` does.
    """
    file = StatementFile(content)
    return _collected(iter(file), lambda: (file.message_id, file.statements))


def read_notifications(content: bytes | Source) -> tuple[str, tuple[Statement, ...]]:
    """The same of a camt.054 file. A notification names no balances, so that nothing proves it
    by itself; raises `FileRefused` as `StatementFile` does."""
    file = StatementFile(content, NOTIFICATIONS)
    return _collected(iter(file), lambda: (file.message_id, file.statements))


def read_by_parser(content: bytes, name: str) -> tuple[str, tuple[Statement, ...]]:
    """All of any legal file and any fault: the reference that the scanner is held against."""
    claims = Claims()
    found = _parsed(Source.of(content), name, claims)
    return _collected(found, lambda: (claims.message_id, tuple(claims.statements)))


def read_scanned(content: bytes, name: str) -> tuple[str, tuple[Statement, ...]] | None:
    """All of a file of plain entries; None where only `read_by_parser` can tell."""
    claims = Claims()
    found = _scanned(Source.of(content), name, claims)
    try:
        return _collected(found, lambda: (claims.message_id, tuple(claims.statements)))
    except NotUnderstood:
        return None


def _collected(
    found: Iterator[EntriesOf], ended: Callable[[], tuple[str, tuple[Statement, ...]]]
) -> tuple[str, tuple[Statement, ...]]:
    pieces: dict[int, list[EntryColumns]] = {}
    for number, entries in found:
        pieces.setdefault(number, []).append(entries)
    message_id, statements = ended()
    whole = (replace(one, entries=concatenate(pieces.get(at) or [one.entries])) for at, one in enumerate(statements))
    return message_id, tuple(whole)


def _scanned(source: Source, name: str, claims: Claims) -> Iterator[EntriesOf]:
    """By the kernels; raises `NotUnderstood` where only the parser can tell."""
    # Only who reads a long file pays for loading the kernels.
    from paysvc.core.scan_camt_columns import scan_entries

    scan = scan_entries(source, name, shape_of(name))
    counted: dict[int, dict[tuple[bool, bool], int]] = {}
    for chunk in scan:
        for segment in chunk.segments:
            entries, counts = chunk.piece.of(segment)
            before = counted.setdefault(segment.container, dict.fromkeys(counts, 0))
            for key, count in counts.items():
                before[key] += count
            if len(entries):
                yield segment.container, entries
    try:
        _read_frame(scan.frame, name, [counted.get(at, {}) for at in range(scan.containers)], claims)
    except FileRefused:
        # The parser finds it again, and its place in the whole file.
        raise NotUnderstood from None


def _read_frame(frame: bytes, name: str, counted: Sequence[dict[tuple[bool, bool], int]], claims: Claims) -> None:
    """What stands around the entries, by the parser."""
    shape = shape_of(name)
    for element in records(Source.of(frame), name, shape):
        if element.tag == qualified(name, "GrpHdr"):
            claims.message_id = claims.message_id or text_of(element.find(qualified(name, "MsgId")))
        elif element.tag == qualified(name, shape.container):
            if element.find(f"{qualified(name, 'NtryDtls')}/{qualified(name, 'TxDtls')}") is not None:
                raise NotUnderstood
            counts = {**nothing_counted(), **counted[len(claims.statements)]}
            claims.statements.append(StatementClaims(name, element, [], counts).statement(no_entries()))
    if not claims.statements or len(claims.statements) != len(counted):
        raise NotUnderstood


def _parsed(source: Source, name: str, claims: Claims) -> Iterator[EntriesOf]:
    """By the parser."""
    return EntryParser(name, claims).read(source)
