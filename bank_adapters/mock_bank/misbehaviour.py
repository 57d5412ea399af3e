"""How the bank is told to misbehave, and how much of it is still to come.

Every setting has a kind: a *rate* (0 to 1, or null for the bank's habit), a *pick* (the next
N payments, or a list of end-to-end ids), a *number* of things for the next statement, a
*times* (true for always, or the next N), a switch, or a plain value. Requests are merged
into what is set; `{"NAME": null}` takes one back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from bank_adapters.mock_bank.fate import MILLION, Rates

RATES = ("reject_rate", "return_rate", "late_rate")
PICKS = (
    "reject",
    "debit_twice",
    "wrong_amount",
    "wrong_currency",
    "pending",
    "late_returns",
    "credit_without_debit",
    "settle_rejected",
)
NUMBERS = ("strays", "stray_reversals", "unsolicited_credits")
TIMES = ("drop_ack", "refuse_files", "wrong_totals", "truncated_statement")
STATEMENT_COPIES = ("copy", "reissue", "both")
#: What only a format can show with a currency and a booking state in every entry, and a number that may be left out.
_ISO_ONLY = ("wrong_currency", "pending", "unnumbered_statements")

DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(RATES),
    **dict.fromkeys(PICKS, 0),
    **dict.fromkeys(NUMBERS, 0),
    **dict.fromkeys(TIMES, 0),
    "duplicate_statement": None,
    "silence_after_accepting": False,
    "unnumbered_statements": False,
    "slow_ms": 0,
    "late_after_days": 30,
    "refuse_code": "NARR",
    "recall_decline_rate": None,
}


class Misbehaviour:
    """The settings in force; safe to ask from several threads, kept in a file over restarts."""

    def __init__(self, path: Path, *, is_iso: bool) -> None:
        self._path = path
        self._is_iso = is_iso
        self._lock = threading.Lock()
        self._values = dict(DEFAULTS)
        if path.exists():
            self._values.update(json.loads(path.read_text(), parse_float=Decimal))

    def update(self, request: Mapping[str, Any]) -> None:
        """Merge `request`; raises ValueError (nothing changed) for what cannot be asked for."""
        wanted = {name: self._checked(name, value) for name, value in request.items()}
        with self._lock:
            self._values.update(wanted)
            self._keep()

    def shown(self) -> dict[str, Any]:
        """What is set, as JSON can carry it: rates as text, the rest as given."""
        with self._lock:
            return {name: str(value) if isinstance(value, Decimal) else value for name, value in self._values.items()}

    def rates(self, habit: Rates) -> Rates:
        """The rates in force: what was asked for, else the bank's habit."""
        with self._lock:
            asked = [self._values[name] for name in RATES]
        habits = (habit.rejected, habit.returned, habit.late)
        return Rates(*(_per_million(rate, usual) for rate, usual in zip(asked, habits, strict=True)))

    def value(self, name: str) -> Any:
        with self._lock:
            return self._values[name]

    def once(self, name: str) -> bool:
        """Whether a *times* applies now; counts it down."""
        with self._lock:
            left = self._values[name]
            if left is True or not left:
                return bool(left)
            self._values[name] = left - 1
            self._keep()
            return True

    def used_up(self, name: str, left: int | list[str]) -> None:
        """Note how much of a pick or a number remains."""
        with self._lock:
            if self._values[name] != left:
                self._values[name] = left
                self._keep()

    def _keep(self) -> None:
        """Write the settings whole or not at all."""
        text = json.dumps(self._values, default=str)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._path)

    def _checked(self, name: str, value: Any) -> Any:
        if name not in DEFAULTS:
            raise ValueError(f"unknown misbehaviour {name!r}; known: {', '.join(sorted(DEFAULTS))}")
        if value is None or value is False:
            return DEFAULTS[name]
        if name in _ISO_ONLY and not self._is_iso:
            raise ValueError(f"{name} cannot be shown in this bank's statements, only in camt.053")
        if not _CHECKS.get(name, _is_count)(value):
            raise ValueError(f"{name} cannot be {value!r}")
        if _CHECKS.get(name) is _is_rate:
            return Decimal(str(value))
        return "both" if name == "duplicate_statement" and value is True else value


def read_request(text: str) -> dict[str, Any]:
    """The JSON object of a request; raises ValueError for anything else."""
    request: object = json.loads(text, parse_float=Decimal)
    if isinstance(request, dict):
        return request
    raise ValueError("a request is one JSON object")


def _per_million(rate: Any, usual: int) -> int:
    return usual if rate is None else int(Decimal(str(rate)) * MILLION)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 10**9


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and 0 <= value <= 1


def _is_pick(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_times(value: Any) -> bool:
    return value is True or _is_count(value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(RATES, _is_rate),
    **dict.fromkeys(PICKS, _is_pick),
    **dict.fromkeys(TIMES, _is_times),
    "recall_decline_rate": _is_rate,
    "duplicate_statement": lambda value: value is True or value in STATEMENT_COPIES,
    "silence_after_accepting": lambda value: value is True,
    "unnumbered_statements": lambda value: value is True,
    "refuse_code": lambda value: isinstance(value, str) and 1 <= len(value) <= 4 and value.isalnum(),
}
