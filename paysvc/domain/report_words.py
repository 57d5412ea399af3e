"""How a report says things in Vietnamese: figures, outcomes, reasons, channels."""

from __future__ import annotations

from datetime import timedelta, timezone

#: UTC+7 all year.
VIETNAM = timezone(timedelta(hours=7))

TOTALS: dict[str, str] = {
    "entitled": "Phải chi trong kỳ",
    "held": "Tạm giữ, chưa chi",
    "excluded": "Không thuộc diện chi",
    "withdrawn": "Rút khỏi danh sách trước khi chuyển",
    "approved": "Danh sách được duyệt chi",
    "not_sent": "Chưa chuyển ngân hàng",
    "sending_unknown": "Chưa rõ đã đến ngân hàng",
    "refused_at_the_door": "Ngân hàng không nhận tệp",
    "sent": "Đã chuyển ngân hàng",
    "settled": "Đã chi trả",
    "settled_to_account": "– trong đó: vào tài khoản",
    "cash_paid": "– trong đó: tiền mặt",
    "returned": "Đã chi, ngân hàng hoàn trả",
    "rejected": "Bị từ chối",
    "unclaimed": "– trong đó: chưa đến nhận tiền mặt",
    "outstanding": "Chưa có kết quả",
    "in_transit": "– trong đó: đang trên đường",
    "unknown": "Không rõ kết quả",
}

OUTCOMES: dict[str, str] = {
    "settled": "Đã chi trả",
    "returned": "Hoàn trả",
    "rejected": "Từ chối",
    "outstanding": "Chưa có kết quả",
    "unknown": "Không rõ",
    "held": "Tạm giữ",
    "excluded": "Không chi",
    "withdrawn": "Rút lại",
}

CHANNELS: dict[str, str] = {"account": "Tài khoản", "cash": "Tiền mặt", "": "Không có lệnh chi"}

DISCREPANCIES: dict[str, str] = {
    "amount_mismatch": "Sai số tiền",
    "currency_mismatch": "Sai loại tiền",
    "duplicate_settlement": "Ghi nợ hai lần",
    "unknown_reference": "Mã tham chiếu lạ",
    "return_without_settlement": "Hoàn trả khi chưa chi",
    "paid_after_resubmission": "Chi hai lần sau khi chi lại",
    "disputed": "Ngân hàng tự mâu thuẫn",
}

#: What proves that a payment was not made, and where a request to pay it again or to take it back stands.
EVIDENCE: dict[str, str] = {
    "status": "Bản tin trạng thái",
    "statement": "Sổ phụ",
    "file_refused": "Ngân hàng không nhận tệp",
}
DECISIONS: dict[str, str] = {"proposed": "Chờ duyệt", "approved": "Đã duyệt", "closed": "Không chi lại"}
RECALLS: dict[str, str] = {
    "by_hand": "Cán bộ yêu cầu trực tiếp",
    "sealed": "Chưa chuyển",
    "sending": "Chưa rõ",
    "unknown": "Chưa rõ",
    "sent": "Đã chuyển, chờ trả lời",
    "refused": "Ngân hàng không nhận",
    "accepted": "Ngân hàng đồng ý",
    "declined": "Ngân hàng từ chối",
    "withdrawn": "Không còn cần",
}

#: ISO 20022 external reason codes, and the reasons for which a plan holds or leaves out.
REASONS: dict[str, str] = {
    "AC01": "Số tài khoản sai",
    "AC02": "Số tài khoản bên trả không hợp lệ",
    "AC03": "Số tài khoản người nhận không hợp lệ",
    "AC04": "Tài khoản đã đóng",
    "AC06": "Tài khoản bị phong toả",
    "AC07": "Tài khoản người nhận đã đóng",
    "AC14": "Mã ngân hàng sai",
    "AC15": "Tài khoản đã thay đổi",
    "AG01": "Tài khoản không được nhận",
    "AM05": "Trùng lặp",
    "BE01": "Tên không khớp tài khoản",
    "BE06": "Không rõ người nhận",
    "CNPC": "Chưa đến nhận tiền mặt",
    "MD07": "Người nhận đã mất",
    "MS03": "Không nêu lý do",
    "NARR": "Lý do bằng lời",
    "RR04": "Theo quy định quản lý",
    "FILE_REFUSED": "Ngân hàng không nhận tệp",
    "FREE_TEXT": "Lý do bằng lời của ngân hàng",
    "deceased": "Đã mất",
    "not_matched": "Chưa đối chiếu tài khoản",
    "no_account": "Chưa có tài khoản",
    "account_not_usable": "Tài khoản không dùng được",
    "no_bank_for_account": "Chưa có ngân hàng chi hộ",
    "no_cash_channel": "Chưa có điểm chi tiền mặt",
    "worklist": "Chờ cán bộ xử lý",
    "not_in_population": "Không có trong dữ liệu dân cư",
    "data_differ": "Dữ liệu dân cư khác",
    "maybe_same_person": "Có thể trùng người, chờ xem",
    "same_person": "Trùng người, hưởng theo hồ sơ kia",
    "name_close": "Tên gần khớp, chờ xem",
    "name_mismatch": "Tên không khớp",
    "several_accounts": "Nhiều tài khoản",
    "stacking": "Đã hưởng chương trình cao hơn",
    "lower_already_paid": "Đã chi chương trình thấp hơn",
    "in_lost_file": "Có thể đã chi trong tệp thất lạc",
}

FILE_STATES: dict[str, str] = {
    "accepted": "Đã tin và ghi nhận",
    "quarantined": "Để riêng, không tin",
    "repeated": "Gửi lặp lại",
    "waiting": "Chưa xử lý",
    "sent": "Đã chuyển",
    "not_sent": "Chưa chuyển",
    "refused": "Không được nhận",
    "unknown": "Chưa rõ",
}


def dong(amount: int | str) -> str:
    """`1.234.567`; totals beyond 2^53 come as text from canonical JSON."""
    return f"{int(amount):,}".replace(",", ".").replace("-", "−")


def number(count: int) -> str:
    return f"{count:,}".replace(",", ".")


def sentence(words: str) -> str:
    """With a capital at its start, as amounts in words are written."""
    return words[:1].upper() + words[1:]
