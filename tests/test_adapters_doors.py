"""The two doors at what the contract cannot know: keys, tokens, lost answers, and names that no file has."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from bank_adapters.contract_https_bank import loopback_https_bank, make_certificates
from bank_adapters.contract_sftp_bank import loopback_sftp_bank
from bank_adapters.https_answers import Answer
from bank_adapters.https_door import HttpsDoor
from bank_adapters.sftp_door import SftpDoor
from paysvc.bank_interface import BankFile, BankRefused, BankUnreachable, FetchedFile, OutcomeUnknown, SendState
from paysvc.core.messages import ControlTotals
from paysvc.domain.errors import FileRefused

FILE = BankFile("M1.txt", b"one payment\r\n" * 20_000, "M1", ControlTotals(1, 1))


def with_options(options: Mapping[str, str], **changed: str) -> dict[str, str]:
    return {**options, **changed}


@contextmanager
def mute_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# --- SFTP


def test_sftp_believes_only_the_pinned_host_key() -> None:
    with loopback_sftp_bank() as bank:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        door = SftpDoor(with_options(bank.options(bank.port), host_key=other))
        with pytest.raises(BankUnreachable, match="HostKeyNotVerifiable"):
            door.send(FILE)
        assert bank.received() == {}


def test_sftp_login_refused_leaves_nothing_sent() -> None:
    with loopback_sftp_bank() as bank:
        door = SftpDoor(with_options(bank.options(bank.port), password="wrong"))
        with pytest.raises(BankUnreachable, match="PermissionDenied"):
            door.send(FILE)
        with pytest.raises(BankUnreachable):
            list(door.fetch({}))
        assert door.enquire(FILE.name).state is SendState.STILL_UNKNOWN


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1"])
def test_sftp_to_nowhere_leaves_nothing_sent(host: str) -> None:
    with loopback_sftp_bank() as bank, mute_server() as port:
        door = SftpDoor(with_options(bank.options(port), host=host, connect_timeout="1"))
        with pytest.raises(BankUnreachable):
            door.send(FILE)


class _LosesTheAnswer(asyncssh.SFTPServer):
    """Renames the file, and the line breaks before it can say so."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path) -> None:
        super().__init__(channel, chroot=os.fsencode(root))

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        self.channel.get_connection().abort()


def test_sftp_an_answer_lost_after_the_rename_is_found_by_asking() -> None:
    root: list[Path] = []
    with loopback_sftp_bank(lambda channel: _LosesTheAnswer(channel, root[0])) as bank:
        root.append(bank.root)
        door = SftpDoor(bank.options(bank.port))
        with pytest.raises(OutcomeUnknown):
            door.send(FILE)
        assert bank.received() == {FILE.name: FILE.content}
        assert door.enquire(FILE.name).state is SendState.RECEIVED


class _ReadOnly(asyncssh.SFTPServer):
    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path) -> None:
        super().__init__(channel, chroot=os.fsencode(root))

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("read only")
        return super().open(path, pflags, attrs)


def test_sftp_an_inbox_that_cannot_be_written_leaves_nothing_sent() -> None:
    root: list[Path] = []
    with loopback_sftp_bank(lambda channel: _ReadOnly(channel, root[0])) as bank:
        root.append(bank.root)
        with pytest.raises(BankUnreachable):
            SftpDoor(bank.options(bank.port)).send(FILE)


def test_sftp_a_part_alone_was_not_received_and_is_written_over() -> None:
    with loopback_sftp_bank() as bank:
        door = SftpDoor(bank.options(bank.port))
        (bank.root / "inbox" / f"{FILE.name}.part").write_bytes(b"x" * (len(FILE.content) + 5))
        assert door.enquire(FILE.name).state is SendState.NOT_RECEIVED
        door.send(FILE)
        assert sorted(path.name for path in (bank.root / "inbox").iterdir()) == [FILE.name]
        assert bank.received() == {FILE.name: FILE.content}


@pytest.mark.parametrize("folder", ["inbox", "archive"])
def test_sftp_another_file_under_the_name_is_a_refusal(folder: str) -> None:
    with loopback_sftp_bank() as bank:
        (bank.root / folder / FILE.name).write_bytes(b"something else")
        with pytest.raises(BankRefused) as refused:
            SftpDoor(bank.options(bank.port)).send(FILE)
        assert refused.value.code == "DUPL"
        assert (bank.root / folder / FILE.name).read_bytes() == b"something else"


