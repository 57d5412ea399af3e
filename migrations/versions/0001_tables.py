"""The tables of the first schema.

Revision: 0001
Follows: none
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: Spelled out here: a migration must not change when the program's types do.
INSTANT = sa.String(length=27)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('audit_event',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('at', INSTANT, nullable=False),
    sa.Column('actor', sa.String(length=80), nullable=False),
    sa.Column('verb', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=120), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('previous_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_event')),
    sa.UniqueConstraint('hash', name=op.f('uq_audit_event_hash'))
    )
    op.create_index(op.f('ix_audit_event_subject'), 'audit_event', ['subject'], unique=False)
    op.create_table('beneficiary',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('citizen_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('citizen_id_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('first_key', sa.LargeBinary(length=32), nullable=True),
    sa.Column('same_as', ID, nullable=True),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['same_as'], ['beneficiary.id'], name=op.f('fk_beneficiary_same_as')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_beneficiary')),
    sa.UniqueConstraint('citizen_key', name=op.f('uq_beneficiary_citizen_key'))
    )
    op.create_index('ix_beneficiary_same_as', 'beneficiary', ['same_as'], unique=False, sqlite_where=sa.text('same_as IS NOT NULL'), postgresql_where=sa.text('same_as IS NOT NULL'))
    op.create_table('calendar_override',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('is_working_day', sa.Boolean(), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('source', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_calendar_override'))
    )
    op.create_table('fund',
    sa.Column('code', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=160), nullable=False),
    sa.Column('source', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_fund'))
    )
    op.create_table('id_block',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('next_id', ID, nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_id_block'))
    )
    op.create_table('idempotency_key',
    sa.Column('principal', sa.String(length=80), nullable=False),
    sa.Column('route', sa.String(length=120), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('body_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('response', sa.Text(), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('principal', 'route', 'key', name=op.f('pk_idempotency_key'))
    )
    op.create_table('import_file',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('bank_code', sa.String(length=20), server_default='', nullable=False),
    sa.Column('imported_at', INSTANT, nullable=False),
    sa.Column('actor', sa.String(length=80), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('added', sa.Integer(), nullable=False),
    sa.Column('changed', sa.Integer(), nullable=False),
    sa.Column('unchanged', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.Column('warned', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_file')),
    sa.UniqueConstraint('kind', 'bank_code', 'sha256', name=op.f('uq_import_file_kind_bank_code_sha256'))
    )
    op.create_table('inbound_file',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('received_at', INSTANT, nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('kind', sa.String(length=12), server_default='', nullable=False),
    sa.Column('bank_message_id', sa.String(length=80), server_default='', nullable=False),
    sa.Column('decided_at', INSTANT, nullable=True),
    sa.Column('reason_code', sa.String(length=60), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_file')),
    sa.UniqueConstraint('bank_code', 'sha256', name=op.f('uq_inbound_file_bank_code_sha256'))
    )
    op.create_table('ledger_account',
    sa.Column('code', sa.String(length=60), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_ledger_account'))
    )
    op.create_table('ledger_transaction',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False),
    sa.Column('reference', sa.String(length=160), nullable=False),
    sa.Column('at', INSTANT, nullable=False),
    sa.Column('is_posted', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_transaction')),
    sa.UniqueConstraint('reference', name=op.f('uq_ledger_transaction_reference'))
    )
    op.create_table('officer',
    sa.Column('id', sa.String(length=80), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('disabled_at', INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_officer'))
    )
    op.create_table('payment_cycle',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('programmes', sa.Text(), nullable=False),
    sa.Column('periods', sa.Text(), nullable=False),
    sa.Column('value_date', sa.Date(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('maker_id', sa.String(length=80), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('content_sha256', sa.LargeBinary(length=32), nullable=True),
    sa.Column('submitted_by', sa.String(length=80), nullable=True),
    sa.Column('submitted_at', INSTANT, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment_cycle')),
    sa.UniqueConstraint('code', name=op.f('uq_payment_cycle_code'))
    )
    op.create_table('lost_file',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('cycle_code', sa.String(length=40), nullable=False),
    sa.Column('message_id', sa.String(length=35), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('written_by', sa.String(length=120), nullable=False),
    sa.Column('left_at', INSTANT, nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('found_at', INSTANT, nullable=False),
    sa.Column('settled_at', INSTANT, nullable=True),
    sa.Column('settled_by', sa.String(length=80), nullable=True),
    sa.CheckConstraint('(settled_at IS NULL) = (settled_by IS NULL)', name=op.f('ck_lost_file_settled_by_somebody')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lost_file')),
    sa.UniqueConstraint('bank_code', 'message_id', name=op.f('uq_lost_file_bank_code_message_id'))
    )
    op.create_table('lost_reference',
    sa.Column('lost_file_id', ID, nullable=False),
    sa.Column('reference', sa.String(length=35), nullable=False),
    sa.ForeignKeyConstraint(['lost_file_id'], ['lost_file.id'], name=op.f('fk_lost_reference_lost_file_id')),
    sa.PrimaryKeyConstraint('lost_file_id', 'reference', name=op.f('pk_lost_reference'))
    )
    op.create_index(op.f('ix_lost_reference_reference'), 'lost_reference', ['reference'], unique=False)
    op.create_table('programme',
    sa.Column('code', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=160), nullable=False),
    sa.Column('purpose', sa.String(length=4), nullable=False),
    sa.Column('fund_code', sa.String(length=20), nullable=False),
    sa.Column('stacking_group', sa.String(length=20), nullable=False),
    sa.Column('legal_basis', sa.String(length=200), nullable=False),
    sa.Column('without_account', sa.String(length=10), nullable=False),
    sa.Column('kind', sa.String(length=10), server_default='regular', nullable=False),
    sa.CheckConstraint("kind IN ('regular', 'campaign')", name=op.f('ck_programme_known_kind')),
    sa.CheckConstraint("without_account IN ('cash', 'worklist')", name=op.f('ck_programme_known_policy')),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_programme'))
    )
    op.create_table('schedule',
    sa.Column('id', sa.String(length=60), nullable=False),
    sa.Column('verb', sa.String(length=40), nullable=False),
    sa.Column('arguments', sa.Text(), nullable=False),
    sa.Column('every_seconds', sa.Integer(), nullable=False),
    sa.Column('first_due_at', INSTANT, nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.CheckConstraint('every_seconds > 0', name=op.f('ck_schedule_positive_interval')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_schedule'))
    )
    op.create_table('setting',
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_setting'))
    )
    op.create_table('unit',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('code', sa.String(length=10), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('level', sa.String(length=10), nullable=False),
    sa.Column('parent_code', sa.String(length=10), nullable=True),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_to', sa.Date(), nullable=True),
    sa.Column('source', sa.String(length=200), nullable=False),
    sa.CheckConstraint("level IN ('province', 'commune')", name=op.f('ck_unit_known_level')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_unit')),
    sa.UniqueConstraint('code', 'valid_from', name=op.f('uq_unit_code_valid_from'))
    )
    op.create_table('unit_successor',
    sa.Column('old_code', sa.String(length=10), nullable=False),
    sa.Column('new_code', sa.String(length=10), nullable=False),
    sa.Column('since', sa.Date(), nullable=False),
    sa.Column('source', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('old_code', name=op.f('pk_unit_successor'))
    )
    op.create_table('approval',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('cycle_id', ID, nullable=False),
    sa.Column('content_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('maker_id', sa.String(length=80), nullable=False),
    sa.Column('approver_id', sa.String(length=80), nullable=False),
    sa.Column('approved_at', INSTANT, nullable=False),
    sa.Column('cancelled_at', INSTANT, nullable=True),
    sa.Column('cancel_reason', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint('approver_id <> maker_id', name=op.f('ck_approval_two_people')),
    sa.ForeignKeyConstraint(['cycle_id'], ['payment_cycle.id'], name=op.f('fk_approval_cycle_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_approval'))
    )
    op.create_index(op.f('ix_approval_cycle_id'), 'approval', ['cycle_id'], unique=False)
    op.create_index('uq_approval_standing', 'approval', ['cycle_id', 'content_sha256', 'approver_id'], unique=True, sqlite_where=sa.text('cancelled_at IS NULL'), postgresql_where=sa.text('cancelled_at IS NULL'))
    op.create_table('bank_account',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('bank_bin', sa.String(length=6), nullable=False),
    sa.Column('account_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('account_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('holder_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('holder_id_kind', sa.String(length=10), nullable=False),
    sa.Column('holder_name', sa.String(length=140), nullable=False),
    sa.Column('status', sa.String(length=12), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('registered_on', sa.String(length=10), nullable=False),
    sa.Column('valid_from', INSTANT, nullable=False),
    sa.Column('valid_to', INSTANT, nullable=True),
    sa.Column('row_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('import_file_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['import_file_id'], ['import_file.id'], name=op.f('fk_bank_account_import_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_account'))
    )
    op.create_index(op.f('ix_bank_account_holder_key'), 'bank_account', ['holder_key'], unique=False)
    op.create_index('uq_bank_account_open', 'bank_account', ['bank_bin', 'account_key'], unique=True, sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.create_table('bank_letter',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('number', sa.String(length=80), nullable=False),
    sa.Column('dated', sa.Date(), nullable=False),
    sa.Column('says', sa.String(length=8), nullable=False),
    sa.Column('scan_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('scan_size', sa.BigInteger(), nullable=False),
    sa.Column('content', sa.Text(), nullable=False),
    sa.Column('content_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('proposed_by', sa.String(length=80), nullable=False),
    sa.Column('proposed_at', INSTANT, nullable=False),
    sa.Column('approved_by', sa.String(length=80), nullable=True),
    sa.Column('approved_at', INSTANT, nullable=True),
    sa.Column('inbound_file_id', ID, nullable=True),
    sa.Column('closed_by', sa.String(length=80), nullable=True),
    sa.Column('closed_at', INSTANT, nullable=True),
    sa.Column('close_reason', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint("says IN ('received', 'made', 'not_made')", name=op.f('ck_bank_letter_known_word')),
    sa.CheckConstraint('approved_by <> proposed_by', name=op.f('ck_bank_letter_two_people')),
    sa.CheckConstraint('(approved_by IS NULL) = (approved_at IS NULL) AND (closed_by IS NULL) = (closed_at IS NULL) AND (approved_at IS NULL OR closed_at IS NULL) AND (approved_at IS NULL) = (inbound_file_id IS NULL)', name=op.f('ck_bank_letter_decided_once')),
    sa.ForeignKeyConstraint(['inbound_file_id'], ['inbound_file.id'], name=op.f('fk_bank_letter_inbound_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_letter')),
    sa.UniqueConstraint('inbound_file_id', name=op.f('uq_bank_letter_inbound_file_id'))
    )
    op.create_index('uq_bank_letter_standing', 'bank_letter', ['content_sha256'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.create_table('bank_statement',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('inbound_file_id', ID, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('account', sa.String(length=34), nullable=False),
    sa.Column('statement_id', sa.String(length=80), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=True),
    sa.Column('from_date', sa.Date(), nullable=True),
    sa.Column('to_date', sa.Date(), nullable=True),
    sa.Column('opening_vnd', sa.BigInteger(), nullable=False),
    sa.Column('closing_vnd', sa.BigInteger(), nullable=False),
    sa.Column('debits_vnd', sa.BigInteger(), nullable=False),
    sa.Column('credits_vnd', sa.BigInteger(), nullable=False),
    sa.Column('line_count', sa.Integer(), nullable=False),
    sa.Column('accepted_at', INSTANT, nullable=False),
    sa.CheckConstraint('opening_vnd + credits_vnd - debits_vnd = closing_vnd', name=op.f('ck_bank_statement_balanced')),
    sa.ForeignKeyConstraint(['inbound_file_id'], ['inbound_file.id'], name=op.f('fk_bank_statement_inbound_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_statement')),
    sa.UniqueConstraint('bank_code', 'account', 'statement_id', name=op.f('uq_bank_statement_bank_code_account_statement_id'))
    )
    op.create_index(op.f('ix_bank_statement_inbound_file_id'), 'bank_statement', ['inbound_file_id'], unique=False)
    op.create_table('batch',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('cycle_id', ID, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('part', sa.Integer(), nullable=False),
    sa.Column('value_date', sa.Date(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('sum_vnd', sa.BigInteger(), nullable=False),
    sa.Column('content_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('message_id', sa.String(length=35), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('dissolved_at', INSTANT, nullable=True),
    sa.CheckConstraint('count > 0 AND sum_vnd > 0', name=op.f('ck_batch_not_empty')),
    sa.CheckConstraint("(state = 'DISSOLVED') = (dissolved_at IS NOT NULL)", name=op.f('ck_batch_dissolved_by_state')),
    sa.ForeignKeyConstraint(['cycle_id'], ['payment_cycle.id'], name=op.f('fk_batch_cycle_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batch')),
    sa.UniqueConstraint('content_sha256', name=op.f('uq_batch_content_sha256')),
    sa.UniqueConstraint('cycle_id', 'bank_code', 'part', name=op.f('uq_batch_cycle_id_bank_code_part')),
    sa.UniqueConstraint('message_id', name=op.f('uq_batch_message_id'))
    )
    op.create_index(op.f('ix_batch_cycle_id'), 'batch', ['cycle_id'], unique=False)
    op.create_table('dissolved_payment',
    sa.Column('batch_id', ID, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('instruction_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['batch_id'], ['batch.id'], name=op.f('fk_dissolved_payment_batch_id')),
    sa.PrimaryKeyConstraint('batch_id', 'position', name=op.f('pk_dissolved_payment'))
    )
    op.create_table('beneficiary_version',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('valid_from', INSTANT, nullable=False),
    sa.Column('valid_to', INSTANT, nullable=True),
    sa.Column('full_name', sa.String(length=140), nullable=False),
    sa.Column('birth', sa.String(length=10), nullable=False),
    sa.Column('sex', sa.String(length=6), nullable=False),
    sa.Column('unit_code', sa.String(length=10), nullable=False),
    sa.Column('row_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('import_file_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_beneficiary_version_beneficiary_id')),
    sa.ForeignKeyConstraint(['import_file_id'], ['import_file.id'], name=op.f('fk_beneficiary_version_import_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_beneficiary_version'))
    )
    op.create_index('uq_beneficiary_version_open', 'beneficiary_version', ['beneficiary_id'], unique=True, sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.create_table('discrepancy',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('reference', sa.String(length=140), nullable=False),
    sa.Column('instruction_id', ID, nullable=True),
    sa.Column('inbound_file_id', ID, nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('found_at', INSTANT, nullable=False),
    sa.Column('resolved_at', INSTANT, nullable=True),
    sa.Column('resolved_by', sa.String(length=80), nullable=True),
    sa.Column('resolution', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['inbound_file_id'], ['inbound_file.id'], name=op.f('fk_discrepancy_inbound_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_discrepancy')),
    sa.UniqueConstraint('kind', 'bank_code', 'reference', 'inbound_file_id', name=op.f('uq_discrepancy_kind_bank_code_reference_inbound_file_id'))
    )
    op.create_index(op.f('ix_discrepancy_instruction_id'), 'discrepancy', ['instruction_id'], unique=False)
    op.create_table('enrolment',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('programme_code', sa.String(length=20), nullable=False),
    sa.Column('category', sa.String(length=20), nullable=False),
    sa.Column('from_period', sa.String(length=7), nullable=False),
    sa.Column('to_period', sa.String(length=7), nullable=True),
    sa.Column('channel', sa.String(length=8), nullable=False),
    sa.Column('decision_number', sa.String(length=60), nullable=False),
    sa.Column('valid_from', INSTANT, nullable=False),
    sa.Column('valid_to', INSTANT, nullable=True),
    sa.Column('row_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('import_file_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_enrolment_beneficiary_id')),
    sa.ForeignKeyConstraint(['import_file_id'], ['import_file.id'], name=op.f('fk_enrolment_import_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrolment'))
    )
    op.create_index('uq_enrolment_open', 'enrolment', ['beneficiary_id', 'programme_code'], unique=True, sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.create_table('entitlement',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('cycle_id', ID, nullable=False),
    sa.Column('programme_code', sa.String(length=20), nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('unit_code', sa.String(length=10), nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('disposition', sa.String(length=10), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=False),
    sa.Column('follows', ID, server_default='0', nullable=False),
    sa.CheckConstraint("(disposition = 'planned') = (reason = '')", name=op.f('ck_entitlement_reason_given')),
    sa.CheckConstraint("disposition IN ('planned', 'held', 'excluded')", name=op.f('ck_entitlement_known_disposition')),
    sa.CheckConstraint('amount_vnd > 0', name=op.f('ck_entitlement_positive')),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_entitlement_beneficiary_id')),
    sa.ForeignKeyConstraint(['cycle_id'], ['payment_cycle.id'], name=op.f('fk_entitlement_cycle_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_entitlement')),
    sa.UniqueConstraint('cycle_id', 'programme_code', 'beneficiary_id', 'disposition', 'reason', 'follows', name=op.f('uq_entitlement_cycle_id_programme_code_beneficiary_id_disposition_reason_follows'))
    )
    op.create_index(op.f('ix_entitlement_beneficiary_id'), 'entitlement', ['beneficiary_id'], unique=False)
    op.create_table('fetched_name',
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('inbound_file_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['inbound_file_id'], ['inbound_file.id'], name=op.f('fk_fetched_name_inbound_file_id')),
    sa.PrimaryKeyConstraint('bank_code', 'name', name=op.f('pk_fetched_name'))
    )
    op.create_table('import_problem',
    sa.Column('import_file_id', ID, nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('field', sa.String(length=60), nullable=False),
    sa.Column('code', sa.String(length=20), nullable=False),
    sa.Column('severity', sa.String(length=10), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['import_file_id'], ['import_file.id'], name=op.f('fk_import_problem_import_file_id')),
    sa.PrimaryKeyConstraint('import_file_id', 'ordinal', name=op.f('pk_import_problem'))
    )
    op.create_table('obligation',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('programme_code', sa.String(length=20), nullable=False),
    sa.Column('period', sa.String(length=7), nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('component', sa.String(length=20), nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('rate_id', ID, nullable=True),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.CheckConstraint('amount_vnd > 0', name=op.f('ck_obligation_positive')),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_obligation_beneficiary_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_obligation')),
    sa.UniqueConstraint('programme_code', 'period', 'beneficiary_id', 'component', name=op.f('uq_obligation_programme_code_period_beneficiary_id_component'))
    )
    op.create_table('officer_token',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('officer_id', sa.String(length=80), nullable=False),
    sa.Column('token_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.Column('expires_at', INSTANT, nullable=False),
    sa.Column('revoked_at', INSTANT, nullable=True),
    sa.ForeignKeyConstraint(['officer_id'], ['officer.id'], name=op.f('fk_officer_token_officer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_officer_token')),
    sa.UniqueConstraint('token_sha256', name=op.f('uq_officer_token_token_sha256'))
    )
    op.create_index(op.f('ix_officer_token_officer_id'), 'officer_token', ['officer_id'], unique=False)
    op.create_table('payment_status',
    sa.Column('inbound_file_id', ID, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('reference', sa.String(length=140), nullable=False),
    sa.Column('instruction_id', ID, nullable=True),
    sa.Column('status', sa.String(length=8), nullable=False),
    sa.Column('reason_code', sa.String(length=35), nullable=False),
    sa.Column('bank_reference', sa.String(length=35), nullable=False),
    sa.ForeignKeyConstraint(['inbound_file_id'], ['inbound_file.id'], name=op.f('fk_payment_status_inbound_file_id')),
    sa.PrimaryKeyConstraint('inbound_file_id', 'position', name=op.f('pk_payment_status'))
    )
    op.create_index(op.f('ix_payment_status_instruction_id'), 'payment_status', ['instruction_id'], unique=False)
    op.create_table('population_record',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('citizen_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('full_name', sa.String(length=140), nullable=False),
    sa.Column('birth', sa.String(length=10), nullable=False),
    sa.Column('sex', sa.String(length=6), nullable=False),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('deceased_on', sa.String(length=10), nullable=False),
    sa.Column('valid_from', INSTANT, nullable=False),
    sa.Column('valid_to', INSTANT, nullable=True),
    sa.Column('row_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('import_file_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['import_file_id'], ['import_file.id'], name=op.f('fk_population_record_import_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_population_record'))
    )
    op.create_index('uq_population_record_open', 'population_record', ['citizen_key'], unique=True, sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.create_table('posting',
    sa.Column('transaction_id', ID, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('account_code', sa.String(length=60), nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_code'], ['ledger_account.code'], name=op.f('fk_posting_account_code')),
    sa.ForeignKeyConstraint(['transaction_id'], ['ledger_transaction.id'], name=op.f('fk_posting_transaction_id')),
    sa.PrimaryKeyConstraint('transaction_id', 'number', name=op.f('pk_posting'))
    )
    op.create_index(op.f('ix_posting_account_code'), 'posting', ['account_code'], unique=False)
    op.create_table('rate',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('programme_code', sa.String(length=20), nullable=False),
    sa.Column('category', sa.String(length=20), nullable=False),
    sa.Column('from_period', sa.String(length=7), nullable=False),
    sa.Column('to_period', sa.String(length=7), nullable=True),
    sa.Column('standard_vnd', sa.BigInteger(), nullable=False),
    sa.Column('coefficient_milli', sa.Integer(), nullable=False),
    sa.Column('legal_basis', sa.String(length=200), nullable=False),
    sa.CheckConstraint('standard_vnd > 0 AND coefficient_milli > 0', name=op.f('ck_rate_positive')),
    sa.ForeignKeyConstraint(['programme_code'], ['programme.code'], name=op.f('fk_rate_programme_code')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rate')),
    sa.UniqueConstraint('programme_code', 'category', 'from_period', name=op.f('uq_rate_programme_code_category_from_period'))
    )
    op.create_table('report',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('number', sa.String(length=60), nullable=False),
    sa.Column('cycle_id', ID, nullable=False),
    sa.Column('as_of', INSTANT, nullable=False),
    sa.Column('amendment', sa.Integer(), nullable=False),
    sa.Column('manifest_sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('signing_key_id', sa.String(length=40), nullable=False),
    sa.Column('includes_bank_files', sa.Boolean(), nullable=False),
    sa.Column('published_at', INSTANT, nullable=False),
    sa.Column('actor', sa.String(length=80), nullable=False),
    sa.ForeignKeyConstraint(['cycle_id'], ['payment_cycle.id'], name=op.f('fk_report_cycle_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_report')),
    sa.UniqueConstraint('cycle_id', 'amendment', name=op.f('uq_report_cycle_id_amendment')),
    sa.UniqueConstraint('number', name=op.f('uq_report_number'))
    )
    op.create_index(op.f('ix_report_cycle_id'), 'report', ['cycle_id'], unique=False)
    op.create_table('lease',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('holder', sa.String(length=80), nullable=False),
    sa.Column('token', sa.BigInteger(), nullable=False),
    sa.Column('until', INSTANT, nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_lease'))
    )
    op.create_table('run',
    sa.Column('schedule_id', sa.String(length=60), nullable=False),
    sa.Column('due_at', INSTANT, nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('claimed_at', INSTANT, nullable=False),
    sa.Column('claimed_by', sa.String(length=80), nullable=False),
    sa.Column('token', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', INSTANT, nullable=True),
    sa.Column('detail', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedule.id'], name=op.f('fk_run_schedule_id')),
    sa.PrimaryKeyConstraint('schedule_id', 'due_at', name=op.f('pk_run'))
    )
    op.create_table('person_doubt',
    sa.Column('alike_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('ground', sa.String(length=12), nullable=False),
    sa.Column('standing', sa.String(length=12), nullable=False),
    sa.Column('found_at', INSTANT, nullable=False),
    sa.Column('decided_by', sa.String(length=80), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('decided_at', INSTANT, nullable=True),
    sa.CheckConstraint("standing IN ('first', 'open', 'two_persons', 'same_person')", name=op.f('ck_person_doubt_known_standing')),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_person_doubt_beneficiary_id')),
    sa.PrimaryKeyConstraint('alike_key', 'beneficiary_id', name=op.f('pk_person_doubt'))
    )
    op.create_index(op.f('ix_person_doubt_beneficiary_id'), 'person_doubt', ['beneficiary_id'], unique=False)
    op.create_table('superseded_identifier',
    sa.Column('identifier_key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('identifier_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('recorded_at', INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_superseded_identifier_beneficiary_id')),
    sa.PrimaryKeyConstraint('identifier_key', 'beneficiary_id', name=op.f('pk_superseded_identifier'))
    )
    op.create_table('account_match',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('beneficiary_id', ID, nullable=False),
    sa.Column('outcome', sa.String(length=24), nullable=False),
    sa.Column('account_id', ID, nullable=True),
    sa.Column('name_level', sa.String(length=10), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('facts_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('decided_by', sa.String(length=80), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('valid_from', INSTANT, nullable=False),
    sa.Column('valid_to', INSTANT, nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['bank_account.id'], name=op.f('fk_account_match_account_id')),
    sa.ForeignKeyConstraint(['beneficiary_id'], ['beneficiary.id'], name=op.f('fk_account_match_beneficiary_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account_match'))
    )
    op.create_index('ix_account_match_review', 'account_match', ['id'], unique=False, sqlite_where=sa.text("valid_to IS NULL AND decided_by = 'match-accounts' AND outcome IN ('maybe_same_person', 'name_close', 'name_mismatch', 'several_accounts')"), postgresql_where=sa.text("valid_to IS NULL AND decided_by = 'match-accounts' AND outcome IN ('maybe_same_person', 'name_close', 'name_mismatch', 'several_accounts')"))
    op.create_index('uq_account_match_open', 'account_match', ['beneficiary_id'], unique=True, sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.create_table('bank_file',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('batch_id', ID, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('message_id', sa.String(length=35), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('sum_vnd', sa.BigInteger(), nullable=False),
    sa.Column('written_by', sa.String(length=120), nullable=False),
    sa.Column('created_at', INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['batch_id'], ['batch.id'], name=op.f('fk_bank_file_batch_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_file')),
    sa.UniqueConstraint('bank_code', 'message_id', name=op.f('uq_bank_file_bank_code_message_id')),
    sa.UniqueConstraint('bank_code', 'name', name=op.f('uq_bank_file_bank_code_name')),
    sa.UniqueConstraint('bank_code', 'sha256', name=op.f('uq_bank_file_bank_code_sha256')),
    sa.UniqueConstraint('batch_id', name=op.f('uq_bank_file_batch_id'))
    )
    op.create_table('instruction',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('entitlement_id', ID, nullable=False),
    sa.Column('cycle_id', ID, nullable=False),
    sa.Column('end_to_end_id', sa.String(length=35), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.String(length=8), nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('account_id', ID, nullable=True),
    sa.Column('creditor_bin', sa.String(length=6), nullable=False),
    sa.Column('creditor_name', sa.String(length=140), nullable=False),
    sa.Column('unit_code', sa.String(length=10), nullable=False),
    sa.Column('batch_id', ID, nullable=True),
    sa.Column('batch_position', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('is_live', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('best_status', sa.String(length=4), server_default='', nullable=False),
    sa.Column('is_refused', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('letter_word', sa.String(length=8), server_default='', nullable=False),
    sa.Column('debit_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('debited_vnd', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('credit_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('credited_vnd', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('reason_code', sa.String(length=35), server_default='', nullable=False),
    sa.Column('bank_reference', sa.String(length=35), server_default='', nullable=False),
    sa.CheckConstraint("(channel = 'account') = (account_id IS NOT NULL)", name=op.f('ck_instruction_account_where_needed')),
    sa.CheckConstraint('amount_vnd > 0 AND amount_vnd < 10000000000000', name=op.f('ck_instruction_amount_in_range')),
    sa.CheckConstraint("is_live = (state NOT IN ('REJECTED', 'RETURNED', 'CANCELLED'))", name=op.f('ck_instruction_live_by_state')),
    sa.CheckConstraint("letter_word IN ('', 'made', 'not_made', 'both')", name=op.f('ck_instruction_known_letter_word')),
    sa.CheckConstraint("state <> 'CANCELLED' OR batch_id IS NULL", name=op.f('ck_instruction_withdrawn_unbatched')),
    sa.ForeignKeyConstraint(['account_id'], ['bank_account.id'], name=op.f('fk_instruction_account_id')),
    sa.ForeignKeyConstraint(['cycle_id'], ['payment_cycle.id'], name=op.f('fk_instruction_cycle_id')),
    sa.ForeignKeyConstraint(['entitlement_id'], ['entitlement.id'], name=op.f('fk_instruction_entitlement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_instruction')),
    sa.UniqueConstraint('end_to_end_id', name=op.f('uq_instruction_end_to_end_id')),
    postgresql_with={'fillfactor': 50}
    )
    op.create_index(op.f('ix_instruction_batch_id'), 'instruction', ['batch_id'], unique=False)
    op.create_index(op.f('ix_instruction_cycle_id'), 'instruction', ['cycle_id'], unique=False)
    op.create_index(op.f('ix_instruction_entitlement_id'), 'instruction', ['entitlement_id'], unique=False)
    op.create_index('uq_instruction_live', 'instruction', ['entitlement_id'], unique=True, sqlite_where=sa.text('is_live'), postgresql_where=sa.text('is_live'))
    op.create_table('obligation_claim',
    sa.Column('entitlement_id', ID, nullable=False),
    sa.Column('obligation_id', ID, nullable=False),
    sa.Column('released_at', INSTANT, nullable=True),
    sa.ForeignKeyConstraint(['entitlement_id'], ['entitlement.id'], name=op.f('fk_obligation_claim_entitlement_id')),
    sa.ForeignKeyConstraint(['obligation_id'], ['obligation.id'], name=op.f('fk_obligation_claim_obligation_id')),
    sa.PrimaryKeyConstraint('entitlement_id', 'obligation_id', name=op.f('pk_obligation_claim'))
    )
    op.create_index(op.f('ix_obligation_claim_obligation_id'), 'obligation_claim', ['obligation_id'], unique=False)
    op.create_index('ix_obligation_claim_released', 'obligation_claim', ['obligation_id'], unique=False, sqlite_where=sa.text('released_at IS NOT NULL'), postgresql_where=sa.text('released_at IS NOT NULL'))
    op.create_index('uq_obligation_claim_standing', 'obligation_claim', ['obligation_id'], unique=True, sqlite_where=sa.text('released_at IS NULL'), postgresql_where=sa.text('released_at IS NULL'))
    op.create_table('unplanned_obligation',
    sa.Column('obligation_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['obligation_id'], ['obligation.id'], name=op.f('fk_unplanned_obligation_obligation_id')),
    sa.PrimaryKeyConstraint('obligation_id', name=op.f('pk_unplanned_obligation'))
    )
    op.create_table('statement_line',
    sa.Column('statement_id', ID, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('reference', sa.String(length=140), nullable=False),
    sa.Column('amount_vnd', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('is_debit', sa.Boolean(), nullable=False),
    sa.Column('status', sa.String(length=4), nullable=False),
    sa.Column('reason_code', sa.String(length=35), nullable=False),
    sa.Column('bank_reference', sa.String(length=35), nullable=False),
    sa.Column('instruction_id', ID, nullable=True),
    sa.Column('verdict', sa.String(length=24), nullable=False),
    sa.ForeignKeyConstraint(['statement_id'], ['bank_statement.id'], name=op.f('fk_statement_line_statement_id')),
    sa.PrimaryKeyConstraint('statement_id', 'position', name=op.f('pk_statement_line'))
    )
    op.create_index(op.f('ix_statement_line_instruction_id'), 'statement_line', ['instruction_id'], unique=False)
    op.create_index('uq_statement_line_settlement', 'statement_line', ['instruction_id'], unique=True, sqlite_where=sa.text("verdict = 'settlement'"), postgresql_where=sa.text("verdict = 'settlement'"))
    op.create_table('send_attempt',
    sa.Column('bank_file_id', ID, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('started_at', INSTANT, nullable=False),
    sa.Column('finished_at', INSTANT, nullable=True),
    sa.Column('outcome', sa.String(length=10), nullable=True),
    sa.Column('detail', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['bank_file_id'], ['bank_file.id'], name=op.f('fk_send_attempt_bank_file_id')),
    sa.PrimaryKeyConstraint('bank_file_id', 'number', name=op.f('pk_send_attempt'))
    )
    op.create_table('resubmission',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('instruction_id', ID, nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('status_file_id', ID, nullable=True),
    sa.Column('status_position', sa.Integer(), nullable=True),
    sa.Column('statement_id', ID, nullable=True),
    sa.Column('line_position', sa.Integer(), nullable=True),
    sa.Column('refused_batch_id', ID, nullable=True),
    sa.Column('reason_code', sa.String(length=35), nullable=False),
    sa.Column('proposed_by', sa.String(length=80), nullable=False),
    sa.Column('proposed_at', INSTANT, nullable=False),
    sa.Column('approved_by', sa.String(length=80), nullable=True),
    sa.Column('approved_at', INSTANT, nullable=True),
    sa.Column('closed_by', sa.String(length=80), nullable=True),
    sa.Column('closed_at', INSTANT, nullable=True),
    sa.Column('close_reason', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint("state IN ('REJECTED', 'RETURNED')", name=op.f('ck_resubmission_unpaid')),
    sa.CheckConstraint('approved_by <> proposed_by', name=op.f('ck_resubmission_two_people')),
    sa.CheckConstraint('(approved_by IS NULL) = (approved_at IS NULL) AND (closed_by IS NULL) = (closed_at IS NULL) AND (approved_at IS NULL OR closed_at IS NULL)', name=op.f('ck_resubmission_decided_once')),
    sa.CheckConstraint('(status_file_id IS NULL) = (status_position IS NULL) AND (statement_id IS NULL) = (line_position IS NULL) AND (CASE WHEN status_file_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN statement_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN refused_batch_id IS NULL THEN 0 ELSE 1 END) = 1', name=op.f('ck_resubmission_one_evidence')),
    sa.ForeignKeyConstraint(['instruction_id'], ['instruction.id'], name=op.f('fk_resubmission_instruction_id')),
    sa.ForeignKeyConstraint(['refused_batch_id'], ['batch.id'], name=op.f('fk_resubmission_refused_batch_id')),
    sa.ForeignKeyConstraint(['status_file_id', 'status_position'], ['payment_status.inbound_file_id', 'payment_status.position'], name=op.f('fk_resubmission_status_file_id')),
    sa.ForeignKeyConstraint(['statement_id', 'line_position'], ['statement_line.statement_id', 'statement_line.position'], name=op.f('fk_resubmission_statement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_resubmission'))
    )
    op.create_index('uq_resubmission_standing', 'resubmission', ['instruction_id'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.create_table('withdrawal',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('instruction_id', ID, nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('withdrawn_by', sa.String(length=80), nullable=False),
    sa.Column('withdrawn_at', INSTANT, nullable=False),
    sa.ForeignKeyConstraint(['instruction_id'], ['instruction.id'], name=op.f('fk_withdrawal_instruction_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_withdrawal')),
    sa.UniqueConstraint('instruction_id', name=op.f('uq_withdrawal_instruction_id'))
    )
    op.create_table('replacement',
    sa.Column('instruction_id', ID, nullable=False),
    sa.Column('replaced_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['instruction_id'], ['instruction.id'], name=op.f('fk_replacement_instruction_id')),
    sa.ForeignKeyConstraint(['replaced_id'], ['instruction.id'], name=op.f('fk_replacement_replaced_id')),
    sa.PrimaryKeyConstraint('instruction_id', 'replaced_id', name=op.f('pk_replacement'))
    )
    op.create_index(op.f('ix_replacement_replaced_id'), 'replacement', ['replaced_id'], unique=False)
    op.create_table('recall',
    sa.Column('id', ID, autoincrement=False, nullable=False),
    sa.Column('instruction_id', ID, nullable=False),
    sa.Column('bank_code', sa.String(length=20), nullable=False),
    sa.Column('case_id', sa.String(length=35), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=True),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=True),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('written_by', sa.String(length=120), server_default='', nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('requested_at', INSTANT, nullable=False),
    sa.Column('answer_file_id', ID, nullable=True),
    sa.Column('answered_at', INSTANT, nullable=True),
    sa.Column('answer_code', sa.String(length=35), server_default='', nullable=False),
    sa.CheckConstraint('(name IS NULL) = (sha256 IS NULL) AND (name IS NULL) = (size IS NULL)', name=op.f('ck_recall_whole_file')),
    sa.CheckConstraint("state <> 'BY_HAND' AND name IS NOT NULL OR state IN ('BY_HAND', 'WITHDRAWN') AND name IS NULL", name=op.f('ck_recall_file_where_sent')),
    sa.ForeignKeyConstraint(['answer_file_id'], ['inbound_file.id'], name=op.f('fk_recall_answer_file_id')),
    sa.ForeignKeyConstraint(['instruction_id'], ['instruction.id'], name=op.f('fk_recall_instruction_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recall')),
    sa.UniqueConstraint('bank_code', 'name', name=op.f('uq_recall_bank_code_name')),
    sa.UniqueConstraint('case_id', name=op.f('uq_recall_case_id'))
    )
    op.create_index(op.f('ix_recall_instruction_id'), 'recall', ['instruction_id'], unique=False)
    op.create_index('uq_recall_under_way', 'recall', ['instruction_id'], unique=True, sqlite_where=sa.text("state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')"), postgresql_where=sa.text("state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')"))
    op.create_table('recall_attempt',
    sa.Column('recall_id', ID, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('started_at', INSTANT, nullable=False),
    sa.Column('finished_at', INSTANT, nullable=True),
    sa.Column('outcome', sa.String(length=10), nullable=True),
    sa.Column('detail', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['recall_id'], ['recall.id'], name=op.f('fk_recall_attempt_recall_id')),
    sa.PrimaryKeyConstraint('recall_id', 'number', name=op.f('pk_recall_attempt'))
    )


def downgrade() -> None:
    op.drop_table('recall_attempt')
    op.drop_index('uq_recall_under_way', table_name='recall', sqlite_where=sa.text("state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')"), postgresql_where=sa.text("state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')"))
    op.drop_index(op.f('ix_recall_instruction_id'), table_name='recall')
    op.drop_table('recall')
    op.drop_index(op.f('ix_replacement_replaced_id'), table_name='replacement')
    op.drop_table('withdrawal')
    op.drop_table('replacement')
    op.drop_index('uq_resubmission_standing', table_name='resubmission', sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.drop_table('resubmission')
    op.drop_index(op.f('ix_lost_reference_reference'), table_name='lost_reference')
    op.drop_table('lost_reference')
    op.drop_table('lost_file')
    op.drop_table('send_attempt')
    op.drop_index('uq_statement_line_settlement', table_name='statement_line', sqlite_where=sa.text("verdict = 'settlement'"), postgresql_where=sa.text("verdict = 'settlement'"))
    op.drop_index(op.f('ix_statement_line_instruction_id'), table_name='statement_line')
    op.drop_table('statement_line')
    op.drop_index('uq_obligation_claim_standing', table_name='obligation_claim', sqlite_where=sa.text('released_at IS NULL'), postgresql_where=sa.text('released_at IS NULL'))
    op.drop_index('ix_obligation_claim_released', table_name='obligation_claim', sqlite_where=sa.text('released_at IS NOT NULL'), postgresql_where=sa.text('released_at IS NOT NULL'))
    op.drop_index(op.f('ix_obligation_claim_obligation_id'), table_name='obligation_claim')
    op.drop_table('unplanned_obligation')
    op.drop_table('obligation_claim')
    op.drop_index('uq_instruction_live', table_name='instruction', sqlite_where=sa.text('is_live'), postgresql_where=sa.text('is_live'))
    op.drop_index(op.f('ix_instruction_entitlement_id'), table_name='instruction')
    op.drop_index(op.f('ix_instruction_cycle_id'), table_name='instruction')
    op.drop_index(op.f('ix_instruction_batch_id'), table_name='instruction')
    op.drop_table('instruction')
    op.drop_table('bank_file')
    op.drop_index('uq_account_match_open', table_name='account_match', sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.drop_index('ix_account_match_review', table_name='account_match', sqlite_where=sa.text("valid_to IS NULL AND decided_by = 'match-accounts' AND outcome IN ('maybe_same_person', 'name_close', 'name_mismatch', 'several_accounts')"), postgresql_where=sa.text("valid_to IS NULL AND decided_by = 'match-accounts' AND outcome IN ('maybe_same_person', 'name_close', 'name_mismatch', 'several_accounts')"))
    op.drop_table('account_match')
    op.drop_table('superseded_identifier')
    op.drop_index(op.f('ix_person_doubt_beneficiary_id'), table_name='person_doubt')
    op.drop_table('person_doubt')
    op.drop_table('run')
    op.drop_table('lease')
    op.drop_index(op.f('ix_report_cycle_id'), table_name='report')
    op.drop_table('report')
    op.drop_table('rate')
    op.drop_index(op.f('ix_posting_account_code'), table_name='posting')
    op.drop_table('posting')
    op.drop_index('uq_population_record_open', table_name='population_record', sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.drop_table('population_record')
    op.drop_index(op.f('ix_payment_status_instruction_id'), table_name='payment_status')
    op.drop_table('payment_status')
    op.drop_index(op.f('ix_officer_token_officer_id'), table_name='officer_token')
    op.drop_table('officer_token')
    op.drop_table('obligation')
    op.drop_table('import_problem')
    op.drop_table('fetched_name')
    op.drop_index(op.f('ix_entitlement_beneficiary_id'), table_name='entitlement')
    op.drop_table('entitlement')
    op.drop_index('uq_enrolment_open', table_name='enrolment', sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.drop_table('enrolment')
    op.drop_index(op.f('ix_discrepancy_instruction_id'), table_name='discrepancy')
    op.drop_table('discrepancy')
    op.drop_index('uq_beneficiary_version_open', table_name='beneficiary_version', sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.drop_table('beneficiary_version')
    op.drop_table('dissolved_payment')
    op.drop_index(op.f('ix_batch_cycle_id'), table_name='batch')
    op.drop_table('batch')
    op.drop_index('uq_bank_letter_standing', table_name='bank_letter', sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))
    op.drop_table('bank_letter')
    op.drop_index(op.f('ix_bank_statement_inbound_file_id'), table_name='bank_statement')
    op.drop_table('bank_statement')
    op.drop_index('uq_bank_account_open', table_name='bank_account', sqlite_where=sa.text('valid_to IS NULL'), postgresql_where=sa.text('valid_to IS NULL'))
    op.drop_index(op.f('ix_bank_account_holder_key'), table_name='bank_account')
    op.drop_table('bank_account')
    op.drop_index('uq_approval_standing', table_name='approval', sqlite_where=sa.text('cancelled_at IS NULL'), postgresql_where=sa.text('cancelled_at IS NULL'))
    op.drop_index(op.f('ix_approval_cycle_id'), table_name='approval')
    op.drop_table('approval')
    op.drop_table('unit_successor')
    op.drop_table('unit')
    op.drop_table('setting')
    op.drop_table('schedule')
    op.drop_table('programme')
    op.drop_table('payment_cycle')
    op.drop_table('officer')
    op.drop_table('ledger_transaction')
    op.drop_table('ledger_account')
    op.drop_table('inbound_file')
    op.drop_table('import_file')
    op.drop_table('idempotency_key')
    op.drop_table('id_block')
    op.drop_table('fund')
    op.drop_table('calendar_override')
    op.drop_index('ix_beneficiary_same_as', table_name='beneficiary', sqlite_where=sa.text('same_as IS NOT NULL'), postgresql_where=sa.text('same_as IS NOT NULL'))
    op.drop_table('beneficiary')
    op.drop_index(op.f('ix_audit_event_subject'), table_name='audit_event')
    op.drop_table('audit_event')
