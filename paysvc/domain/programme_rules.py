"""What a rules file says of funds, programmes, rates, working days and joined payments.

    [funds.NS-BTXH]
    name = "…"
    source = "…"

    [programmes.BTXH]
    name = "…"
    purpose = "SSBE"             # ISO 20022 purpose code
    fund = "NS-BTXH"
    stacking_group = "TRO-CAP"   # optional: of one group the higher one only
    without_account = "cash"     # or "worklist"
    legal_basis = "…"
    kind = "regular"             # optional; or "campaign"

    [[programmes.BTXH.rates]]
    from_period = "2024-07"
    to_period = "2026-06"        # optional
    standard_vnd = 500000
    legal_basis = "…"
    coefficients_milli = { KT-NANG = 1500 }

    [[calendar]]
    day = 2026-08-22
    working = true
    name = "…"
    source = "…"

    [[paid_together]]
    month = "2027-01"
    periods = ["2027-01", "2027-02"]
    source = "…"

The tables `units` and `unit_successors` are read by `registry_units`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from paysvc.domain.errors import InvalidInput
from paysvc.domain.payment_dates import DecidedDay, is_period, shift_period
from paysvc.domain.programmes import Fund, Programme, ProgrammeKind, Rate, WithoutAccount

Table = Mapping[str, object]

_CODE = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,19}")
_PURPOSE = re.compile(r"[A-Z]{4}")
_TABLES = frozenset({"funds", "programmes", "calendar", "paid_together", "units", "unit_successors"})

#: Ten years' worth of any allowance; a larger figure is a slip of the keyboard.
_LARGEST_STANDARD_VND = 10**9
_LARGEST_COEFFICIENT_MILLI = 1_000_000


@dataclass(frozen=True, slots=True)
class PaidTogether:
    """These periods are paid in one payment in `month` (before Tết), and who decided so."""

    month: str
    periods: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class ProgrammeRules:
    """A rules file, checked. A rate's `to_period` is what the file says, None where it is silent."""

    funds: tuple[Fund, ...]
    programmes: tuple[Programme, ...]
    rates: tuple[Rate, ...]
    decided_days: tuple[DecidedDay, ...]
    paid_together: tuple[PaidTogether, ...]


def programmes_of_rules(rules: Table) -> ProgrammeRules:
    """Read and check the parsed file. Raises `InvalidInput` with the table and key as its place."""
    _refuse_unknown("", rules, _TABLES)
    funds = tuple(_fund(code, values) for code, values in _named(rules, "funds"))
    programmes = tuple(_programme(code, values) for code, values in _named(rules, "programmes"))
    rates = tuple(rate for code, values in _named(rules, "programmes") for rate in _rates(code, values))
    together = tuple(_together(place, values) for place, values in _list(rules, "paid_together", "paid_together"))
    _refuse_repeated("paid_together", [one.month for one in together])
    _refuse_repeated("paid_together", [period for one in together for period in one.periods])
    days = tuple(_day(place, values) for place, values in _list(rules, "calendar", "calendar"))
    _refuse_repeated("calendar", [one.day for one in days])
    return ProgrammeRules(funds, programmes, rates, days, together)


def _fund(code: str, values: Table) -> Fund:
    place = f"funds.{code}"
    _refuse_unknown(place, values, {"name", "source"})
    return Fund(_code(place, code), _text(place, values, "name", 160), _text(place, values, "source", 200))


def _programme(code: str, values: Table) -> Programme:
    place = f"programmes.{code}"
    known = {"name", "kind", "purpose", "fund", "stacking_group", "legal_basis", "without_account", "rates"}
    _refuse_unknown(place, values, known)
    purpose = _text(place, values, "purpose", 4)
    if not _PURPOSE.fullmatch(purpose):
        raise _unusable(f"{place}.purpose", "A purpose is four capital letters, such as SSBE.")
    return Programme(
        code=_code(place, code),
        name=_text(place, values, "name", 160),
        kind=ProgrammeKind(_one_of(place, values, "kind", [one.value for one in ProgrammeKind], "regular")),
        purpose=purpose,
        fund_code=_code(f"{place}.fund", _text(place, values, "fund", 20)),
        stacking_group=_text(place, values, "stacking_group", 20) if "stacking_group" in values else "",
        legal_basis=_text(place, values, "legal_basis", 200),
        without_account=WithoutAccount(
            _one_of(place, values, "without_account", [one.value for one in WithoutAccount], None)
        ),
    )


