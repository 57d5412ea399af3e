"""Amounts and other small values of an ISO 20022 message, read strictly."""

from __future__ import annotations

import re
from datetime import date

from paysvc.core.scan_xml import Element, place_of, text_of
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND, VND

#: ISO 20022 ActiveOrHistoricCurrencyAndAmount: 18 digits, 5 of them fractional, not negative.
_AMOUNT = re.compile(r"\+?([0-9]*)(?:\.([0-9]{0,5}))?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST_DIGITS = len(str(MAX_PAYMENT_VND))

#: Exact amounts in a currency with a fraction are kept in units of 10^-5.
_FRACTION_DIGITS = 5

#: Whole units, currency, and the exact amount (see `amount_of`).
Amount = tuple[int, str, int]


def amount_of(element: Element | None, what: str, largest: int = MAX_PAYMENT_VND) -> Amount:
    """`(whole units, currency, exact)` of an amount element with its `Ccy`.

    `exact` is the same amount without its fraction cut off, comparable within one currency:
    in đồng for VND, in units of 10^-5 otherwise. Zero is legal. Raises `FileRefused`
    (`amount_missing`, `amount_not_whole`, `amount_negative`, `amount_too_large`,
    `amount_malformed`, `currency_malformed`).
    """
    if element is None:
        raise FileRefused("amount_missing", "An amount is missing.", place=what)
    currency = element.get("Ccy") or ""
    text = element.text or ""
    # The common case first: a short run of digits in đồng, nothing inside the element.
    if currency == VND and len(text) < _LARGEST_DIGITS and text.isdigit() and text.isascii() and not len(element):
        amount = int(text)
        return amount, currency, amount
    if not _CURRENCY.fullmatch(currency):
        raise FileRefused("currency_malformed", "An amount names no currency.", place=place_of(element, what))
    whole, exact = _number(element, what, currency, largest)
    return whole, currency, exact


def total_of(element: Element | None, what: str) -> int | None:
    """A sum of đồng without a currency (`CtrlSum`, `TxsSummry/…/Sum`); None when absent.

    Raises `FileRefused` as `amount_of` does.
    """
    return None if element is None else _number(element, what, VND, MAX_TOTAL_VND)[0]


def count_of(element: Element | None, what: str) -> int | None:
    """A count (`NbOfTxs`, `NbOfNtries`: up to 15 digits); None when absent. Raises `FileRefused`."""
    if element is None:
        return None
    text = text_of(element)
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise FileRefused("count_malformed", "A number of transactions is not a number.", place=place_of(element, what))
    return int(text)


def date_of(element: Element | None) -> date | None:
    """The date at the start of an ISO date or date-time, as the bank's own calendar has it."""
    text = text_of(element)[:10]
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _number(element: Element, what: str, currency: str, largest: int) -> tuple[int, int]:
    text = text_of(element)
    found = None if len(element) else _AMOUNT.fullmatch(text)
    if text.startswith("-"):
        raise FileRefused("amount_negative", "An amount is negative.", place=place_of(element, what))
    if not found or not (found[1] or found[2]) or len(text) > 25:
        raise FileRefused("amount_malformed", "An amount is not a number.", place=place_of(element, what))
    whole, fraction = int(found[1] or "0"), (found[2] or "").rstrip("0")
    if fraction and currency == VND:
        raise FileRefused(
            "amount_not_whole", "An amount in đồng has a fraction, which đồng have not.", place=place_of(element, what)
        )
    if whole > largest:
        raise FileRefused(
            "amount_too_large",
            f"An amount is above {largest}, which no payment here is.",
            place=place_of(element, what),
        )
    if currency == VND:
        return whole, whole
    return whole, whole * 10**_FRACTION_DIGITS + int(fraction.ljust(_FRACTION_DIGITS, "0"))
