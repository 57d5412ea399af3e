"""A month from end to end, through the same services that the API and the commands call.

The clock is set, not the machine's: the month is December 2026, so every run with one seed
does the same thing on the same days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from paysvc.clock import VIETNAM, FixedClock
from paysvc.config import Settings, read_settings
from paysvc.demo.banks import MockBank, mock_banks
from paysvc.demo.province import Province, write_province
from paysvc.demo.stages import Stages
from paysvc.domain.errors import DoesNotReconcile, SignatureInvalid
from paysvc.domain.matching import Outcome as Match
from paysvc.domain.officers import Officer, Role
from paysvc.domain.registry import ImportKind
from paysvc.domain.submission import Submission
from paysvc.services.approve_plan import approve_plan, submit_plan
from paysvc.services.collect_returns import collect_returns
from paysvc.services.deposit_fund import deposit_fund
from paysvc.services.import_registry import ImportResult, import_registry
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.match_accounts import MatchResult, match_accounts
from paysvc.services.plan_payments import PlanResult, plan_payments
from paysvc.services.publish_report import PublishedReport, publish_report
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.services.set_rules import set_rules
from paysvc.services.submit_batches import submit_batches
from paysvc.store import cycles, schema
from paysvc.store.outcomes import CycleOutcomes, outcomes_of_cycle
from paysvc.verify_report import verify_report
from paysvc.wiring import Wiring, wire

CYCLE = "2026-12"
PROGRAMMES = ("BTXH", "HTXH", "NCC")

#: The list is drawn before the 25th (Decree 20/2021, Article 34); files leave on the 3rd.
LIST_DAY = date(2026, 11, 23)
SENDING_DAY = date(2026, 12, 3)
FIRST_BANKING_DAY = date(2026, 12, 1)
#: Returns come up to five working days after the value date, 7 December.
LAST_BANKING_DAY = date(2026, 12, 14)
REPORT_DAY = date(2026, 12, 15)

#: Enough for everybody; a fund that is short is a test of its own.
_PER_PERSON_VND = 4_000_000

#: By this setting a database is known to hold nothing but a demo.
_MARK = "demo"


@dataclass(frozen=True, slots=True)
class Month:
    """What the demo did, for the table at its end."""

    province: Province
    imports: Mapping[str, ImportResult]
    matching: MatchResult
    plan: PlanResult
    submission: Submission
    outcomes: CycleOutcomes
    report: PublishedReport
    banks: Sequence[Mapping[str, Any]]
    tokens: Mapping[str, str]
    stages: Stages


class _Desk:
    """The office of the demo: its installation, its clock, its officers."""

    def __init__(self, wiring: Wiring, clock: FixedClock, stages: Stages) -> None:
        self.wiring, self.clock, self.stages = wiring, clock, stages
        self.officers: dict[Role, Officer] = {}
        self.tokens: dict[str, str] = {}

    def at(self, day: date, hour: int = 9) -> None:
        self.clock.set(datetime.combine(day, time(hour), tzinfo=VIETNAM).astimezone(UTC))


def run_month(folder: Path, people: int, seed: int, database_url: str | None, stages: Stages) -> Month:
    """Make the province, pay it, reconcile it, sign and verify the report.

    `folder` is empty; afterwards it holds `files/`, `office/` (the installation), `banks/`
    and `report/`. Raises `DoesNotReconcile` when our books and the banks' do not agree.
    """
    clock = FixedClock(datetime(2026, 11, 20, 1, 0, tzinfo=UTC))
    with stages.stage("Make the province's files"):
        province = write_province(folder / "files", people, seed, read_rules())
    opening_vnd = people * _PER_PERSON_VND
    with mock_banks(folder / "banks", seed, FIRST_BANKING_DAY, opening_vnd) as banks:
        settings = _settle_in(folder / "office", database_url, banks)
        wiring = wire(settings, clock)
        try:
            schema.start_afresh(wiring.database, _MARK)
            desk = _Desk(wiring, clock, stages)
            return _work(desk, folder, province, banks, opening_vnd)
        finally:
            wiring.close()


def read_rules() -> str:
    """The example rules: of the installed package, or of the checkout's documentation."""
    here = Path(__file__).parent
    installed = here / "rules.toml"
    path = installed if installed.exists() else here.parents[1] / "docs/examples/nghe-an-rules.toml"
    return path.read_text(encoding="utf-8")


