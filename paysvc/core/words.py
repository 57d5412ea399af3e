"""Eight bytes at a time: what the scanners' kernels are made of.

Everything here is compiled by Numba and called from compiled code only. Bytes are a uint8
array, positions are int64, a word is eight bytes in the order of the array, the first one
lowest. Nothing reads or writes outside the array: a word that would is handled byte by byte,
and under NUMBA_BOUNDSCHECK=1 every word is, so that the check sees each of them.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from paysvc.core.compiled import kernel

#: The kernels take a word's first byte for its lowest; elsewhere the slow readers do the work.
RUNS_HERE = sys.byteorder == "little"

_BYTE_BY_BYTE = bool(config.BOUNDSCHECK) or not RUNS_HERE
_U = np.uint64

_ONES = _U(0x0101010101010101)
_HIGHS = _U(0x8080808080808080)
_BELOW_SPACE = _U(0x2020202020202020)
_UP_TO_SPACE = _U(0x2121212121212121)
_AMPERSANDS = _U(0x2626262626262626)
_SLASHES = _U(0x2F2F2F2F2F2F2F2F)
_LESS = _U(0x3C3C3C3C3C3C3C3C)
_GREATER = _U(0x3E3E3E3E3E3E3E3E)
_BRACKETS = _U(0x5D5D5D5D5D5D5D5D)

#: A word's first n bytes are kept by KEEP[n].
KEEP = np.array([0] + [(1 << (8 * n)) - 1 for n in range(1, 9)], dtype=np.uint64)


@intrinsic  # type: ignore[untyped-decorator]
def _word_at(typingctx: Any, array: Any, index: Any) -> Any:
    """The word at `index` by one load that needs no alignment; the caller has checked the bounds."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        loaded = builder.load(builder.bitcast(builder.gep(view.data, [index]), ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(array, index), build


