"""set-rules: take over a rules file: funds, programmes, dated rates, units, working days."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass

from paysvc.clock import Clock
from paysvc.domain.errors import InvalidInput, PaysvcError
from paysvc.domain.officers import Officer, require
from paysvc.domain.programme_rules import ProgrammeRules, programmes_of_rules
from paysvc.domain.registry_units import Units, units_of_rules
from paysvc.store import audit_trail, programmes, units
from paysvc.store.calendar import write_decided_days
from paysvc.store.engine import Database

VERB = "set-rules"

#: A file of all communes of the country with all rates is far below this.
_LARGEST_FILE = 16 << 20


@dataclass(frozen=True, slots=True)
class RulesResult:
    """How many entries of each kind the file holds that were not so before."""

    funds: int
    programmes: int
    rates_added: int
    rates_changed: int
    units: int
    decided_days: int
    paid_together: int
    sha256: bytes

    @property
    def is_unchanged(self) -> bool:
        """True when everything was so already."""
        return not (
            self.funds
            or self.programmes
            or self.rates_added
            or self.rates_changed
            or self.units
            or self.decided_days
            or self.paid_together
        )


def set_rules(database: Database, clock: Clock, actor: Officer, *, name: str, content: bytes) -> RulesResult:
    """Take over a TOML rules file as `domain.programme_rules` describes it, whole or not at all.

    What the file does not name stays. A new amount is a new dated rate; a rate behind a
    submitted plan is never rewritten. `name` is the file's, for messages. Raises
    `InvalidInput` (file, table and key are its place), `Conflict` (`rate_in_use`,
    `programme_in_use`), `NotAllowed`.
    """
    require(actor, VERB)
    rules, geography = _read(name, content)
    digest = hashlib.sha256(content).digest()
    with database.write() as connection:
        try:
            # In the order in which a plan locks them, so that the two never wait for each other.
            programmes.lock_programmes(connection, [one.code for one in rules.programmes])
            funds = programmes.write_funds(connection, rules.funds)
            changed_programmes = programmes.write_programmes(connection, rules.programmes)
            added, changed = programmes.write_rates(connection, rules.rates)
            result = RulesResult(
                funds=funds,
                programmes=changed_programmes,
                rates_added=added,
                rates_changed=changed,
                units=units.upsert_units(connection, geography.units, geography.successors),
                decided_days=write_decided_days(connection, rules.decided_days),
                paid_together=programmes.write_paid_together(connection, rules.paid_together),
                sha256=digest,
            )
        except PaysvcError as failure:
            raise _in_file(name, failure) from failure
        audit_trail.append(connection, clock.now(), actor, VERB, f"rules:{digest.hex()[:16]}", _detail(result))
    return result


def _read(name: str, content: bytes) -> tuple[ProgrammeRules, Units]:
    if len(content) > _LARGEST_FILE:
        raise InvalidInput("rules_unusable", "A rules file has at most 16 MiB.", place=name)
    try:
        parsed = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as failure:
        raise InvalidInput("rules_unusable", "A rules file is UTF-8 text.", place=name) from failure
    except tomllib.TOMLDecodeError as failure:
        raise InvalidInput("rules_unusable", f"The file is not TOML: {failure}.", place=name) from failure
    try:
        return programmes_of_rules(parsed), units_of_rules(parsed)
    except InvalidInput as failure:
        raise _in_file(name, failure) from failure


def _in_file(name: str, failure: PaysvcError) -> PaysvcError:
    """The same complaint with the file before the place in it."""
    place = f"{name}: {failure.place}" if failure.place else name
    return type(failure)(failure.code, failure.message, next_step=failure.next_step, place=place)


def _detail(result: RulesResult) -> dict[str, object]:
    names = ("funds", "programmes", "rates_added", "rates_changed", "units", "decided_days", "paid_together")
    return {name: getattr(result, name) for name in names} | {"sha256": result.sha256.hex()}
