"""What the HTTPS door and the control door share: threads, JSON answers, no chatter."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Seconds after which a silent connection is given up.
PATIENCE = 60


#: How soon a stop is noticed.
_POLL = timedelta(milliseconds=50)


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 only; a thread a connection, none of which keeps the program alive."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(PATIENCE)
        if self._tls is not None:
            # The handshake waits for the connection's own thread, so that nobody can block the door.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who breaks off is his own affair."""

    def start(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(_POLL.total_seconds(),), daemon=True).start()
        return self

    def stop(self) -> None:
        """Take no more visitors; not to be called from the thread that serves."""
        self.shutdown()
        self.server_close()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    """One connection; subclasses add the methods."""

    protocol_version = "HTTP/1.1"
    server_version = "MockBank"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the parent's name)
        """Keep quiet: standard output carries one line, and names of files are nobody's business."""

    def answer(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status: int, content: Any, **headers: str) -> None:
        self.answer(status, json.dumps(content).encode(), "application/json", **headers)

    def body_length(self, most: int) -> int | None:
        """The announced length of the body; None after an answer that says what is wrong with it."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            self.answer_json(411, {"code": "length_required", "message": "say how long the body is"})
            return None
        if int(length) > most:
            self.close_connection = True
            self.answer_json(413, {"code": "too_large", "message": f"at most {most} bytes"})
            return None
        return int(length)
