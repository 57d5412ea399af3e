"""backup: a copy of everything but the keys, as of one moment, while others go on working."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paysvc import __version__
from paysvc.clock import Clock
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.officers import Officer, require
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, snapshot
from paysvc.store.backup_folder import BackupFolder, Kept
from paysvc.store.engine import Database
from paysvc.store.vault import Vault

VERB = "backup"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a finished backup holds; sizes in bytes."""

    folder: Path
    manifest_sha256: bytes
    events: int
    files: int
    size: int


def backup(database: Database, vault: Vault, sealer: Sealer, clock: Clock, actor: Officer, *, folder: Path) -> Backup:
    """Copy the database, then the vault, into a folder that is new or holds earlier backups.

    The copy of the database is of one moment; bytes are in the vault before the database names
    them, so the vault that is copied after it holds all that the copy names. An earlier backup in
    the folder is there until this one is whole. Raises `Conflict` for a folder that holds other
    things, `DoesNotReconcile` when the vault lacks a file, `BadSetting` or
    `ConnectorUnavailable` when PostgreSQL's programs are missing or fail, `NotAllowed`.
    """
    require(actor, VERB)
    into = BackupFolder(folder)
    into.prepare()
    partial = into.new_database_file()
    try:
        facts = snapshot.copy_out(database, partial)
        kind = snapshot.kind_of(database)
        name, kept = into.keep_database(partial, kind)
    finally:
        partial.unlink(missing_ok=True)
    files = {name: kept, **into.keep_vault(vault.folder)}
    _require_all(facts.digests, files)
    manifest = into.finish(clock.now(), __version__, kind, name, facts, sealer.key_id, files)
    # A database that somebody put back is copied as well, before it is recovered.
    with database.write(in_doubt=True) as connection:
        detail = {"manifest_sha256": manifest.sha256.hex(), "events": facts.events, "files": len(files)}
        audit_trail.append(connection, clock.now(), actor, VERB, "backup", detail)
    return Backup(folder, manifest.sha256, facts.events, len(files), sum(one.size for one in files.values()))


def _require_all(digests: frozenset[bytes], files: Mapping[str, Kept]) -> None:
    names = {digest.hex() for digest in digests}
    missing = sorted(name for name in names if f"vault/{name[:2]}/{name[2:]}" not in files)
    if missing:
        raise DoesNotReconcile(
            "vault_incomplete",
            f"The vault lacks {len(missing)} file(s) that the database names, the first: {missing[0]}.",
            next_step="Bring it back from an earlier backup (paysvc check --differences); this one is unfinished.",
        )
