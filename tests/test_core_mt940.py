"""MT940 statements as banks really write them, and against another reader on generated files."""

from __future__ import annotations

from datetime import date, timedelta

import mt940
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.core.proof import problems_of
from paysvc.core.scan_mt940 import read_mt940
from paysvc.domain.errors import FileRefused

PLAIN = """\
:20:STMT-7
:25:3713010001
:28C:7/1
:60F:C261130VND1000000,
:61:2612011201D500000,NTRFP000000000000001//FT1
:86:/EREF/P000000000000001/TXT/tro cap
:61:2612011201C200000,NTRFP000000000000002//FT2
:86:/EREF/P000000000000002/RSN/AC04/TXT/hoan tra
:62F:C261201VND700000,
"""


def only(text: str | bytes) -> object:
    (statement,) = read_mt940(text if isinstance(text, bytes) else text.encode())
    return statement


def rows(text: str) -> list[tuple[str, int, bool, str, str, str]]:
    """Reference, amount, is it a debit, reason, the bank's reference, day."""
    (statement,) = read_mt940(text.encode())
    entries = statement.entries
    return list(
        zip(
            entries.reference,
            entries.amount_vnd.tolist(),
            entries.is_debit.tolist(),
            entries.reason_code,
            entries.bank_reference,
            entries.booking_date,
            strict=True,
        )
    )


def with_line(line: str, details: str = "") -> str:
    """A statement with one entry, its `:86:` after it when there is one."""
    after = f":86:{details}\n" if details else ""
    return f":20:A\n:25:1\n:28C:1\n:60F:C261130VND0,\n:61:{line}\n{after}:62F:C261201VND0,\n"


def test_a_statement_is_read_whole() -> None:
    (statement,) = read_mt940(PLAIN.encode())
    assert (statement.statement_id, statement.account, statement.currency) == ("STMT-7/7/261201", "3713010001", "VND")
    assert (statement.sequence, statement.from_date, statement.to_date) == (7, date(2026, 11, 30), date(2026, 12, 1))
    assert (statement.proof.opening_vnd, statement.proof.closing_vnd) == (1_000_000, 700_000)
    assert problems_of(statement) == []
    assert rows(PLAIN) == [
        ("P000000000000001", 500_000, True, "", "FT1", "2026-12-01"),
        ("P000000000000002", 200_000, False, "AC04", "FT2", "2026-12-01"),
    ]
    assert statement.entries.entry_number.tolist() == [1, 2]
    assert statement.entries.currency.to_list() == ["VND", "VND"]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        PLAIN + "-\n",
        "\n\n" + PLAIN + "\n",
        "{1:F01BANKVNVXAXXX0000000000}{2:I940BANKVNVXXXXXN}{3:{108:REF}}{4:\n" + PLAIN + "-}{5:{CHK:123456789ABC}}\n",
        "{1:F01BANKVNVXAXXX0000000000}{2:O9401200}{4:\n" + PLAIN + "-}",
        PLAIN.replace(":28C:", ":28:"),
        PLAIN.replace(":28C:7/1", ":28C:00007/001"),
        PLAIN.replace(":25:3713010001", ":25P:3713010001\nBANKVNVX"),
        PLAIN.replace(":28C:", ":21:RELATED\n:28C:"),
        PLAIN + ":64:C261201VND700000,\n:65:C261202VND700000,\n:86:END OF DAY\n",
        PLAIN.replace("500000,NTRF", "500000,00NTRF"),
        PLAIN.replace("C261201VND700000,", "C261201VND700000,00"),
        PLAIN.replace("D500000", "DD500000"),
        PLAIN.replace("//FT1", "//FT1\nCHI TRA THANG 12"),
        PLAIN.replace("NTRFP000000000000001", "NTRFNONREF"),
        PLAIN.replace("NTRFP000000000000001", "NTRF"),
        PLAIN.replace("NTRFP000000000000001", "NTRFP0000000000"),
        PLAIN.replace("/EREF/P000000000000001", "/EREF/P0000000\n00000001"),
        PLAIN.replace("2612011201D", "261201D"),
        PLAIN.replace(":86:/EREF/P000000000000001/TXT/tro cap\n", ""),
    ],
)
def test_what_banks_vary_changes_nothing(text: str) -> None:
    (statement,) = read_mt940(text.encode())
    assert statement.statement_id == "STMT-7/7/261201"
    assert statement.sequence == 7
    assert rows(text) == rows(PLAIN)
    assert problems_of(statement) == []


@pytest.mark.parametrize(
    ("line", "is_debit"),
    [("261201D1,NTRF", True), ("261201RC1,NTRF", True), ("261201C1,NTRF", False), ("261201RD1,NTRF", False)],
)
def test_a_reversal_goes_the_other_way(line: str, is_debit: bool) -> None:
    assert rows(with_line(line))[0][2] is is_debit


@pytest.mark.parametrize(
    ("line", "day"),
    [
        ("261231", "2026-12-31"),
        ("2612311230", "2026-12-30"),
        ("2612310102", "2027-01-02"),
        ("2701021231", "2026-12-31"),
        ("2802290229", "2028-02-29"),
    ],
)
def test_the_entry_date_takes_the_year_nearest_to_the_value_date(line: str, day: str) -> None:
    assert rows(with_line(f"{line}D1,NTRF"))[0][5] == day


