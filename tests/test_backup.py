"""backup and restore: whole or visibly not, whatever is written, cut or damaged meanwhile."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import BadSetting, FileRefused, NotFound
from paysvc.store import audit_trail, snapshot
from paysvc.store.backup_folder import MANIFEST, BackupFolder, Manifest
from paysvc.store.engine import open_database
from paysvc.store.witness import Reported

from .kept_office import ROOT, KeptOffice, work


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> KeptOffice:
    return KeptOffice(database_url, tmp_path / "home").found()


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, office: KeptOffice, tmp_path: Path) -> Iterator[str]:
    """A database of the same kind with nothing in it."""
    if office.url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server, name = str(request.getfixturevalue("postgresql_server")), f"{office.url.rsplit('/', 1)[1]}_b"
    administrator = create_engine(server, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    yield server.rsplit("/", 1)[0] + f"/{name}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    administrator.dispose()


@pytest.fixture
def elsewhere(office: KeptOffice, empty_url: str, tmp_path: Path) -> KeptOffice:
    """Another machine: the keys and nothing else, and an empty database."""
    home = tmp_path / "elsewhere"
    home.mkdir(mode=0o700)
    for name in ("keys.json", "signing-key.pem"):
        shutil.copy(office.home / name, home)
    for path in office.home.glob("*.token"):
        shutil.copy(path, home)
    return KeptOffice(empty_url, home)


def back_up(office: KeptOffice, folder: Path) -> Manifest:
    done = office.run("backup", str(folder), "-o", "json")
    assert done.returncode == 0, done.stderr
    return BackupFolder(folder).read()


def put_back(office: KeptOffice, folder: Path) -> dict[str, Any]:
    """Restore; the books agree."""
    done = office.run("restore", str(folder), "-o", "json")
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    assert shown["differences"] == 0
    return shown


def code_of(done: subprocess.CompletedProcess[str]) -> str:
    """The code of the refusal that a command ended with."""
    assert done.returncode not in (0, -signal.SIGKILL), done.stdout
    return done.stderr.split("Error ", 1)[1].split(":", 1)[0]


def events(office: KeptOffice) -> int:
    database = open_database(office.url)
    try:
        return snapshot.read_facts(database).events
    finally:
        database.close()


# --------------------------------------------------------------------------------- all goes well


def test_a_backup_is_everything_and_comes_back(office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path) -> None:
    before = events(office)
    manifest = back_up(office, tmp_path / "backup")
    assert manifest.events == before
    assert manifest.counts["inbound_file"] == 3
    assert len(manifest.vault_files) == 3
    # That it was made is the next event, and is not in it.
    assert events(office) == before + 1
    shown = put_back(elsewhere, tmp_path / "backup")
    assert (shown["events"], shown["inbound_file"]) == (before, 3)
    first, second = (one.wire() for one in (office, elsewhere))
    for name in ("before 0", "before 1", "before 2"):
        content = f"content of {name}".encode()
        assert {wiring.vault.get(wiring.vault.put(content)) for wiring in (first, second)} == {content}
    first.close()
    second.close()


def test_nobody_else_may_read_it_and_no_key_is_in_it(office: KeptOffice, tmp_path: Path) -> None:
    back_up(office, tmp_path / "backup")
    paths = [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]
    assert [path for path in paths if path.stat().st_mode & 0o077] == []
    secret = json.loads((office.home / "keys.json").read_text())["seal_key"].encode()
    assert [path for path in paths if path.is_file() and secret in path.read_bytes()] == []


def test_only_an_administrator_makes_one(office: KeptOffice, tmp_path: Path) -> None:
    assert code_of(office.run("backup", str(tmp_path / "backup"), officer="tuan")) == "role_not_allowed"
    assert not (tmp_path / "backup").exists()


def test_a_copy_made_while_others_write_is_of_one_moment(
    office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "tests.kept_office", office.url, str(office.home)]
    with ExitStack() as stack:
        writer = stack.enter_context(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stack.callback(writer.kill)
        assert writer.stdout is not None
        assert [writer.stdout.readline() for _ in range(3)] == ["written\n"] * 3
        during = events(office)
        manifest = back_up(office, tmp_path / "backup")
        writer.stdout.readline()
    assert during <= manifest.events < events(office) - 1
    put_back(elsewhere, tmp_path / "backup")


def test_a_second_backup_adds_to_the_first(office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    first = back_up(office, folder)
    kept = {path: path.stat().st_ino for path in (folder / "vault").rglob("*") if path.is_file()}
    wiring = office.wire()
    work(wiring, "later")
    wiring.close()
    second = back_up(office, folder)
    assert {path: path.stat().st_ino for path in kept} == kept
    assert len(second.vault_files) == len(first.vault_files) + 1
    assert second.events > first.events
    assert {path.name for path in folder.iterdir()} == {MANIFEST, "vault", second.database_file}
    put_back(elsewhere, folder)


def test_what_was_put_back_can_be_backed_up_and_read_before_it_is_recovered(
    office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path
) -> None:
    back_up(office, tmp_path / "backup")
    put_back(elsewhere, tmp_path / "backup")
    assert elsewhere.run("check", officer="tuan").returncode == 0
    assert elsewhere.run("list-reports").returncode == 0
    back_up(elsewhere, tmp_path / "again")
    deposit = ("deposit-fund", "NS-ASXH", "1000", "--reference", "X")
    assert code_of(elsewhere.run(*deposit)) == "database_restored"
    # Another machine, which nobody there knows the journal of: the banks have to be asked.
    assert code_of(elsewhere.recover()) == "journal_incomplete"
    done = elsewhere.recover("--all-files-given")
    assert done.returncode == 0, done.stderr
    assert elsewhere.run(*deposit).returncode == 0


def test_in_its_own_home_the_journal_and_the_vault_are_still_there(office: KeptOffice, tmp_path: Path) -> None:
    if not office.url.startswith("sqlite"):
        pytest.skip("moves a file away; the same happens in test_restored_database.py")
    back_up(office, tmp_path / "backup")
    Path(office.url.removeprefix("sqlite:///")).rename(tmp_path / "lost.db")
    put_back(office, tmp_path / "backup")
    done = office.recover()
    assert done.returncode == 0, done.stderr
    assert "recover" not in office.run("check", officer="tuan").stderr


# ---------------------------------------------------------------------------- what is not accepted


def damage(path: Path, how: str) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
@pytest.mark.parametrize("what", ["database", "vault"])
def test_a_damaged_file_is_named_and_nothing_is_put_back(
    office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path, what: str, how: str
) -> None:
    folder = tmp_path / "backup"
    manifest = back_up(office, folder)
    path = folder / (manifest.database_file if what == "database" else manifest.vault_files[1])
    damage(path, how)
    done = elsewhere.run("restore", str(folder))
    assert done.returncode == 3
    assert code_of(done) == "backup_damaged"
    assert str(path) in done.stderr.replace("\n", "")
    database = open_database(elsewhere.url)
    assert snapshot.is_empty(database)
    database.close()
    assert not (elsewhere.home / "witness.jsonl").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"events": ', '"events": 1'),
        ('"kind": "sqlite"', '"kind": "postgresql"'),
        ('"files": {', '"files": {"../outside": {"size": 1, "sha256": ""},'),
        ("{", "["),
    ],
)
def test_a_manifest_that_was_changed_is_refused(sqlite_url: str, tmp_path: Path, old: str, new: str) -> None:
    office, folder = KeptOffice(sqlite_url, tmp_path / "home").found(), tmp_path / "backup"
    back_up(office, folder)
    path = folder / MANIFEST
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(FileRefused, match=MANIFEST):
        BackupFolder(folder).read()


def test_a_name_from_outside_is_no_name_of_a_backup(sqlite_url: str, tmp_path: Path) -> None:
    """Even where whoever changed the manifest knew how to digest it."""
    office, folder = KeptOffice(sqlite_url, tmp_path / "home").found(), tmp_path / "backup"
    back_up(office, folder)
    content = json.loads((folder / MANIFEST).read_text())
    for name in ("vault/../../outside", "/outside", "database-x.sqlite"):
        said = json.loads(json.dumps(content["backup"]))
        said["files"][name] = {"size": 0, "sha256": hashlib.sha256().hexdigest()}
        (folder / MANIFEST).write_text(
            json.dumps({"backup": said, "sha256": hashlib.sha256(canonical_json(said)).hexdigest()})
        )
        with pytest.raises(FileRefused):
            BackupFolder(folder).read()


def test_a_database_that_is_not_empty_is_left_as_it_is(office: KeptOffice, tmp_path: Path) -> None:
    back_up(office, tmp_path / "backup")
    before = events(office)
    assert code_of(office.run("restore", str(tmp_path / "backup"))) == "database_not_empty"
    assert events(office) == before
    assert office.run("check", officer="tuan").returncode == 0


def test_the_journal_of_another_database_is_not_played_back(sqlite_url: str, tmp_path: Path) -> None:
    office = KeptOffice(sqlite_url, tmp_path / "home").found()
    before = back_up(office, tmp_path / "backup")
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    # What a killed process leaves: the pages as they were before it changed them, and as it changed them.
    journals = {}
    for mode, ending in (("DELETE", "-journal"), ("WAL", "-wal")):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            connection.execute("PRAGMA cache_size = 1")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE officer SET created_at = '2020-01-01T00:00:00.000000Z'")
            connection.execute("CREATE TABLE filler AS SELECT randomblob(500000) AS content")
            journals[ending] = path.with_name(path.name + ending).read_bytes()
            connection.execute("COMMIT" if mode == "WAL" else "ROLLBACK")
            journals[ending] = journals[ending] or path.with_name(path.name + ending).read_bytes()
    path.unlink()
    for ending, content in journals.items():
        assert content
        path.with_name(path.name + ending).write_bytes(content)
    put_back(office, tmp_path / "backup")
    database = open_database(sqlite_url)
    with database.read() as connection:
        assert audit_trail.hash_of(connection, before.events) == before.head
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        assert "filler" not in inspect(connection).get_table_names()
    database.close()


def test_without_its_keys_it_is_not_put_back(office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path) -> None:
    back_up(office, tmp_path / "backup")
    (elsewhere.home / "keys.json").rename(tmp_path / "keys.json")
    assert code_of(elsewhere.run("restore", str(tmp_path / "backup"))) == "keys_missing"
    # No new ones were made meanwhile.
    assert not (elsewhere.home / "keys.json").exists()
    other = elsewhere.wire()
    other.close()
    assert code_of(elsewhere.run("restore", str(tmp_path / "backup"))) == "backup_of_other_keys"


def test_a_backup_of_the_other_kind_of_database_is_refused(
    sqlite_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    office = KeptOffice(sqlite_url, tmp_path / "home").found()
    back_up(office, tmp_path / "backup")
    office.url = postgresql_url
    assert code_of(office.run("restore", str(tmp_path / "backup"))) == "backup_of_other_kind"


def test_a_folder_that_holds_other_things_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    office = KeptOffice(sqlite_url, tmp_path / "home").found()
    assert code_of(office.run("backup", str(office.home))) == "folder_in_use"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotFound):
        BackupFolder(tmp_path / "nothing").read()


def test_a_vault_that_lost_a_file_makes_no_whole_backup(sqlite_url: str, tmp_path: Path) -> None:
    office = KeptOffice(sqlite_url, tmp_path / "home").found()
    path = next((office.home / "vault").glob("??/*"))
    path.unlink()
    done = office.run("backup", str(tmp_path / "backup"))
    assert code_of(done) == "vault_incomplete"
    assert path.parent.name + path.name in done.stderr.replace("\n", "").replace(" ", "")
    assert code_of(office.run("restore", str(tmp_path / "backup"))) == "backup_unfinished"


def test_postgresqls_programs_have_to_be_there(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(postgresql_url)
    old = tmp_path / "old"
    (old / "14/bin").mkdir(parents=True)
    program = old / "14/bin/pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(snapshot, "_VERSIONS", old)
    with pytest.raises(BadSetting, match=r"pg_dump of version 1[3-9]"):
        snapshot.copy_out(database, tmp_path / "copy")
    database.close()


# ------------------------------------------------------------------------------- killed anywhere


def places(path: Path) -> list[str]:
    """The places of a finished run as orders to be killed at each passing, each once or twice."""
    passed = Counter(path.read_text().splitlines())
    return [f"{place}=kill:{turn}" for place, times in passed.items() for turn in sorted({1, times})]


def test_a_backup_killed_anywhere_is_whole_or_visibly_not(office: KeptOffice, tmp_path: Path) -> None:
    assert office.run("backup", str(tmp_path / "seen-backup"), seen=tmp_path / "seen").returncode == 0
    orders = places(tmp_path / "seen")
    assert len(orders) > 10
    earlier = tmp_path / "earlier"
    first = back_up(office, earlier)
    wiring = office.wire()
    for number, order in enumerate(orders):
        # One file that the earlier backup does not hold yet.
        work(wiring, f"between {number}")
        of_one = order.rsplit(":", 1)[0] + ":1" if "copy_file" in order else order
        for folder, wanted in ((tmp_path / f"new-{number}", order), (earlier, of_one)):
            assert office.run("backup", str(folder), orders=wanted).returncode == -signal.SIGKILL, wanted
            try:
                BackupFolder(folder).verify(BackupFolder(folder).read())
            except NotFound:
                assert folder != earlier
    wiring.close()
    last = back_up(office, earlier)
    assert last.events > first.events
    assert {path.name for path in earlier.iterdir()} == {MANIFEST, "vault", last.database_file}


def test_a_restore_killed_anywhere_is_done_again(office: KeptOffice, elsewhere: KeptOffice, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    back_up(office, folder)
    fresh = tmp_path / "fresh"
    shutil.copytree(elsewhere.home, fresh)

    def start_anew() -> None:
        shutil.rmtree(elsewhere.home)
        shutil.copytree(fresh, elsewhere.home)
        if elsewhere.url.startswith("sqlite"):
            Path(elsewhere.url.removeprefix("sqlite:///")).unlink(missing_ok=True)
            return
        database = open_database(elsewhere.url)
        with database.write() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        database.close()

    assert elsewhere.run("restore", str(folder), seen=tmp_path / "seen").returncode == 0
    orders = [one for one in places(tmp_path / "seen") if "check_books" not in one]
    assert any("restore.restore" in one for one in orders)
    assert any("put_in" in one or "_restore" in one for one in orders)
    for order in orders:
        start_anew()
        assert elsewhere.run("restore", str(folder), orders=order).returncode == -signal.SIGKILL, order
        put_back(elsewhere, folder)
        assert code_of(elsewhere.run("officer", "add", "x.y", "--role", "maker")) == "database_restored"


def test_a_recovery_killed_anywhere_is_done_again(office: KeptOffice, tmp_path: Path) -> None:
    wiring = office.wire()
    assert wiring.database.witness is not None
    wiring.database.witness.note(Reported("BC-1"), (10_000, bytes(32)))
    wiring.close()
    journal = (office.home / "witness.jsonl").read_bytes()
    deposit = ("deposit-fund", "NS-ASXH", "1000", "--reference", "X")
    assert code_of(office.run(*deposit)) == "database_older"
    assert office.recover(seen=tmp_path / "seen").returncode == 0
    orders = places(tmp_path / "seen")
    assert [one.rsplit(" ", 1)[1] for one in orders] == [
        f"{moment}=kill:1" for moment in ("begun", "written", "committed", "noting", "noted")
    ]
    for order in orders:
        (office.home / "witness.jsonl").write_bytes(journal)
        assert office.recover(orders=order).returncode == -signal.SIGKILL, order
        again = office.recover()
        if "noted" in order:
            assert code_of(again) == "nothing_to_recover"
        else:
            assert again.returncode == 0, again.stderr
        assert office.run(*deposit).returncode == 0


def test_who_recovers_are_two(office: KeptOffice) -> None:
    chief = office.home / "chief.token"
    done = office.run("recover", "--approver-token-file", str(chief))
    assert code_of(done) == "role_not_allowed"
