"""What people do in an office beside the payments of a month: each is a function of the world and its month."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from paysvc.domain.officers import Role

from .people import RULES

if TYPE_CHECKING:
    from .world import World


def set_the_rules(world: World, code: str) -> None:
    """The rules once more, and a schedule beside the others."""
    world.call(Role.ADMINISTRATOR, "PUT", "/rules", content=RULES.encode())
    body: dict[str, Any] = {"verb": "match-accounts", "every_seconds": 2_000_000}
    world.call(Role.ADMINISTRATOR, "PUT", "/schedules/matching", json=body)


def have_a_helper(world: World, code: str) -> None:
    """An officer comes, is given a token, and goes."""
    name = f"helper{len(world.story)}"
    world.tell(f"{name} comes and goes")
    world.call(
        Role.ADMINISTRATOR, "POST", "/officers", json={"officer_id": name, "role": "auditor"},
        accept=("officer_exists",),
    )  # fmt: skip
    world.call(Role.ADMINISTRATOR, "POST", f"/officers/{name}/tokens", json={"days": 3})
    world.call(Role.ADMINISTRATOR, "DELETE", f"/officers/{name}", accept=("officer_unknown",))


def take_the_plan_back(world: World, code: str) -> None:
    """A submitted plan is withdrawn and submitted again."""
    body = {"reason": "a second look"}
    world.call(Role.MAKER, "POST", f"/cycles/{code}/withdrawal", json=body, accept=("cycle_not_changeable",))
    world.call(Role.MAKER, "POST", f"/cycles/{code}/submission", accept=("cycle_not_draft",))


def hold_somebody(world: World, code: str) -> None:
    """One payment is taken out of the plan; nobody's who was held before: the audit wants that paid now."""
    someone = world.one(
        "SELECT min(i.end_to_end_id) FROM instruction i JOIN payment_cycle c ON c.id = i.cycle_id"
        " WHERE c.code = :code AND NOT EXISTS (SELECT 1 FROM obligation_claim k JOIN obligation o"
        " ON o.id = k.obligation_id WHERE k.entitlement_id = i.entitlement_id AND o.period <> :code)",
        code=code,
    )
    if someone is None:
        return
    body = {"end_to_end_id": someone, "reason": "address_unclear"}
    world.call(Role.MAKER, "POST", f"/cycles/{code}/holds", json=body, accept=("payment_unknown",))
    world.call(Role.MAKER, "POST", f"/cycles/{code}/submission", accept=("cycle_not_draft",))


def review_a_match(world: World, code: str) -> None:
    """Somebody looks at an account that is in another name."""
    found = world.call(Role.MAKER, "GET", "/matching/reviews")["matches"]
    if found:
        body = {"decision": "reject", "reason": "another person"}
        path = f"/matching/reviews/{found[0]['match_id']}"
        world.call(Role.MAKER, "POST", path, json=body, accept=("already_decided", "match_changed"))


def check_the_books(world: World, code: str) -> None:
    """The books are checked, with the kept files."""
    world.check_books()


CHORES: tuple[Callable[[World, str], None], ...] = (
    set_the_rules,
    have_a_helper,
    take_the_plan_back,
    hold_somebody,
    review_a_match,
    check_the_books,
)
