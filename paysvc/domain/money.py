"""Vietnamese đồng: whole numbers from the first byte read to the last byte signed.

ISO 4217 gives VND (704) no minor unit, so an amount is an `int` of đồng and nothing else.
"""

from __future__ import annotations

import re

VND = "VND"

#: No single payment of a province comes near ten trillion đồng; such a figure is a slip.
MAX_PAYMENT_VND = 10**13 - 1

#: `CtrlSum` and ledger balances stay below this: 18 digits (ISO 20022 totalDigits 18).
MAX_TOTAL_VND = 10**18 - 1

_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,\u00a0\u202f ])[0-9]{3})(?:\1[0-9]{3})*")
_PLAIN = re.compile(r"[0-9]+")
_ISO = re.compile(r"([0-9]+)(?:\.0{1,5})?")
_UNIT = re.compile(r"[ \u00a0\u202f]*(?:₫|đ|Đ|vnd|VND|đồng)$")


class NotWholeDong(ValueError):
    """The text is not an amount in whole đồng; `reason` is a short stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_vnd(text: str) -> int:
    """Read what a person or a spreadsheet wrote: `500000`, `500.000`, `500,000`, `500 000 đ`.

    Returns whole đồng, 1 to `MAX_PAYMENT_VND`. Raises `NotWholeDong` (`empty`, `not_whole`,
    `negative`, `zero`, `too_large`); `500.5` and `500,50` are refused, never rounded.
    """
    cleaned = _UNIT.sub("", text.strip())
    if not cleaned:
        raise NotWholeDong("empty")
    if cleaned.startswith(("-", "−", "(")):
        raise NotWholeDong("negative")
    if not cleaned.isascii() and not _GROUPED.fullmatch(cleaned):
        raise NotWholeDong("not_whole")
    if not (_PLAIN.fullmatch(cleaned) or _GROUPED.fullmatch(cleaned)):
        raise NotWholeDong("not_whole")
    return _within(int(re.sub(r"[^0-9]", "", cleaned)))


def parse_iso_amount(text: str) -> int:
    """Read an ISO 20022 amount of đồng: `500000`, also `500000.00`; never a fraction.

    Returns whole đồng, 1 to `MAX_PAYMENT_VND`; raises `NotWholeDong` as `parse_vnd` does.
    """
    stripped = text.strip()
    if stripped.startswith("-"):
        raise NotWholeDong("negative")
    found = _ISO.fullmatch(stripped)
    if not found:
        raise NotWholeDong("not_whole" if stripped else "empty")
    return _within(int(found[1]))


def _within(amount: int) -> int:
    if amount == 0:
        raise NotWholeDong("zero")
    if amount > MAX_PAYMENT_VND:
        raise NotWholeDong("too_large")
    return amount


def format_vnd(amount: int) -> str:
    """`1.234.567 ₫` with a no-break space, the same in Vietnamese and in English."""
    return f"{amount:,}".replace(",", ".") + "\u00a0₫"
