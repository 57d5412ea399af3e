"""The scanners against the parser: the same columns from every file they take, none that it refuses."""

from __future__ import annotations

import dataclasses
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from paysvc.core import scan_camt, scan_mt940, scan_mt940_lines, scan_pain001, scan_pain002, scan_records
from paysvc.core.scan_xml import WORTH_SCANNING, message_name
from paysvc.core.source import Source
from paysvc.domain.errors import FileRefused
from tests.broken_papers import (
    account_lines,
    damaged,
    damaged_lines,
    notifications,
    orders,
    statements,
    status_reports,
    written_otherwise,
)
from tests.iso_papers import Booking, as_notification, entry_xml, order, statement
from tests.with_bounds import run_with_bounds

#: Damaged files per kind and size of chunk; PAYSVC_TEST_DAMAGED asks for more.
DAMAGED = int(os.environ.get("PAYSVC_TEST_DAMAGED", "700"))


class Reader(NamedTuple):
    papers: Callable[[], list[bytes]]
    names: frozenset[str]
    scan: Callable[[bytes, str], object]
    parse: Callable[[bytes, str], object]
    read: Callable[[bytes], object]


READERS = {
    "camt.053": Reader(
        statements, scan_camt.STATEMENTS, scan_camt.read_scanned, scan_camt.read_by_parser, scan_camt.read_camt
    ),
    "camt.054": Reader(
        notifications,
        scan_camt.NOTIFICATIONS,
        scan_camt.read_scanned,
        scan_camt.read_by_parser,
        scan_camt.read_notifications,
    ),
    "pain.002": Reader(
        status_reports,
        scan_pain002.STATUS_REPORTS,
        scan_pain002.read_scanned,
        scan_pain002.read_by_parser,
        scan_pain002.read_pain002,
    ),
    "pain.001": Reader(
        orders, scan_pain001.ORDERS, scan_pain001.read_scanned, scan_pain001.read_by_parser, scan_pain001.read_pain001
    ),
}


def differences(one: object, other: object, where: str = "") -> list[str]:
    """What is not the same in two results, bundles of columns and all."""
    if type(one) is not type(other):
        return [f"{where}: {type(one)} and {type(other)}"]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.dtype == other.dtype and np.array_equal(one, other)
        return [] if same else [f"{where}: {one} and {other}"]
    if dataclasses.is_dataclass(one) and hasattr(one, "to_bytes_list") and hasattr(other, "to_bytes_list"):
        return [] if one.to_bytes_list() == other.to_bytes_list() else [f"{where}: {list(one)} and {list(other)}"]
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return [line for name in names for line in differences(getattr(one, name), getattr(other, name), name)]
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return [line for pair in zip(one, other, strict=True) for line in differences(*pair, where)]
    return [] if one == other else [f"{where}: {one} and {other}"]


@pytest.fixture(params=[200, 700, scan_records.CHUNK_BYTES], ids=lambda size: f"chunks of {size}")
def chunk_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(scan_records.RecordScan.__init__.__kwdefaults__, "chunk_bytes", request.param)
    return int(request.param)


@pytest.mark.parametrize("kind", READERS)
def test_a_plain_file_is_scanned_and_reads_the_same(kind: str, chunk_bytes: int) -> None:
    reader = READERS[kind]
    for content in reader.papers():
        for written in (content, *written_otherwise(content)):
            name = message_name(written)
            scanned = reader.scan(written, name)
            assert scanned is not None, written
            assert differences(scanned, reader.parse(written, name)) == []


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_refused_or_reads_the_same(kind: str, chunk_bytes: int) -> None:
    reader, chosen = READERS[kind], random.Random(f"{kind} {chunk_bytes}")
    papers = [written for paper in reader.papers() for written in (paper, *written_otherwise(paper))]
    taken = 0
    for _ in range(DAMAGED):
        content = damaged(chosen.choice(papers), chosen)
        try:
            name = message_name(content)
        except FileRefused:
            continue
        scanned = reader.scan(content, name) if name in reader.names else None
        if scanned is not None:
            taken += 1
            assert differences(scanned, reader.parse(content, name)) == [], content
    assert taken > DAMAGED / 100  # otherwise this test says nothing


