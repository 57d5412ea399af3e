"""A test file run again in a process of its own, with every index of every kernel checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_with_bounds(file: str, chosen: str, **environment: str) -> None:
    """Those tests of `file` that `chosen` (as `pytest -k`) names must pass there too."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", file, "-k", chosen]
    done = subprocess.run(
        words,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", **environment},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
