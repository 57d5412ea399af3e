"""Commands of the month: rules, funds, plan, approval, bank files, returns."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, progress_bar, show_error, show_one, show_rows
from paysvc.domain.errors import InvalidInput
from paysvc.domain.money import NotWholeDong, parse_vnd
from paysvc.domain.officers import require
from paysvc.services import approve_plan as approving
from paysvc.services.collect_returns import collect_returns as collect
from paysvc.services.deposit_fund import deposit_fund as deposit
from paysvc.services.plan_payments import PlanResult
from paysvc.services.plan_payments import plan_payments as plan
from paysvc.services.reconcile_returns import reconcile_returns as reconcile
from paysvc.services.set_rules import set_rules as set_all_rules
from paysvc.services.submit_batches import submit_batches as submit
from paysvc.store import cycles
from paysvc.store.outcomes import outcomes_of_cycle


@click.command("set-rules", epilog=examples("paysvc set-rules rules.toml"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_office
@output_option
def set_rules(office: Office, file: Path, output: str) -> None:
    """Take over a rules file: programmes, rates, funds, units, holidays. All of it or none."""
    with office.signed_in() as (wiring, actor):
        result = set_all_rules(wiring.database, wiring.clock, actor, name=file.name, content=file.read_bytes())
    names = ("funds", "programmes", "rates_added", "rates_changed", "units", "decided_days", "paid_together")
    show_one({name: getattr(result, name) for name in names}, output)
    if result.is_unchanged:
        messages.print("Everything was so already.")


@click.command("deposit-fund", epilog=examples("paysvc deposit-fund NS-ASXH 150.000.000.000 --reference KB-2026-118"))
@click.argument("fund_code")
@click.argument("amount")
@click.option("--reference", required=True, help="The treasury's order; the same one is never booked twice.")
@pass_office
@output_option
def deposit_fund(office: Office, fund_code: str, amount: str, reference: str, output: str) -> None:
    """Book money that the treasury gave to a fund."""
    try:
        amount_vnd = parse_vnd(amount)
    except NotWholeDong as failure:
        raise InvalidInput("amount_not_whole", f"'{amount}' is no amount in whole đồng ({failure.reason}).") from None
    with office.signed_in() as (wiring, actor):
        result = deposit(
            wiring.database, wiring.clock, actor, fund_code=fund_code, amount_vnd=amount_vnd, reference=reference
        )
    show_one({"fund": result.fund_code, "balance_vnd": result.balance_vnd, "booked_now": result.is_new}, output)


@click.command(
    "plan-payments",
    epilog=examples(
        "paysvc plan-payments 2026-12 --programme BTXH --programme HTXH --period 2026-12",
        "paysvc plan-payments tet-2027 --programme BTXH --period 2027-01 --period 2027-02",
        "paysvc plan-payments qua-tet-2027 --campaign --programme QUA-TET --period 2027-01",
    ),
)
@click.argument("cycle_code")
@click.option("--programme", "programmes", multiple=True, required=True, metavar="CODE")
@click.option("--period", "periods", multiple=True, required=True, metavar="YYYY-MM")
@click.option("--campaign", is_flag=True, help="A one-off campaign instead of a regular month.")
@click.option("--value-date", type=click.DateTime(["%Y-%m-%d"]), help="When banks execute.  [default: the 5th]")
@pass_office
@output_option
def plan_payments(
    office: Office,
    cycle_code: str,
    programmes: tuple[str, ...],
    periods: tuple[str, ...],
    campaign: bool,
    value_date: datetime | None,
    output: str,
) -> None:
    """Plan who is paid what and how; planning a draft again draws it anew."""
    with office.signed_in() as (wiring, actor), progress_bar("Plan payments") as progress:
        result = plan(
            wiring.database,
            wiring.sealer,
            wiring.banks,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            kind="campaign" if campaign else "regular",
            programme_codes=programmes,
            periods=periods,
            value_date=_day(value_date),
            progress=progress,
        )
    show_rows(plan_rows(result), output, title=f"{cycle_code}, value date {result.value_date.isoformat()}")
    messages.print(f"Content {result.content_sha256.hex()}. Next: paysvc submit-plan {cycle_code}", markup=False)


def plan_rows(result: PlanResult) -> list[dict[str, Any]]:
    """The plan as rows: what goes where, what is held and excluded and why, and the sum."""
    rows = [
        {"what": f"planned, {channel} by {bank}", "payments": figure.count, "amount_vnd": figure.amount_vnd}
        for (channel, bank), figure in sorted(result.sent_through.items())
    ]
    for word, by_reason in (("held", result.held_by), ("excluded", result.excluded_by)):
        rows += [
            {"what": f"{word}, {reason}", "payments": figure.count, "amount_vnd": figure.amount_vnd}
            for reason, figure in sorted(by_reason.items())
        ]
    return [*rows, {"what": "entitled", "payments": result.entitled.count, "amount_vnd": result.entitled.amount_vnd}]


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _show_plan_state(state: approving.PlanState, output: str) -> None:
    show_one(
        {
            "cycle": state.cycle_code,
            "state": state.state.value,
            "content_sha256": state.content_sha256.hex(),
            "planned": state.planned.count,
            "planned_vnd": state.planned.amount_vnd,
            "held": state.held.count,
            "excluded": state.excluded.count,
        },
        output,
    )


@click.command("submit-plan", epilog=examples("paysvc submit-plan 2026-12"))
@click.argument("cycle_code")
@pass_office
@output_option
def submit_plan(office: Office, cycle_code: str, output: str) -> None:
    """Say that a plan is complete and may be approved."""
    with office.signed_in() as (wiring, actor):
        _show_plan_state(approving.submit_plan(wiring.database, wiring.clock, actor, cycle_code=cycle_code), output)


@click.command("approve-plan", epilog=examples("paysvc approve-plan 2026-12 --hash 7f3c…e1"))
@click.argument("cycle_code")
@click.option("--hash", "content", required=True, metavar="SHA256", help="The content you looked at, all 64 digits.")
@pass_office
@output_option
def approve_plan(office: Office, cycle_code: str, content: str, output: str) -> None:
    """Approve exactly the content named by --hash. Whoever made or submitted it may not."""
    try:
        digest = bytes.fromhex(content)
    except ValueError:
        raise InvalidInput("hash_malformed", "A content hash is 64 hexadecimal digits.") from None
    with office.signed_in() as (wiring, actor):
        state = approving.approve_plan(
            wiring.database, wiring.clock, actor, cycle_code=cycle_code, content_sha256=digest
        )
    _show_plan_state(state, output)


@click.command("return-plan", epilog=examples('paysvc return-plan 2026-12 --reason "Xã Yên Thành thiếu quyết định"'))
@click.argument("cycle_code")
@click.option("--reason", required=True)
@pass_office
@output_option
def return_plan(office: Office, cycle_code: str, reason: str, output: str) -> None:
    """Send a submitted plan back to its maker; standing approvals end."""
    with office.signed_in() as (wiring, actor):
        state = approving.return_plan(wiring.database, wiring.clock, actor, cycle_code=cycle_code, reason=reason)
    _show_plan_state(state, output)


@click.command("withdraw-plan", epilog=examples('paysvc withdraw-plan 2026-12 --reason "Bổ sung danh sách"'))
@click.argument("cycle_code")
@click.option("--reason", required=True)
@pass_office
@output_option
def withdraw_plan(office: Office, cycle_code: str, reason: str, output: str) -> None:
    """Take your own submitted plan back."""
    with office.signed_in() as (wiring, actor):
        state = approving.withdraw_plan(wiring.database, wiring.clock, actor, cycle_code=cycle_code, reason=reason)
    _show_plan_state(state, output)


@click.command("hold-payment", epilog=examples("paysvc hold-payment 2026-12 P61GYPKBY7AF25GQ --reason khieu_nai"))
@click.argument("cycle_code")
@click.argument("end_to_end_id")
@click.option("--reason", required=True, metavar="CODE", help="A code of a-z, digits and _.")
@pass_office
@output_option
def hold_payment(office: Office, cycle_code: str, end_to_end_id: str, reason: str, output: str) -> None:
    """Take one payment out of a plan; the plan has to be submitted and approved again."""
    with office.signed_in() as (wiring, actor):
        state = approving.hold_payment(
            wiring.database, wiring.clock, actor, cycle_code=cycle_code, end_to_end_id=end_to_end_id, reason=reason
        )
    _show_plan_state(state, output)


@click.command("submit-batches", epilog=examples("paysvc submit-batches 2026-12"))
@click.argument("cycle_code")
@pass_office
@output_option
@click.pass_context
def submit_batches(context: click.Context, office: Office, cycle_code: str, output: str) -> None:
    """Write the bank files of an approved plan and hand them over. Safe to repeat.

    Exits with 7 when something waits: a bank, an answer, a person.
    """
    with office.signed_in() as (wiring, actor), progress_bar("Write and send bank files") as progress:
        result = submit(
            wiring.database,
            wiring.sealer,
            wiring.vault,
            wiring.banks,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            progress=progress,
        )
    rows = [
        {
            "bank": one.bank_code,
            "part": one.part,
            "message_id": one.message_id,
            "payments": one.count,
            "sum_vnd": one.sum_vnd,
            "state": one.state.value,
        }
        for one in result.batches
    ]
    show_rows(rows, output)
    for one in result.unpayable:
        messages.print(f"Not payable as it is: {one.end_to_end_id} ({one.field}): {one.message}", markup=False)
    for failure in result.waiting:
        show_error(failure)
    if not result.is_complete:
        context.exit(7)


@click.command("collect-returns", epilog=examples("paysvc collect-returns"))
@pass_office
@output_option
@click.pass_context
def collect_returns(context: click.Context, office: Office, output: str) -> None:
    """Fetch what banks put out for us and keep it raw.

    Exits with 8 when a bank cannot be reached, and with 7 when one owes us a statement.
    """
    with office.signed_in() as (wiring, actor):
        result = collect(wiring.database, wiring.vault, wiring.banks, wiring.clock, actor)
    rows = [{"bank": f.bank_code, "file": f.name, "bytes": f.size, "new": f.is_new} for f in result.files]
    show_rows(rows, output)
    for failure in (*result.unreachable, *result.waiting):
        show_error(failure)
    if not result.is_complete:
        context.exit(8 if result.unreachable else 7)


@click.command("reconcile-returns", epilog=examples("paysvc reconcile-returns", "paysvc reconcile-returns -o json"))
@pass_office
@output_option
def reconcile_returns(office: Office, output: str) -> None:
    """Decide about every collected file: believed and booked whole, or set aside with the reason."""
    with office.signed_in() as (wiring, actor), progress_bar("Reconcile returns") as progress:
        result = reconcile(wiring.database, wiring.vault, wiring.banks, wiring.clock, actor, progress=progress)
    rows = [
        {"bank": one.bank_code, "file": one.name, "kind": one.kind, "state": one.state.value, "reason": one.reason}
        for one in result.files
    ]
    show_rows(rows, output)
    for failure in result.waiting:
        show_error(failure)


@click.command("show-cycle", epilog=examples("paysvc show-cycle 2026-12", "paysvc show-cycle 2026-12 -o json"))
@click.argument("cycle_code")
@pass_office
@output_option
def show_cycle(office: Office, cycle_code: str, output: str) -> None:
    """What became of a cycle, in people and in đồng; the parts add up to what was due."""
    with office.signed_in() as (wiring, actor):
        require(actor, "read")
        with wiring.database.read() as connection:
            cycle = cycles.get_cycle(connection, cycle_code)
            found = outcomes_of_cycle(connection, cycle.id)
    by_banks = ("settled", "returned", "rejected", "outstanding", "unknown")
    words = (*by_banks, "withdrawn", "all_held", "all_excluded", "entitled")
    rows = [
        {
            "outcome": word.removeprefix("all_"),
            "payments": getattr(found, word).count,
            "amount_vnd": getattr(found, word).amount_vnd,
        }
        for word in words
    ]
    show_rows(rows, output, title=f"{cycle_code}: {cycle.state.value}")
