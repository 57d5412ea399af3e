"""A whole cycle as one program in one thread, step by step, for whoever counts its system calls.

Every step may have been done by an earlier process that was killed: it looks first, as an
officer at the command line would, or is one that may be repeated.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from paysvc import failpoints
from paysvc.clock import VIETNAM, FixedClock
from paysvc.config import read_settings
from paysvc.domain.instructions import CycleState
from paysvc.domain.officers import Officer, Role
from paysvc.domain.registry import ImportKind
from paysvc.services.approve_plan import approve_plan, submit_plan
from paysvc.services.collect_returns import collect_returns
from paysvc.services.deposit_fund import deposit_fund
from paysvc.services.import_registry import import_registry
from paysvc.services.match_accounts import match_accounts
from paysvc.services.plan_payments import plan_payments
from paysvc.services.publish_report import publish_report
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.services.submit_batches import submit_batches
from paysvc.store import cycles
from paysvc.wiring import Wiring, wire

from . import bugs

_MAKER, _APPROVER = Officer("maker", Role.MAKER), Officer("approver", Role.APPROVER)
_CHIEF, _AUDITOR = Officer("administrator", Role.ADMINISTRATOR), Officer("auditor", Role.AUDITOR)
_OPERATOR = Officer("bank_operator", Role.BANK_OPERATOR)


#: The exit code of a process that could not go on.
GAVE_UP = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One cycle: where, which, by which lists. `begins` is when the office opens that day, `until` the
    last step: `approved`, `sent` or `published`. `as_of` is the moment of the report, so that whoever comes after
    a kill publishes the same; without one it is a minute ago."""

    home: Path
    database_url: str
    code: str
    begins: datetime
    lists: Mapping[str, bytes]
    deposit_vnd: int
    bug: str = ""
    until: str = "published"
    as_of: datetime | None = None


def run(task: Task, line: Connection) -> None:
    """Do the task. Says "ready", waits for an answer, begins; says "banks" when the banks have to work,
    and waits until they have; ends with "done"."""
    log = os.open(task.home / "office.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    bugs.build_in(task.bug)
    failpoints.arm({"PAYSVC_FAILPOINTS_SEEN": str(task.home / "seen")})
    clock = FixedClock(task.begins)
    wiring = wire(read_settings(home=task.home, database_url=task.database_url), clock)
    line.send("ready")
    line.recv()
    try:
        _prepare(wiring, task)
        _approve(wiring, task)
        if task.until != "approved":
            _send(wiring, task)
        if task.until == "published":
            line.send("banks")
            clock.set(line.recv())
            _hear(wiring)
            _publish(wiring, task)
    except Exception as failure:  # noqa: BLE001  # the disk or the line failed as it was told to: somebody begins anew
        sys.stderr.write(f"the cycle ended early: {type(failure).__name__}\n")
        sys.stderr.flush()
        os._exit(GAVE_UP)
    line.send("done")


def _prepare(wiring: Wiring, task: Task) -> None:
    for kind, content in task.lists.items():
        import_registry(
            wiring.database, wiring.sealer, wiring.vault, wiring.clock, _MAKER, ImportKind(kind),
            f"{kind}-{task.code}.csv", content,
        )  # fmt: skip
    match_accounts(wiring.database, wiring.sealer, wiring.clock, _MAKER)
    deposit_fund(
        wiring.database, wiring.clock, _CHIEF, fund_code="NS", amount_vnd=task.deposit_vnd, reference=f"{task.code}/KB"
    )


def _approve(wiring: Wiring, task: Task) -> None:
    database, clock = wiring.database, wiring.clock
    with database.read() as connection:
        cycle = cycles.find_cycle(connection, task.code)
    if cycle is None or cycle.state is CycleState.DRAFT:
        plan_payments(
            database, wiring.sealer, wiring.banks, clock, _MAKER, cycle_code=task.code,
            programme_codes=["TRO-CAP", "CO-CONG"], periods=[task.code],
        )  # fmt: skip
        submit_plan(database, clock, _MAKER, cycle_code=task.code)
    with database.read() as connection:
        cycle = cycles.get_cycle(connection, task.code)
    if cycle.state is CycleState.SUBMITTED and cycle.content_sha256:
        approve_plan(database, clock, _APPROVER, cycle_code=task.code, content_sha256=cycle.content_sha256)


def _send(wiring: Wiring, task: Task) -> None:
    """Until the bank has everything: what a broken line left unknown is asked for in the next run."""
    for _ in range(5):
        result = submit_batches(
            wiring.database, wiring.sealer, wiring.vault, wiring.banks, wiring.clock, _APPROVER, cycle_code=task.code
        )
        # That the bank has said nothing yet is no reason not to go and hear what it says.
        if not result.unpayable and {one.code for one in result.waiting} <= {"bank_says_nothing"}:
            return
    raise RuntimeError("not everything could be sent")


def _hear(wiring: Wiring) -> None:
    for _ in range(5):
        result = collect_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, _OPERATOR)
        reconcile_returns(wiring.database, wiring.vault, wiring.banks, wiring.clock, _OPERATOR)
        if not result.unreachable:
            return
    raise RuntimeError("a bank cannot be reached")


def _publish(wiring: Wiring, task: Task) -> None:
    as_of = (task.as_of or wiring.clock.now() - timedelta(minutes=1)).astimezone(VIETNAM)
    folder = wiring.settings.reports / f"{task.code}-{as_of:%Y%m%dT%H%M}"
    if folder.exists():
        return
    publish_report(
        wiring.database, wiring.vault, wiring.signer, wiring.banks, wiring.clock, _AUDITOR,
        cycle_code=task.code, as_of=as_of, folder=folder,
    )  # fmt: skip
