"""Places where tests end, stop or fail the program: that they do, and that none is missing."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
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

#: Calls that keep or send something for good: methods by their name, functions by their module's, too.
METHODS = frozenset(
    {"begin", "commit", "hardlink_to", "link_to", "rename", "replace", "posix_rename", "send", "symlink_to"}
)
FUNCTIONS = {
    *(f"os.{name}" for name in ("link", "rename", "renames", "replace", "symlink")),
    *(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "make_archive", "move")),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Line and column.
Place = tuple[int, int]


@dataclass(frozen=True)
class Read:
    """A function of a file, without those inside it, and what its file imports: name -> dotted name."""

    path: str
    node: Function
    imported: dict[str, str]

    @property
    def name(self) -> tuple[str, str]:
        return self.path, self.node.name


def functions(folder: Path = PACKAGE, *, leave_out: tuple[str, ...] = ()) -> Iterator[Read]:
    for path in sorted(folder.rglob("*.py")):
        name = str(path.relative_to(folder))
        if not name.startswith(leave_out):
            yield from functions_in(path.read_text(), name)


def functions_in(code: str, name: str) -> Iterator[Read]:
    tree = ast.parse(code)
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            imported |= {one.asname or one.name: f"{origin}{one.name}" for one in node.names}
    yield from (Read(name, node, imported) for node in ast.walk(tree) if isinstance(node, Function))


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """All of a function but what is in functions inside it: those run at another time."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function):
            yield child
            yield from parts(child)


def is_final(call: ast.Call, imported: dict[str, str], methods: frozenset[str] = METHODS) -> bool:
    if isinstance(call.func, ast.Name):
        return imported.get(call.func.id) in FUNCTIONS
    if not isinstance(call.func, ast.Attribute):
        return False
    owner, name = call.func.value, call.func.attr
    module = imported.get(owner.id) if isinstance(owner, ast.Name) else None
    if module in ("os", "shutil"):
        return f"{module}.{name}" in FUNCTIONS
    if name == "replace":
        # A file's `replace` takes one path; a text's takes two, and a date's names what it changes.
        return len(call.args) == 1 and not call.keywords
    return name in methods


def final_acts(one: Read, methods: frozenset[str] = METHODS) -> list[Place]:
    """Where something is done for good, in order; a transaction is kept where its block ends."""
    found = []
    in_blocks: set[ast.AST] = set()
    for node in parts(one.node):
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if isinstance(item.context_expr, ast.Call) and is_final(item.context_expr, one.imported, methods):
                    in_blocks.add(item.context_expr)
                    found.append((node.end_lineno or 0, node.end_col_offset or 0))
        elif isinstance(node, ast.Call) and node not in in_blocks and is_final(node, one.imported, methods):
            found.append((node.lineno, node.col_offset))
    return sorted(found)


def places(one: Read) -> list[Place]:
    """Where the function can be told to end, in order."""
    return sorted(
        (node.lineno, node.col_offset)
        for node in parts(one.node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach"
    )


def has_places_around(one: Read) -> bool:
    """Whether there is one before each final act and one after it, with no other final act between."""
    acts, known = final_acts(one), places(one)
    edges = [(0, 0), *acts, (sys.maxsize, 0)]
    return all(any(begin < place < end for place in known) for begin, end in pairwise(edges)) if acts else True


#: What keeps or sends nothing that a crash could lose, and why.
HARMLESS = {
    ("store/engine.py", "read"): "reads",
    ("cli/reconcile.py", "_write"): "a list for a person, which can be made again",
    ("web/idempotency.py", "wrapped"): "its `begin` is a key's, and writes by `Database.write`",
}


def test_nothing_is_kept_or_sent_without_a_place_before_and_after_it() -> None:
    bare = [one.name for one in functions() if not has_places_around(one) and one.name not in HARMLESS]
    assert not bare, bare


def test_the_list_of_what_is_harmless_is_not_longer_than_it_has_to_be() -> None:
    assert set(HARMLESS) <= {one.name for one in functions() if final_acts(one)}


#: What an adapter does for good is done at the bank, and its process holds nothing that could be lost: neither does it
#: know a database, nor does it keep a file. So it has no places of its own; `handing_over._leave` has one before
#: it calls `send` and one after the answer, and a kill in between is one at any moment, as lines that are cut and
#: the faults at each system call are.
AT_THE_BANK = {
    ("sftp_door.py", "_upload"): "the file's last name in the bank's inbox",
    ("https_door.py", "_exchange"): "whatever is asked of the bank, the file itself among it",
    ("iso20022.py", "send"): "hands on to its door",
    ("delimited.py", "send"): "the same",
    ("fixed_width.py", "send"): "the same",
}

BANK_ADAPTERS = PACKAGE.parent / "bank_adapters"


def test_what_an_adapter_does_for_good_it_does_at_the_bank() -> None:
    # The banks of the proving ground, and what tests other people's adapters, are in no office.
    found = functions(BANK_ADAPTERS, leave_out=("mock_bank", "contract"))
    asking = METHODS | {"request", "stream", "post", "put", "patch"}
    assert {one.name for one in found if final_acts(one, asking)} == set(AT_THE_BANK)


def test_files_leave_at_one_place_alone() -> None:
    def sends(one: Read) -> bool:
        return any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "send"
            for node in parts(one.node)
        )

    assert [one.name for one in functions() if sends(one)] == [("handing_over.py", "_leave")]


@pytest.mark.parametrize(
    ("body", "is_sound"),
    [
        ("path.rename(target)", False),
        ("reach('a'); reach('b'); path.rename(target)", False),
        ("path.rename(target); reach('a'); reach('b')", False),
        ("reach('a'); path.rename(target); reach('b')", True),
        ("reach('a'); path.rename(target); path.rename(other); reach('b')", False),
        ("reach('a'); path.rename(target); reach('b'); path.rename(other); reach('c')", True),
        ("reach('a'); os.replace(path, target)", False),
        ("reach('a'); move(path, target)", False),
        ("reach('a'); files.copy2(path, target)", False),
        ("def later():\n        reach('a')\n    later(); path.replace(target); reach('b')", False),
        ("with base.begin() as it:\n        reach('a'); it.write()", False),
        ("with base.begin() as it:\n        reach('a')\n    reach('b')", True),
        ("reach('a')\n    with base.begin() as it:\n        it.write(); reach('b')", False),
        ("text.replace('a', 'b'); day.replace(year=1); copy(path); os.fsync(path)", True),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_check_sees_what_it_looks_for(kind: str, body: str, is_sound: bool) -> None:
    head = "import os\nimport shutil as files\nfrom copy import copy\nfrom shutil import move\n"
    one = next(functions_in(f"{head}{kind} careless(path, target):\n    {body}\n", "careless.py"))
    assert has_places_around(one) is is_sound
