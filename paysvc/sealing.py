"""Personal numbers at rest: sealed with AES-256-GCM, found again by a keyed blind index.

A sealed value is bound to its table, column and row (they are the additional data), so it
cannot be moved to another row, and to the key by the key id it starts with. The blind index
is HMAC-SHA256 under a key of its own: equal numbers give equal keys, which joins and
look-ups need, and nothing else can be read from it without the key file.

The key file is made at the first start, never lies in the database, and is refused when
anybody but its owner may read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paysvc.domain.errors import BadSetting, PaysvcError
from paysvc.durable import sync_folder
from paysvc.failpoints import reach

_NONCE = 12
_KEY_ID = 4

_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class CannotUnseal(PaysvcError):
    """A sealed value does not belong to this row, was changed, or was sealed by another key."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens columns, and makes the keys by which values are found again."""

    key_id: bytes
    seal_key: bytes
    index_key: bytes
    reference_key: bytes

    def seal_column(self, table: str, column: str, row_ids: Sequence[int], values: Sequence[str]) -> list[bytes]:
        """`values[i]` sealed for the row `row_ids[i]`: key id, nonce, ciphertext and tag."""
        cipher = AESGCM(self.seal_key)
        # One read of randomness for all nonces: 96 random bits each, far below 2^32 a key.
        nonces = secrets.token_bytes(_NONCE * len(values))
        prefix = self._bound_to(table, column)
        sealed = []
        for position, (row_id, value) in enumerate(zip(row_ids, values, strict=True)):
            nonce = nonces[position * _NONCE : (position + 1) * _NONCE]
            sealed.append(self.key_id + nonce + cipher.encrypt(nonce, value.encode(), prefix + b"%d" % row_id))
        return sealed

    def open_column(self, table: str, column: str, row_ids: Sequence[int], sealed: Sequence[bytes]) -> list[str]:
        """The values back. Raises `CannotUnseal` for any that is not what was sealed there."""
        cipher = AESGCM(self.seal_key)
        prefix = self._bound_to(table, column)
        start = _KEY_ID + _NONCE
        opened = []
        try:
            for row_id, value in zip(row_ids, sealed, strict=True):
                if value[:_KEY_ID] != self.key_id:
                    raise CannotUnseal("sealed_by_other_key", f"A value in {table}.{column} needs another key file.")
                opened.append(cipher.decrypt(value[_KEY_ID:start], value[start:], prefix + b"%d" % row_id).decode())
        except InvalidTag:
            raise CannotUnseal("sealed_value_changed", f"A value in {table}.{column} is not what was sealed.") from None
        return opened

    def blind_index(self, kind: str, values: Sequence[str]) -> list[bytes]:
        """32 bytes per value; `kind` (`citizen_id`, `account` …) keeps the domains apart."""
        # HMAC as RFC 2104 has it, from its two halves: 1.2 µs a value, a third of `hmac.digest`.
        block = self.index_key.ljust(64, b"\x00")
        inner = hashlib.sha256(block.translate(_INNER_PAD) + kind.encode() + b"\x00")
        outer = hashlib.sha256(block.translate(_OUTER_PAD))
        keys = []
        for value in values:
            first, second = inner.copy(), outer.copy()
            first.update(value.encode())
            second.update(first.digest())
            keys.append(second.digest())
        return keys

    def _bound_to(self, table: str, column: str) -> bytes:
        return b"|".join((table.encode(), column.encode(), self.key_id, b""))


def open_or_create_sealer(path: Path) -> Sealer:
    """The sealer of this key file, which is made when there is none.

    Raises `BadSetting` when others may read the file or it is not a key file.
    """
    if not path.exists():
        _create(path)
    refuse_if_shared(path)
    try:
        stored = json.loads(path.read_text())
        sealer = Sealer(
            key_id=bytes.fromhex(stored["key_id"]),
            seal_key=b64decode(stored["seal_key"]),
            index_key=b64decode(stored["index_key"]),
            reference_key=b64decode(stored["reference_key"]),
        )
    except (ValueError, KeyError, TypeError) as failure:
        raise BadSetting("key_file_unreadable", f"The key file {path} is not one of paysvc.") from failure
    sizes = (len(sealer.key_id), len(sealer.seal_key), len(sealer.index_key), len(sealer.reference_key))
    if sizes != (_KEY_ID, 32, 32, 32):
        raise BadSetting("key_file_unreadable", f"The key file {path} holds keys of the wrong size.")
    return sealer


def refuse_if_shared(path: Path) -> None:
    """Raise `BadSetting` when anybody but the owner may read this file of secrets."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise BadSetting(
            "secret_file_shared",
            f"Others may read {path}.",
            next_step=f"Run: chmod 600 {path}. If others could read it before, make new keys.",
        )


def write_secret(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read, on disk before this returns; one that is there stays.

    It is there whole or not at all, and of several processes that make it at once one does: what
    counts is what can be read afterwards.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    reach("synced")
    # A link, because a rename would put this one in the place of another's.
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    reach("named")
    temporary.unlink()
    sync_folder(path.parent)


def _create(path: Path) -> None:
    keys = {
        "about": "Keys of a paysvc installation. Without them sealed numbers are lost: back them up apart.",
        "key_id": secrets.token_bytes(_KEY_ID).hex(),
        **{name: b64encode(secrets.token_bytes(32)).decode() for name in ("seal_key", "index_key", "reference_key")},
    }
    write_secret(path, (json.dumps(keys, indent=1) + "\n").encode())
