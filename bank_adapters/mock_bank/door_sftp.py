"""The SFTP door: upload to /inbox as NAME.part and rename; read /outbox, /archive, /refused.

One user, by password or public key, sees the bank's folder of files and nothing above it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import posixpath
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh

from bank_adapters.mock_bank.misbehaviour import Misbehaviour
from bank_adapters.mock_bank.premises import Premises, is_name

# A counterpart that breaks off is what tests provoke, and no news for standard error.
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)

_WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


def host_key(home: Path) -> asyncssh.SSHKey:
    """The bank's own Ed25519 host key, made at the first start and kept in its home."""
    path = home / "host_key"
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="mock-bank")
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
    return asyncssh.read_private_key(path)


class _Visitor(asyncssh.SSHServer):
    """Lets in the one user there is."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == self._user and password == self._password


class _Folder(asyncssh.SFTPServer):
    """What a visitor may do in the bank's folder: add to the inbox, read the rest."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], premises: Premises, settings: Misbehaviour) -> None:
        super().__init__(channel, chroot=os.fsencode(premises.files))
        self._premises = premises
        self._settings = settings

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await self._dawdle()
        if pflags & _WRITING:
            _require(_in_inbox(path, ending=".part"), "files are written to /inbox/NAME.part only")
        return super().open(path, pflags, asyncssh.SFTPAttrs())

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._arrive(oldpath, newpath, overwrites=False)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._arrive(oldpath, newpath, overwrites=True)

    async def _arrive(self, oldpath: bytes, newpath: bytes, *, overwrites: bool) -> None:
        """The moment in which the bank has the file."""
        await self._dawdle()
        is_arrival = _in_inbox(oldpath, ending=".part") and _in_inbox(newpath)
        _require(is_arrival and not newpath.endswith(b".part"), "only /inbox/NAME.part becomes /inbox/NAME")
        rename: Any = super().posix_rename if overwrites else super().rename
        rename(oldpath, newpath)
        self._premises.note_arrival(posixpath.basename(os.fsdecode(newpath)))
        if self._settings.once("drop_ack"):
            self.channel.get_connection().abort()

    def remove(self, path: bytes) -> None:
        _require(_in_inbox(path, ending=".part"), "only an unfinished upload can be removed")
        super().remove(path)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise _forbidden()

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise _forbidden()

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise _forbidden()

    def rmdir(self, path: bytes) -> None:
        raise _forbidden()

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise _forbidden()

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise _forbidden()

    async def _dawdle(self) -> None:
        await asyncio.sleep(timedelta(milliseconds=self._settings.value("slow_ms")).total_seconds())


def _in_inbox(path: bytes, ending: str = "") -> bool:
    folder, name = posixpath.split(posixpath.normpath(posixpath.join("/", os.fsdecode(path))))
    return folder == "/inbox" and is_name(name) and name.endswith(ending)


def _forbidden() -> asyncssh.SFTPPermissionDenied:
    return asyncssh.SFTPPermissionDenied("payers add to the inbox and read; nothing else")


def _require(is_allowed: bool, message: str) -> None:
    if not is_allowed:
        raise asyncssh.SFTPPermissionDenied(message)


async def open_door(
    home: Path,
    premises: Premises,
    settings: Misbehaviour,
    *,
    port: int,
    user: str,
    password: str,
    authorized_keys: Path | None,
) -> asyncssh.SSHAcceptor:
    """Listen on 127.0.0.1 (`port` 0: any free one) until the acceptor is closed."""
    return await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: _Visitor(user, password),
        server_host_keys=[host_key(home)],
        sftp_factory=lambda channel: _Folder(channel, premises, settings),
        authorized_client_keys=str(authorized_keys) if authorized_keys else None,
        allow_scp=False,
        process_factory=None,
        agent_forwarding=False,
        x11_forwarding=False,
    )