def test_sftp_a_bank_without_its_folders_says_nothing_about_a_file() -> None:
    with loopback_sftp_bank() as bank:
        (bank.root / "archive").rmdir()
        assert SftpDoor(bank.options(bank.port)).enquire(FILE.name).state is SendState.STILL_UNKNOWN


def test_sftp_fetch_passes_over_what_is_no_file_of_ours_and_then_says_so() -> None:
    with loopback_sftp_bank() as bank:
        for name in (".writing.xml", "half.part", "..\\evil", "good.xml"):
            bank.put_out(name, b"1")
        bank.put_out("huge.xml", b"x" * 101)
        (bank.root / "outbox" / "folder").mkdir()
        (bank.root / "outbox" / os.fsdecode(b"sao-k\xea.xml")).write_bytes(b"not UTF-8")
        bank.put_out("later.xml", b"2")
        before = sorted((bank.root / "outbox").iterdir())
        fetched: list[FetchedFile] = []
        with pytest.raises(FileRefused) as refused:
            fetched.extend(SftpDoor(with_options(bank.options(bank.port), max_file_bytes="100")).fetch({}))
        assert refused.value.code in ("file_name_unusable", "file_too_large")
        assert sorted((bank.root / "outbox").iterdir()) == before
        files = SftpDoor(with_options(bank.options(bank.port), max_file_bytes="100")).fetch({})
        assert [next(files).name, next(files).name] == ["good.xml", "later.xml"]


def test_sftp_opens_with_a_key_that_nobody_else_may_read(tmp_path: Path) -> None:
    with loopback_sftp_bank() as bank:
        options = {name: value for name, value in bank.options(bank.port).items() if name != "password"}
        key_file = tmp_path / "key"
        key_file.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
        key_file.chmod(0o600)
        with pytest.raises(BankUnreachable, match="PermissionDenied"):  # this bank takes passwords only
            SftpDoor({**options, "key_file": str(key_file)}).send(FILE)
        key_file.chmod(0o644)
        with pytest.raises(ValueError, match="key_file"):
            SftpDoor({**options, "key_file": str(key_file)})


# --- HTTPS


