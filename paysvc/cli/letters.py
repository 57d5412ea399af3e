"""Commands of a bank's word on paper: recorded by one officer, approved by another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, show_one, show_rows
from paysvc.domain.bank_letters import MAX_NAMES, MAX_SCAN_BYTES, About, Named, Says
from paysvc.domain.errors import FileRefused, InvalidInput
from paysvc.services import record_letters as recording
from paysvc.spreadsheets.reading import open_sheet
from paysvc.store.bank_letters import StoredLetter

#: The column of a list of payments, as in `lines.csv` of a report.
_COLUMN = "end_to_end_id"
#: Names shown of one letter in a table; `-o json` has them all.
_SHOWN = 3

_existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "propose-letter",
    epilog=examples(
        "paysvc propose-letter --bank VCB --number 214/CV-VCB --dated 2026-12-09 --scan cv214.pdf"
        " --says not_made --message-id M20261204Q7ZK2N4X",
        "paysvc propose-letter --bank VCB --number 215/CV-VCB --dated 2026-12-09 --scan cv215.pdf"
        " --says made --payment P61GYPKBY7AF25GQ --payment P0N3X6V2M8T4C1HD",
        "paysvc propose-letter --bank AGRI --number 88/NHNo --dated 2026-12-10 --scan 88.pdf"
        " --says not_made --payments chua-chi.csv",
    ),
)
@click.option("--bank", "bank_code", required=True, metavar="CODE", help="The bank that wrote it.")
@click.option("--number", required=True, help="The letter's number, as on the paper.")
@click.option("--dated", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The day on the paper.")
@click.option("--scan", required=True, type=_existing_file, help="The scanned letter; its bytes are kept, sealed.")
@click.option(
    "--says",
    required=True,
    type=click.Choice([one.value for one in Says]),
    help="received: it has the file; made: it executed it; not_made: it did not, and will not.",
)
@click.option("--message-id", "message_ids", multiple=True, help="A whole file of ours; may be given again.")
@click.option("--payment", "payments", multiple=True, metavar="END_TO_END_ID", help="One payment; may be given again.")
@click.option("--payments", "list_file", type=_existing_file, help=f"A list (CSV, XLSX) with a column {_COLUMN}.")
@pass_office
@output_option
def propose_letter(
    office: Office,
    bank_code: str,
    number: str,
    dated: datetime,
    scan: Path,
    says: str,
    message_ids: tuple[str, ...],
    payments: tuple[str, ...],
    list_file: Path | None,
    output: str,
) -> None:
    """Record what a bank's letter says of whole files or of payments. Nothing counts before another officer agrees."""
    about, named = _named(message_ids, payments, list_file)
    if scan.stat().st_size > MAX_SCAN_BYTES:
        raise InvalidInput("scan_size", f"The scan has more than {MAX_SCAN_BYTES >> 20} MB.", place=scan.name)
    with office.signed_in() as (wiring, actor):
        found = recording.propose_letter(
            wiring.database,
            wiring.vault,
            wiring.banks,
            wiring.clock,
            actor,
            bank_code=bank_code,
            number=number,
            dated=dated.date(),
            scan=scan.read_bytes(),
            says=Says(says),
            about=about,
            named=named,
        )
    show_rows([_row(found.letter, output)], output)
    how = "Recorded" if found.is_new else "Recorded before"
    _show_next(how, found.letter)


@click.command("list-letters", epilog=examples("paysvc list-letters", "paysvc list-letters --bank VCB --all -o json"))
@click.option("--bank", "bank_code", metavar="CODE", help="Of this bank only.")
@click.option("--all", "everything", is_flag=True, help="Also those that were approved or closed.")
@pass_office
@output_option
def list_letters(office: Office, bank_code: str | None, everything: bool, output: str) -> None:
    """The letters that wait for an approver, with the hash that an approval has to name."""
    with office.signed_in() as (wiring, actor):
        found = recording.list_letters(wiring.database, actor, bank_code=bank_code, only_open=not everything)
    show_rows([_row(one, output) for one in found], output)


@click.command("approve-letter", epilog=examples("paysvc approve-letter 7 --hash 7f3c…e1"))
@click.argument("letter_id", type=int)
@click.option("--hash", "content", required=True, metavar="SHA256", help="The letter you looked at, all 64 digits.")
@pass_office
@output_option
def approve_letter(office: Office, letter_id: int, content: str, output: str) -> None:
    """Approve what another officer recorded of a letter; the next reconcile-returns takes it. Safe to repeat."""
    try:
        digest = bytes.fromhex(content)
    except ValueError:
        raise InvalidInput("hash_malformed", "A content hash is 64 hexadecimal digits.") from None
    with office.signed_in() as (wiring, actor):
        letter = recording.approve_letter(
            wiring.database, wiring.vault, wiring.clock, actor, letter_id=letter_id, content_sha256=digest
        )
    show_rows([_row(letter, output)], output)
    if letter.state == "stored":
        messages.print("Next: paysvc reconcile-returns", markup=False)


