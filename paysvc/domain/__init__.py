"""Nouns and rules: frozen records and pure functions; no I/O, no clock, no randomness.

Modules, each importing only from those before it:
errors, progress, money, identifiers, names, officers, canonical, payment_dates, registry,
matching, instructions, disbursement, batching, bank_returns, reconciliation, report.
"""
