"""One way in for every list: what a file is, its bytes decide and not its name.

A file that cannot be believed whole is refused with a code and a place; single bad rows are
the caller's matter.
"""

from __future__ import annotations

from paysvc.domain.errors import FileRefused
from paysvc.spreadsheets.csv_in import open_csv
from paysvc.spreadsheets.sheet import MAX_FILE_BYTES, IsHeader, Sheet
from paysvc.spreadsheets.xlsx_in import open_workbook

_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or one with a password"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "packed (gzip)"),
    (b"7z\xbc\xaf", "packed (7-Zip)"),
    (b"Rar!", "packed (RAR)"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"<", "a web page or an XML file"),
    (b"\xef\xbb\xbf<", "a web page or an XML file"),
)


def open_sheet(content: bytes, is_header: IsHeader | None = None) -> Sheet:
    """The list in these bytes. `is_header` recognises the header below titles; without it the
    first row that is not blank is the header. Raises `FileRefused`.
    """
    if not content.strip(b" \t\r\n\xef\xbb\xbf\xff\xfe\x00"):
        raise FileRefused("empty", "The file is empty.")
    if len(content) > MAX_FILE_BYTES:
        raise FileRefused("too_large", f"The file is larger than {MAX_FILE_BYTES >> 20} MB.")
    if content.startswith(b"PK"):
        return open_workbook(content, is_header)
    head = content[:64].lstrip()
    for start, name in _OTHER_FORMATS:
        if head.startswith(start):
            raise FileRefused(
                "not_a_spreadsheet",
                f"The file is {name}, whatever its name says.",
                next_step="Save the list as XLSX or as CSV (UTF-8) and import that.",
            )
    return open_csv(content, is_header)
