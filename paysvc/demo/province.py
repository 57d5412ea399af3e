"""A seeded synthetic province, written as the files an office really has.

The same seed and size give the same bytes. What goes wrong in real lists is planted here in
known numbers (`Planted`), so that a test can ask whether the import and the matching found
exactly that. Shares are those of Nghệ An where a source is known: 221,011 of 294,996
beneficiaries hold an account (74.92 %).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xlsxwriter
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
    ("BTXH", 340, ("KT-NANG", "KT-DBN", "NCT-80", "DON-THAN"), (20, 74)),
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
class Province:
    """Where the files lie, what each one is, and what was planted in them."""

    rules: Path
    beneficiaries: tuple[Path, ...]
    accounts: tuple[Path, ...]
    population: tuple[Path, ...]
    planted: Planted


@dataclass(frozen=True, slots=True)
class _People:
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


def write_province(folder: Path, people: int, seed: int, rules: str) -> Province:
    """Write the office's files for `people` beneficiaries into `folder`.

    `rules` is the text of the rules file to start from; the communes are appended to it.
    """
    if people < 1_000:
        raise ValueError("a province has at least 1,000 people: below that the shares mean nothing")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    planted = planted_in(people)
    persons = _people(random, planted)
    holders = np.flatnonzero(persons.has_account)
    # Defects are dealt out from one shuffled deck, so that no person carries two.
    deck = iter(random.permutation(holders).tolist())

    def deal(count: int) -> list[int]:
        return [next(deck) for _ in range(count)]

    defects = {
        name: deal(getattr(planted, name))
        for name in (
            "account_not_usable",
            "several_accounts",
            "name_close",
            "name_mismatch",
            "not_in_population",
            "deceased",
            "data_differ",
            "old_id_at_bank",
        )
    }
    for position in defects["old_id_at_bank"]:
        persons.old_number[position] = f"{random.integers(180_000_000, 199_999_999)}"
    rules_file = folder / "00-rules.toml"
    rules_file.write_text(rules + _communes_toml(), encoding="utf-8")
    return Province(
        rules=rules_file,
        beneficiaries=_write_beneficiaries(folder, random, persons, planted),
        accounts=_write_accounts(folder, random, persons, defects),
        population=_write_population(folder, persons, defects),
        planted=planted,
    )


def commune_code(index: int) -> str:
    """Five digits, in a range of our own; not the codes of real communes."""
    return f"{40_000 + index * 7:05d}"


def _communes_toml() -> str:
    parts = []
    for index in range(COMMUNES):
        parts.append(
            f'\n[[units]]\ncode = "{commune_code(index)}"\nname = "Xã {index + 1:03d}"\nlevel = "commune"\n'
            'parent = "40"\nvalid_from = 2025-07-01\nsource = "synthetic"\n'
        )
    return "".join(parts)


def _people(random: np.random.Generator, planted: Planted) -> _People:
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
    return _People(
        number=_citizen_ids(random, female, year),
        name=full_names(random, female),
        female=female,
        birth=birth,
        unit=[commune_code(index) for index in random.integers(0, COMMUNES, count).tolist()],
        programme=programme,
        category=category,
        has_account=has_account,
        old_number=[""] * count,
    )


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


# ---------------------------------------------------------------- the files

_BENEFICIARY_HEADER = (
    "Mã chương trình",
    "Nhóm",
    "Số định danh",
    "Họ tên",
    "Ngày sinh",
    "Giới tính",
    "Mã xã",
    "Kênh",
    "Số quyết định",
    "Từ tháng",
    "Đến tháng",
    "Số CMND cũ",
    "Ghi chú",
)


def _write_beneficiaries(
    folder: Path, random: np.random.Generator, persons: _People, planted: Planted
) -> tuple[Path, ...]:
    """One list per programme: UTF-8 with BOM and commas, UTF-16 and tabs, UTF-8 and semicolons."""
    wants_cash = random.random(planted.people) < 0.9
    rows: list[list[Sequence[str]]] = [[] for _ in PROGRAMMES]
    for position, programme in enumerate(persons.programme.tolist()):
        rows[programme].append(_beneficiary_row(persons, position, programme, bool(wants_cash[position])))
    # Who draws the social pension and a social allowance is paid the higher one only.
    pensioners = np.flatnonzero(persons.programme == 0)
    for position in random.choice(pensioners, size=planted.two_programmes, replace=False).tolist():
        rows[1].append(_beneficiary_row(persons, position, 1, bool(wants_cash[position]), "NCT-80"))
    rows[1].extend(_damaged_rows(random, planted))
    paths = (folder / "01-huu-tri-xa-hoi.csv", folder / "02-bao-tro-xa-hoi.csv", folder / "03-nguoi-co-cong.csv")
    _write_csv(paths[0], _BENEFICIARY_HEADER, rows[0], encoding="utf-8-sig", delimiter=",")
    _write_csv(paths[1], _BENEFICIARY_HEADER, rows[1], encoding="utf-16", delimiter="\t")
    _write_csv(paths[2], _BENEFICIARY_HEADER, rows[2], encoding="utf-8", delimiter=";")
    return paths


def _beneficiary_row(
    persons: _People, position: int, programme: int, wants_cash: bool, category: str | None = None
) -> Sequence[str]:
    by_account = persons.has_account[position] or not wants_cash
    return (
        PROGRAMMES[programme][0],
        category or persons.category[position],
        persons.number[position],
        persons.name[position],
        persons.birth[position],
        "Nữ" if persons.female[position] else "Nam",
        persons.unit[position],
        "Tài khoản" if by_account else "Tiền mặt",
        f"{1000 + position % 9000}/QĐ-UBND",
        "2026-12",
        "",
        persons.old_number[position],
        "",
    )


def _damaged_rows(random: np.random.Generator, planted: Planted) -> list[Sequence[str]]:
    """Rows as Excel leaves them; each is a person of its own who has to be entered again."""
    damaged: list[Sequence[str]] = []

    def row(number: str, birth: str) -> Sequence[str]:
        person = ("BTXH", "KT-NANG", number, "Trần Thị Bình", birth, "Nữ", commune_code(0))
        return (*person, "Tiền mặt", "1/QĐ-UBND", "2026-12", "", "", "")

    for _ in range(planted.rows_lost_zero):
        damaged.append(row(f"40150{random.integers(0, 1_000_000):06d}", "01/02/1950"))
    damaged.extend(row("4.01E+10", "01/02/1950") for _ in range(planted.rows_scientific))
    for _ in range(planted.rows_bad_birth):
        damaged.append(row(f"040150{random.integers(0, 1_000_000):06d}", "31/02/1950"))
    return damaged


_ACCOUNT_HEADER = (
    "Số định danh",
    "Tên chủ tài khoản",
    "Mã ngân hàng",
    "Số tài khoản",
    "Trạng thái",
    "Loại tiền",
    "Ngày đăng ký",
)


def _write_accounts(
    folder: Path, random: np.random.Generator, persons: _People, defects: dict[str, list[int]]
) -> tuple[Path, ...]:
    """One list per bank, as banks send them; the smallest as a spreadsheet, the others as CSV."""
    holders = np.flatnonzero(persons.has_account).tolist()
    shares = np.array([share for _, share in BANKS], dtype=np.float64)
    bank_of = random.choice(len(BANKS), size=len(persons.number), p=shares / shares.sum()).tolist()
    serial = random.permutation(len(persons.number) * 2).tolist()
    unusable, close = set(defects["account_not_usable"]), set(defects["name_close"])
    mismatch, old = set(defects["name_mismatch"]), set(defects["old_id_at_bank"])
    rows: list[list[Sequence[str]]] = [[] for _ in BANKS]
    for position in holders:
        bank = bank_of[position]
        name = persons.name[position]
        if position in close:
            name = _as_close(name)
        elif position in mismatch:
            name = _as_other_person(name)
        status = ("Đã đóng", "Phong toả", "Ngủ")[position % 3] if position in unusable else "Hoạt động"
        number = persons.old_number[position] if position in old else persons.number[position]
        rows[bank].append(_account_row(number, as_banks_write(name), bank, serial[position], status))
    for position in defects["several_accounts"]:
        bank = (bank_of[position] + 1) % len(BANKS)
        name = as_banks_write(persons.name[position])
        other = serial[len(persons.number) + position]
        rows[bank].append(_account_row(persons.number[position], name, bank, other, "Hoạt động"))
    paths = []
    for (bin_code, _), listed in zip(BANKS[:-1], rows[:-1], strict=True):
        path = folder / f"10-tai-khoan-{bin_code}.csv"
        _write_csv(path, _ACCOUNT_HEADER, listed, encoding="utf-8-sig", delimiter=";")
        paths.append(path)
    spreadsheet = folder / f"10-tai-khoan-{BANKS[-1][0]}.xlsx"
    _write_xlsx(spreadsheet, _ACCOUNT_HEADER, rows[-1])
    return (*paths, spreadsheet)


def _account_row(number: str, holder: str, bank: int, serial: int, status: str) -> Sequence[str]:
    account = f"{BANKS[bank][0][3:]}{serial:010d}"
    registered = f"{1 + serial % 28:02d}/{1 + serial % 12:02d}/2026" if serial % 3 else ""
    return (number, holder, BANKS[bank][0], account, status, "VND", registered)


def _as_close(name: str) -> str:
    """The same words in another order: close, and never paid without a person's decision."""
    first, *rest = name.split(" ")
    return " ".join([*rest, first])


