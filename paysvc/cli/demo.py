"""`paysvc demo`: a province from end to end, and a table of what happened."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from paysvc.cli.office import Office, examples, pass_office
from paysvc.cli.output import messages, progress_bar, show_rows
from paysvc.demo.month import CYCLE, Month, planted_matches_found, run_month
from paysvc.demo.people import NGHE_AN_PEOPLE
from paysvc.demo.stages import Stages, peak_memory_bytes
from paysvc.domain.errors import Conflict, DoesNotReconcile

_MARK = ".paysvc-demo"


@click.command(
    epilog=examples(
        "./run demo",
        "./run demo --people 20000 --seed 7",
        "./run demo --database postgresql+psycopg://paysvc@127.0.0.1/demo --keep /tmp/province",
    )
)
@click.option("--people", type=click.IntRange(1_000, 5_000_000), default=NGHE_AN_PEOPLE, show_default=True)
@click.option(
    "--seed", type=click.IntRange(0), default=2026, show_default=True, help="The same seed, the same province."
)
@click.option("--database", "database_url", metavar="URL", help="An empty database.  [default: SQLite in the folder]")
@click.option(
    "--keep",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("paysvc-demo"),
    show_default=True,
    help="The folder to work in; made anew at every run, safe to delete.",
)
@pass_office
def demo(office: Office, people: int, seed: int, database_url: str | None, folder: Path) -> None:
    """Pay a synthetic province from end to end, and verify the signed report.

    Makes the files an office really has, starts three mock banks as programs of their own,
    imports, matches, plans, approves, sends, collects, reconciles, signs and verifies.
    """
    _clear(folder)
    stages = Stages(progress_bar)
    month = run_month(folder.absolute(), people, seed, database_url or office.database_url, stages)
    _tell(month, folder)


def _clear(folder: Path) -> None:
    """Take the folder of an earlier demo away; never anything else."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise Conflict(
                "folder_in_use",
                f"{folder} is not empty and was not made by a demo.",
                next_step="Name another folder: --keep DIR.",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text("Made by 'paysvc demo'; safe to delete.\n", encoding="utf-8")


def _tell(month: Month, folder: Path) -> None:
    outcomes = month.outcomes
    rows = [
        ("settled", outcomes.settled),
        ("returned", outcomes.returned),
        ("rejected", outcomes.rejected),
        ("outstanding", outcomes.outstanding),
        ("unknown", outcomes.unknown),
        *((f"held, {reason}", figure) for reason, figure in sorted(outcomes.held.items())),
        *((f"excluded, {reason}", figure) for reason, figure in sorted(outcomes.excluded.items())),
        ("entitled", outcomes.entitled),
    ]
    show_rows(
        [{"outcome": word, "payments": figure.count, "amount_vnd": figure.amount_vnd} for word, figure in rows],
        "table",
        title=f"What became of cycle {CYCLE}",
    )
    show_rows(
        [{"stage": title, "seconds": f"{seconds:.1f}"} for title, seconds in month.stages.seconds.items()]
        + [{"stage": "together", "seconds": f"{month.stages.total_seconds:.1f}"}],
        "table",
        title="Seconds per stage",
    )
    if not planted_matches_found(month.province, month.matching):
        raise DoesNotReconcile("planted_not_found", "Matching did not find exactly what was planted in the files.")
    refused = sum(result.refused for result in month.imports.values())
    click.echo(
        f"Imported {month.matching.people} people; {refused} damaged rows refused, "
        f"of {month.province.planted.rows_refused} planted.\n"
        f"Our books and the banks' own agree to the đồng.\n"
        f"Report {month.report.number} is signed and verified. Peak memory {peak_memory_bytes() / 1e6:.0f} MB.\n"
    )
    home = folder / "office"
    token_file = home / "administrator.token"
    for officer_id, token in month.tokens.items():
        path = home / f"{officer_id}.token"
        path.touch(mode=0o600)
        path.write_text(token + "\n", encoding="utf-8")
    click.echo(
        f"Where things lie\n"
        f"  {folder}/files    the office's input files\n"
        f"  {folder}/office   database, keys, vault, banks.toml, a token per role (*.token)\n"
        f"  {folder}/banks    the three banks' own ledgers and folders\n"
        f"  {folder}/report   the signed report\n"
        f"What to try next\n"
        f"  ./run paysvc verify {folder}/report\n"
        f"  ./run paysvc --home {home} --token-file {home}/auditor.token show-cycle {CYCLE}\n"
        f"  ./run paysvc --home {home} serve        # the API; tokens as above, {token_file.name} and the others"
    )
    messages.print(f"Safe to delete: {folder}", markup=False)
