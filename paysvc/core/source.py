"""The bytes of one file, read by position: lying in memory, or on a disk and never held whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from paysvc.core.text_column import UInt8

_DIGESTED_AT_ONCE = 1 << 20


class NotUnderstood(Exception):  # no error: the reference reader is asked instead
    """A scanner does not understand the file; what it handed out before still holds."""


class Room:
    """Memory that one reader of a file uses again and again."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, dtype=np.uint8)

    def of(self, size: int) -> UInt8:
        """`size` bytes, whatever stood in them before."""
        if len(self._bytes) < size:
            self._bytes = np.empty(size + size // 8, dtype=np.uint8)
        return self._bytes[:size]


class Source:
    """A file's bytes. `size` is their number; any number of threads may read at once."""

    def __init__(self, content: bytes | None = None, path: Path | None = None) -> None:
        self._content = content
        self._file = -1
        if content is not None:
            self.size = len(content)
            return
        if path is None:
            raise ValueError("a source has bytes or a path")
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self._file).st_size

    @classmethod
    def of(cls, content: bytes | Source) -> Source:
        """These bytes; a source is one already."""
        return content if isinstance(content, Source) else cls(content)

    @classmethod
    def at(cls, path: Path) -> Source:
        """The file at `path`, open until `close`; a pipe is read to its end at once. Raises OSError."""
        return cls(path=path) if path.is_file() else cls(path.read_bytes())

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def sha256(self) -> bytes:
        """The digest of all bytes."""
        mixed = hashlib.sha256()
        for start in range(0, self.size, _DIGESTED_AT_ONCE):
            mixed.update(self.read(start, start + _DIGESTED_AT_ONCE))
        return mixed.digest()

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer where the file ends before."""
        if self._content is not None:
            return self._content[start:end]
        parts = []
        while start < end and (part := os.pread(self._file, end - start, start)):
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def view(self, start: int, end: int, room: Room) -> UInt8:
        """`read` as an array; of a file on a disk it lies in `room`, until that is used again.

        Raises EOFError where the file has become shorter than it was.
        """
        end = min(end, self.size)
        if self._content is not None:
            return np.frombuffer(self._content, dtype=np.uint8, count=end - start, offset=start)
        found = room.of(end - start)
        rest = memoryview(found.data)
        while rest:
            count = os.preadv(self._file, [rest], end - len(rest))
            if not count:
                raise EOFError("the file became shorter while it was read")
            rest = rest[count:]
        found.flags.writeable = False
        return found
