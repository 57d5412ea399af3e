"""What a workbook's package claims and really holds, looked at before a reader trusts it.

A workbook is a ZIP of XML. Every part is unpacked within limits (declared sizes are not
believed), and the cells of a sheet may not lie so far apart that a reader, which takes memory
for the whole rectangle, would take all there is.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from paysvc.domain.errors import FileRefused
from paysvc.spreadsheets.sheet import MAX_COLUMNS

#: What a workbook may grow to, in bytes of XML; 300,000 rows of 13 columns need about 200 MB.
MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 100
MAX_PARTS = 1_000
#: Rows × columns from the first cell to the last one used.
MAX_CELLS = 30_000_000

_CHUNK = 1 << 20


def refuse_dangerous_package(content: bytes) -> None:
    """Unpack every part within limits before a reader does, and look at what it claims to hold."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError):
        raise FileRefused(
            "truncated", "The workbook breaks off or is damaged.", next_step="Ask for the file again."
        ) from None
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/worksheets/") for name in names):
        raise FileRefused(
            "not_a_spreadsheet",
            "The file is packed, but it is not an Excel workbook (XLSX).",
            next_step="Save the list as XLSX or as CSV (UTF-8) and import that.",
        )
    if len(parts) > MAX_PARTS or len(names) != len(parts):
        raise FileRefused("workbook_bomb", "The workbook has far too many parts.")
    declared = sum(part.file_size for part in parts)
    if declared > MAX_UNPACKED_BYTES or declared > MAX_RATIO * len(content):
        raise FileRefused("workbook_bomb", "The workbook would unpack to far more than a list needs.")
    total = 0
    for part in parts:
        extent = _Extent() if part.filename.startswith("xl/worksheets/") else None
        size = 0
        for piece in _unpacked(content, part):
            size += len(piece)
            if size > part.file_size or total + size > MAX_UNPACKED_BYTES:
                raise FileRefused("workbook_bomb", "The workbook unpacks to more than it declares.")
            if extent is not None:
                extent.see(piece)
        if size != part.file_size:
            raise FileRefused("truncated", "A part of the workbook is shorter than it declares.")
        total += size


def _unpacked(content: bytes, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a part in pieces, however much comes: the declared size is not believed."""
    if part.flag_bits & 1 or part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileRefused("workbook_broken", "The workbook is encrypted or packed in an unusual way.")
    head = content[part.header_offset : part.header_offset + 30]
    start = part.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    packed = memoryview(content)[start : start + part.compress_size]
    if head[:4] != b"PK\x03\x04" or len(packed) != part.compress_size:
        raise FileRefused("truncated", "The workbook breaks off or is damaged.")
    if part.compress_type == zipfile.ZIP_STORED:
        yield bytes(packed)
        return
    unpacker = zlib.decompressobj(-15)
    waiting: Any = packed
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(waiting, _CHUNK)
            waiting = unpacker.unconsumed_tail
            if not piece and not waiting:
                break
            yield piece
    except zlib.error:
        raise FileRefused("workbook_broken", "A part of the workbook is damaged.") from None


class _Extent:
    """How far the cells of a sheet reach, seen in its XML piece by piece.

    A reader takes memory for the whole rectangle, so two cells in opposite corners would do.
    """

    _COLUMN = re.compile(rb'\sr="([A-Z]+)[0-9]')
    _ROW = re.compile(rb'\sr="[A-Z]*([0-9]+)"')
    #: Any way of writing a reference that the two patterns above would not see.
    _UNUSUAL = re.compile(rb"""\sr\s+=|\sr=(?!"[A-Z]{0,3}[0-9]{1,7}")""")

    def __init__(self) -> None:
        self._tail = b""
        self._columns: set[bytes] = set()
        self._last_row = 0

    def see(self, piece: bytes) -> None:
        text = self._tail + piece
        # A reference may lie across two pieces: what follows the last '<' waits for the next.
        cut = text.rfind(b"<")
        text, self._tail = text[:cut], text[cut:]
        if cut < 0 or len(self._tail) > _CHUNK or b"\x00" in text:
            raise FileRefused("workbook_broken", "A sheet of the workbook is not written as sheets are.")
        if self._UNUSUAL.search(text):
            raise FileRefused("workbook_broken", "The workbook numbers its cells in an unusual way.")
        self._columns.update(self._COLUMN.findall(text))
        self._last_row = max([self._last_row, *map(int, set(self._ROW.findall(text)))])
        width = max(map(_column_number, self._columns), default=1)
        if width > MAX_COLUMNS:
            raise FileRefused("too_many_columns", f"The workbook has more than {MAX_COLUMNS} columns.")
        if self._last_row * width > MAX_CELLS:
            raise FileRefused("workbook_bomb", "The cells of the workbook lie too far apart.")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
