"""What the service tells about itself: health, metrics, and logs without personal data."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from paysvc.domain.errors import PaysvcError
from paysvc.missing_statements import find_missing_statements
from paysvc.store import schema
from paysvc.web.access import needs, public, wiring

blueprint = Blueprint("observing", __name__)

log = structlog.get_logger("paysvc.web")


class Meters:
    """The meters of one application; a registry of its own, so that two may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "paysvc_http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "paysvc_http_request_seconds", "Time to answer", ["method", "route"], registry=self.registry
        )
        self.missing_statements = Gauge(
            "paysvc_banks_with_missing_statement", "Banks of which a statement did not come", registry=self.registry
        )


def configure_logging(level: str) -> None:
    """Structured logs on standard error: one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(),
    )


def install(app: Flask) -> None:
    meters = Meters()
    app.extensions["paysvc_meters"] = meters
    app.register_blueprint(blueprint)

    @app.before_request
    def _begin() -> None:
        g.started = time.perf_counter()
        g.request_id = secrets.token_hex(8)

    @app.after_request
    def _end(answer: Response) -> Response:
        # The rule, not the path: a path may hold what should not be in a log.
        route = request.url_rule.rule if request.url_rule else "(none)"
        took = time.perf_counter() - g.get("started", time.perf_counter())
        meters.requests.labels(request.method, route, str(answer.status_code)).inc()
        meters.seconds.labels(request.method, route).observe(took)
        answer.headers["X-Request-Id"] = g.get("request_id", "")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cache-Control"] = answer.headers.get("Cache-Control", "no-store")
        officer = g.get("officer")
        log.info(
            "request",
            method=request.method,
            route=route,
            status=answer.status_code,
            milliseconds=round(took * 1000, 1),
            request_id=g.get("request_id", ""),
            officer=officer.officer_id if officer else "",
        )
        return answer


@blueprint.get("/healthz")
@public
def healthz() -> dict[str, Any]:
    """The process is alive; says nothing about what it needs."""
    return {"status": "alive"}


@blueprint.get("/readyz")
@public
def readyz() -> tuple[dict[str, Any], int]:
    """Ready to work: the database answers, has today's schema, and is the one that was last worked with."""
    try:
        schema.require_current(wiring().database)
        wiring().database.require_writable()
    except PaysvcError as failure:
        return {"status": "not ready", "reason": failure.code}, 503
    return {"status": "ready"}, 200


@blueprint.get("/metrics")
@needs("read")
def metrics() -> Response:
    """Prometheus metrics; needs a token like everything else that tells about the office."""
    from flask import current_app

    meters: Meters = current_app.extensions["paysvc_meters"]
    with wiring().database.read() as connection:
        missing = find_missing_statements(connection, wiring().banks, wiring().clock.now())
    meters.missing_statements.set(len(missing))
    return Response(generate_latest(meters.registry), content_type=CONTENT_TYPE_LATEST)
