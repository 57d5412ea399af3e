"""Booked entries added up under their instructions, and what follows for each: compiled.

One row of four words an instruction, so that an ordinary entry touches one line of memory
wherever its instruction stands. `verdicts` says what is computed; here it is only computed faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paysvc.core.columns import BOOKED, EntryColumns, SentColumns
from paysvc.core.compiled import kernel
from paysvc.core.join_kernels import BLOCK, for_both, in_halves, letters
from paysvc.core.spans import gathered, picked_texts
from paysvc.core.text_column import Bool, Int32, Int64, TextColumn, UInt8, concatenate_text, frozen
from paysvc.core.verdicts import KINDS, OUTSTANDING, REJECTED, RETURNED, SETTLED
from paysvc.core.words import KEEP, prefetch, same_bytes, word
from paysvc.domain.reconciliation import DiscrepancyKind

#: Also the kind of number by which the longest loops look into arrays: a signed one is asked each time
#: whether it counts from the end.
_U = np.uint64

#: Words of a row: amount sent, numbers of debits and credits with marks, sum of debits, span of the bank's reference.
_AMOUNT, _COUNTS, _DEBITED, _REFERENCE = range(4)
_WORDS = 4
#: What only money that comes back needs, in a row apart, if there is any: sum of credits, span of the reason.
_CREDITED, _REASON = range(2)
_SELDOM = 2
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

#: What is kept gets room for one part in so many more, when there is none left.
_PART_GROWN = 8

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
        self._rows = _within_lines(count)
        #: The number of each instruction's row apart in its half, or 0.
        self._apart = np.zeros(count, dtype=np.int32)
        amounts, no_codes = frozen(sent.amount_vnd), np.zeros(0, np.int32)
        in_halves(count, lambda begin, end: _open(self._rows, amounts, begin, end))
        #: The code of each row's currency, and each currency as a word.
        words = _words_of(sent.currency.texts)
        self._currency = frozen(sent.currency.codes.astype(np.int32) if len(words) > 1 else no_codes), frozen(words)
        #: Instructions of either half keep their texts apart, so that two threads can write.
        self._middle = count // 2
        self._texts = [np.empty(0, dtype=np.uint8) for _ in range(2)]
        self._ends = [0, 0]
        self._seldom = [np.zeros(_SELDOM, dtype=np.int64) for _ in range(2)]
        self._seldom_ends = [1, 1]
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
        comes_back = ~entries.is_debit
        if entries.reason_code.offsets[-1]:
            comes_back |= entries.reason_code.lengths > 0
        most_apart = int(np.count_nonzero(comes_back))
        at = frozen(positions)

        def half(number: int) -> int:
            begin, end = ((0, self._middle), (self._middle, self._count))[number]
            texts, kept = self._texts[number], self._ends[number]
            seldom, used = self._seldom[number], self._seldom_ends[number]
            _make_room(texts, kept, most)
            _make_room(seldom, used * _SELDOM, most_apart * _SELDOM)
            state = (self._rows, self._apart, seldom, texts)
            upper, lower, kept, used = _add(
                state, self._currency, begin, end, at, columns, np.empty(2 * BLOCK, np.uint64), kept, used
            )
            if kept < 0:
                raise ValueError("a currency or a text is longer than any bank's")
            self._ends[number], self._seldom_ends[number] = kept, used
            return (int(upper) << 32) + int(lower)

        self.total += sum(for_both(len(entries), half))

    def of(self, rows: Int64 | range) -> tuple[Any, ...]:
        """The values of `TallyColumns` for these instructions, in its order."""
        count, has_texts = len(rows), any(self._ends)
        counts = [np.empty(count, dtype=np.int32) for _ in range(2)]
        sums = [np.empty(count, dtype=np.int64) for _ in range(2)]
        marks = [np.empty(count, dtype=np.bool_) for _ in range(2)]
        # What nobody asks for, or what follows from its place, is not written down: fresh memory is dear.
        spans = [np.empty(count if has_texts else 0, dtype=np.int64) for _ in range(2)]
        start, at = (rows.start, np.zeros(0, np.int64)) if isinstance(rows, range) else (0, rows)
        booked = (frozen(self._rows), frozen(self._apart), *map(frozen, self._seldom), self._middle)
        into, at = (*counts, *sums, *marks, *spans), frozen(at)
        in_halves(count, lambda begin, end: _unpack(booked, start, at, begin, end, into))
        (debits, credits_), (debited, credited) = counts, sums
        texts = self._kept(rows, spans) if has_texts else [TextColumn.repeat("", count)] * 2
        return (debits, debited, credits_, credited, *marks, *texts)

    def _kept(self, rows: Int64 | range, spans: Sequence[Int64]) -> list[TextColumn]:
        """The kept texts of each of the columns of spans."""
        if isinstance(rows, range):
            lower = min(max(self._middle - rows.start, 0), len(rows))
            return [self._gathered(column, lower) for column in spans]
        is_upper = rows >= self._middle
        lower = len(rows) - int(is_upper.sum())
        order = np.argsort(is_upper, kind="stable")
        back = np.empty(len(rows), dtype=np.int64)
        back[order] = np.arange(len(rows))
        return [picked_texts(self._gathered(column[order], lower), back) for column in spans]

    def _gathered(self, spans: Int64, lower: int) -> TextColumn:
        """The texts of spans of which the first `lower` are of the lower half's."""
        halves = (spans[:lower], spans[lower:])
        return concatenate_text(
            for_both(
                len(spans),
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


def _make_room(array: NDArray[Any], used: int, more: int) -> None:
    """Let the array have `more` values, 0, after those used.

    In place, where the system can: a copy beside it would be the most that is ever held.
    """
    if used + more > len(array):
        array.resize(used + max(more, used // _PART_GROWN), refcheck=False)


def _within_lines(count: int) -> Int64:
    """Room for `count` rows, of which none lies across two lines of the processor's cache."""
    words = np.empty((count + 1) * _WORDS, dtype=np.int64)
    start = -words.ctypes.data % (_WORDS * words.itemsize) // words.itemsize
    return words[start : start + count * _WORDS]


@kernel
def _code(currency: Any, row: Any) -> Any:
    """A currency as a word, its length in the highest byte; 0 for one that is longer than any code."""
    data, offsets = currency
    at = offsets[_U(row)]
    length = offsets[_U(row) + _U(1)] - at
    return (word(data, at) & KEEP[length]) | (_U(length + 1) << _U(56)) if length <= _LONGEST_CURRENCY else _U(0)


def _words_of(currencies: TextColumn) -> NDArray[np.uint64]:
    return np.array([_code(letters(currencies), row) for row in range(len(currencies))], dtype=np.uint64)


@kernel
def _is_one_text(column: Any) -> Any:
    """Whether all rows, if there are any, hold the same text."""
    data, offsets = column
    rows = len(offsets) - 1
    if rows == 0:
        return False
    width, differing = offsets[1], 0
    for row in range(rows):
        differing |= (offsets[row + 1] - offsets[row]) ^ width
    return differing == 0 and same_bytes(data, 0, data, width, (rows - 1) * width)


@kernel
def _open(rows: Any, amounts: Any, begin: Any, end: Any) -> None:
    for row in range(begin, end):
        at = row * _WORDS
        rows[at + _AMOUNT] = amounts[row]
        for place in range(_COUNTS, _WORDS):
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
    state: Any,
    sent_currency: Any,
    begin: Any,
    end: Any,
    positions: Any,
    columns: Any,
    chosen: Any,
    kept: Any,
    used: Any,
) -> Any:
    """Add the booked entries of the instructions `begin` to `end`.

    Returns the upper and lower half of their sum, how much of the kept texts is now used (-1
    for a currency or text that is too long), and how many rows apart.
    """
    rows, apart, seldom, texts = state
    status, amounts, debits, currency, reason, reference = columns
    sent_codes, sent_words = sent_currency
    # One currency is the rule, and is then looked up neither where each instruction stands nor for each entry.
    only_currency = sent_words[0] if len(sent_words) == 1 else _U(0)
    mixed = not _is_one_text(currency)
    same = _U(0) if mixed else _code(currency, 0)
    reasons, reason_at = reason
    references, reference_at = reference
    upper = lower = 0
    owned, ready = _U(end - begin), 0
    for first in range(0, len(positions) + BLOCK, BLOCK):
        # While one block is added up, the rows of the next are fetched. Chosen without a branch, because
        # which half an entry belongs to cannot be foreseen.
        side, count = (first // BLOCK & 1) * BLOCK, 0
        for at in range(first, min(first + BLOCK, len(positions))):
            entry = _U(at)
            chosen[_U(side + count)] = entry
            # What lies before `begin`, and -1, come out as very large numbers: one comparison for both ends.
            count += (_U(positions[entry] - begin) < owned) & (status[entry] == _BOOKED)
        for number in range(side, side + count):
            prefetch(rows, positions[chosen[_U(number)]] * _WORDS)
        other, ready, count = BLOCK - side, count, ready
        for number in range(other, other + count):
            this = chosen[_U(number)]
            after = this + _U(1)
            sent = _U(positions[this])
            row = sent * _U(_WORDS)
            amount, is_debit = amounts[this], debits[this]
            start = reason_at[this]
            length = reason_at[after] - start
            if length > 0 or not is_debit:
                if apart[sent] == 0:
                    apart[sent] = used
                    used += 1
                back = np.int64(apart[sent]) * _SELDOM
            else:
                back = np.int64(0)
            upper += amount >> 32
            lower += amount & 0xFFFFFFFF
            counts = rows[row + _U(_COUNTS)] + (_A_DEBIT if is_debit else _A_CREDIT)
            theirs = _code(currency, this) if mixed else same
            own = only_currency if only_currency != _U(0) else sent_words[sent_codes[sent]]
            if own == _U(0) or theirs == _U(0):
                return upper, lower, -1, used
            if own != theirs:
                counts |= _CURRENCY_DIFFERS
            else:
                if amount != rows[row + _U(_AMOUNT)]:
                    counts |= _AMOUNT_DIFFERS
                if is_debit:
                    rows[row + _U(_DEBITED)] += amount
                else:
                    seldom[back + _CREDITED] += amount
            if length > _LENGTH:
                return upper, lower, -1, used
            if length > 0:
                span = seldom[back + _REASON]
                if span == 0 or _is_before(texts, span, reasons, start, length):
                    seldom[back + _REASON] = _keep(texts, kept, reasons, start, length)
                    kept += length
            start = reference_at[this]
            length = reference_at[after] - start
            if length > _LENGTH:
                return upper, lower, -1, used
            if length > 0:
                span = rows[row + _U(_REFERENCE)]
                was_debit = counts & _OF_A_DEBIT != 0
                is_first = span == 0 or (is_debit and not was_debit)
                if is_first or (is_debit == was_debit and _is_before(texts, span, references, start, length)):
                    rows[row + _U(_REFERENCE)] = _keep(texts, kept, references, start, length)
                    kept += length
                    if is_debit:
                        counts |= _OF_A_DEBIT
            rows[row + _U(_COUNTS)] = counts
    return upper, lower, kept, used


@kernel
def _unpack(booked: Any, start: Any, rows_at: Any, begin: Any, end: Any, into: Any) -> None:
    """Of the rows `rows_at`, or, where there are none, of those from `start` on."""
    rows, apart, lower, upper, middle = booked
    debit_count, credit_count, debited, credited, amount_differs, currency_differs, reasons, references = into
    for at in range(begin, end):
        number = _U(at)
        position = _U(rows_at[number] if len(rows_at) > 0 else start + at)
        row, back = position * _U(_WORDS), _U(apart[position]) * _U(_SELDOM)
        counts = rows[row + _U(_COUNTS)]
        # The first of these rows is nobody's, and 0.
        seldom = lower if np.int64(position) < middle else upper
        debit_count[number] = (counts >> _MARK_BITS) & _COUNT
        credit_count[number] = counts >> (_MARK_BITS + _COUNT_BITS)
        debited[number], credited[number] = rows[row + _U(_DEBITED)], seldom[back + _U(_CREDITED)]
        amount_differs[number] = counts & _AMOUNT_DIFFERS != 0
        currency_differs[number] = counts & _CURRENCY_DIFFERS != 0
        if len(references) > 0:
            reasons[number], references[number] = seldom[back + _U(_REASON)], rows[row + _U(_REFERENCE)]


@kernel
def _judge(tally: Any, refused: Any, begin: Any, end: Any, outcomes: Any, kinds: Any) -> None:
    debit_count, debited, credit_count, credited, amount_differs, currency_differs = tally
    for at in range(begin, end):
        row = _U(at)
        debits, credits_ = np.int64(debit_count[row]), np.int64(credit_count[row])
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
    for at in range(begin, end):
        row = _U(at)
        group, code = groups[row], codes[row]
        found[0, group, code] += 1
        found[1, group, code] += amounts[row] >> 32
        found[2, group, code] += amounts[row] & 0xFFFFFFFF
