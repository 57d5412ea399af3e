"""One way into the database: who we are talking to, refused settings, transactions.

SQLite is the embedded default and PostgreSQL the production database; everything above
uses `Database.write()` and `Database.read()` and does not ask which one it is.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool

from paysvc.domain.errors import BadSetting, ConnectorUnavailable
from paysvc.failpoints import reach
from paysvc.store import audit_trail
from paysvc.store.witness import Reported, Requested, Sending, Witness

#: SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or checkpoint
#: at the moment the log is reset; a web server beside a scheduler is exactly that. With these
#: versions the rollback journal is used instead. docs/decisions/0005.
_FIRST_SOUND_WAL = (3, 51, 3)

_OLDEST_SQLITE = (3, 35, 0)  # RETURNING
_OLDEST_POSTGRESQL = 130000


Work = Callable[[Connection], None]

#: From the generator of `Database.write` to the function that uses it, past `contextmanager`.
_CALLER = 2


class _Piece:
    """The work of one thread, and what became of it."""

    __slots__ = ("failure", "is_over", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.is_over = False
        self.failure: BaseException | None = None


class SharedWrites:
    """Who comes first writes for all who came meanwhile; the others wait for a lock and do not poll."""

    def __init__(self) -> None:
        self._writing = Lock()
        self._waiting: deque[_Piece] = deque()

    def run(self, work: Work, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        """Do `work` in a transaction, together with whatever waits; raises what any of it raised."""
        piece = _Piece(work)
        self._waiting.append(piece)
        with self._writing:
            if not piece.is_over:
                _write(self._taken(), transaction)
        if piece.failure is not None:
            raise piece.failure

    def _taken(self) -> list[_Piece]:
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


def _write(pieces: list[_Piece], transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    failure: BaseException | None = None
    try:
        with transaction() as connection:
            for piece in pieces:
                piece.work(connection)
    except BaseException as error:  # noqa: BLE001  # handed to every thread whose work was in it
        failure = error
    for piece in pieces:
        piece.failure, piece.is_over = failure, True


@contextmanager
def _while_reachable() -> Iterator[None]:
    """Say in words that the server was lost. Nothing is tried again here: what has to be looked at
    first is known to whoever asked."""
    try:
        yield
    except OperationalError as failure:
        if not _is_server_lost(failure):
            raise
        raise ConnectorUnavailable(
            "database_unreachable",
            "The database server does not answer, or hung up in the middle.",
            next_step="Ask again, over HTTP with the same Idempotency-Key: what was done before is not done twice.",
        ) from failure


def _is_server_lost(failure: OperationalError) -> bool:
    """Whether there is no server, or no connection to it any more: not a full disk, nor a deadlock."""
    if failure.connection_invalidated:
        return True
    # The driver's own kind, and none of those that a server's answer has.
    return isinstance(failure.orig, psycopg.OperationalError) and failure.orig.sqlstate is None


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `description` is the line that start-up prints (no password in it)."""

    engine: Engine
    description: str
    #: What was done with this database, kept outside it; None where nothing is ever sent from it.
    witness: Witness | None = None
    _shared: SharedWrites = field(default_factory=SharedWrites, repr=False, compare=False)

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def write(self, *, in_doubt: bool = False) -> Iterator[Connection]:
        """One transaction that will write; committed at the end, rolled back on an exception.

        On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`), so that two writers wait
        for each other instead of failing half way.

        Raises `Waiting` when the database is older than what was done with it. `in_doubt` is for
        the few that may write then: they pay nobody, or lead out of it. Raises `ConnectorUnavailable`
        when the server is lost on the way; when that was at the end, nobody knows whether it was
        committed, and whoever asks again has to find that out by what is kept.
        """
        with _while_reachable():
            with self.engine.connect().execution_options(paysvc_write=True) as connection, connection.begin():
                if self.witness is not None and not in_doubt:
                    self.witness.require_trust_or_begin(connection)
                reach("begun", above=_CALLER)
                yield connection
                reach("written", above=_CALLER)
            reach("committed", above=_CALLER)

    def write_together(self, work: Work) -> None:
        """Small work in a transaction shared with that of other threads; returns when it is committed.

        For what many requests add to at the same time: one commit then serves all that wait for
        it. Either all of the work of a transaction is kept or none, and each caller is told.
        """
        self._shared.run(work, self.write)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot: everything read inside is of the same moment. Raises `ConnectorUnavailable`."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        with (
            _while_reachable(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def require_writable(self) -> None:
        """Raise `Waiting` as `write` does: for what begins with acting or reading, and writes later."""
        if self.witness is not None:
            with self.read() as connection:
                self.witness.require_trust(connection)

    def note_outside(self, leaving: Sending | Requested | Reported) -> None:
        """Note in the journal outside what is about to leave; what led to it must be committed."""
        if self.witness is not None:
            with self.read() as connection:
                head = audit_trail.head(connection)
            self.witness.note(leaving, head)

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, witness: Witness | None = None) -> Database:
    """Connect, check version and settings. Raises `BadSetting` or `ConnectorUnavailable`.

    With a `witness` every transaction that writes is held against it first.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return replace(_open_sqlite(url, parsed.database), witness=witness)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return replace(_open_postgresql(url), witness=witness)
    raise BadSetting(
        "database_unknown",
        f"'{parsed.drivername}' is not a database paysvc knows.",
        next_step="Use sqlite:///path/to/file.db or postgresql+psycopg://user@host/name.",
    )


def _open_sqlite(url: str, path: str | None) -> Database:
    if not path or path == ":memory:":
        raise BadSetting(
            "database_in_memory",
            "A payment database cannot live in memory: it would be lost with the process.",
            next_step="Name a file: sqlite:///path/to/file.db.",
        )
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise BadSetting("sqlite_too_old", f"SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed.")
    if not Path(path).parent.is_dir():
        raise BadSetting("database_no_folder", f"The folder of the database does not exist: {Path(path).parent}.")
    wal = sqlite3.sqlite_version_info >= _FIRST_SOUND_WAL
    engine = create_engine(url, poolclass=QueuePool, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, record: object) -> None:
        # The driver's own transaction handling is switched off; `_begin` below decides.
        connection.isolation_level = None
        for pragma in (
            # Heard by a new file only. Larger pages: fewer of them to keep in the journal and to sync.
            "page_size = 16384",
            f"journal_mode = {'WAL' if wal else 'TRUNCATE'}",
            "synchronous = FULL",
            "foreign_keys = ON",
            "busy_timeout = 60000",
            "cache_size = -196608",
            "temp_store = MEMORY",
        ):
            try:
                connection.execute(f"PRAGMA {pragma}")
            except sqlite3.Error:
                connection.close()  # the pool forgets a connection that could not be set up
                raise

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("paysvc_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    try:
        with engine.connect() as connection:
            mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    except DatabaseError as failure:
        engine.dispose()
        raise BadSetting("database_unusable", f"The database file cannot be used: {failure.orig}.") from failure
    note = "" if wal else "; rollback journal, because this SQLite version has the WAL-reset fault"
    return Database(engine, f"SQLite {sqlite3.sqlite_version} at {path} (journal {mode}, synchronous FULL{note})")


def _open_postgresql(url: str) -> Database:
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, pool_size=8, max_overflow=8, pool_pre_ping=True)
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            name = connection.execute(text("SHOW server_version")).scalar_one()
            dangerous = [
                setting
                for setting in ("fsync", "synchronous_commit", "full_page_writes")
                if connection.execute(text(f"SHOW {setting}")).scalar_one() == "off"
            ]
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    except OperationalError as failure:
        raise ConnectorUnavailable(
            "database_unreachable",
            f"PostgreSQL at {parsed.render_as_string(hide_password=True)} does not answer.",
            next_step="Check that the server runs and that the address and the user are right.",
        ) from failure
    try:
        _refuse_unsafe_server(version, name, dangerous, encoding)
    except BadSetting:
        engine.dispose()
        raise
    return Database(engine, f"PostgreSQL {name} at {parsed.render_as_string(hide_password=True)}")


def _refuse_unsafe_server(version: int, name: str, dangerous: list[str], encoding: str) -> None:
    if version < _OLDEST_POSTGRESQL:
        raise BadSetting("postgresql_too_old", f"PostgreSQL {name} is too old; 13 or newer is needed.")
    if dangerous:
        raise BadSetting(
            "postgresql_may_forget",
            f"PostgreSQL runs with {', '.join(dangerous)} off: a power cut could lose a payment that was sent.",
            next_step="Switch it on; paysvc relies on a commit being kept.",
        )
    if encoding != "UTF8":
        raise BadSetting("postgresql_encoding", f"The database is {encoding}; Vietnamese names need UTF8.")
