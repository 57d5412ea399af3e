"""Pages of what there is, newest first, for whoever looks: API, commands, later the console.

Every list is paged by the last id seen, so that a page costs the same wherever it lies. No
list holds a name, a citizen ID or an account number.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Select, Table, select

from paysvc.domain.errors import NotFound
from paysvc.store.tables import (
    approval,
    bank_file,
    batch,
    discrepancy,
    import_file,
    import_problem,
    inbound_file,
    payment_cycle,
    report,
)

#: The largest page anybody gets.
MAX_PAGE = 500

Rows = list[dict[str, Any]]


def list_imports(connection: Connection, *, before: int | None = None, limit: int = 50) -> Rows:
    """Imported registry files with their figures."""
    return _page(connection, import_file, select(import_file), before, limit)


def get_import(connection: Connection, file_id: int) -> dict[str, Any]:
    """One imported file. Raises `NotFound`."""
    row = connection.execute(select(import_file).where(import_file.c.id == file_id)).mappings().first()
    if row is None:
        raise NotFound("import_unknown", f"There is no import {file_id}.")
    return dict(row)


def list_import_problems(connection: Connection, file_id: int, *, after: int = -1, limit: int = 200) -> Rows:
    """The problems of one file in the order of its rows, from behind the ordinal `after`."""
    columns = import_problem.c
    statement = (
        select(columns.ordinal, columns.line, columns.field, columns.code, columns.severity, columns.message)
        .where(columns.import_file_id == file_id, columns.ordinal > after)
        .order_by(columns.ordinal)
        .limit(min(limit, MAX_PAGE))
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def list_cycles(connection: Connection, *, before: int | None = None, limit: int = 50) -> Rows:
    """Payment cycles with their state and the digest of their content."""
    return _page(connection, payment_cycle, select(payment_cycle), before, limit)


def list_approvals(connection: Connection, cycle_id: int) -> Rows:
    """Every approval of a cycle, those cancelled too, in the order of time."""
    statement = select(approval).where(approval.c.cycle_id == cycle_id).order_by(approval.c.id)
    return [dict(row) for row in connection.execute(statement).mappings()]


def list_batches(connection: Connection, cycle_id: int) -> Rows:
    """The batches of a cycle, each with the digest and size of its bank file once that is written."""
    statement = (
        select(
            batch.c.bank_code,
            batch.c.part,
            batch.c.message_id,
            batch.c.value_date,
            batch.c.count,
            batch.c.sum_vnd,
            batch.c.state,
            bank_file.c.name.label("file_name"),
            bank_file.c.sha256,
            bank_file.c.size,
            bank_file.c.written_by,
        )
        .join_from(batch, bank_file, bank_file.c.batch_id == batch.c.id, isouter=True)
        .where(batch.c.cycle_id == cycle_id)
        .order_by(batch.c.bank_code, batch.c.part)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def list_inbound_files(
    connection: Connection, *, state: str | None = None, before: int | None = None, limit: int = 50
) -> Rows:
    """Files that banks gave us, and what was decided about each."""
    statement = select(inbound_file)
    if state:
        statement = statement.where(inbound_file.c.state == state)
    return _page(connection, inbound_file, statement, before, limit)


def list_discrepancies(
    connection: Connection, *, kind: str | None = None, before: int | None = None, limit: int = 50
) -> Rows:
    """What does not agree."""
    statement = select(discrepancy)
    if kind:
        statement = statement.where(discrepancy.c.kind == kind)
    return _page(connection, discrepancy, statement, before, limit)


def list_reports(connection: Connection, *, before: int | None = None, limit: int = 50) -> Rows:
    """Published reports."""
    statement = select(report, payment_cycle.c.code.label("cycle_code")).join(payment_cycle)
    return _page(connection, report, statement, before, limit)


def _page(connection: Connection, table: Table, statement: Select[Any], before: int | None, limit: int) -> Rows:
    key: Column[int] = table.c.id
    if before is not None:
        statement = statement.where(key < before)
    statement = statement.order_by(key.desc()).limit(min(max(limit, 1), MAX_PAGE))
    return [dict(row) for row in connection.execute(statement).mappings()]
