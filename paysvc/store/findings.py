"""What the checks of the books found last, and what of it an administrator answers for; kept in the trail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from paysvc.domain.books import Difference, Examined
from paysvc.store.tables import audit_event

#: The subject of every event about them.
SUBJECT = "books"

#: Equation -> digest of its differences.
Findings = Mapping[str, str]


def findings(examined: Iterable[Examined]) -> dict[str, str]:
    """The equations that do not hold, each with a digest of where and by how much."""
    return {one.equation.value: _digest(one.differences) for one in examined if one.differences}


def standing(connection: Connection) -> dict[str, str]:
    """What the last check of each equation found and nobody answers for.

    A check that asked the rows alone says nothing of the kept files. What is answered for is
    that difference: another one under the same equation is not, nor is the same one when a check
    found in between that the equation holds.
    """
    found: dict[str, str] = {}
    answered: set[tuple[str, str]] = set()
    event = audit_event.c
    told = connection.execute(select(event.detail).where(event.subject == SUBJECT).order_by(event.id)).scalars()
    for detail in map(json.loads, told):
        differing: dict[str, str] = detail.get("differing", {})
        if "reason" in detail:
            answered.update(differing.items())
        elif "asked" in detail:
            found = {name: digest for name, digest in found.items() if name not in detail["asked"]} | differing
            holding = set(detail["asked"]) - set(differing)
            answered = {(name, digest) for name, digest in answered if name not in holding}
    return {name: digest for name, digest in found.items() if (name, digest) not in answered}


def _digest(differences: Iterable[Difference]) -> str:
    said = sorted(f"{one.subject}\x1f{_distance(one)}" for one in differences)
    return hashlib.sha256("\x1e".join(said).encode()).hexdigest()[:16]


def _distance(one: Difference) -> str:
    """How far both sides are apart: an account moves every day, and what is wrong with it stays the same."""
    try:
        return str(int(one.found) - int(one.expected))
    except ValueError:
        return f"{one.expected}\x1f{one.found}"
