"""Four processes that run the schedule, killed and stopped again and again: every slot is run, and ended once."""

from __future__ import annotations

from pathlib import Path

from paysvc.store.engine import Database

from .prove.slots import run_slots

SLOTS, PROCESSES, KILLS, STOPS = 600, 4, 15, 5


def test_every_slot_is_run_and_ended_once_whatever_is_killed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    found = run_slots(
        database, database_url, tmp_path, slots=SLOTS, processes=PROCESSES, kills=KILLS, stops=STOPS, seed=20261122
    )
    assert not found.problems
    # As many as the slots gave time for.
    assert found.kills > KILLS // 2
    assert found.sleepers > 0


def test_a_sleeper_whose_token_nobody_looks_at_is_noticed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    found = run_slots(
        database, database_url, tmp_path, slots=40, processes=2, kills=0, stops=2, seed=1, bug="lease-without-fence"
    )
    assert found.sleepers > 0
    assert any("run again" in problem for problem in found.problems), found.problems
    assert any("by another process" in problem for problem in found.problems), found.problems
