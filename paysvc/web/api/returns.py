"""What banks send back: fetch it, decide about it, look at what does not agree."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.services import collect_returns as collecting
from paysvc.services import reconcile_returns as reconciling
from paysvc.store import listings
from paysvc.store.returns import FileState
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Hex, PageQuery

blueprint = Blueprint("returns", __name__, url_prefix="/returns", description="What banks send back")


class FailureSchema(Schema):
    code = fields.String(required=True)
    message = fields.String(required=True)
    next_step = fields.String(required=True)


class CollectedFileSchema(Schema):
    bank_code = fields.String(required=True)
    name = fields.String(required=True)
    size = fields.Integer(required=True)
    is_new = fields.Boolean(required=True)


class CollectionSchema(Schema):
    files = fields.List(fields.Nested(CollectedFileSchema), required=True)
    unreachable = fields.List(fields.Nested(FailureSchema), required=True)
    waiting = fields.List(fields.Nested(FailureSchema), required=True)


class FileReportSchema(Schema):
    bank_code = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.Enum(FileState, by_value=True, required=True)
    code = fields.String(required=True)
    reason = fields.String(required=True)


class ReconciliationSchema(Schema):
    files = fields.List(fields.Nested(FileReportSchema), required=True)
    waiting = fields.List(fields.Nested(FailureSchema), required=True)


class InboundFileSchema(Schema):
    id = fields.Integer(required=True)
    bank_code = fields.String(required=True)
    name = fields.String(required=True)
    sha256 = Hex(required=True)
    size = fields.Integer(required=True)
    received_at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    kind = fields.String(required=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)
    reason_code = fields.String(required=True)
    reason = fields.String(required=True)


class InboundQuery(PageQuery):
    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in FileState]))


class DiscrepancySchema(Schema):
    id = fields.Integer(required=True)
    kind = fields.String(required=True)
    bank_code = fields.String(required=True)
    reference = fields.String(required=True)
    amount_vnd = fields.Integer(required=True)
    detail = fields.String(required=True)
    found_at = fields.AwareDateTime(required=True)
    resolved_at = fields.AwareDateTime(required=True, allow_none=True)


class DiscrepancyQuery(PageQuery):
    kind = fields.String(load_default=None)


@blueprint.post("/collection")
@idempotent
@blueprint.response(200, CollectionSchema)
@needs("collect-returns")
def collect_returns() -> collecting.Collection:
    """Fetch what banks put out for us and keep it raw."""
    return collecting.collect_returns(
        wiring().database, wiring().vault, wiring().banks, wiring().clock, current_officer()
    )


@blueprint.post("/reconciliation")
@idempotent
@blueprint.response(200, ReconciliationSchema)
@needs("reconcile-returns")
def reconcile_returns() -> reconciling.Reconciliation:
    """Decide about every collected file."""
    return reconciling.reconcile_returns(
        wiring().database, wiring().vault, wiring().banks, wiring().clock, current_officer()
    )


@blueprint.get("/files")
@blueprint.arguments(InboundQuery, location="query")
@blueprint.response(200, InboundFileSchema(many=True))
@needs("read")
def list_files(page: dict[str, Any]) -> listings.Rows:
    """Files that banks gave us, newest first, and what was decided about each."""
    with wiring().database.read() as connection:
        return listings.list_inbound_files(connection, **page)


@blueprint.get("/discrepancies")
@blueprint.arguments(DiscrepancyQuery, location="query")
@blueprint.response(200, DiscrepancySchema(many=True))
@needs("read")
def list_discrepancies(page: dict[str, Any]) -> listings.Rows:
    """What does not agree, newest first."""
    with wiring().database.read() as connection:
        return listings.list_discrepancies(connection, **page)
