"""The mock bank as a process: its one line, its doors, its faults at the doors, its restart."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncssh
import httpx
import pytest

from tests.mock_bank_program import ACCOUNT, OPENING, Program, ids, pain001, pay01, paycash1, running, start

TEN = ids(10)
SUM = sum(amount for _, amount in TEN)

Visit = Callable[[asyncssh.SFTPClient], Awaitable[object]]


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One ISO bank for the tests that leave nothing behind."""
    folder = tmp_path_factory.mktemp("iso")
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(folder / "payer_key")
    public = asyncssh.read_private_key(folder / "payer_key").export_public_key()
    (folder / "authorized").write_bytes(public)
    with running(folder / "home", "iso", "--authorized-keys", str(folder / "authorized")) as program:
        program.told["key_file"] = str(folder / "payer_key")
        yield program


@pytest.fixture(scope="module")
def delimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("delimited"), "delimited") as program:
        yield program


def visit(program: Program, what: Visit, **login: object) -> None:
    """Go in by the SFTP door, trusting the printed host key and no other."""
    told = program.told

    async def go() -> None:
        trusted = asyncssh.import_known_hosts(f"[127.0.0.1]:{told['port']} {told['host_key']}")
        known = {"username": told["user"], "password": told["password"], "client_keys": None, **login}
        async with (
            asyncssh.connect(
                "127.0.0.1", told["port"], known_hosts=trusted, config=None, agent_path=None, **known
            ) as line,
            line.start_sftp_client() as sftp,
        ):
            await what(sftp)

    asyncio.run(go())


async def upload(sftp: asyncssh.SFTPClient, name: str, content: bytes) -> None:
    async with sftp.open(f"/inbox/{name}.part", "wb") as file:
        await file.write(content)
        await file.fsync()
    await sftp.rename(f"/inbox/{name}.part", f"/inbox/{name}")


def https(program: Program, **headers: str) -> httpx.Client:
    context = ssl.create_default_context(cafile=program.told["ca_file"])
    return httpx.Client(
        base_url=f"https://127.0.0.1:{program.told['port']}",
        verify=context,
        headers={"Authorization": f"Bearer {program.told['token']}", **headers},
        timeout=20,
    )


def put(client: httpx.Client, name: str, message: str, content: bytes) -> httpx.Response:
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    headers = {
        "X-Message-Id": message,
        "Content-Digest": f"sha-256=:{digest}:",
        "Content-Type": "application/octet-stream",
    }
    return client.put(f"/files/{name}", content=content, headers=headers)


def test_it_says_in_one_line_how_to_come_in(iso: Program, delimited: Program) -> None:
    assert iso.told.keys() == {
        "profile", "port", "host_key", "user", "password", "control_url", "account", "pid", "key_file",
    }  # fmt: skip
    assert delimited.told.keys() == {"profile", "port", "ca_file", "user", "token", "control_url", "account", "pid"}
    assert iso.told["account"] == ACCOUNT
    assert iso.told["pid"] == iso.process.pid


def test_a_file_goes_in_and_its_answers_come_out_by_sftp(tmp_path: Path) -> None:
    with running(tmp_path, "iso", "--misbehave", '{"reject_rate": 0, "return_rate": 0, "late_rate": 0}') as bank:

        async def bring(sftp: asyncssh.SFTPClient) -> None:
            await upload(sftp, "M1.xml", pain001(TEN))
            assert await sftp.exists("/inbox/M1.xml")

        visit(bank, bring)
        summary = bank.ask("day", date="2026-12-01")
        assert summary["booked"] == {"debit": {"count": 10, "amount_vnd": SUM}}
        assert summary["closing_vnd"] == OPENING - SUM

        async def fetch(sftp: asyncssh.SFTPClient) -> None:
            assert await sftp.listdir("/inbox") == [".", ".."] or not await sftp.glob("/inbox/*.xml")
            assert await sftp.exists("/archive/M1.xml")
            for name in summary["files"]:
                async with sftp.open(f"/outbox/{name}", "rb") as file:
                    assert await file.read() == (tmp_path / "files/outbox" / name).read_bytes()

        visit(bank, fetch)
        ledger = bank.ask("ledger")
        assert ledger["payments"]["paid"] == {"count": 10, "amount_vnd": SUM, "debits_vnd": SUM, "credits_vnd": 0}
        lines = bank.control.get("/control/payments.csv").text.splitlines()
        assert lines[0] == "end_to_end_id,amount_vnd,debits_vnd,credits_vnd,outcome"
        assert lines[1] == f"{TEN[0][0]},500000,500000,0,paid"


