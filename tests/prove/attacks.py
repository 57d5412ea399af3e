"""Somebody with the database's password tries what no program may do; each has to be refused.

Every attack is one statement in a transaction that is rolled back. One that finds no row to
work on proves nothing and is not counted. Only a rule's word is a refusal: a statement that the database
does not understand, or that lacks a value, was never an attack, and fails the run.
"""

from __future__ import annotations

import time

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

#: Rule -> statement that breaks it.
ATTACKS = {
    "U1: a second obligation for one month": (
        "INSERT INTO obligation SELECT (SELECT max(id) + 1 FROM obligation), programme_code, period, beneficiary_id,"
        " component, amount_vnd, rate_id, created_at FROM obligation WHERE id = (SELECT max(id) FROM obligation)"
    ),
    "U2: a payment that failed is made live again beside another": (
        "UPDATE instruction SET entitlement_id = (SELECT entitlement_id FROM instruction WHERE is_live AND id <"
        " (SELECT max(id) FROM instruction WHERE is_live) ORDER BY id LIMIT 1)"
        " WHERE id = (SELECT max(id) FROM instruction WHERE is_live)"
    ),
    "U2: two live payments of one entitlement": (
        "INSERT INTO instruction (id, entitlement_id, cycle_id, end_to_end_id, generation, amount_vnd, channel,"
        " bank_code, account_id, creditor_bin, creditor_name, unit_code, state, is_live)"
        " SELECT (SELECT max(id) + 1 FROM instruction), entitlement_id, cycle_id, 'P00000000000000X', 9, amount_vnd,"
        " channel, bank_code, account_id, creditor_bin, creditor_name, unit_code, 'PLANNED', is_live"
        " FROM instruction WHERE id = (SELECT max(id) FROM instruction WHERE is_live)"
    ),
    "U3: an end-to-end id is used again": (
        "UPDATE instruction SET end_to_end_id = (SELECT min(end_to_end_id) FROM instruction)"
        " WHERE id = (SELECT id FROM instruction ORDER BY end_to_end_id DESC LIMIT 1)"
    ),
    "U4: other bytes under a message id": "UPDATE bank_file SET size = size + 1",
    "U5: a fetched file is forgotten": "DELETE FROM inbound_file",
    "U6: a line of a statement is changed": "UPDATE statement_line SET amount_vnd = amount_vnd + 1",
    "U7: a slot that was run is run again": "UPDATE run SET state = 'CLAIMED' WHERE state = 'DONE'",
    "U8: a maker approves": "UPDATE approval SET approver_id = maker_id",
    "U9: an event is taken out of the trail": "DELETE FROM audit_event",
    "U10: a posting is changed": "UPDATE posting SET amount_vnd = amount_vnd + 1",
    "U10: a posting is taken out": "DELETE FROM posting",
}


#: The office is at work meanwhile: who is in its way is refused for that alone, and tries again, so often.
_TRIES, _PAUSE = 20, 0.1
_IN_THE_WAY = ("40001", "40P01", "SQLITE_BUSY", "SQLITE_LOCKED")
_NOT_NULL = ("23502", "SQLITE_CONSTRAINT_NOTNULL")


def refused_by_the_database(engine: Engine) -> list[str]:
    """The attacks that were not refused by a rule, as sentences."""
    return [problem for rule, statement in ATTACKS.items() if (problem := _attack(engine, rule, statement))]


def _attack(engine: Engine, rule: str, statement: str) -> str:
    """What is wrong when somebody tries this, or ""."""
    for _ in range(_TRIES):
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            transaction = connection.begin()
            try:
                found_rows = connection.execute(text(statement)).rowcount > 0
            except IntegrityError as refusal:
                lacks = _code(refusal).startswith(_NOT_NULL)
                return f"an attack lacks a value, and proves nothing: {rule}" if lacks else ""
            except DBAPIError as failure:
                if not _code(failure).startswith(_IN_THE_WAY):
                    return f"an attack is no attack: {rule}: {type(failure.orig).__name__} {_code(failure)}"
            else:
                return f"the database lets it be: {rule}" if found_rows else ""
            finally:
                transaction.rollback()
        time.sleep(_PAUSE)
    return f"an attack could not be made for others at work: {rule}"


def _code(failure: DBAPIError) -> str:
    """The database's own word for what went wrong: psycopg has a state, sqlite3 a name."""
    return str(getattr(failure.orig, "sqlstate", None) or getattr(failure.orig, "sqlite_errorname", ""))
