"""Beneficiaries who may be one person: found in sets, kept until an officer decides, made one record.

Two people really can be alike (of some peoples nearly all bear one name), so nothing is joined by
itself. Whoever was registered first goes on; who came later waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)

from paysvc.domain.matching import Doubt, Outcome
from paysvc.domain.names import base_name
from paysvc.sealing import Sealer
from paysvc.store.bulk import Same, insert_columns, next_ids, read_columns
from paysvc.store.tables import (
    beneficiary,
    beneficiary_version,
    enrolment,
    instruction,
    obligation,
    obligation_claim,
    person_doubt,
    programme,
    superseded_identifier,
)

#: Why two records may be of one person.
OLD_ID, PERSON, PREVIOUS_ID = "old_id", "person", "previous_id"

FIRST, OPEN, TWO_PERSONS, SAME_PERSON = "first", "open", "two_persons", "same_person"

_FIELD = "\x1f"


def find_doubts(connection: Connection, sealer: Sealer, at: datetime) -> int:
    """Note everybody who may be somebody registered earlier and is not noted yet; returns how many.

    Alike are those enrolled in one programme, or in programmes that exclude one another, with the
    same old number, or with the same name (as a bank would print it), birth, sex and commune.
    What was noted stays noted when a fact changes: only an officer ends a doubt.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {person_doubt.name} IN SHARE ROW EXCLUSIVE MODE"))
    grounds: list[str] = []
    texts: list[str] = []
    people: list[int] = []
    for ground, rows in ((PERSON, _alike_people(connection)), (OLD_ID, _alike_numbers(connection))):
        for person, said in rows:
            grounds.append(ground)
            texts.append(f"{ground}{_FIELD}{said}")
            people.append(person)
    keys = sealer.blind_index("alike", texts)
    groups: defaultdict[bytes, dict[int, str]] = defaultdict(dict)
    for key, person, ground in zip(keys, people, grounds, strict=True):
        groups[key][person] = ground
    return _note(connection, {key: dict(sorted(group.items())) for key, group in groups.items() if len(group) > 1}, at)


def note_previous(connection: Connection, sealer: Sealer, pairs: Iterable[tuple[int, int]], at: datetime) -> None:
    """Note that a list called the second of each pair the first under another number."""
    pairs = list(pairs)
    keys = sealer.blind_index("alike", [f"{PREVIOUS_ID}{_FIELD}{first}{_FIELD}{later}" for first, later in pairs])
    _note(connection, {key: dict.fromkeys(pair, PREVIOUS_ID) for key, pair in zip(keys, pairs, strict=True)}, at)


def read_doubts(connection: Connection, beneficiary_id: int | None = None) -> dict[int, Doubt]:
    """Of everybody (or the one asked for) who may be, or is, somebody else: who that is."""
    mine, other, record = person_doubt.alias("mine").c, person_doubt.alias("other").c, beneficiary.c
    open_ones = (
        select(mine.beneficiary_id, other.beneficiary_id.label("other_id"), mine.ground)
        .join(other.beneficiary_id.table, other.alike_key == mine.alike_key)
        .where(
            mine.standing == OPEN, other.beneficiary_id != mine.beneficiary_id, other.standing.in_((FIRST, TWO_PERSONS))
        )
        .distinct()
        .order_by(mine.beneficiary_id, other.beneficiary_id, mine.ground)
    )
    retired = select(record.id, record.same_as).where(record.same_as.is_not(None))
    if beneficiary_id is not None:
        open_ones = open_ones.where(mine.beneficiary_id == beneficiary_id)
        retired = retired.where(record.id == beneficiary_id)
    others: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for person, another, ground in connection.execute(open_ones):
        others[person].append((another, ground))
    doubts = {person: Doubt(Outcome.MAYBE_SAME_PERSON, tuple(named)) for person, named in others.items()}
    doubts |= {person: Doubt(Outcome.SAME_PERSON, ((kept, ""),)) for person, kept in connection.execute(retired)}
    return doubts


def settle(connection: Connection, beneficiary_id: int, standing: str, actor: str, reason: str, at: datetime) -> None:
    """Keep an officer's decision (`TWO_PERSONS` or `SAME_PERSON`) on all open doubts of the record."""
    columns = person_doubt.c
    connection.execute(
        update(person_doubt)
        .where(columns.beneficiary_id == beneficiary_id, columns.standing == OPEN)
        .values(standing=standing, decided_by=actor, reason=reason, decided_at=at)
    )


