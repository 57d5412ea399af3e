"""The exact bytes that left and came back, by their SHA-256, sealed on disk.

A file lies in `vault/ab/cdef…` as a row of chunks, each AES-256-GCM under the sealing key
and bound to the file's digest, its place and the number of chunks, so that a chunk can be
neither moved nor dropped. It is written beside, synced, renamed and its folder synced: after
`put` returns, the bytes survive a power cut; before that, nothing of them is visible.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paysvc.domain.errors import NotFound, SignatureInvalid
from paysvc.durable import sync_folder
from paysvc.failpoints import reach
from paysvc.sealing import Sealer

_CHUNK = 4 << 20
_NONCE = 12


class Vault:
    """A folder of sealed files, addressed by content; nothing in it is ever changed."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._cipher = AESGCM(sealer.seal_key)

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder

    def holds(self, digest: bytes) -> bool:
        """Whether there is a file of this digest; whether it can be read, `get` says."""
        return self._path(digest).exists()

    def put(self, content: bytes) -> bytes:
        """Keep the bytes and return their SHA-256; keeping the same bytes again is nothing."""
        digest = hashlib.sha256(content).digest()
        path = self._path(digest)
        if path.exists():
            # Whoever wrote it may have ended before its name was on disk.
            sync_folder(path.parent)
            sync_folder(self._folder)
            return digest
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        view = memoryview(content)
        starts = range(0, max(len(content), 1), _CHUNK)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for number, start in enumerate(starts):
                nonce = secrets.token_bytes(_NONCE)
                bound_to = digest + b"|%d|%d" % (number, len(starts))
                file.write(nonce + self._cipher.encrypt(nonce, view[start : start + _CHUNK], bound_to))
            file.flush()
            reach("written")
            os.fsync(file.fileno())
        reach("synced")
        temporary.rename(path)
        reach("renamed")
        sync_folder(path.parent)
        sync_folder(self._folder)
        reach("kept")
        return digest

    def get(self, digest: bytes) -> bytes:
        """The bytes back. Raises `NotFound`, or `SignatureInvalid` when they were changed."""
        path = self._path(digest)
        if not path.exists():
            raise NotFound("file_not_in_vault", f"The vault holds no file {digest.hex()[:16]}….")
        stored = memoryview(path.read_bytes())
        step = _NONCE + _CHUNK + 16
        starts = range(0, len(stored), step)
        parts = []
        try:
            for number, start in enumerate(starts):
                nonce, sealed = stored[start : start + _NONCE], stored[start + _NONCE : start + step]
                parts.append(self._cipher.decrypt(nonce, sealed, digest + b"|%d|%d" % (number, len(starts))))
        except InvalidTag:
            raise SignatureInvalid(
                "vault_file_changed", f"The file {digest.hex()[:16]}… in the vault was changed."
            ) from None
        content = b"".join(parts)
        if hashlib.sha256(content).digest() != digest:
            raise SignatureInvalid("vault_file_changed", f"The file {digest.hex()[:16]}… in the vault was changed.")
        return content

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name[2:]
