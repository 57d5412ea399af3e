"""Paying again whom a bank did not pay, and taking back what it then paid after all."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.services import recall_payments as recalling
from paysvc.services import resubmit_payments as resubmitting
from paysvc.store import recalls
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.api.returns import FailureSchema
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import FigureSchema, Hex

blueprint = Blueprint("resubmissions", __name__, url_prefix="/cycles", description="Paying again")
recalls_blueprint = Blueprint("recalls", __name__, url_prefix="/recalls", description="Taking payments back")

_MOST_NAMED = 10_000


def _names() -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.Length(1, 35)), load_default=list, validate=validate.Length(0, _MOST_NAMED)
    )


class ResubmissionProposalRequestSchema(Schema):
    end_to_end_ids = _names()
    reason_code = fields.String(
        load_default=None, allow_none=True, metadata={"description": "Only what the bank gave this reason for."}
    )


class ResubmissionApprovalSchema(Schema):
    content_sha256 = Hex(required=True, metadata={"description": "The proposals you have looked at."})
    end_to_end_ids = _names()


class ResubmissionDeclineSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 500))
    end_to_end_ids = _names()


class ResubmissionProposalSchema(Schema):
    end_to_end_id = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    state = fields.String(required=True)
    reason_code = fields.String(required=True)
    evidence = fields.String(required=True, metadata={"description": "The rows of the bank's word."})
    proposed_by = fields.String(required=True)


class ResubmissionProposalsSchema(Schema):
    cycle_code = fields.String(required=True)
    content_sha256 = Hex(required=True)
    added = fields.Integer(required=True)
    figure = fields.Nested(FigureSchema, required=True)
    proposals = fields.List(fields.Nested(ResubmissionProposalSchema), required=True)


class ResubmissionClosedSchema(Schema):
    end_to_end_id = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    code = fields.String(required=True)
    reason = fields.String(required=True)


class ResubmissionDecisionSchema(Schema):
    cycle_code = fields.String(required=True)
    figure = fields.Nested(FigureSchema, required=True)
    approved = fields.List(fields.Nested(ResubmissionProposalSchema), required=True)
    closed = fields.List(fields.Nested(ResubmissionClosedSchema), required=True)


class RecallSchema(Schema):
    end_to_end_id = fields.String(required=True)
    bank_code = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    case_id = fields.String(required=True)
    state = fields.String(required=True)
    sha256 = Hex(required=True, allow_none=True)
    answer_code = fields.String(required=True)


class RecallsSchema(Schema):
    recalls = fields.List(fields.Nested(RecallSchema), required=True)
    waiting = fields.List(fields.Nested(FailureSchema), required=True)


@blueprint.get("/<cycle_code>/resubmissions")
@blueprint.response(200, ResubmissionProposalsSchema)
@needs("read")
def list_proposals(cycle_code: str) -> resubmitting.Proposals:
    """What waits for an approver, and the digest that an approval has to name."""
    return resubmitting.list_proposals(wiring().database, current_officer(), cycle_code=cycle_code)


@blueprint.post("/<cycle_code>/resubmissions")
@idempotent
@blueprint.arguments(ResubmissionProposalRequestSchema)
@blueprint.response(201, ResubmissionProposalsSchema)
@needs("propose-resubmission")
def propose_resubmission(body: dict[str, Any], cycle_code: str) -> resubmitting.Proposals:
    """Propose to make refused or returned payments again, on the bank's evidence."""
    return resubmitting.propose_resubmission(
        wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body
    )


@blueprint.post("/<cycle_code>/resubmissions/approval")
@idempotent
@blueprint.arguments(ResubmissionApprovalSchema)
@blueprint.response(200, ResubmissionDecisionSchema)
@needs("approve-resubmission")
def approve_resubmission(body: dict[str, Any], cycle_code: str) -> resubmitting.Decision:
    """Approve exactly these proposals; what the bank has said otherwise since is closed instead."""
    return resubmitting.approve_resubmission(
        wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body
    )


@blueprint.post("/<cycle_code>/resubmissions/refusal")
@idempotent
@blueprint.arguments(ResubmissionDeclineSchema)
@blueprint.response(200, ResubmissionDecisionSchema)
@needs("decline-resubmission")
def decline_resubmission(body: dict[str, Any], cycle_code: str) -> resubmitting.Decision:
    """Decline what was proposed, or take it back."""
    return resubmitting.decline_resubmission(
        wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body
    )


@recalls_blueprint.post("")
@idempotent
@recalls_blueprint.response(200, RecallsSchema)
@needs("recall-payments")
def recall_payments() -> recalling.Recalls:
    """Ask banks to take back what is paid twice; safe to repeat."""
    return recalling.recall_payments(
        wiring().database, wiring().vault, wiring().banks, wiring().clock, current_officer()
    )


@recalls_blueprint.get("")
@recalls_blueprint.response(200, RecallSchema(many=True))
@needs("read")
def list_recalls() -> list[recalls.Recall]:
    """Every recall there was, and where it stands."""
    with wiring().database.read() as connection:
        return recalls.list_recalls(connection)
