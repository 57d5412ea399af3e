"""A database in doubt is read and not written: no command, route or schedule that could be forgotten."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest

import paysvc
from paysvc.cli.main import paysvc as program
from paysvc.config import read_settings
from paysvc.domain.errors import Waiting
from paysvc.scheduler import Ticker
from paysvc.services.manage_officers import create_token
from paysvc.store import snapshot
from paysvc.store.engine import Database
from paysvc.store.witness import Reported
from paysvc.web.app import create_app
from paysvc.wiring import wire

from .finished_month import PAYSVC, Demo
from .kept_office import CHIEF, RULES, KeptOffice
from .test_scheduler import free_port

PACKAGE = Path(paysvc.__file__).parent

#: Who may write to a database in doubt, and why nobody is paid by it.
IN_DOUBT = {
    ("services/backup.py", "backup"): "copies it, and says so",
    ("services/restore.py", "restore"): "puts it back",
    ("services/recover.py", "recover"): "leads out of it",
    ("services/check_books.py", "check_books"): "reads, and says so",
    ("services/manage_officers.py", "create_token"): "so that those who recover can sign in",
    ("store/schema.py", "upgrade"): "makes the tables that are asked",
    ("store/schema.py", "downgrade"): "the same, for the demo's own database",
    ("store/schema.py", "start_afresh"): "the same",
}

#: Command -> its words. What writes says that it does not; what only reads goes on.
WRITING: dict[str, tuple[str, tuple[str, ...]]] = {
    "acknowledge-books": ("administrator", ("--reason", "looked into")),
    "set-rules": ("administrator", (str(RULES),)),
    "deposit-fund": ("administrator", ("NS-ASXH", "1000", "--reference", "X")),
    "import-registry": ("maker", ("beneficiaries", str(RULES))),
    "match-accounts": ("maker", ()),
    "review-match": ("maker", ("1", "--accept", "--reason", "seen")),
    "resolve-accounts": ("maker", ("{file}",)),
    "plan-payments": ("maker", ("2027-01", "--programme", "BTXH", "--period", "2027-01")),
    "submit-plan": ("maker", ("2026-12",)),
    "approve-plan": ("approver", ("2026-12", "--hash", "0" * 64)),
    "return-plan": ("approver", ("2026-12", "--reason", "again")),
    "withdraw-plan": ("maker", ("2026-12", "--reason", "again")),
    "hold-payment": ("maker", ("2026-12", "P61GYPKBY7AF25GQ", "--reason", "khieu_nai")),
    "submit-batches": ("approver", ("2026-12",)),
    "collect-returns": ("bank-operator", ()),
    "reconcile-returns": ("bank-operator", ()),
    "propose-resubmission": ("maker", ("2026-12",)),
    "approve-resubmission": ("approver", ("2026-12", "--hash", "0" * 64)),
    "decline-resubmission": ("approver", ("2026-12", "--reason", "again")),
    "withdraw-payments": ("approver", ("2026-12", "--payment", "P61GYPKBY7AF25GQ", "--reason", "again")),
    "close-cycle": ("approver", ("2026-12",)),
    "propose-letter": (
        "maker",
        (
            *("--bank", "VCB", "--number", "1", "--dated", "2026-12-20", "--scan", "{file}"),
            *("--says", "not_made", "--payment", "P61GYPKBY7AF25GQ"),
        ),
    ),
    "approve-letter": ("approver", ("1", "--hash", "0" * 64)),
    "decline-letter": ("approver", ("1", "--reason", "again")),
    "export-letter": ("auditor", ("1",)),
    "recall-payments": ("bank-operator", ()),
    "publish-report": ("auditor", ("2026-12", "--as-of", "2026-12-31", "--out", "{new}")),
    "officer add": ("administrator", ("x.y", "--role", "maker")),
    "officer disable": ("administrator", ("auditor",)),
    "schedule set": ("administrator", ("nightly", "--verb", "collect-returns", "--every", "3600")),
}
READING: dict[str, tuple[str, tuple[str, ...]]] = {
    "list-matches": ("maker", ()),
    "show-cycle": ("auditor", ("2026-12",)),
    "list-reports": ("auditor", ()),
    "list-resubmissions": ("auditor", ("2026-12",)),
    "list-lost-files": ("auditor", ()),
    "list-letters": ("auditor", ()),
    "officer list": ("administrator", ()),
    "schedule list": ("administrator", ()),
    "schedule runs": ("administrator", ()),
    "db status": ("administrator", ()),
    # What may write in doubt.
    "check": ("auditor", ("--without-files",)),
    "backup": ("administrator", ("{new}",)),
    "db upgrade": ("administrator", ()),
    "officer token create": ("administrator", ("approver",)),
}
#: Asks no installation, makes its own, is what this is about, or stays (and has a test of its own).
OTHERS = {"demo", "verify", "reconcile", "restore", "recover", "serve", "scheduler"}


def in_doubt(home: Path, url: str) -> None:
    """The journal names an event that the database lacks."""
    wiring = wire(read_settings(home=home, database_url=url))
    assert wiring.database.witness is not None
    wiring.database.witness.note(Reported("BC-1"), (10**6, bytes(32)))
    wiring.close()


@pytest.fixture(scope="module")
def doubted(on_sqlite: Demo, tmp_path_factory: pytest.TempPathFactory) -> KeptOffice:
    """A finished month in an office whose database was exchanged for an older one."""
    home = tmp_path_factory.mktemp("doubted") / "office"
    shutil.copytree(on_sqlite.home, home)
    office = KeptOffice(f"sqlite:///{home / 'paysvc.db'}", home)
    often = ("schedule", "set", "often", "--verb", "collect-returns", "--every", "10")
    assert office.run(*often, officer="administrator").returncode == 0
    in_doubt(home, office.url)
    return office


@pytest.fixture
def content(doubted: KeptOffice) -> Iterator[None]:
    """Every row is as it was when the test is over."""

    def everything() -> list[str]:
        with sqlite3.connect(doubted.url.removeprefix("sqlite:///")) as connection:
            return list(connection.iterdump())

    before = everything()
    yield
    assert everything() == before


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from commands(one, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_tried() -> None:
    assert set(commands(program)) == set(WRITING) | set(READING) | OTHERS


def run(
    office: KeptOffice, command: str, table: dict[str, tuple[str, tuple[str, ...]]], folder: Path
) -> tuple[int, str]:
    role, words = table[command]
    (folder / "file").write_text("040150123456\n")
    words = tuple(word.format(file=folder / "file", new=folder / "new") for word in words)
    done = office.run(*command.split(), *words, officer=role)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.usefixtures("content")
def test_a_command_that_writes_says_that_it_does_not(doubted: KeptOffice, command: str, tmp_path: Path) -> None:
    code, said = run(doubted, command, WRITING, tmp_path)
    assert "Error database_older" in said
    assert "paysvc recover" in " ".join(said.split())
    assert code == Waiting.exit_code
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_goes_on(doubted: KeptOffice, command: str, tmp_path: Path) -> None:
    code, said = run(doubted, command, READING, tmp_path)
    assert code == 0, said


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                        yield str(path.relative_to(PACKAGE)), function.name, node


def test_only_these_may_write_in_doubt() -> None:
    found = {(path, name) for path, name, call in calls() if any(one.arg == "in_doubt" for one in call.keywords)}
    assert found == set(IN_DOUBT)


def test_there_is_no_other_way_to_write() -> None:
    """A transaction is begun by `Database` alone; elsewhere a connection is only had to read or to ask the server."""
    begun = {
        (path, name)
        for path, name, call in calls()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("connect", "begin", "raw_connection")
        and "engine" in ast.unparse(call.func.value)
    }
    assert begun == {
        ("store/engine.py", "write"),
        ("store/engine.py", "read"),
        ("store/engine.py", "_open_sqlite"),
        ("store/engine.py", "_open_postgresql"),
        ("store/snapshot.py", "_copy"),
        ("store/snapshot.py", "_restore"),
    }


def test_the_program_opens_every_database_with_its_witness(tmp_path: Path) -> None:
    opened = [(path, name) for path, name, call in calls() if ast.unparse(call.func) == "open_database"]
    assert opened == []
    wiring = wire(read_settings(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path / 'x.db'}"))
    assert isinstance(wiring.database, Database)
    assert wiring.database.witness is not None
    wiring.close()


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> KeptOffice:
    made = KeptOffice(database_url, tmp_path / "home").found()
    in_doubt(made.home, made.url)
    return made


def test_every_route_that_changes_something_answers_so(office: KeptOffice) -> None:
    wiring = office.wire()
    client = create_app(wiring).test_client()
    token = create_token(wiring.database, wiring.clock, CHIEF, officer_id="chief")
    headers = {"Authorization": f"Bearer {token}"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["reason"]) == (503, "database_older")
    assert client.get("/healthz").status_code == 200
    assert client.get("/officers", headers=headers).status_code == 200
    before = snapshot.read_facts(wiring.database)
    for key in ({}, {"Idempotency-Key": "one"}):
        body = {"amount_vnd": 1000, "reference": "X"}
        answer = client.post("/funds/NS-ASXH/deposits", json=body, headers={**headers, **key})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "database_older"), answer.get_json()
        assert "recover" in answer.get_json()["next_step"]
    assert snapshot.read_facts(wiring.database) == before
    wiring.close()


def test_no_schedule_runs(office: KeptOffice) -> None:
    wiring = office.wire()
    with pytest.raises(Waiting, match="journal"):
        Ticker(wiring, "one").tick()
    wiring.close()


def test_the_server_serves_readers_and_goes_on_after_the_recovery(doubted: KeptOffice, tmp_path: Path) -> None:
    home = tmp_path / "office"
    shutil.copytree(doubted.home, home)
    office = KeptOffice(f"sqlite:///{home / 'paysvc.db'}", home)
    port = free_port()
    words = [PAYSVC, "--home", str(home), "serve", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "PAYSVC_LOG_LEVEL": "INFO"})
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120

        def reason() -> str:
            try:
                answer = httpx.get(f"{url}/readyz", timeout=5)
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                return "not there"
            return str(answer.json().get("reason", "ready"))

        while reason() == "not there":
            assert time.monotonic() < deadline
        assert reason() == "database_older"
        token = (home / "auditor.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/cycles", headers=headers, timeout=5).json()[0]["code"] == "2026-12"
        while "no tick" not in (tmp_path / "log").read_text():
            assert time.monotonic() < deadline
        assert httpx.get(f"{url}/schedules/runs", headers=headers, timeout=5).json() == []
        done = office.run("recover", "--approver-token-file", str(home / "approver.token"), officer="administrator")
        assert done.returncode == 0, done.stderr
        assert reason() == "ready"
        while not httpx.get(f"{url}/schedules/runs", headers=headers, timeout=5).json():
            assert time.monotonic() < deadline
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
