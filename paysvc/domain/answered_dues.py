"""Dues that a file may have paid which no row says, only the EndToEndIds in its bytes.

An id is a keyed hash of the earliest month of a payment (docs/decisions/0003). So what a due would be called is
known, alone or led by an earlier month, and whether it is in the file; what else was on that payment is
taken to be every later month that the file may have paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paysvc.domain.disbursement import Bool, Int64
from paysvc.domain.instructions import end_to_end_ids
from paysvc.domain.payment_dates import month_number, period_from_number
from paysvc.domain.programmes import Programme

#: Why a plan holds such a due.
IN_ANSWERED_FILE = "in_lost_file"

#: How often dues may have been paid again in what was lost, beyond what the rows say.
_LATER = 4
#: How many months may lie between the month that led a payment and another one on it.
_BACK = 12
#: How far ahead of its last month a file may have paid at all: a due of a later one is not looked for.
_AHEAD = 12


@dataclass(frozen=True, slots=True)
class Answered:
    """What is in files that officers answered for by hand.

    `references` maps each EndToEndId to the last month (`YYYY-MM`) that its file may have paid together with
    the one that leads the payment. `programmes` are all there are: those of one group pay one another's months.
    """

    references: Mapping[str, str]
    reference_key: bytes
    programmes: Sequence[Programme]

    def excluding(self, programme_code: str) -> list[Programme]:
        """The programme and those of its group: who was paid by one of them is paid by none."""
        groups = {one.code: one.stacking_group for one in self.programmes}
        group = groups.get(programme_code, "")
        return [one for one in self.programmes if one.code == programme_code or (group and one.stacking_group == group)]


@dataclass(frozen=True, slots=True, eq=False)
class NamedDues:
    """Dues by what their ids are made of; all columns are equally long. `period` is a month number."""

    programme_code: Sequence[str]
    period: Int64
    citizen_key: Sequence[bytes]
    generation: Int64


def may_be_paid(answered: Answered, dues: NamedDues) -> Bool:
    """Which of the dues may have been paid by the files, under whatever id."""
    found = np.zeros(len(dues.period), dtype=np.bool_)
    last = {name: month_number(period) for name, period in answered.references.items()}
    if not last or not len(found):
        return found
    rows = np.flatnonzero(dues.period <= max(last.values()) + _AHEAD)
    led: dict[tuple[bytes, str], list[tuple[int, int]]] = defaultdict(list)
    for citizen_key, code, month, name in _found_ids(answered, dues, rows, last):
        led[citizen_key, code].append((month, last[name]))
    if not led:
        return found
    excluding = {code: answered.excluding(code) for code in set(dues.programme_code)}
    for row in rows.tolist():
        period = int(dues.period[row])
        found[row] = any(
            first == period or first < period <= latest
            for one in excluding[dues.programme_code[row]]
            for first, latest in led.get((dues.citizen_key[row], one.code), ())
        )
    return found


def _found_ids(
    answered: Answered, dues: NamedDues, rows: Int64, last: Mapping[str, int]
) -> Iterator[tuple[bytes, str, int, str]]:
    """(person, programme, leading month, id) of every id that is found, the likeliest looked for first; it ends
    when no id is left to be found."""
    unfound = set(last)
    codes = np.array(dues.programme_code)
    generations = int(dues.generation[rows].max(initial=0)) + _LATER
    may_ride = rows[dues.period[rows] <= max(last.values())]
    payers: dict[str, list[str]] = defaultdict(list)
    for code in sorted(set(dues.programme_code)):
        for one in answered.excluding(code):
            payers[one.code].append(code)
    components = {one.code: one.component for one in answered.programmes}
    for back in range(_BACK + 1):
        looked = rows if back == 0 else may_ride
        for generation in range(generations):
            for payer, paid in payers.items():
                mine = looked[np.isin(codes[looked], paid)]
                months = (dues.period[mine] - back).tolist()
                names = {month: period_from_number(month) for month in set(months)}
                keys = [dues.citizen_key[row] for row in mine.tolist()]
                count = len(keys)
                ids = end_to_end_ids(
                    answered.reference_key,
                    [payer] * count,
                    [names[month] for month in months],
                    keys,
                    [components[payer]] * count,
                    [generation] * count,
                )
                for citizen_key, month, name in zip(keys, months, ids, strict=True):
                    if name in unfound:
                        unfound.discard(name)
                        yield citizen_key, payer, month, name
            if not unfound:
                return
