"""Provinces and communes as they were on a day, and what an old code became.

Units come and go (63 provinces became 34, districts went, on 1 July 2025), so they are data
with dates. A code that is in force wins over a mapping: merged communes may keep the code of
one of their parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from paysvc.domain.errors import InvalidInput

_COMMUNE_CODE = re.compile(r"[0-9]{5}")
_PROVINCE_CODE = re.compile(r"[0-9]{2,3}")


class UnitLevel(StrEnum):
    """Two tiers since 1 July 2025; districts are gone."""

    PROVINCE = "province"
    COMMUNE = "commune"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit during one time; `valid_to` is its last day, or None while it lasts."""

    code: str
    name: str
    level: UnitLevel
    parent_code: str | None
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True)
class UnitSuccessor:
    """Since this day `new_code` is what `old_code` was."""

    old_code: str
    new_code: str
    since: date
    source: str


@dataclass(frozen=True, slots=True)
class Units:
    """All units and successors of an installation."""

    units: Sequence[Unit]
    successors: Sequence[UnitSuccessor]

    def communes_on(self, day: date) -> frozenset[str]:
        """The codes of the communes in force on this day."""
        return frozenset(
            unit.code
            for unit in self.units
            if unit.level is UnitLevel.COMMUNE
            and unit.valid_from <= day
            and (unit.valid_to is None or day <= unit.valid_to)
        )

    def resolver(self, day: date) -> UnitResolver:
        """What codes mean on this day, ready for many look-ups."""
        return UnitResolver(
            current=self.communes_on(day),
            known=frozenset(unit.code for unit in self.units),
            successor={one.old_code: one.new_code for one in self.successors if one.since <= day},
        )


@dataclass(frozen=True, slots=True)
class UnitResolver:
    """What a commune code means on one day."""

    current: frozenset[str]
    known: frozenset[str]
    successor: Mapping[str, str]

    def resolve(self, code: str) -> str | None:
        """The code in force for `code`, following successors; None when it leads to none."""
        seen = set()
        while code not in self.current:
            if code in seen or code not in self.successor:
                return None
            seen.add(code)
            code = self.successor[code]
        return code


def units_of_rules(rules: Mapping[str, object]) -> Units:
    """The tables `[[units]]` and `[[unit_successors]]` of a rules file, checked.

    A unit has code, name, level, valid_from, source and may have parent and valid_to; a
    successor has old, new, since, source. Dates are TOML dates or ISO text. Raises
    `InvalidInput` naming the table and its number.
    """
    units = tuple(_unit(place, values) for place, values in _tables(rules, "units"))
    successors = tuple(_successor(place, values) for place, values in _tables(rules, "unit_successors"))
    _refuse_repeated("units", ((unit.code, unit.valid_from) for unit in units))
    _refuse_repeated("unit_successors", (one.old_code for one in successors))
    return Units(units, successors)


def _tables(rules: Mapping[str, object], name: str) -> list[tuple[str, Mapping[str, object]]]:
    tables = rules.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidInput("rules_unusable", f"'{name}' must be a list of tables: [[{name}]].")
    return [(f"{name}[{number}]", table) for number, table in enumerate(tables, 1)]


def _unit(place: str, values: Mapping[str, object]) -> Unit:
    level = _text(place, values, "level", 10)
    if level not in (UnitLevel.PROVINCE, UnitLevel.COMMUNE):
        raise InvalidInput("rules_unusable", "The level of a unit is province or commune.", place=f"{place}.level")
    code = _text(place, values, "code", 10)
    pattern = _COMMUNE_CODE if level == UnitLevel.COMMUNE else _PROVINCE_CODE
    if not pattern.fullmatch(code):
        wanted = "5 digits" if level == UnitLevel.COMMUNE else "2 or 3 digits"
        raise InvalidInput("rules_unusable", f"The code of a {level} has {wanted}.", place=f"{place}.code")
    unit = Unit(
        code=code,
        name=_text(place, values, "name", 120),
        level=UnitLevel(level),
        parent_code=_text(place, values, "parent", 10) if "parent" in values else None,
        valid_from=_day(place, values, "valid_from"),
        valid_to=_day(place, values, "valid_to") if "valid_to" in values else None,
        source=_text(place, values, "source", 200),
    )
    if unit.valid_to is not None and unit.valid_to < unit.valid_from:
        raise InvalidInput("rules_unusable", "A unit ends before it begins.", place=f"{place}.valid_to")
    return unit


def _successor(place: str, values: Mapping[str, object]) -> UnitSuccessor:
    successor = UnitSuccessor(
        old_code=_text(place, values, "old", 10),
        new_code=_text(place, values, "new", 10),
        since=_day(place, values, "since"),
        source=_text(place, values, "source", 200),
    )
    if successor.old_code == successor.new_code:
        raise InvalidInput("rules_unusable", "A unit does not succeed itself.", place=f"{place}.new")
    return successor


def _text(place: str, values: Mapping[str, object], key: str, longest: int) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value or len(value) > longest:
        raise InvalidInput("rules_unusable", f"A text of 1 to {longest} characters is needed.", place=f"{place}.{key}")
    return value


def _day(place: str, values: Mapping[str, object], key: str) -> date:
    value = values.get(key)
    try:
        # A TOML date-time is a date too in Python's eyes, but not in ours.
        if type(value) is date:
            return value
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidInput("rules_unusable", "A date like 2025-07-01 is needed.", place=f"{place}.{key}") from None


def _refuse_repeated(name: str, keys: Iterable[object]) -> None:
    seen: set[object] = set()
    for number, key in enumerate(keys, 1):
        if key in seen:
            raise InvalidInput("rules_unusable", "The same entry stands here twice.", place=f"{name}[{number}]")
        seen.add(key)
