"""What the paper form is put together from: sections with sentences, a table, codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

Body = Mapping[str, Any]


class Table(TypedDict):
    head: list[str]
    widths: list[int]
    right: list[int]
    mono: list[int]
    small: bool
    rows: list[dict[str, Any]]


class Section(TypedDict):
    title: str
    before: list[str]
    table: Table | None
    after: list[str]
    codes: list[str]


def section(
    title: str,
    *,
    before: list[str] | None = None,
    table: Table | None = None,
    after: list[str] | None = None,
    codes: list[str] | None = None,
) -> Section:
    """A section of the paper; what is not given is left out."""
    return {"title": title, "before": before or [], "table": table, "after": after or [], "codes": codes or []}


def table(
    head: list[str],
    widths: Sequence[int],
    rows: list[dict[str, Any]],
    right: list[int],
    mono: list[int] | None = None,
    small: bool = False,
) -> Table:
    """A table; `widths` are shares of the page, `right` and `mono` columns by number from 0."""
    return {"head": head, "widths": list(widths), "right": right, "mono": mono or [], "small": small, "rows": rows}


def row(*cells: str, bold: bool = False) -> dict[str, Any]:
    """One row of a table."""
    return {"cells": list(cells), "bold": bold}
