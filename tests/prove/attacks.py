"""Somebody with the database's password tries what no program may do; each has to be refused.

Every attack is one statement in a transaction that is rolled back. One that finds no row to
work on proves nothing and is not counted.
"""

from __future__ import annotations

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

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


def refused_by_the_database(engine: Engine) -> list[str]:
    """The attacks that were not refused, as sentences."""
    found = []
    for rule, statement in ATTACKS.items():
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            transaction = connection.begin()
            try:
                if connection.execute(text(statement)).rowcount > 0:
                    found.append(f"the database lets it be: {rule}")
            except DBAPIError:
                pass
            finally:
                transaction.rollback()
    return found
