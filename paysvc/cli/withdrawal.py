"""Commands that end what does not go on: payments that never left, and cycles of which all is known."""

from __future__ import annotations

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, show_rows
from paysvc.services import close_cycle as closing
from paysvc.services import withdraw_payments as withdrawing


@click.command(
    "withdraw-payments",
    epilog=examples(
        'paysvc withdraw-payments 2026-12 --payment P61GYPKBY7AF25GQ --reason "Tên dài hơn tệp của ngân hàng"',
        'paysvc withdraw-payments 2026-12 --bank VCB --reason "Không còn chi qua ngân hàng này" -o json',
    ),
)
@click.argument("cycle_code")
@click.option("--payment", "payments", multiple=True, metavar="END_TO_END_ID", help="This payment; may be given again.")
@click.option("--bank", "bank_code", metavar="CODE", help="Instead: all through this bank that were not written.")
@click.option("--reason", required=True, help="Why; it is kept, and names no number of anybody.")
@pass_office
@output_option
def withdraw_payments(
    office: Office, cycle_code: str, payments: tuple[str, ...], bank_code: str | None, reason: str, output: str
) -> None:
    """Take payments of which no bank file was ever written out of a released cycle; safe to repeat.

    The next plan of the programme carries what they owed, unless it is paid otherwise by then. By an approver
    who neither made nor submitted the plan.
    """
    with office.signed_in() as (wiring, actor):
        found = withdrawing.withdraw_payments(
            wiring.database,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            reason=reason,
            end_to_end_ids=payments,
            bank_code=bank_code,
        )
    rows = [
        {"payment": one.end_to_end_id, "amount_vnd": one.amount_vnd, "withdrawn": "now" if one.is_new else "before"}
        for one in found.payments
    ]
    show_rows(rows, output, title=f"{cycle_code}: {found.figure.count} withdrawn")
    for message_id in found.dissolved:
        told = f"Batch {message_id} is dissolved; submit-batches cuts the rest of it anew."
        messages.print(told, markup=False, soft_wrap=True)


@click.command("close-cycle", epilog=examples("paysvc close-cycle 2026-12", "paysvc close-cycle 2026-12 -o json"))
@click.argument("cycle_code")
@pass_office
@output_option
def close_cycle(office: Office, cycle_code: str, output: str) -> None:
    """Close a cycle when it is known what became of each of its payments; safe to repeat.

    Exits with 5, and says what keeps it open, otherwise. What a bank says later is believed as before.
    """
    with office.signed_in() as (wiring, actor):
        closed = closing.close_cycle(wiring.database, wiring.clock, actor, cycle_code=cycle_code)
    rows = [
        {
            "outcome": name,
            "payments": getattr(closed.outcomes, name).count,
            "amount_vnd": getattr(closed.outcomes, name).amount_vnd,
        }
        for name in ("settled", "returned", "rejected", "withdrawn")
    ]
    show_rows(rows, output, title=f"{cycle_code}: {closed.state.value}")
