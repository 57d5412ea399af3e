"""Reconciliation from files alone: every line of the rule, and no order of anything matters."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.domain.errors import FileRefused, InvalidInput
from paysvc.services.reconcile_files import Reconciliation, reconcile_files
from tests.iso_papers import OPENING, Booking, order, statement, statement_body, status_report

PAYMENTS = [("P1", 500_000), ("P2", 750_000), ("P3", 250_000)]


def reconcile(*returned: bytes, sent: Sequence[bytes] = (order(PAYMENTS),)) -> Reconciliation:
    return reconcile_files(
        [(f"sent{n}.xml", content) for n, content in enumerate(sent)],
        [(f"returned{n}.xml", content) for n, content in enumerate(returned)],
    )


def refusal(*returned: bytes, sent: Sequence[bytes] = (order(PAYMENTS),)) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        reconcile(*returned, sent=sent)
    assert refused.value.exit_code == 3
    return refused.value


def outcome_of(found: Reconciliation, reference: str = "P1") -> tuple[str, str]:
    (line,) = [line for line in found.lines if line.end_to_end_id == reference]
    return line.outcome, line.discrepancy


def test_the_figures_have_exactly_the_promised_shape() -> None:
    found = reconcile(
        statement(Booking("P1"), Booking("P2", 750_000), Booking("P2", 750_000, debit=False, reason="AC04")),
        status_report([("P3", "RJCT", "AC01")]),
    )
    assert found.to_json() == {
        "instructions": {"count": 3, "amount_vnd": 1_500_000},
        "outcomes": {
            "settled": {"count": 1, "amount_vnd": 500_000},
            "returned": {"count": 1, "amount_vnd": 750_000},
            "rejected": {"count": 1, "amount_vnd": 250_000},
            "outstanding": {"count": 0, "amount_vnd": 0},
        },
        "discrepancies": {
            "amount_mismatch": {"count": 0},
            "currency_mismatch": {"count": 0},
            "duplicate_settlement": {"count": 0},
            "unknown_reference": {"count": 0},
            "return_without_settlement": {"count": 0},
        },
        "statements": [{"id": "S1", "opening_vnd": OPENING, "closing_vnd": OPENING - 500_000, "proved": True}],
    }
    assert found.agrees


def test_a_line_says_everything_of_one_payment() -> None:
    found = reconcile(
        statement(
            Booking("P1", bank_reference="FT1"),
            Booking("P2", 750_000, bank_reference="FT2"),
            Booking("P2", 750_000, debit=False, reason="AC04", bank_reference="FT9"),
        ),
        status_report([("P3", "RJCT", "AC01")]),
    )
    assert [tuple(line) for line in found.lines] == [
        ("P1", "settled", 500_000, 500_000, 0, "", "FT1", ""),
        ("P2", "returned", 750_000, 750_000, 750_000, "AC04", "FT2", ""),
        ("P3", "rejected", 250_000, 0, 0, "AC01", "", ""),
    ]


def test_nothing_returned_leaves_everything_outstanding() -> None:
    found = reconcile()
    assert found.to_json()["outcomes"]["outstanding"] == {"count": 3, "amount_vnd": 1_500_000}  # type: ignore[index]
    assert found.agrees


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_changes_nothing(status: str) -> None:
    bookings = [Booking("P1", status=status), Booking("STRAY", status=status), Booking("P1", 7, False, status)]
    assert reconcile(statement(*bookings)).lines == reconcile().lines


@pytest.mark.parametrize("status", ["RCVD", "ACTC", "ACCP", "ACSP", "ACSC", "ACCC", "ACWP", "PDNG", "ZZZZ"])
def test_acceptance_is_not_settlement(status: str) -> None:
    assert outcome_of(reconcile(status_report([("P1", status, "")]))) == ("outstanding", "")


def test_a_refusal_counts_only_while_nothing_is_booked() -> None:
    refused = status_report([("P1", "RJCT", "AC04")])
    assert outcome_of(reconcile(refused)) == ("rejected", "")
    assert outcome_of(reconcile(refused, statement(Booking("P1")))) == ("settled", "")
    assert outcome_of(reconcile(refused, statement(Booking("P1", status="PDNG")))) == ("rejected", "")


@pytest.mark.parametrize(
    ("bookings", "wanted"),
    [
        ([Booking("P1", 499_999)], ("settled", "amount_mismatch")),
        ([Booking("P1", 20, currency="USD")], ("settled", "currency_mismatch")),
        ([Booking("P1"), Booking("P1")], ("settled", "duplicate_settlement")),
        ([Booking("P1", debit=False)], ("outstanding", "return_without_settlement")),
        ([Booking("P1"), Booking("P1", debit=False), Booking("P1", debit=False)], ("outstanding", "amount_mismatch")),
        ([Booking("P1", 1), Booking("P1", 2)], ("settled", "amount_mismatch+duplicate_settlement")),
    ],
)
def test_a_discrepancy_stands_beside_the_outcome(bookings: list[Booking], wanted: tuple[str, str]) -> None:
    found = reconcile(statement(*bookings))
    assert outcome_of(found) == wanted
    for kind in wanted[1].split("+"):
        assert found.to_json()["discrepancies"][kind] == {"count": 1}  # type: ignore[index]
    assert not found.agrees


def test_two_debits_are_settled_with_their_sum() -> None:
    found = reconcile(statement(Booking("P1"), Booking("P1")))
    assert found.lines[0].amount_settled_vnd == 1_000_000
    assert found.comparison.outcomes["settled"] == (1, 500_000)  # type: ignore[index]


def test_money_in_another_currency_is_no_dong() -> None:
    line = reconcile(statement(Booking("P1", 500_000, currency="USD"))).lines[0]
    assert (line.outcome, line.amount_settled_vnd, line.discrepancy) == ("settled", 0, "currency_mismatch")


def test_a_reference_never_sent_counts_once_and_each_entry_without_one() -> None:
    found = reconcile(
        statement(
            Booking("X1", 10, bank_reference="FT2"),
            Booking("X1", 5, bank_reference="FT1"),
            Booking("X1", 15, debit=False, reason="AC04"),
            Booking("X2", 7, currency="USD"),
            Booking("", 3),
            Booking("NOTPROVIDED", 4),
        ),
        status_report([("X1", "RJCT", "AC01"), ("X3", "ACSP", "")]),
    )
    assert found.to_json()["discrepancies"]["unknown_reference"] == {"count": 5}  # type: ignore[index]
    assert [tuple(line) for line in found.lines[3:]] == [
        ("", "", 0, 3, 0, "", "", "unknown_reference"),
        ("", "", 0, 4, 0, "", "", "unknown_reference"),
        ("X1", "", 0, 15, 15, "AC01", "FT1", "unknown_reference"),
        ("X2", "", 0, 0, 0, "", "", "unknown_reference"),
        ("X3", "", 0, 0, 0, "", "", "unknown_reference"),
    ]


def test_an_instruction_id_is_a_second_name() -> None:
    sent = [order(PAYMENTS, instruction_ids=True)]
    found = reconcile(statement(Booking("", instruction_id="I-P1")), status_report([("I-P3", "RJCT", "")]), sent=sent)
    assert (outcome_of(found, "P1")[0], outcome_of(found, "P3")[0]) == ("settled", "rejected")
    assert found.agrees


def test_a_file_or_a_block_that_was_refused_is_refused_for_every_payment_in_it() -> None:
    sent = [order(PAYMENTS, blocks=2), order([("Q1", 5)], "M2")]
    whole = reconcile(status_report(group="RJCT", reason="AM04"), sent=sent)
    assert [line.outcome for line in whole.lines] == ["rejected", "rejected", "rejected", "outstanding"]
    assert {line.reason_code for line in whole.lines[:3]} == {"AM04"}
    block = reconcile(status_report(block="M1-2", block_status="RJCT", reason="DT01"), sent=sent)
    assert [(line.end_to_end_id, line.outcome) for line in block.lines] == [
        ("P1", "outstanding"), ("P2", "rejected"), ("P3", "outstanding"), ("Q1", "outstanding"),
    ]  # fmt: skip
    booked = reconcile(status_report(group="RJCT", reason="AM04"), statement(Booking("P1")), sent=sent)
    assert outcome_of(booked) == ("settled", "")


def test_the_closest_word_gives_the_reason() -> None:
    report = status_report([("P1", "RJCT", "AC04")], group="RJCT", reason="AM04")
    assert [line.reason_code for line in reconcile(report).lines] == ["AC04", "AM04", "AM04"]


def test_the_same_file_twice_counts_once() -> None:
    paper = statement(Booking("P1"))
    assert reconcile(paper, paper).to_json() == reconcile(paper).to_json()
    assert reconcile(paper, sent=[order(PAYMENTS)] * 2).to_json() == reconcile(paper).to_json()


def test_the_same_statement_in_another_file_counts_once() -> None:
    one = statement(Booking("P1"), Booking("P2", 750_000))
    again = statement(Booking("P2", 750_000), Booking("P1")).replace(b"<MsgId>C1<", b"<MsgId>C2<")
    assert reconcile(one, again).to_json() == reconcile(one).to_json()
    assert len(reconcile(one, again).statements) == 1


def test_the_same_statement_with_other_content_is_refused() -> None:
    other = refusal(statement(Booking("P1")), statement(Booking("P2", 750_000)))
    assert other.code == "statement_differs"
    assert other.place == "returned1.xml: statement S1"


def test_statements_of_one_file_are_proved_each() -> None:
    good = statement(Booking("P1"), more=statement_body(Booking("P2", 750_000), statement_id="S2"))
    assert [one.statement_id for one in reconcile(good).statements] == ["S1", "S2"]
    bad = statement(Booking("P1"), more=statement_body(Booking("P2", 750_000), statement_id="S2", closing=7))
    refused = refusal(bad)
    assert (refused.code, refused.place) == ("statement_not_proved", "returned0.xml: statement S2")
    assert "750.000\u00a0₫" in refused.message


def test_a_statement_of_another_account_is_refused() -> None:
    assert refusal(statement(Booking("P1"), account="999000111")).code == "statement_of_another_account"
    assert "999000111" not in str(refusal(statement(Booking("P1"), account="999000111")))


def test_a_reference_sent_twice_is_refused() -> None:
    assert refusal(sent=[order([("P1", 5), ("P1", 5)])]).code == "reference_repeated"
    repeated = refusal(sent=[order(PAYMENTS), order([("P3", 5)], "M2")])
    assert (repeated.code, repeated.place) == ("reference_repeated", "sent1.xml")


@pytest.mark.parametrize(
    ("returned", "sent", "code"),
    [
        ([statement(Booking("P1"))[:-20]], [order(PAYMENTS)], "xml_not_well_formed"),
        ([b""], [order(PAYMENTS)], "file_empty"),
        ([b"\x89PNG\r\n"], [order(PAYMENTS)], "xml_not_well_formed"),
        ([order(PAYMENTS)], [order(PAYMENTS)], "wrong_message"),
        ([], [statement(Booking("P1"))], "wrong_message"),
        ([], [order(PAYMENTS, count=9)], "control_totals_lie"),
        ([], [order(PAYMENTS, currency="USD")], "currency_not_supported"),
        ([status_report(group="ACCP", totals=(4, 1_500_000))], [order(PAYMENTS)], "control_totals_lie"),
        ([status_report(group="ACCP", totals=(3, 1_500_001))], [order(PAYMENTS)], "control_totals_lie"),
        ([statement(Booking("P1", "0.5"), closing=0)], [order(PAYMENTS)], "amount_not_whole"),
    ],
)
def test_one_file_that_cannot_be_believed_stops_the_reconciliation(
    returned: list[bytes], sent: list[bytes], code: str
) -> None:
    good = statement(Booking("P1"), statement_id="GOOD")
    assert refusal(good, *returned, sent=sent).code == code


def test_nothing_sent_is_no_reconciliation() -> None:
    with pytest.raises(InvalidInput):
        reconcile(sent=[])


def test_oddities_that_change_no_figure_are_noted() -> None:
    first = statement(Booking("P1"), statement_id="S1", sequence=1)
    second = statement(Booking("P2", 750_000), statement_id="S2", sequence=2)
    found = reconcile(first, second, status_report(answers="M9", group="RJCT"))
    assert len(found.notices) == 2
    assert "S2" in found.notices[0]
    assert "R1" in found.notices[1]
    assert found.agrees


# Confluence: against an oracle of plain dictionaries -------------------------------------------

_REFERENCES = [f"P{n}" for n in range(6)]
_bookings = st.builds(
    Booking,
    reference=st.sampled_from([*_REFERENCES, "X1", "X2", ""]),
    amount=st.sampled_from([100, 200, 101]),
    debit=st.booleans(),
    status=st.sampled_from(["BOOK", "BOOK", "BOOK", "PDNG", "INFO"]),
    reason=st.sampled_from(["", "AC04", "MD07"]),
    bank_reference=st.sampled_from(["", "FT1", "FT2"]),
)
_amounts = st.lists(st.sampled_from([100, 200]), min_size=6, max_size=6)


def oracle(
    amounts: dict[str, int], bookings: list[Booking], refused: set[str]
) -> tuple[dict[str, tuple[str, int, int]], dict[str, int]]:
    """The rule of the issue, word for word, one payment after the other."""
    verdicts, kinds = (
        {},
        dict.fromkeys(("amount_mismatch", "duplicate_settlement", "unknown_reference", "return_without_settlement"), 0),
    )
    booked = [one for one in bookings if one.status == "BOOK"]
    for reference, sent in amounts.items():
        mine = [one for one in booked if one.reference == reference]
        debits = [int(one.amount) for one in mine if one.debit]
        brought_back = [int(one.amount) for one in mine if not one.debit]
        net = sum(debits) - sum(brought_back)
        if mine and net > 0:
            outcome = "settled"
        elif debits and net == 0:
            outcome = "returned"
        elif reference in refused and not mine:
            outcome = "rejected"
        else:
            outcome = "outstanding"
        verdicts[reference] = (outcome, sum(debits), sum(brought_back))
        kinds["amount_mismatch"] += any(amount != sent for amount in debits + brought_back) or bool(debits and net < 0)
        kinds["duplicate_settlement"] += len(debits) > 1
        kinds["return_without_settlement"] += bool(brought_back and not debits)
    strays = [one.reference for one in booked if one.reference not in amounts]
    kinds["unknown_reference"] = len({one for one in strays if one}) + strays.count("")
    return verdicts, kinds


@settings(max_examples=60, deadline=None)
@given(_amounts, st.lists(_bookings, max_size=14), st.sets(st.sampled_from(_REFERENCES)), st.integers(0, 2**32))
def test_any_arrangement_gives_what_the_rule_says(
    amounts: list[int], bookings: list[Booking], refused: set[str], seed: int
) -> None:
    sent = dict(zip(_REFERENCES, amounts, strict=True))
    verdicts, kinds = oracle(sent, bookings, refused)
    chance = random.Random(seed)
    results = [arranged(sent, bookings, refused, chance) for _ in range(2)]
    for found in results:
        mine = {line.end_to_end_id: line for line in found.lines if line.outcome}
        assert {
            reference: (line.outcome, line.amount_settled_vnd, line.amount_returned_vnd)
            for reference, line in mine.items()
        } == verdicts
        counted = found.comparison.discrepancies
        assert {str(kind): count for kind, count in counted.items() if kind in kinds} == kinds
        assert sum(count for count, _ in found.comparison.outcomes.values()) == len(sent)
        assert sum(amount for _, amount in found.comparison.outcomes.values()) == sum(amounts)
    assert results[0].lines == results[1].lines


def arranged(sent: dict[str, int], bookings: list[Booking], refused: set[str], chance: random.Random) -> Reconciliation:
    """The same facts in orders, statements, batch bookings and reports cut and shuffled by chance."""
    payments, rows, refusals = list(sent.items()), list(bookings), sorted(refused)
    for facts in (payments, rows, refusals):
        chance.shuffle(facts)
    cut = chance.randrange(1, len(payments))
    orders = [order(payments[:cut], "M1", blocks=1), order(payments[cut:], "M2", blocks=1)]
    parts = chance.randint(1, 3)
    papers = [
        statement(*_grouped(rows[start::parts], chance), statement_id=f"S{start}", sequence=start)
        for start in range(parts)
    ]
    half = len(refusals) // 2
    papers += [
        status_report([(one, "RJCT", "AC04") for one in some], answers=answers)
        for some, answers in ((refusals[:half], "M1"), (refusals[half:], "M2"))
    ]
    papers += [paper for paper in papers if chance.random() < 0.3]
    chance.shuffle(orders)
    chance.shuffle(papers)
    return reconcile(*papers, sent=orders)


def _grouped(rows: list[Booking], chance: random.Random) -> list[Booking | list[Booking]]:
    """Neighbours of one direction and state sometimes become one batch booking."""
    groups: list[list[Booking]] = []
    for row in rows:
        last = groups[-1][-1] if groups else None
        if last and (last.debit, last.status) == (row.debit, row.status) and chance.random() < 0.5:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [group if len(group) > 1 else group[0] for group in groups]