@pytest.fixture(params=[40, 300, scan_mt940_lines.PART_BYTES], ids=lambda size: f"parts of {size}")
def part_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setitem(scan_mt940_lines.scan_lines.__kwdefaults__, "part_bytes", request.param)
    return int(request.param)


@pytest.mark.usefixtures("part_bytes")
def test_plain_account_lines_are_scanned_and_read_the_same() -> None:
    for content in account_lines():
        scanned = scan_mt940.read_scanned(content)
        assert scanned is not None, content
        assert differences(scanned, scan_mt940.read_by_fields(content)) == []


def test_damaged_account_lines_are_refused_or_read_the_same(part_bytes: int) -> None:
    chosen, papers = random.Random(f"account lines {part_bytes}"), account_lines()
    taken = 0
    for _ in range(2 * DAMAGED):
        content = damaged_lines(chosen.choice(papers), chosen)
        scanned = scan_mt940.read_scanned(content)
        if scanned is not None:
            taken += 1
            assert differences(scanned, scan_mt940.read_by_fields(content)) == [], content
    assert taken > DAMAGED / 10


def test_a_long_file_of_account_lines_is_scanned_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    (plain, *_) = account_lines()
    start, end = plain.index(b":61:"), plain.index(b":62F:")
    content = plain[:start] + plain[start:end] * 4_000 + plain[end:]
    assert len(content) > WORTH_SCANNING
    expected = scan_mt940.read_by_fields(content)
    monkeypatch.setattr(scan_mt940, "read_by_fields", None)
    assert differences(scan_mt940.read_mt940(content), expected) == []


@pytest.mark.parametrize(
    "unusual",
    [
        b"<!-- no comment -->",
        b"<![CDATA[x]]>",
        b"<?target?>",
        b"&#65;",
        b"]]>",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x01",
        b'<X a="1" b="2"/>',
        b"<o:X xmlns:o='u'/>",
        b"<X></Y>",
    ],
)
@pytest.mark.parametrize("place", [b"<BkTxCd/>", b"<Bal>", b"</Stmt>"])
def test_what_the_kernel_does_not_know_goes_to_the_parser(unusual: bytes, place: bytes) -> None:
    content = statement(Booking("P1"), Booking("P2")).replace(place, unusual + place, 1)
    scanned = scan_camt.read_scanned(content, "camt.053.001.08")
    if scanned is not None:
        assert differences(scanned, scan_camt.read_by_parser(content, "camt.053.001.08")) == []
    assert scanned is None or (place != b"<BkTxCd/>" and unusual.startswith((b"<X a", b"<o:")))


@pytest.mark.parametrize(
    "unlike",
    [
        entry_xml([Booking("P1"), Booking("P2", 7)], amount=500_006),
        entry_xml([Booking("P1"), Booking("P2")], batch="<Btch><NbOfTxs>3</NbOfTxs></Btch>"),
        entry_xml([Booking("P1")], amount=400_000),
        entry_xml([Booking("P1", status="DONE")]),
        entry_xml([Booking("P1", amount=10**13)]),
        entry_xml([Booking("P1", amount="1.5")]),
        entry_xml([Booking("P1", amount="-1")]),
        entry_xml([Booking("P1", currency="vnd")]),
    ],
)
def test_what_contradicts_itself_is_told_by_the_parser(unlike: str) -> None:
    content = statement(Booking("P1")).replace(b"</Stmt>", unlike.encode() + b"</Stmt>")
    assert scan_camt.read_scanned(content, "camt.053.001.08") is None


def test_entries_that_do_not_stand_together_are_told_by_the_parser() -> None:
    content = statement(Booking("P1"), Booking("P2")).replace(b"</Ntry><Ntry>", b"</Ntry><TxsSummry/><Ntry>")
    assert scan_camt.read_scanned(content, "camt.053.001.08") is None
    with pytest.raises(FileRefused):
        scan_camt.read_camt(content)


