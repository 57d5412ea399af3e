"""Publishing: two roads to every figure, the same bytes for the same moment, amendments."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from paysvc.clock import VIETNAM
from paysvc.domain.errors import (
    Conflict,
    DoesNotReconcile,
    InvalidInput,
    NotAllowed,
    NotFound,
    SignatureInvalid,
    Waiting,
)
from paysvc.signing import verify
from paysvc.store import audit_trail, tables
from paysvc.store.bulk import next_ids

#: The store's part in it is the same SQL as in the tests that run on both databases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_bytes())


def lines_of(folder: Path) -> list[dict]:
    with (folder / "lines.csv").open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_nobody_vanishes_in_people_and_in_dong(paid_cycle, publish, tmp_path, clock) -> None:
    totals = publish(tmp_path / "report", clock.now()).totals
    assert totals["entitled"] == (12, 7_000_010)
    assert totals["approved"] == (10, 6_000_010)
    assert totals["sent"] == (10, 6_000_010)
    assert totals["settled"] == (5, 2_750_003)
    assert totals["settled_to_account"] == (4, 2_250_003)
    assert totals["cash_paid"] == (1, 500_000)
    assert totals["returned"] == (1, 500_003)
    assert totals["rejected"] == (2, 1_000_004)
    assert totals["unclaimed"] == (1, 500_000)
    assert totals["in_transit"] == (2, 1_750_000)
    assert totals["held"] == totals["excluded"] == (1, 500_000)
    parts = ("settled", "returned", "rejected", "outstanding", "unknown", "held", "excluded")
    assert tuple(map(sum, zip(*(totals[part] for part in parts), strict=True))) == totals["entitled"]


def test_the_report_ties_list_results_and_statement_bank_by_bank(paid_cycle, publish, tmp_path, clock) -> None:
    report = report_of(publish(tmp_path / "report", clock.now()).folder)
    agri = next(tie for tie in report["three_way_tie"] if tie["bank"] == "AGRI")
    assert agri["approved"] == agri["results"] == {"count": 6, "amount_vnd": 4_000_010}
    assert agri["settled"]["amount_vnd"] == agri["statement_net_vnd"] == 1_750_003
    assert [tie["difference_vnd"] for tie in report["three_way_tie"]] == [0, 0, 0]
    assert [one["read_back"] for one in report["sent_files"]] == [True, False, True]  # AGRI, POST, VIET
    assert report["by_reason"][-1] == {"outcome": "returned", "reason": "AC04", "count": 1, "amount_vnd": 500_003}
    assert {row["code"]: row["entitled"]["count"] for row in report["by_unit"]} == {"16681": 8, "17329": 4}
    assert report["approval"]["approver"] == "approver.minh"
    assert report["province"] == "Nghệ An"


@on_sqlite
def test_the_funds_balance_is_told_from_opening_to_closing(paid_cycle, publish, tmp_path, clock) -> None:
    (fund,) = report_of(publish(tmp_path / "report", clock.now()).folder)["funds"]
    assert fund["opening_vnd"] == 0
    assert fund["funded_vnd"] == 10**15
    assert fund["reserved_vnd"] == 6_000_010
    assert fund["closing_vnd"] == 10**15 - 6_000_010


@on_sqlite
def test_the_signature_covers_the_digests_of_every_file(paid_cycle, publish, tmp_path, clock, signer) -> None:
    folder = publish(tmp_path / "report", clock.now()).folder
    content = (folder / "report.json").read_bytes()
    signature = (folder / "report.json.sig").read_bytes()
    assert len(signature) == 64
    verify(signer.public_pem, signature, content)
    listed = {one["path"]: one["sha256"] for one in json.loads(content)["files"]}
    found = digests(folder)
    assert {path: found[path] for path in found if not path.startswith("report.json")} == listed


@on_sqlite
def test_the_bank_files_are_the_exact_bytes(paid_cycle, publish, tmp_path, clock, vault) -> None:
    folder = publish(tmp_path / "report", clock.now()).folder
    report = report_of(folder)
    for one in report["sent_files"] + report["received_files"]:
        assert (folder / one["path"]).read_bytes() == vault.get(bytes.fromhex(one["sha256"]))
    assert len(report["sent_files"]) == 3
    assert len(report["received_files"]) == 6


def test_a_moment_in_the_past_gives_the_same_bytes_after_later_results(paid_cycle, publish, tmp_path, days) -> None:
    before = publish(tmp_path / "before", days[3])
    assert before.totals["settled"] == (6, 3_250_006)  # line 3 comes back on day 4
    from_later = [(6, 0, True), (8, 0, True)]
    paid_cycle.books("AGRI", days[6], [paid_cycle.booked(line) for line, _, _ in from_later[:1]])
    paid_cycle.books("VIET", days[6], [paid_cycle.booked(8)])
    after = publish(tmp_path / "after", days[3])
    assert digests(before.folder) == digests(after.folder)
    assert (before.is_new, after.is_new) == (True, False)
    assert before.number == after.number


@on_sqlite
def test_another_process_makes_the_same_bytes(paid_cycle, publish, tmp_path, days, database_url) -> None:
    here = publish(tmp_path / "here", days[5])
    program = f"""
