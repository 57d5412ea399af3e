"""Commands about people and their accounts: import lists, match, see what needs a decision."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TextIO

import click

from paysvc.cli.office import Office, examples, output_option, pass_office
from paysvc.cli.output import messages, progress_bar, show_one, show_rows
from paysvc.domain.matching import FOR_REVIEW, Outcome
from paysvc.domain.registry import ImportKind
from paysvc.services import review_match as reviewing
from paysvc.services.import_registry import import_registry as import_file
from paysvc.services.match_accounts import match_accounts as match_all
from paysvc.services.resolve_accounts import resolve_accounts as resolve_all
from paysvc.store.match_review import MatchToReview

#: How many problems are shown; the error file has them all.
_SHOWN = 20


@click.command(
    "import-registry",
    epilog=examples(
        "paysvc import-registry beneficiaries danh-sach.xlsx",
        "paysvc import-registry accounts agribank.csv --bank 970405 --errors agribank.loi.csv",
        "paysvc import-registry beneficiaries danh-sach.csv --apply-safe-repairs",
    ),
)
@click.argument("kind", type=click.Choice([kind.value for kind in ImportKind]))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bank", "bank_code", default="", help="Who made an account list; part of the file's identity.")
@click.option("--errors", type=click.Path(path_type=Path), help="The error file.  [default: NAME.loi.EXT]")
@click.option("--apply-safe-repairs", is_flag=True, help="Put lost leading zeros back where sex and birth year agree.")
@pass_office
@output_option
@click.pass_context
def import_registry(
    context: click.Context,
    office: Office,
    kind: str,
    file: Path,
    bank_code: str,
    errors: Path | None,
    apply_safe_repairs: bool,
    output: str,
) -> None:
    """Import a list. Good rows are kept; bad rows come back in an error file, with reasons.

    Importing the same rows again changes nothing. Exits with 3 when rows were refused.
    """
    with office.signed_in() as (wiring, actor), progress_bar(f"Import {file.name}") as progress:
        result = import_file(
            wiring.database,
            wiring.sealer,
            wiring.vault,
            wiring.clock,
            actor,
            ImportKind(kind),
            file.name,
            file.read_bytes(),
            bank_code=bank_code,
            apply_safe_repairs=apply_safe_repairs,
            progress=progress,
        )
    figures = {
        name: getattr(result, name)
        for name in ("rows", "added", "changed", "unchanged", "refused", "warned", "repaired", "repeated")
    }
    show_one({"file": file.name, **figures}, output)
    if result.problems:
        target = errors or file.with_name(f"{file.stem}.loi{file.suffix}")
        target.write_bytes(result.error_file())
        counted = Counter((problem.code, problem.message) for problem in result.problems)
        for (code, message), count in counted.most_common(_SHOWN):
            messages.print(f"  {code}  {count:>6}  {message}", markup=False)
        messages.print(f"Error file (original columns, then ma_loi, mo_ta, goi_y): {target}", markup=False)
    if result.refused:
        context.exit(3)


@click.command("match-accounts", epilog=examples("paysvc match-accounts", "paysvc match-accounts -o json"))
@pass_office
@output_option
def match_accounts(office: Office, output: str) -> None:
    """Give every beneficiary one outcome with its evidence. A second run changes nothing."""
    with office.signed_in() as (wiring, actor), progress_bar("Match accounts") as progress:
        result = match_all(wiring.database, wiring.sealer, wiring.clock, actor, progress=progress)
    rows = [{"outcome": outcome.value, "people": count} for outcome, count in result.outcomes.items()]
    show_rows(rows, output)
    messages.print(f"{result.opened} new, {result.unchanged} unchanged, {result.closed} replaced.", markup=False)


@click.command("list-matches", epilog=examples("paysvc list-matches --outcome name_close"))
@click.option("--outcome", type=click.Choice([one.value for one in FOR_REVIEW]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, reviewing.LONGEST_PAGE), default=50, show_default=True)
@click.option("--after", type=int, default=0, help="The last match of the page before.")
@pass_office
@output_option
def list_matches(office: Office, outcome: str | None, limit: int, after: int, output: str) -> None:
    """What the rule leaves to a person; numbers are masked."""
    wanted = Outcome(outcome) if outcome else None
    with office.signed_in() as (wiring, actor):
        page = reviewing.list_matches(wiring.database, wiring.sealer, actor, outcome=wanted, after=after, limit=limit)
    show_rows([row for one in page.matches for row in _review_rows(one)], output)
    messages.print(f"{page.waiting} wait for a decision.", markup=False)


def _review_rows(one: MatchToReview) -> list[dict[str, object]]:
    """One row for each account, or each other person, to choose from."""
    about = {
        "match": one.match_id,
        "outcome": one.outcome,
        "citizen_id": one.citizen_id,
        "name": one.full_name,
        "birth": one.birth,
        "unit": one.unit_code,
    }
    accounts = [
        {"account": each.account_id, "at": f"{each.bank_bin} {each.account}", "holder": each.holder_name, "other": ""}
        for each in one.candidates
    ]
    others = [
        {
            "account": "",
            "at": each.ground,
            "holder": f"{each.full_name} {each.birth} {each.unit_code} {each.citizen_id}",
            "other": each.beneficiary_id,
        }
        for each in one.others
    ]
    return [{**about, **each} for each in (*accounts, *others)]


@click.command(
    "review-match",
    epilog=examples(
        'paysvc review-match 118 --accept --reason "Đối chiếu căn cước, đúng người"',
        'paysvc review-match 119 --accept --account 5512 --reason "Người hưởng chọn tài khoản này"',
        'paysvc review-match 120 --reject --reason "Không đúng người"',
        'paysvc review-match 121 --two-persons --reason "Hai người khác nhau, đã gặp cả hai"',
        'paysvc review-match 122 --same-person --reason "Cấp lại số định danh, theo giấy xác nhận"',
    ),
)
@click.argument("match_id", type=int)
@click.option("--accept", "decision", flag_value="accept", help="It is the person's account.")
@click.option("--reject", "decision", flag_value="reject", help="It is not.")
@click.option("--two-persons", "decision", flag_value="two_persons", help="Alike, and two people.")
@click.option("--same-person", "decision", flag_value="same_person", help="One person, registered twice.")
@click.option("--other", "other_id", type=int, help="The same person as which of several.")
@click.option("--account", "account_id", type=int, help="Which of several accounts.")
@click.option("--reason", required=True, help="Kept with your name as long as the decision.")
@pass_office
@output_option
def review_match(
    office: Office,
    match_id: int,
    decision: str | None,
    other_id: int | None,
    account_id: int | None,
    reason: str,
    output: str,
) -> None:
    """Decide about one match; the decision stands while the facts behind it do."""
    if decision is None:
        raise click.UsageError("Say --accept or --reject, or of a person --two-persons or --same-person.")
    with office.signed_in() as (wiring, actor):
        result = reviewing.decide(
            wiring.database,
            wiring.sealer,
            wiring.clock,
            actor,
            match_id,
            decision=decision,
            reason=reason,
            account_id=account_id,
            other_id=other_id,
        )
    show_one({"match": result.match_id, "outcome": result.outcome.value}, output)


@click.command("resolve-accounts", epilog=examples("paysvc resolve-accounts so-dinh-danh.txt -o csv"))
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@pass_office
@output_option
def resolve_accounts(office: Office, file: TextIO, output: str) -> None:
    """Outcome and masked account of the citizen IDs in FILE (or standard input), one a line.

    They are never given on the command line, which others can read. Who asked is kept.
    """
    with office.signed_in() as (wiring, actor):
        found = resolve_all(wiring.database, wiring.sealer, wiring.clock, actor, citizen_ids=file.read().splitlines())
    columns = zip(found.outcome, found.bank_bin, found.account, strict=True)
    rows = [
        {"line": line, "outcome": outcome, "bank_bin": bank_bin, "account": account}
        for line, (outcome, bank_bin, account) in enumerate(columns, 1)
    ]
    show_rows(rows, output)
