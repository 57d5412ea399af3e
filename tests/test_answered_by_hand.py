"""Officers answer for a lost file by hand: whom it may have paid is paid by no plan, under whatever id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from paysvc.clock import FixedClock
from paysvc.domain.answered_dues import IN_ANSWERED_FILE, Answered, NamedDues, may_be_paid
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Waiting
from paysvc.domain.identifiers import end_to_end_id
from paysvc.domain.officers import Officer, Role
from paysvc.domain.payment_dates import month_number
from paysvc.domain.programmes import Programme, ProgrammeKind, WithoutAccount
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import withdraw_plan
from paysvc.services.plan_payments import PlanResult
from paysvc.services.recover import recover
from paysvc.store import snapshot
from paysvc.store.engine import open_database
from paysvc.store.vault import Vault
from paysvc.store.witness import Witness
from tests.paying_office import BTXH, MAKER, PayingOffice
from tests.planned_province import Enrolled

AN, MINH = Officer("administrator.an", Role.ADMINISTRATOR), Officer("approver.minh", Role.APPROVER)


class RestoredOffice(PayingOffice):
    """An office whose database is put back as it was when people had been enrolled and nothing was planned."""

    url: str
    folder: Path

    def lose(self, pay: Callable[[], object]) -> list[str]:
        """What `pay` sent is in no row any more; returns the MsgIds."""
        witness, copy = self.database.witness, self.folder / "old.copy"
        snapshot.copy_out(self.database, copy)
        pay()
        self.database.close()
        if self.url.startswith("sqlite"):
            Path(self.url.removeprefix("sqlite:///")).unlink()
        else:
            bare = open_database(self.url)
            with bare.write() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            bare.close()
        bare = open_database(self.url)
        snapshot.put_in(bare, copy)
        bare.close()
        self.database = self.province.database = open_database(self.url, witness)
        return [one.sending.message_id for one in self.recover(())]

    def recover(self, by_hand: tuple[str, ...] | list[str]) -> tuple[object, ...]:
        assert self.database.witness is not None
        found = recover(
            self.database, self.database.witness, self.vault, self.clock, AN, MINH, by_hand=by_hand, sealer=self.sealer
        )
        self.clock.advance(timedelta(hours=1))
        return found.lost_files

    def decide(self, what: str) -> None:
        """A list of corrected decisions, as an import leaves it."""
        with self.database.write() as connection:
            connection.execute(text(f"UPDATE enrolment SET {what}"))

    def paid_at_the_bank(self) -> int:
        return sum(int(row[1]) for _, content in self.bank().sendings for row in json.loads(content)[1])


@pytest.fixture
def office(
    database_url: str, tmp_path: Path, sealer: Sealer, vault: Vault, clock: FixedClock
) -> Iterator[RestoredOffice]:
    made = RestoredOffice(open_database(database_url, Witness(tmp_path / "witness.jsonl")), sealer, vault, clock)
    made.url, made.folder = database_url, tmp_path
    yield made
    made.database.close()


def held(planned: PlanResult) -> dict[str, Figure]:
    return dict(planned.held_by)


def test_a_month_that_came_before_does_not_pay_the_lost_one_again(office: RestoredOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG"}, from_period="2026-12"))
    lost = office.lose(lambda: office.pay("2026-12"))
    assert office.recover(lost) == ()
    office.decide("from_period = '2026-11'")
    planned = office.plan("2026-12", periods=["2026-11", "2026-12"])
    assert (planned.planned, held(planned)) == (Figure(1, BTXH), {IN_ANSWERED_FILE: Figure(1, BTXH)})
    office.approve(planned)
    assert office.send("2026-12").is_complete
    assert office.paid_at_the_bank() == 2 * BTXH, "December in the lost file, November now"
    # The month after it is paid as ever, and December waits for ever.
    following = office.plan("2027-01")
    assert (following.planned, held(following)) == (Figure(1, BTXH), {IN_ANSWERED_FILE: Figure(1, BTXH)})
    assert office.differences() == []


def test_a_month_that_rode_with_an_earlier_one_is_held(office: RestoredOffice) -> None:
    """It was paid under November's id, and by today's list nobody is due November."""
    office.enrol(Enrolled({"BTXH": "NANG"}, from_period="2026-11"), Enrolled({"BTXH": "NANG"}, from_period="2027-01"))
    lost = office.lose(lambda: office.pay("2026-12", periods=["2026-11", "2026-12"]))
    office.recover(lost)
    office.decide("from_period = '2026-12' WHERE from_period = '2026-11'")
    planned = office.plan("2027-01", periods=["2026-12", "2027-01"])
    assert held(planned) == {IN_ANSWERED_FILE: Figure(1, BTXH)}
    assert planned.planned == Figure(2, 2 * BTXH), "January, of both"


@pytest.mark.parametrize("together", [True, False])
def test_a_programme_that_excludes_the_paid_one_is_held(office: RestoredOffice, together: bool) -> None:
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}, from_period="2026-12"))
    lost = office.lose(lambda: office.pay("2026-12"))
    office.recover(lost)
    if not together:
        office.decide("valid_to = '2026-12-20T00:00:00.000000Z' WHERE programme_code = 'BTXH'")
    planned = office.plan("htxh", programme_codes=["BTXH", "HTXH"][not together :], periods=["2026-12"])
    assert planned.planned.count == 0
    assert planned.held_by[IN_ANSWERED_FILE].count == 1


def test_a_plan_from_before_the_answer_is_drawn_anew(office: RestoredOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG"}, from_period="2026-12"))
    lost = office.lose(lambda: office.pay("2026-12"))
    office.decide("from_period = '2026-11'")
    office.approve(office.plan("other", periods=["2026-11", "2026-12"]))
    office.recover(lost)
    for _ in range(2):
        with pytest.raises(Waiting) as caught:
            office.send("other")
        assert (caught.value.code, lost[0] in caught.value.message) == ("plan_before_answer", True)
    withdraw_plan(office.database, office.clock, MAKER, cycle_code="other", reason="vẽ lại")
    planned = office.plan("other", periods=["2026-11", "2026-12"])
    assert held(planned) == {IN_ANSWERED_FILE: Figure(1, BTXH)}
    office.approve(planned)
    assert office.send("other").is_complete
    assert office.paid_at_the_bank() == 2 * BTXH


def test_what_waited_for_the_answer_in_a_released_plan_does_not_leave(office: RestoredOffice) -> None:
    office.enrol(Enrolled({"BTXH": "NANG"}, from_period="2026-12"), Enrolled({"BTXH": "NANG"}, from_period="2027-02"))
    lost = office.lose(lambda: office.pay("2026-12"))
    office.decide("from_period = '2026-11'")
    office.approve(office.plan("other", periods=["2026-11", "2026-12"]))
    assert [one.code for one in office.send("other").waiting] == ["lost_file_open"]
    first, second = (row for _, row in sorted((row.entitlement_id, name) for name, row in office.payments().items()))
    office.recover(lost)
    sent = office.send("other")
    assert [one.end_to_end_id for one in sent.unpayable] == [first]
    assert {office.state_of(first), office.state_of(second)} == {"PLANNED", "SENT"}
    assert office.paid_at_the_bank() == BTXH + 2 * BTXH, "the lost file, and who was not in it"


# ------------------------------------------------------------------------- dues and their ids

KEY = b"k" * 32


def programme(code: str, group: str = "", kind: str = "regular") -> Programme:
    return Programme(code, code, ProgrammeKind(kind), "SSBE", "NS", group, "", WithoutAccount.CASH)


def named(*dues: tuple[str, str, int]) -> NamedDues:
    """(programme, period, person) each, never paid before."""
    return NamedDues(
        [code for code, _, _ in dues],
        np.array([month_number(period) for _, period, _ in dues], dtype=np.int64),
        [bytes([person]) * 32 for _, _, person in dues],
        np.zeros(len(dues), dtype=np.int64),
    )


def answered(code: str, period: str, person: int, generation: int = 0, *, last: str) -> Answered:
    name = end_to_end_id(KEY, code, period, bytes([person]) * 32, "monthly", generation)
    return Answered({name: last}, KEY, [programme("A", "G"), programme("B", "G"), programme("C")])


@pytest.mark.parametrize(
    ("due", "is_held"),
    [
        (("A", "2026-11", 1), True),
        (("A", "2026-12", 1), True),
        (("A", "2026-10", 1), False),
        (("A", "2027-01", 1), False),
        (("A", "2026-11", 2), False),
        (("B", "2026-12", 1), True),
        (("C", "2026-11", 1), False),
    ],
)
@pytest.mark.parametrize("generation", [0, 2])
def test_what_may_have_ridden_on_a_payment(due: tuple[str, str, int], is_held: bool, generation: int) -> None:
    files = answered("A", "2026-11", 1, generation, last="2026-12")
    assert may_be_paid(files, named(due)).tolist() == [is_held]


def test_an_id_of_a_month_beyond_the_files_own_is_found_as_well() -> None:
    files = answered("A", "2027-03", 1, last="2026-12")
    assert may_be_paid(files, named(("A", "2027-03", 1), ("A", "2027-04", 1))).tolist() == [True, False]


def test_nothing_is_held_where_nothing_is_known() -> None:
    assert may_be_paid(Answered({}, KEY, [programme("A")]), named(("A", "2026-11", 1))).tolist() == [False]
    assert may_be_paid(answered("A", "2026-11", 1, last="2026-12"), named()).tolist() == []
