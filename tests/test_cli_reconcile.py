"""`paysvc reconcile` as people type it: files in, figures out, exit codes that scripts can trust."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from paysvc.cli.reconcile import reconcile
from tests.iso_papers import Booking, order, statement, status_report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "a.xml": order([("P1", 500_000), ("P2", 500_000)], "M1"),
        "b.xml": order([("Q1", 500_000)], "M2"),
        "paid.xml": statement(Booking("P1"), Booking("Q1"), Booking("P2")),
        "twice.xml": statement(Booking("P1"), Booking("P1"), statement_id="S2"),
        "refused.xml": status_report([("P2", "RJCT", "AC04")]),
        "lie.xml": statement(Booking("P1"), closing=1),
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def run(*words: str) -> Result:
    result = CliRunner().invoke(reconcile, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_everything_agrees(folder: Path) -> None:
    result = run("--sent", "a.xml", "b.xml", "--returned", "paid.xml")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["outcomes"]["settled"] == {"count": 3, "amount_vnd": 1_500_000}
    assert result.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--sent", "a.xml", "--sent", "b.xml", "--returned", "paid.xml"],
        ["--returned", "paid.xml", "--sent", "b.xml", "a.xml"],
        ["--sent=a.xml", "b.xml", "--returned=paid.xml"],
        ["--sent", "[ab].xml", "--returned", "p*.xml"],
        ["--sent", "a.xml", "b.xml", "-o", "json", "--returned", "paid.xml", "paid.xml"],
    ],
)
def test_files_may_be_named_in_any_way(folder: Path, words: list[str]) -> None:
    assert run(*words).stdout == run("--sent", "a.xml", "b.xml", "--returned", "paid.xml").stdout


def test_discrepancies_are_exit_code_9_and_the_figures_are_there(folder: Path) -> None:
    result = run("--sent", "a.xml", "--returned", "twice.xml", "refused.xml", "--lines", "lines.csv")
    assert result.exit_code == 9
    assert json.loads(result.stdout)["discrepancies"]["duplicate_settlement"] == {"count": 1}
    assert "1 discrepancies." in result.stderr
    with (folder / "lines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "end_to_end_id", "outcome", "amount_sent_vnd", "amount_settled_vnd", "amount_returned_vnd", "reason_code",
        "bank_reference", "discrepancy",
    ]  # fmt: skip
    assert [(row["end_to_end_id"], row["outcome"], row["discrepancy"]) for row in rows] == [
        ("P1", "settled", "duplicate_settlement"),
        ("P2", "rejected", ""),
    ]


def test_a_file_that_is_not_believed_writes_nothing(folder: Path) -> None:
    (folder / "lines.csv").write_text("before")
    result = run("--sent", "a.xml", "--returned", "lie.xml", "--lines", "lines.csv")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "statement_not_proved" in result.stderr
    assert "lie.xml: statement S1" in result.stderr
    assert (folder / "lines.csv").read_text() == "before"
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".part") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sent", "missing.xml", "--returned", "paid.xml"], "missing.xml"),
        (["--sent", "a.xml", "--returned", "none*.xml"], "No file matches"),
        (["--sent", "--returned", "paid.xml"], "needs at least one file"),
        (["--sent", "a.xml", "--returned"], "needs at least one file"),
        (["--sent", "a.xml"], "--returned"),
        (["--sent", ".", "--returned", "paid.xml"], "cannot be read"),
        (["--sent", "a.xml", "--returned", "paid.xml", "-o", "xml"], "xml"),
        (["--sent", "a.xml", "--returned", "paid.xml", "--lines", "no/such/lines.csv"], "folder"),
        (["--sent", "a.xml", "--returned", "paid.xml", "--lines", "paid.xml"], "overwrite"),
        (["--sent", "a.xml", "--returned", "paid.xml", "--lines", "/dev/null"], "plain file"),
        (["--bogus"], "--bogus"),
    ],
)
def test_a_command_that_cannot_be_used_is_exit_code_2_and_a_sentence(folder: Path, words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_an_unreadable_file_is_exit_code_2(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is unreadable for root")
    (folder / "a.xml").chmod(0)
    assert run("--sent", "a.xml", "--returned", "paid.xml").exit_code == 2


def test_no_cell_of_the_lines_is_a_formula(folder: Path) -> None:
    (folder / "evil.xml").write_bytes(
        statement(Booking("=1+1", reason="@SUM"), Booking("-2", bank_reference="+3"), statement_id="S9")
    )
    assert run("--sent", "a.xml", "--returned", "evil.xml", "--lines", "lines.csv").exit_code == 9
    with (folder / "lines.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert {"'=1+1", "'@SUM", "'-2", "'+3"} <= set(cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_table_is_for_reading(folder: Path) -> None:
    result = run("--sent", "a.xml", "b.xml", "--returned", "paid.xml", "-o", "table")
    assert result.exit_code == 0
    for word in ("settled", "1.500.000\u00a0₫", "unknown reference", "S1"):
        assert word in result.stdout


def test_hostile_names_break_nothing(folder: Path) -> None:
    (folder / "[").mkdir()
    name = "[/bold]\u202e=x.xml"
    (folder / name).write_bytes(b"no xml")
    result = run("--sent", name, "--returned", "paid.xml")
    assert result.exit_code == 3
    (folder / "id.xml").write_bytes(statement(Booking("P1"), Booking("P2"), statement_id="[/red]"))
    assert run("--sent", "a.xml", "--returned", "id.xml", "-o", "table").exit_code == 0


def test_help_shows_examples_and_exit_codes(folder: Path) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "paysvc reconcile --sent pain001.xml --returned camt053.xml" in result.stdout
    assert "3 a file cannot be believed" in result.stdout
