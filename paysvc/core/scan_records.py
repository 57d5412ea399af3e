"""A message's bytes to its records, in chunks and on two threads; the rest as a small message.

The kernel walks the file chunk by chunk, a reader makes of a chunk's spans what it keeps of
them, and what is left when all records are cut out (headers, balances, totals: the frame)
is a legal message of some kilobytes that the reference reader takes. Of the file no more
than some chunks are in memory. Whatever the kernel does not understand leaves the whole
file to that reader.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from paysvc.core.source import NotUnderstood, Room, Source
from paysvc.core.text_column import UInt8
from paysvc.core.words import RUNS_HERE, STRIDE
from paysvc.core.xml_kernel import CLOSED, DEEPEST, RUN_ENDED, RUN_STARTED, Space, walk
from paysvc.core.xml_paths import CompiledPaths
from paysvc.core.xml_patterns import no_patterns

#: Small enough that a chunk's spans stay in the processor's cache while they are read.
CHUNK_BYTES = 1 << 22

#: Chunks walked ahead of the one that is taken, for each thread.
_AHEAD = 2

_LONGEST_CHUNK = 1 << 26
_LONGEST_PROLOG = 1 << 12
_SEARCHED = 1 << 13
_LONGEST_FRAME = 1 << 18
_SMALLEST_RECORD, _SMALLEST_PART = 48, 24
_MOST_EVENTS = 4_096
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml version=(?:\"1\.0\"|'1\.0')(?: encoding=(?:\"[uU][tT][fF]-8\"|'[uU][tT][fF]-8'))?"
    rb"(?: standalone=(?:\"(?:yes|no)\"|'(?:yes|no)'))?\s*\?>)?\s*<((?:[A-Za-z_][A-Za-z0-9_.-]{0,30}:)?)Document[\s>]"
)

Piece = TypeVar("Piece")

#: From a chunk's bytes and spans to what the reader keeps of them; None: not understood. The
#: bytes are others as soon as it returns.
Interpret = Callable[[UInt8, Space], Piece | None]


class Segment(NamedTuple):
    """Records `begin` to `end` of a chunk, which stand in the same container after `before` others."""

    container: int
    begin: int
    end: int
    before: int


class Chunk(NamedTuple, Generic[Piece]):
    """What the reader kept of a chunk's records, and in which containers they stand."""

    piece: Piece
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class _Walked(Generic[Piece]):
    piece: Piece
    records: int
    events: NDArray[np.int64]


