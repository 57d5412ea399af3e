"""The paper form: every letter drawn, the same bytes each time, the figures of the JSON."""

from __future__ import annotations

import io
import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader

from paysvc.domain.report_paper import write_paper
from paysvc.report_pdf import render_pdf, render_png

MOMENT = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
VOWELS = "aăâeêioôơuưy"
LETTERS = "bcdđghklmnpqrstvx" + "".join(
    unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in ("", *"\u0300\u0301\u0303\u0309\u0323")
)


def words_of(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return unicodedata.normalize("NFC", " ".join(" ".join(page.extract_text().split()) for page in pages))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database is enough to make what is looked at here."""
    return sqlite_url


@pytest.fixture
def body(published_once) -> dict:
    return json.loads((published_once[0] / "report.json").read_bytes())


def test_the_published_paper_says_what_the_json_says(published_once) -> None:
    folder, signer = published_once
    text = words_of((folder / "report.pdf").read_bytes())
    for expected in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "TỈNH NGHỆ AN",
        "BÁO CÁO ĐỐI SOÁT CHI TRẢ",
        "Số: BC-2026-11-BTXH",
        "Nghệ An, ngày 09 tháng 11 năm 2026",
        "Số liệu tính đến 08:00:00 ngày 09/11/2026 (giờ Việt Nam)",
        "7.000.010",
        "Hai triệu bảy trăm năm mươi nghìn không trăm linh ba đồng",
        "Chưa đến nhận tiền mặt",
        "Trợ cấp hưu trí xã hội",
        "Kỳ Sơn",
        "approver.minh",
        signer.key_id,
    ):
        assert expected in text, expected


def test_an_amendment_names_what_it_amends(paid_cycle, publish, tmp_path, days) -> None:
    publish(tmp_path / "first", days[5])
    folder = publish(tmp_path / "second", days[6]).folder
    text = words_of((folder / "report.pdf").read_bytes())
    assert "Báo cáo sửa đổi lần 1, tiếp theo báo cáo số BC-2026-11-BTXH" in text


def test_every_vietnamese_letter_is_drawn(body) -> None:
    alphabet = LETTERS + LETTERS.upper()
    assert len(set(alphabet)) == 178
    body["province"] = alphabet
    text = words_of(render_pdf(write_paper(body, []), MOMENT)).replace(" ", "")
    # PDF/A refuses a letter without a glyph, so that it was made says that all are drawn.
    assert not [letter for letter in LETTERS if letter not in text]


def test_what_a_bank_prints_in_foreign_letters_does_not_stop_the_paper(body) -> None:
    body["statements"][0]["statement_id"] = "结单 \u202e\x00 😀"
    assert "?" in words_of(render_pdf(write_paper(body, []), MOMENT))


def test_the_same_paper_is_the_same_bytes_and_another_moment_is_not(body) -> None:
    paper = write_paper(body, [])
    assert render_pdf(paper, MOMENT) == render_pdf(paper, MOMENT)
    assert render_pdf(paper, MOMENT) != render_pdf(paper, MOMENT.replace(hour=2))


def test_a_long_list_of_units_and_discrepancies_runs_over_pages(body) -> None:
    body["by_unit"] = [{**body["by_unit"][0], "code": f"{code:05d}"} for code in range(130)]
    one = {
        "kind": "amount_mismatch",
        "bank": "AGRI",
        "reference": "P000000000000001",
        "amount_vnd": -5,
        "state": "open",
    }
    body["discrepancies"] = [one] * 250
    pages = render_png(write_paper(body, []), MOMENT, ppi=20)
    assert len(pages) > 8
    text = words_of(render_pdf(write_paper(body, []), MOMENT))
    assert "00129" in text
    assert "Còn 50 sai lệch nữa trong tệp discrepancies.csv." in text
    assert "−5" in text


def test_the_template_comes_with_the_package() -> None:
    import paysvc

    assert (Path(paysvc.__file__).parent / "templates_typst" / "report.typ").is_file()
