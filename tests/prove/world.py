"""A small province, its office and its three banks, month after month, whatever is killed meanwhile."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from paysvc.clock import VIETNAM
from paysvc.config import read_settings
from paysvc.demo.banks import PROFILES, BankProfile, MockBank, mock_banks
from paysvc.domain.errors import PaysvcError
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import open_or_create_sealer
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.manage_schedules import set_schedule
from paysvc.services.set_rules import set_rules
from paysvc.signing import open_or_create_signer
from paysvc.store import schema
from paysvc.store.vault import Vault
from paysvc.wiring import Wiring, wire

from . import bugs, published
from .attacks import refused_by_the_database
from .audit import Books, audit, paid_twice, read_books
from .chores import CHORES
from .crew import Crew, NotDone, Tally
from .database_line import DatabaseLine
from .databases import reader_of
from .gateway import Gateway, bring_again
from .lies import ABOUT_BOOKINGS, ABOUT_FILES, HONEST, Lie, draw_lie, for_bank
from .line import CALM, Line, Weather
from .people import RULES, Person, draw_people, files_of
from .shared_clock import SharedClock

FIRST_MONTH = (2026, 12)
#: Lists are drawn before the 25th of the month before.
FIRST_DAY = date(2026, 11, 19)
OPENING_VND = 10**12

#: Days of the month up to which the banks work, one after the other.
BANKING_DAYS = (5, 9, 19)

#: Nothing may take longer than this to come to rest once the faults are over, in seconds.
QUIET_LIMIT = 30.0

#: How likely the line to the database breaks at a COMMIT, in a storm: half of the time the answer alone is lost.
_LOST_COMMITS = (0.01, 0.05)

_STORM = (
    CALM,
    Weather(lost=0.1, delay=0.01),
    Weather(lost=0.3, cut=0.1),
    Weather(cut=0.3),
    Weather(silenced=0.3),
    Weather(lost=0.1, cut=0.2, silenced=0.2, delay=0.02),
    Weather(repeated=0.5),
    Weather(lost=0.2, cut=0.1, silenced=0.2, delay=0.01, repeated=0.5),
)

#: Files that a bank took, and of none of whose payments it has said a word.
_WITHOUT_A_WORD = (
    "SELECT f.name FROM bank_file f JOIN batch b ON b.id = f.batch_id WHERE f.bank_code = :code AND b.state = 'SENT'"
    " AND NOT EXISTS (SELECT 1 FROM instruction i WHERE i.batch_id = b.id"
    " AND (i.state <> 'SENT' OR i.best_status <> ''))"
)
_IN_SILENCE = "without a word"


@dataclass(frozen=True, slots=True)
class Harm:
    """How rough it is: how likely a process is killed, the lines fail and the banks misbehave, 0 to 1.

    `quiet_seconds` is how long everything may take to come to rest afterwards. `enough` is how often somebody
    is killed at each place of a drill before it is left out at times.
    """

    violence: float = 0.7
    storms: float = 0.6
    lies: float = 0.7
    most_offices: int = 2
    quiet_seconds: float = QUIET_LIMIT
    #: No bank ever answers to a file that it took.
    is_deaf: bool = False
    enough: int = 25

    def times(self, factor: float) -> Harm:
        """As rough as this, so many times."""
        rough = {name: min(1.0, getattr(self, name) * factor) for name in ("violence", "storms", "lies")}
        return replace(self, **rough)


PEACE = Harm(0.0, 0.0, 0.0, 1)
#: Every acknowledgement is lost and nothing else goes wrong, so no file may come a second time.
DEAF = Harm(0.0, 0.0, 0.0, 1, is_deaf=True)


class Violation(AssertionError):
    """Something that must never be. The text says what, and of which world."""


@contextmanager
def world(
    folder: Path,
    database_url: str,
    seed: int,
    tally: Tally,
    harm: Harm = Harm(),
    bug: str = "",
    people: int = 14,
    profiles: Sequence[BankProfile] = PROFILES,
    first_day: date = FIRST_DAY,
    kind: type[World] | None = None,
) -> Iterator[World]:
    """A province with its banks running and its office set up; `kind` is how it lives (`World`)."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        banks = stack.enter_context(mock_banks(folder / "banks", seed, first_day, OPENING_VND, profiles))
        made = (kind or World)(folder, database_url, seed, tally, harm, bug, banks, people)
        made.clock.set(moment(first_day, 9))
        stack.callback(made.close)
        made.settle_in()
        yield made


