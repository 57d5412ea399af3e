"""import-registry: an office's list comes in; good rows are kept, every bad one is reported."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from paysvc.clock import Clock, vietnam_day
from paysvc.domain.errors import FileRefused, RecordError, Waiting
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.domain.registry import ImportKind, is_header, map_columns
from paysvc.domain.registry_fields import fold, row_problem
from paysvc.domain.registry_rows import CheckedRows, RowChecker
from paysvc.domain.registry_units import Units
from paysvc.sealing import Sealer
from paysvc.spreadsheets.reading import open_sheet
from paysvc.spreadsheets.sheet import MAX_FILE_BYTES
from paysvc.spreadsheets.writing import write_sheet
from paysvc.store import audit_trail, registry, registry_open
from paysvc.store.engine import Database
from paysvc.store.registry import Columns, Source, Taken
from paysvc.store.registry_files import (
    ImportFigures,
    StoredImport,
    close_import,
    find_import,
    open_import,
    read_problems,
    refused_lines,
)
from paysvc.store.registry_numbers import SettledNumbers, settle_numbers
from paysvc.store.units import load_units
from paysvc.store.vault import Vault

_VERB = "import-registry"

#: What an error file has after the original columns: codes, sentences, a value to accept.
ERROR_COLUMNS = ("ma_loi", "mo_ta", "goi_y")

_TAKE: dict[ImportKind, Callable[[Connection, Sealer, Columns, Source], Taken]] = {
    ImportKind.BENEFICIARIES: registry.take_beneficiaries,
    ImportKind.ACCOUNTS: registry.take_accounts,
    ImportKind.POPULATION: registry.take_population,
}


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file: added + changed + unchanged + refused = rows.

    `warned` counts rows that were taken with a warning, `repaired` those among them whose
    leading zero was put back. `repeated` says that exactly these bytes were imported before;
    then only rows that were refused at the time are looked at again. `problems` are sorted by
    row.
    """

    file_id: int
    sha256: bytes
    rows: int
    added: int
    changed: int
    unchanged: int
    refused: int
    warned: int
    repaired: int
    repeated: bool
    problems: list[RecordError]
    kind: ImportKind
    content: bytes = field(repr=False)

    def error_file(self) -> bytes:
        """The rows that have a problem, in the format, columns and order they came in, with
        the columns of `ERROR_COLUMNS` behind; only a header when no row has one."""
        return write_error_file(self.kind, self.content, self.problems)


def import_registry(
    database: Database,
    sealer: Sealer,
    vault: Vault,
    clock: Clock,
    actor: Officer,
    kind: ImportKind,
    name: str,
    content: bytes,
    *,
    bank_code: str = "",
    apply_safe_repairs: bool = False,
    progress: Progress = silent,
) -> ImportResult:
    """Take a list of beneficiaries, accounts or population records from the bytes of a file.

    `name` is what the file was called, `bank_code` whose list of accounts it is. With
    `apply_safe_repairs` a leading zero that Excel dropped is put back where sex and birth year
    vouch for it. Raises `NotAllowed`; `FileRefused` when the file as a whole is not believed
    (its bytes stay in the vault and the refusal in the audit trail); `Waiting` when
    beneficiaries come before any commune is known.
    """
    require(actor, _VERB)
    database.require_writable()
    if len(content) > MAX_FILE_BYTES:
        raise FileRefused("too_large", f"The file is larger than {MAX_FILE_BYTES >> 20} MB.")
    sha256 = vault.put(content)
    with database.read() as connection:
        before = find_import(connection, kind, bank_code, sha256)
        units = load_units(connection)
    if kind is ImportKind.BENEFICIARIES and not units.units:
        raise Waiting(
            "units_not_loaded",
            "No commune is known yet, so no commune code can be checked.",
            next_step="Load the rules with the units of the province first (set-rules).",
        )
    if before is not None and before.is_clean:
        result = _result(before.file_id, sha256, kind, content, _nothing_new(before.figures), 0, [], repeated=True)
        with database.write() as connection:
            _note(connection, clock, actor, result, apply_safe_repairs)
        progress(result.rows, result.rows)
        return result
    try:
        checked = _check(kind, content, clock, units, apply_safe_repairs, progress)
    except FileRefused as refusal:
        with database.write() as connection:
            detail = {"kind": kind.value, "refused": refusal.code, "sha256": sha256.hex()}
            audit_trail.append(connection, clock.now(), actor, _VERB, f"file:{sha256.hex()[:16]}", detail)
        raise
    with database.write() as connection:
        registry.lock_imports(connection)
        before = find_import(connection, kind, bank_code, sha256)
        if before is None:
            file_id = open_import(
                connection, kind, _plain(name), sha256, len(content), bank_code, clock.now(), actor.officer_id
            )
        else:
            file_id = before.file_id
            checked = checked.of_refused(refused_lines(connection, file_id))
        source = Source(file_id, clock.now(), keep_later=before is not None)
        if kind is ImportKind.BENEFICIARIES:
            checked = _settled(checked, settle_numbers(connection, sealer, checked.columns, clock.now()))
        figures = _counted(checked, _TAKE[kind](connection, sealer, checked.columns, source))
        registry_open.drop_wanted(connection)
        close_import(connection, file_id, _together(figures, before), checked.problems)
        result = _result(
            file_id, sha256, kind, content, figures, checked.repaired, checked.problems, repeated=before is not None
        )
        _note(connection, clock, actor, result, apply_safe_repairs)
    progress(result.rows, result.rows)
    return result


