"""Booked entries added up under their instructions, and what follows for each: compiled.

One row of six words an instruction, so that an entry touches hardly more than one line of
memory wherever its instruction stands. `verdicts` says what is computed; here it is only computed faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from paysvc.core.columns import (
    BOOKED,
    Bool,
    EntryColumns,
    Int32,
    Int64,
    SentColumns,
    TextColumn,
    UInt8,
    concatenate_text,
    frozen,
)
from paysvc.core.compiled import kernel
from paysvc.core.join_kernels import for_both, in_halves, letters
from paysvc.core.spans import gathered
from paysvc.core.verdicts import KINDS, OUTSTANDING, REJECTED, RETURNED, SETTLED
from paysvc.core.words import KEEP, prefetch, word
from paysvc.domain.reconciliation import DiscrepancyKind

_U = np.uint64

#: Words of a row: amount sent, sums booked, numbers of debits and credits with marks, spans of texts.
_AMOUNT, _DEBITED, _CREDITED, _COUNTS, _REASON, _REFERENCE = range(6)
_WORDS = 6
#: In the word of the numbers: marks lowest, debits above them, credits highest.
_MARK_BITS, _COUNT_BITS = 4, 30
_COUNT = (1 << _COUNT_BITS) - 1
_A_DEBIT, _A_CREDIT = 1 << _MARK_BITS, 1 << (_MARK_BITS + _COUNT_BITS)
_AMOUNT_DIFFERS, _CURRENCY_DIFFERS, _OF_A_DEBIT = 1, 2, 4

#: A span is where a text starts among the kept ones, and in the lowest bits how long it is.
_LENGTH_BITS = 16
_LENGTH = (1 << _LENGTH_BITS) - 1

#: A currency is compared as one word, its length in the highest byte.
_LONGEST_CURRENCY = 7

_AHEAD = 24

_BOOKED = int(BOOKED)
_OUTSTANDING, _SETTLED, _RETURNED, _REJECTED = map(int, (OUTSTANDING, SETTLED, RETURNED, REJECTED))
_AMOUNT_MISMATCH, _CURRENCY_MISMATCH, _DUPLICATE_SETTLEMENT, _RETURN_WITHOUT_SETTLEMENT = (
    1 << KINDS.index(kind)
    for kind in (
        DiscrepancyKind.AMOUNT_MISMATCH,
        DiscrepancyKind.CURRENCY_MISMATCH,
        DiscrepancyKind.DUPLICATE_SETTLEMENT,
        DiscrepancyKind.RETURN_WITHOUT_SETTLEMENT,
    )
)


class Rows:
    """What is booked under each instruction, entry by entry added up."""

    def __init__(self, sent: SentColumns) -> None:
        count = len(sent)
        self._rows = np.empty(count * _WORDS, dtype=np.int64)
        amounts, self._currency = frozen(sent.amount_vnd), letters(sent.currency)
        in_halves(count, lambda begin, end: _open(self._rows, amounts, begin, end))
        # One currency is the rule, and is then not looked up where each instruction stands.
        self._only_currency = np.uint64(_only_code(self._currency, count))
        #: Instructions of either half keep their texts apart, so that two threads can write.
        self._middle = count // 2
        self._texts = [np.empty(0, dtype=np.uint8) for _ in range(2)]
        self._ends = [0, 0]
        self._count = count
        self.total = 0

    def add(self, entries: EntryColumns, positions: Int64) -> None:
        """Add the booked ones; `positions` holds for each its row, or −1. `total` is their sum."""
        columns = (
            frozen(entries.status),
            frozen(entries.amount_vnd),
            frozen(entries.is_debit),
            letters(entries.currency),
            letters(entries.reason_code),
            letters(entries.bank_reference),
        )
        most = int(entries.reason_code.offsets[-1] + entries.bank_reference.offsets[-1])

        at = frozen(positions)

        def half(number: int) -> int:
            begin, end = ((0, self._middle), (self._middle, self._count))[number]
            texts = _with_room(self._texts[number], self._ends[number], most)
            self._texts[number] = texts
            upper, lower, kept = _add(
                self._rows, self._currency, self._only_currency, begin, end, at, columns, texts, self._ends[number]
            )
            if kept < 0:
                raise ValueError("a currency or a text is longer than any bank's")
            self._ends[number] = kept
            return (int(upper) << 32) + int(lower)

        self.total += sum(for_both(len(entries), half))

    def columns(self) -> tuple[Any, ...]:
        """The values of `TallyColumns`, in its order."""
        count = self._count
        numbers = [np.empty(count, dtype=np.int64) for _ in range(4)]
        marks = [np.empty(count, dtype=np.bool_) for _ in range(2)]
        spans = [np.empty(count, dtype=np.int64) for _ in range(2)]
        rows, into = frozen(self._rows), (*numbers, *marks, *spans)
        in_halves(count, lambda begin, end: _unpack(rows, begin, end, into))
        return (*numbers, *marks, *(self._kept(one) for one in spans))

    def _kept(self, spans: Int64) -> TextColumn:
        if not any(self._ends):
            return TextColumn.repeat("", self._count)
        halves = (spans[: self._middle], spans[self._middle :])
        return concatenate_text(
            for_both(
                self._count,
                lambda at: gathered(self._texts[at], halves[at] >> _LENGTH_BITS, halves[at] & _LENGTH),
            )
        )


def judge(tally: tuple[Any, ...], refused: Bool) -> tuple[UInt8, UInt8]:
    """Outcome code and discrepancy bits of each instruction, from the first six columns of a tally."""
    outcomes, kinds = np.empty(len(refused), dtype=np.uint8), np.empty(len(refused), dtype=np.uint8)
    columns, no = tuple(map(frozen, tally)), frozen(refused)
    in_halves(len(refused), lambda begin, end: _judge(columns, no, begin, end, outcomes, kinds))
    return outcomes, kinds


def totals(
    codes: UInt8, amounts: Int64, groups: Int32, shape: tuple[int, int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Per group and code: how many rows, and their exact sums; `shape` is how many groups and codes."""

    def part(begin: int, end: int) -> NDArray[np.int64]:
        found = np.zeros((3, *shape), dtype=np.int64)
        _totals(frozen(codes), frozen(amounts), frozen(groups), begin, end, found)
        return found

    parts = in_halves(len(codes), part)
    counts, upper, lower = np.sum(parts, axis=0).tolist()
    sums = [[(high << 32) + low for high, low in zip(*rows, strict=True)] for rows in zip(upper, lower, strict=True)]
    return counts, sums


