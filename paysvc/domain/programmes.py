"""Programmes, what they pay for, at which rate, and out of which fund."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from paysvc.domain.errors import InvalidInput
from paysvc.domain.payment_dates import shift_period


class ProgrammeKind(StrEnum):
    """`regular` is due every month, `campaign` once."""

    REGULAR = "regular"
    CAMPAIGN = "campaign"


#: Which part of what a programme owes for a period an obligation is (safety rule U1).
COMPONENT = {ProgrammeKind.REGULAR: "monthly", ProgrammeKind.CAMPAIGN: "one-off"}


class WithoutAccount(StrEnum):
    """What happens to a person without a usable account."""

    CASH = "cash"
    WORKLIST = "worklist"


@dataclass(frozen=True, slots=True)
class Fund:
    """Where the money of programmes comes from; its balance is in the ledger."""

    code: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Programme:
    """One kind of benefit. `purpose` is an ISO 20022 purpose code.

    Programmes of one `stacking_group` are not paid together: of what falls into one period
    the higher one only ("" stands alone).
    """

    code: str
    name: str
    kind: ProgrammeKind
    purpose: str
    fund_code: str
    stacking_group: str
    legal_basis: str
    without_account: WithoutAccount

    @property
    def component(self) -> str:
        return COMPONENT[self.kind]


@dataclass(frozen=True, slots=True)
class Rate:
    """What a category of a programme is paid for each period from `from_period` on.

    `to_period` is the last period (inclusive), None while it lasts. The amount is
    `standard_vnd` × `coefficient_milli` / 1000, both as the decree gives them.
    """

    programme_code: str
    category: str
    from_period: str
    to_period: str | None
    standard_vnd: int
    coefficient_milli: int
    legal_basis: str

    @property
    def amount_vnd(self) -> int:
        """Whole đồng. Raises `InvalidInput` where the product has a fraction: nothing is rounded."""
        amount, fraction = divmod(self.standard_vnd * self.coefficient_milli, 1000)
        if fraction:
            raise InvalidInput(
                "rate_not_whole",
                f"The rate of {self.programme_code}/{self.category} from {self.from_period} is not whole đồng.",
            )
        return amount

    def covers(self, period: str) -> bool:
        return self.from_period <= period and (self.to_period is None or period <= self.to_period)


def chain(rates: Iterable[Rate], ends: Mapping[str, str]) -> list[Rate]:
    """The rates of one category in order, each ending the month before the next begins.

    `ends` maps a `from_period` to the last period that was decided for it; it is kept when
    it is earlier than the next rate's beginning. What follows a decided end and was not
    given a rate has none.
    """
    ordered = sorted(rates, key=lambda rate: rate.from_period)
    chained = []
    for position, rate in enumerate(ordered):
        following = shift_period(ordered[position + 1].from_period, -1) if position + 1 < len(ordered) else None
        decided = ends.get(rate.from_period)
        last = min((period for period in (following, decided) if period is not None), default=None)
        chained.append(
            Rate(
                rate.programme_code,
                rate.category,
                rate.from_period,
                last,
                rate.standard_vnd,
                rate.coefficient_milli,
                rate.legal_basis,
            )
        )
    return chained


class RateTable:
    """The rates by programme and category, to look amounts up in."""

    def __init__(self, rates: Mapping[int, Rate]) -> None:
        self._rates: dict[tuple[str, str], list[tuple[int, Rate]]] = {}
        for rate_id, rate in rates.items():
            self._rates.setdefault((rate.programme_code, rate.category), []).append((rate_id, rate))

    def find(self, programme_code: str, category: str, period: str) -> tuple[int, int]:
        """(row id, amount in đồng). Raises `InvalidInput` naming programme, category and period."""
        for rate_id, rate in self._rates.get((programme_code, category), ()):
            if rate.covers(period):
                return rate_id, rate.amount_vnd
        raise InvalidInput(
            "no_rate",
            f"Programme {programme_code} has no rate for category '{category}' in {period}.",
            next_step="Add the rate to the rules file and set the rules again, or correct the category.",
        )
