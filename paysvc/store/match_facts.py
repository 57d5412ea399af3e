"""The facts of matching out of the registry: four queries for everybody, handed out in columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, exists, func, or_, select, type_coerce

from paysvc.core.match_facts import AccountColumns, FactColumns
from paysvc.domain.matching import HeldUnder
from paysvc.store.bulk import read_parts
from paysvc.store.same_person import read_doubts
from paysvc.store.tables import (
    account_match,
    bank_account,
    beneficiary,
    beneficiary_version,
    population_record,
    superseded_identifier,
)

_PRESENT, _FORMER, _SHARED = map(str, (HeldUnder.CITIZEN_ID, HeldUnder.SUPERSEDED, HeldUnder.SHARED))


@dataclass(frozen=True, slots=True)
class Cases:
    """Registered beneficiaries: today's facts, and the open outcome (None, None where there is none)."""

    beneficiary_id: Sequence[int]
    facts: FactColumns
    match_id: Sequence[int | None]
    facts_digest: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.beneficiary_id)


def read_cases(connection: Connection, beneficiary_id: int | None = None) -> Iterator[Cases]:
    """All registered beneficiaries (or the one asked for), 20,000 at a time, in no promised order.

    Population and accounts are read as they lie and joined here: look-ups of random 32-byte
    keys in SQLite's indexes take twice as long.
    """
    population = _Population(connection, beneficiary_id)
    accounts = _Accounts(connection, beneficiary_id)
    doubts = read_doubts(connection, beneficiary_id)
    for part in read_parts(connection, _people(beneficiary_id)):
        ids, keys, name, birth, sex, match_id, digest = zip(*part, strict=True)
        known_name, known_birth, known_sex, status = population.of(keys)
        facts = FactColumns(
            full_name=name,
            birth=birth,
            sex=sex,
            population_name=known_name,
            population_birth=known_birth,
            population_sex=known_sex,
            population_status=status,
            accounts=accounts.of(ids, keys),
            doubts={row: doubts[number] for row, number in enumerate(ids) if number in doubts} if doubts else {},
        )
        yield Cases(ids, facts, match_id, digest)


class _Population:
    """The open population records in columns, found by the key of the citizen ID."""

    def __init__(self, connection: Connection, beneficiary_id: int | None) -> None:
        known = population_record.c
        found = select(known.citizen_key, known.full_name, known.birth, known.sex, known.status).where(_is_open(known))
        if beneficiary_id is not None:
            found = found.where(known.citizen_key.in_(_present_number(beneficiary_id)))
        self._position: dict[bytes, int] = {}
        self._columns = _new_columns()
        same: dict[str, str] = {}
        for part in read_parts(connection, found):
            keys, *columns = zip(*part, strict=True)
            start = len(self._position)
            self._position.update(zip(keys, range(start, start + len(keys)), strict=True))
            _extend(self._columns, columns, same)
        # No record has an empty status, so "" is free to say that there is none: position -1.
        _extend(self._columns, [("",)] * 4, same)

    def of(self, keys: Sequence[bytes]) -> list[list[str]]:
        """Name, birth, sex and status of each; all "" where there is no record."""
        positions = [self._position.get(key, -1) for key in keys]
        return [[column[position] for position in positions] for column in self._columns]