class RecordScan(Generic[Piece]):
    """A message being read: iterate once for the chunks, in order; then `frame` is the message
    without its records and `containers` how many containers it has.

    Raises `NotUnderstood` where the kernel or `interpret` does not understand the message: the
    caller then gives the whole of it to the reference reader. Nothing is refused here.
    """

    def __init__(
        self,
        source: Source,
        paths: CompiledPaths,
        interpret: Interpret[Piece],
        *,
        chunk_bytes: int = CHUNK_BYTES,
        threads: int = 2,
    ) -> None:
        self._source, self._paths, self._interpret = source, paths, interpret
        self._chunk_bytes = chunk_bytes
        self._workers = max(1, min(threads, os.cpu_count() or 1, 1 + source.size // chunk_bytes))
        self._desks: SimpleQueue[_Desk] = SimpleQueue()
        self._frame: list[bytes] = []
        self._frame_bytes = self._kept_from = self._in_container = 0
        self.containers = 0

    @property
    def frame(self) -> bytes:
        return b"".join(self._frame)

    def __iter__(self) -> Iterator[Chunk[Piece]]:
        prolog = _PROLOG.match(self._source.read(0, _LONGEST_PROLOG)) if RUNS_HERE else None
        if prolog is None:
            raise NotUnderstood
        prefix = prolog[1]
        for _ in range(self._workers):
            self._desks.put(_Desk(self._paths, np.frombuffer(prefix, dtype=np.uint8)))
        cuts = self._cuts(prefix + self._paths.message.record_name.encode(), prolog.start(1) - 1)
        for begin, walked in self._walked(cuts):
            yield Chunk(walked.piece, list(self._segments(begin, walked)))
        self._keep(self._source.size)

    def _cuts(self, name: bytes, start: int) -> Iterator[tuple[int, int]]:
        """Begin and end of each chunk: it ends where a record follows another.

        What only looks like one (in a comment, say) is noticed by the walk before it.
        """
        between = re.compile(b"</" + re.escape(name) + rb">\s*(?=<" + re.escape(name) + b">)")
        while start < self._source.size:
            end = self._cut(between, start + self._chunk_bytes)
            if end - start > _LONGEST_CHUNK:
                raise NotUnderstood
            yield start, end
            start = end

    def _cut(self, between: re.Pattern[bytes], start: int) -> int:
        size, searched = self._source.size, _SEARCHED
        while searched <= _LONGEST_CHUNK:
            found = between.search(self._source.read(start, start + searched))
            if found is not None:
                return start + found.end()
            if start + searched >= size:
                return size
            searched *= 4
        raise NotUnderstood

    def _walked(self, cuts: Iterator[tuple[int, int]]) -> Iterator[tuple[int, _Walked[Piece]]]:
        """The chunks in order, walked on all threads, never many before they are taken."""
        if self._workers == 1:
            for number, (begin, end) in enumerate(cuts):
                yield begin, self._walk(begin, end, number > 0)
            return
        waiting: deque[tuple[int, Future[_Walked[Piece]]]] = deque()
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                for number, (begin, end) in enumerate(cuts):
                    waiting.append((begin, pool.submit(self._walk, begin, end, number > 0)))
                    if len(waiting) > _AHEAD * self._workers:
                        first, future = waiting.popleft()
                        yield first, future.result()
                while waiting:
                    first, future = waiting.popleft()
                    yield first, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

    def _walk(self, begin: int, end: int, inside: bool) -> _Walked[Piece]:
        desk = self._desks.get()
        try:
            # Some bytes more, so that the last record too is looked at by strides.
            data = self._source.view(begin, end + STRIDE, desk.room)
            space = desk.space_for(end - begin)
            names, tables, is_last = self._paths.path_names, self._paths.tables, end == self._source.size
            if walk(data, 0, end - begin, inside, is_last, desk.prefix, names, tables, space) >= 0:
                raise NotUnderstood
            piece = self._interpret(data, space)
            if piece is None:
                raise NotUnderstood
            records, _, events = space.counts.tolist()
            return _Walked(piece, records, space.events[:events].copy())
        finally:
            self._desks.put(desk)

    def _segments(self, begin: int, walked: _Walked[Piece]) -> Iterator[Segment]:
        first = 0
        for kind, place, records in walked.events.tolist():
            if kind == RUN_STARTED:
                self._keep(begin + place)
            elif kind == RUN_ENDED:
                self._kept_from = begin + place
            elif kind == CLOSED:
                yield Segment(self.containers, first, records, self._in_container)
                first, self._in_container = records, 0
                self.containers += 1
        if walked.records > first:
            yield Segment(self.containers, first, walked.records, self._in_container)
            self._in_container += walked.records - first

    def _keep(self, end: int) -> None:
        self._frame_bytes += end - self._kept_from
        if self._frame_bytes > _LONGEST_FRAME:
            raise NotUnderstood
        self._frame.append(self._source.read(self._kept_from, end))


class _Desk:
    """What one thread works with, chunk after chunk."""

    def __init__(self, paths: CompiledPaths, prefix: UInt8) -> None:
        self.prefix = prefix
        self.room = Room()
        self._paths = paths
        self._space: Space | None = None
        self._bytes = 0

    def space_for(self, size: int) -> Space:
        """Rows enough for a chunk of `size` bytes."""
        if self._space is None or self._bytes < size:
            self._bytes = size + size // 8
            self._space = _space(self._paths, self._bytes)
        return self._space


def _space(paths: CompiledPaths, chunk_bytes: int) -> Space:
    records, parts = chunk_bytes // _SMALLEST_RECORD + 2, chunk_bytes // _SMALLEST_PART + 2
    record_slots, part_slots = max(1, len(paths.record_slots)), max(1, len(paths.part_slots))
    return Space(
        records=np.empty((records, record_slots), dtype=np.int64),
        parts=np.empty((parts, part_slots), dtype=np.int64),
        first_part=np.empty(records, dtype=np.int64),
        events=np.empty((_MOST_EVENTS, 3), dtype=np.int64),
        counts=np.zeros(3, dtype=np.int64),
        open_names=np.zeros(DEEPEST + 1, dtype=np.int64),
        open_starts=np.zeros(DEEPEST + 1, dtype=np.int64),
        open_states=np.zeros(DEEPEST + 1, dtype=np.int64),
        patterns=no_patterns(record_slots, part_slots),
    )
