"""Stories in which a service like this one is known to pay twice or to lose somebody, told one by one.

Hypothesis finds what nobody thought of; these are what somebody did think of: the lost answer, the
sender that slept, the bank that forgets, the end at each place. The same invariants hold after
each step, and in the end the same books have to agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from .model import Model, ModelResult, built_model, result_of
from .model_invariants import TALLY, Broken
from .model_office import MAKER, SUBMITTER

Step = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Story:
    """What happens, step by step, to an office whose first month is `start`."""

    name: str
    steps: tuple[Step, ...]
    start: str = "approved"


def _send(
    *faults: str, meanwhile: tuple[str, ...] = (), waits: bool = False, mood: str = "well", which: int = 0
) -> Step:
    return "send", {
        "which": which, "faults": list(faults), "deeds": list(meanwhile), "is_kept_waiting": waits, "mood": mood,
    }  # fmt: skip


def _passes(jump: str) -> Step:
    return "time_passes", {"jump": jump, "anew": False}


def _ends(verb: str, turn: int, *, is_full: bool = False) -> Step:
    return "end_in_the_middle", {"which": 0, "verb": verb, "turn": turn, "is_full": is_full}


def _works(*deeds: str) -> Step:
    return "a_bank_works", {"code": "AGRI", "deeds": list(deeds), "first": 0, "states": True}


def _reports(kind: str, which: int = 0) -> Step:
    return "a_bank_reports", {"code": "AGRI", "which": which, "kind": kind, "when": "at once"}


def _about_all(kind: str) -> tuple[Step, ...]:
    """A status file about each of the bank's files."""
    return tuple(_reports(kind, which) for which in (0, 1))


def _states(kind: str, which: int = 0) -> Step:
    return "a_bank_states", {"code": "AGRI", "which": which, "kind": kind, "when": "at once"}


def _lies(lie: str) -> Step:
    return "a_bank_lies", {"code": "AGRI", "which": 0, "lie": lie, "when": "at once"}


_COLLECT: Step = ("collect", {"gives": 99, "reconciles": True})
_PLAN: tuple[Step, ...] = (("plan_the_next_month", {}), ("submit_plan", {"which": 0, "again": True}))
_APPROVE: Step = ("approve", {"which": 0})

_ASLEEP = ("asleep before it came", "asleep after it came", "asleep after it came, answer lost")
_MEANWHILE = (("send",), ("send", "an hour", "send"), ("an hour", "collect", "reconcile", "send"))
_DAYS = (
    ("pay",), ("refuse",), ("pay", "return"), ("pay another amount",), ("pay", "debit again"),
    ("pay", "debit again", "return"), ("credit without debit",), ("refuse", "credit without debit"),
    ("complete and refuse",), ("refuse", "book what was refused"), ("refuse", "book what was refused", "return"),
    ("take a stranger's money",),
)  # fmt: skip
_LIES = ("wrong totals", "cut report", "wrong total", "line missing", "cut")
#: More than any verb passes.
_LAST_PLACE = 24


def stories(*, with_ends: bool = True) -> Iterator[Story]:
    """All of them; without the many in which a verb ends at one place after the other, if so wanted."""
    yield from _in_the_office()
    yield from _on_the_way()
    yield from _asleep()
    yield from _on_the_way_back()
    if with_ends:
        yield from _ended_everywhere()


def _in_the_office() -> Iterator[Story]:
    submitted: Step = ("submit_plan", {"which": 0, "again": False})
    for who in (MAKER, SUBMITTER):
        own: Step = ("the_own_hand_approves", {"which": 0, "who": who})
        yield Story(f"{who.officer_id} approves what is the own work", (submitted, own, _APPROVE, _send()), "planned")
    for what in ("amount_vnd", "creditor_name", "creditor_bin"):
        changed: Step = ("an_intruder_changes_what_was_approved", {"which": 0, "what": what})
        yield Story(f"somebody changes {what} past the rules", (changed, _send()))
    stale: Step = ("a_program_writes_what_it_read_long_ago", {"which": 0})
    for start in ("planned", "approved", "booked"):
        yield Story(f"a program writes an old state over one that is {start}", (stale, _send()), start)
    for deed in ("return", "withdraw", "hold a payment of"):
        back: Step = ("take_back", {"which": 0, "deed": deed})
        yield Story(f"{deed} it", (back, submitted, _APPROVE, _send(), *_PLAN, _APPROVE, _send(which=1)))

    withdrawn: Step = ("withdraw_a_payment", {"which": 0})
    closed: Step = ("close_a_cycle", {"which": 0})
    for turn in range(3, 10):
        # The batches are made, and written at some of these places.
        later = (_send(), *_PLAN, _APPROVE, _send(which=1), _works("pay"), closed, _send(), _COLLECT, closed)
        yield Story(f"the end of a sending at {turn}, then one is withdrawn", (_ends("send", turn), withdrawn, *later))
    all_of_it = (_ends("send", 3), withdrawn, withdrawn, withdrawn, closed, *_PLAN, _APPROVE, _send(), _works("pay"))
    yield Story("all is withdrawn, and the cycle closed", (*all_of_it, _COLLECT))
    for fault in ("lost", "answer lost", "slow"):
        late = (_send(fault), withdrawn, closed, _send(), _works("pay"), withdrawn, closed, _COLLECT)
        yield Story(f"what may have left is to be withdrawn: {fault}", late)
    while_asleep = ("withdraw a payment", "send")
    for waits in (False, True):
        beside = (_send("asleep after it came", meanwhile=while_asleep, waits=waits), _send(), *_PLAN, _APPROVE)
        yield Story(f"one is withdrawn while a sender sleeps{', before' if waits else ''}", (*beside, _send(which=1)))


