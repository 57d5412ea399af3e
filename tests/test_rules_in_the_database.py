"""The rules hold without the program: each is attacked by plain SQL, on both databases.

U1 to U10 are the data rules of docs/decisions/0004. Every trigger of the migration has an
attack here, so a rule that is added without one fails the first test. Each attack has to be
refused by the rule it attacks and no other: constraints are attacked with the triggers out of the way.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BATCH_NEXT, CYCLE_NEXT, INSTRUCTION_NEXT, BatchState
from paysvc.domain.officers import Officer
from paysvc.domain.recalling import RECALL_NEXT
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import approve_plan, submit_plan, withdraw_plan
from paysvc.services.plan_payments import plan_payments
from paysvc.services.resubmit_payments import approve_resubmission, propose_resubmission
from paysvc.store import batches, cycles, same_person
from paysvc.store.engine import Database
from paysvc.store.returns import FILE_NEXT
from paysvc.store.tables import (
    approval,
    bank_file,
    bank_letter,
    bank_statement,
    batch,
    beneficiary,
    discrepancy,
    fetched_name,
    inbound_file,
    instant_text,
    lost_file,
    lost_reference,
    metadata,
    payment_cycle,
    payment_status,
    person_doubt,
    report,
    send_attempt,
    withdrawal,
)
from tests.planned_province import BANKS, Enrolled, Province

BATCH = (
    "INSERT INTO batch (id, cycle_id, bank_code, part, value_date, count, sum_vnd, content_sha256, message_id, state,"
    " version, created_at) VALUES ({id}, {cycle}, 'AGRI', {part}, '2026-12-07', 1, {sum}, {digest}, '{message}',"
    " 'SEALED', 1, '{now}')"
)
INSTRUCTION = (
    "INSERT INTO instruction (id, entitlement_id, cycle_id, end_to_end_id, generation, amount_vnd, channel, bank_code,"
    " account_id, creditor_bin, creditor_name, unit_code, state) SELECT 900, {line}, {cycle}, '{reference}', 0,"
    " {amount}, '{channel}', 'AGRI', {account}, '970405', 'N', '16681', 'PLANNED' FROM payment_cycle WHERE id = 1"
)
#: A payment for a held line, where there is none; said otherwise, a second one for a planned line.
SECOND = (
    "INSERT INTO instruction (id, entitlement_id, cycle_id, end_to_end_id, generation, amount_vnd, channel, bank_code,"
    " account_id, creditor_bin, creditor_name, unit_code, state, is_live) SELECT 900 + id, id, cycle_id, 'PY' || id,"
    " 1, 1, 'cash', 'AGRI', NULL, '', 'N', '16681', 'PLANNED', {true}"
    " FROM entitlement WHERE cycle_id IN (3) AND disposition = 'held'"
)
LINE = (
    "INSERT INTO statement_line (statement_id, position, reference, amount_vnd, currency, is_debit, status,"
    " reason_code, bank_reference, instruction_id, verdict) VALUES ({statement}, {position}, 'P', 9, 'VND', {is_debit},"
    " 'BOOK', '', '', {of}, '{verdict}')"
)
APPROVAL = (
    "INSERT INTO approval (id, cycle_id, content_sha256, maker_id, approver_id, approved_at)"
    " SELECT 900, {cycle}, {content}, '{maker}', '{approver}', '{now}' FROM payment_cycle WHERE id = {cycle}"
)

LETTER = (
    "INSERT INTO bank_letter (id, bank_code, number, dated, says, scan_sha256, scan_size, content, content_sha256,"
    " proposed_by, proposed_at, approved_by, approved_at, inbound_file_id, closed_by, closed_at) SELECT {id},"
    " bank_code, number, dated, says, scan_sha256, scan_size, content, {{twos}}, 'maker.lan', proposed_at, {more}"
    " FROM bank_letter WHERE id = 2"
)
RESUBMISSION = (
    "INSERT INTO resubmission (id, instruction_id, state, status_file_id, status_position, statement_id, line_position,"
    " refused_batch_id, reason_code, proposed_by, proposed_at, approved_by, approved_at)"
    " SELECT 900, {of}, '{state}', {evidence}, '', 'maker.lan', '{{now}}', {approved} FROM payment_cycle WHERE id = 6"
)
_BATCH = "NULL, NULL, NULL, NULL, 3"


#: 9000 to 9003 are alike: 9002 was found to be another person than 9000, and 9003 to be the same.
DOUBT = (
    "INSERT INTO person_doubt (alike_key, beneficiary_id, ground, standing, found_at, decided_by, reason)"
    " SELECT {{zeros}}, 9000, 'person', '{standing}', '{{now}}', '{by}', ''"
    " FROM payment_cycle WHERE id = 1"
)


def line_of(statement: int, position: int, verdict: str = "settlement", of: str = "NULL") -> str:
    return LINE.format(statement=statement, position=position, verdict=verdict, of=of, is_debit="{true}")


def resubmission_of(of: str, state: str = "REJECTED", evidence: str = _BATCH, approved: str = "NULL, NULL") -> str:
    return RESUBMISSION.format(of=of, state=state, evidence=evidence, approved=approved)


WITHDRAWAL = (
    "INSERT INTO withdrawal (id, instruction_id, reason, withdrawn_by, withdrawn_at)"
    " SELECT 900, {of}, '{reason}', '{by}', '{{now}}' FROM payment_cycle WHERE id = 9"
)


def withdrawal_of(of: str, by: str = "approver.minh", reason: str = "x") -> str:
    return WITHDRAWAL.format(of=of, by=by, reason=reason)


#: The bank refused the file with all payments of cycle 6, and booked some of them after all. Person -> what became of
#: the re-submission; those in capitals are live again.
PAID_AGAIN = {
    "again": "approved, planned in cycle 7",
    "proposed": "waits for an approver",
    "refused": "nothing yet",
    "BOOKED": "nothing yet",
    "LATE": "approved, not planned",
    "OVERTAKEN": "waits for an approver",
    "LEAVING": "approved, planned in cycle 7",
    "DRAFTED": "approved, planned in cycle 8, a draft",
}

#: Cycle 9 is released, and all of it waits in no batch. Person -> what became of the payment.
NEVER_LEFT = {
    "waiting": "nothing yet",
    "lost": "stands in a lost file",
    "named": "withdrawn by somebody, and not cancelled yet",
    "gone": "withdrawn, planned in cycle 10, a draft",
}

#: Cycle 1 is approved and has a batch, cycle 2 is submitted, cycle 3 a draft, cycle 4 approved
#: without a batch, cycle 5 a draft whose approval was cancelled. Rule -> what it must refuse.
TRIGGERS: dict[str, list[str]] = {
    "audit_event_never_update": ["UPDATE audit_event SET actor = 'nobody' WHERE id = 1"],
    "audit_event_never_delete": ["DELETE FROM audit_event WHERE id = 1"],
    "bank_file_never_update": [
        "UPDATE bank_file SET sha256 = {zeros}",
        "UPDATE bank_file SET message_id = 'M9'",
        "UPDATE bank_file SET sum_vnd = 1",
    ],
    "bank_file_never_delete": ["DELETE FROM bank_file"],
    "inbound_file_never_delete": ["DELETE FROM inbound_file WHERE id = 2"],
    "inbound_file_bytes_fixed": [
        "UPDATE inbound_file SET id = 77 WHERE id = 2",
        "UPDATE inbound_file SET sha256 = {zeros}",
        "UPDATE inbound_file SET size = 1",
        "UPDATE inbound_file SET received_at = '{now}', bank_code = 'X'",
    ],
    "inbound_file_starts_stored": [
        (
            "INSERT INTO inbound_file (id, bank_code, name, sha256, size, received_at, state)"
            " VALUES (900, 'AGRI', 'x', {zeros}, 1, '{now}', 'ACCEPTED')"
        )
    ],
    "inbound_file_life": [
        "UPDATE inbound_file SET state = 'STORED' WHERE state = 'PARKED'",
        "UPDATE inbound_file SET state = 'ELSEWHERE' WHERE state = 'STORED'",
    ],
    "inbound_file_decided_stands": [
        "UPDATE inbound_file SET reason = 'x' WHERE state = 'ACCEPTED'",
        "UPDATE inbound_file SET decided_at = '{later}' WHERE state = 'ACCEPTED'",
    ],
    "inbound_file_letter_approved": [
        # That the bank put out itself; that waited; beside one that is a letter.
        "UPDATE inbound_file SET state = 'ACCEPTED', kind = 'letter' WHERE id = 6",
        "UPDATE inbound_file SET state = 'ACCEPTED', kind = 'letter' WHERE state = 'PARKED'",
        "UPDATE inbound_file SET state = 'ACCEPTED', kind = 'letter' WHERE id IN (5, 6)",
    ],
    "bank_letter_starts_as_proposal": [
        LETTER.format(id=900, more="'approver.thu', '{now}', 2, NULL, NULL"),
        LETTER.format(id=900, more="NULL, NULL, NULL, 'approver.thu', '{now}'"),
    ],
    "bank_letter_fixed": [
        f"UPDATE bank_letter SET {change} WHERE id = 2"
        for change in (
            "id = 77",
            "bank_code = 'VCB'",
            "number = '1'",
            "dated = '2026-12-08'",
            "says = 'not_made'",
            "scan_sha256 = {ones}",
            "scan_size = 1",
            "content = 'x'",
            "content_sha256 = {ones}",
            "proposed_by = 'maker.tam'",
            "proposed_at = '{later}'",
        )
    ],
    "bank_letter_decided_stays": [
        "UPDATE bank_letter SET approved_by = 'approver.thu' WHERE id = 1",
        "UPDATE bank_letter SET approved_by = NULL, approved_at = NULL, inbound_file_id = NULL WHERE id = 1",
        "UPDATE bank_letter SET inbound_file_id = 2 WHERE id = 1",
        "UPDATE bank_letter SET closed_by = NULL, closed_at = NULL WHERE id = 3",
        "UPDATE bank_letter SET close_reason = 'x' WHERE id = 3",
    ],
    "bank_letter_is_a_file_of_its_own": [
        # No file; of another bank; that was decided; that came at another time; that the bank put out itself.
        f"UPDATE bank_letter SET approved_by = 'approver.thu', approved_at = '{{{at}}}', inbound_file_id = {file}"
        " WHERE id = 2"
        for file, at in ((77, "now"), (7, "now"), (4, "now"), (2, "later"), (6, "now"))
    ],
    "bank_letter_never_delete": ["DELETE FROM bank_letter WHERE id = 1", "DELETE FROM bank_letter WHERE id = 2"],
    "bank_statement_never_update": ["UPDATE bank_statement SET account = 'x'"],
    "bank_statement_never_delete": ["DELETE FROM bank_statement WHERE id = 2"],
    "statement_line_never_delete": ["DELETE FROM statement_line"],
    "statement_line_never_update": [
        f"UPDATE statement_line SET {change}"
        for change in (
            "amount_vnd = 1",
            "is_debit = {false}",
            "reference = 'P1', status = 'PDNG'",
            # To whom a line was matched stands as the line does.
            "instruction_id = (SELECT MAX(id) FROM instruction)",
            "verdict = 'return'",
        )
    ],
    "statement_line_announced": [
        line_of(1, 1, "pending"),
        line_of(1, 77, "pending"),
        line_of(2, -1, "pending"),
    ],
    "discrepancy_never_delete": ["DELETE FROM discrepancy WHERE id = 1"],
    "discrepancy_fixed": [
        f"UPDATE discrepancy SET {change} WHERE id = 1"
        for change in (
            "id = 77",
            "kind = 'x'",
            "bank_code = 'VCB'",
            "reference = 'x'",
            "instruction_id = 1",
            "inbound_file_id = 2",
            "amount_vnd = 1",
            "detail = 'x'",
            "found_at = '{later}'",
        )
    ],
    "discrepancy_resolved_stands": [
        "UPDATE discrepancy SET resolved_by = 'x' WHERE id = 2",
        "UPDATE discrepancy SET resolution = 'x' WHERE id = 2",
    ],
    "send_attempt_never_delete": ["DELETE FROM send_attempt WHERE number = 2"],
    "send_attempt_fixed": [
        "UPDATE send_attempt SET number = 9 WHERE number = 2",
        "UPDATE send_attempt SET started_at = '{later}' WHERE number = 2",
    ],
    "send_attempt_ended_stands": [
        "UPDATE send_attempt SET outcome = 'not_sent' WHERE number = 1",
        "UPDATE send_attempt SET outcome = NULL, finished_at = NULL WHERE number = 1",
    ],
    "recall_attempt_never_delete": ["DELETE FROM recall_attempt WHERE number = 2"],
    "recall_attempt_fixed": [
        "UPDATE recall_attempt SET number = 9 WHERE number = 2",
        "UPDATE recall_attempt SET started_at = '{later}' WHERE number = 2",
    ],
    "recall_attempt_ended_stands": ["UPDATE recall_attempt SET outcome = 'not_sent' WHERE number = 1"],
    "run_slot_fixed": ["UPDATE run SET due_at = '2027-01-01T00:00:00.000000Z' WHERE state = 'CLAIMED'"],
    "run_never_delete": ["DELETE FROM run WHERE state = 'CLAIMED'"],
    "run_ended_stands": [
        "UPDATE run SET state = 'CLAIMED' WHERE state = 'DONE'",
        "UPDATE run SET token = 3 WHERE state = 'DONE'",
    ],
    "run_claimed_in_turn": ["UPDATE run SET token = 1, claimed_by = 'stale' WHERE state = 'CLAIMED'"],
    "lease_never_delete": ["DELETE FROM lease"],
    "lease_name_fixed": ["UPDATE lease SET name = 'other'"],
    "lease_in_turn": ["UPDATE lease SET token = 1"],
    "payment_status_never_update": ["UPDATE payment_status SET status = 'RJCT'"],
    "payment_status_never_delete": ["DELETE FROM payment_status"],
    "obligation_never_update": [
        "UPDATE obligation SET amount_vnd = amount_vnd + 1 WHERE id = 1",
        "UPDATE obligation SET period = '2027-09' WHERE id = 1",
    ],
    "obligation_stays": [
        # On a line of a submitted plan; on one of a draft, which has to give it up first; waiting for a plan.
        "DELETE FROM obligation WHERE id = (SELECT obligation_id FROM obligation_claim WHERE entitlement_id = 1)",
        (
            "DELETE FROM obligation WHERE id = (SELECT MIN(c.obligation_id) FROM obligation_claim c"
            " JOIN entitlement e ON e.id = c.entitlement_id WHERE e.cycle_id = 3)"
        ),
        "DELETE FROM obligation WHERE id = 8001",
    ],
    "unplanned_obligation_never_update": ["UPDATE unplanned_obligation SET obligation_id = 8002"],
    "unplanned_obligation_stays": ["DELETE FROM unplanned_obligation"],
    "entitlement_insert_in_draft": [
        "INSERT INTO entitlement (id, cycle_id, programme_code, beneficiary_id, unit_code, amount_vnd, disposition,"
        f" reason) SELECT 900 + id, cycle_id, programme_code, beneficiary_id, unit_code, 1, 'held', 'x'"
        f" FROM entitlement WHERE cycle_id IN ({cycles_})"
        for cycles_ in ("1", "2", "2, 3")
    ],
    "entitlement_fixed": [
        "UPDATE entitlement SET beneficiary_id = 2 WHERE cycle_id = 1 AND beneficiary_id = 1",
        "UPDATE entitlement SET disposition = 'held', reason = 'x' WHERE cycle_id = 2",
        "UPDATE entitlement SET amount_vnd = 1 WHERE cycle_id = 4",
    ],
    "entitlement_stays": ["DELETE FROM entitlement WHERE cycle_id = 2 AND disposition = 'held'"],
    "obligation_claim_fixed": [
        "UPDATE obligation_claim SET entitlement_id = 1 WHERE entitlement_id = 2",
        "UPDATE obligation_claim SET obligation_id = 1 WHERE obligation_id = 2",
    ],
    "obligation_claim_stays": ["DELETE FROM obligation_claim WHERE entitlement_id = 1"],
    "obligation_claim_released_by_two": [
        # Of a payment that is live, of one that was refused and not approved, of one whose approval waits.
        "UPDATE obligation_claim SET released_at = '{now}' WHERE entitlement_id = 1",
        *(
            f"UPDATE obligation_claim SET released_at = '{{now}}' WHERE entitlement_id = {{line of {name}}}"
            for name in ("refused", "proposed", "BOOKED")
        ),
    ],
    "obligation_claim_of_unpaid": [
        (
            "INSERT INTO obligation_claim (entitlement_id, obligation_id) SELECT (SELECT MAX(id) FROM entitlement),"
            " obligation_id FROM obligation_claim WHERE entitlement_id = {line of LATE}"
        ),
        # Beside one that rides on a line already, as if it were free.
        (
            "INSERT INTO obligation_claim (entitlement_id, obligation_id, released_at) SELECT (SELECT MAX(id) FROM"
            " entitlement), obligation_id, '{now}' FROM obligation_claim WHERE entitlement_id = {line of LEAVING}"
        ),
    ],
    "resubmission_starts_as_proposal": [resubmission_of("{refused}", approved="'approver.thu', '{{now}}'")],
    "resubmission_on_evidence": [
        resubmission_of("{refused}", evidence="NULL, NULL, NULL, NULL, 1"),
        # A status that refuses nothing, a line that is a debit: both of other payments too.
        resubmission_of("{refused}", evidence="1, 0, NULL, NULL, NULL"),
        resubmission_of("{refused}", evidence="NULL, NULL, 1, 0, NULL"),
    ],
    "resubmission_of_unpaid": [resubmission_of("{BOOKED}"), resubmission_of("{refused}", state="RETURNED")],
    "resubmission_still_unpaid": [
        "UPDATE resubmission SET approved_by = 'approver.thu', approved_at = '{now}' WHERE instruction_id = {OVERTAKEN}"
    ],
    "resubmission_fixed": [
        f"UPDATE resubmission SET {change} WHERE instruction_id = {{proposed}}"
        for change in (
            "instruction_id = {refused}",
            "state = 'RETURNED'",
            "refused_batch_id = 1",
            "reason_code = 'AC01'",
            "proposed_by = 'maker.tam'",
            "proposed_at = '{later}'",
        )
    ],
    "resubmission_decided_stays": [
        "UPDATE resubmission SET approved_at = NULL, approved_by = NULL WHERE instruction_id = {again}",
        "UPDATE resubmission SET approved_by = 'approver.thu' WHERE instruction_id = {again}",
    ],
    "resubmission_never_delete": ["DELETE FROM resubmission WHERE instruction_id = {again}"],
    "replacement_of_unpaid": [
        # Of other dues; of a plan that was submitted; of one that was booked.
        "INSERT INTO replacement SELECT MIN(id), {again} FROM instruction WHERE cycle_id = 3",
        "INSERT INTO replacement SELECT {again}, MIN(replaced_id) FROM replacement WHERE replaced_id = {LEAVING}",
        "INSERT INTO replacement SELECT {DRAFTED}, instruction_id FROM replacement WHERE replaced_id = {DRAFTED}",
    ],
    "withdrawal_of_what_never_left": [
        # Of plans that are not released, in a batch and in none; refused; booked.
        withdrawal_of("(SELECT instruction_id FROM replacement WHERE replaced_id = {again})"),
        withdrawal_of("(SELECT MIN(id) FROM instruction WHERE batch_id = 2)"),
        withdrawal_of("(SELECT MIN(id) FROM instruction WHERE cycle_id = 4)"),
        withdrawal_of("{refused}"),
        withdrawal_of("{BOOKED}"),
    ],
    "withdrawal_of_no_lost_payment": [withdrawal_of("{lost}")],
    "withdrawal_by_another_person": [
        withdrawal_of("{waiting}", by="maker.lan"),
        withdrawal_of("{waiting}", by="maker.tam"),
    ],
    "withdrawal_reasoned": [withdrawal_of("{waiting}", reason="")],
    "withdrawal_never_update": [
        "UPDATE withdrawal SET withdrawn_by = 'a.b'",
        "UPDATE withdrawal SET instruction_id = {waiting}",
    ],
    "withdrawal_never_delete": ["DELETE FROM withdrawal"],
    "instruction_withdrawn_by_somebody": [
        "UPDATE instruction SET state = 'CANCELLED', is_live = {false} WHERE id = {waiting}",
        "UPDATE instruction SET state = 'CANCELLED', is_live = {false} WHERE cycle_id = 5",
    ],
    "cycle_replaces_withdrawn_by_name": [
        # Without the link that names the withdrawn one; nothing but a draft can lack it.
        "UPDATE payment_cycle SET state = 'SUBMITTED' WHERE id = 10",
    ],
    "cycle_closed_when_over": ["UPDATE payment_cycle SET state = 'CLOSED' WHERE id = 9"],
    "replacement_never_update": ["UPDATE replacement SET replaced_id = {refused} WHERE replaced_id = {again}"],
    "replacement_stays": ["DELETE FROM replacement WHERE replaced_id = {again}"],
    "cycle_replaces_by_name": ["UPDATE payment_cycle SET state = 'SUBMITTED' WHERE id = 8"],
    "instruction_leaves_alone": [
        (
            "UPDATE instruction SET state = 'BATCHED', batch_id = 1"
            " WHERE id = (SELECT instruction_id FROM replacement WHERE replaced_id = {LEAVING})"
        )
    ],
    "recall_fixed": [
        f"UPDATE recall SET {change}"
        for change in ("sha256 = {ones}", "name = 'other'", "case_id = 'R9'", "instruction_id = {again}", "id = 77")
    ],
    "recall_starts_unsent": [
        (
            "INSERT INTO recall (id, instruction_id, bank_code, case_id, name, sha256, size, state, version,"
            " requested_at) VALUES (900, {LATE}, 'AGRI', 'R9', 'r9', {zeros}, 1, 'ACCEPTED', 1, '{now}')"
        )
    ],
    "recall_life": ["UPDATE recall SET state = 'UNKNOWN'", "UPDATE recall SET state = 'LOST'"],
    "recall_never_delete": ["DELETE FROM recall"],
    "instruction_delete_in_draft": [
        "DELETE FROM instruction WHERE cycle_id = 1",
        "DELETE FROM instruction WHERE cycle_id = 2",
    ],
    "instruction_insert_in_draft": [
        # Rows that nothing else refuses; the last brings rows that may come with them.
        SECOND.replace("IN (3)", f"IN ({cycle})")
        for cycle in ("1", "2", "4", "2, 3")
    ],
    "instruction_starts_planned": [
        SECOND.replace("PLANNED", "SETTLED"),
        SECOND.replace("'PLANNED', {true}", "'CANCELLED', {false}"),
        SECOND.replace("is_live)", "is_live, batch_id)").replace("{true}", "{true}, 1"),
        SECOND.replace("is_live)", "is_live, letter_word)").replace("{true}", "{true}, 'not_made'"),
    ],
    "instruction_life": [
        "UPDATE instruction SET state = 'SENT' WHERE cycle_id = 1",
        "UPDATE instruction SET state = 'PLANNED', is_live = {true} WHERE id = {refused}",
        "UPDATE instruction SET state = 'BATCHED', is_live = {true} WHERE id = {refused}",
        "UPDATE instruction SET state = 'REJECTED', is_live = {false} WHERE id = {BOOKED}",
        "UPDATE instruction SET state = 'LOST' WHERE cycle_id IN (1, 6)",
    ],
    "instruction_letter_word_on_a_letter": [
        "UPDATE instruction SET letter_word = 'not_made' WHERE id = {refused}",
        "UPDATE instruction SET letter_word = 'made' WHERE id = {refused}",
        # A letter says the one of it, and the other is in no letter; a letter that was not approved; no letter.
        "UPDATE instruction SET letter_word = 'both' WHERE id = {lettered}",
        "UPDATE instruction SET letter_word = 'made' WHERE id = {proposed}",
        "UPDATE instruction SET letter_word = 'not_made' WHERE id = {again}",
    ],
    "instruction_letter_word_stands": ["UPDATE instruction SET letter_word = '' WHERE id = {lettered}"],
    "instruction_dispute_ended_by_letter": [
        "UPDATE instruction SET state = 'REJECTED', is_live = {false} WHERE id = {OVERTAKEN}"
    ],
    "instruction_stays_in_batch": [
        "UPDATE instruction SET batch_id = NULL WHERE id = {refused}",
        "UPDATE instruction SET batch_id = 1 WHERE id = {refused}",
        "UPDATE instruction SET batch_position = 7 WHERE id = {refused}",
        # Out of one that was dissolved, of which nobody wrote down that it was in it.
        "UPDATE instruction SET state = 'PLANNED', batch_id = NULL, batch_position = NULL WHERE batch_id = 4",
    ],
    "instruction_content_fixed": [
        f"UPDATE instruction SET {change} WHERE cycle_id = {cycle}"
        for cycle in (1, 2, 4)
        for change in (
            "entitlement_id = 999",
            "cycle_id = 3",
            "end_to_end_id = 'PX'",
            "generation = 1",
            "amount_vnd = amount_vnd + 1",
            "channel = 'cash', account_id = NULL",
            "bank_code = 'VCB'",
            "account_id = 3",
            "creditor_bin = '970436'",
            "creditor_name = 'NGUYEN VAN KHAC'",
            "unit_code = '99999'",
        )
    ],
    "approval_of_what_was_submitted": [
        # Of a draft, of other content, naming another maker.
        APPROVAL.format(cycle=3, content="content_sha256", maker="maker.lan", approver="a.b", now="{now}"),
        APPROVAL.format(cycle=2, content="{zeros}", maker="maker.lan", approver="a.b", now="{now}"),
        APPROVAL.format(cycle=2, content="content_sha256", maker="maker.tam", approver="a.b", now="{now}"),
    ],
    "approval_by_another_person": [
        APPROVAL.format(cycle=2, content="content_sha256", maker="maker.lan", approver="maker.tam", now="{now}"),
    ],
    "approval_fixed": [
        "UPDATE approval SET approver_id = 'a.b'",
        "UPDATE approval SET content_sha256 = {zeros}",
        "UPDATE approval SET maker_id = 'a.b'",
        "UPDATE approval SET cycle_id = 2",
    ],
    "approval_cancelled_stays": ["UPDATE approval SET cancelled_at = NULL WHERE cycle_id = 5"],
    "approval_never_delete": ["DELETE FROM approval"],
    "cycle_starts_as_draft": [
        "INSERT INTO payment_cycle (id, code, kind, programmes, periods, value_date, state, version, maker_id,"
        f" created_at) VALUES (900, 'X', 'regular', 'BTXH', '2026-12', '2026-12-07', '{state}', 1, 'm', '{{now}}')"
        for state in ("SUBMITTED", "APPROVED", "RELEASED")
    ],
    "payment_cycle_life": [
        "UPDATE payment_cycle SET state = 'CLOSED' WHERE id IN (1, 4)",
        "UPDATE payment_cycle SET state = 'LOST' WHERE id = 3",
    ],
    "payment_cycle_never_delete": ["DELETE FROM payment_cycle WHERE id = 3"],
    "cycle_draft_unapproved": ["UPDATE payment_cycle SET state = 'DRAFT' WHERE id = 4"],
    "cycle_draft_unbatched": [
        "UPDATE payment_cycle SET state = 'DRAFT' WHERE id = 6",
    ],
    "cycle_approved_by_somebody": [
        "UPDATE payment_cycle SET state = 'APPROVED' WHERE id = 2",
    ],
    "cycle_content_fixed": [f"UPDATE payment_cycle SET content_sha256 = {{zeros}} WHERE id = {n}" for n in (1, 2, 4)],
    "cycle_header_fixed": [
        f"UPDATE payment_cycle SET {change} WHERE id = {cycle}"
        for cycle in (1, 2)
        for change in ("code = 'X'", "value_date = '2026-12-08'", "periods = '2027-01'", "maker_id = 'a.b'")
    ]
    + ["UPDATE payment_cycle SET submitted_by = 'a.b' WHERE id = 2"],
    "batch_of_released_plan": [
        BATCH.format(id=900, cycle=cycle, part=1, sum=1, digest="{zeros}", message="M900", now="{now}")
        for cycle in (2, 3)
    ],
    "batch_content_fixed": [
        "UPDATE batch SET sum_vnd = 1",
        "UPDATE batch SET count = 2",
        "UPDATE batch SET content_sha256 = {zeros}",
        "UPDATE batch SET message_id = 'M9'",
        "UPDATE batch SET value_date = '2026-12-08'",
        "UPDATE batch SET bank_code = 'VCB'",
    ],
    "batch_starts_sealed": [
        BATCH.format(id=900, cycle=4, part=1, sum=1, digest="{zeros}", message="M900", now="{now}").replace(
            "SEALED", "SENT"
        )
    ],
    "batch_life": [
        "UPDATE batch SET state = 'SENT' WHERE id = 1",
        "UPDATE batch SET state = 'REFUSED' WHERE id = 1",
        "UPDATE batch SET state = 'SEALED' WHERE id = 3",
    ],
    # One of which the bank said that it got it, one of which nobody knows, one that is under way.
    "batch_dissolved_unsent": [
        f"UPDATE batch SET state = 'DISSOLVED', dissolved_at = '{{now}}' WHERE id = {number}" for number in (1, 5, 6)
    ],
    "batch_dissolved_stands": [
        "UPDATE batch SET dissolved_at = '{later}' WHERE id = 4",
        "UPDATE batch SET dissolved_at = NULL WHERE id = 7",
    ],
    "send_attempt_of_standing_batch": [
        "INSERT INTO send_attempt (bank_file_id, number, started_at) VALUES (7, 2, '{now}')"
    ],
    "dissolved_payment_was_there": [
        # In a batch that stands; in one that was dissolved, in which it never was; at another place; of nobody.
        "INSERT INTO dissolved_payment SELECT batch_id, batch_position, id FROM instruction WHERE batch_id = 2",
        "INSERT INTO dissolved_payment SELECT 4, 0, id FROM instruction WHERE batch_id = 2",
        "INSERT INTO dissolved_payment SELECT 4, 0, instruction_id FROM dissolved_payment WHERE batch_id = 7",
        "INSERT INTO dissolved_payment SELECT 7, 1, instruction_id FROM dissolved_payment WHERE batch_id = 7",
        "INSERT INTO dissolved_payment VALUES (7, 1, 99999)",
    ],
    "dissolved_payment_never_update": [
        f"UPDATE dissolved_payment SET {change}" for change in ("instruction_id = 1", "position = 9", "batch_id = 4")
    ],
    "dissolved_payment_never_delete": ["DELETE FROM dissolved_payment"],
    "bank_file_of_standing_batch": [
        (
            "INSERT INTO bank_file (id, batch_id, bank_code, name, message_id, sha256, size, count, sum_vnd,"
            " written_by, created_at) VALUES (900, 4, 'AGRI', 'n', 'M4', {zeros}, 1, 1, 1, 'x', '{now}')"
        )
    ],
    "instruction_planned_again": [
        "UPDATE instruction SET state = 'PLANNED' WHERE batch_id = 2",
    ],
    "batch_never_delete": ["DELETE FROM batch WHERE id = 2"],
    "ledger_written_open": [
        "INSERT INTO ledger_transaction (id, kind, reference, at, is_posted) VALUES (900, 'x', 'x', '{now}', {true})"
    ],
    "ledger_balanced": ["UPDATE ledger_transaction SET is_posted = {true} WHERE reference = 'open'"],
    "ledger_posted_stands": ["UPDATE ledger_transaction SET kind = 'x' WHERE reference LIKE 'deposit%'"],
    "ledger_posted_stays": ["DELETE FROM ledger_transaction WHERE reference LIKE 'deposit%'"],
    "posting_into_open": [
        (
            "INSERT INTO posting (transaction_id, number, account_code, amount_vnd, count)"
            " SELECT id, 9, 'fund:NS', 1, 1 FROM ledger_transaction WHERE reference LIKE 'deposit:NS%'"
        )
    ],
    "posting_stands": ["UPDATE posting SET amount_vnd = 0"],
    "posting_stays": ["DELETE FROM posting WHERE account_code = 'treasury'"],
    "lost_file_never_delete": ["DELETE FROM lost_file"],
    "lost_file_fixed": [
        f"UPDATE lost_file SET {change}"
        for change in (
            "bank_code = 'VCB'",
            "cycle_code = '2027-01'",
            "message_id = 'M9'",
            "name = 'other'",
            "sha256 = {ones}",
            "size = 1",
            "written_by = 'somebody'",
            "left_at = '2027-01-01T00:00:00.000000Z'",
            "attempts = 9",
            "found_at = '2027-01-01T00:00:00.000000Z'",
        )
    ],
    "lost_file_settled_stands": [
        "UPDATE lost_file SET settled_at = NULL, settled_by = NULL WHERE id = 2",
        "UPDATE lost_file SET settled_by = 'a.b' WHERE id = 2",
    ],
    "lost_reference_never_update": ["UPDATE lost_reference SET reference = 'PX'"],
    "lost_reference_never_delete": ["DELETE FROM lost_reference"],
    "person_doubt_never_delete": ["DELETE FROM person_doubt WHERE standing = 'open'"],
    "person_doubt_fixed": [
        "UPDATE person_doubt SET alike_key = {zeros} WHERE standing = 'open'",
        "UPDATE person_doubt SET beneficiary_id = beneficiary_id + 1000 WHERE standing = 'open'",
        "UPDATE person_doubt SET ground = 'old_id', found_at = '{later}'",
    ],
    "person_doubt_begins_open": [
        DOUBT.format(standing="two_persons", by=""),
        DOUBT.format(standing="same_person", by=""),
        DOUBT.format(standing="open", by="maker.lan"),
    ],
    "person_doubt_decided_once": [
        "UPDATE person_doubt SET standing = 'two_persons', decided_at = '{now}' WHERE standing = 'open'",
        "UPDATE person_doubt SET standing = 'same_person', decided_by = 'maker.lan' WHERE standing = 'open'",
        "UPDATE person_doubt SET decided_by = 'maker.lan', decided_at = '{now}' WHERE standing = 'open'",
        "UPDATE person_doubt SET standing = 'open', decided_at = NULL WHERE standing = 'two_persons'",
        "UPDATE person_doubt SET standing = 'same_person' WHERE standing = 'two_persons'",
        "UPDATE person_doubt SET decided_by = 'somebody.else' WHERE standing = 'same_person'",
        (
            "UPDATE person_doubt SET standing = 'two_persons', decided_by = 'maker.lan', decided_at = '{now}'"
            " WHERE standing = 'first'"
        ),
    ],
    "beneficiary_same_as_stands": [
        "UPDATE beneficiary SET same_as = NULL WHERE same_as IS NOT NULL",
        "UPDATE beneficiary SET same_as = 9002 WHERE same_as IS NOT NULL",
    ],
    "beneficiary_same_as_counts": [
        "UPDATE beneficiary SET same_as = id WHERE same_as IS NULL",
        "UPDATE beneficiary SET same_as = 9003 WHERE id = 9002",
    ],
    "beneficiary_first_key_stands": [
        "UPDATE beneficiary SET citizen_key = {zeros} WHERE id = 9000",
        "UPDATE beneficiary SET first_key = {zeros} WHERE id = 9000",
        "UPDATE beneficiary SET first_key = NULL WHERE same_as IS NOT NULL",
        "UPDATE beneficiary SET first_key = {zeros} WHERE same_as IS NOT NULL",
        "UPDATE beneficiary SET created_at = '{later}'",
    ],
    "report_never_update": ["UPDATE report SET manifest_sha256 = {zeros}"],
    "report_never_delete": ["DELETE FROM report"],
}

#: Uniqueness and ranges: rule and the constraints that it is, one for all attacks or one each -> what it must refuse.
CONSTRAINTS: dict[tuple[str, ...], list[str]] = {
    ("U1 an obligation exists once", "uq_obligation_programme_code_period_beneficiary_id_component"): [
        (
            "INSERT INTO obligation (id, programme_code, period, beneficiary_id, component, amount_vnd, created_at)"
            " SELECT 900, programme_code, period, beneficiary_id, component, 1, created_at FROM obligation WHERE id = 1"
        )
    ],
    ("U1 an obligation rides on one line at a time", "uq_obligation_claim_standing"): [
        (
            "INSERT INTO obligation_claim (entitlement_id, obligation_id)"
            " SELECT (SELECT MAX(id) FROM entitlement), obligation_id FROM obligation_claim"
            " WHERE entitlement_id = 1 AND released_at IS NULL"
        )
    ],
    ("U1 an amount is positive", "ck_obligation_positive"): [
        "INSERT INTO obligation (id, programme_code, period, beneficiary_id, component, amount_vnd, created_at)"
        f" VALUES (900, 'BTXH', '2027-07', 1, 'monthly', {amount}, '{{now}}')"
        for amount in (0, -1)
    ],
    ("U2 one live payment for one line", "uq_instruction_live"): [
        SECOND.replace("'held'", "'planned'"),
        SECOND.replace("'held'", "'planned'").replace("PLANNED", "DISPUTED"),
    ],
    ("U2 what is live follows from the state", "ck_instruction_live_by_state"): [
        *(
            f"UPDATE instruction SET state = '{state}' WHERE cycle_id = 1"
            for state in ("REJECTED", "RETURNED", "CANCELLED")
        ),
        "UPDATE instruction SET is_live = {false} WHERE cycle_id = 1",
        "UPDATE instruction SET state = 'SENT', is_live = {false} WHERE cycle_id = 1",
        SECOND.replace("PLANNED", "CANCELLED"),
    ],
    ("U2 one standing re-submission for one payment", "uq_resubmission_standing"): [resubmission_of("{proposed}")],
    ("a payment is withdrawn once", "uq_withdrawal_instruction_id"): [withdrawal_of("{named}")],
    ("a withdrawn payment is in no batch", "ck_instruction_withdrawn_unbatched"): [
        "UPDATE instruction SET state = 'CANCELLED', is_live = {false} WHERE id = {refused}",
        "UPDATE instruction SET batch_id = 1 WHERE id = {gone}",
    ],
    ("rule 5 two people", "ck_resubmission_two_people"): [
        "UPDATE resubmission SET approved_by = proposed_by, approved_at = '{now}' WHERE instruction_id = {proposed}"
    ],
    (
        "rule 5 the evidence exists, and is one",
        "fk_resubmission_status_file_id",
        "fk_resubmission_statement_id",
        "fk_resubmission_refused_batch_id",
        "ck_resubmission_one_evidence",
    ): [
        resubmission_of("{refused}", evidence="77, 0, NULL, NULL, NULL"),
        resubmission_of("{refused}", evidence="NULL, NULL, 77, 0, NULL"),
        resubmission_of("{refused}", evidence="NULL, NULL, NULL, NULL, 77"),
        resubmission_of("{refused}", evidence="NULL, NULL, NULL, NULL, NULL"),
        resubmission_of("{refused}", evidence="1, 0, NULL, NULL, 3"),
        resubmission_of("{refused}", evidence="1, NULL, NULL, NULL, 3"),
    ],
    ("a re-submission is of what is not paid", "ck_resubmission_unpaid"): [
        resubmission_of("{refused}", state="SETTLED")
    ],
    ("a re-submission is decided once", "ck_resubmission_decided_once"): [
        (
            "UPDATE resubmission SET approved_by = 'a.b', approved_at = '{now}', closed_by = 'a.b', closed_at = '{now}'"
            " WHERE instruction_id = {proposed}"
        ),
        "UPDATE resubmission SET approved_at = '{now}' WHERE instruction_id = {proposed}",
    ],
    (
        "a payment is recalled once, by a file or by a person",
        "uq_recall_under_way",
        "uq_recall_case_id",
        "ck_recall_file_where_sent",
    ): [
        "INSERT INTO recall (id, instruction_id, bank_code, case_id, state, version, requested_at)"
        f" VALUES (900, {instruction}, 'AGRI', '{case}', '{state}', 1, '{{now}}')"
        for instruction, case, state in (
            ("{BOOKED}", "R9", "BY_HAND"),
            ("{LATE}", "R1", "BY_HAND"),
            ("{LATE}", "R9", "SENT"),
        )
    ],
    (
        "a letter is recorded and approved by two, once, as one file",
        "ck_bank_letter_two_people",
        "ck_bank_letter_decided_once",
        "ck_bank_letter_decided_once",
        "uq_bank_letter_inbound_file_id",
        "fk_bank_letter_inbound_file_id",
        "ck_bank_letter_known_word",
        "uq_bank_letter_standing",
    ): [
        "UPDATE bank_letter SET approved_by = proposed_by, approved_at = '{now}', inbound_file_id = 2 WHERE id = 2",
        "UPDATE bank_letter SET approved_by = 'a.b', approved_at = '{now}' WHERE id = 2",
        (
            "UPDATE bank_letter SET approved_by = 'a.b', approved_at = '{now}', inbound_file_id = 2, closed_by = 'a.b',"
            " closed_at = '{now}' WHERE id = 2"
        ),
        "UPDATE bank_letter SET approved_by = 'a.b', approved_at = '{now}', inbound_file_id = 5 WHERE id = 2",
        "UPDATE bank_letter SET approved_by = 'a.b', approved_at = '{now}', inbound_file_id = 77 WHERE id = 2",
        "UPDATE bank_letter SET says = 'perhaps' WHERE id = 2",
        LETTER.format(id=900, more="NULL, NULL, NULL, NULL, NULL").replace("{twos}", "content_sha256"),
    ],
    ("letters say one of three things of a payment", "ck_instruction_known_letter_word"): [
        "UPDATE instruction SET letter_word = 'perhaps' WHERE id = {refused}"
    ],
    ("U3 an id is given once", "uq_instruction_end_to_end_id"): [
        INSTRUCTION.format(
            line="(SELECT id FROM entitlement WHERE cycle_id = 3 AND disposition = 'held')",
            cycle=3,
            reference="{burnt}",
            amount=1,
            channel="account",
            account=1,
        )
    ],
    (
        "a payment is within its range and has its account",
        "ck_instruction_amount_in_range",
        "ck_instruction_amount_in_range",
        "ck_instruction_account_where_needed",
    ): [
        INSTRUCTION.format(
            line="(SELECT id FROM entitlement WHERE cycle_id = 3 AND disposition = 'held')",
            cycle=3,
            reference="PX",
            amount=amount,
            channel=channel,
            account=account,
        )
        for amount, channel, account in (
            (0, "account", "1"),
            (10**13, "account", "1"),
            (1, "account", "NULL"),
            (1, "cash", "1"),
        )
    ],
    (
        "a line has one disposition, and a reason unless planned",
        "ck_entitlement_reason_given",
        "ck_entitlement_reason_given",
        "ck_entitlement_reason_given",
        "ck_entitlement_known_disposition",
    ): [
        f"UPDATE entitlement SET disposition = '{disposition}', reason = '{reason}' WHERE cycle_id = 3"
        for disposition, reason in (("planned", "x"), ("held", ""), ("excluded", ""), ("lost", "x"))
    ],
    (
        "U4 a bank file exists once",
        "uq_bank_file_batch_id",
        "uq_bank_file_bank_code_name",
        "uq_bank_file_bank_code_message_id",
        "uq_bank_file_bank_code_sha256",
    ): [
        "INSERT INTO bank_file (id, batch_id, bank_code, name, message_id, sha256, size, count, sum_vnd, written_by,"
        f" created_at) VALUES (900, {batch_id}, 'AGRI', '{name}', '{message}', {digest}, 1, 1, 1, 'x', '{{now}}')"
        for batch_id, name, message, digest in (
            (1, "other", "M9", "{ones}"),
            (2, "file", "M9", "{ones}"),
            (2, "other", "M1", "{ones}"),
            (2, "other", "M9", "{twos}"),
        )
    ],
    (
        "a lost file is known once, and nobody answers for it without a name",
        "uq_lost_file_bank_code_message_id",
        "ck_lost_file_settled_by_somebody",
        "pk_lost_reference",
        "fk_lost_reference_lost_file_id",
    ): [
        (
            "INSERT INTO lost_file (id, bank_code, cycle_code, message_id, name, sha256, size, written_by, left_at,"
            " attempts, found_at) VALUES (900, 'AGRI', '', 'ML1', 'x', {ones}, 1, 'x', '{now}', 1, '{now}')"
        ),
        "UPDATE lost_file SET settled_at = '{now}' WHERE id = 1",
        "INSERT INTO lost_reference (lost_file_id, reference) VALUES (1, 'PLOST')",
        "INSERT INTO lost_reference (lost_file_id, reference) VALUES (77, 'PLOST')",
    ],
    ("U5 an inbound file counts once", "uq_inbound_file_bank_code_sha256"): [
        (
            "INSERT INTO inbound_file (id, bank_code, name, sha256, size, received_at, state)"
            " SELECT 900, bank_code, 'again', sha256, size, received_at, 'STORED' FROM inbound_file WHERE id = 1"
        )
    ],
    ("U5 a statement counts once", "uq_bank_statement_bank_code_account_statement_id"): [
        (
            "INSERT INTO bank_statement (id, inbound_file_id, bank_code, account, statement_id, opening_vnd,"
            " closing_vnd, debits_vnd, credits_vnd, line_count, accepted_at) SELECT 900, 2, bank_code, account,"
            " statement_id, 50, 50, 0, 0, 0, accepted_at FROM bank_statement WHERE id = 1"
        )
    ],
    ("U6 one line settles a payment", "uq_statement_line_settlement"): [line_of(2, 0, "settlement", "{BOOKED}")],
    ("U5 a statement balances", "ck_bank_statement_balanced"): [
        (
            "INSERT INTO bank_statement (id, inbound_file_id, bank_code, account, statement_id, opening_vnd,"
            " closing_vnd,"
            " debits_vnd, credits_vnd, line_count, accepted_at)"
            " VALUES (900, 1, 'AGRI', '1', 'S9', 100, 99, 2, 0, 1, '{now}')"
        )
    ],
    ("U7 a run is claimed once", "pk_run"): [
        (
            "INSERT INTO run (schedule_id, due_at, state, claimed_at, claimed_by, token)"
            " VALUES ('s', '{now}', 'CLAIMED', '{now}', 'other', 2)"
        )
    ],
    ("U8 the maker never approves", "ck_approval_two_people"): [
        APPROVAL.format(cycle=2, content="content_sha256", maker="maker.lan", approver="maker.lan", now="{now}")
    ],
    ("U8 an officer approves a content once", "uq_approval_standing"): [
        (
            "INSERT INTO approval (id, cycle_id, content_sha256, maker_id, approver_id, approved_at)"
            " SELECT 901, cycle_id, content_sha256, maker_id, approver_id, approved_at FROM approval WHERE id = 900"
        ),
    ],
    ("U10 an event is recorded once", "uq_ledger_transaction_reference"): [
        (
            "INSERT INTO ledger_transaction (id, kind, reference, at, is_posted)"
            " SELECT 900, kind, reference, at, {false} FROM ledger_transaction WHERE reference LIKE 'deposit:NS%'"
        )
    ],
    ("an event of the trail has one place in the chain", "uq_audit_event_hash"): [
        (
            "INSERT INTO audit_event (id, at, actor, verb, subject, detail, previous_hash, hash)"
            " SELECT 900, at, actor, verb, subject, detail, previous_hash, hash FROM audit_event WHERE id = 1"
        )
    ],
    ("a programme knows its kind and its policy", "ck_programme_known_kind", "ck_programme_known_policy"): [
        "UPDATE programme SET kind = 'yearly'",
        "UPDATE programme SET without_account = 'forget'",
    ],
    ("a rate is positive", "ck_rate_positive"): [
        "UPDATE rate SET standard_vnd = 0",
        "UPDATE rate SET coefficient_milli = -1",
    ],
}


@dataclass(frozen=True)
class World:
    """A database in which every rule has something to guard."""

    database: Database
    values: dict[str, str]

    def attack(self, statement: str) -> IntegrityError | None:
        """What the database says to this statement; nothing of it stays."""
        wanted = statement.format(**self.values)
        with self.database.engine.connect().execution_options(paysvc_write=True) as connection:
            transaction = connection.begin()
            try:
                done = connection.execute(text(wanted))
            except IntegrityError as refusal:
                return refusal
            except DBAPIError as failure:
                raise AssertionError(f"the attack itself is wrong: {wanted}") from failure
            finally:
                transaction.rollback()
            assert done.rowcount, f"the attack hits nothing: {wanted}"
            return None


@pytest.fixture
def world(database: Database, sealer: Sealer, clock: FixedClock, maker: Officer, approver: Officer) -> World:
    province = Province(database, sealer, clock)
    province.add(
        Enrolled({"BTXH": "NANG"}), Enrolled({"BTXH": "NANG"}, outcome="name_close"), Enrolled({"BTXH": "NANG"})
    )
    contents = {}
    for number, month in enumerate(("2026-12", "2027-01", "2027-02", "2027-03", "2027-04"), 1):
        contents[number] = plan_payments(
            database, sealer, BANKS, clock, maker, cycle_code=month, programme_codes=["BTXH"], periods=[month]
        ).content_sha256
    other = Officer("maker.tam", maker.role)
    for number, code, submitter in (
        (1, "2026-12", maker),
        (2, "2027-01", other),
        (4, "2027-03", maker),
        (5, "2027-04", maker),
    ):
        submit_plan(database, clock, submitter, cycle_code=code)
        if number != 2:
            approve_plan(database, clock, approver, cycle_code=code, content_sha256=contents[number])
    withdraw_plan(database, clock, maker, cycle_code="2027-04", reason="Xem lại")
    made = _with_banks(database, clock)
    values = {**made.values, **_paid_again(province, clock, maker, approver)}
    values |= _never_left(province, clock, maker, approver)
    with database.write() as connection:
        connection.execute(text("UPDATE approval SET cancelled_at = approved_at WHERE cycle_id = 6"))
        connection.execute(text(line_of(1, 0, of="{BOOKED}").format(**values)))
    return _with_letters(World(database, values), clock.now())


def _paid_again(province: Province, clock: FixedClock, maker: Officer, approver: Officer) -> dict[str, str]:
    """Cycles 6 to 8, and the payments of cycle 6 by what became of them (`PAID_AGAIN`)."""
    database = province.database
    once = Enrolled({"BTXH": "NANG"}, from_period="2027-05", to_period="2027-05")
    people = province.add(*[once] * len(PAID_AGAIN))

    def plan(month: str, *, approved: bool = True) -> None:
        content = plan_payments(
            database, province.sealer, BANKS, clock, maker, cycle_code=month, programme_codes=["BTXH"], periods=[month]
        ).content_sha256
        if approved:
            submit_plan(database, clock, maker, cycle_code=month)
            approve_plan(database, clock, approver, cycle_code=month, content_sha256=content)

    def let_pay_again(*names: str) -> None:
        chosen = [references[one] for one in names]
        content = propose_resubmission(
            database, clock, maker, cycle_code="2027-05", end_to_end_ids=chosen
        ).content_sha256
        approve_resubmission(
            database, clock, approver, cycle_code="2027-05", content_sha256=content, end_to_end_ids=chosen
        )

    plan("2027-05")
    values = {}
    with database.write() as connection:
        refused = {"cycle": 6, "part": 1, "sum": 1, "message": "M3", "now": instant_text(clock.now())}
        digest = "decode('" + "33" * 32 + "', 'hex')" if database.is_postgresql else "x'" + "33" * 32 + "'"
        connection.execute(text(BATCH.format(id=3, digest=digest, **refused)))
        for state in ("SENDING", "REFUSED"):
            connection.execute(text(f"UPDATE batch SET state = '{state}' WHERE id = 3"))
        connection.execute(
            text("UPDATE instruction SET state = 'BATCHED', batch_id = 3, batch_position = 1 WHERE cycle_id = 6")
        )
        connection.execute(
            text("UPDATE instruction SET state = 'REJECTED', is_live = false, is_refused = true WHERE cycle_id = 6")
        )
        rows = connection.execute(
            text(
                "SELECT i.id, i.end_to_end_id, i.entitlement_id, e.beneficiary_id FROM instruction i"
                " JOIN entitlement e ON e.id = i.entitlement_id WHERE i.cycle_id = 6"
            )
        )
        by_person = {row.beneficiary_id: row for row in rows}
    references = {}
    for name, person in zip(PAID_AGAIN, people, strict=True):
        row = by_person[person]
        references[name] = row.end_to_end_id
        values |= {name: str(row.id), f"line of {name}": str(row.entitlement_id)}
    let_pay_again("again", "LEAVING")
    plan("2027-06")
    let_pay_again("DRAFTED")
    plan("2027-07", approved=False)
    let_pay_again("LATE")
    propose_resubmission(
        database, clock, maker, cycle_code="2027-05", end_to_end_ids=[references["proposed"], references["OVERTAKEN"]]
    )
    with database.write() as connection:
        for name in PAID_AGAIN:
            if name.isupper():
                connection.execute(
                    text(
                        "UPDATE instruction SET state = 'SETTLED', is_live = true, debit_count = 1,"
                        f" debited_vnd = amount_vnd WHERE id = {values[name]}"
                    )
                )
        connection.execute(
            text(
                "INSERT INTO recall (id, instruction_id, bank_code, case_id, name, sha256, size, state, version,"
                f" requested_at) SELECT 1, {values['BOOKED']}, 'AGRI', 'R1', 'recall', content_sha256, 9, 'SEALED', 1,"
                " created_at FROM batch WHERE id = 3"
            )
        )
        connection.execute(
            text(
                "INSERT INTO recall_attempt (recall_id, number, started_at, outcome)"
                f" VALUES (1, 1, '{refused['now']}', 'unknown'), (1, 2, '{refused['now']}', NULL)"
            )
        )
    return values


def _never_left(province: Province, clock: FixedClock, maker: Officer, approver: Officer) -> dict[str, str]:
    """Cycles 9 and 10, and the payments of cycle 9 by what became of them (`NEVER_LEFT`)."""
    database = province.database
    people = province.add(*[Enrolled({"BTXH": "NANG"}, from_period="2027-08", to_period="2027-08")] * len(NEVER_LEFT))

    def plan(month: str) -> bytes:
        return plan_payments(
            database, province.sealer, BANKS, clock, maker, cycle_code=month, programme_codes=["BTXH"], periods=[month]
        ).content_sha256

    content = plan("2027-08")
    submit_plan(database, clock, Officer("maker.tam", maker.role), cycle_code="2027-08")
    approve_plan(database, clock, approver, cycle_code="2027-08", content_sha256=content)
    with database.write() as connection:
        connection.execute(text("UPDATE payment_cycle SET state = 'RELEASED' WHERE id = 9"))
        rows = connection.execute(
            text(
                "SELECT e.beneficiary_id, i.id, i.end_to_end_id, e.id AS line FROM instruction i"
                " JOIN entitlement e ON e.id = i.entitlement_id WHERE i.cycle_id = 9"
            )
        )
        by_person = {row.beneficiary_id: row for row in rows}
        found = {name: by_person[person] for name, person in zip(NEVER_LEFT, people, strict=True)}
        connection.execute(insert(lost_reference).values(lost_file_id=1, reference=found["lost"].end_to_end_id))
        for number, name in ((1, "named"), (2, "gone")):
            connection.execute(
                insert(withdrawal).values(
                    id=number,
                    instruction_id=found[name].id,
                    reason="x",
                    withdrawn_by=approver.officer_id,
                    withdrawn_at=clock.now(),
                )
            )
        gone, now = found["gone"], instant_text(clock.now())
        connection.execute(text(f"UPDATE instruction SET state = 'CANCELLED', is_live = false WHERE id = {gone.id}"))
        connection.execute(
            text(f"UPDATE obligation_claim SET released_at = '{now}' WHERE entitlement_id = {gone.line}")
        )
    plan("2027-09")
    with database.write() as connection:
        # Of a draft a link may go; it cannot be submitted without it.
        connection.execute(text(f"DELETE FROM replacement WHERE replaced_id = {gone.id}"))
    return {name: str(row.id) for name, row in found.items()}


def _with_banks(database: Database, clock: FixedClock) -> World:
    now, later = instant_text(clock.now()), instant_text(clock.now() + timedelta(hours=1))
    blob = (lambda digit: f"decode('{digit * 64}', 'hex')") if database.is_postgresql else (lambda d: f"x'{d * 64}'")
    values = {
        "now": now,
        "later": later,
        "zeros": blob("0"),
        "ones": blob("1"),
        "twos": blob("2"),
        "true": "true",
        "false": "false",
    }
    at = clock.now()
    with database.write() as connection:
        for number in (1, 2):
            connection.execute(
                insert(batch).values(
                    id=number,
                    cycle_id=1,
                    bank_code="AGRI",
                    part=number,
                    value_date=at.date(),
                    count=1,
                    sum_vnd=10 + number,
                    content_sha256=bytes([number]) * 32,
                    message_id=f"M{number}",
                    state="SEALED",
                    version=1,
                    created_at=at,
                )
            )
            connection.execute(
                insert(inbound_file).values(
                    id=number,
                    bank_code="AGRI",
                    name=f"in{number}",
                    sha256=bytes([number]) * 32,
                    size=9,
                    received_at=at,
                    state="STORED",
                )
            )
            connection.execute(
                insert(bank_statement).values(
                    id=number,
                    inbound_file_id=1,
                    bank_code="AGRI",
                    account="1",
                    statement_id=f"S{number}",
                    opening_vnd=10,
                    closing_vnd=9,
                    debits_vnd=1,
                    credits_vnd=0,
                    line_count=1,
                    accepted_at=at,
                )
            )
        digest = "decode('" + "44" * 32 + "', 'hex')" if database.is_postgresql else "x'" + "44" * 32 + "'"
        whole = {"cycle": 1, "part": 4, "sum": 1, "digest": digest, "message": "M4", "now": instant_text(at)}
        connection.execute(text(BATCH.format(id=4, **whole)))
        connection.execute(text(f"UPDATE batch SET state = 'DISSOLVED', dissolved_at = '{now}' WHERE id = 4"))
        connection.execute(
            text(
                "UPDATE instruction SET state = 'BATCHED', batch_id = 2, batch_position = 0"
                " WHERE id = (SELECT MIN(id) FROM instruction WHERE cycle_id = 1)"
            )
        )
        connection.execute(
            insert(bank_file).values(
                id=1,
                batch_id=1,
                bank_code="AGRI",
                name="file",
                message_id="M1",
                sha256=b"\x22" * 32,
                size=9,
                count=1,
                sum_vnd=11,
                written_by="tests",
                created_at=at,
            )
        )
        for number, by in ((1, None), (2, "administrator.an")):
            connection.execute(
                insert(lost_file).values(
                    id=number,
                    bank_code="AGRI",
                    cycle_code="2026-12",
                    message_id=f"ML{number}",
                    name=f"lost{number}",
                    sha256=bytes([number]) * 32,
                    size=9,
                    written_by="tests",
                    left_at=at,
                    attempts=1,
                    found_at=at,
                    settled_at=at if by else None,
                    settled_by=by,
                )
            )
            connection.execute(insert(lost_reference).values(lost_file_id=number, reference="PLOST"))
        for number, state in ((3, "ACCEPTED"), (4, "PARKED")):
            connection.execute(
                insert(inbound_file).values(
                    id=number, bank_code="AGRI", name=f"in{number}", sha256=bytes([number]) * 32, size=9,
                    received_at=at, state="STORED",
                )
            )  # fmt: skip
            connection.execute(text(f"UPDATE inbound_file SET state = '{state}' WHERE id = {number}"))
        for number, resolved in ((1, None), (2, at)):
            connection.execute(
                insert(discrepancy).values(
                    id=number, kind="unknown_reference", bank_code="AGRI", reference=f"P{number}", inbound_file_id=1,
                    amount_vnd=9, detail="d", found_at=at, resolved_at=resolved,
                )
            )  # fmt: skip
        connection.execute(
            insert(send_attempt),
            [
                {"bank_file_id": 1, "number": 1, "started_at": at, "outcome": "sent"},
                {"bank_file_id": 1, "number": 2, "started_at": at, "outcome": None},
            ],
        )
        _dissolve_some(connection, at)
        for number in (8001, 8002):
            connection.execute(
                text(
                    "INSERT INTO obligation (id, programme_code, period, beneficiary_id, component, amount_vnd,"
                    f" created_at) SELECT {number}, programme_code, '{number}', beneficiary_id, component, 1,"
                    " created_at FROM obligation WHERE id = 1"
                )
            )
        connection.execute(text("INSERT INTO unplanned_obligation (obligation_id) VALUES (8001)"))
        for number in range(4):
            key = {"citizen_key": bytes([9, number]) * 16, "citizen_id_sealed": b"", "created_at": at}
            connection.execute(insert(beneficiary).values(id=9000 + number, **key))
            standing = same_person.OPEN if number else same_person.FIRST
            doubt = {"alike_key": bytes([7]) * 32, "ground": "person", "found_at": at, "reason": "", "decided_by": ""}
            connection.execute(
                insert(person_doubt).values(doubt | {"beneficiary_id": 9000 + number, "standing": standing})
            )
        for number, decision in ((9002, same_person.TWO_PERSONS), (9003, same_person.SAME_PERSON)):
            same_person.settle(connection, number, decision, "maker.lan", "asked", at)
        connection.execute(text("UPDATE beneficiary SET same_as = 9000, first_key = citizen_key WHERE id = 9003"))
        connection.execute(
            insert(payment_status).values(
                inbound_file_id=1, position=0, reference="P", status="ACSC", reason_code="", bank_reference=""
            )
        )
        connection.execute(
            insert(report).values(
                id=1,
                number="R",
                cycle_id=1,
                as_of=at,
                amendment=0,
                includes_bank_files=False,
                manifest_sha256=bytes(32),
                signing_key_id="k",
                published_at=at,
                actor="auditor.tuan",
            )
        )
        connection.execute(
            text(
                "INSERT INTO schedule (id, verb, arguments, every_seconds, first_due_at, enabled)"
                f" VALUES ('s', 'v', '', 1, '{now}', true)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO run (schedule_id, due_at, state, claimed_at, claimed_by, token)"
                f" VALUES ('s', '{now}', 'CLAIMED', '{now}', 'me', 2), ('s', '{later}', 'DONE', '{now}', 'me', 2)"
            )
        )
        connection.execute(
            text(f"INSERT INTO lease (name, holder, token, until) VALUES ('scheduler', 'me', 2, '{now}')")
        )
        connection.execute(
            text(
                "INSERT INTO ledger_transaction (id, kind, reference, at, is_posted)"
                f" VALUES (800, 'x', 'open', '{now}', false)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO posting (transaction_id, number, account_code, amount_vnd, count)"
                " VALUES (800, 0, 'fund:NS', 5, 1)"
            )
        )
        burnt = connection.execute(
            text("SELECT end_to_end_id FROM instruction WHERE cycle_id = 1 LIMIT 1")
        ).scalar_one()
    return World(database, {**values, "burnt": burnt})


def _dissolve_some(connection: Connection, at: datetime) -> None:
    """Batches 5 and 6 may have left; 7 never did, and was dissolved with what it held. In 4 somebody put a payment
    after it was dissolved."""
    for number, outcome in ((5, "unknown"), (6, None), (7, "not_sent")):
        same = {"bank_code": "AGRI", "message_id": f"M{number}", "count": 1, "sum_vnd": number, "created_at": at}
        digest = bytes([number]) * 32
        connection.execute(
            insert(batch).values(
                id=number, cycle_id=1, part=number, value_date=at.date(), content_sha256=digest, state="SEALED",
                version=1, **same,
            )
        )  # fmt: skip
        connection.execute(
            insert(bank_file).values(
                id=number, batch_id=number, name=f"f{number}", sha256=digest, size=9, written_by="x", **same
            )
        )
        connection.execute(insert(send_attempt).values(bank_file_id=number, number=1, started_at=at, outcome=outcome))
    for number, of_cycle in (
        (7, "MAX(id) FROM instruction WHERE cycle_id = 1"),
        (4, "MIN(id) FROM instruction WHERE cycle_id = 4"),
    ):
        connection.execute(
            text(
                f"UPDATE instruction SET state = 'BATCHED', batch_id = {number}, batch_position = 0"
                f" WHERE id = (SELECT {of_cycle})"
            )
        )
    connection.execute(text(f"UPDATE batch SET state = 'DISSOLVED', dissolved_at = '{instant_text(at)}' WHERE id = 7"))
    connection.execute(
        text("INSERT INTO dissolved_payment SELECT batch_id, batch_position, id FROM instruction WHERE batch_id = 7")
    )
    connection.execute(
        text("UPDATE instruction SET state = 'PLANNED', batch_id = NULL, batch_position = NULL WHERE batch_id = 7")
    )


def _with_letters(world: World, at: datetime) -> World:
    """Letter 1 is approved and file 5, letter 2 waits, letter 3 was declined. File 6 was fetched, file 7 is another
    bank's. A payment is named in the first, and one is DISPUTED."""
    with world.database.write() as connection:
        for number, bank_code in ((5, "AGRI"), (6, "AGRI"), (7, "VCB")):
            connection.execute(
                insert(inbound_file).values(
                    id=number, bank_code=bank_code, name=f"in{number}", sha256=bytes([number]) * 32, size=9,
                    received_at=at, state="STORED",
                )
            )  # fmt: skip
        connection.execute(insert(fetched_name).values(bank_code="AGRI", name="in6", inbound_file_id=6))
        for number, says in ((1, "not_made"), (2, "made"), (3, "made")):
            connection.execute(
                insert(bank_letter).values(
                    id=number, bank_code="AGRI", number=f"{number}/CV", dated=at.date(), says=says,
                    scan_sha256=bytes(32), scan_size=9, content="{}", content_sha256=bytes([number]) * 32,
                    proposed_by="maker.lan", proposed_at=at,
                )
            )  # fmt: skip
        letter = update(bank_letter)
        connection.execute(
            letter.where(bank_letter.c.id == 1).values(approved_by="approver.thu", approved_at=at, inbound_file_id=5)
        )
        connection.execute(letter.where(bank_letter.c.id == 3).values(closed_by="approver.thu", closed_at=at))
        lettered = connection.execute(text("SELECT id FROM instruction WHERE batch_id = 2")).scalar_one()
        proposed = int(world.values["proposed"])
        for file, of, status in ((5, lettered, "RJCT"), (2, proposed, "ACSC")):
            connection.execute(
                insert(payment_status).values(
                    inbound_file_id=file, position=7, reference="P", instruction_id=of, status=status,
                    reason_code="", bank_reference="",
                )
            )  # fmt: skip
        connection.execute(text(f"UPDATE instruction SET letter_word = 'not_made' WHERE id = {lettered}"))
        connection.execute(text(f"UPDATE instruction SET state = 'DISPUTED' WHERE id = {world.values['OVERTAKEN']}"))
    return World(world.database, {**world.values, "lettered": str(lettered)})


