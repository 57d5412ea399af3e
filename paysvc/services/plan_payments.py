"""plan-payments: who is paid what in a cycle, through which bank, and who is not and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.domain import plan_columns
from paysvc.domain.disbursement import Figure
from paysvc.domain.errors import Conflict, DoesNotReconcile, InvalidInput
from paysvc.domain.instructions import CycleState, content_sha256
from paysvc.domain.matching import Doubt, outcome_with_doubt
from paysvc.domain.officers import Officer, require
from paysvc.domain.payment_dates import (
    DEFAULT_PAY_DAY,
    WorkingCalendar,
    check_periods,
    earliest_value_date,
    next_working_day,
    paying_month,
    payment_date,
)
from paysvc.domain.plan_draft import PlanDraft, PlanFacts, draw_plan
from paysvc.domain.programmes import Programme, ProgrammeKind, RateTable
from paysvc.domain.progress import Progress, silent
from paysvc.sealing import Sealer
from paysvc.store import (
    answered_files,
    audit_trail,
    cycles,
    ledger,
    plan_facts,
    plans,
    programmes,
    resubmissions,
    same_person,
    units,
)
from paysvc.store.calendar import read_calendar
from paysvc.store.cycles import Cycle
from paysvc.store.engine import Database
from paysvc.store.plans import PlanFigures

VERB = "plan-payments"

_CYCLE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

#: The hour after which a file waits for the next working day, where no bank is configured.
_USUAL_CUT_OFF = 16

#: Reading, deciding, four writes, adding up: what progress is told in.
_STEPS = 7


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What was planned. Figures count lines (a person in a programme) and whole đồng.

    `planned` + `held` + `excluded` = `entitled`. `people` counts persons. `arrears` is the
    part of `entitled` that is owed from before. `sent_through` maps (channel, bank) and
    `held_by`, `excluded_by` a reason to its figure; `needed` a fund to what is taken from it.
    """

    cycle_code: str
    value_date: date
    content_sha256: bytes
    people: int
    entitled: Figure
    planned: Figure
    held: Figure
    excluded: Figure
    arrears: Figure
    sent_through: Mapping[tuple[str, str], Figure]
    held_by: Mapping[str, Figure]
    excluded_by: Mapping[str, Figure]
    needed: Mapping[str, Figure]


def plan_payments(
    database: Database,
    sealer: Sealer,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    kind: str = "regular",
    programme_codes: Sequence[str],
    periods: Sequence[str],
    value_date: date | None = None,
    pay_day: int = DEFAULT_PAY_DAY,
    keep_holds: bool = True,
    progress: Progress = silent,
) -> PlanResult:
    """Plan a cycle: a new draft, or a draft of this code drawn anew from today's facts.

    `periods` are months; what is owed from earlier ones and carried by no plan comes along.
    Naming past months pays them to whom they were never planned for (a decision that came
    late), and nobody twice. Without `value_date` it is the `pay_day` of the month in which
    the periods are paid, or the next working day. What officers held in the draft stays held
    unless `keep_holds` is False.

    Raises `InvalidInput` (a malformed code or period, a missing rate, a date that cannot be),
    `NotFound` (programme), `Conflict` (`cycle_not_draft`, `nothing_due`, `fund_short` with
    the shortfall), `NotAllowed`. Nothing is written then.
    """
    require(actor, VERB)
    months = check_periods(periods)
    _check_request(cycle_code, kind, programme_codes, months)
    with database.write() as connection:
        codes = sorted(set(programme_codes))
        programmes.lock_programmes(connection, codes)
        chosen = programmes.read_programmes(connection, codes)
        for one in chosen:
            if one.kind != kind:
                raise InvalidInput(
                    "programme_of_other_kind", f"Programme {one.code} is {one.kind}, this cycle is {kind}."
                )
        pays_on = _value_date(connection, banks, clock.now(), months, value_date, pay_day)
        cycle, holds = _open_draft(connection, actor, clock.now(), cycle_code, kind, codes, months, pays_on, keep_holds)
        # Asked anew: a list may have come in after the last matching.
        same_person.find_doubts(connection, sealer, clock.now())
        progress(1, _STEPS)
        facts = _read_facts(connection, banks, chosen, months, pays_on, holds, sealer.reference_key)
        draft = draw_plan(facts)
        progress(2, _STEPS)
        if not len(draft.lines):
            raise Conflict("nothing_due", "Nobody is due anything that is not planned or paid already.")
        digest = _write(connection, sealer, clock.now(), cycle, facts, draft, progress)
        figures = plans.read_figures(connection, cycle.id)
        _require_conserved(draft, figures)
        ledger.require_funded(connection, {code: one.amount_vnd for code, one in figures.needed.items()})
        cycles.change_cycle(connection, cycle, content_sha256=digest)
        result = _result(cycle, digest, draft, figures)
        audit_trail.append(connection, clock.now(), actor, VERB, f"cycle:{cycle_code}", _detail(result))
        progress(_STEPS, _STEPS)
    return result


