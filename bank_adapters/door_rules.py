"""What every door holds to, whatever it speaks: usable names, sizes, and a bank's refusal read as one line."""

from __future__ import annotations

import re

from paysvc.bank_interface import SeenFiles
from paysvc.domain.errors import FileRefused

_REFUSAL = re.compile(r"([A-Z0-9]{2,35})(?:[ :]+(.*))?", re.DOTALL)

#: ISO 20022 ExternalStatusReason: a reason in words only; duplicate.
NARRATIVE, DUPLICATE = "NARR", "DUPL"


def is_unfinished(name: str) -> bool:
    """True for a name under which a bank is still writing."""
    return name.startswith(".") or name.endswith((".part", ".tmp"))


def is_usable_name(name: str) -> bool:
    """True for a printable name of 1 to 200 characters that names nothing but a file in its folder."""
    return 1 <= len(name) <= 200 and name.isprintable() and not set(name) & set("/\\:") and name == name.strip()


def is_seen(seen: SeenFiles, name: str, size: int | None, sha256: bytes | None = None) -> bool:
    """True for a file that we have as the bank lists it; what its list does not say is taken for unchanged."""
    before = seen.get(name)
    return before is not None and size in (None, before.size) and sha256 in (None, before.sha256)


def unusable_name() -> FileRefused:
    return FileRefused(
        "file_name_unusable",
        "The bank put out a file under a name with a separator, a control character or too many letters.",
        next_step="Ask the bank to put it out under a plain name.",
    )


def too_large(name: str, limit: int) -> FileRefused:
    return FileRefused(
        "file_too_large",
        f"The bank put out a file larger than {limit} bytes, which was not fetched.",
        next_step="Ask the bank what it is, or raise the bank's option max_file_bytes.",
        place=name,
    )


def damaged(name: str) -> FileRefused:
    return FileRefused(
        "digest_differs",
        "A file did not arrive with the size and the SHA-256 that the bank announced.",
        next_step="It is fetched again next time; if this stays, ask the bank.",
        place=name,
    )


def refusal_of(text: str) -> tuple[str, str]:
    """Code and message of a bank's `CODE message`; a text without a code is NARR."""
    line = one_line(text)
    found = _REFUSAL.fullmatch(line)
    if not found:
        return NARRATIVE, line or "The bank gave no reason."
    return found[1], found[2] or "The bank gave no reason."


def one_line(text: str) -> str:
    """Foreign text made fit for a message: one printable line of at most 300 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())[:300]


def said(failure: BaseException) -> str:
    """The failure in a few words, for a message to an officer."""
    if isinstance(failure, TimeoutError) or "Timeout" in type(failure).__name__:
        return "no answer in time"
    return f"{type(failure).__name__}: {one_line(str(failure))}"