def _with_room(texts: UInt8, end: int, more: int) -> UInt8:
    if end + more <= len(texts):
        return texts
    grown = np.empty(max(end + more, len(texts) * 3 // 2), dtype=np.uint8)
    grown[:end] = texts[:end]
    return grown


@kernel
def _code(currency: Any, row: Any) -> Any:
    """A currency as a word, its length in the highest byte; 0 for one that is longer than any code."""
    data, offsets = currency
    at = offsets[row]
    length = offsets[row + 1] - at
    return (word(data, at) & KEEP[length]) | (_U(length + 1) << _U(56)) if length <= _LONGEST_CURRENCY else _U(0)


@kernel
def _only_code(currency: Any, count: Any) -> Any:
    """The currency that all rows have; 0 where they have several, or none."""
    if count == 0:
        return _U(0)
    first = _code(currency, 0)
    for row in range(1, count):
        if _code(currency, row) != first:
            return _U(0)
    return first


@kernel
def _open(rows: Any, amounts: Any, begin: Any, end: Any) -> None:
    for row in range(begin, end):
        at = row * _WORDS
        rows[at + _AMOUNT] = amounts[row]
        for place in range(_DEBITED, _WORDS):
            rows[at + place] = 0


@kernel
def _is_before(texts: Any, span: Any, data: Any, start: Any, length: Any) -> Any:
    """Whether the text `data[start : + length]` comes before a kept one, in byte order."""
    at, own = span >> _LENGTH_BITS, span & _LENGTH
    for step in range(min(own, length)):
        if data[start + step] != texts[at + step]:
            return data[start + step] < texts[at + step]
    return length < own


@kernel
def _keep(texts: Any, end: Any, data: Any, start: Any, length: Any) -> Any:
    for step in range(length):
        texts[end + step] = data[start + step]
    return (end << _LENGTH_BITS) | length


@kernel
def _add(
    rows: Any,
    sent_currency: Any,
    only_currency: Any,
    begin: Any,
    end: Any,
    positions: Any,
    columns: Any,
    texts: Any,
    kept: Any,
) -> Any:
    """Add the booked entries of the instructions `begin` to `end`; `only_currency` is 0 where there are several.

    Returns the upper and lower half of their sum, and how much of `texts` is now used, or -1
    for a currency or text that is too long.
    """
    status, amounts, debits, currency, reason, reference = columns
    reasons, reason_at = reason
    references, reference_at = reference
    upper = lower = 0
    for entry in range(len(positions)):
        if entry + _AHEAD < len(positions):
            prefetch(rows, positions[entry + _AHEAD] * _WORDS)
        position = positions[entry]
        if position < begin or position >= end or status[entry] != _BOOKED:
            continue
        row = position * _WORDS
        amount, is_debit = amounts[entry], debits[entry]
        upper += amount >> 32
        lower += amount & 0xFFFFFFFF
        counts = rows[row + _COUNTS] + (_A_DEBIT if is_debit else _A_CREDIT)
        theirs = _code(currency, entry)
        own = only_currency if only_currency != _U(0) else _code(sent_currency, position)
        if own == _U(0) or theirs == _U(0):
            return upper, lower, -1
        if own != theirs:
            counts |= _CURRENCY_DIFFERS
        else:
            if amount != rows[row + _AMOUNT]:
                counts |= _AMOUNT_DIFFERS
            rows[row + (_DEBITED if is_debit else _CREDITED)] += amount
        start = reason_at[entry]
        length = reason_at[entry + 1] - start
        if length > _LENGTH:
            return upper, lower, -1
        span = rows[row + _REASON]
        if length > 0 and (span == 0 or _is_before(texts, span, reasons, start, length)):
            rows[row + _REASON] = _keep(texts, kept, reasons, start, length)
            kept += length
        start = reference_at[entry]
        length = reference_at[entry + 1] - start
        if length > _LENGTH:
            return upper, lower, -1
        span = rows[row + _REFERENCE]
        if length > 0:
            was_debit = counts & _OF_A_DEBIT != 0
            is_first = span == 0 or (is_debit and not was_debit)
            if is_first or (is_debit == was_debit and _is_before(texts, span, references, start, length)):
                rows[row + _REFERENCE] = _keep(texts, kept, references, start, length)
                kept += length
                if is_debit:
                    counts |= _OF_A_DEBIT
        rows[row + _COUNTS] = counts
    return upper, lower, kept


@kernel
def _unpack(rows: Any, begin: Any, end: Any, into: Any) -> None:
    debit_count, debited, credit_count, credited, amount_differs, currency_differs, reasons, references = into
    for number in range(begin, end):
        row = number * _WORDS
        counts = rows[row + _COUNTS]
        debit_count[number] = (counts >> _MARK_BITS) & _COUNT
        credit_count[number] = counts >> (_MARK_BITS + _COUNT_BITS)
        debited[number], credited[number] = rows[row + _DEBITED], rows[row + _CREDITED]
        amount_differs[number] = counts & _AMOUNT_DIFFERS != 0
        currency_differs[number] = counts & _CURRENCY_DIFFERS != 0
        reasons[number], references[number] = rows[row + _REASON], rows[row + _REFERENCE]


@kernel
def _judge(tally: Any, refused: Any, begin: Any, end: Any, outcomes: Any, kinds: Any) -> None:
    debit_count, debited, credit_count, credited, amount_differs, currency_differs = tally
    for row in range(begin, end):
        debits, credits_ = debit_count[row], credit_count[row]
        is_foreign = currency_differs[row]
        net = debited[row] - credited[row]
        by_count = debits - credits_ if is_foreign and net <= 0 else net
        if debits + credits_ == 0:
            outcomes[row] = _REJECTED if refused[row] else _OUTSTANDING
        elif by_count > 0:
            outcomes[row] = _SETTLED
        else:
            outcomes[row] = _RETURNED if debits > 0 and by_count == 0 else _OUTSTANDING
        found = 0
        if amount_differs[row] or (net < 0 and debits > 0 and not is_foreign):
            found |= _AMOUNT_MISMATCH
        if is_foreign:
            found |= _CURRENCY_MISMATCH
        if debits >= 2:
            found |= _DUPLICATE_SETTLEMENT
        if credits_ > 0 and debits == 0:
            found |= _RETURN_WITHOUT_SETTLEMENT
        kinds[row] = found


@kernel
def _totals(codes: Any, amounts: Any, groups: Any, begin: Any, end: Any, found: Any) -> None:
    for row in range(begin, end):
        group, code = groups[row], codes[row]
        found[0, group, code] += 1
        found[1, group, code] += amounts[row] >> 32
        found[2, group, code] += amounts[row] & 0xFFFFFFFF
