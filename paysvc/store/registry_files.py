"""Which registry files were imported, with what result, and what was wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from paysvc.domain.errors import NotFound, RecordError, Severity
from paysvc.domain.registry import ImportKind
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.tables import import_file, import_problem


@dataclass(frozen=True, slots=True)
class ImportFigures:
    """Rows of a file by what became of them: added + changed + unchanged + refused = rows.

    `warned` counts rows that were taken and have a warning.
    """

    rows: int
    added: int
    changed: int
    unchanged: int
    refused: int
    warned: int


@dataclass(frozen=True, slots=True)
class StoredImport:
    """A file that was imported before."""

    file_id: int
    figures: ImportFigures

    @property
    def is_clean(self) -> bool:
        """True when nothing was wrong with any row, so that looking again can bring nothing."""
        return self.figures.refused == 0 and self.figures.warned == 0


def find_import(connection: Connection, kind: ImportKind, bank_code: str, sha256: bytes) -> StoredImport | None:
    """The import of exactly these bytes as this kind from this bank, if there was one."""
    columns = import_file.c
    row = connection.execute(
        select(import_file).where(columns.kind == kind.value, columns.bank_code == bank_code, columns.sha256 == sha256)
    ).one_or_none()
    if row is None:
        return None
    return StoredImport(row.id, ImportFigures(row.rows, row.added, row.changed, row.unchanged, row.refused, row.warned))


def refused_lines(connection: Connection, file_id: int) -> set[int]:
    """The numbers of the rows of this file that were not taken."""
    columns = import_problem.c
    return set(
        connection.execute(
            select(columns.line).where(columns.import_file_id == file_id, columns.severity == Severity.ERROR.value)
        ).scalars()
    )


def read_problems(connection: Connection, file_id: int) -> tuple[ImportKind, bytes, list[RecordError]]:
    """What an imported file was, its digest, and what was wrong with it. Raises `NotFound`."""
    row = connection.execute(select(import_file).where(import_file.c.id == file_id)).one_or_none()
    if row is None:
        raise NotFound("import_unknown", f"There is no import {file_id}.")
    columns = import_problem.c
    found = connection.execute(
        select(columns.line, columns.field, columns.code, columns.message, columns.severity)
        .where(columns.import_file_id == file_id)
        .order_by(columns.ordinal)
    )
    problems = [RecordError(line, field, code, message, Severity(how)) for line, field, code, message, how in found]
    return ImportKind(row.kind), row.sha256, problems


def open_import(
    connection: Connection,
    kind: ImportKind,
    name: str,
    sha256: bytes,
    size: int,
    bank_code: str,
    at: datetime,
    actor_id: str,
) -> int:
    """Note the file, so that rows can refer to it; its figures follow with `close_import`."""
    file_id = next_ids(connection, "import_file", 1)[0]
    connection.execute(
        insert(import_file).values(
            id=file_id,
            kind=kind.value,
            name=name,
            sha256=sha256,
            size=size,
            bank_code=bank_code,
            imported_at=at,
            actor=actor_id,
            rows=0,
            added=0,
            changed=0,
            unchanged=0,
            refused=0,
            warned=0,
        )
    )
    return file_id


def close_import(connection: Connection, file_id: int, figures: ImportFigures, problems: Sequence[RecordError]) -> None:
    """Keep the figures and the problems of the file, in place of any from an earlier attempt."""
    connection.execute(
        update(import_file)
        .where(import_file.c.id == file_id)
        .values(
            rows=figures.rows,
            added=figures.added,
            changed=figures.changed,
            unchanged=figures.unchanged,
            refused=figures.refused,
            warned=figures.warned,
        )
    )
    connection.execute(delete(import_problem).where(import_problem.c.import_file_id == file_id))
    insert_columns(
        connection,
        import_problem,
        {
            "import_file_id": Same(file_id),
            "ordinal": range(len(problems)),
            "line": [one.line for one in problems],
            "field": [one.field for one in problems],
            "code": [one.code for one in problems],
            "severity": [one.severity.value for one in problems],
            "message": [one.message for one in problems],
        },
    )
