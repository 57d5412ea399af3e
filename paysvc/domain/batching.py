"""Planned payments cut into files that a bank will take: whole, in one order, with totals.

A cut is a pure function of what is to be paid, so the same plan gives the same files with
the same message ids on every machine and after every restart (safety rule 4).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any

from paysvc.domain.canonical import canonical_json
from paysvc.domain.identifiers import message_id

#: ISO 20022 Max140Text: what the payee reads.
REMITTANCE_LENGTH = 140


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most that one file may hold: payments, and đồng."""

    max_payments: int
    max_amount_vnd: int


@dataclass(frozen=True, slots=True)
class Part:
    """One file's share: positions in the columns that were cut, in the order of the file."""

    positions: tuple[int, ...]
    sum_vnd: int

    @property
    def count(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Cut:
    """All parts in order, and the positions of payments larger than any file may be."""

    parts: tuple[Part, ...]
    too_large: tuple[int, ...]


def cut(end_to_end_ids: Sequence[str], amounts_vnd: Sequence[int], limits: BatchLimits) -> Cut:
    """The payments of one bank and value date, ordered by EndToEndId, filled file after file.

    Every position is in exactly one part, or in `too_large`. Raises ValueError for limits
    below 1, which no file could keep.
    """
    if limits.max_payments < 1 or limits.max_amount_vnd < 1:
        raise ValueError("a bank that takes no payment cannot be given a file")
    order = sorted(range(len(end_to_end_ids)), key=end_to_end_ids.__getitem__)
    too_large = tuple(one for one in order if amounts_vnd[one] > limits.max_amount_vnd)
    fitting = [one for one in order if amounts_vnd[one] <= limits.max_amount_vnd]
    # running[i] is the sum of the first i payments: a part's sum is one subtraction.
    running = list(accumulate((amounts_vnd[one] for one in fitting), initial=0))
    parts, start = [], 0
    while start < len(fitting):
        within_sum = bisect_right(running, running[start] + limits.max_amount_vnd) - 1
        end = min(start + limits.max_payments, within_sum)
        parts.append(Part(tuple(fitting[start:end]), running[end] - running[start]))
        start = end
    return Cut(tuple(parts), too_large)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a bank takes files now: its limits, the day, and how many parts it has already."""

    limits: BatchLimits
    value_date: date
    parts_before: int


@dataclass(frozen=True, slots=True)
class MadeBatch:
    """A batch that is about to be written; `rows` are rows of the plan, in the order of the file."""

    bank_code: str
    part: int
    value_date: date
    sum_vnd: int
    content_sha256: bytes
    message_id: str
    rows: tuple[int, ...]


def make_batches(
    cycle_code: str, planned: Mapping[str, Sequence[Any]], terms: Mapping[str, Terms]
) -> tuple[list[MadeBatch], list[int]]:
    """The planned payments as batches per bank and purpose, and the rows that no file may hold.

    `planned` holds equally long columns: bank_code, purpose (one ISO 20022 code a file),
    end_to_end_id, amount_vnd, creditor_bin, account_key (blind index or None), creditor_name,
    unit_code. `terms` are by bank code.
    """
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(planned["bank_code"], planned["purpose"], strict=True)):
        groups[key].append(row)
    made: list[MadeBatch] = []
    too_large: list[int] = []
    parts = Counter({bank_code: one.parts_before for bank_code, one in terms.items()})
    for (bank_code, purpose), rows in sorted(groups.items()):
        ids, amounts = (_picked(planned[name], rows) for name in ("end_to_end_id", "amount_vnd"))
        found = cut(ids, amounts, terms[bank_code].limits)
        too_large += [rows[position] for position in found.too_large]
        for part in found.parts:
            parts[bank_code] += 1
            of_part = tuple(rows[position] for position in part.positions)
            value_date = terms[bank_code].value_date
            digest = content_sha256(cycle_code, bank_code, value_date, purpose, said_of(planned, of_part))
            bank_id = message_id(value_date.isoformat(), digest)
            made.append(MadeBatch(bank_code, parts[bank_code], value_date, part.sum_vnd, digest, bank_id, of_part))
    return made, too_large


def batch_sha256(cycle_code: str, bank_code: str, value_date: date, payments: Mapping[str, Sequence[Any]]) -> bytes:
    """What `make_batches` gives a batch of exactly these payments as its digest, in the order of its file."""
    said = said_of(payments, range(len(payments["end_to_end_id"])))
    return content_sha256(cycle_code, bank_code, value_date, payments["purpose"][0], said)


def said_of(planned: Mapping[str, Sequence[Any]], rows: Sequence[int]) -> dict[str, Iterable[str]]:
    """Everything that the bank will be told of these payments; an account by its blind index."""
    return {
        "end_to_end_id": _picked(planned["end_to_end_id"], rows),
        "amount_vnd": map(str, _picked(planned["amount_vnd"], rows)),
        "creditor_bin": _picked(planned["creditor_bin"], rows),
        "account_key": [key.hex() if key else "" for key in _picked(planned["account_key"], rows)],
        "creditor_name": _picked(planned["creditor_name"], rows),
        "unit_code": _picked(planned["unit_code"], rows),
    }


def _picked(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return [values[row] for row in rows]


def content_sha256(
    cycle_code: str, bank_code: str, value_date: date, purpose: str, columns: Mapping[str, Iterable[str]]
) -> bytes:
    """What a batch says, as 32 bytes: its head, then each column of its payments in file order.

    Values are joined by the unit separator, which occurs in no field (names are cleaned of
    control characters on import), so two batches have the same digest only when they say the same.
    """
    head = {"bank": bank_code, "cycle": cycle_code, "purpose": purpose, "value_date": value_date.isoformat()}
    digest = hashlib.sha256(canonical_json(head))
    for name, values in columns.items():
        digest.update(f"\x1e{name}\x1e".encode())
        digest.update("\x1f".join(values).encode())
    return digest.digest()


def remittance(programme_name: str, periods: Sequence[str]) -> str:
    """What the payee reads: the programme and the months paid, `Trợ cấp xã hội 11/2026, 12/2026`.

    `periods` are `YYYY-MM`. At most `REMITTANCE_LENGTH` characters: the name gives way, the
    months stay.
    """
    months = ", ".join(f"{period[5:7]}/{period[:4]}" for period in sorted(periods))
    room = REMITTANCE_LENGTH - len(months) - 1
    return f"{programme_name[: max(room, 0)].rstrip()} {months}".strip()[:REMITTANCE_LENGTH]