def renumber(
    connection: Connection, sealer: Sealer, moves: Mapping[int, str], at: datetime, kind: str = "citizen_id"
) -> None:
    """Give people (by id) new numbers; those they had until now are kept and find them.

    The numbers belong to nobody else. What was planned and approved is made from the number
    under which a person came in, so it stays as it is.
    """
    if not moves:
        return
    columns, ids = beneficiary.c, list(moves)
    before = read_columns(
        connection, select(columns.id, columns.citizen_key, columns.citizen_id_sealed).where(columns.id.in_(ids))
    )
    ids = before["id"]
    old = sealer.open_column("beneficiary", "citizen_id_sealed", ids, before["citizen_id_sealed"])
    _keep_numbers(connection, sealer, list(zip(before["citizen_key"], ids, old, strict=True)), kind, at)
    numbers = [moves[number] for number in ids]
    sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", ids, numbers)
    for person, key, value in zip(ids, sealer.blind_index("citizen_id", numbers), sealed, strict=True):
        connection.execute(
            update(beneficiary)
            .where(columns.id == person)
            .values(
                first_key=func.coalesce(columns.first_key, columns.citizen_key),
                citizen_key=key,
                citizen_id_sealed=value,
            )
        )


def retire(connection: Connection, sealer: Sealer, later: int, kept: int, at: datetime) -> None:
    """Make one record of two: `kept` takes the number, the old numbers and the enrolments of `later`.

    `later` stays with what was planned and paid under it, is enrolled in nothing, and is found by
    no number. An enrolment that both have is that of `kept`.
    """
    record = beneficiary.c
    sealed = connection.execute(select(record.citizen_id_sealed).where(record.id == later)).scalar_one()
    number = sealer.open_column("beneficiary", "citizen_id_sealed", [later], [sealed])[0]
    free = sealer.blind_index("retired", [str(later)])[0]
    connection.execute(
        update(beneficiary)
        .where(record.id == later)
        .values(same_as=kept, citizen_key=free, first_key=func.coalesce(record.first_key, record.citizen_key))
    )
    connection.execute(update(beneficiary).where(record.same_as == later).values(same_as=kept))
    renumber(connection, sealer, {kept: number}, at)
    _take_over_numbers(connection, sealer, later, kept)
    _take_over_enrolments(connection, later, kept, at)
    _take_over_doubts(connection, later, kept, at)


def paid_together(connection: Connection, one: int, other: int) -> bool:
    """Whether a programme pays, or paid, both records for the same month."""
    mine, theirs = obligation.alias("mine").c, obligation.alias("theirs").c
    both = (
        select(mine.id)
        .join(
            theirs.id.table,
            and_(theirs.programme_code == mine.programme_code, theirs.period == mine.period),
        )
        .where(mine.beneficiary_id == one, theirs.beneficiary_id == other, _is_paid(mine.id), _is_paid(theirs.id))
    )
    return connection.execute(both.limit(1)).first() is not None


# ---------------------------------------------------------------- who is alike


def _members() -> Any:
    """Who is enrolled today in what: a group of programmes that exclude one another, or one that stands alone."""
    group = func.coalesce(programme.c.stacking_group, "")
    scope = case(
        (group != "", literal("group ") + group), else_=literal("programme ") + enrolment.c.programme_code
    ).label("scope")
    return (
        select(enrolment.c.beneficiary_id, scope)
        .outerjoin(programme, programme.c.code == enrolment.c.programme_code)
        .where(enrolment.c.valid_to.is_(None))
        .distinct()
        .subquery("member")
    )


def _alike_people(connection: Connection) -> Iterator[tuple[int, str]]:
    """Only of those who share birth, sex and commune is the name looked at."""
    member, person = _members().c, beneficiary_version.c
    facts = (member.scope, person.birth, person.sex, person.unit_code)
    counted = (
        select(member.beneficiary_id, person.full_name, *facts, func.count().over(partition_by=facts).label("many"))
        .join(beneficiary_version, person.beneficiary_id == member.beneficiary_id)
        .where(person.valid_to.is_(None))
        .subquery()
        .c
    )
    columns = (counted.beneficiary_id, counted.full_name, *(counted[column.name] for column in facts))
    for row in connection.execute(select(*columns).where(counted.many > 1)):
        yield row[0], _FIELD.join((base_name(row[1]), *row[2:]))


def _alike_numbers(connection: Connection) -> Iterator[tuple[int, str]]:
    member, old = _members().c, superseded_identifier.c
    # Along the primary key; hardly any number is shared, and then nobody's enrolments are looked at.
    shared = select(old.identifier_key).group_by(old.identifier_key).having(func.count() > 1)
    keys = connection.execute(shared).scalars().all()
    if not keys:
        return
    found = (
        select(member.beneficiary_id, member.scope, old.identifier_key)
        .join(superseded_identifier, old.beneficiary_id == member.beneficiary_id)
        .where(old.identifier_key.in_(shared))
    )
    for row in connection.execute(found):
        yield row.beneficiary_id, f"{row.scope}{_FIELD}{bytes(row.identifier_key).hex()}"


