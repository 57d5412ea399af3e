"""What every command starts from: settings, the open installation, and who is acting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from paysvc.cli.output import FORMATS
from paysvc.config import Settings, read_settings
from paysvc.domain.errors import NotAllowed
from paysvc.domain.officers import Officer
from paysvc.services.manage_officers import sign_in
from paysvc.store import schema
from paysvc.wiring import Wiring, wire


@dataclass(frozen=True, slots=True)
class Office:
    """The options that stand before every command."""

    home: Path | None
    database_url: str | None
    token_file: Path | None

    def settings(self) -> Settings:
        return read_settings(self.home, self.database_url)

    @contextmanager
    def open(self, *, require_schema: bool = True) -> Iterator[Wiring]:
        """The installation, opened and closed again."""
        wiring = wire(self.settings())
        try:
            if require_schema:
                schema.require_current(wiring.database)
            yield wiring
        finally:
            wiring.close()

    @contextmanager
    def signed_in(self) -> Iterator[tuple[Wiring, Officer]]:
        """The installation and the officer whose token was given. Raises `NotAllowed`."""
        with self.open() as wiring:
            yield wiring, sign_in(wiring.database, wiring.clock, self._token())

    def _token(self) -> str:
        if self.token_file:
            return self.token_file.read_text(encoding="utf-8").strip()
        token = os.environ.get("PAYSVC_TOKEN", "")
        if not token:
            raise NotAllowed(
                "token_missing",
                "This needs an officer's token.",
                next_step="Set PAYSVC_TOKEN or give --token-file; an administrator makes one.",
            )
        return token


pass_office = click.make_pass_decorator(Office)

Command = Callable[..., Any]


def output_option(command: Command) -> Command:
    """`-o table|json|jsonl|csv`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print the result.",
    )(command)


def examples(*lines: str) -> str:
    """The end of a help text: commands that can be copied."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
