"""Accounts found by citizen ID: run the rule, decide what it leaves open, look people up."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from paysvc.domain.matching import FOR_REVIEW, Outcome
from paysvc.services import match_accounts as matching_all
from paysvc.services import review_match as reviewing
from paysvc.services.resolve_accounts import MOST_RESOLVED
from paysvc.services.resolve_accounts import resolve_accounts as resolving
from paysvc.store.matching import NOT_MATCHED, NOT_REGISTERED
from paysvc.web.access import current_officer, needs, wiring
from paysvc.web.idempotency import idempotent
from paysvc.web.schemas import Texts

blueprint = Blueprint("matching", __name__, description="Matching people and accounts")


class MatchResultSchema(Schema):
    people = fields.Integer(required=True)
    outcomes = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    opened = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    closed = fields.Integer(required=True)


class ReviewQuery(Schema):
    outcome = fields.String(load_default=None, validate=validate.OneOf([one.value for one in FOR_REVIEW]))
    after = fields.Integer(load_default=0)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, reviewing.LONGEST_PAGE))


class CandidateSchema(Schema):
    account_id = fields.Integer(required=True)
    bank_bin = fields.String(required=True)
    account = fields.String(required=True, metadata={"description": "Masked."})
    holder_name = fields.String(required=True)
    status = fields.String(required=True)
    registered_on = fields.String(required=True)


class OtherSchema(Schema):
    beneficiary_id = fields.Integer(required=True)
    ground = fields.String(required=True, metadata={"description": "old_id, person or previous_id."})
    citizen_id = fields.String(required=True, metadata={"description": "Masked."})
    full_name = fields.String(required=True)
    birth = fields.String(required=True)
    unit_code = fields.String(required=True)


class MatchToReviewSchema(Schema):
    match_id = fields.Integer(required=True)
    citizen_id = fields.String(required=True, metadata={"description": "Masked."})
    full_name = fields.String(required=True)
    birth = fields.String(required=True)
    unit_code = fields.String(required=True)
    outcome = fields.String(required=True)
    evidence = fields.Dict(required=True)
    candidates = fields.List(fields.Nested(CandidateSchema), required=True)
    others = fields.List(fields.Nested(OtherSchema), required=True)


class ReviewPageSchema(Schema):
    matches = fields.List(fields.Nested(MatchToReviewSchema), required=True)
    waiting = fields.Integer(required=True)
    next_after = fields.Integer(required=True, allow_none=True)


class DecisionSchema(Schema):
    decision = fields.String(required=True, validate=validate.OneOf(reviewing.DECISIONS))
    reason = fields.String(required=True, validate=validate.Length(1, reviewing.LONGEST_REASON))
    account_id = fields.Integer(load_default=None, allow_none=True)
    other_id = fields.Integer(load_default=None, allow_none=True)


class ReviewResultSchema(Schema):
    match_id = fields.Integer(required=True)
    outcome = fields.Enum(Outcome, by_value=True, required=True)


class ResolveSchema(Schema):
    citizen_ids = Texts(
        required=True,
        validate=validate.Length(1, MOST_RESOLVED),
        metadata={"description": "12 digits each; answered in this order."},
    )


class ResolutionSchema(Schema):
    outcome = fields.String(
        required=True, validate=validate.OneOf([*Outcome, NOT_REGISTERED, NOT_MATCHED]), metadata={"example": "matched"}
    )
    bank_bin = fields.String(required=True, metadata={"description": "Empty without exactly one account."})
    account = fields.String(required=True, metadata={"description": "Masked; empty without exactly one account."})


@blueprint.post("/matching/runs")
@idempotent
@blueprint.response(200, MatchResultSchema)
@needs("match-accounts")
def match_accounts() -> dict[str, Any]:
    """Give every beneficiary one outcome; a second run over the same facts changes nothing."""
    found = matching_all.match_accounts(wiring().database, wiring().sealer, wiring().clock, current_officer())
    return {
        "people": found.people,
        "outcomes": {outcome.value: count for outcome, count in found.outcomes.items()},
        "opened": found.opened,
        "unchanged": found.unchanged,
        "closed": found.closed,
    }


@blueprint.get("/matching/reviews")
@blueprint.arguments(ReviewQuery, location="query")
@blueprint.response(200, ReviewPageSchema)
@needs("review-match")
def list_reviews(query: dict[str, Any]) -> reviewing.ReviewPage:
    """What the rule leaves to a person."""
    outcome = Outcome(query.pop("outcome")) if query["outcome"] else query.pop("outcome")
    return reviewing.list_matches(wiring().database, wiring().sealer, current_officer(), outcome=outcome, **query)


@blueprint.post("/matching/reviews/<int:match_id>")
@idempotent
@blueprint.arguments(DecisionSchema)
@blueprint.response(200, ReviewResultSchema)
@needs("review-match")
def decide(body: dict[str, Any], match_id: int) -> reviewing.ReviewResult:
    """Accept or reject an account, or say whether two records are of one person; with a reason."""
    database, sealer, clock = wiring().database, wiring().sealer, wiring().clock
    return reviewing.decide(database, sealer, clock, current_officer(), match_id, **body)


@blueprint.post("/accounts/resolve")
@blueprint.arguments(ResolveSchema)
@blueprint.response(200, ResolutionSchema(many=True))
@needs("resolve-accounts")
def resolve_accounts(body: dict[str, Any]) -> Response:
    """The outcome for each of up to 1,000 citizen IDs, in the order asked, accounts masked."""
    found = resolving(wiring().database, wiring().sealer, wiring().clock, current_officer(), **body)
    columns = zip(found.outcome, found.bank_bin, found.account, strict=True)
    # Written past the schema, which takes longer than all that came before; a test holds it to the schema.
    answer = [{"outcome": outcome, "bank_bin": bank_bin, "account": account} for outcome, bank_bin, account in columns]
    return jsonify(answer)
