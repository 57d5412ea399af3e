"""Which account may a person be paid to: one outcome per beneficiary, by rule, with its evidence.

The outcomes exclude one another. The first of these that holds decides, because each makes
what comes after it meaningless or dangerous to act upon:

 1. same_person         an officer or a list said that another record is this person's, and that one counts
 2. deceased            the population database says so; nothing else about the person matters
 3. not_in_population   nobody is known by this citizen ID, so no fact can be checked
 4. data_differ         known, but name, birth or sex differ: perhaps another person's number
 5. maybe_same_person   enrolled beside somebody registered earlier who may be the same person
 6. no_account          no bank lists an account under this number, or one the person had before
 7. account_not_usable  accounts, but none that is both active and in VND
 8. several_accounts    more than one usable account: a person chooses, whatever their dates
                        and names (a later registration never wins by itself)
 9. name_mismatch       one usable account, in another name
10. name_close          one usable account, whose name differs in a way a person must look at
11. matched             one usable account, and the names are equal (exact or match)

An account found under a superseded number that more than one person claims is never better
than `close`: the number does not say whose it is. Birth agrees when both dates are equal, or
when one side knows only the year (or month) and it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from paysvc.domain.canonical import canonical_json
from paysvc.domain.names import NameComparison, NameLevel, compare_names

#: Part of every digest of facts: raise it when a rule here or in `names` changes, so that
#: everybody is decided anew.
RULES_VERSION = 1


class Outcome(StrEnum):
    """The answer of matching for one beneficiary; the order is that of precedence."""

    SAME_PERSON = "same_person"
    DECEASED = "deceased"
    NOT_IN_POPULATION = "not_in_population"
    DATA_DIFFER = "data_differ"
    MAYBE_SAME_PERSON = "maybe_same_person"
    NO_ACCOUNT = "no_account"
    ACCOUNT_NOT_USABLE = "account_not_usable"
    SEVERAL_ACCOUNTS = "several_accounts"
    NAME_MISMATCH = "name_mismatch"
    NAME_CLOSE = "name_close"
    MATCHED = "matched"


_BEFORE_DOUBT = (Outcome.SAME_PERSON, Outcome.DECEASED, Outcome.NOT_IN_POPULATION, Outcome.DATA_DIFFER)

#: What an officer looks at, and what of it an officer may accept. A mismatch is settled by
#: correcting the registry or the bank's list, never by agreeing to it.
FOR_REVIEW = (Outcome.NAME_CLOSE, Outcome.SEVERAL_ACCOUNTS, Outcome.NAME_MISMATCH, Outcome.MAYBE_SAME_PERSON)
ACCEPTABLE = (Outcome.NAME_CLOSE, Outcome.SEVERAL_ACCOUNTS)

#: What a rejection makes of each that is about an account: it is another's, or none of several is to be used.
REJECTED_AS = {
    Outcome.NAME_CLOSE: Outcome.NAME_MISMATCH,
    Outcome.SEVERAL_ACCOUNTS: Outcome.ACCOUNT_NOT_USABLE,
    Outcome.NAME_MISMATCH: Outcome.NAME_MISMATCH,
}


#: Outcomes that speak of one account, where there is exactly one.
ABOUT_ONE_ACCOUNT = (Outcome.ACCOUNT_NOT_USABLE, Outcome.NAME_MISMATCH, Outcome.NAME_CLOSE, Outcome.MATCHED)


class HeldUnder(StrEnum):
    """By which number of the person an account was found."""

    CITIZEN_ID = "citizen_id"
    #: A number the person had before: the 9-digit one, or a re-determined citizen ID.
    SUPERSEDED = "superseded"
    #: A superseded number that is claimed by somebody else, too.
    SHARED = "shared"


class Person(NamedTuple):
    """The beneficiary as registered. `birth` is an ISO date, or its year where no more is known."""

    full_name: str
    birth: str
    sex: str


class PopulationWord(NamedTuple):
    """The population database's word on the same citizen ID; `status` is alive or deceased."""

    full_name: str
    birth: str
    sex: str
    status: str


class HeldAccount(NamedTuple):
    """One account listed under a number of the person; `account_id` is the row of the list."""

    account_id: int
    held_under: str
    holder_name: str
    status: str
    currency: str
    registered_on: str


class Doubt(NamedTuple):
    """Of whom else this record may be (`maybe_same_person`), or is (`same_person`): (beneficiary, ground) each."""

    outcome: Outcome
    others: tuple[tuple[int, str], ...]


class Facts(NamedTuple):
    """Everything an outcome is decided from, for one person."""

    person: Person
    population: PopulationWord | None
    accounts: Sequence[HeldAccount]
    doubt: Doubt | None = None


class Situation(NamedTuple):
    """What the rule looks at, without whose it is: a few hundred of these describe a million people.

    `population` is alive, deceased or "" (not known); `birth` as `birth_agreement` says;
    `unusable` are the reasons where no account is usable; `holder` is the holder's name of the
    one usable account, and `held_under` the number it was found by. `doubt` is the outcome of a
    `Doubt`, or "".
    """

    population: str
    population_name: NameComparison | None
    birth: str
    same_sex: bool
    listed: int
    usable: int
    unusable: tuple[str, ...]
    holder: NameComparison | None
    held_under: str
    doubt: str = ""


class Verdict(NamedTuple):
    """The rule's answer; `evidence` is canonical JSON without names, citizen IDs or account numbers."""

    outcome: Outcome
    name_level: str
    evidence: str


class Decision(NamedTuple):
    """`account_id` names the account where the outcome is about exactly one.

    `name_level` is that of the account's holder, or "" where no such name decided.
    """

    outcome: Outcome
    account_id: int | None
    name_level: str
    evidence: str


