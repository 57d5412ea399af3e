"""The wording of the paper form: from a checked report's own JSON to titles, tables, sentences.

It reads nothing but the checked body, so that paper and JSON cannot say different things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, TypedDict

from paysvc.domain import report_words as words
from paysvc.domain.amount_in_words import amount_in_words
from paysvc.domain.report import FileEntry

_VIETNAM = timezone(timedelta(hours=7))

#: Longer lists stand whole in the CSV beside the paper.
_MOST_ROWS = 200

Body = Mapping[str, Any]


class Table(TypedDict):
    head: list[str]
    widths: list[float]
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


def write_paper(body: Body, files: Sequence[FileEntry]) -> dict[str, object]:
    """What the template prints. `body` is the JSON of a CheckedReport, `files` the digests to show."""
    as_of = datetime.fromisoformat(body["as_of"]).astimezone(_VIETNAM)
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
    yield _summary(body)
    yield _tie(body)
    if body["funds"]:
        yield _funds(body)
    names = {one["code"]: one["name"] for one in (*body["programmes"], *body["banks"], *body["units"])}
    yield _breakdown("Theo chương trình", body["by_programme"], names)
    yield _breakdown("Theo đơn vị chi trả", body["by_bank"], {**names, "": "Không có lệnh chi"})
    yield _breakdown("Theo kênh chi trả", body["by_channel"], words.CHANNELS)
    yield _reasons(body)
    yield _discrepancies(body)
    yield _statements(body)
    yield _bank_files(body)
    yield _breakdown("Theo xã, phường", body["by_unit"], names)
    yield _approval(body)
    yield _verification(body, files)


def _summary(body: Body) -> Section:
    totals = body["totals"]
    whole = {"entitled", "approved", "sent", "settled"}
    rows = [
        _row(label, words.number(totals[name]["count"]), words.dong(totals[name]["amount_vnd"]), bold=name in whole)
        for name, label in words.TOTALS.items()
    ]
    settled = int(totals["settled"]["amount_vnd"])
    return _section(
        "Tổng hợp",
        before=[
            (
                f"Kỳ chi có {words.number(totals['entitled']['count'])} lượt người hưởng của "
                f"{words.number(body['distinct_people'])} người. Mỗi lượt người nằm ở đúng một kết quả: đã chi trả, "
                "hoàn trả, từ chối, chưa có kết quả, không rõ, tạm giữ hoặc không chi."
            ),
        ],
        table=_table(["Chỉ tiêu", "Lượt người", "Số tiền (đồng)"], [3.2, 1, 1.5], rows, right=[1, 2]),
        after=[
            (
                f"Số tiền được duyệt chi: {words.dong(totals['approved']['amount_vnd'])} đồng (bằng chữ: "
                f"{words.sentence(amount_in_words(int(totals['approved']['amount_vnd'])))})."
            ),
            f"Số tiền đã chi trả: {words.dong(settled)} đồng (bằng chữ: {words.sentence(amount_in_words(settled))}).",
        ],
    )


def _tie(body: Body) -> Section:
    rows = [
        _row(
            tie["bank"],
            words.dong(tie["approved"]["amount_vnd"]),
            words.dong(tie["results"]["amount_vnd"]),
            words.dong(tie["settled"]["amount_vnd"]),
            words.dong(tie["statement_net_vnd"]),
            words.dong(tie["listed_as_discrepancy_vnd"]),
            words.dong(tie["difference_vnd"]),
        )
        for tie in body["three_way_tie"]
    ]
    return _section(
        "Đối chiếu ba bên đến từng đồng",
        before=[
            (
                "Danh sách được duyệt bằng tổng các kết quả của ngân hàng; số đã chi trả theo kết quả bằng số ghi "
                "nợ trừ ghi có trên sổ phụ, sau khi kể các sai lệch đã nêu. Mọi số liệu được tính lại lần thứ hai từ "
                "các tệp gốc của ngân hàng trước khi ký."
            ),
        ],
        table=_table(
            ["Đơn vị chi trả", "Duyệt chi", "Kết quả", "Đã chi trả", "Sổ phụ: nợ − có", "Sai lệch đã nêu", "Còn lệch"],
            [1.5, 1.5, 1.5, 1.5, 1.5, 1.1, 0.8],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        ),
    )


def _funds(body: Body) -> Section:
    names = ("opening_vnd", "funded_vnd", "reserved_vnd", "released_vnd", "other_vnd", "closing_vnd")
    rows = [_row(fund["fund"], *(words.dong(fund[name]) for name in names)) for fund in body["funds"]]
    return _section(
        "Nguồn kinh phí (số dư chưa phân bổ)",
        table=_table(
            ["Nguồn", "Đầu kỳ", "Cấp trong kỳ", "Giữ để chi", "Hoàn lại nguồn", "Khác", "Cuối kỳ"],
            [1.2, 1.5, 1.5, 1.5, 1.3, 1, 1.5],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        ),
    )


def _breakdown(title: str, rows: Sequence[Body], names: Mapping[str, str]) -> Section:
    """Count above amount in every cell, so that seven outcomes fit on one page."""
    columns = ("entitled", *words.OUTCOMES)
    shown = [
        _row(
            names.get(row["code"]) or row["code"],
            *(f"{words.number(row[name]['count'])}\n{words.dong(row[name]['amount_vnd'])}" for name in columns),
        )
        for row in rows
    ]
    return _section(
        title,
        table=_table(
            ["", "Phải chi", *words.OUTCOMES.values()],
            [1.5, 1.4, 1.4, 1, 1, 1.2, 0.9, 1.1, 1],
            shown,
            right=list(range(1, 9)),
            small=True,
        ),
    )


def _reasons(body: Body) -> Section:
    rows = [
        _row(
            words.OUTCOMES[one["outcome"]],
            one["reason"] or "—",
            words.REASONS.get(one["reason"], ""),
            words.number(one["count"]),
            words.dong(one["amount_vnd"]),
        )
        for one in body["by_reason"]
    ]
    return _section(
        "Theo lý do",
        before=[] if rows else ["Không có khoản nào bị hoàn trả, từ chối, tạm giữ hoặc không chi."],
        table=_table(
            ["Kết quả", "Mã", "Ý nghĩa", "Lượt người", "Số tiền (đồng)"], [1.2, 1.3, 2.4, 0.9, 1.4], rows, right=[3, 4]
        )
        if rows
        else None,
    )


def _discrepancies(body: Body) -> Section:
    found = body["discrepancies"]
    if not found:
        return _section("Sai lệch", before=["Không có sai lệch nào."])
    kinds = Counter(one["kind"] for one in found)
    counted = "; ".join(f"{words.DISCREPANCIES.get(kind, kind)}: {count}" for kind, count in sorted(kinds.items()))
    rows = [
        _row(
            words.DISCREPANCIES.get(one["kind"], one["kind"]),
            one["bank"],
            one["reference"],
            words.dong(one["amount_vnd"]),
            "Đã xử lý" if one["state"] == "resolved" else "Đang mở",
        )
        for one in found[:_MOST_ROWS]
    ]
    more = [f"Còn {len(found) - _MOST_ROWS} sai lệch nữa trong tệp discrepancies.csv."]
    return _section(
        "Sai lệch",
        before=[f"{counted}. Tất cả có trong tệp discrepancies.csv."],
        table=_table(
            ["Loại", "Đơn vị", "Mã tham chiếu", "Số tiền (đồng)", "Tình trạng"],
            [1.5, 1.1, 2.2, 1.2, 0.9],
            rows,
            right=[3],
            mono=[2],
        ),
        after=more if len(found) > _MOST_ROWS else [],
    )


def _statements(body: Body) -> Section:
    names = ("opening_vnd", "credits_vnd", "debits_vnd", "closing_vnd", "cycle_debits_vnd", "cycle_credits_vnd")
    rows = [
        _row(f"{one['bank']}\n{one['statement_id']}", *(words.dong(one[name]) for name in names))
        for one in body["statements"]
    ]
    return _section(
        "Sổ phụ ngân hàng",
        before=["Mỗi sổ phụ được tin sau khi tự chứng minh: dư đầu + ghi có − ghi nợ = dư cuối."]
        if rows
        else ["Chưa có sổ phụ nào."],
        table=_table(
            ["Sổ phụ", "Dư đầu", "Ghi có", "Ghi nợ", "Dư cuối", "Nợ của kỳ này", "Có của kỳ này"],
            [1.9, 1.3, 1.3, 1.3, 1.3, 1.3, 1.1],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        )
        if rows
        else None,
    )


def _bank_files(body: Body) -> Section:
    sent = [("Gửi đi", one, words.FILE_STATES[one["sending"]]) for one in body["sent_files"]]
    received = [("Nhận về", one, words.FILE_STATES[one["state"]]) for one in body["received_files"]]
    rows = [
        _row(f"{way}\n{one['bank']}", one["name"], one["sha256"], words.number(one["size"]), state)
        for way, one, state in (sent + received)[:_MOST_ROWS]
    ]
    count = len(sent) + len(received)
    return _section(
        "Tệp trao đổi với ngân hàng",
        before=[f"{len(sent)} tệp gửi đi và {len(received)} tệp nhận về; tất cả được kê trong report.json."],
        table=_table(
            ["", "Tên tệp", "SHA-256", "Byte", "Tình trạng"], [1.3, 1.7, 2.6, 0.9, 1.1], rows, [3], [1, 2], True
        )
        if count
        else None,
    )


def _approval(body: Body) -> Section:
    approval, chain = body["approval"], body["audit_chain"]
    approved_at = datetime.fromisoformat(approval["approved_at"]).astimezone(_VIETNAM)
    return _section(
        "Phê duyệt",
        before=[
            (
                f"Người lập: {approval['maker']}. Người trình: {approval['submitted_by']}. Người duyệt: "
                f"{approval['approver']}, lúc {approved_at:%H:%M ngày %d/%m/%Y}. Người duyệt khác người lập; "
                "việc duyệt gắn với đúng nội dung có mã băm SHA-256 sau đây."
            ),
        ],
        codes=[approval["content_sha256"]],
        after=[f"Nhật ký kiểm toán đến sự kiện số {words.number(chain['event'])}; mã băm: {chain['hash'][:32]}…"],
    )


def _verification(body: Body, files: Sequence[FileEntry]) -> Section:
    return _section(
        "Kiểm chứng",
        before=[
            (
                f"Báo cáo được ký số Ed25519 bằng khóa có mã {body['signing_key_id']}; hãy so mã này với mã do cơ quan "
                "công bố. Chữ ký phủ tệp report.json, tệp này ghi mã băm của mọi tệp khác, kể cả bản in này. "
                "Sửa một byte ở bất kỳ tệp nào thì việc kiểm chứng thất bại và nêu tên phần bị sửa."
            ),
            "Kiểm chứng không cần mạng và không cần cơ sở dữ liệu; mã băm của các tệp kê chi tiết ghi ở cuối:",
        ],
        codes=[
            "paysvc verify .",
            "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in report.json -sigfile report.json.sig",
            *(f"{one.sha256}  {one.path}" for one in files),
        ],
    )


def _section(
    title: str,
    *,
    before: list[str] | None = None,
    table: Table | None = None,
    after: list[str] | None = None,
    codes: list[str] | None = None,
) -> Section:
    return {"title": title, "before": before or [], "table": table, "after": after or [], "codes": codes or []}


def _table(
    head: list[str],
    widths: Sequence[float],
    rows: list[dict[str, Any]],
    right: list[int],
    mono: list[int] | None = None,
    small: bool = False,
) -> Table:
    return {"head": head, "widths": list(widths), "right": right, "mono": mono or [], "small": small, "rows": rows}


def _row(*cells: str, bold: bool = False) -> dict[str, Any]:
    return {"cells": list(cells), "bold": bold}


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