def _settle_in(home: Path, database_url: str | None, banks: Sequence[MockBank]) -> Settings:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "banks.toml").write_text("\n".join(bank.toml() for bank in banks), encoding="utf-8")
    return read_settings(home, database_url)


def _work(desk: _Desk, folder: Path, province: Province, banks: Sequence[MockBank], opening_vnd: int) -> Month:
    _hire(desk)
    _set_up(desk, province, opening_vnd)
    imports = _import(desk, province)
    wiring, clock = desk.wiring, desk.clock
    with desk.stages.stage("Match accounts") as progress:
        matching = match_accounts(wiring.database, wiring.sealer, clock, desk.officers[Role.MAKER], progress=progress)
    plan = _plan(desk)
    desk.at(SENDING_DAY)
    with desk.stages.stage("Write and send bank files") as progress:
        submission = submit_batches(
            wiring.database,
            wiring.sealer,
            wiring.vault,
            wiring.banks,
            clock,
            desk.officers[Role.APPROVER],
            cycle_code=CYCLE,
            progress=progress,
        )
    _let_banks_work(desk, banks)
    outcomes = _outcomes(desk)
    books = [{"bank": bank.profile.code, "name": bank.profile.name, **bank.ledger()} for bank in banks]
    _compare(outcomes, books)
    report = _publish(desk, folder / "report")
    return Month(province, imports, matching, plan, submission, outcomes, report, books, desk.tokens, desk.stages)


def _hire(desk: _Desk) -> None:
    """One officer per role, each with a token for whoever wants to look at the result."""
    database, clock = desk.wiring.database, desk.clock
    chief = add_officer(database, clock, FIRST_START, officer_id="administrator", role=Role.ADMINISTRATOR)
    desk.officers[Role.ADMINISTRATOR] = chief
    for role in (Role.MAKER, Role.APPROVER, Role.BANK_OPERATOR, Role.AUDITOR):
        desk.officers[role] = add_officer(database, clock, chief, officer_id=role.value, role=role)
    for officer in desk.officers.values():
        token = create_token(database, clock, chief, officer_id=officer.officer_id, days=366)
        desk.tokens[officer.officer_id] = token


def _set_up(desk: _Desk, province: Province, opening_vnd: int) -> None:
    chief, database = desk.officers[Role.ADMINISTRATOR], desk.wiring.database
    content = province.rules.read_bytes()
    set_rules(database, desk.clock, chief, name=province.rules.name, content=content)
    for fund in ("NS-ASXH", "NS-NCC"):
        deposit_fund(database, desk.clock, chief, fund_code=fund, amount_vnd=opening_vnd, reference="2026-12/KB-01")


def _import(desk: _Desk, province: Province) -> dict[str, ImportResult]:
    results = {}
    kinds = (
        (ImportKind.BENEFICIARIES, province.beneficiaries),
        (ImportKind.ACCOUNTS, province.accounts),
        (ImportKind.POPULATION, province.population),
    )
    for kind, paths in kinds:
        for path in paths:
            with desk.stages.stage(f"Import {kind.value}") as progress:
                results[path.name] = import_registry(
                    desk.wiring.database,
                    desk.wiring.sealer,
                    desk.wiring.vault,
                    desk.clock,
                    desk.officers[Role.MAKER],
                    kind,
                    path.name,
                    path.read_bytes(),
                    progress=progress,
                )
    return results


def _plan(desk: _Desk) -> PlanResult:
    desk.at(LIST_DAY)
    wiring = desk.wiring
    with desk.stages.stage("Plan payments") as progress:
        plan = plan_payments(
            wiring.database,
            wiring.sealer,
            wiring.banks,
            desk.clock,
            desk.officers[Role.MAKER],
            cycle_code=CYCLE,
            programme_codes=PROGRAMMES,
            periods=[CYCLE],
            progress=progress,
        )
    with desk.stages.stage("Submit and approve"):
        submitted = submit_plan(wiring.database, desk.clock, desk.officers[Role.MAKER], cycle_code=CYCLE)
        approve_plan(
            wiring.database,
            desk.clock,
            desk.officers[Role.APPROVER],
            cycle_code=CYCLE,
            content_sha256=submitted.content_sha256,
        )
    return plan


