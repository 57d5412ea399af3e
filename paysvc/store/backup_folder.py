"""The folder that a backup lies in: files by their digests, and a manifest that is renamed last.

    manifest.json            what is in it; a folder without one is unfinished
    database-<digest>.sqlite or .dump
    vault/ab/cdef…           as in the installation, sealed

A backup into the folder of an earlier one adds what is new and then renames its manifest over
the earlier one: at every moment the folder holds one whole backup, or visibly none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import Conflict, FileRefused, NotFound
from paysvc.durable import sync_folder
from paysvc.failpoints import reach
from paysvc.store.snapshot import Facts
from paysvc.store.tables import instant_text

MANIFEST = "manifest.json"
FORMAT = "paysvc backup 1"

_BLOCK = 4 << 20
#: Names are checked before anything is read or written under them: a manifest comes from outside.
_NAME = re.compile(r"vault/[0-9a-f]{2}/[0-9a-f]{62}|database-[0-9a-f]{16}\.(sqlite|dump)")

_ENDINGS = {"sqlite": "sqlite", "postgresql": "dump"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Size and SHA-256 of one file of the backup, as it lies there."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    made_at: str
    program: str
    kind: str
    database_file: str
    schema: str
    events: int
    head: bytes
    key_id: bytes
    counts: Mapping[str, int]
    #: Path in the folder, with `/` -> the file.
    files: Mapping[str, Kept]
    #: Of the manifest itself.
    sha256: bytes

    @property
    def vault_files(self) -> list[str]:
        return [path for path in self.files if path.startswith("vault/")]


class BackupFolder:
    """A folder for backups of one installation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder. Raises `Conflict` for one that holds anything but backups."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "vault").mkdir(mode=0o700, exist_ok=True)
        strange = [path.name for path in self.folder.iterdir() if not _is_ours(path.name)]
        if strange:
            raise Conflict(
                "folder_in_use",
                f"{self.folder} holds {min(strange)}, which is of no backup.",
                next_step="Name a new folder, or one that only 'paysvc backup' wrote to.",
            )

    def new_database_file(self) -> Path:
        """A path beside the others for the copy of the database; `keep_database` gives it its name."""
        return self.folder / f"database.{secrets.token_hex(4)}.partial"

    def keep_database(self, partial: Path, kind: str) -> tuple[str, Kept]:
        """The finished copy under its final name."""
        partial.chmod(0o600)
        kept = digest_of(partial)
        name = f"database-{kept.sha256[:16]}.{_ENDINGS[kind]}"
        reach("digested")
        partial.rename(self.folder / name)
        reach("renamed")
        return name, kept

    def keep_vault(self, vault: Path) -> dict[str, Kept]:
        """Copy what the folder does not hold yet of the files of a vault; all of them with their digests."""
        kept = {}
        for source in vault_files(vault):
            name = f"vault/{source.parent.name}/{source.name}"
            kept[name] = copy_file(source, self.folder / name)
        for folder in {(self.folder / name).parent for name in kept}:
            sync_folder(folder)
        sync_folder(self.folder / "vault")
        return kept

    def finish(
        self,
        made_at: datetime,
        program: str,
        kind: str,
        database_file: str,
        facts: Facts,
        key_id: bytes,
        files: Mapping[str, Kept],
    ) -> Manifest:
        """Write the manifest: from here on the folder holds this backup. What only an earlier one named goes."""
        said = {
            "format": FORMAT,
            "made_at": instant_text(made_at),
            "program": program,
            "database": {"kind": kind, "file": database_file, "schema": facts.schema},
            "trail": {"events": facts.events, "head": facts.head.hex()},
            "key_id": key_id.hex(),
            "counts": dict(facts.counts),
            "files": {name: {"size": one.size, "sha256": one.sha256} for name, one in sorted(files.items())},
        }
        content = {"backup": said, "sha256": hashlib.sha256(canonical_json(said)).hexdigest()}
        partial = self.folder / f"{MANIFEST}.{secrets.token_hex(4)}.partial"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)
        reach("synced")
        partial.rename(self.folder / MANIFEST)
        reach("renamed")
        sync_folder(self.folder)
        for path in self.folder.iterdir():
            if path.name not in files and path.name not in (MANIFEST, "vault"):
                path.unlink()
        return self.read()

    def read(self) -> Manifest:
        """What the folder says it holds. Raises `NotFound` for an unfinished one, `FileRefused` for a damaged one."""
        path = self.folder / MANIFEST
        if not path.is_file():
            raise NotFound(
                "backup_unfinished",
                f"{self.folder} holds no {MANIFEST}: it is no backup, or one that was not finished.",
                next_step="Name another folder, or make the backup again.",
            )
        try:
            content = json.loads(path.read_bytes())
            said = content["backup"]
            digest = hashlib.sha256(canonical_json(said)).digest()
            if content["sha256"] != digest.hex() or said["format"] != FORMAT:
                raise ValueError("another digest or format")
            return _manifest(said, digest)
        except (ValueError, KeyError, TypeError):
            raise damaged(path) from None

    def verify(self, manifest: Manifest) -> None:
        """Read every file of the backup. Raises `FileRefused` naming the first that is not what the manifest says."""
        for name, kept in manifest.files.items():
            path = self.folder / name
            if not path.is_file() or digest_of(path) != kept:
                raise damaged(path)


def damaged(path: Path) -> FileRefused:
    """The refusal of a backup of which this file is not what it was."""
    return FileRefused(
        "backup_damaged",
        "The file is missing or is not what it was when the backup was made; nothing was put back.",
        next_step="Take another backup, or this one from another disk.",
        place=str(path),
    )


def vault_files(vault: Path) -> Iterator[Path]:
    """The kept files of a vault's folder, in order; what a crash left of others is passed over."""
    yield from (path for path in sorted(vault.glob("??/*")) if path.suffix != ".tmp" and path.is_file())


def copy_file(source: Path, target: Path) -> Kept:
    """Copy a file unless it is there already; on disk when this returns, but for the folder's entry."""
    wanted = digest_of(source)
    if target.is_file() and digest_of(target) == wanted:
        return wanted
    target.parent.mkdir(mode=0o700, exist_ok=True)
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as given, os.fdopen(descriptor, "wb") as made:
        while block := given.read(_BLOCK):
            made.write(block)
        made.flush()
        os.fsync(made.fileno())
    reach("synced")
    partial.rename(target)
    reach("renamed")
    return wanted


def digest_of(path: Path) -> Kept:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return Kept(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _is_ours(name: str) -> bool:
    return name in (MANIFEST, "vault") or name.startswith(("database-", "database.", f"{MANIFEST}."))


def _manifest(said: Mapping[str, Any], digest: bytes) -> Manifest:
    if said["database"]["file"] not in said["files"] or not all(map(_NAME.fullmatch, said["files"])):
        raise ValueError("a name that no backup gives")
    return Manifest(
        made_at=said["made_at"],
        program=said["program"],
        kind=said["database"]["kind"],
        database_file=said["database"]["file"],
        schema=said["database"]["schema"],
        events=said["trail"]["events"],
        head=bytes.fromhex(said["trail"]["head"]),
        key_id=bytes.fromhex(said["key_id"]),
        counts=said["counts"],
        files={name: Kept(one["size"], one["sha256"]) for name, one in said["files"].items()},
        sha256=digest,
    )