def test_the_sftp_door_shows_the_folder_of_files_and_lets_nobody_write_elsewhere(iso: Program) -> None:
    async def look_around(sftp: asyncssh.SFTPClient) -> None:
        assert {name for name in await sftp.listdir("/") if not name.startswith(".")} == {
            "inbox", "archive", "refused", "outbox",
        }  # fmt: skip
        assert {name for name in await sftp.listdir("/../..") if name == "ledger.sqlite"} == set()
        for attempt in (
            sftp.open("/outbox/x.part", "wb"),
            sftp.open("/inbox/x.xml", "wb"),
            sftp.open("/inbox/../x.part", "wb"),
            sftp.mkdir("/inbox/folder"),
            sftp.symlink("/etc/passwd", "/inbox/x.part"),
            sftp.rename("/outbox", "/inbox/x"),
        ):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await attempt
        await upload(sftp, "unfinished", b"")
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.remove("/inbox/unfinished")

    visit(iso, look_around)


def test_the_sftp_door_knows_its_user_by_password_or_key(iso: Program) -> None:
    async def nothing(sftp: asyncssh.SFTPClient) -> None:
        await sftp.listdir("/outbox")

    visit(iso, nothing, password=None, client_keys=[iso.told["key_file"]])
    with pytest.raises(asyncssh.PermissionDenied):
        visit(iso, nothing, password="wrong")
    with pytest.raises(asyncssh.PermissionDenied):
        visit(iso, nothing, username="root")


def test_an_unfinished_upload_is_not_a_file(tmp_path: Path) -> None:
    with running(tmp_path, "post") as bank:

        async def half(sftp: asyncssh.SFTPClient) -> None:
            async with sftp.open("/inbox/M1.lst.part", "wb") as file:
                await file.write(paycash1(TEN)[:500])

        visit(bank, half)
        assert bank.ask("day", date="2026-12-01")["taken"]["files"] == 0

        async def whole(sftp: asyncssh.SFTPClient) -> None:
            await upload(sftp, "M1.lst", paycash1(TEN))

        visit(bank, whole)
        assert bank.ask("day", date="2026-12-02")["taken"]["files"] == 1


def test_the_answer_to_a_rename_can_be_lost(tmp_path: Path) -> None:
    with running(tmp_path, "iso", "--misbehave", '{"drop_ack": 1}') as bank:

        async def bring(sftp: asyncssh.SFTPClient) -> None:
            await upload(sftp, "M1.xml", pain001(TEN))

        with pytest.raises((asyncssh.SFTPConnectionLost, asyncssh.ConnectionLost, asyncssh.SFTPNoConnection, OSError)):
            visit(bank, bring)
        assert bank.ask("day", date="2026-12-01")["taken"]["files"] == 1
        visit(bank, bring)
        assert bank.ask("day", date="2026-12-02")["taken"] == {
            "files": 0, "refused": 0, "repeated": 1, "accepted": 0, "rejected": 0, "recalls": 0,
        }  # fmt: skip


