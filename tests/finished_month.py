"""A finished month of a small province, made once by the real program for all tests that look at one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

#: The program as its users start it.
PAYSVC = str(Path(sys.executable).with_name("paysvc"))

PEOPLE = 1_200


class Demo:
    """What one run of the demo left behind."""

    def __init__(self, folder: Path, database_url: str | None, output: str) -> None:
        self.folder, self.database_url, self.output = folder, database_url, output

    @property
    def home(self) -> Path:
        return self.folder / "office"

    def token(self, role: str) -> str:
        return (self.home / f"{role}.token").read_text().strip()

    def run(self, *words: str, role: str = "auditor") -> subprocess.CompletedProcess[str]:
        """A command of the program in the demo's office."""
        options = ["--home", str(self.home), "--token-file", str(self.home / f"{role}.token")]
        if self.database_url:
            options += ["--database", self.database_url]
        return subprocess.run([PAYSVC, *options, *words], capture_output=True, text=True, check=False)

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Outcome -> payments and amount_vnd, as `show-cycle` tells them."""
        shown = self.run("show-cycle", "2026-12", "-o", "json")
        assert shown.returncode == 0, shown.stderr
        return {row["outcome"]: row for row in json.loads(shown.stdout)}

    @property
    def report(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "report/report.json").read_bytes())
        return loaded


def run_demo(folder: Path, database_url: str | None) -> Demo:
    """Run `paysvc demo` for a small province; its failure is the test's failure."""
    words = [PAYSVC, "demo", "--people", str(PEOPLE), "--seed", "5", "--keep", str(folder)]
    if database_url:
        words += ["--database", database_url]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Demo(folder, database_url, done.stdout)
