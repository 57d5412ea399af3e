"""The SFTP door: whole files under their final name or not at all, and every failure named.

Each call has a connection and an event loop of its own, so calls may come from any thread.
Only the pinned host key is believed; no agent, no configuration and no known hosts of the
machine's user are read.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import asyncssh

from bank_adapters.door_rules import (
    DUPLICATE,
    is_seen,
    is_unfinished,
    is_usable_name,
    refusal_of,
    said,
    too_large,
    unusable_name,
)
from bank_adapters.options import MAX_FILE_BYTES, number_option, text_option
from bank_adapters.sftp_keys import host_key, private_key
from paysvc.bank_interface import (
    BankFile,
    BankRefused,
    BankUnreachable,
    Enquiry,
    FetchedFile,
    OutcomeUnknown,
    SeenFiles,
    SendState,
)
from paysvc.domain.errors import FileRefused

#: What every server takes in one request, what we ask of one that says it takes more, and how much
#: is under way at once. The library's own parallel transfer leaves tasks behind that nobody
#: listens to when a line breaks.
_PIECE, _LARGEST_PIECE, _WINDOW = 1 << 15, 1 << 17, 1 << 20
#: Put before the library's list ("^"), not in its place: a machine of today computes AES in
#: hardware, at half the time of ChaCha20, and a bank that has only the latter still gets it.
_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
#: Small files are fetched together up to this many bytes.
_GROUP = 64 << 20
_ABSENT = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_FAILURES = (asyncssh.Error, OSError, TimeoutError)
_FOLDERS = ("inbox", "archive", "refused")

_T = TypeVar("_T")


class SftpDoor:
    """A bank's SFTP server with `inbox`, `archive`, `refused` and `outbox` (docs/for-banks.md).

    Options: `host`, `port` (22), `user`, `host_key` (the server's public key as one OpenSSH
    line, pinned), `password` or `key_file`; `folder` (where the four folders lie; default the
    root), `connect_timeout` (15 s for connection, host key and login), `timeout` (60 s for
    each answer and each MiB), `max_file_bytes` (of a fetched file; 2 GiB).
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._host = text_option(options, "host")
        self._port = number_option(options, "port", 22, 1, 65535)
        self._user = text_option(options, "user")
        self._folder = text_option(options, "folder", "").rstrip("/")
        self._connect_timeout = number_option(options, "connect_timeout", 15, 1, 600)
        self._timeout = number_option(options, "timeout", 60, 1, 3600)
        self._max_file_bytes = number_option(options, "max_file_bytes", MAX_FILE_BYTES, 1, 1 << 40)
        self._host_key = host_key(options)
        self._password = options.get("password") or None
        self._private_key = None if self._password else private_key(options)

    def send(self, file: BankFile) -> str:
        """Upload as `.part`, have it put on disk, rename. Returns where it lies.

        Raises `BankUnreachable`, `BankRefused` or `OutcomeUnknown`.
        """
        return asyncio.run(self._send(file))

    def enquire(self, file_name: str) -> Enquiry:
        """Where the file lies at the bank. Never raises: not to know is one of the answers."""
        return asyncio.run(self._enquire(file_name))

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        """New files of `outbox`, and those of another size than we have, oldest first; removes nothing.

        A file that cannot be taken (its name, its size) is passed over; when all others have
        been given out, `FileRefused` speaks of the first such. Raises `BankUnreachable`.
        """
        refused: list[FileRefused] = []
        try:
            for group in _groups(asyncio.run(self._new_files(seen, refused))):
                yield from asyncio.run(self._download_all(group))
        except _FAILURES as failure:
            raise BankUnreachable(f"The bank's files could not be fetched ({said(failure)}).") from failure
        if refused:
            raise refused[0]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SFTPClient]:
        connection, client = await self._open()
        try:
            yield client
        finally:
            await _close(connection)

    async def _open(self) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
        async with asyncio.timeout(self._connect_timeout):
            connection = await asyncssh.connect(
                self._host,
                self._port,
                username=self._user,
                password=self._password,
                client_keys=[self._private_key] if self._private_key else None,
                known_hosts=([self._host_key], [], []),
                encryption_algs=_CIPHERS,
                config=None,
                agent_path=None,
            )
            try:
                # Names are bytes: a bank's name in another encoding must not spoil the whole listing.
                return connection, await connection.start_sftp_client(path_encoding=None)
            except BaseException:
                connection.abort()
                raise

    async def _send(self, file: BankFile) -> str:
        try:
            connection, client = await self._open()
        except _FAILURES as failure:
            raise BankUnreachable(f"The bank's door did not open ({said(failure)}).") from failure
        try:
            return await self._already_there(client, file) or await self._upload(client, file)
        finally:
            await _close(connection)

    async def _already_there(self, client: asyncssh.SFTPClient, file: BankFile) -> str | None:
        """The receipt of a file that the bank has already, or None. Nothing of the file leaves here.

        Once something is seen under its name, a failure no longer means that the bank has not got it.
        """
        folder = None
        try:
            folder = await self._folder_of(client, file.name)
            if folder == "refused":
                raise BankRefused(*await self._reason(client, file.name))
            if folder is None:
                return None
            size = (await self._limited(client.stat(self._path(folder, file.name)))).size
        except _FAILURES as failure:
            if folder is not None:
                raise OutcomeUnknown(f"The bank has a file under this name ({said(failure)}).") from failure
            raise BankUnreachable(f"The bank's folders cannot be read ({said(failure)}).") from failure
        if size != len(file.content):
            raise BankRefused(DUPLICATE, "The bank has another file under this name.")
        return f"{folder}/{file.name} (was there already)"

    async def _upload(self, client: asyncssh.SFTPClient, file: BankFile) -> str:
        part, final = self._path("inbox", file.name + ".part"), self._path("inbox", file.name)
        try:
            handle = await self._limited(client.open(part, "wb", block_size=0))
        except _FAILURES as failure:
            raise BankUnreachable(f"The bank's inbox cannot be written ({said(failure)}).") from failure
        try:
            view, step = memoryview(file.content), _piece_size(client.limits.max_write_len)
            for start in range(0, len(view), _WINDOW):
                end = min(start + _WINDOW, len(view))
                pieces = [handle.write(bytes(view[at : min(at + step, end)]), at) for at in range(start, end, step)]
                await self._limited(asyncio.gather(*pieces))
            # fsync is an extension of OpenSSH; where a server lacks it, its own habits decide.
            with suppress(asyncssh.SFTPOpUnsupported):
                await self._limited(handle.fsync())
            await self._limited(handle.close())
            if (await self._limited(client.stat(part))).size != len(view):
                raise OutcomeUnknown("The bank holds another number of bytes than it was sent.")
            await self._limited(client.rename(part, final))
        except _FAILURES as failure:
            raise OutcomeUnknown(f"The connection failed while sending ({said(failure)}).") from failure
        return f"inbox/{file.name}"

    async def _enquire(self, name: str) -> Enquiry:
        try:
            connection, client = await self._open()
        except _FAILURES as failure:
            return Enquiry(SendState.STILL_UNKNOWN, f"The bank's door did not open ({said(failure)}).")
        try:
            folder = await self._folder_of(client, name)
            if folder == "refused":
                return Enquiry(SendState.REFUSED, " ".join(await self._reason(client, name)))
            if folder:
                return Enquiry(SendState.RECEIVED, f"{folder}/{name}")
            # Only folders that are there can be said not to hold it.
            for each in _FOLDERS:
                await self._limited(client.listdir(self._path(each)))
            return Enquiry(SendState.NOT_RECEIVED)
        except _FAILURES as failure:
            return Enquiry(SendState.STILL_UNKNOWN, f"The bank's folders cannot be read ({said(failure)}).")
        finally:
            await _close(connection)

    async def _folder_of(self, client: asyncssh.SFTPClient, name: str) -> str | None:
        # The bank moves files out of the inbox only, so looking there first misses none on its way.
        for folder in _FOLDERS:
            try:
                await self._limited(client.stat(self._path(folder, name)))
            except _ABSENT:
                continue
            return folder
        return None

    async def _reason(self, client: asyncssh.SFTPClient, name: str) -> tuple[str, str]:
        try:
            async with await self._limited(client.open(self._path("refused", name + ".reason"), "rb")) as handle:
                text = _bytes(await self._limited(handle.read(4096, 0)))
        except _ABSENT:
            text = b""  # the bank moves the file first and writes the reason after
        return refusal_of(text.decode("utf-8", "replace"))

    async def _new_files(self, seen: SeenFiles, refused: list[FileRefused]) -> list[tuple[str, int]]:
        """Name and size; what cannot be taken goes to `refused`."""
        async with self._session() as client:
            entries = await self._limited(client.readdir(self._path("outbox")))
        found = []
        for entry in entries:
            name = _bytes(entry.filename).decode("utf-8", "replace")
            attributes = entry.attrs
            is_file = attributes.permissions is None or stat.S_ISREG(attributes.permissions)
            if is_seen(seen, name, attributes.size) or is_unfinished(name) or not is_file:
                continue
            if not is_usable_name(name) or "\ufffd" in name:
                refused.append(unusable_name())
            elif (attributes.size or 0) > self._max_file_bytes:
                refused.append(too_large(name, self._max_file_bytes))
            else:
                found.append((attributes.mtime or 0, name, attributes.size or 0))
        return [(name, size) for _, name, size in sorted(found)]

    async def _download_all(self, group: Sequence[tuple[str, int]]) -> list[FetchedFile]:
        async with self._session() as client:
            return [FetchedFile(name, await self._download(client, name, size)) for name, size in group]

    async def _download(self, client: asyncssh.SFTPClient, name: str, size: int) -> bytes:
        path, parts = self._path("outbox", name), list[bytes]()
        step = _piece_size(client.limits.max_read_len)
        async with await self._limited(client.open(path, "rb", block_size=0)) as handle:
            for start in range(0, size, _WINDOW):
                end = min(start + _WINDOW, size)
                pieces = [_piece(handle, at, min(step, end - at)) for at in range(start, end, step)]
                parts += await self._limited(asyncio.gather(*pieces))
            beyond = await self._limited(handle.read(1, size))
        if beyond:
            raise OSError("a file grew while it was being read")
        return b"".join(parts)

    def _path(self, folder: str, name: str = "") -> bytes:
        return f"{self._folder}/{folder}/{name}".rstrip("/").encode()

    async def _limited(self, answer: Awaitable[_T]) -> _T:
        async with asyncio.timeout(self._timeout):
            return await answer


