"""Account statements: what an entry says, in all three versions, and what contradicts itself."""

from __future__ import annotations

from datetime import date

import pytest

from paysvc.core import scan_xml
from paysvc.core.columns import BOOKED, FUTURE, INFORMATION, PENDING
from paysvc.core.messages import Statement
from paysvc.core.proof import problems_of
from paysvc.core.scan_camt import read_camt
from paysvc.domain.errors import FileRefused
from tests.iso_papers import OPENING, Booking, balance, entry_xml, statement, statement_body, validate


def read(content: bytes) -> Statement:
    (one,) = read_camt(content)[1]
    return one


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        read_camt(content)
    return refused.value.code


@pytest.mark.parametrize("version", ["02", "04", "08"])
def test_an_entry_says_the_same_in_every_version(version: str) -> None:
    content = statement(
        Booking("P1", 500_000, bank_reference="FT1"),
        Booking("P1", 500_000, debit=False, reason="AC04", bank_reference="FT2"),
        version=version,
    )
    found = read(content)
    assert found.entries.reference.to_list() == ["P1", "P1"]
    assert found.entries.amount_vnd.tolist() == [500_000, 500_000]
    assert found.entries.is_debit.tolist() == [True, False]
    assert found.entries.status.tolist() == [BOOKED, BOOKED]
    assert found.entries.reason_code.to_list() == ["", "AC04"]
    assert found.entries.bank_reference.to_list() == ["FT1", "FT2"]
    assert found.entries.entry_number.tolist() == [1, 2]
    assert found.entries.booking_date.to_list() == ["2026-11-24"] * 2
    assert problems_of(found) == []
    validate(content, f"camt.053.001.{version}")


def test_a_statement_says_whose_it_is_and_of_which_days() -> None:
    found = read(statement(Booking("P1"), statement_id="S77", sequence=7))
    assert (found.statement_id, found.account, found.currency, found.sequence) == ("S77", "3713010001", "VND", 7)
    assert (found.from_date, found.to_date) == (date(2026, 11, 24), date(2026, 11, 24))
    assert (found.proof.opening_vnd, found.proof.closing_vnd) == (OPENING, OPENING - 500_000)


def test_an_iban_is_an_account_too() -> None:
    content = statement(Booking("P1")).replace(
        b"<Othr><Id>3713010001</Id></Othr>", b"<IBAN>DE89370400440532013000</IBAN>"
    )
    assert read(content).account == "DE89370400440532013000"


def test_several_statements_in_a_file_are_several() -> None:
    content = statement(Booking("P1"), more=statement_body(Booking("P2"), Booking("P3"), statement_id="S2"))
    found = read_camt(content)[1]
    assert [one.statement_id for one in found] == ["S1", "S2"]
    assert [one.entries.reference.to_list() for one in found] == [["P1"], ["P2", "P3"]]
    assert found[1].entries.entry_number.tolist() == [1, 2]
    assert [problems_of(one) for one in found] == [[], []]


@pytest.mark.parametrize(
    ("booking", "reference"),
    [
        (Booking("P1", instruction_id="I1"), "P1"),
        (Booking("", instruction_id="I1"), "I1"),
        (Booking("NOTPROVIDED", instruction_id="I1"), "I1"),
        (Booking("NOTPROVIDED", instruction_id="NOTPROVIDED"), ""),
        (Booking("NOTPROVIDED"), ""),
        (Booking(" \n P1\t"), "P1"),
        (Booking("A&B<C>"), "A&B<C>"),
    ],
)
def test_the_reference_is_the_payers_else_the_instruction_else_none(booking: Booking, reference: str) -> None:
    assert read(statement(booking)).entries.reference.to_list() == [reference]


def test_an_entry_without_details_is_one_row_without_a_reference() -> None:
    content = statement(Booking("P1")).replace(b"<BkTxCd/>", b"<AcctSvcrRef>FEE9</AcctSvcrRef><BkTxCd/>")
    start, end = content.index(b"<NtryDtls>"), content.index(b"</Ntry>")
    found = read(content[:start] + content[end:])
    assert found.entries.reference.to_list() == [""]
    assert found.entries.bank_reference.to_list() == ["FEE9"]
    assert problems_of(found) == []


