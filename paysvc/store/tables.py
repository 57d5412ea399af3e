"""The tables, as SQLAlchemy Core; `migrations/` builds exactly these and their triggers.

Conventions: ids are given out in blocks by `id_block` (sealing binds a value to its row id,
so the id is known before the row is written); money is whole đồng in BIGINT; times are
`Instant` (ISO 8601 text in UTC with microseconds, which sorts as time does); a fact that
changes is a new version with `valid_from` and `valid_to`, and the open version is the one
whose `valid_to` is NULL; columns ending in `_key` are blind indexes (32 bytes), columns
ending in `_sealed` are AES-256-GCM.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as `2026-12-05T01:00:00.000000Z` so that text order is time order."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else instant_text(value)

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else read_instant(value)


def instant_text(moment: datetime) -> str:
    """The stored form of an aware datetime; a naive one raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_instant(stored: str) -> datetime:
    return datetime.strptime(stored, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


#: SQLite gives rowid speed only to INTEGER; PostgreSQL needs BIGINT.
Id = BigInteger().with_variant(Integer(), "sqlite")
Money = BigInteger
Key = LargeBinary(32)


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=False)


def _versions() -> tuple[Column[Any], Column[Any]]:
    return Column("valid_from", Instant, nullable=False), Column("valid_to", Instant)


_OPEN = text("valid_to IS NULL")


def _one_open(name: str, *columns: str) -> Index:
    """At most one open version for these columns; it is found by this index, and closed ones by none."""
    return Index(name, *columns, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)


# ---------------------------------------------------------------- bookkeeping of the store