@intrinsic  # type: ignore[untyped-decorator]
def _put_word_at(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Store the word at `index` by one store that needs no alignment; the caller has checked the bounds."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        place = builder.bitcast(builder.gep(view.data, [index]), ir.IntType(64).as_pointer())
        builder.store(arguments[2], place).align = 1
        return context.get_dummy_value()

    return types.void(array, index, types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def _copy_at(typingctx: Any, into: Any, at: Any, data: Any, start: Any, length: Any) -> Any:
    """The C library's memcpy; the caller has checked the bounds."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = []
        for array, index in ((0, 1), (2, 3)):
            view = context.make_array(signature.args[array])(context, builder, arguments[array])
            offset = context.cast(builder, arguments[index], signature.args[index], types.intp)
            places.append(builder.gep(view.data, [offset]))
        cgutils.raw_memcpy(builder, *places, context.cast(builder, arguments[4], signature.args[4], types.intp), 1)
        return context.get_dummy_value()

    return types.void(into, at, data, start, length), build


@intrinsic  # type: ignore[untyped-decorator]
def _trailing_zeros(typingctx: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


@kernel
def first_marked(marks: Any) -> Any:
    """Which byte of the word carries the lowest mark (a set high bit), 0 to 7."""
    return _trailing_zeros(marks) >> 3


@kernel
def _word_in_pieces(data: Any, at: Any) -> Any:
    word = _U(0)
    for shift in range(min(8, len(data) - at)):
        word |= _U(data[at + shift]) << _U(8 * shift)
    return word


@kernel
def word(data: Any, at: Any) -> Any:
    """The eight bytes from `at`; those past the end of the array are zero. 0 <= at."""
    if _BYTE_BY_BYTE or at + 8 > len(data):
        return _word_in_pieces(data, at)
    return _word_at(data, at)


@kernel
def put_word(into: Any, at: Any, value: Any) -> None:
    """The word's eight bytes to `at` and behind; those past the end of the array are left out. 0 <= at."""
    if _BYTE_BY_BYTE or at + 8 > len(into):
        for shift in range(min(8, len(into) - at)):
            into[at + shift] = (value >> _U(8 * shift)) & _U(0xFF)
    else:
        _put_word_at(into, at, value)


@kernel
def copy_bytes(into: Any, at: Any, data: Any, start: Any, length: Any) -> None:
    """`data[start : start + length]` to `into[at:]`, no more than both arrays hold. 0 <= at, start, length."""
    length = min(length, len(into) - at, len(data) - start)
    if _BYTE_BY_BYTE:
        for step in range(length):
            into[at + step] = data[start + step]
    elif length > 0:
        _copy_at(into, at, data, start, length)


@kernel
def name_ends(loaded: Any) -> Any:
    """Marks of bytes up to space, of `/` and of `>`; the lowest mark is right, higher ones may be spurious."""
    slash, greater = loaded ^ _SLASHES, loaded ^ _GREATER
    found = (loaded - _UP_TO_SPACE) & ~loaded
    found |= (slash - _ONES) & ~slash
    found |= (greater - _ONES) & ~greater
    return found & _HIGHS


@kernel
def text_stops(loaded: Any) -> Any:
    """Marks of what plain text is not: `<`, `&`, `]`, control and non-ASCII bytes; the lowest is right."""
    less, ampersand, bracket = loaded ^ _LESS, loaded ^ _AMPERSANDS, loaded ^ _BRACKETS
    found = (loaded - _BELOW_SPACE) & ~loaded
    found |= (less - _ONES) & ~less
    found |= (ampersand - _ONES) & ~ampersand
    found |= (bracket - _ONES) & ~bracket
    return (found | loaded) & _HIGHS


@kernel
def markup(loaded: Any) -> Any:
    """Marks of `&`, `<` and `>`, which no text may hold; the lowest mark is right, higher ones may be spurious."""
    ampersand, less, greater = loaded ^ _AMPERSANDS, loaded ^ _LESS, loaded ^ _GREATER
    found = (ampersand - _ONES) & ~ampersand
    found |= (less - _ONES) & ~less
    found |= (greater - _ONES) & ~greater
    return found & _HIGHS


@kernel
def same_bytes(data: Any, one: Any, other: Any, length: Any) -> Any:
    """Whether `length` bytes from `one` are those from `other`."""
    done = 0
    while length - done >= 8:
        if word(data, one + done) != word(data, other + done):
            return False
        done += 8
    return (word(data, one + done) ^ word(data, other + done)) & KEEP[length - done] == _U(0)


@kernel
def utf8_length(data: Any, at: Any) -> Any:
    """How many bytes the non-ASCII character at `at` has; 0 when it is none that XML allows (RFC 3629)."""
    left = len(data) - at
    first = data[at]
    if 0xC2 <= first <= 0xDF:
        return 2 if left >= 2 and data[at + 1] & 0xC0 == 0x80 else 0
    if left < 3 or data[at + 1] & 0xC0 != 0x80 or data[at + 2] & 0xC0 != 0x80:
        return 0
    second = data[at + 1]
    if 0xE0 <= first <= 0xEF:
        overlong = first == 0xE0 and second < 0xA0
        surrogate = first == 0xED and second > 0x9F
        no_character = first == 0xEF and second == 0xBF and data[at + 2] >= 0xBE
        return 0 if overlong or surrogate or no_character else 3
    if not 0xF0 <= first <= 0xF4 or left < 4 or data[at + 3] & 0xC0 != 0x80:
        return 0
    overlong, too_high = first == 0xF0 and second < 0x90, first == 0xF4 and second > 0x8F
    return 0 if overlong or too_high else 4


@kernel
def copy_spans(data: Any, starts: Any, offsets: Any, into: Any) -> None:
    """Row i's bytes, `data[starts[i] : + offsets[i+1] - offsets[i]]`, to `into[offsets[i] :]`."""
    for row in range(len(starts)):
        start, at = starts[row], offsets[row]
        for step in range(offsets[row + 1] - at):
            into[at + step] = data[start + step]
