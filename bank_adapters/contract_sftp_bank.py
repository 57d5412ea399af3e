"""A bank's SFTP server on this machine, for tests: real protocol, real files, a folder that is thrown away."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

_FOLDERS = ("inbox", "archive", "refused", "outbox")
_USER, _PASSWORD = "paysvc", "not-a-secret"  # of a server that nobody else can reach


class LoopbackSftpBank:
    """Listens on 127.0.0.1; `root` holds the four folders. See `loopback_sftp_bank`."""

    def __init__(self, root: Path, make_files: Callable[..., asyncssh.SFTPServer] | None = None) -> None:
        self.root = root
        for folder in _FOLDERS:
            (root / folder).mkdir()
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._make_files = make_files or (lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(root)))
        self._connections: list[asyncssh.SSHServerConnection] = []
        self._clock = 1_700_000_000
        self._loop = asyncio.new_event_loop()
        self.port = 0

    @property
    def host_key(self) -> str:
        return self._key.export_public_key().decode("ascii").strip()

    def options(self, port: int) -> Mapping[str, str]:
        return {
            "host": "127.0.0.1",
            "port": str(port),
            "user": _USER,
            "password": _PASSWORD,
            "host_key": self.host_key,
            "connect_timeout": "5",
            "timeout": "2",
        }

    def put_out(self, name: str, content: bytes) -> None:
        path = self.root / "outbox" / name
        path.write_bytes(content)
        # Files are told apart by age to the second, so each is made a minute younger.
        self._clock += 60
        os.utime(path, (self._clock, self._clock))

    def outbox(self) -> Mapping[str, bytes]:
        return _files(self.root / "outbox")

    def received(self) -> Mapping[str, bytes]:
        arrived = _files(self.root / "inbox") | _files(self.root / "archive")
        return {name: content for name, content in arrived.items() if not name.endswith(".part")}

    def refuse(self, name: str, code: str, message: str) -> None:
        (self.root / "inbox" / name).rename(self.root / "refused" / name)
        (self.root / "refused" / f"{name}.reason").write_text(f"{code} {message}\n")

    def serve(self, ready: threading.Event) -> None:
        """Serve until `stop`; runs in a thread of its own."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=lambda: _Login(self._connections),
                server_host_keys=[self._key],
                sftp_factory=self._make_files,
            )
        )
        self.port = server.get_port()
        ready.set()
        self._loop.run_forever()
        # Who knocked a moment ago is a connection some turns of the loop later only, and a listener
        # that is closed in between leaves its socket open.
        self._loop.run_until_complete(_turns())
        server.close()
        self._loop.run_until_complete(_hang_up(self._connections))
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


@contextmanager
def loopback_sftp_bank(make_files: Callable[..., Any] | None = None) -> Iterator[LoopbackSftpBank]:
    """A fresh bank, listening until the context ends; `make_files` may give it habits of its own."""
    with tempfile.TemporaryDirectory(prefix="paysvc-bank-") as folder:
        bank = LoopbackSftpBank(Path(folder), make_files)
        ready = threading.Event()
        thread = threading.Thread(target=bank.serve, args=(ready,), daemon=True)
        thread.start()
        if not ready.wait(10):
            raise OSError("the SFTP server did not start")
        try:
            yield bank
        finally:
            bank.stop()
            thread.join(10)


class _Login(asyncssh.SSHServer):
    def __init__(self, connections: list[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (_USER, _PASSWORD)


async def _hang_up(connections: list[asyncssh.SSHServerConnection]) -> None:
    for connection in connections:
        connection.abort()
    await asyncio.gather(*(connection.wait_closed() for connection in connections))
    # A transport says goodbye in the loop's next turns, and the loop is about to end.
    await _turns()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
