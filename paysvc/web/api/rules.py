"""Rules and funds: what is paid, from which money."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.money import MAX_TOTAL_VND
from paysvc.services import deposit_fund as depositing
from paysvc.services import set_rules as ruling
from paysvc.store import ledger
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Hex

blueprint = Blueprint("rules", __name__, description="Programmes, rates, units, holidays, funds")


class RulesSchema(Schema):
    funds = fields.Integer(required=True)
    programmes = fields.Integer(required=True)
    rates_added = fields.Integer(required=True)
    rates_changed = fields.Integer(required=True)
    units = fields.Integer(required=True)
    decided_days = fields.Integer(required=True)
    paid_together = fields.Integer(required=True)
    sha256 = Hex(required=True)


class DepositSchema(Schema):
    amount_vnd = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_TOTAL_VND))
    reference = fields.String(required=True, validate=validate.Length(1, 80))


class DepositedSchema(Schema):
    fund_code = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    balance_vnd = fields.Integer(required=True)
    is_new = fields.Boolean(required=True)


class BalanceSchema(Schema):
    account = fields.String(required=True)
    balance_vnd = fields.Integer(required=True)


@blueprint.put("/rules")
@blueprint.response(200, RulesSchema)
@needs("set-rules")
def set_rules() -> ruling.RulesResult:
    """Take over the rules file (TOML) that is the body of the request, whole or not at all."""
    return ruling.set_rules(
        wiring().database, wiring().clock, current_officer(), name="rules.toml", content=request.get_data()
    )


@blueprint.post("/funds/<fund_code>/deposits")
@idempotent
@blueprint.arguments(DepositSchema)
@blueprint.response(201, DepositedSchema)
@needs("deposit-fund")
def deposit_fund(body: dict[str, Any], fund_code: str) -> depositing.DepositResult:
    """Book money that the treasury gave to a fund; a reference is booked once."""
    return depositing.deposit_fund(wiring().database, wiring().clock, current_officer(), fund_code=fund_code, **body)


@blueprint.get("/ledger")
@blueprint.response(200, BalanceSchema(many=True))
@needs("read")
def trial_balance() -> list[dict[str, Any]]:
    """The balance of every account; together they are zero."""
    with wiring().database.read() as connection:
        balances, _ = ledger.trial_balance(connection)
    return [{"account": one.account, "balance_vnd": one.amount_vnd} for one in balances]
