"""A payment order that the official schema accepts, whatever people are called."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from paysvc.core.emit_checks import Unwritable, cut_name
from paysvc.core.emit_pain001 import MESSAGE, unwritable, write_pain001
from paysvc.core.messages import ControlTotals, Debtor, PaymentBatch
from paysvc.core.order_columns import PaymentColumns
from paysvc.core.scan_pain001 import read_pain001
from paysvc.core.text_column import TextColumn
from tests.iso_papers import ISO, validate

DEBTOR = Debtor("KHO BẠC NHÀ NƯỚC & NGHỆ AN", "3713010001", "970405")


def batch(
    *names: str, amounts: list[int] | None = None, remittance: str = "Trợ cấp 11/2026", **fields: list[str]
) -> PaymentBatch:
    count = len(names)
    columns = {
        "end_to_end_id": [f"P{n:015}" for n in range(count)],
        "creditor_bin": ["970436"] * count,
        "creditor_account": [f"00{n:010}" for n in range(count)],
        "creditor_name": list(names),
        "citizen_id": [""] * count,
        "point_code": [""] * count,
        "remittance": [remittance] * count,
    } | fields
    return PaymentBatch(
        message_id="M20261121ABCDEFGHJKMNPQRS",
        created_at=datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
        value_date=date(2026, 11, 24),
        debtor=DEBTOR,
        purpose="SSBE",
        payments=PaymentColumns(
            amount_vnd=np.array(amounts or [500_000] * count, dtype=np.int64),
            **{name: TextColumn.of(values) for name, values in columns.items()},
        ),
    )


def names_in(content: bytes) -> list[str]:
    ns = {"p": ISO + MESSAGE}
    return [str(one.text) for one in etree.fromstring(content).iterfind(".//p:CdtTrfTxInf/p:Cdtr/p:Nm", ns)]


HOSTILE = {
    "markup": "<b>&amp; ]]> \"'",
    "two letters written as one": unicodedata.normalize("NFD", "Nguyễn Thị Đặng Hoà"),
    "a smile": "HOA 😀",
    "an ethnic name": "K’Brể H'Lin Niê",
    "too long": "Nguyễn " * 40,
    "spaces": "  HOA  ",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_any_name_gives_a_valid_order_with_that_name(what: str) -> None:
    content = write_pain001(batch(HOSTILE[what], "TRAN VAN A"))
    validate(content, "pain.001.001.09")
    wanted = unicodedata.normalize("NFC", HOSTILE[what]).strip()[:140].rstrip()
    assert names_in(content) == [wanted, "TRAN VAN A"]


def test_the_profile_is_the_vietnamese_one() -> None:
    content = write_pain001(batch("HOA"))
    validate(content, "pain.001.001.09")
    text = content.decode()
    assert '<InstdAmt Ccy="VND">500000</InstdAmt>' in text
    assert "<ClrSysId><Cd>VN</Cd></ClrSysId><MmbId>970436</MmbId>" in text
    assert "<CdtrAcct><Id><Othr><Id>000000000000</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></CdtrAcct>" in text
    assert "<Purp><Cd>SSBE</Cd></Purp>" in text
    assert "<CtgyPurp><Cd>SSBE</Cd></CtgyPurp>" in text
    assert "<ReqdExctnDt><Dt>2026-11-24</Dt></ReqdExctnDt>" in text
    assert "<ChrgBr>DEBT</ChrgBr>" in text
    assert "<CreDtTm>2026-11-21T01:00:00+00:00</CreDtTm>" in text
    assert "UETR" not in text


def test_what_was_written_is_read_back() -> None:
    one = batch("HOA", "LAN", "MINH", amounts=[1, 10**13 - 1, 500_000])
    sent = read_pain001(write_pain001(one))
    assert sent.message_id == one.message_id
    assert sent.totals == one.totals == ControlTotals(3, 10**13 + 500_000)
    assert sent.payments.end_to_end_id == one.payments.end_to_end_id
    assert sent.payments.amount_vnd.tolist() == one.payments.amount_vnd.tolist()
    assert set(sent.payments.payment_information_id.to_list()) == {one.payment_information_id}
    assert sent.accounts == {DEBTOR.account}


def test_the_same_batch_gives_the_same_bytes() -> None:
    assert write_pain001(batch("HOA", "LAN")) == write_pain001(batch("HOA", "LAN"))


def test_an_empty_remittance_leaves_no_empty_element() -> None:
    content = write_pain001(batch("HOA", remittance=""))
    validate(content, "pain.001.001.09")
    assert b"RmtInf" not in content


@pytest.mark.parametrize(
    ("one", "field"),
    [
        (batch("HO\x00A"), "creditor_name"),
        (batch("HO\nA"), "creditor_name"),
        (batch("HO\u2028A"), "creditor_name"),
        (batch("HO\uffffA"), "creditor_name"),
        (batch(""), "creditor_name"),
        (batch("  "), "creditor_name"),
        (batch("HOA", remittance="a\tb"), "remittance"),
        (batch("HOA", amounts=[-1]), "amount_vnd"),
        (batch("HOA", amounts=[10**13]), "amount_vnd"),
        (batch("HOA", end_to_end_id=["P" * 36]), "end_to_end_id"),
        (batch("HOA", end_to_end_id=[""]), "end_to_end_id"),
        (batch("HOA", end_to_end_id=["Ph1ếu"]), "end_to_end_id"),
        (batch("HOA", creditor_bin=["97043"]), "creditor_bin"),
        (batch("HOA", creditor_account=[""]), "creditor_account"),
        (batch("HOA", creditor_account=["1" * 35]), "creditor_account"),
    ],
)
def test_what_the_order_cannot_carry_is_named_and_never_written(one: PaymentBatch, field: str) -> None:
    (problem,) = unwritable(one)
    assert (problem.position, problem.field) == (0, field)
    with pytest.raises(ValueError, match="cannot be written"):
        write_pain001(one)


def test_every_payment_that_cannot_be_written_is_named() -> None:
    one = batch("HOA", "", "LAN\x07", "MAI", end_to_end_id=["P1", "P2", "P3", "P1"])
    assert [(problem.position, problem.field) for problem in unwritable(one)] == [
        (1, "creditor_name"),
        (2, "creditor_name"),
        (3, "end_to_end_id"),
    ]
    assert isinstance(unwritable(one)[0], Unwritable)


def test_an_order_needs_payments() -> None:
    with pytest.raises(ValueError, match="without payments"):
        write_pain001(batch())


def test_a_cut_never_parts_a_letter_from_its_mark() -> None:
    # Three marks on one letter have no composed form, so NFC keeps two of them apart.
    letter = "q\u0323\u0301"
    assert cut_name("a" * 139 + letter) == "a" * 139
    assert cut_name("a" * 137 + letter) == "a" * 137 + letter


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=160), min_size=1, max_size=5))
def test_a_batch_is_either_refused_with_reasons_or_read_back_whole(names: list[str]) -> None:
    one = batch(*names)
    if unwritable(one):
        return
    content = write_pain001(one)
    assert read_pain001(content).totals == one.totals
    assert names_in(content) == [cut_name(name) for name in names]
