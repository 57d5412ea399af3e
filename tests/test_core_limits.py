"""Bad input at full length: scanner or not, the same refusal; and nothing takes the machine down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from paysvc.core import scan_camt, scan_mt940, scan_pain001, scan_pain002
from paysvc.core.prepare import prepare
from paysvc.core.scan_xml import WORTH_SCANNING, message_name
from paysvc.domain.errors import FileRefused
from tests.broken_papers import account_lines
from tests.iso_papers import Booking, as_notification, order, statement, status_report
from tests.test_core_scan_xml import DOCUMENT, LAUGHS, OPEN

ROOT = Path(__file__).parents[1]

#: The text that never ends, in MiB; PAYSVC_TEST_LONG_TEXT=1024 makes it a gigabyte.
LONG_TEXT = int(os.environ.get("PAYSVC_TEST_LONG_TEXT", "64"))
MOST_MEMORY = 256 << 20

_ROWS = [(f"P{number:015}", 500_000 + number) for number in range(9_000)]


class Paper(NamedTuple):
    """A file worth scanning, its records' end, both readers, and what a record's fields are called."""

    content: Callable[[], bytes]
    record_end: bytes
    read: Callable[[bytes], object]
    reference: Callable[[bytes], object]


def _statement() -> bytes:
    return statement(*(Booking(reference, amount) for reference, amount in _ROWS))


def _account_lines() -> bytes:
    (plain, *_) = account_lines()
    start, end = plain.index(b":61:"), plain.index(b":62F:")
    return plain[:start] + plain[start:end] * 4_000 + plain[end:]


XML = {
    "camt.053": Paper(
        _statement, b"</Ntry>", scan_camt.read_camt, lambda one: scan_camt.read_by_parser(one, message_name(one))
    ),
    "camt.054": Paper(
        lambda: as_notification(_statement()),
        b"</Ntry>",
        scan_camt.read_notifications,
        lambda one: scan_camt.read_by_parser(one, message_name(one)),
    ),
    "pain.001": Paper(
        lambda: order(_ROWS, blocks=3),
        b"</CdtTrfTxInf>",
        scan_pain001.read_pain001,
        lambda one: scan_pain001.read_by_parser(one, message_name(one)),
    ),
    "pain.002": Paper(
        lambda: status_report([(reference, "RJCT", "AC04") for reference, _ in _ROWS]),
        b"</TxInfAndSts>",
        scan_pain002.read_pain002,
        lambda one: scan_pain002.read_by_parser(one, message_name(one)),
    ),
}

#: What stands after a record and makes the file one that nobody may read.
INTRUDERS = {
    "a tag that is not closed": b"<X>",
    "a tag that was not opened": b"</X>",
    "an attribute twice": b'<X a="1" a="2"/>',
    "an attribute without quotes": b"<X a=1/>",
    "an entity of nobody": b"<X>&nobody;</X>",
    "a character that is none": b"<X>&#0;</X>",
    "a comment that never ends": b"<!-- x",
    "two hyphens in a comment": b"<!-- -- -->",
    "an end of CDATA": b"<X>]]></X>",
    "a bad byte": b"<X>\xff</X>",
    "half a surrogate pair": b"<X>\xed\xa0\x80</X>",
    "a NUL": b"<X>\x00</X>",
    "a document type": b"<!DOCTYPE Document>",
    "a prefix of nobody": b"<nobody:X/>",
    "a depth of three hundred": b"<X>" * 300 + b"</X>" * 300,
}
LINE_INTRUDERS = {
    "an entry that is none": b":61:nothing\n",
    "an entry after its end": b":62F:C261207VND1,\n:61:2612071207D1,NTRFX//Y\n",
    "a fraction of a dong": b":61:2612071207D1,5NTRFX//Y\n",
    "a day that is none": b":61:2613411207D1,NTRFX//Y\n",
    "a statement that begins": b":20:S2\n",
    "a NUL": b"\x00",
    "a balance that is none": b":62F:nothing\n",
    "an envelope that stays open": b"{1:F01}{4:\n",
}


def refusal(read: Callable[[bytes], object], content: bytes) -> tuple[str, str]:
    with pytest.raises(FileRefused) as refused:
        read(content)
    return refused.value.code, refused.value.place


#: All intruders in one kind of file, and in the others those that different parts of the scanner meet.
_INTRUSIONS = [
    (kind, what)
    for kind in XML
    for what in INTRUDERS
    if kind == "camt.053" or what in ("a tag that was not opened", "a bad byte", "a comment that never ends")
]


@pytest.mark.parametrize(("kind", "what"), _INTRUSIONS)
def test_a_long_file_is_refused_as_the_parser_alone_refuses_it(kind: str, what: str) -> None:
    paper = XML[kind]
    content = paper.content()
    assert len(content) > WORTH_SCANNING
    for at in (content.index(paper.record_end), content.rindex(paper.record_end)):
        end = at + len(paper.record_end)
        broken = content[:end] + INTRUDERS[what] + content[end:]
        code, place = refusal(paper.reference, broken)
        assert refusal(paper.read, broken) == (code, place)
        assert place


@pytest.mark.parametrize("kind", XML)
@pytest.mark.parametrize("part", [0.3, 0.9999])
def test_a_long_file_that_is_cut_off_is_refused_as_the_parser_alone_refuses_it(kind: str, part: float) -> None:
    paper = XML[kind]
    content = paper.content() + b" " * 300_000
    broken = content.rstrip()[: int(len(content.rstrip()) * part)].ljust(WORTH_SCANNING)
    assert refusal(paper.read, broken) == refusal(paper.reference, broken)


@pytest.mark.parametrize("what", LINE_INTRUDERS)
def test_long_account_lines_are_refused_as_the_fields_alone_are(what: str) -> None:
    content = _account_lines()
    assert len(content) > WORTH_SCANNING
    for at in (content.index(b":61:"), content.rindex(b":61:")):
        broken = content[:at] + LINE_INTRUDERS[what] + content[at:]
        assert refusal(scan_mt940.read_mt940, broken) == refusal(scan_mt940.read_by_fields, broken)


def test_white_space_beyond_the_parsers_limit_is_refused_by_the_scanner_too() -> None:
    content = _statement().replace(b"</Ntry><Ntry>", b"</Ntry>" + b" " * 10_100_000 + b"<Ntry>", 1)
    assert refusal(scan_camt.read_camt, content) == refusal(XML["camt.053"].reference, content)


# Files that are made to take the machine down ---------------------------------------------------

#: A piece of a file, and how often it stands there.
Piece = tuple[bytes, int]

_SMALL = statement(*(Booking(f"P{number:015}") for number in range(4_000)))
_HEAD, _ENTRIES = _SMALL[: _SMALL.index(b"<Ntry>")], _SMALL[_SMALL.index(b"<Ntry>") : _SMALL.rindex(b"</Stmt>")]
_TAIL = _SMALL[_SMALL.rindex(b"</Stmt>") :]
_ONE = _ENTRIES[: _ENTRIES.index(b"</Ntry>") + 7]


def _in_an_entry(*pieces: Piece) -> Iterator[Piece]:
    """After a megabyte of plain entries, so that the scanner comes first."""
    before, after = _ONE.split(b"<BkTxCd/>")
    yield from ((_HEAD, 1), (_ENTRIES, 1), (before, 1), *pieces, (after + _TAIL, 1))


def _numbered(pattern: bytes, count: int) -> Piece:
    return b"".join(pattern % number for number in range(count)), 1


_DECLARED = f'<!DOCTYPE Document [<!ENTITY l0 "ha">{LAUGHS}]>'.encode()
_EXTERNAL = b'<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
_PADDING = (b" " * 1_024, 2_048)

#: What the file is made of, and the code it is refused with ("" when it is legal and has to be read).
ATTACKS: dict[str, tuple[Callable[[], Iterator[Piece]], str]] = {
    "a billion laughs": (
        lambda: iter([(_DECLARED + DOCUMENT, 1), _PADDING, (b"&l9;</Document>", 1)]),
        "xml_has_dtd",
    ),
    "an external entity": (
        lambda: iter([(_EXTERNAL + DOCUMENT, 1), _PADDING, (b"&a;</Document>", 1)]),
        "xml_has_dtd",
    ),
    "a document type": (
        lambda: iter([(b'<!DOCTYPE Document SYSTEM "x.dtd">' + _HEAD[_HEAD.index(b"<Document") :] + _ENTRIES, 1)]),
        "xml_has_dtd",
    ),
    "a million nested tags": (lambda: _in_an_entry((b"<A>", 1_000_000), (b"</A>", 1_000_000)), "xml_too_large"),
    "nested tags at once": (lambda: iter([(OPEN, 1), (b"<A>", 1_000_000)]), "xml_too_large"),
    "a million attributes": (
        lambda: _in_an_entry((b"<A", 1), _numbered(b' a%d="1"', 1_000_000), (b"/>", 1)),
        "xml_too_large",
    ),
    "an attribute that never ends": (
        lambda: _in_an_entry((b'<A a="', 1), (b"x" * 1_024, 32_768), (b'"/>', 1)),
        "xml_too_large",
    ),
    "a comment that never ends": (
        lambda: _in_an_entry((b"<!--", 1), (b"x" * 1_024, 32_768), (b"-->", 1)),
        "xml_too_large",
    ),
    "a million headers of a statement": (
        lambda: iter([(_HEAD, 1), (b"<Bal><Amt/></Bal>", 1_000_000), (_ENTRIES + _TAIL, 1)]),
        "xml_too_large",
    ),
    "a million headers of a file": (lambda: iter([(OPEN, 1), (b"<GrpHdr/>", 1_000_000)]), "xml_too_large"),
    "many elements in an entry": (lambda: _in_an_entry(_numbered(b"<a%d/>", 300_000)), ""),
    "many namespaces in an entry": (lambda: _in_an_entry(_numbered(b'<a xmlns="u:%d"/>', 100_000)), ""),
}

_CHILD = """
import sys, time
from pathlib import Path
from paysvc.core.scan_camt import StatementFile
from paysvc.core.source import Source
from paysvc.domain.errors import FileRefused
code, place, started = "", "", time.perf_counter()
try:
    with Source.at(Path(sys.argv[1])) as source:
        print(sum(len(entries) for _, entries in StatementFile(source)), "entries", file=sys.stderr)
