"""The post office: the contract, and what is peculiar to records of 200 characters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_adapters.contract import AdapterContract
from bank_adapters.contract_samples import sample_batch, with_value
from bank_adapters.contract_sftp_bank import LoopbackSftpBank, loopback_sftp_bank
from bank_adapters.fixed_width import FixedWidthAdapter
from bank_adapters.fixed_width_payments import write_cash_list
from bank_adapters.fixed_width_returns import read_cash_returns
from paysvc.bank_interface import Channel, EncodingImpossible, FetchedFile
from paysvc.domain.errors import FileRefused


def records(*lines: str) -> bytes:
    return "".join(f"{line:<200}\r\n" for line in lines).encode("ascii")


RESULT = (
    f"HPAYRSLT1{'VNPOST-20261205-1':<35}{'M20261201CONTRACTSAMPLE1':<35}20261205170000",
    f"D{1:09d}{'P000000000000000':<35}PAID{'':4}{500000:015d}20261203{'C0001':<20}",
    f"D{2:09d}{'P000000000000001':<35}NOCOCNPC{500001:015d}20261205{'':20}",
    f"T{2:09d}{500000:018d}",
)
STATEMENT = (
    f"HPAYSTMT1{'ST-2026-12-03':<35}{'3713010009':<20}{7:09d}2026120220261203{9_000_000:018d}{8_600_000:018d}",
    f"L{1:09d}D{500000:015d}{'P000000000000000':<35}{'':4}{'C0001':<20}20261203",
    f"L{2:09d}C{100000:015d}{'NOP TIEN 7':<35}{'':4}{'C0002':<20}20261203",
    f"T{2:09d}{500000:018d}{100000:018d}",
)


def changed(lines: Sequence[str], number: int, before: str, after: str) -> bytes:
    """The file with one piece of one line put differently."""
    assert before in lines[number]
    return records(*lines[:number], lines[number].replace(before, after, 1), *lines[number + 1 :])


class TestFixedWidthAdapter(AdapterContract):
    adapter_class = FixedWidthAdapter

    def start_bank(self) -> AbstractContextManager[LoopbackSftpBank]:
        return loopback_sftp_bank()

    def sample_returns(self) -> list[FetchedFile]:
        return [FetchedFile("result-1.lst", records(*RESULT)), FetchedFile("stmt-1.lst", records(*STATEMENT))]

    def lying_returns(self) -> list[FetchedFile]:
        return [
            FetchedFile("count", changed(RESULT, 3, "000000002", "000000003")),
            FetchedFile("sum", changed(RESULT, 3, "500000", "500001")),
            FetchedFile("line dropped", records(*STATEMENT[:2], STATEMENT[3])),
            FetchedFile("debits", changed(STATEMENT, 3, "500000", "500001")),
            FetchedFile("balance", changed(STATEMENT, 0, "8600000", "8600001")),
        ]


def test_a_cash_list_is_written_as_the_post_office_wants_it() -> None:
    file, text = write_cash_list(sample_batch(Channel.CASH, 2)), "Tro cap xa hoi thang 12/2026"
    assert file.name == "M20261201CONTRACTSAMPLE1.lst"
    assert file.content == records(
        f"HPAYCASH1{'M20261201CONTRACTSAMPLE1':<35}20261201{'3713010001':<20}{2:09d}{1_000_001:018d}20261130091530",
        f"D{1:09d}{'P000000000000000':<35}{500000:015d}{'16834':<10}040150000000{'NGUYEN THI HOA':<70}{text:<40}",
        f"D{2:09d}{'P000000000000001':<35}{500001:015d}{'16834':<10}040150000001{'TRAN VAN DUC':<70}{text:<40}",
        f"T{2:09d}{1_000_001:018d}",
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Nguyễn Thị Đặng Hoà", "NGUYEN THI DANG HOA"),
        ("Ðinh Văn Ðô", "DINH VAN DO"),
        ("K’Brể", "K'BRE"),
        ("H\u02bcHen Niê", "H'HEN NIE"),
        ("A" * 69 + " B", "A" * 69),
    ],
)
def test_names_are_written_in_capitals_without_accents_and_cut(name: str, written: str) -> None:
    content = write_cash_list(with_value(sample_batch(Channel.CASH), 0, "creditor_name", name)).content
    assert content[202 + 82 : 202 + 152].decode("ascii") == f"{written:<70}"


@pytest.mark.parametrize(
    ("field", "value"),
    [("citizen_id", ""), ("citizen_id", "12345"), ("point_code", ""), ("point_code", "1" * 11), ("remittance", "阿")],
)
def test_whom_the_counter_cannot_pay_is_named(field: str, value: str) -> None:
    with pytest.raises(EncodingImpossible) as impossible:
        write_cash_list(with_value(sample_batch(Channel.CASH), 2, field, value))
    assert [(one.position, one.field) for one in impossible.value.problems] == [(2, field)]


def test_a_payers_account_of_21_characters_fits_no_header() -> None:
    batch = sample_batch(Channel.CASH, 1)
    with pytest.raises(EncodingImpossible) as impossible:
        write_cash_list(replace(batch, debtor=replace(batch.debtor, account="1" * 21)))
    assert [one.field for one in impossible.value.problems] == ["debtor_account"]


def test_a_result_list_says_who_came_and_who_did_not() -> None:
    returns = read_cash_returns(records(*RESULT))
    assert (returns.kind, returns.answers_message_id) == ("status", "M20261201CONTRACTSAMPLE1")
    assert returns.statuses is not None
    assert returns.statuses.reference.to_list() == ["P000000000000000", "P000000000000001"]
    assert returns.statuses.status.to_list() == ["CPUC", "RJCT"]
    assert returns.statuses.reason_code.to_list() == ["", "CNPC"]
    assert returns.statuses.bank_reference.to_list() == ["C0001", ""]


def test_a_statement_is_read_with_its_claims() -> None:
    (statement,) = read_cash_returns(records(*STATEMENT)).statements
    assert (statement.statement_id, statement.account, statement.sequence) == ("ST-2026-12-03", "3713010009", 7)
    assert (statement.from_date, statement.to_date) == (date(2026, 12, 2), date(2026, 12, 3))
    assert (statement.proof.opening_vnd, statement.proof.closing_vnd) == (9_000_000, 8_600_000)
    assert (statement.proof.entry_count, statement.proof.debit_sum_vnd, statement.proof.credit_sum_vnd) == (
        2,
        500000,
        100000,
    )
    assert statement.entries.reference.to_list() == ["P000000000000000", "NOP TIEN 7"]
    assert statement.entries.is_debit.tolist() == [True, False]
    assert statement.entries.booking_date.to_list() == ["2026-12-03", "2026-12-03"]


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "file_empty", ""),
        (records(*RESULT)[:-1], "file_truncated", ""),
        (records(*RESULT[:-1]), "file_truncated", "line 3"),
        (records(RESULT[0]), "file_truncated", "line 1"),
        (records(*RESULT).replace(b"PAYRSLT1", b"PAYRSLT2"), "wrong_version", "line 1"),
        (records(*RESULT).replace(b"PAYRSLT1", b"PAYCASH1"), "wrong_message", "line 1"),
        (records(*RESULT).replace(b"\r\nD", b"\n\rD"), "line_malformed", "line 1"),
        (records(*RESULT).replace(b"CNPC", b"CNP\xc0"), "wrong_encoding", "line 3"),
        (changed(RESULT, 1, "PAID", "PAYD"), "line_malformed", "line 2"),
        (changed(RESULT, 2, "500001", "5 0001"), "line_malformed", "line 3"),
        (changed(RESULT, 1, "P00000", "      "), "line_malformed", "line 2"),
        (changed(RESULT, 3, "000000002", "000000001"), "control_totals_lie", "line 4"),
        (changed(STATEMENT, 2, "L000000002", "L000000003"), "line_malformed", "line 3"),
        (changed(STATEMENT, 1, "L", "X"), "line_malformed", "line 2"),
        (changed(STATEMENT, 1, "20261203", "20261303"), "line_malformed", "line 2"),
        (changed(STATEMENT, 3, "100000", "100001"), "control_totals_lie", "line 4"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_with_code_and_place(content: bytes, code: str, place: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_cash_returns(content)
    assert (refused.value.code, refused.value.place) == (code, place)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([RESULT, STATEMENT]), st.integers(0, 900), st.binary(max_size=40), st.booleans())
def test_a_mutated_file_is_read_or_refused_and_nothing_else(
    lines: tuple[str, ...], start: int, put: bytes, keep_length: bool
) -> None:
    file = records(*lines)
    with suppress(FileRefused):
        read_cash_returns(file[:start] + put + file[start + (len(put) if keep_length else 0) :])


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HPAYRSLT1", b"HPAYSTMT1"]), st.booleans())
def test_random_bytes_are_refused_and_nothing_else(content: bytes, start: bytes, padded: bool) -> None:
    content = start + content
    if padded:
        content = content.ljust(-(-len(content) // 202) * 202, b" ")
    with pytest.raises(FileRefused):
        read_cash_returns(content)
