"""Who may call what: every view names its verb, and a view that names none is refused.

The check runs before the view does, so a forgotten check is a closed door, not an open one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from paysvc.domain.errors import NotAllowed
from paysvc.domain.officers import Officer, require
from paysvc.services.manage_officers import sign_in
from paysvc.wiring import Wiring

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "paysvc_verb"
_PUBLIC = "public"


def needs(verb: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a view: only officers who may do `verb` reach it. Goes nearest to the function."""

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        setattr(view, _MARK, verb)
        return view

    return mark


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that anybody may reach; it must show nothing about anybody."""
    setattr(view, _MARK, _PUBLIC)
    return view


def wiring() -> Wiring:
    """What this application was put together from."""
    found = current_app.extensions["paysvc"]
    assert isinstance(found, Wiring)
    return found


def current_officer() -> Officer:
    """The officer whose token came with this request."""
    officer = g.officer
    assert isinstance(officer, Officer)
    return officer


def verb_of(app: Flask, endpoint: str) -> str | None:
    """The verb that a route needs, `public`, or None when its view forgot to say."""
    return getattr(app.view_functions[endpoint], _MARK, None)


def guard() -> None:
    """Run before every request. Raises `NotAllowed`; a route that does not exist stays a 404."""
    if request.routing_exception is not None:
        if isinstance(request.routing_exception, NotFound | MethodNotAllowed):
            return
        raise request.routing_exception
    assert request.endpoint is not None
    verb = verb_of(current_app, request.endpoint)
    if verb == _PUBLIC:
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        refusal = NotAllowed("token_missing", "This needs a bearer token.", next_step="Send Authorization: Bearer …")
        refusal.http_status = 401
        raise refusal
    try:
        g.officer = sign_in(wiring().database, wiring().clock, token.strip())
    except NotAllowed as refusal:
        refusal.http_status = 401
        raise
    if verb is None:
        raise NotAllowed("route_without_verb", "Nobody may do this.")
    require(g.officer, verb)