def decide(facts: Facts) -> Decision:
    """The one outcome of these facts. Many people at once: `paysvc.core.match_facts`."""
    person, population, accounts, doubt = facts
    usable = [account for account in accounts if is_usable(account.status, account.currency)]
    names = [compare_names(person.full_name, account.holder_name) for account in usable]
    verdict = judge(
        Situation(
            population=population.status if population else "",
            population_name=compare_names(person.full_name, population.full_name) if population else None,
            birth=birth_agreement(person.birth, population.birth) if population else "",
            same_sex=population is not None and person.sex == population.sex,
            listed=len(accounts),
            usable=len(usable),
            unusable=() if usable else why_unusable((account.status, account.currency) for account in accounts),
            holder=names[0] if len(names) == 1 else None,
            held_under=usable[0].held_under if len(usable) == 1 else "",
            doubt=doubt.outcome if doubt else "",
        )
    )
    evidence = verdict.evidence
    if verdict.outcome is Outcome.SEVERAL_ACCOUNTS:
        found = [(one.account_id, one.held_under, name) for one, name in zip(usable, names, strict=True)]
        evidence = with_candidates(evidence, found)
    if doubt is not None:
        evidence = with_others(evidence, doubt)
    about = usable or accounts
    account_id = about[0].account_id if len(about) == 1 and verdict.outcome in ABOUT_ONE_ACCOUNT else None
    return Decision(verdict.outcome, account_id, verdict.name_level, evidence)


@lru_cache(maxsize=8192)
def judge(situation: Situation) -> Verdict:
    """The rule itself: the first line that holds decides."""
    outcome = _outcome(situation)
    if situation.holder is None or outcome not in ABOUT_ONE_ACCOUNT:
        return Verdict(outcome, "", _evidence(situation, None))
    level = holder_level(situation.held_under, situation.holder)
    return Verdict(outcome, level, _evidence(situation, level))


def _outcome(situation: Situation) -> Outcome:
    name = situation.population_name
    if situation.doubt == Outcome.SAME_PERSON:
        return Outcome.SAME_PERSON
    if not situation.population or name is None:
        return Outcome.NOT_IN_POPULATION
    if situation.population != "alive":
        return Outcome.DECEASED
    if not name.level.agrees or situation.birth == "differs" or not situation.same_sex:
        return Outcome.DATA_DIFFER
    if situation.doubt:
        return Outcome.MAYBE_SAME_PERSON
    if not situation.listed:
        return Outcome.NO_ACCOUNT
    if not situation.usable:
        return Outcome.ACCOUNT_NOT_USABLE
    if situation.holder is None:
        return Outcome.SEVERAL_ACCOUNTS
    level = holder_level(situation.held_under, situation.holder)
    if level is NameLevel.MISMATCH:
        return Outcome.NAME_MISMATCH
    return Outcome.NAME_CLOSE if level is NameLevel.CLOSE else Outcome.MATCHED


def outcome_with_doubt(outcome: str | None, doubt: Doubt) -> str | None:
    """What a stored outcome (None when nobody has looked) comes to where a doubt arose since."""
    if doubt.outcome is Outcome.SAME_PERSON:
        return doubt.outcome.value
    if outcome is None:
        return None
    earlier = Outcome(outcome) in _BEFORE_DOUBT
    return outcome if earlier else doubt.outcome.value


def is_usable(status: str, currency: str) -> bool:
    """Social-security accounts are active and in VND; nothing is sent to any other."""
    return status == "active" and currency == "VND"


def why_unusable(accounts: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The distinct reasons in (status, currency) pairs of which none is usable."""
    return tuple(sorted({status if status != "active" else "other_currency" for status, _ in accounts}))


def holder_level(held_under: str, name: NameComparison) -> NameLevel:
    """The level a holder's name counts for; never better than close under a shared number."""
    if held_under == HeldUnder.SHARED and name.level.agrees:
        return NameLevel.CLOSE
    return name.level


def birth_agreement(one: str, other: str) -> str:
    """`same`, `partly_known` where one side has only the year or month of the other, or `differs`."""
    if one == other and one:
        return "same"
    short, long = sorted((one, other), key=len)
    return "partly_known" if short and long.startswith(short + "-") else "differs"


def with_candidates(evidence: str, usable: Iterable[tuple[int, str, NameComparison]]) -> str:
    """The evidence with the usable accounts (row, held under, holder's name) a person chooses from."""
    candidates = [
        {"account": account_id, "under": under, "name": holder_level(under, name), "rule": name.rule}
        for account_id, under, name in usable
    ]
    return canonical_json({**json.loads(evidence), "candidates": candidates}).decode()


def with_others(evidence: str, doubt: Doubt) -> str:
    """The evidence with the records that may be, or are, of the same person."""
    others = [{"beneficiary": beneficiary_id, "ground": ground} for beneficiary_id, ground in doubt.others]
    return canonical_json({**json.loads(evidence), "others": others}).decode()


def _evidence(situation: Situation, level: NameLevel | None) -> str:
    said: dict[str, object] = {"listed": situation.listed, "usable": situation.usable}
    if situation.population_name is None:
        said["population"] = {"status": "unknown"}
    else:
        name = situation.population_name
        said["population"] = {
            "status": situation.population,
            "name": name.level,
            "rule": name.rule,
            "birth": situation.birth,
            "sex": "same" if situation.same_sex else "differs",
        }
    if situation.unusable:
        said["unusable"] = list(situation.unusable)
    if level is not None and situation.holder is not None:
        said["holder"] = {"name": level, "rule": situation.holder.rule, "under": situation.held_under}
    return canonical_json(said).decode()
