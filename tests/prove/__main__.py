"""`./run prove`: kill the service at its work for a while, and see whether anybody was paid twice or lost."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, text

from paysvc.store import schema
from paysvc.store.engine import open_database
from tests.postgresql_server import NoServer, running_server

from . import matrix, syscalls
from .bugs import BUGS
from .counts import Counts
from .crew import NotDone, Tally
from .drill import HARM as DRILL_HARM
from .drill import Drill
from .model import run_model
from .model_bugs import BUGS as MODEL_BUGS
from .model_stories import tell_all
from .places import all_places
from .put_back import put_back
from .relay import ENOUGH
from .slots import run_slots
from .syscalls import Boundary
from .world import DEAF, QUIET_LIMIT, Harm, Violation, World, months, world

#: A world lives for so many months before a new one is made.
_MONTHS = 6

#: A world of the drill lives shorter: the first start of an office is drilled as well.
_DRILL_MONTHS = 3

#: A run of so many minutes has time for every level however long it takes.
_LONG = 60

#: So few places hit seldom are named without being asked for.
_FEW = 20

#: How many sequences of the model make a turn, and how long each may be unless another length is asked for.
_MODEL_EXAMPLES, _MODEL_STEPS = 8, 50

_KINDS = ("sqlite", "postgresql")
_NO_STRACE = "there is no strace that works here"

#: Whose turn it is, again and again.
_TURNS = (
    # What is short comes first: a month of the drill is as long as most of a short run.
    *("month", "calls", "slots", "put-back", "deaf", "calls", "calls", "model", "calls", "drill"),
    *("month", "drill", "calls", "model"),
)


@dataclass(slots=True)
class Run:
    """What a run did and found. `violations` are sentences with the database and the seed before them."""

    seed: int
    until: float
    bug: str
    most_months: int
    keep: Path | None
    quiet_seconds: float
    #: How rough a month is, of what it is by itself.
    roughness: float = 1.0
    names_seldom: bool = False
    #: Where kills are added up over several runs.
    counts: Counts | None = None
    model_steps: int = _MODEL_STEPS
    #: Seconds for one turn, so that a short run comes by every level; None when each may take its time.
    share: float | None = None
    turn_until: float = 0.0
    trials: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    violations: list[str] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    #: Database -> boundaries between system calls that there are, and that were tried.
    boundaries: dict[str, list[Boundary]] = field(default_factory=dict)
    tried: dict[str, set[Boundary]] = field(default_factory=dict)
    #: What could not be tried here, and why.
    missing: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.until or bool(self.violations)

    @property
    def is_turn_over(self) -> bool:
        return self.share is not None and time.monotonic() > self.turn_until

    def has_swept(self, kinds: Sequence[str]) -> bool:
        """Whether every fault at a system call was tried on each of these databases."""
        return all(kind in self.tried and len(self.tried[kind]) == len(self.boundaries[kind]) for kind in kinds)

    def tally(self, kind: str) -> Tally:
        if kind not in self.tallies:
            before = self.counts.read() if self.counts else {}
            self.tallies[kind] = Tally(killed_before=before.get(kind, Counter()))
        return self.tallies[kind]

    def count(self, level: str) -> None:
        self.trials[level] = self.trials.get(level, 0) + 1
        if self.counts:
            self.counts.add({kind: tally.killed_at for kind, tally in self.tallies.items()})


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run prove", description=__doc__, epilog="docs/proving.md says what is proved, and how."
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--level", choices=(*LEVELS, "all"), default="all", help="only this one (all)")
    parser.add_argument("--seed", type=int, help="of the first world (drawn): the same draws, not the same kills")
    parser.add_argument("--months", type=int, default=_MONTHS, help=f"that a world lives ({_MONTHS})")
    parser.add_argument(
        "--bug", choices=sorted(LEVELS_OF_BUG), metavar="NAME", default="", help="build this seeded fault in"
    )
    parser.add_argument(
        "--quiet",
        type=float,
        default=QUIET_LIMIT,
        help=f"seconds to come to rest after the last fault ({QUIET_LIMIT:.0f})",
    )
    parser.add_argument(
        "--roughness",
        type=float,
        default=1.0,
        help="of a month's kills, broken lines and lies: 0 is none, 1 as many as can be (1); less of it lives longer",
    )
    parser.add_argument("--list-bugs", action="store_true", help="name the seeded faults")
    parser.add_argument(
        "--matrix",
        action="store_true",
        help="each fault alone (or --bug) on each level on which it is known to show (or --level), as a Markdown table;"
        " --minutes is for one fault on one level",
    )
    parser.add_argument("--keep", type=Path, help="a folder in which a world that failed is left")
    parser.add_argument(
        "--steps", type=int, default=_MODEL_STEPS, help=f"of a sequence of the model, at most ({_MODEL_STEPS})"
    )
    parser.add_argument("--seldom", action="store_true", help=f"name all places hit fewer than {ENOUGH} times")
    parser.add_argument(
        "--counts",
        type=Path,
        metavar="FILE",
        help="aim at what runs before did not hit often enough on this database, add the kills at each place to FILE,"
        " and tell of all runs that did; runs may share it at the same time."
        " Counting starts anew when the source under test has changed",
    )
    options = parser.parse_args(words)
    if options.list_bugs:
        for name in sorted(LEVELS_OF_BUG):
            print(f"{name:32} {'+'.join(LEVELS_OF_BUG[name]):18} {WHAT[name]}")
        return 0
    if options.counts and (options.bug or options.matrix):
        parser.error("--counts is for the source as it is, without a seeded fault")
    counts = Counts(options.counts) if options.counts else None
    try:
        if counts:
            counts.read()
    except (OSError, ValueError, KeyError) as failure:
        parser.error(f"{options.counts} is no file of counts ({type(failure).__name__})")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    kinds = _KINDS if options.database == "both" else (options.database,)
    start = time.monotonic()
    found = Run(
        seed=seed,
        until=start + options.minutes * 60,
        bug=options.bug,
        most_months=options.months,
        keep=options.keep,
        quiet_seconds=options.quiet,
        roughness=options.roughness,
        names_seldom=options.seldom,
        model_steps=options.steps,
        counts=counts,
    )
    if options.matrix:
        return _matrix(found, options.minutes * 60, options.level, kinds)
    wanted = _TURNS if options.level == "all" else (options.level,)
    # A level in which the fault is not known to show would only say that all is well.
    levels = [level for level in wanted if not options.bug or level in LEVELS_OF_BUG[options.bug]]
    if not levels:
        known = " or ".join(LEVELS_OF_BUG[options.bug])
        parser.error(f"{options.bug} is not known to show in {options.level}, but in {known}")
    turns = [(level, kind) for level in levels for kind in kinds if not why_not(options.bug, level, kind)]
    if not turns:
        reasons = dict.fromkeys(why_not(options.bug, level, kind) for level in levels for kind in kinds)
        parser.error(f"nothing would be tried: {'; '.join(reasons)}")
    found.missing += dict.fromkeys(
        f"{level}: {reason}"
        for level in levels
        for kind in kinds
        if level != "model" and (reason := why_not(options.bug, level, kind))
    )
    if options.level == "all" and options.minutes < _LONG:
        found.share = options.minutes * 60 / len(turns)
    with _databases(kinds) as servers:
        _take_turns(found, turns, servers)
    print(json.dumps(_told(found, time.monotonic() - start), ensure_ascii=False))
    if found.violations:
        return 1
    if not found.trials:
        _say("prove: no trial came to its end in this time, so nothing is proved: give it more --minutes")
        return 2
    return 0


def why_not(bug: str, level: str, kind: str) -> str:
    """Why this level has nothing to try on this database, with this fault or with none (""); "" when it has."""
    if level == "model" and kind != "sqlite":
        return "the model runs in process, on SQLite alone"
    if bug and (reason := _cannot_be_built_in(bug, level, kind)):
        return reason
    if level == "calls" and not syscalls.is_possible():
        return _NO_STRACE
    return ""


def _cannot_be_built_in(bug: str, level: str, kind: str) -> str:
    if level == "model" and bug in MODEL_BUGS:
        return ""
    if level == "model":
        return f"{bug} is not built into the model's process"
    if bug not in BUGS:
        return f"{bug} is built into the model's process alone"
    if kind not in BUGS[bug].databases:
        return f"{bug} cannot be built in on {kind}"
    if level == "slots" and not BUGS[bug].is_of_slots:
        return f"{bug} changes nothing that runs in slots"
    return ""


def _take_turns(found: Run, turns: Sequence[tuple[str, str]], servers: Mapping[str, str]) -> None:
    """Again and again, until the time is over, something was found, or there is nothing left to try."""
    of_calls = [kind for level, kind in dict.fromkeys(turns) if level == "calls"]
    only_calls = all(level == "calls" for level, _ in turns)
    for number in count():
        level, kind = turns[number % len(turns)]
        found.turn_until = time.monotonic() + (found.share or 0)
        _turn(found, level, kind, servers[kind], found.seed + number)
        if found.is_over or (only_calls and found.has_swept(of_calls)):
            return


def _matrix(asked: Run, seconds: float, level: str, kinds: Sequence[str]) -> int:
    """Each fault alone on each level; the exit code is 0 only when every one that was tried was caught."""
    levels = [name for name in LEVELS if any(name in known for known in LEVELS_OF_BUG.values()) or name == level]
    tried: list[matrix.Attempt] = []
    with _databases(kinds) as servers:
        print("\n".join(matrix.head(levels)))
        for bug in [asked.bug] if asked.bug else sorted(LEVELS_OF_BUG):
            cells: list[str | list[matrix.Attempt]] = []
            for one in levels:
                chosen = one == level or (level == "all" and one in LEVELS_OF_BUG[bug])
                attempts = [
                    _try_fault(asked, bug, one, kind, servers, seconds)
                    for kind in kinds
                    if chosen and not why_not(bug, one, kind)
                ]
                cells.append(attempts or _empty_cell(bug, one))
                tried += attempts
            print(matrix.row(bug, cells), flush=True)
    if not tried:
        _say("prove: nothing was tried: no chosen fault can be built in there")
        return 2
    return 0 if all(one.is_caught for one in tried) else 1


def _empty_cell(bug: str, level: str) -> str:
    """Whether a fault that was not tried at a level could have been, were there time and the other database."""
    can = any(why_not(bug, level, kind) in ("", _NO_STRACE) for kind in _KINDS)
    return matrix.NOT_TRIED if can else matrix.CANNOT


def _try_fault(
    asked: Run, bug: str, level: str, kind: str, servers: Mapping[str, str], seconds: float
) -> matrix.Attempt:
    start = time.monotonic()
    alone = replace(
        asked, bug=bug, until=start + seconds, trials={}, violations=[], tallies={}, boundaries={}, tried={}, missing=[]
    )
    _take_turns(alone, [(level, kind)], servers)
    took, noticed = time.monotonic() - start, alone.violations[0] if alone.violations else ""
    is_story = level == "model" and "model" not in alone.trials
    return matrix.Attempt(kind, took, noticed, is_story)


@contextmanager
def _databases(kinds: Sequence[str]) -> Iterator[dict[str, str]]:
    """Kind -> where its databases can be made. Raises SystemExit when one is asked for and cannot be had."""
    if "postgresql" not in kinds:
        yield {"sqlite": ""}
        return
    try:
        with running_server(_memory(), ("shared_buffers=64MB",)) as url:
            yield {"sqlite": "", "postgresql": url}
    except NoServer as reason:
        raise SystemExit(f"prove: {reason}") from reason


def _memory() -> Path | None:
    """Where syncing costs nothing: a process that is killed leaves what it wrote there as well."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


