"""One byte form for one meaning, so that a digest or a signature speaks of the meaning.

JSON by RFC 8785 (JCS), restricted to what this project signs: objects with text keys,
arrays, text, integers within 2^53 (larger ones are given as text), booleans and null.
Floats are refused: no figure of ours is one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

#: RFC 8785 numbers are IEEE doubles; beyond this an integer would not survive a reader.
_MAX_EXACT = 2**53 - 1


def canonical_json(value: object) -> bytes:
    """The RFC 8785 bytes of `value`; raises TypeError or ValueError for what it may not hold."""
    return _encode(value).encode()


def canonical_sha256(value: object) -> bytes:
    return hashlib.sha256(canonical_json(value)).digest()


def _encode(value: object) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _MAX_EXACT:
            raise ValueError("an integer beyond 2^53 has to be given as text")
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a canonical object has text keys")
        # RFC 8785 sorts by UTF-16 code units, which differs from code points above U+FFFF.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_encode(value[key])}" for key in keys) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(map(_encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical form")
