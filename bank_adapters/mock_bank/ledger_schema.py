"""The tables of the bank's ledger. Bookings and postings are append-only, enforced by triggers."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE account (account TEXT PRIMARY KEY, meaning TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO account VALUES
  ('payer', 'the customer whose files are paid; a positive balance is his money'),
  ('beneficiaries', 'clearing: what was credited or paid out to others'),
  ('suspense', 'what was booked without an order, or twice'),
  ('treasury', 'where the opening balance came from');

CREATE TABLE message (
  number INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  taken_on TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('taken', 'refused')),
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  payments INTEGER NOT NULL,
  total INTEGER NOT NULL
);

CREATE TABLE block (             -- payments of one message under one PmtInfId and value date
  number INTEGER PRIMARY KEY,
  message INTEGER NOT NULL REFERENCES message,
  name TEXT NOT NULL,
  value_date TEXT NOT NULL
);

CREATE TABLE payment (
  id INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block,
  line INTEGER NOT NULL,
  end_to_end_id TEXT NOT NULL,
  amount INTEGER NOT NULL,
  creditor TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('accepted', 'rejected', 'booked', 'returned')),
  reason TEXT NOT NULL,         -- why it is (or will be) rejected or returned
  will_reject INTEGER NOT NULL DEFAULT 0, -- an accepted one that will not be collected
  batch INTEGER,                -- payments that share it are booked in one batch booking
  due_day TEXT NOT NULL,        -- booked (or found uncollected) on the first banking day from here
  return_after INTEGER,         -- working days until the return; calendar days when late
  is_late INTEGER NOT NULL DEFAULT 0,
  return_day TEXT,
  pending_day TEXT,             -- the day whose statement shows it as not yet booked
  decided_day TEXT,             -- when it was booked or rejected
  booked_amount INTEGER,        -- where the bank booked another amount than was asked for
  shown_currency TEXT           -- where its statement is to name another currency
);
CREATE INDEX payment_return ON payment (return_day) WHERE state = 'booked' AND return_day IS NOT NULL;
CREATE INDEX payment_pending ON payment (pending_day) WHERE pending_day IS NOT NULL;

CREATE TABLE booking (
  id INTEGER PRIMARY KEY,
  day TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('opening', 'debit', 'second_debit', 'return', 'stray', 'unsolicited', 'orphan')),
  payment_id INTEGER REFERENCES payment,
  is_debit INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  reference TEXT,               -- of a booking that no payment stands behind
  reason TEXT NOT NULL DEFAULT '',
  shown_currency TEXT NOT NULL DEFAULT 'VND', -- what the statement says; the ledger is in VND
  batch INTEGER                 -- bookings that share it are one batch booking
);

CREATE TABLE counter_account (kind TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account) WITHOUT ROWID;
INSERT INTO counter_account VALUES
  ('opening', 'treasury'), ('debit', 'beneficiaries'), ('second_debit', 'suspense'), ('return', 'beneficiaries'),
  ('stray', 'suspense'), ('unsolicited', 'suspense'), ('orphan', 'suspense');

CREATE TABLE posting (
  booking_id INTEGER NOT NULL REFERENCES booking,
  account TEXT NOT NULL REFERENCES account,
  amount INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (booking_id, account)
) WITHOUT ROWID;

CREATE TABLE statement (
  sequence INTEGER PRIMARY KEY,
  day TEXT NOT NULL UNIQUE,
  from_day TEXT NOT NULL,
  opening INTEGER NOT NULL,
  closing INTEGER NOT NULL,
  first_booking INTEGER NOT NULL,
  last_booking INTEGER NOT NULL, -- one less than the first where nothing was booked
  reissues INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE outbox (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  message_id TEXT NOT NULL,     -- the payer's message that it answers, or empty
  statement_day TEXT NOT NULL   -- the day whose statement it is, or empty
);

CREATE TRIGGER booking_stays BEFORE UPDATE ON booking BEGIN SELECT RAISE(ABORT, 'a booking is never changed'); END;
CREATE TRIGGER booking_kept BEFORE DELETE ON booking BEGIN SELECT RAISE(ABORT, 'a booking is never deleted'); END;
CREATE TRIGGER posting_stays BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'a posting is never changed'); END;
CREATE TRIGGER posting_kept BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'a posting is never deleted'); END;
"""
