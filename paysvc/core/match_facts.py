"""The rule of matching over many people at once, in columns, with the answers of `decide`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from paysvc.core.name_pairs import compare_pairs
from paysvc.core.text_column import Bool, Int64
from paysvc.domain.matching import (
    ABOUT_ONE_ACCOUNT,
    RULES_VERSION,
    Doubt,
    Outcome,
    Situation,
    Verdict,
    birth_agreement,
    is_usable,
    judge,
    why_unusable,
    with_candidates,
    with_others,
)
from paysvc.domain.names import NameComparison

#: Between fields and between accounts in what a digest is taken of.
_FIELD, _ACCOUNT = "\x1f", "\x1e"


@dataclass(frozen=True, slots=True)
class AccountColumns:
    """Accounts of the people of a `FactColumns`, in the order of `row`, then of `account_id`.

    `row` is the person's position there; `held_under` is a `HeldUnder`; the rest is as listed.
    """

    row: Sequence[int]
    account_id: Sequence[int]
    held_under: Sequence[str]
    holder_name: Sequence[str]
    status: Sequence[str]
    currency: Sequence[str]
    registered_on: Sequence[str]


@dataclass(frozen=True, slots=True)
class FactColumns:
    """What is known of many people, one row each; `population_status` is "" for the unknown.

    `doubts` are of the few (by their row) who may be somebody else who is registered, too.
    """

    full_name: Sequence[str]
    birth: Sequence[str]
    sex: Sequence[str]
    population_name: Sequence[str]
    population_birth: Sequence[str]
    population_sex: Sequence[str]
    population_status: Sequence[str]
    accounts: AccountColumns
    doubts: Mapping[int, Doubt] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.full_name)


@dataclass(frozen=True, slots=True)
class DecisionColumns:
    """One row per person, as in `domain.matching.Decision`."""

    outcome: Sequence[Outcome]
    account_id: Sequence[int | None]
    name_level: Sequence[str]
    evidence: Sequence[str]

    def take(self, rows: Sequence[int]) -> DecisionColumns:
        return DecisionColumns(
            outcome=[self.outcome[row] for row in rows],
            account_id=[self.account_id[row] for row in rows],
            name_level=[self.name_level[row] for row in rows],
            evidence=[self.evidence[row] for row in rows],
        )


def digest_facts(facts: FactColumns) -> list[bytes]:
    """SHA-256 over all facts of each person and the version of the rules; equal facts, equal digest."""
    of_person = zip(
        _safe(facts.full_name),
        facts.birth,
        facts.sex,
        _safe(facts.population_name),
        facts.population_birth,
        facts.population_sex,
        facts.population_status,
        strict=True,
    )
    listed = facts.accounts
    of_account = zip(
        map(str, listed.account_id),
        listed.held_under,
        _safe(listed.holder_name),
        listed.status,
        listed.currency,
        listed.registered_on,
        strict=True,
    )
    held = [""] * len(facts)
    for row, text in zip(listed.row, map(_FIELD.join, of_account), strict=True):
        held[row] += _ACCOUNT + text
    for row, doubt in facts.doubts.items():
        others = (f"{number}:{ground}" for number, ground in doubt.others)
        held[row] += _ACCOUNT + _FIELD.join((doubt.outcome, *others))
    version, sha256 = f"{RULES_VERSION}{_FIELD}", hashlib.sha256
    return [
        sha256(f"{version}{text}{accounts}".encode()).digest()
        for text, accounts in zip(map(_FIELD.join, of_person), held, strict=True)
    ]


def decide_columns(facts: FactColumns) -> DecisionColumns:
    """`domain.matching.decide` for every person, the names compared all at once."""
    listed = facts.accounts
    rows = np.array(listed.row, dtype=np.int64)
    usable = _usable_positions(listed)
    holders = _holder_names(facts, usable)
    listed_count = np.bincount(rows, minlength=len(facts))
    usable_count = np.bincount(rows[usable], minlength=len(facts))
    only_usable = _single(rows[usable], usable, usable_count == 1)
    only_listed = _single(rows, np.arange(len(rows)), (listed_count == 1) & (usable_count == 0))
    situations = zip(
        facts.population_status,
        _population_names(facts),
        _births(facts),
        [bool(known) and known == sex for known, sex in zip(facts.population_sex, facts.sex, strict=True)],
        listed_count.tolist(),
        usable_count.tolist(),
        _reasons(facts, rows, (listed_count > 0) & (usable_count == 0)),
        [None if position < 0 else holders[position] for position in only_usable.tolist()],
        ["" if position < 0 else listed.held_under[position] for position in only_usable.tolist()],
        [facts.doubts[row].outcome if row in facts.doubts else "" for row in range(len(facts))],
        strict=True,
    )
    judged: dict[tuple[object, ...], Verdict] = {}
    verdicts = [judged.get(key) or judged.setdefault(key, judge(Situation(*key))) for key in situations]
    evidence = [verdict.evidence for verdict in verdicts]
    for row, choice in _choices(facts, rows, usable, holders).items():
        if verdicts[row].outcome is Outcome.SEVERAL_ACCOUNTS:
            evidence[row] = with_candidates(evidence[row], choice)
    for row, doubt in facts.doubts.items():
        evidence[row] = with_others(evidence[row], doubt)
    about = np.maximum(only_usable, only_listed).tolist()
    return DecisionColumns(
        outcome=[verdict.outcome for verdict in verdicts],
        account_id=[
            listed.account_id[position] if position >= 0 and verdict.outcome in ABOUT_ONE_ACCOUNT else None
            for position, verdict in zip(about, verdicts, strict=True)
        ],
        name_level=[verdict.name_level for verdict in verdicts],
        evidence=evidence,
    )


def _usable_positions(listed: AccountColumns) -> Int64:
    kinds = list(zip(listed.status, listed.currency, strict=True))
    usable = {kind: is_usable(*kind) for kind in set(kinds)}
    return np.flatnonzero(np.array([usable[kind] for kind in kinds], dtype=np.bool_))


def _safe(names: Sequence[str]) -> Sequence[str]:
    """The names as they are, unless one could be taken for several fields."""
    together = "".join(names)
    if _FIELD not in together and _ACCOUNT not in together:
        return names
    return [name.encode("unicode_escape").decode() for name in names]


def _population_names(facts: FactColumns) -> list[NameComparison | None]:
    known = [row for row, status in enumerate(facts.population_status) if status]
    found: list[NameComparison | None] = [None] * len(facts)
    compared = compare_pairs([facts.full_name[row] for row in known], [facts.population_name[row] for row in known])
    for row, name in zip(known, compared, strict=True):
        found[row] = name
    return found


def _births(facts: FactColumns) -> list[str]:
    return [
        ("same" if known == birth and birth else birth_agreement(birth, known)) if status else ""
        for status, birth, known in zip(facts.population_status, facts.birth, facts.population_birth, strict=True)
    ]


def _holder_names(facts: FactColumns, usable: Int64) -> dict[int, NameComparison]:
    listed, positions = facts.accounts, usable.tolist()
    compared = compare_pairs(
        [facts.full_name[listed.row[position]] for position in positions],
        [listed.holder_name[position] for position in positions],
    )
    return dict(zip(positions, compared, strict=True))


def _single(rows: Int64, positions: Int64, is_single: Bool) -> Int64:
    """For each person the position of the one account, or -1."""
    found = np.full(len(is_single), -1, dtype=np.int64)
    found[rows] = positions
    found[~is_single] = -1
    return found


def _reasons(facts: FactColumns, rows: Int64, without_usable: Bool) -> list[tuple[str, ...]]:
    reasons: list[tuple[str, ...]] = [()] * len(facts)
    pairs = defaultdict(list)
    for position in np.flatnonzero(without_usable[rows]).tolist():
        pairs[int(rows[position])].append((facts.accounts.status[position], facts.accounts.currency[position]))
    for row, unusable in pairs.items():
        reasons[row] = why_unusable(unusable)
    return reasons


def _choices(
    facts: FactColumns, rows: Int64, usable: Int64, holders: dict[int, NameComparison]
) -> dict[int, list[tuple[int, str, NameComparison]]]:
    """The usable accounts of each person who has more than one."""
    is_several = np.bincount(rows[usable], minlength=len(facts)) > 1
    choices = defaultdict(list)
    for position in usable[is_several[rows[usable]]].tolist():
        account = facts.accounts.account_id[position], facts.accounts.held_under[position], holders[position]
        choices[int(rows[position])].append(account)
    return choices
