"""`./run bench`: the core beside its peers, on the same data, with the same answers, in one run.

Each contender has a process of its own. It loads its data in the form that suits it (not timed),
works one round that does not count and then five that do (three, and none before them, where a
round takes more than about 20 s), and gives an answer, which must be the generator's truth: a wrong
answer fails the run, a time never does. Memory is the most that the contender's process held while
it worked, of which "before" was there when it began; the PostgreSQL server's own is not in it.
A contender whose round would take more than a minute is left out at that size.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

from benchmarks.lines import GOALS, LINES, PERCENTS
from benchmarks.plugin import Plugin, Wanted
from benchmarks.references import KINDS

_SIZES = (10**5, 10**6, 10**7)
#: `bench_matching.py` holds everything in Python objects; ten times as many would need 30 GB.
_LARGEST_MATCHING = 10**6


def main() -> int:
    wanted, rest = _arguments()
    os.environ["PAYSVC_BENCH_SIZE"] = str(min(max(wanted.sizes), _LARGEST_MATCHING))
    here = Path(__file__).parent
    files = [str(here / "bench_lines.py")] if wanted.lines else []
    files += [str(here / "bench_matching.py")] if rest.matching else []
    words = ["--benchmark-only", "--benchmark-columns=rounds,median,min", "--benchmark-disable-gc", *rest.pytest]
    words += [] if rest.matching else ["--benchmark-quiet"]
    return int(pytest.main(["-q", *words, *files], plugins=[Plugin(wanted)]))


def _arguments() -> tuple[Wanted, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("PAYSVC_BENCH_SIZE", str(_SIZES[0]))
    sizes = [int(size) for size in given.split(",")]
    several = {"nargs": "+", "metavar": "ONE"}
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        choices=_SIZES,
        default=sizes,
        metavar="N",
        help="rows: 100000 (default; also PAYSVC_BENCH_SIZE), 1000000, 10000000, or several of them",
    )
    lines = (*LINES, "matching")
    parser.add_argument("--line", choices=lines, default=lines, help=f"what to measure: {', '.join(lines)}", **several)
    parser.add_argument(
        "--ids", choices=KINDS, default=KINDS, help=f"references of the join: {', '.join(KINDS)}", **several
    )
    parser.add_argument(
        "--exceptions", type=int, choices=PERCENTS, default=PERCENTS, help="per cent in the join: 0, 2, 20", **several
    )
    parser.add_argument(
        "--goals",
        action="store_true",
        help="what a ratio is wanted of, at the sizes at which it is (10^6 and 10^7), beside those it is held against: "
        "the first table in one run, most of an hour",
    )
    parser.add_argument("--only", default=(), help="contenders whose name holds one of these", **several)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round, and of the join every kind of reference with one share of exceptions: for the answers (CI)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all seconds of all rounds as JSON")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the table as Markdown, for benchmarks/README.md"
    )
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[], help="all that follows goes to pytest")
    found = parser.parse_args()
    found.matching = "matching" in found.line and not found.goals
    goal_sizes = {size for goal in GOALS for size in goal.ratios}
    wanted = Wanted(
        sizes=tuple(sorted(goal_sizes if found.goals else found.size)),
        lines=tuple(line for line in LINES if line in found.line),
        ids=tuple(found.ids),
        percents=tuple(found.exceptions),
        contenders=tuple(found.only),
        is_for_goals=found.goals,
        is_quick=found.quick,
        json_file=found.json,
        markdown_file=found.write,
    )
    return wanted, found


if __name__ == "__main__":
    sys.exit(main())
