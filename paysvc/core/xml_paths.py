"""What a reader wants to know of a message, as tables for the scanner's kernel.

A message is `Document/<body>/<container>*/<record>*`; of a record (and of its parts, where
it has many) a reader names the elements whose text it takes. `compile_paths` turns that
into an automaton: a state per element, and where each child leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: States that every automaton has.
SKIP, DOCUMENT, BODY, CONTAINER, RECORD = range(5)

#: A child that the scanner does not judge: the whole file goes to the reference reader.
REFUSE = -1

#: Longest element name that is recognised, in bytes (three words).
LONGEST_NAME = 24

_TABLE_BITS = 10


class Kind(IntEnum):
    """What happens at an element."""

    NODE = 0
    RECORD = 1
    PART = 2
    LEAF = 3


class Repeat(IntEnum):
    """What a second occurrence in the same record or part means."""

    REFUSE = 0
    COUNT = 1


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element whose text goes to `slot`; with `currency`, its `Ccy` to the slot of that name."""

    slot: str
    currency: str = ""
    repeat: Repeat = Repeat.REFUSE


@dataclass(frozen=True, slots=True)
class Node:
    """An element with children. `slot` notes its presence (or counts it).

    Children not named here are passed over, or, in a `closed` node, leave the file to the
    reference reader; a `part` begins a row of its own.
    """

    children: Mapping[str, Leaf | Node]
    slot: str = ""
    repeat: Repeat = Repeat.REFUSE
    closed: bool = False
    part: bool = False


@dataclass(frozen=True, slots=True)
class MessagePaths:
    """Where a message keeps its records, and what is wanted of each."""

    body: str
    container: str
    record_name: str
    record: Node


class Tables(NamedTuple):
    """The automaton. Names are numbered from 1; 0 is any other name.

    `child[state, name]` is the state of a child, or REFUSE. Per state: `kind`, `slot` (or -1),
    `currency_slot` (or -1), `repeat`, `in_part` (1: slots are those of the part's row).
    `words[name]` are the name's bytes as three words, `lengths[name]` how many; `places` is a
    hash table from them to the name, by `factors`.
    """

    child: NDArray[np.int64]
    kind: NDArray[np.int64]
    slot: NDArray[np.int64]
    currency_slot: NDArray[np.int64]
    repeat: NDArray[np.int64]
    in_part: NDArray[np.int64]
    words: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    factors: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class CompiledPaths:
    """`tables` for the kernel, and which slot of a row is which.

    `path_names` are the numbers of the names on the way to a record: root, body, container.
    """

    message: MessagePaths
    tables: Tables
    path_names: NDArray[np.int64]
    record_slots: Mapping[str, int]
    part_slots: Mapping[str, int]


@dataclass(slots=True)
class _State:
    element: Leaf | Node
    in_part: bool
    children: dict[str, int] = field(default_factory=dict)


def compile_paths(
    message: MessagePaths, *, record_slots: Sequence[str] = (), part_slots: Sequence[str] = ()
) -> CompiledPaths:
    """The automaton; the slots named are numbered first, in the order given.

    Raises ValueError for a name too long to be recognised.
    """
    slots_of_record, slots_of_part = (
        {slot: at for at, slot in enumerate(slots)} for slots in (record_slots, part_slots)
    )
    states = _number(message, slots_of_record, slots_of_part)
    names = sorted({"Document"} | {name for state in states for name in state.children})
    words, lengths = _words_of(names)
    factors, places = _hash_table(words)
    numbers = {name: position + 1 for position, name in enumerate(names)}
    count = len(states)
    child = np.full((count, len(names) + 1), SKIP, dtype=np.int64)
    kind, repeat, in_part = (np.zeros(count, dtype=np.int64) for _ in range(3))
    slot, currency_slot = (np.full(count, -1, dtype=np.int64) for _ in range(2))
    for number, state in enumerate(states):
        element, slots = state.element, slots_of_part if state.in_part else slots_of_record
        in_part[number], repeat[number] = state.in_part, element.repeat
        slot[number] = slots.get(element.slot, -1)
        if isinstance(element, Leaf):
            kind[number] = Kind.LEAF
            currency_slot[number] = slots.get(element.currency, -1)
            child[number] = REFUSE
            continue
        kind[number] = Kind.RECORD if number == RECORD else Kind.PART if element.part else Kind.NODE
        if element.closed:
            child[number] = REFUSE
        for name, target in state.children.items():
            child[number, numbers[name]] = target
    tables = Tables(child, kind, slot, currency_slot, repeat, in_part, words, lengths, places, factors)
    path_names = np.array([numbers[name] for name in ("Document", message.body, message.container)], dtype=np.int64)
    return CompiledPaths(message, tables, path_names, slots_of_record, slots_of_part)


def _number(message: MessagePaths, record_slots: dict[str, int], part_slots: dict[str, int]) -> list[_State]:
    skip = Node({})
    states = [_State(skip, False) for _ in range(CONTAINER + 1)]
    # A message's root holds its body and nothing else; records stand in containers only.
    states[DOCUMENT] = _State(Node({}, closed=True), False, {message.body: BODY})
    states[BODY] = _State(skip, False, {message.container: CONTAINER, message.record_name: REFUSE})
    states[CONTAINER] = _State(skip, False, {message.record_name: RECORD})
    states.append(_State(message.record, False))
    for number, state in _growing(states):
        slots = part_slots if state.in_part else record_slots
        element = state.element
        for name in filter(None, (element.slot, element.currency if isinstance(element, Leaf) else "")):
            slots.setdefault(name, len(slots))
        if number < RECORD or isinstance(element, Leaf):
            continue
        for name, one in element.children.items():
            state.children[name] = len(states)
            starts_part = isinstance(one, Node) and one.part
            states.append(_State(one, state.in_part or starts_part))
    return states


def _growing(states: list[_State]) -> Iterator[tuple[int, _State]]:
    number = 0
    while number < len(states):
        yield number, states[number]
        number += 1


def _words_of(names: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    words = np.zeros((len(names) + 1, 3), dtype=np.uint64)
    lengths = np.zeros(len(names) + 1, dtype=np.int64)
    for number, name in enumerate(names, 1):
        if len(name) > LONGEST_NAME:
            raise ValueError(f"'{name}' is longer than {LONGEST_NAME} bytes")
        padded = name.encode().ljust(LONGEST_NAME, b"\0")
        words[number] = [int.from_bytes(padded[at : at + 8], "little") for at in (0, 8, 16)]
        lengths[number] = len(name)
    return words, lengths


def _hash_table(words: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Factors under which no two names share a place, found by trying."""
    chosen = np.random.default_rng(1)
    while True:
        factors = chosen.integers(1, 2**63, size=3, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        mixed = words[1:] * factors
        places = (mixed[:, 0] ^ mixed[:, 1] ^ mixed[:, 2]) >> np.uint64(64 - _TABLE_BITS)
        if len(np.unique(places)) == len(places):
            break
    table = np.zeros(1 << _TABLE_BITS, dtype=np.int64)
    table[places.astype(np.int64)] = np.arange(1, len(words))
    return factors, table
