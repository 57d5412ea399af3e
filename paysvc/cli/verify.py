"""`paysvc verify`: judge a published report on a machine that has nothing but the folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from paysvc.domain.errors import InvalidInput, SignatureInvalid
from paysvc.verify_report import State, Verification, verify_report

_MARKS = {State.HOLDS: "ok     ", State.FAILED: "FAILED ", State.NOT_CHECKED: "-      "}


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The agency's public key (PEM), from a place that you trust.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to print the parts.")
@click.option("--quick", is_flag=True, help="Check digests and figures; do not read the bank files again.")
@click.pass_context
def verify(context: click.Context, folder: Path, public_key: Path | None, output: str, quick: bool) -> None:
    """Check the report in DIR part by part; needs no database and no network.

    Exit code 0 when every part holds, 10 when one does not (it is named), 2 when there is no
    report in DIR.
    """
    try:
        found = verify_report(folder, _key(public_key), reread_bank_files=not quick)
    except InvalidInput as failure:
        click.echo(f"{failure.code}: {failure.message} {failure.next_step}".rstrip(), err=True)
        context.exit(failure.exit_code)
    click.echo(_as_json(found) if output == "json" else _as_table(found))
    if not found.holds:
        names = ", ".join(part.name for part in found.failed)
        click.echo(f"report_changed: The report does not hold: {names}.", err=True)
        context.exit(SignatureInvalid.exit_code)
    if public_key is None:
        click.echo(
            f"The key came with the report. Compare its id {found.signing_key_id} with the one that the agency "
            "publishes, or give --public-key.",
            err=True,
        )


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as failure:
        raise InvalidInput("public_key_unreadable", f"{path} cannot be read.") from failure


def _as_table(found: Verification) -> str:
    lines = [f"{_MARKS[part.state]} {part.name}: {part.message}" for part in found.parts]
    word = "holds" if found.holds else "DOES NOT HOLD"
    return "\n".join([*lines, f"Report {found.number or '(unnamed)'} {word}."])


def _as_json(found: Verification) -> str:
    parts = [{"name": part.name, "state": part.state.value, "message": part.message} for part in found.parts]
    return json.dumps(
        {"number": found.number, "holds": found.holds, "signing_key_id": found.signing_key_id, "parts": parts},
        ensure_ascii=False,
    )
