"""What nothing can be faster than: the same bytes read, hashed or written once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answers import file_answer
from benchmarks.contender import Reader, Writer
from benchmarks.world import ENTRY_COLUMNS, SENT_COLUMNS, World

_PIECE = 1 << 20


class ReadOnce(Reader):
    """`readinto` of one piece after the other; the bytes are not looked at."""

    def work(self) -> int:
        piece, read = bytearray(_PIECE), 0
        with self.path.open("rb", buffering=0) as file:
            while got := file.readinto(piece):
                read += got
        return read

    def answer(self, result: int) -> dict[str, Any]:
        return {"bytes": result}


class HashOnce(Reader):
    """SHA-256 of the file."""

    def work(self) -> dict[str, Any]:
        with self.path.open("rb") as file:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": self.path.stat().st_size}

    def answer(self, result: dict[str, Any]) -> dict[str, Any]:
        return result


class WriteOnce(Writer):
    """The finished bytes into a file."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.content = next(folder.glob("file.*")).read_bytes()

    def work(self) -> None:
        self.target.write_bytes(self.content)

    def answer(self, result: None) -> dict[str, Any]:
        return file_answer(self.target)


class SumColumns:
    """Every byte of the columns that a join needs, once, in memory (64 bits at a time, one thread)."""

    def __init__(self, folder: Path, url: str) -> None:
        columns = vars(World.load(folder, *SENT_COLUMNS, *ENTRY_COLUMNS)).values()
        flat = [part for column in columns for part in (column if isinstance(column, tuple) else (column,))]
        self.bytes = sum(part.nbytes for part in flat)
        self.words = [part.view(np.uint8)[: part.nbytes & ~7].view(np.uint64) for part in flat]

    def prepare(self) -> None:
        """Nothing changes."""

    def work(self) -> int:
        return sum(int(words.sum()) for words in self.words)

    def answer(self, result: int) -> dict[str, Any]:
        return {"bytes": self.bytes}
