"""Verbs, in the order in which a month happens; each has one name everywhere.

import_registry, match_accounts, plan_payments, submit_batches, collect_returns,
reconcile_returns, publish_report.
"""
