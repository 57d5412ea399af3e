"""Matching from the registry to an officer's decision, on both databases."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from paysvc.clock import FixedClock
from paysvc.core.match_facts import AccountColumns, FactColumns, decide_columns, digest_facts
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.matching import Doubt, Facts, HeldAccount, Outcome, Person, PopulationWord, decide
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.match_accounts import MatchResult, match_accounts
from paysvc.services.review_match import accept_match, list_matches, reject_match
from paysvc.store import bulk
from paysvc.store.engine import Database
from paysvc.store.tables import (
    account_match,
    audit_event,
)

from .listed_registry import AN_ID, BREH_ID, HOA_ID, MAI_ID, Registry

# ---------------------------------------------------------------- the rule

HOA = Person("Nguyễn Thị Hoà", "1950-03-04", "female")
KNOWN = PopulationWord("Nguyễn Thị Hòa", "1950-03-04", "female", "alive")
ACCOUNT = HeldAccount(7, "citizen_id", "NGUYEN THI HOA", "active", "VND", "")
GOOD = Facts(HOA, KNOWN, (ACCOUNT,))


def _each_account(facts: Facts, **changed: Any) -> Facts:
    return facts._replace(accounts=tuple(account._replace(**changed) for account in facts.accounts))


def _population(facts: Facts, **changed: Any) -> Facts:
    return facts._replace(population=facts.population._replace(**changed) if facts.population else None)


#: What brings about each outcome where nothing else is the matter; in the order of precedence.
TROUBLES: dict[Outcome, Callable[[Facts], Facts]] = {
    Outcome.SAME_PERSON: lambda facts: facts._replace(doubt=Doubt(Outcome.SAME_PERSON, ((3, ""),))),
    Outcome.DECEASED: lambda facts: _population(facts, status="deceased"),
    Outcome.NOT_IN_POPULATION: lambda facts: facts._replace(population=None),
    Outcome.DATA_DIFFER: lambda facts: _population(facts, birth="1950-03-05"),
    Outcome.MAYBE_SAME_PERSON: lambda facts: facts._replace(
        # Who is somebody else is not asked about again.
        doubt=facts.doubt or Doubt(Outcome.MAYBE_SAME_PERSON, ((3, "old_id"),))
    ),
    Outcome.NO_ACCOUNT: lambda facts: facts._replace(accounts=()),
    Outcome.ACCOUNT_NOT_USABLE: lambda facts: _each_account(facts, status="closed"),
    Outcome.SEVERAL_ACCOUNTS: lambda facts: facts._replace(
        accounts=tuple(one for account in facts.accounts for one in (account, account._replace(account_id=8)))
    ),
    Outcome.NAME_MISMATCH: lambda facts: _each_account(facts, holder_name="TRAN VAN AN"),
    Outcome.NAME_CLOSE: lambda facts: _each_account(facts, holder_name="NGUYEN HOA"),
    Outcome.MATCHED: lambda facts: facts,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_facts_that_bring_it_about(outcome: Outcome) -> None:
    decision = decide(TROUBLES[outcome](GOOD))
    assert decision.outcome is outcome
    about_one = (Outcome.MATCHED, Outcome.NAME_CLOSE, Outcome.NAME_MISMATCH, Outcome.ACCOUNT_NOT_USABLE)
    assert decision.account_id == (7 if outcome in about_one else None)
    assert (decision.name_level != "") == (outcome in about_one[:3])


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(Outcome, 2)))
def test_of_two_troubles_the_earlier_decides(first: Outcome, second: Outcome) -> None:
    """Two troubles cannot always be had at once: the dead are known, and one account has one name."""
    impossible = {
        (Outcome.DECEASED, Outcome.NOT_IN_POPULATION): Outcome.NOT_IN_POPULATION,
        (Outcome.NAME_MISMATCH, Outcome.NAME_CLOSE): Outcome.NAME_MISMATCH,
    }
    expected = impossible.get((first, second), first)
    assert decide(TROUBLES[first](TROUBLES[second](GOOD))).outcome is expected


@pytest.mark.parametrize(
    ("population", "outcome"),
    [
        ({"birth": "1950"}, Outcome.MATCHED),
        ({"birth": "1950-03"}, Outcome.MATCHED),
        ({"birth": "1951"}, Outcome.DATA_DIFFER),
        ({"birth": "195"}, Outcome.DATA_DIFFER),
        ({"birth": ""}, Outcome.DATA_DIFFER),
        ({"sex": "male"}, Outcome.DATA_DIFFER),
        ({"full_name": "NGUYEN THI HOA"}, Outcome.MATCHED),
        ({"full_name": "Nguyễn Hoà"}, Outcome.DATA_DIFFER),
        ({"full_name": "Nguyễn Thị Hoá"}, Outcome.DATA_DIFFER),
    ],
)
def test_the_population_record_agrees_in_name_birth_and_sex(population: dict[str, str], outcome: Outcome) -> None:
    assert decide(_population(GOOD, **population)).outcome is outcome


def test_an_old_person_may_be_registered_by_the_year_alone() -> None:
    decision = decide(GOOD._replace(person=HOA._replace(birth="1950")))
    assert decision.outcome is Outcome.MATCHED
    assert json.loads(decision.evidence)["population"]["birth"] == "partly_known"


@pytest.mark.parametrize("status", ["closed", "blocked", "dormant", "restricted"])
def test_only_active_accounts_in_vnd_are_usable(status: str) -> None:
    other = ACCOUNT._replace(account_id=8, status=status)
    assert decide(GOOD._replace(accounts=(ACCOUNT, other))).account_id == 7
    decision = decide(GOOD._replace(accounts=(other, ACCOUNT._replace(currency="USD"))))
    assert decision.outcome is Outcome.ACCOUNT_NOT_USABLE
    assert json.loads(decision.evidence)["unusable"] == sorted([status, "other_currency"])


def test_a_later_registration_does_not_win_by_itself() -> None:
    later = ACCOUNT._replace(account_id=8, registered_on="2026-09-01")
    decision = decide(GOOD._replace(accounts=(ACCOUNT, later)))
    assert decision.outcome is Outcome.SEVERAL_ACCOUNTS
    assert [one["account"] for one in json.loads(decision.evidence)["candidates"]] == [7, 8]


def test_an_account_under_a_former_number_is_the_persons_own() -> None:
    assert decide(_each_account(GOOD, held_under="superseded")).outcome is Outcome.MATCHED


def test_a_number_that_two_people_claim_is_for_an_officer() -> None:
    decision = decide(_each_account(GOOD, held_under="shared"))
    assert (decision.outcome, decision.name_level) == (Outcome.NAME_CLOSE, "close")
    other_name = _each_account(GOOD, held_under="shared", holder_name="TRAN VAN AN")
    assert decide(other_name).outcome is Outcome.NAME_MISMATCH


_NAMES = st.sampled_from(["Nguyễn Thị Hoà", "NGUYEN THI HOA", "Nguyễn Hoà", "Trần Văn An", "Hoà\x1f\x1e", ""])
_BIRTHS = st.sampled_from(["1950-03-04", "1950", "1951-01-01", ""])
_SEXES = st.sampled_from(["female", "male"])
_PEOPLE = st.builds(Person, _NAMES, _BIRTHS, _SEXES)
_WORDS = st.none() | st.builds(PopulationWord, _NAMES, _BIRTHS, _SEXES, st.sampled_from(["alive", "deceased"]))
_UNDER = st.sampled_from(["citizen_id", "superseded", "shared"])
_STATUSES, _CURRENCIES = st.sampled_from(["active", "closed", "dormant"]), st.sampled_from(["VND", "USD"])
_ACCOUNTS = st.builds(HeldAccount, st.integers(1, 9), _UNDER, _NAMES, _STATUSES, _CURRENCIES, st.just(""))
_OTHERS = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["old_id", "person"])), min_size=1, max_size=2).map(
    tuple
)
_DOUBTS = st.none() | st.builds(Doubt, st.sampled_from([Outcome.SAME_PERSON, Outcome.MAYBE_SAME_PERSON]), _OTHERS)
_FACTS = st.builds(Facts, _PEOPLE, _WORDS, st.lists(_ACCOUNTS, max_size=3).map(tuple), _DOUBTS)


def _columns(cases: Sequence[Facts]) -> FactColumns:
    unknown = PopulationWord("", "", "", "")
    held = [(row, *account) for row, facts in enumerate(cases) for account in facts.accounts]
    people = [(*facts.person, *(facts.population or unknown)) for facts in cases]
    listed = AccountColumns(*(zip(*held, strict=True) if held else ((),) * 7))
    doubts = {row: facts.doubt for row, facts in enumerate(cases) if facts.doubt is not None}
    return FactColumns(*(zip(*people, strict=True) if people else ((),) * 7), accounts=listed, doubts=doubts)


@settings(deadline=None)
@given(st.lists(_FACTS, max_size=8))
def test_columns_decide_as_single_cases_do(cases: list[Facts]) -> None:
    decided = decide_columns(_columns(cases))
    rows = zip(decided.outcome, decided.account_id, decided.name_level, decided.evidence, strict=True)
    assert list(rows) == [decide(facts) for facts in cases]


@settings(deadline=None)
@given(st.lists(_FACTS, max_size=8))
def test_equal_facts_and_only_those_have_equal_digests(cases: list[Facts]) -> None:
    digests = digest_facts(_columns(cases))
    for (one, digest), (other, other_digest) in itertools.combinations(zip(cases, digests, strict=True), 2):
        assert (one == other) == (digest == other_digest)


@pytest.mark.parametrize("field", [*Person._fields, *PopulationWord._fields, *HeldAccount._fields])
def test_every_fact_counts(field: str) -> None:
    changes = {
        "person": lambda: GOOD._replace(person=HOA._replace(**{field: "other"})),
        "population": lambda: _population(GOOD, **{field: "other"}),
        "accounts": lambda: _each_account(GOOD, **{field: 9 if field == "account_id" else "other"}),
    }
    fields = {"person": Person._fields, "population": PopulationWord._fields, "accounts": HeldAccount._fields}
    changed = [changes[kind]() for kind, names in fields.items() if field in names]
    assert len(set(digest_facts(_columns([GOOD, *changed])))) == 1 + len(changed)


# ---------------------------------------------------------------- a registry


@pytest.fixture
def registry(database: Database, sealer: Sealer, clock: FixedClock) -> Registry:
    return Registry(database, sealer, clock)


@pytest.fixture
def match(registry: Registry, maker: Officer) -> Callable[[], MatchResult]:
    """Runs match-accounts, each time an hour later."""

    def run() -> MatchResult:
        registry.clock.advance(timedelta(hours=1))
        return match_accounts(registry.database, registry.sealer, registry.clock, maker)

    return run


@pytest.fixture
def people(registry: Registry) -> list[int]:
    """Hoà with an account, An with a close name on it, Mai with two accounts, K'Brể with another's name."""
    ids = registry.add_people(
        (HOA_ID, "Nguyễn Thị Hoà", "1950-03-04", "female"),
        (AN_ID, "Trần Văn An", "1950", "male"),
        (MAI_ID, "Hồ Thị Mai", "1950-01-01", "female"),
        (BREH_ID, "K'Brể", "1950-01-01", "male"),
    )
    registry.add_account(HOA_ID, "NGUYEN THI HOA", "0011000001")
    registry.add_account(AN_ID, "TRAN AN", "0011000002")
    registry.add_account(MAI_ID, "HO THI MAI", "0011000003")
    registry.add_account(MAI_ID, "LE VAN BA", "0011000033")
    registry.add_account(BREH_ID, "HO VAN HAI", "0011000004")
    return ids


def open_outcomes(database: Database) -> dict[int, Any]:
    with database.read() as connection:
        rows = connection.execute(select(account_match).where(account_match.c.valid_to.is_(None))).all()
    assert len({row.beneficiary_id for row in rows}) == len(rows)
    return {row.beneficiary_id: row for row in rows}


def everything(database: Database) -> list[Any]:
    with database.read() as connection:
        return [
            *connection.execute(select(account_match).order_by(account_match.c.id)).all(),
            *connection.execute(select(audit_event).order_by(audit_event.c.id)).all(),
        ]


# ---------------------------------------------------------------- match-accounts


def test_everybody_gets_exactly_one_outcome(registry: Registry, match: Callable[[], MatchResult]) -> None:
    numbers = {outcome: f"04015000{position:04}" for position, outcome in enumerate(Outcome)}
    ids = registry.add_people(*((number, "Nguyễn Thị Hoà", "1950", "female") for number in numbers.values()))
    names = {Outcome.NAME_CLOSE: "NGUYEN HOA", Outcome.NAME_MISMATCH: "TRAN VAN AN"}
    for outcome, number in numbers.items():
        if outcome is not Outcome.NO_ACCOUNT:
            status = "dormant" if outcome is Outcome.ACCOUNT_NOT_USABLE else "active"
            registry.add_account(number, names.get(outcome, "NGUYEN THI HOA"), f"00{number}", status)
    registry.add_account(numbers[Outcome.SEVERAL_ACCOUNTS], "NGUYEN THI HOA", "0099")
    registry.change_population(numbers[Outcome.DECEASED], status="deceased", deceased_on="2026-10-01")
    registry.change_population(numbers[Outcome.NOT_IN_POPULATION])
    registry.change_population(numbers[Outcome.DATA_DIFFER], birth="1949")
    first = ids[-1]
    registry.mark_alike(first, ids[list(Outcome).index(Outcome.MAYBE_SAME_PERSON)])
    registry.mark_same(ids[list(Outcome).index(Outcome.SAME_PERSON)], first)
    result = match()
    assert {row.outcome: beneficiary_id for beneficiary_id, row in open_outcomes(registry.database).items()} == dict(
        zip(map(str, Outcome), ids, strict=True)
    )
    assert result == MatchResult(11, dict.fromkeys(Outcome, 1), opened=11, unchanged=0, closed=0)


def test_a_second_run_changes_nothing(registry: Registry, people: list[int], match: Callable[[], MatchResult]) -> None:
    first = match()
    before = everything(registry.database)
    again = match()
    assert (again.opened, again.closed, again.unchanged) == (0, 0, len(people))
    assert again.outcomes == first.outcomes
    assert everything(registry.database) == before


def test_a_changed_account_opens_a_new_dated_version(
    registry: Registry, people: list[int], match: Callable[[], MatchResult]
) -> None:
    match()
    before = open_outcomes(registry.database)
    registry.add_account(HOA_ID, "NGUYEN THI HOA", "0011000001", status="closed")
    result = match()
    assert (result.opened, result.closed, result.unchanged) == (1, 1, 3)
    after = open_outcomes(registry.database)
    assert after[people[0]].outcome == "account_not_usable"
    assert after[people[0]].valid_from == registry.clock.now()
    assert {number: after[number] for number in people[1:]} == {number: before[number] for number in people[1:]}
    with registry.database.read() as connection:
        old = connection.execute(select(account_match).where(account_match.c.id == before[people[0]].id)).one()
    assert old.valid_to == registry.clock.now()
    assert old[:-1] == before[people[0]][:-1]


def test_a_changed_name_or_population_record_is_decided_anew(
    registry: Registry, people: list[int], match: Callable[[], MatchResult]
) -> None:
    match()
    registry.change_population(HOA_ID, status="deceased")
    registry.change_person(people[1], full_name="Trần An")
    registry.change_population(AN_ID, full_name="Trần An")
    registry.change_person(people[2], unit_code="16690")
    result = match()
    assert (result.opened, result.closed) == (2, 2)
    assert {number: row.outcome for number, row in open_outcomes(registry.database).items()} == dict(
        zip(people, ("deceased", "matched", "several_accounts", "name_mismatch"), strict=True)
    )


def test_who_is_not_registered_any_more_has_no_open_outcome(
    registry: Registry, people: list[int], match: Callable[[], MatchResult]
) -> None:
    match()
    registry.change_person(people[0])
    result = match()
    assert (result.people, result.opened, result.closed) == (3, 0, 1)
    assert set(open_outcomes(registry.database)) == set(people[1:])


def test_an_account_under_the_old_number_is_found(
    registry: Registry, people: list[int], match: Callable[[], MatchResult]
) -> None:
    registry.add_people(("040150000009", "Lê Thị Lan", "1950", "female"))
    account = registry.add_account("181234567", "LE THI LAN", "0011000009")
    registry.add_former_number(people[-1] + 1, "181234567")
    match()
    lan = open_outcomes(registry.database)[people[-1] + 1]
    assert (lan.outcome, lan.account_id) == ("matched", account)
    assert json.loads(lan.evidence)["holder"]["under"] == "superseded"


def test_an_old_number_of_two_people_pays_neither(registry: Registry, match: Callable[[], MatchResult]) -> None:
    ids = registry.add_people(
        ("040150000005", "Hồ Thị Hoa", "1950", "female"), ("045150000006", "Hồ Thị Hoa", "1951", "female")
    )
    registry.add_account("191234567", "HO THI HOA", "0011000005")
    for number in ids:
        registry.add_former_number(number, "191234567")
    match()
    assert [row.outcome for row in open_outcomes(registry.database).values()] == ["name_close", "name_close"]


def test_old_and_new_number_together_are_several_accounts(registry: Registry, match: Callable[[], MatchResult]) -> None:
    ids = registry.add_people((HOA_ID, "Nguyễn Thị Hoà", "1950", "female"))
    registry.add_former_number(ids[0], "181234567")
    older = registry.add_account("181234567", "NGUYEN THI HOA", "0011000009")
    newer = registry.add_account(HOA_ID, "NGUYEN THI HOA", "0011000001")
    match()
    hoa = open_outcomes(registry.database)[ids[0]]
    assert hoa.outcome == "several_accounts"
    candidates = [(one["account"], one["under"]) for one in json.loads(hoa.evidence)["candidates"]]
    assert candidates == [(older, "superseded"), (newer, "citizen_id")]


def test_a_citizen_id_that_was_determined_anew_leads_to_the_account(
    registry: Registry, match: Callable[[], MatchResult]
) -> None:
    ids = registry.add_people((HOA_ID, "Nguyễn Thị Hoà", "1950", "female"), (MAI_ID, "Hồ Thị Mai", "1950", "female"))
    registry.add_former_number(ids[0], "040149000001")
    registry.add_account("040149000001", "NGUYEN THI HOA", "0011000001")
    # The number she still has, recorded as one she had: her account is one account.
    registry.add_former_number(ids[1], MAI_ID)
    registry.add_account(MAI_ID, "HO THI MAI", "0011000003")
    assert match().outcomes[Outcome.MATCHED] == 2


def test_more_people_than_are_read_at_once(
    registry: Registry, match: Callable[[], MatchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_READ_AT_ONCE", 3)
    ids = registry.add_people(*((f"04015000{n:04}", f"Hồ Thị Hoa {n}", "1950", "female") for n in range(10)))
    for n in (0, 0, 3, 4, 9, 9, 9):
        registry.add_account(f"04015000{n:04}", f"HO THI HOA {n}", f"00{len(registry.accounts)}99")
    registry.change_person(ids[3])
    registry.add_former_number(ids[5], "181234567")
    registry.add_account("181234567", "HO THI HOA 5", "001234")
    seen: list[tuple[int, int | None]] = []
    result = match_accounts(
        registry.database,
        registry.sealer,
        registry.clock,
        Officer("maker.lan", Role.MAKER),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (9, 9)
    assert {outcome: count for outcome, count in result.outcomes.items() if count} == {
        Outcome.SEVERAL_ACCOUNTS: 2,
        Outcome.MATCHED: 2,
        Outcome.NO_ACCOUNT: 5,
    }
    several = json.loads(open_outcomes(registry.database)[ids[9]].evidence)
    assert [one["account"] for one in several["candidates"]] == sorted(registry.accounts.values())[4:7]
    assert match().opened == 0


def test_nothing_kept_as_evidence_says_whose_it_is(
    registry: Registry, people: list[int], match: Callable[[], MatchResult]
) -> None:
    match()
    with registry.database.read() as connection:
        kept = [row.evidence for row in connection.execute(select(account_match))]
        kept += [row.detail for row in connection.execute(select(audit_event))]
    assert len(kept) == len(people) + 1
    for secret in ("Hoà", "HOA", "Brể", "HAI", HOA_ID, AN_ID, "0011000001", "001100"):
        assert not any(secret in text for text in kept)


def test_two_runs_at_once_leave_one_outcome_each(registry: Registry, people: list[int], maker: Officer) -> None:
    def run(_: int) -> MatchResult:
        return match_accounts(registry.database, registry.sealer, registry.clock, maker)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, range(2)))
    assert sorted(result.opened for result in results) == [0, len(people)]
    assert len(open_outcomes(registry.database)) == len(people)


def test_an_auditor_may_not_match(registry: Registry, auditor: Officer) -> None:
    with pytest.raises(NotAllowed):
        match_accounts(registry.database, registry.sealer, registry.clock, auditor)


# ---------------------------------------------------------------- review-match


def test_the_review_list_shows_names_and_masks_numbers(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], approver: Officer
) -> None:
    match()
    page = list_matches(registry.database, registry.sealer, approver, limit=2)
    rest = list_matches(registry.database, registry.sealer, approver, limit=2, after=page.next_after or 0)
    assert (page.waiting, rest.next_after) == (3, None)
    listed = [*page.matches, *rest.matches]
    assert [(row.beneficiary_id, row.outcome) for row in listed] == list(
        zip(people[1:], ("name_close", "several_accounts", "name_mismatch"), strict=True)
    )
    assert (listed[0].citizen_id, listed[0].full_name) == ("••••••••0002", "Trần Văn An")
    assert [one.holder_name for one in listed[1].candidates] == ["HO THI MAI", "LE VAN BA"]
    assert [one.account for one in listed[1].candidates] == ["••••0003", "••••0033"]
    assert not any(number in repr(listed) for number in (AN_ID, MAI_ID, BREH_ID, *registry.accounts))
    only = list_matches(registry.database, registry.sealer, approver, outcome=Outcome.SEVERAL_ACCOUNTS)
    assert [row.beneficiary_id for row in only.matches] == [people[2]]
    with pytest.raises(InvalidInput):
        list_matches(registry.database, registry.sealer, approver, limit=201)
    with pytest.raises(InvalidInput):
        list_matches(registry.database, registry.sealer, approver, outcome=Outcome.DECEASED)


def test_an_accepted_close_name_stands_while_the_facts_do(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], approver: Officer
) -> None:
    match()
    waiting = open_outcomes(registry.database)[people[1]]
    registry.clock.advance(timedelta(hours=1))
    accepted = accept_match(registry.database, registry.clock, approver, waiting.id, reason=" Seen the passbook. ")
    row = open_outcomes(registry.database)[people[1]]
    assert (row.id, row.outcome, row.account_id) == (accepted.match_id, "matched", registry.accounts["0011000002"])
    assert (row.name_level, row.decided_by, row.reason) == ("close", "approver.minh", "Seen the passbook.")
    assert row.valid_from == registry.clock.now()
    assert json.loads(row.evidence)["review"] == {"decision": "accepted", "outcome": "name_close"}
    assert match().opened == 0
    assert list_matches(registry.database, registry.sealer, approver).waiting == 2
    registry.add_account(AN_ID, "TRAN VAN ANH", "0011000002")
    assert match().opened == 1
    assert open_outcomes(registry.database)[people[1]].outcome == "name_mismatch"


def test_of_several_accounts_one_is_chosen(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], maker: Officer
) -> None:
    match()
    waiting, own = open_outcomes(registry.database)[people[2]].id, registry.accounts["0011000003"]
    for account_id in (None, registry.accounts["0011000001"]):
        with pytest.raises(InvalidInput, match="Choose one"):
            accept_match(registry.database, registry.clock, maker, waiting, reason="By phone", account_id=account_id)
    another_name = registry.accounts["0011000033"]
    with pytest.raises(InvalidInput, match="another name"):
        accept_match(registry.database, registry.clock, maker, waiting, reason="By phone", account_id=another_name)
    accept_match(registry.database, registry.clock, maker, waiting, reason="By phone", account_id=own)
    row = open_outcomes(registry.database)[people[2]]
    assert (row.outcome, row.account_id, row.name_level) == ("matched", own, "match")
    assert match().opened == 0


def test_an_account_in_another_name_is_never_accepted(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], approver: Officer
) -> None:
    match()
    waiting = open_outcomes(registry.database)[people[3]].id
    before = everything(registry.database)
    with pytest.raises(InvalidInput, match="cannot be accepted"):
        accept_match(registry.database, registry.clock, approver, waiting, reason="It is his son")
    assert everything(registry.database) == before
    rejected = reject_match(registry.database, registry.clock, approver, waiting, reason="Asked the bank")
    assert rejected.outcome is Outcome.NAME_MISMATCH
    assert list_matches(registry.database, registry.sealer, approver).waiting == 2


@pytest.mark.parametrize(("position", "outcome"), [(1, "name_mismatch"), (2, "account_not_usable")])
def test_a_rejected_account_is_not_paid_and_may_be_reconsidered(
    registry: Registry,
    people: list[int],
    match: Callable[[], MatchResult],
    maker: Officer,
    position: int,
    outcome: str,
) -> None:
    match()
    waiting = open_outcomes(registry.database)[people[position]].id
    rejected = reject_match(registry.database, registry.clock, maker, waiting, reason="Not hers")
    assert rejected.outcome == outcome
    assert match().opened == 0
    with pytest.raises(Conflict, match="same way"):
        reject_match(registry.database, registry.clock, maker, rejected.match_id, reason="Not hers")
    chosen = registry.accounts["0011000002" if position == 1 else "0011000003"]
    accepted = accept_match(
        registry.database, registry.clock, maker, rejected.match_id, reason="Hers after all", account_id=chosen
    )
    assert (accepted.outcome, accepted.account_id) == (Outcome.MATCHED, chosen)
    with registry.database.read() as connection:
        versions = connection.execute(
            select(account_match.c.decided_by).where(account_match.c.beneficiary_id == people[position])
        ).all()
    assert Counter(row.decided_by for row in versions) == {"match-accounts": 1, "maker.lan": 2}


def test_a_decision_needs_a_reason_a_role_and_what_was_seen(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], maker: Officer, auditor: Officer
) -> None:
    match()
    waiting = open_outcomes(registry.database)[people[1]].id
    for reason in ("", "  ", "x" * 1001):
        with pytest.raises(InvalidInput, match="reason"):
            reject_match(registry.database, registry.clock, maker, waiting, reason=reason)
    with pytest.raises(NotAllowed):
        accept_match(registry.database, registry.clock, auditor, waiting, reason="Looks right")
    with pytest.raises(NotFound):
        accept_match(registry.database, registry.clock, maker, 10**6, reason="Looks right")
    matched = open_outcomes(registry.database)[people[0]].id
    with pytest.raises(InvalidInput, match="does not wait"):
        reject_match(registry.database, registry.clock, maker, matched, reason="Looks wrong")
    registry.add_account(AN_ID, "TRAN AN", "0011000022", status="closed")
    with pytest.raises(Conflict, match="registry changed"):
        accept_match(registry.database, registry.clock, maker, waiting, reason="Looks right")
    match()
    with pytest.raises(Conflict, match="replaced by a newer"):
        accept_match(registry.database, registry.clock, maker, waiting, reason="Looks right")


def test_a_decision_is_told_to_the_audit_trail_without_its_words(
    registry: Registry, people: list[int], match: Callable[[], MatchResult], maker: Officer
) -> None:
    match()
    waiting = open_outcomes(registry.database)[people[1]].id
    decided = accept_match(registry.database, registry.clock, maker, waiting, reason="Trần Văn An came in")
    with registry.database.read() as connection:
        event = connection.execute(select(audit_event).where(audit_event.c.verb == "review-match")).one()
    assert (event.actor, event.subject) == ("maker.lan", f"beneficiary:{people[1]}")
    assert json.loads(event.detail) == {
        "match": decided.match_id,
        "replaces": waiting,
        "decision": "accepted",
        "outcome": "name_close",
        "account": registry.accounts["0011000002"],
    }
