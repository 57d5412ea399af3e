"""A bank's word on paper: recorded by one officer, approved by another."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.bank_letters import MAX_NAMES, MAX_SCAN_BYTES, About, Named, Says
from paysvc.domain.errors import InvalidInput
from paysvc.services import record_letters as recording
from paysvc.store.bank_letters import StoredLetter
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Hex

blueprint = Blueprint("letters", __name__, url_prefix="/letters", description="Banks' letters")


class LetterRequestSchema(Schema):
    bank_code = fields.String(required=True, validate=validate.Length(1, 20))
    number = fields.String(required=True, validate=validate.Length(1, 80), metadata={"example": "214/CV-VCB"})
    dated = fields.Date(required=True)
    scan_base64 = fields.String(
        required=True,
        # Four letters for three bytes.
        validate=validate.Length(max=MAX_SCAN_BYTES // 3 * 4 + 4),
        metadata={"description": "The bytes of the scan; they are kept, sealed."},
    )
    says = fields.Enum(Says, by_value=True, required=True)
    about = fields.Enum(About, by_value=True, required=True)
    names = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(1, MAX_NAMES),
        metadata={"description": "Message ids of files, or EndToEndIds of payments."},
    )


class LetterApprovalSchema(Schema):
    content_sha256 = Hex(required=True, metadata={"description": "The letter that you have looked at."})


class LetterDeclineSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 500))


class LetterSchema(Schema):
    id = fields.Integer(required=True)
    bank_code = fields.String(required=True, attribute="content.bank_code")
    number = fields.String(required=True, attribute="content.number")
    dated = fields.Date(required=True, attribute="content.dated")
    says = fields.Enum(Says, by_value=True, required=True, attribute="content.says")
    about = fields.Enum(About, by_value=True, required=True, attribute="content.about")
    names = fields.List(fields.String(), required=True, attribute="content.names")
    scan_sha256 = Hex(required=True, attribute="content.scan_sha256")
    scan_size = fields.Integer(required=True, attribute="content.scan_size")
    recorded_by = fields.String(required=True, attribute="content.maker")
    content_sha256 = Hex(required=True)
    approved_by = fields.String(required=True, allow_none=True)
    approved_at = fields.AwareDateTime(required=True, allow_none=True)
    close_reason = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"description": "`proposed`, `closed`, or what became of the file that it is."}
    )


class LettersQuery(Schema):
    bank_code = fields.String(load_default=None)
    only_open = fields.Boolean(load_default=True)


@blueprint.get("")
@blueprint.arguments(LettersQuery, location="query")
@blueprint.response(200, LetterSchema(many=True))
@needs("read")
def list_letters(query: dict[str, Any]) -> list[StoredLetter]:
    """The letters that wait for an approver, or all of them."""
    return recording.list_letters(wiring().database, current_officer(), **query)


@blueprint.post("")
@idempotent
@blueprint.arguments(LetterRequestSchema)
@blueprint.response(201, LetterSchema)
@needs("propose-letter")
def propose_letter(body: dict[str, Any]) -> StoredLetter:
    """Record what a letter says of files of ours or of payments; recording again what waits changes nothing."""
    names, scan = body.pop("names"), body.pop("scan_base64")
    try:
        content = base64.b64decode(scan, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("scan_not_base64", "The scan is not in base64.", place="scan_base64") from None
    return recording.propose_letter(
        wiring().database,
        wiring().vault,
        wiring().banks,
        wiring().clock,
        current_officer(),
        scan=content,
        named=[Named(name, f"names[{at}]") for at, name in enumerate(names)],
        **body,
    ).letter


@blueprint.post("/<int:letter_id>/approval")
@idempotent
@blueprint.arguments(LetterApprovalSchema)
@blueprint.response(200, LetterSchema)
@needs("approve-letter")
def approve_letter(body: dict[str, Any], letter_id: int) -> StoredLetter:
    """Approve exactly this; from here on it is a file of the bank."""
    return recording.approve_letter(
        wiring().database, wiring().vault, wiring().clock, current_officer(), letter_id=letter_id, **body
    )


@blueprint.post("/<int:letter_id>/refusal")
@idempotent
@blueprint.arguments(LetterDeclineSchema)
@blueprint.response(200, LetterSchema)
@needs("decline-letter")
def decline_letter(body: dict[str, Any], letter_id: int) -> StoredLetter:
    """Decline a letter that waits, or take it back."""
    return recording.decline_letter(wiring().database, wiring().clock, current_officer(), letter_id=letter_id, **body)


@blueprint.get("/<int:letter_id>/scan")
@blueprint.response(200, content_type="application/octet-stream")
@needs("export-letter")
def export_letter(letter_id: int) -> Response:
    """The scan as it was recorded. It names people; who asked for it is in the trail."""
    scan = recording.export_letter(
        wiring().database, wiring().vault, wiring().clock, current_officer(), letter_id=letter_id
    )
    answer = Response(scan.content, content_type="application/octet-stream")
    answer.headers["Content-Disposition"] = f'attachment; filename="{scan.name}"'
    return answer
