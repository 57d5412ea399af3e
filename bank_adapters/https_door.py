"""The HTTPS door: PUT a file, ask for it, list and GET what the bank puts out; every failure named.

Each call has a connection and an event loop of its own, so calls may come from any thread.
Only the pinned certificate authority is believed; redirects are not followed, and neither
proxies nor certificates of the machine's environment are used.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from urllib.parse import quote

import httpx

from bank_adapters.door_rules import (
    damaged,
    is_seen,
    is_unfinished,
    is_usable_name,
    said,
    too_large,
    unusable_name,
)
from bank_adapters.https_answers import Answer, listed_file, receipt, receipt_of_known, refusal
from bank_adapters.options import MAX_FILE_BYTES, file_option, number_option, text_option
from paysvc.bank_interface import (
    BankFile,
    BankUnreachable,
    Enquiry,
    FetchedFile,
    OutcomeUnknown,
    SeenFiles,
    SendState,
)
from paysvc.domain.errors import FileRefused

_BLOCK = 1 << 20
_ANSWER_BYTES = 1 << 24
_FAILURES = (httpx.HTTPError, httpx.StreamError, OSError, TimeoutError)
_DIGEST = re.compile(r"(?:^|[, ])sha-256=:([A-Za-z0-9+/]{43}=):")  # RFC 9530


class _TooLong(OSError):
    """An answer went on past what was asked for."""


class HttpsDoor:
    """A bank's file service over HTTPS (docs/for-banks.md).

    Options: `url` (https://…), `token` (bearer), `ca_file` (PEM; the only authority
    believed), `connect_timeout` (15 s), `timeout` (60 s for an answer and for each MiB),
    `max_file_bytes` (of a fetched file; 2 GiB).
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._url = _url(options)
        self._token = text_option(options, "token")
        if not self._token.isascii() or " " in self._token:
            raise ValueError("option 'token' is not a bearer token")
        self._connect_timeout = number_option(options, "connect_timeout", 15, 1, 600)
        self._timeout = number_option(options, "timeout", 60, 1, 3600)
        self._max_file_bytes = number_option(options, "max_file_bytes", MAX_FILE_BYTES, 1, 1 << 40)
        try:
            self._trust = ssl.create_default_context(cafile=str(file_option(options, "ca_file")))
        except (ssl.SSLError, OSError):
            raise ValueError("option 'ca_file' holds no PEM certificate") from None

    def send(self, file: BankFile) -> str:
        """Ask whether it is there, then PUT. Returns the bank's receipt.

        Raises `BankUnreachable`, `BankRefused` or `OutcomeUnknown`.
        """
        return asyncio.run(self._send(file))

    def enquire(self, file_name: str) -> Enquiry:
        """What the bank says of the file. Never raises: not to know is one of the answers."""
        return asyncio.run(self._enquire(file_name))

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        """Files that the bank lists with bytes we do not have, in its order (oldest first); removes nothing.

        A file that cannot be taken (its name, its size, its digest) is passed over; when all
        others have been given out, `FileRefused` speaks of the first such. Raises `BankUnreachable`.
        """
        refused: list[FileRefused] = []
        try:
            # A connection for each: nothing is held open while the caller works on a file.
            for name, size, digest in asyncio.run(self._new_files(seen, refused)):
                answer = asyncio.run(self._ask(f"/outbox/{quote(name, safe='')}", size))
                if answer.status != 200:
                    raise BankUnreachable(f"The bank answered {answer.status} to the fetching of a file.")
                found = hashlib.sha256(answer.content).digest()
                if len(answer.content) != size or not found == digest == answer.digest:
                    refused.append(damaged(name))
                else:
                    yield FetchedFile(name, answer.content)
        except _FAILURES as failure:
            raise BankUnreachable(f"The bank's files could not be fetched ({said(failure)}).") from failure
        if refused:
            raise refused[0]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._url,
            verify=self._trust,
            trust_env=False,
            follow_redirects=False,
            headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(self._timeout, connect=self._connect_timeout),
        )

    async def _send(self, file: BankFile) -> str:
        path, digest = f"/files/{quote(file.name, safe='')}", hashlib.sha256(file.content)
        async with self._client() as client:
            try:
                # This also proves address, certificate and token before a byte of the file leaves.
                before = await self._exchange(client, "GET", path)
            except _FAILURES as failure:
                raise BankUnreachable(f"The bank's door did not open ({said(failure)}).") from failure
            if before.status == 200:
                return receipt_of_known(before, digest.hexdigest())
            if before.status != 404:
                raise BankUnreachable(f"The bank answered {before.status} before anything was sent.")
            upload = _Upload(file.content)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(len(file.content)),
                "X-Message-Id": file.message_id,
                "Content-Digest": f"sha-256=:{b64encode(digest.digest()).decode('ascii')}:",
            }
            try:
                answer = await self._exchange(client, "PUT", path, headers=headers, upload=upload)
            except _FAILURES as failure:
                if not upload.has_begun:
                    raise BankUnreachable(f"The bank's door closed again ({said(failure)}).") from failure
                raise OutcomeUnknown(f"The connection failed after sending began ({said(failure)}).") from failure
            return receipt(answer)

    async def _enquire(self, name: str) -> Enquiry:
        try:
            answer = await self._ask(f"/files/{quote(name, safe='')}")
        except _FAILURES as failure:
            return Enquiry(SendState.STILL_UNKNOWN, f"The bank did not answer ({said(failure)}).")
        if answer.status == 404:
            return Enquiry(SendState.NOT_RECEIVED)
        fields = answer.fields() if answer.status == 200 else {}
        if fields.get("state") == "received":
            return Enquiry(SendState.RECEIVED, "received")
        if fields.get("state") == "refused":
            return Enquiry(SendState.REFUSED, " ".join(refusal(fields)))
        return Enquiry(SendState.STILL_UNKNOWN, f"The bank's answer ({answer.status}) says nothing about the file.")

    async def _ask(self, path: str, most: int = _ANSWER_BYTES) -> Answer:
        async with self._client() as client:
            return await self._exchange(client, "GET", path, most)

    async def _new_files(self, seen: SeenFiles, refused: list[FileRefused]) -> list[tuple[str, int, bytes]]:
        """Name, size and digest; what cannot be taken goes to `refused`."""
        answer = await self._ask("/outbox")
        listed = answer.fields().get("files")
        if answer.status != 200 or not isinstance(listed, list):
            raise BankUnreachable(f"The bank's answer ({answer.status}) is not a list of files.")
        found = []
        for one in listed:
            name, size, digest = listed_file(one)
            if is_seen(seen, name, size, digest) or is_unfinished(name):
                continue
            if not is_usable_name(name):
                refused.append(unusable_name())
            elif size > self._max_file_bytes:
                refused.append(too_large(name, self._max_file_bytes))
            else:
                found.append((name, size, digest))
        return found

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        most: int = _ANSWER_BYTES,
        *,
        headers: Mapping[str, str] | None = None,
        upload: _Upload | None = None,
    ) -> Answer:
        """One request and its whole answer of at most `most` bytes; each MiB has `timeout` seconds."""
        async with asyncio.timeout(self._connect_timeout + self._timeout) as limit:

            def go_on() -> None:
                limit.reschedule(asyncio.get_running_loop().time() + self._timeout)

            body = upload.blocks(go_on) if upload else None
            async with client.stream(method, path, headers=headers, content=body) as response:
                parts, length, counted = [], 0, 0
                async for part in response.aiter_raw():
                    parts.append(part)
                    length += len(part)
                    if length > most:
                        raise _TooLong("the answer is longer than announced")
                    if length - counted >= _BLOCK:
                        counted = length
                        go_on()
                found = _DIGEST.search(response.headers.get("Content-Digest", ""))
                return Answer(response.status_code, b"".join(parts), b64decode(found[1]) if found else None)


class _Upload:
    """The body of a PUT, which knows whether any of it was handed over."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        #: Of an empty file the head of the request is all there is.
        self.has_begun = not content

    async def blocks(self, go_on: Callable[[], None]) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), _BLOCK):
            self.has_begun = True
            go_on()
            yield self._content[start : start + _BLOCK]
        go_on()


def _url(options: Mapping[str, str]) -> str:
    text = text_option(options, "url").rstrip("/")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError("option 'url' is not a URL") from None
    if url.scheme != "https" or not url.host or url.query or url.userinfo or url.fragment:
        raise ValueError("option 'url' has to be https://host[:port][/path] and nothing more")
    return text
