"""MT940 by the library mt-940 and by one regular expression."""

from __future__ import annotations

import re
from typing import Any

import mt940
import numpy as np

from benchmarks.answers import entries_answer
from benchmarks.contender import Reader

_ENTRY = re.compile(
    rb"^:61:([0-9]{6})([0-9]{4})(R?[CD])([0-9]+),[0-9]*N[A-Z]{3}([^/\n]*)//([^\n]*)\n"
    rb":86:/EREF/[^/\n]*(?:/RSN/([^/\n]*))?",
    re.MULTILINE,
)


class Library(Reader):
    """mt-940: its transactions, put into columns."""

    def work(self) -> dict[str, Any]:
        found = mt940.parse(str(self.path))
        rows = [one.data for one in found.transactions]
        return {
            "reference": [row["customer_reference"] for row in rows],
            "bank_reference": [row["bank_reference"] for row in rows],
            "amount": [int(abs(row["amount"].amount)) for row in rows],
            "is_debit": [row["status"] == "D" for row in rows],
            "booking_date": [row["entry_date"].isoformat() for row in rows],
            "reason": [_reason(row["transaction_details"]) for row in rows],
        }

    def answer(self, result: dict[str, Any]) -> dict[str, Any]:
        return entries_answer(result)


class Regex(Reader):
    """Not a parser: it reads entries of the one form that the generated file has."""

    def work(self) -> dict[str, Any]:
        rows = _ENTRY.findall(self.path.read_bytes())
        value, booked, mark, amount, reference, bank_reference, reason = zip(*rows, strict=True)
        days = {
            pair: b"20%b-%b-%b" % (pair[0][:2], pair[1][:2], pair[1][2:])
            for pair in set(zip(value, booked, strict=True))
        }
        return {
            "reference": reference,
            "bank_reference": bank_reference,
            "amount": np.array(amount, "S15").astype(np.int64),
            "is_debit": np.array(mark) == b"D",
            "booking_date": [days[pair] for pair in zip(value, booked, strict=True)],
            "reason": reason,
        }

    def answer(self, result: dict[str, Any]) -> dict[str, Any]:
        return entries_answer(result)


def _reason(details: str) -> str:
    _, mark, after = details.partition("/RSN/")
    return after.partition("/")[0] if mark else ""
