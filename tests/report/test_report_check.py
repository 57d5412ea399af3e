"""Check, then sign: no figure that two roads reach differently, and no signature without a check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paysvc.core.report_lines import LineColumns, summarise
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.report import CheckedReport, FileEntry, ReportDraft, check, sign
from paysvc.domain.report_figures import Figure, Summary
from paysvc.domain.report_lines import Booked, ReportLine, Said, discrepancies_of, judge
from paysvc.domain.report_records import (
    BankFigures,
    FundFigures,
    Resubmitted,
    SecondRoad,
    SentFile,
    StatementFigures,
)

PAID = ReportLine(1, "P1", "BTXH", "1", "account", "AGRI", 500, "sent", "M1", 500, 0, "settled", "", "FT1", "")
HELD = ReportLine(2, "", "BTXH", "1", "", "", 300, "", "", 0, 0, "held", "no_account", "", "")
FILE = SentFile("AGRI", "M1.xml", "M1", "aa", 9, 1, 500, "iso of tests", "sent")
STATEMENT = StatementFigures(
    "AGRI", "371", "S1", 1, "", "", "bb", 1000, 500, 0, 500, 1, 500, 0, 0, 0, 0, 0, 0, 0
)  # fmt: skip
ROAD = SecondRoad(
    {"AGRI": BankFigures("AGRI", Figure(1, 500), {"settled": Figure(1, 500)}, 500, 0)},
    {"aa": Figure(1, 500)},
    {("AGRI", "371", "S1"): (1000, 500, 0, 500)},
    (),
)
FUND = FundFigures("NSNN", "", 0, 900, 500, 0, 0, 400)


def lines(*rows: ReportLine) -> LineColumns:
    return LineColumns.of(rows)


def summary(*rows: ReportLine) -> Summary:
    return summarise(LineColumns.of(rows))


DRAFT = ReportDraft(
    {"number": "BC-1"}, lines(PAID, HELD), summary(PAID, HELD), (FILE,), (), (STATEMENT,), (FUND,), (), ROAD
)


AGAIN = Resubmitted(
    "P1", "2026-12", "AGRI", 500, "rejected", "AC04", "file_refused", "aa", "", "maker", "t1", "approved", "approver",
    "t2", "P2",
)  # fmt: skip


class Pen:
    """A signer that only counts."""

    signed = 0

    def sign(self, content: bytes) -> bytes:
        self.signed += 1
        return b"s" * 64


def test_a_draft_that_ties_is_checked_and_signed() -> None:
    signed = sign(check(DRAFT), [FileEntry("lines.csv", 1, "cc")], Pen())
    assert b'"files":[{"path":"lines.csv","sha256":"cc","size":1}]' in signed.content


def test_nothing_unchecked_can_be_signed() -> None:
    pen = Pen()
    for unchecked in (DRAFT, {"number": "BC-1"}, None):
        with pytest.raises(TypeError):
            sign(unchecked, [], pen)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        CheckedReport(b"{}", lines(), (), object())
    with pytest.raises(TypeError):
        CheckedReport(b"{}", lines(), (), None)
    assert pen.signed == 0


def _other_bank(**changed: object) -> SecondRoad:
    return replace(ROAD, banks={"AGRI": ROAD.banks["AGRI"]._replace(**changed)})


@pytest.mark.parametrize(
    ("draft", "figure"),
    [
        (replace(DRAFT, lines=lines(PAID)), "entitled (lines)"),
        (replace(DRAFT, lines=lines(PAID, HELD._replace(amount_vnd=299))), "entitled (đồng of the lines)"),
        (replace(DRAFT, summary=summary(PAID._replace(outcome="lost"), HELD)), "entitled (count)"),
        (replace(DRAFT, summary=summary(PAID._replace(sending=""), HELD)), "approved by sending (count)"),
        (replace(DRAFT, statements=()), "AGRI, booked on lines and on statements"),
        (replace(DRAFT, statements=(STATEMENT._replace(closing_vnd=501),)), "statement S1 of AGRI, closing balance"),
        (replace(DRAFT, statements=(STATEMENT._replace(cycle_debits_vnd=499),)), "statement S1 of AGRI, debits"),
        (replace(DRAFT, statements=(STATEMENT._replace(unmatched_credits_vnd=1),)), "statement S1 of AGRI, credits"),
        (replace(DRAFT, second_road=replace(ROAD, statements={})), "statement S1 of AGRI, in the bank's file"),
        (replace(DRAFT, sent_files=(FILE._replace(sum_vnd=501),)), "AGRI, payments in bank files"),
        (replace(DRAFT, second_road=replace(ROAD, read_back={"aa": Figure(2, 500)})), "file M1.xml, control totals"),
        (replace(DRAFT, second_road=_other_bank(outcomes={"returned": Figure(1, 500)})), "AGRI, settled"),
        (replace(DRAFT, second_road=_other_bank(booked_debits_vnd=1000)), "AGRI, booked debits"),
        (replace(DRAFT, second_road=_other_bank(booked_credits_vnd=1)), "AGRI, booked credits"),
        (replace(DRAFT, second_road=replace(ROAD, differing_lines=(1,))), "lines whose outcome differs"),
        (replace(DRAFT, funds=(FUND._replace(closing_vnd=401),)), "fund NSNN, closing balance"),
    ],
)
def test_the_figure_that_two_roads_reach_differently_is_named(draft: ReportDraft, figure: str) -> None:
    with pytest.raises(DoesNotReconcile) as caught:
        check(draft)
    assert caught.value.place == figure
    assert caught.value.exit_code == 9


def test_a_difference_without_a_discrepancy_is_not_explained() -> None:
    wrong = PAID._replace(booked_debits_vnd=499)
    statement = STATEMENT._replace(cycle_debits_vnd=499, unmatched_debits_vnd=1)
    draft = replace(DRAFT, lines=lines(wrong, HELD), summary=summary(wrong, HELD), statements=(statement,))
    with pytest.raises(DoesNotReconcile) as caught:
        check(draft)
    assert caught.value.place == "AGRI, statement less results, without what is listed as discrepancy"


@pytest.mark.parametrize(
    ("sending", "booked", "said", "outcome"),
    [
        ("sent", Booked(1, 500), None, "settled"),
        ("sent", Booked(1, 500), Said(refused=True), "settled"),
        ("sent", Booked(1, 500, 1, 500, reason="AC04"), None, "returned"),
        ("sent", Booked(2, 1000, 1, 500), None, "settled"),
        ("sent", Booked(0, 0, 1, 500), Said(refused=True), "outstanding"),
        ("sent", Booked(1, 500, 2, 1000), None, "outstanding"),
        ("sent", Booked(1, 0, currency_differs=True), None, "settled"),
        ("sent", Booked(1, 0, 1, 0, currency_differs=True), None, "returned"),
        ("unknown", Booked(1, 500), None, "settled"),
    ],
)
def test_only_booked_entries_move_an_outcome(sending: str, booked: Booked, said: Said | None, outcome: str) -> None:
    assert judge(sending, booked, said)[0] == outcome


def test_two_debits_and_a_credit_short_are_named_together() -> None:
    assert discrepancies_of(Booked(2, 1000, 0, 0, amount_differs=True)) == "amount_mismatch;duplicate_settlement"


def test_a_payment_made_again_by_two_on_listed_evidence_is_in_the_report() -> None:
    draft = replace(DRAFT, about={**DRAFT.about, "cycle": {"code": "2026-12"}}, resubmissions=(AGAIN,))
    assert b'"replaced_by":"P2"' in check(draft).body


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"decided_by": "maker"}, "two officers"),
        ({"state": "proposed"}, "state"),
        ({"state": "closed"}, "state"),
        ({"evidence_sha256": "bb"}, "file of the evidence"),
        ({"evidence_sha256": ""}, "file of the evidence"),
    ],
)
def test_a_payment_made_again_in_any_shorter_way_is_not_signed(changed: dict[str, str], named: str) -> None:
    about = {**DRAFT.about, "cycle": {"code": "2026-12"}}
    with pytest.raises(DoesNotReconcile) as refusal:
        check(replace(DRAFT, about=about, resubmissions=(AGAIN._replace(**changed),)))
    assert named in str(refusal.value)


def test_what_another_cycle_lists_is_proved_there() -> None:
    about = {**DRAFT.about, "cycle": {"code": "2027-01"}}
    check(replace(DRAFT, about=about, resubmissions=(AGAIN._replace(evidence_sha256="bb"),)))
