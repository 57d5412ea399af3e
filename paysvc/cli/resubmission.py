"""Commands of paying again whom a bank did not pay, and of taking back what is paid twice."""

from __future__ import annotations

from typing import Any

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, show_error, show_rows
from paysvc.domain.errors import InvalidInput
from paysvc.services import resubmit_payments as resubmitting
from paysvc.services.recall_payments import recall_payments as recall

_payment_option = click.option(
    "--payment", "payments", multiple=True, metavar="END_TO_END_ID", help="Only this one; may be given again."
)


@click.command(
    "propose-resubmission",
    epilog=examples(
        "paysvc propose-resubmission 2026-12",
        "paysvc propose-resubmission 2026-12 --reason-code AC04",
        "paysvc propose-resubmission 2026-12 --payment P61GYPKBY7AF25GQ",
    ),
)
@click.argument("cycle_code")
@_payment_option
@click.option("--reason-code", metavar="CODE", help="Only what the bank gave this reason for.")
@pass_office
@output_option
def propose_resubmission(
    office: Office, cycle_code: str, payments: tuple[str, ...], reason_code: str | None, output: str
) -> None:
    """Propose to make refused and returned payments again, on the bank's evidence. Pays nobody."""
    with office.signed_in() as (wiring, actor):
        found = resubmitting.propose_resubmission(
            wiring.database,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            end_to_end_ids=payments,
            reason_code=reason_code,
        )
    _show_proposals(found, payments, output)


@click.command("list-resubmissions", epilog=examples("paysvc list-resubmissions 2026-12 -o json"))
@click.argument("cycle_code")
@_payment_option
@pass_office
@output_option
def list_resubmissions(office: Office, cycle_code: str, payments: tuple[str, ...], output: str) -> None:
    """What is proposed of a cycle and waits for an approver."""
    with office.signed_in() as (wiring, actor):
        found = resubmitting.list_proposals(wiring.database, actor, cycle_code=cycle_code, end_to_end_ids=payments)
    _show_proposals(found, payments, output)


@click.command(
    "approve-resubmission",
    epilog=examples(
        "paysvc approve-resubmission 2026-12 --hash 7f3c…e1",
        "paysvc approve-resubmission 2026-12 --payment P61GYPKBY7AF25GQ --hash 09ab…44",
    ),
)
@click.argument("cycle_code")
@click.option("--hash", "content", required=True, metavar="SHA256", help="The proposals you looked at, all 64 digits.")
@_payment_option
@pass_office
@output_option
@click.pass_context
def approve_resubmission(
    context: click.Context, office: Office, cycle_code: str, content: str, payments: tuple[str, ...], output: str
) -> None:
    """Approve what another officer proposed; the next plan of the programme pays it.

    What the bank has said otherwise since is closed instead. Exits with 5 when anything was.
    """
    try:
        digest = bytes.fromhex(content)
    except ValueError:
        raise InvalidInput("hash_malformed", "A content hash is 64 hexadecimal digits.") from None
    with office.signed_in() as (wiring, actor):
        decision = resubmitting.approve_resubmission(
            wiring.database,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            content_sha256=digest,
            end_to_end_ids=payments,
        )
    _show_decision(decision, output)
    if decision.closed:
        context.exit(5)


@click.command(
    "decline-resubmission",
    epilog=examples('paysvc decline-resubmission 2026-12 --reason "Chờ xã xác minh"'),
)
@click.argument("cycle_code")
@click.option("--reason", required=True)
@_payment_option
@pass_office
@output_option
def decline_resubmission(office: Office, cycle_code: str, reason: str, payments: tuple[str, ...], output: str) -> None:
    """Decline what was proposed (an approver), or take it back (a maker)."""
    with office.signed_in() as (wiring, actor):
        decision = resubmitting.decline_resubmission(
            wiring.database, wiring.clock, actor, cycle_code=cycle_code, reason=reason, end_to_end_ids=payments
        )
    _show_decision(decision, output)


@click.command("recall-payments", epilog=examples("paysvc recall-payments", "paysvc recall-payments -o json"))
@pass_office
@output_option
@click.pass_context
def recall_payments(context: click.Context, office: Office, output: str) -> None:
    """Ask banks to take back what is paid twice after a re-submission. Safe to repeat.

    Exits with 7 when something waits: a bank, an answer, a person.
    """
    with office.signed_in() as (wiring, actor):
        result = recall(wiring.database, wiring.vault, wiring.banks, wiring.clock, actor)
    rows = [
        {
            "payment": one.end_to_end_id,
            "bank": one.bank_code,
            "amount_vnd": one.amount_vnd,
            "case_id": one.case_id,
            "state": one.state.value,
        }
        for one in result.recalls
    ]
    show_rows(rows, output)
    for failure in result.waiting:
        show_error(failure)
    if result.waiting:
        context.exit(7)


def _show_proposals(found: resubmitting.Proposals, payments: tuple[str, ...], output: str) -> None:
    rows = [
        {
            "payment": one.end_to_end_id,
            "amount_vnd": one.amount_vnd,
            "state": one.state.value,
            "reason_code": one.reason_code,
            "evidence": str(one.evidence),
            "proposed_by": one.proposed_by,
        }
        for one in found.proposals
    ]
    show_rows(rows, output, title=f"{found.cycle_code}: {len(rows)} proposed to be paid again")
    if rows:
        only = "".join(f" --payment {one}" for one in payments)
        next_step = f"paysvc approve-resubmission {found.cycle_code}{only} --hash {found.content_sha256.hex()}"
        # On one line however long: it is there to be copied.
        messages.print(f"{found.added} new. Next, by another officer: {next_step}", markup=False, soft_wrap=True)


def _show_decision(decision: resubmitting.Decision, output: str) -> None:
    rows: list[dict[str, Any]] = [
        {"payment": one.end_to_end_id, "amount_vnd": one.amount_vnd, "decision": "approved", "reason": ""}
        for one in decision.approved
    ]
    rows += [
        {"payment": one.end_to_end_id, "amount_vnd": one.amount_vnd, "decision": one.code, "reason": one.reason}
        for one in decision.closed
    ]
    show_rows(rows, output)
