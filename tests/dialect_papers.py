"""Answers in the delimited and the fixed-width dialect, as banks write them and as they arrive on a bad day."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

RECORD = 202
_AMOUNT = re.compile(rb"\nD\|[^\n]*\|([0-9]{1,15})\r(?=\n)")
_PUT_IN_LINES = [
    *b"| || D| D|1| H| T| |ACSC| |RJCT| acsc A 0 9 -1 +1 00 \xf0\xec \xcc \xea\xec \x90 \xff \x7f \x00 \xa0".split(),
    *(b" ", b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\t", b"R" * 36, b"1" * 16, b"x" * 141, b"a\xec" * 141),
]
_PUT_IN_RECORDS = [
    *b"0 9 - D C L T H PAID NOCO PAYD NOTPROVIDED 20261203 20260230 2026 000000002 \x7f \x00 \xff \xe1".split(),
    *(b" ", b"  ", b"\r", b"\n", b"\r\n", b"\t", b" " * 8, b" " * 35, b"9" * 15, b"~!", b" PAID", b"X" * 107),
]


class Payment(NamedTuple):
    """What a bank says of one payment."""

    reference: str
    status: str = "ACSC"
    reason: bytes = b""
    bank_reference: str = ""
    amount: int = 500_000


def status_file(payments: Sequence[Payment], first_number: int = 1) -> bytes:
    """A status file in the delimited dialect."""
    lines = [b"H|RES01|BANK-20261201-1|M20261201CONTRACTSAMPLE1|PART||20261201093000\r\n"]
    for number, (reference, status, reason, bank_reference, amount) in enumerate(payments, first_number):
        lines.append(f"D|{number}|{reference}|{status}|".encode() + reason + f"|{bank_reference}|{amount}\r\n".encode())
    return signed(b"".join(lines))


def signed(body: bytes) -> bytes:
    """The lines with the trailer that belongs to them."""
    amounts = [int(amount) for amount in _AMOUNT.findall(body)]
    return body + b"T|%d|%d|%s\r\n" % (body.count(b"\r\n") - 1, sum(amounts), hashlib.sha256(body).hexdigest().encode())


def status_files() -> list[bytes]:
    """Legal ones: with and without payments, with every width of a field, with reasons in Vietnamese."""
    mixed = [
        Payment("P000000000000000", "ACSC", b"", "FT26120100001"),
        Payment("P", "RJCT", b"AC04"),
        Payment("~!#" * 11, "PDNG", b"T\xean kh\xf4ng kh\xf2\xf5p", "B" * 35, 10**15 - 1),
        Payment("P3", "RJCT", b"a\xec" * 140, "", 0),
        Payment("P4", "ABCD", b"x" * 140, "-", 12_345_678),
        Payment("P5", "RJCT", b"\x00\x1f \x7f\x80", "z", 123_456_789),
    ]
    plain = [Payment(f"P{number:015d}", bank_reference=f"FT{number}") for number in range(9)]
    return [status_file(mixed), status_file(plain), status_file(plain, 999_999_990), status_file([])]


def records(*lines: str) -> bytes:
    """Records of 200 characters."""
    return "".join(f"{line:<200}\r\n" for line in lines).encode("ascii")


def result_list(payments: Sequence[Payment]) -> bytes:
    """A result list in the fixed-width dialect; `status` is the counter's word."""
    lines = [f"HPAYRSLT1{'VNPOST-1':<35}{'M20261201CONTRACTSAMPLE1':<35}20261205170000"]
    for number, (reference, result, reason, bank_reference, amount) in enumerate(payments, 1):
        lines.append(
            f"D{number:09d}{reference:<35}{result}{reason.decode():<4}{amount:015d}20261203{bank_reference:<20}"
        )
    return added_up(records(*lines, "T"))


def account_statement(entries: Sequence[tuple[str, Payment, str]]) -> bytes:
    """A statement in the fixed-width dialect: mark, payment and day of each entry."""
    lines = [f"HPAYSTMT1{'ST-1':<35}{'3713010009':<20}{7:09d}2026120220261203{9_000_000:018d}{8_600_000:018d}"]
    for number, (mark, (reference, _, reason, bank_reference, amount), day) in enumerate(entries, 1):
        lines.append(f"L{number:09d}{mark}{amount:015d}{reference:<35}{reason.decode():<4}{bank_reference:<20}{day}")
    return added_up(records(*lines, "T"))


def added_up(content: bytes) -> bytes:
    """The records with the trailer that belongs to them, as far as they have amounts."""
    lines = [content[at : at + RECORD] for at in range(0, len(content), RECORD)]
    if content[:9] == b"HPAYRSLT1":
        sums = [sum(_digits(line[53:68]) for line in lines[1:-1] if line[45:49] == b"PAID")]
    else:
        sums = [sum(_digits(line[11:26]) for line in lines[1:-1] if line[10:11] == mark) for mark in (b"D", b"C")]
    trailer = f"T{len(lines) - 2:09d}" + "".join(f"{one:018d}" for one in sums)
    return b"".join(lines[:-1]) + records(trailer)


