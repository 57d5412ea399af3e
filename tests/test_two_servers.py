"""Two `paysvc serve` on one PostgreSQL, as they are installed: one of them runs the slots, and another when it dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from bank_adapters.contract_https_bank import LoopbackHttpsBank, loopback_https_bank
from paysvc.clock import VIETNAM, SystemClock
from paysvc.config import read_settings
from paysvc.domain.officers import Officer, Role
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.manage_schedules import set_schedule
from paysvc.store import schedules
from paysvc.store.tables import bank_account, batch, instruction, lease, ledger_transaction, run
from paysvc.wiring import Wiring, wire

from .finished_month import PAYSVC
from .paying_office import PayingOffice
from .planned_province import AGRIBANK, Enrolled

#: How long anything may take that is waited for, in seconds: a busy machine starts a server slowly.
_LIMIT = 120.0
PEOPLE, ROUNDS = 3, 8


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def runs(self) -> list[tuple[str, str]]:
        """The slots that it told it had run, and was the one to end."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [(one["schedule"], one["due_at"]) for one in lines if one["event"] == "run" and one["kept"]]


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def serving(home: Path, url: str, log: Path, **environment: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [PAYSVC, "--home", str(home), "--database", url, "serve", "--port", str(port)]
    with log.open("wb") as told:
        process = subprocess.Popen(
            words,
            stdout=told,
            stderr=told,
            env={**os.environ, "PAYSVC_LOG_LEVEL": "INFO", **environment},
            start_new_session=True,
        )
    try:
        yield Server(process, port, log)
    finally:
        # Master and worker: the one does not always outlive the other here.
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class Installation:
    """What both servers serve: an office with a bank, people to be paid and officers with tokens."""

    def __init__(self, home: Path, url: str, bank: LoopbackHttpsBank) -> None:
        home.mkdir(mode=0o700)
        options = "".join(f"{name} = {json.dumps(value)}\n" for name, value in bank.options(bank.port).items())
        (home / "banks.toml").write_text(
            f'[banks.AGRI]\nname = "Bank"\nadapter = "delimited"\ndebtor_name = "KHO BAC"\n'
            f'debtor_account = "3713010001"\nbin = "{AGRIBANK}"\nserves = ["{AGRIBANK}"]\ndefault = true\n'
            f"[banks.AGRI.options]\n{options}"
        )
        self.home, self.url, self.clock = home, url, SystemClock()
        self.wired: Wiring = wire(read_settings(home=home, database_url=url), self.clock)
        self.office = PayingOffice(
            self.wired.database,
            self.wired.sealer,
            self.wired.vault,
            self.clock,
            self.wired.banks,  # type: ignore[arg-type]
        )
        self.office.enrol(*[Enrolled({"BTXH": "NANG"})] * PEOPLE)
        self._give_real_accounts()
        chief: Officer = add_officer(
            self.wired.database, self.clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR
        )
        self.token = create_token(self.wired.database, self.clock, chief, officer_id="chief")
        for verb in ("submit-batches", "collect-returns"):
            every = timedelta(seconds=10)
            set_schedule(self.wired.database, self.clock, chief, schedule_id=verb, verb=verb, every=every)

    def _give_real_accounts(self) -> None:
        """Numbers that a real dialect can carry."""
        with self.wired.database.write() as connection:
            ids = list(connection.execute(select(bank_account.c.id)).scalars())
            numbers = [f"00110{number:07d}" for number in ids]
            sealed = self.wired.sealer.seal_column("bank_account", "account_sealed", ids, numbers)
            for number, value in zip(ids, sealed, strict=True):
                change = bank_account.update().where(bank_account.c.id == number)
                connection.execute(change.values(account_sealed=value))

    def one(self, statement: Any) -> Any:
        with self.wired.database.read() as connection:
            return connection.execute(statement).scalar()

    def deposit(self, server: Server, number: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": f"key-{number}"}
        body = {"amount_vnd": 1_000 + number, "reference": f"KB/{number}"}
        return httpx.post(f"{server.url}/funds/NS/deposits", json=body, headers=headers, timeout=60)

    def approve_the_month(self) -> None:
        today = self.clock.now().astimezone(VIETNAM)
        year, month = divmod(today.year * 12 + today.month, 12)
        self.office.approve(self.office.plan(f"{year}-{month + 1:02d}"))

    def holder(self) -> str:
        return str(self.one(select(lease.c.holder)) or "")

    def forget_the_holder(self) -> None:
        """Two minutes pass in which it was not heard of."""
        with self.wired.database.write() as connection:
            connection.execute(lease.update().values(until=self.clock.now() - timedelta(seconds=1)))


@pytest.fixture
def puts() -> Counter[str]:
    """How often each file was brought to the bank, by the bank's own door."""
    return Counter()


@pytest.mark.parametrize("moment", ["leaving", "answered"])
def test_one_is_killed_in_a_batch_and_the_other_ends_it(
    postgresql_url: str, tmp_path: Path, puts: Counter[str], moment: str
) -> None:
    """Right before its file leaves, and right after the bank has it."""
    with loopback_https_bank() as bank:
        handlers = bank.server.RequestHandlerClass
        take = handlers.do_PUT  # type: ignore[attr-defined]

        def count(handler: Any) -> None:
            puts[handler.path] += 1
            take(handler)

        handlers.do_PUT = count  # type: ignore[attr-defined]
        made = Installation(tmp_path / "home", postgresql_url, bank)
        doomed = {"PAYSVC_FAILPOINTS": f"handing_over._leave {moment}=kill"}
        with serving(made.home, made.url, tmp_path / "first.log", **doomed) as first:
            wait_for("the first server is not ready", first.is_ready)
            wait_for("nobody has the lease", lambda: made.holder() != "")
            held = made.holder()
            with serving(made.home, made.url, tmp_path / "second.log") as second:
                wait_for("the second server is not ready", second.is_ready)
                assert made.holder() == held

                _both_are_asked_the_same(made, first, second)

                made.approve_the_month()
                dead = int(held.rpartition(":")[2])
                wait_for("nobody was killed at the batch", lambda: _is_killed(first, dead, made, held))
                # gunicorn would start another worker, which would be told to die again.
                os.killpg(first.process.pid, signal.SIGKILL)
                first.process.wait()
                made.forget_the_holder()
                sent = select(func.count()).select_from(batch).where(batch.c.state == "SENT")
                wait_for("nobody ended the batch", lambda: made.one(sent) == 1)
                assert made.holder() not in ("", held)
                wait_for("no slot after it", lambda: len(second.runs()) >= 2)
        assert sum(puts.values()) == 1, puts
        assert len(bank.received()) == 1
        paid = select(func.count()).select_from(instruction).where(instruction.c.state == "SENT")
        assert made.one(paid) == PEOPLE
        assert made.office.differences() == []
        _require_each_slot_once(made, first, second)
        made.wired.close()


def _is_killed(server: Server, worker: int, made: Installation, held: str) -> bool:
    """The worker that had the lease is gone: its place is in the trail as an attempt that has not ended."""
    under_way = made.one(text("SELECT count(*) FROM send_attempt WHERE finished_at IS NULL"))
    return bool(under_way) and not Path(f"/proc/{worker}").exists()


def _both_are_asked_the_same(made: Installation, first: Server, second: Server) -> None:
    """The same request under the same key to both at the same time, again and again."""
    before = made.one(select(func.count()).where(ledger_transaction.c.kind == "deposit"))
    with ThreadPoolExecutor(4) as pool:
        for number in range(ROUNDS):
            asked = [pool.submit(made.deposit, server, number) for server in (first, second) * 2]
            answers = [one.result() for one in asked]
            assert {one.status_code for one in answers} <= {201, 409}
            assert 201 in {one.status_code for one in answers}
            assert {one.json()["code"] for one in answers if one.status_code == 409} <= {"request_at_work"}
            assert len({one.text for one in answers if one.status_code == 201}) == 1
    after = made.one(select(func.count()).where(ledger_transaction.c.kind == "deposit"))
    assert after - before == ROUNDS


def _require_each_slot_once(made: Installation, first: Server, second: Server) -> None:
    told = Counter([*first.runs(), *second.runs()])
    assert set(told.values()) == {1}, told
    with made.wired.database.read() as connection:
        rows = connection.execute(select(run.c.schedule_id, run.c.due_at, run.c.state)).all()
    kept = {(row.schedule_id, row.due_at.isoformat()) for row in rows if row.state != schedules.CLAIMED}
    assert set(told) <= kept
    assert {row.state for row in rows} <= {schedules.DONE, schedules.CLAIMED}
