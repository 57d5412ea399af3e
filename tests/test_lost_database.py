"""PostgreSQL is lost in the middle: whoever asked is told, the service goes on, nobody is paid twice and nobody lost.

Nothing here waits for luck: a connection is ended at each place at which a transaction can be, the reply to each
COMMIT is lost in turn, and the server is stopped at once and started again, while a month is paid.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, func, insert, make_url, select, text
from werkzeug.test import TestResponse

from paysvc import failpoints
from paysvc.cli.main import paysvc
from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.domain.errors import Conflict, ConnectorUnavailable
from paysvc.domain.officers import Officer, Role
from paysvc.scheduler import LEASE, VERBS, Ticker
from paysvc.sealing import Sealer, open_or_create_sealer
from paysvc.services.approve_plan import approve_plan, submit_plan
from paysvc.services.collect_returns import collect_returns
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.manage_schedules import set_schedule
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.store import ledger, schedules, schema
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import fund, idempotency_key, ledger_transaction, setting
from paysvc.store.vault import Vault
from paysvc.store.witness import Witness
from paysvc.web.app import create_app
from paysvc.wiring import Wiring, wire

from .paying_office import APPROVER, BTXH, MAKER, SYSTEM, PayingOffice
from .planned_province import VIETCOMBANK, Enrolled
from .postgresql_server import NoServer, Server, restartable_server
from .prove.database_line import DatabaseLine, Loss

MONTH = "2026-12"
T = TypeVar("T")
#: So often a step is asked for again before it is given up.
_TRIES = 4


@contextmanager
def fresh(server_url: str, template: str) -> Iterator[str]:
    """A database of its own on this server."""
    name = f"paysvc_lost_{os.getpid()}_{os.urandom(4).hex()}"
    administrator = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield server_url.rsplit("/", 1)[0] + f"/{name}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    administrator.dispose()


@contextmanager
def through_a_line(url: str) -> Iterator[tuple[str, DatabaseLine]]:
    """The same database behind a line that can break."""
    port = make_url(url).port
    assert port is not None
    line = DatabaseLine(port)
    try:
        yield make_url(url).set(port=line.port).render_as_string(hide_password=False), line
    finally:
        line.close()


@contextmanager
def opened(url: str, home: Path) -> Iterator[Database]:
    home.mkdir(parents=True, exist_ok=True)
    database = open_database(url, Witness(home / "witness.jsonl"))
    try:
        yield database
    finally:
        database.close()


@dataclass
class Loser:
    """Stands at the failpoints in place of what kills processes, and loses the database at the `turn`-th passing."""

    lose: Callable[[], object]
    turn: int
    moments: tuple[str, ...] = ("begun", "written")
    passed: int = 0
    place: str = ""

    def pass_by(self, place: str) -> None:
        if place.endswith(self.moments):
            self.passed += 1
            if self.passed == self.turn:
                self.place = place
                self.lose()


def hang_up_on_all(url: str) -> int:
    """End every other connection to this database, as its administrator can; how many there were."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    engine.dispose()
    return int(ended)


