"""The people of a small province, and what each is due by rules written here: no code of the service is asked."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

#: (programme, category) -> đồng a month.
AMOUNTS = {("TRO-CAP", "NHE"): 500_000, ("TRO-CAP", "NANG"): 750_000, ("CO-CONG", "LS"): 2_789_000}

RULES = """
[funds.NS]
name = "Ngân sách"
source = "synthetic"
[programmes.TRO-CAP]
name = "Trợ cấp hằng tháng"
purpose = "BENE"
fund = "NS"
without_account = "cash"
legal_basis = "synthetic"
[[programmes.TRO-CAP.rates]]
from_period = "2026-01"
standard_vnd = 500000
legal_basis = "synthetic"
coefficients_milli = { NHE = 1000, NANG = 1500 }
[programmes.CO-CONG]
name = "Người có công"
purpose = "GOVT"
fund = "NS"
without_account = "worklist"
legal_basis = "synthetic"
[[programmes.CO-CONG.rates]]
from_period = "2026-01"
standard_vnd = 2789000
legal_basis = "synthetic"
coefficients_milli = { LS = 1000 }
[[units]]
code = "40"
name = "Nghệ An"
level = "province"
valid_from = 2025-07-01
source = "synthetic"
[[units]]
code = "17329"
name = "Xã Yên Thành"
level = "commune"
parent = "40"
valid_from = 2025-07-01
source = "synthetic"
"""

_BINS = ("970405", "970409", "970415", "970436")
_FAMILY = ("NGUYEN", "TRAN", "LE", "PHAM", "HOANG", "PHAN", "VU", "DANG", "BUI", "DO")
_MIDDLE = ("THI", "VAN", "XUAN", "DUC", "NGOC", "MINH", "QUANG", "THANH")
_GIVEN = ("HOA", "LAN", "MAI", "HUNG", "DUNG", "BINH", "SON", "THUY", "HANH", "TUAN", "KHANH", "LONG")


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one programme. `bin` and `account` are "" for who is paid in cash.

    `is_payable` is False for those whom matching has to hold back: the bank knows the holder
    under another name, or the population database says that the person died.
    """

    number: str
    name: str
    programme: str
    category: str
    since: str
    bin: str
    account: str
    is_payable: bool = True
    is_alive: bool = True
    #: The holder's name as the bank has it, where it is to differ in another way than `is_payable` makes it.
    known_as: str = ""

    @property
    def amount_vnd(self) -> int:
        return AMOUNTS[self.programme, self.category]

    @property
    def sex(self) -> str:
        return "Nữ" if self.number[3] == "1" else "Nam"

    @property
    def birth(self) -> str:
        return f"02/03/19{self.number[4:6]}"


def draw_people(luck: random.Random, count: int, since: str, first: int) -> list[Person]:
    """`count` people who are due from this month; `first` keeps their numbers apart from earlier ones."""
    found = []
    for serial in range(first, first + count):
        programme, category = luck.choice(list(AMOUNTS))
        number = f"040{luck.choice('01')}{luck.randrange(30, 60)}{serial:06d}"
        by_cash = programme == "TRO-CAP" and serial % 15 not in (3, 7) and luck.random() < 0.3
        found.append(
            Person(
                number=number,
                name=f"{luck.choice(_FAMILY)} {luck.choice(_MIDDLE)} {luck.choice(_GIVEN)}",
                programme=programme,
                category=category,
                since=since,
                bin="" if by_cash else luck.choice(_BINS),
                account="" if by_cash else f"71{serial:010d}",
                # One in fifteen died, and one in fifteen has a holder of another name at the bank.
                is_payable=by_cash or serial % 15 not in (3, 7),
                is_alive=by_cash or serial % 15 != 3,
            )
        )
    return found


def namesakes(code: str, number: int, first: int) -> tuple[Person, Person]:
    """Two people who are paid in cash from this month on; `alike` makes others of them, whom lists confuse with them.

    Nobody else has the names of pairs of other numbers, of which there are 48. Their serials are `first` and the
    next one.
    """
    middle, given = _MIDDLE[number % len(_MIDDLE)], _GIVEN[number // len(_MIDDLE) % len(_GIVEN)]
    found = [
        Person(f"040040{serial:06d}", f"{family} {middle} {given}", "TRO-CAP", "NHE", code, "", "")
        for serial, family in enumerate(("LUU", "TRINH"), first)
    ]
    return found[0], found[1]


def with_a_strange_letter(code: str, number: int, serial: int) -> Person:
    """Somebody who is paid in cash from this month on, under a name that the post's lists cannot hold."""
    middle, given = _MIDDLE[number % len(_MIDDLE)], _GIVEN[number // len(_MIDDLE) % len(_GIVEN)]
    return Person(f"040040{serial:06d}", f"ŁUONG {middle} {given}", "TRO-CAP", "NANG", code, "", "")


def alike(one: Person, serial: int) -> Person:
    """Somebody with the same name, birth, sex and commune, and a citizen ID with this serial."""
    return replace(one, number=f"{one.number[:6]}{serial:06d}")


def files_of(people: Sequence[Person]) -> dict[str, bytes]:
    """Kind of list -> its bytes, as offices and banks send them."""
    beneficiaries = [
        (
            one.programme, one.category, one.number, one.name, one.birth, one.sex, "17329",
            "Tài khoản" if one.account else "Tiền mặt", "1/QĐ-UBND", one.since,
        )
        for one in people
    ]  # fmt: skip
    accounts = [
        (one.number, _as_the_bank_has_it(one), one.bin, one.account, "Hoạt động") for one in people if one.account
    ]
    population = [
        (
            one.number, one.name, one.birth, one.sex, "Còn sống" if one.is_alive else "Đã chết",
            "" if one.is_alive else "10/10/2026",
        )
        for one in people
    ]  # fmt: skip
    heads = {
        "beneficiaries": (
            "Mã chương trình", "Nhóm", "Số định danh", "Họ tên", "Ngày sinh", "Giới tính", "Mã xã", "Kênh",
            "Số quyết định", "Từ tháng",
        ),
        "accounts": ("Số định danh", "Tên chủ tài khoản", "Mã ngân hàng", "Số tài khoản", "Trạng thái"),
        "population": ("Số định danh", "Họ tên", "Ngày sinh", "Giới tính", "Tình trạng", "Ngày mất"),
    }  # fmt: skip
    rows = {"beneficiaries": beneficiaries, "accounts": accounts, "population": population}
    return {kind: _csv([heads[kind], *rows[kind]]) for kind in heads if rows[kind]}


def _as_the_bank_has_it(one: Person) -> str:
    if one.known_as:
        return one.known_as
    return one.name if one.is_payable or not one.is_alive else "CAO BA QUAT"


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")
