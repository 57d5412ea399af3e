"""An office's lists come in: kept, refused, repeated, changed; on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from paysvc.clock import FixedClock
from paysvc.domain.errors import FileRefused, NotAllowed, Waiting
from paysvc.domain.officers import Officer
from paysvc.domain.registry import FIELDS, ImportKind
from paysvc.domain.registry_units import Unit, UnitLevel, UnitSuccessor
from paysvc.sealing import Sealer
from paysvc.services.import_registry import ERROR_COLUMNS, ImportResult, import_registry
from paysvc.spreadsheets.reading import open_sheet
from paysvc.spreadsheets.writing import write_csv, write_xlsx
from paysvc.store import audit_trail
from paysvc.store.engine import Database
from paysvc.store.tables import (
    audit_event,
    bank_account,
    beneficiary,
    beneficiary_version,
    enrolment,
    import_file,
    import_problem,
    population_record,
    superseded_identifier,
)
from paysvc.store.units import load_units, upsert_units
from paysvc.store.vault import Vault

HEADER = [one.title for one in FIELDS[ImportKind.BENEFICIARIES]]
HOA = (
    "BTXH",
    "KT-NANG",
    "040150123456",
    "Nguyễn Thị Hoà",
    "01/02/1950",
    "Nữ",
    "40001",
    "Tài khoản",
    "12/QĐ",
    "2026-12",
    "",
    "181234567",
    "",
)
BE = (
    "HTXH",
    "HTXH-75",
    "040045000111",
    "Lô Văn Bé",
    "1945",
    "Nam",
    "16001",
    "Tiền mặt",
    "13/QĐ",
    "2026-12",
    "",
    "",
    "",
)
ACCOUNT_HEADER = [one.title for one in FIELDS[ImportKind.ACCOUNTS]]
ACCOUNT = ("040150123456", "NGUYEN THI HOA", "970405", "0011001932418", "hoạt động", "VND", "")
OLD_ACCOUNT = ("181234567", "LO VAN BE", "970436", "99MM24011M", "ngủ", "VND", "01/09/2026")
POPULATION_HEADER = [one.title for one in FIELDS[ImportKind.POPULATION]]
CITIZEN = ("040150123456", "Nguyễn Thị Hoà", "01/02/1950", "Nữ", "Còn sống", "")
DEAD = ("040045000111", "Lô Văn Bé", "1945", "Nam", "Đã chết", "20/10/2026")

Import = Callable[..., ImportResult]


def changed(row: tuple[str, ...], header: list[str], **cells: str) -> tuple[str, ...]:
    """The row with cells changed by field name."""
    names = {one.name: one.title for kind in ImportKind for one in FIELDS[kind] if one.title in header}
    values = dict(zip(header, row, strict=True)) | {names[name]: cell for name, cell in cells.items()}
    return tuple(values[title] for title in header)


@pytest.fixture
def communes(database: Database) -> None:
    with database.write() as connection:
        upsert_units(
            connection,
            [
                Unit("40", "Nghệ An", UnitLevel.PROVINCE, None, date(1991, 1, 1), None, "test"),
                Unit("40001", "Xã Một", UnitLevel.COMMUNE, "40", date(2025, 7, 1), None, "test"),
                Unit("16001", "Xã Cũ", UnitLevel.COMMUNE, "40", date(1991, 1, 1), date(2025, 6, 30), "test"),
            ],
            [UnitSuccessor("16001", "40001", date(2025, 7, 1), "test")],
        )


@pytest.fixture
def take(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, maker: Officer, communes: None) -> Import:
    """Import rows (or bytes) of a kind; each import happens a minute after the one before."""

    def do(kind: ImportKind, rows: Any, name: str = "danh-sach.csv", **options: Any) -> ImportResult:
        clock.advance(timedelta(minutes=1))
        header = {
            ImportKind.BENEFICIARIES: HEADER,
            ImportKind.ACCOUNTS: ACCOUNT_HEADER,
            ImportKind.POPULATION: POPULATION_HEADER,
        }[kind]
        content = rows if isinstance(rows, bytes) else write_csv(header, rows)
        return import_registry(database, sealer, vault, clock, maker, kind, name, content, **options)

    return do


def figures(result: ImportResult) -> tuple[int, int, int, int, int]:
    assert result.rows == result.added + result.changed + result.unchanged + result.refused
    return result.rows, result.added, result.changed, result.unchanged, result.refused


def all_rows(database: Database, table: Any, *order: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        statement = select(table).order_by(*(table.c[name] for name in order or ("id",)))
        return [dict(row) for row in connection.execute(statement).mappings()]


def in_file_order(database: Database, sealer: Sealer, table: Any, kind: str, *values: str) -> list[dict[str, Any]]:
    """The rows of these numbers; they are stored in the order of their keys, not of a file."""
    key = {"citizen_id": "citizen_key", "account": "account_key"}[kind]
    rows = {row[key]: row for row in all_rows(database, table)}
    return [rows[one] for one in sealer.blind_index(kind, list(values))]


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    tables = (beneficiary, beneficiary_version, enrolment, bank_account, population_record)
    return {table.name: all_rows(database, table) for table in tables} | {
        "old": all_rows(database, superseded_identifier, "beneficiary_id", "identifier_key")
    }


# ---------------------------------------------------------------- what is kept


def test_people_come_in_sealed_and_with_their_facts(database: Database, sealer: Sealer, take: Import) -> None:
    result = take(ImportKind.BENEFICIARIES, [HOA, BE])
    assert figures(result) == (2, 2, 0, 0, 0)
    assert [one.code for one in result.problems] == ["W208"]
    numbers = ["040150123456", "040045000111"]
    people = in_file_order(database, sealer, beneficiary, "citizen_id", *numbers)
    ids = [row["id"] for row in people]
    sealed = [row["citizen_id_sealed"] for row in people]
    assert sealer.open_column("beneficiary", "citizen_id_sealed", ids, sealed) == numbers
    versions = sorted(all_rows(database, beneficiary_version), key=lambda row: ids.index(row["beneficiary_id"]))
    assert [(row["full_name"], row["birth"], row["sex"], row["unit_code"]) for row in versions] == [
        ("Nguyễn Thị Hoà", "1950-02-01", "female", "40001"),
        ("Lô Văn Bé", "1945", "male", "40001"),
    ]
    first, second = sorted(all_rows(database, enrolment), key=lambda row: ids.index(row["beneficiary_id"]))
    assert (first["beneficiary_id"], first["programme_code"], first["channel"]) == (ids[0], "BTXH", "account")
    assert (second["from_period"], second["to_period"], second["decision_number"]) == ("2026-12", None, "13/QĐ")
    [old] = all_rows(database, superseded_identifier, "beneficiary_id")
    assert old["identifier_key"] == sealer.blind_index("old_id", ["181234567"])[0]
    assert sealer.open_column("superseded_identifier", "identifier_sealed", [ids[0]], [old["identifier_sealed"]]) == [
        "181234567"
    ]


def test_accounts_come_in_with_the_holder_as_the_bank_knows_him(
    database: Database, sealer: Sealer, take: Import
) -> None:
    result = take(ImportKind.ACCOUNTS, [ACCOUNT, OLD_ACCOUNT], bank_code="AGRI")
    assert figures(result) == (2, 2, 0, 0, 0)
    names = ["970405:0011001932418", "970436:99MM24011M"]
    first, second = in_file_order(database, sealer, bank_account, "account", *names)
    assert first["holder_key"] == sealer.blind_index("citizen_id", ["040150123456"])[0]
    assert (second["holder_key"], second["holder_id_kind"]) == (
        sealer.blind_index("old_id", ["181234567"])[0],
        "old_id",
    )
    sealed = [first["account_sealed"], second["account_sealed"]]
    assert sealer.open_column("bank_account", "account_sealed", [first["id"], second["id"]], sealed) == [
        "0011001932418",
        "99MM24011M",
    ]
    assert (second["status"], second["registered_on"], second["valid_to"]) == ("dormant", "2026-09-01", None)
    [file] = all_rows(database, import_file)
    assert (file["bank_code"], file["name"], file["added"]) == ("AGRI", "danh-sach.csv", 2)


def test_the_population_comes_in_with_the_dead(database: Database, sealer: Sealer, take: Import) -> None:
    assert figures(take(ImportKind.POPULATION, [CITIZEN, DEAD])) == (2, 2, 0, 0, 0)
    numbers = ["040150123456", "040045000111"]
    alive, dead = in_file_order(database, sealer, population_record, "citizen_id", *numbers)
    assert (alive["status"], alive["deceased_on"]) == ("alive", "")
    assert (dead["status"], dead["deceased_on"], dead["birth"]) == ("deceased", "2026-10-20", "1945")


def test_no_number_lies_in_the_database_in_clear(database: Database, take: Import) -> None:
    take(ImportKind.BENEFICIARIES, [HOA, BE, changed(HOA, HEADER, citizen_id="40150123457")])
    take(ImportKind.ACCOUNTS, [ACCOUNT, OLD_ACCOUNT, changed(ACCOUNT, ACCOUNT_HEADER, account_number="1.1E+10")])
    take(ImportKind.POPULATION, [CITIZEN, DEAD])
    stored = repr(everything(database)) + repr(all_rows(database, audit_event))
    stored += repr(all_rows(database, import_problem, "import_file_id", "ordinal"))
    for number in ("040150123456", "40150123457", "181234567", "0011001932418", "99MM24011M", "040045000111"):
        assert number not in stored


def test_the_bytes_are_kept_before_anything_is_believed(vault: Vault, take: Import) -> None:
    result = take(ImportKind.POPULATION, [CITIZEN])
    assert vault.get(result.sha256) == result.content
    assert "040150123456" not in repr(result)


def test_a_list_may_be_a_workbook(database: Database, take: Import) -> None:
    result = take(ImportKind.BENEFICIARIES, write_xlsx(HEADER, [HOA, BE]), name="C:\\ds\\danh sách.xlsx")
    assert figures(result) == (2, 2, 0, 0, 0)
    assert all_rows(database, import_file)[0]["name"] == "danh sách.xlsx"


# ---------------------------------------------------------------- the same again


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (ImportKind.BENEFICIARIES, [HOA, BE, changed(HOA, HEADER, programme_code="HTXH", channel="tiền mặt")]),
        (ImportKind.ACCOUNTS, [ACCOUNT, OLD_ACCOUNT]),
        (ImportKind.POPULATION, [CITIZEN, DEAD]),
    ],
)
def test_importing_twice_changes_nothing_and_says_so(
    database: Database, take: Import, kind: ImportKind, rows: list[tuple[str, ...]]
) -> None:
    first = take(kind, rows)
    assert not first.repeated
    before = everything(database)

    again = take(kind, rows)
    assert again.repeated
    assert figures(again) == (len(rows), 0, 0, len(rows), 0)
    assert (again.file_id, again.warned, again.problems) == (first.file_id, first.warned, first.problems)

    other_file = take(kind, rows[::-1])
    assert not other_file.repeated
    assert figures(other_file) == (len(rows), 0, 0, len(rows), 0)
    assert everything(database) == before
    assert count(database, import_file) == 2


def test_the_same_list_of_two_banks_is_two_lists(database: Database, take: Import) -> None:
    take(ImportKind.ACCOUNTS, [ACCOUNT], bank_code="AGRI")
    assert not take(ImportKind.ACCOUNTS, [ACCOUNT], bank_code="VCB").repeated


def test_a_file_with_bad_rows_reports_them_again(database: Database, take: Import) -> None:
    rows = [HOA, changed(BE, HEADER, birth="31/02/1945"), changed(BE, HEADER, citizen_id="45000111")]
    first = take(ImportKind.BENEFICIARIES, rows)
    before = everything(database)
    again = take(ImportKind.BENEFICIARIES, rows)
    assert figures(again) == (3, 0, 0, 1, 2)
    assert again.repeated
    assert again.problems == first.problems
    assert again.error_file() == first.error_file()
    assert everything(database) == before
    assert count(database, import_problem) == len(first.problems)


# ---------------------------------------------------------------- what changed


def test_a_changed_fact_opens_a_new_version_and_keeps_the_old_one(database: Database, take: Import) -> None:
    take(ImportKind.BENEFICIARIES, [HOA, BE])
    result = take(ImportKind.BENEFICIARIES, [changed(HOA, HEADER, full_name="Nguyễn Thị Hoa"), BE])
    assert figures(result) == (2, 0, 1, 1, 0)
    *first, new = all_rows(database, beneficiary_version)
    old, other = sorted(first, key=lambda row: row["full_name"], reverse=True)
    assert (old["full_name"], new["full_name"]) == ("Nguyễn Thị Hoà", "Nguyễn Thị Hoa")
    assert old["valid_to"] == new["valid_from"]
    assert (other["valid_to"], new["valid_to"], new["import_file_id"]) == (None, None, result.file_id)
    assert count(database, enrolment) == 2
    assert count(database, beneficiary) == 2


def test_a_changed_enrolment_leaves_the_person_alone(database: Database, take: Import) -> None:
    take(ImportKind.BENEFICIARIES, [HOA])
    result = take(ImportKind.BENEFICIARIES, [changed(HOA, HEADER, to_period="2027-03", old_id="")])
    assert figures(result) == (1, 0, 1, 0, 0)
    assert [row["to_period"] for row in all_rows(database, enrolment)] == [None, "2027-03"]
    assert count(database, beneficiary_version) == 1
    assert count(database, superseded_identifier) == 1


def test_a_second_programme_is_added_to_the_person(database: Database, take: Import) -> None:
    take(ImportKind.BENEFICIARIES, [HOA])
    row = changed(HOA, HEADER, programme_code="HTXH", unit_code="16001", old_id="182345678")
    assert figures(take(ImportKind.BENEFICIARIES, [row])) == (1, 1, 0, 0, 0)
    assert count(database, beneficiary) == 1
    assert count(database, beneficiary_version) == 1
    assert count(database, superseded_identifier) == 2


def test_a_changed_account_is_never_overwritten(database: Database, take: Import) -> None:
    take(ImportKind.ACCOUNTS, [ACCOUNT, OLD_ACCOUNT])
    rows = [changed(ACCOUNT, ACCOUNT_HEADER, status="đã đóng"), changed(OLD_ACCOUNT, ACCOUNT_HEADER, holder_id="0" * 9)]
    assert figures(take(ImportKind.ACCOUNTS, rows)) == (2, 0, 2, 0, 0)
    accounts = all_rows(database, bank_account)
    assert [sorted(row["status"] for row in half) for half in (accounts[:2], accounts[2:])] == [
        ["active", "dormant"],
        ["closed", "dormant"],
    ]
    assert [row["valid_to"] is None for row in accounts] == [False, False, True, True]


def test_a_death_closes_the_record_of_the_living(database: Database, take: Import) -> None:
    take(ImportKind.POPULATION, [CITIZEN])
    row = changed(CITIZEN, POPULATION_HEADER, status="đã chết", deceased_on="01/11/2026")
    assert figures(take(ImportKind.POPULATION, [row, DEAD])) == (2, 1, 1, 0, 0)
    records = all_rows(database, population_record)
    assert [row["status"] for row in records] == ["alive", "deceased", "deceased"]
    assert [row["valid_to"] is None for row in records] == [False, True, True]


# ---------------------------------------------------------------- bad rows and repairs


def test_good_rows_are_kept_and_bad_ones_come_back_in_their_columns(database: Database, take: Import) -> None:
    header = ["Ghi chú", *reversed(HEADER), "STT"]
    lost = changed(HOA, HEADER, citizen_id="40151222333", birth="1951")
    broken = changed(BE, HEADER, citizen_id="4,01E+10", unit_code="99999")
    rows = [["=1+1", *reversed(row), str(number)] for number, row in enumerate((HOA, lost, BE, broken), 1)]
    content = write_csv(header, rows, separator=";", encoding="utf-16")
    result = take(ImportKind.BENEFICIARIES, content)
    assert figures(result) == (4, 2, 0, 0, 2)
    assert result.warned == 1
    assert [(one.line, one.field, one.code) for one in result.problems] == [
        (3, "citizen_id", "E201"),
        (4, "unit_code", "W208"),
        (5, "unit_code", "E132"),
        (5, "citizen_id", "E202"),
    ]
    sheet = open_sheet(result.error_file())
    assert (sheet.dialect.separator, sheet.dialect.encoding) == (";", "utf-16")
    assert list(sheet.header) == [*header, *ERROR_COLUMNS]
    [block] = sheet.blocks()
    assert [row[: len(header)] for row in block.rows] == [rows[1], rows[2], rows[3]]
    explained = [row[len(header) :] for row in block.rows]
    assert [row[0] for row in explained] == ["E201", "W208", "E132; E202"]
    assert [row[2] for row in explained] == ["040151222333", "", ""]
    assert all(row[1].startswith("[") for row in explained)


def test_a_corrected_error_file_can_be_imported(database: Database, take: Import) -> None:
    first = take(ImportKind.BENEFICIARIES, write_xlsx(HEADER, [HOA, changed(BE, HEADER, birth="31/02/1945")]))
    sheet = open_sheet(first.error_file())
    assert sheet.dialect.format == "xlsx"
    [block] = sheet.blocks()
    corrected = [[cell.replace("31/02/1945", "1945") for cell in row] for row in block.rows]
    content = write_csv(list(sheet.header), corrected)
    assert figures(take(ImportKind.BENEFICIARIES, content)) == (1, 1, 0, 0, 0)
    broken = take(ImportKind.BENEFICIARIES, write_csv(list(sheet.header), [["x", *row[1:]] for row in block.rows]))
    again = open_sheet(broken.error_file())
    assert again.header == sheet.header


def test_a_repair_is_made_only_when_accepted_and_is_noted(database: Database, take: Import) -> None:
    rows = [changed(HOA, HEADER, citizen_id="40150123456"), BE]
    assert figures(take(ImportKind.BENEFICIARIES, rows)) == (2, 1, 0, 0, 1)

    accepted = take(ImportKind.BENEFICIARIES, rows, apply_safe_repairs=True)
    assert figures(accepted) == (2, 1, 0, 1, 0)
    assert (accepted.repaired, accepted.repeated) == (1, True)
    assert json.loads(all_rows(database, audit_event)[-1]["detail"])["repaired"] == 1
    assert json.loads(all_rows(database, audit_event)[-1]["detail"])["repairs_accepted"] is True

    before = everything(database)
    for accepts in (False, True):
        again = take(ImportKind.BENEFICIARIES, rows, apply_safe_repairs=accepts)
        assert figures(again) == (2, 0, 0, 2, 0)
        assert again.repaired == 0
    assert everything(database) == before
    assert figures(take(ImportKind.BENEFICIARIES, [HOA, BE])) == (2, 0, 0, 2, 0)


def test_a_row_that_was_refused_for_its_commune_comes_in_once_the_commune_is_known(
    database: Database, take: Import
) -> None:
    rows = [HOA, changed(BE, HEADER, unit_code="40777")]
    first = take(ImportKind.BENEFICIARIES, rows)
    assert figures(first) == (2, 1, 0, 0, 1)
    # Meanwhile somebody corrects a person whom that file had right.
    newer = take(ImportKind.BENEFICIARIES, [changed(HOA, HEADER, full_name="Nguyễn Thị Hoa")])
    with database.write() as connection:
        assert (
            upsert_units(connection, [Unit("40777", "X", UnitLevel.COMMUNE, "40", date(2025, 7, 1), None, "t")], [])
            == 1
        )
    again = take(ImportKind.BENEFICIARIES, rows)
    assert figures(again) == (2, 1, 0, 1, 0)
    assert again.file_id == first.file_id
    open_ones = [row for row in all_rows(database, beneficiary_version) if row["valid_to"] is None]
    assert {(row["full_name"], row["import_file_id"]) for row in open_ones} == {
        ("Nguyễn Thị Hoa", newer.file_id),
        ("Lô Văn Bé", first.file_id),
    }
    stored = next(row for row in all_rows(database, import_file) if row["id"] == first.file_id)
    assert (stored["added"], stored["refused"], stored["unchanged"]) == (2, 0, 0)


def test_a_row_refused_then_does_not_undo_what_a_later_file_said(database: Database, take: Import) -> None:
    rows = [HOA, changed(BE, HEADER, unit_code="40777", category="OLD")]
    take(ImportKind.BENEFICIARIES, rows)
    take(ImportKind.BENEFICIARIES, [BE])
    with database.write() as connection:
        upsert_units(connection, [Unit("40777", "X", UnitLevel.COMMUNE, "40", date(2025, 7, 1), None, "t")], [])
    before = everything(database)
    assert figures(take(ImportKind.BENEFICIARIES, rows)) == (2, 0, 0, 2, 0)
    assert everything(database) == before


# ---------------------------------------------------------------- what is refused whole


def test_a_refused_file_leaves_its_bytes_and_a_note_and_nothing_else(
    database: Database, vault: Vault, take: Import
) -> None:
    content = write_csv(HEADER[1:], [HOA[1:]])
    with pytest.raises(FileRefused) as caught:
        take(ImportKind.BENEFICIARIES, content)
    assert caught.value.code == "column_missing"
    [event] = all_rows(database, audit_event)
    detail = json.loads(event["detail"])
    assert detail["refused"] == "column_missing"
    assert vault.get(bytes.fromhex(detail["sha256"])) == content
    assert count(database, import_file) == 0
    assert figures(take(ImportKind.BENEFICIARIES, [HOA])) == (1, 1, 0, 0, 0)


def test_a_file_that_breaks_off_brings_nothing(database: Database, take: Import) -> None:
    content = write_csv(HEADER, [HOA] + [changed(BE, HEADER, citizen_id=f"0400450{n:05d}") for n in range(5_000)])
    with pytest.raises(FileRefused) as caught:
        take(ImportKind.BENEFICIARIES, content[:-30])
    assert caught.value.code == "truncated"
    assert count(database, beneficiary) == 0


def test_beneficiaries_wait_for_the_communes(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, maker: Officer
) -> None:
    with pytest.raises(Waiting, match="commune"):
        import_registry(database, sealer, vault, clock, maker, ImportKind.BENEFICIARIES, "x", write_csv(HEADER, [HOA]))


def test_only_a_maker_imports(
    database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, approver: Officer
) -> None:
    with pytest.raises(NotAllowed):
        import_registry(database, sealer, vault, clock, approver, ImportKind.POPULATION, "x", b"")


# ---------------------------------------------------------------- the rest


def test_every_import_is_an_event_without_personal_data(database: Database, take: Import) -> None:
    take(ImportKind.BENEFICIARIES, [HOA, BE], name="Nguyễn Thị Hoà.csv")
    take(ImportKind.BENEFICIARIES, [HOA, BE])
    first, second = all_rows(database, audit_event)
    assert (first["verb"], first["actor"]) == ("import-registry", "maker.lan")
    assert json.loads(first["detail"])["added"] == 2
    assert json.loads(second["detail"])["repeated"] is True
    assert "Nguyễn" not in first["detail"] + first["subject"]
    with database.read() as connection:
        assert audit_trail.first_broken_event(connection) is None


def test_progress_goes_forward_to_the_end(take: Import) -> None:
    heard: list[tuple[int, int | None]] = []
    rows = [changed(CITIZEN, POPULATION_HEADER, citizen_id=f"0401501{n:05d}") for n in range(9_000)]
    take(ImportKind.POPULATION, rows, progress=lambda done, total: heard.append((done, total)))
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[-1] == (9_000, 9_000)


def test_units_are_corrected_and_added(database: Database, communes: None) -> None:
    with database.write() as connection:
        before = load_units(connection)
        assert upsert_units(connection, before.units, before.successors) == 0
        renamed = Unit("40001", "Phường Một", UnitLevel.COMMUNE, "40", date(2025, 7, 1), date(2027, 6, 30), "law")
        later = Unit("40001", "Phường Một", UnitLevel.COMMUNE, "40", date(2027, 7, 1), None, "law")
        successor = UnitSuccessor("16001", "40001", date(2025, 7, 2), "law")
        assert upsert_units(connection, [renamed, later], [successor]) == 3
        after = load_units(connection)
    assert [unit for unit in after.units if unit.code == "40001"] == [renamed, later]
    assert after.successors == [successor]
