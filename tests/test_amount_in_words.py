"""What a treasurer reads aloud has to be the figure beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.amount_in_words import amount_in_words

_VALUES = dict(
    zip(["không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín"], range(10), strict=True),
    mốt=1,
    tư=4,
    lăm=5,
)


def _read_aloud(words: str) -> int:
    """The number somebody writes down who hears the words; knows nothing of how they were made."""
    billions_done, group, below_billion = 0, 0, 0
    last: int | None = None
    for word in words.split():
        if word == "trăm":
            group, last = (last or 0) * 100, None
        elif word == "mươi":
            group, last = group + (last or 0) * 10, None
        elif word == "mười":
            group += 10
        elif word == "linh":
            pass
        elif word in ("nghìn", "triệu"):
            below_billion += (group + (last or 0)) * (1000 if word == "nghìn" else 10**6)
            group, last = 0, None
        elif word == "tỷ":
            billions_done = (billions_done + below_billion + group + (last or 0)) * 10**9
            below_billion, group, last = 0, 0, None
        elif word != "đồng":
            last = _VALUES[word]
    return billions_done + below_billion + group + (last or 0)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "không đồng"),
        (5, "năm đồng"),
        (10, "mười đồng"),
        (11, "mười một đồng"),
        (14, "mười bốn đồng"),
        (15, "mười lăm đồng"),
        (20, "hai mươi đồng"),
        (21, "hai mươi mốt đồng"),
        (24, "hai mươi tư đồng"),
        (55, "năm mươi lăm đồng"),
        (101, "một trăm linh một đồng"),
        (110, "một trăm mười đồng"),
        (500_000, "năm trăm nghìn đồng"),
        (1_000, "một nghìn đồng"),
        (1_005, "một nghìn không trăm linh năm đồng"),
        (1_015, "một nghìn không trăm mười lăm đồng"),
        (1_000_001, "một triệu không trăm linh một đồng"),
        (1_001_000, "một triệu không trăm linh một nghìn đồng"),
        (49_821_500_000, "bốn mươi chín tỷ tám trăm hai mươi mốt triệu năm trăm nghìn đồng"),
        (10**13, "mười nghìn tỷ đồng"),
        (10**13 + 5, "mười nghìn tỷ không trăm linh năm đồng"),
        (10**18, "một tỷ tỷ đồng"),
        (-21, "âm hai mươi mốt đồng"),
    ],
)
def test_amounts_read_as_they_are_spoken(amount: int, words: str) -> None:
    assert amount_in_words(amount) == words


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_who_hears_the_words_writes_down_the_same_figure(amount: int) -> None:
    assert _read_aloud(amount_in_words(amount)) == amount
