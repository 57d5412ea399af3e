"""What an officer gives as a reason goes into the trail, and must be fit to stand there."""

from __future__ import annotations

import re

from paysvc.domain.errors import InvalidInput

_LONGEST = 500
#: Six digits in a row are a number of somebody, which has no place in the audit trail.
_SOME_NUMBER = re.compile(r"[0-9]{6}")


def require_reason(reason: str) -> None:
    """Raise `InvalidInput` unless it is 1 to 500 characters without a number of somebody."""
    if not reason.strip() or len(reason) > _LONGEST:
        raise InvalidInput("reason_missing", f"A reason of 1 to {_LONGEST} characters is needed.")
    if _SOME_NUMBER.search(reason):
        raise InvalidInput("reason_with_number", "A reason names no citizen ID and no account number.")