class Month:
    """A month in an office, each step asked for again when the database was lost in it."""

    def __init__(self, database: Database, home: Path, clock: FixedClock) -> None:
        sealer: Sealer = open_or_create_sealer(home / "keys.json")
        self.office = PayingOffice(database, sealer, Vault(home / "vault", sealer), clock)
        self.office.enrol(Enrolled({"BTXH": "NANG"}), Enrolled({"BTXH": "NANG"}, bin=VIETCOMBANK))
        #: How often somebody was told that the database was lost.
        self.told = 0

    def pay(self) -> None:
        office = self.office
        at_hand = (office.database, office.vault, office.banks, office.clock, SYSTEM)
        planned = self._insist(lambda: office.plan(MONTH))
        self._insist(lambda: submit_plan(office.database, office.clock, MAKER, cycle_code=MONTH))
        digest = office.plan(MONTH).content_sha256 if planned is None else planned.content_sha256
        self._insist(
            lambda: approve_plan(office.database, office.clock, APPROVER, cycle_code=MONTH, content_sha256=digest)
        )
        for _ in range(3):  # as the scheduler does, which asks the banks at its next slot
            self._insist(lambda: office.send(MONTH))
        for code in ("AGRI", "VCB"):
            payments = self._insist(office.payments) or {}
            (sent,) = [one for one, row in payments.items() if row.bank_code == code]
            office.bank(code).put_out("statement", office.statement((sent, True), code=code))
        for _ in range(2):
            self._insist(lambda: collect_returns(*at_hand))
            self._insist(lambda: reconcile_returns(*at_hand))

    def _insist(self, step: Callable[[], T]) -> T | None:
        """What the step gave; None when it says, asked again, that it was done before."""
        for tries in range(_TRIES):
            try:
                return step()
            except ConnectorUnavailable as lost:
                if lost.code != "database_unreachable":
                    raise
                self.told += 1
            except Conflict:
                if not tries:
                    raise
                return None
        raise AssertionError("the service does not go on")

    def require_paid_once(self) -> None:
        office = self.office
        for code in ("AGRI", "VCB"):
            names = [name for name, _ in office.bank(code).sendings]
            assert len(names) == len(set(names)) == 1, names
            assert set(office.bank(code).has) == set(names)
        assert [row.state for row in office.payments().values()] == ["SETTLED"] * 2
        assert office.paid_vnd() == 2 * BTXH
        assert office.differences() == []


def test_the_answer_to_every_commit_of_a_month_is_lost_in_turn(
    postgresql_server: str, postgresql_template: str, tmp_path: Path, clock: FixedClock
) -> None:
    """Whoever sent a COMMIT and got no answer does not know; what is kept tells, and nothing is done twice."""

    def lived(which: int) -> tuple[int, int]:
        """The commits of the month, and how often somebody was told."""
        home = tmp_path / str(which)
        with (
            fresh(postgresql_server, postgresql_template) as direct,
            through_a_line(direct) as (url, line),
            opened(url, home) as database,
        ):
            month = Month(database, home, FixedClock(clock.now()))
            before = line.commits
            line.lose(which, Loss.ANSWER)
            month.pay()
            assert line.losses == (which <= line.commits - before)
            month.require_paid_once()
            return line.commits - before, month.told

    count, told = lived(10_000)
    assert told == 0
    assert count > 12
    # A batch's trouble does not stop the others: it is named in what submit-batches returns, and raises nothing.
    assert sum(lived(which)[1] for which in range(1, count + 1)) >= count // 3


