"""What runs by itself, and what ran."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.services import manage_schedules
from paysvc.store import schedules
from paysvc.web.access import current_officer, needs, wiring

blueprint = Blueprint("schedules", __name__, url_prefix="/schedules", description="What runs by itself")


class ScheduleSchema(Schema):
    verb = fields.String(required=True, validate=validate.OneOf(manage_schedules.SCHEDULABLE))
    every_seconds = fields.Integer(required=True, validate=validate.Range(10, 366 * 86_400))
    first_due_at = fields.AwareDateTime(load_default=None, allow_none=True)
    enabled = fields.Boolean(load_default=True)


class ListedScheduleSchema(ScheduleSchema):
    id = fields.String(required=True)


class RunSchema(Schema):
    schedule_id = fields.String(required=True)
    due_at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    claimed_at = fields.AwareDateTime(required=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)
    detail = fields.String(required=True)


@blueprint.get("")
@blueprint.response(200, ListedScheduleSchema(many=True))
@needs("read")
def list_schedules() -> list[dict[str, Any]]:
    """All schedules."""
    with wiring().database.read() as connection:
        return schedules.list_schedules(connection)


@blueprint.put("/<schedule_id>")
@blueprint.arguments(ScheduleSchema)
@blueprint.response(204)
@needs("manage-schedules")
def set_schedule(body: dict[str, Any], schedule_id: str) -> None:
    """Add a schedule, or replace what it says."""
    manage_schedules.set_schedule(
        wiring().database,
        wiring().clock,
        current_officer(),
        schedule_id=schedule_id,
        verb=body["verb"],
        every=timedelta(seconds=body["every_seconds"]),
        first_due_at=body["first_due_at"],
        enabled=body["enabled"],
    )


@blueprint.get("/runs")
@blueprint.response(200, RunSchema(many=True))
@needs("read")
def list_runs() -> list[dict[str, Any]]:
    """The latest runs, newest first."""
    with wiring().database.read() as connection:
        return schedules.recent_runs(connection)