@pytest.mark.parametrize(
    ("own", "details", "reference", "reason"),
    [
        ("NONREF", "/EREF/LONGER-THAN-SIXTEEN-CHARACTERS", "LONGER-THAN-SIXTEEN-CHARACTERS", ""),
        ("LONGER-THAN-SIXT", "/EREF/LONGER-THAN-SIXTEEN-CHARACTERS/RSN/AC04", "LONGER-THAN-SIXTEEN-CHARACTERS", "AC04"),
        ("OWN", "/EREF/ANOTHER", "OWN", ""),
        ("NONREF", "/EREF/NOTPROVIDED", "", ""),
        ("NONREF", "khong co gi", "", ""),
        ("NONREF", "/ORDP//NAME/X/EREF/P1/REMI/tra no", "P1", ""),
        # What a stranger writes into the text of a payment must not name one of ours.
        ("NONREF", "/TXT/xin chao/EREF/P000000000000001/RSN/AC04", "", ""),
        ("NONREF", "/REMI/EREF/P000000000000001/EREF/P000000000000001", "", ""),
        ("P1", "/TXT//RSN/AC04", "P1", ""),
    ],
)
def test_the_reference_is_the_lines_or_the_structured_one(own: str, details: str, reference: str, reason: str) -> None:
    ((found, _, _, why, _, _),) = rows(with_line(f"261201D1,NTRF{own}", details))
    assert (found, why) == (reference, reason)


PAGES = """\
:20:S1
:25:1
:28C:9/1
:60F:C261130VND100,
:61:261201D40,NTRFP1//A
:62M:C261201VND60,
:20:S1
:25:1
:28C:9/2
:60M:C261201VND60,
:61:261201D50,NTRFP2//B
:62F:C261201VND10,
:20:S2
:25:1
:28C:10/1
:60F:C261201VND10,
:62F:C261202VND10,
"""


def test_the_pages_of_a_statement_are_one_statement() -> None:
    first, second = read_mt940(PAGES.encode())
    assert (first.statement_id, first.sequence, first.entries.reference.to_list()) == ("S1/9/261201", 9, ["P1", "P2"])
    assert first.entries.entry_number.tolist() == [1, 2]
    assert (first.proof.opening_vnd, first.proof.closing_vnd) == (100, 10)
    assert problems_of(first) == []
    assert (second.statement_id, len(second.entries)) == ("S2/10/261202", 0)


def test_a_bank_that_numbers_nothing_writes_zero() -> None:
    (statement,) = read_mt940(PLAIN.replace(":28C:7/1", ":28C:00000/001").encode())
    assert (statement.statement_id, statement.sequence) == ("STMT-7/0/261201", None)


def test_a_balance_that_is_not_carried_over_is_a_problem() -> None:
    first, _ = read_mt940(PAGES.replace(":60M:C261201VND60,", ":60M:C261201VND61,").encode())
    assert problems_of(first) == ["The balance carried to a page is not the balance the page before ended with."]


def test_an_overdrawn_account_has_a_negative_balance() -> None:
    text = with_line("261201D5,NTRFP1").replace(":62F:C261201VND0,", ":62F:D261201VND5,")
    (statement,) = read_mt940(text.encode())
    assert statement.proof.closing_vnd == -5
    assert problems_of(statement) == []


def test_another_currency_is_read_and_then_not_believed() -> None:
    (statement,) = read_mt940(with_line("261201D5,NTRF").replace("VND", "USD").replace("D5,", "D5,75").encode())
    assert statement.currency == "USD"
    assert statement.entries.amount_vnd.tolist() == [5]
    assert problems_of(statement) != []


