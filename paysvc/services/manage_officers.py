"""manage-officers: add and disable officers, and hand out their bearer tokens."""

from __future__ import annotations

import re
from datetime import timedelta

from paysvc.clock import Clock
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.officers import Officer, Role, require
from paysvc.store import audit_trail, officers
from paysvc.store.engine import Database

_OFFICER_ID = re.compile(r"[a-z0-9][a-z0-9._-]{1,60}")

#: Who acts when nobody can yet: only to make the first administrator.
FIRST_START = Officer("first-start", Role.ADMINISTRATOR)

#: The officer in whose name the scheduler acts.
SYSTEM_OFFICER = Officer("system", Role.SYSTEM)

MAX_TOKEN_DAYS = 366


def add_officer(database: Database, clock: Clock, actor: Officer, *, officer_id: str, role: Role) -> Officer:
    """Add an officer. Raises `InvalidInput`, `Conflict` when the id is taken, `NotAllowed`.

    `FIRST_START` may act only while there is no officer at all, and only make an
    administrator: whoever can do that owns the machine anyway.
    """
    require(actor, "manage-officers")
    if not _OFFICER_ID.fullmatch(officer_id) or officer_id in (FIRST_START.officer_id, SYSTEM_OFFICER.officer_id):
        raise InvalidInput("officer_id_malformed", "An officer id is 2 to 61 of a-z, 0-9, dot, hyphen, underscore.")
    if role is Role.SYSTEM:
        raise InvalidInput("role_not_for_people", "The role 'system' belongs to the scheduler.")
    with database.write() as connection:
        if actor == FIRST_START and (officers.count_officers(connection) or role is not Role.ADMINISTRATOR):
            raise NotAllowed("not_the_first_start", "Only the first administrator can be made without a token.")
        if officers.find_officer(connection, officer_id):
            raise Conflict("officer_exists", f"There is an officer '{officer_id}' already.")
        added = officers.insert_officer(connection, officer_id, role, clock.now())
        audit_trail.append(connection, clock.now(), actor, "manage-officers", officer_id, {"added": role.value})
    return added


def create_token(database: Database, clock: Clock, actor: Officer, *, officer_id: str, days: int = 90) -> str:
    """A new bearer token for an officer, valid for `days`; it is returned once and kept nowhere.

    Raises `InvalidInput` for days outside 1 to 366, `NotFound`, `NotAllowed`.
    """
    require(actor, "manage-officers")
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidInput("token_days_out_of_range", f"A token lasts 1 to {MAX_TOKEN_DAYS} days.")
    # In a database that was put back the tokens of those who recover it may have run out.
    with database.write(in_doubt=True) as connection:
        if officers.find_officer(connection, officer_id) is None:
            raise NotFound("officer_unknown", f"There is no active officer '{officer_id}'.")
        now = clock.now()
        token = officers.insert_token(connection, officer_id, now, now + timedelta(days=days))
        audit_trail.append(connection, now, actor, "manage-officers", officer_id, {"token_days": days})
    return token


def disable_officer(database: Database, clock: Clock, actor: Officer, *, officer_id: str) -> None:
    """End an officer's access at once, tokens included. Raises `NotFound`, `NotAllowed`."""
    require(actor, "manage-officers")
    with database.write() as connection:
        if not officers.disable_officer(connection, officer_id, clock.now()):
            raise NotFound("officer_unknown", f"There is no active officer '{officer_id}'.")
        audit_trail.append(connection, clock.now(), actor, "manage-officers", officer_id, {"disabled": True})


def sign_in(database: Database, clock: Clock, token: str) -> Officer:
    """The officer of a bearer token. Raises `NotAllowed` (always the same words)."""
    with database.read() as connection:
        officer = officers.officer_of_token(connection, token, clock.now())
    if officer is None:
        raise NotAllowed(
            "token_invalid", "This token is not valid.", next_step="Ask an administrator: paysvc officer token create."
        )
    return officer
