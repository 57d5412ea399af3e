"""All checks of the rows of one list, in columns: good rows out, every complaint collected.

A value that stands in many rows (a commune, a month) is read once. Rows are given in blocks,
so that a file is never held whole; what is kept of a good row is its canonical text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, compress

from paysvc.domain.errors import RecordError, Severity
from paysvc.domain.registry import FIELDS, Field, ImportKind
from paysvc.domain.registry_birthplaces import BIRTH_PLACES
from paysvc.domain.registry_columns import WHOLE_COLUMNS, WholeColumn
from paysvc.domain.registry_fields import (
    ACCOUNT_STATUSES,
    CHANNELS,
    CURRENCIES,
    LIFE,
    MESSAGES,
    SEXES,
    Reader,
    Unreadable,
    birth_reader,
    choice_reader,
    day_reader,
    identity_digits,
    name_reader,
    read_account_number,
    read_bank_bin,
    read_citizen_id,
    read_holder_id,
    read_old_id,
    read_period,
    read_previous_id,
    registration_reader,
    repaired_citizen_id,
    row_problem,
    text_reader,
    unit_reader,
)
from paysvc.domain.registry_units import UnitResolver

#: One column of canonical texts; None where the cell could not be read.
_Column = list[str | None]

#: Below this a column is read cell by cell.
_FEW = 64

#: How many row numbers a complaint about several rows names.
_NAMED_ROWS = 10


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """`columns` holds one list of canonical texts per field, `lines` the row each came from.

    `rows` counts all records of the file; those not in `lines` have an error in `problems`,
    which are sorted by row.
    """

    rows: int
    lines: list[int]
    columns: dict[str, list[str]]
    problems: list[RecordError]

    @property
    def refused_lines(self) -> set[int]:
        return {one.line for one in self.problems if one.severity is Severity.ERROR}

    @property
    def warned_lines(self) -> set[int]:
        """Rows that were taken and have a warning."""
        return {one.line for one in self.problems if one.severity is Severity.WARNING} - self.refused_lines

    @property
    def repaired(self) -> int:
        """How many rows were taken with a leading zero put back."""
        return len({one.line for one in self.problems if one.code == "W201"}.intersection(self.lines))

    def only(self, wanted: set[int]) -> CheckedRows:
        """The same with only those good rows whose number is in `wanted`."""
        chosen = [line in wanted for line in self.lines]
        return CheckedRows(
            self.rows,
            list(compress(self.lines, chosen)),
            {name: list(compress(values, chosen)) for name, values in self.columns.items()},
            self.problems,
        )

    def of_refused(self, refused_before: set[int]) -> CheckedRows:
        """What is left to take of a file that was imported before: rows that were refused then.

        What was taken then stays taken, even where a rule has changed since.
        """
        left = self.only(refused_before)
        problems = [one for one in self.problems if one.severity is Severity.WARNING or one.line in refused_before]
        return CheckedRows(left.rows, left.lines, left.columns, problems)


class RowChecker:
    """Checks one file: `check` for each block of rows, then `finish` once.

    `today` is the day in Vietnam; `units` is needed for beneficiaries only. With
    `apply_safe_repairs` a leading zero that sex and birth year vouch for is put back (W201),
    otherwise it is only offered (E201).
    """

    def __init__(self, kind: ImportKind, today: date, units: UnitResolver, *, apply_safe_repairs: bool = False) -> None:
        self._kind = kind
        self._apply_safe_repairs = apply_safe_repairs
        self._readers = {name: _Remembered(read) for name, read in _readers(kind, today, units).items()}
        self._rows = 0
        self._lines: list[int] = []
        self._columns: dict[str, list[str]] = {one.name: [] for one in FIELDS[kind]}
        self._problems: list[RecordError] = []

    def check(self, lines: Sequence[int], cells: Mapping[str, Sequence[str]], whole_row: Mapping[int, str]) -> None:
        """Take a block of rows: their numbers, and the raw cells of each mapped field.

        `whole_row` gives the rows that cannot be read cell by cell, with their code.
        """
        self._rows += len(lines)
        block = _Block(lines)
        for one in FIELDS[self._kind]:
            block.columns[one.name] = self._read(block, one, cells.get(one.name))
        if self._kind is not ImportKind.ACCOUNTS:
            self._check_identity(block, cells["citizen_id"])
        _CROSS_CHECKS[self._kind](block, cells)
        if whole_row:
            # Its cells stand in the wrong columns, so what they seem to say is left out.
            block.problems = [one for one in block.problems if one.line not in whole_row]
            block.problems.extend(row_problem(line, "", code) for line, code in whole_row.items())
        self._keep(block)

    def finish(self) -> CheckedRows:
        """Compare the rows with one another and hand everything over."""
        checked = CheckedRows(self._rows, self._lines, self._columns, self._problems)
        refused = _refuse_repeated(self._kind, checked)
        if refused:
            checked = checked.only(set(checked.lines) - refused)
        checked.problems.sort(key=lambda one: (one.line, one.code))
        return checked

    def _read(self, block: _Block, one: Field, cells: Sequence[str] | None) -> _Column:
        reader = self._readers[one.name]
        if cells is None:
            return [reader.blank] * len(block.lines)
        # Values that hardly repeat are looked at together, and remembered nowhere.
        whole = WHOLE_COLUMNS.get(one.name)
        values: _Column = list(map(reader.__getitem__, cells)) if whole is None else reader.unique_column(whole, cells)
        if None in values:
            for position, value in enumerate(values):
                if value is None:
                    code = reader.reasons.get(cells[position], "E101")
                    values[position] = block.complain(position, one.name, code)
        return values

    def _check_identity(self, block: _Block, raw: Sequence[str]) -> None:
        numbers, sexes, births = (block.columns[name] for name in ("citizen_id", "sex", "birth"))
        self._repair(block, raw)
        for position in _disagreeing(numbers, sexes, births):
            block.complain(position, "citizen_id", "W203")
        places = [number[:3] if number else "" for number in numbers]
        if unknown := set(places) - BIRTH_PLACES.keys() - {""}:
            for position in [position for position, place in enumerate(places) if place in unknown]:
                block.complain(position, "citizen_id", "W210")

    def _repair(self, block: _Block, raw: Sequence[str]) -> None:
        sexes, births = block.columns["sex"], block.columns["birth"]
        for number, problem in enumerate(block.problems):
            if problem.code != "E201":
                continue
            position = block.position_of(problem.line)
            sex, birth = sexes[position], births[position]
            if sex is None or birth is None:
                continue
            repaired = repaired_citizen_id(raw[position], sex, birth)
            if repaired is None:
                continue
            if self._apply_safe_repairs:
                block.columns["citizen_id"][position] = repaired
            code = "W201" if self._apply_safe_repairs else "E201"
            block.problems[number] = row_problem(problem.line, "citizen_id", code, repaired)

    def _keep(self, block: _Block) -> None:
        self._problems.extend(block.problems)
        refused = {one.line for one in block.problems if one.severity is Severity.ERROR}
        chosen = [line not in refused for line in block.lines] if refused else None
        self._lines.extend(compress(block.lines, chosen) if chosen else block.lines)
        for name, values in block.columns.items():
            # A column of a row that was not refused has no None left in it.
            self._columns[name].extend(compress(values, chosen) if chosen else values)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Block:
    """Rows that are being checked: their numbers, what was read, what is wrong."""

    lines: Sequence[int]
    columns: dict[str, _Column] = field(default_factory=dict)
    problems: list[RecordError] = field(default_factory=list)
    _positions: dict[int, int] = field(default_factory=dict)

    def complain(self, position: int, name: str, code: str) -> str | None:
        """Note the problem; returns what the cell then counts as: "" for a warning."""
        self.problems.append(row_problem(self.lines[position], name, code))
        return None if code.startswith("E") else ""

    def position_of(self, line: int) -> int:
        if not self._positions:
            self._positions = {number: position for position, number in enumerate(self.lines)}
        return self._positions[line]


class _Remembered(dict[str, str | None]):
    """Raw cell -> canonical text, read once per different text; None with a reason beside it."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        super().__init__()
        self._read = read
        self.reasons: dict[str, str] = {}
        #: What an empty cell counts as; None where one must be filled.
        self.blank: str | None = self[""]

    def __missing__(self, raw: str) -> str | None:
        value = self[raw] = self._attempt(raw)
        return value

    def unique_column(self, whole: WholeColumn, cells: Sequence[str]) -> _Column:
        """The same without remembering, except why a cell could not be read."""
        self.reasons.clear()
        return list(self._pieces(whole, cells))

    def _pieces(self, whole: WholeColumn, cells: Sequence[str]) -> Iterable[str | None]:
        # Halved until what is not in order stands among few, so that one bad cell slows no others.
        values = whole(cells)
        if values is not None:
            return values
        if len(cells) <= _FEW:
            return map(self._attempt, cells)
        half = len(cells) // 2
        return chain(self._pieces(whole, cells[:half]), self._pieces(whole, cells[half:]))

    def _attempt(self, raw: str) -> str | None:
        try:
            return self._read(raw)
        except Unreadable as why:
            self.reasons[raw] = why.code
            return None


