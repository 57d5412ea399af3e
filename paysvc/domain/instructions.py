"""The life cycles of what is paid, and the content an approval binds to.

A life cycle is one table: state -> states that may follow. What is not in the table cannot
happen; the store moves a state with `UPDATE … WHERE state = :expected` and counts the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import numpy as np

from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import DoesNotReconcile
from paysvc.domain.identifiers import CROCKFORD, END_TO_END_ID_LENGTH


class CycleState(StrEnum):
    """A payment cycle, from the first plan to the last bank result."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    RELEASED = "RELEASED"
    CLOSED = "CLOSED"


class InstructionState(StrEnum):
    """One credit. UNKNOWN is left only on the bank's word, never by time passing."""

    PLANNED = "PLANNED"
    BATCHED = "BATCHED"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    SETTLED = "SETTLED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"
    DISPUTED = "DISPUTED"
    CANCELLED = "CANCELLED"


class BatchState(StrEnum):
    """One bank file's worth of instructions, sealed by its digest."""

    SEALED = "SEALED"
    SENDING = "SENDING"
    SENT = "SENT"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    #: Nothing of it left: it held what no file of its bank can say, or what is paid after all, and was made anew
    #: without that.
    DISSOLVED = "DISSOLVED"


#: Back to DRAFT: returned by an approver, withdrawn, or changed. Never once a batch was made.
CYCLE_NEXT: dict[CycleState, frozenset[CycleState]] = {
    CycleState.DRAFT: frozenset({CycleState.SUBMITTED}),
    CycleState.SUBMITTED: frozenset({CycleState.APPROVED, CycleState.DRAFT}),
    CycleState.APPROVED: frozenset({CycleState.RELEASED, CycleState.DRAFT}),
    CycleState.RELEASED: frozenset({CycleState.CLOSED}),
    CycleState.CLOSED: frozenset(),
}

INSTRUCTION_NEXT: dict[InstructionState, frozenset[InstructionState]] = {
    InstructionState.PLANNED: frozenset({InstructionState.BATCHED, InstructionState.CANCELLED}),
    # REJECTED from here: the bank refused the whole file. PLANNED: its batch was dissolved.
    InstructionState.BATCHED: frozenset(
        {InstructionState.PLANNED, InstructionState.SENT, InstructionState.UNKNOWN, InstructionState.REJECTED}
    ),
    InstructionState.SENT: frozenset(
        {
            InstructionState.SETTLED,
            InstructionState.REJECTED,
            InstructionState.RETURNED,
            InstructionState.DISPUTED,
        }
    ),
    # BATCHED from here: the bank says that it never received the file. A status file or a
    # statement that comes before the answer to the enquiry says more than the answer would.
    InstructionState.UNKNOWN: frozenset(
        {
            InstructionState.BATCHED,
            InstructionState.SENT,
            InstructionState.SETTLED,
            InstructionState.REJECTED,
            InstructionState.RETURNED,
            InstructionState.DISPUTED,
        }
    ),
    InstructionState.SETTLED: frozenset({InstructionState.RETURNED, InstructionState.DISPUTED}),
    # A booking that comes late is still true: the money moved.
    InstructionState.REJECTED: frozenset(
        {InstructionState.SETTLED, InstructionState.RETURNED, InstructionState.DISPUTED}
    ),
    InstructionState.RETURNED: frozenset({InstructionState.SETTLED, InstructionState.DISPUTED}),
    InstructionState.DISPUTED: frozenset(
        {InstructionState.SETTLED, InstructionState.RETURNED, InstructionState.REJECTED}
    ),
    InstructionState.CANCELLED: frozenset(),
}

BATCH_NEXT: dict[BatchState, frozenset[BatchState]] = {
    # SEALED again: definitely nothing left us.
    BatchState.SEALED: frozenset({BatchState.SENDING, BatchState.DISSOLVED}),
    BatchState.SENDING: frozenset({BatchState.SENT, BatchState.REFUSED, BatchState.UNKNOWN, BatchState.SEALED}),
    # SEALED from here only when the bank says NOT_RECEIVED.
    BatchState.UNKNOWN: frozenset({BatchState.SENT, BatchState.REFUSED, BatchState.SEALED}),
    # Only when the bank, asked why it says nothing of the file, answers that it refused it.
    BatchState.SENT: frozenset({BatchState.REFUSED}),
    BatchState.REFUSED: frozenset(),
    BatchState.DISSOLVED: frozenset(),
}

