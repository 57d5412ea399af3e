"""Seeded faults of the kind that costs somebody the month's money; each is to be noticed."""

from __future__ import annotations


def build_in(name: str) -> None:
    """Build the fault of this name into this process; "" builds in none."""
    if name:
        raise ValueError(f"there is no seeded fault '{name}'")
