"""Account statements (camt.053) and notifications (camt.054) into columns: batch bookings opened,
claims kept for the proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from paysvc.core.columns import EntryColumns, concatenate, no_entries
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
                self._claims.forget()
            else:
                return
        # Up to here both readers say the same; the parser goes on where the scanner stopped.
        for number, entries in EntryParser(self._name, self._claims).read(self._source):
            passed = min(given, len(entries))
            given -= passed
            if passed < len(entries):
                yield number, entries.part(passed, len(entries))

    def whole(self) -> tuple[str, tuple[Statement, ...]]:
        """The bank's message id and the statements, entries and all; instead of iterating."""
        return _whole(self, self._claims)


def read_camt(content: bytes | Source) -> tuple[str, tuple[Statement, ...]]:
    """The bank's message id and the statements of a camt.053 file, entries and all.

    Nothing is believed yet: `core.proof` says whether a statement's figures agree. Raises
    `FileRefused` as `StatementFile` does.
    """
    return StatementFile(content).whole()


def read_notifications(content: bytes | Source) -> tuple[str, tuple[Statement, ...]]:
    """The same of a camt.054 file. A notification names no balances, so that nothing proves it
    by itself; raises `FileRefused` as `StatementFile` does."""
    return StatementFile(content, NOTIFICATIONS).whole()


def read_by_parser(content: bytes, name: str) -> tuple[str, tuple[Statement, ...]]:
    """All of any legal file and any fault: the reference that the scanner is held against."""
    claims = Claims()
    return _whole(EntryParser(name, claims).read(Source.of(content)), claims)


def read_scanned(content: bytes, name: str) -> tuple[str, tuple[Statement, ...]] | None:
    """All of a file of plain entries; None where only `read_by_parser` can tell."""
    claims = Claims()
    try:
        return _whole(_scanned(Source.of(content), name, claims), claims)
    except NotUnderstood:
        return None


def _whole(found: Iterable[EntriesOf], claims: Claims) -> tuple[str, tuple[Statement, ...]]:
    pieces: dict[int, list[EntryColumns]] = {}
    for number, entries in found:
        pieces.setdefault(number, []).append(entries)
    # What is claimed is known when the last entry has been handed out, and not before.
    whole = enumerate(claims.statements)
    statements = tuple(replace(one, entries=concatenate(pieces.get(at) or [one.entries])) for at, one in whole)
    return claims.message_id, statements


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
