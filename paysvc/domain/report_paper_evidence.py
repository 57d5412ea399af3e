"""The sections of the paper form that say what proves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from paysvc.domain import report_words as words
from paysvc.domain.report import FileEntry
from paysvc.domain.report_paper_results import MOST_ROWS
from paysvc.domain.report_sections import Body, Section, row, section, table


def statements(body: Body) -> Section:
    """The believed statements with their balances."""
    names = ("opening_vnd", "credits_vnd", "debits_vnd", "closing_vnd", "cycle_debits_vnd", "cycle_credits_vnd")
    rows = [
        row(f"{one['bank']}\n{one['statement_id']}", *(words.dong(one[name]) for name in names))
        for one in body["statements"]
    ]
    return section(
        "Sổ phụ ngân hàng",
        before=["Mỗi sổ phụ được tin sau khi tự chứng minh: dư đầu + ghi có − ghi nợ = dư cuối."]
        if rows
        else ["Chưa có sổ phụ nào."],
        table=table(
            ["Sổ phụ", "Dư đầu", "Ghi có", "Ghi nợ", "Dư cuối", "Nợ của kỳ này", "Có của kỳ này"],
            [19, 13, 13, 13, 13, 13, 11],
            rows,
            right=[1, 2, 3, 4, 5, 6],
            small=True,
        )
        if rows
        else None,
    )


def bank_files(body: Body) -> Section:
    """Every file that went out or came back, with its digest."""
    sent = [("Gửi đi", one, words.FILE_STATES[one["sending"]]) for one in body["sent_files"]]
    received = [("Nhận về", one, words.FILE_STATES[one["state"]]) for one in body["received_files"]]
    rows = [
        row(f"{way}\n{one['bank']}", one["name"], one["sha256"], words.number(one["size"]), state)
        for way, one, state in (sent + received)[:MOST_ROWS]
    ]
    count = len(sent) + len(received)
    return section(
        "Tệp trao đổi với ngân hàng",
        before=[f"{len(sent)} tệp gửi đi và {len(received)} tệp nhận về; tất cả được kê trong report.json."],
        table=table(["", "Tên tệp", "SHA-256", "Byte", "Tình trạng"], [13, 17, 26, 9, 11], rows, [3], [1, 2], True)
        if count
        else None,
    )


def approval(body: Body) -> Section:
    """Who made and who approved, and which content."""
    approval, chain = body["approval"], body["audit_chain"]
    approved_at = datetime.fromisoformat(approval["approved_at"]).astimezone(words.VIETNAM)
    return section(
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


def verification(body: Body, files: Sequence[FileEntry]) -> Section:
    """How anybody can check this paper; `files` are the digests to print."""
    return section(
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