def _migration() -> ModuleType:
    path = Path(__file__).parents[1] / "migrations/versions/0002_rules.py"
    spec = importlib.util.spec_from_file_location("rules_of_the_migration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_rule_is_attacked() -> None:
    assert set(TRIGGERS) == {rule.name for rule in _migration().RULES}


def test_every_trigger_refuses_with_its_own_words(world: World) -> None:
    messages = {rule.name: rule.message for rule in _migration().RULES}
    with world.database.write() as connection:
        _let_go_of_triggers(connection, "_never_replaced")
    for rule, attacks in TRIGGERS.items():
        for attack in attacks:
            refusal = world.attack(attack)
            assert refusal is not None, f"{rule} let through: {attack}"
            assert messages[rule] in str(refusal.orig), f"{rule} was not what refused: {attack}\n{refusal.orig}"


def test_every_constraint_refuses(world: World) -> None:
    with world.database.write() as connection:
        second = select(payment_cycle.c.content_sha256, payment_cycle.c.maker_id).where(payment_cycle.c.id == 2)
        content, maker_id = connection.execute(second).one()
        connection.execute(
            insert(approval).values(
                id=900,
                cycle_id=2,
                content_sha256=content,
                maker_id=maker_id,
                approver_id="approver.thu",
                approved_at=connection.execute(
                    select(payment_cycle.c.created_at).where(payment_cycle.c.id == 2)
                ).scalar_one(),
            )
        )
    with world.database.write() as connection:
        _let_go_of_triggers(connection)
    for (rule, *constraints), attacks in CONSTRAINTS.items():
        each = constraints if len(constraints) > 1 else constraints * len(attacks)
        each += [each[-1]] * (len(attacks) - len(each))
        for constraint, attack in zip(each, attacks, strict=True):
            refusal = world.attack(attack)
            assert refusal is not None, f"{rule}: {attack}"
            assert _is_from(refusal, constraint), f"{rule}: not {constraint}, but {refusal.orig}: {attack}"


def _let_go_of_triggers(connection: Connection, of: str = "") -> None:
    """Take out the triggers with this in their names: what one refuses beforehand never comes to another rule."""
    if connection.dialect.name == "sqlite":
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            if of in name:
                connection.execute(text(f"DROP TRIGGER {name}"))
    elif not of:
        for table in metadata.tables:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


def _is_from(refusal: IntegrityError, constraint: str) -> bool:
    """Whether it was this constraint that refused; SQLite names columns where PostgreSQL names the constraint."""
    said = getattr(refusal.orig, "diag", None)
    if said is not None:
        return bool(said.constraint_name == constraint[:63])
    if constraint.startswith("ck_"):
        return str(refusal.orig) == f"CHECK constraint failed: {constraint}"
    if constraint.startswith("fk_"):
        return str(refusal.orig) == "FOREIGN KEY constraint failed"
    columns = ", ".join(
        f"{table.name}.{column}" for table, name, key, _ in _keys() if name == constraint for column in key
    )
    return str(refusal.orig) == f"UNIQUE constraint failed: {columns}"


def _keys() -> Iterator[tuple[Table, str, tuple[str, ...], str]]:
    """Every key of every table: its name, its columns, and of which rows it is ("" is of all)."""
    for table in metadata.tables.values():
        yield table, str(table.primary_key.name), tuple(table.primary_key.columns.keys()), ""
        for one in table.constraints:
            if isinstance(one, UniqueConstraint):
                yield table, str(one.name), tuple(one.columns.keys()), ""
        for index in table.indexes:
            if index.unique:
                where = index.dialect_options["sqlite"]["where"]
                yield table, str(index.name), tuple(index.columns.keys()), "" if where is None else str(where)


def test_every_key_of_rows_that_stay_is_guarded() -> None:
    """A key that is left out is one by which OR REPLACE takes the row away."""
    module = _migration()
    guarded = {
        (table, tuple(key.columns.split(", ")), key.where) for table, keys in module.KEYS.items() for key in keys
    }
    assert guarded == {(table.name, key, where) for table, _, key, where in _keys() if table.name in module.KEYS}
    assert set(module.KEYS) == {rule.table for rule in module.RULES if rule.event == "DELETE"}
    (of_cycle,) = [(table, key) for table, keys in module.KEYS.items() for key in keys if key.of_cycle]
    assert (of_cycle[0], of_cycle[1].columns.split(", ")[0]) == ("entitlement", "cycle_id")


def test_rows_that_stay_are_neither_replaced_nor_truncated(world: World) -> None:
    """From a console of its own: SQLite checks no foreign keys there, and OR REPLACE fires no trigger of DELETE."""
    module = _migration()
    if world.database.is_postgresql:
        for table in module.KEYS:
            refusal = world.attack(f"TRUNCATE {table} CASCADE")
            assert refusal is not None, table
            assert f"rows of {table} are never truncated" in str(refusal.orig)
        return
    with closing(sqlite3.connect(str(world.database.engine.url.database), isolation_level=None)) as console:
        for (name,) in console.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            if "_never_replaced" not in name:
                console.execute(f"DROP TRIGGER {name}")
        for table, keys in module.KEYS.items():
            for attack in _replacements(metadata.tables[table], keys):
                console.execute("BEGIN")
                with pytest.raises(sqlite3.IntegrityError) as refusal:
                    console.execute(attack)
                assert str(refusal.value) == f"rows of {table} are never replaced", attack
                console.execute("ROLLBACK")


def _replacements(table: Table, keys: tuple[Any, ...]) -> Iterator[str]:
    """A row put in the place of another, by each key alone and by the number that SQLite gives a row."""
    listed = ", ".join(f'"{one.name}"' for one in table.columns)
    named = {name for key in keys for name in key.columns.split(", ")}
    all_keys = [set(key.columns.split(", ")) for key in keys]

    def row_with(same: set[str]) -> str:
        return ", ".join(
            f'"{one.name}"' if one.name in same or one.name not in named else _something_else(one)
            for one in table.columns
        )

    for key, columns in zip(keys, all_keys, strict=True):
        of_rows = f"FROM {table.name} WHERE {key.where or 'true'}"
        if not key.of_cycle:
            yield f"INSERT OR REPLACE INTO {table.name} ({listed}) SELECT {row_with(columns)} {of_rows} LIMIT 1"
        if table.name not in _HAS_ONE and not key.where:
            first = f"(SELECT {key.columns} FROM {table.name} ORDER BY rowid LIMIT 1)"
            last = f"(SELECT MAX(rowid) FROM {table.name})"
            yield f"UPDATE OR REPLACE {table.name} SET ({key.columns}) = {first} WHERE rowid = {last}"
    for number in ("rowid", "oid", "_rowid_"):
        first = f"(SELECT MIN(rowid) FROM {table.name})"
        yield f"UPDATE OR REPLACE {table.name} SET {number} = {number} + 1 WHERE rowid = {first}"
        if "id" not in named and table.name != "unplanned_obligation":
            yield (
                f"INSERT OR REPLACE INTO {table.name} ({number}, {listed})"
                f" SELECT {number}, {row_with(set())} FROM {table.name} LIMIT 1"
            )


#: What has one row alone in the world cannot take another's place.
_HAS_ONE = {
    "dissolved_payment",
    "statement_line",
    "payment_status",
    "unplanned_obligation",
    "recall",
    "lease",
    "report",
}


def _something_else(column: Column[Any]) -> str:
    if isinstance(column.type, LargeBinary):
        return "randomblob(32)"
    is_text = isinstance(column.type, String | Text) or column.name.endswith("_at")
    return f"\"{column.name}\" || '-'" if is_text else f'"{column.name}" + 100000'


LIVES = {
    "payment_cycle": CYCLE_NEXT,
    "instruction": INSTRUCTION_NEXT,
    "batch": BATCH_NEXT,
    "recall": RECALL_NEXT,
    "inbound_file": FILE_NEXT,
}


def test_the_database_knows_the_moves_that_the_program_knows(database: Database) -> None:
    """The lists are the same, and each rule refuses every pair of states that is not in them."""
    module = _migration()
    written = {table: {state: set(nexts) for state, nexts in life.items()} for table, life in module.LIVES.items()}
    known: dict[str, Any] = {
        table: {str(state): {str(one) for one in nexts} for state, nexts in life.items()}  # type: ignore[attr-defined]  # of one enumeration each
        for table, life in LIVES.items()
    }
    assert written == known
    rules = {rule.table: rule for rule in module.RULES if rule.name.endswith("_life")}
    assert set(rules) == set(LIVES)
    with database.read() as connection:
        for table, life in known.items():
            asked = text(f"SELECT {rules[table].only}".replace("OLD.state", ":before").replace("NEW.state", ":after"))
            for before in life:
                for after in (*life, "NO_STATE"):
                    refused = connection.execute(asked, {"before": before, "after": after}).scalar_one()
                    assert bool(refused) == (before != after and after not in life[before]), f"{table} {before} {after}"


def test_a_draft_is_free_to_change(world: World) -> None:
    """The same statements go through where nothing was submitted, so it is the rule that refuses."""
    for allowed in (
        "UPDATE instruction SET amount_vnd = amount_vnd + 1 WHERE cycle_id = 3",
        "DELETE FROM instruction WHERE cycle_id = 3",
        "UPDATE entitlement SET unit_code = '1' WHERE cycle_id = 3",
        "UPDATE payment_cycle SET content_sha256 = {zeros}, value_date = '2027-02-15' WHERE id = 3",
        "UPDATE payment_cycle SET state = 'SUBMITTED' WHERE id = 3",
        "UPDATE payment_cycle SET state = 'DRAFT', submitted_by = NULL WHERE id = 2",
        "UPDATE instruction SET state = 'BATCHED', batch_id = 1 WHERE cycle_id = 1 AND state = 'PLANNED'",
        # Where two people said so and the bank did not pay, the rules of paying again stand in nobody's way.
        resubmission_of("{refused}"),
        "UPDATE resubmission SET approved_by = 'approver.thu', approved_at = '{now}' WHERE instruction_id = {proposed}",
        "UPDATE obligation_claim SET released_at = '{now}' WHERE entitlement_id = {line of again}",
        (
            "UPDATE instruction SET state = 'BATCHED', batch_id = 1"
            " WHERE id = (SELECT instruction_id FROM replacement WHERE replaced_id = {again})"
        ),
        "DELETE FROM replacement WHERE replaced_id = {DRAFTED}",
        # What never left may be withdrawn by somebody else, and goes where it is said to go.
        withdrawal_of("{waiting}"),
        "UPDATE instruction SET state = 'CANCELLED', is_live = {false} WHERE id = {named}",
        "UPDATE recall SET state = 'SENDING', version = 2",
        "UPDATE instruction SET state = 'RETURNED', is_live = {false} WHERE id = {BOOKED}",
        "UPDATE instruction SET state = 'RETURNED' WHERE id = {refused}",
        SECOND,
        # What a bank says anew is written down, and what was under way comes to its end.
        line_of(2, 0, "repeated_settlement", "{BOOKED}"),
        "UPDATE send_attempt SET outcome = 'sent', finished_at = '{now}' WHERE number = 2",
        "UPDATE recall_attempt SET outcome = 'sent', finished_at = '{now}' WHERE number = 2",
        "UPDATE discrepancy SET resolved_at = '{now}', resolved_by = 'x', resolution = 'x' WHERE id = 1",
        "UPDATE inbound_file SET reason = 'x', decided_at = '{now}' WHERE state = 'PARKED'",
        "UPDATE inbound_file SET state = 'ACCEPTED' WHERE state = 'PARKED'",
        "UPDATE batch SET state = 'SENDING' WHERE id = 1",
        "DELETE FROM obligation WHERE id = 8002",
        BATCH.format(id=900, cycle=4, part=1, sum=1, digest="{zeros}", message="M900", now="{now}"),
    ):
        assert world.attack(allowed) is None, allowed


def test_a_lost_update_changes_no_row(world: World) -> None:
    """U9: a state is moved with the version that was read; whoever comes second hits nothing.

    The state is again what the slower one read: the version alone tells that others were there.
    """
    with world.database.read() as connection:
        cycle, one = cycles.get_cycle_by_id(connection, 3), batches.get_batch(connection, 1)
    with world.database.write() as connection:
        changed = cycles.change_cycle(connection, cycle, value_date=cycle.value_date)
        moved = batches.move_batch(
            connection, batches.move_batch(connection, one, BatchState.SENDING), BatchState.SEALED
        )
    assert (changed.state, moved.state) == (cycle.state, one.state)
    with world.database.write() as connection:
        with pytest.raises(Conflict) as found:
            cycles.change_cycle(connection, cycle, state="SUBMITTED")
        assert found.value.code == "cycle_changed"
        with pytest.raises(Conflict) as found:
            batches.move_batch(connection, one, BatchState.SENDING)
        assert found.value.code == "batch_changed"
    with world.database.read() as connection:
        assert cycles.get_cycle_by_id(connection, 3) == changed
        assert batches.get_batch(connection, 1) == moved
