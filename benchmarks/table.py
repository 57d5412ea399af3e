"""Results as a table: what was asked first, then every contender."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import NamedTuple

from benchmarks.lines import GOALS, OURS, OURS_AGAIN, Goal

_MEGA = 1e6


class Result(NamedTuple):
    """One contender of one case at one size; `seconds` has one number a counted round."""

    key: str
    line: str
    variant: str
    size: int
    #: Rows that were read, joined or written.
    rows: int
    contender: str
    is_floor: bool
    #: Bytes of the file, or of the columns that a join needs.
    bytes: int
    seconds: list[float]
    #: Of the contender's process in bytes: before the first round, and the most during the rounds.
    base: int
    peak: int

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def case(self) -> tuple[str, str, int]:
        return self.key, self.variant, self.size


def as_markdown(results: Sequence[Result], machine: Sequence[str]) -> str:
    """The whole report."""
    parts = [*(f"* {line}" for line in machine), "", *_goals(results), *_growth(results)]
    for _, group in groupby(results, key=lambda one: one.case):
        parts += ["", *_case(list(group))]
    return "\n".join(parts)


def _goals(results: Sequence[Result]) -> Iterator[str]:
    lines = list(_reached(results))
    if lines:
        yield "| work | rows | against | ours, s | theirs, s | ratio | at least |"
        yield "|---|---|---|---|---|---|---|"
        yield from lines


def _reached(results: Sequence[Result]) -> Iterator[str]:
    for goal in GOALS:
        for variant in goal.variants:
            for size in sorted({one.size for one in results}):
                found = {one.contender: one for one in results if one.case == (goal.key, variant, size)}
                rivals = [found[name] for name in goal.against if name in found]
                ours = _all_of_ours(found.values())
                if ours and rivals:
                    yield _goal(goal, ours, min(rivals, key=lambda one: one.median))


def _all_of_ours(group: Iterable[Result]) -> Result | None:
    """The core's rounds before and after the others', together."""
    ours = [one for one in group if one.contender in (OURS, OURS_AGAIN)]
    return ours[0]._replace(seconds=[second for one in ours for second in one.seconds]) if ours else None


def _goal(goal: Goal, ours: Result, best: Result) -> str:
    wanted = goal.ratios.get(ours.size)
    engines = dict.fromkeys(name.split(",")[0] for name in goal.against)
    among = f"best of {', '.join(engines)}: " if len(engines) > 1 else ""
    return (
        f"| {ours.line} ({ours.variant}) | {ours.rows:,} | {among}{best.contender} | {_seconds(ours.median)} | "
        f"{_seconds(best.median)} | **{best.median / ours.median:.1f}×** | {f'{wanted:g}×' if wanted else '—'} |"
    )


def _growth(results: Sequence[Result]) -> Iterator[str]:
    """Ours at ten times the size, against itself."""
    found = {case: _all_of_ours(group) for case, group in groupby(results, key=lambda one: one.case)}
    ours = {case: one for case, one in found.items() if one}
    pairs = [
        (one, ours[key, variant, 10 * size])
        for (key, variant, size), one in ours.items()
        if (key, variant, 10 * size) in ours
    ]
    if not pairs:
        return
    yield from ("", "| ours at ten times the size | rows | time | peak memory, MB | then |", "|---|---|---|---|---|")
    for small, large in pairs:
        yield (
            f"| {small.line} ({small.variant}) | {small.rows:,} → {large.rows:,} | "
            f"**{large.median / small.median:.1f}×** | {small.peak / _MEGA:,.0f} | {large.peak / _MEGA:,.0f} |"
        )


def _case(group: list[Result]) -> Iterator[str]:
    first, size = group[0], max(one.bytes for one in group)
    weight = f", {size / _MEGA:,.1f} MB, {size / first.rows:,.0f} bytes a row" if size else ""
    yield f"**{first.line}** ({first.variant}), {first.rows:,} rows{weight}"
    yield ""
    yield "| contender | rounds | median, s | least, s | rows/s | × ours | × reading once | peak MB (before) |"
    yield "|---|---|---|---|---|---|---|---|"
    all_of_ours = _all_of_ours(group)
    ours = all_of_ours.median if all_of_ours else None
    floor = next((one.median for one in group if one.is_floor), None)
    for one in group:
        yield (
            f"| {one.contender} | {len(one.seconds)} | {_seconds(one.median)} | {_seconds(min(one.seconds))} | "
            f"{one.rows / one.median:,.0f} | {_ratio(one.median, ours)} | {_ratio(one.median, floor)} | "
            f"{one.peak / _MEGA:,.0f} ({one.base / _MEGA:,.0f}) |"
        )


def _ratio(seconds: float, unit: float | None) -> str:
    return f"{seconds / unit:.3g}" if unit else "—"


def _seconds(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"