def test_https_believes_only_the_pinned_authority(tmp_path: Path) -> None:
    other = tmp_path / "other-ca.pem"
    make_certificates(other, tmp_path / "c.pem", tmp_path / "k.pem")
    with loopback_https_bank() as bank:
        door = HttpsDoor(with_options(bank.options(bank.port), ca_file=str(other)))
        with pytest.raises(BankUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            door.send(FILE)
        assert bank.received() == {}


def test_https_a_wrong_token_leaves_nothing_sent() -> None:
    with loopback_https_bank() as bank:
        door = HttpsDoor(with_options(bank.options(bank.port), token="wrong"))
        with pytest.raises(BankUnreachable, match="401"):
            door.send(FILE)
        with pytest.raises(BankUnreachable, match="401"):
            list(door.fetch({}))
        assert door.enquire(FILE.name).state is SendState.STILL_UNKNOWN
        assert bank.received() == {}


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1"])
def test_https_to_nowhere_leaves_nothing_sent(host: str) -> None:
    with loopback_https_bank() as bank, mute_server() as port:
        door = HttpsDoor(with_options(bank.options(port), url=f"https://{host}:{port}", connect_timeout="1"))
        with pytest.raises(BankUnreachable):
            door.send(FILE)


@pytest.mark.parametrize("habit", ["hang_up", "server_error", "no_json"])
def test_https_an_answer_that_is_none_is_found_by_asking(habit: str) -> None:
    with loopback_https_bank() as bank:
        bank.habit = habit
        door = HttpsDoor(bank.options(bank.port))
        with pytest.raises(OutcomeUnknown):
            door.send(FILE)
        assert door.enquire(FILE.name).state is SendState.RECEIVED
        assert "already" in door.send(FILE)


def test_https_a_token_that_ends_while_sending_leaves_the_outcome_unknown() -> None:
    with loopback_https_bank() as bank:
        bank.habit = "forbid_put"
        with pytest.raises(OutcomeUnknown, match="401"):
            HttpsDoor(bank.options(bank.port)).send(FILE)


@pytest.mark.parametrize("habit", ["redirect", "gibberish"])
def test_https_a_service_that_is_none_is_not_followed_and_not_believed(habit: str) -> None:
    with loopback_https_bank() as bank:
        bank.habit = habit
        door = HttpsDoor(bank.options(bank.port))
        with pytest.raises(BankUnreachable, match="302" if habit == "redirect" else "says nothing"):
            door.send(FILE)
        with pytest.raises(BankUnreachable):
            list(door.fetch({}))
        assert door.enquire(FILE.name).state is SendState.STILL_UNKNOWN
        assert bank.received() == {}


def test_https_other_bytes_under_the_name_are_a_refusal() -> None:
    with loopback_https_bank() as bank:
        bank.files[FILE.name] = b"something else"
        with pytest.raises(BankRefused) as refused:
            HttpsDoor(bank.options(bank.port)).send(FILE)
        assert refused.value.code == "DUPL"
        assert bank.files[FILE.name] == b"something else"


def test_https_a_file_that_arrives_damaged_is_passed_over_and_then_said() -> None:
    with loopback_https_bank() as bank:
        bank.put_out("one.txt", b"1")
        bank.habit = "bad_digest"
        with pytest.raises(FileRefused) as refused:
            list(HttpsDoor(bank.options(bank.port)).fetch({}))
        assert (refused.value.code, refused.value.place) == ("digest_differs", "one.txt")


def test_https_fetch_passes_over_absurd_names_and_sizes_and_then_says_so() -> None:
    with loopback_https_bank() as bank:
        for name in ("../../evil", "a/b", "a\nb", ".hidden", "n" * 300, "huge"):
            bank.put_out(name, b"x" * 101 if name == "huge" else b"1")
        bank.put_out("good.txt", b"1")
        files = HttpsDoor(with_options(bank.options(bank.port), max_file_bytes="100")).fetch({})
        assert next(files) == FetchedFile("good.txt", b"1")
        with pytest.raises(FileRefused):
            next(files)


def test_https_a_slow_dribble_is_given_up_in_time() -> None:
    """A bank that sends one byte a second keeps every single read alive and still has to end."""
    with loopback_https_bank() as bank:
        stop = threading.Event()
        answers = bank.server.RequestHandlerClass

        def dribble(handler: object) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")  # type: ignore[attr-defined]
            while not stop.wait(0.2):
                handler.wfile.write(b" ")  # type: ignore[attr-defined]

        answers.do_GET = dribble  # type: ignore[attr-defined]
        door = HttpsDoor(with_options(bank.options(bank.port), timeout="1", connect_timeout="1"))
        try:
            with pytest.raises(BankUnreachable, match="no answer in time"):
                door.send(FILE)
        finally:
            stop.set()


# --- options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ""),
        ("user", ""),
        ("host_key", "ssh-ed25519 nonsense"),
        ("port", "0"),
        ("port", "22a"),
        ("timeout", "0"),
    ],
)
def test_an_sftp_option_that_is_missing_or_unusable_is_named(name: str, value: str) -> None:
    with loopback_sftp_bank() as bank, pytest.raises(ValueError, match=name):
        SftpDoor(with_options(bank.options(bank.port), **{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "http://127.0.0.1"),
        ("url", "https://user:secret@127.0.0.1"),
        ("url", "https://127.0.0.1/?a=b"),
        ("token", ""),
        ("token", "a b"),
        ("ca_file", "no-such-file"),
        ("ca_file", __file__),
        ("max_file_bytes", "-1"),
    ],
)
def test_an_https_option_that_is_missing_or_unusable_is_named(name: str, value: str) -> None:
    with loopback_https_bank() as bank, pytest.raises(ValueError, match=name):
        HttpsDoor(with_options(bank.options(bank.port), **{name: value}))


def test_the_digest_of_what_was_sent_is_what_the_bank_keeps() -> None:
    with loopback_https_bank() as bank:
        receipt = HttpsDoor(bank.options(bank.port)).send(FILE)
        assert receipt == f"R-{FILE.name}"
        assert hashlib.sha256(bank.files[FILE.name]).digest() == hashlib.sha256(FILE.content).digest()


def test_what_goes_through_a_door_is_in_no_wording_of_it() -> None:
    content = b"NGUYEN THI HOA"
    carriers = (FetchedFile("a", content), BankFile("a", content, "M", ControlTotals(1, 1)), Answer(200, content, None))
    assert [carrier for carrier in carriers if "NGUYEN" in repr(carrier)] == []