def _as_other_person(name: str) -> str:
    words = name.split(" ")
    return " ".join([*words[:-1], "Khánh Duy" if words[-1] != "Duy" else "Khánh Vân"])


_POPULATION_HEADER = ("Số định danh", "Họ tên", "Ngày sinh", "Giới tính", "Tình trạng", "Ngày mất")


def _write_population(folder: Path, persons: _People, defects: dict[str, list[int]]) -> tuple[Path, ...]:
    missing, dead = set(defects["not_in_population"]), set(defects["deceased"])
    differing = set(defects["data_differ"])

    def rows() -> Iterable[Sequence[str]]:
        for position, number in enumerate(persons.number):
            if position in missing:
                continue
            birth = _another_year(persons.birth[position]) if position in differing else persons.birth[position]
            yield (
                number,
                persons.name[position],
                birth,
                "Nữ" if persons.female[position] else "Nam",
                "Đã chết" if position in dead else "Còn sống",
                "10/10/2026" if position in dead else "",
            )

    path = folder / "20-dan-cu.csv"
    _write_csv(path, _POPULATION_HEADER, rows(), encoding="utf-8", delimiter=",")
    return (path,)


def _another_year(birth: str) -> str:
    return f"{birth[:-4]}{int(birth[-4:]) - 3}"


def _write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str]], *, encoding: str, delimiter: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def _write_xlsx(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False}) as workbook:
        sheet = workbook.add_worksheet("Danh sách")
        write: Callable[[int, int, str], object] = sheet.write_string
        for line, row in enumerate((header, *rows)):
            for column, value in enumerate(row):
                write(line, column, value)
