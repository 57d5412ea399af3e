"""Bank files as they arrive on a bad day: legal ones written unusually, and damaged ones."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tests.iso_papers import Booking, as_notification, entry_xml, order, statement, statement_body, status_report

_LEAF = re.compile(rb"<(\w+)[^<>]*>[^<]*</\1>")
_BRANCH = re.compile(
    rb"<(Ntry|TxDtls|NtryDtls|Refs|Stmt|Sts|Amt|AmtDtls|RtrInf"
    rb"|TxInfAndSts|StsRsnInf|Rsn|CdtTrfTxInf|PmtId|PmtInf)\b.*?</\1>",
    re.DOTALL,
)
_TEXT = re.compile(rb">[^<]*<")
_TAG = re.compile(rb"</?\w+")
_LINE = re.compile(rb"[^\n]*\n")
_IN_LINES = [
    *b": :61: :86: :62F: :XY: :9: - -} {4: $ / // /EREF/ EREF/X /RSN/ /TXT/ /REMI/ NONREF R D C , ,00".split(),
    *(b",5", b"0", b"9", b"NOTPROVIDED"),
    *(b" ", b"  ", b"\n", b"\r", b"\r\n", b"\n\n", b"\n ", b"\x00", b"\xff", b"Z" * 36, b"/EREF/" + b"Q" * 40),
]
_CURRENCY = re.compile(rb'Ccy="VND"')

_INSERTED = [
    *b"< > & &amp; &#65; &#0; &a; &lt; &quot; &apos; <!--x--> <![CDATA[x]]> <?pi?> ]]> ] - + .5 .00 ' / : x: =".split(),
    *(b'"', b"\xff", b"\xc3\xa9", b"\xef\xbf\xbe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xc2\xa0"),
    *(b"\x00", b"\x0b", b"\x7f", b"\r\n", b" ", b"\t", b"\n     ", b' a="b"', b' a="b" c="d"', b' xmlns="u"', b" x"),
    *(b' Ccy="USD"', b"9999999999999", b"<X/>", b"<X><Y>1</Y></X>", b'<X a="1">t</X>', b"<!DOCTYPE Document>"),
]
_VALUES = [
    *b" 1 0 500000 500000.00 500000.5 0500000 -1 1e3 DBIT CRDT BOOK PDNG ACCC RJCT NOTPROVIDED a&amp;b".split(b" "),
    *(b"NOTPROVIDEX", b" NOTPROVIDED ", b"x" * 1_100, b"y" * 40, b"2026-11-24T10:00:00", b"10000000000000", b"\n1\t"),
    "Đỗ Thị Hoà".encode(),
]
_CURRENCIES = (
    b'Ccy="USD"',
    b"Ccy='VND'",
    b'Ccy=""',
    b'Ccy="VN&#68;"',
    b'ccy="VND"',
    b'Ccy="VND" Ccy="VND"',
    b'Ccy = "VND"',
)


def statements() -> list[bytes]:
    """camt.053 in its three versions, two statements each, with a batch booking and returns."""
    found = []
    for version in ("02", "04", "08"):
        batch = [Booking("P4"), Booking("P5", 700_000)]
        groups = '<Btch><NbOfTxs>2</NbOfTxs><TtlAmt Ccy="VND">1200000</TtlAmt></Btch>'
        second = statement_body(Booking("Q2"), Booking("Q3", status="PDNG"), statement_id="S2", version=version)
        with_batch = entry_xml(batch, version, batch=groups)
        content = statement(
            Booking("P1", bank_reference="FT1"),
            [Booking("P2"), Booking("P3", instruction_id="I1")],
            Booking("P1", debit=False, reason="AC04", bank_reference="FT2"),
            [Booking(f"B{number}", 500_000 + number) for number in range(5)],
            [Booking("B5"), Booking("B6", reason="Đã đóng tài khoản"), Booking("B7"), Booking("B8")],
            Booking("", instruction_id="X9"),
            Booking("P7", currency="USD", amount="12.5"),
            version=version,
            more=second.replace("</Stmt>", with_batch + "</Stmt>"),
        )
        found.append(content)
    return found


def notifications() -> list[bytes]:
    """camt.054 in its three versions: the same entries under other names."""
    return [as_notification(content) for content in statements()]


def status_reports() -> list[bytes]:
    """pain.002 in both versions, two blocks each."""
    rows = [("P1", "ACCC", ""), ("P2", "RJCT", "AC04"), ("P3", "PDNG", ""), ("", "RJCT", "AM09")]
    found = []
    for version in ("03", "10"):
        content = status_report(rows, version=version, per_status={"RJCT": 2})
        block = content[content.index(b"<OrgnlPmtInfAndSts>") : content.index(b"</CstmrPmtStsRpt>")]
        counted = b"<NbOfTxsPerSts><DtldNbOfTxs>2</DtldNbOfTxs><DtldSts>RJCT</DtldSts></NbOfTxsPerSts>"
        found.append(content)
        found.append(content.replace(b">2</DtldNbOfTxs>", b">4</DtldNbOfTxs>").replace(block, block * 2))
        found.append(content.replace(block, block.replace(b"<TxInfAndSts>", counted + b"<TxInfAndSts>", 1)))
    return found


def orders() -> list[bytes]:
    """pain.001 in both versions, two blocks each."""
    payments = [("P1", 500_000), ("P2", 750_000), ("NOTPROVIDED", 1_000_000), ("P4", 1)]
    return [order(payments, blocks=2, version=version, instruction_ids=True) for version in ("03", "09")]


def account_lines() -> list[bytes]:
    """MT940: one statement, one in two pages, one in an envelope; with and without `:86:`."""
    head, tail = b":20:S1\n:25:3713010001\n:28C:5/1\n", b":62F:C261207VND998250000,\n"
    opening = b":60F:C261205VND1000000000,\n"
    entries = (
        b":61:2612071207D750000,NTRFP0007F1S6ZRFHP2E//D000000000000001\n"
        b":86:/EREF/P0007F1S6ZRFHP2E/TXT/CHI TRA\nAN SINH\n"
        b":61:2612071207C500000,00NRTINONREF//R000000000000002\n:86:/EREF/P0007F1S6ZRFHP2E/RSN/AC04/REMI/TRA LAI\n"
        b":61:261207D1000000,NTRFP000GTVY6GVH32AG\nSUPPLEMENTARY DETAILS\n"
        b":61:2612070102RDD500000,SMSCNOTPROVIDED//\n"
    )
    pages = (
        head + opening + entries + b":62M:C261207VND998250000,\n-\n"
        b":20:S1\n:25:3713010001\n:28C:5/2\n:60M:C261207VND998250000,\n" + entries + tail
    )
    plain = head + opening + entries + tail
    envelope = b"{1:F01BANKVNVXAXXX0000000000}{2:O9400000}{4:\n" + plain + b"-}\n"
    foreign = plain.replace(b"VND", b"USD").replace(b"750000,", b"750000,25")
    return [plain, plain.replace(b"\n", b"\r\n"), pages, envelope, foreign, head + opening + tail + b"-\n"]


def damaged_lines(content: bytes, chosen: random.Random) -> bytes:
    """One to three things changed in a file of lines."""
    out = bytearray(content)
    for _ in range(chosen.choice((1, 1, 1, 2, 3))):
        if out:
            chosen.choice((_flip, _cut, _insert_in_line, _insert_in_line, _repeat_bytes, _repeat(_LINE), _drop(_LINE)))(
                out, chosen
            )
    return bytes(out)


def written_otherwise(content: bytes) -> list[bytes]:
    """The same message as other programs write it: spaced, prefixed, with a byte order mark."""
    spaced = content.replace(b"><", b">\n   <")
    prefixed = re.sub(rb"<(/?)(?=\w)", rb"<\1doc:", content).replace(b"xmlns=", b"xmlns:doc=")
    return [spaced, prefixed, b"\xef\xbb\xbf" + content, content.replace(b"\n", b"\r\n\t", 1), content + b"\n \n"]


def damaged(content: bytes, chosen: random.Random) -> bytes:
    """One to three things changed; what comes out may still be legal."""
    out = bytearray(content)
    for _ in range(chosen.choice((1, 1, 1, 2, 3))):
        if out:
            chosen.choice(_DAMAGES)(out, chosen)
    return bytes(out)


def _place(out: bytearray, chosen: random.Random) -> int:
    return chosen.randrange(len(out) + 1)


def _some(out: bytearray, pattern: re.Pattern[bytes], chosen: random.Random) -> re.Match[bytes] | None:
    found = list(pattern.finditer(bytes(out)))
    return chosen.choice(found) if found else None


def _flip(out: bytearray, chosen: random.Random) -> None:
    out[chosen.randrange(len(out))] = chosen.randrange(256)


def _cut(out: bytearray, chosen: random.Random) -> None:
    start = _place(out, chosen)
    del out[start : start + chosen.choice((1, 2, 5, 20, 100, len(out)))]


def _insert(out: bytearray, chosen: random.Random) -> None:
    at = _place(out, chosen)
    out[at:at] = chosen.choice(_INSERTED)


def _insert_in_line(out: bytearray, chosen: random.Random) -> None:
    at = _place(out, chosen)
    out[at : at + chosen.choice((0, 0, 1, 3))] = chosen.choice(_IN_LINES)


def _insert_between(out: bytearray, chosen: random.Random) -> None:
    if found := _some(out, _TEXT, chosen):
        out[found.start() + 1 : found.start() + 1] = chosen.choice(_INSERTED)


def _repeat_bytes(out: bytearray, chosen: random.Random) -> None:
    start, at = _place(out, chosen), _place(out, chosen)
    out[at:at] = out[start : start + chosen.choice((1, 5, 30, 200))]


def _repeat(pattern: re.Pattern[bytes]) -> Callable[[bytearray, random.Random], None]:
    def repeat(out: bytearray, chosen: random.Random) -> None:
        found, after = _some(out, pattern, chosen), _some(out, pattern, chosen)
        if found and after:
            out[after.end() : after.end()] = found[0]

    return repeat


def _drop(pattern: re.Pattern[bytes]) -> Callable[[bytearray, random.Random], None]:
    def drop(out: bytearray, chosen: random.Random) -> None:
        if found := _some(out, pattern, chosen):
            del out[found.start() : found.end()]

    return drop


def _value(out: bytearray, chosen: random.Random) -> None:
    if found := _some(out, _TEXT, chosen):
        out[found.start() + 1 : found.end() - 1] = chosen.choice(_VALUES)


def _swap_tag(out: bytearray, chosen: random.Random) -> None:
    found, other = _some(out, _TAG, chosen), _some(out, _TAG, chosen)
    if found and other:
        out[found.start() : found.end()] = other[0]


def _inside_tag(out: bytearray, chosen: random.Random) -> None:
    if found := _some(out, _TAG, chosen):
        out[found.end() : found.end()] = chosen.choice(
            (b" ", b"\n", b"x", b' Ccy="VND"', b' a="<"', b" a=b", b"/", b' a="1"')
        )


def _currency(out: bytearray, chosen: random.Random) -> None:
    if found := _some(out, _CURRENCY, chosen):
        out[found.start() : found.end()] = chosen.choice(_CURRENCIES)


_DAMAGES: Sequence[Callable[[bytearray, random.Random], None]] = (
    _flip,
    _cut,
    _insert,
    _insert_between,
    _insert_between,
    _repeat_bytes,
    _repeat(_LEAF),
    _repeat(_BRANCH),
    _drop(_LEAF),
    _drop(_BRANCH),
    _value,
    _value,
    _swap_tag,
    _inside_tag,
    _currency,
)
