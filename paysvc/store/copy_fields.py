"""A table's columns in the types of PostgreSQL's binary COPY: what the server stores, or an error.

Binary COPY leaves no room for the server to interpret a value, so each kind of column takes
only values of its own kind, and a number has to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
from psycopg import DataError
from sqlalchemy import BigInteger, Boolean, Date, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.types import TypeEngine

from paysvc.core.copy_rows import NO_NULLS, BytesField, Field, IntegerField, SameField
from paysvc.core.text_column import Bool, Int64, TextColumn
from paysvc.store.tables import Instant, instant_text

#: PostgreSQL counts days from here.
_FIRST_DAY = date(2000, 1, 1).toordinal()


def field_of(kind: TypeEngine[Any], values: Sequence[Any] | np.ndarray[Any, Any] | TextColumn, is_null: Bool) -> Field:
    """A column of values for a column of the type `kind`; `is_null` is NO_NULLS unless it says where values are not.

    A list may hold None instead. Raises `TypeError` for values of another kind and the
    driver's `DataError` for a number outside the column's range.
    """
    if not isinstance(values, (np.ndarray, TextColumn, range)) and None in values:
        is_null = np.array([value is None for value in values])
        values = [_empty(kind) if value is None else value for value in values]
    if isinstance(kind, Integer):
        width = 2 if isinstance(kind, SmallInteger) else 8 if isinstance(kind, BigInteger) else 4
        return IntegerField(_integers(values, width), width, is_null)
    if isinstance(kind, Boolean):
        return IntegerField(_numbers(values, "b"), 1, is_null)
    if isinstance(kind, Date):
        return IntegerField(np.array(list(map(_day, values)), np.int64), 4, is_null)
    return BytesField(_bytes(kind, values), is_null)


def same_field(kind: TypeEngine[Any], value: Any) -> Field:
    """One value for every row."""
    if value is None:
        return SameField(None)
    field = field_of(kind, [value], NO_NULLS)
    if isinstance(field, IntegerField):
        return SameField(int(field.values[0]).to_bytes(field.width, "big", signed=True))
    assert isinstance(field, BytesField)
    return SameField(field.values.data.tobytes())


def _empty(kind: TypeEngine[Any]) -> Any:
    """What stands in a column where nothing is."""
    if isinstance(kind, LargeBinary):
        return b""
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Date):
        return date(2000, 1, 1)
    return 0 if isinstance(kind, Integer) else ""


def _bytes(kind: TypeEngine[Any], values: Any) -> TextColumn:
    if not isinstance(kind, (String, LargeBinary, Instant)):
        raise TypeError(f"columns of {kind!r} are not copied")
    if isinstance(values, TextColumn):
        return values
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if isinstance(kind, LargeBinary):
        return TextColumn.of_bytes(listed)
    if isinstance(kind, Instant):
        listed = [instant_text(value) if isinstance(value, datetime) else value for value in listed]
    return TextColumn.of(listed)


def _integers(values: Any, width: int) -> Int64:
    numbers = _numbers(values, "iu")
    limit = 1 << (8 * width - 1)
    if len(numbers) and not -limit <= int(numbers.min()) <= int(numbers.max()) < limit:
        raise DataError(f"a number does not fit {width} bytes")
    return numbers


def _numbers(values: Any, kinds: str) -> Int64:
    """As int64; `kinds` are NumPy's letters for the kinds of numbers that may come."""
    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step, dtype=np.int64)
    found = np.asarray(values)
    if not len(found):
        return np.zeros(0, np.int64)
    if found.dtype == np.object_ and all(type(value) is int for value in found.tolist()):
        raise DataError("a number does not fit 8 bytes")
    if found.dtype.kind not in kinds:
        raise TypeError(f"values of the kind {found.dtype} do not belong into this column")
    if found.dtype == np.uint64 and int(found.max()) >= 1 << 63:
        raise DataError("a number does not fit 8 bytes")
    return found.astype(np.int64, copy=False)


def _day(value: Any) -> int:
    if type(value) is not date:
        raise TypeError(f"not a date: {type(value).__name__}")
    return value.toordinal() - _FIRST_DAY
