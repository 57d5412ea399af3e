"""The facts of matching out of the registry: three queries for everybody, handed out in columns."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from paysvc.core.match_facts import AccountColumns, FactColumns
from paysvc.domain.matching import HeldUnder
from paysvc.store.tables import (
    account_match,
    bank_account,
    beneficiary,
    beneficiary_version,
    population_record,
    superseded_identifier,
)

_READ_AT_ONCE = 20_000


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
    """All registered beneficiaries in the order of their ids, 20,000 at a time (or the one asked for).

    People and accounts stream by in the same order, so memory does not grow with the registry.
    """
    accounts = _AccountStream(connection, beneficiary_id)
    for part in _parts(connection, _people(beneficiary_id)):
        ids, name, birth, sex, known_name, known_birth, known_sex, status, match_id, digest = zip(*part, strict=True)
        facts = FactColumns(
            full_name=name,
            birth=birth,
            sex=sex,
            population_name=known_name,
            population_birth=known_birth,
            population_sex=known_sex,
            population_status=status,
            accounts=accounts.of(ids),
        )
        yield Cases(ids, facts, match_id, digest)


#: (beneficiary id or row, account id, held under, holder name, status, currency, registered on)
_Held = tuple[int, int, str, str, str, str, str]


def _people(beneficiary_id: int | None) -> Select[Any]:
    person, known, match = beneficiary_version.c, population_record.c, account_match.c
    found = (
        select(
            beneficiary.c.id,
            person.full_name,
            person.birth,
            person.sex,
            # No population record has an empty status, so "" is free to say that there is none.
            *(func.coalesce(column, "") for column in (known.full_name, known.birth, known.sex, known.status)),
            match.id,
            match.facts_digest,
        )
        .join_from(
            beneficiary,
            beneficiary_version,
            and_(person.beneficiary_id == beneficiary.c.id, person.valid_to.is_(None)),
        )
        .outerjoin(population_record, and_(known.citizen_key == beneficiary.c.citizen_key, known.valid_to.is_(None)))
        .outerjoin(account_match, and_(match.beneficiary_id == beneficiary.c.id, match.valid_to.is_(None)))
        .order_by(beneficiary.c.id)
    )
    return found if beneficiary_id is None else found.where(beneficiary.c.id == beneficiary_id)


def _under_present_numbers(beneficiary_id: int | None) -> Select[Any]:
    listed = bank_account.c
    # Said so that SQLite does not choose the index of open accounts, which lies in the order of
    # a random key, and then has to sort what it found.
    is_open = func.coalesce(type_coerce(listed.valid_to, String), "") == ""
    found = (
        select(beneficiary.c.id, listed.id, literal(str(HeldUnder.CITIZEN_ID)), *_described())
        .join_from(beneficiary, bank_account, and_(listed.holder_key == beneficiary.c.citizen_key, is_open))
        .order_by(beneficiary.c.id, listed.id)
    )
    return found if beneficiary_id is None else found.where(beneficiary.c.id == beneficiary_id)


def _under_former_numbers(beneficiary_id: int | None) -> Select[Any]:
    """Accounts that banks list under a superseded number; one that two people claim is marked."""
    listed, old, other = bank_account.c, superseded_identifier.c, superseded_identifier.alias("other").c
    claimed_by_another = or_(
        exists().where(other.identifier_key == old.identifier_key, other.beneficiary_id != old.beneficiary_id),
        exists().where(beneficiary.c.citizen_key == old.identifier_key, beneficiary.c.id != old.beneficiary_id),
    )
    is_own = exists().where(beneficiary.c.id == old.beneficiary_id, beneficiary.c.citizen_key == old.identifier_key)
    under = case((claimed_by_another, str(HeldUnder.SHARED)), else_=str(HeldUnder.SUPERSEDED))
    found = (
        select(old.beneficiary_id, listed.id, under, *_described())
        .join_from(
            superseded_identifier,
            bank_account,
            and_(listed.holder_key == old.identifier_key, listed.valid_to.is_(None)),
        )
        .where(~is_own)
    )
    return found if beneficiary_id is None else found.where(old.beneficiary_id == beneficiary_id)


def _described() -> tuple[ColumnElement[str], ...]:
    listed = bank_account.c
    return listed.holder_name, listed.status, listed.currency, listed.registered_on


def _parts(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
    if connection.dialect.name == "postgresql":
        # Otherwise the driver holds the whole result before it hands out the first row.
        statement = statement.execution_options(stream_results=True, max_row_buffer=_READ_AT_ONCE)
    yield from connection.execute(statement).partitions(_READ_AT_ONCE)


class _AccountStream:
    """The accounts in the order of their people, handed out as far as the people have been read."""

    def __init__(self, connection: Connection, beneficiary_id: int | None) -> None:
        # Few people have accounts under a former number, so these are read at once.
        self._former: defaultdict[int, list[_Held]] = defaultdict(list)
        for part in _parts(connection, _under_former_numbers(beneficiary_id)):
            for account in part:
                self._former[account[0]].append(tuple(account))
        self._parts = _parts(connection, _under_present_numbers(beneficiary_id))
        self._rows: list[_Held] = []

    def of(self, beneficiary_ids: Sequence[int]) -> AccountColumns:
        """Those of the given people; ids ascend from call to call."""
        last = beneficiary_ids[-1]
        while not self._rows or self._rows[-1][0] <= last:
            part = next(self._parts, None)
            if part is None:
                break
            self._rows += part
        end = bisect_right(self._rows, last, key=itemgetter(0))
        row_of = dict(zip(beneficiary_ids, range(len(beneficiary_ids)), strict=True))
        held = [(row_of[account[0]], *account[1:]) for account in self._rows[:end] if account[0] in row_of]
        del self._rows[:end]
        former = [account for owner in self._former.keys() & row_of.keys() for account in self._former[owner]]
        if former:
            held += [(row_of[account[0]], *account[1:]) for account in former]
            held.sort()
        return AccountColumns(*(zip(*held, strict=True) if held else ((),) * 7))
