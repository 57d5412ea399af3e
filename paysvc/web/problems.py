"""Errors as problem details (RFC 9457): a stable code, one sentence, a next step, never a trace."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, g, jsonify
from werkzeug.exceptions import HTTPException

from paysvc.domain.errors import PaysvcError

_CONTENT_TYPE = "application/problem+json"

log = structlog.get_logger("paysvc.web")


def install(app: Flask) -> None:
    """Answer every exception as problem details."""
    app.register_error_handler(PaysvcError, _own_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def problem(status: int, code: str, message: str, **more: Any) -> Response:
    """One problem details answer; `more` without empty values is added to it."""
    body = {
        "type": f"urn:paysvc:problem:{code}",
        "status": status,
        "code": code,
        "title": message,
        "request_id": g.get("request_id", ""),
        **{key: value for key, value in more.items() if value},
    }
    answer: Response = jsonify(body)
    answer.status_code = status
    answer.content_type = _CONTENT_TYPE
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _own_error(error: Exception) -> Response:
    assert isinstance(error, PaysvcError)
    return problem(error.http_status, error.code, error.message, next_step=error.next_step, place=error.place)


def _http_error(error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # flask-smorest hangs the field messages of a body that does not fit its schema on `data`.
    data = getattr(error, "data", None) or {}
    fields = data.get("messages") if isinstance(data, dict) else None
    status = error.code or 500
    code = error.name.lower().replace(" ", "_")
    answer = problem(status, code, error.description or error.name, fields=fields)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            answer.headers[name] = value
    return answer


def _unforeseen(error: Exception) -> Response:
    # The message may hold personal data (a value that did not fit), so only the kind is logged.
    log.error("unforeseen", kind=type(error).__name__, request_id=g.get("request_id", ""), exc_info=False)
    return problem(
        500,
        "unforeseen",
        "Something went wrong that was not foreseen; nothing was half done.",
        next_step="Repeat the request with the same Idempotency-Key; if it stays, give the request_id to support.",
    )
