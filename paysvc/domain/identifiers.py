"""Numbers that name people, accounts, banks and payments, and what each may look like."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Crockford's base 32: digits and capitals without I, L, O, U; sorts as the number does.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: Length of every EndToEndId we issue. MT940's `:61:` carries 16 characters and some banks
#: print only 16, so an id of exactly 16 survives every rail whole. docs/decisions/0003.
END_TO_END_ID_LENGTH = 16


class Sex(StrEnum):
    """As the civil register has it."""

    MALE = "male"
    FEMALE = "female"


@dataclass(frozen=True, slots=True)
class CitizenId:
    """The 12-digit personal identification number (Decree 137/2015, Article 13).

    Three digits of the place where the birth was registered, one for century and sex, two
    of the birth year, six that mean nothing. There is no check digit. The number never says
    where a person lives now.
    """

    number: str

    @property
    def birth_place_code(self) -> str:
        return self.number[:3]

    @property
    def sex(self) -> Sex:
        return Sex.FEMALE if int(self.number[3]) % 2 else Sex.MALE

    @property
    def birth_year(self) -> int:
        """Circular 07/2016: 0/1 the 20th century, 2/3 the 21st, and so on to 8/9."""
        return 1900 + 100 * (int(self.number[3]) // 2) + int(self.number[4:6])

    def masked(self) -> str:
        """`••••••••1234`: the first six digits would reveal birthplace, sex and year."""
        return "•" * 8 + self.number[-4:]

    def __str__(self) -> str:
        # Printing one by accident must not write it into a log.
        return self.masked()

    def __repr__(self) -> str:
        return f"CitizenId({self.masked()})"


_TWELVE = re.compile(r"[0-9]{12}")
_NINE = re.compile(r"[0-9]{9}")
_ACCOUNT = re.compile(r"[0-9A-Z][0-9A-Z.\-]{3,33}")
_BIN = re.compile(r"[0-9]{6}")


def citizen_id(text: str) -> CitizenId | None:
    """The citizen ID written in `text` (surrounding white space aside), or None."""
    stripped = text.strip()
    return CitizenId(stripped) if _TWELVE.fullmatch(stripped) else None


def malformed_citizen_ids(texts: Sequence[str]) -> list[int]:
    """Positions of the texts that are not exactly 12 digits."""
    return [position for position, text in enumerate(texts) if not _TWELVE.fullmatch(text)]


def is_old_id_number(text: str) -> bool:
    """True for the 9-digit number (CMND) that was superseded and is invalid since 2025-01-01."""
    return _NINE.fullmatch(text.strip()) is not None


def is_account_number(text: str) -> bool:
    """True for 4 to 34 of digits, capitals, dot and hyphen (ISO Max34Text; Vietnam has no IBAN)."""
    return _ACCOUNT.fullmatch(text) is not None


def is_bank_bin(text: str) -> bool:
    """True for the 6 digits by which NAPAS knows a bank."""
    return _BIN.fullmatch(text) is not None


def base32(digest: bytes, length: int) -> str:
    """The first `length` base-32 characters (5 bits each) of `digest`."""
    number = int.from_bytes(digest, "big") >> (len(digest) * 8 - length * 5)
    characters = []
    for _ in range(length):
        characters.append(CROCKFORD[number & 31])
        number >>= 5
    return "".join(reversed(characters))


def end_to_end_id(
    key: bytes, programme: str, period: str, beneficiary_key: bytes, component: str, generation: int
) -> str:
    """The permanent reference of one credit: 16 characters of `[0-9A-Z]`, the first a `P`.

    A keyed hash of what is paid and of its generation, so that the same entitlement has the
    same id on every machine and after every restore, and no personal data can be read or
    guessed from it. `beneficiary_key` is the 32-byte blind index, `period` is `YYYY-MM`,
    `generation` counts from 0 and rises only with bank evidence of non-payment.
    """
    what = "\x1f".join((programme, period, component, str(generation))).encode() + b"\x1f" + beneficiary_key
    return "P" + base32(hmac.new(key, what, hashlib.sha256).digest(), END_TO_END_ID_LENGTH - 1)


def message_id(value_date: str, content_sha256: bytes) -> str:
    """The permanent MsgId of one bank file: `M`, the value date, 16 base-32 characters.

    Derived from what the batch contains, so a retry carries the same id (safety rule 4).
    """
    return "M" + value_date.replace("-", "") + base32(content_sha256, 16)
