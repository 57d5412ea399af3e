"""`./run fuzz [TARGET…]`: hunt on each target in turn; exit 1 where something was found.

A hunt needs atheris (Linux on x86-64); running a finding again does not.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

#: Files of the papers' size; longer ones are slow and tell nothing new.
LONGEST = 20_000

#: libFuzzer ends a single run that takes longer, as a finding (s), or takes more memory (MB).
LONGEST_RUN, MOST_MEMORY = 20, 1_500


def hunt(name: str, seconds: int, folder: Path) -> bool:
    """True when nothing was found."""
    from tests.fuzz.targets import TARGETS

    corpus, seeds, findings = (folder / name / part for part in ("corpus", "seeds", "findings"))
    for place in (corpus, seeds, findings):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (seeds / f"{number:03}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={LONGEST_RUN}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    words = [sys.executable, "-m", "tests.fuzz.hunt", name, *options, str(corpus), str(seeds)]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    figures = dict(re.findall(r"^stat::(\w+): +(\d+)$", done.stderr, re.MULTILINE))
    executed = int(figures.get("number_of_executed_units", 0))
    print(f"{name}: {executed} executions, {len(list(corpus.iterdir()))} files in {corpus}", flush=True)
    if done.returncode == 0 and executed:
        return True
    print(f"{name}: ended with {done.returncode}; what was found is in {findings}", flush=True)
    print(done.stderr[-4_000:], file=sys.stderr)
    return False


def main(words: list[str]) -> int:
    # Before Numba is loaded, here and in the hunts: an index outside its array is a finding.
    os.environ["NUMBA_BOUNDSCHECK"] = "1"
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all when none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="for seeds, corpus and findings (.fuzz)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run a finding on the one target, once")
    given = parser.parse_args(words)
    unknown = set(given.target) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if given.again is not None:
        if len(given.target) != 1:
            parser.error("a finding belongs to one target")
        TARGETS[given.target[0]].check(given.again.read_bytes())
        return 0
    ended_well = [hunt(name, given.seconds, given.folder) for name in given.target or TARGETS]
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
