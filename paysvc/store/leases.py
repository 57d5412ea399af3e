"""A lease: one of several processes has it, until it lets go or is not heard of for a while.

Each new holder gets a higher token. Who works under a lease names its token wherever it writes,
so that one who was stopped, and woke up after another took over, is told so by the row count.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paysvc.store.tables import lease


def take(
    connection: Connection, name: str, holder: str, held: int | None, now: datetime, length: timedelta
) -> int | None:
    """The token under which `holder` has the lease until `now + length`, or None while another has it.

    `held` is the token that the holder had before: it goes on under it, late or not, as long as nobody came between.
    """
    until = now + length
    if held is not None:
        kept = update(lease).where(lease.c.name == name, lease.c.token == held).values(until=until)
        if connection.execute(kept).rowcount == 1:
            return held
    if connection.execute(select(lease.c.token).where(lease.c.name == name)).first() is not None:
        taken_over = (
            update(lease).where(lease.c.name == name).values(holder=holder, token=lease.c.token + 1, until=until)
        )
        # Looked at again by who waited for another's taking: that one's time has only begun.
        # No holder has it for so long, either: its clock was ahead when it asked last, and it may be gone since.
        taken_over = taken_over.where(or_(lease.c.until <= now, lease.c.until > now + 2 * length))
        return connection.execute(taken_over.returning(lease.c.token)).scalar()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(lease).values(name=name, holder=holder, token=1, until=until)
    return connection.execute(first.on_conflict_do_nothing(index_elements=["name"]).returning(lease.c.token)).scalar()


def is_held(connection: Connection, name: str, token: int) -> bool:
    """Whether this token is still the lease's; if so, nobody takes it before this transaction has ended."""
    # Written and not read, so that another's taking waits for this transaction or this one for it.
    touched = update(lease).where(lease.c.name == name, lease.c.token == token).values(token=token)
    return connection.execute(touched).rowcount == 1


def let_go(connection: Connection, name: str, token: int, now: datetime) -> None:
    """Let another have it at once."""
    connection.execute(update(lease).where(lease.c.name == name, lease.c.token == token).values(until=now))
