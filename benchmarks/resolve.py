"""Citizen IDs resolved through the API: a filled office, its server, and clients beside it, all real.

    python benchmarks/resolve.py --accounts 1000000
    python benchmarks/resolve.py --accounts 10000000 --folder /somewhere/large --keep
    python benchmarks/resolve.py --accounts 1000000 --database postgresql://user@host/empty_database

Fills the registry (people, accounts in another order, outcomes in several versions), starts
`paysvc serve`, lets the clients ask over connections they keep, and holds every answer against
what was put in. A filled folder is used again with `--keep`. Clients run on the same machine
and take of its time, so the share of each is printed, and what the whole machine was doing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paysvc.config import read_settings
from paysvc.domain.officers import Role
from paysvc.sealing import Sealer
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.store import schema
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.engine import Database
from paysvc.store.tables import account_match, bank_account, beneficiary, import_file
from paysvc.wiring import Wiring, wire

FILLED_AT = datetime(2026, 11, 1, tzinfo=UTC)
CHANGED_AT = FILLED_AT + timedelta(days=10)
BINS = ("970405", "970436", "970418", "970415")
#: Rows written at once.
PART = 250_000
#: One in ten IDs asked for is nobody's.
STRANGERS = 0.1


class Told(NamedTuple):
    """What the API has to say of one citizen ID."""

    outcome: str
    bank_bin: str
    account: str


def citizen_number(person: int) -> str:
    """The 12 digits of the person `person`; those of strangers start with another digit."""
    return f"0{person * 7 % 100_000_000_000:011}"


def stranger_number(draw: random.Random) -> str:
    return f"9{draw.randrange(10**11):011}"


def account_number(person: int) -> str:
    return f"{person * 13 % 10**13:013}"


def outcome_of(person: int) -> str | None:
    """The open outcome of a person; None where matching has not been run yet."""
    kind = person % 40
    return {0: "name_mismatch", 1: "several_accounts", 2: "no_account", 3: None, 4: "name_close"}.get(kind, "matched")


def expected(person: int) -> Told:
    outcome = outcome_of(person)
    if outcome in ("matched", "name_close", "name_mismatch"):
        return Told(outcome, BINS[person % 4], "••••" + account_number(person)[-4:])
    return Told(outcome or "not_matched", "", "")


# ---------------------------------------------------------------- filling


def fill(wiring: Wiring, count: int) -> None:
    """`count` people with an account each, written as imports write them: in the order of their keys."""
    database, sealer = wiring.database, wiring.sealer
    dropped = ("ix_bank_account_holder_key", "uq_bank_account_open", "uq_account_match_open")
    indexes = [one for table in (bank_account, account_match) for one in table.indexes if one.name in dropped]
    with database.write() as connection:
        file = next_ids(connection, "import_file", 1)[0]
        zeros = {name: [0] for name in ("rows", "added", "changed", "unchanged", "refused", "warned", "size")}
        columns = {"id": [file], "kind": ["bench"], "name": ["bench.csv"], "sha256": [bytes(32)]}
        insert_columns(connection, import_file, {**zeros, **columns, "imported_at": [FILLED_AT], "actor": ["bench"]})
        for index in indexes:
            index.drop(connection)
    person_keys, people = _keys_in_order(sealer, "citizen_id", count, citizen_number)
    account_keys, holders = _keys_in_order(sealer, "account", count, _named_account)
    person_row, account_row = np.empty(count, np.int64), np.empty(count, np.int64)
    person_row[people], account_row[holders] = np.arange(count), np.arange(count)
    _fill_people(database, sealer, person_keys, people)
    _fill_accounts(database, sealer, account_keys, holders, (person_keys, person_row), file)
    _fill_outcomes(database, people, account_row)
    with database.write() as connection:
        for index in indexes:
            index.create(connection)
        if database.is_postgresql:
            connection.exec_driver_sql("ANALYZE")


def _named_account(person: int) -> str:
    return f"{BINS[person % 4]}:{account_number(person)}"


def _keys_in_order(sealer: Sealer, kind: str, count: int, name: Any) -> tuple[np.ndarray[Any, Any], Any]:
    """All blind indexes in ascending order (count x 32 bytes), and whose each is."""
    keys = np.empty((count, 32), np.uint8)
    for start in range(0, count, PART):
        names = list(map(name, range(start, min(start + PART, count))))
        keys[start : start + len(names)] = np.frombuffer(b"".join(sealer.blind_index(kind, names)), np.uint8).reshape(
            -1, 32
        )
    order = np.argsort(keys[:, :8].copy().view(">u8")[:, 0], kind="stable")
    return keys[order], order


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + PART, count)) for start in range(0, count, PART))


def _bytes(keys: np.ndarray[Any, Any]) -> list[bytes]:
    content = keys.tobytes()
    return [content[start : start + 32] for start in range(0, len(content), 32)]


@contextmanager
def _writing(database: Database) -> Iterator[Any]:
    with database.write() as connection:
        if database.is_postgresql:
            # What is written here is whole by its making; looking each reference up takes longer than the rest.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        yield connection


def _fill_people(database: Database, sealer: Sealer, keys: np.ndarray[Any, Any], people: Any) -> None:
    for part in _parts(len(people)):
        with _writing(database) as connection:
            ids = next_ids(connection, "beneficiary", part.stop - part.start)
            numbers = list(map(citizen_number, people[part].tolist()))
            sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", ids, numbers)
            columns = {"id": ids, "citizen_key": _bytes(keys[part]), "citizen_id_sealed": sealed}
            insert_columns(connection, beneficiary, {**columns, "created_at": Same(FILLED_AT)})


def _fill_accounts(
    database: Database, sealer: Sealer, keys: np.ndarray[Any, Any], holders: Any, persons: Any, file: int
) -> None:
    person_keys, person_row = persons
    same = {"holder_id_kind": "citizen_id", "status": "active", "currency": "VND", "registered_on": "2026-09-01"}
    same |= {"valid_from": FILLED_AT, "valid_to": None, "row_digest": bytes(32), "import_file_id": file}
    for part in _parts(len(holders)):
        with _writing(database) as connection:
            ids = next_ids(connection, "bank_account", part.stop - part.start)
            chosen = holders[part].tolist()
            numbers = list(map(account_number, chosen))
            columns = {
                "id": ids,
                "bank_bin": [BINS[one % 4] for one in chosen],
                "account_key": _bytes(keys[part]),
                "account_sealed": sealer.seal_column("bank_account", "account_sealed", ids, numbers),
                "holder_key": _bytes(person_keys[person_row[holders[part]]]),
                "holder_name": [f"NGUYEN VAN {one % 9973}" for one in chosen],
            }
            insert_columns(connection, bank_account, {**columns, **{name: Same(one) for name, one in same.items()}})


def _fill_outcomes(database: Database, people: Any, account_row: Any) -> None:
    """One open version for whom `outcome_of` names one, and for every fifth a version of the past."""
    evidence = '{"holder":{"name":"match","rule":"accents_not_comparable","under":"citizen_id"},"listed":1,'
    evidence += (
        '"population":{"birth":"same","name":"exact","rule":"same_text","sex":"same","status":"alive"},"usable":1}'
    )
    for part in _parts(len(people)):
        chosen = people[part].tolist()
        accounts = (account_row[people[part]] + 1).tolist()
        rows: list[tuple[int, str, int | None, datetime, datetime | None]] = []
        for row, person in enumerate(chosen):
            beneficiary_id, outcome = part.start + row + 1, outcome_of(person)
            if person % 5 == 0:
                rows.append((beneficiary_id, "no_account", None, FILLED_AT, CHANGED_AT))
            if outcome is not None:
                has_account = bool(expected(person).bank_bin)
                rows.append((beneficiary_id, outcome, accounts[row] if has_account else None, CHANGED_AT, None))
        names = ("beneficiary_id", "outcome", "account_id", "valid_from", "valid_to")
        columns: dict[str, Any] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        same = {"name_level": "match", "evidence": evidence, "facts_digest": bytes(32), "reason": ""}
        with _writing(database) as connection:
            columns["id"] = next_ids(connection, "account_match", len(rows))
            columns |= {name: Same(one) for name, one in {**same, "decided_by": "match-accounts"}.items()}
            insert_columns(connection, account_match, columns, staged=True)


# ---------------------------------------------------------------- server and clients


@contextmanager
def serving(home: Path, database_url: str) -> Iterator[tuple[int, int]]:
    """A server of its own process for as long as the block lasts: its port and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    code = "from paysvc.cli.main import main; main()"
    words = [sys.executable, "-c", code, "--home", str(home), "--database", database_url, "serve"]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen([*words, "--without-scheduler", "--port", str(port)], stdout=log, stderr=log)
        try:
            _wait_until_ready(process, port)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit("the server did not start")