def _on_the_way() -> Iterator[Story]:
    yield Story("the bank refuses the file", (_send("refused"), _send()))
    yield Story("the bank cannot be reached", (_send("unreachable", "unreachable"), _send()))
    yield Story("the file is lost on its way", (_send("lost", "lost"), _send()))
    for fault in ("answer lost", "answer garbled", "killed before it came", "killed after it came"):
        yield Story(fault, (_send(fault), _send(), _send()))
    yield Story("the file is slow", (_send("slow"), _send(), _works("pay"), _send()))
    silence = (_send(mood="silent"), _passes("two hours"), _send(mood="down"), _passes("two hours"))
    yield Story("the bank says nothing for hours", (_send("answer lost"), _passes("two hours"), *silence, _send()))
    yield Story("the bank has forgotten what it had", (_send("answer lost"), _passes("nine days"), _send(), _send()))
    yield Story("nobody knows what came, after nine days", (_send("lost"), _passes("nine days"), _send(), _send()))
    late = (_works("pay"), _passes("nine days"), _send(), _works("pay"))
    yield Story("slow, then unreachable, then forgotten", (_send("slow"), _send("unreachable"), *late))
    for turn in range(1, _LAST_PLACE // 3):
        yield Story(f"slow, asked for and killed at {turn}, forgotten", (_send("slow"), _ends("send", turn), *late))
    of_several = (_send("lost", which=1), _passes("a day"), _send(which=1), _send(which=1))
    yield Story("a bank that cannot be asked, and notices no second file", (*_PLAN, _APPROVE, _send(), *of_several))


def _asleep() -> Iterator[Story]:
    for fault, deeds, waits in product(_ASLEEP, _MEANWHILE, (False, True)):
        name = f"a sender is {fault}, another does {', '.join(deeds)}{', before and after' if waits else ''}"
        yield Story(name, (_send(fault, meanwhile=deeds, waits=waits), _send()))
    late = _send("asleep after it came, answer lost", meanwhile=("send",))
    yield Story("the bank speaks after a sender slept", (late, _works("pay"), _reports("truth"), _states("truth")))


def _on_the_way_back() -> Iterator[Story]:
    all_days = tuple(_states("truth", which) for which in range(4))
    for lie in _LIES:
        later = (_passes("a day"), *all_days, _COLLECT)
        yield Story(f"{lie}, and the truth later", (_works("pay", "return"), _lies(lie), *later), "booked")
    for kind in ("truth", "reissued", "with the next"):
        again = (_states(kind, 0), _states(kind, 1), _states(kind, 2))
        yield Story(f"statements come again: {kind}", (*all_days, *again, *again[::-1], _COLLECT), "booked")
    first, second, third = (_states("truth", which) for which in (2, 1, 0))
    yield Story("a statement is missing for a day", (first, third, _passes("a day"), second, _COLLECT), "booked")
    yield Story("the last statement comes first", (_states("truth", 3), _passes("a day"), *all_days), "booked")
    for deeds in _DAYS:
        said = (*_about_all("truth"), *_about_all("half"), *_about_all("early"), *all_days, *_about_all("early"))
        # One day each, all about the same payment, and everything said again in between.
        days = (step for deed in deeds for step in (_works(deed), *said))
        yield Story(f"a day on which they {', then '.join(deeds)}", (_send(), *days, _COLLECT))


def _ended_everywhere() -> Iterator[Story]:
    for turn, is_full in product(range(1, _LAST_PLACE + 1), (False, True)):
        how = "the disk is full" if is_full else "killed"
        for verb, start in (("send", "approved"), ("collect", "booked"), ("reconcile", "booked")):
            steps = (_reports("truth"), _ends(verb, turn, is_full=is_full), _ends(verb, turn), _send(), _COLLECT)
            yield Story(f"{verb}, {how} at place {turn}", steps, start)
        steps = (_ends("send", 3), _ends("withdraw a payment", turn, is_full=is_full), _send(), *_PLAN, _APPROVE)
        if turn < _LAST_PLACE // 3:
            yield Story(f"withdraw, {how} at place {turn}", (*steps, _send(which=1)))
        steps = (*_PLAN, _ends("approve", turn, is_full=is_full), _APPROVE, _send(which=1))
        if turn < _LAST_PLACE // 3:
            yield Story(f"approve, {how} at place {turn}", steps)


def tell_all(bug: str = "", *, with_ends: bool = True) -> ModelResult:
    """Every story once, up to the first that breaks something. `bug` names one of `model_bugs.BUGS`."""
    TALLY.__init__()  # type: ignore[misc]  # counts from nothing
    found: list[Broken] = []
    with built_model(bug) as model:
        for story in stories(with_ends=with_ends):
            try:
                _tell(model, story)
            except Broken as broken:
                found.append(broken)
                break
    return result_of(TALLY, found)


def _tell(model: type[Model], story: Story) -> None:
    """Let one story happen. Raises `Broken`; a step for which there is nothing to do any more is left out."""
    one = model()
    conditions = {rule.function.__name__: rule.preconditions for rule in one.rules}
    try:
        one.the_first_month(start=story.start)
        _look(one)
        for name, words in story.steps:
            if all(is_possible(one) for is_possible in conditions[name]):
                getattr(one, name)(**words)
                _look(one)
    finally:
        one.teardown()


def _look(one: Model) -> None:
    for check in one.invariants:
        check.function(one)
