"""The writers of bank files against lxml: the same bytes for every batch, the same rows refused."""

from __future__ import annotations

import hashlib
import io
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.core import emit_kernels, emit_pain001, emit_pain008
from paysvc.core.emit_checks import CannotBeWritten, Unwritable
from paysvc.core.emit_rows import CHUNK_BYTES, Emitted
from paysvc.core.messages import CollectionBatch, Creditor, Debtor, PaymentBatch, SequenceType
from paysvc.core.order_columns import CollectionColumns, PaymentColumns
from paysvc.core.text_column import TextColumn
from tests import reference_writers
from tests.iso_papers import validate
from tests.with_bounds import run_with_bounds

CREATED = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
DAY = date(2026, 11, 24)
MOST = 10**13 - 1

#: Batches for each property; PAYSVC_TEST_EMITTED asks for more.
EMITTED = int(os.environ.get("PAYSVC_TEST_EMITTED", "150"))


class Row(NamedTuple):
    """What both messages say of one payment; the mandate is of collections only."""

    name: str
    remittance: str = "Học phí 11/2026"
    amount: int = 500_000
    account: str = "0011000000000"
    bank: str = "970436"
    mandate: str = "MD-1"
    signed: str = "2026-09-05"


def payments(rows: list[Row], ids: list[str] | None = None) -> PaymentBatch:
    columns = PaymentColumns(
        end_to_end_id=TextColumn.of(ids or [f"P{number:015}" for number in range(len(rows))]),
        amount_vnd=np.array([row.amount for row in rows], np.int64),
        creditor_bin=TextColumn.of(row.bank for row in rows),
        creditor_account=TextColumn.of(row.account for row in rows),
        creditor_name=TextColumn.of(row.name for row in rows),
        citizen_id=TextColumn.repeat("", len(rows)),
        point_code=TextColumn.repeat("", len(rows)),
        remittance=TextColumn.of(row.remittance for row in rows),
    )
    debtor = Debtor("KHO BẠC <NHÀ NƯỚC> & NGHỆ AN", "3713010001", "970405")
    return PaymentBatch("M20261121ABCDEFGHJKMNPQRS", CREATED, DAY, debtor, "SSBE", columns)


def collections(rows: list[Row], ids: list[str] | None = None) -> CollectionBatch:
    columns = CollectionColumns(
        end_to_end_id=TextColumn.of(ids or [f"P{number:015}" for number in range(len(rows))]),
        amount_vnd=np.array([row.amount for row in rows], np.int64),
        mandate_id=TextColumn.of(row.mandate for row in rows),
        mandate_signed_on=TextColumn.of(row.signed for row in rows),
        debtor_bin=TextColumn.of(row.bank for row in rows),
        debtor_account=TextColumn.of(row.account for row in rows),
        debtor_name=TextColumn.of(row.name for row in rows),
        remittance=TextColumn.of(row.remittance for row in rows),
    )
    creditor = Creditor("TRƯỜNG THPT <KỲ SƠN> & BẢN", "118000123", "970436", "VN-C&T/0042")
    return CollectionBatch("M20261121ABCDEFGHJKMNPQRS", CREATED, DAY, creditor, SequenceType.RECURRING, columns)


class Message(NamedTuple):
    name: str
    batch: Callable[..., Any]
    emit: Callable[..., Emitted]
    write: Callable[[Any], bytes]
    unwritable: Callable[[Any], list[Unwritable]]
    reference: Callable[[Any], bytes]
    other_side: str


MESSAGES = [
    Message(
        emit_pain001.MESSAGE,
        payments,
        emit_pain001.emit_pain001,
        emit_pain001.write_pain001,
        emit_pain001.unwritable,
        reference_writers.pain001,
        "creditor",
    ),
    Message(
        emit_pain008.MESSAGE,
        collections,
        emit_pain008.emit_pain008,
        emit_pain008.write_pain008,
        emit_pain008.unwritable,
        reference_writers.pain008,
        "debtor",
    ),
]
every_message = pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)

# Marks that compose and marks that do not, spaces of every kind, entities, characters of two to four bytes.
_HARD = st.sampled_from("a&<>]\"' ậĐ\u0301\u0323\u0302q\u00a0\u2003\u1e9b\u1ea5\u2019\u0345😀\u1161\uac00")
_FORBIDDEN = "\u2028\u2029\ufffe\uffff"
_LEGAL = _HARD | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=_FORBIDDEN)
_ANY = _LEGAL | st.sampled_from(f"{_FORBIDDEN}\x00\t\n\r\x1f\x7f\x85")