def _note(connection: Connection, groups: Mapping[bytes, Mapping[int, str]], at: datetime) -> int:
    """Write down who is new in a group; of a new group whoever is named first is the first."""
    columns = person_doubt.c
    known: defaultdict[bytes, set[int]] = defaultdict(set)
    for key, person in connection.execute(select(columns.alike_key, columns.beneficiary_id)):
        known[bytes(key)].add(person)
    rows: list[tuple[bytes, int, str, str]] = []
    for key, people in groups.items():
        fresh = [person for person in people if person not in known[key]]
        for position, person in enumerate(fresh):
            rows.append((key, person, people[person], OPEN if position or known[key] else FIRST))
    if not rows:
        return 0
    alike, persons, grounds, standings = zip(*rows, strict=True)
    insert_columns(
        connection,
        person_doubt,
        {
            "alike_key": alike,
            "beneficiary_id": persons,
            "ground": grounds,
            "standing": standings,
            "found_at": Same(at),
            "decided_by": Same(""),
            "reason": Same(""),
        },
    )
    return standings.count(OPEN)


# ---------------------------------------------------------------- one record of two


def _keep_numbers(
    connection: Connection, sealer: Sealer, numbers: Sequence[tuple[bytes, int, str]], kind: str, at: datetime
) -> None:
    """(key, person, number): remembered as superseded, unless they are already."""
    columns = superseded_identifier.c
    for key, person, number in numbers:
        is_known = select(columns.kind).where(columns.identifier_key == key, columns.beneficiary_id == person)
        if connection.execute(is_known).first() is None:
            sealed = sealer.seal_column("superseded_identifier", "identifier_sealed", [person], [number])[0]
            connection.execute(
                insert(superseded_identifier).values(
                    identifier_key=key, beneficiary_id=person, identifier_sealed=sealed, kind=kind, recorded_at=at
                )
            )


def _take_over_numbers(connection: Connection, sealer: Sealer, later: int, kept: int) -> None:
    columns = superseded_identifier.c
    rows = connection.execute(select(superseded_identifier).where(columns.beneficiary_id == later)).all()
    connection.execute(delete(superseded_identifier).where(columns.beneficiary_id == later))
    sealed = [row.identifier_sealed for row in rows]
    numbers = sealer.open_column("superseded_identifier", "identifier_sealed", [later] * len(rows), sealed)
    for row, number in zip(rows, numbers, strict=True):
        _keep_numbers(connection, sealer, [(row.identifier_key, kept, number)], row.kind, row.recorded_at)


def _take_over_enrolments(connection: Connection, later: int, kept: int, at: datetime) -> None:
    columns = enrolment.c
    is_open = and_(columns.beneficiary_id == later, columns.valid_to.is_(None))
    rows = [dict(row) for row in connection.execute(select(enrolment).where(is_open)).mappings()]
    connection.execute(update(enrolment).where(is_open).values(valid_to=at))
    there = set(
        connection.execute(
            select(columns.programme_code).where(columns.beneficiary_id == kept, columns.valid_to.is_(None))
        ).scalars()
    )
    moved = [row for row in rows if row["programme_code"] not in there]
    for number, row in zip(next_ids(connection, "enrolment", len(moved)) if moved else (), moved, strict=True):
        connection.execute(insert(enrolment).values({**row, "id": number, "beneficiary_id": kept, "valid_from": at}))


def _take_over_doubts(connection: Connection, later: int, kept: int, at: datetime) -> None:
    """What others are compared with is the record that counts from now on."""
    columns = person_doubt.c
    there = select(columns.alike_key).where(columns.beneficiary_id == kept)
    mine = select(columns.alike_key, columns.ground, columns.standing).where(
        columns.beneficiary_id == later, columns.alike_key.not_in(there), columns.standing != SAME_PERSON
    )
    for row in connection.execute(mine).all():
        connection.execute(
            insert(person_doubt).values(
                alike_key=row.alike_key, beneficiary_id=kept, ground=row.ground, standing=row.standing, found_at=at
            )
        )
    decided = and_(columns.beneficiary_id == later, or_(columns.standing == OPEN, columns.standing == FIRST))
    connection.execute(update(person_doubt).where(decided).values(standing=SAME_PERSON, decided_at=at))


def _is_paid(obligation_id: Any) -> ColumnElement[bool]:
    claim = obligation_claim.c
    payment: Select[Any] = (
        select(claim.obligation_id)
        .join(instruction, instruction.c.entitlement_id == claim.entitlement_id)
        .where(claim.obligation_id == obligation_id, instruction.c.is_live)
    )
    return payment.exists()