except FileRefused as refused:
    code, place = refused.code, refused.place
seconds = time.perf_counter() - started
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(code or "read", peak, f"{seconds:.2f}", place or "whole", sep="\\t")
"""


@pytest.fixture(scope="module")
def compiled() -> None:
    """Compiling takes memory of its own, once for an installation."""
    prepare()


def _read_apart(path: Path) -> tuple[str, int]:
    """Code of the refusal and peak memory in bytes of a process that only reads this file."""
    words = [sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    code, peak, seconds, place = done.stdout.rstrip("\n").split("\t")
    size = path.stat().st_size
    print(f"{code} at {place}: {size / 1e6:.1f} MB in {seconds} s, {int(peak) / 1e6:.0f} MB of memory")
    return code, int(peak)


def _write(path: Path, pieces: Iterator[Piece]) -> None:
    with path.open("wb") as file:
        for piece, count in pieces:
            at_once = max(1, min(count, (1 << 20) // max(1, len(piece))))
            for _ in range(count // at_once):
                file.write(piece * at_once)
            file.write(piece * (count % at_once))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


@needs_proc
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("what", ATTACKS)
def test_a_file_made_to_take_the_machine_down_does_not(what: str, tmp_path: Path) -> None:
    pieces, expected = ATTACKS[what]
    _write(tmp_path / "file.xml", pieces())
    code, peak = _read_apart(tmp_path / "file.xml")
    assert code == (expected or "read")
    assert peak < MOST_MEMORY


@needs_proc
@pytest.mark.usefixtures("compiled")
def test_a_text_that_never_ends_is_refused_without_being_held(tmp_path: Path) -> None:
    text = ((b"<AddtlNtryInf>", 1), (b"x" * 1_024, LONG_TEXT << 10), (b"</AddtlNtryInf>", 1))
    _write(tmp_path / "file.xml", _in_an_entry(*text))
    code, peak = _read_apart(tmp_path / "file.xml")
    assert code == "xml_too_large"
    assert peak < MOST_MEMORY


@needs_proc
@pytest.mark.usefixtures("compiled")
def test_an_entry_of_very_many_transactions_is_legal_and_read(tmp_path: Path) -> None:
    """All of a batch booking is held until its sum is known: memory is stated by the printed line only."""
    details = _ONE[_ONE.index(b"<TxDtls>") : _ONE.index(b"</TxDtls>") + 9]
    head, _, _ = _ONE.replace(b">500000<", b">%d<" % (500_000 * 60_000), 1).partition(b"<TxDtls>")
    _write(
        tmp_path / "file.xml",
        iter([(_HEAD + _ENTRIES + head, 1), (details, 60_000), (b"</NtryDtls></Ntry>" + _TAIL, 1)]),
    )
    assert _read_apart(tmp_path / "file.xml")[0] == "read"
