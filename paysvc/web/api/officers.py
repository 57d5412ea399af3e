"""Officers and their tokens."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.officers import Role
from paysvc.services import manage_officers
from paysvc.store import officers
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent

blueprint = Blueprint("officers", __name__, url_prefix="/officers", description="Who may do what")

_PEOPLE = [role.value for role in Role if role is not Role.SYSTEM]


class OfficerSchema(Schema):
    officer_id = fields.String(required=True, metadata={"example": "lan.nguyen"})
    role = fields.String(required=True, validate=validate.OneOf(_PEOPLE))


class ListedOfficerSchema(OfficerSchema):
    created_at = fields.AwareDateTime(required=True)
    disabled_at = fields.AwareDateTime(required=True, allow_none=True)


class TokenRequestSchema(Schema):
    days = fields.Integer(load_default=90, validate=validate.Range(1, manage_officers.MAX_TOKEN_DAYS))


class TokenSchema(Schema):
    token = fields.String(required=True, metadata={"description": "Shown once; only its digest is kept."})


@blueprint.get("")
@blueprint.response(200, ListedOfficerSchema(many=True))
@needs("manage-officers")
def list_officers() -> list[dict[str, Any]]:
    """All officers, those disabled too."""
    with wiring().database.read() as connection:
        return [
            {"officer_id": officer.officer_id, "role": officer.role.value, "created_at": made, "disabled_at": ended}
            for officer, made, ended in officers.list_officers(connection)
        ]


@blueprint.post("")
@idempotent
@blueprint.arguments(OfficerSchema)
@blueprint.response(201, OfficerSchema)
@needs("manage-officers")
def add_officer(body: dict[str, Any]) -> dict[str, str]:
    """Add an officer."""
    added = manage_officers.add_officer(
        wiring().database,
        wiring().clock,
        current_officer(),
        officer_id=body["officer_id"],
        role=Role(body["role"]),
    )
    return {"officer_id": added.officer_id, "role": added.role.value}


@blueprint.post("/<officer_id>/tokens")
@blueprint.arguments(TokenRequestSchema)
@blueprint.response(201, TokenSchema)
@needs("manage-officers")
def create_token(body: dict[str, Any], officer_id: str) -> dict[str, str]:
    """Make a bearer token for an officer. Takes no Idempotency-Key: an answer is not kept."""
    token = manage_officers.create_token(
        wiring().database, wiring().clock, current_officer(), officer_id=officer_id, days=body["days"]
    )
    return {"token": token}


@blueprint.delete("/<officer_id>")
@blueprint.response(204)
@needs("manage-officers")
def disable_officer(officer_id: str) -> None:
    """End an officer's access at once, tokens included."""
    manage_officers.disable_officer(wiring().database, wiring().clock, current_officer(), officer_id=officer_id)
