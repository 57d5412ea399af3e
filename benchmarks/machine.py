"""The machine that figures were taken on, and how fast it was at the time."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

import numpy as np

_LIBRARIES = ("numpy", "numba", "lxml", "polars", "duckdb", "datafusion", "pandas", "pyarrow", "mt-940", "psycopg")


def describe_machine(pace: Sequence[str], server: str) -> list[str]:
    """Lines: processor and memory, versions, the pace before and after. `server` is the database's own word."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "") if platform.system() == "Linux" else ""
    return [
        f"{cpu_count()} processors ({_processor()}), {_memory()} of memory, {system or platform.platform()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {server or 'PostgreSQL not used'}",
        libraries,
        *(f"pace {when} the run: {read}" for when, read in zip(("before", "after"), pace, strict=False)),
    ]


def read_pace() -> str:
    """Two readings by which runs can be compared: a loop, and sorting, which feels what neighbours use."""
    return f"empty loop {_seconds(_loop):.2f} s, sorting {_seconds(_sort):.2f} s"


def _loop() -> None:
    for _ in range(10_000_000):
        pass


def _sort() -> None:
    # As Python's own objects, so that it is memory that is felt.
    sorted(np.random.default_rng(1).random(3_000_000).tolist())


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _processor() -> str:
    return _found(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    total = _found(Path("/proc/meminfo"), "MemTotal")
    return f"{int(total.split()[0]) / 2**20:.0f} GiB" if total else "unknown"


def _found(path: Path, name: str) -> str:
    if not path.exists():
        return ""
    return next((line.split(":", 1)[1].strip() for line in path.read_text().splitlines() if line.startswith(name)), "")
