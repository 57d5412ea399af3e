"""Lists of people, accounts and population data come in; what was refused goes out."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.errors import InvalidInput
from paysvc.domain.registry import ImportKind
from paysvc.services import import_registry as importing
from paysvc.store import listings
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Hex, PageQuery

blueprint = Blueprint("registry", __name__, url_prefix="/registry", description="Registry files")


class ImportQuery(Schema):
    kind = fields.Enum(ImportKind, by_value=True, required=True)
    name = fields.String(required=True, validate=validate.Length(1, 255), metadata={"example": "danh-sach.csv"})
    bank_code = fields.String(load_default="", validate=validate.Length(0, 20))
    apply_safe_repairs = fields.Boolean(load_default=False)


class ProblemSchema(Schema):
    line = fields.Integer(required=True, metadata={"description": "Row number as seen in the file; 0 is the file."})
    field = fields.String(required=True)
    code = fields.String(required=True)
    severity = fields.String(required=True)
    message = fields.String(required=True)


class StoredProblemSchema(ProblemSchema):
    ordinal = fields.Integer(required=True)


class ImportSchema(Schema):
    file_id = fields.Integer(required=True)
    sha256 = Hex(required=True)
    rows = fields.Integer(required=True)
    added = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    refused = fields.Integer(required=True)
    warned = fields.Integer(required=True)
    repaired = fields.Integer(required=True)
    repeated = fields.Boolean(required=True)
    problems = fields.List(fields.Nested(ProblemSchema), required=True, metadata={"description": "The first 100."})


class ListedImportSchema(Schema):
    id = fields.Integer(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    sha256 = Hex(required=True)
    imported_at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)
    rows = fields.Integer(required=True)
    added = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    refused = fields.Integer(required=True)
    warned = fields.Integer(required=True)


class ProblemQuery(Schema):
    after = fields.Integer(load_default=-1)
    limit = fields.Integer(load_default=200, validate=validate.Range(1, listings.MAX_PAGE))


@blueprint.post("/imports")
@idempotent
@blueprint.arguments(ImportQuery, location="query")
@blueprint.response(201, ImportSchema)
@needs("import-registry")
def import_file(query: dict[str, Any]) -> dict[str, Any]:
    """Import the file that is the body of the request (CSV or XLSX, as bytes)."""
    content = request.get_data()
    if not content:
        raise InvalidInput("body_missing", "The body of the request is the file, and it is empty.")
    result = importing.import_registry(
        wiring().database,
        wiring().sealer,
        wiring().vault,
        wiring().clock,
        current_officer(),
        query["kind"],
        query["name"],
        content,
        bank_code=query["bank_code"],
        apply_safe_repairs=query["apply_safe_repairs"],
    )
    names = ("file_id", "sha256", "rows", "added", "changed", "unchanged", "refused", "warned", "repaired", "repeated")
    return {**{name: getattr(result, name) for name in names}, "problems": result.problems[:100]}


@blueprint.get("/imports")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ListedImportSchema(many=True))
@needs("read")
def list_imports(page: dict[str, Any]) -> listings.Rows:
    """Imported files, newest first."""
    with wiring().database.read() as connection:
        return listings.list_imports(connection, **page)


@blueprint.get("/imports/<int:file_id>/problems")
@blueprint.arguments(ProblemQuery, location="query")
@blueprint.response(200, StoredProblemSchema(many=True))
@needs("read")
def list_problems(page: dict[str, Any], file_id: int) -> listings.Rows:
    """What was wrong with the rows of a file."""
    with wiring().database.read() as connection:
        listings.get_import(connection, file_id)
        return listings.list_import_problems(connection, file_id, **page)


@blueprint.get("/imports/<int:file_id>/error-file")
@blueprint.response(200, content_type="application/octet-stream")
@needs("import-registry")
def error_file(file_id: int) -> Response:
    """The refused and warned rows in their original columns, with three more; holds personal data."""
    with wiring().database.read() as connection:
        stored = listings.get_import(connection, file_id)
    content = importing.stored_error_file(wiring().database, wiring().vault, current_officer(), file_id)
    answer = Response(content, content_type="application/octet-stream")
    stem, _, suffix = str(stored["name"]).rpartition(".")
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in stem)
    answer.headers["Content-Disposition"] = f'attachment; filename="{safe or "tep"}.loi.{suffix or "csv"}"'
    return answer
