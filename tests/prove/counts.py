"""How often somebody was killed at each place, over several runs of one and the same source.

Two runs at once, each on a database of its own, and runs of many nights add up here. A place counts as killed at
only as long as the code around it is what it was: with other code under test, counting starts anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .places import PACKAGE

_ROOT = PACKAGE.parent
#: What is under test, below the project's folder; a mock bank is what it is tested with.
_SOURCES, _NOT_UNDER_TEST = ("paysvc", "bank_adapters", "migrations"), "bank_adapters/mock_bank/"


class Counts:
    """A file of counts, which several runs may write to at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._added: dict[str, Counter[str]] = {}

    def add(self, killed_at: Mapping[str, Mapping[str, int]]) -> None:
        """`killed_at` is database -> place -> kills of this run so far; what was added before is not added again."""
        with self._locked() as file:
            kept = _read(file)
            for database, counts in killed_at.items():
                before = self._added.get(database, Counter())
                new = Counter(counts) - before
                kept[database] = Counter(kept.get(database, {})) + new
                self._added[database] = Counter(counts)
            file.seek(0)
            file.truncate()
            json.dump({"source_sha256": source_sha256(), "killed_at": kept}, file, indent=1, sort_keys=True)
            file.write("\n")

    def read(self) -> dict[str, Counter[str]]:
        """Database -> place -> kills, of all runs."""
        with self._locked() as file:
            return {database: Counter(counts) for database, counts in _read(file).items()}

    @contextmanager
    def _locked(self) -> Iterator[TextIO]:
        with self._path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file


def _read(file: TextIO) -> dict[str, Mapping[str, int]]:
    content = file.read()
    kept: dict[str, Any] = json.loads(content) if content else {}
    found: dict[str, Mapping[str, int]] = kept["killed_at"] if kept.get("source_sha256") == source_sha256() else {}
    return found


def source_sha256() -> str:
    """Of all Python under test, with its names: hexadecimal."""
    mixed = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            if not name.startswith(_NOT_UNDER_TEST):
                mixed.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return mixed.hexdigest()
