"""The HTTPS door: PUT a file, ask after it, list and fetch what the bank has put out.

Bearer token, own certificate; the folder behind it is that of the SFTP door.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import ssl
import threading
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bank_adapters.mock_bank.http_server import Handler, Server
from bank_adapters.mock_bank.misbehaviour import Misbehaviour
from bank_adapters.mock_bank.premises import OutFile, Premises, digest_of, is_name

#: The largest file the door takes, in bytes.
LARGEST = 256 << 20


class Counter:
    """What the door knows: who may come in, and which message ids were brought with which bytes."""

    def __init__(self, home: Path, premises: Premises, settings: Misbehaviour, token: str) -> None:
        self.premises = premises
        self.settings = settings
        self._token = token
        self._ids = home / "message_ids"
        self._ids.mkdir(exist_ok=True)
        self._lock = threading.Lock()

    def knows(self, authorization: str) -> bool:
        return secrets.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def receive(self, name: str, message_id: str, content: bytes) -> tuple[int, dict[str, str]]:
        """Put a file into the inbox, once. HTTP status and answer: 201 new, 200 the same bytes
        again, 409 other bytes under this name or message id, 422 refused."""
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            self.premises.note_arrival(name)
            here = self.premises.find(name)
            refusal = self.premises.refusal(name) if here and here.parent == self.premises.refused else None
            # What could not be read was no message: neither its name nor its id is used up.
            unreadable = refusal is not None and refusal[0] == "FF01"
            is_same = here is not None and digest_of(here) == digest
            if here and not is_same and not unreadable:
                return 409, _problem("DUPL", "other bytes were received under this name")
            if not unreadable and not self._is_new_id(message_id, digest):
                return 409, _problem("DUPL", "other bytes were received under this message id")
            if is_same:
                return (422, _problem(*refusal)) if refusal else (200, {"receipt": digest[:16]})
            if self.settings.once("refuse_files"):
                return 422, _problem(self.settings.value("refuse_code"), "the bank does not take this file today")
            arriving = self.premises.inbox / f"{name}.part"
            arriving.write_bytes(content)
            self._id_file(message_id).write_text(digest)
            arriving.replace(self.premises.inbox / name)
            return 201, {"receipt": digest[:16]}

    def _id_file(self, message_id: str) -> Path:
        return self._ids / hashlib.sha256(message_id.encode()).hexdigest()

    def _is_new_id(self, message_id: str, digest: str) -> bool:
        """True unless other bytes were brought under this id."""
        known = self._id_file(message_id)
        return not known.exists() or known.read_text() == digest

    def state(self, name: str) -> dict[str, str] | None:
        """What became of a file that was brought, or None for one that never arrived."""
        # A refused file moves while we look; the reason is there before it leaves its old place.
        for _ in range(2):
            here = self.premises.find(name)
            if here is None:
                return None
            try:
                digest = digest_of(here)
            except FileNotFoundError:
                continue
            if here.parent != self.premises.refused:
                return {"state": "received", "code": "", "message": "", "sha256": digest}
            code, message = self.premises.refusal(name) or ("", "")
            return {"state": "refused", "code": code, "message": message, "sha256": digest}
        return None


def _problem(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _content_digest(digest: bytes) -> str:
    """RFC 9530: the algorithm and the digest between colons."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


class _Visit(Handler):
    """One connection of the payer's."""

    counter: Counter

    def do_PUT(self) -> None:  # noqa: N802  (the parent's way of dispatch)
        length = self.body_length(LARGEST)
        if length is None:
            return
        content = self.rfile.read(length)
        folder, name = self._enter()
        if len(content) != length:
            # The connection broke in the middle of the upload: nothing arrived.
            self.close_connection = True
            return
        if not folder:
            return
        message_id = self.headers.get("X-Message-Id", "")
        if folder != "files" or not is_name(name) or name.endswith(".part"):
            self.answer_json(404, _problem("not_found", "files are put under /files/NAME"))
        elif not 1 <= len(message_id) <= 35:
            self.answer_json(400, _problem("message_id_required", "X-Message-Id names the message in the file"))
        elif not self._digest_agrees(content):
            self.answer_json(400, _problem("digest_mismatch", "Content-Digest is not that of the body"))
        else:
            status, body = self.counter.receive(name, message_id, content)
            if status < 300 and self.counter.settings.once("drop_ack"):
                self.close_connection = True
                return
            self.answer_json(status, body)

    def do_GET(self) -> None:  # noqa: N802  (the parent's way of dispatch)
        folder, name = self._enter()
        if folder == "files" and is_name(name):
            state = self.counter.state(name)
            if state is not None:
                self.answer_json(200, state)
                return
        elif folder == "outbox" and not name:
            files = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in self._outbox()]
            self.answer_json(200, {"files": files})
            return
        elif folder == "outbox":
            found = next((one for one in self._outbox() if one.name == name), None)
            if found is not None:
                content = (self.counter.premises.outbox / found.name).read_bytes()
                digest = _content_digest(bytes.fromhex(found.sha256))
                self.answer(200, content, "application/octet-stream", Content_Digest=digest)
                return
        if folder:
            self.answer_json(404, _problem("not_found", "there is no such file"))

    def _outbox(self) -> list[OutFile]:
        return self.counter.premises.listing()

    def _enter(self) -> tuple[str, str]:
        """Folder and name asked for; two empty texts after turning a stranger away."""
        delay = timedelta(milliseconds=self.counter.settings.value("slow_ms"))
        threading.Event().wait(delay.total_seconds())
        if not self.counter.knows(self.headers.get("Authorization", "")):
            self.answer_json(401, _problem("unauthorized", "a bearer token is required"), WWW_Authenticate="Bearer")
            return "", ""
        folder, _, name = urlsplit(self.path).path.removeprefix("/").partition("/")
        return folder or "none", unquote(name)

    def _digest_agrees(self, content: bytes) -> bool:
        stated = self.headers.get("Content-Digest", "")
        if not stated:
            return True
        if not (stated.startswith("sha-256=:") and stated.endswith(":")):
            return False
        try:
            return base64.b64decode(stated[9:-1], validate=True) == hashlib.sha256(content).digest()
        except binascii.Error:
            return False


def open_door(counter: Counter, port: int, certificate: Path) -> Server:
    """Listen with TLS on 127.0.0.1 (`port` 0: any free one); `certificate` is PEM with its key."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate)
    return Server(port, type("Visit", (_Visit,), {"counter": counter}), tls).start()
