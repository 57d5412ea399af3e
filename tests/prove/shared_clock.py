"""One clock for several processes, set by the one that proves; it also shows who has looked at it."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_CELL = struct.Struct("<q")
#: The time, and one cell for each office there may be.
CELLS = 64


class SharedClock:
    """Microseconds in a mapped file. A process that is killed leaves it as it is."""

    def __init__(self, path: Path, *, start: datetime | None = None) -> None:
        if start is not None:
            path.write_bytes(bytes(_CELL.size * CELLS))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _CELL.size * CELLS)
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.ticks())

    def ticks(self) -> int:
        """The time as the file holds it."""
        return self.cell(0)

    def set(self, moment: datetime) -> None:
        self.put(0, (moment - _EPOCH) // timedelta(microseconds=1))

    def advance(self, step: timedelta) -> None:
        self.set(self.now() + step)

    def cell(self, number: int) -> int:
        return int(_CELL.unpack_from(self._map, number * _CELL.size)[0])

    def put(self, number: int, value: int) -> None:
        # Eight aligned bytes are written at once by every machine this runs on.
        _CELL.pack_into(self._map, number * _CELL.size, value)

    def close(self) -> None:
        self._map.close()
