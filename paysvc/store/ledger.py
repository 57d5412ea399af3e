"""Double entry: every đồng that moves, moves from one account of ours to another.

Accounts, each named by what it holds: `treasury` (outside source), `fund:F` (may be
planned), `reserved:F` (approved, not sent), `in_transit:B` and `cash_in_transit:B` (a bank
was told to pay), `paid:F`, `returned:F`, `suspense:B`. A positive posting adds to an account,
a negative one takes away; every transaction sums to zero, which the database checks, and is
never changed afterwards. `reference` names the event, so that an event counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.domain.errors import Conflict
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.tables import fund as fund_table
from paysvc.store.tables import ledger_account, ledger_transaction, posting

TREASURY = "treasury"


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount_vnd` whole đồng onto (negative: off) an account, for `count` payments."""

    account: str
    amount_vnd: int
    count: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What is on an account: whole đồng, and the sum of its postings' counts."""

    account: str
    amount_vnd: int
    count: int


def fund(fund_code: str) -> str:
    """What may still be planned and approved."""
    return f"fund:{fund_code}"


def reserved(fund_code: str) -> str:
    """What was approved and has not left."""
    return f"reserved:{fund_code}"


def paid(fund_code: str) -> str:
    """What the banks have booked."""
    return f"paid:{fund_code}"


def returned(fund_code: str) -> str:
    """What was booked and came back."""
    return f"returned:{fund_code}"


def in_transit(bank_code: str) -> str:
    """What a bank was told to credit and has not booked."""
    return f"in_transit:{bank_code}"


def cash_in_transit(bank_code: str) -> str:
    """What lies at a counter to be fetched."""
    return f"cash_in_transit:{bank_code}"


def suspense(bank_code: str) -> str:
    """What a bank booked and nobody can explain yet."""
    return f"suspense:{bank_code}"


def post(connection: Connection, at: datetime, kind: str, reference: str, postings: Sequence[Posting]) -> bool:
    """Record one event; True when it was new, False when this very event is recorded already.

    Raises ValueError for postings that do not sum to zero, and `Conflict` when `reference`
    names an event with other postings: an event never happens in two ways.
    """
    if not postings or sum(one.amount_vnd for one in postings) != 0:
        raise ValueError(f"the postings of {reference} do not sum to zero")
    # Asked first: where the reference is taken, SQLite refuses the attempt already (docs/decisions/0004, REPLACE).
    known = select(ledger_transaction.c.id).where(ledger_transaction.c.reference == reference)
    if connection.execute(known).first() is not None:
        _require_same(connection, reference, postings)
        return False
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    transaction_id = next_ids(connection, "ledger_transaction", 1)[0]
    statement = (
        dialect.insert(ledger_transaction)
        .values(id=transaction_id, kind=kind, reference=reference, at=at, is_posted=False)
        .on_conflict_do_nothing(index_elements=["reference"])
        .returning(ledger_transaction.c.id)
    )
    if connection.execute(statement).scalar() is None:
        _require_same(connection, reference, postings)
        return False
    _open_accounts(connection, at, {one.account for one in postings})
    insert_columns(
        connection,
        posting,
        {
            "transaction_id": Same(transaction_id),
            "number": range(len(postings)),
            "account_code": [one.account for one in postings],
            "amount_vnd": [one.amount_vnd for one in postings],
            "count": [one.count for one in postings],
        },
    )
    connection.execute(
        update(ledger_transaction).where(ledger_transaction.c.id == transaction_id).values(is_posted=True)
    )
    return True


def read_postings(connection: Connection, reference: str) -> list[Posting]:
    """What was posted under this reference, in order; [] when nothing was."""
    statement = (
        select(posting.c.account_code, posting.c.amount_vnd, posting.c.count)
        .join(ledger_transaction, ledger_transaction.c.id == posting.c.transaction_id)
        .where(ledger_transaction.c.reference == reference)
        .order_by(posting.c.number)
    )
    return [Posting(*row) for row in connection.execute(statement)]


def balance(connection: Connection, account: str, as_of: datetime | None = None) -> int:
    """Whole đồng on an account, now or up to and including `as_of`; 0 for one never used."""
    return {one.account: one.amount_vnd for one in balances(connection, (account,), as_of)}.get(account, 0)


