"""The books, asked whether they agree with themselves and with the banks' files."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.books import MEANING
from paysvc.services import acknowledge_books as acknowledging
from paysvc.services.check_books import check_books as check
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent

blueprint = Blueprint("books", __name__, url_prefix="/books", description="Whether the books agree")


class CheckSchema(Schema):
    with_files = fields.Boolean(load_default=True)


class DifferenceSchema(Schema):
    subject = fields.String(required=True)
    expected = fields.String(required=True)
    found = fields.String(required=True)


class ExaminedSchema(Schema):
    equation = fields.String(required=True)
    meaning = fields.String(required=True)
    examined = fields.Integer(required=True)
    differences = fields.List(fields.Nested(DifferenceSchema), required=True)


class AcknowledgementSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 500))


class AcknowledgedSchema(Schema):
    equations = fields.List(fields.String(), required=True)


@blueprint.post("/check")
@blueprint.arguments(CheckSchema)
@blueprint.response(200, ExaminedSchema(many=True))
@needs("check-books")
def check_books(body: dict[str, Any]) -> list[dict[str, object]]:
    """Ask every equation anew, of the rows and, with `with_files`, of the kept bank files."""
    found = check(
        wiring().database,
        wiring().vault,
        wiring().banks,
        wiring().clock,
        current_officer(),
        with_files=body["with_files"],
    )
    return [
        {
            "equation": one.equation.value,
            "meaning": MEANING[one.equation],
            "examined": one.things,
            "differences": [difference._asdict() for difference in one.differences],
        }
        for one in found.examined
    ]


@blueprint.post("/acknowledgement")
@idempotent
@blueprint.arguments(AcknowledgementSchema)
@blueprint.response(200, AcknowledgedSchema)
@needs("acknowledge-books")
def acknowledge_books(body: dict[str, Any]) -> dict[str, Any]:
    """Answer for every difference of the last checks, so that sending goes on; the differences stay."""
    found = acknowledging.acknowledge_books(wiring().database, wiring().clock, current_officer(), reason=body["reason"])
    return {"equations": list(found)}
