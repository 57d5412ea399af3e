"""A batch as an ISO 20022 payment order: pain.001.001.09 in the Vietnamese profile.

The profile: accounts are `Othr/Id` with scheme BBAN (Vietnam has no IBAN), banks are known
by their NAPAS BIN under the clearing system `VN`, amounts carry no decimals, the payer bears
all charges so that every person receives the whole amount, and each payment is booked by
itself so that a statement can be held against the order. No citizen ID is written, and no
UETR (it would have to be a random version-4 UUID, and the same batch gives the same bytes).

Escaping is lxml's, done once for a whole column where a column needs any, and everything else
is layout: constants and columns written as rows, without an object a payment.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from lxml import etree

from paysvc.core.columns import TextColumn
from paysvc.core.csv_columns import numbers_text
from paysvc.core.join import Keys
from paysvc.core.messages import PaymentBatch
from paysvc.core.row_writer import write_rows
from paysvc.domain.identifiers import is_bank_bin
from paysvc.domain.money import MAX_PAYMENT_VND, MAX_TOTAL_VND

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"

#: ISO 20022 Max35Text, Max34Text and Max140Text.
LONGEST_ID, LONGEST_ACCOUNT, LONGEST_NAME = 35, 34, 140

# What XML 1.0 cannot carry, and every other control or line separator, which no field may hold.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ID = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}")
# Columns of these alone need no look at single values; `_ID` allows more.
_PLAIN_ID = (string.ascii_letters + string.digits + "-").encode()
_PLAIN_ACCOUNT = bytes(range(0x21, 0x7F))
_PURPOSE = re.compile(r"[A-Z0-9]{1,4}")

# What stands between the columns of one payment: EndToEndId, amount, bank, name, account, remittance.
_PAYMENT = (
    b"<CdtTrfTxInf><PmtId><EndToEndId>",
    b'</EndToEndId></PmtId><Amt><InstdAmt Ccy="VND">',
    b"</InstdAmt></Amt><CdtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId><MmbId>",
    b"</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt><Cdtr><Nm>",
    b"</Nm></Cdtr><CdtrAcct><Id><Othr><Id>",
    b"</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></CdtrAcct><Purp><Cd>%b</Cd></Purp>",
    b"</CdtTrfTxInf>\n",
)
#: What only escaping can write between tags.
_ESCAPED = (b"&", b"<", b">")


@dataclass(frozen=True, slots=True)
class Unwritable:
    """One payment that pain.001 cannot carry; `position` counts from 0 in the batch."""

    position: int
    field: str
    message: str


def unwritable(batch: PaymentBatch) -> list[Unwritable]:
    """The payments that `write_pain001` would refuse, each with the field and one sentence.

    Names and remittance texts that are only too long are no obstacle: they are cut.
    """
    payments = batch.payments
    found = [
        Unwritable(int(position), "amount_vnd", f"An amount is from 1 to {MAX_PAYMENT_VND} đồng.")
        for position in np.flatnonzero((payments.amount_vnd < 1) | (payments.amount_vnd > MAX_PAYMENT_VND))
    ]
    found += _unwritable_ids(payments.end_to_end_id)
    banks, codes = payments.creditor_bin.categories()
    is_bank = np.array([is_bank_bin(bank) for bank in banks], np.bool_)
    for position in np.flatnonzero(~is_bank[codes]).tolist():
        found.append(Unwritable(position, "creditor_bin", "A bank is known by 6 digits."))
    found += _unwritable_accounts(payments.creditor_account)
    found += _unwritable_texts("creditor_name", payments.creditor_name, is_required=True)
    found += _unwritable_texts("remittance", payments.remittance, is_required=False)
    return sorted(found, key=lambda one: (one.position, one.field))


def write_pain001(batch: PaymentBatch) -> bytes:
    """The batch as UTF-8 bytes that validate against pain.001.001.09; the same bytes every time.

    Names and remittance texts are written in NFC and cut to 140 characters. Raises ValueError
    for an empty batch, a header that cannot be written, or any payment `unwritable` names.
    """
    problems = unwritable(batch)
    if problems:
        raise ValueError(f"{len(problems)} payment(s) cannot be written, first {problems[0].field}")
    _require_header(batch)
    payments = batch.payments
    *between, purpose, end = _PAYMENT
    columns = (
        _written(payments.end_to_end_id),
        numbers_text(payments.amount_vnd),
        payments.creditor_bin,
        _written(_cut(payments.creditor_name)),
        _written(payments.creditor_account),
        _remittances(payments.remittance),
    )
    constants = (*between, purpose % batch.purpose.encode())
    pieces = [piece for pair in zip(constants, columns, strict=True) for piece in pair]
    rows = write_rows([*pieces, end], len(payments)).tobytes()
    return _header(batch).encode() + rows + b"</PmtInf></CstmrCdtTrfInitn></Document>\n"


def cut_name(name: str, length: int = LONGEST_NAME) -> str:
    """`name` in NFC and at most `length` characters, never parting a letter from its mark."""
    composed = unicodedata.normalize("NFC", name).strip()
    end = length
    while 0 < end < len(composed) and unicodedata.combining(composed[end]):
        end -= 1
    return composed[:end].rstrip()


def _unwritable_ids(column: TextColumn) -> Iterator[Unwritable]:
    if _is_made_of(column, _PLAIN_ID, LONGEST_ID):
        with suppress(ValueError):
            Keys.of(column)
            return
    seen: set[str] = set()
    for position, value in enumerate(column):
        if not _ID.fullmatch(value) or value != value.strip():
            yield Unwritable(position, "end_to_end_id", "An EndToEndId is 1 to 35 plain characters.")
        elif value in seen:
            yield Unwritable(position, "end_to_end_id", "An EndToEndId occurs twice.")
        seen.add(value)


def _unwritable_accounts(column: TextColumn) -> Iterator[Unwritable]:
    if _is_made_of(column, _PLAIN_ACCOUNT, LONGEST_ACCOUNT):
        return
    for position, value in enumerate(column):
        if not 1 <= len(value) <= LONGEST_ACCOUNT or _UNWRITABLE.search(value) or value != value.strip():
            yield Unwritable(position, "creditor_account", "An account number has 1 to 34 characters.")


def _is_made_of(column: TextColumn, letters: bytes, longest: int) -> bool:
    """Whether every text has 1 to `longest` bytes, all of them among `letters`."""
    lengths = column.lengths
    return bool(((lengths >= 1) & (lengths <= longest)).all()) and column.holds_only(letters)


def _unwritable_texts(field: str, column: TextColumn, *, is_required: bool) -> list[Unwritable]:
    values = column.to_list()
    found = []
    # One search over the whole column decides whether anybody has to look closer.
    if _UNWRITABLE.search("".join(values)):
        for position, value in enumerate(values):
            if _UNWRITABLE.search(value):
                found.append(Unwritable(position, field, "The text holds a control character."))
    if is_required:
        empty = (position for position, value in enumerate(values) if not value.strip())
        found += [Unwritable(position, field, "The text is empty.") for position in empty]
    return found


def _cut(column: TextColumn) -> TextColumn:
    """The texts in NFC, without space around them, and at most 140 characters long."""
    values = column.to_list()
    if unicodedata.is_normalized("NFC", "\n".join(values)):
        # Nearly every column: composed already, so only the long ones need work.
        return TextColumn.of(
            [value if len(value) <= LONGEST_NAME else cut_name(value) for value in map(str.strip, values)]
        )
    return TextColumn.of([cut_name(value) for value in values])


def _remittances(column: TextColumn) -> TextColumn:
    """The element of each text, nothing for an empty one; there are a few texts for all payments."""
    texts, codes = column.categories()
    written = _written(_cut(texts))
    return TextColumn.of([f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf>" if text else "" for text in written]).take(codes)


def _written(column: TextColumn) -> TextColumn:
    """The column as lxml writes it between tags."""
    whole = column.data.tobytes()
    return TextColumn.of(_escaped(column.to_list())) if any(mark in whole for mark in _ESCAPED) else column


def _escaped(values: list[str]) -> list[str]:
    """Each value as lxml writes it between tags; values hold no line break (see `_UNWRITABLE`)."""
    element = etree.Element("t")
    element.text = "\n".join(values)
    written = etree.tostring(element, encoding="unicode")
    return written.removeprefix("<t>").removesuffix("</t>").split("\n") if element.text else values


def _require_header(batch: PaymentBatch) -> None:
    if not len(batch.payments):
        raise ValueError("a payment order without payments does not exist")
    if batch.totals.sum_vnd > MAX_TOTAL_VND:
        raise ValueError("the control sum is beyond every ledger")
    if batch.created_at.tzinfo is None:
        raise ValueError("created_at needs an offset")
    texts = (batch.message_id, batch.payment_information_id, batch.debtor.name, batch.debtor.account)
    limits = (LONGEST_ID, LONGEST_ID, LONGEST_NAME, LONGEST_ACCOUNT)
    if any(_UNWRITABLE.search(text) or not 1 <= len(text) <= limit for text, limit in zip(texts, limits, strict=True)):
        raise ValueError("the identification or the payer cannot be written")
    if not is_bank_bin(batch.debtor.bank_bin) or not _PURPOSE.fullmatch(batch.purpose):
        raise ValueError("the payer's bank or the purpose cannot be written")


def _header(batch: PaymentBatch) -> str:
    message_id, block_id, name, account = _escaped(
        [batch.message_id, batch.payment_information_id, batch.debtor.name, batch.debtor.account]
    )
    totals = f"<NbOfTxs>{batch.totals.count}</NbOfTxs><CtrlSum>{batch.totals.sum_vnd}</CtrlSum>"
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<Document xmlns="{NAMESPACE}"><CstmrCdtTrfInitn>\n'
        f"<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>{batch.created_at.isoformat(timespec='seconds')}</CreDtTm>"
        f"{totals}<InitgPty><Nm>{name}</Nm></InitgPty></GrpHdr>\n"
        f"<PmtInf><PmtInfId>{block_id}</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>false</BtchBookg>{totals}"
        f"<PmtTpInf><CtgyPurp><Cd>{batch.purpose}</Cd></CtgyPurp></PmtTpInf>"
        f"<ReqdExctnDt><Dt>{batch.value_date.isoformat()}</Dt></ReqdExctnDt><Dbtr><Nm>{name}</Nm></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>{account}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id><Ccy>VND</Ccy></DbtrAcct>"
        "<DbtrAgt><FinInstnId><ClrSysMmbId><ClrSysId><Cd>VN</Cd></ClrSysId>"
        f"<MmbId>{batch.debtor.bank_bin}</MmbId></ClrSysMmbId></FinInstnId></DbtrAgt><ChrgBr>DEBT</ChrgBr>\n"
    )
