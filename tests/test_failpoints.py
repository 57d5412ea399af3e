"""Places where tests end, stop or fail the program: that they do, and that none is missing."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from paysvc import failpoints
from paysvc.store.engine import Database
from paysvc.store.vault import Vault

PACKAGE = Path(failpoints.__file__).parent

#: Puts one file into a vault; its places are those of `Vault.put`.
KEEPER = """
import sys
from pathlib import Path
from paysvc.sealing import open_or_create_sealer
from paysvc.store.vault import Vault
folder = Path(sys.argv[1])
for content in (b"first", b"second"):
    Vault(folder / "vault", open_or_create_sealer(folder / "keys.json")).put(content)
    print("kept", flush=True)
"""


def keep(folder: Path, orders: str = "", seen: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PAYSVC_FAILPOINTS": orders, "PAYSVC_FAILPOINTS_SEEN": str(seen or "")}
    words = [sys.executable, "-c", KEEPER, str(folder)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_place_is_noted_as_often_as_it_is_passed(tmp_path: Path, vault: Vault) -> None:
    # The fixture has made the keys, which passes places of its own.
    with keep(tmp_path, seen=tmp_path / "seen") as process:
        assert process.wait(60) == 0
    moments = ("written", "synced", "renamed", "kept")
    assert (tmp_path / "seen").read_text().splitlines() == [f"store.vault.Vault.put {one}" for one in moments] * 2


@pytest.mark.parametrize(("turn", "kept"), [("", 0), (":1", 0), (":2", 1)])
def test_a_process_is_killed_at_its_turn(tmp_path: Path, turn: str, kept: int) -> None:
    with keep(tmp_path, f"store.vault.Vault.put synced=kill{turn}") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert output.count("kept") == kept
    # What was killed before the rename is there under no name.
    files = [path for path in (tmp_path / "vault").rglob("*") if path.is_file()]
    assert sorted(path.suffix == ".tmp" for path in files) == [False] * kept + [True]


def test_a_process_is_stopped_until_somebody_lets_it_go_on(tmp_path: Path) -> None:
    process = keep(tmp_path, "store.vault.Vault.put renamed=stop")
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output.count("kept")) == (0, 2)


@pytest.mark.parametrize(("action", "number"), [("fail", errno.EIO), ("full", errno.ENOSPC)])
def test_an_error_of_the_disk_is_raised(
    action: str, number: int, monkeypatch: pytest.MonkeyPatch, vault: Vault
) -> None:
    orders = {"PAYSVC_FAILPOINTS": f"store.vault.Vault.put synced={action}"}
    monkeypatch.setattr(failpoints, "_armed", failpoints._read(orders))
    with pytest.raises(OSError, match=r"store\.vault\.Vault\.put synced") as caught:
        vault.put(b"content")
    assert caught.value.errno == number
    vault.put(b"content")


@pytest.mark.parametrize("orders", ["place", "place=", "place=explode", "place=kill:often", "place=kill:1;other"])
def test_what_nobody_could_follow_is_refused(orders: str) -> None:
    with pytest.raises(ValueError, match="PAYSVC_FAILPOINTS"):
        failpoints._read({"PAYSVC_FAILPOINTS": orders})


def test_a_transaction_passes_three_places_named_after_who_writes(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE noted (what TEXT)"))
    monkeypatch.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS_SEEN": str(tmp_path / "seen")}))

    def note(what: str) -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO noted VALUES (:what)"), {"what": what})

    def notes() -> list[str]:
        with database.read() as connection:
            return list(connection.execute(text("SELECT what FROM noted ORDER BY what")).scalars())

    note("kept")
    place = f"{__name__}.{test_a_transaction_passes_three_places_named_after_who_writes.__name__}.<locals>.note"
    passed = (tmp_path / "seen").read_text().splitlines()
    assert passed == [f"{place} {moment}" for moment in ("begun", "written", "committed")]
    for moment, is_kept in (("begun", False), ("written", False), ("committed", True)):
        monkeypatch.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place} {moment}=fail"}))
        with pytest.raises(OSError, match=moment):
            note(moment)
        assert (moment in notes()) is is_kept


# Nothing may be kept or sent without a place around it ------------------------------------------------

#: Calls that keep or send something for good, by the name that is called.
FINAL = {"begin", "commit", "hardlink_to", "rename", "replace", "send"}


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield str(path.relative_to(PACKAGE)), node


def calls(node: ast.AST) -> list[ast.Call]:
    return [one for one in ast.walk(node) if isinstance(one, ast.Call)]


def is_final(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name == "replace":
        # A file's `replace` takes one path; a text's takes two, and a date's names what it changes.
        return len(call.args) == 1 and not call.keywords
    return name in FINAL


def places_of(node: ast.FunctionDef) -> int:
    return sum(isinstance(call.func, ast.Name) and call.func.id == "reach" for call in calls(node))


#: What keeps or sends nothing that a crash could lose, and why.
HARMLESS = {
    ("store/engine.py", "read"): "reads",
    ("cli/reconcile.py", "_write"): "a list for a person, which can be made again",
    ("web/idempotency.py", "idempotent"): "its `begin` is a key's, and writes by `Database.write`",
    ("web/idempotency.py", "wrapped"): "the same",
}


def test_nothing_is_kept_or_sent_without_a_place_around_it() -> None:
    bare = [
        f"{path}: {node.name}"
        for path, node in functions()
        if any(map(is_final, calls(node))) and places_of(node) < 2 and (path, node.name) not in HARMLESS
    ]
    assert not bare, bare


def test_the_list_of_what_is_harmless_is_not_longer_than_it_has_to_be() -> None:
    found = {(path, node.name) for path, node in functions() if any(map(is_final, calls(node)))}
    assert set(HARMLESS) <= found


def test_the_check_sees_what_it_looks_for() -> None:
    code = "def careless(path, target):\n    path.rename(target)\n"
    (node,) = ast.parse(code).body
    assert isinstance(node, ast.FunctionDef)
    assert any(map(is_final, calls(node)))
    assert places_of(node) == 0
