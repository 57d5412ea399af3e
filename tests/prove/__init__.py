"""The proving ground: the whole service under kills, faults and lies, beside banks with books of their own.

`./run prove` runs it for a given time (`python -m tests.prove --help`); a small part of each
level is a test. docs/proving.md says what is proved, and by which level.
"""
