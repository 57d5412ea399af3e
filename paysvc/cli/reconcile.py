"""`paysvc reconcile`: reconciliation for people who have only files. Needs no installation."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paysvc.cli.output import show_error
from paysvc.core.comparison import Line
from paysvc.core.source import Source
from paysvc.domain.errors import InvalidInput, PaysvcError
from paysvc.domain.money import format_vnd
from paysvc.domain.reconciliation import BETWEEN_FILES
from paysvc.services.reconcile_files import SHOWN_OUTCOMES, Reconciliation, reconcile_files
from paysvc.spreadsheets.writing import write_csv_into

#: Exit code when everything was read and not everything agrees.
DISCREPANCIES = 9

_MANY = ("--sent", "--returned")

_HELP = """\b
Examples:
  paysvc reconcile --sent pain001.xml --returned camt053.xml
  paysvc reconcile --sent out/*.xml --returned back/*.xml --lines lines.csv
  paysvc reconcile --sent a.xml --sent b.xml --returned status.xml --returned statement.xml -o table

\b
Exit codes:
  0 all agrees
  2 the command or a file name cannot be used
  3 a file cannot be believed; nothing was written
  9 there are discrepancies
"""


class _ManyValues(click.Command):
    """Lets `--sent a b c` stand for `--sent a --sent b --sent c`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spread(args, ctx))


def _spread(words: Sequence[str], context: click.Context) -> list[str]:
    spread: list[str] = []
    option = waiting = ""
    for word in (*words, "--end"):
        if word in _MANY or word.startswith("-"):
            if waiting:
                raise click.UsageError(f"Option '{waiting}' needs at least one file.", context)
            option = waiting = word if word in _MANY else ""
            # After `--sent=a` further values belong to it as well; after any other option none do.
            named = word.partition("=")[0]
            if word not in _MANY:
                option = named if named in _MANY else ""
                spread.append(word)
        elif option:
            spread += [option, word]
            waiting = ""
        else:
            spread.append(word)
    return spread[:-1]


@click.command(cls=_ManyValues, epilog=_HELP, short_help="Reconcile payment orders with what the bank returned.")
@click.option("--sent", multiple=True, required=True, metavar="FILE…", help="Payment orders (pain.001).")
@click.option("--returned", multiple=True, required=True, metavar="FILE…", help="What came back (camt.053, pain.002).")
@click.option("--lines", type=click.Path(path_type=Path, dir_okay=False), help="Write one CSV line a payment here.")
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True)
def reconcile(sent: tuple[str, ...], returned: tuple[str, ...], lines: Path | None, output: str) -> None:
    """Hold what the bank returned against what was sent, from files alone.

    Only booked entries of statements that prove themselves count. The order of files and
    entries does not matter, and the same file twice counts once.
    """
    try:
        orders, answers = _paths("--sent", sent), _paths("--returned", returned)
        target = _target(lines, orders + answers) if lines else None
        with ExitStack() as files:
            found = reconcile_files([_open(path, files) for path in orders], [_open(path, files) for path in answers])
        if target:
            _write(target, found.comparison.iter_lines())
    except PaysvcError as error:
        show_error(error)
        sys.exit(error.exit_code)
    for notice in found.notices:
        click.echo(f"Note: {notice}", err=True)
    if output == "json":
        click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        _show(found)
    if not found.agrees:
        count = sum(found.comparison.discrepancies.values())
        click.echo(f"{count} discrepancies.", err=True)
        sys.exit(DISCREPANCIES)


def _paths(option: str, values: Sequence[str]) -> list[Path]:
    """The files meant; a pattern that the shell left alone is resolved here."""
    paths: list[Path] = []
    for value in values:
        if Path(value).exists() or not glob.has_magic(value):
            paths.append(Path(value))
            continue
        found = sorted(glob.glob(value, recursive=True))  # noqa: PTH207  # absolute patterns too
        if not found:
            raise InvalidInput("file_missing", f"No file matches the pattern given with {option}.", place=value)
        paths += map(Path, found)
    return paths


def _open(path: Path, files: ExitStack) -> tuple[str, Source]:
    name = click.format_filename(path)
    try:
        return name, files.enter_context(Source.at(path))
    except OSError as failure:
        message = f"The file cannot be read: {failure.strerror or type(failure).__name__}."
        raise InvalidInput("file_unreadable", message, next_step="Check the name.", place=name) from None


def _target(lines: Path, inputs: Sequence[Path]) -> Path:
    """Where the lines go; refused before any work when that would be an input, or no plain file."""
    target = lines.resolve()
    place = click.format_filename(lines)
    if any(path.resolve() == target for path in inputs):
        raise InvalidInput("lines_over_input", "The lines would overwrite a file that is being read.", place=place)
    if target.exists() and not target.is_file():
        raise InvalidInput("lines_unusable", "The lines can only be written to a plain file.", place=place)
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise InvalidInput("lines_unusable", "The folder for the lines is missing or may not be written.", place=place)
    return target


def _write(target: Path, lines: Iterable[Line]) -> None:
    """The whole file or none of it, also when the machine stops half-way."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            write_csv_into(file, Line._fields, lines, encoding="utf-8")
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as failure:
        part.unlink(missing_ok=True)
        message = f"The lines could not be written: {failure.strerror or type(failure).__name__}."
        raise InvalidInput("lines_unusable", message, place=click.format_filename(target)) from None


def _show(found: Reconciliation) -> None:
    console = Console(highlight=False)
    outcomes = Table("Outcome", title="Payments", title_justify="left")
    for heading in ("payments", "đồng sent"):
        outcomes.add_column(heading, justify="right")
    for outcome in SHOWN_OUTCOMES:
        count, amount = found.comparison.outcomes[outcome]
        outcomes.add_row(outcome, f"{count:,}".replace(",", "."), format_vnd(amount))
    totals = found.instructions
    outcomes.add_section()
    outcomes.add_row("sent", f"{totals.count:,}".replace(",", "."), format_vnd(totals.sum_vnd))
    console.print(outcomes)
    discrepancies = Table("Discrepancy", title="What does not agree", title_justify="left")
    discrepancies.add_column("number", justify="right")
    for kind in BETWEEN_FILES:
        discrepancies.add_row(kind.replace("_", " "), f"{found.comparison.discrepancies[kind]:,}".replace(",", "."))
    console.print(discrepancies)
    if found.statements:
        statements = Table("Statement", title="Statements proved", title_justify="left")
        for heading in ("opening", "closing"):
            statements.add_column(heading, justify="right")
        for one in found.statements:
            # A bank's id is its own text: shown as it is, never read as markup.
            statements.add_row(Text(one.statement_id), format_vnd(one.opening_vnd), format_vnd(one.closing_vnd))
        console.print(statements)