def _disagreeing(numbers: _Column, sexes: _Column, births: _Column) -> list[int]:
    """Where a number's century, sex and year are not those that sex and birth call for."""
    digits = [number[3:6] if number else "" for number in numbers]
    years = [birth[:4] if birth else "" for birth in births]
    rows = list(zip(digits, sexes, years, strict=True))
    # A few thousand combinations stand for any number of people.
    wrong = {
        (three, sex, year)
        for three, sex, year in set(rows)
        if three and sex and year and three != identity_digits(sex, year)
    }
    return [position for position, row in enumerate(rows) if row in wrong] if wrong else []


def _readers(kind: ImportKind, today: date, units: UnitResolver) -> dict[str, Callable[[str], str | None]]:
    by_field: dict[str, Reader] = {
        "programme_code": text_reader(20),
        "category": text_reader(20),
        "citizen_id": read_citizen_id,
        "full_name": name_reader(140),
        "birth": birth_reader(today),
        "sex": choice_reader(SEXES),
        "unit_code": unit_reader(units),
        "channel": choice_reader(CHANNELS),
        "decision_number": text_reader(60),
        "from_period": read_period,
        "to_period": read_period,
        "old_id": read_old_id,
        "previous_id": read_previous_id,
        "holder_id": read_holder_id,
        "holder_name": name_reader(140),
        "bank_bin": read_bank_bin,
        "account_number": read_account_number,
        "status": choice_reader(ACCOUNT_STATUSES if kind is ImportKind.ACCOUNTS else LIFE),
        "currency": choice_reader(CURRENCIES, "E408"),
        "registered_on": registration_reader(today),
        "deceased_on": day_reader(today),
    }
    blanks: dict[str, str | None] = {"currency": "VND"}
    return {
        one.name: _filled(by_field[one.name], None if one.is_required else blanks.get(one.name, ""))
        for one in FIELDS[kind]
    }


