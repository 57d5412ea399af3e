"""close-cycle: say that it is known what became of every payment of a cycle, and that nothing more leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paysvc.clock import Clock
from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import CycleState
from paysvc.domain.officers import Officer, require
from paysvc.store import audit_trail, batches, cycles
from paysvc.store.engine import Database
from paysvc.store.outcomes import CycleOutcomes, outcomes_of_cycle

VERB = "close-cycle"


@dataclass(frozen=True, slots=True)
class ClosedCycle:
    """A cycle that is CLOSED, and what became of it; `is_new` is False when it was closed before."""

    cycle_code: str
    state: CycleState
    is_new: bool
    outcomes: CycleOutcomes


def close_cycle(database: Database, clock: Clock, actor: Officer, *, cycle_code: str) -> ClosedCycle:
    """RELEASED → CLOSED, when each payment is SETTLED, REJECTED, RETURNED or CANCELLED and no batch is open.

    What a bank says later is believed as before, and what it did not pay may be proposed again. Closing again
    changes nothing. Raises `Conflict` (`cycle_not_released`; `cycle_open`, with how many of which state keep it
    open), `NotFound`, `NotAllowed`.
    """
    require(actor, VERB)
    with database.write() as connection:
        # The bank's next word may bring a payment to life while its cycle is looked at.
        batches.queue_for_money(connection)
        cycle = cycles.get_cycle(connection, cycle_code)
        is_new = cycle.state is not CycleState.CLOSED
        if is_new:
            if cycle.state is not CycleState.RELEASED:
                raise Conflict("cycle_not_released", f"Cycle {cycle_code} is {cycle.state}, not {CycleState.RELEASED}.")
            _require_over(cycle_code, cycles.what_is_open(connection, cycle.id))
            cycle = cycles.change_cycle(connection, cycle, state=CycleState.CLOSED.value)
        outcomes = outcomes_of_cycle(connection, cycle.id)
        if is_new:
            detail = {"state": cycle.state.value, **_figures(outcomes)}
            audit_trail.append(connection, clock.now(), actor, VERB, f"cycle:{cycle_code}", detail)
    return ClosedCycle(cycle_code, cycle.state, is_new, outcomes)


def _require_over(cycle_code: str, still_open: Mapping[str, int]) -> None:
    if still_open:
        raise Conflict(
            "cycle_open",
            f"Cycle {cycle_code} stays open: {', '.join(f'{count} {what}' for what, count in still_open.items())}.",
            next_step="Send and reconcile what is on its way; withdraw what cannot leave (paysvc withdraw-payments).",
        )


def _figures(outcomes: CycleOutcomes) -> dict[str, object]:
    names = ("settled", "returned", "rejected", "withdrawn")
    return {name: getattr(outcomes, name).count for name in names} | {
        f"{name}_vnd": str(getattr(outcomes, name).amount_vnd) for name in names
    }