def _rates(code: str, values: Table) -> Iterable[Rate]:
    rates = []
    for place, entry in _list(values, "rates", f"programmes.{code}.rates"):
        _refuse_unknown(place, entry, {"from_period", "to_period", "standard_vnd", "legal_basis", "coefficients_milli"})
        first = _period(place, entry, "from_period")
        last = _period(place, entry, "to_period") if "to_period" in entry else None
        if last is not None and last < first:
            raise _unusable(f"{place}.to_period", "A rate ends before it begins.")
        standard = _whole(place, entry, "standard_vnd", _LARGEST_STANDARD_VND)
        basis = _text(place, entry, "legal_basis", 200)
        coefficients = entry.get("coefficients_milli")
        if not isinstance(coefficients, dict) or not coefficients:
            raise _unusable(f"{place}.coefficients_milli", "A table of category = thousandths is needed.")
        for category in coefficients:
            milli = _whole(f"{place}.coefficients_milli", coefficients, category, _LARGEST_COEFFICIENT_MILLI)
            rate = Rate(code, _code(f"{place}.coefficients_milli", category), first, last, standard, milli, basis)
            _require_whole_amount(f"{place}.coefficients_milli.{category}", rate)
            rates.append(rate)
    _refuse_repeated(f"programmes.{code}.rates", [(rate.category, rate.from_period) for rate in rates])
    return rates


def _require_whole_amount(place: str, rate: Rate) -> None:
    try:
        rate.amount_vnd  # noqa: B018  # the property checks
    except InvalidInput as failure:
        raise _unusable(place, "The standard times this coefficient is not whole đồng.") from failure


def _together(place: str, values: Table) -> PaidTogether:
    _refuse_unknown(place, values, {"month", "periods", "source"})
    month = _period(place, values, "month")
    periods = values.get("periods")
    if (
        not isinstance(periods, list)
        or len(periods) < 2
        or not all(isinstance(p, str) and is_period(p) for p in periods)
    ):
        raise _unusable(f"{place}.periods", "A list of at least two months like 2027-01 is needed.")
    if periods[0] != month or any(shift_period(one, 1) != following for one, following in pairwise(periods)):
        raise _unusable(f"{place}.periods", "The periods are the month itself and those that follow it.")
    return PaidTogether(month, tuple(periods), _text(place, values, "source", 200))


def _day(place: str, values: Table) -> DecidedDay:
    _refuse_unknown(place, values, {"day", "working", "name", "source"})
    day, working = values.get("day"), values.get("working")
    # A TOML date-time is a date too in Python's eyes, but not in ours.
    if type(day) is not date:
        raise _unusable(f"{place}.day", "A date like 2026-08-22, without quotes, is needed.")
    if not isinstance(working, bool):
        raise _unusable(f"{place}.working", "true or false is needed.")
    return DecidedDay(day, working, _text(place, values, "name", 120), _text(place, values, "source", 200))


def _unusable(place: str, message: str) -> InvalidInput:
    return InvalidInput("rules_unusable", message, place=place)


def _named(rules: Table, name: str) -> list[tuple[str, Table]]:
    tables = rules.get(name, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise _unusable(name, f"Tables like [{name}.CODE] are needed.")
    return list(tables.items())


def _list(values: Table, name: str, place: str) -> list[tuple[str, Table]]:
    tables = values.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _unusable(place, f"A list of tables, [[{place}]], is needed.")
    return [(f"{place}[{number}]", table) for number, table in enumerate(tables, 1)]


def _refuse_unknown(place: str, values: Table, known: Iterable[str]) -> None:
    # A misspelt key would otherwise be a rule that silently does not hold.
    for key in values:
        if key not in known:
            raise _unusable(f"{place}.{key}".lstrip("."), "There is no such key in a rules file.")


def _refuse_repeated(place: str, keys: Sequence[object]) -> None:
    if len(set(keys)) != len(keys):
        raise _unusable(place, "The same entry stands here twice.")


def _code(place: str, text: str) -> str:
    if not _CODE.fullmatch(text):
        raise _unusable(place, "A code is 1 to 20 of A-Z, 0-9, dot, hyphen, underscore.")
    return text


def _text(place: str, values: Table, key: str, longest: int) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise _unusable(f"{place}.{key}", f"A text of 1 to {longest} characters is needed.")
    return value


def _one_of(place: str, values: Table, key: str, allowed: Sequence[str], default: str | None) -> str:
    value = values.get(key, default)
    if not isinstance(value, str) or value not in allowed:
        raise _unusable(f"{place}.{key}", f"One of {', '.join(allowed)} is needed.")
    return value


def _is_period(value: object) -> bool:
    return isinstance(value, str) and is_period(value)


def _period(place: str, values: Table, key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not is_period(value):
        raise _unusable(f"{place}.{key}", "A month like 2026-12 is needed.")
    return value


def _whole(place: str, values: Table, key: str, largest: int) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise _unusable(f"{place}.{key}", f"A whole number from 1 to {largest} is needed.")
    return value