class _Accounts:
    """The open accounts in columns, found by the key of the holder's number."""

    def __init__(self, connection: Connection, beneficiary_id: int | None) -> None:
        listed = bank_account.c
        described = (listed.id, listed.holder_name, listed.status, listed.currency, listed.registered_on)
        found = select(listed.holder_key, *described).where(_is_open(listed))
        if beneficiary_id is not None:
            numbers = (_present_number(beneficiary_id), _former_keys(beneficiary_id))
            found = found.where(or_(*(listed.holder_key.in_(keys) for keys in numbers)))
        self._former = _former_numbers(connection, beneficiary_id)
        self._first: dict[bytes, int] = {}
        self._further: defaultdict[bytes, list[int]] = defaultdict(list)
        self._ids: list[int] = []
        self._columns = _new_columns()
        same: dict[str, str] = {}
        for part in read_parts(connection, found):
            keys, ids, *columns = zip(*part, strict=True)
            for position, key in enumerate(keys, len(self._ids)):
                if self._first.setdefault(key, position) != position:
                    self._further[key].append(position)
            self._ids.extend(ids)
            _extend(self._columns, columns, same)

    def of(self, beneficiary_ids: Sequence[int], keys: Sequence[bytes]) -> AccountColumns:
        """Those of the given people, under the number they have and under those they had."""
        first = [self._first.get(key, -1) for key in keys]
        rows = [row for row, position in enumerate(first) if position >= 0]
        positions = [position for position in first if position >= 0]
        held_under = [_PRESENT] * len(rows)
        more = [
            (row, position, _PRESENT)
            for row, key in enumerate(keys)
            if key in self._further
            for position in self._further[key]
        ]
        more += [
            (row, position, under)
            for row, number in enumerate(beneficiary_ids)
            if number in self._former
            for key, under in self._former[number]
            for position in (self._first[key], *self._further.get(key, ()))
        ]
        if more:
            together = [*zip(rows, positions, held_under, strict=True), *more]
            together.sort(key=lambda account: (account[0], self._ids[account[1]]))
            rows, positions, held_under = (list(column) for column in zip(*together, strict=True))
        described = ([column[position] for position in positions] for column in self._columns)
        return AccountColumns(rows, [self._ids[position] for position in positions], held_under, *described)


def _new_columns() -> tuple[list[str], ...]:
    """A name, and three texts that repeat."""
    return [], [], [], []


def _extend(columns: Sequence[list[str]], more: Sequence[Sequence[str]], same: dict[str, str]) -> None:
    columns[0].extend(more[0])
    for column, values in zip(columns[1:], more[1:], strict=True):
        # One object for all equal texts: dates, sexes and states repeat without end.
        column.extend(map(same.setdefault, values, values))


def _people(beneficiary_id: int | None) -> Select[Any]:
    person, match = beneficiary_version.c, account_match.c
    found = (
        select(
            beneficiary.c.id,
            beneficiary.c.citizen_key,
            person.full_name,
            person.birth,
            person.sex,
            match.id,
            match.facts_digest,
        )
        .join_from(beneficiary_version, beneficiary, person.beneficiary_id == beneficiary.c.id)
        .outerjoin(account_match, and_(match.beneficiary_id == beneficiary.c.id, match.valid_to.is_(None)))
    )
    if beneficiary_id is None:
        return found.where(_is_open(person))
    return found.where(person.beneficiary_id == beneficiary_id, person.valid_to.is_(None))


def _former_numbers(connection: Connection, beneficiary_id: int | None) -> dict[int, list[tuple[bytes, str]]]:
    """Superseded numbers under which a bank lists an account; one that two people claim is marked."""
    listed, old, other = bank_account.c, superseded_identifier.c, superseded_identifier.alias("other").c
    claimed_by_another = or_(
        exists().where(other.identifier_key == old.identifier_key, other.beneficiary_id != old.beneficiary_id),
        exists().where(beneficiary.c.citizen_key == old.identifier_key, beneficiary.c.id != old.beneficiary_id),
    )
    found = select(old.beneficiary_id, old.identifier_key, claimed_by_another).where(
        exists().where(listed.holder_key == old.identifier_key, listed.valid_to.is_(None)),
        # A number that is recorded as superseded and is the person's present one counts once.
        ~exists().where(beneficiary.c.id == old.beneficiary_id, beneficiary.c.citizen_key == old.identifier_key),
    )
    if beneficiary_id is not None:
        found = found.where(old.beneficiary_id == beneficiary_id)
    numbers: defaultdict[int, list[tuple[bytes, str]]] = defaultdict(list)
    for part in read_parts(connection, found):
        for number, key, is_claimed in part:
            numbers[number].append((key, _SHARED if is_claimed else _FORMER))
    return dict(numbers)


def _present_number(beneficiary_id: int) -> Select[Any]:
    return select(beneficiary.c.citizen_key).where(beneficiary.c.id == beneficiary_id)


def _former_keys(beneficiary_id: int) -> Select[Any]:
    old = superseded_identifier.c
    return select(old.identifier_key).where(old.beneficiary_id == beneficiary_id)


def _is_open(columns: Any) -> ColumnElement[bool]:
    # Said so that SQLite reads the table as it lies: through the index of open versions, which
    # is in the order of a random key, it takes three times as long.
    return func.coalesce(type_coerce(columns.valid_to, String), "") == ""