#: States in which an instruction no longer stands in the way of a new one (safety rule U2).
NOT_LIVE = frozenset({InstructionState.REJECTED, InstructionState.RETURNED, InstructionState.CANCELLED})

_State = TypeVar("_State", CycleState, InstructionState, BatchState)


def may_follow(table: Mapping[_State, frozenset[_State]], before: _State, after: _State) -> bool:
    """True when the life cycle `table` lets `after` come next to `before`."""
    return after in table[before]


def end_to_end_ids(
    key: bytes,
    programmes: Sequence[str],
    periods: Sequence[str],
    beneficiary_keys: Sequence[bytes],
    components: Sequence[str],
    generations: Sequence[int],
) -> list[str]:
    """`identifiers.end_to_end_id` for whole columns: the same ids, a tenth of the time.

    All columns are equally long; `beneficiary_keys` are 32-byte blind indexes, `key` has at
    most 64 bytes.
    """
    if not len(programmes):
        return []
    # HMAC as RFC 2104 has it, from its two halves; what many rows share is hashed once.
    block = key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in block))
    outer = hashlib.sha256(bytes(one ^ 0x5C for one in block))
    heads = {}
    digests = []
    for what, beneficiary in zip(
        zip(programmes, periods, components, generations, strict=True), beneficiary_keys, strict=True
    ):
        if what not in heads:
            heads[what] = inner.copy()
            heads[what].update("\x1f".join((*what[:3], str(what[3]))).encode() + b"\x1f")
        first, second = heads[what].copy(), outer.copy()
        first.update(beneficiary)
        second.update(first.digest())
        digests.append(second.digest())
    return _base32_of(b"".join(digests), len(digests))


def _base32_of(digests: bytes, count: int) -> list[str]:
    """`P` and the first 75 bits of each 32-byte digest, five bits a character."""
    letters = END_TO_END_ID_LENGTH - 1
    matrix = np.frombuffer(digests, dtype=np.uint8).reshape(count, 32)[:, : (letters * 5 + 7) // 8]
    bits = np.unpackbits(matrix, axis=1)[:, : letters * 5].reshape(count, letters, 5)
    values = bits @ np.array([16, 8, 4, 2, 1], dtype=np.uint8)
    alphabet = np.frombuffer(CROCKFORD.encode(), dtype=np.uint8)
    text = np.full((count, END_TO_END_ID_LENGTH), ord("P"), dtype=np.uint8)
    text[:, 1:] = alphabet[values]
    whole = text.tobytes().decode()
    return [whole[start : start + END_TO_END_ID_LENGTH] for start in range(0, len(whole), END_TO_END_ID_LENGTH)]


#: Between the values of a column in what a digest is taken of.
BETWEEN_VALUES = "\x1f"


def content_sha256(header: Mapping[str, object], count: int, columns: Iterable[str]) -> bytes:
    """What an approval binds to: the digest of the cycle's header and all its instructions.

    `columns` are texts: the values of all `count` instructions, in the order in which they were
    planned, joined by `BETWEEN_VALUES`. They are, in this order: end_to_end_id, generation,
    amount_vnd, channel, bank_code, creditor_bin, account_key ("" for cash), creditor_name,
    citizen_key, unit_code, programme_code; keys in upper-case hex.

    Digested are the RFC 8785 form of header and count, and the columns in UTF-8, each with its
    length before it. Row ids of the database are not in it, so planning the same again gives
    the same digest. Raises `DoesNotReconcile` when a value could be taken for two.
    """
    digest = hashlib.sha256(canonical_json({"header": header, "instructions": count}))
    for column in columns:
        if column.count(BETWEEN_VALUES) != max(count - 1, 0):
            raise DoesNotReconcile("content_ambiguous", "A value of the plan holds a character that no value may hold.")
        values = column.encode()
        digest.update(b"%d:" % len(values))
        digest.update(values)
    return digest.digest()
