"""What is hunted: a scanner and its reference reader, or the two forms of the join, that disagree.

A target takes any bytes and raises `Disagreement` (or whatever the code under it raises)
where the scanner accepts what the reference refuses, where their columns differ, or where
one of them fails otherwise than by a refusal. The bytes alone decide what is run, so that a
finding can be run again.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

from paysvc.core import join_kernels, scan_mt940, scan_mt940_lines, scan_records
from paysvc.core.join import by_dictionary, by_kernel
from paysvc.core.scan_xml import message_name
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused
from tests.broken_papers import account_lines, damaged, damaged_lines, written_otherwise
from tests.test_core_scanners import READERS, Reader, differences


class Disagreement(AssertionError):
    """Two forms of the same reading do not say the same."""


class Target(NamedTuple):
    """`check` raises where two forms disagree; `mutate` changes something that is worth changing."""

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes], None]
    mutate: Callable[[bytes, random.Random], bytes]


def _one_of(content: bytes, *choices: int) -> int:
    return choices[zlib.crc32(content) % len(choices)]


def _hold_against(scanned: object, parsed: object) -> None:
    if scanned is None:
        return
    if parsed is None:
        raise Disagreement("the scanner accepts what the reference refuses")
    if found := differences(scanned, parsed):
        raise Disagreement("\n".join(found))


def _of_messages(reader: Reader) -> Target:
    def seeds() -> list[bytes]:
        return [written for paper in reader.papers() for written in (paper, *written_otherwise(paper))]

    def check(content: bytes) -> None:
        try:
            name = message_name(content)
        except FileRefused:
            return
        if name not in reader.names:
            return
        try:
            parsed = reader.parse(content, name)
        except FileRefused:
            parsed = None
        chunk_bytes = _one_of(content, 200, 700, scan_records.CHUNK_BYTES)
        with patch.dict(scan_records.RecordScan.__init__.__kwdefaults__, chunk_bytes=chunk_bytes):
            scanned = reader.scan(content, name)
        _hold_against(scanned, parsed)

    return Target(seeds, check, damaged)


def _check_account_lines(content: bytes) -> None:
    try:
        parsed = scan_mt940.read_by_fields(content)
    except FileRefused:
        parsed = None
    part_bytes = _one_of(content, 40, 300, scan_mt940_lines.PART_BYTES)
    with patch.dict(scan_mt940_lines.scan_lines.__kwdefaults__, part_bytes=part_bytes):
        scanned = scan_mt940.read_scanned(content)
    _hold_against(scanned, parsed)


_MOST_KEYS = 255


def _joined(keys: list[bytes], references: list[bytes]) -> bytes:
    """The join's input as the target takes it apart: how many lines are keys, then all lines."""
    return bytes([len(keys)]) + b"\n".join([*keys, *references])


def _check_join(content: bytes) -> None:
    lines = content[1:].split(b"\n")
    count = content[0] if content else 0
    keys, references = TextColumn.of_bytes(lines[:count]), TextColumn.of_bytes(lines[count:] + lines[:count][::-1])
    plain = by_dictionary(keys)
    # Two threads halve the keys and the places; whole tables on one thread are the other way.
    with patch.object(join_kernels, "_WORTH_A_THREAD", _one_of(content, 2, 1 << 40)):
        compiled = by_kernel(keys)
        if (plain is None) != (compiled is None):
            raise Disagreement("one form finds a key twice, the other does not")
        if plain is None or compiled is None:
            return
        expected, found = plain(references).tolist(), compiled(references).tolist()
    if expected != found:
        raise Disagreement(f"{expected} and {found}")


def _join_seeds() -> list[bytes]:
    numbered = [b"PS20261121-%012d" % number for number in range(40)]
    digits = [b"%016d" % (number * 3) for number in range(60)]
    alike = [b"SAMESAME%04xSAMESAME" % number for number in range(_MOST_KEYS)]
    ends = [b"X" * length for length in range(70)]
    return [
        _joined([], [b"P1"]),
        _joined(numbered, [b"PS20261121-00000000000/", b"PS20261121-0000000000001", b"", b"PS20261121-000000000099"]),
        _joined(digits, [b"0" * 17, b"9" * 16, b"-1", b"000000000000000:"]),
        _joined(alike, [alike[3][:-1], alike[3] + b"E", b"SAMESAME"]),
        _joined(ends, [b"X" * 71, b"X" * 7 + b"\0", b"\xff" * 8]),
        _joined([*numbered[:5], numbered[2]], numbered),
    ]


def _change_join(content: bytes, chosen: random.Random) -> bytes:
    """Lines moved, doubled, cut or counted up: what bytes changed one by one seldom come to."""
    lines = content[1:].split(b"\n")
    at, other = chosen.randrange(len(lines)), chosen.randrange(len(lines))
    one = lines[at]
    match chosen.randrange(5):
        case 0:
            lines.insert(other, one)
        case 1:
            lines[at], lines[other] = lines[other], one
        case 2:
            lines[other] = one[: chosen.randrange(len(one) + 1)]
        case 3:
            lines[other] = one + chosen.choice([b"0", b"\0", b" ", b"A", b"00000000"])
        case _:
            digits = one[-8:]
            if digits.isdigit():
                step = chosen.choice([1, 7, 1_000])
                lines[other] = one[:-8] + (b"%0*d" % (len(digits), int(digits) + step))
    count = chosen.randrange(min(len(lines), _MOST_KEYS) + 1) if chosen.random() < 0.2 else content[0] if content else 0
    return bytes([count]) + b"\n".join(lines)


TARGETS = {
    **{kind: _of_messages(reader) for kind, reader in READERS.items()},
    "mt940": Target(account_lines, _check_account_lines, damaged_lines),
    "join": Target(_join_seeds, _check_join, _change_join),
}