def _text(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.text(characters, max_size=12) | st.text(characters, min_size=130, max_size=150)


def _rows(names: st.SearchStrategy[str], remittances: st.SearchStrategy[str]) -> st.SearchStrategy[list[Row]]:
    amounts = st.integers(1, MOST) | st.sampled_from([1, 9, 10, 99, 10**12, MOST])
    return st.lists(st.tuples(names, remittances, amounts).map(lambda said: Row(*said)), min_size=1, max_size=6)


_ROWS = _rows(_text(_LEGAL).map("N{}".format), _text(_LEGAL)) | _rows(_text(_ANY), _text(_ANY))


def is_forbidden(text: str) -> bool:
    return any(unicodedata.category(one) == "Cc" or one in _FORBIDDEN for one in text)


def expected_problems(message: Message, rows: list[Row]) -> set[tuple[int, str]]:
    name = f"{message.other_side}_name"
    found = {
        (at, name) for at, row in enumerate(rows) if is_forbidden(row.name) or not reference_writers.tidy(row.name)
    }
    return found | {(at, "remittance") for at, row in enumerate(rows) if is_forbidden(row.remittance)}


@every_message
@pytest.mark.parametrize("chunk_bytes", [1, 700, CHUNK_BYTES])
def test_every_batch_is_refused_or_written_as_lxml_writes_it(message: Message, chunk_bytes: int) -> None:
    written_ones = []

    @settings(max_examples=EMITTED, deadline=None)
    @given(_ROWS)
    def holds(rows: list[Row]) -> None:
        batch = message.batch(rows)
        problems = message.unwritable(batch)
        assert {(one.position, one.field) for one in problems} == expected_problems(message, rows)
        content = io.BytesIO()
        if problems:
            with pytest.raises(CannotBeWritten) as refusal:
                message.emit(batch, content, chunk_bytes=chunk_bytes)
            assert (refusal.value.problems, content.getvalue()) == (problems, b"")
            return
        emitted = message.emit(batch, content, chunk_bytes=chunk_bytes)
        written_ones.append(emitted)
        written = content.getvalue()
        assert written == message.reference(batch)
        totals = len(rows), sum(row.amount for row in rows)
        assert emitted == Emitted(hashlib.sha256(written).digest(), len(written), *totals)

    holds()
    assert len(written_ones) > EMITTED / 5  # otherwise this test says nothing


HARD_NAMES = [
    "Nguyễn Thị Hoà",
    unicodedata.normalize("NFD", "Nguyễn Thị Hoà"),
    "]]> & <b>\"'",
    "&" * 140,
    "&" * 150,
    "q\u0323\u0301" * 60,
    "x" * 7 + "<",
    "x" * 8 + ">",
    "K’Brể H'Lin Niê",
    " \u00a0HOA 😀 ",
]


@every_message
def test_hard_names_are_written_as_lxml_writes_them_and_the_schema_takes_them(message: Message) -> None:
    batch = message.batch(
        [Row(name, remittance) for name in HARD_NAMES for remittance in ("", " ", *HARD_NAMES)],
        ids=[f"{number:0>35}" for number in range(len(HARD_NAMES) * (len(HARD_NAMES) + 2))],
    )
    content = message.write(batch)
    assert content == message.reference(batch)
    validate(content, message.name)


@every_message
def test_one_row_and_every_kind_of_id_are_written_as_lxml_writes_them(message: Message) -> None:
    for reference in ("P", "P" * 35, "A/B-C?D:E(F).G,H'I+J K"):
        batch = message.batch([Row("HOA", account="00 1-&.x<>", mandate=reference)], ids=[reference])
        content = message.write(batch)
        assert content == message.reference(batch)
        validate(content, message.name)


@every_message
def test_chunks_of_any_size_make_the_same_file(message: Message, tmp_path: Path) -> None:
    """Rows of many lengths, in more chunks than there are buffers, into a file and to whoever takes chunks."""
    rows = [Row(f"HOÀ {'&' * (number % 50)}", "x" * (number % 9), 1 + number**4) for number in range(400)]
    batch = message.batch(rows)
    expected = message.reference(batch)
    for chunk_bytes in (1, 500, 501, 4_096, 100_000, CHUNK_BYTES):
        path, chunks = tmp_path / f"{chunk_bytes}.xml", list[bytes]()
        with path.open("wb") as file:
            into_file = message.emit(batch, file, chunk_bytes=chunk_bytes)
        one_by_one = message.emit(batch, lambda chunk, into=chunks: into.append(bytes(chunk)), chunk_bytes=chunk_bytes)
        assert path.read_bytes() == b"".join(chunks) == expected
        assert into_file == one_by_one
        assert into_file.sha256 == hashlib.sha256(expected).digest()
        # Head and end are chunks of their own, and no chunk is longer than asked by more than a row.
        assert max(map(len, chunks[1:-1])) < chunk_bytes + max(map(len, expected.splitlines()[2:])) + 1


@every_message
def test_few_buffers_serve_any_number_of_rows(message: Message) -> None:
    places = set[int]()

    def take(chunk: memoryview) -> None:
        places.add(np.frombuffer(chunk, np.uint8).ctypes.data)

    message.emit(message.batch([Row("HOA")] * 5_000), take, chunk_bytes=1_000)
    assert len(places) <= 5  # the head, the end and three buffers


@every_message
@pytest.mark.parametrize("failing", [0, 1, 4, 9])
def test_a_sink_that_fails_is_told_and_gets_nothing_more(message: Message, failing: int) -> None:
    batch, calls = message.batch([Row("HOA")] * 8), list[int]()

    def take(chunk: memoryview) -> None:
        calls.append(len(chunk))
        if len(calls) == failing + 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        message.emit(batch, take, chunk_bytes=1)
    assert len(calls) == failing + 1


@every_message
def test_a_file_that_takes_only_a_part_is_no_success(message: Message) -> None:
    class Half(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, chunk: Any) -> int:
            return len(chunk) // 2

    with pytest.raises(OSError, match="bytes were taken"):
        message.emit(message.batch([Row("HOA")]), Half())


@every_message
def test_amounts_that_change_while_they_are_written_are_noticed(message: Message) -> None:
    batch = message.batch([Row("HOA")] * 50)
    amounts = (batch.payments if isinstance(batch, PaymentBatch) else batch.collections).amount_vnd

    def take(chunk: memoryview) -> None:
        amounts[-1] = 7

    with pytest.raises(RuntimeError, match="not those that the head declares"):
        message.emit(batch, take, chunk_bytes=1)


@every_message
@pytest.mark.parametrize(
    ("row", "field"),
    [
        (Row("HO\x00A"), "{}_name"),
        (Row("HO\u2029A"), "{}_name"),
        (Row(" \u2003"), "{}_name"),
        (Row("\u0301" * 150), "{}_name"),  # nothing but marks, of which a cut leaves none
        (Row("HOA", "a\tb"), "remittance"),
        (Row("HOA", amount=0), "amount_vnd"),
        (Row("HOA", amount=-5), "amount_vnd"),
        (Row("HOA", amount=MOST + 1), "amount_vnd"),
        (Row("HOA", bank="97043"), "{}_bin"),
        (Row("HOA", bank="97043ả"), "{}_bin"),
        (Row("HOA", bank=""), "{}_bin"),
        (Row("HOA", account=""), "{}_account"),
        (Row("HOA", account=" 1"), "{}_account"),
        (Row("HOA", account="1" * 35), "{}_account"),
    ],
)
def test_what_no_file_can_carry_is_named_with_its_row(message: Message, row: Row, field: str) -> None:
    batch = message.batch([Row("HOA"), Row("LAN"), row, Row("MAI")])
    (problem,) = message.unwritable(batch)
    assert (problem.position, problem.field) == (2, field.format(message.other_side))
    nothing = io.BytesIO()
    with pytest.raises(CannotBeWritten):
        message.emit(batch, nothing)
    assert nothing.getvalue() == b""


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (Row("HOA", mandate=""), "mandate_id"),
        (Row("HOA", mandate="M" * 36), "mandate_id"),
        (Row("HOA", mandate="M "), "mandate_id"),
        (Row("HOA", mandate="Mã"), "mandate_id"),
        (Row("HOA", signed=""), "mandate_signed_on"),
        (Row("HOA", signed="20260905"), "mandate_signed_on"),
        (Row("HOA", signed="2026-W01-1"), "mandate_signed_on"),
        (Row("HOA", signed="2026-02-30"), "mandate_signed_on"),
        (Row("HOA", signed="2026-11-25"), "mandate_signed_on"),
    ],
)
def test_a_debit_needs_a_mandate_signed_by_then(row: Row, field: str) -> None:
    (problem,) = emit_pain008.unwritable(collections([Row("HOA"), row, Row("LAN", signed="2026-11-24")]))
    assert (problem.position, problem.field) == (1, field)


