"""Names as they are given in Nghệ An, put together at random; no list of real people is used."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Surname and its share in per mille; Nguyễn is about four in ten.
SURNAMES: tuple[tuple[str, int], ...] = (
    ("Nguyễn", 384),
    ("Trần", 110),
    ("Lê", 95),
    ("Phạm", 60),
    ("Hoàng", 45),
    ("Phan", 45),
    ("Hồ", 40),
    ("Đặng", 35),
    ("Võ", 30),
    ("Bùi", 25),
    ("Đậu", 20),
    ("Cao", 18),
    ("Thái", 16),
    ("Ngô", 15),
    ("Lý", 8),
    ("Vi", 14),
    ("Lô", 14),
    ("Lương", 12),
    ("Moong", 5),
    ("Và", 5),
    ("Lầu", 4),
)

MIDDLE_FEMALE = ("Thị", "Thị", "Thị", "Thị Thu", "Thị Minh", "Thị Ngọc", "Thị Thanh", "Thuý", "Hồng")
MIDDLE_MALE = ("Văn", "Văn", "Văn", "Đình", "Xuân", "Hữu", "Đức", "Sỹ", "Công", "Quang")

GIVEN_FEMALE = (
    "Hoa",
    "Hoà",
    "Lan",
    "Hương",
    "Thuý",
    "Nga",
    "Loan",
    "Bình",
    "Tâm",
    "Xuân",
    "Hạnh",
    "Mỹ",
    "Lý",
    "Tuyết",
    "Hằng",
    "Yến",
    "Ngân",
    "Cúc",
    "Đào",
    "Sương",
)
GIVEN_MALE = (
    "Hùng",
    "Dũng",
    "Minh",
    "Tuấn",
    "Sơn",
    "Hải",
    "Long",
    "Quý",
    "Thắng",
    "Đức",
    "Khoa",
    "Toàn",
    "Hoàn",
    "Vinh",
    "Lộc",
    "Phúc",
    "Thọ",
    "Nghĩa",
    "Chiến",
    "Ước",
)

Draw = NDArray[Any]


def full_names(random: np.random.Generator, female: NDArray[np.bool_]) -> list[str]:
    """One full name a person, by sex; `female` is one bool a person."""
    count = len(female)
    shares = np.array([share for _, share in SURNAMES], dtype=np.float64)
    surnames = _pick(random, [name for name, _ in SURNAMES], count, shares / shares.sum())
    middles = np.where(female, _pick(random, MIDDLE_FEMALE, count), _pick(random, MIDDLE_MALE, count))
    givens = np.where(female, _pick(random, GIVEN_FEMALE, count), _pick(random, GIVEN_MALE, count))
    return [f"{s} {m} {g}" for s, m, g in zip(surnames.tolist(), middles.tolist(), givens.tolist(), strict=True)]


def _pick(random: np.random.Generator, words: Sequence[str], count: int, shares: Draw | None = None) -> Draw:
    return np.array(words, dtype=object)[random.choice(len(words), size=count, p=shares)]


_TO_ASCII = str.maketrans({"Đ": "D", "đ": "d"})


@cache
def as_banks_write(name: str) -> str:
    """Upper case without accents, as most banks hold a name."""
    decomposed = unicodedata.normalize("NFD", name.translate(_TO_ASCII))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).upper()
