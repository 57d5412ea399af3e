"""An amount of đồng in Vietnamese words, as a signed paper states it beside the figure."""

from __future__ import annotations

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_BILLION = 10**9
_UNITS = ("", "nghìn", "triệu")


def amount_in_words(amount: int) -> str:
    """`amount` whole đồng as words, without a capital: 21 is `hai mươi mốt đồng`.

    The northern (official) words `nghìn` and `linh`; groups of three that are empty are left
    out, and a group after the first names its hundreds (`một nghìn không trăm linh năm đồng`),
    so that no two amounts read alike. Above a billion the count of `tỷ` is read as a number
    of its own: 10^13 is `mười nghìn tỷ đồng`. A negative amount starts with `âm`.
    """
    if amount == 0:
        return "không đồng"
    sign = ["âm"] if amount < 0 else []
    return " ".join([*sign, *_number(abs(amount), leading=True), "đồng"])


def _number(number: int, *, leading: bool) -> list[str]:
    billions, rest = divmod(number, _BILLION)
    words: list[str] = []
    if billions:
        words += [*_number(billions, leading=leading), "tỷ"]
    for power in (2, 1, 0):
        group = rest // 1000**power % 1000
        if group:
            words += _group(group, leading=leading and not words)
            if power:
                words.append(_UNITS[power])
    return words


def _group(group: int, *, leading: bool) -> list[str]:
    """Three digits; a leading group does not name hundreds that it has not."""
    hundreds, rest = divmod(group, 100)
    words = [] if leading and not hundreds else [_DIGITS[hundreds], "trăm"]
    if not rest:
        return words
    tens, ones = divmod(rest, 10)
    if tens == 0:
        return [*words, *(["linh"] if words else []), _DIGITS[ones]]
    words += ["mười"] if tens == 1 else [_DIGITS[tens], "mươi"]
    return [*words, _ones_after(tens, ones)] if ones else words


def _ones_after(tens: int, ones: int) -> str:
    """The last digit changes its sound behind tens: hai mươi mốt, hai mươi tư, mười lăm."""
    if ones == 5:
        return "lăm"
    if tens > 1 and ones in (1, 4):
        return "mốt" if ones == 1 else "tư"
    return _DIGITS[ones]
