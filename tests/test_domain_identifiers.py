"""Numbers that name people and payments."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.identifiers import (
    CitizenId,
    Sex,
    base32,
    citizen_id,
    end_to_end_id,
    is_account_number,
    is_bank_bin,
    is_old_id_number,
    message_id,
)

KEY = bytes(range(32))
PERSON = bytes(32)


@pytest.mark.parametrize(
    ("number", "sex", "year"),
    [
        ("040150123456", Sex.FEMALE, 1950),
        ("040050123456", Sex.MALE, 1950),
        ("040201123456", Sex.MALE, 2001),
        ("040399123456", Sex.FEMALE, 2099),
        ("040801123456", Sex.MALE, 2301),
    ],
)
def test_the_number_tells_sex_and_birth_year(number: str, sex: Sex, year: int) -> None:
    assert CitizenId(number).sex is sex
    assert CitizenId(number).birth_year == year


def test_a_citizen_id_never_prints_itself() -> None:
    person = CitizenId("040150123456")
    assert "040150" not in f"{person} {person!r} {[person]}"
    assert str(person).endswith("3456")


@pytest.mark.parametrize("text", ["04015012345", "0401501234567", "04015012345a", "040 150 123 456", "", "４" * 12])
def test_what_is_not_twelve_digits_is_no_citizen_id(text: str) -> None:
    assert citizen_id(text) is None


def test_shapes_of_other_numbers() -> None:
    assert is_old_id_number("181234567")
    assert not is_old_id_number("1812345678")
    assert is_account_number("99MM24011M34875080")
    assert is_account_number("3713.0.1000001")
    assert not is_account_number("12 34")
    assert not is_account_number("=1+2")
    assert is_bank_bin("970405")
    assert not is_bank_bin("97044168")


def test_an_end_to_end_id_is_permanent() -> None:
    """The very id, written down: were the derivation ever to change, people would be paid anew."""
    made = end_to_end_id(KEY, "BTXH", "2026-12", PERSON, "monthly", 0)
    assert made == "P61GYPKBY7AF25GQ"
    assert made == end_to_end_id(KEY, "BTXH", "2026-12", PERSON, "monthly", 0)


def test_every_part_of_what_is_paid_changes_the_id() -> None:
    ids = {
        end_to_end_id(KEY, "BTXH", "2026-12", PERSON, "monthly", 0),
        end_to_end_id(KEY, "HTXH", "2026-12", PERSON, "monthly", 0),
        end_to_end_id(KEY, "BTXH", "2027-01", PERSON, "monthly", 0),
        end_to_end_id(KEY, "BTXH", "2026-12", bytes(31) + b"\x01", "monthly", 0),
        end_to_end_id(KEY, "BTXH", "2026-12", PERSON, "funeral", 0),
        end_to_end_id(KEY, "BTXH", "2026-12", PERSON, "monthly", 1),
        end_to_end_id(bytes(32), "BTXH", "2026-12", PERSON, "monthly", 0),
    }
    assert len(ids) == 7


@given(st.binary(min_size=32, max_size=32), st.integers(0, 99))
def test_ids_fit_every_rail(person: bytes, generation: int) -> None:
    made = end_to_end_id(KEY, "NCC", "2026-12", person, "monthly", generation)
    assert re.fullmatch(r"P[0-9A-Z]{15}", made)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_base32_sorts_as_the_bytes_do(one: bytes, other: bytes) -> None:
    assert (base32(one, 51) < base32(other, 51)) == (
        one[:31] + bytes([one[31] & 0xFE]) < other[:31] + bytes([other[31] & 0xFE])
    )


def test_a_message_id_comes_from_the_content() -> None:
    assert message_id("2026-12-07", bytes(32)) == "M20261207" + "0" * 16
    assert message_id("2026-12-07", b"\xff" * 32) != message_id("2026-12-07", bytes(32))
