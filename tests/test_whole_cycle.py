"""Read this first: a month of a small province, from the office's files to the verified report.

Real processes: the program as its users start it, three banks of their own, both databases.
"""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from .finished_month import PAYSVC, PEOPLE, Demo, run_demo
from .test_check_books import NOT_IN_THE_DEMO


def banks_ledgers(demo: Demo) -> dict[str, tuple[int, int]]:
    """Count and đồng per outcome, read from the banks' own databases with SQL of our own."""
    totals = {"settled": (0, 0), "returned": (0, 0), "rejected": (0, 0)}
    for ledger in sorted((demo.folder / "banks").glob("*/ledger.sqlite")):
        connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
        rows = connection.execute(LEDGER_QUERY).fetchall()
        connection.close()
        for outcome, count, amount in rows:
            before = totals[outcome]
            totals[outcome] = (before[0] + count, before[1] + amount)
    return totals


LEDGER_QUERY = """
SELECT CASE WHEN debits > 0 AND debits = credits THEN 'returned' WHEN debits > 0 THEN 'settled' ELSE 'rejected' END,
       COUNT(*), SUM(amount)
FROM (
  SELECT p.amount,
         COALESCE(SUM(CASE WHEN b.is_debit = 1 THEN b.amount END), 0) AS debits,
         COALESCE(SUM(CASE WHEN b.is_debit = 0 THEN b.amount END), 0) AS credits
  FROM payment p LEFT JOIN booking b ON b.payment_id = p.id GROUP BY p.id
) GROUP BY 1
"""


def test_everybody_ends_in_exactly_one_place(on_sqlite: Demo) -> None:
    found = on_sqlite.outcomes()
    parts = ("settled", "returned", "rejected", "outstanding", "unknown", "held", "excluded")
    for measure in ("payments", "amount_vnd"):
        assert sum(found[part][measure] for part in parts) == found["entitled"][measure] > 0
    assert found["settled"]["payments"] > PEOPLE * 0.9
    assert all(found[part]["payments"] > 0 for part in ("returned", "rejected", "held", "excluded"))


def test_our_books_are_the_banks_books(on_sqlite: Demo) -> None:
    found = on_sqlite.outcomes()
    ours = {name: (found[name]["payments"], found[name]["amount_vnd"]) for name in ("settled", "returned", "rejected")}
    assert ours == banks_ledgers(on_sqlite)


def test_the_report_holds_and_says_the_same(on_sqlite: Demo) -> None:
    verified = on_sqlite.run("verify", str(on_sqlite.folder / "report"))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "signed and verified" in on_sqlite.output


@pytest.mark.parametrize(
    "part",
    ["report.json", "report.json.sig", "lines.csv", "report.pdf", "discrepancies.csv", "public-key.pem", "a bank file"],
)
def test_one_changed_byte_is_found_and_named(on_sqlite: Demo, tmp_path: Path, part: str) -> None:
    copy = tmp_path / "report"
    shutil.copytree(on_sqlite.folder / "report", copy)
    target = min((copy / "bank-files").rglob("*.*")) if part == "a bank file" else copy / part
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.chmod(0o600)
    target.write_bytes(content)
    verified = on_sqlite.run("verify", str(copy))
    assert verified.returncode == 10
    assert target.name in verified.stdout + verified.stderr or part == "public-key.pem"
    assert "Traceback" not in verified.stderr


def test_importing_the_same_files_again_changes_nothing(on_sqlite: Demo, copied: Demo) -> None:
    for name, kind in (("03-nguoi-co-cong.csv", "beneficiaries"), ("20-dan-cu.csv", "population")):
        again = copied.run("import-registry", kind, str(on_sqlite.folder / "files" / name), "-o", "json", role="maker")
        assert again.returncode == 0, again.stderr
        figures = json.loads(again.stdout)
        assert (figures["added"], figures["changed"], figures["repeated"]) == (0, 0, True)


def test_nobody_can_be_planned_twice(on_sqlite: Demo, copied: Demo) -> None:
    """A second plan of the same month finds those who got nothing yet, and nobody who was paid."""
    words = ["--programme", "BTXH", "--programme", "HTXH", "--programme", "NCC", "--period", "2026-12"]
    again = copied.run("plan-payments", "2026-12-b", *words, role="maker")
    assert again.returncode == 0, again.stderr
    first = on_sqlite.outcomes()
    second = json.loads(copied.run("show-cycle", "2026-12-b", "-o", "json").stdout)
    due = {row["outcome"]: row["payments"] for row in second}["entitled"]
    unpaid = sum(first[word]["payments"] for word in ("returned", "rejected", "held", "excluded"))
    assert 0 < due <= unpaid


def test_sending_again_sends_nothing(on_sqlite: Demo, copied: Demo) -> None:
    before = banks_inboxes(on_sqlite)
    again = copied.run("submit-batches", "2026-12", "-o", "json", role="approver")
    assert again.returncode == 0, again.stderr
    assert banks_inboxes(on_sqlite) == before


def banks_inboxes(demo: Demo) -> list[str]:
    return sorted(
        str(path.relative_to(demo.folder))
        for path in (demo.folder / "banks").rglob("*")
        if path.suffix in (".xml", ".txt", ".lst")
    )


def test_no_personal_number_lies_open(on_sqlite: Demo) -> None:
    """No citizen ID of the province is to be found in the database file or in the vault."""
    with (on_sqlite.folder / "files/03-nguoi-co-cong.csv").open(encoding="utf-8") as file:
        numbers = [row["Số định danh"].encode() for row in csv.DictReader(file, delimiter=";")]
    assert len(numbers) > 100
    office = on_sqlite.folder / "office"
    for path in [office / "paysvc.db", *(path for path in (office / "vault").rglob("*") if path.is_file())]:
        content = path.read_bytes()
        assert not any(number in content for number in numbers), path


def test_a_command_without_a_token_is_refused(on_sqlite: Demo) -> None:
    refused = subprocess.run(
        [PAYSVC, "--home", str(on_sqlite.folder / "office"), "show-cycle", "2026-12"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert refused.returncode == 4
    assert "token_missing" in refused.stderr


def test_running_it_twice_works_and_touches_nothing_else(tmp_path: Path) -> None:
    occupied = tmp_path / "mine"
    occupied.mkdir()
    (occupied / "letter.txt").write_text("keep")
    done = subprocess.run(
        [PAYSVC, "demo", "--people", "1000", "--keep", str(occupied)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert (occupied / "letter.txt").read_text() == "keep"


def test_the_same_month_on_postgresql_gives_the_same_figures(
    on_sqlite: Demo, postgresql_server: str, tmp_path: Path
) -> None:
    from sqlalchemy import NullPool, create_engine, text

    name = "paysvc_demo_test"
    administrator = create_engine(postgresql_server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    url = postgresql_server.rsplit("/", 1)[0] + f"/{name}"
    on_postgresql = run_demo(tmp_path / "postgresql", url)
    assert on_postgresql.outcomes()["entitled"] == on_sqlite.outcomes()["entitled"]
    assert on_postgresql.outcomes()["held"] == on_sqlite.outcomes()["held"]
    checked = on_postgresql.run("check", "-o", "json")
    assert checked.returncode == 0, checked.stderr
    idle = {row["equation"] for row in json.loads(checked.stdout) if not row["examined"]}
    assert idle == NOT_IN_THE_DEMO
    # A second demo in the same database starts afresh.
    again = run_demo(tmp_path / "postgresql", url)
    assert again.outcomes()["entitled"] == on_sqlite.outcomes()["entitled"]
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
