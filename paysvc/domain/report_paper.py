"""The wording of the paper form: from a checked report's own JSON to titles, tables, sentences.

It reads nothing but the checked body, so that paper and JSON cannot say different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from paysvc.domain import report_paper_evidence as evidence
from paysvc.domain import report_paper_results as results
from paysvc.domain import report_words as words
from paysvc.domain.report import FileEntry
from paysvc.domain.report_sections import Body, Section


def write_paper(body: Body, files: Sequence[FileEntry]) -> dict[str, object]:
    """What the template prints. `body` is the JSON of a CheckedReport, `files` the digests to show."""
    as_of = datetime.fromisoformat(body["as_of"]).astimezone(words.VIETNAM)
    province = _bare(body["province"])
    return {
        "title": "BÁO CÁO ĐỐI SOÁT CHI TRẢ",
        "office": f"Ủy ban nhân dân tỉnh {province}".strip(),
        "office_over": "ỦY BAN NHÂN DÂN",
        "office_name": f"TỈNH {province.upper()}".strip(),
        "state": "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "motto": "Độc lập - Tự do - Hạnh phúc",
        "number": body["number"],
        "number_line": f"Số: {body['number']}",
        "place_and_day": f"{province}, {_day_in_words(as_of)}".removeprefix(", "),
        "page_word": "Trang",
        "subtitle": _subtitle(body, as_of),
        "sections": _numbered(_sections(body, files)),
    }


def _subtitle(body: Body, as_of: datetime) -> list[str]:
    cycle = body["cycle"]
    lines = [
        (
            f"Kỳ chi {cycle['code']} (tháng {', '.join(_month(one) for one in cycle['periods'])}), "
            f"ngày chi trả {_date(cycle['value_date'])}"
        ),
        f"Số liệu tính đến {as_of:%H:%M:%S} ngày {as_of:%d/%m/%Y} (giờ Việt Nam)",
    ]
    if body["amends"]:
        lines.append(f"Báo cáo sửa đổi lần {body['amendment']}, tiếp theo báo cáo số {body['amends']['number']}")
    return lines


def _sections(body: Body, files: Sequence[FileEntry]) -> Iterable[Section]:
    yield results.summary(body)
    yield results.tie(body)
    if body["funds"]:
        yield results.funds(body)
    names = {one["code"]: one["name"] for one in (*body["programmes"], *body["banks"], *body["units"])}
    yield results.breakdown("Theo chương trình", body["by_programme"], names)
    yield results.breakdown("Theo đơn vị chi trả", body["by_bank"], {**names, "": "Không có lệnh chi"})
    yield results.breakdown("Theo kênh chi trả", body["by_channel"], words.CHANNELS)
    yield results.reasons(body)
    yield results.discrepancies(body)
    if body["resubmissions"]:
        yield results.resubmissions(body)
    if body["recalls"]:
        yield results.recalls(body)
    yield evidence.statements(body)
    yield evidence.bank_files(body)
    yield results.breakdown("Theo xã, phường", body["by_unit"], names)
    yield evidence.approval(body)
    yield evidence.verification(body, files)


def _numbered(sections: Iterable[Section]) -> list[Section]:
    return [{**section, "title": f"{place}. {section['title']}"} for place, section in enumerate(sections, 1)]


def _bare(province: str) -> str:
    return province.removeprefix("Tỉnh ").removeprefix("Thành phố ").strip()


def _month(period: str) -> str:
    return f"{period[5:7]}/{period[:4]}"


def _date(iso: str) -> str:
    return f"{date.fromisoformat(iso):%d/%m/%Y}"


def _day_in_words(moment: datetime) -> str:
    """With a leading zero for days under 10 and months under 3 (Decree 30/2020, annex I)."""
    month = f"{moment.month:02d}" if moment.month < 3 else f"{moment.month}"
    return f"ngày {moment.day:02d} tháng {month} năm {moment.year}"
