"""A drawn plan as the columns that are written down: obligations, lines, claims, credits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from paysvc.domain.disbursement import DISPOSITIONS, PLANNED, Int64
from paysvc.domain.instructions import BETWEEN_VALUES, end_to_end_ids
from paysvc.domain.payment_dates import period_from_number
from paysvc.domain.plan_draft import PlanDraft, PlanFacts


def obligation_columns(facts: PlanFacts, draft: PlanDraft) -> dict[str, Any]:
    """What falls due for the first time, in the order of the dues."""
    new = draft.dues.take(draft.dues.obligation_id == 0)
    chosen = [facts.programmes[number] for number in new.programme.tolist()]
    return {
        "programme_code": [one.code for one in chosen],
        "period": _periods(new.period),
        "beneficiary_id": _pick(facts.persons["id"], new.person),
        "component": [one.component for one in chosen],
        "amount_vnd": new.amount_vnd,
        "rate_id": new.rate_id,
    }


def obligation_ids(draft: PlanDraft, new_ids: Sequence[int]) -> list[int]:
    """The obligation of every due, where `new_ids` are those of `obligation_columns`."""
    ids = draft.dues.obligation_id.copy()
    ids[ids == 0] = new_ids
    return list(ids.tolist())


def line_columns(facts: PlanFacts, draft: PlanDraft) -> dict[str, Any]:
    """One row per line of the plan."""
    lines = draft.lines
    return {
        "programme_code": _pick([one.code for one in facts.programmes], lines.programme),
        "beneficiary_id": _pick(facts.persons["id"], lines.person),
        "unit_code": _pick(facts.persons["unit_code"], lines.person),
        "amount_vnd": lines.amount_vnd,
        "disposition": draft.column_of(lambda one: DISPOSITIONS[one.disposition]),
        "reason": draft.column_of(lambda one: one.reason),
        "follows": lines.follows,
    }


def credit_columns(facts: PlanFacts, draft: PlanDraft, line_ids: Sequence[int], reference_key: bytes) -> dict[str, Any]:
    """One credit per planned line, named by the earliest due on it and by how often it was instructed."""
    planned = draft.planned_lines
    persons, lines = facts.persons, draft.lines
    rows = lines.person[planned]
    leads = lines.lead[planned]
    chosen = [facts.programmes[number] for number in lines.programme[planned].tolist()]
    # Dues of one line were on one payment before, or on none.
    generations = draft.dues.generation[leads].tolist()
    channels = _pick(draft.column_of(lambda one: one.channel), planned)
    names, holders = _pick(persons["full_name"], rows), _pick(persons["holder_name"], rows)
    in_cash = [channel == "cash" for channel in channels]
    return {
        "entitlement_id": _pick(line_ids, planned),
        "end_to_end_id": end_to_end_ids(
            reference_key,
            [one.code for one in chosen],
            _periods(draft.dues.period[leads]),
            _pick(persons["citizen_key"], rows),
            [one.component for one in chosen],
            generations,
        ),
        "generation": generations,
        "amount_vnd": lines.amount_vnd[planned],
        "channel": channels,
        "bank_code": _pick(draft.column_of(lambda one: one.bank_code), planned),
        "account_id": _unless(in_cash, _pick(persons["account_id"], rows), None),
        "creditor_bin": _unless(in_cash, _pick(persons["bank_bin"], rows), ""),
        # A bank compares with the name as it keeps it; the counter with the person's papers.
        "creditor_name": [name if cash else holder for cash, name, holder in zip(in_cash, names, holders, strict=True)],
        "unit_code": _pick(persons["unit_code"], rows),
    }


def content_columns(facts: PlanFacts, draft: PlanDraft, credits_: Mapping[str, Any]) -> Iterator[str]:
    """The credits as an approval sees them, in the form of `instructions.content_sha256`."""
    planned = draft.planned_lines
    rows = draft.lines.person[planned]
    in_cash = [channel == "cash" for channel in credits_["channel"]]
    accounts = _unless(in_cash, _pick(facts.persons["account_key"], rows), b"")
    columns: tuple[Iterable[str], ...] = (
        credits_["end_to_end_id"],
        map(str, credits_["generation"]),
        map(str, credits_["amount_vnd"].tolist()),
        credits_["channel"],
        credits_["bank_code"],
        credits_["creditor_bin"],
        _in_hex(accounts),
        credits_["creditor_name"],
        _in_hex(_pick(facts.persons["citizen_key"], rows)),
        credits_["unit_code"],
        _pick([one.code for one in facts.programmes], draft.lines.programme[planned]),
    )
    return map(BETWEEN_VALUES.join, columns)


def is_released(draft: PlanDraft) -> list[bool]:
    """For every due, whether its line leaves it free for another cycle: all that is not planned."""
    free = draft.column_of(lambda one: one.disposition != PLANNED)
    return _pick(free, draft.lines.line_of_due)


def _pick(values: Sequence[Any], rows: Int64) -> list[Any]:
    return [values[row] for row in rows.tolist()]


def _unless(flags: Sequence[bool], values: Sequence[Any], otherwise: Any) -> list[Any]:
    return [otherwise if flag else value for flag, value in zip(flags, values, strict=True)]


def _in_hex(keys: Sequence[bytes]) -> Iterator[str]:
    return (key.hex().upper() for key in keys)


def _periods(months: Int64) -> list[str]:
    names = {month: period_from_number(month) for month in set(months.tolist())}
    return [names[month] for month in months.tolist()]
