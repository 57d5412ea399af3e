"""A bank as a program of its own: own process, own ledger, own doors; it misbehaves on request.

It is the oracle of the tests and of the demonstration, so it shares no code with `paysvc` or
with the adapters: what the two sides have in common is the file formats, read and written
twice. `python -m bank_adapters.mock_bank --help` starts it; docs/mock-bank.md explains it.
"""
