"""Who lives in the synthetic province, and what is wrong with their papers.

Nobody here is real. What goes wrong in real lists is planted in known numbers (`Planted`), so
that a test can ask whether the import and the matching found exactly that. Shares are those of
Nghệ An where a source is known: 221,011 of 294,996 beneficiaries hold an account (74.92 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from paysvc.demo.names import as_banks_write, full_names

#: Nghệ An in January 2026, and how many of its beneficiaries held an account.
NGHE_AN_PEOPLE = 294_996
NGHE_AN_WITH_ACCOUNT = 221_011

COMMUNES = 130

#: Bank BIN and its share of the accounts in per mille.
BANKS: tuple[tuple[str, int], ...] = (("970405", 560), ("970436", 170), ("970418", 150), ("970415", 80), ("970409", 40))

#: Programme, its categories with ages, and its share of the people in per mille.
PROGRAMMES: tuple[tuple[str, int, tuple[str, ...], tuple[int, int]], ...] = (
    ("HTXH", 360, ("HTXH-75",), (75, 97)),
    ("BTXH", 340, ("KT-NANG", "KT-DBN", "NCT-60", "DON-THAN"), (20, 74)),
    ("NCC", 300, ("NCC-LS1", "NCC-TB"), (60, 95)),
)

THIS_YEAR = 2026

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Planted:
    """How many people carry which known defect; the rest is clean. Disjoint by construction."""

    people: int
    with_account: int
    old_id_at_bank: int
    account_not_usable: int
    several_accounts: int
    name_close: int
    name_mismatch: int
    not_in_population: int
    deceased: int
    data_differ: int
    two_programmes: int
    rows_lost_zero: int
    rows_scientific: int
    rows_bad_birth: int

    @property
    def rows_refused(self) -> int:
        return self.rows_lost_zero + self.rows_scientific + self.rows_bad_birth

    @property
    def matched(self) -> int:
        """People whose outcome is plainly `matched`."""
        wrong_account = self.account_not_usable + self.several_accounts + self.name_close + self.name_mismatch
        return self.with_account - wrong_account - self.population_defects

    @property
    def population_defects(self) -> int:
        return self.not_in_population + self.deceased + self.data_differ

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Persons:
    """The people, one list or array entry each; `birth` is dd/mm/yyyy or only the year."""

    number: list[str]
    name: list[str]
    female: NDArray[np.bool_]
    birth: list[str]
    unit: list[str]
    programme: NDArray[np.int64]
    category: list[str]
    has_account: NDArray[np.bool_]
    old_number: list[str]


def planted_in(people: int) -> Planted:
    """The defects of a province of this size, in fixed proportions."""
    with_account = round(people * NGHE_AN_WITH_ACCOUNT / NGHE_AN_PEOPLE)

    def share(per_ten_thousand: int) -> int:
        return people * per_ten_thousand // 10_000

    return Planted(
        people=people,
        with_account=with_account,
        old_id_at_bank=share(80),
        account_not_usable=share(90),
        several_accounts=share(40),
        name_close=share(50),
        name_mismatch=share(15),
        not_in_population=share(12),
        deceased=share(18),
        data_differ=share(25),
        two_programmes=share(150),
        rows_lost_zero=max(1, people // 15_000),
        rows_scientific=max(1, people // 30_000),
        rows_bad_birth=max(1, people // 40_000),
    )


def commune_code(index: int) -> str:
    """Five digits, in a range of our own; not the codes of real communes."""
    return f"{40_000 + index * 7:05d}"


def make_persons(random: np.random.Generator, planted: Planted) -> Persons:
    """People with unique citizen IDs that agree with their sex and birth year."""
    count = planted.people
    female = random.random(count) < 0.56
    shares = np.array([share for _, share, _, _ in PROGRAMMES], dtype=np.float64)
    programme = random.choice(len(PROGRAMMES), size=count, p=shares / shares.sum())
    youngest = np.array([ages[0] for *_, ages in PROGRAMMES])[programme]
    oldest = np.array([ages[1] for *_, ages in PROGRAMMES])[programme]
    year = THIS_YEAR - random.integers(youngest, oldest + 1)
    day, month = random.integers(1, 29, count), random.integers(1, 13, count)
    # Of many old people only the year is known.
    year_only = (year < 1950) & (random.random(count) < 0.15)
    birth = [
        str(y) if only else f"{d:02d}/{m:02d}/{y}"
        for y, m, d, only in zip(year.tolist(), month.tolist(), day.tolist(), year_only.tolist(), strict=True)
    ]
    category_pick = random.integers(0, 1 << 30, count)
    category = [
        PROGRAMMES[p][2][pick % len(PROGRAMMES[p][2])]
        for p, pick in zip(programme.tolist(), category_pick.tolist(), strict=True)
    ]
    has_account = np.zeros(count, dtype=np.bool_)
    has_account[random.permutation(count)[: planted.with_account]] = True
    number, name = _citizen_ids(random, female, year), full_names(random, female)
    unit = [commune_code(index) for index in random.integers(0, COMMUNES, count).tolist()]
    return Persons(
        number=number,
        name=name,
        female=female,
        birth=birth,
        unit=_apart(name, birth, unit),
        programme=programme,
        category=category,
        has_account=has_account,
        old_number=[""] * count,
    )


def _apart(name: Sequence[str], birth: Sequence[str], unit: Sequence[str]) -> list[str]:
    """The communes, changed where two people of one name and birth would live in the same: they would be held."""
    taken: set[tuple[str, str, str]] = set()
    found = []
    for person, born, wanted in zip(name, birth, unit, strict=True):
        key, code, index = as_banks_write(person), wanted, 0
        while (key, born, code) in taken:
            code, index = commune_code(index), index + 1
        taken.add((key, born, code))
        found.append(code)
    return found


def _citizen_ids(random: np.random.Generator, female: NDArray[np.bool_], year: NDArray[np.int64]) -> list[str]:
    """Unique 12-digit numbers that agree with sex and birth year (Decree 137/2015, Article 13)."""
    count = len(female)
    places = np.array([40, 40, 40, 40, 40, 40, 40, 40, 40, 38, 42, 1, 79])[random.integers(0, 13, count)]
    century = 2 * ((year - 1900) // 100) + female
    stem = ((places * 10 + century) * 100 + year % 100) * 1_000_000
    numbers = stem + random.integers(0, 1_000_000, count)
    while True:
        _, first = np.unique(numbers, return_index=True)
        again = np.setdiff1d(np.arange(count), first)
        if not len(again):
            return [f"{number:012d}" for number in numbers.tolist()]
        numbers[again] = stem[again] + random.integers(0, 1_000_000, len(again))
