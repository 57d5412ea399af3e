"""Commands about signed reports that need an installation; `verify` needs none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, progress_bar, show_one, show_rows
from paysvc.clock import VIETNAM
from paysvc.domain.books import MEANING
from paysvc.domain.officers import require
from paysvc.services.acknowledge_books import acknowledge_books
from paysvc.services.check_books import check_books
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
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="A new folder, or one with this very report.",
)
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


@click.command(
    "check",
    epilog=examples("paysvc check", "paysvc check --without-files", "paysvc check --differences -o json"),
)
@click.option("--without-files", is_flag=True, help="Leave out the kept bank files, which take longest to read.")
@click.option("--differences", "only_differences", is_flag=True, help="Each difference as a row, instead of equations.")
@pass_office
@output_option
def check(office: Office, without_files: bool, only_differences: bool, output: str) -> None:
    """Ask every equation of the books anew: rows, ledger and kept bank files (exit 9 when one does not hold)."""
    with office.signed_in() as (wiring, actor), progress_bar("Check the books") as progress:
        found = check_books(
            wiring.database,
            wiring.vault,
            wiring.banks,
            wiring.clock,
            actor,
            with_files=not without_files,
            progress=progress,
        )
    if only_differences:
        show_rows([one._asdict() for one in found.differences], output)
    else:
        rows = [
            {"equation": one.equation, "meaning": MEANING[one.equation], "examined": one.things}
            | {"differences": len(one.differences)}
            for one in found.examined
        ]
        show_rows(rows, output)
    found.require_agreement()


@click.command(
    "acknowledge-books",
    epilog=examples('paysvc acknowledge-books --reason "a line of 3 December was corrected by hand, see letter 12"'),
)
@click.option("--reason", required=True, help="Why sending may go on; kept in the trail.")
@pass_office
@output_option
def acknowledge(office: Office, reason: str, output: str) -> None:
    """Answer for the differences of the last check, so that the scheduler sends again (administrator)."""
    with office.signed_in() as (wiring, actor):
        found = acknowledge_books(wiring.database, wiring.clock, actor, reason=reason)
    show_rows([{"equation": one} for one in found], output)


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