def _check_request(cycle_code: str, kind: str, programme_codes: Sequence[str], months: Sequence[str]) -> None:
    if not _CYCLE_CODE.fullmatch(cycle_code):
        raise InvalidInput(
            "cycle_code_malformed", "A cycle code is 1 to 40 of letters, digits, dot, hyphen, underscore."
        )
    if kind not in {one.value for one in ProgrammeKind}:
        raise InvalidInput("cycle_kind_unknown", "A cycle is regular or campaign.")
    if not programme_codes:
        raise InvalidInput("programme_missing", "A cycle pays at least one programme.")
    if kind == ProgrammeKind.CAMPAIGN and len(months) != 1:
        raise InvalidInput("campaign_of_one_period", "A campaign is of one period, the one its rate is dated by.")


def _value_date(
    connection: Connection,
    banks: BankRegistry,
    now: datetime,
    months: Sequence[str],
    wanted: date | None,
    pay_day: int,
) -> date:
    """The day on which banks execute: a working day that can still be reached."""
    years = [now.year, *(int(month[:4]) for month in months)]
    if wanted is not None:
        years.append(wanted.year)
    calendar = read_calendar(connection, min(years), max(years) + 1)
    cut_off = min((bank.adapter.capabilities.cut_off_hour for bank in banks), default=_USUAL_CUT_OFF)
    earliest = earliest_value_date(now, cut_off, calendar)
    if wanted is not None:
        return _possible(wanted, earliest, calendar)
    if not 1 <= pay_day <= 28:
        raise InvalidInput("pay_day_out_of_range", "A pay day is 1 to 28.")
    month = paying_month(months, programmes.read_paid_together(connection))
    return max(payment_date(month, calendar, pay_day), earliest)


def _possible(wanted: date, earliest: date, calendar: WorkingCalendar) -> date:
    if wanted < earliest:
        raise InvalidInput("value_date_past", f"No bank can execute on {wanted} any more; {earliest} is the first day.")
    if not calendar.is_working_day(wanted):
        raise InvalidInput(
            "value_date_not_worked",
            f"{wanted} is not a working day.",
            next_step=f"The next one is {next_working_day(wanted, calendar)}.",
        )
    return wanted


def _open_draft(
    connection: Connection,
    actor: Officer,
    now: datetime,
    code: str,
    kind: str,
    codes: Sequence[str],
    months: Sequence[str],
    pays_on: date,
    keep_holds: bool,
) -> tuple[Cycle, Mapping[tuple[int, str], str]]:
    """The cycle, a draft and empty, and what officers had held in it."""
    cycle = cycles.find_cycle(connection, code)
    if cycle is None:
        return cycles.insert_cycle(
            connection,
            code=code,
            kind=ProgrammeKind(kind),
            programmes=codes,
            periods=months,
            value_date=pays_on,
            maker_id=actor.officer_id,
            at=now,
        ), {}
    if cycle.state is not CycleState.DRAFT:
        raise Conflict(
            "cycle_not_draft",
            f"Cycle {code} is {cycle.state} and cannot be planned again.",
            next_step="Withdraw it, or plan the rest as a cycle of its own.",
        )
    holds = plan_facts.read_officer_holds(connection, cycle.id) if keep_holds else {}
    plans.clear_draft(connection, cycle.id)
    return cycles.change_cycle(
        connection,
        cycle,
        kind=kind,
        programmes=",".join(codes),
        periods=",".join(months),
        value_date=pays_on,
        maker_id=actor.officer_id,
    ), holds


