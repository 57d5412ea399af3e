"""Batches for the contract: made up, always the same, and one row changed where a check needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from paysvc.bank_interface import Channel
from paysvc.core.messages import BankReturns, Debtor, PaymentBatch
from paysvc.core.order_columns import PaymentColumns
from paysvc.core.text_column import TextColumn

#: No two alike in their first letter, accents of every kind, no real person.
_NAMES = ("Nguyễn Thị Hoa", "Trần Văn Đức", "Lê Quỳnh Như", "Hồ Thị Ỹ", "K'Brể", "Vừ Bá Xồng")


def sample_batch(channel: Channel, count: int = 3, message_id: str = "M20261201CONTRACTSAMPLE1") -> PaymentBatch:
    """`count` payments of 500,000 đồng and a little, for accounts or for the counter."""
    cash = channel is Channel.CASH
    rows = range(count)
    return PaymentBatch(
        message_id=message_id,
        created_at=datetime(2026, 11, 30, 2, 15, 30, tzinfo=UTC),
        value_date=date(2026, 12, 1),
        debtor=Debtor("KHO BẠC NHÀ NƯỚC", "3713010001", "970405"),
        purpose="SSBE",
        payments=PaymentColumns(
            end_to_end_id=TextColumn.of([f"P{row:015d}" for row in rows]),
            amount_vnd=np.array([500_000 + row for row in rows], dtype=np.int64),
            creditor_bin=TextColumn.of(["" if cash else "970436" for _ in rows]),
            creditor_account=TextColumn.of(["" if cash else f"0011{row:09d}" for row in rows]),
            creditor_name=TextColumn.of([_NAMES[row % len(_NAMES)] for row in rows]),
            citizen_id=TextColumn.of([f"040150{row:06d}" if cash else "" for row in rows]),
            point_code=TextColumn.of(["16834" if cash else "" for _ in rows]),
            remittance=TextColumn.of(["Trợ cấp xã hội tháng 12/2026" for _ in rows]),
        ),
    )


def with_value(batch: PaymentBatch, row: int, field: str, value: str | int) -> PaymentBatch:
    """The batch with one field of one payment changed."""
    column = getattr(batch.payments, field)
    if isinstance(value, int):
        changed = column.copy()
        changed[row] = value
    else:
        texts = column.to_list()
        texts[row] = value
        changed = TextColumn.of(texts)
    return replace(batch, payments=replace(batch.payments, **{field: changed}))


def meaning(returns: BankReturns) -> object:
    """The returns as plain values, so that two readings can be compared."""
    return _plain(returns)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, TextColumn):
        return value.to_list()
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    names: Mapping[str, object] = getattr(type(value), "__dataclass_fields__", {})
    return {name: _plain(getattr(value, name)) for name in names} if names else value
