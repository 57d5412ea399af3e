"""CSV in: which encoding and separator the bytes have, and rows until something breaks."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Any

from paysvc.domain.errors import FileRefused
from paysvc.spreadsheets.sheet import (
    BLOCK_ROWS,
    FORMULA_STARTS,
    HEADER_WITHIN,
    Dialect,
    IsHeader,
    Sheet,
    find_header,
    unescape,
)

_CHUNK = 1 << 20
_SEPARATORS = (",", ";", "\t")

_VIETNAMESE = frozenset("àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ")


def open_csv(content: bytes, is_header: IsHeader | None) -> Sheet:
    encoding = _encoding(content)
    _refuse_undecodable(content, encoding)
    separator = _separator(content, encoding, is_header)
    is_escaped = _has_escaped(content, encoding)

    def blocks_from(number: int) -> Iterator[tuple[int, list[list[str]]]]:
        reader = _csv_reader(content, encoding, separator)
        position, width = 1, 0
        last: list[str] = []
        before: list[str] = []
        while True:
            try:
                rows = list(islice(reader, BLOCK_ROWS))
            except csv.Error as failure:
                raise _malformed(failure, reader.line_num) from None
            if not rows:
                break
            before, last = ([last, *rows])[-2:]
            first, position = position, position + len(rows)
            if first <= number:
                width = len(rows[number - first])
                rows, first = rows[number - first + 1 :], number + 1
            yield first, [list(map(unescape, row)) for row in rows] if is_escaped else rows
        # Rows may leave out their last cells, but then the row before does so too.
        is_short = 0 < len(last) < min(width, len(before) or width)
        if position - 1 > number and is_short and not _ends_with_newline(content, encoding):
            raise FileRefused(
                "truncated",
                "The file breaks off in the middle of its last row.",
                next_step="Ask for the file again; nothing of this one was taken.",
                place=f"row {position - 1}",
            )

    reader = _csv_reader(content, encoding, separator)
    try:
        number, header = find_header(enumerate(reader, 1), is_header)
    except csv.Error as failure:
        raise _malformed(failure, reader.line_num) from None
    expected = max(content.count(b"\n"), content.count(b"\r")) - number
    return Sheet(Dialect("csv", separator, encoding), header, number, max(expected, 1), lambda: blocks_from(number))


def _csv_reader(content: bytes, encoding: str, separator: str) -> Any:
    # Decoded piece by piece: the text of a large file is never held whole.
    text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
    return csv.reader(text, delimiter=separator, strict=True)


def _malformed(failure: csv.Error, line: int) -> FileRefused:
    if "unexpected end of data" in str(failure):
        return FileRefused("truncated", "The file breaks off inside a quoted text.", place=f"line {line}")
    if "field larger than" in str(failure):
        return FileRefused("quotes_broken", "A quotation mark is opened and never closed.", place=f"line {line}")
    return FileRefused("quotes_broken", "A quotation mark stands in the middle of a text.", place=f"line {line}")


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise _wrong_encoding("UTF-32")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    zero = content.find(b"\x00")
    if zero < 0:
        return "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
    # Latin letters and separators have one zero byte each in UTF-16, always on the same side.
    sample = content[:4096]
    for encoding, side in (("utf-16-le", 1), ("utf-16-be", 0)):
        if sample.count(b"\x00") == sample[side::2].count(b"\x00") > len(sample) // 8:
            return encoding
    raise FileRefused("nul_bytes", "The file holds zero bytes, which no list does.", place=f"byte {zero}")


def _refuse_undecodable(content: bytes, encoding: str) -> None:
    decode = {
        "utf-16": codecs.utf_16_le_decode if content.startswith(b"\xff\xfe") else codecs.utf_16_be_decode,
        "utf-16-le": codecs.utf_16_le_decode,
        "utf-16-be": codecs.utf_16_be_decode,
    }.get(encoding, codecs.utf_8_decode)
    view, position = memoryview(content), 0
    while position < len(content):
        is_last = position + _CHUNK >= len(content)
        try:
            text, used = decode(view[position : position + _CHUNK], "strict", is_last)
        except UnicodeDecodeError as failure:
            raise _undecodable(content, encoding, position + failure.start, failure.reason) from None
        if encoding.startswith("utf-16") and "\x00" in text:
            raise FileRefused("nul_bytes", "The file holds zero characters, which no list does.")
        position += used


def _undecodable(content: bytes, encoding: str, position: int, reason: str) -> FileRefused:
    line = content.count(b"\n", 0, position) + 1
    if reason in ("unexpected end of data", "truncated data"):
        return FileRefused("truncated", "The file breaks off in the middle of a letter.", place=f"line {line}")
    if encoding == "utf-8" and _looks_like_windows_1258(content):
        return _wrong_encoding("Windows-1258 (an old Vietnamese code page)", line)
    if encoding == "utf-8":
        return _wrong_encoding("another encoding than UTF-8", line)
    return FileRefused("wrong_encoding", "The file says it is Unicode and is not.", place=f"line {line}")


def _wrong_encoding(name: str, line: int = 1) -> FileRefused:
    return FileRefused(
        "wrong_encoding",
        f"The text of the file is in {name}.",
        next_step="Save it as 'CSV UTF-8' or as XLSX and import that.",
        place=f"line {line}",
    )


def _looks_like_windows_1258(content: bytes) -> bool:
    """True when nearly all letters beyond ASCII are Vietnamese ones in that code page."""
    try:
        text = content[: 4 * _CHUNK].decode("cp1258")
    except UnicodeDecodeError:
        return False
    letters = [letter for letter in unicodedata.normalize("NFC", text.casefold()) if letter > "\x7f"]
    vietnamese = sum(letter in _VIETNAMESE for letter in letters)
    return bool(letters) and 20 * vietnamese >= 19 * len(letters)


def _separator(content: bytes, encoding: str, is_header: IsHeader | None) -> str:
    """The separator under which a header is found, else the one that cuts the first row finest."""
    best, most = ",", 1
    for separator in _SEPARATORS:
        rows = list(_first_rows(content, encoding, separator))
        if is_header is not None and any(map(is_header, rows)):
            return separator
        if rows and len(rows[0]) > most:
            best, most = separator, len(rows[0])
    return best


def _first_rows(content: bytes, encoding: str, separator: str) -> Iterator[list[str]]:
    """Rows that hold something, as far as the quoting allows: another separator breaks it."""
    try:
        for row in islice(_csv_reader(content, encoding, separator), HEADER_WITHIN):
            if any(cell.strip() for cell in row):
                yield row
    except csv.Error:
        return


def _has_escaped(content: bytes, encoding: str) -> bool:
    """True where an apostrophe may stand in front of a formula: seldom, and then every cell is
    looked at. Found in the bytes, because looking at every cell costs as much as reading them.
    """
    codec = "utf-16-be" if encoding == "utf-16-be" or content.startswith(b"\xfe\xff") else "utf-16-le"
    codec = codec if encoding.startswith("utf-16") else "utf-8"
    starts = (re.escape(start.encode(codec)) for start in FORMULA_STARTS)
    return re.search(re.escape("'".encode(codec)) + b"(?:" + b"|".join(starts) + b")", content) is not None


def _ends_with_newline(content: bytes, encoding: str) -> bool:
    little = encoding == "utf-16-le" or content.startswith(b"\xff\xfe")
    if encoding.startswith("utf-16"):
        return content.endswith((b"\n\x00", b"\r\x00") if little else (b"\x00\n", b"\x00\r"))
    return content.endswith((b"\n", b"\r"))
