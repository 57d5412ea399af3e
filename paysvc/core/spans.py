"""What a span of bytes says: a text, an amount, a number; for the columns of the scanned messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from paysvc.core.compiled import kernel
from paysvc.core.text_column import Int64, TextColumn, UInt8, frozen
from paysvc.core.words import KEEP, copy_spans, digits_value, word
from paysvc.domain.money import MAX_PAYMENT_VND

_U = np.uint64

#: A span is one int64: where the text starts, and in the lowest bits how long it is; 0 is none.
SPAN_BITS = 12
SPAN_LENGTH = (1 << SPAN_BITS) - 1

VND_WORD = _U(int.from_bytes(b"VND", "little"))
_NOT_PROVIDED_1, _NOT_PROVIDED_2 = (_U(int.from_bytes(half, "little")) for half in (b"NOTPROVI", b"DED"))
_NOT_PROVIDED_LENGTH = len("NOTPROVIDED")
_FRACTION_DIGITS = 5
_FRACTION_UNITS = 10**_FRACTION_DIGITS
_ZERO, _NINE, _POINT, _A, _Z = b"09.AZ"


def text_column(data: UInt8, spans: Int64) -> TextColumn:
    """The texts of the spans; an absent one is empty."""
    return gathered(data, spans >> SPAN_BITS, spans & SPAN_LENGTH)


def gathered(data: UInt8, starts: Int64, lengths: Int64) -> TextColumn:
    """What `TextColumn.cut` does, for a million texts and more.

    `cut` writes down a place for every byte where the widths differ, and cannot be a kernel,
    because every command loads it.
    """
    offsets = np.zeros(len(starts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    into = np.empty(int(offsets[-1]), dtype=np.uint8)
    copy_spans(frozen(data), frozen(starts), frozen(offsets), into)
    return TextColumn(into, offsets)


def picked_texts(texts: TextColumn, positions: Int64) -> TextColumn:
    """What `TextColumn.take` does, for very many positions (none of them negative)."""
    return gathered(texts.data, texts.offsets[positions], texts.lengths[positions])


@kernel
def digit(byte: Any) -> Any:
    """The value of an ASCII digit."""
    return np.int64(byte) - _ZERO


@kernel
def amount_at(data: Any, span: Any, currency_span: Any) -> Any:
    """`(whole units, exact, currency)` as `scan_amount.amount_of` has them; whole -1: not plain."""
    refused = (-1, 0, _U(0))
    if currency_span & SPAN_LENGTH != 3:
        return refused
    at = currency_span >> SPAN_BITS
    for step in range(3):
        if not _A <= data[at + step] <= _Z:
            return refused
    currency = word(data, at) & KEEP[3]
    at, length = span >> SPAN_BITS, span & SPAN_LENGTH
    if length == 0 or length > 24:
        return refused
    end = at + length
    whole = 0
    digits = 0
    while at < end and _ZERO <= data[at] <= _NINE:
        whole = whole * 10 + digit(data[at])
        at += 1
        digits += 1
    if digits == 0 or digits > 18:
        return refused
    fraction = places = 0
    if at < end:
        if data[at] != _POINT or end - at > _FRACTION_DIGITS + 1:
            return refused
        at += 1
        while at < end and _ZERO <= data[at] <= _NINE:
            fraction = fraction * 10 + digit(data[at])
            at += 1
            places += 1
        if at < end:
            return refused
    if currency == VND_WORD:
        return (whole, whole, currency) if fraction == 0 else refused
    if whole > MAX_PAYMENT_VND:
        return refused
    while places < _FRACTION_DIGITS:
        fraction *= 10
        places += 1
    return whole, whole * _FRACTION_UNITS + fraction, currency


@kernel
def number_at(data: Any, span: Any) -> Any:
    """A whole number of up to 15 digits, or -1."""
    at, length = span >> SPAN_BITS, span & SPAN_LENGTH
    if length == 0 or length > 15:
        return np.int64(-1)
    if length <= 8:
        return digits_value(data, at, length)
    upper, lower = digits_value(data, at, length - 8), digits_value(data, at + length - 8, 8)
    return upper * 100_000_000 + lower if upper >= 0 and lower >= 0 else np.int64(-1)


@kernel
def is_not_provided(data: Any, span: Any) -> Any:
    """Whether the text is ISO 20022's NOTPROVIDED."""
    if span & SPAN_LENGTH != _NOT_PROVIDED_LENGTH:
        return False
    at = span >> SPAN_BITS
    return word(data, at) == _NOT_PROVIDED_1 and word(data, at + 8) & KEEP[3] == _NOT_PROVIDED_2


@kernel
def _given(data: Any, span: Any) -> Any:
    """The span, or 0 where the text says that nothing was provided."""
    return 0 if is_not_provided(data, span) else span


@kernel
def reference_at(data: Any, end_to_end_id: Any, instruction_id: Any) -> Any:
    """The span of the EndToEndId, or of the InstrId where a bank gives none, or of no text."""
    found = _given(data, end_to_end_id)
    return found if found & SPAN_LENGTH != 0 else _given(data, instruction_id)