def write_error_file(kind: ImportKind, content: bytes, problems: Sequence[RecordError]) -> bytes:
    """The rows of `content` that `problems` speak of, as `ImportResult.error_file` says."""
    by_line: dict[int, list[RecordError]] = defaultdict(list)
    for one in problems:
        by_line[one.line].append(one)
    sheet = open_sheet(content, partial(is_header, kind))
    # An error file that was filled in and comes back has these columns already.
    own = {fold(name) for name in ERROR_COLUMNS}
    kept = [position for position, name in enumerate(sheet.header) if fold(name) not in own]
    rows = [
        [row[position] for position in kept] + _explained(by_line[number])
        for block in (sheet.blocks() if by_line else ())
        for number, row in zip(block.numbers, block.rows, strict=True)
        if number in by_line
    ]
    return write_sheet(sheet.dialect, [sheet.header[position] for position in kept] + list(ERROR_COLUMNS), rows)


def stored_error_file(database: Database, vault: Vault, actor: Officer, file_id: int) -> bytes:
    """The error file of an earlier import, from its kept bytes; without the suggested repairs,
    which are personal data and are kept nowhere. Raises `NotFound`, `NotAllowed`."""
    require(actor, _VERB)
    with database.read() as connection:
        kind, sha256, problems = read_problems(connection, file_id)
    return write_error_file(kind, vault.get(sha256), problems)


def _explained(problems: Sequence[RecordError]) -> list[str]:
    return [
        "; ".join(one.code for one in problems),
        " ".join(f"[{one.field}] {one.message}" if one.field else one.message for one in problems),
        "; ".join(one.suggestion for one in problems if one.suggestion is not None),
    ]


def _check(
    kind: ImportKind, content: bytes, clock: Clock, units: Units, apply_safe_repairs: bool, progress: Progress
) -> CheckedRows:
    today = vietnam_day(clock.now())
    sheet = open_sheet(content, partial(is_header, kind))
    mapped = map_columns(kind, sheet.header)
    checker = RowChecker(kind, today, units.resolver(today), apply_safe_repairs=apply_safe_repairs)
    done = 0
    for block in sheet.blocks():
        columns = list(zip(*block.rows, strict=True))
        whole_row = dict.fromkeys(block.merged, "E110") | dict.fromkeys(block.surplus, "E104")
        checker.check(block.numbers, {name: columns[position] for name, position in mapped.items()}, whole_row)
        done += len(block.rows)
        # Looking at rows is the smaller part of the work; writing them is the other.
        progress(min(done, sheet.expected_rows) * 2 // 5, sheet.expected_rows)
    return checker.finish()


def _settled(checked: CheckedRows, settled: SettledNumbers) -> CheckedRows:
    """The rows under the numbers that hold now, without those that the registry cannot believe."""
    complaints = [(checked.lines[row], name, code) for row, name, code in settled.complaints]
    problems = checked.problems + [row_problem(*one) for one in complaints]
    problems.sort(key=lambda one: (one.line, one.code))
    columns = {**checked.columns, "citizen_id": list(settled.numbers)}
    found = CheckedRows(checked.rows, checked.lines, columns, problems)
    refused = {line for line, _, code in complaints if code.startswith("E")}
    return found.only(set(found.lines) - refused) if refused else found


def _counted(checked: CheckedRows, taken: Taken) -> ImportFigures:
    refused = len(checked.refused_lines)
    return ImportFigures(
        rows=checked.rows,
        added=taken.added,
        changed=taken.changed,
        unchanged=checked.rows - taken.added - taken.changed - refused,
        refused=refused,
        warned=len(checked.warned_lines),
    )


def _together(now: ImportFigures, before: StoredImport | None) -> ImportFigures:
    """What the file brought in all its attempts."""
    if before is None:
        return now
    added, changed = before.figures.added + now.added, before.figures.changed + now.changed
    return ImportFigures(now.rows, added, changed, now.rows - added - changed - now.refused, now.refused, now.warned)


def _nothing_new(before: ImportFigures) -> ImportFigures:
    return ImportFigures(before.rows, 0, 0, before.rows - before.refused, before.refused, before.warned)


def _result(
    file_id: int,
    sha256: bytes,
    kind: ImportKind,
    content: bytes,
    figures: ImportFigures,
    repaired: int,
    problems: list[RecordError],
    *,
    repeated: bool,
) -> ImportResult:
    return ImportResult(
        file_id=file_id,
        sha256=sha256,
        rows=figures.rows,
        added=figures.added,
        changed=figures.changed,
        unchanged=figures.unchanged,
        refused=figures.refused,
        warned=figures.warned,
        repaired=repaired,
        repeated=repeated,
        problems=problems,
        kind=kind,
        content=content,
    )


def _note(connection: Connection, clock: Clock, actor: Officer, result: ImportResult, repairs_accepted: bool) -> None:
    detail = {
        "kind": result.kind.value,
        "sha256": result.sha256.hex(),
        "rows": result.rows,
        "added": result.added,
        "changed": result.changed,
        "unchanged": result.unchanged,
        "refused": result.refused,
        "warned": result.warned,
        "repaired": result.repaired,
        "repairs_accepted": repairs_accepted,
        "repeated": result.repeated,
    }
    audit_trail.append(connection, clock.now(), actor, _VERB, f"import_file:{result.file_id}", detail)


def _plain(name: str) -> str:
    """The name without folders, as long as the column holds."""
    return re.split(r"[/\\]", name)[-1][:255] or "unnamed"
