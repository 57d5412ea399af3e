"""Who may do what: roles, verbs, and the pairs that must not meet in one person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paysvc.domain.errors import NotAllowed


class Role(StrEnum):
    """An officer has exactly one."""

    MAKER = "maker"
    APPROVER = "approver"
    BANK_OPERATOR = "bank-operator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    #: The scheduler and other machines of ours; may send, collect and reconcile, never approve.
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Officer:
    """Somebody who acts; `officer_id` is stable and unique, and is what the audit trail keeps."""

    officer_id: str
    role: Role


#: Verb -> roles that may. What is not listed here nobody may do.
PERMISSIONS: dict[str, frozenset[Role]] = {
    "import-registry": frozenset({Role.MAKER}),
    "match-accounts": frozenset({Role.MAKER, Role.SYSTEM}),
    "review-match": frozenset({Role.MAKER, Role.APPROVER}),
    "resolve-accounts": frozenset({Role.MAKER, Role.APPROVER}),
    "plan-payments": frozenset({Role.MAKER}),
    "hold-payment": frozenset({Role.MAKER, Role.APPROVER}),
    "submit-plan": frozenset({Role.MAKER}),
    "approve-plan": frozenset({Role.APPROVER}),
    "return-plan": frozenset({Role.APPROVER}),
    "propose-resubmission": frozenset({Role.MAKER}),
    "approve-resubmission": frozenset({Role.APPROVER}),
    # An approver declines, a maker takes back.
    "decline-resubmission": frozenset({Role.MAKER, Role.APPROVER}),
    # What a bank says on paper counts only by two of them.
    "propose-letter": frozenset({Role.MAKER, Role.BANK_OPERATOR}),
    "approve-letter": frozenset({Role.APPROVER}),
    "decline-letter": frozenset({Role.MAKER, Role.BANK_OPERATOR, Role.APPROVER}),
    # A scan names people.
    "export-letter": frozenset({Role.MAKER, Role.BANK_OPERATOR, Role.APPROVER, Role.AUDITOR}),
    "withdraw-payments": frozenset({Role.APPROVER}),
    "close-cycle": frozenset({Role.APPROVER}),
    "recall-payments": frozenset({Role.APPROVER, Role.BANK_OPERATOR, Role.SYSTEM}),
    "deposit-fund": frozenset({Role.ADMINISTRATOR}),
    "set-rules": frozenset({Role.ADMINISTRATOR}),
    "submit-batches": frozenset({Role.APPROVER, Role.SYSTEM}),
    "collect-returns": frozenset({Role.BANK_OPERATOR, Role.SYSTEM}),
    "reconcile-returns": frozenset({Role.BANK_OPERATOR, Role.SYSTEM}),
    "check-books": frozenset({Role.AUDITOR, Role.ADMINISTRATOR, Role.SYSTEM}),
    "acknowledge-books": frozenset({Role.ADMINISTRATOR}),
    "backup": frozenset({Role.ADMINISTRATOR}),
    # Into an empty database, in which nobody can sign in yet: whoever owns the machine.
    "restore": frozenset({Role.SYSTEM}),
    "recover": frozenset({Role.ADMINISTRATOR}),
    "approve-recovery": frozenset({Role.APPROVER}),
    "publish-report": frozenset({Role.AUDITOR, Role.SYSTEM}),
    "manage-officers": frozenset({Role.ADMINISTRATOR}),
    "manage-schedules": frozenset({Role.ADMINISTRATOR}),
    "read": frozenset({Role.MAKER, Role.APPROVER, Role.BANK_OPERATOR, Role.AUDITOR, Role.ADMINISTRATOR}),
}


def require(officer: Officer, verb: str) -> None:
    """Raise `NotAllowed` unless the officer's role may do `verb`; unknown verbs are refused."""
    if officer.role not in PERMISSIONS.get(verb, frozenset()):
        raise NotAllowed(
            "role_not_allowed",
            f"An officer with the role {officer.role} may not {verb}.",
            next_step="Ask an officer with one of these roles: " + ", ".join(sorted(PERMISSIONS.get(verb, ()))),
        )
