"""Four processes that run the schedule, killed again and again: every slot is run, and ended once."""

from __future__ import annotations

from pathlib import Path

from paysvc.store.engine import Database

from .prove.slots import run_slots

SLOTS, PROCESSES, KILLS = 600, 4, 15


def test_every_slot_is_run_and_ended_once_whatever_is_killed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    found = run_slots(database, database_url, tmp_path, slots=SLOTS, processes=PROCESSES, kills=KILLS, seed=20261122)
    assert not found.problems
    # As many as the slots gave time for.
    assert found.kills > KILLS // 2
