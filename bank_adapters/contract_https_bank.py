"""A bank's HTTPS file service on this machine, for tests: real TLS under an authority made for the occasion."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import ssl
import tempfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_OFTEN = {"poll_interval": 0.02}  # seconds
_TOKEN = "not-a-secret"  # noqa: S105  # of a server that nobody else can reach


class LoopbackHttpsBank:
    """Listens on 127.0.0.1. `habit` names one thing it does wrong: `hang_up`, `server_error`,
    `no_json` or `forbid_put` when a file comes, `redirect` or `gibberish` when it is asked,
    `bad_digest` when a file is fetched; "" for none."""

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "ca.pem"
        self.habit = ""
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, tuple[str, str]] = {}
        self.out: dict[str, bytes] = {}
        certificate, key = folder / "server.pem", folder / "server-key.pem"
        make_certificates(self.ca_file, certificate, key)
        handler = type("Handler", (_Handler,), {"bank": self})
        self.server = _QuietServer(("127.0.0.1", 0), handler)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(certificate, key)
        # The handshake belongs to the thread of the connection, or one slow client would stop all.
        self.server.socket = trust.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self.server.server_address[1])

    def options(self, port: int) -> Mapping[str, str]:
        return {
            "url": f"https://127.0.0.1:{port}",
            "token": _TOKEN,
            "ca_file": str(self.ca_file),
            "connect_timeout": "5",
            "timeout": "2",
        }

    def put_out(self, name: str, content: bytes) -> None:
        self.out[name] = content

    def outbox(self) -> Mapping[str, bytes]:
        return self.out

    def received(self) -> Mapping[str, bytes]:
        return self.files

    def refuse(self, name: str, code: str, message: str) -> None:
        self.refusals[name] = (code, message)


@contextmanager
def loopback_https_bank() -> Iterator[LoopbackHttpsBank]:
    """A fresh bank, listening until the context ends."""
    with tempfile.TemporaryDirectory(prefix="paysvc-bank-") as folder:
        bank = LoopbackHttpsBank(Path(folder))
        thread = threading.Thread(target=bank.server.serve_forever, kwargs=_OFTEN, daemon=True)
        thread.start()
        try:
            yield bank
        finally:
            bank.server.shutdown()
            bank.server.server_close()
            thread.join(10)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    # A thread may wait on a line that a check cut; the end of a check does not wait for it.
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections break here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    """The service of docs/for-banks.md, and where `habit` is looked at, a fault of real services."""

    bank: ClassVar[LoopbackHttpsBank]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:  # the name that http.server calls
        name = unquote(self.path.removeprefix("/files/"))
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.bank.habit == "forbid_put":
            return self._answer(401, {})
        if self.headers["Content-Digest"] != _digest(content) or not self.headers["X-Message-Id"]:
            return self._answer(422, {"code": "FF01", "message": "digest or message id"})
        if name in self.bank.refusals:
            code, message = self.bank.refusals[name]
            return self._answer(422, {"code": code, "message": message})
        if self.bank.files.get(name, content) != content:
            return self._answer(409, {"code": "DUPL", "message": "other bytes under this name"})
        self.bank.files[name] = content
        if self.bank.habit == "hang_up":
            self.close_connection = True
            return None
        if self.bank.habit == "server_error":
            return self._answer(503, {})
        if self.bank.habit == "no_json":
            return self._answer(201, None)
        return self._answer(201, {"receipt": f"R-{name}"})

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {_TOKEN}":
            return self._answer(401, {})
        if self.bank.habit == "redirect":
            return self._answer(302, {}, Location="/elsewhere")
        if self.bank.habit == "gibberish":
            return self._answer(200, None)
        if self.path == "/outbox":
            listed = [
                {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in self.bank.out.items()
            ]
            return self._answer(200, {"files": listed})
        if self.path.startswith("/outbox/"):
            return self._file(self.bank.out[unquote(self.path.removeprefix("/outbox/"))])
        return self._known(unquote(self.path.removeprefix("/files/")))

    def _known(self, name: str) -> None:
        if name in self.bank.refusals:
            code, message = self.bank.refusals[name]
            return self._answer(200, {"state": "refused", "code": code, "message": message})
        if name not in self.bank.files:
            return self._answer(404, {})
        sha256 = hashlib.sha256(self.bank.files[name]).hexdigest()
        return self._answer(200, {"state": "received", "code": "", "message": "", "sha256": sha256})

    def _file(self, content: bytes) -> None:
        digest = _digest(content + b"!" if self.bank.habit == "bad_digest" else content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Digest", digest)
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, status: int, fields: dict[str, Any] | None, **headers: str) -> None:
        body = b"<html>welcome</html>" if fields is None else json.dumps(fields).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged: a test says what went wrong."""


def make_certificates(ca_file: Path, certificate_file: Path, key_file: Path) -> None:
    """An authority, and a certificate of it for 127.0.0.1 with its key, as PEM files."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("Contract authority")
    ca = (
        _builder(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        _builder(_name("127.0.0.1"), authority, key.public_key())
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
    )


def _digest(content: bytes) -> str:
    return f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode('ascii')}:"
