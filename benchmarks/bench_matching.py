"""Matching at as many people as PAYSVC_BENCH_SIZE says (100,000): each bench asserts its answer.

Run by `./run bench`; alone: `python -m pytest benchmarks/bench_matching.py`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from paysvc.clock import FixedClock
from paysvc.core.match_facts import AccountColumns, FactColumns, decide_columns, digest_facts
from paysvc.core.name_pairs import compare_pairs
from paysvc.domain.matching import Outcome
from paysvc.domain.names import NameLevel, base_name
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer, open_or_create_sealer
from paysvc.services.match_accounts import match_accounts
from paysvc.store import schema
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import (
    bank_account,
    beneficiary,
    beneficiary_version,
    import_file,
    population_record,
)

COUNT = int(os.environ.get("PAYSVC_BENCH_SIZE", "100000"))
NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)

#: Every 50th holder is somebody else, every 100th name is cut or misspelt: the long way round.
OTHERS, CLOSE = range(0, COUNT, 50), range(1, COUNT, 100)

_SURNAMES = ["Nguyễn"] * 9 + ["Trần", "Lê", "Phạm", "Hoàng", "Phan", "Võ", "Đặng", "Hồ", "Lô", "Vi", "Lương", "Xồng"]
_MIDDLES = ["Thị", "Văn", "Hữu", "Đức", "Minh", "Ngọc", "Thanh", "Quang", "Xuân", "Thu", "Kim", "Hồng", "Bá", "Đình"]
_GIVEN = [
    "Hoa",
    "Hoà",
    "Hoá",
    "Lan",
    "Huệ",
    "Mai",
    "Trang",
    "Linh",
    "Hương",
    "Thuỷ",
    "Thuý",
    "Quý",
    "Nam",
    "Đạt",
    "Yến",
]


@pytest.fixture(scope="module")
def registered() -> list[str]:
    draw = random.Random(20261121)
    return [
        " ".join((draw.choice(_SURNAMES), *draw.sample(_MIDDLES, draw.choice((1, 1, 2))), draw.choice(_GIVEN)))
        for _ in range(COUNT)
    ]


@pytest.fixture(scope="module")
def listed(registered: list[str]) -> list[str]:
    """The same people as a bank prints them."""
    printed = {name: base_name(name) for name in set(registered)}
    names = [printed[name] for name in registered]
    for row in OTHERS:
        names[row] = "SOMEBODY ELSE"
    for row in CLOSE:
        names[row] += " (CON)"
    return names


def test_names_in_pairs(benchmark: BenchmarkFixture, registered: list[str], listed: list[str]) -> None:
    compared = benchmark.pedantic(compare_pairs, (registered, listed), rounds=3)
    levels = Counter(answer.level for answer in compared)
    assert levels[NameLevel.MISMATCH] == len(OTHERS)
    assert levels[NameLevel.CLOSE] == len(CLOSE)
    assert levels[NameLevel.MATCH] + levels[NameLevel.EXACT] == COUNT - len(OTHERS) - len(CLOSE)


def test_facts_in_columns(benchmark: BenchmarkFixture, registered: list[str], listed: list[str]) -> None:
    births, alive = ["1950-03-04"] * COUNT, ["alive"] * COUNT
    own, vnd, nothing = ["citizen_id"] * COUNT, ["VND"] * COUNT, [""] * COUNT
    rows = range(COUNT)
    accounts = AccountColumns(rows, rows, own, listed, ["active"] * COUNT, vnd, nothing)
    sexes = ["female"] * COUNT
    facts = FactColumns(registered, births, sexes, registered, births, sexes, alive, accounts)

    def decided() -> tuple[Counter[Outcome], int]:
        return Counter(decide_columns(facts).outcome), len(set(digest_facts(facts)))

    outcomes, digests = benchmark.pedantic(decided, rounds=3)
    assert outcomes == _expected()
    assert digests == COUNT


def test_the_service_on_sqlite(
    benchmark: BenchmarkFixture, tmp_path: Path, registered: list[str], listed: list[str]
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'paysvc.db'}")
    schema.upgrade(database)
    sealer = open_or_create_sealer(tmp_path / "keys.json")
    _fill(database, sealer, registered, listed)
    officer = Officer("maker.lan", Role.MAKER)
    first = benchmark.pedantic(match_accounts, (database, sealer, FixedClock(NOW), officer), rounds=1)
    assert {outcome: count for outcome, count in first.outcomes.items() if count} == _expected()
    again = match_accounts(database, sealer, FixedClock(NOW), officer)
    assert (again.opened, again.unchanged) == (0, COUNT)
    database.close()


def _expected() -> dict[Outcome, int]:
    matched = COUNT - len(OTHERS) - len(CLOSE)
    return {Outcome.MATCHED: matched, Outcome.NAME_MISMATCH: len(OTHERS), Outcome.NAME_CLOSE: len(CLOSE)}


def _fill(database: Database, sealer: Sealer, registered: list[str], listed: list[str]) -> None:
    """One account each; the three lists lie in three orders, as they do in an office."""
    keys = sealer.blind_index("citizen_id", [f"{number:012}" for number in range(COUNT)])
    account_keys = sealer.blind_index("account", [f"970405:{number:010}" for number in range(COUNT)])
    order = list(range(COUNT))
    with database.write() as connection:
        file = next_ids(connection, "import_file", 1)[0]
        zeros = {name: [0] for name in ("rows", "added", "changed", "unchanged", "refused", "warned", "size")}
        columns = {"id": [file], "kind": ["bench"], "name": ["bench.csv"], "sha256": [bytes(32)]}
        insert_columns(connection, import_file, {**zeros, **columns, "imported_at": [NOW], "actor": ["maker.lan"]})
        ids = next_ids(connection, "beneficiary", COUNT)
        people = {"id": ids, "citizen_key": keys, "citizen_id_sealed": Same(bytes(44)), "created_at": Same(NOW)}
        insert_columns(connection, beneficiary, people)
        version = {"valid_from": Same(NOW), "row_digest": Same(bytes(32)), "import_file_id": Same(file)}
        described = {"birth": Same("1950-03-04"), "sex": Same("female"), **version}
        named = {"id": ids, "beneficiary_id": ids, "full_name": registered, "unit_code": Same("16681")}
        insert_columns(connection, beneficiary_version, {**named, **described})
        random.Random(1).shuffle(order)
        known = {"citizen_key": [keys[row] for row in order], "full_name": [registered[row] for row in order]}
        alive = {"status": Same("alive"), "deceased_on": Same("")}
        insert_columns(connection, population_record, {"id": ids, **known, **described, **alive})
        random.Random(2).shuffle(order)
        held = {"holder_key": [keys[row] for row in order], "holder_name": [listed[row] for row in order]}
        number = {"account_key": account_keys, "account_sealed": Same(bytes(44)), "bank_bin": Same("970405")}
        usable = {"status": Same("active"), "currency": Same("VND"), "registered_on": Same("")}
        kind = {"holder_id_kind": Same("citizen_id")}
        insert_columns(connection, bank_account, {"id": ids, **held, **number, **usable, **kind, **version})
