"""Payment cycles: plan, submit, approve, send, and what became of everybody."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.submission import Submission
from paysvc.services import approve_plan as approving
from paysvc.services import plan_payments as planning
from paysvc.services import submit_batches as submitting
from paysvc.store import cycles, listings
from paysvc.store.outcomes import CycleOutcomes, outcomes_of_cycle
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import FigureSchema, Hex, PageQuery

blueprint = Blueprint("cycles", __name__, url_prefix="/cycles", description="Payment cycles")

_PERIOD = validate.Regexp(r"^[0-9]{4}-(0[1-9]|1[0-2])$", error="Not a month (YYYY-MM).")


class PlanRequestSchema(Schema):
    cycle_code = fields.String(required=True, validate=validate.Length(1, 40), metadata={"example": "2026-12"})
    kind = fields.String(load_default="regular", validate=validate.OneOf(["regular", "campaign"]))
    programme_codes = fields.List(fields.String(), required=True, validate=validate.Length(1, 50))
    periods = fields.List(fields.String(validate=_PERIOD), required=True, validate=validate.Length(1, 24))
    value_date = fields.Date(load_default=None, allow_none=True)


class NamedFigureSchema(FigureSchema):
    channel = fields.String()
    bank_code = fields.String()
    reason = fields.String()


class PlanSchema(Schema):
    cycle_code = fields.String(required=True)
    value_date = fields.Date(required=True)
    content_sha256 = Hex(required=True)
    people = fields.Integer(required=True)
    entitled = fields.Nested(FigureSchema, required=True)
    planned = fields.Nested(FigureSchema, required=True)
    held = fields.Nested(FigureSchema, required=True)
    excluded = fields.Nested(FigureSchema, required=True)
    arrears = fields.Nested(FigureSchema, required=True)
    sent_through = fields.List(fields.Nested(NamedFigureSchema), required=True)
    held_by = fields.List(fields.Nested(NamedFigureSchema), required=True)
    excluded_by = fields.List(fields.Nested(NamedFigureSchema), required=True)


class PlanStateSchema(Schema):
    cycle_code = fields.String(required=True)
    state = fields.String(required=True)
    content_sha256 = Hex(required=True)
    planned = fields.Nested(FigureSchema, required=True)
    held = fields.Nested(FigureSchema, required=True)
    excluded = fields.Nested(FigureSchema, required=True)


class CycleSchema(Schema):
    id = fields.Integer(required=True)
    code = fields.String(required=True)
    kind = fields.String(required=True)
    programmes = fields.String(required=True)
    periods = fields.String(required=True)
    value_date = fields.Date(required=True)
    state = fields.String(required=True)
    maker_id = fields.String(required=True)
    submitted_by = fields.String(required=True, allow_none=True)
    submitted_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    content_sha256 = Hex(required=True, allow_none=True)


class ApprovalRequestSchema(Schema):
    content_sha256 = Hex(required=True, metadata={"description": "The content you have looked at."})


class ReasonSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 500))


class HoldSchema(Schema):
    end_to_end_id = fields.String(required=True, validate=validate.Length(1, 35))
    reason = fields.String(required=True, metadata={"description": "A code of a-z, digits and _."})


class ApprovalSchema(Schema):
    content_sha256 = Hex(required=True)
    maker_id = fields.String(required=True)
    approver_id = fields.String(required=True)
    approved_at = fields.AwareDateTime(required=True)
    cancelled_at = fields.AwareDateTime(required=True, allow_none=True)
    cancel_reason = fields.String(required=True)


class BatchSchema(Schema):
    bank_code = fields.String(required=True)
    part = fields.Integer(required=True)
    message_id = fields.String(required=True)
    count = fields.Integer(required=True)
    sum_vnd = fields.Integer(required=True)
    state = fields.String(required=True)


class ListedBatchSchema(BatchSchema):
    value_date = fields.Date(required=True)
    file_name = fields.String(required=True, allow_none=True)
    sha256 = Hex(required=True, allow_none=True)
    size = fields.Integer(required=True, allow_none=True)
    written_by = fields.String(required=True, allow_none=True)


class UnpayableSchema(Schema):
    end_to_end_id = fields.String(required=True)
    bank_code = fields.String(required=True)
    field = fields.String(required=True)
    message = fields.String(required=True)


class WaitingSchema(Schema):
    code = fields.String(required=True)
    message = fields.String(required=True)
    next_step = fields.String(required=True)


class SubmissionSchema(Schema):
    cycle_code = fields.String(required=True)
    batches = fields.List(fields.Nested(BatchSchema), required=True)
    unpayable = fields.List(fields.Nested(UnpayableSchema), required=True)
    waiting = fields.List(fields.Nested(WaitingSchema), required=True)


class OutcomesSchema(Schema):
    entitled = fields.Nested(FigureSchema, required=True)
    planned = fields.Nested(FigureSchema, required=True)
    settled = fields.Nested(FigureSchema, required=True)
    returned = fields.Nested(FigureSchema, required=True)
    rejected = fields.Nested(FigureSchema, required=True)
    outstanding = fields.Nested(FigureSchema, required=True)
    # `unknown` is a word of marshmallow's own on a schema.
    unknown_ = fields.Nested(FigureSchema, required=True, attribute="unknown", data_key="unknown")
    withdrawn = fields.Nested(FigureSchema, required=True)
    held = fields.Dict(keys=fields.String(), values=fields.Nested(FigureSchema), required=True)
    excluded = fields.Dict(keys=fields.String(), values=fields.Nested(FigureSchema), required=True)


@blueprint.get("")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, CycleSchema(many=True))
@needs("read")
def list_cycles(page: dict[str, Any]) -> listings.Rows:
    """Cycles, newest first."""
    with wiring().database.read() as connection:
        return listings.list_cycles(connection, **page)


@blueprint.post("")
@idempotent
@blueprint.arguments(PlanRequestSchema)
@blueprint.response(201, PlanSchema)
@needs("plan-payments")
def plan_payments(body: dict[str, Any]) -> dict[str, Any]:
    """Plan a cycle, or draw a draft anew."""
    found = planning.plan_payments(
        wiring().database, wiring().sealer, wiring().banks, wiring().clock, current_officer(), **body
    )
    facts = ("cycle_code", "value_date", "content_sha256", "people")
    figures = ("entitled", "planned", "held", "excluded", "arrears")
    return {
        **{name: getattr(found, name) for name in facts + figures},
        "sent_through": [
            {"channel": channel, "bank_code": bank, "count": figure.count, "amount_vnd": figure.amount_vnd}
            for (channel, bank), figure in sorted(found.sent_through.items())
        ],
        "held_by": _by_reason(found.held_by),
        "excluded_by": _by_reason(found.excluded_by),
    }


def _by_reason(figures: Any) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "count": figure.count, "amount_vnd": figure.amount_vnd}
        for reason, figure in sorted(figures.items())
    ]


@blueprint.post("/<cycle_code>/submission")
@idempotent
@blueprint.response(200, PlanStateSchema)
@needs("submit-plan")
def submit_plan(cycle_code: str) -> approving.PlanState:
    """Say that a plan is complete."""
    return approving.submit_plan(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code)


@blueprint.post("/<cycle_code>/approval")
@idempotent
@blueprint.arguments(ApprovalRequestSchema)
@blueprint.response(200, PlanStateSchema)
@needs("approve-plan")
def approve_plan(body: dict[str, Any], cycle_code: str) -> approving.PlanState:
    """Approve exactly this content; whoever made or submitted the plan may not."""
    return approving.approve_plan(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body)


@blueprint.post("/<cycle_code>/return")
@idempotent
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, PlanStateSchema)
@needs("return-plan")
def return_plan(body: dict[str, Any], cycle_code: str) -> approving.PlanState:
    """Send a plan back to its maker."""
    return approving.return_plan(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body)


@blueprint.post("/<cycle_code>/withdrawal")
@idempotent
@blueprint.arguments(ReasonSchema)
@blueprint.response(200, PlanStateSchema)
@needs("submit-plan")
def withdraw_plan(body: dict[str, Any], cycle_code: str) -> approving.PlanState:
    """Take a submitted plan back."""
    return approving.withdraw_plan(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body)


@blueprint.post("/<cycle_code>/holds")
@idempotent
@blueprint.arguments(HoldSchema)
@blueprint.response(200, PlanStateSchema)
@needs("hold-payment")
def hold_payment(body: dict[str, Any], cycle_code: str) -> approving.PlanState:
    """Take one payment out of a plan; any standing approval ends."""
    return approving.hold_payment(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body)


@blueprint.get("/<cycle_code>/approvals")
@blueprint.response(200, ApprovalSchema(many=True))
@needs("read")
def list_approvals(cycle_code: str) -> listings.Rows:
    """Every approval of a cycle, those cancelled too."""
    with wiring().database.read() as connection:
        return listings.list_approvals(connection, cycles.get_cycle(connection, cycle_code).id)


@blueprint.post("/<cycle_code>/batches")
@idempotent
@blueprint.response(200, SubmissionSchema)
@needs("submit-batches")
def submit_batches(cycle_code: str) -> Submission:
    """Write the bank files of an approved plan and hand them over; safe to repeat."""
    return submitting.submit_batches(
        wiring().database,
        wiring().sealer,
        wiring().vault,
        wiring().banks,
        wiring().clock,
        current_officer(),
        cycle_code=cycle_code,
    )


@blueprint.get("/<cycle_code>/batches")
@blueprint.response(200, ListedBatchSchema(many=True))
@needs("read")
def list_batches(cycle_code: str) -> listings.Rows:
    """The batches of a cycle and their files."""
    with wiring().database.read() as connection:
        return listings.list_batches(connection, cycles.get_cycle(connection, cycle_code).id)


@blueprint.get("/<cycle_code>/outcomes")
@blueprint.response(200, OutcomesSchema)
@needs("read")
def show_outcomes(cycle_code: str) -> CycleOutcomes:
    """What became of everybody; the parts add up to what was due."""
    with wiring().database.read() as connection:
        return outcomes_of_cycle(connection, cycles.get_cycle(connection, cycle_code).id)
