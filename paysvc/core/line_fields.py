"""What a field of a bank's line may hold: the tables by which `scan_fields` reads lines.

Apart from the kernels, so that a dialect can say how its lines are built without loading them.
"""

from __future__ import annotations

from typing import NamedTuple

#: A whole number of digits; kept as that number.
NUMBER = 0
#: Bytes that mean something together; at most eight of them, kept as a number (`code_number`).
CODE = 1
#: Printable ASCII without a space in it.
WORD = 2
#: Printable ASCII.
TEXT = 3
#: Capital letters.
CAPITALS = 4
#: Any bytes but the ends of lines; what they mean is for the caller to say.
BYTES = 5


class Field(NamedTuple):
    """What stands in a field, and how many bytes of it at least and at most.

    In a record of fixed width a field is always `most` bytes wide; spaces behind a text fill it.
    A number has at most 15 digits, a code at most eight bytes, anything else at most 4,095.
    """

    kind: int
    least: int
    most: int


def code_number(code: bytes) -> int:
    """The number that a `CODE` is kept as."""
    return int.from_bytes(code, "little")


def code_text(number: int, width: int) -> bytes:
    """The `width` bytes of a `CODE` again."""
    return number.to_bytes(width, "little")
