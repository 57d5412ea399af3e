"""Whatever a file is, it is read whole or refused with a code; never anything else."""

from __future__ import annotations

import contextlib
import gzip
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.core.scan_camt import read_camt
from paysvc.core.scan_pain001 import read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.domain.errors import FileRefused
from tests.iso_papers import ISO, Booking, order, statement, status_report

ROOT = Path(__file__).parents[1]
GOOD = statement(Booking("P1"))
READERS = (read_camt, read_pain001, read_pain002)

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENT = b'<Document xmlns="%scamt.053.001.08">' % ISO.encode()
OPEN = DOCUMENT + b"<BkToCstmrStmt>"

BAD = {
    "empty": (b"", "file_empty"),
    "white space": (b" \r\n\t", "file_empty"),
    "truncated": (GOOD[: len(GOOD) // 2], "xml_not_well_formed"),
    "cut by one byte": (GOOD[:-1], "xml_not_well_formed"),
    "text behind the end": (GOOD + b"<more/>", "xml_not_well_formed"),
    "a picture called .xml": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "xml_not_well_formed"),
    "a table called .xml": (b"a;b;c\n1;2;3\n", "xml_not_well_formed"),
    "gzip": (gzip.compress(GOOD), "file_compressed"),
    "a zip package": (b"PK\x03\x04" + GOOD, "file_compressed"),
    "Latin bytes called UTF-8": (GOOD.replace(b"C1", b"C\xe9"), "xml_wrong_encoding"),
    "an encoding that is none": (GOOD.replace(b"UTF-8", b"KLINGON"), "xml_wrong_encoding"),
    "a web page": (b"<html><body>Session expired</body></html>", "wrong_message"),
    "a Document of nobody": (b"<Document><BkToCstmrStmt/></Document>", "wrong_message"),
    "a toy namespace": (GOOD.replace(ISO.encode(), b"urn:x:"), "wrong_message"),
    "a credit notification": (GOOD.replace(b"camt.053.001.08", b"camt.054.001.08"), "wrong_message"),
    "an intraday report": (GOOD.replace(b"camt.053.001.08", b"camt.052.001.08"), "wrong_message"),
    "a version of nobody": (GOOD.replace(b"camt.053.001.08", b"camt.053.001.99"), "wrong_message"),
    "a document type": (b"<!DOCTYPE Document>" + DOCUMENT + b"</Document>", "xml_has_dtd"),
    "an entity": (b'<!DOCTYPE Document [<!ENTITY a "x">]>' + DOCUMENT + b"&a;</Document>", "xml_has_dtd"),
    "an external entity": (
        b'<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + DOCUMENT + b"&a;</Document>",
        "xml_has_dtd",
    ),
    "billion laughs": (
        f'<!DOCTYPE Document [<!ENTITY l0 "ha">{LAUGHS}]>'.encode() + DOCUMENT + b"&l9;</Document>",
        "xml_has_dtd",
    ),
    "billion laughs in an attribute": (
        f'<!DOCTYPE Document [<!ENTITY l0 "ha">{LAUGHS}]>'.encode() + DOCUMENT[:-1] + b' a="&l9;"></Document>',
        "xml_has_dtd",
    ),
    "an undeclared entity": (GOOD.replace(b"C1", b"&c;"), "xml_not_well_formed"),
    "a text that never ends": (GOOD.replace(b"C1", b"C" * 11_000_000), "xml_too_large"),
    "endless depth": (DOCUMENT + b"<a>" * 5_000, "xml_too_large"),
    "an entry that never ends": (OPEN + b"<Stmt><Ntry>" + b"<a></a>" * 2_500_000, "xml_too_large"),
    "a header that never ends": (OPEN + b"<Stmt>" + b"<a></a>" * 2_500_000, "xml_too_large"),
    "a brace in the namespace": (b'<Document xmlns="urn:{x}"/>', "xml_not_well_formed"),
    "a brace in the namespace of a long file": (b'<Document xmlns="urn:{x}">' + b" " * 99_999, "wrong_message"),
    "another body": (DOCUMENT + b"<BkToCstmrDbtCdtNtfctn/></Document>", "wrong_structure"),
    "two bodies": (OPEN + b"</BkToCstmrStmt><BkToCstmrStmt/></Document>", "wrong_structure"),
    "no body": (DOCUMENT + b"</Document>", "statement_missing"),
    "a NUL": (GOOD.replace(b"C1", b"C\x00"), "xml_not_well_formed"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_a_statement_is_refused_with_its_code(what: str) -> None:
    content, code = BAD[what]
    with pytest.raises(FileRefused) as refused:
        read_camt(content)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_the_document_type_is_found_in_any_encoding() -> None:
    with pytest.raises(FileRefused) as refused:
        read_camt('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"))
    assert refused.value.code == "xml_has_dtd"


def test_a_document_type_in_a_comment_is_only_a_comment() -> None:
    assert message_name(b"<!-- <!DOCTYPE a> -->" + DOCUMENT + b"</Document>") == "camt.053.001.08"


def test_utf_16_and_a_byte_order_mark_are_read() -> None:
    text = GOOD.decode()
    assert read_camt(text.replace("UTF-8", "UTF-16").encode("utf-16"))[0] == "C1"
    assert read_camt(b"\xef\xbb\xbf" + GOOD)[0] == "C1"


def test_a_refusal_says_where() -> None:
    with pytest.raises(FileRefused, match=r"line \d+, column \d+"):
        read_camt(GOOD[:-10])


def test_each_reader_refuses_the_messages_of_the_others() -> None:
    papers = (GOOD, order([("P1", 5)]), status_report([("P1", "RJCT", "AC04")]))
    for reader, own in zip(READERS, papers, strict=True):
        for paper in papers:
            if paper is own:
                reader(paper)
                continue
            with pytest.raises(FileRefused) as refused:
                reader(paper)
            assert refused.value.code == "wrong_message"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([GOOD, order([("P1", 5)]), status_report([("P1", "RJCT", "AC04")])]))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(seed: int, paper: bytes) -> None:
    chance = random.Random(seed)
    damaged = bytearray(paper)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged))
        cut = damaged[at : at + chance.randint(0, 40)]
        match chance.randrange(3):
            case 0:
                damaged[at] = chance.randrange(256)
            case 1:
                del damaged[at : at + len(cut)]
            case _:
                elsewhere = chance.randrange(len(damaged))
                damaged[elsewhere:elsewhere] = cut
    for reader in READERS:
        with contextlib.suppress(FileRefused):
            reader(bytes(damaged))


@pytest.mark.parametrize("in_one_entry", [True, False])
def test_memory_does_not_grow_with_the_tree(in_one_entry: bool) -> None:
    """15,000 transactions, each its own entry or all in one batch booking; measured in a process of its own."""
    code = f"""
import resource
from paysvc.core.scan_camt import read_camt
from tests.iso_papers import Booking, statement
rows = [Booking(f"P{{n:015}}", bank_reference=f"FT{{n:015}}") for n in range(15_000)]
content = statement(rows) if {in_one_entry} else statement(*rows)
read_camt(statement(rows[0]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_, (read,) = read_camt(content)
assert len(read.entries) == 15_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    # The whole tree would take some 60 MB; a piece of rows and one record take a few.
    assert int(ran.stdout) * 1024 < 20_000_000