def test_one_mandate_may_be_used_twice_and_one_end_to_end_id_may_not() -> None:
    rows = [Row("HOA"), Row("HOA"), Row("LAN")]
    assert emit_pain008.unwritable(collections(rows)) == []
    (problem,) = emit_pain008.unwritable(collections(rows, ids=["P1", "P2", "P1"]))
    assert (problem.position, problem.field) == (2, "end_to_end_id")


@pytest.mark.parametrize("sequence", SequenceType)
def test_every_sequence_type_is_one_of_the_schema(sequence: SequenceType) -> None:
    batch = replace(collections([Row("HOA")]), sequence_type=sequence)
    content = emit_pain008.write_pain008(batch)
    assert f"<PmtTpInf><SeqTp>{sequence}</SeqTp></PmtTpInf>".encode() in content
    assert content == reference_writers.pain008(batch)
    validate(content, "pain.008.001.08")


def headers() -> Iterator[CollectionBatch]:
    good = collections([Row("HOA")])
    yield collections([])
    yield replace(good, message_id="M" * 34)  # the block's id would have 36
    yield replace(good, created_at=datetime(2026, 11, 21))  # noqa: DTZ001
    for wrong in (
        {"name": "A\x01"},
        {"name": ""},
        {"account": "1" * 35},
        {"bank_bin": "1"},
        {"scheme_id": ""},
        {"scheme_id": "1" * 36},
    ):
        yield replace(good, creditor=replace(good.creditor, **wrong))


