"""The bank's folders: what payers bring, what was taken or refused, what lies ready for them.

    HOME/files/inbox    NAME, complete files waiting to be taken (NAME.part while uploading)
    HOME/files/archive  what the bank took
    HOME/files/refused  what it refused whole, with NAME.reason beside it ("CODE message")
    HOME/files/outbox   the bank's files, never removed
    HOME/making, HOME/held  files being written, and files kept back while the bank is silent
    HOME/arrivals       the name of each file at its door, a line each time it was brought whole

Both doors show `HOME/files` and nothing else. A file is linked into its new place before it
leaves the old one, so whoever asks meanwhile finds it, and a kill between leaves it waiting.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PIECE = 1 << 20


class OutFile(NamedTuple):
    """A file of the bank for the payer."""

    name: str
    sha256: str
    size: int


class Premises:
    """The folders of one bank; safe to use from the doors while the bank works."""

    def __init__(self, home: Path) -> None:
        self.files = home / "files"
        self.inbox, self.archive = self.files / "inbox", self.files / "archive"
        self.refused, self.outbox = self.files / "refused", self.files / "outbox"
        self.making, self.held = home / "making", home / "held"
        self._arrivals = home / "arrivals"
        for folder in (self.inbox, self.archive, self.refused, self.outbox, self.making, self.held):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._out: list[OutFile] = []

    def note_arrival(self, name: str) -> None:
        """Somebody brought a whole file, whatever becomes of it: what a payer repeats can be counted."""
        with self._arrivals.open("a", encoding="utf-8") as book:
            book.write(f"{name}\n")

    def waiting(self) -> list[str]:
        """Complete files in the inbox, by name, so that the order of uploads cannot matter."""
        return sorted(path.name for path in self.inbox.iterdir() if is_name(path.name) and path.suffix != ".part")

    def take(self, name: str, sha256: str) -> Path:
        """Put a waiting file into the archive as well; its path there, or in the inbox when the
        archive holds other bytes under that name (which then stay as they are)."""
        kept = self.archive / name
        if kept.exists():
            return kept if digest_of(kept) == sha256 else self.inbox / name
        kept.hardlink_to(self.inbox / name)
        return kept

    def let_go(self, name: str) -> None:
        """Clear the inbox of a file that lies in the archive."""
        (self.inbox / name).unlink(missing_ok=True)

    def refuse(self, name: str, taken: Path, code: str, message: str) -> None:
        """Move a file that was taken to the refused ones, its reason first."""
        (self.refused / f"{name}.reason").write_text(f"{code} {message}\n", encoding="utf-8")
        taken.replace(self.refused / name)
        (self.inbox / name).unlink(missing_ok=True)

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Code and message of a refused file, or None."""
        if not (self.refused / name).exists():
            return None
        try:
            code, _, message = (self.refused / f"{name}.reason").read_text(encoding="utf-8").strip().partition(" ")
        except FileNotFoundError:
            return None
        return code, message

    def find(self, name: str) -> Path | None:
        """Where a file that was brought lies now: waiting, taken or refused."""
        return next(
            (folder / name for folder in (self.inbox, self.archive, self.refused) if (folder / name).exists()), None
        )

    def open_again(self, written: Iterable[OutFile], *, hold: bool) -> None:
        """After a start: `written` is all the ledger knows of, oldest first; what a kill left in
        the making is put out, what nobody knows of is removed."""
        known = list(written)
        names = {file.name for file in known}
        for left in self.making.iterdir():
            if left.name not in names:
                left.unlink()
        self.put_out([file for file in known if (self.making / file.name).exists()], hold=hold)
        with self._lock:
            self._out = [file for file in known if (self.outbox / file.name).exists()]

    def put_out(self, files: Iterable[OutFile], *, hold: bool) -> None:
        """Bring finished files from the making to the outbox, or keep them back."""
        for file in files:
            if hold:
                (self.making / file.name).replace(self.held / file.name)
            else:
                self._show(self.making, file)

    def release(self, files: Iterable[OutFile]) -> None:
        """Put out what was kept back, in the order of `files`."""
        for file in files:
            if (self.held / file.name).exists():
                self._show(self.held, file)

    def listing(self) -> list[OutFile]:
        """What lies in the outbox, oldest first."""
        with self._lock:
            return list(self._out)

    def _show(self, folder: Path, file: OutFile) -> None:
        hidden = self.outbox / f".{file.name}"
        (folder / file.name).replace(hidden)
        hidden.replace(self.outbox / file.name)
        with self._lock:
            self._out.append(file)


def is_name(name: str) -> bool:
    """True for a plain file name: letters, digits, `.`, `_`, `-`, not hidden, at most 100."""
    return _NAME.fullmatch(name) is not None


def digest_of(path: Path) -> str:
    """SHA-256 of a file as hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class Sheet:
    """A file being written: text in, its bytes kept in the making, digest and size counted."""

    def __init__(self, folder: Path, name: str, encoding: str) -> None:
        self.name = name
        self._path = folder / name
        self._encoding = encoding
        self._file = self._path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, text: str) -> None:
        content = text.encode(self._encoding)
        self._file.write(content)
        self._digest.update(content)
        self._size += len(content)

    def write_all(self, texts: Iterable[str]) -> None:
        """Write many small texts, a few thousand at a time."""
        batch: list[str] = []
        for text in texts:
            batch.append(text)
            if len(batch) == 4096:
                self.write("".join(batch))
                batch.clear()
        self.write("".join(batch))

    @property
    def digest_so_far(self) -> str:
        """SHA-256 of what was written until now."""
        return self._digest.hexdigest()

    def finish(self, *, cut: bool = False) -> OutFile:
        """Close it; with `cut` only the first three fifths of its bytes remain."""
        self._file.close()
        if cut:
            os.truncate(self._path, self._size * 3 // 5)
            return OutFile(self.name, digest_of(self._path), self._size * 3 // 5)
        return OutFile(self.name, self._digest.hexdigest(), self._size)