class Moment(NamedTuple):
    """A time, and the processor time used until then by the server's processes and by everything on the machine."""

    at: float
    server: float
    machine: float


class Asked(NamedTuple):
    """One client's run: seconds per call, first and last moment, its own processor time, wrong answers."""

    seconds: list[float]
    began: Moment
    ended: Moment
    cpu: float
    wrong: int


def moment(server: int) -> Moment:
    return Moment(time.perf_counter(), cpu_of_tree(server), cpu_of_machine())


def ask(where: tuple[int, int], token: str, count: int, calls: int, size: int, seed: int, gate: Any) -> Asked:
    """Ask `calls` times for `size` citizen IDs over one connection, then look at every answer."""
    draw = random.Random(seed)
    people = [[-1 if draw.random() < STRANGERS else draw.randrange(count) for _ in range(size)] for _ in range(calls)]
    bodies = [
        json.dumps({"citizen_ids": [stranger_number(draw) if one < 0 else citizen_number(one) for one in call]})
        for call in people
    ]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", where[0], timeout=300)
    connection.connect()
    answers, seconds = [], []
    gate.wait()
    began, used = moment(where[1]), resource.getrusage(resource.RUSAGE_SELF)
    for body in bodies:
        at = time.perf_counter()
        connection.request("POST", "/accounts/resolve", body, headers)
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        seconds.append(time.perf_counter() - at)
    after, ended = resource.getrusage(resource.RUSAGE_SELF), moment(where[1])
    connection.close()
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    wrong = sum(not _is_right(answer, call) for answer, call in zip(answers, people, strict=True))
    return Asked(seconds, began, ended, cpu, wrong)


