"""What became of a payment, and what does not agree about it: the words and the rule.

The rule. Only booked statement entries move money; a pending, informational or future entry
changes nothing. Under one reference, net = debits − credits, seen from the payer's account:

* **settled** when something is booked and net > 0,
* **returned** when debits are booked and net = 0,
* **rejected** when the bank refused the payment (RJCT) and nothing is booked,
* **outstanding** otherwise.

An outcome says where the money is; a discrepancy says, beside it, what does not agree. A
wrong amount is settled and an amount mismatch; two debits are settled and a duplicate; a
credit without a debit is outstanding and a return without settlement.

A payment is DISPUTED beside its outcome when a person has to ask the bank: it both completed
and refused the payment and booked nothing; it brings back what it refused; more came back
than went out; or a part came back, so that net is neither 0 nor the amount sent. A letter of
the bank, recorded by two officers, that it did not make the payment ends the first of these:
the payment is rejected then, unless another letter says that it was made.

An entry in another currency than the payment's is booked, but not one đồng of ours: it
counts among debits or credits and adds nothing to their sums. Where such an entry is
booked, sums cannot decide alone, and net is then taken over the numbers of entries as soon
as the sums leave nothing settled.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Where one payment ended up."""

    OUTSTANDING = "outstanding"
    SETTLED = "settled"
    RETURNED = "returned"
    REJECTED = "rejected"
    #: We do not know whether the bank has it; decided by the sending side, never by an entry.
    UNKNOWN = "unknown"


class DiscrepancyKind(StrEnum):
    """What does not agree between what was sent and what was booked."""

    #: A booked entry under the reference differs from the amount sent, in the same currency,
    #: or more came back than had gone out.
    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    #: Two or more booked debits under one reference.
    DUPLICATE_SETTLEMENT = "duplicate_settlement"
    #: A booked entry or a status under a reference that we never sent.
    UNKNOWN_REFERENCE = "unknown_reference"
    #: Credits booked, and no debit.
    RETURN_WITHOUT_SETTLEMENT = "return_without_settlement"
    #: A payment and the one that takes its place are both paid or on their way: one is to be recalled.
    PAID_AFTER_RESUBMISSION = "paid_after_resubmission"

    #: The bank's words or bookings exclude one another, and a person has to ask it: the payment is DISPUTED.
    DISPUTED = "disputed"


#: Those that a file sent and its returns show by themselves; the others need what the store knows.
BETWEEN_FILES: tuple[DiscrepancyKind, ...] = tuple(
    kind for kind in DiscrepancyKind if kind not in (DiscrepancyKind.PAID_AFTER_RESUBMISSION, DiscrepancyKind.DISPUTED)
)