import importlib.util, sys
from datetime import datetime
from pathlib import Path
spec = importlib.util.spec_from_file_location("cycle", {str(Path(__file__).with_name("conftest.py"))!r})
cycle = importlib.util.module_from_spec(spec); sys.modules["cycle"] = cycle; spec.loader.exec_module(cycle)
from paysvc.clock import SystemClock, FixedClock
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import open_or_create_sealer
from paysvc.services.publish_report import publish_report
from paysvc.signing import open_or_create_signer
from paysvc.store.engine import open_database
from paysvc.store.vault import Vault
home = Path({str(tmp_path)!r})
database = open_database({database_url!r})
publish_report(
    database, Vault(home / "vault", open_or_create_sealer(home / "keys.json")),
    open_or_create_signer(home / "signing-key.pem"), cycle.registry(),
    FixedClock(datetime.fromisoformat("2026-12-24T12:34:56+07:00")), Officer("auditor.mai", Role.AUDITOR),
    cycle_code="2026-11-BTXH", as_of=datetime.fromisoformat({days[5].isoformat()!r}), folder=home / "there",
)
database.close()
"""
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    )
    assert digests(here.folder) == digests(tmp_path / "there")


def test_a_later_bank_result_makes_a_numbered_amendment(paid_cycle, publish, tmp_path, days) -> None:
    first = publish(tmp_path / "first", days[5])
    paid_cycle.books("VIET", days[6], [paid_cycle.booked(8)])
    second = publish(tmp_path / "second", days[7])
    third = publish(tmp_path / "third", days[8], include_bank_files=False)
    assert [one.number for one in (first, second, third)] == [
        "BC-2026-11-BTXH", "BC-2026-11-BTXH-SD1", "BC-2026-11-BTXH-SD2",
    ]  # fmt: skip
    assert report_of(first.folder)["amends"] is None
    assert report_of(second.folder)["amends"] == {"number": first.number, "report_sha256": first.report_sha256}
    assert report_of(third.folder)["amends"]["report_sha256"] == second.report_sha256
    assert second.totals["settled"][0] == first.totals["settled"][0] + 1
    assert not (third.folder / "bank-files").exists()
    assert publish(tmp_path / "again", days[5]).report_sha256 == first.report_sha256


@on_sqlite
def test_publishing_is_in_the_audit_trail_once_for_each_time(paid_cycle, publish, tmp_path, days, database) -> None:
    out = publish(tmp_path / "report", days[5])
    publish(tmp_path / "again", days[5])
    with database.read() as connection:
        events = connection.execute(
            select(tables.audit_event.c.detail).where(tables.audit_event.c.verb == "publish-report")
        ).scalars()
        details = [json.loads(one) for one in events]
        assert audit_trail.first_broken_event(connection) is None
        stored = connection.execute(select(tables.report)).all()
    assert [one["report_sha256"] for one in details] == [out.report_sha256] * 2
    assert [one["again"] for one in details] == [False, True]
    assert [row.manifest_sha256.hex() for row in stored] == [out.report_sha256]


@on_sqlite
def test_before_anything_left_nothing_is_sent(make_cycle, publish, tmp_path, days) -> None:
    cycle = make_cycle()
    cycle.send()
    early = publish(tmp_path / "early", days[0] - timedelta(hours=1))
    assert early.totals["not_sent"] == early.totals["outstanding"] == (10, 6_000_010)
    assert early.totals["sent"] == (0, 0)
    assert report_of(early.folder)["sent_files"] == []


@pytest.mark.parametrize(
    ("attempt", "outcome", "reason"),
    [("unknown", "unknown", ""), ("refused", "rejected", "FILE_REFUSED"), ("not_sent", "outstanding", "")],
)
def test_what_handing_over_found_out_is_an_outcome(
    make_cycle, publish, tmp_path, days, attempt, outcome, reason
) -> None:
    cycle = make_cycle()
    cycle.send(attempt, only=["VIET"])
    folder = publish(tmp_path / "report", days[1]).folder
    found = {(line["outcome"], line["reason"]) for line in lines_of(folder) if line["bank"] == "VIET"}
    assert found == {(outcome, reason)}


@on_sqlite
def test_a_file_under_way_at_the_moment_is_unknown_and_evidence_ends_that(make_cycle, publish, tmp_path, days) -> None:
    cycle = make_cycle()
    cycle.send("unknown", only=["VIET"])
    cycle.send("sent", only=["AGRI"])
    during = publish(tmp_path / "during", days[0] + timedelta(seconds=30))
    assert during.totals["unknown"] == (8, 5_000_010)
    assert publish(tmp_path / "then", days[0] + timedelta(minutes=1)).totals["unknown"] == (2, 1_000_000)
    cycle.books("VIET", days[2], [cycle.booked(7)])
    after = publish(tmp_path / "after", days[3])
    assert after.totals["unknown"] == (1, 500_000)
    assert after.totals["settled"] == (1, 500_000)


def test_what_an_enquiry_found_out_later_counts_from_then_on(make_cycle, publish, tmp_path, days, database) -> None:
    from paysvc.store import ledger

    cycle = make_cycle()
    cycle.send("unknown", only=["VIET"])
    with database.write() as connection:
        event = f"batch_sent:VIET:{cycle.message_ids['VIET']}"
        money = [ledger.Posting("reserved:NSNN", -1_000_000, 2), ledger.Posting("in_transit:VIET", 1_000_000, 2)]
        ledger.post(connection, days[4], "batch_sent", event, money)
    assert publish(tmp_path / "before", days[3]).totals["unknown"] == (2, 1_000_000)
    assert publish(tmp_path / "after", days[5]).totals["in_transit"] == (2, 1_000_000)


def test_every_discrepancy_is_listed_and_explains_its_difference(make_cycle, publish, tmp_path, days) -> None:
    cycle = make_cycle()
    cycle.send()
    booked = cycle.booked
    cycle.books(
        "AGRI",
        days[2],
        [
            booked(1)._replace(amount=499_000),  # less than was asked
            booked(2), booked(2),  # twice
            booked(3, is_debit=False),  # comes back and never went out
            booked(4), booked(4, is_debit=False), booked(4, is_debit=False),  # more back than out
            booked(5)._replace(currency="USD", amount=30),
            booked(1)._replace(reference="NGUYEN VAN A 040201012345", amount=77_000),
        ],
    )  # fmt: skip
    folder = publish(tmp_path / "report", days[3]).folder
    lines = {line["line"]: line for line in lines_of(folder)}
    assert lines["1"]["outcome"] == "settled"
    assert lines["1"]["discrepancy"] == "amount_mismatch"
    assert lines["2"]["discrepancy"] == "duplicate_settlement"
    assert (lines["3"]["outcome"], lines["3"]["discrepancy"]) == ("outstanding", "return_without_settlement")
    assert (lines["4"]["outcome"], lines["4"]["discrepancy"]) == ("outstanding", "amount_mismatch")
    assert (lines["5"]["outcome"], lines["5"]["discrepancy"]) == ("settled", "currency_mismatch")
    report = report_of(folder)
    kinds = sorted(one["kind"] for one in report["discrepancies"])
    assert kinds == [
        "amount_mismatch", "amount_mismatch", "currency_mismatch", "duplicate_settlement",
        "return_without_settlement", "unknown_reference",
    ]  # fmt: skip
    tie = next(tie for tie in report["three_way_tie"] if tie["bank"] == "AGRI")
    assert tie["difference_vnd"] == 0
    assert tie["statement_net_vnd"] == tie["settled"]["amount_vnd"] + tie["listed_as_discrepancy_vnd"]
    text = (folder / "discrepancies.csv").read_text() + (folder / "report.json").read_text()
    assert "NGUYEN" not in text
    assert "040201012345" not in text


def test_a_discrepancy_is_open_until_the_moment_it_was_resolved(make_cycle, publish, tmp_path, days, database) -> None:
    cycle = make_cycle()
    cycle.send()
    cycle.books("AGRI", days[2], [cycle.booked(2), cycle.booked(2)])
    with database.write() as connection:
        connection.execute(
            insert(tables.discrepancy).values(
                id=next_ids(connection, "discrepancy", 1)[0], kind="duplicate_settlement", bank_code="AGRI",
                reference=cycle.ids[1], instruction_id=cycle.instruction_ids[cycle.ids[1]], inbound_file_id=1,
                amount_vnd=500_002, detail="", found_at=days[2], resolved_at=days[5], resolved_by="maker.lan",
                resolution="Bà Lan trả lại",
            )
        )  # fmt: skip
    for day, state in ((3, "open"), (6, "resolved")):
        report = report_of(publish(tmp_path / str(day), days[day]).folder)
        assert [one["state"] for one in report["discrepancies"]] == [state]
        assert "Lan trả" not in json.dumps(report, ensure_ascii=False)


@on_sqlite
def test_no_list_holds_a_name_a_number_or_a_formula(make_cycle, publish, tmp_path, days) -> None:
    cycle = make_cycle()
    cycle.send()
    cycle.says("AGRI", days[1], [(1, "RJCT", "=HYPERLINK(A1)"[:4]), (2, "RJCT", "+cmd")])
    folder = publish(tmp_path / "report", days[3]).folder
    for name in ("lines.csv", "discrepancies.csv"):
        for row in csv.reader((folder / name).read_text().splitlines()):
            assert not [cell for cell in row if cell[:1] in "=+-@\t\r" and cell]
    text = (folder / "lines.csv").read_text()
    assert "NGUYEN" not in text
    assert "100000" not in text
    assert text.count("FREE_TEXT") == 2


# --------------------------------------------------------------------- nothing false is signed


def _nothing_published(tmp_path: Path, database) -> None:
    assert not (tmp_path / "report").exists()
    assert not list(tmp_path.glob(".report*"))
    with database.read() as connection:
        assert connection.execute(select(tables.report)).all() == []


def test_a_row_that_no_bank_file_says_is_found_by_the_second_road(
    paid_cycle, publish, tmp_path, days, database
) -> None:
    with database.write() as connection:
        connection.execute(
            insert(tables.payment_status).values(
                inbound_file_id=1, position=99, reference=paid_cycle.ids[5], status="RJCT", reason_code="AC04",
                instruction_id=paid_cycle.instruction_ids[paid_cycle.ids[5]], bank_reference="",
            )
        )  # fmt: skip
    with pytest.raises(DoesNotReconcile) as caught:
        publish(tmp_path / "report", days[9])
    assert caught.value.place == "AGRI, rejected"
    assert "2 payments of 1750004 đồng by one road, 1 payments of 500004 đồng by the other" in str(caught.value)
    _nothing_published(tmp_path, database)


@on_sqlite
def test_a_line_that_the_store_lost_is_found(make_cycle, publish, tmp_path, days, database) -> None:
    cycle = make_cycle()
    cycle.send()
    cycle.books("AGRI", days[2], [cycle.booked(1), cycle.booked(2)], store_only=1)
    with pytest.raises(DoesNotReconcile) as caught:
        publish(tmp_path / "report", days[9])
    assert caught.value.place == "statement AGRI-STMT-1 of AGRI, debits"
    _nothing_published(tmp_path, database)


@on_sqlite
def test_a_statement_row_that_the_bank_never_wrote_is_found(make_cycle, publish, tmp_path, days, database) -> None:
    cycle = make_cycle()
    cycle.send()
    cycle.books("AGRI", days[2], [cycle.booked(1)], store_amount=500_002)
    with pytest.raises(DoesNotReconcile) as caught:
        publish(tmp_path / "report", days[9])
    assert caught.value.place == "statement AGRI-STMT-1 of AGRI, in the bank's file"


@on_sqlite
def test_a_file_that_asks_for_more_than_was_approved_is_found(make_cycle, publish, tmp_path, days, database) -> None:
    cycle = make_cycle()
    cycle.send(asked_more=1)
    with pytest.raises(DoesNotReconcile) as caught:
        publish(tmp_path / "report", days[1])
    assert caught.value.place == "AGRI, payments in bank files"
    _nothing_published(tmp_path, database)


@on_sqlite
def test_bytes_that_changed_in_the_vault_are_not_published(paid_cycle, publish, tmp_path, days, database) -> None:
    with database.read() as connection:
        digest = connection.execute(select(tables.bank_file.c.sha256).order_by(tables.bank_file.c.id)).scalars().first()
    stored = tmp_path / "vault" / digest.hex()[:2] / digest.hex()[2:]
    content = bytearray(stored.read_bytes())
    content[40] ^= 1
    stored.write_bytes(content)
    with pytest.raises(SignatureInvalid):
        publish(tmp_path / "report", days[5])
    _nothing_published(tmp_path, database)


@on_sqlite
def test_history_that_was_rewritten_is_not_published_again(paid_cycle, publish, tmp_path, days, database) -> None:
    publish(tmp_path / "first", days[5])
    with database.write() as connection:
        connection.execute(tables.programme.update().values(name="Chương trình khác"))
    with pytest.raises(DoesNotReconcile) as caught:
        publish(tmp_path / "report", days[5])
    assert caught.value.code == "report_not_reproduced"
    assert not (tmp_path / "report").exists()


# ------------------------------------------------------------------------------- refusals


@on_sqlite
def test_only_who_may_publishes(paid_cycle, tmp_path, days, database, vault, signer, banks, clock, maker) -> None:
    from paysvc.services.publish_report import publish_report

    with pytest.raises(NotAllowed):
        publish_report(
            database, vault, signer, banks, clock, maker,
            cycle_code="2026-11-BTXH", as_of=days[5], folder=tmp_path / "report",
        )  # fmt: skip


@on_sqlite
def test_a_published_folder_is_never_written_over(paid_cycle, publish, tmp_path, days) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(Conflict):
        publish(tmp_path / "report", days[5])
    assert list((tmp_path / "report").iterdir()) == []


@on_sqlite
def test_what_is_there_to_the_byte_is_published(paid_cycle, publish, tmp_path, days) -> None:
    """Whoever publishes may be killed between the folder and the answer, and asks again."""
    first = publish(tmp_path / "report", days[5])
    made = (first.folder / "report.json").stat().st_ino
    again = publish(tmp_path / "report", days[5])
    assert (again.number, again.report_sha256, again.is_new) == (first.number, first.report_sha256, False)
    assert (first.folder / "report.json").stat().st_ino == made
    assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == ["report"]


@on_sqlite
@pytest.mark.parametrize("change", ["another moment", "a byte", "a file more", "a file less", "a folder for a file"])
def test_another_report_is_neither_written_over_nor_noted(
    paid_cycle, publish, tmp_path, days, database, change
) -> None:
    folder = publish(tmp_path / "report", days[5]).folder
    lines = folder / "lines.csv"
    if change == "a byte":
        lines.write_bytes(lines.read_bytes()[:-1] + b" ")
    elif change == "a file more":
        (folder / "bank-files" / "more").touch()
    elif change in ("a file less", "a folder for a file"):
        lines.unlink()
    if change == "a folder for a file":
        lines.mkdir()
    before = digests(folder)
    with database.read() as connection:
        head = audit_trail.head(connection)
    with pytest.raises(Conflict) as caught:
        publish(folder, days[7] if change == "another moment" else days[5])
    assert caught.value.code == "report_folder_exists"
    assert digests(folder) == before
    with database.read() as connection:
        assert audit_trail.head(connection) == head
        assert len(connection.execute(select(tables.report)).all()) == 1


@on_sqlite
def test_a_moment_to_come_an_unknown_cycle_and_an_unapproved_one_are_refused(
    paid_cycle, publish, tmp_path, days, clock
) -> None:
    for as_of in (clock.now() + timedelta(seconds=1), datetime(2026, 11, 20)):  # noqa: DTZ001
        with pytest.raises(InvalidInput):
            publish(tmp_path / "report", as_of)
    with pytest.raises(NotFound):
        publish(tmp_path / "report", days[5], cycle_code="2026-12")
    with pytest.raises(Waiting):
        publish(tmp_path / "report", days[0] - timedelta(days=5))


@on_sqlite
def test_publishing_at_the_moment_itself_does_not_change_what_the_moment_gives(
    paid_cycle, publish, tmp_path, clock
) -> None:
    one, other = (publish(tmp_path / name, clock.now()) for name in ("one", "other"))
    assert digests(one.folder) == digests(other.folder)


@on_sqlite
def test_the_moment_may_be_given_in_any_offset(paid_cycle, publish, tmp_path, days) -> None:
    one = publish(tmp_path / "one", days[5])
    other = publish(tmp_path / "other", days[5].astimezone(VIETNAM))
    assert one.report_sha256 == other.report_sha256