def _filled(read: Reader, blank: str | None) -> Callable[[str], str | None]:
    """`read` for cells that hold something, and `blank` for those that do not."""

    def read_filled(raw: str) -> str | None:
        return read(raw) if raw and not raw.isspace() else blank

    return read_filled


# ---------------------------------------------------------------- one row, several cells


def _check_beneficiaries(block: _Block, cells: Mapping[str, Sequence[str]]) -> None:
    units, raw_units = block.columns["unit_code"], list(cells["unit_code"])
    if units != raw_units:
        for position, (raw, code) in enumerate(zip(raw_units, units, strict=True)):
            if code is not None and code != raw.strip():
                block.complain(position, "unit_code", "W208")
    first_months, last_months = block.columns["from_period"], block.columns["to_period"]
    if any(last_months):
        for position, (first, last) in enumerate(zip(first_months, last_months, strict=True)):
            if last and first and last < first:
                block.complain(position, "to_period", "E122")


def _check_accounts(block: _Block, cells: Mapping[str, Sequence[str]]) -> None:
    """Nothing: every field of an account stands for itself."""


def _check_population(block: _Block, cells: Mapping[str, Sequence[str]]) -> None:
    for position, day in enumerate(block.columns["deceased_on"]):
        if not day:
            continue
        birth = block.columns["birth"][position]
        if block.columns["status"][position] == "alive" or (birth is not None and day < birth):
            block.complain(position, "deceased_on", "E114")


_CROSS_CHECKS: dict[ImportKind, Callable[[_Block, Mapping[str, Sequence[str]]], None]] = {
    ImportKind.BENEFICIARIES: _check_beneficiaries,
    ImportKind.ACCOUNTS: _check_accounts,
    ImportKind.POPULATION: _check_population,
}

# ---------------------------------------------------------------- several rows

#: What may stand only once in a file, and the code that says it stands twice.
_ONCE: dict[ImportKind, tuple[tuple[str, ...], str]] = {
    ImportKind.BENEFICIARIES: (("citizen_id", "programme_code"), "E501"),
    ImportKind.ACCOUNTS: (("bank_bin", "account_number"), "E505"),
    ImportKind.POPULATION: (("citizen_id",), "E501"),
}

#: Facts about a person, which all rows of the person have to tell alike.
_PERSON = ("full_name", "birth", "sex", "unit_code")


def _refuse_repeated(kind: ImportKind, checked: CheckedRows) -> set[int]:
    """Complain about rows that repeat or contradict another; returns the row numbers refused.

    Of rows that say the same in every field the first is kept; of rows that differ none is,
    because taking one of them would be a guess.
    """
    once, code = _ONCE[kind]
    names = list(checked.columns)
    refused: set[int] = set()
    for positions in _groups(checked, once):
        contents = {tuple(checked.columns[name][position] for name in names) for position in positions}
        refused |= _refuse(checked, positions[1:] if len(contents) == 1 else positions, positions, once[0], code)
    if kind is ImportKind.BENEFICIARIES:
        for positions in _groups(checked, ("citizen_id",)):
            facts = {tuple(checked.columns[name][position] for name in _PERSON) for position in positions}
            if len(facts) > 1:
                refused |= _refuse(checked, positions, positions, "citizen_id", "E504")
    return refused


def _groups(checked: CheckedRows, names: tuple[str, ...]) -> list[list[int]]:
    """The positions of rows that are alike in these fields, where there is more than one."""
    columns = [checked.columns[name] for name in names]
    keys: Sequence[object] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    if len(set(keys)) == len(keys):
        return []
    groups: dict[object, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        groups[key].append(position)
    return [positions for positions in groups.values() if len(positions) > 1]


def _refuse(checked: CheckedRows, refused: Sequence[int], group: Sequence[int], name: str, code: str) -> set[int]:
    rows = [checked.lines[position] for position in group]
    named = ", ".join(map(str, rows[:_NAMED_ROWS])) + (" and more" if len(rows) > _NAMED_ROWS else "")
    message = f"{MESSAGES[code].removesuffix('.')}: rows {named}."
    lines = {checked.lines[position] for position in refused}
    checked.problems.extend(row_problem(line, name, code, message=message) for line in sorted(lines))
    return lines
