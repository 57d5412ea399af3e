"""Signed reports: publish one, list them, take its parts away."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, send_from_directory
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.errors import NotFound
from paysvc.services import publish_report as publishing
from paysvc.store import listings
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Hex, PageQuery

blueprint = Blueprint("reports", __name__, url_prefix="/reports", description="Signed reconciliation reports")


_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class PublishSchema(Schema):
    cycle_code = fields.String(required=True, validate=validate.Length(1, 40))
    as_of = fields.AwareDateTime(required=True, metadata={"example": "2026-12-15T00:00:00+07:00"})
    include_bank_files = fields.Boolean(load_default=True)


class PublishedSchema(Schema):
    number = fields.String(required=True)
    amendment = fields.Integer(required=True)
    report_sha256 = fields.String(required=True)
    is_new = fields.Boolean(required=True)
    folder_name = fields.String(required=True)


class ListedReportSchema(Schema):
    id = fields.Integer(required=True)
    number = fields.String(required=True)
    cycle_code = fields.String(required=True)
    as_of = fields.AwareDateTime(required=True)
    amendment = fields.Integer(required=True)
    manifest_sha256 = Hex(required=True)
    signing_key_id = fields.String(required=True)
    published_at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)


@blueprint.post("")
@idempotent
@blueprint.arguments(PublishSchema)
@blueprint.response(201, PublishedSchema)
@needs("publish-report")
def publish_report(body: dict[str, Any]) -> dict[str, Any]:
    """Check a cycle by two roads, sign the report, and keep it under the installation's `reports/`."""
    moment = body["as_of"].strftime("%Y%m%dT%H%M%S%z").replace("+", "p").replace("-", "m")
    files = "" if body["include_bank_files"] else "-without-files"
    name = f"{body['cycle_code']}-{moment}{files}"
    published = publishing.publish_report(
        wiring().database,
        wiring().vault,
        wiring().signer,
        wiring().banks,
        wiring().clock,
        current_officer(),
        cycle_code=body["cycle_code"],
        as_of=body["as_of"],
        folder=wiring().settings.reports / name,
        include_bank_files=body["include_bank_files"],
    )
    names = ("number", "amendment", "report_sha256", "is_new")
    return {**{name: getattr(published, name) for name in names}, "folder_name": name}


@blueprint.get("")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ListedReportSchema(many=True))
@needs("read")
def list_reports(page: dict[str, Any]) -> listings.Rows:
    """Published reports, newest first."""
    with wiring().database.read() as connection:
        return listings.list_reports(connection, **page)


@blueprint.get("/<folder_name>/<path:part>")
@blueprint.response(200, content_type="application/octet-stream")
@needs("publish-report")
def take_part(folder_name: str, part: str) -> Response:
    """One file of a report kept by this installation; bank files hold personal data."""
    folder = wiring().settings.reports / folder_name
    # A name that starts with a letter or digit cannot be `..`; the rest send_from_directory refuses.
    if not _FOLDER_NAME.fullmatch(folder_name) or not folder.is_dir():
        raise NotFound("report_unknown", "There is no such report here.")
    return send_from_directory(folder, part, as_attachment=True)
