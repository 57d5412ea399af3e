"""What was sent, what the bank booked, and what must come out of it: known because it was made so.

Each instruction is given a story (below), and its outcome is the story's by definition. None of
the product's code takes part; the rule is the one written down in `domain/reconciliation.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.references import make_references
from benchmarks.text import Bytes, Int64, Text

#: Codes of outcomes, in the order of `core.verdicts.OUTCOMES` (a test of the answer, not an import).
OUTSTANDING, SETTLED, RETURNED, REJECTED = range(4)
#: Bits of discrepancies.
AMOUNT, CURRENCY, DUPLICATE, CREDIT_ONLY = 1, 2, 4, 8
BOOKED, PENDING = 0, 1

BANKS = (b"970405", b"970436", b"970415", b"970418", b"970422")
REASONS = (b"AC01", b"AC04", b"AC06", b"BE05")
CURRENCIES = (b"VND", b"USD")


class Entry(NamedTuple):
    """One line that a story puts on the statement."""

    is_debit: bool
    #: Added to the amount sent.
    added: int = 0
    is_foreign: bool = False
    is_pending: bool = False


class Story(NamedTuple):
    entries: tuple[Entry, ...]
    outcome: int
    kinds: int = 0
    is_refused: bool = False


_OUT, _BACK = Entry(is_debit=True), Entry(is_debit=False)
PLAIN = Story((_OUT,), SETTLED)
#: What can differ in any format; every exception is as likely as the others.
EXCEPTIONS = (
    Story((), OUTSTANDING),
    Story((), REJECTED, is_refused=True),
    Story((_OUT._replace(added=1000),), SETTLED, AMOUNT),
    Story((_OUT, _OUT), SETTLED, DUPLICATE),
    Story((_OUT, _BACK), RETURNED),
    Story((_OUT, _OUT, _BACK), SETTLED, DUPLICATE),
    Story((_OUT, _BACK._replace(added=-1000)), SETTLED, AMOUNT),
    Story((_OUT, _BACK._replace(added=1000)), OUTSTANDING, AMOUNT),
    Story((_BACK,), OUTSTANDING, CREDIT_ONLY),
)
#: And where entries have a state and a currency of their own (camt.053, not MT940).
ISO_EXCEPTIONS = (
    *EXCEPTIONS,
    Story((_OUT._replace(is_pending=True),), OUTSTANDING),
    Story((_OUT._replace(is_foreign=True),), SETTLED, CURRENCY),
)


#: What a join needs, of instructions and of entries.
SENT_COLUMNS = ("reference", "amount", "bank", "is_refused")
ENTRY_COLUMNS = ("entry_reference", "entry_amount", "entry_currency", "entry_is_debit", "entry_status")


@dataclass(frozen=True)
class World:
    """Columns of instructions and of entries, each array as long as its side."""

    reference: Text
    amount: Int64
    bank: NDArray[np.int8]
    is_refused: NDArray[np.bool_]
    entry_reference: Text
    entry_amount: Int64
    entry_currency: Text
    entry_is_debit: NDArray[np.bool_]
    entry_status: NDArray[np.uint8]
    entry_reason: Text
    entry_bank_reference: Text

    def save(self, folder: Path) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Text):
                np.save(folder / f"{name}.data.npy", value.data)
                np.save(folder / f"{name}.offsets.npy", value.offsets)
            else:
                np.save(folder / f"{name}.npy", value)

    @classmethod
    def load(cls, folder: Path, *names: str) -> Any:
        """The named columns (all of them without a name), as a simple namespace of that world."""
        loaded = {}
        for name in names or cls.__dataclass_fields__:
            plain = folder / f"{name}.npy"
            loaded[name] = (
                np.load(plain)
                if plain.exists()
                else Text(np.load(folder / f"{name}.data.npy"), np.load(folder / f"{name}.offsets.npy"))
            )
        return _Loaded(**loaded)


class _Loaded:
    """Some columns of a world."""

    def __init__(self, **columns: object) -> None:
        vars(self).update(columns)


class Made(NamedTuple):
    """A world, and the truth about it."""

    world: World
    outcome: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    unknown: Text
    debited: Int64
    credited: Int64
    #: Index of the reason in `REASONS`, -1 for none.
    reason: Int64
    #: Number in the bank's reference (its row in the statement), -1 for none.
    bank_reference: Int64


def make_world(count: int, percent: int, ids: str, *, is_iso: bool = True, seed: int = 20261121) -> Made:
    """`count` instructions, `percent` of them exceptions, a tenth as many entries of strangers besides."""
    draw = np.random.default_rng(seed)
    stories = (PLAIN, *(ISO_EXCEPTIONS if is_iso else EXCEPTIONS))
    rows = make_references(ids, count, draw)
    story = np.zeros(count, np.int64)
    strange = draw.permutation(count)[: count * percent // 100]
    story[strange] = draw.integers(1, len(stories), len(strange))
    amount = draw.integers(100, 3_000, count) * 1_000
    side = _entries(stories, story, amount)
    strangers = len(strange) // 10
    order = draw.permutation(len(side.at) + strangers)
    unknown, unknown_length = _strangers(strangers, draw, is_iso=is_iso)
    reference, length = _joined(rows, side.at, unknown, unknown_length)
    at = np.concatenate([side.at, np.full(strangers, -1, np.int64)])[order]
    entry_amount = np.concatenate([side.amount, draw.integers(100, 3_000, strangers) * 1_000])[order]
    is_debit = np.concatenate([side.is_debit, np.ones(strangers, np.bool_)])[order]
    is_foreign = np.concatenate([side.is_foreign, np.zeros(strangers, np.bool_)])[order]
    status = np.concatenate([side.status, np.zeros(strangers, np.uint8)])[order]
    reason = np.where(is_debit, -1, draw.integers(0, len(REASONS), len(order)))
    numbers = np.arange(len(order), dtype=np.int64)
    world = World(
        reference=Text.of_rows(rows, np.full(count, rows.shape[1], np.int64)),
        amount=amount,
        bank=draw.integers(0, len(BANKS), count).astype(np.int8),
        is_refused=np.array([one.is_refused for one in stories])[story],
        entry_reference=Text.of_rows(reference[order], length[order]),
        entry_amount=entry_amount,
        entry_currency=_chosen(CURRENCIES, is_foreign.astype(np.int64)),
        entry_is_debit=is_debit,
        entry_status=status,
        entry_reason=_chosen(REASONS, reason),
        entry_bank_reference=bank_references(numbers),
    )
    booked = (at >= 0) & (status == BOOKED)
    is_ours = booked & ~is_foreign
    return Made(
        world,
        np.array([one.outcome for one in stories], np.uint8)[story],
        np.array([one.kinds for one in stories], np.uint8)[story],
        Text.of_rows(unknown, unknown_length),
        _summed(at, entry_amount, is_ours & is_debit, count),
        _summed(at, entry_amount, is_ours & ~is_debit, count),
        _first(at, reason, booked & (reason >= 0), count),
        _first_of_debits(at, numbers, booked, is_debit, count),
    )


def bank_references(numbers: Int64) -> Text:
    """FT and 14 digits each."""
    rows = np.empty((len(numbers), 16), np.uint8)
    rows[:, :2] = np.frombuffer(b"FT", np.uint8)
    left = numbers.copy()
    for place in range(15, 1, -1):
        left, digit = np.divmod(left, 10)
        rows[:, place] = digit + ord("0")
    return Text.of_rows(rows, np.full(len(numbers), 16, np.int64))


def totals(made: Made) -> list[list[int]]:
    """Bank, outcome, how many, how much: only those that occur, in order."""
    world, found = made.world, []
    for bank in range(len(BANKS)):
        for outcome in range(4):
            chosen = (world.bank == bank) & (made.outcome == outcome)
            if chosen.any():
                found.append([bank, outcome, int(chosen.sum()), int(world.amount[chosen].sum())])
    return found


def verdict_truth(made: Made) -> dict[str, Any]:
    """The answer that every join has to give; see `answers.verdict_answer`."""
    positions = np.flatnonzero(made.kinds)
    return {
        "outcomes": hashlib.sha256(made.outcome).hexdigest(),
        "totals": totals(made),
        "exceptions": len(positions),
        "exception_rows": hashlib.sha256(
            positions.astype("<i8").tobytes() + made.kinds[positions].tobytes()
        ).hexdigest(),
        "unknown": made.unknown.count,
        "unknown_references": Text.of(sorted(made.unknown.to_bytes())).digest(),
    }


class _Side(NamedTuple):
    at: Int64
    amount: Int64
    is_debit: NDArray[np.bool_]
    is_foreign: NDArray[np.bool_]
    status: NDArray[np.uint8]


def _entries(stories: tuple[Story, ...], story: Int64, amount: Int64) -> _Side:
    parts = []
    for number, told in enumerate(stories):
        at = np.flatnonzero(story == number)
        for one in told.entries:
            shape = len(at)
            parts.append(
                _Side(
                    at,
                    amount[at] + one.added,
                    np.full(shape, one.is_debit),
                    np.full(shape, one.is_foreign),
                    np.full(shape, PENDING if one.is_pending else BOOKED, np.uint8),
                )
            )
    return _Side(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _strangers(count: int, draw: np.random.Generator, *, is_iso: bool) -> tuple[Bytes, Int64]:
    """References that we never issued: half in our form, half of 35 characters (in MT940 all of 16)."""
    ours = count // 2 if is_iso else count
    rows = np.zeros((count, 35 if is_iso else 16), np.uint8)
    rows[:ours, :16] = make_references("dense", ours, draw)
    rows[:ours, 0] = ord("X")
    if is_iso:
        rows[ours:] = make_references("foreign", count - ours, draw)
        rows[ours:, 0] = ord("!")  # in no alphabet of ours
    return rows, np.where(np.arange(count) < ours, 16, rows.shape[1])


def _joined(rows: Bytes, at: Int64, others: Bytes, lengths: Int64) -> tuple[Bytes, Int64]:
    width = max(rows.shape[1], others.shape[1])
    joined = np.zeros((len(at) + len(others), width), np.uint8)
    joined[: len(at), : rows.shape[1]] = rows[at]
    joined[len(at) :, : others.shape[1]] = others
    return joined, np.concatenate([np.full(len(at), rows.shape[1], np.int64), lengths])


def _chosen(texts: tuple[bytes, ...], codes: Int64) -> Text:
    """The text of each code, nothing for -1."""
    width = len(texts[0])
    table = np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), width)
    return Text.of_rows(table[codes], np.where(codes < 0, 0, width))


def _summed(at: Int64, amount: Int64, chosen: NDArray[np.bool_], count: int) -> Int64:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, at[chosen], amount[chosen])
    return sums


def _first(at: Int64, numbers: Int64, chosen: NDArray[np.bool_], count: int) -> Int64:
    none = np.iinfo(np.int64).max
    found = np.full(count, none, np.int64)
    np.minimum.at(found, at[chosen], numbers[chosen])
    return np.where(found == none, -1, found)


def _first_of_debits(
    at: Int64, numbers: Int64, booked: NDArray[np.bool_], is_debit: NDArray[np.bool_], count: int
) -> Int64:
    debits = _first(at, numbers, booked & is_debit, count)
    return np.where(debits >= 0, debits, _first(at, numbers, booked & ~is_debit, count))