@click.command("decline-letter", epilog=examples('paysvc decline-letter 7 --reason "số công văn ghi sai"'))
@click.argument("letter_id", type=int)
@click.option("--reason", required=True)
@pass_office
@output_option
def decline_letter(office: Office, letter_id: int, reason: str, output: str) -> None:
    """Decline a letter that waits (an approver), or take it back (who recorded it)."""
    with office.signed_in() as (wiring, actor):
        letter = recording.decline_letter(wiring.database, wiring.clock, actor, letter_id=letter_id, reason=reason)
    show_rows([_row(letter, output)], output)


@click.command("export-letter", epilog=examples("paysvc export-letter 7 --out cv214.pdf"))
@click.argument("letter_id", type=int)
@click.option("--out", type=click.Path(path_type=Path), help="A new file.  [default: letter-ID.pdf, .png …]")
@pass_office
@output_option
def export_letter(office: Office, letter_id: int, out: Path | None, output: str) -> None:
    """The scan of a letter, as it was recorded. It names people; who asked for it is in the trail."""
    with office.signed_in() as (wiring, actor):
        scan = recording.export_letter(wiring.database, wiring.vault, wiring.clock, actor, letter_id=letter_id)
    target = out or Path(scan.name)
    try:
        with target.open("xb") as file:
            file.write(scan.content)
    except FileExistsError:
        raise InvalidInput(
            "file_exists", "There is such a file already; it stays as it is.", place=str(target)
        ) from None
    show_one({"file": str(target), "size": len(scan.content)}, output)


def _named(message_ids: Sequence[str], payments: Sequence[str], list_file: Path | None) -> tuple[About, list[Named]]:
    """What the letter is about, and each name with the place where it was given."""
    given = [bool(message_ids), bool(payments), list_file is not None]
    if sum(given) != 1:
        raise InvalidInput(
            "letter_about_what", "Name whole files (--message-id), or payments (--payment), or one list (--payments)."
        )
    if message_ids:
        return About.FILES, [Named(one, f"--message-id {one}") for one in message_ids]
    if list_file is None:
        return About.PAYMENTS, [Named(one, f"--payment {one}") for one in payments]
    return About.PAYMENTS, _listed(list_file)


def _listed(path: Path) -> list[Named]:
    try:
        sheet = open_sheet(path.read_bytes(), lambda row: any(cell.strip() == _COLUMN for cell in row))
        header = [cell.strip() for cell in sheet.header]
        if header.count(_COLUMN) != 1:
            raise FileRefused(
                "column_missing", f"The list needs one column {_COLUMN}.", place=f"row {sheet.header_row}"
            )
        at, found = header.index(_COLUMN), []
        for block in sheet.blocks():
            found += [
                Named(row[at].strip(), f"{path.name}, row {number}")
                for number, row in zip(block.numbers, block.rows, strict=True)
            ]
            if len(found) > MAX_NAMES:
                break  # one too many is enough to be refused
    except FileRefused as refusal:
        refusal.place = ", ".join(filter(None, (path.name, refusal.place)))
        raise
    return found


def _row(letter: StoredLetter, output: str) -> dict[str, Any]:
    content = letter.content
    names: object = list(content.names)
    if output in ("table", "csv"):
        names = ", ".join(content.names[:_SHOWN]) + (f" … ({len(content.names)})" if content.names[_SHOWN:] else "")
    return {
        "id": letter.id,
        "bank": content.bank_code,
        "number": content.number,
        "dated": content.dated,
        "says": content.says.value,
        "about": content.about.value,
        "names": names,
        "scan_sha256": content.scan_sha256,
        "recorded_by": content.maker,
        "approved_by": letter.approved_by or "",
        "state": letter.state,
        "content_sha256": letter.content_sha256,
    }


def _show_next(how: str, letter: StoredLetter) -> None:
    next_step = f"paysvc approve-letter {letter.id} --hash {letter.content_sha256.hex()}"
    # On one line however long: it is there to be copied.
    messages.print(f"{how}. Next, by another officer: {next_step}", markup=False, soft_wrap=True)
