"""House style as a test: what a reader may rely on without looking."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("paysvc", "bank_adapters", "migrations", "tests", "benchmarks")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_text_files() -> list[Path]:
    """What the repository holds (or, outside a checkout, what lies here), binaries aside."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split("\0") if listed.returncode == 0 else []
    return [
        ROOT / name
        for name in names
        if name and (ROOT / name).is_file() and not name.endswith((".png", ".pdf", ".xlsx"))
    ]


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_money_meets_no_float() -> None:
    """No float literal, no float(), no true division in domain, core, ledger and adapters.

    The mock bank is left out: it is another party's program. Seconds and shares are named.
    """
    allowed = re.compile(r"seconds|timeout|_LIMIT|wait|share|ratio", re.IGNORECASE)
    found = []
    files = [
        path for path in python_files("paysvc/domain", "paysvc/core", "bank_adapters") if "mock_bank" not in path.parts
    ]
    for path in [*files, ROOT / "paysvc/store/ledger.py"]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(path):
            is_float = (
                (isinstance(node, ast.Constant) and isinstance(node.value, float))
                or (isinstance(node, ast.Name) and node.id in ("float", "Decimal"))
                or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
                or (isinstance(node, ast.Attribute) and node.attr in ("float64", "float32"))
            )
            if is_float:
                line = lines[node.lineno - 1]  # type: ignore[attr-defined]
                if "float" in line and allowed.search(line):
                    continue
                if isinstance(node, ast.BinOp) and (
                    "Path" in line or '"' in line or "path" in line or "folder" in line
                ):
                    continue
                if allowed.search(line):
                    continue
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {line.strip()}")  # type: ignore[attr-defined]
    assert found == []


def test_only_the_clock_asks_what_time_it_is() -> None:
    asks = re.compile(r"datetime\.now|date\.today|utcnow|time\.time\(")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in python_files("paysvc")
        if path != ROOT / "paysvc/clock.py"
        for match in asks.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    mute = [
        str(path.relative_to(ROOT))
        for path in python_files(*OURS)
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert mute == []


def test_packages_hold_no_behaviour() -> None:
    for path in python_files("paysvc", "bank_adapters"):
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr | ast.Assign) for node in body), path


def test_no_room_is_called_after_nothing() -> None:
    homeless = {"utils", "helpers", "common", "base", "misc", "tools", "manager"}
    assert [path for path in python_files("paysvc", "bank_adapters") if path.stem in homeless] == []


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in python_files("paysvc", "bank_adapters")
    }
    # The tables are one list and are read as one.
    long.pop("paysvc/store/tables.py")
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_public_functions_are_documented() -> None:
    """In the rooms that others build on, a public function or class says what it promises."""
    undocumented = []
    for path in python_files("paysvc/services", "paysvc/store", "paysvc/core"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                one_liner = isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno < 8
                if not ast.get_docstring(node) and not one_liner:
                    undocumented.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert undocumented == []


#: What a repository must not hold, spelled so that this file does not hold it either.
FORBIDDEN = {
    "a leftover": re.compile("TO" + "DO|FIX" + "ME"),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(wo" + r"rk|ro" + r"ot|ho" + r"me/[a-z]+)/"),
    "an index address": re.compile("files\\.python" + "hosted|py" + "pi\\.org|registry\\.npm" + "js"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_repository_holds_no(what: str) -> None:
    found = []
    for path in tracked_text_files():
        if path.suffix == ".mo" or path.name.startswith("ruff"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in FORBIDDEN[what].finditer(text)]
    assert found == []


def test_locks_pin_every_package_by_hash() -> None:
    for name in ("use.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text()
        pinned = re.findall(r"^[a-z0-9._-]+(?:\[[a-z]+\])?==", text, re.MULTILINE)
        assert len(pinned) >= 40
        blocks = re.split(r"^(?=[a-z0-9._-]+(?:\[[a-z]+\])?==)", text, flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in block for block in blocks)
