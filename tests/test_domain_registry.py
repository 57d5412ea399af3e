"""What is wrong with a row of a list, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.errors import FileRefused, InvalidInput, RecordError, Severity
from paysvc.domain.identifiers import CitizenId
from paysvc.domain.registry import FIELDS, ImportKind, is_header, map_columns
from paysvc.domain.registry_birthplaces import BIRTH_PLACES
from paysvc.domain.registry_columns import WHOLE_COLUMNS
from paysvc.domain.registry_fields import (
    MESSAGES,
    NumberCell,
    Unreadable,
    birth_reader,
    fold,
    identity_digits,
    name_reader,
    read_account_number,
    read_citizen_id,
    read_holder_id,
    read_period,
    repaired_citizen_id,
)
from paysvc.domain.registry_rows import CheckedRows, RowChecker
from paysvc.domain.registry_units import Unit, UnitLevel, Units, UnitSuccessor, units_of_rules

TODAY = date(2026, 11, 21)
UNITS = Units(
    units=(
        Unit("40", "Nghệ An", UnitLevel.PROVINCE, None, date(1991, 1, 1), None, "synthetic"),
        Unit("40001", "Xã Một", UnitLevel.COMMUNE, "40", date(2025, 7, 1), None, "synthetic"),
        Unit("40002", "Xã Hai", UnitLevel.COMMUNE, "40", date(2025, 7, 1), date(2026, 6, 30), "synthetic"),
        Unit("16001", "Xã Cũ", UnitLevel.COMMUNE, "40", date(1991, 1, 1), date(2025, 6, 30), "synthetic"),
    ),
    successors=(
        UnitSuccessor("16001", "40002", date(2025, 7, 1), "synthetic"),
        UnitSuccessor("40002", "40001", date(2026, 7, 1), "synthetic"),
        UnitSuccessor("40001", "40009", date(2027, 7, 1), "synthetic"),
    ),
)

PERSON = {
    "programme_code": "BTXH",
    "category": "KT-NANG",
    "citizen_id": "040150123456",
    "full_name": "Nguyễn Thị Hoà",
    "birth": "01/02/1950",
    "sex": "Nữ",
    "unit_code": "40001",
    "channel": "Tài khoản",
    "decision_number": "12/QĐ-UBND",
    "from_period": "2026-12",
    "to_period": "",
    "old_id": "",
    "previous_id": "",
}
ACCOUNT = {
    "holder_id": "040150123456",
    "holder_name": "NGUYEN THI HOA",
    "bank_bin": "970405",
    "account_number": "0011001932418",
    "status": "hoạt động",
    "currency": "VND",
    "registered_on": "01/09/2026",
}
CITIZEN = {
    "citizen_id": "040150123456",
    "full_name": "Nguyễn Thị Hoà",
    "birth": "1950",
    "sex": "Nữ",
    "status": "Còn sống",
    "deceased_on": "",
}
GOOD: dict[ImportKind, dict[str, str]] = {
    ImportKind.BENEFICIARIES: PERSON,
    ImportKind.ACCOUNTS: ACCOUNT,
    ImportKind.POPULATION: CITIZEN,
}


def check(
    kind: ImportKind,
    *rows: Mapping[str, str],
    apply_safe_repairs: bool = False,
    whole_row: Mapping[int, str] | None = None,
) -> CheckedRows:
    """The rows (changes to a good one), numbered from 2."""
    checker = RowChecker(kind, TODAY, UNITS.resolver(TODAY), apply_safe_repairs=apply_safe_repairs)
    full = [{**GOOD[kind], **row} for row in rows]
    cells = {one.name: [row[one.name] for row in full] for one in FIELDS[kind]}
    checker.check(range(2, len(rows) + 2), cells, whole_row or {})
    return checker.finish()


def codes(problems: Sequence[RecordError]) -> list[tuple[int, str, str]]:
    return [(one.line, one.field, one.code) for one in problems]


# ---------------------------------------------------------------- good rows


@pytest.mark.parametrize("kind", list(ImportKind))
def test_a_good_row_has_no_problem(kind: ImportKind) -> None:
    checked = check(kind, {})
    assert (checked.rows, checked.lines, checked.problems) == (1, [2], [])


def test_a_row_is_kept_in_canonical_form() -> None:
    row = {
        "citizen_id": "'040 150 123 456",
        "full_name": "  Nguye\u0302\u0303n  Thi\u0323\nHoa\u0300 ",
        "birth": "1/2/1950",
        "sex": "NU",
        "channel": "tien mat",
        "from_period": "12/2026",
        "to_period": "2027-01-01",
        "old_id": "181 234 567",
        "decision_number": " 12/QĐ-UBND ",
    }
    kept = {name: values[0] for name, values in check(ImportKind.BENEFICIARIES, row).columns.items()}
    assert kept == {
        **PERSON,
        "birth": "1950-02-01",
        "full_name": "Nguyễn Thị Hoà",
        "sex": "female",
        "channel": "cash",
        "to_period": "2027-01",
        "old_id": "181234567",
    }


def test_an_account_list_speaks_both_languages() -> None:
    states = {"hoạt động": "active", "Đã đóng": "closed", "PHONG TỎA": "blocked", "phong toả": "blocked"}
    states |= {"ngủ": "dormant", "Hạn chế": "restricted", "active": "active", "CLOSED": "closed"}
    rows = [{"account_number": f"00110019324{n}", "status": word, "currency": ""} for n, word in enumerate(states)]
    checked = check(ImportKind.ACCOUNTS, *rows)
    assert checked.columns["status"] == list(states.values())
    assert set(checked.columns["currency"]) == {"VND"}
    assert checked.columns["registered_on"][0] == "2026-09-01"


# ---------------------------------------------------------------- one bad cell


@pytest.mark.parametrize(
    ("kind", "field", "cell", "code"),
    [
        *((ImportKind.BENEFICIARIES, one.name, "  ", "E101") for one in FIELDS[ImportKind.BENEFICIARIES][:10]),
        *((ImportKind.ACCOUNTS, one.name, "", "E101") for one in FIELDS[ImportKind.ACCOUNTS][:5]),
        *((ImportKind.POPULATION, one.name, "", "E101") for one in FIELDS[ImportKind.POPULATION][:5]),
        (ImportKind.BENEFICIARIES, "full_name", "Nguyễn\u202eThị", "E102"),
        (ImportKind.BENEFICIARIES, "full_name", "Nguyễn\u200bThị", "E102"),
        (ImportKind.BENEFICIARIES, "decision_number", "1\x07", "E102"),
        (ImportKind.BENEFICIARIES, "full_name", "A" * 141, "E103"),
        (ImportKind.BENEFICIARIES, "decision_number", "1" * 61, "E103"),
        (ImportKind.BENEFICIARIES, "programme_code", "B" * 21, "E103"),
        (ImportKind.BENEFICIARIES, "sex", "khác", "E105"),
        (ImportKind.BENEFICIARIES, "channel", "séc", "E105"),
        (ImportKind.ACCOUNTS, "status", "?", "E105"),
        (ImportKind.POPULATION, "status", "vắng", "E105"),
        (ImportKind.BENEFICIARIES, "full_name", "=1+1", "E109"),
        (ImportKind.BENEFICIARIES, "decision_number", "＠x", "E109"),
        (ImportKind.BENEFICIARIES, "birth", "1950.2", "E111"),
        (ImportKind.BENEFICIARIES, "birth", "01/02/50", "E111"),
        (ImportKind.BENEFICIARIES, "birth", "31/02/1950", "E112"),
        (ImportKind.BENEFICIARIES, "birth", "02/23/1950", "E112"),
        (ImportKind.BENEFICIARIES, "birth", "22/11/2026", "E112"),
        (ImportKind.BENEFICIARIES, "birth", "2027", "E112"),
        (ImportKind.BENEFICIARIES, "birth", "1899", "E112"),
        (ImportKind.BENEFICIARIES, "full_name", "-", "E117"),
        (ImportKind.BENEFICIARIES, "full_name", "123", "E117"),
        (ImportKind.BENEFICIARIES, "from_period", "13/2026", "E121"),
        (ImportKind.BENEFICIARIES, "from_period", "2026", "E121"),
        (ImportKind.BENEFICIARIES, "from_period", "2026-12-15", "E121"),
        (ImportKind.BENEFICIARIES, "to_period", "2026-11", "E122"),
        (ImportKind.BENEFICIARIES, "unit_code", "4001", "E131"),
        (ImportKind.BENEFICIARIES, "unit_code", "99999", "E132"),
        (ImportKind.BENEFICIARIES, "citizen_id", "4.01E+10", "E202"),
        (ImportKind.BENEFICIARIES, "citizen_id", "4,01E+10", "E202"),
        (ImportKind.BENEFICIARIES, "citizen_id", "4.01e10", "E202"),
        (ImportKind.BENEFICIARIES, "citizen_id", "0401501234567", "E211"),
        (ImportKind.BENEFICIARIES, "citizen_id", "04015012345O", "E211"),
        (ImportKind.BENEFICIARIES, "citizen_id", "٠٤٠١٥٠١٢٣٤٥٦", "E211"),
        (ImportKind.BENEFICIARIES, "citizen_id", "181234567", "E212"),
        (ImportKind.ACCOUNTS, "holder_id", "40150123456", "E201"),
        (ImportKind.ACCOUNTS, "holder_id", "18123456", "E211"),
        (ImportKind.ACCOUNTS, "account_number", NumberCell("11001932418"), "E209"),
        (ImportKind.ACCOUNTS, "account_number", "11001932418.0", "E209"),
        (ImportKind.ACCOUNTS, "account_number", "1.1E+10", "E202"),
        (ImportKind.ACCOUNTS, "account_number", "123", "E401"),
        (ImportKind.ACCOUNTS, "account_number", "0011_0019", "E401"),
        (ImportKind.ACCOUNTS, "bank_bin", "97040", "E406"),
        (ImportKind.ACCOUNTS, "currency", "USD", "E408"),
        (ImportKind.POPULATION, "deceased_on", "01/02/2026", "E114"),
    ],
)
def test_a_bad_cell_keeps_the_row_out(kind: ImportKind, field: str, cell: str, code: str) -> None:
    checked = check(kind, {field: cell}, {"citizen_id": "040150123457", "account_number": "0011001932419"})
    assert (2, field, code) in codes(checked.problems)
    assert checked.refused_lines == {2}
    assert checked.lines == [3]


@pytest.mark.parametrize(
    ("kind", "field", "cell", "code", "kept"),
    [
        (ImportKind.BENEFICIARIES, "citizen_id", "040050123456", "W203", "040050123456"),
        (ImportKind.BENEFICIARIES, "citizen_id", "040151123456", "W203", "040151123456"),
        (ImportKind.BENEFICIARIES, "citizen_id", "101150123456", "W210", "101150123456"),
        (ImportKind.BENEFICIARIES, "unit_code", "16001", "W208", "40001"),
        (ImportKind.BENEFICIARIES, "unit_code", "40002", "W208", "40001"),
        (ImportKind.BENEFICIARIES, "old_id", "18123456", "W213", ""),
        (ImportKind.ACCOUNTS, "registered_on", "30/02/2026", "W411", ""),
        (ImportKind.ACCOUNTS, "registered_on", "22/11/2026", "W411", ""),
    ],
)
def test_a_doubtful_cell_lets_the_row_in_with_a_warning(
    kind: ImportKind, field: str, cell: str, code: str, kept: str
) -> None:
    checked = check(kind, {field: cell})
    assert codes(checked.problems) == [(2, field, code)]
    assert (checked.refused_lines, checked.warned_lines) == (set(), {2})
    assert checked.columns[field] == [kept]


def test_every_code_has_a_sentence_and_its_letter_is_its_severity() -> None:
    for code, message in MESSAGES.items():
        assert code[0] in "EW"
        assert message.endswith(".")
    assert check(ImportKind.BENEFICIARIES, {"old_id": "1"}).problems[0].severity is Severity.WARNING


def test_no_message_repeats_what_stands_in_the_cell() -> None:
    bad = {"citizen_id": "40250123456", "full_name": "=Nguyễn", "birth": "31/02/1950", "unit_code": "98765"}
    for problem in check(ImportKind.BENEFICIARIES, bad).problems:
        assert not any(cell in problem.message for cell in bad.values())


def test_a_row_that_is_cut_wrongly_has_that_one_complaint() -> None:
    checked = check(ImportKind.BENEFICIARIES, {"birth": "Nữ", "sex": "1950"}, whole_row={2: "E104"})
    assert codes(checked.problems) == [(2, "", "E104")]
    assert checked.lines == []


# ---------------------------------------------------------------- what Excel does to numbers


def test_a_lost_zero_is_offered_where_sex_and_year_agree_and_taken_only_when_accepted() -> None:
    offered = check(ImportKind.BENEFICIARIES, {"citizen_id": "40150123456"})
    assert codes(offered.problems) == [(2, "citizen_id", "E201")]
    assert offered.problems[0].suggestion == "040150123456"
    assert (offered.lines, offered.repaired) == ([], 0)

    accepted = check(ImportKind.BENEFICIARIES, {"citizen_id": "40150123456"}, apply_safe_repairs=True)
    assert codes(accepted.problems) == [(2, "citizen_id", "W201")]
    assert accepted.columns["citizen_id"] == ["040150123456"]
    assert accepted.repaired == 1


@pytest.mark.parametrize(
    "row",
    [
        {"citizen_id": "40050123456"},
        {"citizen_id": "40151123456"},
        {"citizen_id": "40150123456", "sex": "Nam"},
        {"citizen_id": "40150123456", "birth": "01/02/1951"},
        {"citizen_id": "40150123456", "birth": "01/02/2050"},
        {"citizen_id": "40150100000"},
        {"citizen_id": "41150123456"},
        {"citizen_id": "3150123456"},
    ],
)
@pytest.mark.parametrize("accepts", [False, True])
def test_a_lost_zero_is_never_guessed(row: dict[str, str], accepts: bool) -> None:
    checked = check(ImportKind.BENEFICIARIES, row, apply_safe_repairs=accepts)
    assert (2, "citizen_id", "E201") in codes(checked.problems)
    assert all(one.suggestion is None for one in checked.problems)
    assert checked.lines == []


def test_two_lost_zeros_come_back_for_those_born_in_a_place_00x() -> None:
    assert repaired_citizen_id("1150123456", "female", "1950") == "001150123456"


@given(st.sampled_from(sorted(BIRTH_PLACES)), st.booleans(), st.integers(1900, 2099), st.integers(1, 999_999))
def test_what_excel_took_away_comes_back_exactly(place: str, female: bool, year: int, rest: int) -> None:
    sex = "female" if female else "male"
    number = f"{place}{identity_digits(sex, str(year))}{rest:06d}"
    assert (CitizenId(number).sex, CitizenId(number).birth_year) == (sex, year)
    shown = str(int(number))
    expected = None if number.endswith("00000") or len(shown) < 10 else number
    assert repaired_citizen_id(shown, sex, str(year)) == expected
    other = "male" if female else "female"
    assert repaired_citizen_id(shown, other, str(year)) is None


def test_a_number_cell_of_twelve_digits_has_lost_nothing() -> None:
    assert read_citizen_id(NumberCell("140150123456")) == "140150123456"


# ---------------------------------------------------------------- rows together


def test_the_same_person_twice_in_a_programme_names_both_rows() -> None:
    checked = check(ImportKind.BENEFICIARIES, {}, {"citizen_id": "040150123457"}, {"category": "KT-DBN"})
    assert codes(checked.problems) == [(2, "citizen_id", "E501"), (4, "citizen_id", "E501")]
    assert "rows 2, 4" in checked.problems[0].message
    assert checked.lines == [3]


def test_of_rows_that_say_the_same_the_first_is_kept() -> None:
    checked = check(ImportKind.BENEFICIARIES, {}, {"birth": "1/2/1950"}, {})
    assert checked.lines == [2]
    assert codes(checked.problems) == [(3, "citizen_id", "E501"), (4, "citizen_id", "E501")]


def test_one_person_in_two_programmes_is_fine_when_the_facts_agree() -> None:
    assert check(ImportKind.BENEFICIARIES, {}, {"programme_code": "HTXH"}).lines == [2, 3]
    checked = check(ImportKind.BENEFICIARIES, {}, {"programme_code": "HTXH", "birth": "1950"})
    assert codes(checked.problems) == [(2, "citizen_id", "E504"), (3, "citizen_id", "E504")]


def test_a_repaired_number_that_stands_there_already_is_noticed() -> None:
    rows: list[dict[str, str]] = [{"category": "A"}, {"category": "B", "citizen_id": "40150123456"}]
    checked = check(ImportKind.BENEFICIARIES, *rows, apply_safe_repairs=True)
    assert checked.refused_lines == {2, 3}
    assert checked.repaired == 0


def test_an_account_of_two_holders_is_taken_from_neither_row() -> None:
    checked = check(ImportKind.ACCOUNTS, {}, {"holder_id": "040150123457"}, {"bank_bin": "970436"})
    assert codes(checked.problems) == [(2, "bank_bin", "E505"), (3, "bank_bin", "E505")]
    assert checked.lines == [4]


def test_very_many_repetitions_are_named_in_part() -> None:
    checked = check(ImportKind.POPULATION, *({} for _ in range(30)))
    assert checked.problems[0].message.endswith("rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more.")


# ---------------------------------------------------------------- single readers


@pytest.mark.parametrize(
    ("text", "birth"),
    [
        ("1950", "1950"),
        (" 01/02/1950 ", "1950-02-01"),
        ("1.2.1950", "1950-02-01"),
        ("1950-02-01", "1950-02-01"),
        ("1950-02-01 00:00:00", "1950-02-01"),
        ("00/00/1950", "1950"),
        ("29/02/1952", "1952-02-29"),
    ],
)
def test_a_birth_is_a_day_or_only_a_year(text: str, birth: str) -> None:
    assert birth_reader(TODAY)(text) == birth


@pytest.mark.parametrize("text", ["2026-01", "2026-1", "01/2026", "1/2026", "01/01/2026", "2026-01-01"])
def test_a_month_may_be_written_in_several_ways(text: str) -> None:
    assert read_period(text) == "2026-01"


@given(st.sets(st.integers(0, 299), max_size=8), st.sets(st.integers(0, 299), max_size=8))
def test_bad_cells_among_many_are_found_where_they_stand(unreadable: set[int], disagreeing: set[int]) -> None:
    people = [PERSON | {"citizen_id": f"040150{number:06d}"} for number in range(300)]
    for row in disagreeing:
        people[row]["citizen_id"] = f"040050{row:06d}"
    for row in unreadable:
        people[row]["citizen_id"] = "04015012345x"
    found = check(ImportKind.BENEFICIARIES, *people).problems
    lines = {code: {one.line for one in found if one.code == code} for code in ("E211", "W203")}
    assert lines == {"E211": {row + 2 for row in unreadable}, "W203": {row + 2 for row in disagreeing - unreadable}}


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.sampled_from(sorted(WHOLE_COLUMNS)))
def test_a_whole_column_is_read_as_its_cells_are(cells: list[str], name: str) -> None:
    readers = {
        "citizen_id": read_citizen_id,
        "holder_id": read_holder_id,
        "account_number": read_account_number,
        "full_name": name_reader(140),
        "holder_name": name_reader(140),
    }
    whole = WHOLE_COLUMNS[name](cells)
    if whole is None:
        return
    assert whole == ([""] * len(cells) if name in ("old_id", "previous_id") else list(map(readers[name], cells)))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("citizen_id", ["040150123456", "040150123457"]),
        ("holder_id", ["040150123456", "181234567"]),
        ("account_number", ["0011001932418", "123456"]),
        ("full_name", ["Nguyễn Thị Hoà", "K'Brể", "Y Êban (con)"]),
        ("old_id", ["", ""]),
    ],
)
def test_columns_of_real_lists_are_seen_at_once(name: str, cells: list[str]) -> None:
    assert WHOLE_COLUMNS[name](cells) == cells


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("citizen_id", ["040150123456\n040150123457"]),
        ("citizen_id", ["040150123456", ""]),
        ("account_number", [NumberCell("11001932418")]),
        ("full_name", ["Hoa", "Nguye\u0302n"]),
        ("full_name", ["Hoa", " Bé"]),
        ("full_name", ["Hoa ", "Bé"]),
        ("full_name", ["Hoa", "Bé "]),
        ("full_name", ["Hoa", "B  é"]),
        ("full_name", ["Hoa", ""]),
        ("full_name", ["Hoa", "=Bé"]),
        ("full_name", ["Hoa", "B\u202eé"]),
        ("full_name", ["Hoa", "B" * 141]),
        ("old_id", ["", "181234567"]),
    ],
)
def test_a_column_with_one_doubtful_cell_is_looked_at_closely(name: str, cells: list[str]) -> None:
    assert WHOLE_COLUMNS[name](cells) is None


# ---------------------------------------------------------------- headers


def test_headers_are_found_by_their_letters_alone() -> None:
    header = ["STT", "MA_XA", "Họ Tên (*)", "  số   định danh", "NGÀY SINH", "giới tính", "Tình trạng", "x"]
    assert fold("Đến tháng *") == "denthang"
    assert map_columns(ImportKind.POPULATION, header) == {
        "citizen_id": 3,
        "full_name": 2,
        "birth": 4,
        "sex": 5,
        "status": 6,
    }
    assert is_header(ImportKind.POPULATION, header)
    assert not is_header(ImportKind.POPULATION, ["DANH SÁCH", "", "Họ tên"])


@pytest.mark.parametrize("kind", list(ImportKind))
def test_vietnamese_and_english_headers_both_work(kind: ImportKind) -> None:
    names = {one.name: position for position, one in enumerate(FIELDS[kind])}
    assert map_columns(kind, [one.title.upper() for one in FIELDS[kind]]) == names
    assert map_columns(kind, [one.name for one in FIELDS[kind]]) == names


def test_a_missing_column_is_named_with_what_is_there() -> None:
    with pytest.raises(FileRefused) as caught:
        map_columns(ImportKind.POPULATION, ["Số định danh", "Họ tên", "Năm sinh", "Giới tính", "Quê quán"])
    assert caught.value.code == "column_missing"
    assert "'tình trạng'" in caught.value.message
    assert "'Quê quán'" in caught.value.message


def test_a_list_without_a_header_does_not_show_the_person_in_its_first_row() -> None:
    with pytest.raises(FileRefused) as caught:
        map_columns(ImportKind.POPULATION, ["040150123456", "Nguyễn Thị Hoà", "1950", "Nữ", "sống"])
    assert "Hoà" not in caught.value.message
    assert "0401" not in caught.value.message


def test_two_columns_for_one_thing_are_refused() -> None:
    with pytest.raises(FileRefused) as caught:
        map_columns(ImportKind.POPULATION, ["Số định danh", "CCCD", "Họ tên", "Ngày sinh", "Giới tính", "Tình trạng"])
    assert caught.value.code == "column_twice"


# ---------------------------------------------------------------- units


def test_a_code_means_what_it_means_on_the_day() -> None:
    assert UNITS.resolver(date(2025, 6, 30)).resolve("16001") == "16001"
    assert UNITS.resolver(date(2025, 7, 1)).resolve("16001") == "40002"
    assert UNITS.resolver(date(2026, 7, 1)).resolve("16001") == "40001"
    assert UNITS.resolver(TODAY).resolve("40001") == "40001"
    assert UNITS.resolver(TODAY).resolve("40") is None
    assert UNITS.resolver(date(1990, 1, 1)).resolve("40001") is None


def test_a_successor_counts_from_its_day() -> None:
    soon = Units(UNITS.units, (UnitSuccessor("15000", "40001", date(2026, 12, 1), "x"),))
    assert soon.resolver(TODAY).resolve("15000") is None
    assert soon.resolver(date(2026, 12, 1)).resolve("15000") == "40001"


def test_successors_in_a_circle_lead_nowhere() -> None:
    circle = Units((), (UnitSuccessor("1", "2", TODAY, "x"), UnitSuccessor("2", "1", TODAY, "x")))
    assert circle.resolver(TODAY).resolve("1") is None


RULE = {"code": "40001", "name": "Xã", "level": "commune", "parent": "40", "valid_from": TODAY, "source": "x"}


def test_units_are_read_from_rules() -> None:
    rules = {
        "units": [RULE, {**RULE, "valid_from": "2020-01-01", "valid_to": date(2020, 12, 31)}],
        "unit_successors": [{"old": "16001", "new": "40001", "since": "2025-07-01", "source": "x"}],
        "rates": [],
    }
    units = units_of_rules(rules)
    assert units.units[1].valid_to == date(2020, 12, 31)
    assert units.successors == (UnitSuccessor("16001", "40001", date(2025, 7, 1), "x"),)
    assert units_of_rules({}) == Units((), ())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"level": "district"}, "units[1].level"),
        ({"code": "4001"}, "units[1].code"),
        ({"code": 40001}, "units[1].code"),
        ({"name": ""}, "units[1].name"),
        ({"valid_from": "01/07/2025"}, "units[1].valid_from"),
        ({"valid_to": "2020-01-01"}, "units[1].valid_to"),
    ],
)
def test_rules_that_make_no_unit_are_refused_with_their_place(change: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        units_of_rules({"units": [{**RULE, **change}]})
    assert caught.value.place == place


def test_a_unit_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        units_of_rules({"units": [RULE, RULE]})
    with pytest.raises(InvalidInput, match="list of tables"):
        units_of_rules({"units": RULE})


def test_there_are_63_birth_places() -> None:
    assert len(BIRTH_PLACES) == 63
    assert (BIRTH_PLACES["040"], BIRTH_PLACES["044"], BIRTH_PLACES["068"]) == ("Nghệ An", "Quảng Bình", "Lâm Đồng")


def test_unreadable_carries_a_public_code() -> None:
    with pytest.raises(Unreadable) as caught:
        read_citizen_id("x")
    assert caught.value.code in MESSAGES


def test_the_page_about_lists_names_every_column_and_code() -> None:
    page = (Path(__file__).parents[1] / "docs" / "registry-files.md").read_text(encoding="utf-8")
    for code, message in MESSAGES.items():
        assert f"| {code} | {message} |" in page
    for kind in ImportKind:
        for field in FIELDS[kind]:
            assert f"| {field.title}{' *' if field.is_required else ''} |" in page
