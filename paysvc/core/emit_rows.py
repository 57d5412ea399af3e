"""A bank file from columns: written in chunks by a kernel, hashed and handed on on the way.

What a message looks like is data (`Slot`): constants around columns. One chunk is filled and
hashed while another is handed on by a second thread, in a few buffers that are used again
and again, so that memory does not grow with the batch.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from paysvc.core.messages import ControlTotals
from paysvc.core.text_column import Int64, TextColumn, UInt8, frozen

#: Small enough that a chunk is hashed and copied while it is in the processor's cache, and large
#: enough that calling the kernel and waking the other thread cost nothing.
CHUNK_BYTES = 1 << 21

#: One that is filled, one that is handed on, and one that waits between them.
_BUFFERS = 3

#: In the place of a text's number: here stands the row's amount.
AMOUNT = -1

#: The longest entity, for one byte; and the digits of the largest int64.
LONGEST_ENTITY, MOST_DIGITS = 5, 19

#: A binary file, or what takes the chunks one by one; a chunk's bytes are good only during the call.
Sink = BinaryIO | Callable[[memoryview], object]


@dataclass(frozen=True, slots=True)
class Slot:
    """A column of a row, with what is written before and behind each of its texts.

    With `skips_empty`, an empty text is left out together with both.
    """

    column: str
    before: bytes
    behind: bytes = b""
    skips_empty: bool = False


@dataclass(frozen=True, slots=True)
class Emitted:
    """What was written: its SHA-256 (32 bytes), and the control totals counted over its rows."""

    sha256: bytes
    size_bytes: int
    payments: int
    total_vnd: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file of equally built rows between a head and an end.

    `columns` are all equally long; the one of amounts holds whole numbers from 0 on.
    `totals` are those that the head declares.
    """

    head: bytes
    slots: Sequence[Slot]
    columns: Mapping[str, TextColumn | Int64]
    end_of_row: bytes
    end: bytes
    totals: ControlTotals


def emit(document: Document, sink: Sink, chunk_bytes: int = CHUNK_BYTES) -> Emitted:
    """Hand the document's bytes to `sink`, in order, from one other thread, a chunk at a time.

    Texts are escaped as XML's character data. What `sink` raises is raised here, and OSError
    where a file takes only part of a chunk. Raises RuntimeError, with everything written, when
    the rows are not those that the head declares: the columns were changed meanwhile.
    """
    write = sink if callable(sink) else sink.write
    rows = _Rows(document)
    buffers = deque(np.empty(chunk_bytes + rows.longest, np.uint8) for _ in range(_BUFFERS))
    digest = hashlib.sha256(document.head)
    size, row, total = len(document.head), 0, 0
    with ThreadPoolExecutor(1) as writer:
        handed_on = deque([writer.submit(_hand_on, write, memoryview(document.head), None)])
        while row < rows.count:
            if len(handed_on) == _BUFFERS:
                handed_on.popleft().result()
            row, length, written = rows.put(row, buffers[0], chunk_bytes)
            chunk = buffers[0].data[:length]
            buffers.rotate(-1)
            digest.update(chunk)
            handed_on.append(writer.submit(_hand_on, write, chunk, handed_on[-1]))
            size, total = size + length, total + written
        writer.submit(_hand_on, write, memoryview(document.end), handed_on[-1]).result()
    digest.update(document.end)
    if ControlTotals(row, total) != document.totals:
        raise RuntimeError("the rows that were written are not those that the head declares")
    return Emitted(digest.digest(), size + len(document.end), row, total)


def _hand_on(write: Callable[[memoryview], object], chunk: memoryview, before: Future[None] | None) -> None:
    """What comes `before` has to have been taken: nothing is written behind a gap."""
    if before:
        before.result()
    taken = write(chunk)
    if isinstance(taken, int) and taken != len(chunk):
        raise OSError(f"only {taken} of {len(chunk)} bytes were taken")


class _Rows:
    """The document's rows as the kernel takes them."""

    def __init__(self, document: Document) -> None:
        slots = document.slots
        pieces = _pieces(document)
        columns = [document.columns[slot.column] for slot in slots]
        texts = [column for column in columns if isinstance(column, TextColumn)]
        (amounts,) = (column for column in columns if not isinstance(column, TextColumn))
        numbers = iter(range(len(texts)))
        which = [next(numbers) if isinstance(column, TextColumn) else AMOUNT for column in columns]
        longest_texts = sum(int(text.lengths.max(initial=0)) for text in texts)
        self.count = len(amounts)
        self.longest = sum(map(len, pieces)) + MOST_DIGITS + LONGEST_ENTITY * longest_texts
        self._taken = (
            tuple(frozen(text.data) for text in texts),
            tuple(frozen(text.offsets) for text in texts),
            frozen(amounts),
            frozen(np.frombuffer(b"".join(pieces), np.uint8)),
            frozen(np.cumsum([0, *map(len, pieces)], dtype=np.int64)),
            frozen(np.array(which, np.int64)),
            frozen(np.array([slot.skips_empty for slot in slots], np.bool_)),
        )

    def put(self, first: int, into: UInt8, enough: int) -> tuple[int, int, int]:
        """As `put_rows`."""
        # Compiled code takes a while to load, which a program that writes no bank file need not spend.
        from paysvc.core.emit_kernels import put_rows

        row, length, total = put_rows(*self._taken, first, into, enough)
        return int(row), int(length), int(total)


def _pieces(document: Document) -> list[bytes]:
    """What stands before and behind each slot, and the end of the row; one copy is faster than two,
    so what is always between two texts stands before the second."""
    slots = document.slots
    pieces = [piece for slot in slots for piece in (slot.before, slot.behind)]
    for number in range(1, len(slots)):
        if not slots[number - 1].skips_empty and not slots[number].skips_empty:
            pieces[2 * number] = pieces[2 * number - 1] + pieces[2 * number]
            pieces[2 * number - 1] = b""
    return [*pieces, document.end_of_row]
