"""The proving ground itself: a little of each level, and that it notices what it is there for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paysvc.store.engine import Database

from .prove import __main__ as command
from .prove import attacks, counts, matrix, syscalls
from .prove import world as provinces
from .prove.bugs import BUGS, Bug, changed_source
from .prove.counts import Counts
from .prove.crew import Tally
from .prove.drill import Drill
from .prove.line import CALM, Weather
from .prove.model_bugs import BUGS as MODEL_BUGS
from .prove.places import all_places
from .prove.put_back import put_back
from .prove.world import DEAF, Harm, Violation, World, months, world

#: No time fails a test: on a busy machine it takes as long as it takes.
PATIENT = Harm(quiet_seconds=900.0)
ROOT = Path(__file__).parents[1]

#: What only the drill comes by.
DRILLED = (
    "sealing.",
    "store.schema.",
    "services.backup.",
    "store.backup_folder.",
    "services.restore.",
    "store.snapshot.",
    "services.recover.",
)


def empty_database(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Where a world may make its tables; on PostgreSQL those of the template are there already."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'office' / 'paysvc.db'}"
    return str(request.getfixturevalue("postgresql_url"))


def live(made: World, count: int) -> None:
    for year, month in months(count):
        made.month(year, month)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_month_under_kills_faults_and_lies(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tally, folder = Tally(), tmp_path / "world"
    with world(folder, empty_database(kind, folder, request), 20261122, tally, PATIENT) as made:
        live(made, 1)
    assert tally.kills > 0
    assert set(tally.killed_at) - {""} <= all_places()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_with_every_acknowledgement_lost_each_file_comes_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every sending is unknown at first; the banks are asked, nothing is brought twice, and all is known in the end."""
    folder = tmp_path / "world"
    with world(folder, empty_database(kind, folder, request), 11, Tally(), replace(DEAF, quiet_seconds=900.0)) as made:
        live(made, 1)
        arrivals = made.arrivals()
        assert len(arrivals) >= 3
        assert set(arrivals.values()) == {1}
        outcomes = made.rows("SELECT outcome, count(*) FROM send_attempt GROUP BY outcome")
        assert [tuple(row) for row in outcomes] == [("unknown", len(arrivals))]
        assert {state for (state,) in made.rows("SELECT DISTINCT state FROM batch")} == {"SENT"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_files_that_are_brought_twice_at_once_and_late_are_paid_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them, at banks that notice it by the message id; the banks' own notes say how often they came."""
    monkeypatch.setattr(provinces, "_STORM", (Weather(repeated=0.5), Weather(silenced=0.3, repeated=0.5)))
    folder, harm = tmp_path / "world", replace(PATIENT, violence=0.0, storms=1.0, lies=0.0, most_offices=1)
    with world(folder, empty_database(kind, folder, request), 20261124, Tally(), harm) as made:
        live(made, 2)
        assert made.brought_again > 0
        assert max(made.arrivals().values()) > 1


def test_a_month_goes_on_when_the_database_loses_commits(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the answers to them: who wrote cannot tell the one from the other, and finds out."""
    monkeypatch.setattr(provinces, "_STORM", (CALM,))
    monkeypatch.setattr(provinces, "_LOST_COMMITS", (0.1,))
    folder, harm = tmp_path / "world", replace(PATIENT, violence=0.0, storms=1.0, lies=0.0)
    with world(folder, empty_database("postgresql", folder, request), 20261125, Tally(), harm) as made:
        live(made, 1)
        assert made.database_line is not None
        assert made.database_line.losses > 0


def test_kills_of_several_runs_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Counts(tmp_path / "counts.json"), Counts(tmp_path / "counts.json")
    one.add({"sqlite": {"a begun": 3}})
    other.add({"sqlite": {"a begun": 1}, "postgresql": {"b begun": 2}})
    one.add({"sqlite": {"a begun": 5, "c begun": 1}})
    added = {"sqlite": {"a begun": 6, "c begun": 1}, "postgresql": {"b begun": 2}}
    assert other.read() == added
    assert command._told_of_all(other.read(), names_seldom=False)["kills"] == {"sqlite": 7, "postgresql": 2}
    # What was counted of other code is no evidence of this.
    monkeypatch.setattr(counts, "source_sha256", lambda: "another")
    assert other.read() == {}
    Counts(tmp_path / "counts.json").add({"sqlite": {"a begun": 1}})
    assert other.read() == {"sqlite": {"a begun": 1}}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_drill_ends_with_books_that_agree(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tally, folder = Tally(), tmp_path / "world"
    # What other tests kill at is killed at seldom here, or this would take minutes.
    tally.killed_at.update({place: 100 for place in all_places() if not place.startswith(DRILLED)})
    before = tally.killed_at.copy()
    harm = Harm(storms=0.0, lies=0.0, quiet_seconds=PATIENT.quiet_seconds, enough=1)
    with world(folder, empty_database(kind, folder, request), 20261123, tally, harm, kind=Drill) as made:
        live(made, 1)
        assert isinstance(made, Drill)
        assert made.losses.restored == 1
    killed = {place for place in tally.killed_at if tally.killed_at[place] > before[place]}
    assert killed - {""} <= all_places()
    for module in DRILLED:
        assert any(place.startswith(module) for place in killed), module


def test_what_is_known_to_be_a_double_and_leaves_is_noticed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Without kills; so a drill has such payments in files that are at home, whatever it draws."""
    harm, folder = replace(PATIENT, violence=0.0, storms=0.0, lies=0.0), tmp_path / "world"
    bug, url = "double-in-a-sealed-file-leaves", empty_database("sqlite", folder, request)
    with (
        pytest.raises(Violation, match="left although it was known"),
        world(folder, url, 5, Tally(), harm, bug, kind=Drill) as made,
    ):
        live(made, 2)


@pytest.mark.parametrize("name", ["somebody-left-out", "no-rule-u2", "wrong-account"])
def test_what_is_wrong_is_noticed(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "world"
    # Without kills: what is noticed is the fault alone.
    harm = replace(PATIENT, violence=0.0, storms=0.0, lies=1.0, most_offices=1)
    with (
        pytest.raises(Violation),
        world(folder, empty_database("sqlite", folder, request), 7, Tally(), harm, name) as made,
    ):
        live(made, 6)


@pytest.mark.parametrize(
    ("name", "noticed"),
    [
        ("report-of-earlier-days", "the report counts .* the banks"),
        ("signed-before-complete", "does not hold: signature"),
    ],
)
def test_a_report_that_only_an_outsider_would_doubt_is_noticed(
    name: str, noticed: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder, harm = tmp_path / "world", replace(PATIENT, violence=0.0, storms=0.0, lies=0.0, most_offices=1)
    with (
        pytest.raises(Violation, match=noticed),
        world(folder, empty_database("sqlite", folder, request), 7, Tally(), harm, name) as made,
    ):
        live(made, 3)


@pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.name)
def test_every_seeded_fault_still_changes_something(bug: Bug) -> None:
    assert bug.edits or bug.schema
    assert bug.what.endswith(".")
    for module, function in {(edit.module, edit.function) for edit in bug.edits}:
        # Later edits of one function are made in what the earlier ones left.
        edit = next(one for one in bug.edits if (one.module, one.function) == (module, function))
        _, _, _, source = changed_source(edit)
        compile(source, function, "exec")


def test_a_file_that_was_refused_without_a_word_is_reported_as_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder, harm = tmp_path / "world", replace(PATIENT, violence=0.0, storms=0.0, lies=0.0, most_offices=1)
    with world(folder, empty_database("sqlite", folder, request), 3, Tally(), harm) as made:
        for bank in made.banks:
            bank.misbehave({"refuse_files": 1})
        live(made, 1)


def test_there_are_faults_enough() -> None:
    assert len(BUGS | MODEL_BUGS) >= 24


@pytest.mark.skipif(not syscalls.is_possible(), reason="no strace that may look at processes here")
def test_a_cycle_survives_at_system_calls(tmp_path: Path) -> None:
    def url(folder: Path) -> str:
        return f"sqlite:///{folder / 'office' / 'paysvc.db'}"

    tally = Tally()
    boundaries = syscalls.survey(tmp_path / "survey", url(tmp_path / "survey"), tally)
    assert {one.call for one in boundaries} == set(syscalls.CALLS)
    draw = random.Random(1)
    for number, call in enumerate(syscalls.CALLS):
        fault = draw.choice([one for one in boundaries if one.call == call])
        folder = tmp_path / f"cycle{number}"
        syscalls.cycle(folder, url(folder), tally, "", fault)
    assert tally.kills + tally.errors > 0


@pytest.mark.skipif(not syscalls.is_possible(), reason="no strace that may look at processes here")
def test_a_commit_that_does_not_wait_for_the_disk_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    with pytest.raises(Violation, match="did not wait"):
        syscalls.survey(folder, f"sqlite:///{folder / 'office' / 'paysvc.db'}", Tally(), "no-sync")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_was_put_back_pays_nobody_again(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    put_back(tmp_path / "world", empty_database(kind, tmp_path / "world", request), 5, Tally())


def test_a_database_that_was_put_back_and_is_trusted_is_noticed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = empty_database("sqlite", tmp_path / "world", request)
    with pytest.raises(Violation, match="older database"):
        put_back(tmp_path / "world", url, 5, Tally(), "restored-database-trusted")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDAET posting SET amount_vnd = 0", "an attack is no attack"),
        ("DELETE FROM posttings", "an attack is no attack"),
        ("UPDATE posting SET amount = 0", "an attack is no attack"),
        ("INSERT INTO fund (code) VALUES ('X')", "an attack lacks a value"),
        ("UPDATE fund SET name = name", ""),
        ("INSERT INTO posting SELECT * FROM posting", ""),
    ],
)
def test_an_attack_that_is_misspelt_is_found_out(
    statement: str, problem: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "ATTACKS", {"U0: what is tried": statement})
    found = attacks.refused_by_the_database(database.engine)
    assert [one.partition(" U0")[0].partition(",")[0].rstrip(":") for one in found] == ([problem] if problem else [])


def prove(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.prove", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_with_a_line_of_figures() -> None:
    done = prove("--minutes", "0.05", "--database", "sqlite", "--level", "month", "--seed", "5", "--months", "1")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["violations"] == []
    assert told["trials"] == {"months": 1}
    assert told["kills"] >= 0
    assert set(told["not_covered"]) <= all_places()


def test_the_command_fails_with_a_seeded_fault() -> None:
    done = prove(
        "--minutes", "2", "--database", "sqlite", "--level", "month", "--seed", "5", "--bug", "no-rule-u1"
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["bug"] == "no-rule-u1"
    assert len(told["violations"]) == 1


def test_the_command_names_the_seeded_faults() -> None:
    listed = prove("--list-bugs").stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(BUGS | MODEL_BUGS)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--database postgresql --bug status-last-wins", "the model runs in process, on SQLite alone"),
        ("--database postgresql --bug no-sync", "no-sync cannot be built in on postgresql"),
        ("--database sqlite --bug no-sync", "there is no strace that works here"),
        ("--level calls", "there is no strace that works here"),
        ("--level slots --bug float-money", "float-money is not known to show in slots, but in month"),
    ],
)
def test_the_command_refuses_to_try_nothing(
    words: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syscalls, "is_possible", lambda: False)
    with pytest.raises(SystemExit) as ended:
        command.main(words.split())
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert reason in told.err
    assert not told.out


@pytest.mark.parametrize("words", [["--bug", "no-rule-u1"], ["--matrix"]])
def test_kills_with_a_seeded_fault_are_not_counted(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--counts", str(tmp_path / "counts.json"), *words])
    assert ended.value.code == 2
    assert "as it is" in capsys.readouterr().err
    assert not (tmp_path / "counts.json").exists()


def test_what_holds_no_counts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "counts.json").write_text("half a fi")
    with pytest.raises(SystemExit) as ended:
        command.main(["--counts", str(tmp_path / "counts.json")])
    assert ended.value.code == 2
    assert "is no file of counts" in capsys.readouterr().err
    assert (tmp_path / "counts.json").read_text() == "half a fi"


def test_a_run_without_a_trial_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_take_turns", lambda *given: None)
    assert command.main(["--database", "sqlite", "--level", "month"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["trials"] == {}
    assert "nothing is proved" in told.err


@pytest.mark.parametrize(("name", "level"), [("status-last-wins", "model"), ("restored-database-trusted", "put-back")])
def test_the_matrix_says_where_a_fault_is_caught(name: str, level: str) -> None:
    done = prove("--matrix", "--database", "sqlite", "--bug", name, "--seed", "100", "--minutes", "5")
    assert done.returncode == 0, done.stderr
    head, rule, line = done.stdout.splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    cells = dict(zip(head.split(" | ")[1:-1], line.split(" | ")[1:-1], strict=True))
    assert cells.pop(level).endswith(" s")
    assert cells["slots"] == matrix.CANNOT
    assert set(cells.values()) == ({matrix.CANNOT} if level == "model" else {matrix.CANNOT, matrix.NOT_TRIED})


def test_the_matrix_names_the_databases_and_what_was_missed() -> None:
    caught, missed = matrix.Attempt("sqlite", 8.2, "month sqlite 100: 1 | 2; 3"), matrix.Attempt("postgresql", 60, "")
    assert matrix.row("fault", [matrix.CANNOT, [caught, missed], matrix.NOT_TRIED]) == (
        "| fault | - | sqlite 8 s, postgresql not caught in 60 s | not tried | 1 / 2 |"
    )