id_block = Table(
    "id_block",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("next_id", Id, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", Text, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    _id(),
    Column("at", Instant, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("verb", String(40), nullable=False),
    Column("subject", String(120), nullable=False, index=True),
    #: Canonical JSON; no personal data.
    Column("detail", Text, nullable=False),
    Column("previous_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
)

officer = Table(
    "officer",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

officer_token = Table(
    "officer_token",
    metadata,
    _id(),
    Column("officer_id", ForeignKey("officer.id"), nullable=False, index=True),
    #: SHA-256 of the token; the token has 256 random bits, so no slow hash is needed.
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("principal", String(80), primary_key=True),
    Column("route", String(120), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

schedule = Table(
    "schedule",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("verb", String(40), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("every_seconds", Integer, nullable=False),
    Column("first_due_at", Instant, nullable=False),
    Column("enabled", Boolean, nullable=False),
    CheckConstraint("every_seconds > 0", name="positive_interval"),
)

run = Table(
    "run",
    metadata,
    Column("schedule_id", ForeignKey("schedule.id"), primary_key=True),
    Column("due_at", Instant, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("claimed_by", String(80), nullable=False),
    # Of the lease under which it was claimed.
    Column("token", BigInteger, nullable=False),
    Column("finished_at", Instant),
    Column("detail", Text, nullable=False, server_default=""),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
)

# ---------------------------------------------------------------- units and the calendar

unit = Table(
    "unit",
    metadata,
    _id(),
    Column("code", String(10), nullable=False),
    Column("name", String(120), nullable=False),
    Column("level", String(10), nullable=False),
    Column("parent_code", String(10)),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("source", String(200), nullable=False),
    UniqueConstraint("code", "valid_from"),
    CheckConstraint("level IN ('province', 'commune')", name="known_level"),
)

unit_successor = Table(
    "unit_successor",
    metadata,
    Column("old_code", String(10), primary_key=True),
    Column("new_code", String(10), nullable=False),
    Column("since", Date, nullable=False),
    Column("source", String(200), nullable=False),
)

#: Days that differ from the computed calendar (the government swaps working days).
calendar_override = Table(
    "calendar_override",
    metadata,
    Column("day", Date, primary_key=True),
    Column("is_working_day", Boolean, nullable=False),
    Column("name", String(120), nullable=False),
    Column("source", String(200), nullable=False),
)

# ---------------------------------------------------------------- registry

import_file = Table(
    "import_file",
    metadata,
    _id(),
    Column("kind", String(20), nullable=False),
    Column("name", String(255), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("bank_code", String(20), nullable=False, server_default=""),
    Column("imported_at", Instant, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("warned", Integer, nullable=False),
    UniqueConstraint("kind", "bank_code", "sha256"),
)

import_problem = Table(
    "import_problem",
    metadata,
    Column("import_file_id", ForeignKey("import_file.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("line", Integer, nullable=False),
    Column("field", String(60), nullable=False),
    Column("code", String(20), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("message", Text, nullable=False),
)

#: A person in the programmes. The facts about the person are `beneficiary_version`.
beneficiary = Table(
    "beneficiary",
    metadata,
    _id(),
    #: Of the number the person has now. A record that is `same_as` another is found by none.
    Column("citizen_key", Key, nullable=False, unique=True),
    Column("citizen_id_sealed", LargeBinary, nullable=False),
    #: Of the number under which the person came in, where that is another: plans and references
    #: are made from it, so that what was approved stays what it was.
    Column("first_key", Key),
    #: The record of the same person that counts, where an officer or a list said so.
    Column("same_as", ForeignKey("beneficiary.id")),
    Column("created_at", Instant, nullable=False),
    Index(
        "ix_beneficiary_same_as",
        "same_as",
        sqlite_where=text("same_as IS NOT NULL"),
        postgresql_where=text("same_as IS NOT NULL"),
    ),
)

beneficiary_version = Table(
    "beneficiary_version",
    metadata,
    _id(),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), nullable=False),
    *_versions(),
    Column("full_name", String(140), nullable=False),
    #: ISO date, or only the year where nothing more is known (old people).
    Column("birth", String(10), nullable=False),
    Column("sex", String(6), nullable=False),
    Column("unit_code", String(10), nullable=False),
    Column("row_digest", LargeBinary(32), nullable=False),
    Column("import_file_id", ForeignKey("import_file.id"), nullable=False),
    _one_open("uq_beneficiary_version_open", "beneficiary_id"),
)

#: Numbers a person had before (the 9-digit CMND, a re-determined citizen ID).
superseded_identifier = Table(
    "superseded_identifier",
    metadata,
    Column("identifier_key", Key, primary_key=True),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), primary_key=True),
    Column("identifier_sealed", LargeBinary, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

#: Beneficiaries who may be one person. Rows with one `alike_key` are alike in one ground, within one
#: programme or within programmes that exclude one another; `first` was there before the others.
person_doubt = Table(
    "person_doubt",
    metadata,
    Column("alike_key", Key, primary_key=True),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), primary_key=True, index=True),
    #: `old_id`, `person` (name, birth, sex, commune) or `previous_id` (a list said so).
    Column("ground", String(12), nullable=False),
    #: `first`, `open`, `two_persons` or `same_person`.
    Column("standing", String(12), nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("decided_by", String(80), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("decided_at", Instant),
    CheckConstraint("standing IN ('first', 'open', 'two_persons', 'same_person')", name="known_standing"),
)

#: A beneficiary's place in a programme; what amounts are computed from.
enrolment = Table(
    "enrolment",
    metadata,
    _id(),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), nullable=False),
    Column("programme_code", String(20), nullable=False),
    #: Selects the coefficient within the programme's rates.
    Column("category", String(20), nullable=False),
    #: First month due, and the last (inclusive) or NULL; `YYYY-MM`.
    Column("from_period", String(7), nullable=False),
    Column("to_period", String(7)),
    #: The channel the person asked for: `account` or `cash`.
    Column("channel", String(8), nullable=False),
    Column("decision_number", String(60), nullable=False),
    *_versions(),
    Column("row_digest", LargeBinary(32), nullable=False),
    Column("import_file_id", ForeignKey("import_file.id"), nullable=False),
    _one_open("uq_enrolment_open", "beneficiary_id", "programme_code"),
)

#: An account as a bank listed it; `holder_key` is the blind index of the holder's number.
bank_account = Table(
    "bank_account",
    metadata,
    _id(),
    Column("bank_bin", String(6), nullable=False),
    Column("account_key", Key, nullable=False),
    Column("account_sealed", LargeBinary, nullable=False),
    Column("holder_key", Key, nullable=False, index=True),
    #: `citizen_id` or `old_id` (a 9-digit number the bank still carries).
    Column("holder_id_kind", String(10), nullable=False),
    Column("holder_name", String(140), nullable=False),
    #: `active`, `closed`, `blocked`, `dormant` or `restricted`, as the bank says.
    Column("status", String(12), nullable=False),
    Column("currency", String(3), nullable=False),
    #: ISO date on which the holder named this account for social security, or "".
    Column("registered_on", String(10), nullable=False),
    *_versions(),
    Column("row_digest", LargeBinary(32), nullable=False),
    Column("import_file_id", ForeignKey("import_file.id"), nullable=False),
    _one_open("uq_bank_account_open", "bank_bin", "account_key"),
)

#: The population database's word on a person.
population_record = Table(
    "population_record",
    metadata,
    _id(),
    Column("citizen_key", Key, nullable=False),
    Column("full_name", String(140), nullable=False),
    Column("birth", String(10), nullable=False),
    Column("sex", String(6), nullable=False),
    #: `alive` or `deceased`.
    Column("status", String(10), nullable=False),
    Column("deceased_on", String(10), nullable=False),
    *_versions(),
    Column("row_digest", LargeBinary(32), nullable=False),
    Column("import_file_id", ForeignKey("import_file.id"), nullable=False),
    _one_open("uq_population_record_open", "citizen_key"),
)

# ---------------------------------------------------------------- matching

#: Outcomes that wait for an officer. An index serves only queries that say exactly this.
AWAITS_REVIEW = text(
    "valid_to IS NULL AND decided_by = 'match-accounts'"
    " AND outcome IN ('maybe_same_person', 'name_close', 'name_mismatch', 'several_accounts')"
)

account_match = Table(
    "account_match",
    metadata,
    _id(),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), nullable=False),
    Column("outcome", String(24), nullable=False),
    #: The account this outcome is about, where there is exactly one.
    Column("account_id", ForeignKey("bank_account.id")),
    Column("name_level", String(10), nullable=False),
    #: Canonical JSON of what was compared; no names and no numbers.
    Column("evidence", Text, nullable=False),
    #: Digest of all facts the outcome was decided from; the same facts open no new version.
    Column("facts_digest", LargeBinary(32), nullable=False),
    Column("decided_by", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    *_versions(),
    _one_open("uq_account_match_open", "beneficiary_id"),
    Index("ix_account_match_review", "id", sqlite_where=AWAITS_REVIEW, postgresql_where=AWAITS_REVIEW),
)

# ---------------------------------------------------------------- programmes, funds, plans

programme = Table(
    "programme",
    metadata,
    Column("code", String(20), primary_key=True),
    Column("name", String(160), nullable=False),
    #: ISO 20022 purpose code (SSBE, PENS, BENE, GOVT).
    Column("purpose", String(4), nullable=False),
    Column("fund_code", String(20), nullable=False),
    #: Programmes of one group are not paid together: the higher one only. "" stands alone.
    Column("stacking_group", String(20), nullable=False),
    Column("legal_basis", String(200), nullable=False),
    #: What happens to a person without a usable account: `cash` or `worklist`.
    Column("without_account", String(10), nullable=False),
    #: `regular` pays month by month, `campaign` once: the obligation's component follows from it.
    Column("kind", String(10), nullable=False, server_default="regular"),
    CheckConstraint("kind IN ('regular', 'campaign')", name="known_kind"),
    CheckConstraint("without_account IN ('cash', 'worklist')", name="known_policy"),
)

#: Amount of a category = standard × coefficient; both are data with dates and a source.
rate = Table(
    "rate",
    metadata,
    _id(),
    Column("programme_code", ForeignKey("programme.code"), nullable=False),
    Column("category", String(20), nullable=False),
    #: First and last period (inclusive) of the rate; `YYYY-MM`, NULL while it lasts.
    Column("from_period", String(7), nullable=False),
    Column("to_period", String(7)),
    Column("standard_vnd", Money, nullable=False),
    #: Thousandths: 1500 means 1.5.
    Column("coefficient_milli", Integer, nullable=False),
    Column("legal_basis", String(200), nullable=False),
    UniqueConstraint("programme_code", "category", "from_period"),
    CheckConstraint("standard_vnd > 0 AND coefficient_milli > 0", name="positive"),
)

payment_cycle = Table(
    "payment_cycle",
    metadata,
    _id(),
    Column("code", String(40), nullable=False, unique=True),
    #: `regular` or `campaign`.
    Column("kind", String(10), nullable=False),
    #: Comma-separated programme codes and periods that this cycle pays.
    Column("programmes", Text, nullable=False),
    Column("periods", Text, nullable=False),
    Column("value_date", Date, nullable=False),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("maker_id", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    #: Set when the plan is complete; what an approval binds to.
    Column("content_sha256", LargeBinary(32)),
    Column("submitted_by", String(80)),
    Column("submitted_at", Instant),
)

#: U8: approval binds to the content, and the maker is never the approver.
approval = Table(
    "approval",
    metadata,
    _id(),
    Column("cycle_id", ForeignKey("payment_cycle.id"), nullable=False, index=True),
    Column("content_sha256", LargeBinary(32), nullable=False),
    Column("maker_id", String(80), nullable=False),
    Column("approver_id", String(80), nullable=False),
    Column("approved_at", Instant, nullable=False),
    Column("cancelled_at", Instant),
    Column("cancel_reason", Text, nullable=False, server_default=""),
    CheckConstraint("approver_id <> maker_id", name="two_people"),
    Index(
        "uq_approval_standing",
        "cycle_id",
        "content_sha256",
        "approver_id",
        unique=True,
        sqlite_where=text("cancelled_at IS NULL"),
        postgresql_where=text("cancelled_at IS NULL"),
    ),
)

#: U1: what one person is due from one programme for one month, once and for ever.
obligation = Table(
    "obligation",
    metadata,
    _id(),
    Column("programme_code", String(20), nullable=False),
    Column("period", String(7), nullable=False),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), nullable=False),
    #: `monthly`, or the name of a one-off component.
    Column("component", String(20), nullable=False),
    Column("amount_vnd", Money, nullable=False),
    Column("rate_id", Id),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("programme_code", "period", "beneficiary_id", "component"),
    CheckConstraint("amount_vnd > 0", name="positive"),
)

#: What one beneficiary is due from one programme in one cycle: one line of the plan. A second
#: line appears where months differ in what happens to them (the higher programme only).
entitlement = Table(
    "entitlement",
    metadata,
    _id(),
    Column("cycle_id", ForeignKey("payment_cycle.id"), nullable=False),
    Column("programme_code", String(20), nullable=False),
    Column("beneficiary_id", ForeignKey("beneficiary.id"), nullable=False, index=True),
    Column("unit_code", String(10), nullable=False),
    Column("amount_vnd", Money, nullable=False),
    #: `planned`, `held` or `excluded`; with a reason unless planned.
    Column("disposition", String(10), nullable=False),
    Column("reason", String(40), nullable=False),
    #: The line that carried the same dues when they were instructed last; 0 when they never were.
    Column("follows", Id, nullable=False, server_default="0"),
    UniqueConstraint("cycle_id", "programme_code", "beneficiary_id", "disposition", "reason", "follows"),
    CheckConstraint("amount_vnd > 0", name="positive"),
    CheckConstraint("disposition IN ('planned', 'held', 'excluded')", name="known_disposition"),
    CheckConstraint("(disposition = 'planned') = (reason = '')", name="reason_given"),
)

#: Which obligations an entitlement carries. An obligation rides on one entitlement at a
#: time; it is released when that one was held, excluded, or came back unpaid.
obligation_claim = Table(
    "obligation_claim",
    metadata,
    Column("entitlement_id", ForeignKey("entitlement.id"), primary_key=True),
    Column("obligation_id", ForeignKey("obligation.id"), primary_key=True, index=True),
    Column("released_at", Instant),
    # What may be owed still: few rows, however long the history.
    Index(
        "ix_obligation_claim_released",
        "obligation_id",
        sqlite_where=text("released_at IS NOT NULL"),
        postgresql_where=text("released_at IS NOT NULL"),
    ),
    Index(
        "uq_obligation_claim_standing",
        "obligation_id",
        unique=True,
        sqlite_where=text("released_at IS NULL"),
        postgresql_where=text("released_at IS NULL"),
    ),
)

#: Dues of earlier months that only a draft carried, until it was drawn anew without them: the next
#: plan of their programme carries them. No claim leads to them, and all history is too much to search.
unplanned_obligation = Table(
    "unplanned_obligation",
    metadata,
    Column("obligation_id", ForeignKey("obligation.id"), primary_key=True),
)

#: One credit. Everything the bank will be told is frozen here before approval.
instruction = Table(
    "instruction",
    metadata,
    _id(),
    Column("entitlement_id", ForeignKey("entitlement.id"), nullable=False, index=True),
    Column("cycle_id", ForeignKey("payment_cycle.id"), nullable=False, index=True),
    Column("end_to_end_id", String(35), nullable=False, unique=True),
    Column("generation", Integer, nullable=False),
    Column("amount_vnd", Money, nullable=False),
    Column("channel", String(8), nullable=False),
    #: The configured bank that will carry it.
    Column("bank_code", String(20), nullable=False),
    Column("account_id", ForeignKey("bank_account.id")),
    Column("creditor_bin", String(6), nullable=False),
    Column("creditor_name", String(140), nullable=False),
    Column("unit_code", String(10), nullable=False),
    Column("batch_id", Id, index=True),
    #: Row of the batch, from 0.
    Column("batch_position", Integer),
    Column("state", String(12), nullable=False),
    #: Follows from `state` and is written only when it changes: an index on the state itself
    #: would be written anew with every step of a payment.
    Column("is_live", Boolean, nullable=False, server_default=text("true")),
    #: What the banks have said so far, merged (see domain.bank_returns, domain.reconciliation).
    Column("best_status", String(4), nullable=False, server_default=""),
    Column("is_refused", Boolean, nullable=False, server_default=text("false")),
    #: What its letters said, joined: "", `made`, `not_made` or `both`.
    Column("letter_word", String(8), nullable=False, server_default=""),
    Column("debit_count", Integer, nullable=False, server_default="0"),
    Column("debited_vnd", Money, nullable=False, server_default="0"),
    Column("credit_count", Integer, nullable=False, server_default="0"),
    Column("credited_vnd", Money, nullable=False, server_default="0"),
    Column("reason_code", String(35), nullable=False, server_default=""),
    Column("bank_reference", String(35), nullable=False, server_default=""),
    CheckConstraint("amount_vnd > 0 AND amount_vnd < 10000000000000", name="amount_in_range"),
    CheckConstraint("(channel = 'account') = (account_id IS NOT NULL)", name="account_where_needed"),
    CheckConstraint("is_live = (state NOT IN ('REJECTED', 'RETURNED', 'CANCELLED'))", name="live_by_state"),
    CheckConstraint("letter_word IN ('', 'made', 'not_made', 'both')", name="known_letter_word"),
    CheckConstraint("state <> 'CANCELLED' OR batch_id IS NULL", name="withdrawn_unbatched"),
    # U2: one live payment for one entitlement.
    Index(
        "uq_instruction_live",
        "entitlement_id",
        unique=True,
        sqlite_where=text("is_live"),
        postgresql_where=text("is_live"),
    ),
    # Every payment is written once and changed four times in a month, always in columns that no
    # index has: with room left on its page a changed row stays there and no index is touched.
    postgresql_with={"fillfactor": 50},
)

# ---------------------------------------------------------------- batches and bank files

batch = Table(
    "batch",
    metadata,
    _id(),
    Column("cycle_id", ForeignKey("payment_cycle.id"), nullable=False, index=True),
    Column("bank_code", String(20), nullable=False),
    Column("part", Integer, nullable=False),
    Column("value_date", Date, nullable=False),
    Column("count", Integer, nullable=False),
    Column("sum_vnd", Money, nullable=False),
    Column("content_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("message_id", String(35), nullable=False, unique=True),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("dissolved_at", Instant),
    UniqueConstraint("cycle_id", "bank_code", "part"),
    CheckConstraint("count > 0 AND sum_vnd > 0", name="not_empty"),
    CheckConstraint("(state = 'DISSOLVED') = (dissolved_at IS NOT NULL)", name="dissolved_by_state"),
)

#: What a batch held that was dissolved: its payments are in other batches since, or in none. Rows never change.
dissolved_payment = Table(
    "dissolved_payment",
    metadata,
    Column("batch_id", ForeignKey("batch.id"), primary_key=True),
    #: Row of the batch, from 0.
    Column("position", Integer, primary_key=True),
    Column("instruction_id", Id, nullable=False),
)

#: U4: the exact bytes that leave, in the vault under their digest. Rows never change.
bank_file = Table(
    "bank_file",
    metadata,
    _id(),
    Column("batch_id", ForeignKey("batch.id"), nullable=False, unique=True),
    Column("bank_code", String(20), nullable=False),
    Column("name", String(255), nullable=False),
    Column("message_id", String(35), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("sum_vnd", Money, nullable=False),
    #: Who wrote the bytes: dialect, distribution and its version.
    Column("written_by", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("bank_code", "message_id"),
    UniqueConstraint("bank_code", "sha256"),
    UniqueConstraint("bank_code", "name"),
)

#: Every try at handing a file over; written before the first byte leaves.
send_attempt = Table(
    "send_attempt",
    metadata,
    Column("bank_file_id", ForeignKey("bank_file.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    #: `not_sent`, `sent`, `refused` or `unknown`; NULL while under way.
    Column("outcome", String(10)),
    Column("detail", Text, nullable=False, server_default=""),
)

#: A file that had left before this database was put back in place of a later one, which knew it.
lost_file = Table(
    "lost_file",
    metadata,
    _id(),
    Column("bank_code", String(20), nullable=False),
    #: Of the cycle that it paid; "" where nobody knows.
    Column("cycle_code", String(40), nullable=False),
    Column("message_id", String(35), nullable=False),
    Column("name", String(255), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("written_by", String(120), nullable=False),
    #: When bytes of it left for the first time, and the number of attempts since.
    Column("left_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("found_at", Instant, nullable=False),
    #: Set when two officers answer for it without a plan that says what it says.
    Column("settled_at", Instant),
    Column("settled_by", String(80)),
    UniqueConstraint("bank_code", "message_id"),
    CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled_by_somebody"),
)

#: The EndToEndIds in the bytes of such a file: nothing else may pay under them.
lost_reference = Table(
    "lost_reference",
    metadata,
    Column("lost_file_id", ForeignKey("lost_file.id"), primary_key=True),
    Column("reference", String(35), primary_key=True, index=True),
)

#: U5: every file a bank gave us, by digest; the bytes are in the vault.
inbound_file = Table(
    "inbound_file",
    metadata,
    _id(),
    Column("bank_code", String(20), nullable=False),
    Column("name", String(255), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", Instant, nullable=False),
    #: `STORED`, `ACCEPTED`, `QUARANTINED`, `PARKED` or `REPEATED`.
    Column("state", String(12), nullable=False),
    Column("kind", String(12), nullable=False, server_default=""),
    Column("bank_message_id", String(80), nullable=False, server_default=""),
    Column("decided_at", Instant),
    Column("reason_code", String(60), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    UniqueConstraint("bank_code", "sha256"),
)

#: Names already looked at in a bank's outbox, so that fetching asks only for new ones.
fetched_name = Table(
    "fetched_name",
    metadata,
    Column("bank_code", String(20), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("inbound_file_id", ForeignKey("inbound_file.id"), nullable=False),
)

bank_statement = Table(
    "bank_statement",
    metadata,
    _id(),
    Column("inbound_file_id", ForeignKey("inbound_file.id"), nullable=False, index=True),
    Column("bank_code", String(20), nullable=False),
    Column("account", String(34), nullable=False),
    Column("statement_id", String(80), nullable=False),
    Column("sequence", Integer),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("opening_vnd", Money, nullable=False),
    Column("closing_vnd", Money, nullable=False),
    Column("debits_vnd", Money, nullable=False),
    Column("credits_vnd", Money, nullable=False),
    Column("line_count", Integer, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    UniqueConstraint("bank_code", "account", "statement_id"),
    CheckConstraint("opening_vnd + credits_vnd - debits_vnd = closing_vnd", name="balanced"),
)

#: U6: each line of a believed statement lands in exactly one place.
statement_line = Table(
    "statement_line",
    metadata,
    Column("statement_id", ForeignKey("bank_statement.id"), primary_key=True),
    #: Row of the statement, from 0.
    Column("position", Integer, primary_key=True),
    Column("reference", String(140), nullable=False),
    Column("amount_vnd", Money, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("is_debit", Boolean, nullable=False),
    #: BOOK, PDNG, INFO or FUTR.
    Column("status", String(4), nullable=False),
    Column("reason_code", String(35), nullable=False),
    Column("bank_reference", String(35), nullable=False),
    Column("instruction_id", Id, index=True),
    #: settlement, return, repeated_settlement, funding, pending, unknown_reference …
    Column("verdict", String(24), nullable=False),
    # U6: one line settles a payment; what the bank booked once more has another verdict.
    Index(
        "uq_statement_line_settlement",
        "instruction_id",
        unique=True,
        sqlite_where=text("verdict = 'settlement'"),
        postgresql_where=text("verdict = 'settlement'"),
    ),
)

#: One bank status for one payment, as reported; kept whole, merged into `instruction`.
payment_status = Table(
    "payment_status",
    metadata,
    Column("inbound_file_id", ForeignKey("inbound_file.id"), primary_key=True),
    #: Row of the report, from 0; statuses spread from a whole file count on from there.
    Column("position", Integer, primary_key=True),
    Column("reference", String(140), nullable=False),
    Column("instruction_id", Id, index=True),
    Column("status", String(8), nullable=False),
    Column("reason_code", String(35), nullable=False),
    Column("bank_reference", String(35), nullable=False),
)

#: A bank's word on paper, recorded by one officer and approved by another: only then is it a file of
#: the bank. The scan lies in the vault under its digest.
bank_letter = Table(
    "bank_letter",
    metadata,
    _id(),
    Column("bank_code", String(20), nullable=False),
    #: Number and date as they stand on the paper.
    Column("number", String(80), nullable=False),
    Column("dated", Date, nullable=False),
    #: `received`, `made` or `not_made`.
    Column("says", String(8), nullable=False),
    Column("scan_sha256", LargeBinary(32), nullable=False),
    Column("scan_size", BigInteger, nullable=False),
    #: Canonical JSON of all that is recorded, and its digest: what an approval binds to.
    Column("content", Text, nullable=False),
    Column("content_sha256", LargeBinary(32), nullable=False),
    Column("proposed_by", String(80), nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("approved_by", String(80)),
    Column("approved_at", Instant),
    Column("inbound_file_id", ForeignKey("inbound_file.id"), unique=True),
    #: Declined or taken back.
    Column("closed_by", String(80)),
    Column("closed_at", Instant),
    Column("close_reason", Text, nullable=False, server_default=""),
    CheckConstraint("says IN ('received', 'made', 'not_made')", name="known_word"),
    CheckConstraint("approved_by <> proposed_by", name="two_people"),
    CheckConstraint(
        "(approved_by IS NULL) = (approved_at IS NULL) AND (closed_by IS NULL) = (closed_at IS NULL)"
        " AND (approved_at IS NULL OR closed_at IS NULL) AND (approved_at IS NULL) = (inbound_file_id IS NULL)",
        name="decided_once",
    ),
    Index(
        "uq_bank_letter_standing",
        "content_sha256",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

# ---------------------------------------------------------------- paying again, and recalling

#: That a payment the bank did not make may be made again: proposed by one officer on the bank's
#: evidence, approved by another. Only this releases what a payment that left had claimed.
resubmission = Table(
    "resubmission",
    metadata,
    _id(),
    Column("instruction_id", ForeignKey("instruction.id"), nullable=False),
    #: REJECTED or RETURNED: what the evidence proves.
    Column("state", String(12), nullable=False),
    #: Exactly one of three: a refusing status, a booked credit, the refusal of the whole file.
    Column("status_file_id", Id),
    Column("status_position", Integer),
    Column("statement_id", Id),
    Column("line_position", Integer),
    Column("refused_batch_id", ForeignKey("batch.id")),
    Column("reason_code", String(35), nullable=False),
    Column("proposed_by", String(80), nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("approved_by", String(80)),
    Column("approved_at", Instant),
    #: Declined, taken back, or overtaken by the bank's later word.
    Column("closed_by", String(80)),
    Column("closed_at", Instant),
    Column("close_reason", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(
        ["status_file_id", "status_position"], ["payment_status.inbound_file_id", "payment_status.position"]
    ),
    ForeignKeyConstraint(["statement_id", "line_position"], ["statement_line.statement_id", "statement_line.position"]),
    CheckConstraint("state IN ('REJECTED', 'RETURNED')", name="unpaid"),
    CheckConstraint("approved_by <> proposed_by", name="two_people"),
    CheckConstraint(
        "(approved_by IS NULL) = (approved_at IS NULL) AND (closed_by IS NULL) = (closed_at IS NULL)"
        " AND (approved_at IS NULL OR closed_at IS NULL)",
        name="decided_once",
    ),
    CheckConstraint(
        "(status_file_id IS NULL) = (status_position IS NULL) AND (statement_id IS NULL) = (line_position IS NULL)"
        " AND (CASE WHEN status_file_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN statement_id IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN refused_batch_id IS NULL THEN 0 ELSE 1 END) = 1",
        name="one_evidence",
    ),
    Index(
        "uq_resubmission_standing",
        "instruction_id",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

#: That a payment of which nothing was ever written will not leave: by whom, why, and since when. Only
#: this releases what a payment that never left had claimed.
withdrawal = Table(
    "withdrawal",
    metadata,
    _id(),
    Column("instruction_id", ForeignKey("instruction.id"), nullable=False, unique=True),
    Column("reason", Text, nullable=False),
    Column("withdrawn_by", String(80), nullable=False),
    Column("withdrawn_at", Instant, nullable=False),
)

#: Which payment takes the place of which. A line may carry months of several earlier payments,
#: and the months of one earlier payment may come on several lines.
replacement = Table(
    "replacement",
    metadata,
    Column("instruction_id", ForeignKey("instruction.id"), primary_key=True),
    Column("replaced_id", ForeignKey("instruction.id"), primary_key=True, index=True),
)

_ASKING = text("state IN ('BY_HAND', 'SEALED', 'SENDING', 'UNKNOWN', 'SENT')")

#: A request that a bank take a payment back. The bytes that leave are kept before they do; without
#: bytes (the bank takes no such file) a person has to ask.
recall = Table(
    "recall",
    metadata,
    _id(),
    Column("instruction_id", ForeignKey("instruction.id"), nullable=False, index=True),
    Column("bank_code", String(20), nullable=False),
    #: By which the bank names the request in its answer.
    Column("case_id", String(35), nullable=False, unique=True),
    Column("name", String(255)),
    Column("sha256", LargeBinary(32)),
    Column("size", BigInteger),
    Column("written_by", String(120), nullable=False, server_default=""),
    #: `BY_HAND`, or SEALED, SENDING, SENT, UNKNOWN, REFUSED, ACCEPTED, DECLINED.
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("answer_file_id", ForeignKey("inbound_file.id")),
    Column("answered_at", Instant),
    Column("answer_code", String(35), nullable=False, server_default=""),
    UniqueConstraint("bank_code", "name"),
    CheckConstraint("(name IS NULL) = (sha256 IS NULL) AND (name IS NULL) = (size IS NULL)", name="whole_file"),
    CheckConstraint(
        "state <> 'BY_HAND' AND name IS NOT NULL OR state IN ('BY_HAND', 'WITHDRAWN') AND name IS NULL",
        name="file_where_sent",
    ),
    # One at a time: a payment whose request was withdrawn or answered may be asked about again.
    Index("uq_recall_under_way", "instruction_id", unique=True, sqlite_where=_ASKING, postgresql_where=_ASKING),
)

#: Every try at handing a recall over; written before the first byte leaves.
recall_attempt = Table(
    "recall_attempt",
    metadata,
    Column("recall_id", ForeignKey("recall.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    #: As in `send_attempt`.
    Column("outcome", String(10)),
    Column("detail", Text, nullable=False, server_default=""),
)

#: What does not agree, for a person to settle. One row per thing, however often it is seen.
discrepancy = Table(
    "discrepancy",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    Column("bank_code", String(20), nullable=False),
    Column("reference", String(140), nullable=False),
    Column("instruction_id", Id, index=True),
    Column("inbound_file_id", ForeignKey("inbound_file.id"), nullable=False),
    Column("amount_vnd", Money, nullable=False),
    Column("detail", Text, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("resolved_by", String(80)),
    Column("resolution", Text, nullable=False, server_default=""),
    UniqueConstraint("kind", "bank_code", "reference", "inbound_file_id"),
)

# ---------------------------------------------------------------- ledger

#: An account of ours; the code says what it is: `fund:CODE`, `in_transit:BANK`, `paid:CODE` …
ledger_account = Table(
    "ledger_account",
    metadata,
    Column("code", String(60), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("created_at", Instant, nullable=False),
)

#: U10: written open, given its postings, then posted; a trigger refuses to post what does not
#: sum to zero, and refuses any change afterwards. `reference` makes each event count once.
ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    _id(),
    Column("kind", String(24), nullable=False),
    Column("reference", String(160), nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("is_posted", Boolean, nullable=False),
)

#: Positive is a debit, negative a credit, in whole đồng.
posting = Table(
    "posting",
    metadata,
    Column("transaction_id", ForeignKey("ledger_transaction.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("account_code", ForeignKey("ledger_account.code"), nullable=False, index=True),
    Column("amount_vnd", Money, nullable=False),
    Column("count", Integer, nullable=False),
)

fund = Table(
    "fund",
    metadata,
    Column("code", String(20), primary_key=True),
    Column("name", String(160), nullable=False),
    Column("source", String(200), nullable=False),
)

# ---------------------------------------------------------------- reports

report = Table(
    "report",
    metadata,
    _id(),
    Column("number", String(60), nullable=False, unique=True),
    Column("cycle_id", ForeignKey("payment_cycle.id"), nullable=False, index=True),
    Column("as_of", Instant, nullable=False),
    #: 0 is the first report of a cycle; later ones amend it.
    Column("amendment", Integer, nullable=False),
    Column("manifest_sha256", LargeBinary(32), nullable=False),
    Column("signing_key_id", String(40), nullable=False),
    #: Cycle, as-of, key and this are the parameters: the same ones give the same bytes again.
    Column("includes_bank_files", Boolean, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("actor", String(80), nullable=False),
    UniqueConstraint("cycle_id", "amendment"),
)
