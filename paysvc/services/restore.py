"""restore: a backup into an empty database, which can only be read until it was recovered."""

from __future__ import annotations

from pathlib import Path

from paysvc.clock import Clock
from paysvc.domain.errors import BadSetting, DoesNotReconcile, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.durable import sync_folder
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, snapshot
from paysvc.store.backup_folder import BackupFolder, Kept, Manifest, copy_file, digest_of
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from paysvc.store.witness import Witness

VERB = "restore"


def restore(
    database: Database, witness: Witness, vault: Vault, sealer: Sealer, clock: Clock, actor: Officer, *, folder: Path
) -> Manifest:
    """Put a backup back: first noted in the witness, then the vault, then the database, all of it or nothing.

    The vault may hold files already, and keeps them: what was sent since the backup is known from
    them. Broken off, it may be done again. Raises `NotFound` for an unfinished backup,
    `FileRefused` for a damaged one, `BadSetting` when it is of another kind of database or of
    other keys, `Conflict` when the database is not empty, `NotAllowed`.
    """
    require(actor, VERB)
    source = BackupFolder(folder)
    manifest = source.read()
    _require_fitting(manifest, database, sealer)
    source.verify(manifest)
    is_there = _is_there(database, witness, manifest)
    if not is_there:
        snapshot.require_empty(database)
    witness.note_restored(manifest.sha256)
    _fill(vault, source, manifest)
    if not is_there:
        snapshot.put_in(database, folder / manifest.database_file)
    _require_whole(database, vault, manifest)
    with database.write(in_doubt=True) as connection:
        detail = {"manifest_sha256": manifest.sha256.hex(), "events": manifest.events, "made_at": manifest.made_at}
        audit_trail.append(connection, clock.now(), actor, VERB, "backup", detail)
    return manifest


def _require_fitting(manifest: Manifest, database: Database, sealer: Sealer) -> None:
    if manifest.kind != snapshot.kind_of(database):
        raise BadSetting(
            "backup_of_other_kind",
            f"The backup is of {manifest.kind}, and this database is not.",
            next_step="Name an empty database of that kind: --database URL.",
        )
    if manifest.key_id != sealer.key_id:
        raise BadSetting(
            "backup_of_other_keys",
            f"The backup was sealed with the key {manifest.key_id.hex()}, and keys.json holds {sealer.key_id.hex()}.",
            next_step="Bring the keys.json of that installation first; without it nobody can read the numbers.",
        )


def _is_there(database: Database, witness: Witness, manifest: Manifest) -> bool:
    """Whether an earlier run put this very backup in, and was broken off afterwards."""
    if witness.restored != manifest.sha256 or snapshot.is_empty(database):
        return False
    with database.read() as connection:
        return audit_trail.hash_of(connection, manifest.events) == manifest.head


def _fill(vault: Vault, source: BackupFolder, manifest: Manifest) -> None:
    folders = {vault.folder}
    for name in manifest.vault_files:
        target = vault.folder / name.removeprefix("vault/")
        if not _is_sound(vault, target, manifest.files[name]):
            copy_file(source.folder / name, target)
        folders.add(target.parent)
    for folder in folders:
        sync_folder(folder)


def _is_sound(vault: Vault, path: Path, wanted: Kept) -> bool:
    """Whether the vault has the file, in the sealing of the backup or in its own."""
    if not path.is_file():
        return False
    if digest_of(path) == wanted:
        return True
    try:
        vault.get(bytes.fromhex(path.parent.name + path.name))
    except PaysvcError:
        return False
    return True


def _require_whole(database: Database, vault: Vault, manifest: Manifest) -> None:
    facts = snapshot.read_facts(database)
    with database.read() as connection:
        head = audit_trail.hash_of(connection, manifest.events) if manifest.events else audit_trail.GENESIS
    missing = [digest for digest in facts.digests if not vault.holds(digest)]
    if head != manifest.head or facts.schema != manifest.schema or missing:
        raise DoesNotReconcile(
            "restored_differs",
            "What was put back is not what the backup says of itself.",
            next_step="Do not use this database. Restore into another empty one, from another backup.",
        )
