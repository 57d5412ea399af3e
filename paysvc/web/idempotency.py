"""The same request twice is one effect: `Idempotency-Key`, kept as long as what it made.

Correctness never rests on it (business keys and constraints do that); it lets a client that
lost an answer ask again and get the same one. Scope: the officer and the route. A key that
comes back with another body is refused; one that is still at work answers 409.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, current_app, make_response, request

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.store import idempotency_keys
from paysvc.store.idempotency_keys import Scope
from paysvc.web.access import current_officer, wiring

P = ParamSpec("P")

#: A request whose process died leaves its key at work; after this long it may be tried again.
_AT_WORK_LIMIT = timedelta(minutes=30)


def idempotent(view: Callable[P, Any]) -> Callable[P, Any]:
    """For a POST, outside flask-smorest's decorators: answer a repeated key as the first time."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        if not 1 <= len(key) <= 255:
            raise InvalidInput("idempotency_key_malformed", "An Idempotency-Key has 1 to 255 characters.")
        route = f"{request.method} {request.path}"[:120]
        keyed = _Keyed(Scope(current_officer().officer_id, route, key), _body_digest())
        earlier = keyed.begin()
        if earlier is not None:
            return earlier
        try:
            answer = make_response(view(*args, **kwargs))
        except BaseException:
            keyed.forget()
            raise
        if answer.status_code < 300:
            keyed.remember(answer)
        else:
            keyed.forget()
        return answer

    return wrapped


class _Keyed:
    """One key of one officer on one route."""

    def __init__(self, scope: Scope, digest: bytes) -> None:
        self._scope, self._digest = scope, digest

    def begin(self) -> Response | None:
        """Claim the key; or the earlier answer. Raises `Conflict` or `InvalidInput`."""
        now = wiring().clock.now()
        with wiring().database.write() as connection:
            if idempotency_keys.claim(connection, self._scope, self._digest, now):
                return None
            earlier = idempotency_keys.recall(connection, self._scope)
            if earlier is None or earlier.body_sha256 != self._digest:
                raise InvalidInput(
                    "idempotency_key_reused",
                    "This Idempotency-Key came before with another request.",
                    next_step="Use a new key for a new request.",
                )
            if earlier.status != idempotency_keys.AT_WORK:
                return _answer(earlier.status, earlier.response)
            if earlier.created_at + _AT_WORK_LIMIT > now:
                raise Conflict("request_at_work", "The first request with this Idempotency-Key is still at work.")
            idempotency_keys.work_again(connection, self._scope, now)
        return None

    def remember(self, answer: Response) -> None:
        with wiring().database.write() as connection:
            idempotency_keys.remember(connection, self._scope, answer.status_code, answer.get_data(as_text=True))

    def forget(self) -> None:
        with wiring().database.write() as connection:
            idempotency_keys.forget(connection, self._scope)


def _answer(status: int, text: str) -> Response:
    answer = current_app.response_class(text, status=status, mimetype="application/json")
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _body_digest() -> bytes:
    """SHA-256 of what was asked: JSON by its meaning (key order does not matter), else the bytes."""
    body = request.get_data()
    if request.mimetype == "application/json":
        # What is not JSON, or holds a float, the view will refuse; its bytes serve as well.
        with suppress(ValueError, TypeError):
            body = canonical_json(json.loads(body))
    return hashlib.sha256(request.query_string + b"\x00" + body).digest()
