"""Commands against the loss of an installation: a copy, the way back, and the way out of it."""

from __future__ import annotations

from pathlib import Path

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, show_one, show_rows
from paysvc.domain.errors import BadSetting
from paysvc.domain.officers import require
from paysvc.services.backup import backup as make_backup
from paysvc.services.check_books import check_books
from paysvc.services.manage_officers import SYSTEM_OFFICER, sign_in
from paysvc.services.recover import GivenFile
from paysvc.services.recover import recover as recover_from
from paysvc.services.restore import restore as put_back
from paysvc.store import lost_files, schema
from paysvc.store.lost_files import LostFile
from paysvc.store.witness import Witness
from paysvc.wiring import Wiring

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("backup", epilog=examples("paysvc backup /mnt/backup/paysvc", "paysvc backup /mnt/monday -o json"))
@click.argument("folder", type=_FOLDER)
@pass_office
@output_option
def backup(office: Office, folder: Path, output: str) -> None:
    """Copy database and vault into FOLDER while the program runs; the keys are not in it.

    FOLDER is new, or holds an earlier backup, which is then replaced once this one is whole;
    only what is new in the vault is copied.
    """
    with office.signed_in() as (wiring, actor):
        made = make_backup(wiring.database, wiring.vault, wiring.sealer, wiring.clock, actor, folder=folder)
    row = {"folder": str(made.folder), "events": made.events, "files": made.files, "bytes": made.size}
    show_one({**row, "manifest_sha256": made.manifest_sha256}, output)
    messages.print("Keep keys.json, signing-key.pem and banks.toml apart from it; without keys.json it cannot be read.")


@click.command("restore", epilog=examples("paysvc --home /srv/paysvc restore /mnt/backup/paysvc"))
@click.argument("folder", type=_FOLDER)
@pass_office
@output_option
def restore(office: Office, folder: Path, output: str) -> None:
    """Put the backup in FOLDER into an empty database, and check its books (exit 9 when they differ).

    The installation can only be read then, until 'paysvc recover'. Needs no token: there is nobody
    yet in an empty database. Run again what was broken off.
    """
    keys = office.settings().key_file
    if not keys.exists():
        # Opening the installation would make new ones.
        raise BadSetting("keys_missing", f"There is no {keys}.", next_step="Bring the installation's keys.json first.")
    with office.open(require_schema=False) as wiring:
        manifest = put_back(
            wiring.database,
            _witness(wiring),
            wiring.vault,
            wiring.sealer,
            wiring.clock,
            SYSTEM_OFFICER,
            folder=folder,
        )
        schema.require_current(wiring.database)
        found = check_books(wiring.database, wiring.vault, wiring.banks, wiring.clock, SYSTEM_OFFICER)
    row = {"made_at": manifest.made_at, "events": manifest.events, **manifest.counts}
    show_one({**row, "differences": len(found.differences)}, output)
    messages.print("It can only be read. Next, an administrator and an approver: paysvc recover")
    found.require_agreement()


@click.command(
    "recover",
    epilog=examples(
        "paysvc --token-file an.token recover --approver-token-file minh.token",
        "paysvc recover --approver-token-file minh.token --file AGRI M20261204….xml --all-files-given",
        "paysvc recover --approver-token-file minh.token --by-hand M20261204K7Q2X9R4T8V1W3Y5",
    ),
)
@click.option("--approver-token-file", type=_FILE, required=True, help="The token of the second officer, an approver.")
@click.option(
    "--file",
    "files",
    type=(str, _FILE),
    multiple=True,
    metavar="BANK PATH",
    help="A file of ours that this bank has and the vault or the journal lacks.",
)
@click.option("--all-files-given", is_flag=True, help="State that every bank was asked, and no other file left.")
@click.option("--by-hand", multiple=True, metavar="MESSAGE_ID", help="Answer for all that is in this lost file.")
@pass_office
@output_option
def recover(
    office: Office,
    approver_token_file: Path,
    files: tuple[tuple[str, Path], ...],
    all_files_given: bool,
    by_hand: tuple[str, ...],
    output: str,
) -> None:
    """Account for what left since the database was copied, so that it may be written to again.

    Sends nothing. What may have left is asked of the bank by submit-batches; files that no plan
    says any more are listed, and nothing new leaves before each is in a plan again.
    """
    with office.signed_in() as (wiring, actor):
        approver = sign_in(wiring.database, wiring.clock, approver_token_file.read_text(encoding="utf-8").strip())
        found = recover_from(
            wiring.database,
            _witness(wiring),
            wiring.vault,
            wiring.clock,
            actor,
            approver,
            given=[GivenFile(bank_code, path.name, path.read_bytes()) for bank_code, path in files],
            all_given=all_files_given,
            by_hand=by_hand,
            sealer=wiring.sealer,
        )
    rows = [{**_row(one), "next": "plan the cycle again"} for one in found.lost_files]
    rows += [
        {**dict.fromkeys(_QUESTION), "message_id": one, "next": "submit-batches asks"} for one in found.in_question
    ]
    show_rows(rows, output)
    messages.print("The installation may be written to again; read 'After a restore' in docs/operations.md.")


_QUESTION = ("bank", "cycle", "message_id", "references", "left_at", "next")


@click.command("list-lost-files", epilog=examples("paysvc list-lost-files", "paysvc list-lost-files -o json"))
@pass_office
@output_option
def list_lost_files(office: Office, output: str) -> None:
    """Files that left before a restore and are in no plan again: while there is one, nothing new is sent."""
    with office.signed_in() as (wiring, actor):
        require(actor, "read")
        with wiring.database.read() as connection:
            found = lost_files.open_files(connection)
    show_rows([_row(one) for one in found], output)


def _row(one: LostFile) -> dict[str, object]:
    sent = one.sending
    return {
        "bank": sent.bank_code,
        "cycle": sent.cycle_code,
        "message_id": sent.message_id,
        "references": len(one.references),
        "left_at": sent.left_at,
    }


def _witness(wiring: Wiring) -> Witness:
    assert wiring.database.witness is not None
    return wiring.database.witness
