"""What every contender is, and what its process does with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Contender(Protocol):
    """One way of doing one line's work.

    It is made with the folder of the case (and with the database's URL where the line has a
    database): whatever it takes from there is loaded in `__init__` in the form that suits it,
    which is not timed. `prepare` runs before each round and `answer` after the last; neither is
    timed. `work` is timed.
    """

    def __init__(self, folder: Path, url: str) -> None: ...

    def prepare(self) -> None: ...

    def work(self) -> Any: ...

    def answer(self, result: Any) -> dict[str, Any]: ...


class Reader:
    """A contender that reads the file of its case."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = next(folder.glob("file.*"))

    def prepare(self) -> None:
        """Nothing: the file stays as it is."""


class Writer:
    """A contender that writes a file which is not there before the round."""

    def __init__(self, folder: Path, url: str) -> None:
        self.target = folder / f"written-by-{type(self).__name__}"

    def prepare(self) -> None:
        self.target.unlink(missing_ok=True)
