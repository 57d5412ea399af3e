"""The registry in the database: what a file said, kept as dated versions, never overwritten.

Rows are found again by key and compared by the keyed digest of their content, in sets: the
keys of a file go into a temporary table, one join brings what is open, and what differs is
closed and opened anew in bulk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import compress
from typing import Any

from sqlalchemy import Connection, Table, and_, select, text

from paysvc.domain.errors import Conflict
from paysvc.sealing import Sealer
from paysvc.store.bulk import Same, Values, insert_columns, next_ids, read_columns, update_columns
from paysvc.store.registry_open import OpenVersion, is_empty, open_versions, place, want, wanted_key
from paysvc.store.tables import (
    bank_account,
    beneficiary,
    beneficiary_version,
    enrolment,
    population_record,
    superseded_identifier,
)

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """How many rows were new, differed from what was open, or said what was known."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Source:
    """Which import the rows come from; with `keep_later`, what a later file said stands."""

    file_id: int
    at: datetime
    keep_later: bool = False


def lock_imports(connection: Connection) -> None:
    """Let one import write at a time. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE import_file IN SHARE ROW EXCLUSIVE MODE"))


def take_beneficiaries(connection: Connection, sealer: Sealer, columns: Columns, source: Source) -> Taken:
    """Bring people, the facts about them and their enrolments up to what the rows say.

    A row counts as added when its enrolment is new, as changed when the enrolment or a fact
    about the person is.
    """
    if not columns["citizen_id"]:
        return Taken(0, 0, 0)
    columns, row_keys = _in_key_order(columns, sealer.blind_index("citizen_id", columns["citizen_id"]))
    numbers, keys = list(dict.fromkeys(columns["citizen_id"])), list(dict.fromkeys(row_keys))
    place = {key: position for position, key in enumerate(keys)}
    row_person = list(map(place.__getitem__, row_keys))
    # Of a person's rows any will do for the facts: the checks made sure that they agree.
    person_row = dict(zip(row_person, range(len(row_person)), strict=True))
    first_rows = [person_row[position] for position in range(len(keys))]

    person_ids, is_new = _beneficiary_ids(connection, sealer, numbers, keys, source.at)
    person_change = _take_persons(connection, columns, first_rows, person_ids, is_new, source)
    row_ids = [person_ids[position] for position in row_person]
    is_added, is_changed = _take_enrolments(connection, columns, row_ids, is_new, source)
    _take_old_ids(connection, sealer, columns["old_id"], row_ids, source.at)
    added = sum(is_added)
    changed = sum(
        not new and (different or person_change[position])
        for new, different, position in zip(is_added, is_changed, row_person, strict=True)
    )
    return Taken(added, changed, len(row_person) - added - changed)


_ACCOUNT_FACTS = ("holder_name", "status", "currency", "registered_on")


def take_accounts(connection: Connection, sealer: Sealer, columns: Columns, source: Source) -> Taken:
    """Bring the accounts up to what a bank's list says; an account not in it stays as it is."""
    if not columns["holder_id"]:
        return Taken(0, 0, 0)
    names = list(map("{}:{}".format, columns["bank_bin"], columns["account_number"]))
    columns, keys = _in_key_order(columns, sealer.blind_index("account", names))
    holders, bins, numbers = columns["holder_id"], columns["bank_bin"], columns["account_number"]
    is_old = [len(holder) == 9 for holder in holders]
    # Before the holder's number goes into a digest it is a blind index: numbers have so few
    # digits that a plain digest of one could be tried out.
    holder_keys = _holder_keys(sealer, holders, is_old)
    digests = _digests(
        {**{name: columns[name] for name in _ACCOUNT_FACTS}, "holder_key": list(map(bytes.hex, holder_keys))}
    )
    joined = and_(bank_account.c.bank_bin == wanted_key.c.bank_bin, bank_account.c.account_key == wanted_key.c.key)
    found = open_versions(connection, bank_account, joined, keys, bins)

    def versions(rows: Sequence[int], ids: range) -> dict[str, Values]:
        return {
            "bank_bin": [bins[row] for row in rows],
            "account_key": [keys[row] for row in rows],
            "account_sealed": sealer.seal_column("bank_account", "account_sealed", ids, [numbers[row] for row in rows]),
            "holder_key": [holder_keys[row] for row in rows],
            "holder_id_kind": ["old_id" if is_old[row] else "citizen_id" for row in rows],
            **{name: [columns[name][row] for row in rows] for name in _ACCOUNT_FACTS},
        }

    return _take(connection, bank_account, digests, found, versions, source)


