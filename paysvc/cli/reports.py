"""Commands about signed reports that need an installation; `verify` needs none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, progress_bar, show_one, show_rows
from paysvc.clock import VIETNAM
from paysvc.domain.officers import require
from paysvc.services.publish_report import publish_report as publish
from paysvc.store import listings


@click.command(
    "publish-report",
    epilog=examples(
        "paysvc publish-report 2026-12 --as-of 2026-12-15 --out bc-2026-12",
        "paysvc publish-report 2026-12 --as-of 2026-12-20T17:00 --out bc-2026-12-b --without-bank-files",
    ),
)
@click.argument("cycle_code")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    required=True,
    help="The moment the figures speak of, in Vietnam's time; what came later makes an amendment.",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--without-bank-files", is_flag=True, help="Leave the banks' files out; they hold personal data.")
@pass_office
@output_option
def publish_report(
    office: Office, cycle_code: str, as_of: datetime, folder: Path, without_bank_files: bool, output: str
) -> None:
    """Check a cycle by two roads, then sign its report. What does not agree is not signed (exit 9)."""
    with office.signed_in() as (wiring, actor), progress_bar("Check and sign") as progress:
        report = publish(
            wiring.database,
            wiring.vault,
            wiring.signer,
            wiring.banks,
            wiring.clock,
            actor,
            cycle_code=cycle_code,
            as_of=as_of.replace(tzinfo=VIETNAM),
            folder=folder,
            include_bank_files=not without_bank_files,
            progress=progress,
        )
    names = ("number", "amendment", "report_sha256", "is_new")
    show_one({**{name: getattr(report, name) for name in names}, "folder": str(folder)}, output)
    messages.print(f"Anybody can check it: paysvc verify {folder}", markup=False)


@click.command("list-reports", epilog=examples("paysvc list-reports -o json"))
@pass_office
@output_option
def list_reports(office: Office, output: str) -> None:
    """Published reports, newest first."""
    with office.signed_in() as (wiring, actor):
        require(actor, "read")
        with wiring.database.read() as connection:
            found = listings.list_reports(connection, limit=listings.MAX_PAGE)
    names = ("number", "cycle_code", "as_of", "amendment", "published_at", "actor", "signing_key_id", "manifest_sha256")
    show_rows([{name: row[name] for name in names} for row in found], output)
