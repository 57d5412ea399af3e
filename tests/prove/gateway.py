"""What stands before a bank's door and says things again: the same request twice, at once or long after.

Over HTTPS it ends the TLS with the bank's own certificate, as a bank's load balancer does, and passes each request on;
one that brings a file it may pass on once more, and once more when others came meanwhile. Nothing can say again what
goes over SFTP, whose every packet has a number and a seal: there the same bytes are uploaded a second time under the
same name, by a session of its own, when the bank has put the first away.
"""

from __future__ import annotations

import asyncio
import http.client
import random
import ssl
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import asyncssh

#: How long the bank may take to answer what was passed on, in seconds.
_PATIENCE = 30
_PASSED_ON = ("Authorization", "Content-Type", "X-Message-Id", "Content-Digest")
_PASSED_BACK = ("Content-Type", "Content-Digest", "WWW-Authenticate")


class _Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Gateway:
    """Listens before an HTTPS bank that lives in `home`. `share` of the files that are brought (0 to 1) is said again;
    `repeats` counts how often that was done."""

    def __init__(self, home: Path, bank_port: int, luck: random.Random) -> None:
        self._bank_port, self._luck = bank_port, luck
        self._trust = ssl.create_default_context(cafile=str(home / "ca.pem"))
        self._late: deque[_Asked] = deque()
        self.share = 0.0
        self.repeats = 0
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(home / "door.pem")
        self._server = _Server(("127.0.0.1", 0), type("Visit", (_Visit,), {"gateway": self}))
        # The handshake belongs to the thread of the connection, or one slow client would stop all.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def pass_on(self, asked: _Asked) -> tuple[int, dict[str, str], bytes]:
        """The bank's answer; to the first, where a request is said twice."""
        answer = self._ask(asked)
        if asked.method == "PUT" and self._luck.random() < self.share:
            if self._luck.random() < 0.5:
                self._again(asked)
            else:
                self._late.append(asked)
        elif self._late and self._luck.random() < 0.3:
            self.say_what_is_late(1)
        return answer

    def say_what_is_late(self, most: int | None = None) -> None:
        """Pass on what was kept back, oldest first."""
        for _ in range(len(self._late) if most is None else most):
            with suppress(IndexError):
                self._again(self._late.popleft())

    def _again(self, asked: _Asked) -> None:
        with suppress(OSError, http.client.HTTPException):  # nobody waits for this answer
            self._ask(asked)
            self.repeats += 1

    def _ask(self, asked: _Asked) -> tuple[int, dict[str, str], bytes]:
        line = http.client.HTTPSConnection("127.0.0.1", self._bank_port, timeout=_PATIENCE, context=self._trust)
        try:
            line.request(asked.method, asked.path, asked.body or None, asked.headers)
            answer = line.getresponse()
            headers = {name: value for name in _PASSED_BACK if (value := answer.getheader(name))}
            return answer.status, headers, answer.read()
        finally:
            line.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections break here on purpose."""


class _Visit(BaseHTTPRequestHandler):
    gateway: ClassVar[Gateway]
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) != length:  # half a request is passed on to nobody
            self.close_connection = True
            return
        headers = {name: value for name in _PASSED_ON if (value := self.headers.get(name))}
        try:
            status, answered, content = self.gateway.pass_on(_Asked(self.command, self.path, headers, body))
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # as the bank did
            return
        self.send_response(status)
        for name, value in answered.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = _pass_on  # noqa: N815  # the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Nothing is logged: a test says what went wrong."""


def bring_again(ready: dict[str, Any], files: Sequence[Path]) -> int:
    """Upload these files once more under their names, in one session with an SFTP bank; how many it said it took.

    A bank that was told to hang up without an answer does so here as well, and is not asked again.
    """
    taken: list[str] = []
    with suppress(asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, OSError):
        asyncio.run(_bring(ready, files, taken))
    return len(taken)


async def _bring(ready: dict[str, Any], files: Sequence[Path], taken: list[str]) -> None:
    host_key = asyncssh.import_public_key(ready["host_key"])
    async with (
        asyncssh.connect(
            "127.0.0.1", ready["port"], username=ready["user"], password=ready["password"],
            known_hosts=([host_key], [], []), config=None, agent_path=None,
        ) as line,
        line.start_sftp_client() as client,
    ):  # fmt: skip
        for path in files:
            final = f"/inbox/{path.name}"
            async with client.open(f"{final}.part", "wb") as upload:
                await upload.write(path.read_bytes())
            try:
                await client.rename(f"{final}.part", final)
                taken.append(path.name)
            except asyncssh.SFTPError:  # it lies there already
                await client.remove(f"{final}.part")