def _groups(files: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Files in order, as many together as fit the memory of one group; a larger one goes alone.

    A group shares a connection, which costs as much to open as a small file to fetch, and is
    over before the caller sees any of it: nothing is held open while files are worked on.
    """
    group: list[tuple[str, int]] = []
    for name, size in files:
        if group and sum(size for _, size in group) + size > _GROUP:
            yield group
            group = []
        group.append((name, size))
    if group:
        yield group


def _piece_size(limit: int) -> int:
    """What to ask for at once of a server that names this limit (the library's is far below
    `_PIECE` for a server that names none)."""
    return max(_PIECE, min(limit, _LARGEST_PIECE))


async def _piece(handle: asyncssh.SFTPClientFile, start: int, size: int) -> bytes:
    """`size` bytes from `start` on, in as many answers as the server likes."""
    piece = b""
    while len(piece) < size:
        more = _bytes(await handle.read(size - len(piece), start + len(piece)))
        if not more:
            raise OSError("a file ended before its size")
        piece += more
    return piece


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    # Not `close`, which waits for the channel's farewell; a bank that fell silent never says it.
    connection.disconnect(asyncssh.DISC_BY_APPLICATION, "done")
    try:
        async with asyncio.timeout(2):
            await connection.wait_closed()
    except _FAILURES:
        connection.abort()


def _bytes(value: str | bytes) -> bytes:
    # The client is opened without an encoding, so what it gives is bytes; its types cannot say so.
    return value if isinstance(value, bytes) else value.encode()
