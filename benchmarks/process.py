"""A contender's process, seen from the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).resolve().parent.parent


class ContenderProcess:
    """`benchmarks.worker` as a context: started and loaded at the beginning, gone at the end."""

    def __init__(self, where: str, folder: Path, url: str) -> None:
        words = [sys.executable, "-m", "benchmarks.worker", f"benchmarks.{where}", str(folder), url]
        self._process = subprocess.Popen(words, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def __enter__(self) -> Self:
        self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def ask(self, word: str) -> Any:
        """Say one word and wait for what it gives; raises when the process ended instead (its error is shown)."""
        assert self._process.stdin
        self._process.stdin.write(word.encode() + b"\n")
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the contender's process ended with {self._process.wait()}")
        return json.loads(line)
