"""An older database is put in the place of the one that was worked with: nobody may be paid again.

A plan is approved, the database copied, the files sent; days later the copy is put back, as after
a broken disk. The service has to notice before it writes, two officers recover, and the same
people have to end up paid once, by the files that had left.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from paysvc.config import read_settings
from paysvc.demo.banks import PROFILES
from paysvc.domain.officers import Officer, Role
from paysvc.services.recover import recover
from paysvc.wiring import wire

from .crew import Tally
from .databases import administer
from .small_cycle import Task
from .syscalls import FIRST_DAY, LAST_DAY, SmallCycle
from .world import PEACE, Violation, World, world


def put_back(folder: Path, database_url: str, seed: int, tally: Tally, bug: str = "") -> None:
    """One such story; when what happens is drawn by `seed`. Raises `Violation` or `NotDone`."""
    luck = random.Random(seed)
    with world(folder, database_url, seed, tally, PEACE, bug, profiles=PROFILES[:1], first_day=FIRST_DAY) as made:
        office = SmallCycle(made, None, None)
        whole = replace(office.task, as_of=None)
        _do(office, replace(whole, until="approved"))
        copy = _copied(made)
        _do(office, replace(whole, until=luck.choice(("sent", "published"))))
        if luck.random() < 0.5:
            made.let_banks_work(LAST_DAY)
        held = _messages(made)
        _put(made, copy)
        # Another day, so another value date: the bank would not know the file for the same.
        made.clock.set(max(made.clock.now(), whole.begins) + timedelta(days=luck.choice((0, 1, 3))))
        office.task = replace(whole, begins=made.clock.now())
        if office.work() or _messages(made) != held:
            raise Violation("an older database was taken for the one that was last worked with")
        _recover(made)
        office.live()


def _do(office: SmallCycle, task: Task) -> None:
    office.task = task
    if not office.work():
        raise Violation("the office did not come to the end of its task")


def _messages(made: World) -> int:
    """How many files the bank has."""
    place = made.premises(made.banks[0]) / "files"
    return sum(len(list((place / room).glob("*"))) for room in ("inbox", "archive", "refused"))


def _copied(made: World) -> str:
    """Copy the database while nobody works with it; where the copy is."""
    made.let_go()
    url = make_url(made.database_url)
    if url.get_backend_name() == "sqlite":
        copy = f"{url.database}.copy"
        shutil.copyfile(str(url.database), copy)
        return copy
    copy = f"{url.database}_copy"
    administer(made.database_url, f"CREATE DATABASE {copy} TEMPLATE {url.database}")
    return copy


def _put(made: World, copy: str) -> None:
    made.let_go()
    url = make_url(made.database_url)
    if url.get_backend_name() == "sqlite":
        shutil.copyfile(copy, str(url.database))
        return
    administer(
        made.database_url,
        f"DROP DATABASE {url.database} WITH (FORCE)",
        f"ALTER DATABASE {copy} RENAME TO {url.database}",
    )


def _recover(made: World) -> None:
    wiring = wire(read_settings(home=made.home, database_url=made.database_url), made.clock)
    try:
        assert wiring.database.witness is not None
        recover(
            wiring.database,
            wiring.database.witness,
            wiring.vault,
            wiring.clock,
            Officer("administrator", Role.ADMINISTRATOR),
            Officer("approver", Role.APPROVER),
        )
    finally:
        wiring.close()
