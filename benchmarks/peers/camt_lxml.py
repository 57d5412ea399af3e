"""camt.053 with lxml: iterparse, each entry dropped as soon as it is read, lists by column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import etree

from benchmarks.answers import entries_answer
from benchmarks.contender import Reader

_NS = "{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}"
_NAMES = ("reference", "amount", "currency", "is_debit", "status", "reason", "bank_reference", "booking_date")
_STATES = {"BOOK": 0, "PDNG": 1, "INFO": 2, "FUTR": 3}


def read(path: Path) -> dict[str, list[Any]]:
    """The columns of a file of single bookings."""
    amount, side, state = f"{_NS}Amt", f"{_NS}CdtDbtInd", f"{_NS}Sts/{_NS}Cd"
    day, part = f"{_NS}BookgDt/{_NS}Dt", f"{_NS}NtryDtls/{_NS}TxDtls"
    reference, bank = f"{_NS}Refs/{_NS}EndToEndId", f"{_NS}Refs/{_NS}AcctSvcrRef"
    reason = f"{_NS}RtrInf/{_NS}Rsn/{_NS}Cd"
    rows = []
    with path.open("rb") as file:
        for _, entry in etree.iterparse(file, events=("end",), tag=f"{_NS}Ntry"):
            details = entry.find(part)
            money = details.find(amount)
            rows.append(
                (
                    details.findtext(reference),
                    int(money.text),
                    money.get("Ccy"),
                    details.findtext(side) == "DBIT",
                    _STATES[entry.findtext(state)],
                    details.findtext(reason, ""),
                    details.findtext(bank),
                    entry.findtext(day),
                )
            )
            entry.clear()
            while entry.getprevious() is not None:
                del entry.getparent()[0]
    return dict(zip(_NAMES, map(list, zip(*rows, strict=True)), strict=True))


class Iterparse(Reader):
    def work(self) -> dict[str, list[Any]]:
        return read(self.path)

    def answer(self, result: dict[str, list[Any]]) -> dict[str, Any]:
        return entries_answer(result)
