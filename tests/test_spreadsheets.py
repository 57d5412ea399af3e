"""Lists come in as offices save them, and exports go out that no spreadsheet runs."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.domain.errors import FileRefused
from paysvc.domain.registry_fields import NumberCell
from paysvc.spreadsheets import sheet as sheet_module
from paysvc.spreadsheets.reading import open_sheet
from paysvc.spreadsheets.sheet import BLOCK_ROWS, Dialect, Sheet, neutralise, unescape
from paysvc.spreadsheets.writing import write_csv, write_sheet, write_xlsx

TEXT = "Họ tên;Ngày sinh\r\nNguyễn Thị Hoà;01/02/1950\r\nLô Văn Bé;1945\r\n"


def rows_of(sheet: Sheet) -> list[tuple[int, list[str]]]:
    return [(number, row) for block in sheet.blocks() for number, row in zip(block.numbers, block.rows, strict=True)]


def read(content: bytes) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    sheet = open_sheet(content)
    return sheet.header, rows_of(sheet)


def refusal(content: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read(content)
    return caught.value


def workbook(write: Callable[[Any, Any], None]) -> bytes:
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    write(book, book.add_worksheet("Danh sách"))
    book.close()
    return content.getvalue()


# ---------------------------------------------------------------- CSV in


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_way_of_saving_a_list_is_understood(encoding: str, separator: str) -> None:
    header, rows = read(TEXT.replace(";", separator).encode(encoding))
    assert header == ("Họ tên", "Ngày sinh")
    assert rows == [(2, ["Nguyễn Thị Hoà", "01/02/1950"]), (3, ["Lô Văn Bé", "1945"])]


def test_big_endian_text_with_its_mark_is_understood() -> None:
    assert read(b"\xfe\xff" + TEXT.encode("utf-16-be")) == read(TEXT.encode())


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    content = 'ten,ghi chu\n"Hoa","dòng một\ndòng hai"\n\n,\n  ,\nBé,x\n'.encode()
    assert read(content)[1] == [(2, ["Hoa", "dòng một\ndòng hai"]), (6, ["Bé", "x"])]


def test_numbers_go_on_from_block_to_block() -> None:
    count = 2 * BLOCK_ROWS + 10
    rows = read(b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(2, count + 2)))[1]
    assert [number for number, _ in rows] == [int(row[0]) for _, row in rows] == list(range(2, count + 2))


def test_titles_above_the_header_are_passed_over() -> None:
    content = "UBND XÃ NGHI LỘC;;\n\nDANH SÁCH, THÁNG 11;;\nten;ngay;xa\nHoa;1950;1\n".encode()
    sheet = open_sheet(content, lambda cells: "ten" in cells)
    assert (sheet.header, sheet.header_row, rows_of(sheet)) == (("ten", "ngay", "xa"), 4, [(5, ["Hoa", "1950", "1"])])


def test_short_rows_are_filled_and_long_ones_are_named() -> None:
    [block] = open_sheet(b"a,b,c\n1\n1,2,3,,\n1,2,3,4\n1,2,3\n").blocks()
    assert block.rows == [["1", "", ""], ["1", "2", "3"], ["1", "2", "3"], ["1", "2", "3"]]
    assert block.surplus == {4}


def test_a_sheet_can_be_read_again() -> None:
    sheet = open_sheet(TEXT.encode())
    assert rows_of(sheet) == rows_of(sheet)


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "empty", ""),
        (b"\xef\xbb\xbf\r\n \n", "empty", ""),
        (b"\xff\xfe", "empty", ""),
        (b"ten,ngay\n", "no_rows", "row 1"),
        (TEXT.encode() + "Hoà".encode()[:-1], "truncated", "line 4"),
        (TEXT.encode("utf-16")[:-1], "truncated", "line 3"),
        (b"a,b,c\n1,2,3\n1,2,3\n1,2", "truncated", "row 4"),
        (b'a,b\n1,2\n1,"2\n3,4\n', "truncated", "line 4"),
        (b'a,b\n1,2\n1,"2"x\n3,4\n', "quotes_broken", "line 3"),
        (b'a,b\n1,"' + b"x" * 200_000, "quotes_broken", "line 2"),
        (b"a,b\n1,\x00\n", "nul_bytes", "byte 6"),
        (b"\xef\xbb\xbfa,b\n1,\x00\n", "nul_bytes", "byte 9"),
        ("a,b\n1,\x00\n".encode("utf-16"), "nul_bytes", ""),
        (TEXT.encode("utf-32"), "wrong_encoding", "line 1"),
        (b"\xff\xfe\x00\xd8\x00\xd8", "wrong_encoding", "line 1"),
        (b"%PDF-1.7\n", "not_a_spreadsheet", ""),
        (b"\x89PNG\r\n\x1a\n", "not_a_spreadsheet", ""),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_a_spreadsheet", ""),
        (b"  <html><table>", "not_a_spreadsheet", ""),
        (b"PK\x03\x04 half a workbook", "truncated", ""),
        (b",".join(b"c%d" % n for n in range(201)) + b"\n1\n", "too_many_columns", "row 1"),
    ],
)
def test_a_file_that_cannot_be_believed_is_refused_with_its_place(content: bytes, code: str, place: str) -> None:
    refused = refusal(content)
    assert (refused.code, refused.place) == (code, place)


def test_old_vietnamese_text_is_called_by_its_name() -> None:
    # Windows-1258 writes a letter and its tone as two characters.
    content = "Ho\u0323 tên;Ngày sinh\r\nNguyê\u0303n Thi\u0323 Ho\u0300a;1950\r\n".encode("cp1258")
    refused = refusal(content)
    assert refused.code == "wrong_encoding"
    assert "Windows-1258" in refused.message
    assert "Windows-1258" not in refusal("Họ;ñandú ß Ø\r\nx;1\r\n".encode() + b"\x80\xb3\xb5").message


def test_rows_may_leave_out_their_last_cells_without_looking_broken_off() -> None:
    assert len(read(b"a,b,c\n1,2\n3,4")[1]) == 2


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_module, "MAX_ROWS", 5)
    assert refusal(b"a\n" + b"1\n" * 6).code == "too_many_rows"


# ---------------------------------------------------------------- XLSX in


def test_a_workbook_keeps_what_kind_a_cell_was() -> None:
    def write(book: Any, sheet: Any) -> None:
        for column, name in enumerate(("cccd", "cccd", "ngay", "thang", "so", "dung")):
            sheet.write_string(0, column, name)
        sheet.write_string(1, 0, "040192012345")
        sheet.write_number(1, 1, 40192012345)
        sheet.write_datetime(1, 2, date(1950, 2, 1), book.add_format({"num_format": "dd/mm/yyyy"}))
        sheet.write_number(1, 3, 1.5)
        sheet.write_number(1, 4, 1234567890123456789)
        sheet.write_boolean(1, 5, True)

    [(number, row)] = read(workbook(write))[1]
    assert number == 2
    assert row == ["040192012345", "40192012345", "1950-02-01", "1.5", "1.234567890123457e+18", "TRUE"]
    assert [isinstance(cell, NumberCell) for cell in row] == [False, True, False, True, True, False]


def test_rows_of_a_workbook_are_numbered_from_its_top() -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.merge_range(0, 0, 0, 3, "DANH SÁCH")
        sheet.write_row(3, 1, ["ten", "nam"])
        sheet.write_row(5, 1, ["Hoa", "1950"])

    sheet = open_sheet(workbook(write), lambda cells: "ten" in cells)
    assert (sheet.header_row, rows_of(sheet)) == (4, [(6, ["", "Hoa", "1950"])])


def test_hidden_sheets_and_sheets_that_explain_are_passed_over() -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["Cách điền", "…"])
        hidden = book.add_worksheet("cũ")
        hidden.write_row(0, 0, ["ten", "nam"])
        hidden.hide()
        book.add_worksheet("trống")
        wanted = book.add_worksheet("T11")
        wanted.write_row(0, 0, ["ten", "nam"])
        wanted.write_row(1, 0, ["Hoa", "1950"])

    sheet = open_sheet(workbook(write), lambda cells: "ten" in cells)
    assert rows_of(sheet) == [(2, ["Hoa", "1950"])]


def test_a_second_list_is_never_overlooked() -> None:
    def write(book: Any, sheet: Any) -> None:
        for one in (sheet, book.add_worksheet("T12")):
            one.write_row(0, 0, ["ten"])
            one.write_row(1, 0, ["Hoa"])

    with pytest.raises(FileRefused, match="2 sheets"):
        open_sheet(workbook(write), lambda cells: "ten" in cells)


def test_rows_in_merged_areas_are_named() -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["ten", "xa", "thang"])
        for row in range(1, 6):
            sheet.write_row(row, 0, ["Hoa", "40001", "2026-12"])
        sheet.merge_range(2, 1, 3, 1, "40001")

    [block] = open_sheet(workbook(write)).blocks()
    assert block.merged == {3, 4}


def test_a_workbook_without_a_visible_list_is_refused() -> None:
    assert refusal(workbook(lambda book, sheet: None)).code == "empty"


def test_a_renamed_or_foreign_package_is_refused() -> None:
    for part in ("word/document.xml", "content.xml"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            package.writestr("[Content_Types].xml", "<Types/>")
            package.writestr(part, "<x/>")
        assert refusal(packed.getvalue()).code == "not_a_spreadsheet"


@pytest.mark.parametrize("share", [1, 2, 3, 5, 9])
def test_a_workbook_that_breaks_off_is_refused_wherever(share: int) -> None:
    content = write_xlsx(["ten"], [["Hoa"]] * 200)
    assert refusal(content[: len(content) * share // 10]).code == "truncated"


def test_every_damaged_byte_gives_a_list_or_a_refusal() -> None:
    content = write_xlsx(["ten", "nam"], [["Hoa", "1950"]] * 3)
    for position in range(0, len(content), 23):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        with suppress(FileRefused):
            read(bytes(damaged))


def _package(sheet_xml: bytes) -> bytes:
    """A small workbook with this XML as its sheet."""
    source, packed = zipfile.ZipFile(io.BytesIO(write_xlsx(["ten"], [["Hoa"]]))), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name in source.namelist():
            package.writestr(name, sheet_xml if name.startswith("xl/worksheets/") else source.read(name))
    return packed.getvalue()


def _sheet(rows: str) -> bytes:
    return (
        '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{rows}</sheetData></worksheet>"
    ).encode()


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "too_many"),
        ('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="AZ1048576"><v>1</v></c></row>', "workbook_b"),
        ("<row r='1'><c r='XFD1048576'><v>1</v></c></row>", "workbook_b"),
        ('<row r="1"><c r = "XFD1048576"><v>1</v></c></row>', "workbook_b"),
        ('<row r="1"><c r="&#88;FD1048576"><v>1</v></c></row>', "workbook_b"),
        ('<row r="1"><c ' + " " * 3_000_000 + 'r="XFD1048576"><v>1</v></c></row>', "workbook_b"),
    ],
)
def test_cells_too_far_apart_are_refused_before_memory_is_taken(rows: str, code: str) -> None:
    assert refusal(_package(_sheet(rows))).code.startswith(code)


def test_a_zip_bomb_is_refused_by_what_it_declares_and_by_what_it_holds() -> None:
    declared = _package(_sheet("<row>" + " " * 20_000_000 + "</row>"))
    assert len(declared) < 100_000
    assert refusal(declared).code == "workbook_bomb"
    # The same with a lie about the size, in both places where a package states it.
    size = len(_sheet("<row>" + " " * 20_000_000 + "</row>"))
    lying = declared.replace(struct.pack("<I", size), struct.pack("<I", 1_000))
    assert lying != declared
    assert refusal(lying).code == "workbook_bomb"


def test_a_part_that_is_shorter_than_it_says_is_refused() -> None:
    content = write_xlsx(["ten"], [["Hoa"]])
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        size = package.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = content.replace(struct.pack("<I", size), struct.pack("<I", size + 1))
    assert refusal(lying).code == "truncated"


def test_a_package_of_very_many_parts_is_refused() -> None:
    packed = io.BytesIO(write_xlsx(["ten"], [["Hoa"]]))
    with zipfile.ZipFile(packed, "a") as package:
        for number in range(1_001):
            package.writestr(f"xl/media/{number}", b"")
    assert refusal(packed.getvalue()).code == "workbook_bomb"


def test_a_packed_stream_that_is_no_stream_is_refused() -> None:
    content = bytearray(write_xlsx(["ten"], [["Hoa"]]))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as package:
        part = package.getinfo("xl/worksheets/sheet1.xml")
    start = part.header_offset + 30 + len(part.filename)
    content[start : start + 8] = b"\xff" * 8
    with pytest.raises(zlib.error):
        zlib.decompress(bytes(content[start:]), -15)
    assert refusal(bytes(content)).code == "workbook_broken"


# ---------------------------------------------------------------- out


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_export_starts_a_formula(start: str) -> None:
    dangerous = f"{start}HYPERLINK(1)"
    assert neutralise(dangerous) == "'" + dangerous
    assert neutralise("'" + dangerous) == "''" + dangerous
    written = write_csv(["a", "b"], [["x", dangerous]])
    assert f"'{dangerous}".encode() in written
    with zipfile.ZipFile(io.BytesIO(write_xlsx(["a"], [["=1+1"]]))) as package:
        xml = package.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in xml
    assert b"&#39;=1+1" in xml or b"'=1+1" in xml


def test_names_and_amounts_are_left_alone() -> None:
    for harmless in ("K'Brể", "H'Bia Êban", "", "Nguyễn Thị Hoà", "'tis", "1-2"):
        assert neutralise(harmless) == harmless
        assert unescape(harmless) == harmless
    assert write_csv(["so"], [[-5], [10**12]]) == b"\xef\xbb\xbfso\r\n-5\r\n1000000000000\r\n"


def test_the_same_rows_give_the_same_workbook() -> None:
    assert write_xlsx(["a"], [["1"], [2]]) == write_xlsx(["a"], [["1"], [2]])


@pytest.mark.parametrize(
    "dialect", [Dialect("csv", ";", "utf-8"), Dialect("csv", "\t", "utf-16-le"), Dialect("csv"), Dialect("xlsx")]
)
def test_a_list_goes_back_the_way_it_came(dialect: Dialect) -> None:
    content = write_sheet(dialect, ["Họ tên", "Năm"], [["Hoà; Bé", "1950"]])
    sheet = open_sheet(content)
    assert (sheet.dialect.format, sheet.dialect.separator) == (dialect.format, dialect.separator)
    assert rows_of(sheet) == [(2, ["Hoà; Bé", "1950"])]


#: Any text without lone surrogates (no encoding has them) and zero characters (refused).
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS).filter(lambda row: "".join(row).strip() != ""), min_size=1, max_size=6)


@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["utf-8-sig", "utf-8", "utf-16"]))
@settings(max_examples=100, deadline=None)
def test_what_is_written_as_csv_is_read_again(rows: list[tuple[str, ...]], separator: str, encoding: str) -> None:
    content = write_csv(["mã", "tên", "ghi chú"], rows, separator=separator, encoding=encoding)
    assert [tuple(row) for _, row in rows_of(open_sheet(content, lambda cells: "tên" in cells))] == rows


#: XML 1.0 turns a carriage return into a line feed, and knows no other control characters.
XML_TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t"), max_size=20
).filter(lambda text: "_x" not in text)


@given(st.lists(st.tuples(XML_TEXTS, XML_TEXTS).filter(lambda row: "".join(row).strip() != ""), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_what_is_written_as_a_workbook_is_read_again(rows: list[tuple[str, ...]]) -> None:
    content = write_xlsx(["mã", "tên"], rows)
    assert [tuple(row) for _, row in rows_of(open_sheet(content))] == rows


@given(TEXTS)
def test_neutralising_is_undone_exactly_and_leaves_no_formula(text: str) -> None:
    written = neutralise(text)
    assert unescape(written) == text
    assert written[:1] not in tuple("=+-@\t\r\n＝＋－＠")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_list_or_a_refusal(content: bytes) -> None:
    for prefix in (b"", b"a,b\n", b"\xff\xfe", b"PK\x03\x04"):
        with suppress(FileRefused):
            read(prefix + content)