@pytest.mark.parametrize("batch", list(headers()))
def test_a_head_that_cannot_be_written_is_refused(batch: CollectionBatch) -> None:
    nothing = io.BytesIO()
    with pytest.raises(ValueError, match=r"cannot be written|does not exist|offset"):
        emit_pain008.emit_pain008(batch, nothing)
    assert nothing.getvalue() == b""


def test_a_sum_beyond_every_ledger_is_refused_also_where_64_bits_overflow() -> None:
    rows = 1_850_000
    assert rows * MOST > 2**64
    some = payments([Row("HOA", amount=MOST)])
    many = replace(some.payments.take(np.zeros(rows, np.int64)), end_to_end_id=TextColumn.of(map(str, range(rows))))
    with pytest.raises(ValueError, match="beyond every ledger"):
        emit_pain001.write_pain001(replace(some, payments=many))


def test_bytes_that_are_no_text_are_never_written() -> None:
    for broken in (b"\xc3", b"\xc3(", b"a\x80", b"\xe1\xba", b"\xe1\xba(", b"\xe2\x80", b"\xf0\x9f\x98", b"\xff"):
        batch = payments([Row("HOA"), Row("LAN")])
        names = TextColumn.of_bytes([broken, b"LAN"])
        with pytest.raises(UnicodeDecodeError):
            emit_pain001.unwritable(replace(batch, payments=replace(batch.payments, creditor_name=names)))


def test_what_the_kernel_takes_for_plain_is_composed_trimmed_and_legal() -> None:
    """Every character there is, alone and between letters."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    joins_what_is_before = {
        chr(int(parts[1], 16))
        for parts in (unicodedata.decomposition(one).split() for one in characters)
        if len(parts) == 2 and not parts[0].startswith("<")
    }
    for pattern in ("{}", "a{}b"):
        column = TextColumn.of(pattern.format(one) for one in characters)
        is_unusual = np.zeros(len(column), np.bool_)
        emit_kernels.mark_unusual(column.data, column.offsets, 0, 140, is_unusual)
        plain = [characters[at] for at in np.flatnonzero(~is_unusual).tolist()]
        assert set("Aa1-'.,ỳĐưỢ’–") <= set(plain)
        for one in plain:
            text = pattern.format(one)
            assert unicodedata.normalize("NFC", text) == text.strip() == text
            assert not unicodedata.combining(one)
            assert one not in joins_what_is_before
            assert not is_forbidden(one)


@pytest.mark.slow
def test_no_kernel_reads_or_writes_outside_its_arrays() -> None:
    """The same batches again with every index checked."""
    run_with_bounds(__file__, "lxml or chunks or crowd or plain", PAYSVC_TEST_EMITTED="240")
