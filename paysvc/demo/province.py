"""The synthetic province, written as the files an office really has.

The same seed and size give the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xlsxwriter

from paysvc.demo.names import as_banks_write
from paysvc.demo.people import BANKS, COMMUNES, PROGRAMMES, Persons, Planted, commune_code, make_persons, planted_in


@dataclass(frozen=True, slots=True)
class Province:
    """Where the files lie, what each one is, and what was planted in them."""

    rules: Path
    beneficiaries: tuple[Path, ...]
    accounts: tuple[Path, ...]
    population: tuple[Path, ...]
    planted: Planted


def write_province(folder: Path, people: int, seed: int, rules: str) -> Province:
    """Write the office's files for `people` beneficiaries into `folder`.

    `rules` is the text of the rules file to start from; the communes are appended to it.
    """
    if people < 1_000:
        raise ValueError("a province has at least 1,000 people: below that the shares mean nothing")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    planted = planted_in(people)
    persons = make_persons(random, planted)
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
    for position, old in zip(defects["old_id_at_bank"], _old_numbers(random), strict=False):
        persons.old_number[position] = old
    rules_file = folder / "00-rules.toml"
    rules_file.write_text(rules + _communes_toml(), encoding="utf-8")
    return Province(
        rules=rules_file,
        beneficiaries=_write_beneficiaries(folder, random, persons, planted),
        accounts=_write_accounts(folder, random, persons, defects),
        population=_write_population(folder, persons, defects),
        planted=planted,
    )


def _old_numbers(random: np.random.Generator) -> Iterator[str]:
    """Identity card numbers of nine digits, each once: two people with one would seem to share an account."""
    given: set[int] = set()
    while True:
        number = int(random.integers(180_000_000, 199_999_999))
        if number not in given:
            given.add(number)
            yield str(number)


def _communes_toml() -> str:
    parts = []
    for index in range(COMMUNES):
        parts.append(
            f'\n[[units]]\ncode = "{commune_code(index)}"\nname = "Xã {index + 1:03d}"\nlevel = "commune"\n'
            'parent = "40"\nvalid_from = 2025-07-01\nsource = "synthetic"\n'
        )
    return "".join(parts)


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
    folder: Path, random: np.random.Generator, persons: Persons, planted: Planted
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
    persons: Persons, position: int, programme: int, wants_cash: bool, category: str | None = None
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
    folder: Path, random: np.random.Generator, persons: Persons, defects: dict[str, list[int]]
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
    registered = f"{1 + serial % 28:02d}/{1 + serial % 10:02d}/2026" if serial % 3 else ""
    return (number, holder, BANKS[bank][0], account, status, "VND", registered)


def _as_close(name: str) -> str:
    """The same words in another order: close, and never paid without a person's decision."""
    first, *rest = name.split(" ")
    return " ".join([*rest, first])


def _as_other_person(name: str) -> str:
    words = name.split(" ")
    return " ".join([*words[:-1], "Khánh Duy" if words[-1] != "Duy" else "Khánh Vân"])


_POPULATION_HEADER = ("Số định danh", "Họ tên", "Ngày sinh", "Giới tính", "Tình trạng", "Ngày mất")


def _write_population(folder: Path, persons: Persons, defects: dict[str, list[int]]) -> tuple[Path, ...]:
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
        # A spreadsheet carries the time it was made; the same seed has to give the same bytes.
        workbook.set_properties({"created": datetime(2026, 11, 20, tzinfo=UTC)})
        sheet = workbook.add_worksheet("Danh sách")
        write: Callable[[int, int, str], object] = sheet.write_string
        for line, row in enumerate((header, *rows)):
            for column, value in enumerate(row):
                write(line, column, value)
