"""resolve-accounts: which account stands for each of many citizen IDs, for an office's own systems.

The answer to one ID is its outcome of matching and, where that is about exactly one account, the
bank's BIN and the masked number. Who asked for how many is kept, and never for whom.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from paysvc.clock import Clock
from paysvc.domain.errors import InvalidInput
from paysvc.domain.identifiers import malformed_citizen_ids
from paysvc.domain.officers import Officer, require
from paysvc.sealing import Sealer
from paysvc.store import audit_trail, matching
from paysvc.store.engine import Database
from paysvc.store.matching import FoundColumns, ResolutionColumns

#: The most citizen IDs one call takes.
MOST_RESOLVED = 1_000


def resolve_accounts(
    database: Database, sealer: Sealer, clock: Clock, actor: Officer, *, citizen_ids: Sequence[str]
) -> ResolutionColumns:
    """What is known today of each of up to 1,000 citizen IDs, in the order asked.

    Raises `NotAllowed`, and `InvalidInput` for no ID, too many, or any that is not 12 digits; its
    place names each of these by position, from 0.
    """
    require(actor, "resolve-accounts")
    if not 1 <= len(citizen_ids) <= MOST_RESOLVED:
        raise InvalidInput(
            "citizen_ids_count",
            f"{len(citizen_ids)} citizen IDs were given; one call takes 1 to {MOST_RESOLVED}.",
            next_step="Ask in several calls.",
        )
    malformed = malformed_citizen_ids(citizen_ids)
    if malformed:
        raise InvalidInput(
            "citizen_id_malformed",
            f"{len(malformed)} of {len(citizen_ids)} citizen IDs are not 12 digits; none was looked up.",
            next_step="Correct or leave out those that are named, and ask again.",
            place=", ".join(f"citizen_ids[{position}]" for position in malformed),
        )
    keys = sealer.blind_index("citizen_id", citizen_ids)
    found: list[FoundColumns] = []

    def look_up_and_record(connection: Connection) -> None:
        found.append(matching.look_up(connection, keys))
        detail = {"asked": len(keys), "registered": len(found[0].position)}
        audit_trail.append(connection, clock.now(), actor, "resolve-accounts", "registry", detail)

    # By the connection that writes: another one would forget its pages with every event written.
    database.write_together(look_up_and_record)
    return matching.resolutions(sealer, found[0], len(keys))