def test_every_booking_state_is_kept_apart() -> None:
    content = statement(*(Booking("P", status=status) for status in ("BOOK", "PDNG", "INFO", "FUTR")))
    assert read(content).entries.status.tolist() == [BOOKED, PENDING, INFORMATION, FUTURE]


def test_a_status_of_nobody_makes_the_statement_unbelievable() -> None:
    assert problems_of(read(statement(Booking("P1", status="DONE"), closing=OPENING))) == [
        "In entry 1 the status is none that the standard knows."
    ]


def test_a_proprietary_return_reason_is_kept_as_it_is() -> None:
    content = statement(Booking("P1", debit=False, reason="AC04")).replace(
        b"<Cd>AC04</Cd>", b"<Prtry>Tai khoan da dong</Prtry>"
    )
    assert read(content).entries.reason_code.to_list() == ["Tai khoan da dong"]


def test_prefixes_white_space_comments_and_cdata_do_not_matter() -> None:
    plain = statement([Booking("P1"), Booking("P2")], Booking("P3", debit=False, reason="AC01"))
    text = plain.decode()
    prefixed = text.replace("<", "<doc:").replace("<doc:/", "</doc:").replace("<doc:?", "<?")
    prefixed = prefixed.replace("xmlns=", "xmlns:doc=")
    spaced = text.replace("><", ">\n  <!-- - -->\n  <").replace(">500000</Amt>", ">\n 500000\t</Amt>")
    cdata = text.replace(">P1<", "><![CDATA[P1]]><")
    wanted = read(plain)
    for other in (prefixed, spaced, cdata):
        found = read(other.encode())
        assert found.proof == wanted.proof
        assert found.entries.reference == wanted.entries.reference
        assert found.entries.amount_vnd.tolist() == wanted.entries.amount_vnd.tolist()
        assert problems_of(found) == []


@pytest.mark.parametrize("text", ["500000", "500000.00", "000500000", "+500000", "500000.", " 500000 "])
def test_whole_dong_may_be_written_in_many_ways(text: str) -> None:
    content = statement(Booking("P1")).replace(b">500000<", f">{text}<".encode())
    assert read(content).entries.amount_vnd.tolist() == [500_000]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("500000.50", "amount_not_whole"),
        ("0.01", "amount_not_whole"),
        ("-500000", "amount_negative"),
        ("10000000000000", "amount_too_large"),
        ("99999999999999999999", "amount_too_large"),
        ("5e5", "amount_malformed"),
        ("500,000", "amount_malformed"),
        ("٥٠٠٠٠٠", "amount_malformed"),
        ("", "amount_malformed"),
        (".", "amount_malformed"),
        ("NaN", "amount_malformed"),
        ("500<b/>000", "amount_malformed"),
    ],
)
def test_an_amount_that_is_none_in_dong_refuses_the_file(text: str, code: str) -> None:
    content = statement(Booking("P1")).replace(b">500000<", f">{text}<".encode())
    assert refusal(content) == code


def test_just_below_ten_trillion_is_an_amount() -> None:
    assert read(statement(Booking("P1", 10**13 - 1), opening=0)).entries.amount_vnd.tolist() == [10**13 - 1]


def test_a_batch_booking_may_pass_what_one_payment_may_not() -> None:
    rows = [Booking(f"P{n}", 9 * 10**12) for n in range(3)]
    found = read(statement(rows))
    assert found.entries.amount_vnd.tolist() == [9 * 10**12] * 3
    assert problems_of(found) == []


def test_another_currency_may_have_a_fraction_and_is_cut() -> None:
    found = read(statement(Booking("P1", "20.55", currency="USD")))
    assert (found.entries.amount_vnd.tolist(), found.entries.currency.to_list()) == ([20], ["USD"])


