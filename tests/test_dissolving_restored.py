"""An older database is put back after a file was dissolved and its payments left in another: no id leaves twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from paysvc import failpoints
from paysvc.bank_interface import BankFile, BankUnreachable
from paysvc.clock import FixedClock
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.collect_returns import collect_returns
from paysvc.services.recall_payments import recall_payments
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.store import lost_files, recalls
from paysvc.store.returns import FileState
from paysvc.store.vault import Vault
from tests.paying_office import SYSTEM, PayingOffice
from tests.payment_world import status_file
from tests.planned_province import Enrolled
from tests.test_dissolving import DOUBLE, reached, rows_of, seal, states, unreachable
from tests.test_restored_database import Office


class Kept(Office):
    """An office that makes payments again, and whose database somebody copies and puts back."""

    def __init__(self, url: str, folder: Path, sealer: Sealer, vault: Vault, clock: FixedClock) -> None:
        super().__init__(url, folder, sealer, vault, clock)
        self.office = PayingOffice(self.world.database, sealer, vault, clock)

    def put_back(self, copy: Path) -> None:
        super().put_back(copy)
        self.office.database = self.office.province.database = self.world.database

    def fetch(self) -> list[FileState]:
        """What the banks hold out, once more."""
        office = self.office
        collect_returns(office.database, office.vault, office.banks, office.clock, SYSTEM)
        found = reconcile_returns(office.database, office.vault, office.banks, office.clock, SYSTEM)
        return [one.state for one in found.files]

    def require_sound(self) -> None:
        office = self.office
        assert check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).differences == ()


@pytest.fixture
def kept(database_url: str, tmp_path: Path, sealer: Sealer, vault: Vault, clock: FixedClock) -> Iterator[Kept]:
    made = Kept(database_url, tmp_path, sealer, vault, clock)
    yield made
    made.close()


def approved(office: PayingOffice) -> tuple[str, str]:
    """As `seal`, before anything is cut."""
    office.enrol(*[Enrolled({"BTXH": "NANG"})] * 3)
    original = office.pay("2026-12")[0]
    office.refuse(original)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01"))
    return original, office.made_again("2027-01")[0]


def before_the_cutting(kept: Kept) -> tuple[str, str, Path]:
    original, again = approved(kept.office)
    copy = kept.copy()
    kept.office.bank().script.append(unreachable)
    kept.office.send("2027-01")
    return original, again, copy


def before_the_writing(kept: Kept) -> tuple[str, str, Path]:
    original, again = approved(kept.office)
    _break_off(kept.office, "services.submit_batches._write_file begun")
    copy = kept.copy()
    kept.office.bank().script.append(unreachable)
    kept.office.send("2027-01")
    return original, again, copy


def before_the_first_attempt(kept: Kept) -> tuple[str, str, Path]:
    original, again = approved(kept.office)
    _break_off(kept.office, "handing_over._claim begun")
    copy = kept.copy()
    kept.office.bank().script.append(unreachable)
    kept.office.send("2027-01")
    return original, again, copy


def under_way(kept: Kept) -> tuple[str, str, Path]:
    copies = []

    def meanwhile(file: BankFile) -> str:
        copies.append(kept.copy())
        raise BankUnreachable("no route")

    original, again = seal(kept.office, meanwhile)
    return original, again, copies[0]


def after_the_first_attempt(kept: Kept) -> tuple[str, str, Path]:
    original, again = seal(kept.office)
    return original, again, kept.copy()


def before_the_second_attempt(kept: Kept) -> tuple[str, str, Path]:
    original, again = seal(kept.office)
    copy = kept.copy()
    kept.office.bank().script.append(unreachable)
    kept.office.send("2027-01")
    return original, again, copy


def _break_off(office: PayingOffice, place: str) -> None:
    with pytest.MonkeyPatch.context() as armed:
        armed.setattr(failpoints, "_armed", failpoints._read({"PAYSVC_FAILPOINTS": f"{place}=fail"}))
        with pytest.raises(OSError, match="asked for at"):
            office.send("2027-01")


WHEN = [
    before_the_cutting,
    before_the_writing,
    before_the_first_attempt,
    under_way,
    after_the_first_attempt,
    before_the_second_attempt,
]
Copied = Callable[[Kept], tuple[str, str, Path]]


@pytest.mark.parametrize("copied", WHEN)
@pytest.mark.parametrize("is_booked_first", [True, False], ids=["after the bank's word", "before it"])
def test_what_left_in_another_file_never_leaves_in_the_dissolved_one(
    kept: Kept, copied: Copied, is_booked_first: bool
) -> None:
    office = kept.office
    original, again, copy = copied(kept)
    office.clock.advance(timedelta(hours=1))
    office.book((original, True))
    office.send("2027-01")
    others = [one for one in office.payments_of("2027-01") if one != again]
    assert (states(office), reached(office, again, *others)) == (["DISSOLVED", "SENT"], [0, 1, 1, 1])
    made = rows_of(office)[1].message_id
    kept.put_back(copy)
    kept.recover()
    office.clock.advance(timedelta(hours=1))
    if is_booked_first:
        kept.fetch()
    for _ in range(3):
        office.send("2027-01")
        kept.fetch()
    # Nobody twice, and nobody lost: whoever is not paid yet waits for his original alone.
    assert reached(office, *others) == [1, 1, 1]
    assert reached(office, again) == [0 if is_booked_first else 1]
    assert {office.state_of(one) for one in others} == {"SENT"}
    assert office.state_of(again) == ("PLANNED" if is_booked_first else "SENT")
    assert made in {row.message_id for row in rows_of(office)}
    assert office.discrepancies() == ([] if is_booked_first else [("paid_after_resubmission", again)])
    kept.require_sound()
    if is_booked_first:
        office.book((original, False))
        office.send("2027-01")
        assert reached(office, again, *others) == [1, 1, 1, 1]
        kept.require_sound()


@pytest.mark.parametrize("copied", WHEN)
def test_a_word_about_the_other_file_is_none_about_the_dissolved_one(kept: Kept, copied: Copied) -> None:
    """The bank speaks of the payments before they are in the plan's rows as they left."""
    office = kept.office
    original, again, copy = copied(kept)
    office.book((original, True))
    office.send("2027-01")
    others = [one for one in office.payments_of("2027-01") if one != again]
    office.receive(status_file("ST9", "", [(one, "ACSP", "", "") for one in others]))
    kept.put_back(copy)
    kept.recover()
    assert FileState.PARKED in kept.fetch()
    assert {office.state_of(one) for one in others} == {"PLANNED"}
    office.send("2027-01")
    kept.fetch()
    office.send("2027-01")
    assert reached(office, again, *others) == [0, 1, 1, 1]
    assert {office.state_of(one) for one in others} == {"SENT"}
    kept.require_sound()


