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
_ZEROS = _U(0x3030303030303030)
_SIXES = _U(0x0606060606060606)
_NIBBLES = _U(0xF0F0F0F0F0F0F0F0)
_BRACKETS = _U(0x5D5D5D5D5D5D5D5D)
_DELETES = _U(0x7F7F7F7F7F7F7F7F)

#: A word of spaces.
SPACES = _BELOW_SPACE

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


#: Bytes looked at by one instruction where the array goes on for as long.
STRIDE = 32
_FULL = _U((1 << STRIDE) - 1)


def _loaded(context: Any, builder: Any, array: Any, index: Any, kinds: Any) -> Any:
    """`STRIDE` bytes from `index` as a vector, by a load that needs no alignment."""
    view = context.make_array(kinds[0])(context, builder, array)
    index = context.cast(builder, index, kinds[1], types.intp)
    loaded = builder.load(builder.bitcast(builder.gep(view.data, [index]), _VECTOR.as_pointer()))
    loaded.align = 1
    return loaded


def _as_marks(builder: Any, found: Any) -> Any:
    return builder.zext(builder.bitcast(found, ir.IntType(STRIDE)), ir.IntType(64))


def _each(byte: int) -> Any:
    return ir.Constant(_VECTOR, [byte] * STRIDE)


_VECTOR = ir.VectorType(ir.IntType(8), STRIDE)


@intrinsic  # type: ignore[untyped-decorator]
def _text_stops_at(typingctx: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index = arguments
        loaded = _loaded(context, builder, array, index, signature.args)
        # As signed numbers, control and non-ASCII bytes are all below the space.
        found = builder.icmp_signed("<", loaded, _each(0x20))
        for byte in b"<&]":
            found = builder.or_(found, builder.icmp_signed("==", loaded, _each(byte)))
        return _as_marks(builder, found)

    return types.uint64(array, index), build


@intrinsic  # type: ignore[untyped-decorator]
def _equals_at(typingctx: Any, array: Any, index: Any, byte: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, byte = arguments
        loaded = _loaded(context, builder, array, index, signature.args)
        place = ir.Constant(ir.IntType(32), 0)
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), byte, place)
        nowhere = ir.Constant(ir.VectorType(ir.IntType(32), STRIDE), [0] * STRIDE)
        each = builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), nowhere)
        return _as_marks(builder, builder.icmp_signed("==", loaded, each))

    return types.uint64(array, index, types.uint8), build