class World:
    """One province. `story` is what happened, for whoever has to explain a violation."""

    crew_type: type[Crew] = Crew
    #: How often a request is made before it is given up.
    most_attempts = 200
    #: So many payments in one file, at most.
    most_payments = 1000

    def __init__(
        self, folder: Path, database_url: str, seed: int, tally: Tally, harm: Harm, bug: str,
        banks: Sequence[MockBank], people: int,
    ) -> None:  # fmt: skip
        self.folder, self.home, self.seed = folder, folder / "office", seed
        self.database_url = database_url
        self.tally, self.harm = tally, harm
        self.luck = random.Random(seed)
        self.banks = banks
        self.gateways = {
            bank.profile.code: Gateway(self.premises(bank), bank.ready["port"], random.Random(seed))
            for bank in banks
            if bank.profile.profile == "delimited"
        }
        doors = [self.gateways.get(bank.profile.code) for bank in banks]
        self.lines = [
            Line(door.port if door else bank.ready["port"], random.Random(self.luck.random()))
            for door, bank in zip(doors, banks, strict=True)
        ]
        #: Files that were brought to an SFTP bank once more.
        self.brought_again = 0
        self.clock = SharedClock(folder / "clock", start=moment(FIRST_DAY, 9))
        self.home.mkdir(mode=0o700)
        #: Between the office and a server that is its database; None when the database is a file.
        self.database_line = _line_to(database_url)
        self.crew = self.crew_type(
            self.home, self._url_of_the_office(), self.clock, folder / "clock", self.luck, tally, bug, self.look_around
        )
        self.people: list[Person] = []
        self._first_people = people
        self.tokens: dict[str, str] = {}
        self._tokens_until = datetime(2000, 1, 1, tzinfo=UTC)
        self.story: list[str] = []
        self.faults = 0
        self._keys = 0
        self._whole_files: set[str] = set()
        self._engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
        self._at_once = ThreadPoolExecutor(len(banks))

    def close(self) -> None:
        self.crew.close()
        self._at_once.shutdown()
        for line in self.lines:
            line.close()
        for gateway in self.gateways.values():
            gateway.close()
        if self.database_line:
            self.database_line.close()
        self._engine.dispose()
        self.clock.close()

    def premises(self, bank: MockBank) -> Path:
        """Where a bank lives: its `files` and its `ledger.sqlite`."""
        return self.folder / "banks" / bank.profile.code.lower()

    def _url_of_the_office(self) -> str:
        """The database as the office's processes reach it; whoever proves reaches it directly."""
        if not self.database_line:
            return self.database_url
        url = make_url(self.database_url).set(port=self.database_line.port)
        return url.render_as_string(hide_password=False)

    def let_go(self) -> None:
        """Hold no connection of our own to the office's database."""
        self._engine.dispose()

    def tell(self, what: str) -> None:
        """Note what happened, with the office's time."""
        self.story.append(f"{self.clock.now():%Y-%m-%d %H:%M} {what}")

    # ----------------------------------------------------------------------- the office

    def settle_in(self) -> None:
        """What an administrator does once: schema, rules, officers, schedules, banks."""
        texts = [
            # Short patience: a bank that is silent on this machine stays silent.
            bank.toml().replace(str(bank.ready["port"]), str(line.port))
            + f'timeout = "4"\nmax_payments = "{self.most_payments}"\n'
            for bank, line in zip(self.banks, self.lines, strict=True)
        ]
        (self.home / "banks.toml").write_text("\n".join(texts), encoding="utf-8")
        for bank in self.banks:
            self._make_honest(bank)
        self._open()
        with self._wired() as wiring:
            bugs.damage(wiring.database.engine, self.crew.bug)
            chief = add_officer(
                wiring.database, wiring.clock, FIRST_START, officer_id="administrator", role=Role.ADMINISTRATOR
            )
            for role in (Role.MAKER, Role.APPROVER, Role.BANK_OPERATOR, Role.AUDITOR):
                add_officer(wiring.database, wiring.clock, chief, officer_id=role.value, role=role)
            set_rules(wiring.database, wiring.clock, chief, name="rules.toml", content=RULES.encode())
            for verb in ("submit-batches", "collect-returns", "reconcile-returns", "recall-payments"):
                every = timedelta(minutes=1)
                set_schedule(wiring.database, wiring.clock, chief, schedule_id=verb, verb=verb, every=every)

    def _open(self) -> None:
        """The first start: folders, keys, tables."""
        with self._wired() as wiring:
            schema.upgrade(wiring.database)

    @contextmanager
    def _wired(self) -> Iterator[Wiring]:
        wiring = wire(read_settings(home=self.home, database_url=self.database_url), self.clock)
        try:
            yield wiring
        finally:
            wiring.close()

    def _renew_tokens(self) -> None:
        if self.clock.now() < self._tokens_until:
            return
        chief = Officer("administrator", Role.ADMINISTRATOR)
        with self._wired() as wiring:
            for role in (Role.ADMINISTRATOR, Role.MAKER, Role.APPROVER, Role.BANK_OPERATOR, Role.AUDITOR):
                self.tokens[role.value] = create_token(
                    wiring.database, wiring.clock, chief, officer_id=role.value, days=366
                )
        self._tokens_until = self.clock.now() + timedelta(days=300)

    def call(self, role: Role, method: str, path: str, *, accept: Sequence[str] = (), **more: Any) -> Any:
        """A request of an officer, repeated with the same key until there is an answer.

        `accept` are codes of refusals that say that it was done before. Raises `Violation` for another refusal.
        """
        self._keys += 1
        headers = {"Idempotency-Key": f"key-{self.seed}-{self._keys}", **more.pop("headers", {})}
        problem = ""
        self.crew.look()
        self.crew.arm()
        for _ in range(self.most_attempts):
            answer = self.crew.ask(self.tokens[role.value], method, path, headers=dict(headers), **more)
            if answer is None or answer.status_code >= 500:
                continue  # lost, or an error of the disk: asked again under the same key
            if answer.status_code < 300:
                return answer.json() if answer.content[:1] in (b"{", b"[") else {}
            problem = str(answer.json().get("code", answer.status_code))
            if problem == "request_at_work":
                self.clock.advance(timedelta(minutes=31))
                continue
            if problem in accept:
                return answer.json() | {"refused": problem}
            raise Violation(f"{method} {path} was refused: {answer.text}")
        raise NotDone(f"{method} {path} got no answer ({problem})")

    # ------------------------------------------------------------------------- a month

    def month(self, year: int, month: int) -> None:
        """Everything of one month; at its end all books agree, or `Violation` says which do not."""
        broken_before = self._lines_broken()
        code = f"{year}-{month:02d}"
        self.clock.set(max(self.clock.now(), moment(date(year, month, 1) - timedelta(days=12), 9)))
        self._renew_tokens()
        self._be_harmful(ABOUT_FILES)
        if (before := self.one("SELECT max(code) FROM payment_cycle")) is not None:
            self._pay_again(before)
        self.tell(f"plan {code}")
        self._plan(code)
        self._after_approval()
        for _ in range(3):
            self.crew.tick()
        for day in BANKING_DAYS:
            self._be_harmful(ABOUT_BOOKINGS)
            self.let_banks_work(date(year, month, day))
            self._hear_of_it()
            self._after_banking(day)
        self._come_to_rest(date(year, month, BANKING_DAYS[-1]))
        if not self.one("SELECT count(*) FROM run WHERE state = 'DONE'"):
            raise Violation("no slot of the scheduler is recorded as done")
        report = self._publish(code)
        self.check_books()
        self.faults += self._lines_broken() - broken_before
        self.require_agreement(code, report)

    def _register(self, people: Sequence[Person], lists: str) -> None:
        """Take these people's lists in, under names with `lists` in them, and match everybody."""
        for kind, content in files_of(people).items():
            query = {"kind": kind, "name": f"{kind}-{lists}.csv"}
            self.call(Role.MAKER, "POST", "/registry/imports", params=query, content=content)
        self.call(Role.MAKER, "POST", "/matching/runs")

    def _after_matching(self, code: str) -> None:
        """What this kind of world does when this month's people are matched and not planned yet."""

    def _after_approval(self) -> None:
        """What this kind of world does when a plan is approved and nothing of it has left."""

    def _hear_of_it(self) -> None:
        """The office collects and takes what the banks said."""
        for _ in range(2):
            self.crew.tick()

    def _after_banking(self, day: int) -> None:
        """What it does when the banks have worked up to this day of the month and the office has heard of it."""

    def _be_harmful(self, lies: Sequence[Lie]) -> None:
        """Draw what goes wrong until this is called again, with lies that may show now."""
        harm, luck = self.harm, self.luck
        self.crew.violence = harm.violence
        self.crew.size = luck.randint(1, harm.most_offices)
        for line, bank in zip(self.lines, self.banks, strict=True):
            line.weather = luck.choice(_STORM) if luck.random() < harm.storms else CALM
            if luck.random() < harm.lies:
                lie = draw_lie(luck, self.tally.lies_told, bank, lies)
                bank.misbehave(lie)
                self.tell(f"{bank.profile.code}: {lie} {line.weather}")
            elif line.weather is not CALM:
                self.tell(f"{bank.profile.code}: {line.weather}")
        if self.database_line:
            self._break_commits(luck.choice(_LOST_COMMITS) if luck.random() < harm.storms else 0.0)
        self._repeat()

    def _break_commits(self, share: float) -> None:
        """The line to the database breaks at so many COMMITs; nothing where the database is a file."""
        if self.database_line:
            self.database_line.roughness = share

    def _lines_broken(self) -> int:
        """How often a line broke, to a bank or to the database."""
        return sum(line.faults for line in self.lines) + (self.database_line.losses if self.database_line else 0)

    def _repeat(self) -> None:
        """What the banks were brought they are brought again, as likely as the weather has it."""
        for line, bank in zip(self.lines, self.banks, strict=True):
            share = line.weather.repeated
            gateway = self.gateways.get(bank.profile.code)
            if gateway is not None:
                gateway.share = share
                gateway.say_what_is_late()
            elif share:
                put_away = sorted((self.premises(bank) / "files" / "archive").iterdir())
                again = [path for path in put_away if self.luck.random() < share]
                if again:
                    self.brought_again += bring_again(bank.ready, again)
                    self.tell(f"{bank.profile.code} is brought {len(again)} files again")

    def _make_honest(self, bank: MockBank) -> None:
        bank.misbehave(for_bank(bank, HONEST) | ({"drop_ack": True} if self.harm.is_deaf else {}))

    def _damaged(self) -> list[str]:
        """Kept files that stand under their own names and are not whole; each is read once."""
        vault = Vault(self.home / "vault", open_or_create_sealer(self.home / "keys.json"))
        names = {path.parent.name + path.name for path in vault.folder.glob("*/*") if path.suffix != ".tmp"}
        found = []
        for name in sorted(names - self._whole_files):
            try:
                vault.get(bytes.fromhex(name))
                self._whole_files.add(name)
            except PaysvcError as failure:
                found.append(f"the kept file {name[:16]} is there and cannot be read: {failure.code}")
        return found

    def _repeated(self) -> dict[tuple[str, str], int]:
        return {file: count for file, count in self.arrivals().items() if count > 1}

    def arrivals(self) -> Counter[tuple[str, str]]:
        """(bank, name) of each file -> how often it was brought there, as the banks noted it."""
        noted = {bank.profile.code: self.premises(bank) / "arrivals" for bank in self.banks}
        return Counter(
            (code, name) for code, path in noted.items() if path.exists() for name in path.read_text().splitlines()
        )

    def _plan(self, code: str) -> None:
        new = self._newcomers(code)
        self.people += new
        self._register(new, code)
        self._after_matching(code)
        self._deposit(code)
        self._draw_the_plan(code)
        lets_be = refused_by_the_database(self._engine)
        if lets_be:
            raise Violation(lets_be[0])
        self.call(Role.MAKER, "POST", f"/cycles/{code}/submission", accept=("cycle_not_draft",))
        self._chores(code)
        self._approve(code)

    def _deposit(self, code: str, number: int = 1) -> None:
        """Money for this month, under a reference with this number."""
        money = {"amount_vnd": sum(one.amount_vnd for one in self.people) * 3, "reference": f"{code}/KB{number}"}
        self.call(Role.ADMINISTRATOR, "POST", "/funds/NS/deposits", json=money)

    def _draw_the_plan(self, code: str) -> None:
        body = {"cycle_code": code, "programme_codes": ["TRO-CAP", "CO-CONG"], "periods": [code]}
        self.call(Role.MAKER, "POST", "/cycles", json=body)

    def _approve(self, code: str) -> None:
        digest = self.one("SELECT content_sha256 FROM payment_cycle WHERE code = :code", code=code)
        approval = {"content_sha256": bytes(digest).hex()}
        self.call(Role.APPROVER, "POST", f"/cycles/{code}/approval", json=approval, accept=("cycle_not_submitted",))

    def _newcomers(self, code: str) -> list[Person]:
        """Who is due from this month on."""
        count = self.luck.randint(1, 3) if self.people else self._first_people
        return draw_people(self.luck, count, code, len(self.people))

    def _pay_again(self, code: str, *names: str) -> None:
        """Whom a bank did not pay in that month's cycle is proposed by one officer, and approved by another; with
        `names` these payments alone."""
        path = f"/cycles/{code}/resubmissions"
        body = {"end_to_end_ids": list(names)} if names else {}
        self.call(Role.MAKER, "POST", path, json=body, accept=("nothing_unpaid",))
        proposed = self.call(Role.APPROVER, "GET", path)
        if proposed["proposals"]:
            self.tell(f"pay {len(proposed['proposals'])} again")
            approval = {"content_sha256": proposed["content_sha256"]}
            self.call(
                Role.APPROVER, "POST", f"{path}/approval", json=approval, accept=("content_changed", "nothing_proposed")
            )

    def _chores(self, code: str) -> None:
        """What else people do in an office, one of them this month."""
        self.luck.choice(CHORES)(self, code)

    def check_books(self) -> None:
        for one in self.call(Role.AUDITOR, "POST", "/books/check", json={"with_files": True}):
            if one["differences"]:
                raise Violation(f"the books differ: {one['equation']}: {one['differences'][:3]}")

    def let_banks_work(self, day: date) -> None:
        """All banks work up to that day, whose evening it then is."""
        self.clock.set(max(self.clock.now(), moment(day, 22)))
        self.tell(f"banks work up to {day}")
        list(self._at_once.map(lambda bank: bank.run_day(day), self.banks))

    def _publish(self, code: str) -> Path:
        """Publish the month's report; its folder."""
        as_of = self.clock.now().astimezone(VIETNAM).isoformat()
        answer = self.call(Role.AUDITOR, "POST", "/reports", json={"cycle_code": code, "as_of": as_of})
        return self.home / "reports" / str(answer["folder_name"])

    def _come_to_rest(self, day: date) -> None:
        """The faults are over; everything has to be settled within the limit. Raises `Violation`."""
        self._repeat()
        for line in self.lines:
            line.weather = CALM
        self._break_commits(0.0)
        self._repeat()
        for bank in self.banks:
            self._make_honest(bank)
        self.tell("calm")
        self.crew.calm_down()
        start = time.monotonic()
        while problem := self.unsettled():
            if time.monotonic() - start > self.harm.quiet_seconds:
                raise Violation(f"not at rest {self.harm.quiet_seconds:.0f} s after the last fault: {problem}")
            # A bank that refused a file without a word is asked about it after some days.
            self.crew.tick(timedelta(days=4) if _IN_SILENCE in problem else timedelta(minutes=1))
            # What was brought after the bank closed its day is taken and answered all the same.
            list(self._at_once.map(lambda bank: bank.run_day(day), self.banks))
        self.tally.longest_rest = max(self.tally.longest_rest, time.monotonic() - start)

    def unsettled(self) -> str:
        """What is still under way, or ""."""
        under_way = self.one(
            "SELECT count(*) FROM batch WHERE state NOT IN ('SENT', 'REFUSED', 'DISSOLVED')"
        ) + self.one("SELECT count(*) FROM payment_cycle WHERE state = 'APPROVED'")
        if under_way:
            return f"{under_way} batches or plans"
        recalls = self.one("SELECT count(*) FROM recall WHERE state IN ('SEALED', 'SENDING', 'UNKNOWN')")
        if recalls:
            return f"{recalls} recalls"
        waiting = self.one("SELECT count(*) FROM inbound_file WHERE state = 'STORED'")
        if waiting:
            return f"{waiting} files not decided"
        for bank in self.banks:
            code = bank.profile.code
            ledger = bank_ledger(self, bank)
            place = self.premises(bank) / "files"
            if any((place / "inbox").iterdir()):
                return f"files in the inbox of {code}"
            refused = {path.name.removesuffix(".reason") for path in (place / "refused").iterdir()}
            unheard = refused & {row[0] for row in self.rows(_WITHOUT_A_WORD, code=code)}
            if unheard:
                return f"{len(unheard)} files that {code} refused {_IN_SILENCE}"
            fetched = {row[0] for row in self.rows("SELECT name FROM fetched_name WHERE bank_code = :code", code=code)}
            out = {name for (name,) in ledger("SELECT name FROM outbox")}
            if out - fetched:
                return f"{len(out - fetched)} files of {code} not fetched"
            # A statement that was not believed is asked for anew, as an operator would.
            days = {
                str(row[0])
                for row in self.rows("SELECT to_date FROM bank_statement WHERE bank_code = :code", code=code)
            }
            missing = [day for (day,) in ledger("SELECT day FROM statement ORDER BY day") if day not in days]
            for day in missing:
                answer = bank._post("/control/statement", {"date": day, "kind": "reissue"})
                self.tell(f"{code} states {day} again: {answer['files']}")
            if missing:
                return f"{len(missing)} statements of {code} not believed"
            # Parked files may wait for those; with every statement here nothing has to wait.
        waiting = self.one("SELECT count(*) FROM inbound_file WHERE state = 'PARKED'")
        return f"{waiting} files parked" if waiting else ""

    # ------------------------------------------------------------------------ its books

    def books(self) -> Books:
        return read_books(self.rows, self._ledgers(), self.home)

    def _ledgers(self) -> dict[str, Callable[[str], list[Any]]]:
        return {bank.profile.code: bank_ledger(self, bank) for bank in self.banks}

    def require_agreement(self, code: str, report: Path | None = None) -> None:
        """All books of this month; `report` is the folder of one that was published when all was at rest."""
        books = self.books()
        found = audit(books, self.people, code) + refused_by_the_database(self._engine)
        public_pem = open_or_create_signer(read_settings(home=self.home).signing_key_file).public_pem
        for folder in sorted((self.home / "reports").glob(f"{code}-*")):
            found += published.verified(folder, public_pem)
        if report is not None:
            found += published.differences(report, code, books)
        if self.harm.is_deaf and not self.harm.violence:
            found += [f"{bank} was brought {name} {count} times" for (bank, name), count in self._repeated().items()]
        if found:
            raise Violation("; ".join(found[:5]))

    def noted(self) -> set[tuple[str, str]]:
        """Bank and name of every file of ours of which the rows say that it may have left."""
        return {
            (code, name)
            for code, name in self.rows(
                "SELECT f.bank_code, f.name FROM bank_file f JOIN send_attempt a ON a.bank_file_id = f.id"
                " UNION SELECT r.bank_code, r.name FROM recall r JOIN recall_attempt a ON a.recall_id = r.id"
                " UNION SELECT bank_code, name FROM lost_file"
            )
        }

    def held(self, bank: MockBank) -> set[str]:
        """The names of all whole files that a bank has or had from us, but those it refused."""
        place = self.premises(bank) / "files"
        found = {path.name for room in ("inbox", "archive") for path in (place / room).glob("*")}
        return {name for name in found if not name.endswith(".part") and not name.startswith(".")}

    def look_around(self) -> None:
        """What has to be true at any moment, and above all just after somebody was killed."""
        noted = self.noted()
        for bank in self.banks:
            strangers = self.held(bank) - {name for code, name in noted if code == bank.profile.code}
            if strangers:
                raise Violation(f"{bank.profile.code} holds {min(strangers)}, of which no sending was noted")
        if damaged := self._damaged():
            raise Violation(damaged[0])
        if total := self.one("SELECT COALESCE(SUM(amount_vnd), 0) FROM posting"):
            raise Violation(f"the ledger sums to {total}")
        if twice := paid_twice(self.rows, self._ledgers()):
            raise Violation(twice[0])

    def rows(self, query: str, **values: object) -> list[Any]:
        """Read the office's database directly, as nothing of the service does."""
        with self._engine.connect() as connection:
            return list(connection.execute(text(query), values).all())

    def one(self, query: str, **values: object) -> Any:
        return self.rows(query, **values)[0][0]


def bank_ledger(world: World, bank: MockBank) -> Callable[[str], list[Any]]:
    """Answers queries of a bank's own books."""
    return reader_of(world.premises(bank) / "ledger.sqlite")


def _line_to(database_url: str) -> DatabaseLine | None:
    port = make_url(database_url).port
    return DatabaseLine(port) if port else None


def moment(day: date, hour: int) -> datetime:
    return datetime.combine(day, time_of_day(hour), tzinfo=VIETNAM).astimezone(UTC)


def months(count: int) -> Iterator[tuple[int, int]]:
    """The first `count` months: (year, month)."""
    year, month = FIRST_MONTH
    for _ in range(count):
        yield year, month
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