def test_what_was_left_over_leaves_once_also_after_a_second_restoring(kept: Kept) -> None:
    """The dissolved file is among the lost ones for good; it says nothing of a file that was made later."""
    office = kept.office
    original, again, copy = before_the_cutting(kept)
    office.book((original, True))
    office.send("2027-01")
    kept.put_back(copy)
    kept.recover()
    kept.fetch()
    office.send("2027-01")
    office.clock.advance(timedelta(days=1))
    office.bank().script.append(unreachable)
    office.book((original, False))
    office.send("2027-01")
    assert (office.state_of(again), reached(office, again)) == ("BATCHED", [0])
    second = kept.copy()
    office.send("2027-01")
    assert reached(office, again) == [1]
    kept.put_back(second)
    kept.recover()
    for _ in range(2):
        office.send("2027-01")
        kept.fetch()
    assert reached(office, *office.payments_of("2027-01")) == [1, 1, 1, 1]
    assert office.state_of(again) == "SENT"
    kept.require_sound()


def of_a_group(office: PayingOffice) -> tuple[str, str]:
    """As `approved`: a programme that takes its turn since the one that it excludes was not paid."""
    office.enrol(Enrolled({"BTXH": "NANG", "HTXH": "HTXH-75"}), Enrolled({"HTXH": "HTXH-75"}))
    (early,) = office.pay("2026-12", programme_codes=["BTXH"])
    office.refuse(early)
    office.resubmit("2026-12")
    office.approve(office.plan("2027-01", programme_codes=["HTXH"], periods=["2026-12"]))
    return early, office.payments_of("2027-01")[0]


@pytest.mark.parametrize("planned", [approved, of_a_group])
def test_what_left_before_the_other_was_paid_is_taken_up_when_that_is_known_first(
    kept: Kept, planned: Callable[[PayingOffice], tuple[str, str]]
) -> None:
    """The rows say of the original that it is paid, and only then that the one in its place has left."""
    office = kept.office
    original, later = planned(office)
    copy = kept.copy()
    office.clock.advance(timedelta(hours=1))
    office.send("2027-01")
    office.book((original, True))
    assert (office.state_of(later), office.discrepancies()) == ("SENT", [(DOUBLE, later)])
    kept.put_back(copy)
    kept.recover()
    kept.fetch()
    assert (office.state_of(original), office.state_of(later)) == ("SETTLED", "PLANNED")
    for _ in range(2):
        office.send("2027-01")
        kept.fetch()
    everybody = office.payments_of("2027-01")
    assert (states(office), reached(office, *everybody)) == (["SENT"], [1] * len(everybody))
    assert (office.state_of(later), office.discrepancies()) == ("SENT", [(DOUBLE, later)])
    kept.require_sound()
    recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    with office.database.read() as connection:
        assert [one.end_to_end_id for one in recalls.list_recalls(connection)] == [later]


def test_a_dissolved_file_holds_up_nobody(kept: Kept) -> None:
    office = kept.office
    original, again, copy = before_the_cutting(kept)
    office.book((original, True))
    office.send("2027-01")
    kept.put_back(copy)
    assert len(kept.recover().lost_files) == 1
    kept.fetch()
    office.send("2027-01")
    with office.database.read() as connection:
        assert lost_files.open_files(connection) == []
    office.enrol(Enrolled({"BTXH": "NANG"}))
    assert office.pay("2027-02")
    assert reached(office, *office.payments_of("2027-02")) == [1] * len(office.payments_of("2027-02"))
    assert reached(office, again) == [0]


def test_what_may_have_left_without_a_journal_is_not_dissolved(kept: Kept) -> None:
    """Nobody wrote down what left, and the bank may only answer early that it has nothing."""
    office = kept.office
    original, again = seal(office)
    copy = kept.copy()
    office.send("2027-01")
    kept.put_back(copy)
    (kept.folder / "witness.jsonl").unlink()
    kept.recover(all_given=True)
    # The bank has it, and does not say so yet.
    known = dict(office.bank().has)
    office.bank().has.clear()
    office.bank().script.append(unreachable)
    office.send("2027-01")
    assert states(office) == ["SEALED"]
    office.bank().has.update(known)
    office.book((original, True))
    office.send("2027-01")
    assert (states(office), reached(office, again)) == (["SENT"], [1])
    kept.require_sound()
