"""The hunts would notice: their seeds pass, and a reading that differs in one place is a finding."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paysvc.core import join_kernels, scan_camt, scan_mt940, scan_pain001, scan_pain002
from paysvc.core.messages import Statement
from tests.fuzz import targets
from tests.fuzz.targets import TARGETS, Disagreement
from tests.test_core_scanners import READERS


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_becomes_of_them_are_no_findings(name: str) -> None:
    target, chosen = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    assert len(seeds) >= 4
    for seed in seeds:
        target.check(seed)
        changed = target.mutate(seed, chosen)
        target.check(changed)


def _one_more(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    first = statements[0]
    entries = replace(first.entries, amount_vnd=first.entries.amount_vnd + 1)
    return (replace(first, entries=entries), *statements[1:])


#: Where the compiled reading of each target stands, and how it is made to say something else.
FAULTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "camt.053": (scan_camt, "read_scanned", lambda read: read and (read[0], _one_more(read[1]))),
    "camt.054": (scan_camt, "read_scanned", lambda read: read and (f"{read[0]} ", read[1])),
    "pain.001": (scan_pain001, "read_scanned", lambda read: read and replace(read, accounts=frozenset())),
    "pain.002": (scan_pain002, "read_scanned", lambda read: read and replace(read, bank_message_id="other")),
    "mt940": (scan_mt940, "read_scanned", lambda read: read and _one_more(read)),
    "join": (join_kernels, "find", lambda rows: rows[::-1]),
}


def _plant(monkeypatch: pytest.MonkeyPatch, name: str, faulty: Callable[..., Any]) -> None:
    """Let the target's compiled reading be `faulty`."""
    module, function, _ = FAULTS[name]
    monkeypatch.setattr(module, function, faulty)
    if name in READERS:
        # The table of readers holds the function itself.
        monkeypatch.setitem(TARGETS, name, targets._of_messages(READERS[name]._replace(scan=faulty)))


@pytest.mark.parametrize("name", TARGETS)
def test_a_reading_that_differs_is_a_finding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function, change = FAULTS[name]
    sound = getattr(module, function)

    _plant(monkeypatch, name, lambda *given: change(sound(*given)))
    noticed = 0
    for seed in TARGETS[name].seeds():
        try:
            TARGETS[name].check(seed)
        except Disagreement:
            noticed += 1
    assert noticed


#: What makes the first seed of a target something that the reference refuses.
BROKEN = {
    "camt.053": (b'Ccy="VND">', b'Ccy="VND">x'),
    "camt.054": (b'Ccy="VND">', b'Ccy="VND">x'),
    "pain.001": (b'Ccy="VND">', b'Ccy="VND">x'),
    "pain.002": (b"DtldNbOfTxs>", b"DtldNbOfTxs>9"),
    "mt940": (b":62F:", b":62Q:"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_accepting_what_the_reference_refuses_is_a_finding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, name, lambda *given: ())
    broken = TARGETS[name].seeds()[0].replace(*BROKEN[name])
    with pytest.raises(Disagreement, match="accepts what the reference refuses"):
        TARGETS[name].check(broken)
