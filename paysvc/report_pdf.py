"""The paper form of a report: typst makes it, and the same report gives the same bytes.

Only typst's own fonts are used, so that no machine prints it differently; both hold all
Vietnamese letters. The time in the file is the report's as-of, never that of the printing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import typst

_TEMPLATE = Path(__file__).parent / "templates_typst" / "report.typ"

#: PDF/A-2a (ISO 19005-2): readable in decades, with its reading order for screen readers.
_STANDARD: typst.PDFStandard = "a-2a"


#: What typst's own fonts can draw: Latin with every Vietnamese letter, marks, punctuation. Banks
#: print other things into their ids, and PDF/A refuses a letter without a glyph.
_UNDRAWABLE = re.compile(
    "[^\n\u0020-\u007e\u00a0-\u024f\u0300-\u036f\u1e00-\u1eff\u200b\u2010-\u2027\u202f\u20ab\u2116\u2212]"
)


def render_pdf(paper: Mapping[str, object], as_of: datetime) -> bytes:
    """The PDF of a paper as `report_paper.write_paper` words it; `as_of` is aware."""
    pages = typst.compile(
        _TEMPLATE.read_bytes(),
        format="pdf",
        sys_inputs=_inputs(paper),
        ignore_system_fonts=True,
        pdf_standards=_STANDARD,
        timestamp=as_of,
    )
    assert isinstance(pages, bytes)
    return pages


def render_png(paper: Mapping[str, object], as_of: datetime, ppi: float = 80.0) -> list[bytes]:
    """Its pages as pictures, to look at."""
    pages = typst.compile(
        _TEMPLATE.read_bytes(),
        format="png",
        ppi=ppi,
        sys_inputs=_inputs(paper),
        ignore_system_fonts=True,
        timestamp=as_of,
    )
    return [pages] if isinstance(pages, bytes) else list(pages or ())


def _inputs(paper: Mapping[str, object]) -> dict[str, str]:
    """The paper as the template reads it; what cannot be drawn is a question mark."""
    return {"data": json.dumps(_drawable(paper), ensure_ascii=False)}


def _drawable(value: object) -> object:
    if isinstance(value, str):
        return _UNDRAWABLE.sub("?", value)
    if isinstance(value, Mapping):
        return {name: _drawable(one) for name, one in value.items()}
    return [_drawable(one) for one in value] if isinstance(value, list) else value
