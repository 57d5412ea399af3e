"""A sending that fails comes out as one of three kinds, and "not sent" is said of no file that a bank has.

Both doors, over real connections, broken at every stage; the bank's own folder decides what it has. The sources are
read as well: no path from `send` raises anything else.
"""

from __future__ import annotations

import ast
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest

from bank_adapters.contract_https_bank import LoopbackHttpsBank, loopback_https_bank, make_certificates
from bank_adapters.contract_relay import Fault, Relay, closed_port
from bank_adapters.contract_sftp_bank import LoopbackSftpBank, loopback_sftp_bank
from bank_adapters.https_door import HttpsDoor
from bank_adapters.sftp_door import SftpDoor
from paysvc.bank_interface import BankFile, BankRefused, BankUnreachable, OutcomeUnknown, SendState
from paysvc.core.messages import ControlTotals

#: More than what both ends keep in their buffers, so that the middle of it is the middle of the sending.
FILE = BankFile("M1.txt", b"one payment\r\n" * 700_000, "M1", ControlTotals(1, 1))
KINDS = (BankUnreachable, BankRefused, OutcomeUnknown)
NOT_SENT, REFUSED, UNKNOWN = KINDS

Bank = LoopbackHttpsBank | LoopbackSftpBank
Door = HttpsDoor | SftpDoor


def impatient(bank: Bank, port: int, **changed: str) -> dict[str, str]:
    return {**bank.options(port), "connect_timeout": "2", "timeout": "1", **changed}


def require_kind(door: Door, bank: Bank, kind: type[Exception]) -> None:
    """The sending ends in this kind, which says no more than the bank's folder bears out."""
    with pytest.raises(KINDS) as ended:
        door.send(FILE)
    assert type(ended.value) is kind, ended.value
    if kind is not UNKNOWN:
        assert FILE.name not in bank.received()
    assert bank.received().get(FILE.name) in (None, FILE.content), "half a file looks like one"


# ---------------------------------------------------------------------------------- both doors


@contextmanager
def https() -> Iterator[tuple[Bank, Callable[[Mapping[str, str]], Door]]]:
    with loopback_https_bank() as bank:
        yield bank, HttpsDoor


@contextmanager
def sftp() -> Iterator[tuple[Bank, Callable[[Mapping[str, str]], Door]]]:
    with loopback_sftp_bank() as bank:
        yield bank, SftpDoor


