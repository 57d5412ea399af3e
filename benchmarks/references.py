"""References of payments in the ways that a join has to cope with.

dense        P and a running number of 15 digits, instructions in its order
gapped       the same with six of seven numbers missing
shuffled     dense numbers, instructions in no order
issued       P and 15 base-32 characters of a keyed hash: what this product issues
foreign      35 characters, mixed: what other people's systems issue
adversarial  a third each: FNV-1a (64 bit) equal in its low 16 bits; the polynomial hash of
             radix 31 equal in its low 16 bits; the same first and last 8 bytes

A reference is the row of a byte matrix; all rows of a kind are different and equally long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.text import Bytes, Int64

KINDS = ("dense", "gapped", "shuffled", "issued", "foreign", "adversarial")

_CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
_MIXED = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/", np.uint8)
_LOW = 0xFFFF


class _Hash(NamedTuple):
    """A hash by its low 16 bits, which in both depend on nothing else: a step, and the step taken back."""

    start: int
    step: Callable[[Int64, Int64], Int64]
    back: Callable[[Int64, Int64], Int64]


_FNV_PRIME, _RADIX = 0x1B3, 31  # of FNV's prime (0x100000001B3) the low bits
_FNV_BACK, _RADIX_BACK = (pow(factor, -1, _LOW + 1) for factor in (_FNV_PRIME, _RADIX))

FNV_1A = _Hash(
    0x2325,  # the low bits of FNV's offset basis
    lambda state, byte: ((state ^ byte) * _FNV_PRIME) & _LOW,
    lambda state, byte: ((state * _FNV_BACK) & _LOW) ^ byte,
)
POLYNOMIAL = _Hash(
    0,
    lambda state, byte: (state * _RADIX + byte) & _LOW,
    lambda state, byte: ((state - byte) * _RADIX_BACK) & _LOW,
)


def make_references(kind: str, count: int, draw: np.random.Generator) -> Bytes:
    """`count` different references of a kind, one a row."""
    if kind in ("dense", "gapped", "shuffled"):
        numbers = np.arange(count, dtype=np.int64)
        if kind == "gapped":
            numbers = numbers * 7 + draw.integers(0, 7, count)
        if kind == "shuffled":
            draw.shuffle(numbers)
        return _numbered(b"P", numbers, 15)
    if kind == "issued":
        rows = _random(_CROCKFORD, count, 16, draw)
        # Ten characters carry the row's number, permuted, so that no two are equal by chance.
        rows[:, 1:11] = _spelled(_scattered(count), _CROCKFORD, 10)
        rows[:, 0] = ord("P")
        return rows
    if kind == "foreign":
        rows = _random(_MIXED, count, 35, draw)
        rows[:, 11:19] = _spelled(_scattered(count), _MIXED, 8)
        return rows
    if kind == "adversarial":
        return _adversarial(count, draw)
    raise ValueError(f"no such kind of reference: {kind}")


def _numbered(head: bytes, numbers: Int64, digits: int) -> Bytes:
    rows = np.empty((len(numbers), len(head) + digits), np.uint8)
    rows[:, : len(head)] = np.frombuffer(head, np.uint8)
    left = numbers.copy()
    for place in range(len(head) + digits - 1, len(head) - 1, -1):
        left, digit = np.divmod(left, 10)
        rows[:, place] = digit + ord("0")
    return rows


def _scattered(count: int) -> Int64:
    """The numbers below 2^40 that an odd factor makes of 0 to count - 1: all different, in no order."""
    return (np.arange(count, dtype=np.int64) * 0x9E3779B97) & ((1 << 40) - 1)


def _spelled(numbers: Int64, alphabet: Bytes, width: int) -> Bytes:
    rows, left = np.empty((len(numbers), width), np.uint8), numbers.copy()
    for place in range(width):
        left, letter = np.divmod(left, len(alphabet))
        rows[:, place] = alphabet[letter]
    return rows


def _random(alphabet: Bytes, count: int, width: int, draw: np.random.Generator) -> Bytes:
    return alphabet[draw.integers(0, len(alphabet), (count, width), dtype=np.uint8)]


def _adversarial(count: int, draw: np.random.Generator) -> Bytes:
    third = count // 3
    kinds = [
        _colliding(FNV_1A, b"F", third, draw),
        _colliding(POLYNOMIAL, b"Q", third, draw),
        _same_ends(count - 2 * third, draw),
    ]
    rows = np.concatenate(kinds)
    return rows[draw.permutation(count)]


def _colliding(kind: _Hash, head: bytes, count: int, draw: np.random.Generator) -> Bytes:
    """References of 30 characters whose hashes end in 16 zero bits: the last three characters see to it."""
    ending = _endings(kind)
    rows = np.empty((count, 30), np.uint8)
    rows[:, 0] = head[0]
    rows[:, 1:9] = _spelled(_scattered(count), _MIXED, 8)
    wanting = np.arange(count)
    while len(wanting):
        # A state from which no three characters lead home is left by drawing the middle anew.
        rows[wanting, 9:27] = _random(_MIXED, len(wanting), 18, draw)
        state = low_bits(kind, rows[wanting, :27])
        rows[wanting, 27:] = ending[state]
        wanting = wanting[ending[state, 0] == 0]
    return rows


def low_bits(kind: _Hash, rows: Bytes) -> Int64:
    """The low 16 bits of the hash of each row."""
    state = np.full(len(rows), kind.start, np.int64)
    for place in range(rows.shape[1]):
        state = kind.step(state, rows[:, place].astype(np.int64))
    return state


def _endings(kind: _Hash) -> Bytes:
    """For every state of 16 bits three characters after which it is 0; zeros where there are none."""
    last, middle, first = (one.reshape(-1) for one in np.meshgrid(_MIXED, _MIXED, _MIXED))
    state = np.zeros(len(last), np.int64)
    for letters in (last, middle, first):
        state = kind.back(state, letters.astype(np.int64))
    ending = np.zeros((_LOW + 1, 3), np.uint8)
    ending[state] = np.stack([first, middle, last], axis=1)
    return ending


def _same_ends(count: int, draw: np.random.Generator) -> Bytes:
    rows = np.empty((count, 30), np.uint8)
    rows[:, :8], rows[:, 22:] = np.frombuffer(b"SAMEHEAD", np.uint8), np.frombuffer(b"SAMETAIL", np.uint8)
    rows[:, 8:16] = _spelled(_scattered(count), _MIXED, 8)
    rows[:, 16:22] = _random(_MIXED, count, 6, draw)
    return rows