def test_a_converted_amount_describes_and_the_entry_is_what_was_booked() -> None:
    inside = b'</Refs><Amt Ccy="VND">500000<'
    content = statement(Booking("P1")).replace(inside, b'</Refs><Amt Ccy="USD">20.10<')
    found = read(content)
    assert (found.entries.amount_vnd.tolist(), found.entries.currency.to_list()) == ([500_000], ["VND"])
    assert problems_of(found) == []


def test_directions_of_details_count_against_each_other() -> None:
    content = statement([Booking("P1", 700_000), Booking("P2", 200_000, debit=False)], closing=OPENING - 500_000)
    found = read(content.replace(b'<Amt Ccy="VND">900000<', b'<Amt Ccy="VND">500000<'))
    assert found.entries.is_debit.tolist() == [True, False]
    assert problems_of(found) == []


@pytest.mark.parametrize(
    "entry",
    [
        entry_xml([Booking("P1"), Booking("P2")], amount=999_999),
        entry_xml([Booking("P1")], amount=499_999),
        entry_xml([Booking("P1"), Booking("P2")], batch="<Btch><NbOfTxs>3</NbOfTxs></Btch>"),
        entry_xml([Booking("P1"), Booking("P2")], batch='<Btch><TtlAmt Ccy="VND">1</TtlAmt></Btch>'),
        entry_xml([Booking("P1")], batch="<Btch><NbOfTxs>2</NbOfTxs></Btch>"),
        entry_xml([Booking("P1"), Booking("P2", currency="USD")]),
        entry_xml([Booking("P1"), Booking("P2")]).replace('</Refs><Amt Ccy="VND">500000</Amt>', "</Refs>", 1),
    ],
)
def test_details_that_do_not_add_up_are_a_problem(entry: str) -> None:
    content = statement(closing=0).replace(b"</Stmt>", entry.encode() + b"</Stmt>")
    assert len(read(content).problems) == 1
    assert "entry 1" in read(content).problems[0]


def test_a_true_batch_claim_is_no_problem() -> None:
    batch = '<Btch><MsgId>M1</MsgId><NbOfTxs>2</NbOfTxs><TtlAmt Ccy="VND">1000000</TtlAmt></Btch>'
    entry = entry_xml([Booking("P1"), Booking("P2")], batch=batch)
    content = statement(closing=OPENING - 1_000_000).replace(b"</Stmt>", entry.encode() + b"</Stmt>")
    assert problems_of(read(content)) == []


@pytest.mark.parametrize(
    "missing",
    [
        b"<CdtDbtInd>DBIT</CdtDbtInd><Sts>",
        b"<Sts><Cd>BOOK</Cd></Sts>",
        b"<Id>S1</Id>",
        b"<Id><Othr><Id>3713010001</Id></Othr></Id>",
    ],
)
def test_what_the_standard_demands_may_not_be_missing(missing: bytes) -> None:
    content = statement(Booking("P1"))
    assert missing in content
    left = b"<Sts>" if missing.endswith(b"<Sts>") else b""
    assert refusal(content.replace(missing, left)) == "wrong_structure"


def test_a_batch_of_one_group_a_transaction_is_read_like_any_other() -> None:
    """Some banks open a `NtryDtls` for every transaction, and an entry may be longer than a stride."""
    rows = [Booking(f"P{n:04}", 1_000 + n) for n in range(2_000)]
    content = statement(rows).replace(b"</TxDtls><TxDtls>", b"</TxDtls></NtryDtls><NtryDtls><TxDtls>")
    found = read(content)
    assert found.entries.reference.to_list() == [one.reference for one in rows]
    assert found.entries.amount_vnd.tolist() == [one.amount for one in rows]
    assert problems_of(found) == []
    one_group = read(statement(rows, Booking("P")))
    assert one_group.entries.reference.to_list() == [*(one.reference for one in rows), "P"]
    assert one_group.entries.entry_number.tolist() == [1] * 2_000 + [2]


