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
from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import Conflict, InvalidInput
from paysvc.store.tables import idempotency_key as keys
from paysvc.web.access import current_officer, wiring

P = ParamSpec("P")

#: A request whose process died leaves its key at work; after this long it may be tried again.
_AT_WORK_LIMIT = timedelta(minutes=30)
_AT_WORK = 0


def idempotent(view: Callable[P, Any]) -> Callable[P, Any]:
    """For a POST, outside flask-smorest's decorators: answer a repeated key as the first time."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        if not 1 <= len(key) <= 255:
            raise InvalidInput("idempotency_key_malformed", "An Idempotency-Key has 1 to 255 characters.")
        scope = _Scope(current_officer().officer_id, f"{request.method} {request.path}"[:120], key, _body_digest())
        earlier = scope.begin()
        if earlier is not None:
            return earlier
        try:
            answer = make_response(view(*args, **kwargs))
        except BaseException:
            scope.forget()
            raise
        if answer.status_code < 300:
            scope.remember(answer)
        else:
            scope.forget()
        return answer

    return wrapped


class _Scope:
    """One key of one officer on one route."""

    def __init__(self, principal: str, route: str, key: str, digest: bytes) -> None:
        self._values = {"principal": principal, "route": route, "key": key}
        self._digest = digest
        self._where = and_(keys.c.principal == principal, keys.c.route == route, keys.c.key == key)

    def begin(self) -> Response | None:
        """Claim the key; or the earlier answer. Raises `Conflict` or `InvalidInput`."""
        now = wiring().clock.now()
        fresh = {"body_sha256": self._digest, "status": _AT_WORK, "response": "", "created_at": now}
        try:
            with wiring().database.write() as connection:
                connection.execute(insert(keys).values(**self._values, **fresh))
        except IntegrityError:
            pass
        else:
            return None
        with wiring().database.write() as connection:
            row = connection.execute(select(keys).where(self._where).with_for_update()).one()
            if row.body_sha256 != self._digest:
                raise InvalidInput(
                    "idempotency_key_reused",
                    "This Idempotency-Key came before with another request.",
                    next_step="Use a new key for a new request.",
                )
            if row.status != _AT_WORK:
                return _answer(row.status, row.response)
            if row.created_at + _AT_WORK_LIMIT > now:
                raise Conflict("request_at_work", "The first request with this Idempotency-Key is still at work.")
            connection.execute(update(keys).where(self._where).values(created_at=now))
        return None

    def remember(self, answer: Response) -> None:
        with wiring().database.write() as connection:
            text = answer.get_data(as_text=True)
            connection.execute(update(keys).where(self._where).values(status=answer.status_code, response=text))

    def forget(self) -> None:
        with wiring().database.write() as connection:
            connection.execute(delete(keys).where(self._where, keys.c.status == _AT_WORK))


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