def _is_right(answer: tuple[int, bytes], people: Sequence[int]) -> bool:
    status, body = answer
    if status != 200:
        return False
    told = [Told(one["outcome"], one["bank_bin"], one["account"]) for one in json.loads(body)]
    return told == [Told("not_registered", "", "") if one < 0 else expected(one) for one in people]


def _ask_in_a_process(results: Any, *arguments: Any) -> None:
    results.put(ask(*arguments))


def ask_side_by_side(
    clients: int, where: tuple[int, int], token: str, count: int, calls: int, size: int, seed: int
) -> list[Asked]:
    """That many client processes, let go at the same moment."""
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(clients), context.Queue()
    started = [
        context.Process(target=_ask_in_a_process, args=(results, where, token, count, calls, size, seed + one, gate))
        for one in range(clients)
    ]
    for process in started:
        process.start()
    found = [results.get() for _ in started]
    for process in started:
        process.join()
    return found


def cpu_of_tree(root: int) -> float:
    """Seconds of processor time that a process and its living children have used (0 where /proc is missing)."""
    used = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == root or int(fields[1]) == root:
            used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def cpu_of_machine() -> float:
    """Seconds of processor time that everything on this machine has used, idling and waiting aside."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- the whole


def prepare(home: Path, database_url: str | None, count: int) -> tuple[str, str]:
    """A filled installation (as it lies, where it is one of this size already) and a maker's token."""
    wiring = wire(read_settings(home, database_url))
    stamp = home / "filled"
    try:
        schema.upgrade(wiring.database)
        if not stamp.exists():
            began = time.perf_counter()
            fill(wiring, count)
            add_officer(wiring.database, wiring.clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
            chief = add_officer(wiring.database, wiring.clock, _chief(), officer_id="welfare.lan", role=Role.MAKER)
            stamp.write_text(str(count))
            print(f"filled for {chief.officer_id} in {time.perf_counter() - began:.0f} s", flush=True)
        elif int(stamp.read_text()) != count:
            raise SystemExit(f"{home} holds {stamp.read_text()} accounts, not {count}")
        token = create_token(wiring.database, wiring.clock, _chief(), officer_id="welfare.lan", days=1)
    finally:
        wiring.close()
    return token, wiring.settings.database_url


def _chief() -> Any:
    from paysvc.domain.officers import Officer

    return Officer("chief", Role.ADMINISTRATOR)


def measure(arguments: argparse.Namespace, home: Path) -> bool:
    """One line per round; True when every answer was right."""
    token, url = prepare(home, arguments.database, arguments.accounts)
    asking = f"{arguments.clients} clients, {arguments.calls} calls each of {arguments.ids} IDs"
    print(f"{arguments.accounts} accounts, {asking}", flush=True)
    all_right = True
    with serving(home, url) as where:
        for number in range(arguments.rounds):
            found = ask_side_by_side(
                arguments.clients, where, token, arguments.accounts, arguments.calls, arguments.ids, 1_000 * number
            )
            wrong = sum(one.wrong for one in found)
            all_right &= wrong == 0
            print(_told(number, found, arguments), flush=True)
    return all_right


def _told(number: int, found: Sequence[Asked], arguments: argparse.Namespace) -> str:
    first, last = min(one.began for one in found), max(one.ended for one in found)
    took, server, machine = (after - before for before, after in zip(first, last, strict=True))
    seconds = sorted(second for one in found for second in one.seconds)
    quantiles = statistics.quantiles(seconds, n=100)
    wrong, clients = sum(one.wrong for one in found), sum(one.cpu for one in found)
    return (
        f"round {number}: {len(seconds) * arguments.ids / took:,.0f} IDs/s, p50 {1000 * quantiles[49]:.0f} "
        f"p95 {1000 * quantiles[94]:.0f} max {1000 * seconds[-1]:.0f} ms, wrong {wrong} of {len(seconds)}; "
        f"of {took * (os.cpu_count() or 1):.1f} s on {os.cpu_count()} processors: server {server:.1f}, "
        f"clients {clients:.1f}, whole machine {machine:.1f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--calls", type=int, default=50, help="per client and round")
    parser.add_argument("--ids", type=int, default=1_000, help="per call")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite in the folder otherwise")
    parser.add_argument("--folder", type=Path, help="where the installation lies; a temporary one otherwise")
    parser.add_argument("--keep", action="store_true", help="leave the filled folder for the next run")
    chosen = parser.parse_args(arguments)
    home = chosen.folder or Path(tempfile.mkdtemp(prefix="paysvc-resolve-"))
    try:
        return 0 if measure(chosen, home) else 1
    finally:
        if not chosen.keep:
            shutil.rmtree(home)


if __name__ == "__main__":
    raise SystemExit(main())