def take_population(connection: Connection, sealer: Sealer, columns: Columns, source: Source) -> Taken:
    """Bring the population records up to what the extract says."""
    if not columns["citizen_id"]:
        return Taken(0, 0, 0)
    columns, keys = _in_key_order(columns, sealer.blind_index("citizen_id", columns["citizen_id"]))
    names = ("full_name", "birth", "sex", "status", "deceased_on")
    digests = _digests({name: columns[name] for name in names})
    found = open_versions(connection, population_record, population_record.c.citizen_key == wanted_key.c.key, keys)

    def versions(rows: Sequence[int], ids: range) -> dict[str, Values]:
        return {
            "citizen_key": [keys[row] for row in rows],
            **{name: [columns[name][row] for row in rows] for name in names},
        }

    return _take(connection, population_record, digests, found, versions, source)


# ---------------------------------------------------------------- people


def _beneficiary_ids(
    connection: Connection, sealer: Sealer, numbers: Sequence[str], keys: Sequence[bytes], at: datetime
) -> tuple[list[int], list[bool]]:
    """The id of each person, making those that are not there, and which were made."""
    ids: list[int] = [0] * len(keys)
    if not is_empty(connection, beneficiary):
        want(connection, keys)
        found = read_columns(
            connection,
            select(wanted_key.c.position, beneficiary.c.id).join_from(
                wanted_key, beneficiary, beneficiary.c.citizen_key == wanted_key.c.key
            ),
        )
        for position, person_id in zip(found["position"], found["id"], strict=True):
            ids[position] = person_id
    is_new = [person_id == 0 for person_id in ids]
    positions = list(compress(range(len(ids)), is_new))
    fresh = next_ids(connection, "beneficiary", len(positions)) if positions else range(0)
    for position, person_id in zip(positions, fresh, strict=True):
        ids[position] = person_id
    insert_columns(
        connection,
        beneficiary,
        {
            "id": fresh,
            "citizen_key": [keys[position] for position in positions],
            "citizen_id_sealed": sealer.seal_column(
                "beneficiary", "citizen_id_sealed", fresh, [numbers[position] for position in positions]
            ),
            "created_at": Same(at),
        },
    )
    return ids, is_new


def _take_persons(
    connection: Connection,
    columns: Columns,
    rows: Sequence[int],
    person_ids: Sequence[int],
    is_new: Sequence[bool],
    source: Source,
) -> list[bool]:
    """Which of the persons (given by one of their rows each) have other facts than before."""
    names = ("full_name", "birth", "sex", "unit_code")
    facts = {name: [columns[name][row] for row in rows] for name in names}
    digests = _digests(facts)
    found: list[OpenVersion | None] = [None] * len(rows)
    if not all(is_new):
        # The wanted keys are still those of the persons.
        versions = beneficiary_version.c
        open_ones = read_columns(
            connection,
            select(wanted_key.c.position, versions.id, versions.row_digest, versions.import_file_id)
            .join_from(wanted_key, beneficiary, beneficiary.c.citizen_key == wanted_key.c.key)
            .join(beneficiary_version, and_(versions.beneficiary_id == beneficiary.c.id, versions.valid_to.is_(None))),
        )
        place(found, open_ones)
    opened = _replace(
        connection,
        beneficiary_version,
        digests,
        found,
        lambda chosen, _: {
            "beneficiary_id": [person_ids[row] for row in chosen],
            **{name: [facts[name][row] for row in chosen] for name in names},
        },
        source,
    )
    changed = [False] * len(rows)
    for row in opened:
        changed[row] = True
    return changed


def _take_old_ids(
    connection: Connection, sealer: Sealer, numbers: Sequence[str], person_ids: Sequence[int], at: datetime
) -> None:
    """Remember numbers that people had before; one known already is left as it is."""
    given = {(number, person_id): None for number, person_id in zip(numbers, person_ids, strict=True) if number}
    if not given:
        return
    pairs = list(given)
    keys = sealer.blind_index("old_id", [number for number, _ in pairs])
    want(connection, keys)
    columns = superseded_identifier.c
    known = read_columns(
        connection,
        select(wanted_key.c.position, columns.beneficiary_id).join_from(
            wanted_key, superseded_identifier, columns.identifier_key == wanted_key.c.key
        ),
    )
    there = set(zip(known["position"], known["beneficiary_id"], strict=True))
    fresh = [position for position, (_, person_id) in enumerate(pairs) if (position, person_id) not in there]
    ids = [pairs[position][1] for position in fresh]
    insert_columns(
        connection,
        superseded_identifier,
        {
            "identifier_key": [keys[position] for position in fresh],
            "beneficiary_id": ids,
            "identifier_sealed": sealer.seal_column(
                "superseded_identifier", "identifier_sealed", ids, [pairs[position][0] for position in fresh]
            ),
            "kind": Same("old_id"),
            "recorded_at": Same(at),
        },
    )