ENVELOPE = "{1:F01BANKVNVXAXXX0000000000}{4:\n"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "file_empty", ""),
        (" \n", "file_empty", ""),
        ("xin chào", "wrong_message", "line 1"),
        (":25:1\n" + PLAIN, "wrong_message", "line 1"),
        (PLAIN.encode("utf-16").decode("latin-1"), "wrong_encoding", "line 1"),
        ("\ufeff" + PLAIN, "wrong_encoding", "line 1"),
        (PLAIN[: PLAIN.index(":62F:")], "file_truncated", "line 1"),
        (PLAIN.rstrip("\n")[:-1], "line_malformed", "line 9"),
        (ENVELOPE + PLAIN, "file_truncated", ""),
        (PAGES[: PAGES.index(":20:S1\n:25:1\n:28C:9/2")], "file_truncated", "line 1"),
        (PAGES.replace("9/2", "9/3"), "file_truncated", "line 7"),
        (PAGES[PAGES.index(":20:S1\n:25:1\n:28C:9/2") :], "file_truncated", "line 1"),
        (PLAIN.replace(":25:3713010001\n", ""), "field_missing", "line 1"),
        (PLAIN.replace(":28C:7/1\n", ""), "field_missing", "line 1"),
        (PLAIN.replace(":60F:C261130VND1000000,\n", ""), "line_misplaced", "line 4"),
        (PLAIN.replace(":28C:7/1\n", ":28C:7/1\n:28C:8/1\n"), "line_misplaced", "line 4"),
        (PLAIN + ":61:261201D1,NTRF\n", "line_misplaced", "line 10"),
        (PLAIN.replace("500000,N", "500000N"), "line_malformed", "line 5"),
        (PLAIN.replace("500000,N", "500000.00N"), "line_malformed", "line 5"),
        (PLAIN.replace("500000,N", "-500000,N"), "line_malformed", "line 5"),
        (PLAIN.replace("500000,N", "500000,5N"), "amount_not_whole", "line 5"),
        (PLAIN.replace("VND700000,", "VND700000,01"), "amount_not_whole", "line 9"),
        (PLAIN.replace("500000,N", "9999999999999999,N"), "line_malformed", "line 5"),
        (PLAIN.replace("2612011201D", "2613011201D"), "line_malformed", "line 5"),
        (PLAIN.replace("2612011201D", "2612010230D"), "line_malformed", "line 5"),
        (PLAIN.replace("2612011201D", "2612011201E"), "line_malformed", "line 5"),
        (PLAIN.replace("NTRFP", "NTRFPhượng"), "line_malformed", "line 5"),
        (PLAIN.replace(":20:STMT-7", ":20:"), "line_malformed", "line 1"),
    ],
)
def test_what_is_no_whole_statement_is_refused_with_code_and_place(text: str, code: str, place: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_mt940(text.encode("utf-8" if not text.startswith("ÿþ") else "latin-1"))
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_statement_cut_anywhere_is_refused_or_says_the_same() -> None:
    for length in range(len(PLAIN)):
        try:
            read_mt940(PLAIN[:length].encode())
        except FileRefused:
            continue
        assert PLAIN[length:].strip() == "", f"cut to {length} characters it was believed"


#: Two words stand for no reference at all, which the library does not know.
REFERENCES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=16).filter(
    lambda text: text not in ("NONREF", "NOTPROVIDED")
)
LINES = st.lists(
    st.tuples(
        st.dates(date(2020, 1, 1), date(2029, 12, 31)),
        st.integers(-3, 3),
        st.sampled_from(["D", "C", "RD", "RC"]),
        st.integers(1, 10**11),  # with `,00` the 15 characters that SWIFT allows
        REFERENCES,
        REFERENCES,
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(LINES, st.integers(0, 10**11), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([",", ",00"]))
def test_it_reads_what_the_mt_940_library_reads(
    lines: list[tuple[date, int, str, int, str, str, bool]], opening: int, end: str, envelope: bool, comma: str
) -> None:
    balance, body = opening, []
    for value_date, later, mark, amount, own, banks, with_details in lines:
        balance += amount if mark in ("C", "RD") else -amount
        booked = value_date + timedelta(days=later)
        body.append(f":61:{value_date:%y%m%d}{booked:%m%d}{mark}{amount}{comma}NTRF{own}//{banks}")
        body += [f":86:/EREF/{own}/TXT/thang 12"] if with_details else []
    sign = "D" if balance < 0 else "C"
    head = [":20:S1", ":25:3713010001", ":28C:12/1", f":60F:C261130VND{opening}{comma}"]
    whole = [*head, *body, f":62F:{sign}261231VND{abs(balance)}{comma}", "-"]
    if envelope:
        whole = ["{1:F01BANKVNVXAXXX0000000000}{2:I940BANKVNVXXXXXN}{4:", *whole[:-1], "-}"]
    text = end.join(whole) + end

    (ours,) = read_mt940(text.encode())
    theirs = mt940.parse(text)

    assert problems_of(ours) == []
    assert ours.proof.closing_vnd == theirs.data["final_closing_balance"].amount.amount
    signed = [
        -amount if debit else amount
        for amount, debit in zip(ours.entries.amount_vnd.tolist(), ours.entries.is_debit, strict=True)
    ]
    # The library leaves RC positive unless it is told otherwise, and says that a debit is meant.
    assert signed == [int(one.data["amount"].amount) * (-1 if one.data["status"] == "RC" else 1) for one in theirs]
    assert ours.entries.reference.to_list() == [one.data["customer_reference"] for one in theirs]
    assert ours.entries.bank_reference.to_list() == [one.data["bank_reference"] for one in theirs]
    assert ours.entries.booking_date.to_list() == [one.data["entry_date"].isoformat() for one in theirs]


def test_a_hundred_thousand_entries_are_read_and_proved() -> None:
    count = 100_000
    body = "".join(
        f":61:2612011201D{500_000 + number},NTRFP{number:015d}//FT{number:012d}\n:86:/EREF/P{number:015d}/TXT/CHI TRA\n"
        for number in range(count)
    )
    total = sum(range(500_000, 500_000 + count))
    text = f":20:S\n:25:1\n:28C:1/1\n:60F:C261130VND{total},\n{body}:62F:C261201VND0,\n".encode()
    (statement,) = read_mt940(text)
    assert len(statement.entries) == count
    assert problems_of(statement) == []
    assert int(statement.entries.amount_vnd.sum()) == total
