"""A bank as a program of its own: own process, own ledger, own doors; no code of paysvc."""
