"""The sections of the paper form that say what became of the money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from paysvc.domain import report_words as words
from paysvc.domain.amount_in_words import amount_in_words
from paysvc.domain.report_sections import Body, Section, row, section, table

#: Longer lists stand whole in the CSV beside the paper.
MOST_ROWS = 200


def summary(body: Body) -> Section:
    """Every total, and the two that are also told in words."""
    totals = body["totals"]
    whole = {"entitled", "approved", "sent", "settled"}
    rows = [
        row(label, words.number(totals[name]["count"]), words.dong(totals[name]["amount_vnd"]), bold=name in whole)
        for name, label in words.TOTALS.items()
    ]
    settled = int(totals["settled"]["amount_vnd"])
    return section(
        "Tổng hợp",
        before=[
            (
                f"Kỳ chi có {words.number(totals['entitled']['count'])} lượt người hưởng của "
                f"{words.number(body['distinct_people'])} người. Mỗi lượt người nằm ở đúng một kết quả: đã chi trả, "
                "hoàn trả, từ chối, chưa có kết quả, không rõ, tạm giữ, không chi hoặc rút lại."
            ),
        ],
        table=table(["Chỉ tiêu", "Lượt người", "Số tiền (đồng)"], [32, 10, 15], rows, right=[1, 2]),
        after=[
            (
                f"Số tiền được duyệt chi: {words.dong(totals['approved']['amount_vnd'])} đồng (bằng chữ: "
                f"{words.sentence(amount_in_words(int(totals['approved']['amount_vnd'])))})."
            ),
            f"Số tiền đã chi trả: {words.dong(settled)} đồng (bằng chữ: {words.sentence(amount_in_words(settled))}).",
        ],
    )


def tie(body: Body) -> Section:
    """Approved list, bank results and statements, bank by bank."""
    rows = [
        row(
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
    return section(
        "Đối chiếu ba bên đến từng đồng",
        before=[
            (
                "Danh sách được duyệt bằng tổng các kết quả của ngân hàng; số đã chi trả theo kết quả bằng số ghi "
                "nợ trừ ghi có trên sổ phụ, sau khi kể các sai lệch đã nêu. Mọi số liệu được tính lại lần thứ hai từ "
                "các tệp gốc của ngân hàng trước khi ký."
            ),
        ],
        table=table(
            ["Đơn vị chi trả", "Duyệt chi", "Kết quả", "Đã chi trả", "Sổ phụ: nợ − có", "Sai lệch đã nêu", "Còn lệch"],
            [15, 15, 15, 15, 15, 11, 8],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        ),
    )


def funds(body: Body) -> Section:
    """The free balance of each fund from opening to closing."""
    names = ("opening_vnd", "funded_vnd", "reserved_vnd", "released_vnd", "other_vnd", "closing_vnd")
    rows = [row(fund["fund"], *(words.dong(fund[name]) for name in names)) for fund in body["funds"]]
    return section(
        "Nguồn kinh phí (số dư chưa phân bổ)",
        table=table(
            ["Nguồn", "Đầu kỳ", "Cấp trong kỳ", "Giữ để chi", "Hoàn lại nguồn", "Khác", "Cuối kỳ"],
            [12, 15, 15, 15, 13, 10, 15],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        ),
    )


def breakdown(title: str, rows: Sequence[Body], names: Mapping[str, str]) -> Section:
    """Count above amount in every cell, so that eight outcomes fit on one page."""
    columns = ("entitled", *words.OUTCOMES)
    shown = [
        row(
            names.get(one["code"]) or one["code"],
            *(f"{words.number(one[name]['count'])}\n{words.dong(one[name]['amount_vnd'])}" for name in columns),
        )
        for one in rows
    ]
    return section(
        title,
        table=table(
            ["", "Phải chi", *words.OUTCOMES.values()],
            [14, 13, 13, 9, 9, 11, 9, 10, 9, 8],
            shown,
            right=list(range(1, 10)),
            small=True,
        ),
    )


def reasons(body: Body) -> Section:
    """Why money did not arrive, or was not sent."""
    rows = [
        row(
            words.OUTCOMES[one["outcome"]],
            one["reason"] or "—",
            words.REASONS.get(one["reason"], ""),
            words.number(one["count"]),
            words.dong(one["amount_vnd"]),
        )
        for one in body["by_reason"]
    ]
    return section(
        "Theo lý do",
        before=[] if rows else ["Không có khoản nào bị hoàn trả, từ chối, tạm giữ hoặc không chi."],
        table=table(
            ["Kết quả", "Mã", "Ý nghĩa", "Lượt người", "Số tiền (đồng)"], [12, 13, 24, 9, 14], rows, right=[3, 4]
        )
        if rows
        else None,
    )


def discrepancies(body: Body) -> Section:
    """What does not agree; at most `MOST_ROWS` of them on paper."""
    found = body["discrepancies"]
    if not found:
        return section("Sai lệch", before=["Không có sai lệch nào."])
    kinds = Counter(one["kind"] for one in found)
    counted = "; ".join(f"{words.DISCREPANCIES.get(kind, kind)}: {count}" for kind, count in sorted(kinds.items()))
    rows = [
        row(
            words.DISCREPANCIES.get(one["kind"], one["kind"]),
            one["bank"],
            one["reference"],
            words.dong(one["amount_vnd"]),
            "Đã xử lý" if one["state"] == "resolved" else "Đang mở",
        )
        for one in found[:MOST_ROWS]
    ]
    more = [f"Còn {len(found) - MOST_ROWS} sai lệch nữa trong tệp discrepancies.csv."]
    return section(
        "Sai lệch",
        before=[f"{counted}. Tất cả có trong tệp discrepancies.csv."],
        table=table(
            ["Loại", "Đơn vị", "Mã tham chiếu", "Số tiền (đồng)", "Tình trạng"],
            [15, 11, 22, 12, 9],
            rows,
            right=[3],
            mono=[2],
        ),
        after=more if len(found) > MOST_ROWS else [],
    )


def resubmissions(body: Body) -> Section:
    """Who is paid again, on which word of the bank, by whom; at most `MOST_ROWS` on paper."""
    found = body["resubmissions"]
    rows = [
        row(
            f"{one['end_to_end_id']}\n{one['replaced_by'].replace(';', chr(10)) or '—'}",
            words.dong(one["amount_vnd"]),
            f"{words.OUTCOMES[one['unpaid']]}\n{one['reason'] or '—'}",
            f"{words.EVIDENCE[one['evidence']]} {one['evidence_row']}\n{one['evidence_sha256'][:16]}…",
            f"{one['proposed_by']}\n{one['decided_by'] or '—'}",
            words.DECISIONS[one["state"]],
        )
        for one in found[:MOST_ROWS]
    ]
    more = [f"Còn {len(found) - MOST_ROWS} khoản nữa trong report.json."]
    return section(
        "Chi lại các khoản không đến tay người nhận",
        before=["Chỉ chi lại khi ngân hàng chứng minh chưa chi, do một người đề nghị và một người khác duyệt."],
        table=table(
            ["Lệnh cũ\nLệnh thay thế", "Số tiền (đồng)", "Kết quả", "Chứng cứ", "Đề nghị\nDuyệt", "Tình trạng"],
            [17, 12, 10, 19, 14, 10],
            rows,
            right=[1],
            mono=[0],
            small=True,
        ),
        after=more if len(found) > MOST_ROWS else [],
    )


def recalls(body: Body) -> Section:
    """What banks were asked to take back."""
    rows = [
        row(
            one["end_to_end_id"],
            one["bank"],
            words.dong(one["amount_vnd"]),
            f"{words.RECALLS[one['state']]} {one['answer']}".strip(),
            f"{one['file_sha256'][:16]}…" if one["file_sha256"] else "—",
        )
        for one in body["recalls"][:MOST_ROWS]
    ]
    return section(
        "Yêu cầu hoàn lại khoản chi hai lần",
        before=["Lệnh cũ được ghi nợ sau khi đã chi lại; ngân hàng được yêu cầu hoàn lại lệnh thay thế."],
        table=table(
            ["Lệnh", "Đơn vị", "Số tiền (đồng)", "Tình trạng", "Tệp yêu cầu"], [18, 11, 13, 18, 18], rows, [2], [0, 4]
        ),
    )
