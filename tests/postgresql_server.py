"""A PostgreSQL server from the system's binaries, for as long as somebody needs it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class NoServer(Exception):
    """No PostgreSQL server can be had here; the text says why."""


class Server:
    """A server whose data lie in `folder`; it is started, stopped and started again by who has it."""

    def __init__(self, folder: Path, binaries: Path, user: str, options: Sequence[str]) -> None:
        self._folder, self._binaries, self._user, self._options = folder, binaries, user, options
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://paysvc@127.0.0.1:{self.port}/postgres"

    def set_up(self) -> None:
        words = ["-U", "paysvc", "-A", "trust", "-E", "UTF8", "--no-locale"]
        made = self._run("initdb", *words)
        if made.returncode != 0:
            raise NoServer(f"PostgreSQL could not be set up: {made.stderr.strip()[-200:]}")

    def start(self) -> None:
        """Return when it can be asked. Raises `NoServer`."""
        settings = ["listen_addresses=127.0.0.1", *self._options]
        words = f"-p {self.port} -k {self._folder} " + " ".join(f"-c {setting}" for setting in settings)
        started = self._run("pg_ctl", "-w", "-o", words, "-l", str(self._folder / "log"), "start")
        if started.returncode != 0:
            raise NoServer(f"PostgreSQL could not be started: {started.stderr.strip()[-200:]}")

    def stop_at_once(self) -> None:
        """As when the machine goes off: nobody is waited for, and the next start recovers from the log."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["-D", str(self._folder / "data")]
        return _as_user(self._user, [str(self._binaries / program), *where, *words], self._folder)


@contextmanager
def restartable_server(place: Path | None, options: Sequence[str]) -> Iterator[Server]:
    """A fresh server, run as another user when this one is root (initdb refuses root).

    Its data lie in a new folder in `place` (None: where temporary files go) and go with it.
    `options` are settings, `name=value`. Raises `NoServer`.
    """
    binaries, user = _binaries(), _user()
    if binaries is None or user is None:
        raise NoServer("no PostgreSQL: set PAYSVC_TEST_POSTGRESQL_URL or install the server (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="paysvc-postgresql-", dir=place))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        server = Server(folder, binaries, user, options)
        server.set_up()
        server.start()
        try:
            yield server
        finally:
            server.stop_at_once()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_server(place: Path | None, options: Sequence[str]) -> Iterator[str]:
    """The URL of a `restartable_server`, for who lets it run."""
    with restartable_server(place, options) as server:
        yield server.url


def _binaries() -> Path | None:
    found = shutil.which("postgres")
    candidates = [Path(found).parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def _user() -> str | None:
    """Who may run the server: ourselves, or another user when we are root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_user(user: str, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    entry = pwd.getpwnam(user)
    other = {} if os.geteuid() == entry.pw_uid else {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, **other)