def _let_banks_work(desk: _Desk, banks: Sequence[MockBank]) -> None:
    """Day after day: the banks work, we collect and reconcile.

    The banks are programs of their own and do not wait for us: while we reconcile what they
    gave us in the evening, they are at their next day already.
    """
    wiring, operator = desk.wiring, desk.officers[Role.BANK_OPERATOR]
    days = [SENDING_DAY + timedelta(days=n) for n in range((LAST_BANKING_DAY - SENDING_DAY).days + 1)]
    with ThreadPoolExecutor(len(banks)) as at_once:
        working = [at_once.submit(bank.run_day, days[0]) for bank in banks]
        for day, next_day in zip_longest(days, days[1:]):
            with desk.stages.stage("Banks work") as progress:
                for number, bank_day in enumerate(working, 1):
                    bank_day.result()
                    progress(number, len(banks))
            desk.at(day, 22)
            with desk.stages.stage("Collect returns"):
                collected = collect_returns(wiring.database, wiring.vault, wiring.banks, desk.clock, operator)
                if collected.unreachable:
                    raise collected.unreachable[0]
            working = [at_once.submit(bank.run_day, next_day) for bank in banks] if next_day else []
            with desk.stages.stage("Reconcile returns") as progress:
                reconcile_returns(wiring.database, wiring.vault, wiring.banks, desk.clock, operator, progress=progress)


def _outcomes(desk: _Desk) -> CycleOutcomes:
    with desk.wiring.database.read() as connection:
        return outcomes_of_cycle(connection, cycles.get_cycle(connection, CYCLE).id)


def _compare(ours: CycleOutcomes, books: Sequence[Mapping[str, Any]]) -> None:
    """Our books against the banks' own, in people and in đồng; they share no code."""
    pairs = (("settled", "paid"), ("returned", "returned"), ("rejected", "rejected"), ("outstanding", "outstanding"))
    for our_word, their_word in pairs:
        ours_here = getattr(ours, our_word)
        theirs = [book["payments"][their_word] for book in books]
        count, amount = sum(one["count"] for one in theirs), sum(one["amount_vnd"] for one in theirs)
        if (ours_here.count, ours_here.amount_vnd) != (count, amount):
            raise DoesNotReconcile(
                "banks_disagree",
                f"We count {ours_here.count} {our_word} with {ours_here.amount_vnd} đồng, "
                f"the banks {count} with {amount}.",
            )


def _publish(desk: _Desk, folder: Path) -> PublishedReport:
    desk.at(REPORT_DAY)
    wiring = desk.wiring
    with desk.stages.stage("Check and sign the report") as progress:
        report = publish_report(
            wiring.database,
            wiring.vault,
            wiring.signer,
            wiring.banks,
            desk.clock,
            desk.officers[Role.AUDITOR],
            cycle_code=CYCLE,
            as_of=datetime.combine(REPORT_DAY, time(0), tzinfo=VIETNAM),
            folder=folder,
            progress=progress,
        )
    with desk.stages.stage("Verify it as an outsider") as progress:
        found = verify_report(folder, wiring.signer.public_pem, progress=progress)
    if not found.holds:
        raise SignatureInvalid(
            "report_does_not_hold", "The report does not hold: " + ", ".join(part.name for part in found.failed) + "."
        )
    return report


def planted_matches_found(province: Province, matching: MatchResult) -> bool:
    """Whether matching found exactly what was planted."""
    planted = province.planted
    expected = {
        Match.MATCHED: planted.matched,
        Match.NAME_CLOSE: planted.name_close,
        Match.NAME_MISMATCH: planted.name_mismatch,
        Match.SEVERAL_ACCOUNTS: planted.several_accounts,
        Match.ACCOUNT_NOT_USABLE: planted.account_not_usable,
        Match.NOT_IN_POPULATION: planted.not_in_population,
        Match.DECEASED: planted.deceased,
        Match.DATA_DIFFER: planted.data_differ,
    }
    return all(matching.outcomes[outcome] == count for outcome, count in expected.items())
