"""What an office's lists are called, which columns they have, and how a header names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from paysvc.domain.errors import FileRefused
from paysvc.domain.registry_fields import fold


class ImportKind(StrEnum):
    """Who is due something, who holds which account, who lives."""

    BENEFICIARIES = "beneficiaries"
    ACCOUNTS = "accounts"
    POPULATION = "population"


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a list: its name with us and the headers that stand for it.

    The first header is the one of the template. `is_required` means both that the column must
    be there and that its cells must be filled.
    """

    name: str
    headers: tuple[str, ...]
    is_required: bool = True

    @property
    def title(self) -> str:
        return self.headers[0]


_CITIZEN_ID = ("số định danh", "citizen_id", "số định danh cá nhân", "số CCCD", "CCCD")
_FULL_NAME = ("họ tên", "full_name", "họ và tên")
_BIRTH = Field("birth", ("ngày sinh", "birth", "ngày tháng năm sinh", "năm sinh"))
_SEX = Field("sex", ("giới tính", "sex"))

#: The columns of each list, in the order of the template.
FIELDS: dict[ImportKind, tuple[Field, ...]] = {
    ImportKind.BENEFICIARIES: (
        Field("programme_code", ("mã chương trình", "programme_code", "chương trình")),
        Field("category", ("nhóm", "category", "nhóm đối tượng")),
        Field("citizen_id", _CITIZEN_ID),
        Field("full_name", _FULL_NAME),
        _BIRTH,
        _SEX,
        Field("unit_code", ("mã xã", "unit_code")),
        Field("channel", ("kênh", "channel", "kênh chi trả")),
        Field("decision_number", ("số quyết định", "decision_number")),
        Field("from_period", ("từ tháng", "from_period")),
        Field("to_period", ("đến tháng", "to_period"), is_required=False),
        Field("old_id", ("số CMND cũ", "old_id", "số CMND"), is_required=False),
        Field("previous_id", ("số định danh cũ", "previous_id", "số CCCD cũ"), is_required=False),
    ),
    ImportKind.ACCOUNTS: (
        Field("holder_id", ("số định danh", "holder_id", *_CITIZEN_ID[1:])),
        Field("holder_name", ("tên chủ tài khoản", "holder_name", "chủ tài khoản")),
        Field("bank_bin", ("mã ngân hàng", "bank_bin", "BIN")),
        Field("account_number", ("số tài khoản", "account_number")),
        Field("status", ("trạng thái", "status")),
        Field("currency", ("loại tiền", "currency"), is_required=False),
        Field("registered_on", ("ngày đăng ký", "registered_on"), is_required=False),
    ),
    ImportKind.POPULATION: (
        Field("citizen_id", _CITIZEN_ID),
        Field("full_name", _FULL_NAME),
        _BIRTH,
        _SEX,
        Field("status", ("tình trạng", "status")),
        Field("deceased_on", ("ngày mất", "deceased_on", "ngày chết"), is_required=False),
    ),
}


def known_columns(kind: ImportKind, header: Sequence[str]) -> dict[int, Field]:
    """Position -> field of the header cells that this list knows."""
    by_header = {fold(name): field for field in FIELDS[kind] for name in field.headers}
    known = {}
    for position, cell in enumerate(header):
        field = by_header.get(fold(cell))
        if field is not None:
            known[position] = field
    return known


def is_header(kind: ImportKind, cells: Sequence[str]) -> bool:
    """True for a row that names at least half of the required columns; titles stand above it."""
    required = sum(field.is_required for field in FIELDS[kind])
    named = {field.name for field in known_columns(kind, cells).values() if field.is_required}
    return 2 * len(named) >= required


def map_columns(kind: ImportKind, header: Sequence[str]) -> dict[str, int]:
    """Field name -> position in the row; columns that nobody knows are left alone.

    Raises `FileRefused` (`column_twice`, `column_missing`), naming what is there.
    """
    known = known_columns(kind, header)
    mapped: dict[str, int] = {}
    for position, field in known.items():
        if field.name in mapped:
            raise FileRefused(
                "column_twice",
                f"Two columns are both '{field.title}': {_quoted([header[mapped[field.name]], header[position]])}.",
                next_step="Keep one of them and import the file again.",
                place="header",
            )
        mapped[field.name] = position
    missing = [field.title for field in FIELDS[kind] if field.is_required and field.name not in mapped]
    if missing:
        # A file without a header shows its first record here, which may be a person, so
        # cells are repeated only when some of them are surely headings.
        there = [cell for cell in header if cell.strip()] if known else []
        raise FileRefused(
            "column_missing",
            f"The file lacks the columns {_quoted(missing)}; it has {_quoted(there) or 'no column known here'}.",
            next_step=f"Give a list of {kind} these columns, in any order.",
            place="header",
        )
    return mapped


def _quoted(names: Sequence[str]) -> str:
    shown = [f"'{' '.join(name.split())[:40]}'" for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
