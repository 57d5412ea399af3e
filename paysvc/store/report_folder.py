"""The folder that is published: written beside under another name, complete, then renamed.

Nothing of it is visible before `publish`, and nothing that exists is ever written over. What is
there with the same bytes, because whoever published it ended before saying so, is published.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.domain.report import FileEntry
from paysvc.durable import sync_folder
from paysvc.failpoints import reach


class ReportFolder:
    """A folder in the making; leaving the `with` block without `publish` removes it."""

    def __init__(self, folder: Path) -> None:
        """Raises `Conflict` when something else than a report is there, `InvalidInput` when there is no parent."""
        if _is_there(folder) and not (folder / "report.json").is_file():
            raise _taken(folder)
        if not folder.parent.is_dir():
            raise InvalidInput("no_folder", f"The folder {folder.parent} does not exist.", next_step="Make it first.")
        self._target = folder
        self._making = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> Self:
        self._making.mkdir(mode=0o700)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._making, ignore_errors=True)

    def write(self, path: str, content: bytes) -> FileEntry:
        """Write one file, on disk before this returns; `path` is relative with `/`."""
        target = self._making / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return FileEntry(path, len(content), hashlib.sha256(content).hexdigest())

    def require_room(self) -> None:
        """Raise `Conflict` when another report is there than this one, to the byte."""
        if _is_there(self._target) and not _are_the_same(self._target, self._making):
            raise _taken(self._target)

    def publish(self) -> None:
        """Make it visible under its name, unless it is. Raises `Conflict` when something else has the name."""
        for folder in (*(path for path in self._making.rglob("*") if path.is_dir()), self._making):
            sync_folder(folder)
        self.require_room()
        reach("synced")
        if not _is_there(self._target):
            try:
                self._making.rename(self._target)
            except OSError as failure:
                raise _taken(self._target) from failure
            reach("renamed")
        sync_folder(self._target.parent)


def _is_there(folder: Path) -> bool:
    return folder.exists() or folder.is_symlink()


def _are_the_same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    paths = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (one, other)]
    if paths[0] != paths[1]:
        return False
    files = [path for path in paths[0] if not ((one / path).is_dir() and (other / path).is_dir())]
    same, _, _ = filecmp.cmpfiles(one, other, files, shallow=False)
    return len(same) == len(files)


def _taken(folder: Path) -> Conflict:
    return Conflict(
        "report_folder_exists",
        f"{folder} exists; a published report is never written over.",
        next_step="Name another folder.",
    )
