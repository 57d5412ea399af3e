"""The rules that no program may break, as triggers: what is written once, frozen or balanced.

Every rule is said once, as a condition over OLD and NEW, and written in the dialect's form.
The names U3 to U10 are those of docs/decisions/0004.

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class Rule(NamedTuple):
    """`message` is raised when `event` on `table` finds `when` true ("" is always).

    `only` is a condition over the columns of OLD and NEW alone: rows of which it is not true cost
    nothing more, and `when` is not asked of them.
    """

    name: str
    table: str
    event: str
    when: str
    message: str
    only: str = ""


def _never(table: str, *events: str) -> list[Rule]:
    return [
        Rule(f"{table}_never_{event.lower()}", table, event, "", f"rows of {table} are never {event.lower()}d")
        for event in events
    ]


_CYCLE_STATE = "(SELECT state FROM payment_cycle WHERE id = {row}.cycle_id)"
#: The other payments of what a line carries, by this line and that: `mine` and `other` are claims, `o` is a payment.
_OTHERS = (
    "obligation_claim mine JOIN obligation_claim other ON other.obligation_id = mine.obligation_id"
    " AND other.entitlement_id <> mine.entitlement_id JOIN instruction o ON o.entitlement_id = other.entitlement_id"
)
#: That the bank did not make the payment of a re-submission, by what is known now and by the evidence it names.
_UNPAID = (
    "EXISTS (SELECT 1 FROM instruction i WHERE i.id = NEW.instruction_id AND i.batch_id IS NOT NULL"
    " AND i.state = NEW.state AND i.debited_vnd = i.credited_vnd)"
    " AND NOT EXISTS (SELECT 1 FROM discrepancy d WHERE d.instruction_id = NEW.instruction_id"
    " AND d.resolved_at IS NULL AND d.kind IN ('currency_mismatch', 'return_without_settlement'))"
    f" AND NOT EXISTS (SELECT 1 FROM {_OTHERS} JOIN instruction i ON i.entitlement_id = mine.entitlement_id"
    " WHERE i.id = NEW.instruction_id AND o.is_live)"
)
_EVIDENCE = (
    "(EXISTS (SELECT 1 FROM payment_status s WHERE s.inbound_file_id = NEW.status_file_id"
    " AND s.position = NEW.status_position AND s.instruction_id = NEW.instruction_id AND s.status IN ('RJCT', 'CANC')"
    " AND NEW.state = 'REJECTED')"
    " OR EXISTS (SELECT 1 FROM statement_line l WHERE l.statement_id = NEW.statement_id"
    " AND l.position = NEW.line_position AND l.instruction_id = NEW.instruction_id AND NOT l.is_debit"
    " AND l.status = 'BOOK' AND NEW.state = 'RETURNED')"
    " OR EXISTS (SELECT 1 FROM instruction i JOIN batch b ON b.id = i.batch_id WHERE i.id = NEW.instruction_id"
    " AND b.id = NEW.refused_batch_id AND b.state = 'REFUSED' AND NEW.state = 'REJECTED'))"
)
#: What is approved is not closed, and only the index of what stands leads from a payment to it.
_APPROVED = (
    "EXISTS (SELECT 1 FROM resubmission r WHERE r.instruction_id = {row}.id AND r.approved_at IS NOT NULL"
    " AND r.closed_at IS NULL)"
)
_POSTED = "(SELECT is_posted FROM ledger_transaction WHERE id = {row}.transaction_id)"

RULES: list[Rule] = [
    # U9, the trail is append-only.
    *_never("audit_event", "UPDATE", "DELETE"),
    # U4: the bytes that left, and what is known of them, never change.
    *_never("bank_file", "UPDATE", "DELETE"),
    *_never("inbound_file", "DELETE"),
    Rule(
        "inbound_file_bytes_fixed",
        "inbound_file",
        "UPDATE OF bank_code, sha256, size, received_at",
        "",
        "the bytes of an inbound file never change",
    ),
    # U5, U6: a line of a believed statement stands as it was read.
    *_never("bank_statement", "UPDATE", "DELETE"),
    *_never("statement_line", "DELETE"),
    Rule(
        "statement_line_fixed",
        "statement_line",
        "UPDATE OF statement_id, position, reference, amount_vnd, currency, is_debit, status",
        "",
        "a statement line stands as the bank wrote it",
    ),
    *_never("payment_status", "UPDATE", "DELETE"),
    # U1: what somebody is due is recorded once and for ever.
    *_never("obligation", "UPDATE"),
    # What somebody was due in a plan that was submitted stands: nobody is moved, nobody vanishes.
    Rule(
        "entitlement_fixed",
        "entitlement",
        "UPDATE",
        _CYCLE_STATE.format(row="OLD") + " <> 'DRAFT'",
        "the lines of a submitted plan are fixed",
    ),
    Rule(
        "entitlement_stays",
        "entitlement",
        "DELETE",
        _CYCLE_STATE.format(row="OLD") + " <> 'DRAFT'",
        "the lines of a submitted plan are never deleted",
    ),
    Rule(
        "obligation_claim_fixed",
        "obligation_claim",
        "UPDATE OF entitlement_id, obligation_id",
        "",
        "a claim is released, not moved",
    ),
    Rule(
        "obligation_claim_stays",
        "obligation_claim",
        "DELETE",
        "(SELECT c.state FROM payment_cycle c JOIN entitlement e ON e.cycle_id = c.id"
        " WHERE e.id = OLD.entitlement_id) <> 'DRAFT'",
        "the claims of a submitted plan are never deleted",
    ),
    # U2: what a payment had claimed is free only when two people said so, on the bank's evidence (rule 5).
    Rule(
        "obligation_claim_released_by_two",
        "obligation_claim",
        "UPDATE OF released_at",
        "EXISTS (SELECT 1 FROM instruction i WHERE i.entitlement_id = OLD.entitlement_id"
        f" AND (i.is_live OR NOT {_APPROVED.format(row='i')}))",
        "what a payment carries is released only by an approved re-submission",
        "NEW.released_at IS NOT NULL AND OLD.released_at IS NULL",
    ),
    Rule(
        "obligation_claim_of_unpaid",
        "obligation_claim",
        "INSERT",
        # The other claims are released ones (a standing one is unique), which are few.
        "EXISTS (SELECT 1 FROM obligation_claim c JOIN instruction i ON i.entitlement_id = c.entitlement_id"
        " WHERE c.obligation_id = NEW.obligation_id AND c.entitlement_id <> NEW.entitlement_id"
        f" AND c.released_at IS NOT NULL AND (i.is_live OR NOT {_APPROVED.format(row='i')}))",
        "what was paid, or may have been, is planned again only by an approved re-submission",
    ),
    Rule(
        "resubmission_starts_as_proposal",
        "resubmission",
        "INSERT",
        "NEW.approved_at IS NOT NULL OR NEW.closed_at IS NOT NULL",
        "a re-submission starts as a proposal",
    ),
    Rule(
        "resubmission_on_evidence",
        "resubmission",
        "INSERT",
        f"NOT {_EVIDENCE}",
        "a re-submission names a word of the bank that proves that the payment was not made",
    ),
    Rule(
        "resubmission_of_unpaid",
        "resubmission",
        "INSERT",
        f"NOT ({_UNPAID})",
        "only a payment that the bank did not make is proposed to be made again",
    ),
    Rule(
        "resubmission_still_unpaid",
        "resubmission",
        "UPDATE OF approved_at",
        f"NOT ({_UNPAID})",
        "only a payment that the bank still has not made is made again",
        "NEW.approved_at IS NOT NULL AND OLD.approved_at IS NULL",
    ),
    Rule(
        "resubmission_fixed",
        "resubmission",
        "UPDATE OF instruction_id, state, status_file_id, status_position, statement_id, line_position, "
        "refused_batch_id, reason_code, proposed_by, proposed_at",
        "",
        "a re-submission is decided, not changed",
    ),
    Rule(
        "resubmission_decided_stays",
        "resubmission",
        "UPDATE",
        "OLD.approved_at IS NOT NULL OR OLD.closed_at IS NOT NULL",
        "a decided re-submission never changes",
    ),
    *_never("resubmission", "DELETE"),
    Rule(
        "replacement_of_unpaid",
        "replacement",
        "INSERT",
        f"NOT EXISTS (SELECT 1 FROM {_OTHERS} JOIN instruction i ON i.entitlement_id = mine.entitlement_id"
        " JOIN payment_cycle y ON y.id = i.cycle_id WHERE i.id = NEW.instruction_id AND o.id = NEW.replaced_id AND y.state = 'DRAFT' AND NOT o.is_live"
        f" AND o.generation < i.generation AND {_APPROVED.format(row='o')})",
        "a payment of a draft takes the place of one that was not made, of the same dues, by an approved re-submission",
    ),
    *_never("replacement", "UPDATE"),
    Rule(
        "replacement_stays",
        "replacement",
        "DELETE",
        "(SELECT c.state FROM payment_cycle c JOIN instruction i ON i.cycle_id = c.id WHERE i.id = OLD.instruction_id)"
        " <> 'DRAFT'",
        "what a payment of a submitted plan takes the place of stands",
    ),
    Rule(
        "cycle_replaces_by_name",
        "payment_cycle",
        "UPDATE OF state",
        # From the few re-submissions to the plan: the plus keeps SQLite from going the other way.
        f"EXISTS (SELECT 1 FROM {_OTHERS} JOIN instruction e ON e.entitlement_id = mine.entitlement_id"
        " JOIN resubmission r ON r.instruction_id = e.id WHERE r.approved_at IS NOT NULL"
        " AND mine.released_at IS NOT NULL AND +o.cycle_id = NEW.id AND (e.is_live OR o.generation = 0 OR NOT EXISTS"
        " (SELECT 1 FROM replacement p JOIN instruction b ON b.id = p.replaced_id JOIN obligation_claim bc"
        " ON bc.entitlement_id = b.entitlement_id WHERE p.instruction_id = o.id"
        " AND bc.obligation_id = mine.obligation_id)))",
        "a plan names the payments whose place its own take, and none of them was made",
        "NEW.state = 'SUBMITTED' AND OLD.state = 'DRAFT'",
    ),
    # U2 across lines: what takes the place of another leaves only while that one is not paid (crash point C29).
    Rule(
        "instruction_leaves_alone",
        "instruction",
        "UPDATE OF batch_id",
        f"EXISTS (SELECT 1 FROM {_OTHERS} WHERE mine.entitlement_id = NEW.entitlement_id AND o.is_live)",
        "a payment leaves only while no other payment of the same dues is live",
        "NEW.batch_id IS NOT NULL AND NEW.generation > 0",
    ),
    # The bytes of a recall, and what it is about, never change.
    Rule(
        "recall_fixed",
        "recall",
        "UPDATE OF instruction_id, bank_code, case_id, name, sha256, size, written_by, requested_at",
        "",
        "what a bank was asked to take back never changes",
    ),
    *_never("recall", "DELETE"),
    # U3: an id that may have left is burnt; while the plan is a draft nothing has left.
    Rule(
        "instruction_delete_in_draft",
        "instruction",
        "DELETE",
        _CYCLE_STATE.format(row="OLD") + " <> 'DRAFT'",
        "an instruction of a plan that was submitted is never deleted",
    ),
    Rule(
        "instruction_insert_in_draft",
        "instruction",
        "INSERT",
        _CYCLE_STATE.format(row="NEW") + " <> 'DRAFT'",
        "a plan that was submitted takes no further instruction",
    ),
    # U7: a slot that was run is run no more, and nobody takes a lease or a slot back from a later holder.
    *_never("run", "DELETE"),
    Rule("run_ended_stands", "run", "UPDATE", "OLD.state <> 'CLAIMED'", "a run that has ended never changes"),
    Rule(
        "run_claimed_in_turn",
        "run",
        "UPDATE OF token",
        "NEW.token < OLD.token",
        "a slot is taken over only by a later holder of the lease",
    ),
    *_never("lease", "DELETE"),
    Rule("lease_in_turn", "lease", "UPDATE OF token", "NEW.token < OLD.token", "the token of a lease never falls"),
    # U8: what was approved is what is sent.
    Rule(
        "instruction_content_fixed",
        "instruction",
        "UPDATE OF entitlement_id, cycle_id, end_to_end_id, generation, amount_vnd, channel, bank_code, account_id, "
        "creditor_bin, creditor_name, unit_code",
        _CYCLE_STATE.format(row="OLD") + " <> 'DRAFT'",
        "what the bank will be told is fixed once the plan was submitted",
    ),
    Rule(
        "approval_of_what_was_submitted",
        "approval",
        "INSERT",
        "NOT EXISTS (SELECT 1 FROM payment_cycle c WHERE c.id = NEW.cycle_id AND c.state = 'SUBMITTED'"
        " AND c.content_sha256 = NEW.content_sha256 AND c.maker_id = NEW.maker_id)",
        "an approval speaks of the submitted content and names its maker",
    ),
    Rule(
        "approval_by_another_person",
        "approval",
        "INSERT",
        "EXISTS (SELECT 1 FROM payment_cycle c WHERE c.id = NEW.cycle_id"
        " AND (c.maker_id = NEW.approver_id OR c.submitted_by = NEW.approver_id))",
        "who made or submitted a plan does not approve it",
    ),
    Rule(
        "approval_fixed",
        "approval",
        "UPDATE OF cycle_id, content_sha256, maker_id, approver_id, approved_at",
        "",
        "an approval is cancelled, not changed",
    ),
    Rule(
        "approval_cancelled_stays",
        "approval",
        "UPDATE OF cancelled_at",
        "OLD.cancelled_at IS NOT NULL",
        "a cancelled approval never stands again",
    ),
    *_never("approval", "DELETE"),
    Rule("cycle_starts_as_draft", "payment_cycle", "INSERT", "NEW.state <> 'DRAFT'", "a plan starts as a draft"),
    Rule(
        "cycle_draft_unapproved",
        "payment_cycle",
        "UPDATE OF state",
        "NEW.state = 'DRAFT' AND EXISTS (SELECT 1 FROM approval a WHERE a.cycle_id = NEW.id AND a.cancelled_at IS NULL)",
        "a plan becomes a draft again only when its approvals were cancelled",
    ),
    Rule(
        "cycle_draft_unbatched",
        "payment_cycle",
        "UPDATE OF state",
        "NEW.state IN ('DRAFT', 'SUBMITTED') AND EXISTS (SELECT 1 FROM batch b WHERE b.cycle_id = NEW.id)",
        "a plan of which a batch was made is never changed",
    ),
    Rule(
        "cycle_approved_by_somebody",
        "payment_cycle",
        "UPDATE OF state",
        "NEW.state IN ('APPROVED', 'RELEASED') AND NOT EXISTS (SELECT 1 FROM approval a WHERE a.cycle_id = NEW.id"
        " AND a.content_sha256 = NEW.content_sha256 AND a.cancelled_at IS NULL)",
        "a plan is approved only by a standing approval of its content",
    ),
    Rule(
        "cycle_content_fixed",
        "payment_cycle",
        "UPDATE OF content_sha256",
        "OLD.state <> 'DRAFT' AND NEW.state <> 'DRAFT'",
        "the content of a submitted plan is fixed",
    ),
    Rule(
        "cycle_header_fixed",
        "payment_cycle",
        "UPDATE OF code, kind, programmes, periods, value_date, maker_id, created_at, submitted_by, submitted_at",
        "OLD.state <> 'DRAFT' AND NEW.state <> 'DRAFT'",
        "what a submitted plan says of itself is fixed",
    ),
    Rule(
        "batch_of_released_plan",
        "batch",
        "INSERT",
        _CYCLE_STATE.format(row="NEW") + " NOT IN ('APPROVED', 'RELEASED')",
        "a batch is made only from an approved plan",
    ),
    Rule(
        "batch_content_fixed",
        "batch",
        "UPDATE OF cycle_id, bank_code, part, value_date, count, sum_vnd, content_sha256, message_id, created_at",
        "",
        "the content of a batch is fixed",
    ),
    *_never("batch", "DELETE"),
    # U10: postings of a transaction sum to zero, and what is posted stands.
    Rule(
        "ledger_written_open", "ledger_transaction", "INSERT", "NEW.is_posted", "a transaction is written open, then posted"
    ),
    Rule(
        "ledger_balanced",
        "ledger_transaction",
        "UPDATE OF is_posted",
        "NEW.is_posted AND (SELECT COALESCE(SUM(amount_vnd), 1) FROM posting WHERE transaction_id = NEW.id) <> 0",
        "the postings of a transaction sum to zero",
    ),
    Rule("ledger_posted_stands", "ledger_transaction", "UPDATE", "OLD.is_posted", "a posted transaction never changes"),
    Rule("ledger_posted_stays", "ledger_transaction", "DELETE", "OLD.is_posted", "a posted transaction is never deleted"),
    Rule("posting_into_open", "posting", "INSERT", _POSTED.format(row="NEW"), "a posted transaction takes no posting"),
    Rule("posting_stands", "posting", "UPDATE", "", "a posting never changes"),
    Rule("posting_stays", "posting", "DELETE", _POSTED.format(row="OLD"), "a posting of a posted transaction stays"),
    *_never("report", "UPDATE", "DELETE"),
    # What left before the database was put back is never forgotten, and answered for once.
    *_never("lost_file", "DELETE"),
    Rule(
        "lost_file_fixed",
        "lost_file",
        "UPDATE OF bank_code, cycle_code, message_id, name, sha256, size, written_by, left_at, attempts, found_at",
        "",
        "what is known of a lost file never changes",
    ),
    Rule(
        "lost_file_settled_stands",
        "lost_file",
        "UPDATE OF settled_at, settled_by",
        "OLD.settled_at IS NOT NULL",
        "a lost file is answered for once",
    ),
    *_never("lost_reference", "UPDATE", "DELETE"),
]


def _sqlite(rule: Rule) -> list[str]:
    conditions = [f"({one})" for one in (rule.only, rule.when) if one]
    when = f" WHEN {' AND '.join(conditions)}" if conditions else ""
    return [
        f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table} FOR EACH ROW{when} "
        f"BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
    ]


def _postgresql(rule: Rule) -> list[str]:
    if rule.event == "INSERT":
        return _postgresql_once(rule)
    # A trigger's WHEN may hold no subquery, so the condition is asked inside the function.
    condition = f"IF {rule.when} THEN " if rule.when else ""
    end = " END IF;" if rule.when else ""
    only = f" WHEN ({rule.only})" if rule.only else ""
    given_back = "OLD" if rule.event == "DELETE" else "NEW"
    return [
        f"CREATE FUNCTION rule_{rule.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {condition}"
        f"RAISE EXCEPTION '{rule.message}' USING ERRCODE = 'integrity_constraint_violation';{end} "
        f"RETURN {given_back}; END $$",
        f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table} FOR EACH ROW{only} EXECUTE FUNCTION rule_{rule.name}()",
    ]


def _postgresql_once(rule: Rule) -> list[str]:
    """New rows are looked at together, when all of them are there: one question for a plan of a province."""
    condition = rule.when.replace("NEW.", "added.")
    return [
        f"CREATE FUNCTION rule_{rule.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF EXISTS (SELECT 1 FROM added WHERE {condition}) THEN "
        f"RAISE EXCEPTION '{rule.message}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
        "RETURN NULL; END $$",
        f"CREATE TRIGGER {rule.name} AFTER INSERT ON {rule.table} REFERENCING NEW TABLE AS added "
        f"FOR EACH STATEMENT EXECUTE FUNCTION rule_{rule.name}()",
    ]


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for rule in RULES:
        for statement in _sqlite(rule) if dialect == "sqlite" else _postgresql(rule):
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for rule in reversed(RULES):
        if dialect == "sqlite":
            op.get_bind().exec_driver_sql(f"DROP TRIGGER {rule.name}")
        else:
            op.get_bind().exec_driver_sql(f"DROP TRIGGER {rule.name} ON {rule.table}")
            op.get_bind().exec_driver_sql(f"DROP FUNCTION rule_{rule.name}()")
