"""Account statements that were believed, and their lines, each with its one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, insert, select

from paysvc.core.columns import ENTRY_STATUS_CODES, EntryColumns
from paysvc.core.messages import Statement
from paysvc.core.text_column import TextColumn
from paysvc.domain.statement_chain import Link
from paysvc.store.bulk import Same, WithNulls, insert_columns, next_ids, read_columns
from paysvc.store.tables import bank_statement, inbound_file, statement_line

#: The booking states, each at the place of its code.
_STATUS_NAMES = TextColumn.of(sorted(ENTRY_STATUS_CODES, key=ENTRY_STATUS_CODES.__getitem__))


@dataclass(frozen=True, slots=True)
class BelievedStatement:
    """A statement in the store; `file_sha256` leads to its bytes. Amounts in đồng."""

    id: int
    statement_id: str
    file_name: str
    file_sha256: bytes
    link: Link
    debits_vnd: int
    credits_vnd: int
    line_count: int


def list_statements(connection: Connection, bank_code: str, account: str) -> list[BelievedStatement]:
    """All believed statements of one account."""
    rows = connection.execute(
        select(bank_statement, inbound_file.c.sha256, inbound_file.c.name)
        .join(inbound_file, inbound_file.c.id == bank_statement.c.inbound_file_id)
        .where(bank_statement.c.bank_code == bank_code, bank_statement.c.account == account)
        .order_by(bank_statement.c.id)
    )
    return [
        BelievedStatement(
            id=row.id,
            statement_id=row.statement_id,
            file_name=row.name,
            file_sha256=row.sha256,
            link=Link(row.sequence, row.to_date, row.opening_vnd, row.closing_vnd, row.from_date, row.statement_id),
            debits_vnd=row.debits_vnd,
            credits_vnd=row.credits_vnd,
            line_count=row.line_count,
        )
        for row in rows
    ]


def insert_statement(
    connection: Connection,
    inbound_file_id: int,
    bank_code: str,
    statement: Statement,
    debits_vnd: int,
    credits_vnd: int,
    at: datetime,
) -> int:
    """Write the head of a proved statement; returns its row id."""
    row_id = next_ids(connection, "bank_statement", 1)[0]
    connection.execute(
        insert(bank_statement).values(
            id=row_id,
            inbound_file_id=inbound_file_id,
            bank_code=bank_code,
            account=statement.account,
            statement_id=statement.statement_id,
            sequence=statement.sequence,
            from_date=statement.from_date,
            to_date=statement.to_date,
            opening_vnd=statement.proof.opening_vnd,
            closing_vnd=statement.proof.closing_vnd,
            debits_vnd=debits_vnd,
            credits_vnd=credits_vnd,
            line_count=len(statement.entries),
            accepted_at=at,
        )
    )
    return row_id


def insert_lines(
    connection: Connection,
    statement_id: int,
    entries: EntryColumns,
    instruction_ids: WithNulls,
    verdicts: TextColumn,
) -> None:
    """Write the lines of a statement in their order, each with its payment, if any, and its verdict."""
    if not len(entries):
        return
    insert_columns(
        connection,
        statement_line,
        {
            "statement_id": Same(statement_id),
            "position": range(len(entries)),
            "reference": fitting(entries.reference, 140),
            "amount_vnd": entries.amount_vnd,
            "currency": fitting(entries.currency, 3),
            "is_debit": entries.is_debit,
            "status": _STATUS_NAMES.take(entries.status.astype(np.int64)),
            "reason_code": fitting(entries.reason_code, 35),
            "bank_reference": fitting(entries.bank_reference, 35),
            "instruction_id": instruction_ids,
            "verdict": verdicts,
        },
    )


def read_line_keys(connection: Connection, statement_id: int) -> list[tuple[str, str, int, bool, str]]:
    """What identifies each line of a statement (see `line_keys`), sorted."""
    line = statement_line.c
    rows = read_columns(
        connection,
        select(line.bank_reference, line.reference, line.amount_vnd, line.is_debit, line.status).where(
            line.statement_id == statement_id
        ),
    )
    return sorted(zip(*rows.values(), strict=True))


def line_keys(entries: EntryColumns) -> list[tuple[str, str, int, bool, str]]:
    """Bank reference, reference, amount, direction and booking state of each line, sorted.

    Two statements with the same keys say the same, whatever they call themselves.
    """
    return sorted(
        zip(
            fitting(entries.bank_reference, 35),
            fitting(entries.reference, 140),
            entries.amount_vnd.tolist(),
            entries.is_debit.tolist(),
            _STATUS_NAMES.take(entries.status.astype(np.int64)),
            strict=True,
        )
    )


def fitting(column: TextColumn, length: int) -> TextColumn:
    """The texts cut to what the store's column holds: banks put free text where codes belong."""
    # No text has more characters than bytes.
    if not (column.lengths > length).any():
        return column
    return TextColumn.of([value[:length] for value in column])