@contextmanager
def hangs_up() -> Iterator[int]:
    """A port that takes a connection, says something that is no protocol, and ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    visitor, _ = listener.accept()
                except OSError:
                    return
                with visitor:
                    visitor.sendall(b"421 go away\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def mute() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("opened", [https, sftp])
@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("nobody listens", NOT_SENT),
        ("it takes the call and says nothing", NOT_SENT),
        ("it takes the call and speaks another protocol", NOT_SENT),
        ("cut before the first byte", NOT_SENT),
        ("cut in the handshake", NOT_SENT),
        ("cut in the first tenth of the file", UNKNOWN),
        ("cut in the middle of the file", UNKNOWN),
        ("cut in the last kilobytes of the file", UNKNOWN),
        ("silence in the middle of the file", UNKNOWN),
    ],
)
def test_a_line_that_fails(opened: Callable[[], Any], stage: str, kind: type[Exception]) -> None:
    size = len(FILE.content)
    limits = {
        "cut before the first byte": 0,
        "cut in the handshake": 300,
        "cut in the first tenth of the file": size // 10,
        "cut in the middle of the file": size // 2,
        "cut in the last kilobytes of the file": size - 2_000,
        "silence in the middle of the file": size // 2,
    }
    with opened() as (bank, door):
        if stage in limits:
            fault = Fault.SILENCE if stage.startswith("silence") else Fault.CUT
            with Relay(bank.port, limit=limits[stage], fault=fault) as relay:
                require_kind(door(impatient(bank, relay.port)), bank, kind)
                assert relay.has_failed
        elif stage == "nobody listens":
            require_kind(door(impatient(bank, closed_port())), bank, kind)
        else:
            with mute() if "nothing" in stage else hangs_up() as port:
                require_kind(door(impatient(bank, port)), bank, kind)


def test_who_is_not_the_bank_gets_nothing(tmp_path: Path) -> None:
    make_certificates(tmp_path / "ca.pem", tmp_path / "c.pem", tmp_path / "k.pem")
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with loopback_https_bank() as bank:
        require_kind(HttpsDoor(impatient(bank, bank.port, ca_file=str(tmp_path / "ca.pem"))), bank, NOT_SENT)
        require_kind(HttpsDoor(impatient(bank, bank.port, token="wrong")), bank, NOT_SENT)
    with loopback_sftp_bank() as other:
        require_kind(SftpDoor(impatient(other, other.port, host_key=stranger)), other, NOT_SENT)
        require_kind(SftpDoor(impatient(other, other.port, password="wrong")), other, NOT_SENT)


# --------------------------------------------------------------------------------------- HTTPS


def _answer(handler: Any, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _take(handler: Any) -> None:
    """The bank has the file from here on."""
    handler.bank.files[FILE.name] = handler.rfile.read(int(handler.headers["Content-Length"]))


REFUSAL = json.dumps({"code": "AM10", "message": "control sum"}).encode()
RECEIPT = json.dumps({"receipt": "R1"}).encode()

#: What the bank does with the PUT: (whether it takes the file first, its answer or None for none), and the kind.
PUTS: dict[str, tuple[bool, tuple[int, bytes] | None, type[Exception]]] = {
    "taken, and hung up": (True, None, UNKNOWN),
    "read, not taken, and hung up": (False, None, UNKNOWN),
    **{f"taken, and {status}": (True, (status, b"{}"), UNKNOWN) for status in (302, 400, 401, 404, 413, 429, 500, 503)},
    **{f"not taken, and {status}": (False, (status, b"{}"), UNKNOWN) for status in (401, 403, 413, 500, 502, 504)},
    "taken, and a receipt that is none": (True, (201, b"<html>thank you</html>"), UNKNOWN),
    "taken, and a receipt of no text": (True, (201, b'{"receipt": 7}'), UNKNOWN),
    "taken, and 200 with nothing": (True, (200, b""), UNKNOWN),
    "taken, and a list for a refusal": (True, (422, b"[1]"), UNKNOWN),
    "taken, and a refusal without a code": (True, (422, b'{"message": "no"}'), UNKNOWN),
    "not taken, and 500 with a code": (False, (500, REFUSAL), UNKNOWN),
    "not taken, and 400 with a code": (False, (400, REFUSAL), UNKNOWN),
    "not taken, and refused": (False, (422, REFUSAL), REFUSED),
    "not taken, and another file there": (False, (409, b'{"code": "DUPL"}'), REFUSED),
}


@pytest.mark.parametrize("stage", PUTS)
def test_https_what_the_bank_answers_to_the_file(stage: str) -> None:
    is_taken, answered, kind = PUTS[stage]

    def put(handler: Any) -> None:
        if is_taken:
            _take(handler)
        else:
            handler.rfile.read(int(handler.headers["Content-Length"]))
        if answered is None:
            handler.close_connection = True
        else:
            _answer(handler, *answered)

    with loopback_https_bank() as bank:
        bank.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]
        require_kind(HttpsDoor(impatient(bank, bank.port)), bank, kind)
        assert (FILE.name in bank.received()) is is_taken


@pytest.mark.parametrize(
    ("status", "body", "kind"), [(413, b"{}", UNKNOWN), (422, REFUSAL, REFUSED), (401, b"{}", UNKNOWN)]
)
def test_https_an_early_answer_while_the_file_still_goes_out(status: int, body: bytes, kind: type[Exception]) -> None:
    """The bank has made up its mind at the head of the request; the rest of the file is still on its way."""

    def put(handler: Any) -> None:
        handler.rfile.read(1000)
        _answer(handler, status, body)
        handler.wfile.flush()
        # It goes on reading for a while, or the answer would be lost with the connection.
        handler.rfile.read(int(handler.headers["Content-Length"]) - 1000)

    with loopback_https_bank() as bank:
        bank.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]
        require_kind(HttpsDoor(impatient(bank, bank.port)), bank, kind)


def test_https_an_early_answer_and_a_line_that_breaks_with_it_is_never_not_sent() -> None:
    def put(handler: Any) -> None:
        handler.rfile.read(1000)
        _answer(handler, 413, b"{}")
        handler.close_connection = True

    with loopback_https_bank() as bank:
        bank.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]
        require_kind(HttpsDoor(impatient(bank, bank.port)), bank, UNKNOWN)


def test_https_an_answer_that_never_comes_or_is_no_http() -> None:
    rest = threading.Event()

    def silent(handler: Any) -> None:
        _take(handler)
        rest.wait(20)

    def gibberish(handler: Any) -> None:
        _take(handler)
        handler.wfile.write(b"OK, thank you\r\n\r\n")
        handler.close_connection = True

    def torn(handler: Any) -> None:
        _take(handler)
        handler.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{")
        handler.close_connection = True

    for put in (silent, gibberish, torn):
        with loopback_https_bank() as bank:
            bank.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]
            require_kind(HttpsDoor(impatient(bank, bank.port)), bank, UNKNOWN)
            assert FILE.name in bank.received()
            rest.set()


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 503])
def test_https_a_bank_that_answers_badly_before_the_file_gets_none_of_it(status: int) -> None:
    puts: list[str] = []
    with loopback_https_bank() as bank:
        handlers = bank.server.RequestHandlerClass
        handlers.do_GET = lambda handler: _answer(handler, status, b"{}")  # type: ignore[attr-defined]
        handlers.do_PUT = lambda handler: puts.append(handler.path)  # type: ignore[attr-defined]
        require_kind(HttpsDoor(impatient(bank, bank.port)), bank, NOT_SENT)
        assert puts == []


# ---------------------------------------------------------------------------------------- SFTP


class _Failing(asyncssh.SFTPServer):
    """Fails at one call: with an answer, by hanging up, or by silence; before it did what was asked, or after."""

    call = how = ""
    is_done_first = False
    #: Who is stopped in the middle of a call closes nothing.
    handles: ClassVar[list[Any]] = []

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path) -> None:
        super().__init__(channel, chroot=os.fsencode(root))

    async def _come_by(self, call: str, work: Callable[[], Any]) -> Any:
        import asyncio

        if call != self.call:
            return work()
        if self.is_done_first:
            work()
        if self.how == "hangs up":
            self.channel.get_connection().abort()
        elif self.how == "says nothing":
            await asyncio.sleep(3)
        raise asyncssh.SFTPFailure("no")

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        parent = super()

        def open_it() -> object:
            self.handles.append(parent.open(path, pflags, attrs))
            return self.handles[-1]

        return await self._come_by("open", open_it)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        parent = super()
        return int(await self._come_by("write", lambda: parent.write(file_obj, offset, data)) or 0)

    async def fsync(self, file_obj: object) -> None:
        parent = super()
        await self._come_by("fsync", lambda: parent.fsync(file_obj))

    async def close(self, file_obj: object) -> None:
        parent = super()
        await self._come_by("close", lambda: parent.close(file_obj))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        parent = super()
        await self._come_by("rename", lambda: parent.rename(oldpath, newpath))

    async def stat(self, path: bytes) -> Any:
        parent = super()
        name = "first stat" if path.endswith(b".txt") else "last stat"
        return await self._come_by(name, lambda: parent.stat(path))


@pytest.fixture
def closes_what_is_left() -> Iterator[None]:
    yield
    while _Failing.handles:
        _Failing.handles.pop().close()


@pytest.mark.usefixtures("closes_what_is_left")
@pytest.mark.parametrize("how", ["answers no", "hangs up", "says nothing"])
@pytest.mark.parametrize(
    ("call", "is_done_first", "kind"),
    [
        ("first stat", False, NOT_SENT),
        ("open", False, NOT_SENT),
        ("open", True, NOT_SENT),
        ("write", False, UNKNOWN),
        ("write", True, UNKNOWN),
        ("fsync", False, UNKNOWN),
        ("close", True, UNKNOWN),
        ("last stat", False, UNKNOWN),
        ("rename", False, UNKNOWN),
        ("rename", True, UNKNOWN),
    ],
)
def test_sftp_a_bank_that_fails_at_a_step(call: str, is_done_first: bool, kind: type[Exception], how: str) -> None:
    root: list[Path] = []
    habits = type("Habits", (_Failing,), {"call": call, "how": how, "is_done_first": is_done_first})
    with loopback_sftp_bank(lambda channel: habits(channel, root[0])) as bank:
        root.append(bank.root)
        require_kind(SftpDoor(impatient(bank, bank.port)), bank, kind)
        assert (FILE.name in bank.received()) is (call == "rename" and is_done_first)


def test_sftp_a_server_that_keeps_half_of_what_it_was_sent() -> None:
    class Forgetful(_Failing):
        async def write(self, file_obj: object, offset: int, data: bytes) -> int:
            return len(data) if offset else await super().write(file_obj, offset, data)

    root: list[Path] = []
    with loopback_sftp_bank(lambda channel: Forgetful(channel, root[0])) as bank:
        root.append(bank.root)
        require_kind(SftpDoor(impatient(bank, bank.port)), bank, UNKNOWN)
        assert bank.received() == {}


@pytest.mark.parametrize("how", ["answers no", "hangs up", "says nothing", "moves it"])
def test_sftp_not_sent_is_not_said_of_a_file_that_is_seen_at_the_bank(how: str) -> None:
    """A sending from before has come late; the second look at it fails."""
    root, looks = list[Path](), list[bytes]()

    class Looked(_Failing):
        async def stat(self, path: bytes) -> Any:
            looks.append(path)
            self.call = "first stat" if len(looks) == 2 and how != "moves it" else ""
            if len(looks) == 2 and how == "moves it":
                (root[0] / "inbox" / FILE.name).rename(root[0] / "archive" / FILE.name)
            return await super().stat(path)

    Looked.how = how
    with loopback_sftp_bank(lambda channel: Looked(channel, root[0])) as bank:
        root.append(bank.root)
        (bank.root / "inbox" / FILE.name).write_bytes(FILE.content)
        door = SftpDoor(impatient(bank, bank.port))
        with pytest.raises(OutcomeUnknown):
            door.send(FILE)
        assert bank.received() == {FILE.name: FILE.content}
        assert list((bank.root / "inbox").glob("*.part")) == []
        assert door.enquire(FILE.name).state is SendState.RECEIVED


# ------------------------------------------------------------------------------- by the sources

FOLDER = Path(__file__).parents[1] / "bank_adapters"
#: Where a door's `send` may lead, and the doors' own failures that are caught there as what they derive from.
CARRIERS = ("https_door.py", "https_answers.py", "sftp_door.py", "door_rules.py")
CAUGHT = {"_TooLong": OSError}
ALLOWED = {kind.__name__ for kind in KINDS} | set(CAUGHT)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def reachable(doors: tuple[str, ...] = CARRIERS) -> dict[tuple[str, str], Function]:
    """Functions of the carriers to which `send` leads, by whatever calls something of their name."""
    trees = {name: ast.parse((FOLDER / name).read_text(encoding="utf-8")) for name in doors}
    found: dict[tuple[str, str], Function] = {}
    names = {"send"}
    while True:
        new = {
            (name, node.name): node
            for name, tree in trees.items()
            for node in ast.walk(tree)
            if isinstance(node, Function) and node.name in names and (name, node.name) not in found
        }
        if not new:
            return found
        found |= new
        for node in new.values():
            for call in ast.walk(node):
                if isinstance(call, ast.Call):
                    names.add(getattr(call.func, "attr", getattr(call.func, "id", "")))


def raised(node: ast.Raise) -> str:
    target = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return ast.unparse(target) if target is not None else "(what was caught)"


def test_every_path_of_a_sending_raises_one_of_three_kinds() -> None:
    functions = reachable()
    assert {("https_door.py", "_send"), ("sftp_door.py", "_upload"), ("https_answers.py", "receipt")} <= set(functions)
    for (name, function), node in functions.items():
        for one in ast.walk(node):
            if isinstance(one, ast.Raise) and raised(one) != "(what was caught)":
                assert raised(one) in ALLOWED, f"{name}:{one.lineno} {function} raises {raised(one)}"
            if isinstance(one, ast.Call):
                called = ast.unparse(one.func)
                assert called not in ("exit", "quit", "sys.exit", "os._exit", "os.abort", "os.kill"), called


def test_what_a_door_raises_within_is_caught_by_what_it_derives_from() -> None:
    from bank_adapters import https_door

    for name, kind in CAUGHT.items():
        assert issubclass(getattr(https_door, name), kind)
        assert any(issubclass(kind, one) for one in https_door._FAILURES)


def test_the_doors_know_their_failures_by_the_kinds_of_their_libraries() -> None:
    """All that the libraries raise when a line fails is one of those that are named."""
    import httpx

    from bank_adapters import https_door, sftp_door

    assert issubclass(httpx.TransportError, https_door._FAILURES)
    assert issubclass(asyncssh.SFTPError, sftp_door._FAILURES)
    assert issubclass(asyncssh.DisconnectError, sftp_door._FAILURES)