def _turn(found: Run, level: str, kind: str, server: str, seed: int) -> None:
    """One piece of one level, in a folder and a database of its own; a violation goes into `found`."""
    folder = Path(tempfile.mkdtemp(prefix="paysvc-prove-", dir=_memory()))
    try:
        with _database(kind, server, folder, seed) as url:
            LEVELS[level](found, kind, url, folder / "world", seed)
    except (Violation, NotDone) as failure:
        found.violations.append(f"{level} {kind} {seed}: {failure}")
        _say(found.violations[-1])
        if found.keep:
            shutil.copytree(folder, found.keep / folder.name, ignore=shutil.ignore_patterns("*.sock"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _months(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """A world from its first month on, under kills, faults and lies."""
    harm = Harm(quiet_seconds=found.quiet_seconds).times(found.roughness)
    with _told_of(found, world(folder, url, seed, found.tally(kind), harm, found.bug)) as made:
        _live(found, made, "months", found.most_months, f"{kind} {seed}")


def _deaf(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """A world whose banks acknowledge nothing: each file is brought once, and all is known in the end."""
    harm = replace(DEAF, quiet_seconds=found.quiet_seconds)
    with _told_of(found, world(folder, url, seed, found.tally(kind), harm, found.bug)) as made:
        _live(found, made, "deaf_months", min(found.most_months, _DRILL_MONTHS), f"deaf {kind} {seed}")


def _drills(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """A world in which each piece of work is killed at one place after the other, and the database is lost."""
    harm = replace(DRILL_HARM, quiet_seconds=found.quiet_seconds)
    if found.share is not None or found.bug:
        # Once at each place and seldom more, or its first month would be all of a short run.
        harm = replace(harm, enough=1)
    if found.bug and "drills" not in found.trials:
        # What shows without kills shows soonest so.
        harm = harm.times(0.0)
    with _told_of(found, world(folder, url, seed, found.tally(kind), harm, found.bug, kind=Drill)) as made:
        _live(found, made, "drills", min(found.most_months, _DRILL_MONTHS), f"drill {kind} {seed}")


@contextmanager
def _told_of(found: Run, making: AbstractContextManager[World]) -> Iterator[World]:
    """A world, of which the latest is told when something is found in it."""
    with making as made:
        try:
            yield made
        except (Violation, NotDone):
            _say("\n".join(f"  {line}" for line in made.story[-15:]))
            raise
        finally:
            found.faults += made.faults


def _live(found: Run, made: World, level: str, most: int, name: str) -> None:
    for year, month in months(most):
        before, start = made.tally.kills, time.monotonic()
        made.month(year, month)
        found.count(level)
        losses = f", {made.losses}" if isinstance(made, Drill) else ""
        took = f"{time.monotonic() - start:.0f} s"
        _say(f"{name} {year}-{month:02d}: {made.tally.kills - before} kills, all books agree, {took}{losses}")
        if found.is_over or found.is_turn_over:
            break


def _calls(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """One cycle with one fault at one system call; which there are is found out by the first."""
    tally = found.tally(kind)
    if kind not in found.boundaries:
        found.boundaries[kind] = syscalls.survey(folder, url, tally, found.bug)
        found.tried[kind] = set()
        found.count("surveys")
        _say(f"{kind}: {len(found.boundaries[kind])} faults at system calls of one cycle")
        return
    left = [one for one in found.boundaries[kind] if one not in found.tried[kind]]
    if left:
        fault = random.Random(seed).choice(left)
        try:
            syscalls.cycle(folder, url, tally, found.bug, fault)
        except (Violation, NotDone) as failure:
            raise Violation(f"{fault}: {failure}") from failure
        found.tried[kind].add(fault)
        found.count("calls")


def _slots(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """Three processes that run forty slots, killed three times and stopped twice."""
    folder.mkdir()
    database = open_database(url.replace("/office/", "/"))
    try:
        schema.upgrade(database)
        result = run_slots(
            database, url.replace("/office/", "/"), folder, slots=40, processes=3, kills=3, stops=2, seed=seed,
            bug=found.bug,
        )  # fmt: skip
    finally:
        database.close()
    found.tally(kind).kills += result.kills
    found.tally(kind).killed_at[""] += result.kills
    found.tally(kind).stops += result.sleepers
    found.count("slots")
    if result.problems:
        raise Violation("; ".join(result.problems))


def _put_back(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """An older database in the place of a later one."""
    put_back(folder, url, seed, found.tally(kind), found.bug)
    found.count("put_back")


def _model(found: Run, kind: str, url: str, folder: Path, seed: int) -> None:
    """What is known to go wrong, once, then some sequences of what may happen; in process, on SQLite."""
    stories_come_first = "stories" not in found.trials
    result = (
        tell_all(found.bug) if stories_come_first else run_model(_MODEL_EXAMPLES, found.model_steps, seed, found.bug)
    )
    name = "stories" if stories_come_first else "model"
    found.trials[name] = found.trials.get(name, 0) + result.examples
    found.trials["model_steps"] = found.trials.get("model_steps", 0) + result.steps
    found.tally(kind).errors += result.crashes
    if result.violations:
        raise Violation("\n".join(result.violations))


LEVELS: dict[str, Callable[[Run, str, str, Path, int], None]] = {
    "month": _months,
    "drill": _drills,
    "deaf": _deaf,
    "calls": _calls,
    "slots": _slots,
    "model": _model,
    "put-back": _put_back,
}
WHAT = {bug.name: bug.what for bug in BUGS.values()} | {bug.name: bug.sentence for bug in MODEL_BUGS.values()}
#: A fault may be built in twice: into the service's source, and into the model's process.
LEVELS_OF_BUG = {
    name: (BUGS[name].levels if name in BUGS else ()) + (("model",) if name in MODEL_BUGS else ()) for name in WHAT
}


@contextmanager
def _database(kind: str, server: str, folder: Path, seed: int) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'world' / 'office' / 'paysvc.db'}"
        return
    name = f"prove_{seed}"
    administrator = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with administrator.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
        try:
            yield server.rpartition("/")[0] + f"/{name}"
        finally:
            with administrator.connect() as connection:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    finally:
        administrator.dispose()


def _told(found: Run, seconds: float) -> dict[str, object]:
    """The last line: figures of the whole run."""
    tallies = found.tallies.values()
    hits = sum((tally.killed_at for tally in tallies), Counter[str]())
    of_all_runs = found.counts.read() if found.counts else {}
    return {
        "seed": found.seed,
        "seconds": round(seconds),
        "trials": found.trials,
        "kills": sum(one.kills for one in tallies),
        "stops": sum(one.stops for one in tallies),
        "faults": found.faults + sum(one.errors for one in tallies),
        "longest_rest_seconds": round(max((one.longest_rest for one in tallies), default=0.0), 1),
        **_told_of_places(hits, found.names_seldom),
        "system_calls": {kind: len(found.boundaries[kind]) for kind in found.boundaries},
        "system_calls_hit": {kind: len(tried) for kind, tried in found.tried.items()},
        "violations": found.violations,
        "not_covered": [*found.missing, *sorted(all_places() - set(hits))],
        **({"bug": found.bug} if found.bug else {}),
        **({"all_runs": _told_of_all(of_all_runs, found.names_seldom)} if found.counts else {}),
    }


def _told_of_places(hits: Counter[str], names_seldom: bool) -> dict[str, object]:
    places = all_places()
    seldom = {place: hits[place] for place in sorted(places & set(hits)) if hits[place] < ENOUGH}
    return {
        "failpoints": len(places),
        "failpoints_hit": len(places & set(hits)),
        "seldom": seldom if names_seldom or len(seldom) <= _FEW else len(seldom),
    }


def _told_of_all(killed_at: Mapping[str, Counter[str]], names_seldom: bool) -> dict[str, object]:
    """What all runs came to that share a file of counts."""
    hits = sum(killed_at.values(), Counter[str]())
    return {
        "kills": {database: counts.total() for database, counts in killed_at.items()},
        **_told_of_places(hits, names_seldom),
        "not_covered": sorted(all_places() - set(hits)),
    }


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Whoever ends this run ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