def test_connections_are_ended_in_the_transactions_of_a_month(
    postgresql_server: str,
    postgresql_template: str,
    tmp_path: Path,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In half of them between the last statement and the COMMIT, and in some at the beginning."""

    def lived(moment: str, turn: int) -> int:
        home = tmp_path / f"{moment}-{turn}"
        with fresh(postgresql_server, postgresql_template) as url, opened(url, home) as database:
            month = Month(database, home, FixedClock(clock.now()))
            loser = Loser(partial(hang_up_on_all, url), turn, (moment,))
            monkeypatch.setattr(failpoints, "_armed", loser)
            month.pay()
            monkeypatch.setattr(failpoints, "_armed", None)
            assert bool(loser.place) is bool(turn)
            month.require_paid_once()
            return loser.passed

    count = lived("written", 0)
    assert count > 12
    # The others of each kind are those of the test before, which loses what comes right after.
    for turn in range(1, count + 1, 2):
        lived("written", turn)
    for turn in range(2, lived("begun", 0) + 1, 5):
        lived("begun", turn)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """One that may be stopped while others are tested on theirs."""
    try:
        with restartable_server(None, ("shared_buffers=32MB",)) as server:
            yield server
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture
def own_database(own_server: Server) -> str:
    name = f"paysvc_{os.urandom(4).hex()}"
    administrator = create_engine(own_server.url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    administrator.dispose()
    url = own_server.url.rsplit("/", 1)[0] + f"/{name}"
    database = open_database(url)
    schema.upgrade(database)
    database.close()
    return url


@pytest.mark.parametrize("share", [2, 4])
def test_the_server_goes_off_and_comes_back_while_a_month_is_paid(
    own_server: Server,
    own_database: str,
    share: int,
    tmp_path: Path,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped as by a power cut, in different transactions of one month, and started again."""

    def go_off() -> None:
        own_server.stop_at_once()
        own_server.start()

    with opened(own_database, tmp_path) as database:
        month = Month(database, tmp_path, clock)
        loser = Loser(go_off, 4 * share, ("begun", "written", "committed"))
        monkeypatch.setattr(failpoints, "_armed", loser)
        month.pay()
        assert loser.place
        month.require_paid_once()


def test_without_a_server_everybody_is_told_and_with_it_the_same_process_goes_on(
    own_server: Server, own_database: str, tmp_path: Path, clock: FixedClock, capfd: pytest.CaptureFixture[str]
) -> None:
    made = wire(read_settings(home=tmp_path / "home", database_url=own_database), clock)
    office = Deposits(made, clock)
    ticker = Ticker(made, "one")
    set_schedule(
        made.database, clock, office.chief, schedule_id="only", verb="collect-returns", every=timedelta(days=1)
    )
    own_server.stop_at_once()
    try:
        answer = office.deposit("k")
        assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unreachable")
        assert answer.content_type == "application/problem+json"
        ready = office.client.get("/readyz")
        assert (ready.status_code, ready.get_json()["reason"]) == (503, "database_unreachable")
        assert office.client.get("/healthz").status_code == 200
        with pytest.raises(ConnectorUnavailable):
            ticker.tick()
        typed = CliRunner().invoke(paysvc, ["--home", str(tmp_path / "home"), "--database", own_database, "check"])
        assert isinstance(typed.exception, ConnectorUnavailable)
        assert typed.exception.exit_code == 8
    finally:
        own_server.start()
    assert office.client.get("/readyz").status_code == 200
    assert office.deposit("k").status_code == 201
    assert office.deposits() == 1
    assert ticker.tick() == 1
    made.close()
    told = "".join(capfd.readouterr())
    assert "Traceback" not in told
    assert "psycopg" not in told


# ------------------------------------------------------------------------------------ over HTTP


class Deposits:
    """The API with a fund, and an administrator who deposits."""

    def __init__(self, wired: Wiring, clock: FixedClock) -> None:
        self.wired, self.clock = wired, clock
        self.body: dict[str, Any] = {"amount_vnd": 5_000_000, "reference": "2026-12/KB-01"}
        self.chief: Officer = add_officer(
            wired.database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR
        )
        self.token = create_token(wired.database, clock, self.chief, officer_id="chief")
        with wired.database.write() as connection:
            connection.execute(insert(fund).values(code="NS", name="NS", source="test"))
        self.client = create_app(wired).test_client()

    def deposit(self, key: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        return self.client.post("/funds/NS/deposits", json=self.body, headers=headers)

    def deposits(self) -> int:
        with self.wired.database.read() as connection:
            of_kind = select(func.count()).where(ledger_transaction.c.kind == "deposit")
            return int(connection.execute(of_kind).scalar_one())

    def balance(self) -> int:
        with self.wired.database.read() as connection:
            return ledger.balance(connection, ledger.fund("NS"))


@pytest.mark.parametrize("loss", list(Loss), ids=lambda loss: loss.value)
def test_a_request_whose_commit_had_no_answer_is_repeated_to_one_effect(
    postgresql_url: str, tmp_path: Path, clock: FixedClock, loss: Loss, capfd: pytest.CaptureFixture[str]
) -> None:
    with through_a_line(postgresql_url) as (url, line):
        made = wire(read_settings(home=tmp_path / "home", database_url=url), clock)
        office = Deposits(made, clock)
        before = line.commits
        assert office.deposit("first of all").status_code == 201
        # Those of one request, with what is committed after reading.
        count, expected = line.commits - before, 5_000_000
        assert count >= 3
        for which in range(1, count + 1):
            office.body = {"amount_vnd": 1_000, "reference": f"KB/{which}"}
            line.lose(which, loss)
            answers = [office.deposit(f"k{which}")]
            while answers[-1].status_code != 201:
                code = answers[-1].get_json()["code"]
                assert (answers[-1].status_code, code) in {(503, "database_unreachable"), (409, "request_at_work")}
                assert len(answers) < _TRIES
                if code == "request_at_work":
                    clock.advance(timedelta(minutes=31))  # as after a process that was killed at it
                answers.append(office.deposit(f"k{which}"))
            expected += 1_000
            assert (office.deposits(), office.balance()) == (which + 1, expected)
        assert line.losses == count
        with made.database.read() as connection:
            kept = set(connection.execute(select(idempotency_key.c.status)).scalars())
        assert kept == {201}
        made.close()
    assert "Traceback" not in "".join(capfd.readouterr())


def test_many_requests_while_connections_are_ended_have_one_effect_each(
    postgresql_url: str, tmp_path: Path, clock: FixedClock
) -> None:
    made = wire(read_settings(home=tmp_path / "home", database_url=postgresql_url), clock)
    office = Deposits(made, clock)
    app = create_app(made)

    def deposited(number: int) -> int:
        """How often it was asked for until it was done."""
        headers = {"Authorization": f"Bearer {office.token}", "Idempotency-Key": f"k{number}"}
        body = {"amount_vnd": 1_000, "reference": f"KB/{number}"}
        for tries in range(1, 200):
            answer = app.test_client().post("/funds/NS/deposits", json=body, headers=headers)
            if answer.status_code == 201:
                return tries
            assert answer.get_json()["code"] in ("database_unreachable", "request_at_work"), answer.get_json()
            if answer.get_json()["code"] == "request_at_work":
                clock.advance(timedelta(minutes=31))
        raise AssertionError("never done")

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(deposited, number) for number in range(40)]
        ended = sum(hang_up_on_all(postgresql_url) for _ in range(15))
        tries = [one.result() for one in asked]
    assert ended > 0
    assert sum(tries) > 40, "nobody was hung up on at work"
    assert (office.deposits(), office.balance()) == (40, 40_000)
    made.close()


# --------------------------------------------------------------------------------- the schedule


@pytest.mark.parametrize("loss", list(Loss), ids=lambda loss: loss.value)
def test_a_slot_whose_commits_had_no_answer_is_done_all_the_same(
    postgresql_url: str, tmp_path: Path, clock: FixedClock, loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same process, which lives on and would otherwise keep others from what it takes for nobody's."""
    ran: list[str] = []
    monkeypatch.setitem(VERBS, "collect-returns", lambda wiring, arguments: ran.append("it") or "done")
    with through_a_line(postgresql_url) as (url, line):
        made = wire(read_settings(home=tmp_path / "home", database_url=url), clock)
        chief = add_officer(made.database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
        ticker = Ticker(made, "one")
        for which in range(1, 4):  # the lease, the claim, the end
            name = f"slot-{which}"
            set_schedule(
                made.database, clock, chief, schedule_id=name, verb="collect-returns", every=timedelta(days=365)
            )
            line.lose(which, loss)
            ran.clear()
            with pytest.raises(ConnectorUnavailable):
                ticker.tick()
            clock.advance(LEASE)
            ticker.tick()
            assert 1 <= len(ran) <= 2
            with made.database.read() as connection:
                found = {run["schedule_id"]: run["state"] for run in schedules.recent_runs(connection)}
            assert found[name] == schedules.DONE
        assert line.losses == 3
        made.close()


def test_what_is_no_lost_server_is_not_called_one(database: Database) -> None:
    """A statement that the database refuses is told as before: asking again would not help."""
    from sqlalchemy.exc import SQLAlchemyError

    with pytest.raises(SQLAlchemyError), database.write() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))
    with database.write() as connection:
        connection.execute(insert(setting).values(name="a", value="1"))


def test_a_problem_of_the_database_says_what_to_do(postgresql_url: str, tmp_path: Path, clock: FixedClock) -> None:
    with through_a_line(postgresql_url) as (url, line):
        made = wire(read_settings(home=tmp_path / "home", database_url=url), clock)
        office = Deposits(made, clock)
        line.lose(1, Loss.REQUEST)
        problem = json.loads(office.deposit("k").get_data())
        assert "Idempotency-Key" in problem["next_step"]
        assert problem["status"] == httpx.codes.SERVICE_UNAVAILABLE
        made.close()
