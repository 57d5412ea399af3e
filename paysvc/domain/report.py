"""A payment cycle's report: drafted, checked by a second road, and only then signed.

`check` is the only maker of a `CheckedReport`, and `sign` takes nothing else, so that what
carries a signature has been proved (principle: check, then sign).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.report_figures import Booking, Figure, Summary, figures_json, totals, whole
from paysvc.domain.report_lines import (
    EXCLUDED,
    HELD,
    NOT_SENT,
    OUTCOMES,
    OUTSTANDING,
    REJECTED,
    RETURNED,
    SENT,
    SETTLED,
    UNKNOWN,
    WITHDRAWN,
)
from paysvc.domain.report_records import (
    Discrepancy,
    FundFigures,
    Recalled,
    ReceivedFile,
    Resubmitted,
    SecondRoad,
    SentFile,
    StatementFigures,
    Withdrawn,
)

FORMAT = "paysvc-report/1"


class Lines(Protocol):
    """The lines of a report (`core.report_lines.LineColumns`), as far as a check asks for them."""

    def __len__(self) -> int: ...

    def total_vnd(self) -> int: ...

    def to_csv(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """A report that nobody has checked. `about` is JSON: number, cycle, approval, names …"""

    about: Mapping[str, object]
    lines: Lines
    summary: Summary
    sent_files: Sequence[SentFile]
    received_files: Sequence[ReceivedFile]
    statements: Sequence[StatementFigures]
    funds: Sequence[FundFigures]
    discrepancies: Sequence[Discrepancy]
    second_road: SecondRoad
    resubmissions: Sequence[Resubmitted] = ()
    recalls: Sequence[Recalled] = ()
    withdrawals: Sequence[Withdrawn] = ()
    #: What the trail tells of them.
    withdrawn_by_trail: Figure = Figure()  # noqa: RUF009  # frozen


class _Proof:
    """What only `check` holds."""


_PROOF = _Proof()


@dataclass(frozen=True, slots=True, eq=False)
class CheckedReport:
    """A report whose every figure was reached twice. Made by `check` alone.

    `body` is the canonical JSON of everything but the list of files.
    """

    body: bytes
    lines: Lines
    discrepancies: Sequence[Discrepancy]
    proof: object = field(repr=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("a CheckedReport is made by check() alone")


class FileEntry(NamedTuple):
    """One file of the published folder; `sha256` in hexadecimal."""

    path: str
    size: int
    sha256: str


class Signs(Protocol):
    """Whoever holds the key."""

    def sign(self, content: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SignedReport:
    """`content` is `report.json` to the byte, `signature` the detached 64 bytes over it."""

    content: bytes
    signature: bytes


def sign(report: CheckedReport, files: Sequence[FileEntry], signer: Signs) -> SignedReport:
    """Sign the checked body together with the digests of all its files.

    Raises TypeError for anything that was not checked.
    """
    if not isinstance(report, CheckedReport):
        raise TypeError("only a CheckedReport can be signed")
    listed = [dict(entry._asdict()) for entry in sorted(files)]
    content = canonical_json({**json.loads(report.body), "files": listed})
    return SignedReport(content, signer.sign(content))


class _Check:
    """Compares two roads to one figure, and names the figure where they part."""

    def __init__(self) -> None:
        self.compared = 0

    def equal(self, figure: str, one: object, other: object) -> None:
        self.compared += 1
        if one != other:
            raise DoesNotReconcile(
                "figures_differ",
                f"{figure}: {one} by one road, {other} by the other.",
                next_step="Nothing was signed. Look at this figure in the bank files and in the store.",
                place=figure,
            )


def check(draft: ReportDraft) -> CheckedReport:
    """Prove every figure of the draft by another road.

    Raises `DoesNotReconcile` naming the first figure that two roads reach differently, with
    both values.
    """
    roads = _Check()
    _conservation(roads, draft)
    _breakdowns(roads, draft)
    _statements(roads, draft)
    ties = _three_way_tie(roads, draft)
    _bank_files(roads, draft)
    _resubmissions(roads, draft)
    _withdrawals(roads, draft)
    for fund in draft.funds:
        reached = fund.opening_vnd + fund.funded_vnd - fund.reserved_vnd + fund.released_vnd + fund.other_vnd
        roads.equal(f"fund {fund.fund}, closing balance", fund.closing_vnd, reached)
    body = {
        **draft.about,
        "format": FORMAT,
        **figures_json(draft.summary),
        "three_way_tie": ties,
        "funds": [_json(fund) for fund in draft.funds],
        "statements": [_json(statement) for statement in draft.statements],
        "sent_files": [
            {**_json(sent), "path": sent.path, "read_back": sent.sha256 in draft.second_road.read_back}
            for sent in draft.sent_files
        ],
        "received_files": [{**_json(received), "path": received.path} for received in draft.received_files],
        "discrepancies": [_json(discrepancy) for discrepancy in draft.discrepancies],
        "resubmissions": [_json(resubmitted) for resubmitted in draft.resubmissions],
        "recalls": [_json(recalled) for recalled in draft.recalls],
        "withdrawals": [_json(withdrawn) for withdrawn in draft.withdrawals],
        "figures_compared": roads.compared,
    }
    return CheckedReport(canonical_json(body), draft.lines, draft.discrepancies, _PROOF)


def _json(record: NamedTuple) -> dict[str, object]:
    return {name: whole(value) if isinstance(value, int) else value for name, value in record._asdict().items()}


def _conservation(roads: _Check, draft: ReportDraft) -> None:
    """Nobody vanishes, in entitlements and in đồng."""
    figure = totals(draft.summary.cells)
    for name, whole_of, parts in (
        ("entitled", "entitled", OUTCOMES),
        ("approved and not approved", "entitled", ("approved", HELD, EXCLUDED, WITHDRAWN)),
        ("approved by outcome", "approved", (SETTLED, RETURNED, REJECTED, OUTSTANDING, UNKNOWN)),
        ("approved by sending", "approved", (NOT_SENT, "sending_unknown", "refused_at_the_door", SENT)),
        ("settled by channel", SETTLED, ("settled_to_account", "cash_paid")),
    ):
        for unit in ("count", "amount_vnd"):
            parts_sum = sum(getattr(figure[part], unit) for part in parts)
            roads.equal(f"{name} ({unit})", getattr(figure[whole_of], unit), parts_sum)
    # The lines themselves, without the cube between.
    roads.equal("entitled (lines)", figure["entitled"].count, len(draft.lines))
    roads.equal("entitled (đồng of the lines)", figure["entitled"].amount_vnd, draft.lines.total_vnd())


def _breakdowns(roads: _Check, draft: ReportDraft) -> None:
    figure = totals(draft.summary.cells)
    shown = figures_json(draft.summary)
    for name in ("by_programme", "by_unit", "by_bank", "by_channel"):
        rows = shown[name]
        assert isinstance(rows, list)
        for outcome in ("entitled", *OUTCOMES):
            count = sum(row[outcome]["count"] for row in rows)
            amount = sum(int(row[outcome]["amount_vnd"]) for row in rows)
            roads.equal(f"{name}, {outcome}", Figure(count, amount), figure[outcome])


def _statements(roads: _Check, draft: ReportDraft) -> None:
    for one in draft.statements:
        name = f"statement {one.statement_id} of {one.bank}"
        roads.equal(f"{name}, closing balance", one.closing_vnd, one.opening_vnd + one.credits_vnd - one.debits_vnd)
        debits = one.cycle_debits_vnd + one.other_cycles_debits_vnd + one.unmatched_debits_vnd
        credits_ = one.cycle_credits_vnd + one.other_cycles_credits_vnd + one.unmatched_credits_vnd
        roads.equal(f"{name}, debits", one.debits_vnd, debits + one.foreign_debits_vnd)
        roads.equal(f"{name}, credits", one.credits_vnd, credits_ + one.foreign_credits_vnd)
        key = (one.bank, one.account, one.statement_id)
        own = (one.opening_vnd, one.debits_vnd, one.credits_vnd, one.closing_vnd)
        roads.equal(f"{name}, in the bank's file", own, draft.second_road.statements.get(key))


def _three_way_tie(roads: _Check, draft: ReportDraft) -> list[dict[str, object]]:
    """Approved list = bank results = statement, bank by bank, to one đồng.

    What statements book differently from what results say must lie, đồng by đồng, in lines
    that carry a discrepancy.
    """
    ties: list[dict[str, object]] = []
    cells = draft.summary.cells
    for bank in sorted({cell.bank for cell in cells if cell.bank}):
        own = {cell: figure for cell, figure in cells.items() if cell.bank == bank}
        figure = totals(own)
        booking = draft.summary.bookings.get(bank, Booking())
        from_statements = sum(
            one.cycle_debits_vnd - one.cycle_credits_vnd for one in draft.statements if one.bank == bank
        )
        results = [figure[name] for name in (SETTLED, RETURNED, REJECTED, OUTSTANDING, UNKNOWN)]
        result = Figure(sum(one.count for one in results), sum(one.amount_vnd for one in results))
        roads.equal(f"{bank}, approved list and bank results", figure["approved"], result)
        roads.equal(f"{bank}, booked on lines and on statements", booking.booked_vnd, from_statements)
        roads.equal(
            f"{bank}, statement less results, without what is listed as discrepancy", booking.unexplained_vnd, 0
        )
        ties.append(
            {
                "bank": bank,
                "approved": figure["approved"].as_json(),
                "results": result.as_json(),
                "settled": figure[SETTLED].as_json(),
                "statement_net_vnd": whole(from_statements),
                "listed_as_discrepancy_vnd": whole(booking.explained_vnd),
                "difference_vnd": whole(from_statements - booking.explained_vnd - booking.settled_vnd),
            }
        )
    return ties


def _bank_files(roads: _Check, draft: ReportDraft) -> None:
    """The second road: the same figures from the bytes that left and came back."""
    for bank in sorted({cell.bank for cell in draft.summary.cells if cell.bank}):
        own = {cell: figure for cell, figure in draft.summary.cells.items() if cell.bank == bank}
        figure = totals(own)
        booking = draft.summary.bookings.get(bank, Booking())
        other = draft.second_road.banks[bank]
        in_files = [sent for sent in draft.sent_files if sent.bank == bank]
        filed = Figure(sum(sent.payment_count for sent in in_files), sum(sent.sum_vnd for sent in in_files))
        roads.equal(f"{bank}, payments in bank files", filed, other.sent)
        for name in (SETTLED, RETURNED, REJECTED, OUTSTANDING, UNKNOWN):
            roads.equal(f"{bank}, {name}", figure[name], other.outcomes.get(name, Figure()))
        roads.equal(f"{bank}, booked debits", booking.booked_debits_vnd, other.booked_debits_vnd)
        roads.equal(f"{bank}, booked credits", booking.booked_credits_vnd, other.booked_credits_vnd)
    for sent in draft.sent_files:
        read = draft.second_road.read_back.get(sent.sha256)
        if read is not None:
            roads.equal(f"file {sent.name}, control totals", Figure(sent.payment_count, sent.sum_vnd), read)
    roads.equal("lines whose outcome differs", 0, len(draft.second_road.differing_lines))


def _resubmissions(roads: _Check, draft: ReportDraft) -> None:
    """Nothing is paid again by one officer, without approval, or on a file that is not listed beside it."""
    listed = {one.sha256 for one in draft.received_files} | {one.sha256 for one in draft.sent_files}
    cycle = draft.about.get("cycle")
    code = cycle.get("code") if isinstance(cycle, Mapping) else None
    for one in draft.resubmissions:
        name = f"re-submission of {one.end_to_end_id}"
        if one.state == "approved":
            roads.equal(f"{name}, two officers", 2, len({one.proposed_by, one.decided_by}))
        if one.replaced_by:
            roads.equal(f"{name}, state", "approved", one.state)
        # What another cycle's report lists is proved there.
        if one.cycle == code:
            roads.equal(f"{name}, file of the evidence", True, one.evidence_sha256 in listed)


def _withdrawals(roads: _Check, draft: ReportDraft) -> None:
    """What was withdrawn is on the lines, in the list and in the trail, by nobody who made or submitted the plan.

    That no bank file holds it, the second road says: a payment in a file that is on no bank's list differs.
    """
    figure = totals(draft.summary.cells)[WITHDRAWN]
    listed = Figure(len(draft.withdrawals), sum(one.amount_vnd for one in draft.withdrawals))
    roads.equal("withdrawn, on lines and listed", figure, listed)
    roads.equal("withdrawn, listed and in the trail", listed, draft.withdrawn_by_trail)
    approval = draft.about.get("approval")
    planners = {approval.get("maker"), approval.get("submitted_by")} if isinstance(approval, Mapping) else set()
    for one in draft.withdrawals:
        roads.equal(f"withdrawal of {one.end_to_end_id}, by another officer", False, one.withdrawn_by in planners)