def _digits(field: bytes) -> int:
    return int(field) if field.isdigit() else 0


def cash_papers() -> list[bytes]:
    """Legal result lists and statements, with every width of a field."""
    paid = [
        Payment("P000000000000000", "PAID", b"", "C0001"),
        Payment("P1", "NOCO", b"CNPC"),
        Payment("R" * 35, "PAID", b"A", "C" * 20, 10**15 - 1),
        Payment("~", "NOCO", b"AB", "a b  c", 0),
    ]
    booked = [
        ("D", Payment("P000000000000000", bank_reference="C0001"), "20261203"),
        ("C", Payment("NOP TIEN 7", reason=b"AC04"), "20261203"),
        ("C", Payment("NOTPROVIDED", amount=0), "20261202"),
        ("D", Payment(" R" + "~" * 33, bank_reference=" x" * 10, amount=10**15 - 1), "20240229"),
        ("C", Payment("", amount=7), "20261203"),
    ]
    return [result_list(paid), result_list([]), account_statement(booked), account_statement([])]


def damaged_status(content: bytes, chosen: random.Random) -> bytes:
    """One to three things changed, more often than not under a trailer that belongs to what came out."""
    out = _damaged(content, chosen, _PUT_IN_LINES, re.compile(rb"[^\n]*\n"), re.compile(rb"(?<=\|)[^|\r\n]*"))
    end = out.rfind(b"\r\nT|")
    return signed(out[: end + 2]) if end >= 0 and chosen.random() < 0.8 else out


def damaged_records(content: bytes, chosen: random.Random) -> bytes:
    """One to three things changed, mostly in place, so that the records stay as long as they are."""
    out = _damaged(content, chosen, _PUT_IN_RECORDS, re.compile(rb"[^\n]*\n"), re.compile(rb"[^ ]+"))
    if len(out) % RECORD and chosen.random() < 0.5:
        out = out[: len(out) // RECORD * RECORD]
    whole = len(out) >= 2 * RECORD and len(out) % RECORD == 0
    return added_up(out) if whole and chosen.random() < 0.8 else out


def _damaged(
    content: bytes, chosen: random.Random, pieces: list[bytes], line: re.Pattern[bytes], field: re.Pattern[bytes]
) -> bytes:
    out = bytearray(content)
    ways: list[Callable[[], None]] = [
        lambda: _flip(out, chosen),
        lambda: _cut(out, chosen),
        lambda: _put(out, chosen, pieces, 0),
        lambda: _put(out, chosen, pieces, None),
        lambda: _put(out, chosen, pieces, None),
        lambda: _copy(out, chosen, field),
        lambda: _swap(out, chosen, field),
        lambda: _swap(out, chosen, line),
        lambda: _copy(out, chosen, line),
        lambda: _drop(out, chosen, line),
    ]
    for _ in range(chosen.choice((1, 1, 1, 2, 3))):
        if out:
            chosen.choice(ways)()
    return bytes(out)


def _flip(out: bytearray, chosen: random.Random) -> None:
    out[chosen.randrange(len(out))] = chosen.randrange(256)


def _cut(out: bytearray, chosen: random.Random) -> None:
    start = chosen.randrange(len(out) + 1)
    del out[start : start + chosen.choice((1, 2, 5, 20, RECORD, len(out)))]


def _put(out: bytearray, chosen: random.Random, pieces: list[bytes], replaced: int | None) -> None:
    """A piece somewhere, in the place of `replaced` bytes, or of as many as it has."""
    at, piece = chosen.randrange(len(out) + 1), chosen.choice(pieces)
    out[at : at + (len(piece) if replaced is None else replaced)] = piece


def _two(out: bytearray, chosen: random.Random, pattern: re.Pattern[bytes]) -> list[tuple[int, int]]:
    """Two places of the pattern, in the order of the file; none where there are not two."""
    found = [one.span() for one in pattern.finditer(bytes(out))]
    return sorted(chosen.sample(found, 2)) if len(found) > 1 else []


def _swap(out: bytearray, chosen: random.Random, pattern: re.Pattern[bytes]) -> None:
    if places := _two(out, chosen, pattern):
        (begin, end), (other, other_end) = places
        first, second = out[begin:end], out[other:other_end]
        out[other:other_end] = first
        out[begin:end] = second


def _copy(out: bytearray, chosen: random.Random, pattern: re.Pattern[bytes]) -> None:
    if places := _two(out, chosen, pattern):
        (begin, end), (other, _) = places
        out[other:other] = out[begin:end]


def _drop(out: bytearray, chosen: random.Random, pattern: re.Pattern[bytes]) -> None:
    if places := _two(out, chosen, pattern):
        del out[slice(*places[0])]
