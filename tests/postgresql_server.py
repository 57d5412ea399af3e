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


@contextmanager
def running_server(place: Path | None, options: Sequence[str]) -> Iterator[str]:
    """The URL of a fresh server, run as another user when this one is root (initdb refuses root).

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
        data, port = folder / "data", _free_port()
        made = _as_user(
            user,
            [str(binaries / "initdb"), "-D", str(data), "-U", "paysvc", "-A", "trust", "-E", "UTF8", "--no-locale"],
            folder,
        )
        if made.returncode != 0:
            raise NoServer(f"PostgreSQL could not be set up: {made.stderr.strip()[-200:]}")
        settings = ["listen_addresses=127.0.0.1", *options]
        words = f"-p {port} -k {folder} " + " ".join(f"-c {setting}" for setting in settings)
        started = _as_user(
            user,
            [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-o", words, "-l", str(folder / "log"), "start"],
            folder,
        )
        if started.returncode != 0:
            raise NoServer(f"PostgreSQL could not be started: {started.stderr.strip()[-200:]}")
        try:
            yield f"postgresql+psycopg://paysvc@127.0.0.1:{port}/postgres"
        finally:
            _as_user(user, [str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