def balances(
    connection: Connection, accounts: Iterable[str] | None = None, as_of: datetime | None = None
) -> list[Balance]:
    """The balances of these accounts (all when None), by name; accounts never used are left out."""
    statement = (
        select(
            posting.c.account_code,
            func.sum(posting.c.amount_vnd).label("amount_vnd"),
            func.sum(posting.c.count).label("payments"),
        )
        .join(ledger_transaction, ledger_transaction.c.id == posting.c.transaction_id)
        .where(ledger_transaction.c.is_posted)
        .group_by(posting.c.account_code)
        .order_by(posting.c.account_code)
    )
    if accounts is not None:
        statement = statement.where(posting.c.account_code.in_(list(accounts)))
    if as_of is not None:
        statement = statement.where(ledger_transaction.c.at <= as_of)
    return [Balance(row.account_code, int(row.amount_vnd), int(row.payments)) for row in connection.execute(statement)]


def trial_balance(connection: Connection, as_of: datetime | None = None) -> tuple[list[Balance], int]:
    """All balances and their sum, which is 0 or something is very wrong."""
    everything = balances(connection, as_of=as_of)
    return everything, sum(one.amount_vnd for one in everything)


class Unbalanced(NamedTuple):
    """A transaction that is open, holds no posting, or does not sum to zero; `amount_vnd` is its sum."""

    reference: str
    is_posted: bool
    amount_vnd: int


def unbalanced(connection: Connection, limit: int) -> list[Unbalanced]:
    """At most so many such transactions, the oldest first.

    The database refuses to post one; this looks again, from the postings themselves.
    """
    total = func.coalesce(func.sum(posting.c.amount_vnd), 0)
    statement = (
        select(ledger_transaction.c.reference, ledger_transaction.c.is_posted, total)
        .outerjoin(posting, posting.c.transaction_id == ledger_transaction.c.id)
        .group_by(ledger_transaction.c.id, ledger_transaction.c.reference, ledger_transaction.c.is_posted)
        .having((total != 0) | (func.count(posting.c.number) == 0) | ~ledger_transaction.c.is_posted)
        .order_by(ledger_transaction.c.id)
        .limit(limit)
    )
    return [Unbalanced(name, is_posted, int(amount)) for name, is_posted, amount in connection.execute(statement)]


def require_funded(connection: Connection, needed: Mapping[str, int]) -> None:
    """Raise `Conflict` naming every fund that lacks something of what is needed (fund code -> đồng).

    The funds stay locked until the transaction is over, so that what was found is there still.
    """
    lock_funds(connection, needed)
    held = {one.account: one.amount_vnd for one in balances(connection, map(fund, needed))}
    lacking = {code: amount - held.get(fund(code), 0) for code, amount in sorted(needed.items())}
    short = ", ".join(f"{code} lacks {amount} đồng" for code, amount in lacking.items() if amount > 0)
    if short:
        raise Conflict(
            "fund_short",
            f"The funds do not cover this cycle: {short}.",
            next_step="Deposit into the fund, or plan fewer programmes.",
        )


def lock_funds(connection: Connection, fund_codes: Iterable[str]) -> None:
    """Let nobody else plan against these funds until this transaction is over.

    Two approvals at once could otherwise both find the same money. SQLite has one writer anyway.
    """
    codes = sorted(set(fund_codes))
    connection.execute(
        select(fund_table.c.code).where(fund_table.c.code.in_(codes)).order_by(fund_table.c.code).with_for_update()
    ).all()


def _open_accounts(connection: Connection, at: datetime, codes: set[str]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"code": code, "kind": code.partition(":")[0], "created_at": at} for code in sorted(codes)]
    connection.execute(dialect.insert(ledger_account).on_conflict_do_nothing(index_elements=["code"]), rows)


def _require_same(connection: Connection, reference: str, postings: Sequence[Posting]) -> None:
    if sorted(map(astuple, read_postings(connection, reference))) != sorted(map(astuple, postings)):
        raise Conflict("ledger_reference_reused", f"The ledger has another event under the reference {reference}.")
