"""Re-determined citizen IDs in a list of beneficiaries: the person moves to the new number.

What a list says about one person under two numbers is settled before any row is taken, so that
the rest of the import sees every person under the number that holds now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import eq

from sqlalchemy import Connection, select

from paysvc.domain.names import base_name
from paysvc.sealing import Sealer
from paysvc.store import same_person
from paysvc.store.bulk import in_chunks, read_columns
from paysvc.store.registry_open import want, wanted_key
from paysvc.store.tables import beneficiary, beneficiary_version, superseded_identifier

#: The previous number is nobody's, or somebody's of another name and birth; both numbers were paid for a month;
#: rows disagree about it; the row stands under a number that was replaced; and this person stands in the file
#: under the new one, too.
UNKNOWN, ANOTHER, PAID_TOGETHER, CONTRADICTED, REPLACED, TWICE = "E215", "E218", "E216", "E506", "W217", "E501"


@dataclass(frozen=True, slots=True)
class SettledNumbers:
    """`numbers` has the present citizen ID of every row; `complaints` are (row, field, code), E keeps a row out."""

    numbers: Sequence[str]
    complaints: Sequence[tuple[int, str, str]]


def settle_numbers(
    connection: Connection, sealer: Sealer, columns: Mapping[str, Sequence[str]], at: datetime
) -> SettledNumbers:
    """Move people to new numbers where the list says so, and find those it names by a number they had."""
    numbers, previous = columns["citizen_id"], columns["previous_id"]
    if not numbers:
        return SettledNumbers(numbers, [])
    said = [row for row, old in enumerate(previous) if old and old != numbers[row]]
    complaints: list[tuple[int, str, str]] = []
    if said:
        complaints = [(row, "previous_id", code) for row, code in _move(connection, sealer, columns, said, at)]
    replaced = _replaced(connection, sealer, numbers)
    if not replaced:
        return SettledNumbers(numbers, complaints)
    present, listed = list(numbers), set(numbers)
    for row, number in replaced.items():
        complaints.append((row, "citizen_id", TWICE if number in listed else REPLACED))
        present[row] = number
    return SettledNumbers(present, complaints)


def _move(
    connection: Connection,
    sealer: Sealer,
    columns: Mapping[str, Sequence[str]],
    said: Sequence[int],
    at: datetime,
) -> list[tuple[int, str]]:
    """Make the moves that the rows in `said` ask for; returns which of them cannot be made, and why."""
    numbers, previous = columns["citizen_id"], columns["previous_id"]
    olds, news = defaultdict(set), defaultdict(set)
    for row in said:
        olds[numbers[row]].add(previous[row])
        news[previous[row]].add(numbers[row])
    # One number cannot be given away and taken in the same list: two people might be made one.
    refused = [
        (row, CONTRADICTED)
        for row in said
        if len(olds[numbers[row]]) > 1 or len(news[previous[row]]) > 1 or numbers[row] in news or previous[row] in olds
    ]
    wrong = {row for row, _ in refused}
    clear = [row for row in said if row not in wrong]
    moves = {numbers[row]: previous[row] for row in clear}
    people = _people(connection, sealer, [*moves.keys(), *moves.values()])
    known = _descriptions(connection, [people[old] for old in moves.values() if old in people])
    listed = {numbers[row]: (base_name(columns["full_name"][row]), columns["birth"][row]) for row in clear}
    fresh: dict[int, str] = {}
    reasons: dict[str, str] = {}
    doubtful = []
    for new, old in moves.items():
        person, holder = people.get(old), people.get(new)
        if person is None or person in fresh:
            reasons[new] = UNKNOWN if person is None else CONTRADICTED
        elif not any(map(eq, listed[new], known[person])):
            # Somebody else's number, mistyped: the move would make one of two people.
            reasons[new] = ANOTHER
        elif holder is None:
            fresh[person] = new
        elif holder != person and same_person.paid_together(connection, person, holder):
            reasons[new] = PAID_TOGETHER
            doubtful.append((person, holder))
        elif holder != person:
            same_person.retire(connection, sealer, holder, person, at)
    same_person.renumber(connection, sealer, fresh, at)
    same_person.note_previous(connection, sealer, doubtful, at)
    return refused + [(row, reasons[numbers[row]]) for row in clear if numbers[row] in reasons]


def _descriptions(connection: Connection, people: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Name (as `base_name` has it) and birth of each person, as registered now."""
    columns, found = beneficiary_version.c, {}
    for chunk in in_chunks(people):
        rows = connection.execute(
            select(columns.beneficiary_id, columns.full_name, columns.birth).where(
                columns.beneficiary_id.in_(chunk), columns.valid_to.is_(None)
            )
        )
        found.update({row.beneficiary_id: (base_name(row.full_name), row.birth) for row in rows})
    return found


def _people(connection: Connection, sealer: Sealer, numbers: Sequence[str]) -> dict[str, int]:
    """Who has each number, or had it before."""
    want(connection, sealer.blind_index("citizen_id", numbers))
    old = superseded_identifier.c
    had = select(wanted_key.c.position, old.beneficiary_id.label("id")).join_from(
        wanted_key, superseded_identifier, old.identifier_key == wanted_key.c.key
    )
    has = select(wanted_key.c.position, beneficiary.c.id).join_from(
        wanted_key, beneficiary, beneficiary.c.citizen_key == wanted_key.c.key
    )
    found: dict[str, int] = {}
    for statement in (had, has):
        for position, person in connection.execute(statement):
            found[numbers[position]] = person
    return found


def _replaced(connection: Connection, sealer: Sealer, numbers: Sequence[str]) -> dict[int, str]:
    """Row -> the present number, of rows under a citizen ID that its person does not have any more."""
    old = superseded_identifier.c
    had = select(old.identifier_key, beneficiary.c.id, beneficiary.c.citizen_id_sealed).join(
        beneficiary, beneficiary.c.id == old.beneficiary_id
    )
    # Few people ever get a new number; the many old ones are of another kind.
    found = read_columns(
        connection, had.where(old.kind == "citizen_id", beneficiary.c.citizen_key != old.identifier_key)
    )
    if not found["id"]:
        return {}
    present = sealer.open_column("beneficiary", "citizen_id_sealed", found["id"], found["citizen_id_sealed"])
    by_key = dict(zip(map(bytes, found["identifier_key"]), present, strict=True))
    keys = sealer.blind_index("citizen_id", numbers)
    return {row: by_key[key] for row, key in enumerate(keys) if key in by_key}
