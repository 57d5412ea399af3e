"""What is measured, and what becomes of it: hooks of pytest (the fixtures are in `conftest.py`)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.lines import GOALS, OURS, OURS_AGAIN, Case, Contender, cases
from benchmarks.machine import describe_machine, read_pace
from benchmarks.table import Result, as_markdown


class Measurement(NamedTuple):
    """One contender of one case at one size."""

    case: Case
    size: int
    contender: Contender

    def __str__(self) -> str:
        return f"{self.case.key}-{self.case.variant}-{self.size}-{self.contender.name}"


@dataclass(frozen=True)
class Wanted:
    """What is to be measured, and where results go besides the screen."""

    sizes: tuple[int, ...] = (100_000,)
    lines: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    percents: tuple[int, ...] = ()
    contenders: tuple[str, ...] = ()
    is_for_goals: bool = False
    is_quick: bool = False
    json_file: Path | None = None
    markdown_file: Path | None = None

    def measurements(self) -> list[Measurement]:
        return [
            Measurement(case, size, contender)
            for size in self.sizes
            for case in cases(self.lines, self._joins())
            for contender in self._in_turn(case)
            if contender.is_run_at(size) and self._wants(case, size, contender)
        ]

    def _in_turn(self, case: Case) -> list[Contender]:
        """The contenders in their order, the core twice."""
        again = [one._replace(name=OURS_AGAIN) for one in case.contenders if one.name == OURS and not self.is_quick]
        return [*case.contenders, *again]

    def _joins(self) -> list[tuple[str, int]]:
        """Kinds of references, each with every share of exceptions, or in turns."""
        if self.is_quick:
            return list(zip(self.ids, cycle(self.percents), strict=False))
        return list(product(self.ids, self.percents))

    def rounds_of(self, contender: Contender, size: int) -> tuple[int, int]:
        """How many rounds are counted, and how many go before them."""
        return (1, 0) if self.is_quick else contender.rounds(size)

    def _wants(self, case: Case, size: int, contender: Contender) -> bool:
        if self.is_for_goals and not any(goal.is_about(case, size, contender) for goal in GOALS):
            return False
        return not self.contenders or any(part.lower() in contender.name.lower() for part in self.contenders)


@dataclass(eq=False)
class Plugin:
    """Registered with pytest by `python -m benchmarks`."""

    wanted: Wanted
    results: list[Result] = field(default_factory=list)
    pace: list[str] = field(default_factory=list)
    server_version: str = ""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "measurement" in metafunc.fixturenames:
            metafunc.parametrize("measurement", self.wanted.measurements(), ids=str)

    def record(
        self, measurement: Measurement, rows: int, size: int, seconds: list[float], memory: dict[str, int]
    ) -> None:
        case, wanted, one = measurement
        self.results.append(
            Result(
                key=case.key,
                line=case.line,
                variant=case.variant,
                size=wanted,
                rows=rows,
                contender=one.name,
                is_floor=one.is_floor,
                bytes=size,
                seconds=seconds,
                base=memory["base"],
                peak=memory["peak"],
            )
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.results:
            return
        machine = describe_machine([*self.pace, read_pace()], self.server_version)
        text = as_markdown(self.results, machine)
        terminalreporter.write_line("")
        terminalreporter.write_line(text)
        if self.wanted.markdown_file:
            self.wanted.markdown_file.write_text(text + "\n")
        if self.wanted.json_file:
            plain = {"machine": machine, "results": [one._asdict() for one in self.results]}
            self.wanted.json_file.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
