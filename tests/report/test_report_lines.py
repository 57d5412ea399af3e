"""The lines of a report in columns are what the `csv` module and one pass over the rows give."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.core.csv_columns import read_csv, write_csv
from paysvc.core.report_lines import LineColumns, summarise
from paysvc.core.text_column import TextColumn
from paysvc.domain.report_figures import Booking, Cell, Figure, Summary
from paysvc.domain.report_lines import ReportLine, csv_bytes

HEADER = ("a", "b", "c")
_PLAIN = st.text("aạ; ", max_size=3)
_ANY = _PLAIN | st.text('a,"\r\n', max_size=3)


def _columns(rows: list[tuple[str, ...]]) -> list[TextColumn]:
    return [TextColumn.of([row[at] for row in rows]) for at in range(len(HEADER))]


@given(st.lists(st.tuples(_PLAIN, _PLAIN, _PLAIN), max_size=6) | st.lists(st.tuples(_ANY, _ANY, _ANY), max_size=6))
def test_columns_are_written_as_the_csv_module_writes_rows_and_read_back(rows: list[tuple[str, ...]]) -> None:
    content = write_csv(HEADER, _columns(rows))
    assert content == csv_bytes(HEADER, rows)
    # The csv module puts a carriage return into no quotes, and then takes it for the end of a row.
    if b"\r" not in content:
        assert read_csv(content, HEADER) == _columns(rows)


@given(st.text('a1,"\r\n', max_size=20))
def test_whatever_is_no_list_is_refused_and_the_rest_read_as_the_csv_module_does(body: str) -> None:
    try:
        rows = list(csv.reader(io.StringIO(body, newline=""), strict=True))
    except csv.Error:
        rows = [["not well-formed"]]
    content = b"a,b,c\n" + body.encode()
    if all(len(row) == len(HEADER) for row in rows):
        assert read_csv(content, HEADER) == _columns([tuple(row) for row in rows])
    else:
        with pytest.raises(ValueError, match=r"fields|well-formed"):
            read_csv(content, HEADER)


def test_another_header_and_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        read_csv(b"a,b\n1,2\n", HEADER)
    with pytest.raises(UnicodeDecodeError):
        read_csv(b"a,b,c\n1,2,\xff\n", HEADER)


_AMOUNTS = st.sampled_from([0, 1, 500_000, 10**15, 2**62])
_LINES = st.builds(
    ReportLine,
    line=st.integers(1, 10**6),
    end_to_end_id=st.just("P1"),
    programme=st.sampled_from(["BTXH", "HUU"]),
    unit=st.sampled_from(["1", "16681"]),
    channel=st.sampled_from(["", "account", "cash"]),
    bank=st.sampled_from(["", "AGRI", "POST"]),
    amount_vnd=_AMOUNTS,
    sending=st.sampled_from(["", "sent"]),
    message_id=st.sampled_from(["", "M1"]),
    booked_debits_vnd=_AMOUNTS,
    booked_credits_vnd=_AMOUNTS,
    outcome=st.sampled_from(["settled", "returned", "held"]),
    reason=st.sampled_from(["", "AC04"]),
    bank_reference=st.sampled_from(["", "D000000000083411"]),
    discrepancy=st.sampled_from(["", "amount_mismatch", "amount_mismatch;duplicate_settlement"]),
)


@given(st.lists(_LINES, max_size=8))
def test_lines_survive_their_file(rows: list[ReportLine]) -> None:
    lines = LineColumns.of(rows)
    assert list(lines.to_rows()) == rows
    assert lines.to_csv() == csv_bytes(ReportLine._fields, rows)
    assert list(LineColumns.read_csv(lines.to_csv()).to_rows()) == rows
    assert lines.total_vnd() == sum(row.amount_vnd for row in rows)


@pytest.mark.parametrize("number", ["x", "", "1.5", str(2**63), "²"])
def test_an_amount_that_is_no_whole_number_is_refused(number: str) -> None:
    row = f"1,P1,BTXH,1,account,AGRI,{number},sent,M1,0,0,settled,,,\n"
    with pytest.raises(ValueError, match=r"int|64 bits"):
        LineColumns.read_csv(csv_bytes(ReportLine._fields, ()) + row.encode())


def _one_pass(rows: list[ReportLine]) -> Summary:
    """`summarise`, line by line."""
    cells: dict[Cell, Figure] = {}
    bookings: dict[str, Booking] = {}
    kinds: dict[str, int] = {}
    for row in rows:
        cell = Cell(*(getattr(row, name) for name in Cell._fields))
        cells[cell] = cells.get(cell, Figure()) + Figure(1, row.amount_vnd)
        settled = row.amount_vnd if row.outcome == "settled" else 0
        net = row.booked_debits_vnd - row.booked_credits_vnd
        if settled or row.booked_debits_vnd or row.booked_credits_vnd:
            own = (settled, row.booked_debits_vnd, row.booked_credits_vnd, net - settled if row.discrepancy else 0)
            before = bookings.get(row.bank, Booking())
            bookings[row.bank] = Booking(*(one + other for one, other in zip(before, own, strict=True)))
        for kind in filter(None, row.discrepancy.split(";")):
            kinds[kind] = kinds.get(kind, 0) + 1
    return Summary(cells, bookings, kinds, len(rows))


@given(st.lists(_LINES, max_size=8))
def test_the_cube_is_one_pass_over_the_lines(rows: list[ReportLine]) -> None:
    found = summarise(LineColumns.of(rows))
    assert found == _one_pass(rows)
    assert list(found.cells) == sorted(found.cells)
