"""Reads a bank's letter as two officers recorded it: the dialect of `domain.bank_letters`."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from paysvc.core.columns import StatusColumns
from paysvc.core.messages import BankReturns, GroupStatus
from paysvc.core.text_column import TextColumn
from paysvc.domain.bank_letters import BEGINS_WITH, FORMAT, KIND, MAX_NAMES, About, ApprovedLetter, LetterContent, Says
from paysvc.domain.bank_returns import REASON_LETTER
from paysvc.domain.errors import FileRefused

#: What a letter says, as the ISO 20022 status that means the same, and its reason.
_STATUS = {Says.RECEIVED: ("RCVD", ""), Says.MADE: ("ACSC", ""), Says.NOT_MADE: ("RJCT", REASON_LETTER)}

#: A letter with all its names, with room to spare.
_MAX_BYTES = 2 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_letter(content: bytes) -> bool:
    """Whether these bytes are in the dialect of letters; no dialect of a bank begins so."""
    return content.startswith(BEGINS_WITH)


def read_letter(bank_code: str, content: bytes) -> BankReturns:
    """What a letter of this bank says, of kind `letter`. Whether two officers recorded it, its row tells.

    Raises `FileRefused` (`letter_malformed`, `letter_of_another_bank`).
    """
    letter = letter_in(content)
    said = letter.content
    if said.bank_code != bank_code:
        raise FileRefused("letter_of_another_bank", "The letter is of another bank.")
    status, reason = _STATUS[said.says]
    message_id = f"letter-{letter.id}"
    if said.about is About.FILES:
        groups = tuple(GroupStatus(name, None, status, reason) for name in said.names)
        return BankReturns(KIND, message_id, groups=groups)
    count = len(said.names)
    repeated = (TextColumn.repeat(one, count) for one in (status, reason, ""))
    return BankReturns(KIND, message_id, statuses=StatusColumns(TextColumn.of(list(said.names)), *repeated))


def letter_in(content: bytes) -> ApprovedLetter:
    """The letter in these bytes, which are exactly those that it would be written as. Raises `FileRefused`."""
    if len(content) <= _MAX_BYTES:
        try:
            letter = _letter(json.loads(content)["bank_letter"])
            if letter.file == content and 1 <= len(letter.content.names) <= MAX_NAMES:
                return letter
        # Whatever a stranger wrote there: too deep, another type, a number that is none.
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
    raise FileRefused("letter_malformed", "It begins like a recorded letter of a bank, and is none.")


def _letter(said: Any) -> ApprovedLetter:
    names, digest = said["names"], said["scan"]["sha256"]
    texts = [*names, *(said[name] for name in ("bank", "number", "maker", "approver"))]
    is_whole = all(isinstance(one, str) and one for one in texts) and all(
        type(one) is int for one in (said["id"], said["scan"]["size"])
    )
    if not is_whole or said["format"] != FORMAT or not _DIGEST.fullmatch(digest) or names != sorted(set(names)):
        raise ValueError("not as this program writes it")
    content = LetterContent.of_json(said)
    if (content.says is Says.RECEIVED and content.about is About.PAYMENTS) or content.maker == said["approver"]:
        raise ValueError("what two officers cannot have recorded")
    return ApprovedLetter(said["id"], content, said["approver"], datetime.fromisoformat(said["approved_at"]))
