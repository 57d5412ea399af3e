"""How the command line speaks: data to standard output, everything else to standard error."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from paysvc.clock import VIETNAM
from paysvc.domain.errors import PaysvcError
from paysvc.domain.money import format_vnd
from paysvc.domain.progress import Progress as Listener

#: Messages, progress and errors; standard output stays clean for data.
messages = Console(stderr=True, highlight=False)

FORMATS = ("table", "json", "jsonl", "csv")

Row = Mapping[str, Any]


def show_rows(rows: Sequence[Row], output: str, title: str = "") -> None:
    """Rows of equal fields in the asked-for format; fields ending in `_vnd` are đồng."""
    if output == "json":
        click.echo(json.dumps([_plain(row) for row in rows], ensure_ascii=False, indent=2))
    elif output == "jsonl":
        for row in rows:
            click.echo(json.dumps(_plain(row), ensure_ascii=False))
    elif output == "csv":
        if rows:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(_plain(row) for row in rows)
    else:
        _table(rows, title)


def show_one(row: Row, output: str, title: str = "") -> None:
    """One thing: its fields one below the other, or as one JSON object."""
    if output in ("json", "jsonl"):
        click.echo(json.dumps(_plain(row), ensure_ascii=False, indent=2 if output == "json" else None))
    elif output == "csv":
        show_rows([row], output)
    else:
        table = Table(show_header=False, box=None, title=title or None, title_justify="left")
        for name, value in row.items():
            table.add_row(_label(name), _text(name, value))
        Console(highlight=False).print(table)


def _table(rows: Sequence[Row], title: str) -> None:
    if not rows:
        messages.print("(none)")
        return
    table = Table(title=title or None, title_justify="left")
    for name in rows[0]:
        numeric = name.endswith("_vnd") or isinstance(rows[0][name], int | float)
        table.add_column(_label(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_text(name, value) for name, value in row.items()))
    Console(highlight=False).print(table)


def _label(name: str) -> str:
    return name.removesuffix("_vnd").replace("_", " ") + (" (₫)" if name.endswith("_vnd") else "")


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_vnd"):
        return format_vnd(value).removesuffix("\u00a0₫")
    if isinstance(value, int):
        return f"{value:,}".replace(",", ".")
    return str(_plain_value(value))


def _plain(row: Row) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(VIETNAM).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value


def show_error(error: PaysvcError) -> None:
    """Code, one sentence, its place, and what to do next."""
    place = f"{error.place}: " if error.place else ""
    messages.print(f"[bold red]Error[/] {error.code}: ", end="", soft_wrap=True)
    # A place holds file names, which must not be read as markup.
    messages.print(f"{place}{error.message}", markup=False, soft_wrap=True)
    if error.next_step:
        messages.print("  Next: ", end="")
        messages.print(error.next_step, markup=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Listener]:
    """A bar on a terminal; elsewhere one line per tenth."""
    if messages.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=messages) as bar:
            yield _Bar(bar, bar.add_task(title, total=None))
    else:
        yield _Lines(title)


class _Bar:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def __call__(self, done: int, total: int | None) -> None:
        self._bar.update(self._task, completed=done, total=total)


class _Lines:
    def __init__(self, title: str) -> None:
        self._title, self._tenths = title, 0

    def __call__(self, done: int, total: int | None) -> None:
        if not total:
            return
        tenths = done * 10 // total
        if tenths > self._tenths:
            self._tenths = tenths
            messages.print(f"{self._title}: {tenths * 10} % ({done}/{total})", markup=False)
