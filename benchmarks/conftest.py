"""What the measurements need: their data, and a PostgreSQL server for those that store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.lines import Data
from benchmarks.machine import read_pace
from benchmarks.plugin import Measurement, Plugin
from paysvc.core.prepare import prepare
from tests.postgresql_server import NoServer, running_server

Prepared = Callable[[Data, int], tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="session")
def plugin(request: pytest.FixtureRequest) -> Plugin:
    """What `python -m benchmarks` registered."""
    return next(one for one in request.config.pluginmanager.get_plugins() if isinstance(one, Plugin))


@pytest.fixture(scope="session")
def prepared(plugin: Plugin) -> Iterator[Prepared]:
    """The folder of some data and the truth about it; made when first asked for, all removed at the end."""
    # Kernels are compiled once and kept on disk; no contender's time has that in it.
    prepare()
    plugin.pace.append(read_pace())
    top = Path(tempfile.mkdtemp(prefix="paysvc-bench-"))
    truths: dict[tuple[str, int], dict[str, Any]] = {}
    passing: list[Path] = []

    def make(data: Data, size: int) -> tuple[Path, dict[str, Any]]:
        folder = top / f"{data.name}-{size}"
        if (data.name, size) not in truths:
            if data.is_for_one_case:
                for known in passing:
                    shutil.rmtree(known)
                passing[:] = [folder]
            folder.mkdir()
            truths[data.name, size] = data.make(size, folder)
        return folder, truths[data.name, size]

    yield make
    shutil.rmtree(top)


@pytest.fixture
def server(measurement: Measurement, request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL server for the line that needs one, which is skipped where none can be had."""
    return str(request.getfixturevalue("postgresql")) if measurement.case.key == "postgresql" else ""


@pytest.fixture(scope="session")
def postgresql(plugin: Plugin) -> Iterator[str]:
    """On the disk and with the defaults, synchronous in all: what an office has."""
    try:
        with running_server(Path(tempfile.gettempdir()), ()) as url:
            with psycopg.connect(url.replace("+psycopg", "")) as connection:
                plugin.server_version = f"PostgreSQL {connection.info.server_version // 10_000} with its defaults"
            yield url
    except NoServer as reason:
        pytest.skip(str(reason))
