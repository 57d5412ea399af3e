"""Fields that many answers share: đồng as integers, digests as hexadecimal text, pages."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from paysvc.store.listings import MAX_PAGE


class Hex(fields.Field[bytes]):
    """Bytes, shown as hexadecimal digits."""

    default_error_messages = {"invalid": "Not hexadecimal digits."}  # noqa: RUF012  # as the base declares it

    def __init__(self, **more: Any) -> None:
        more.setdefault("metadata", {})["type"] = "string"
        super().__init__(**more)

    def _serialize(self, value: bytes | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.hex()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bytes:
        try:
            return bytes.fromhex(value)
        except (ValueError, TypeError) as failure:
            raise self.make_error("invalid") from failure


class Texts(fields.List[str]):
    """A list of texts, taken as it is where all are: one by one a thousand take milliseconds."""

    def __init__(self, **more: Any) -> None:
        super().__init__(fields.String(), **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | None]:
        if type(value) is list and all(type(one) is str for one in value):
            return value
        return super()._deserialize(value, attr, data, **kwargs)


class PageQuery(Schema):
    """Which page: the rows before this id, at most so many."""

    before = fields.Integer(load_default=None, metadata={"description": "The last id of the page before."})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))


class FigureSchema(Schema):
    """How many payments, and how much in whole đồng."""

    count = fields.Integer(required=True)
    amount_vnd = fields.Integer(required=True)
