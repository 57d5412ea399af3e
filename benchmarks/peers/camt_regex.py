"""camt.053 by one regular expression over the bytes: not a parser. It believes what it finds.

It knows the order of elements of the generated files, so it reads those and no others.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.answers import entries_answer
from benchmarks.contender import Reader

_ENTRY = re.compile(
    rb"<Ntry>.*?<Sts><Cd>([A-Z]{4})</Cd>.*?<BookgDt><Dt>([-0-9]{10}).*?<TxDtls><Refs>.*?<AcctSvcrRef>([^<]*)<"
    rb'.*?<EndToEndId>([^<]*)<.*?<Amt Ccy="([A-Z]{3})">([0-9]+)</Amt><CdtDbtInd>([CD])'
    rb".*?</(?:RmtInf|RltdPties)>(?:<RtrInf><Rsn><Cd>([^<]*)</Cd></Rsn></RtrInf>)?</TxDtls>",
)
_NAMES = ("status", "booking_date", "bank_reference", "reference", "currency", "amount", "is_debit", "reason")
_STATES = {b"BOOK": 0, b"PDNG": 1, b"INFO": 2, b"FUTR": 3}


def read(path: Path) -> dict[str, Any]:
    """The columns of a file of single bookings, texts as lists of bytes."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = dict(zip(_NAMES, zip(*_ENTRY.findall(content), strict=True), strict=True))
    return found | {
        "amount": np.array(found["amount"], "S20").astype(np.int64),
        "is_debit": np.array(found["is_debit"]) == b"D",
        "status": np.array([_STATES[state] for state in found["status"]], np.uint8),
    }


class Regex(Reader):
    def work(self) -> dict[str, Any]:
        return read(self.path)

    def answer(self, result: dict[str, Any]) -> dict[str, Any]:
        return entries_answer(result)
