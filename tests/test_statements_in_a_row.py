"""The statements of an honest bank are all believed, once each, in whatever order they come."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from paysvc.bank_registry import BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import BankReturns
from paysvc.core.scan_mt940 import read_mt940
from paysvc.domain.statement_chain import Link
from paysvc.sealing import Sealer
from paysvc.store import statement_taking
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import bank_statement, inbound_file, statement_line
from paysvc.store.vault import Vault
from tests.honest_statements import Stated, arrivals, honest_years
from tests.paying_office import PayingOffice, practising
from tests.payment_world import ACCOUNT, PractisingBank, statement_file, statement_of
from tests.planned_province import AGRIBANK

FUNDED, PAID = ("FUNDING", 500, False, ""), ("PAYOUT", 500, True, "")


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    return PayingOffice(database, sealer, vault, clock)


def file_of(name: str, number: int | None, day: str, opening: int, *lines: Sequence[Any]) -> bytes:
    return statement_file(f"M-{name}", statement_of(name, number, opening, lines, **{"from": day, "to": day}))


def received(office: PayingOffice, *files: bytes) -> list[list[str]]:
    """What became of each, one delivery each."""
    return [[one.state.value for one in office.receive(file).files] for file in files]


def reasons(office: PayingOffice) -> list[tuple[str, str]]:
    """State and reason of the files that are not believed."""
    column = inbound_file.c
    with office.database.read() as connection:
        rows = connection.execute(
            select(column.state, column.reason).where(column.state.not_in(["ACCEPTED", "REPEATED"])).order_by(column.id)
        )
        return [(row.state, row.reason) for row in rows]


def believed(office: PayingOffice) -> list[str]:
    with office.database.read() as connection:
        return list(connection.execute(select(bank_statement.c.statement_id).order_by(bank_statement.c.id)).scalars())


def test_numbers_from_one_each_year_after_a_first_statement_that_was_number_two(office: PayingOffice) -> None:
    files = [
        file_of("S2", 2, "2026-12-30", 10, ("A", 1, True, "")),
        file_of("S3", 3, "2026-12-31", 9, ("B", 1, True, "")),
        file_of("T1", 1, "2027-01-04", 8, ("C", 1, True, "")),
        file_of("T2", 2, "2027-01-05", 7, ("D", 1, True, "")),
        file_of("T3", 3, "2027-01-06", 6, ("E", 1, True, "")),
    ]
    assert received(office, *files) == [["ACCEPTED"]] * 5
    assert office.differences() == []


def test_a_number_and_an_empty_day_of_another_year_repeat_nothing(office: PayingOffice) -> None:
    """No. 1 of both years is empty and begins with nothing: it says another thing all the same."""
    files = [
        file_of("S1", 1, "2026-12-31", 0),
        file_of("T1", 1, "2027-01-04", 0),
        file_of("T2", 2, "2027-01-05", 0, FUNDED),
    ]
    assert received(office, *files) == [["ACCEPTED"]] * 3


def test_three_in_one_day_without_numbers(office: PayingOffice) -> None:
    day = "2026-12-07"
    files = [file_of(f"S{row}", None, day, 10 - row, (f"E{row}", 1, True, "")) for row in range(3)]
    later = [
        file_of("S4", None, "2026-12-08", 7, ("E4", 1, True, "")),
        file_of("S5", None, "2026-12-09", 6, ("E5", 1, True, "")),
    ]
    assert received(office, *files, *later) == [["ACCEPTED"]] * 5
    assert office.differences() == []


def test_days_of_an_account_that_is_empty_between_payouts_come_in_any_order(office: PayingOffice) -> None:
    first = file_of("S1", None, "2026-12-01", 0, FUNDED)
    second = file_of("S2", None, "2026-12-02", 500, ("ONE", 300, True, ""))
    third = file_of("S3", None, "2026-12-03", 200, ("TWO", 200, True, ""))
    assert received(office, first, third) == [["ACCEPTED"], ["PARKED"]]
    between = "Between the statement of 2026-12-01 (S1) and the statement of 2026-12-03 (S3)"
    assert reasons(office) == [("PARKED", f"{between} is missing what leads from 500\u00a0₫ to 200\u00a0₫.")]
    assert received(office, second) == [["ACCEPTED", "ACCEPTED"]]
    assert office.differences() == []


def test_days_that_lead_from_zero_to_zero_are_believed_together_and_nothing_else_with_them(
    office: PayingOffice,
) -> None:
    first, last = file_of("S1", None, "2026-12-01", 0), file_of("S9", None, "2026-12-09", 0, FUNDED)
    funded, paid = file_of("S2", None, "2026-12-02", 0, FUNDED), file_of("S3", None, "2026-12-03", 500, PAID)
    forged = file_of("X3", None, "2026-12-03", 500, ("FORGED", 499, True, ""))
    assert received(office, first, last, forged, funded) == [
        ["ACCEPTED"],
        ["ACCEPTED"],
        ["PARKED"],
        ["PARKED", "PARKED"],
    ]
    found = {one.name: one.state.value for one in office.receive(paid).files}
    assert sorted(found.values()) == ["ACCEPTED", "ACCEPTED", "PARKED"]
    assert believed(office) == ["S1", "S9", "S2", "S3"]
    assert office.differences() == []
    # A copy under another name is none of a second day.
    assert received(office, file_of("S2-AGAIN", None, "2026-12-02", 0, FUNDED)) == [["PARKED", "REPEATED"]]


def test_a_run_that_fails_over_one_of_them_believes_none(office: PayingOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = file_of("S1", None, "2026-12-01", 0), file_of("S9", None, "2026-12-09", 0, FUNDED)
    funded, paid = file_of("S2", None, "2026-12-02", 0, FUNDED), file_of("S3", None, "2026-12-03", 500, PAID)
    received(office, first, last, funded)
    take = statement_taking._take
    seen: list[Any] = []

    def fail_at_the_second(*given: Any) -> Any:
        seen.append(given)
        if len(seen) == 2:
            raise RuntimeError("the power goes")
        return take(*given)

    with monkeypatch.context() as patch:
        patch.setattr(statement_taking, "_take", fail_at_the_second)
        with pytest.raises(RuntimeError):
            office.receive(paid)
    assert believed(office) == ["S1", "S9"]
    assert office.differences() == []
    assert received(office, first + b" ")[0].count("ACCEPTED") == 2


@pytest.mark.parametrize(("number", "missing"), [(4, "No. 3"), (7, "No. 3 to No. 6")])
def test_a_parked_statement_names_the_number_that_is_missing(office: PayingOffice, number: int, missing: str) -> None:
    received(office, file_of("S2", 2, "2026-12-02", 9), file_of("SX", number, "2026-12-08", 5))
    ((state, reason),) = reasons(office)
    assert state == "PARKED"
    assert reason == (f"Between No. 2 of 2026-12-02 (S2) and No. {number} of 2026-12-08 (SX) is missing {missing}.")


def test_two_files_with_days_of_each_other_between_are_believed_together(office: PayingOffice) -> None:
    one, two, three, four = (
        statement_of(f"S{number}", number, 10 - number, [(f"E{number}", 1, True, "")]) for number in range(1, 5)
    )
    assert received(office, statement_file("M1", one), statement_file("M2", two, four)) == [["ACCEPTED"], ["PARKED"]]
    five = statement_of("S5", 5, four["closing"], [])
    assert received(office, statement_file("M3", three, five)) == [["ACCEPTED", "ACCEPTED"]]
    assert office.differences() == []


# ----------------------------------------------------------------------- one text in every :20:


class StatesInMt940(PractisingBank):
    """A bank of this process that states its account in MT940."""

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        statements = read_mt940(content)
        return BankReturns("statement", statements[0].statement_id, statements=statements)


@pytest.fixture
def in_mt940(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    return PayingOffice(
        database, sealer, vault, clock, BankRegistry([practising("AGRI", AGRIBANK, make=StatesInMt940)])
    )


def mt940_file(number: str, day: str, opening: int, *lines: str) -> bytes:
    """One statement under the text that this bank puts into each; a line is `D5,NTRFE1//NONREF`."""
    signed = {"C": 1, "D": -1}
    closing = opening + sum(signed[line[0]] * int(line[1 : line.index(",")]) for line in lines)
    entries = "".join(f":61:{day}{line}\n" for line in lines)
    head = f":20:STARTUMS\n:25:{ACCOUNT}\n:28C:{number}\n"
    return f"{head}:60F:C{day}VND{opening},\n{entries}:62F:C{day}VND{closing},\n".encode()


@pytest.mark.parametrize("numbers", [("00364", "00365", "00001", "00002"), ("00000",) * 4])
def test_a_bank_with_one_text_in_every_statement_is_believed(in_mt940: PayingOffice, numbers: tuple[str, ...]) -> None:
    """Also where days look alike: an account at zero, and fees without a reference of anybody."""
    fee, deposit = "D5,NCHGNONREF//NONREF", "C5,NMSCNONREF//NONREF"
    lines = [(), (fee, deposit), (fee, deposit), ("D5,NCHGNONREF",)]
    days = ("261230", "261231", "270101", "270104")
    files = [mt940_file(number, day, 100, *said) for number, day, said in zip(numbers, days, lines, strict=True)]
    assert received(in_mt940, *files) == [["ACCEPTED"]] * 4
    assert received(in_mt940, *(file + b"-\n" for file in files)) == [["REPEATED"]] * 4
    assert believed(in_mt940) == [f"STARTUMS/{int(number)}/{day}" for number, day in zip(numbers, days, strict=True)]
    changed = mt940_file(numbers[1], days[1], 100, deposit, fee, fee, deposit)
    assert received(in_mt940, changed) == [["QUARANTINED"]]
    assert [reason for _, reason in reasons(in_mt940)] == ["The bank gave another statement under this id before."]
    assert in_mt940.differences() == []


# ----------------------------------------------------------------------- any honest bank


@pytest.fixture
def offices(
    tmp_path: Path, sqlite_template: Path, sealer: Sealer, vault: Vault, clock: FixedClock
) -> Iterator[Iterator[PayingOffice]]:
    """As many offices as are asked for."""
    opened: list[Database] = []

    def make() -> Iterator[PayingOffice]:
        while True:
            path = tmp_path / f"office-{len(opened)}.db"
            shutil.copyfile(sqlite_template, path)
            opened.append(open_database(f"sqlite:///{path}"))
            yield PayingOffice(opened[-1], sealer, vault, clock)
            opened[-1].close()
            path.unlink()

    made = make()
    yield made
    for one in opened:
        one.close()


def bytes_of(place: int, file: Sequence[Stated]) -> bytes:
    said = []
    for one in file:
        link = one.link
        where = {"sequence": link.sequence, "from": str(link.from_date), "to": str(link.to_date)}
        said.append(statement_of(link.name, 1, link.opening_vnd, one.lines, **where, closing=link.closing_vnd))
    return statement_file(f"M{place}", *said)


@settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(data=st.data())
def test_an_honest_year_is_believed_line_by_line_and_a_false_day_is_not(
    offices: Iterator[PayingOffice], data: st.DataObject
) -> None:
    office, year = next(offices), data.draw(honest_years(most=7))
    files = [bytes_of(place, file) for place, file in enumerate(data.draw(arrivals(year)))]
    office.receive(*files[:2])
    if believed(office):
        true = data.draw(st.sampled_from(year)).link
        total = data.draw(st.sampled_from((3, 4)))
        false = Link(
            true.sequence, true.to_date, true.opening_vnd + 3, true.closing_vnd + total, true.from_date, "FALSE"
        )
        line = ("FALSE", abs(false.closing_vnd - false.opening_vnd), false.closing_vnd < false.opening_vnd, "")
        lines = data.draw(st.sampled_from(((), (line,))))
        files.append(bytes_of(len(files), [Stated(false, lines)]))
    middle = data.draw(st.integers(2, len(files)))
    office.receive(*files[-1:], *files[2:middle])
    office.receive(*files[middle:])
    assert office.differences() == []
    names = [name.removesuffix("-AGAIN") for name in believed(office)]
    with office.database.read() as connection:
        lines_believed = Counter(connection.execute(select(statement_line.c.reference)).scalars())
    assert lines_believed == Counter(line[0] for one in year for line in one.lines)
    # Of several empty statements of one day without numbers nobody can tell whether they are one.
    assert set(names) >= {one.link.name for one in year if one.lines or one.link.sequence is not None}
    assert all(count == 1 for count in Counter(names).values())
    column = inbound_file.c
    with office.database.read() as connection:
        asked = select(column.bank_message_id).where(column.state.in_(["PARKED", "QUARANTINED"]))
        assert set(connection.execute(asked).scalars()) <= {f"M{len(files) - 1}"}