def _take_enrolments(
    connection: Connection,
    columns: Columns,
    person_ids: Sequence[int],
    is_new: Sequence[bool],
    source: Source,
) -> tuple[list[bool], list[bool]]:
    """Per row: whether its enrolment is new, and whether it differs from the open one."""
    names = ("programme_code", "category", "from_period", "to_period", "channel", "decision_number")
    digests = _digests({name: columns[name] for name in names})
    programmes = columns["programme_code"]
    found: list[OpenVersion | None] = [None] * len(person_ids)
    if not all(is_new):
        # The wanted keys are still those of the persons.
        fields = enrolment.c
        statement = (
            select(fields.beneficiary_id, fields.programme_code, fields.id, fields.row_digest, fields.import_file_id)
            .join_from(wanted_key, beneficiary, beneficiary.c.citizen_key == wanted_key.c.key)
            .join(enrolment, and_(fields.beneficiary_id == beneficiary.c.id, fields.valid_to.is_(None)))
        )
        there = {(row[0], row[1]): OpenVersion(row[2], row[3], row[4]) for row in connection.execute(statement)}
        found = list(map(there.get, zip(person_ids, programmes, strict=True)))

    def versions(rows: Sequence[int], ids: range) -> dict[str, Values]:
        values: dict[str, Values] = {name: [columns[name][row] for row in rows] for name in names}
        return {
            **values,
            "beneficiary_id": [person_ids[row] for row in rows],
            "to_period": [columns["to_period"][row] or None for row in rows],
        }

    opened = _replace(connection, enrolment, digests, found, versions, source)
    is_changed = [False] * len(person_ids)
    for row in opened:
        is_changed[row] = True
    return [one is None for one in found], is_changed


# ---------------------------------------------------------------- versions in sets


def _take(
    connection: Connection,
    table: Table,
    digests: Sequence[bytes],
    found: list[OpenVersion | None],
    versions: Any,
    source: Source,
) -> Taken:
    opened = _replace(connection, table, digests, found, versions, source)
    added = found.count(None)
    return Taken(added, len(opened) - added, len(found) - len(opened))


def _replace(
    connection: Connection,
    table: Table,
    digests: Sequence[bytes],
    found: Sequence[OpenVersion | None],
    versions: Any,
    source: Source,
) -> list[int]:
    """Close what differs, open what the rows say; returns the rows that were opened."""
    differing = [
        row
        for row, (digest, there) in enumerate(zip(digests, found, strict=True))
        if there is None or (there.digest != digest and not (source.keep_later and there.file_id > source.file_id))
    ]
    if not differing:
        return []
    closed = [there.id for there in map(found.__getitem__, differing) if there is not None]
    if closed and update_columns(connection, table, ["id"], {"id": closed, "valid_to": Same(source.at)}) != len(closed):
        raise Conflict("registry_changed", "The registry changed while it was imported; import again.")
    ids = next_ids(connection, table.name, len(differing))
    insert_columns(
        connection,
        table,
        {
            "id": ids,
            **versions(differing, ids),
            "valid_from": Same(source.at),
            "valid_to": Same(None),
            "row_digest": [digests[row] for row in differing],
            "import_file_id": Same(source.file_id),
        },
    )
    return differing


def _in_key_order(columns: Columns, keys: Sequence[bytes]) -> tuple[dict[str, list[str]], list[bytes]]:
    """The rows sorted by key: an index that grows in order costs a third of one that does not."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ordered = {name: [values[row] for row in order] for name, values in columns.items()}
    return ordered, [keys[row] for row in order]


def _digests(columns: Columns) -> list[bytes]:
    """SHA-256 of each row; the columns hold only what the row of the table shows anyway."""
    names = sorted(columns)
    texts = map("\x1f".join, zip(*(columns[name] for name in names), strict=True))
    return [sha256(text.encode()).digest() for text in texts]


def _holder_keys(sealer: Sealer, holders: Sequence[str], is_old: Sequence[bool]) -> list[bytes]:
    citizens = iter(sealer.blind_index("citizen_id", list(compress(holders, (not one for one in is_old)))))
    old = iter(sealer.blind_index("old_id", list(compress(holders, is_old))))
    return [next(old) if one else next(citizens) for one in is_old]
