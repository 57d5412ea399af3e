"""One form for every contender's answer, so that equal answers are equal dictionaries. Never timed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.text import Text, digest_of_numbers, digest_of_texts


def entries_answer(columns: dict[str, Any]) -> dict[str, str]:
    """Columns of entries (`Text`, or sequences of str, bytes or numbers) by digest."""
    return {name: _digest(values) for name, values in columns.items()}


def verdict_answer(
    outcomes: Any,
    totals: Iterable[Sequence[int]],
    exceptions: Iterable[tuple[int, int]] | tuple[Any, Any],
    unknown: Iterable[str | bytes],
) -> dict[str, Any]:
    """`outcomes` in the order of instructions; `exceptions` as two arrays (position, kinds) in any order."""
    positions, kinds = (np.asarray(column) for column in exceptions)
    order = np.argsort(positions)
    rows = positions[order].astype("<i8").tobytes() + kinds[order].astype(np.uint8).tobytes()
    texts = sorted(one.encode() if isinstance(one, str) else one for one in unknown)
    return {
        "outcomes": hashlib.sha256(np.ascontiguousarray(outcomes, dtype=np.uint8)).hexdigest(),
        "totals": sorted([int(one) for one in row] for row in totals),
        "exceptions": len(positions),
        "exception_rows": hashlib.sha256(rows).hexdigest(),
        "unknown": len(texts),
        "unknown_references": Text.of(texts).digest(),
    }


def file_answer(path: Path) -> dict[str, Any]:
    """The bytes of a file, by digest."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _digest(values: Any) -> str:
    if isinstance(values, Text):
        return values.digest()
    if isinstance(values, np.ndarray):
        return digest_of_numbers(values)
    if len(values) and isinstance(values[0], (str, bytes)):
        return digest_of_texts(values)
    return digest_of_numbers(np.array(values, np.int64))
