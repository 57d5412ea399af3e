"""deposit-fund: record money that the treasury put at a fund's disposal."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paysvc.clock import Clock
from paysvc.domain.errors import InvalidInput, NotFound
from paysvc.domain.money import MAX_TOTAL_VND
from paysvc.domain.officers import Officer, require
from paysvc.store import audit_trail, ledger, programmes
from paysvc.store.engine import Database

VERB = "deposit-fund"

_REFERENCE = re.compile(r"\w[\w ./-]{0,79}")


@dataclass(frozen=True, slots=True)
class DepositResult:
    """`is_new` is False when this very deposit was recorded before; amounts in đồng."""

    fund_code: str
    amount_vnd: int
    balance_vnd: int
    is_new: bool


def deposit_fund(
    database: Database, clock: Clock, actor: Officer, *, fund_code: str, amount_vnd: int, reference: str
) -> DepositResult:
    """Move `amount_vnd` from the treasury into the fund, once for each `reference`.

    `reference` is the number of the treasury's order. Raises `InvalidInput`, `NotFound` for
    an unknown fund, `Conflict` when the reference was used for another amount, `NotAllowed`.
    """
    require(actor, VERB)
    if not 1 <= amount_vnd <= MAX_TOTAL_VND:
        raise InvalidInput("amount_out_of_range", "A deposit is a whole number of đồng above 0.")
    if not _REFERENCE.fullmatch(reference):
        raise InvalidInput("reference_malformed", "A reference is 1 to 80 letters, digits, spaces and ./_-.")
    with database.write() as connection:
        if fund_code not in {one.code for one in programmes.read_funds(connection)}:
            raise NotFound("fund_unknown", f"There is no fund '{fund_code}'.", next_step="Name it in the rules file.")
        ledger.lock_funds(connection, [fund_code])
        is_new = ledger.post(
            connection,
            clock.now(),
            "deposit",
            f"deposit:{fund_code}:{reference}",
            [
                ledger.Posting(ledger.TREASURY, -amount_vnd, 1),
                ledger.Posting(ledger.fund(fund_code), amount_vnd, 1),
            ],
        )
        if is_new:
            detail = {"amount_vnd": str(amount_vnd), "reference": reference}
            audit_trail.append(connection, clock.now(), actor, VERB, f"fund:{fund_code}", detail)
        return DepositResult(fund_code, amount_vnd, ledger.balance(connection, ledger.fund(fund_code)), is_new)