@intrinsic  # type: ignore[untyped-decorator]
def _differences_at(typingctx: Any, array: Any, one: Any, other: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, one, other = arguments
        kinds = signature.args
        first = _loaded(context, builder, array, one, (kinds[0], kinds[1]))
        second = _loaded(context, builder, array, other, (kinds[0], kinds[2]))
        return _as_marks(builder, builder.icmp_signed("!=", first, second))

    return types.uint64(array, one, other), build


@intrinsic  # type: ignore[untyped-decorator]
def fold(typingctx: Any, one: Any, other: Any) -> Any:
    """The product of two words, its upper half laid over its lower."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, narrow = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(value, wide) for value in arguments))
        upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), narrow)
        return builder.xor(upper, builder.trunc(product, narrow))

    return types.uint64(types.uint64, types.uint64), build


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Have the processor fetch an array's element that will be needed; harmless where there is none."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        flag = ir.IntType(32)
        place = builder.bitcast(builder.gep(view.data, [index]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, flag, flag, flag])
        asked = builder.module.declare_intrinsic("llvm.prefetch", (place.type,), kind)
        builder.call(asked, [place, ir.Constant(flag, 0), ir.Constant(flag, 3), ir.Constant(flag, 1)])
        return context.get_dummy_value()

    return types.void(array, index), build


@kernel
def lowest(marks: Any) -> Any:
    """Which bit of the marks is the lowest one set; not for 0."""
    return _trailing_zeros(marks)


@kernel
def has_stride(data: Any, at: Any) -> Any:
    """Whether `STRIDE` bytes from `at` may be looked at by one instruction."""
    return not _BYTE_BY_BYTE and at + STRIDE <= len(data)


@kernel
def stops_in_stride(data: Any, at: Any) -> Any:
    """`text_stops` of the `STRIDE` bytes from `at` (`has_stride`), a bit each."""
    return _text_stops_at(data, at)


@kernel
def next_of(data: Any, at: Any, end: Any, byte: Any) -> Any:
    """The first place from `at` on that holds this byte, or `end`."""
    while at < end:
        if has_stride(data, at):
            marks = _equals_at(data, at, np.uint8(byte))
            if marks != _U(0):
                return min(at + lowest(marks), end)
            at += STRIDE
        elif data[at] == byte:
            return at
        else:
            at += 1
    return end


@kernel
def is_repeated(data: Any, one: Any, other: Any, length: Any) -> Any:
    """`same_bytes`, for texts after which both have a stride to go (`has_stride`)."""
    done = 0
    while length - done > STRIDE:
        if _differences_at(data, one + done, other + done) != _U(0):
            return False
        done += STRIDE
    return _differences_at(data, one + done, other + done) & (_FULL >> _U(STRIDE - (length - done))) == _U(0)


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
def same_bytes(data: Any, at: Any, other: Any, start: Any, length: Any) -> Any:
    """Whether `length` bytes from `at` in `data` are those from `start` in `other`."""
    done = 0
    while length - done > 8:
        if word(data, at + done) != word(other, start + done):
            return False
        done += 8
    return (word(data, at + done) ^ word(other, start + done)) & KEEP[length - done] == _U(0)


@kernel
def printable(data: Any, at: Any, length: Any, spaced: Any) -> Any:
    """Whether the `length` bytes from `at` are printable ASCII, spaces among them only if `spaced`."""
    least = _BELOW_SPACE if spaced else _UP_TO_SPACE
    done = 0
    while done < length:
        loaded = word(data, at + done)
        delete = loaded ^ _DELETES
        found = ((loaded - least) & ~loaded) | ((delete - _ONES) & ~delete) | loaded
        # Of these marks the lowest is right, so that none among the bytes asked for means none.
        if found & _HIGHS & KEEP[min(8, length - done)] != _U(0):
            return False
        done += 8
    return True


@kernel
def is_blank(data: Any, at: Any, length: Any) -> Any:
    """Whether the `length` bytes from `at` are spaces."""
    done = 0
    while length - done > STRIDE and has_stride(data, at + done):
        if _equals_at(data, at + done, np.uint8(0x20)) != _FULL:
            return False
        done += STRIDE
    while length - done > 8:
        if word(data, at + done) != SPACES:
            return False
        done += 8
    return (word(data, at + done) ^ SPACES) & KEEP[length - done] == _U(0)


@kernel
def digits_value(data: Any, at: Any, digits: Any) -> Any:
    """The number in 1 to 8 ASCII digits, or -1 where one of the bytes is none."""
    # Shifted up, so that the missing digits are leading ones; those become zeros.
    shift = _U(8 * (8 - digits))
    digit = (word(data, at) << shift) ^ (_ZEROS << shift)
    if (digit | (digit + _SIXES)) & _NIBBLES != _U(0):
        return np.int64(-1)
    pairs = (digit * _U(10) + (digit >> _U(8))) & _U(0x00FF00FF00FF00FF)
    fours = (pairs * _U(100) + (pairs >> _U(16))) & _U(0x0000FFFF0000FFFF)
    return np.int64((fours * _U(10_000) + (fours >> _U(32))) & _U(0xFFFFFFFF))


@kernel
def copy_spans(data: Any, starts: Any, offsets: Any, into: Any) -> None:
    """Row i's bytes, `data[starts[i] : + offsets[i+1] - offsets[i]]`, to `into[offsets[i] :]`."""
    for row in range(len(starts)):
        start, at = starts[row], offsets[row]
        length = offsets[row + 1] - at
        done = 0
        if not _BYTE_BY_BYTE:
            # The last word may reach into the next text's place, which is written after it.
            while done < length and start + done + 8 <= len(data) and at + done + 8 <= len(into):
                _put_word_at(into, at + done, _word_at(data, start + done))
                done += 8
        for step in range(done, length):
            into[at + step] = data[start + step]