def _read_facts(
    connection: Connection,
    banks: BankRegistry,
    chosen: Sequence[Programme],
    months: Sequence[str],
    pays_on: date,
    holds: Mapping[tuple[int, str], str],
    reference_key: bytes,
) -> PlanFacts:
    codes = [one.code for one in chosen]
    owed = plan_facts.read_owed(connection, codes, months[-1])
    persons = plan_facts.read_persons(connection, codes)
    persons["unit_code"] = _units_in_force(connection, pays_on, persons["unit_code"])
    persons["outcome"] = _with_doubts(same_person.read_doubts(connection), persons["id"], persons["outcome"])
    all_months = sorted({*months, *owed["period"]})
    cash = banks.cash()

    def account_bank(creditor_bin: str) -> str | None:
        bank = banks.route(creditor_bin)
        return None if bank is None else bank.settings.code

    return PlanFacts(
        programmes=chosen,
        rates=RateTable(programmes.read_rates(connection, codes)),
        periods=months,
        enrolments=plan_facts.read_enrolments(connection, codes, months[-1]),
        persons=persons,
        known=plan_facts.read_known_dues(connection, codes, months),
        owed=owed,
        promised={
            group: plan_facts.read_promised(connection, group, all_months)
            for group in sorted({one.stacking_group for one in chosen if one.stacking_group})
        },
        account_bank=account_bank,
        cash_bank=None if cash is None else cash.settings.code,
        officer_holds=holds,
        paid_elsewhere=plan_facts.read_paid_elsewhere(connection, codes),
        answered=answered_files.read_answered(connection, reference_key),
    )


def _with_doubts(doubts: Mapping[int, Doubt], ids: Sequence[int], outcomes: list[str | None]) -> list[str | None]:
    """The outcomes as matching would find them now for those who may be, or are, somebody else."""
    if not doubts:
        return outcomes
    return [
        outcome if person not in doubts else outcome_with_doubt(outcome, doubts[person])
        for person, outcome in zip(ids, outcomes, strict=True)
    ]


def _units_in_force(connection: Connection, day: date, codes: Sequence[str]) -> list[str]:
    """What the codes became by `day`; a code that leads to no unit stays as it was recorded."""
    resolver = units.load_units(connection).resolver(day)
    now = {code: resolver.resolve(code) or code for code in set(codes)}
    return [now[code] for code in codes]


def _write(
    connection: Connection,
    sealer: Sealer,
    now: datetime,
    cycle: Cycle,
    facts: PlanFacts,
    draft: PlanDraft,
    progress: Progress,
) -> bytes:
    """Four bulk inserts, in the order in which they refer to one another.

    Returns the digest of what was meant to be written; submitting compares it with the rows.
    """
    new_ids = plans.insert_obligations(connection, now, plan_columns.obligation_columns(facts, draft))
    progress(3, _STEPS)
    line_ids = plans.insert_lines(connection, cycle.id, plan_columns.line_columns(facts, draft))
    progress(4, _STEPS)
    plans.insert_claims(
        connection,
        {
            "entitlement_id": [line_ids[line] for line in draft.lines.line_of_due.tolist()],
            "obligation_id": plan_columns.obligation_ids(draft, new_ids),
            "released_at": [now if is_free else None for is_free in plan_columns.is_released(draft)],
        },
    )
    progress(5, _STEPS)
    credits_ = plan_columns.credit_columns(facts, draft, line_ids, sealer.reference_key)
    plans.insert_instructions(connection, cycle.id, credits_)
    resubmissions.link_replacements(connection, cycle.id)
    progress(6, _STEPS)
    columns = plan_columns.content_columns(facts, draft, credits_)
    return content_sha256(cycle.header(), len(credits_["entitlement_id"]), columns)


def _require_conserved(draft: PlanDraft, figures: PlanFigures) -> None:
    """What was written adds up to what was decided, by every road; otherwise nothing stays."""
    decided = Figure(len(draft.lines), int(draft.dues.amount_vnd.sum()))
    problem = plans.contradiction(figures)
    if problem is None and figures.entitled != decided:
        problem = f"{decided} is due and {figures.entitled} was written"
    if problem is not None:
        raise DoesNotReconcile("plan_does_not_add_up", f"The plan does not add up: {problem}.")


def _result(cycle: Cycle, digest: bytes, draft: PlanDraft, figures: PlanFigures) -> PlanResult:
    dues = draft.dues
    owed = dues.take(dues.obligation_id > 0)
    return PlanResult(
        cycle_code=cycle.code,
        value_date=cycle.value_date,
        content_sha256=digest,
        people=figures.people,
        entitled=figures.entitled,
        planned=figures.lines["planned"],
        held=figures.lines["held"],
        excluded=figures.lines["excluded"],
        arrears=Figure(len(owed), int(owed.amount_vnd.sum())),
        sent_through=figures.sent_through,
        held_by=figures.reasons_of("held"),
        excluded_by=figures.reasons_of("excluded"),
        needed=figures.needed,
    )


def _detail(result: PlanResult) -> dict[str, object]:
    return {
        "value_date": result.value_date.isoformat(),
        "content_sha256": result.content_sha256.hex(),
        "lines": {name: getattr(result, name).count for name in ("entitled", "planned", "held", "excluded")},
        "amount_vnd": {name: getattr(result, name).amount_vnd for name in ("entitled", "planned", "held", "excluded")},
    }
