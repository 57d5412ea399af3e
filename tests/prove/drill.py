"""The drill: a month of which every step is broken off at every place, and a disaster in the middle of it.

Each request, tick and command line is a process of its own (`relay`). What an office does seldom is
done each month: all chores, a re-submission that is declined, a recall and one that is withdrawn, letters of
banks, somebody whom no file can name, a file with a payment that is known to be a double before it leaves, a
bank's silence; and a backup, after which the database is lost, put back and recovered from.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from paysvc.clock import VIETNAM
from paysvc.demo.banks import MockBank
from paysvc.domain.matching import Outcome
from paysvc.domain.officers import Role

from .chores import CHORES, hold_somebody, take_the_plan_back
from .crew import Crew
from .databases import destroy
from .lies import Lie
from .line import CALM, Weather
from .people import Person, alike, namesakes, with_a_strange_letter
from .relay import Relay
from .world import BANKING_DAYS, Harm, Violation, World, bank_ledger, moment

_Thing = TypeVar("_Thing")

#: Lines fail seldom here: a process that waits for one cannot be killed anywhere else meanwhile.
HARM = Harm(storms=0.2, lies=0.4)

_SATURDAY = 5

#: Payments that a bank refused and that others replaced, which are at a bank by now: both, and their banks.
_REPLACED = (
    "SELECT DISTINCT o.end_to_end_id, o.bank_code, n.end_to_end_id, n.bank_code FROM resubmission r"
    " JOIN instruction o ON o.id = r.instruction_id"
    " JOIN obligation_claim oc ON oc.entitlement_id = o.entitlement_id"
    " JOIN obligation_claim nc ON nc.obligation_id = oc.obligation_id AND nc.entitlement_id <> oc.entitlement_id"
    " JOIN instruction n ON n.entitlement_id = nc.entitlement_id AND n.generation > o.generation"
    " WHERE r.approved_at IS NOT NULL AND r.closed_at IS NULL AND o.state = 'REJECTED'"
    " AND n.state IN ('SENT', 'SETTLED') ORDER BY 1, 3"
)
#: Payments that a bank refused and in whose place an approved plan pays others, which are in no file yet: both, and
#: their banks.
_ABOUT_TO_BE_REPLACED = (
    "SELECT o.end_to_end_id, o.bank_code, n.end_to_end_id, n.bank_code FROM replacement p"
    " JOIN instruction o ON o.id = p.replaced_id JOIN instruction n ON n.id = p.instruction_id"
    " WHERE o.state = 'REJECTED' AND n.state = 'PLANNED' AND n.batch_id IS NULL ORDER BY 1, 3"
)
#: Of these payments those in a file that nobody has, and beside which one that was made after all is known.
_DOUBLES_AT_HOME = (
    "SELECT n.end_to_end_id FROM replacement p JOIN instruction o ON o.id = p.replaced_id"
    " JOIN instruction n ON n.id = p.instruction_id JOIN batch b ON b.id = n.batch_id"
    " WHERE o.state = 'SETTLED' AND b.state = 'SEALED' AND n.end_to_end_id = :name AND NOT EXISTS"
    " (SELECT 1 FROM bank_file f JOIN send_attempt a ON a.bank_file_id = f.id WHERE f.batch_id = b.id"
    " AND (a.outcome IS NULL OR a.outcome <> 'not_sent'))"
)
#: So many of them a bank pays late, at most.
_PAID_LATE = 6
#: So many of its payments a bank refuses in a month, beside those that it draws, by its dialect.
_REFUSED = {"iso": 5, "delimited": 3}
#: Of a bank that says what it books, once.
_SPEAKS_CLEARLY: Lie = {"silence_after_accepting": False, "duplicate_statement": None, "wrong_totals": 0, "drop_ack": 0}
#: After so many days comes back by itself what a person would have to ask for: when that is known.
_COMES_BACK = 7
#: How likely the post refuses a whole file by nothing but a note beside it, whenever it is asked what to do wrong.
_NOTE_ALONE = 0.75
#: How often in a month is done what an office does seldom, at most: a place after which all is done kills once each
#: time, and is not come by again before somebody does it again. Whoever is held is fewer.
_TIMES, _PERSONS = 6, 3
#: Where the first byte is about to leave.
_ABOUT_TO_LEAVE, _SENDING = "handing_over._claim begun", "handing_over."
#: Lines on which hardly anything leaves, and it is known of what has not.
_NO_WAY_OUT = Weather(lost=0.95)
#: The outcome of whom the bank knows by nearly the same name, decided or not.
_NEARLY_THE_SAME = "SELECT id FROM account_match WHERE valid_to IS NULL AND (outcome = :it OR evidence LIKE :said)"


@dataclass(slots=True)
class Losses:
    """What became of the database in this world."""

    backups: int = 0
    restored: int = 0
    #: Payments in files that nobody had yet, of which it was known by then that they would be a person's second.
    doubles_at_home: int = 0
    #: Files that left before a loss, are at a bank, and stand in no row at the month's end.
    forgotten: int = 0


class Drill(World):
    """A province whose office is a relay."""

    crew_type: type[Crew] = Relay
    most_attempts = 3000
    #: So there are many files.
    most_payments = 4

    #: On which of the month's days the database is lost: 0 is before the first banking day.
    _lost_on: int | None = None
    #: Whether there is a database, with tables, that may be written to.
    _is_whole = False

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.losses = Losses()
        self.relay.enough = self.harm.enough
        self._left_before: set[tuple[str, str]] = set()
        #: Whom no file can name, of the last month.
        self._nameless: list[Person] = []
        #: How many pairs of people who are alike there were.
        self._pairs = 0

    @property
    def relay(self) -> Relay:
        assert isinstance(self.crew, Relay)
        return self.crew

    def _often(self, work: Callable[[], object], times: int = _TIMES) -> None:
        """Do this, and again while it kills at places at which nobody was killed often enough."""
        self._for_each(range(times), lambda _: work())

    def _for_each(self, things: Iterable[_Thing], work: Callable[[_Thing], object]) -> None:
        """As `_often`, with another of these each time."""
        tally = self.tally
        for thing in things:
            before = tally.killed_at.copy()
            work(thing)
            killed = [place for place, count in tally.killed_at.items() if count > before[place]]
            if not any(tally.times_killed(place) < self.relay.enough for place in killed):
                return

    def _over_again(self, work: Callable[[], object]) -> None:
        """Rehearse this, then do it."""
        self._rehearse(work)
        work()

    def _rehearse(self, work: Callable[[], object]) -> None:
        """As often as `_often`: do this, and lose with the database that it was done."""
        if self.relay.enough == 1:
            return  # a short run would be nothing else
        backup = self.folder / "rehearsed"
        self._back_up(backup)

        def do_in_vain() -> None:
            work()
            self._lose_the_database(backup)

        self._often(do_in_vain)

    # ------------------------------------------------------------------------ its month

    def _open(self) -> None:
        self.relay.violence = self.harm.violence
        self._often(self._open_anew, 2 * _TIMES)
        self._is_whole = True

    def _open_anew(self) -> None:
        """The very first start: nothing is there but the settings."""
        self.let_go()
        destroy(self.database_url)
        for key in ("keys.json", "signing-key.pem"):
            (self.home / key).unlink(missing_ok=True)
        self.relay.command("db", "upgrade")

    def _newcomers(self, code: str) -> list[Person]:
        new = super()._newcomers(code)
        if not self.people:
            # One whom the bank knows without the middle name: officers look at it again and again.
            row, one = next((row, one) for row, one in enumerate(new) if one.account and one.is_payable)
            first, _, last = one.name.split()
            new[row] = replace(one, is_payable=False, known_as=f"{first} {last}")
        return new

    def _after_matching(self, code: str) -> None:
        """Two pairs of records are alike: of the one an officer says that it is two people, of the other, one."""
        if self._nameless:
            # The lists have the names right by now: with this month comes the last one, which was withdrawn.
            self._register([replace(one, name=one.name.replace("Ł", "L")) for one in self._nameless], f"{code}-a")
        self._nameless = []
        self._often(partial(self._register_a_pair, code), _PERSONS)
        self._come_back_to_the_same_balance()  # while nothing is approved that could leave

    def _register_a_pair(self, code: str) -> None:
        self._pairs += 1
        lists, serial = f"{code}-{self._pairs}", 500_000 + 5 * self._pairs
        nameless = with_a_strange_letter(code, self._pairs, serial + 4)
        self._register([nameless], f"{lists}d")
        one, registered_twice = namesakes(code, self._pairs, serial)
        self._register([one, registered_twice], f"{lists}b")
        other, its_second = alike(one, serial + 2), alike(registered_twice, serial + 3)
        self._register([other, its_second], f"{lists}c")
        # Whoever is one person has the later number from then on.
        self.people += [one, other, its_second, nameless]
        self._nameless.append(nameless)
        asked = {"outcome": Outcome.MAYBE_SAME_PERSON.value, "limit": 200}
        waiting = self.call(Role.MAKER, "GET", "/matching/reviews", params=asked)["matches"]
        decisions = {one.name: "two_persons", registered_twice.name: "same_person"}
        if sorted(match["full_name"] for match in waiting) != sorted(decisions):
            raise Violation(f"{len(waiting)} records and not 2 wait to be told whose they are")
        for match in waiting:
            body = {"decision": decisions[match["full_name"]], "reason": "somebody went there"}
            path = f"/matching/reviews/{match['match_id']}"
            self.call(Role.MAKER, "POST", path, json=body, accept=("match_changed", "outcome_not_reviewed"))

    def _deposit(self, code: str, number: int = 1) -> None:
        self._for_each(range(1, _TIMES + 1), partial(super()._deposit, code))

    def _draw_the_plan(self, code: str) -> None:
        self._often(partial(super()._draw_the_plan, code))

    def _chores(self, code: str) -> None:
        for chore in CHORES:
            self._often(partial(chore, self, code), _PERSONS if chore is hold_somebody else _TIMES)
        self._often(partial(self._approve_and_take_back, code))
        self._often(self._review_twice)
        self._often(self._lose_a_kept_file, 2 * _TIMES)
        self._over_again(self._close_what_can_be)

    def _close_what_can_be(self) -> None:
        for (earlier,) in self.rows("SELECT code FROM payment_cycle WHERE state = 'RELEASED' ORDER BY id"):
            self.call(Role.APPROVER, "POST", f"/cycles/{earlier}/closing", accept=("cycle_open",))

    def _approve_and_take_back(self, code: str) -> None:
        """The approver thinks better of it before anything has left."""
        self._approve(code)
        take_the_plan_back(self, code)

    def _record_letters(self) -> None:
        """A bank says on paper once more what it said in a file. Of two copies one is approved, and one declined."""
        by_code = {bank.profile.code: bank for bank in self.banks}
        at_rest = self.rows(
            "SELECT end_to_end_id, bank_code FROM instruction WHERE state = 'REJECTED' AND debit_count = 0"
            " AND credit_count = 0 AND best_status = '' ORDER BY id DESC"
        )
        is_rejected = "SELECT state FROM payment WHERE end_to_end_id = '{}'"
        refused = [
            one for one in at_rest if bank_ledger(self, by_code[one[1]])(is_rejected.format(one[0])) == [("rejected",)]
        ]
        self._for_each(refused[:_TIMES], lambda one: self._record_letter(*one))

    def _record_letter(self, name: str, code: str) -> None:
        day = self.clock.now().astimezone(VIETNAM).date()
        scan = b64encode(f"%PDF {name} {day}".encode()).decode()
        said = {"bank_code": code, "dated": str(day), "scan_base64": scan, "says": "not_made", "about": "payments"}
        for number in ("1", "2"):
            body = {**said, "names": [name], "number": f"{number}/{name}"}
            letter = self.call(
                Role.MAKER, "POST", "/letters", json=body, accept=("letter_against_statement", "letter_decided")
            )
            if "refused" in letter:
                return
            path = f"/letters/{letter['id']}"
            self.call(Role.APPROVER, "GET", f"{path}/scan")
            if number == "1":
                approval = {"content_sha256": letter["content_sha256"]}
                against = ("letter_decided", "letter_against_statement")
                self.call(Role.APPROVER, "POST", f"{path}/approval", json=approval, accept=against)
            else:
                refusal = {"reason": "a copy"}
                self.call(Role.APPROVER, "POST", f"{path}/refusal", json=refusal, accept=("letter_decided",))
        self.tell(f"{code} writes that it did not make {name}")

    def _withdraw_the_nameless(self, code: str) -> None:
        """Whom no file can name is taken out of the month, and comes along in the next one."""
        for person in self._nameless:
            found = self.rows(
                "SELECT i.end_to_end_id, i.state FROM instruction i JOIN payment_cycle c ON c.id = i.cycle_id"
                " WHERE c.code = :code AND i.creditor_name = :name",
                code=code,
                name=person.name,
            )
            if not found:
                continue  # an officer held the payment back
            ((name, state),) = found
            if state not in ("PLANNED", "BATCHED"):
                raise Violation(f"{name} is {state}, and no bank can write its name")
            body = {"end_to_end_ids": [name], "reason": "the name has a letter that the post does not know"}
            self.call(Role.APPROVER, "POST", f"/cycles/{code}/withdrawals", json=body)
            self.tell(f"withdrawn: {name}")

    def _lose_a_kept_file(self) -> None:
        """A kept file is gone for a while: the check finds it, and an administrator answers for it meanwhile."""
        found = self.rows("SELECT sha256 FROM bank_file ORDER BY id")
        if not found:
            return
        name = bytes(found[0][0]).hex()
        kept = self.home / "vault" / name[:2] / name[2:]
        kept.rename(self.folder / "lost")
        answer = self.call(Role.AUDITOR, "POST", "/books/check", json={"with_files": True})
        if not any(one["differences"] for one in answer):
            raise Violation("a kept file is gone, and the check of the books does not miss it")
        words = (
            "--token-file",
            self._token_file(Role.ADMINISTRATOR),
            "acknowledge-books",
            "--reason",
            "it is being looked for",
        )
        self.relay.command(*words, accept=("nothing_to_acknowledge",))
        (self.folder / "lost").rename(kept)
        self.check_books()

    def _review_twice(self) -> None:
        self._review("accept")
        self._review("reject")

    def _review(self, decision: str) -> None:
        """Decide about an account whose holder has nearly the person's name."""
        found = self.rows(_NEARLY_THE_SAME, it=Outcome.NAME_CLOSE.value, said=f'%"{Outcome.NAME_CLOSE.value}"%')
        body = {"decision": decision, "reason": "the middle name is missing"}
        done_before = ("already_decided", "match_changed")
        self.call(Role.MAKER, "POST", f"/matching/reviews/{found[0][0]}", json=body, accept=done_before)

    def _pay_again(self, code: str, *names: str) -> None:
        path, again = f"/cycles/{code}/resubmissions", super()._pay_again

        def decline() -> list[str]:
            self.call(Role.MAKER, "POST", path, json={}, accept=("nothing_unpaid",))
            proposed = [one["end_to_end_id"] for one in self.call(Role.APPROVER, "GET", path)["proposals"]]
            if proposed:
                self.tell("decline to pay again")
                body = {"reason": "not before the bank was asked"}
                self.call(Role.APPROVER, "POST", f"{path}/refusal", json=body, accept=("nothing_proposed",))
            return proposed

        rounds: list[list[str]] = []
        self._often(lambda: rounds.append(decline()))

        def pay_again() -> None:
            # Some of them one by one, then the rest at once.
            self._for_each(rounds[0][:_TIMES], lambda name: again(code, name))
            again(code)

        self._over_again(pay_again)

    def _after_approval(self) -> None:
        self._back_up(self._backup)
        self._rehearse(partial(self.relay.tick_until, _ABOUT_TO_LEAVE))
        self._learn_of_doubles_in_sealed_files()
        self._fail_to_send()
        self._lost_on = self.luck.choice((0, *BANKING_DAYS))
        if self._lost_on == 0:
            for _ in range(self.luck.randrange(4)):
                self.relay.tick()
            self._lose_the_database()

    def _come_back_to_the_same_balance(self) -> None:
        """A bank that numbers no statements gives back what it took by mistake, and the statements of both days come
        last: nothing shows that they are missing, none of them fits alone, and they are believed together."""
        bank, line = next(
            (bank, line) for bank, line in zip(self.banks, self.lines, strict=True) if bank.profile.profile == "iso"
        )
        weather, line.weather = line.weather, CALM
        before = bank.misbehave({})
        bank.misbehave(_SPEAKS_CLEARLY | {"unnumbered_statements": True})
        days = [
            self._one_more_statement(bank, {**mistake, "truncated_statement": int(bool(mistake))})
            for mistake in ({}, {"strays": 1}, {"stray_reversals": 1}, {})
        ]
        for _ in range(2):
            self.relay.tick()
        for missing in days[1:3]:
            bank._post("/control/statement", {"date": missing, "kind": "reissue"})
        bank.misbehave({name: before[name] for name in _SPEAKS_CLEARLY} | {"unnumbered_statements": False})
        self._over_again(self.relay.tick)
        line.weather = weather

    def _one_more_statement(self, bank: MockBank, wishes: Lie) -> str:
        """Its next working day, on which it misbehaves in this way."""
        stated = "SELECT max(day) FROM statement"
        bank.misbehave(wishes)
        before = latest = bank_ledger(self, bank)(stated)[0][0]
        day = self.clock.now().astimezone(VIETNAM).date()
        while latest == before:
            day += timedelta(days=1)
            self.clock.set(max(self.clock.now(), moment(day, 22)))
            bank.run_day(day)
            latest = bank_ledger(self, bank)(stated)[0][0]
        return str(latest)

    def _hear_of_it(self) -> None:
        self._over_again(super()._hear_of_it)

    def _fail_to_send(self) -> None:
        """Hardly a connection comes about for a while; each attempt that fails is noted, or broken off before."""
        weather = [line.weather for line in self.lines]
        for line in self.lines:
            line.weather = _NO_WAY_OUT
        self._often(self.relay.tick)
        for line, before in zip(self.lines, weather, strict=True):
            line.weather = before

    def _after_banking(self, day: int) -> None:
        if day != BANKING_DAYS[-1]:
            self._pay_refused_ones_late()
        if day == self._lost_on:
            self._lose_the_database()
        if day == BANKING_DAYS[-1]:
            # By then a bank that said nothing is asked why.
            self.clock.advance(timedelta(days=4))
            self._over_again(self.relay.tick)
            self._record_letters()
            self.relay.tick()
            self._withdraw_the_nameless(self.one("SELECT max(code) FROM payment_cycle"))

    def _be_harmful(self, lies: Sequence[Lie]) -> None:
        super()._be_harmful(lies)
        for bank in self.banks:
            # Whom it refuses is paid again next month; some of them it pays late as well: while the second one is at
            # home, and when it has it.
            bank.misbehave({"reject_rate": 0.3, "reject": _REFUSED.get(bank.profile.profile, 0)})
            if bank.profile.profile == "post" and self.luck.random() < _NOTE_ALONE:
                bank.misbehave({"refuse_files": 1})  # by a note beside the file alone

    def _learn_of_doubles_in_sealed_files(self) -> None:
        """A bank is out of reach when its file is ready; then it is known that one in it was paid after all. What is
        known before anything left must not leave."""
        by_code = {bank.profile.code: (bank, line) for bank, line in zip(self.banks, self.lines, strict=True)}
        # Where a recall of what left all the same needs no person; half of them are left for that.
        found = [row for row in self.rows(_ABOUT_TO_BE_REPLACED) if by_code[row[3]][0].profile.profile == "iso"]
        chosen = found[: min(_PAID_LATE, (len(found) + 1) // 2)]
        if not chosen:
            return
        for line in self.lines:
            line.weather = Weather(lost=1.0)
        # A sender that dies or loses the database leaves it open what the bank has.
        self.relay.spared = (_SENDING,)
        self._break_commits(0.0)
        self.relay.tick()
        self.relay.spared = ()
        for line in self.lines:
            line.weather = CALM
        for code in {old_bank for _, old_bank, _, _ in chosen}:
            self._make_honest(by_code[code][0])
            by_code[code][0].misbehave({"settle_rejected": [old for old, bank, _, _ in chosen if bank == code]})
        day = self.clock.now().astimezone(VIETNAM).date() + timedelta(days=1)
        while day.weekday() >= _SATURDAY:
            day += timedelta(days=1)
        self.let_banks_work(day)
        for verb in ("collect-returns", "reconcile-returns"):
            self.relay.command("--token-file", self._token_file(Role.BANK_OPERATOR), verb)
        doubles = [new for _, _, new, _ in chosen if self.rows(_DOUBLES_AT_HOME, name=new)]
        self.losses.doubles_at_home += len(doubles)
        self.tell(f"paid after all while the file with the second payment was at home: {doubles}")
        for _ in range(2):
            self.relay.tick()
        for name in doubles:
            state = self.one("SELECT state FROM instruction WHERE end_to_end_id = :name", name=name)
            if state not in ("PLANNED", "BATCHED"):
                raise Violation(f"{name} left although it was known that the one in whose place it is was paid")

    def _pay_refused_ones_late(self) -> None:
        """Banks pay what they had refused and what was paid again: the later payment is recalled. Where a person
        would have to ask for that, it comes back by itself."""
        refused = {
            name
            for bank in self.banks
            for (name,) in bank_ledger(self, bank)("SELECT end_to_end_id FROM payment WHERE state = 'rejected'")
        }
        by_code = {bank.profile.code: bank for bank in self.banks}
        late: dict[str, list[str]] = {}
        returned: dict[str, list[str]] = {}
        for old, old_bank, new, new_bank in self.rows(_REPLACED):
            if old in refused and len(late.get(old_bank, ())) < _PAID_LATE:
                self.tell(f"{old_bank} pays {old} after all, beside {new} of {new_bank}")
                late.setdefault(old_bank, []).append(old)
                if by_code[new_bank].profile.profile != "iso":
                    returned.setdefault(new_bank, []).append(new)
        for code, names in late.items():
            by_code[code].misbehave({"settle_rejected": names})
        for code, names in returned.items():
            by_code[code].misbehave({"late_returns": names, "late_after_days": _COMES_BACK})

    def _publish(self, code: str) -> Path:
        self.relay.violence = self.harm.violence
        reports: list[Path] = []
        publish_one = super()._publish

        def publish() -> None:
            self.clock.advance(timedelta(minutes=1))
            reports.append(publish_one(code))

        self._often(publish)
        self.relay.calm_down()
        return reports[-1]

    # --------------------------------------------------------------------- the disaster

    def _back_up(self, backup: Path) -> None:
        """Into the same folder again and again: it holds one whole backup at any time."""
        words = ("--token-file", self._token_file(Role.ADMINISTRATOR), "backup", str(backup))
        self._often(lambda: self.relay.command(*words))
        self.losses.backups += 1
        self.tell("backed up")

    def _lose_the_database(self, backup: Path | None = None) -> None:
        """The database is gone; this backup (the month's) is put back, and two officers account for what left since."""
        self.tell("the database is lost")
        self._left_before |= super().noted()
        self._is_whole = False
        self._often(partial(self._put_back, backup or self._backup))
        held = self._all_held()
        self.relay.tick()
        if self._all_held() != held:
            raise Violation("something was sent from a database that was put back and not recovered")
        words = ("--token-file", self._token_file(Role.ADMINISTRATOR), "recover")
        approver = ("--approver-token-file", self._token_file(Role.APPROVER))
        self.relay.command(*words, *approver, accept=("nothing_to_recover",))
        self._is_whole = True
        self.losses.restored += 1
        self.tell("recovered")

    def _put_back(self, backup: Path) -> None:
        self.let_go()
        destroy(self.database_url)
        self.relay.command("restore", str(backup))
        self.let_go()

    def _all_held(self) -> Mapping[str, frozenset[str]]:
        return {bank.profile.code: frozenset(self.held(bank)) for bank in self.banks}

    @property
    def _backup(self) -> Path:
        return self.folder / "backup"

    def _token_file(self, role: Role) -> str:
        """Path of a file with this officer's token, as it is today."""
        path = self.folder / f"{role.value}.token"
        path.write_text(self.tokens[role.value])
        return str(path)

    # ------------------------------------------------------------------------ its books

    def look_around(self) -> None:
        """As in other worlds; nothing while there is no database that may be written to."""
        if self._is_whole:
            super().look_around()

    def noted(self) -> set[tuple[str, str]]:
        """With what had left before a loss: requests to take payments back are in no journal."""
        return super().noted() | self._left_before

    def unsettled(self) -> str:
        """As in other worlds; but an answer to a request that was forgotten with a lost database stays parked."""
        problem = super().unsettled()
        if not problem.endswith("files parked") or not self.losses.restored:
            return problem
        reasons = {reason for (reason,) in self.rows("SELECT reason_code FROM inbound_file WHERE state = 'PARKED'")}
        return problem if reasons - {"recall_unknown"} else ""

    def require_agreement(self, code: str, report: Path | None = None) -> None:
        super().require_agreement(code, report)
        held = {(bank.profile.code, name) for bank in self.banks for name in self.held(bank)}
        forgotten = (held & self._left_before) - super().noted()
        if forgotten:
            self.tell(f"in no row: {sorted(forgotten)}")
        self.losses.forgotten = len(forgotten)