@pytest.mark.parametrize("stride", [1, 7, 61, 256])
def test_where_the_parser_pauses_makes_no_difference(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lie = "<Btch><NbOfTxs>2</NbOfTxs></Btch>"
    more = ("</Ntry>", "<AddtlNtryInf>x</AddtlNtryInf></Ntry>")
    entries = [
        entry_xml([Booking("P1"), Booking("P2"), Booking("P3")]),
        entry_xml([Booking("P4")], batch=lie),
        entry_xml([Booking("P5", debit=False, reason="AC04")]).replace(
            "</Ntry>", "<AddtlNtryInf>x</AddtlNtryInf></Ntry>"
        ),
        entry_xml([Booking("P6")], batch=lie).replace(*more),
        entry_xml([Booking("P7"), Booking("P8")]).replace(
            "</TxDtls><TxDtls>", "</TxDtls></NtryDtls><NtryDtls><TxDtls>"
        ),
    ]
    entries.append("<AddtlStmtInf>y</AddtlStmtInf>")
    second = statement_body(Booking("Q1"), statement_id="S2")
    content = statement(closing=OPENING, more=second).replace(b"</Stmt>", "\n".join(entries).encode() + b"</Stmt>", 1)
    whole = read_camt(content)
    monkeypatch.setattr(scan_xml, "_STRIDE", stride)
    assert [_comparable(one) for one in read_camt(content)[1]] == [_comparable(one) for one in whole[1]]
    assert len(whole[1][0].problems) == 2


def _comparable(found: Statement) -> tuple[object, ...]:
    entries = found.entries
    texts = (entries.reference, entries.reason_code, entries.bank_reference, entries.currency, entries.booking_date)
    numbers = (entries.amount_vnd, entries.is_debit, entries.status, entries.entry_number)
    columns = [column.to_list() for column in texts] + [column.tolist() for column in numbers]
    return found.statement_id, found.account, found.proof, found.problems, found.from_date, columns


@pytest.mark.parametrize("claimed", [1_999, 2_001])
def test_a_long_batch_that_claims_another_number_is_a_problem(claimed: int) -> None:
    rows = [Booking(f"P{n:04}", 1_000) for n in range(2_000)]
    content = statement(rows).replace(b"<NtryDtls>", f"<NtryDtls><Btch><NbOfTxs>{claimed}</NbOfTxs></Btch>".encode())
    assert read(content).problems == (f"In entry 1 the batch claims {claimed} transactions and holds 2000.",)


def test_an_entry_outside_a_statement_is_refused() -> None:
    stray = entry_xml([Booking("P1")])
    assert refusal(statement(more=stray)) == "wrong_structure"
    assert refusal(statement(more="<Ntry/>")) == "wrong_structure"
    details = "<NtryDtls><TxDtls><Refs><EndToEndId>P1</EndToEndId></Refs></TxDtls></NtryDtls>"
    assert refusal(statement().replace(b"</Stmt>", details.encode() + b"</Stmt>")) == "wrong_structure"


def test_a_file_without_a_statement_is_refused() -> None:
    content = statement()
    start, end = content.index(b"<Stmt>"), content.index(b"</Stmt>")
    assert refusal(content[:start] + content[end + 7 :]) == "statement_missing"


def test_a_reference_beyond_any_bank_is_refused() -> None:
    assert refusal(statement(Booking("P" * 5_000))) == "field_too_long"


def test_the_previous_closing_balance_stands_in_for_the_opening_one() -> None:
    content = statement(Booking("P1"))
    assert problems_of(read(content.replace(b"OPBD", b"PRCD"))) == []
    both = content.replace(b"<Bal>", (balance("PRCD", 1) + "<Bal>").encode(), 1)
    assert problems_of(read(both)) == ["The opening balance is not the previous closing balance."]


def test_an_overdrawn_account_has_a_negative_balance() -> None:
    found = read(statement(Booking("P1"), opening=100_000))
    assert found.proof.closing_vnd == -400_000
    assert problems_of(found) == []
