"""Compile the kernels before anybody waits for them: at installation, or when a service starts.

Each scanner reads a message of a few lines, and a row is laid out. Compiled kernels are kept on disk, so that all
later starts load them in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paysvc.core.columns import TextColumn
from paysvc.core.copy_rows import NO_NULLS, BytesField, Field, IntegerField, SameField, copy_blocks
from paysvc.core.scan_camt_columns import scan_entries
from paysvc.core.scan_mt940_lines import scan_lines
from paysvc.core.scan_pain_columns import scan_payments, scan_statuses
from paysvc.core.words import RUNS_HERE

_AMOUNT = '<Amt Ccy="VND">1</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
_STATEMENT = (
    "<Document><BkToCstmrStmt><Stmt>"
    f"<Ntry>{_AMOUNT}<Sts><Cd>BOOK</Cd></Sts><NtryDtls><TxDtls>{_AMOUNT}</TxDtls></NtryDtls></Ntry>"
    "</Stmt></BkToCstmrStmt></Document>"
)
_STATUSES = (
    "<Document><CstmrPmtStsRpt><OrgnlPmtInfAndSts><TxInfAndSts><TxSts>ACCC</TxSts></TxInfAndSts>"
    "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
)
_ORDER = (
    "<Document><CstmrCdtTrfInitn><PmtInf><CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId>"
    '<Amt><InstdAmt Ccy="VND">1</InstdAmt></Amt></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>'
)
_LINES = b":61:2612071207D1,NTRFE1//D1\n:86:/EREF/E1/RSN/AC04\n:62F:\n"


def _scan_lines(content: bytes) -> object:
    lines = scan_lines(content)
    return lines and lines.entries(0, 1, "VND", lambda value_day, entry_day: b"2026-12-07")


def _copy_a_row() -> object:
    fields: list[Field] = [
        IntegerField(np.zeros(1, np.int64), 8, NO_NULLS),
        BytesField(TextColumn.of(["a"]), NO_NULLS),
        SameField(None),
    ]
    return [bytes(block) for block in copy_blocks(fields, 1)]


def prepare(progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Make every kernel ready to run; some ten seconds the first time, once for an installation."""
    samples: list[Callable[[], object]] = [
        lambda: scan_entries(_STATEMENT.encode(), "camt.053.001.08"),
        lambda: scan_statuses(_STATUSES.encode()),
        lambda: scan_payments(_ORDER.encode()),
        lambda: _scan_lines(_LINES),
        _copy_a_row,
    ]
    if not RUNS_HERE:
        return
    for number, sample in enumerate(samples, 1):
        if sample() is None:
            raise AssertionError("a scanner does not understand its own sample")
        progress(number, len(samples))
