"""Which database we are talking to, and which settings are refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, func, insert, select, text

from paysvc.domain.errors import BadSetting, ConnectorUnavailable, PaysvcError
from paysvc.store import schema
from paysvc.store.engine import Database, Work, open_database
from paysvc.store.tables import setting


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "sqlite:////no/such/folder/x.db"]
)
def test_databases_that_cannot_keep_money_are_refused(url: str) -> None:
    with pytest.raises(BadSetting):
        open_database(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "paysvc.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(PaysvcError):
        open_database(f"sqlite:///{path}")


def test_an_unreachable_server_is_said_without_the_password() -> None:
    with pytest.raises(ConnectorUnavailable) as refused:
        open_database("postgresql+psycopg://someone:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(refused.value)


def test_a_server_that_may_forget_commits_is_refused(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    name = postgresql_url.rsplit("/", 1)[1]
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()
    with pytest.raises(BadSetting, match="synchronous_commit"):
        open_database(postgresql_url)


def test_start_up_says_which_database_it_is(database: Database) -> None:
    assert "synchronous FULL" in database.description or database.description.startswith("PostgreSQL")


def test_sqlite_syncs_every_commit_and_checks_references(sqlite_url: str) -> None:
    opened = open_database(sqlite_url)
    with opened.read() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    opened.close()


def test_an_exception_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half way"), database.write() as connection:  # noqa: PT012
        connection.execute(insert(setting).values(name="a", value="1"))
        raise RuntimeError("half way")
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(setting)).scalar_one() == 0


def test_many_writers_wait_for_each_other(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(setting).values(name="counter", value="0"))
    failures: list[BaseException] = []

    def count_up() -> None:
        try:
            for _ in range(10):
                with database.write() as connection:
                    statement = select(setting.c.value).where(setting.c.name == "counter").with_for_update()
                    before = int(connection.execute(statement).scalar_one())
                    connection.execute(setting.update().values(value=str(before + 1)))
        except BaseException as failure:  # noqa: BLE001  # shown by the assert below
            failures.append(failure)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with database.read() as connection:
        assert connection.execute(select(setting.c.value)).scalar_one() == "40"


def _put(name: str) -> Work:
    def put(connection: Connection) -> None:
        connection.execute(insert(setting).values(name=name, value=""))

    return put


def _names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(setting.c.name)).scalars())


def test_work_written_together_is_all_kept(database: Database) -> None:
    names = [str(number) for number in range(60)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(database.write_together, map(_put, names))) == [None] * len(names)
    assert _names(database) == set(names)


def test_work_that_waits_shares_one_transaction_and_its_failure(database: Database) -> None:
    begun, go_on, asked = threading.Event(), threading.Event(), threading.Semaphore(0)

    def slow(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(60)
        _put("slow")(connection)

    def counted(name: str) -> None:
        def work(connection: Connection) -> None:
            if name == "broken":
                raise RuntimeError("half way")
            _put(name)(connection)

        asked.release()
        database.write_together(work)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(database.write_together, slow)
        assert begun.wait(60)
        others = [pool.submit(counted, name) for name in ("one", "two", "broken")]
        for _ in others:
            assert asked.acquire(timeout=60)
        go_on.set()
    assert first.exception() is None
    broken = [other for other in others if other.exception() is not None]
    assert others[2] in broken
    # Whoever shared the transaction of the broken one was told; what nobody was told of is kept.
    kept = {name for name, other in zip(("one", "two"), others, strict=False) if other not in broken}
    assert _names(database) == {"slow"} | kept
    database.write_together(_put("afterwards"))
    assert "afterwards" in _names(database)


def test_an_empty_database_says_what_to_run(tmp_path: Path) -> None:
    opened = open_database(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(BadSetting) as refused:
        schema.require_current(opened)
    assert refused.value.next_step == "Run: paysvc db upgrade"
    opened.close()