def test_files_go_in_and_out_by_https(tmp_path: Path) -> None:
    with running(tmp_path, "delimited") as bank, https(bank) as client:
        content = pay01(TEN)
        first = put(client, "M1.txt", "M1", content)
        assert first.status_code == 201
        assert first.json()["receipt"]
        assert put(client, "M1.txt", "M1", content).status_code == 200
        assert put(client, "M1.txt", "M1", pay01(TEN[:9])).status_code == 409
        assert put(client, "other.txt", "M1", pay01(TEN[:9])).status_code == 409
        bank.ask("day", date="2026-12-01")
        assert client.get("/files/M1.txt").json() == {
            "state": "received", "code": "", "message": "", "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        assert put(client, "M1.txt", "M1", content).status_code == 200
        assert bank.ask("day", date="2026-12-02")["taken"]["repeated"] == 0
        for listed in client.get("/outbox").json()["files"]:
            fetched = client.get(f"/outbox/{listed['name']}")
            digest = hashlib.sha256(fetched.content).digest()
            assert (len(fetched.content), digest.hex()) == (listed["size"], listed["sha256"])
            assert fetched.headers["Content-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
        assert [one["name"][:6] for one in client.get("/outbox").json()["files"]] == ["status", "mt940-", "mt940-"]


def test_a_file_refused_by_https_says_why(tmp_path: Path) -> None:
    with running(tmp_path, "delimited") as bank, https(bank) as client:
        assert client.get("/files/M1.txt").status_code == 404
        put(client, "M1.txt", "M1", b"no list")
        bank.ask("day", date="2026-12-01")
        assert client.get("/files/M1.txt").json()["state"] == "refused"
        assert client.get("/files/M1.txt").json()["code"] == "FF01"
        assert put(client, "M1.txt", "M1", b"no list").status_code == 422
        # What could not be read has used up neither name nor id.
        assert put(client, "M1.txt", "M1", pay01(TEN)).status_code == 201
        assert client.get("/files/M1.txt").json()["state"] == "received"
        assert bank.ask("day", date="2026-12-02")["taken"]["accepted"] > 0
        assert client.get("/files/M1.txt").json()["state"] == "received"
        bank.ask("misbehave", refuse_files=1, refuse_code="TM01")
        refused = put(client, "M2.txt", "M2", pay01(TEN, "M2"))
        assert (refused.status_code, refused.json()["code"]) == (422, "TM01")
        assert client.get("/files/M2.txt").status_code == 404
        assert put(client, "M2.txt", "M2", pay01(TEN, "M2")).status_code == 201


def test_the_https_door_turns_strangers_and_damage_away(delimited: Program) -> None:
    with https(delimited, Authorization="Bearer wrong") as stranger:
        for path in ("/outbox", "/files/M1.txt", "/outbox/x"):
            assert stranger.get(path).status_code == 401
        assert put(stranger, "M1.txt", "M1", b"x").status_code == 401
    with https(delimited) as client:
        damaged = {"X-Message-Id": "M1", "Content-Digest": "sha-256=:AAAA:"}
        assert client.put("/files/M1.txt", content=b"x", headers=damaged).status_code == 400
        assert client.put("/files/M1.txt", content=b"x").status_code == 400
        assert client.put("/files/..%2Fledger", content=b"x", headers={"X-Message-Id": "M1"}).status_code == 404
        assert client.put("/outbox/x", content=b"x", headers={"X-Message-Id": "M1"}).status_code == 404
        assert client.get("/outbox/..%2F..%2Fledger.sqlite").status_code == 404
        assert client.get("/files/M1.txt").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://127.0.0.1:{delimited.told['port']}/outbox")


def test_the_answer_to_a_put_can_be_lost_or_late(tmp_path: Path) -> None:
    with running(tmp_path, "delimited", "--misbehave", '{"drop_ack": 1}') as bank, https(bank) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            put(client, "M1.txt", "M1", pay01(TEN))
        assert client.get("/files/M1.txt").json()["state"] == "received"
        assert put(client, "M1.txt", "M1", pay01(TEN)).status_code == 200
        bank.ask("misbehave", slow_ms=300)
        began = time.monotonic()
        client.get("/outbox")
        assert time.monotonic() - began >= 0.3


def test_it_stops_cleanly_and_goes_on_where_it_was(tmp_path: Path) -> None:
    bank = start(tmp_path, "iso", "--seed", "7", "--misbehave", '{"return_rate": 1, "reject_rate": 0}')

    async def bring(sftp: asyncssh.SFTPClient) -> None:
        await upload(sftp, "M1.xml", pain001(TEN))

    visit(bank, bring)
    bank.ask("day", date="2026-12-01")
    told, ledger = bank.told, bank.ask("ledger")
    assert bank.stop() == 0

    again = start(tmp_path, "iso")
    assert {name: again.told[name] for name in ("host_key", "password")} == {
        name: told[name] for name in ("host_key", "password")
    }
    assert again.ask("ledger") == ledger
    visit(again, bring)
    assert again.ask("day", date="2026-12-09")["booked"]["return"]["count"] == 10
    names = sorted(path.name for path in (tmp_path / "files/outbox").glob("camt053-*"))
    assert [name[-9:-4] for name in names] == ["00002", "00004", "00005", "00006", "00007", "00008", "00009"]
    assert again.ask("ledger")["statements"] == 7
    assert again.ask("ledger")["integrity"] == "ok"
    assert again.control.post("/control/stop").json() == {"stopping": True}
    assert again.process.wait(20) == 0
    again.stop()


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    bank = start(tmp_path, "iso", "--misbehave", '{"reject_rate": 0}')
    files = tmp_path / "files"
    for number in range(8):
        payments = ids(300, f"{number}")
        (files / "inbox" / f"M{number}.xml").write_bytes(pain001(payments, f"M{number}"))
    asking = "import sys, httpx; httpx.post(sys.argv[1] + '/control/day', json={'date': '2026-12-01'}, timeout=30)"
    with subprocess.Popen([sys.executable, "-c", asking, bank.told["control_url"]], stderr=subprocess.DEVNULL):
        while not any((files / "archive").iterdir()):
            time.sleep(0.001)
        bank.process.kill()
        bank.process.wait(20)
    bank.stop()
    with running(tmp_path, "iso") as again:
        again.ask("day", date="2026-12-02")
        ledger = again.ask("ledger")
        assert ledger["payments"]["received"]["count"] == 2400
        assert ledger["payments"]["outstanding"]["count"] == 0
        assert ledger["integrity"] == "ok"
        reports = [path.read_bytes() for path in (files / "outbox").glob("pain002-*")]
        assert {f"M{number}" for number in range(8)} == {
            report.split(b"<OrgnlMsgId>")[1].split(b"<")[0].decode() for report in reports
        }
        assert not any(path.is_file() for path in (files / "inbox").iterdir())


def test_options_that_cannot_be_end_with_a_sentence(tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "bank_adapters.mock_bank", *options]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)

    wished = run("--profile", "iso", "--home", str(tmp_path / "a"), "--misbehave", '{"dance": 1}')
    assert (wished.returncode, wished.stdout) == (2, "")
    assert wished.stderr.startswith("mock bank: unknown misbehaviour 'dance'")
    other = run("--profile", "post", "--home", str(tmp_path / "a"))
    assert other.returncode == 2
    assert "belongs to a bank with profile iso" in other.stderr


def test_control_says_what_is_wrong_with_a_request(iso: Program) -> None:
    for path, body in (
        ("day", {}),
        ("day", {"date": "tomorrow"}),
        ("day", {"date": "2126-12-01"}),
        ("misbehave", {"dance": 1}),
        ("statement", {"date": "2020-01-01"}),
    ):
        answer = iso.control.post(f"/control/{path}", content=json.dumps(body))
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert iso.control.post("/control/day", content=b"{").status_code == 400
    assert iso.control.get("/control/nothing").status_code == 404