@pytest.mark.parametrize("kind", READERS)
def test_a_long_file_is_scanned_without_being_asked(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks on two threads; the parser is not called."""
    rows = [(f"P{number:015}", 500_000 + number) for number in range(12_000)]
    bookings = [Booking(reference, amount) for reference, amount in rows]
    content = {
        "camt.053": lambda: statement(*bookings),
        "camt.054": lambda: as_notification(statement(*bookings)),
        "pain.002": lambda: status_reports_of([reference for reference, _ in rows]),
        "pain.001": lambda: order(rows, blocks=3),
    }[kind]()
    assert len(content) > WORTH_SCANNING
    name = message_name(content)
    expected = READERS[kind].parse(content, name)
    monkeypatch.setattr(sys.modules[READERS[kind].read.__module__], "read_by_parser", None)
    monkeypatch.setitem(scan_records.RecordScan.__init__.__kwdefaults__, "chunk_bytes", 100_000)
    assert differences(READERS[kind].read(content), expected) == []


def test_a_file_is_read_on_by_the_parser_from_where_the_scanner_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was handed out before still holds; a comment in the last entries is legal and not the scanner's."""
    monkeypatch.setitem(scan_records.RecordScan.__init__.__kwdefaults__, "chunk_bytes", 100_000)
    content = statement(*(Booking(f"P{number:015}", 500_000 + number) for number in range(12_000)))
    at = content.rindex(b"<Ntry>")
    content = content[:at] + b"<!-- late -->" + content[at:]
    assert scan_camt.read_scanned(content, "camt.053.001.08") is None
    pieces = [entries for _, entries in scan_camt.StatementFile(content)]
    assert len(pieces) > 3
    assert differences(scan_camt.read_camt(content), scan_camt.read_by_parser(content, "camt.053.001.08")) == []


def test_a_file_on_a_disk_reads_as_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scan_records.RecordScan.__init__.__kwdefaults__, "chunk_bytes", 100_000)
    content = statement(*(Booking(f"P{number:015}", 500_000 + number) for number in range(12_000)))
    path = tmp_path / "statement.xml"
    for written in (content, content[:-30], content.replace(b"P000000000011111", b"P00000&amp;11111"), b" "):
        path.write_bytes(written)
        with Source.at(path) as source:
            assert _outcome(source) == _outcome(written)


def _outcome(content: bytes | Source) -> object:
    try:
        _, (one,) = scan_camt.read_camt(content)
    except FileRefused as refusal:
        return refusal.code, refusal.place
    return one.entries.reference.to_bytes_list(), one.proof


def status_reports_of(references: list[str]) -> bytes:
    (first, *_) = status_reports()
    one = b"<TxInfAndSts><OrgnlEndToEndId>%s</OrgnlEndToEndId><TxSts>ACCC</TxSts></TxInfAndSts>"
    rows = b"".join(one % reference.encode() for reference in references)
    return first.replace(b"<TxInfAndSts>", rows + b"<TxInfAndSts>", 1)


def test_a_record_and_a_text_beyond_every_bank_go_to_the_parser() -> None:
    long_text = statement(Booking("P1")).replace(
        b"<BkTxCd/>", b"<AddtlNtryInf>" + b"x" * 2_000_000 + b"</AddtlNtryInf>"
    )
    deep = statement(Booking("P1")).replace(b"<BkTxCd/>", b"<A>" * 70 + b"</A>" * 70)
    for content in (long_text, deep):
        assert scan_camt.read_scanned(content, "camt.053.001.08") is None


@pytest.mark.slow
def test_no_kernel_reads_or_writes_outside_its_arrays() -> None:
    """The same files again with every index checked."""
    run_with_bounds(__file__, "damaged or plain", PAYSVC_TEST_DAMAGED="300")
