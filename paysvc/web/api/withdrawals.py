"""Ending what does not go on: payments that never left, and cycles of which all is known."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.services import close_cycle as closing
from paysvc.services import withdraw_payments as withdrawing
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.api.cycles import OutcomesSchema
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import FigureSchema

blueprint = Blueprint("withdrawals", __name__, url_prefix="/cycles", description="Withdrawing and closing")

_MOST_NAMED = 10_000


class WithdrawalRequestSchema(Schema):
    end_to_end_ids = fields.List(
        fields.String(validate=validate.Length(1, 35)), load_default=list, validate=validate.Length(0, _MOST_NAMED)
    )
    bank_code = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "Instead: all through this bank that were not written."},
    )
    reason = fields.String(required=True, validate=validate.Length(1, 500))


class WithdrawnPaymentSchema(Schema):
    end_to_end_id = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    is_new = fields.Boolean(required=True, metadata={"description": "False for one that was withdrawn before."})


class WithdrawnSchema(Schema):
    cycle_code = fields.String(required=True)
    figure = fields.Nested(FigureSchema, required=True)
    payments = fields.List(fields.Nested(WithdrawnPaymentSchema), required=True)
    dissolved = fields.List(fields.String(), required=True, metadata={"description": "Batches that are cut anew."})


class ClosedCycleSchema(Schema):
    cycle_code = fields.String(required=True)
    state = fields.String(required=True)
    is_new = fields.Boolean(required=True, metadata={"description": "False when it was closed before."})
    outcomes = fields.Nested(OutcomesSchema, required=True)


@blueprint.post("/<cycle_code>/withdrawals")
@idempotent
@blueprint.arguments(WithdrawalRequestSchema)
@blueprint.response(200, WithdrawnSchema)
@needs("withdraw-payments")
def withdraw_payments(body: dict[str, Any], cycle_code: str) -> withdrawing.Withdrawn:
    """Take payments of which no bank file was ever written out of a released cycle; all of them or none."""
    return withdrawing.withdraw_payments(
        wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code, **body
    )


@blueprint.post("/<cycle_code>/closing")
@idempotent
@blueprint.response(200, ClosedCycleSchema)
@needs("close-cycle")
def close_cycle(cycle_code: str) -> closing.ClosedCycle:
    """Close a cycle when it is known what became of each of its payments."""
    return closing.close_cycle(wiring().database, wiring().clock, current_officer(), cycle_code=cycle_code)
