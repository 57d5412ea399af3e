"""Vietnamese in Windows-1258: base letters in one byte, tone marks as bytes of their own.

The code page has `ế` only as `ê` followed by a combining acute; `à` it has whole. Python's
codec maps bytes to code points one to one, so the splitting (out) and the composing (in) are
done here. A letter that the code page has whole is written whole.
"""

from __future__ import annotations

from unicodedata import normalize

#: Grave, acute, tilde, hook above, dot below: the tone marks, in the code page as combining bytes.
_TONES = "\u0300\u0301\u0303\u0309\u0323"


def _split(letter: str) -> str | None:
    """Base letter and tone mark, each of which the code page has; None where that cannot be."""
    parts = normalize("NFD", letter)
    tones = "".join(part for part in parts if part in _TONES)
    base = normalize("NFC", "".join(part for part in parts if part not in _TONES))
    return base + tones if len(tones) == 1 and _has(base + tones) else None


def _has(text: str) -> bool:
    try:
        text.encode("cp1258")
    except UnicodeEncodeError:
        return False
    return True


def _written(letter: str) -> str:
    return letter if _has(letter) else _split(letter) or letter


#: All Latin letters as they are written. Those that stay are in it too: `str.translate` is
#: several times slower for a character that its table does not know.
_AS_WRITTEN = {code: _written(chr(code)) for code in range(0x1F00)}


def to_windows_1258(text: str) -> bytes:
    """The bytes of composed (NFC) text. Raises UnicodeEncodeError for what the code page lacks."""
    return text.encode("ascii") if text.isascii() else text.translate(_AS_WRITTEN).encode("cp1258")


def from_windows_1258(content: bytes) -> str:
    """The text, composed (NFC). Raises UnicodeDecodeError for bytes that mean nothing."""
    return content.decode("ascii") if content.isascii() else normalize("NFC", content.decode("cp1258"))
