"""Compile the kernels before anybody waits for them: at installation, or when a service starts.

Each scanner reads a message of a few lines. Compiled kernels are kept on disk, so that all
later starts load them in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable

from paysvc.core.scan_camt_columns import scan_entries
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


def prepare(progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Make every kernel ready to run; some ten seconds the first time, once for an installation."""
    samples: list[Callable[[], object]] = [
        lambda: scan_entries(_STATEMENT.encode(), "camt.053.001.08"),
        lambda: scan_statuses(_STATUSES.encode()),
        lambda: scan_payments(_ORDER.encode()),
    ]
    if not RUNS_HERE:
        return
    for number, sample in enumerate(samples, 1):
        if sample() is None:
            raise AssertionError("a scanner does not understand its own sample")
        progress(number, len(samples))
