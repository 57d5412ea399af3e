"""Compile the kernels before anybody waits for them: at installation, or when a service starts.

Each scanner reads a message of a few lines, each writer writes one, names are
compared, a row is laid out. Compiled kernels are kept on disk, so that all later starts load
them in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np

from paysvc.core import name_kernel, tally_kernels
from paysvc.core.columns import EntryColumns, SentColumns
from paysvc.core.copy_rows import NO_NULLS, BytesField, Field, IntegerField, SameField, copy_blocks
from paysvc.core.emit_pain001 import write_pain001
from paysvc.core.emit_pain008 import write_pain008
from paysvc.core.join import by_kernel
from paysvc.core.line_fields import CODE, NUMBER, TEXT
from paysvc.core.line_fields import Field as LineField
from paysvc.core.messages import CollectionBatch, Creditor, Debtor, PaymentBatch, SequenceType
from paysvc.core.order_columns import CollectionColumns, PaymentColumns
from paysvc.core.scan_camt import read_scanned
from paysvc.core.scan_fields import scan_delimited, scan_records
from paysvc.core.scan_mt940_lines import scan_lines
from paysvc.core.scan_pain_columns import scan_payments, scan_statuses
from paysvc.core.source import Source
from paysvc.core.text_column import CategoryColumn, TextColumn
from paysvc.core.words import RUNS_HERE

_AMOUNT = '<Amt Ccy="VND">1</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
_STATEMENT = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S</Id>'
    "<Acct><Id><Othr><Id>1</Id></Othr></Id></Acct>"
    f"<Ntry>{_AMOUNT}<Sts><Cd>BOOK</Cd></Sts><NtryDtls><TxDtls>{_AMOUNT}</TxDtls></NtryDtls></Ntry>"
    "</Stmt></BkToCstmrStmt></Document>"
).encode()
_STATUSES = (
    "<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts><TxInfAndSts><TxSts>ACCC</TxSts></TxInfAndSts>"
    "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
)
_ORDER = (
    "<Document><CstmrCdtTrfInitn><PmtInf><CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId>"
    '<Amt><InstdAmt Ccy="VND">1</InstdAmt></Amt></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>'
)
_LINES = b":61:2612071207D1,NTRFE1//D1\n:86:/EREF/E1/RSN/AC04\n:62F:\n"

_NOW, _TODAY = datetime(2026, 11, 21, 1, 0, tzinfo=UTC), date(2026, 11, 24)
_BANK = TextColumn.of(["970436"])
#: A name that has to be composed before it is written.
_DECOMPOSED = TextColumn.of(["Hoa\u0300"])


def _scan_lines(content: bytes) -> object:
    lines = scan_lines(content)
    return lines and lines.entries(0, 1, "VND", lambda value_day, entry_day: b"2026-12-07")


def _scan_fields() -> object:
    data = np.frombuffer(b"L|1|a b\r\nL01xa b    \r\n", dtype=np.uint8)
    number, code, text = LineField(NUMBER, 1, 2), LineField(CODE, 1, 1), LineField(TEXT, 0, 5)
    parted = scan_delimited(data, 0, 9, mark=ord("L"), separator=ord("|"), fields=(number, text))
    placed = scan_records(data, 9, len(data), mark=ord("L"), width=11, fields=(number, code, text))
    return None if parted is None else placed


def _texts(*fields: str) -> dict[str, TextColumn]:
    """One row with a text in each field."""
    return {field: TextColumn.of(["1"]) for field in fields}


def _write_payment() -> object:
    texts = _texts("end_to_end_id", "creditor_account", "citizen_id", "point_code", "remittance")
    payments = PaymentColumns(**texts, creditor_bin=_BANK, creditor_name=_DECOMPOSED, amount_vnd=np.ones(1, np.int64))
    return write_pain001(PaymentBatch("M1", _NOW, _TODAY, Debtor("A", "1", _BANK[0]), "SSBE", payments))


def _write_collection() -> object:
    texts = _texts("end_to_end_id", "mandate_id", "debtor_account", "remittance")
    collections = CollectionColumns(
        **texts,
        debtor_bin=_BANK,
        debtor_name=_DECOMPOSED,
        mandate_signed_on=TextColumn.of([_TODAY.isoformat()]),
        amount_vnd=np.ones(1, np.int64),
    )
    creditor = Creditor("A", "1", _BANK[0], "1")
    return write_pain008(CollectionBatch("M1", _NOW, _TODAY, creditor, SequenceType.ONE_OFF, collections))


def _settle_names() -> object:
    lines = np.frombuffer("hoa\n".encode("utf-32-le"), dtype=np.uint32)
    return name_kernel.settle(lines, lines).tolist() == [name_kernel.SAME_TEXT] or None


def _find_keys() -> object:
    kinds = (TextColumn.of(["P1", "P2"]), TextColumn.of(["P2", "P1"]), TextColumn.of(["A", "B"]))
    found = [find(keys).tolist() for keys in kinds if (find := by_kernel(keys)) is not None]
    return found == [[0, 1]] * len(kinds) or None


def _add_up() -> object:
    one = TextColumn.of(["1"])
    same = CategoryColumn.repeat("1", 1)
    sent = SentColumns(one, np.ones(1, np.int64), same, same, same)
    rows = tally_kernels.Rows(sent)
    no, zero = np.zeros(1, np.bool_), np.zeros(1, np.uint8)
    number = np.ones(1, np.int32)
    rows.add(EntryColumns(one, np.ones(1, np.int64), one, no, zero, one, one, number, one), np.zeros(1, np.int64))
    outcomes, _ = tally_kernels.judge(rows.of(np.zeros(1, np.int64))[:6], no)
    return tally_kernels.totals(outcomes, np.ones(1, np.int64), np.zeros(1, np.int32), (1, 5))


def _copy_a_row() -> object:
    fields: list[Field] = [
        IntegerField(np.zeros(1, np.int64), 8, NO_NULLS),
        BytesField(TextColumn.of(["a"]), NO_NULLS),
        SameField(None),
    ]
    return [bytes(block) for block in copy_blocks(fields, 1)]


def prepare(progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Make every kernel ready to run; some twenty seconds the first time, once for an installation."""
    scanners: list[Callable[[], object]] = [
        lambda: read_scanned(_STATEMENT, "camt.053.001.08"),
        lambda: scan_statuses(Source(_STATUSES.encode())),
        lambda: scan_payments(Source(_ORDER.encode())),
        lambda: _scan_lines(_LINES),
        _copy_a_row,
        _scan_fields,
    ]
    others = [_write_payment, _write_collection, _find_keys, _add_up, _settle_names]
    samples = [*(scanners if RUNS_HERE else []), *others]
    for number, sample in enumerate(samples, 1):
        if sample() is None:
            raise AssertionError("a kernel does not understand its own sample")
        progress(number, len(samples))
