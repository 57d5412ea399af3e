"""The bank with delimited files: the contract, and what is peculiar to this dialect."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_adapters.contract import AdapterContract
from bank_adapters.contract_https_bank import LoopbackHttpsBank, loopback_https_bank
from bank_adapters.contract_samples import sample_batch, with_value
from bank_adapters.delimited import DelimitedAdapter
from bank_adapters.delimited_payments import write_payments
from bank_adapters.delimited_status import read_status
from bank_adapters.delimited_windows1258 import from_windows_1258, to_windows_1258
from paysvc.bank_interface import Channel, EncodingImpossible, FetchedFile
from paysvc.core.scan_mt940 import read_mt940
from paysvc.domain.errors import FileRefused

DETAILS = (
    "D|1|P000000000000000|ACSC||FT26120100001|500000",
    "D|2|P000000000000001|RJCT|AC04||500001",
    "D|3|P000000000000002|RJCT|Tên không khớp|FT26120100003|500002",
)
HEADER = "H|RES01|BANK-20261201-1|M20261201CONTRACTSAMPLE1|PART||20261201093000"


def status_file(
    header: str = HEADER, details: Sequence[str] = DETAILS, count: int = 3, total: int = 1_500_003, digest: str = ""
) -> bytes:
    body = to_windows_1258(unicodedata.normalize("NFC", "".join(f"{line}\r\n" for line in (header, *details))))
    return body + f"T|{count}|{total}|{digest or hashlib.sha256(body).hexdigest()}\r\n".encode()


STATEMENT = (
    b":20:STMT20261201\r\n:25:3713010001\r\n:28C:12/1\r\n:60F:C261130VND9000000,\r\n"
    b":61:2612011201D500000,NTRFP000000000000000//FT26120100001\r\n:86:/EREF/P000000000000000/TXT/tro cap\r\n"
    b":61:2612021202C500000,NTRFP000000000000000//FT26120200009\r\n:86:/EREF/P000000000000000/RSN/AC06/TXT/hoan tra\r\n"
    b":62F:C261202VND9000000,\r\n"
)


class TestDelimitedAdapter(AdapterContract):
    adapter_class = DelimitedAdapter

    def start_bank(self) -> AbstractContextManager[LoopbackHttpsBank]:
        return loopback_https_bank()

    def sample_returns(self) -> list[FetchedFile]:
        return [FetchedFile("status-1.txt", status_file()), FetchedFile("mt940-1.sta", STATEMENT)]

    def lying_returns(self) -> list[FetchedFile]:
        return [
            FetchedFile("count", status_file(count=4)),
            FetchedFile("sum", status_file(total=1_500_004)),
            FetchedFile("digest", status_file(digest="0" * 64)),
            FetchedFile("balance", STATEMENT.replace(b":62F:C261202VND9000000,", b":62F:C261202VND9000001,")),
            FetchedFile("amount", STATEMENT.replace(b"C500000,", b"C500001,")),
        ]


def test_a_batch_is_written_as_the_bank_wants_it() -> None:
    file = write_payments(sample_batch(Channel.ACCOUNT, 2))
    body = file.content[: file.content.rindex(b"T|")]
    assert file.name == "M20261201CONTRACTSAMPLE1.txt"
    assert from_windows_1258(file.content) == (
        "H|PAY01|M20261201CONTRACTSAMPLE1|20261201|3713010001|970405|2|1000001|20261130091530|SSBE|KHO BẠC NHÀ NƯỚC\r\n"
        "D|1|P000000000000000|500000|970436|0011000000000|Nguyễn Thị Hoa|Trợ cấp xã hội tháng 12/2026\r\n"
        "D|2|P000000000000001|500001|970436|0011000000001|Trần Văn Đức|Trợ cấp xã hội tháng 12/2026\r\n"
        f"T|2|1000001|{hashlib.sha256(body).hexdigest()}\r\n"
    )


def test_tone_marks_are_bytes_of_their_own_in_windows_1258() -> None:
    assert to_windows_1258("Nguyễn Thị Hoà Ỹ") == b"Nguy\xea\xden Thi\xf2 Ho\xe0 Y\xde"
    assert from_windows_1258(b"Nguy\xea\xden Thi\xf2 Hoa\xcc Y\xde") == "Nguyễn Thị Hoà Ỹ"


def test_every_vietnamese_letter_survives_windows_1258_composed_or_not() -> None:
    bases = "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY"
    letters = [
        unicodedata.normalize("NFC", base + tone) for base in bases for tone in ("", *"\u0300\u0301\u0303\u0309\u0323")
    ]
    letters += ["đ", "Đ"]
    assert len(letters) == 146
    assert all(len(letter) == 1 for letter in letters)
    assert [from_windows_1258(to_windows_1258(letter)) for letter in letters] == letters


@given(
    st.text(alphabet=st.sampled_from("Nguyễn Thị Đặng Hoà ỹ ậ ở ữ | 阿 ñ õ ç €") | st.characters(max_codepoint=0x2FF))
)
def test_a_name_is_written_so_that_it_reads_the_same_or_is_refused(name: str) -> None:
    batch = with_value(sample_batch(Channel.ACCOUNT, 2), 1, "creditor_name", name)
    try:
        content = write_payments(batch).content
    except EncodingImpossible as impossible:
        named = {(one.position, one.field) for one in impossible.problems}
    else:
        named = {(1, "creditor_name")}
        fields = from_windows_1258(content).split("\r\n")[2].split("|")
        assert fields[6] == unicodedata.normalize("NFC", name).strip()[:70].rstrip()
    assert named == {(1, "creditor_name")}


def test_decomposed_names_give_the_same_file_as_composed_ones() -> None:
    batch = sample_batch(Channel.ACCOUNT)
    apart = with_value(batch, 1, "creditor_name", unicodedata.normalize("NFD", "Trần Văn Đức"))
    assert write_payments(apart).content == write_payments(batch).content


def test_a_header_that_does_not_fit_stops_every_payment() -> None:
    batch = sample_batch(Channel.ACCOUNT)
    debtor = replace(batch.debtor, name="KHO|BAC")
    with pytest.raises(EncodingImpossible) as impossible:
        write_payments(replace(batch, debtor=debtor))
    assert [(one.position, one.field) for one in impossible.value.problems] == [
        (0, "debtor_name"),
        (1, "debtor_name"),
        (2, "debtor_name"),
    ]


def test_a_status_file_is_read_into_columns() -> None:
    returns = read_status(status_file())
    assert (returns.kind, returns.bank_message_id, returns.answers_message_id) == (
        "status",
        "BANK-20261201-1",
        "M20261201CONTRACTSAMPLE1",
    )
    (group,) = returns.groups
    assert (group.message_id, group.payment_information_id, group.status) == ("M20261201CONTRACTSAMPLE1", None, "PART")
    assert returns.statuses is not None
    assert returns.statuses.status.to_list() == ["ACSC", "RJCT", "RJCT"]
    assert returns.statuses.reason_code.to_list() == ["", "AC04", "Tên không khớp"]
    assert returns.statuses.bank_reference.to_list() == ["FT26120100001", "", "FT26120100003"]


def test_a_whole_file_may_be_refused_without_a_line() -> None:
    header = HEADER.replace("|PART||", "|RJCT|AM10|")
    returns = read_status(status_file(header, (), 0, 0))
    assert (returns.groups[0].status, returns.groups[0].reason_code) == ("RJCT", "AM10")
    assert returns.statuses is not None
    assert len(returns.statuses) == 0


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"H|PAY01|M1\r\n", "wrong_message", "line 1"),
        (status_file(HEADER.replace("RES01", "RES02")), "wrong_version", "line 1"),
        (status_file().replace(b"\r\n", b"\n"), "file_truncated", "line 1"),
        (status_file()[:-2], "file_truncated", "line 5"),
        (status_file(details=DETAILS[:1]), "control_totals_lie", "line 3"),
        (status_file(count=2), "control_totals_lie", "line 5"),
        (status_file(total=1), "control_totals_lie", "line 5"),
        (status_file().replace(b"500001", b"500009"), "digest_differs", "line 5"),
        (status_file(HEADER.replace("PART", "MAYBE")), "line_malformed", "line 1"),
        (status_file(details=(DETAILS[0], "D|2||RJCT|AC04||1", DETAILS[2])), "line_malformed", "line 3"),
        (status_file(details=(DETAILS[0], DETAILS[1] + "|", DETAILS[2])), "line_malformed", "line 3"),
        (status_file(details=(DETAILS[0], DETAILS[1].replace("500001", "-1"), DETAILS[2])), "line_malformed", "line 3"),
        (status_file().replace(b"AC04", b"A\x904"), "wrong_encoding", "line 3"),
    ],
)
def test_a_status_file_that_is_not_whole_is_refused_with_code_and_place(content: bytes, code: str, place: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_status(content)
    assert (refused.value.code, refused.value.place) == (code, place)


FILES = (status_file(), STATEMENT)
PIECES = [b"|", b"\r\n", b"D|1", b":61:", b":62F:C261202VND1,", b"\r\n:86:", b"-}", b"{4:"]
BEGINNINGS = [b"", b"H|RES01|", b":20:A\r\n", b":20:A\n:25:1\n:28C:1\n:60F:C261130VND1,\n:61:"]


def read_or_refuse(content: bytes) -> None:
    """Anything but a result or a refusal is an error of the test."""
    for read in (read_status, read_mt940):
        with suppress(FileRefused):
            read(content)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FILES), st.integers(0, 900), st.integers(0, 200), st.binary(max_size=40) | st.sampled_from(PIECES)
)
def test_a_mutated_file_is_read_or_refused_and_nothing_else(file: bytes, start: int, length: int, put: bytes) -> None:
    read_or_refuse(file[:start] + put + file[start + length :])


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from(BEGINNINGS))
def test_random_bytes_are_refused_and_nothing_else(content: bytes, start: bytes) -> None:
    read_or_refuse(start + content)
