"""The kernels of our own dialects against their readers: the same columns from every file they take."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_adapters import delimited_status, fixed_width_returns
from paysvc.core.line_fields import BYTES, CODE, NUMBER, TEXT, WORD, Field, code_number, code_text
from paysvc.core.scan_fields import scan_delimited, scan_records
from paysvc.core.scan_xml import WORTH_SCANNING
from paysvc.domain.errors import FileRefused
from tests.dialect_papers import (
    Payment,
    account_statement,
    cash_papers,
    damaged_records,
    damaged_status,
    result_list,
    status_file,
    status_files,
)
from tests.test_core_scanners import differences
from tests.with_bounds import run_with_bounds

#: Damaged files per dialect; PAYSVC_TEST_DAMAGED asks for more.
DAMAGED = 4 * int(os.environ.get("PAYSVC_TEST_DAMAGED", "700"))


class Dialect(NamedTuple):
    papers: Callable[[], list[bytes]]
    damaged: Callable[[bytes, random.Random], bytes]
    scan: Callable[[bytes], object]
    reference: Callable[[bytes], object]


DIALECTS = {
    "delimited": Dialect(status_files, damaged_status, delimited_status.read_scanned, delimited_status.read_by_lines),
    "fixed width": Dialect(
        cash_papers, damaged_records, fixed_width_returns.read_scanned, fixed_width_returns.read_by_fields
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_plain_file_is_scanned_and_reads_the_same(dialect: Dialect) -> None:
    for content in dialect.papers():
        scanned = dialect.scan(content)
        assert scanned is not None, content
        assert differences(scanned, dialect.reference(content)) == []


@pytest.mark.parametrize("kind", DIALECTS)
def test_a_damaged_file_is_refused_or_reads_the_same(kind: str) -> None:
    dialect, chosen = DIALECTS[kind], random.Random(f"damaged {kind}")
    papers = dialect.papers()
    taken = legal = 0
    for _ in range(DAMAGED):
        content = dialect.damaged(chosen.choice(papers), chosen)
        scanned = dialect.scan(content)
        if scanned is not None:
            taken += 1
            assert differences(scanned, dialect.reference(content)) == [], content
        else:
            legal += _is_legal(dialect, content)
    assert taken > DAMAGED / 10  # otherwise this test says nothing
    assert legal == 0  # the kernels understand all that is legal in these dialects


def _is_legal(dialect: Dialect, content: bytes) -> bool:
    try:
        dialect.reference(content)
    except FileRefused:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=290), max_size=4))
def test_a_reason_of_any_bytes_reads_as_in_the_whole_file(reasons: list[bytes]) -> None:
    content = status_file([Payment(f"P{number}", reason=reason) for number, reason in enumerate(reasons)])
    scanned = delimited_status.read_scanned(content)
    if scanned is None:
        with pytest.raises(FileRefused):
            delimited_status.read_by_lines(content)
    else:
        assert differences(scanned, delimited_status.read_by_lines(content)) == []


#: Every byte that is a letter or a mark in Windows-1258.
LETTERS = [bytes([byte]) for byte in range(256) if bytes([byte]).decode("cp1258", "ignore") not in ("", *"|\r\n")]
LEGAL_REASON = st.lists(st.sampled_from(LETTERS), max_size=140).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(LEGAL_REASON, min_size=1, max_size=4))
def test_legal_reasons_are_scanned(reasons: list[bytes]) -> None:
    content = status_file([Payment(f"P{number}", reason=reason) for number, reason in enumerate(reasons)])
    scanned = delimited_status.read_scanned(content)
    assert scanned is not None
    assert differences(scanned, delimited_status.read_by_lines(content)) == []


def long_status() -> bytes:
    return status_file(
        [
            Payment(f"P{number:015d}", "RJCT" if number % 50 == 0 else "ACSC", b"T\xean" if number % 50 == 0 else b"")
            for number in range(40_000)
        ]
    )


def long_result() -> bytes:
    return result_list([Payment(f"P{number:015d}", "NOCO" if number % 50 == 0 else "PAID") for number in range(6_000)])


def long_statement() -> bytes:
    return account_statement([("CD"[number % 2], Payment(f"P{number}"), "20261203") for number in range(6_000)])


@pytest.mark.parametrize(
    ("module", "read", "reference", "written"),
    [
        (delimited_status, delimited_status.read_status, "read_by_lines", long_status),
        (fixed_width_returns, fixed_width_returns.read_cash_returns, "read_by_fields", long_result),
        (fixed_width_returns, fixed_width_returns.read_cash_returns, "read_by_fields", long_statement),
    ],
)
def test_a_long_file_is_scanned_without_being_asked(
    module: object,
    read: Callable[[bytes], object],
    reference: str,
    written: Callable[[], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = written()
    assert len(content) > WORTH_SCANNING
    expected = getattr(module, reference)(content)
    monkeypatch.setattr(module, reference, None)
    assert differences(read(content), expected) == []


@pytest.mark.parametrize(
    ("read", "content", "code", "place"),
    [
        (delimited_status.read_status, long_status().replace(b"|ACSC|", b"|ACS1|", 1), "digest_differs", "line 40002"),
        (delimited_status.read_status, long_status().replace(b"\r\nT|", b"\r\nT|1"), "control_totals_lie", ""),
        (
            fixed_width_returns.read_cash_returns,
            long_result().replace(b"PAID", b"PAYD", 1),
            "line_malformed",
            "line 3",
        ),
        (
            fixed_width_returns.read_cash_returns,
            long_statement().replace(b"L000005000", b"L000005001", 1),
            "line_malformed",
            "line 5001",
        ),
    ],
    ids=["digest", "count", "result", "number"],
)
def test_a_long_file_with_a_fault_is_refused_by_the_reader_with_its_place(
    read: Callable[[bytes], object], content: bytes, code: str, place: str
) -> None:
    with pytest.raises(FileRefused) as refused:
        read(content)
    assert refused.value.code == code
    assert refused.value.place == place or not place


def bytes_of(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(content, dtype=np.uint8)


def test_lines_in_the_middle_of_a_file_are_taken_apart() -> None:
    content = b"first\r\nL;12;ab c\r\nL;7;\r\nlast"
    fields = (Field(NUMBER, 1, 2), Field(TEXT, 0, 4))
    found = scan_delimited(bytes_of(content), 7, len(content) - 4, mark=ord("L"), separator=ord(";"), fields=fields)
    assert found is not None
    assert found[0].tolist() == [12, 7]
    assert [content[span >> 12 :][: span & 4095] for span in found[1].tolist()] == [b"ab c", b""]


@pytest.mark.parametrize(
    "content",
    [
        b"L;1;a\r\nL;2;b",
        b"L;1;a\r\nL;2;b\r",
        b"L;1;a\r\nL;2;b\n",
        b"L;1;a\r\nL;2;b;\r\n",
        b"L;1;a\r\nL;2\r\n",
        b"L;1;a\r\nL",
        b"L;1;a\r\nM;2;b\r\n",
        b"L;1;a\r\nL;;b\r\n",
        b"L;1;a\r\nL;123;b\r\n",
        b"L;1;a\r\nL;2;\n\r\n",
        b"L;1;a\r\n\r\n",
    ],
)
def test_lines_unlike_their_table_are_not_understood(content: bytes) -> None:
    fields = (Field(NUMBER, 1, 2), Field(BYTES, 0, 4))
    assert scan_delimited(bytes_of(content), 0, 7, mark=ord("L"), separator=ord(";"), fields=fields) is not None
    assert scan_delimited(bytes_of(content), 0, len(content), mark=ord("L"), separator=ord(";"), fields=fields) is None


def test_records_in_the_middle_of_a_file_are_taken_apart() -> None:
    content = b"headR07XYab   \r\nR12  c    \r\ntail"
    fields = (Field(NUMBER, 2, 2), Field(CODE, 2, 2), Field(WORD, 1, 3))
    found = scan_records(bytes_of(content), 4, len(content) - 4, mark=ord("R"), width=10, fields=fields)
    assert found is not None
    assert found[0].tolist() == [7, 12]
    assert found[1].tolist() == [code_number(b"XY"), code_number(b"  ")]
    assert [code_text(number, 2) for number in found[1].tolist()] == [b"XY", b"  "]
    assert [content[span >> 12 :][: span & 4095] for span in found[2].tolist()] == [b"ab", b"c"]
    for wrong in (b"R0aXYab   \r\n", b"R07XYab  .\r\n", b"R07XYa b  \r\n", b"R07XY     \r\n", b"R07X\x7fab   \r\n"):
        assert scan_records(bytes_of(wrong), 0, 12, mark=ord("R"), width=10, fields=fields) is None
    assert scan_records(bytes_of(content), 4, len(content), mark=ord("R"), width=10, fields=fields) is None
    assert scan_records(bytes_of(content), 4, 40, mark=ord("R"), width=10, fields=fields) is None


def test_fields_wider_than_their_record_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="wider"):
        scan_records(bytes_of(b"R1234\r\n"), 0, 7, mark=ord("R"), width=5, fields=(Field(NUMBER, 5, 5),))


@pytest.mark.slow
def test_no_kernel_reads_or_writes_outside_its_arrays() -> None:
    """The same files again with every index checked."""
    run_with_bounds(__file__, "damaged or plain or table or middle or any_bytes", PAYSVC_TEST_DAMAGED="300")
