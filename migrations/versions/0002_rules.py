"""The rules that no program may break, as triggers: what is written once, frozen or balanced.

Every rule is said once, as a condition over OLD and NEW, and written in the dialect's form. What a
condition over rows never sees (SQLite's REPLACE, PostgreSQL's TRUNCATE) is refused for all guarded tables alike.
The names U1 to U10 are those of docs/decisions/0004.

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


#: Table -> state -> what may follow it. The states that most rows move through come first: the first that fits ends
#: the looking.
LIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "payment_cycle": {
        "DRAFT": ("SUBMITTED",),
        "SUBMITTED": ("APPROVED", "DRAFT"),
        "APPROVED": ("RELEASED", "DRAFT"),
        "RELEASED": ("CLOSED",),
        "CLOSED": (),
    },
    "instruction": {
        "PLANNED": ("BATCHED", "CANCELLED"),
        "BATCHED": ("SENT", "UNKNOWN", "REJECTED", "PLANNED"),
        "SENT": ("SETTLED", "REJECTED", "RETURNED", "DISPUTED"),
        "UNKNOWN": ("SENT", "BATCHED", "SETTLED", "REJECTED", "RETURNED", "DISPUTED"),
        "SETTLED": ("RETURNED", "DISPUTED"),
        "REJECTED": ("SETTLED", "RETURNED", "DISPUTED"),
        "RETURNED": ("SETTLED", "DISPUTED"),
        "DISPUTED": ("SETTLED", "RETURNED", "REJECTED"),
        "CANCELLED": (),
    },
    "batch": {
        "SEALED": ("SENDING", "DISSOLVED"),
        "SENDING": ("SENT", "REFUSED", "UNKNOWN", "SEALED"),
        "UNKNOWN": ("SENT", "REFUSED", "SEALED"),
        "SENT": ("REFUSED",),
        "REFUSED": (),
        "DISSOLVED": (),
    },
    "recall": {
        "BY_HAND": ("WITHDRAWN",),
        "SEALED": ("SENDING", "SENT", "WITHDRAWN", "ACCEPTED", "DECLINED"),
        "SENDING": ("SENT", "REFUSED", "UNKNOWN", "SEALED", "ACCEPTED", "DECLINED"),
        "UNKNOWN": ("SENT", "REFUSED", "SEALED", "ACCEPTED", "DECLINED"),
        "SENT": ("ACCEPTED", "DECLINED"),
        "REFUSED": (),
        "ACCEPTED": (),
        "DECLINED": (),
        "WITHDRAWN": (),
    },
    "inbound_file": {
        "STORED": ("ACCEPTED", "QUARANTINED", "PARKED", "REPEATED"),
        "PARKED": ("ACCEPTED", "QUARANTINED", "REPEATED"),
        "ACCEPTED": (),
        "QUARANTINED": (),
        "REPEATED": (),
    },
}


def _life(table: str, message: str) -> Rule:
    """Comparisons of two columns and nothing else: the rule is asked of every payment of a province in one statement.

    Of a list (IN), SQLite would make a table for each row.
    """
    moves = " OR ".join(
        f"OLD.state = '{before}' AND (" + " OR ".join(f"NEW.state = '{after}'" for after in nexts) + ")"
        for before, nexts in LIVES[table].items()
        if nexts
    )
    return Rule(f"{table}_life", table, "UPDATE OF state", "", message, f"NEW.state <> OLD.state AND NOT ({moves})")


def _tries(table: str, of: str) -> list[Rule]:
    """A try at handing a file over is noted before the first byte leaves, and its end once."""
    return [
        *_never(table, "DELETE"),
        Rule(f"{table}_fixed", table, f"UPDATE OF {of}, number, started_at", "", "that a try was begun stands"),
        Rule(f"{table}_ended_stands", table, "UPDATE", "", "how a try ended is written once", "OLD.outcome IS NOT NULL"),
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
#: That an approved letter of the bank says this of the payment: what it says, and the status as which it was read.
_BY_LETTER = (
    "EXISTS (SELECT 1 FROM payment_status s JOIN bank_letter l ON l.inbound_file_id = s.inbound_file_id"
    " WHERE s.instruction_id = NEW.id AND s.status = '{status}' AND l.says = '{says}' AND l.approved_at IS NOT NULL)"
)
#: Free to be planned again: two officers said so on the bank's word, or it was withdrawn before anything was written.
_FREED = f"({{row}}.state = 'CANCELLED' OR {_APPROVED})"
#: The payment that a withdrawal is about, and its cycle.
_WITHDRAWN = "SELECT 1 FROM instruction i JOIN payment_cycle c ON c.id = i.cycle_id WHERE i.id = NEW.instruction_id AND "
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
        "UPDATE OF id, bank_code, sha256, size, received_at",
        "",
        "the bytes of an inbound file never change",
    ),
    # U5: what became of a file is decided once; decided anew it would count again.
    Rule("inbound_file_starts_stored", "inbound_file", "INSERT", "NEW.state <> 'STORED'", "a file is stored, then decided"),
    _life("inbound_file", "a file that was decided is not decided again"),
    Rule(
        "inbound_file_decided_stands",
        "inbound_file",
        "UPDATE",
        "",
        "what became of a decided file stands",
        "OLD.state IN ('ACCEPTED', 'QUARANTINED', 'REPEATED')",
    ),
    # A letter of a bank is a file of the bank when two officers say so, and by nothing else.
    Rule(
        "inbound_file_letter_approved",
        "inbound_file",
        "UPDATE OF state, kind",
        "NOT EXISTS (SELECT 1 FROM bank_letter l WHERE l.inbound_file_id = NEW.id AND l.approved_at IS NOT NULL)",
        "only a letter that two officers recorded is accepted as one",
        "NEW.state = 'ACCEPTED' AND NEW.kind = 'letter'",
    ),
    Rule(
        "bank_letter_starts_as_proposal",
        "bank_letter",
        "INSERT",
        "NEW.approved_at IS NOT NULL OR NEW.closed_at IS NOT NULL",
        "a letter is recorded by one officer, then approved by another",
    ),
    Rule(
        "bank_letter_fixed",
        "bank_letter",
        "UPDATE OF id, bank_code, number, dated, says, scan_sha256, scan_size, content, content_sha256, proposed_by,"
        " proposed_at",
        "",
        "what was recorded of a letter is decided, not changed",
    ),
    Rule(
        "bank_letter_decided_stays",
        "bank_letter",
        "UPDATE",
        "",
        "what was decided about a letter stands",
        "OLD.approved_at IS NOT NULL OR OLD.closed_at IS NOT NULL",
    ),
    Rule(
        "bank_letter_is_a_file_of_its_own",
        "bank_letter",
        "UPDATE OF approved_at, inbound_file_id",
        # What a bank put out itself is no letter, whatever it says.
        "NOT EXISTS (SELECT 1 FROM inbound_file f WHERE f.id = NEW.inbound_file_id AND f.bank_code = NEW.bank_code"
        " AND f.state = 'STORED' AND f.received_at = NEW.approved_at"
        " AND NOT EXISTS (SELECT 1 FROM fetched_name n WHERE n.inbound_file_id = f.id))",
        "an approved letter is a file of its bank that came with the approval",
        "NEW.approved_at IS NOT NULL AND OLD.approved_at IS NULL",
    ),
    *_never("bank_letter", "DELETE"),
    # U5, U6: a line of a believed statement stands as it was read.
    *_never("bank_statement", "UPDATE", "DELETE"),
    # So does the payment to which it was matched: the verdict is given with the line, and never again.
    *_never("statement_line", "UPDATE", "DELETE"),
    Rule(
        "statement_line_announced",
        "statement_line",
        "INSERT",
        # A statement is written with all of its lines, and none of them ever goes: no place is left for another.
        "NOT EXISTS (SELECT 1 FROM bank_statement s WHERE s.id = NEW.statement_id"
        " AND NEW.position >= 0 AND NEW.position < s.line_count)",
        "a believed statement takes no further line",
    ),
    *_never("payment_status", "UPDATE", "DELETE"),
    # What does not agree stays noted, and is answered for once.
    *_never("discrepancy", "DELETE"),
    Rule(
        "discrepancy_fixed",
        "discrepancy",
        "UPDATE OF id, kind, bank_code, reference, instruction_id, inbound_file_id, amount_vnd, detail, found_at",
        "",
        "what did not agree never changes",
    ),
    Rule(
        "discrepancy_resolved_stands",
        "discrepancy",
        "UPDATE",
        "",
        # What comes up again is open again, which hides nothing.
        "how a discrepancy was resolved stands",
        "OLD.resolved_at IS NOT NULL AND NEW.resolved_at IS NOT NULL",
    ),
    # U1: what somebody is due is recorded once and for ever.
    *_never("obligation", "UPDATE"),
    Rule(
        "obligation_stays",
        "obligation",
        "DELETE",
        # A draft that is drawn anew gives up its claims first. A foreign key says so too, where a console has them on.
        "EXISTS (SELECT 1 FROM obligation_claim c WHERE c.obligation_id = OLD.id)"
        " OR EXISTS (SELECT 1 FROM unplanned_obligation u WHERE u.obligation_id = OLD.id)",
        "what somebody is due is never deleted while a plan carries it or has to",
    ),
    *_never("unplanned_obligation", "UPDATE"),
    Rule(
        "unplanned_obligation_stays",
        "unplanned_obligation",
        "DELETE",
        "NOT EXISTS (SELECT 1 FROM obligation_claim c WHERE c.obligation_id = OLD.obligation_id)",
        "dues wait for a plan until one carries them",
    ),
    # What somebody was due in a plan that was submitted stands: nobody is moved, nobody vanishes.
    Rule(
        "entitlement_fixed",
        "entitlement",
        "UPDATE",
        _CYCLE_STATE.format(row="OLD") + " <> 'DRAFT'",
        "the lines of a submitted plan are fixed",
    ),
    Rule(
        "entitlement_insert_in_draft",
        "entitlement",
        "INSERT",
        _CYCLE_STATE.format(row="NEW") + " <> 'DRAFT'",
        "a plan that was submitted takes no further line",
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
        f" AND (i.is_live OR NOT {_FREED.format(row='i')}))",
        "what a payment carries is released only by an approved re-submission, or when it was withdrawn",
        "NEW.released_at IS NOT NULL AND OLD.released_at IS NULL",
    ),
    Rule(
        "obligation_claim_of_unpaid",
        "obligation_claim",
        "INSERT",
        # The other claims are released ones (a standing one is unique), which are few.
        "EXISTS (SELECT 1 FROM obligation_claim c JOIN instruction i ON i.entitlement_id = c.entitlement_id"
        " WHERE c.obligation_id = NEW.obligation_id AND c.entitlement_id <> NEW.entitlement_id"
        f" AND c.released_at IS NOT NULL AND (i.is_live OR NOT {_FREED.format(row='i')}))",
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
        "UPDATE OF id, instruction_id, state, status_file_id, status_position, statement_id, line_position, "
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
    # What never left goes back by one approver's word: nothing of it was written, no lost file has it, and who made or
    # submitted the plan does not decide what of it is paid.
    Rule(
        "withdrawal_of_what_never_left",
        "withdrawal",
        "INSERT",
        f"NOT EXISTS ({_WITHDRAWN}i.state = 'PLANNED' AND i.batch_id IS NULL AND c.state = 'RELEASED')"
        " OR EXISTS (SELECT 1 FROM dissolved_payment d JOIN bank_file f ON f.batch_id = d.batch_id"
        " WHERE d.instruction_id = NEW.instruction_id)",
        "only a payment of a released plan that is in no batch and was never written is withdrawn",
    ),
    Rule(
        "withdrawal_of_no_lost_payment",
        "withdrawal",
        "INSERT",
        f"EXISTS ({_WITHDRAWN}EXISTS (SELECT 1 FROM lost_reference r WHERE r.reference = i.end_to_end_id))",
        "what stands in a lost file may have been paid, and is not withdrawn",
    ),
    Rule(
        "withdrawal_by_another_person",
        "withdrawal",
        "INSERT",
        f"EXISTS ({_WITHDRAWN}(c.maker_id = NEW.withdrawn_by OR c.submitted_by = NEW.withdrawn_by))",
        "who made or submitted a plan does not withdraw payments of it",
    ),
    Rule("withdrawal_reasoned", "withdrawal", "INSERT", "NEW.reason = ''", "who withdraws a payment says why"),
    *_never("withdrawal", "UPDATE", "DELETE"),
    Rule(
        "instruction_withdrawn_by_somebody",
        "instruction",
        "UPDATE OF state",
        "NOT EXISTS (SELECT 1 FROM withdrawal w WHERE w.instruction_id = NEW.id)",
        "a payment is cancelled only when an officer withdrew it",
        "NEW.state = 'CANCELLED' AND OLD.state <> 'CANCELLED'",
    ),
    Rule(
        "replacement_of_unpaid",
        "replacement",
        "INSERT",
        f"NOT EXISTS (SELECT 1 FROM {_OTHERS} JOIN instruction i ON i.entitlement_id = mine.entitlement_id"
        " JOIN payment_cycle y ON y.id = i.cycle_id WHERE i.id = NEW.instruction_id AND o.id = NEW.replaced_id AND y.state = 'DRAFT' AND NOT o.is_live"
        f" AND o.generation < i.generation AND {_FREED.format(row='o')})",
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
    Rule(
        "cycle_replaces_withdrawn_by_name",
        "payment_cycle",
        "UPDATE OF state",
        # As above, from the few that were withdrawn; none of them comes to life.
        f"EXISTS (SELECT 1 FROM {_OTHERS} JOIN instruction e ON e.entitlement_id = mine.entitlement_id"
        " JOIN withdrawal w ON w.instruction_id = e.id WHERE mine.released_at IS NOT NULL AND +o.cycle_id = NEW.id"
        " AND (o.generation = 0 OR NOT EXISTS (SELECT 1 FROM replacement p JOIN instruction b ON b.id = p.replaced_id"
        " JOIN obligation_claim bc ON bc.entitlement_id = b.entitlement_id WHERE p.instruction_id = o.id"
        " AND bc.obligation_id = mine.obligation_id)))",
        "a plan names the withdrawn payments whose place its own take",
        "NEW.state = 'SUBMITTED' AND OLD.state = 'DRAFT'",
    ),
    Rule(
        "cycle_closed_when_over",
        "payment_cycle",
        "UPDATE OF state",
        "EXISTS (SELECT 1 FROM instruction i WHERE i.cycle_id = NEW.id"
        " AND i.state NOT IN ('SETTLED', 'REJECTED', 'RETURNED', 'CANCELLED'))"
        " OR EXISTS (SELECT 1 FROM batch b WHERE b.cycle_id = NEW.id AND b.state IN ('SEALED', 'SENDING', 'UNKNOWN'))",
        "a plan is closed when it is known what became of each of its payments",
        "NEW.state = 'CLOSED' AND OLD.state = 'RELEASED'",
    ),
    # U2 across lines: what takes the place of another leaves only while that one is not paid (crash point C29). What
    # left before the database was put back has left, whatever is known of the other one by now.
    Rule(
        "instruction_leaves_alone",
        "instruction",
        "UPDATE OF batch_id",
        f"EXISTS (SELECT 1 FROM {_OTHERS} WHERE mine.entitlement_id = NEW.entitlement_id AND o.is_live)"
        " AND NOT EXISTS (SELECT 1 FROM batch b JOIN lost_file l ON l.bank_code = b.bank_code"
        " AND l.message_id = b.message_id WHERE b.id = NEW.batch_id)",
        "a payment leaves only while no other payment of the same dues is live",
        "NEW.batch_id IS NOT NULL AND NEW.generation > 0",
    ),
    # The bytes of a recall, and what it is about, never change.
    Rule(
        "recall_fixed",
        "recall",
        "UPDATE OF id, instruction_id, bank_code, case_id, name, sha256, size, written_by, requested_at",
        "",
        "what a bank was asked to take back never changes",
    ),
    *_never("recall", "DELETE"),
    Rule(
        "recall_starts_unsent", "recall", "INSERT", "NEW.state NOT IN ('SEALED', 'BY_HAND')", "a recall starts unsent"
    ),
    _life("recall", "a recall does not move this way"),
    # U4: what may have left is known by the tries at sending it.
    *_tries("send_attempt", "bank_file_id"),
    *_tries("recall_attempt", "recall_id"),
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
    Rule(
        "instruction_starts_planned",
        "instruction",
        "INSERT",
        "NEW.state <> 'PLANNED' OR NEW.batch_id IS NOT NULL OR NEW.letter_word <> ''",
        "a payment starts as planned, in no batch",
    ),
    # What left is not planned anew, and not batched anew unless the bank says that it never had it.
    _life("instruction", "a payment does not move this way"),
    # What a letter said of a payment stands, and nothing else ends a bank's contradiction where nothing is booked.
    Rule(
        "instruction_letter_word_on_a_letter",
        "instruction",
        "UPDATE OF letter_word",
        f"NEW.letter_word <> 'made' AND NOT {_BY_LETTER.format(status='RJCT', says='not_made')}"
        f" OR NEW.letter_word <> 'not_made' AND NOT {_BY_LETTER.format(status='ACSC', says='made')}",
        "a payment has the word of a letter only where an approved letter says so",
        "NEW.letter_word <> OLD.letter_word AND NEW.letter_word <> ''",
    ),
    Rule(
        "instruction_letter_word_stands",
        "instruction",
        "UPDATE OF letter_word",
        "",
        "what letters said of a payment is never taken back",
        "OLD.letter_word <> '' AND NEW.letter_word <> OLD.letter_word AND NEW.letter_word <> 'both'",
    ),
    Rule(
        "instruction_dispute_ended_by_letter",
        "instruction",
        "UPDATE OF state",
        "",
        "what its bank completed and refused is refused only by a letter",
        "OLD.state = 'DISPUTED' AND NEW.state = 'REJECTED' AND NEW.letter_word <> 'not_made'",
    ),
    Rule(
        "instruction_stays_in_batch",
        "instruction",
        "UPDATE OF batch_id, batch_position",
        # A batch of which nothing left may be made anew, once it is written down what it held.
        "NOT (NEW.batch_id IS NULL AND NEW.state = 'PLANNED'"
        " AND EXISTS (SELECT 1 FROM batch b WHERE b.id = OLD.batch_id AND b.state = 'DISSOLVED')"
        " AND EXISTS (SELECT 1 FROM dissolved_payment d WHERE d.batch_id = OLD.batch_id"
        " AND d.position = OLD.batch_position AND d.instruction_id = OLD.id))",
        "a payment stays at its place in its batch",
        "OLD.batch_id IS NOT NULL AND (NEW.batch_id IS NULL OR NEW.batch_id <> OLD.batch_id"
        " OR OLD.batch_position IS NOT NULL AND (NEW.batch_position IS NULL OR NEW.batch_position <> OLD.batch_position))",
    ),
    Rule(
        "instruction_planned_again",
        "instruction",
        "UPDATE OF state",
        "",
        "a payment leaves its batch when that is dissolved",
        "OLD.state = 'BATCHED' AND NEW.state = 'PLANNED' AND NEW.batch_id IS NOT NULL",
    ),
    # U7: a slot that was run is run no more, and nobody takes a lease or a slot back from a later holder.
    *_never("run", "DELETE"),
    Rule("run_slot_fixed", "run", "UPDATE OF schedule_id, due_at", "", "a run is of the slot of which it was begun"),
    Rule("run_ended_stands", "run", "UPDATE", "OLD.state <> 'CLAIMED'", "a run that has ended never changes"),
    Rule(
        "run_claimed_in_turn",
        "run",
        "UPDATE OF token",
        "NEW.token < OLD.token",
        "a slot is taken over only by a later holder of the lease",
    ),
    *_never("lease", "DELETE"),
    Rule("lease_name_fixed", "lease", "UPDATE OF name", "", "a lease keeps its name"),
    Rule("lease_in_turn", "lease", "UPDATE OF token", "NEW.token < OLD.token", "the token of a lease never falls"),
    # U8: what was approved is what is sent.
    Rule(
        "instruction_content_fixed",
        "instruction",
        "UPDATE OF id, entitlement_id, cycle_id, end_to_end_id, generation, amount_vnd, channel, bank_code, account_id, "
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
        "UPDATE OF id, cycle_id, content_sha256, maker_id, approver_id, approved_at",
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
    _life("payment_cycle", "a plan does not move this way"),
    *_never("payment_cycle", "DELETE"),
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
        "UPDATE OF id, code, kind, programmes, periods, value_date, maker_id, created_at, submitted_by, submitted_at",
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
        "UPDATE OF id, cycle_id, bank_code, part, value_date, count, sum_vnd, content_sha256, message_id, created_at",
        "",
        "the content of a batch is fixed",
    ),
    Rule("batch_starts_sealed", "batch", "INSERT", "NEW.state <> 'SEALED'", "a batch starts sealed"),
    _life("batch", "a batch does not move this way"),
    # U4: what a bank may have is in no second file. A try that is under way, or of which nobody knows, may be there.
    Rule(
        "batch_dissolved_unsent",
        "batch",
        "UPDATE OF state",
        "EXISTS (SELECT 1 FROM bank_file f JOIN send_attempt a ON a.bank_file_id = f.id"
        " WHERE f.batch_id = NEW.id AND (a.outcome IS NULL OR a.outcome <> 'not_sent'))",
        "only a batch of which nothing can have left is dissolved",
        "NEW.state = 'DISSOLVED'",
    ),
    Rule(
        "batch_dissolved_stands",
        "batch",
        "UPDATE OF dissolved_at",
        "",
        "when a batch was dissolved never changes",
        "OLD.dissolved_at IS NOT NULL",
    ),
    Rule(
        "send_attempt_of_standing_batch",
        "send_attempt",
        "INSERT",
        "EXISTS (SELECT 1 FROM bank_file f JOIN batch b ON b.id = f.batch_id"
        " WHERE f.id = NEW.bank_file_id AND b.state = 'DISSOLVED')",
        "the file of a batch that was dissolved never leaves",
    ),
    # What is in the batch when it is dissolved is written down then and there: afterwards no payment is in it any more.
    Rule(
        "dissolved_payment_was_there",
        "dissolved_payment",
        "INSERT",
        "NOT EXISTS (SELECT 1 FROM instruction i JOIN batch b ON b.id = i.batch_id WHERE i.id = NEW.instruction_id"
        " AND i.batch_id = NEW.batch_id AND i.batch_position = NEW.position AND i.state = 'BATCHED'"
        " AND b.state = 'DISSOLVED' AND NEW.position >= 0 AND NEW.position < b.count)",
        "a dissolved batch held what is at that place in it",
    ),
    *_never("dissolved_payment", "UPDATE", "DELETE"),
    Rule(
        "bank_file_of_standing_batch",
        "bank_file",
        "INSERT",
        "EXISTS (SELECT 1 FROM batch b WHERE b.id = NEW.batch_id AND b.state = 'DISSOLVED')",
        "a batch that was dissolved is never written",
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
        "UPDATE OF id, bank_code, cycle_code, message_id, name, sha256, size, written_by, left_at, attempts, found_at",
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
    # Who somebody is: asked once, answered once. What was approved is made from the key under which a person came in.
    *_never("person_doubt", "DELETE"),
    Rule(
        "person_doubt_fixed",
        "person_doubt",
        "UPDATE OF alike_key, beneficiary_id, ground, found_at",
        "",
        "that people are alike was found once",
    ),
    Rule(
        "person_doubt_begins_open",
        "person_doubt",
        "INSERT",
        # A record that is retired hands what was decided about it over to the one that counts.
        "(NEW.standing = 'two_persons' OR NEW.standing = 'same_person' OR NEW.decided_by <> '')"
        " AND NOT EXISTS (SELECT 1 FROM person_doubt d JOIN beneficiary b ON b.id = d.beneficiary_id"
        " WHERE d.alike_key = NEW.alike_key AND d.standing = NEW.standing AND b.same_as = NEW.beneficiary_id)",
        "whether people are alike is decided after it was asked",
    ),
    Rule(
        "person_doubt_decided_once",
        "person_doubt",
        "UPDATE OF standing, decided_by, reason, decided_at",
        "",
        "who somebody is was decided, and by somebody",
        "OLD.standing IN ('two_persons', 'same_person') OR NEW.decided_at IS NULL"
        " OR NEW.standing = 'two_persons' AND (OLD.standing = 'first' OR NEW.decided_by = '')"
        " OR NEW.standing NOT IN ('two_persons', 'same_person')",
    ),
    Rule(
        "beneficiary_same_as_stands",
        "beneficiary",
        "UPDATE OF same_as",
        # The record that counted may have become one with a third.
        "NEW.same_as IS NULL OR NOT EXISTS"
        " (SELECT 1 FROM beneficiary k WHERE k.id = OLD.same_as AND k.same_as = NEW.same_as)",
        "that two records are of one person stands",
        "OLD.same_as IS NOT NULL AND (NEW.same_as IS NULL OR NEW.same_as <> OLD.same_as)",
    ),
    Rule(
        "beneficiary_same_as_counts",
        "beneficiary",
        "UPDATE OF same_as",
        "EXISTS (SELECT 1 FROM beneficiary k WHERE k.id = NEW.same_as AND (k.id = NEW.id OR k.same_as IS NOT NULL))",
        "the record of the same person is one that counts",
        "NEW.same_as IS NOT NULL",
    ),
    Rule(
        "beneficiary_first_key_stands",
        "beneficiary",
        "UPDATE OF id, citizen_key, first_key, created_at",
        "",
        "the key under which somebody came in is kept",
        "NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at"
        " OR OLD.first_key IS NULL AND NEW.first_key IS NULL AND NEW.citizen_key <> OLD.citizen_key"
        " OR OLD.first_key IS NULL AND NEW.first_key IS NOT NULL AND NEW.first_key <> OLD.citizen_key"
        " OR OLD.first_key IS NOT NULL AND (NEW.first_key IS NULL OR NEW.first_key <> OLD.first_key)",
    ),
]


class Key(NamedTuple):
    """Columns that no two rows share, where `where` (a column and what is asked of it) is true of both.

    `of_cycle`: new rows come into drafts only, so that what shares the key with one is of a draft too, and free to
    go. It is not asked for then: of all keys this one costs most.
    """

    columns: str
    where: str = ""
    of_cycle: bool = False


#: Every table from which rows do not just disappear -> all its keys.
KEYS: dict[str, tuple[Key, ...]] = {
    "audit_event": (Key("id"), Key("hash")),
    "bank_file": (
        Key("id"),
        Key("batch_id"),
        Key("bank_code, message_id"),
        Key("bank_code, name"),
        Key("bank_code, sha256"),
    ),
    "inbound_file": (Key("id"), Key("bank_code, sha256")),
    "bank_letter": (Key("id"), Key("inbound_file_id"), Key("content_sha256", "closed_at IS NULL")),
    "bank_statement": (Key("id"), Key("bank_code, account, statement_id")),
    "statement_line": (Key("statement_id, position"), Key("instruction_id", "verdict = 'settlement'")),
    "payment_status": (Key("inbound_file_id, position"),),
    "discrepancy": (Key("id"), Key("kind, bank_code, reference, inbound_file_id")),
    "obligation": (Key("id"), Key("programme_code, period, beneficiary_id, component")),
    "unplanned_obligation": (Key("obligation_id"),),
    "entitlement": (
        Key("id"),
        Key("cycle_id, programme_code, beneficiary_id, disposition, reason, follows", of_cycle=True),
    ),
    "obligation_claim": (Key("entitlement_id, obligation_id"), Key("obligation_id", "released_at IS NULL")),
    "instruction": (Key("id"), Key("end_to_end_id"), Key("entitlement_id", "is_live")),
    "resubmission": (Key("id"), Key("instruction_id", "closed_at IS NULL")),
    "withdrawal": (Key("id"), Key("instruction_id")),
    "replacement": (Key("instruction_id, replaced_id"),),
    "recall": (
        Key("id"),
        Key("case_id"),
        Key("instruction_id", "state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')"),
        Key("bank_code, name"),
    ),
    "send_attempt": (Key("bank_file_id, number"),),
    "recall_attempt": (Key("recall_id, number"),),
    "run": (Key("schedule_id, due_at"),),
    "lease": (Key("name"),),
    "payment_cycle": (Key("id"), Key("code")),
    "approval": (Key("id"), Key("cycle_id, content_sha256, approver_id", "cancelled_at IS NULL")),
    "batch": (Key("id"), Key("content_sha256"), Key("cycle_id, bank_code, part"), Key("message_id")),
    "dissolved_payment": (Key("batch_id, position"),),
    "ledger_transaction": (Key("id"), Key("reference")),
    "posting": (Key("transaction_id, number"),),
    "report": (Key("id"), Key("number"), Key("cycle_id, amendment")),
    "lost_file": (Key("id"), Key("bank_code, message_id")),
    "lost_reference": (Key("lost_file_id, reference"),),
    "person_doubt": (Key("alike_key, beneficiary_id"),),
}


def _taken(table: str, key: Key, besides: str = "") -> str:
    """That a row of the table has this key of NEW already."""
    same = [f"k.{column} = NEW.{column}" for column in key.columns.split(", ")]
    where = [f"k.{key.where}"] if key.where else []
    found = f"EXISTS (SELECT 1 FROM {table} k WHERE {' AND '.join([*same, *where])}{besides})"
    return f"(NEW.{key.where} AND {found})" if key.where else found


def _never_replaced(table: str) -> list[str]:
    """SQLite's OR REPLACE takes the row that is in the way out of the table, and no DELETE trigger hears of it.

    A rule cannot tell REPLACE from INSERT: it refuses every row whose place is taken, and who may find one asks first.
    """
    message = f"rows of {table} are never replaced"
    keys = KEYS[table]
    # A row has a number beside its key where the key is not one; REPLACE goes by that too. It is -1 unless it is told.
    numbers = [] if keys[0].columns in ("id", "obligation_id") else ["(NEW.rowid <> -1 AND " + _taken(table, Key("rowid")) + ")"]
    inserted = " OR ".join([*(_taken(table, key) for key in keys if not key.of_cycle), *numbers])
    changed = " OR ".join(_taken(table, key, " AND k.rowid <> OLD.rowid") for key in keys)
    # Not only by its own name can the number be told.
    names = {column: "" for key in keys for column in (*key.columns.split(", "), *key.where.split()[:1])}
    listed = ", ".join([*names, "rowid", "oid", "_rowid_"])
    return [
        f"CREATE TRIGGER {table}_never_replaced BEFORE INSERT ON {table} FOR EACH ROW WHEN {inserted} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END",
        f"CREATE TRIGGER {table}_never_replaced_by_update BEFORE UPDATE OF {listed} ON {table} FOR EACH ROW "
        f"WHEN NEW.rowid <> OLD.rowid OR {changed} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    ]


_NEVER_TRUNCATED = (
    "CREATE FUNCTION rule_never_truncated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION USING MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never truncated', "
    "ERRCODE = 'integrity_constraint_violation'; END $$"
)


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
    run = op.get_bind().exec_driver_sql
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for rule in RULES:
        for statement in _sqlite(rule) if is_sqlite else _postgresql(rule):
            run(statement)
    if not is_sqlite:
        run(_NEVER_TRUNCATED)
    for table in KEYS:
        if is_sqlite:
            for statement in _never_replaced(table):
                run(statement)
        else:
            run(
                f"CREATE TRIGGER {table}_never_truncated BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
                "EXECUTE FUNCTION rule_never_truncated()"
            )


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "sqlite":
        for table in KEYS:
            run(f"DROP TRIGGER {table}_never_replaced")
            run(f"DROP TRIGGER {table}_never_replaced_by_update")
        for rule in reversed(RULES):
            run(f"DROP TRIGGER {rule.name}")
        return
    run("DROP FUNCTION rule_never_truncated() CASCADE")
    for rule in reversed(RULES):
        run(f"DROP TRIGGER {rule.name} ON {rule.table}")
        run(f"DROP FUNCTION rule_{rule.name}()")
