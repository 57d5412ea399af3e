"""A message's bytes to its records' spans, in chunks and on two threads; the rest as a small message.

The kernel walks the whole file, the records' contents are read from its spans, and what is
left when all records are cut out (headers, balances, totals: the frame) is a legal message
of some kilobytes that the reference reader takes. Whatever the kernel does not understand
leaves the whole file to that reader.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from paysvc.core.columns import UInt8
from paysvc.core.words import RUNS_HERE
from paysvc.core.xml_kernel import CLOSED, DEEPEST, OPENED, RUN_ENDED, RUN_STARTED, Space, walk
from paysvc.core.xml_paths import CompiledPaths
from paysvc.core.xml_patterns import no_patterns

#: Small enough that a chunk's spans stay in the processor's cache while they are read.
CHUNK_BYTES = 1 << 22

_LONGEST_CHUNK = 1 << 26
_LONGEST_FRAME = 1 << 18
_SMALLEST_RECORD, _SMALLEST_PART = 48, 24
_MOST_EVENTS = 4_096
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:<\?xml version=(?:\"1\.0\"|'1\.0')(?: encoding=(?:\"[uU][tT][fF]-8\"|'[uU][tT][fF]-8'))?"
    rb"(?: standalone=(?:\"(?:yes|no)\"|'(?:yes|no)'))?\s*\?>)?\s*<((?:[A-Za-z_][A-Za-z0-9_.-]{0,30}:)?)Document[\s>]"
)

Piece = TypeVar("Piece")

#: From the bytes and a chunk's spans to what the reader keeps of them; None: not understood.
Interpret = Callable[[UInt8, Space], Piece | None]


@dataclass(frozen=True, slots=True)
class Scanned(Generic[Piece]):
    """`pieces` in file order; `containers` are (first record, number of records) of each one.

    `frame` is the message without its records. `first_records[i]` is how many records stand
    before piece i.
    """

    pieces: list[Piece]
    first_records: list[int]
    containers: list[tuple[int, int]]
    frame: bytes


@dataclass(frozen=True, slots=True)
class _Chunk(Generic[Piece]):
    piece: Piece
    records: int
    events: NDArray[np.int64]


def scan_records(
    content: bytes,
    paths: CompiledPaths,
    interpret: Interpret[Piece],
    *,
    chunk_bytes: int = CHUNK_BYTES,
    threads: int = 2,
) -> Scanned[Piece] | None:
    """The records of the message, or None where the kernel or `interpret` does not understand it.

    Nothing is refused here: the caller gives what was not understood to the reference reader.
    """
    prolog = _PROLOG.match(content) if RUNS_HERE else None
    if prolog is None:
        return None
    prefix = prolog[1]
    start = prolog.start(1) - 1
    cuts = _cuts(content, prefix + paths.message.record_name.encode(), start, chunk_bytes)
    if max(end - begin for begin, end in pairwise(cuts)) > _LONGEST_CHUNK:
        return None
    data = np.frombuffer(content, dtype=np.uint8)
    chunks = _walk_all(data, cuts, np.frombuffer(prefix, dtype=np.uint8), paths, interpret, threads)
    return None if chunks is None else _joined(content, chunks)


def _cuts(content: bytes, name: bytes, start: int, chunk_bytes: int) -> list[int]:
    """Where chunks begin: at a record that follows another.

    What only looks like one (in a comment, say) is noticed by the walk before it.
    """
    between = re.compile(b"</" + re.escape(name) + rb">\s*(?=<" + re.escape(name) + b">)")
    cuts = [start]
    while (found := between.search(content, cuts[-1] + chunk_bytes)) is not None:
        cuts.append(found.end())
    return [*cuts, len(content)]


def _space(paths: CompiledPaths, chunk_bytes: int) -> Space:
    records, parts = chunk_bytes // _SMALLEST_RECORD + 2, chunk_bytes // _SMALLEST_PART + 2
    return Space(
        records=np.empty((records, max(1, len(paths.record_slots))), dtype=np.int64),
        parts=np.empty((parts, max(1, len(paths.part_slots))), dtype=np.int64),
        first_part=np.empty(records, dtype=np.int64),
        events=np.empty((_MOST_EVENTS, 3), dtype=np.int64),
        counts=np.zeros(3, dtype=np.int64),
        open_names=np.zeros(DEEPEST + 1, dtype=np.int64),
        open_starts=np.zeros(DEEPEST + 1, dtype=np.int64),
        open_states=np.zeros(DEEPEST + 1, dtype=np.int64),
        patterns=no_patterns(max(1, len(paths.record_slots)), max(1, len(paths.part_slots))),
    )


def _walk_all(
    data: UInt8, cuts: list[int], prefix: UInt8, paths: CompiledPaths, interpret: Interpret[Piece], threads: int
) -> list[_Chunk[Piece]] | None:
    names = paths.path_names
    last = len(cuts) - 2
    workers = min(threads, os.cpu_count() or 1, last + 1)
    largest = max(end - begin for begin, end in pairwise(cuts))
    spaces: SimpleQueue[Space] = SimpleQueue()
    for _ in range(workers):
        spaces.put(_space(paths, largest))

    def one(number: int) -> _Chunk[Piece] | None:
        space = spaces.get()
        try:
            begin, end = cuts[number], cuts[number + 1]
            if walk(data, begin, end, number > 0, number == last, prefix, names, paths.tables, space) >= 0:
                return None
            piece = interpret(data, space)
            records, _, events = space.counts.tolist()
            return None if piece is None else _Chunk(piece, records, space.events[:events].copy())
        finally:
            spaces.put(space)

    if workers == 1:
        found = [one(number) for number in range(last + 1)]
    else:
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(one, range(last + 1)))
    chunks = [chunk for chunk in found if chunk is not None]
    return chunks if len(chunks) == len(found) else None


def _joined(content: bytes, chunks: list[_Chunk[Piece]]) -> Scanned[Piece] | None:
    frame: list[bytes] = []
    containers: list[tuple[int, int]] = []
    first_records: list[int] = []
    kept_from = before = opened_at = 0
    for chunk in chunks:
        first_records.append(before)
        for kind, place, records in chunk.events.tolist():
            if kind == RUN_STARTED:
                frame.append(content[kept_from:place])
            elif kind == RUN_ENDED:
                kept_from = place
            elif kind == OPENED:
                opened_at = before + records
            elif kind == CLOSED:
                containers.append((opened_at, before + records - opened_at))
        before += chunk.records
    frame.append(content[kept_from:])
    if sum(map(len, frame)) > _LONGEST_FRAME:
        return None
    return Scanned([chunk.piece for chunk in chunks], first_records, containers, b"".join(frame))
