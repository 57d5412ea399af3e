"""Orders read back and status reports read: what was sent, and what the bank says of it."""

from __future__ import annotations

import pytest

from paysvc.core.messages import ControlTotals, GroupStatus
from paysvc.core.scan_pain001 import read_pain001
from paysvc.core.scan_pain002 import read_pain002
from paysvc.domain.errors import FileRefused
from tests.iso_papers import order, status_report, validate

PAYMENTS = [("P1", 500_000), ("P2", 750_000), ("P3", 250_000)]


@pytest.mark.parametrize("version", ["03", "09"])
def test_an_order_is_read_back_with_its_blocks(version: str) -> None:
    content = order(PAYMENTS, blocks=2, version=version)
    validate(content, f"pain.001.001.{version}")
    sent = read_pain001(content)
    assert (sent.message_id, sent.created_at) == ("M1", "2026-11-21T08:00:00+07:00")
    assert sent.totals == ControlTotals(3, 1_500_000)
    assert sent.accounts == {"3713010001"}
    assert sent.payments.end_to_end_id.to_list() == ["P1", "P3", "P2"]
    assert sent.payments.amount_vnd.tolist() == [500_000, 250_000, 750_000]
    assert sent.payments.payment_information_id.to_list() == ["M1-1", "M1-1", "M1-2"]
    assert set(sent.payments.message_id.to_list()) == {"M1"}
    assert set(sent.payments.currency.to_list()) == {"VND"}


def test_a_payment_without_an_end_to_end_id_goes_by_its_instruction_id() -> None:
    content = order(PAYMENTS, instruction_ids=True).replace(b"<EndToEndId>P2<", b"<EndToEndId>NOTPROVIDED<")
    assert read_pain001(content).payments.end_to_end_id.to_list() == ["P1", "I-P2", "P3"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (order(PAYMENTS, count=4), "control_totals_lie"),
        (order(PAYMENTS, total=1_500_001), "control_totals_lie"),
        (order(PAYMENTS, blocks=2).replace(b"<CtrlSum>750000", b"<CtrlSum>750001"), "control_totals_lie"),
        (order(PAYMENTS, total="1500000.50"), "amount_not_whole"),
        (order(PAYMENTS, count=-3), "count_malformed"),
        (order(PAYMENTS).replace(b">250000<", b">-250000<"), "amount_negative"),
        (order(PAYMENTS).replace(b">250000<", b">250000.10<"), "amount_not_whole"),
        (order([("P1", 10**13)]), "amount_too_large"),
        (order([("", 5)]), "reference_missing"),
        (order([("P" * 36, 5)]), "reference_missing"),
        (order(PAYMENTS).replace(b"InstdAmt", b"EqvtAmt"), "amount_missing"),
        (order([]), "wrong_structure"),
    ],
)
def test_an_order_that_lies_or_is_none_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_pain001(content)
    assert refused.value.code == code


def test_a_control_sum_with_decimals_is_the_same_sum() -> None:
    assert read_pain001(order(PAYMENTS, total="1500000.00")).totals == ControlTotals(3, 1_500_000)


@pytest.mark.parametrize("version", ["03", "10"])
def test_a_report_says_what_became_of_each_payment(version: str) -> None:
    content = status_report(
        [("P1", "ACSP", ""), ("P2", "RJCT", "AC04")], totals=(3, 1_500_000), group="PART", version=version
    )
    validate(content, f"pain.002.001.{version}")
    report = read_pain002(content)
    assert (report.kind, report.bank_message_id, report.answers_message_id) == ("status", "R1", "M1")
    assert report.statuses is not None
    assert report.statuses.reference.to_list() == ["P1", "P2"]
    assert report.statuses.status.to_list() == ["ACSP", "RJCT"]
    assert report.statuses.reason_code.to_list() == ["", "AC04"]
    assert report.groups == (
        GroupStatus("M1", None, "PART", "", ControlTotals(3, 1_500_000)),
        GroupStatus("M1", "M1-1", "", ""),
    )


def test_a_whole_file_and_a_whole_block_can_be_refused() -> None:
    assert read_pain002(status_report(group="RJCT", reason="AM04")).groups == (GroupStatus("M1", None, "RJCT", "AM04"),)
    assert read_pain002(status_report(block="B7", block_status="RJCT", reason="DT01")).groups == (
        GroupStatus("M1", None, "", ""),
        GroupStatus("M1", "B7", "RJCT", "DT01"),
    )


def test_the_first_reason_that_is_given_counts_and_may_be_the_banks_own() -> None:
    content = status_report([("P1", "RJCT", "AC04")])
    two = content.replace(
        b"<StsRsnInf><Rsn><Cd>AC04</Cd>",
        b"<StsRsnInf/><StsRsnInf><Rsn><Prtry>Z9</Prtry></Rsn></StsRsnInf><StsRsnInf><Rsn><Cd>AC04</Cd>",
    )
    assert read_pain002(two).statuses.reason_code.to_list() == ["Z9"]  # type: ignore[union-attr]


def test_a_payment_is_known_by_its_instruction_id_where_nothing_else_is_given() -> None:
    content = status_report([("P1", "RJCT", "")])
    for given, reference in (
        (b"<OrgnlInstrId>I1</OrgnlInstrId>", "I1"),
        (b"<OrgnlInstrId>I1</OrgnlInstrId><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId>", "I1"),
        (b"<OrgnlInstrId>I1</OrgnlInstrId><OrgnlEndToEndId>P1</OrgnlEndToEndId>", "P1"),
        (b"", ""),
    ):
        report = read_pain002(content.replace(b"<OrgnlEndToEndId>P1</OrgnlEndToEndId>", given))
        assert report.statuses.reference.to_list() == [reference]  # type: ignore[union-attr]


def test_a_bank_may_leave_a_status_out_but_not_list_another_number() -> None:
    rows = [("P1", "RJCT", "AC04"), ("P2", "RJCT", "AC01")]
    assert read_pain002(status_report(rows, per_status={"RJCT": 2, "ACSP": 40})).groups[0].status == ""
    for lie in (1, 3):
        with pytest.raises(FileRefused) as refused:
            read_pain002(status_report(rows, per_status={"RJCT": lie}))
        assert refused.value.code == "control_totals_lie"


@pytest.mark.parametrize("missing", [b"<OrgnlMsgId>M1</OrgnlMsgId>", b"<OrgnlPmtInfId>M1-1</OrgnlPmtInfId>"])
def test_a_report_that_does_not_say_what_it_answers_is_refused(missing: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        read_pain002(status_report([("P1", "RJCT", "AC04")]).replace(missing, b""))
    assert refused.value.code == "wrong_structure"
