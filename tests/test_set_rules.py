"""Rules are data with dates: what was used is never rewritten, and a slip is named by its place."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed
from paysvc.domain.officers import Officer
from paysvc.domain.payment_dates import period_from_number, shift_period
from paysvc.domain.programme_rules import programmes_of_rules
from paysvc.domain.programmes import Rate, RateTable, chain
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import submit_plan
from paysvc.services.plan_payments import plan_payments
from paysvc.services.set_rules import RulesResult, set_rules
from paysvc.store import programmes
from paysvc.store.calendar import read_calendar
from paysvc.store.engine import Database, open_database
from paysvc.store.tables import audit_event, programme, rate
from paysvc.store.units import load_units
from tests.planned_province import ADMINISTRATOR, BANKS, RULES, Enrolled, Province

EXAMPLE = Path(__file__).parents[1] / "docs/examples/nghe-an-rules.toml"


def take_over(database: Database, clock: FixedClock, text: str) -> RulesResult:
    return set_rules(database, clock, ADMINISTRATOR, name="rules.toml", content=text.encode())


def pension(from_period: str, standard_vnd: int, extra: str = "") -> str:
    """A rules file that gives the social pension one more rate."""
    return f"""
        [programmes.HTXH]
        name = "Hưu trí xã hội"
        purpose = "SSBE"
        fund = "NS"
        stacking_group = "THANG"
        without_account = "cash"
        legal_basis = "Nghị định 176/2025"
        [[programmes.HTXH.rates]]
        from_period = "{from_period}"
        {extra}
        standard_vnd = {standard_vnd}
        legal_basis = "Nghị định mới"
        coefficients_milli = {{ HTXH-75 = 1000 }}
    """


def pension_rates(database: Database) -> list[tuple[str, str | None, int]]:
    with database.read() as connection:
        return [
            (one.from_period, one.to_period, one.amount_vnd)
            for one in programmes.read_rates(connection, ["HTXH"]).values()
        ]


def test_the_example_of_nghe_an_is_taken_over_whole_and_once(database: Database, clock: FixedClock) -> None:
    first = take_over(database, clock, EXAMPLE.read_text(encoding="utf-8"))
    assert (first.funds, first.programmes, first.rates_changed, first.paid_together) == (3, 4, 0, 1)
    again = take_over(database, clock, EXAMPLE.read_text(encoding="utf-8"))
    assert again.is_unchanged
    with database.read() as connection:
        rates = RateTable(programmes.read_rates(connection))
        amounts = {
            (code, category): rates.find(code, category, "2026-12")[1]
            for code, category in (
                ("BTXH", "KT-NANG"),
                ("BTXH", "KT-DBN"),
                ("BTXH", "NCT-80"),
                ("BTXH", "DON-THAN"),
                ("HTXH", "HTXH-75"),
                ("NCC", "NCC-LS1"),
                ("NCC", "NCC-TB"),
            )
        }
        assert rates.find("BTXH", "KT-NANG", "2024-06")[1] == 540_000, "by the standard of 360,000"
        assert rates.find("QUA-TET", "NGUOI-HUONG", "2027-01")[1] == 400_000
        kinds = {one.code: one.kind for one in programmes.read_programmes(connection)}
        groups = {one.code: one.stacking_group for one in programmes.read_programmes(connection)}
        calendar = read_calendar(connection, 2026, 2027)
        units = load_units(connection).resolver(date(2026, 12, 7))
        assert programmes.read_paid_together(connection) == {"2027-01": ("2027-01", "2027-02")}
    assert amounts == {
        ("BTXH", "KT-NANG"): 750_000,
        ("BTXH", "KT-DBN"): 1_000_000,
        ("BTXH", "NCT-80"): 1_000_000,
        ("BTXH", "DON-THAN"): 500_000,
        ("HTXH", "HTXH-75"): 500_000,
        ("NCC", "NCC-LS1"): 2_789_000,
        ("NCC", "NCC-TB"): 3_346_800,
    }
    assert kinds == {"BTXH": "regular", "HTXH": "regular", "NCC": "regular", "QUA-TET": "campaign"}
    assert groups["BTXH"] == groups["HTXH"] != groups["NCC"]
    assert calendar.is_working_day(date(2026, 8, 22))
    assert not calendar.is_working_day(date(2026, 11, 24))
    assert units.resolve("16684") == "16681"


def test_a_new_amount_opens_a_new_rate_and_ends_the_one_before(database: Database, clock: FixedClock) -> None:
    take_over(database, clock, RULES)
    result = take_over(database, clock, pension("2026-07", 540_000))
    assert (result.rates_added, result.rates_changed) == (1, 1)
    assert pension_rates(database) == [("2025-07", "2026-06", 500_000), ("2026-07", None, 540_000)]
    take_over(database, clock, pension("2026-01", 520_000))
    assert pension_rates(database) == [
        ("2025-07", "2025-12", 500_000),
        ("2026-01", "2026-06", 520_000),
        ("2026-07", None, 540_000),
    ]
    assert take_over(database, clock, pension("2026-01", 520_000)).is_unchanged


def test_a_rate_that_ends_leaves_nothing_behind_it(database: Database, clock: FixedClock) -> None:
    take_over(database, clock, RULES)
    take_over(database, clock, pension("2026-07", 540_000, 'to_period = "2026-09"'))
    with database.read() as connection:
        rates = RateTable(programmes.read_rates(connection))
    assert rates.find("HTXH", "HTXH-75", "2026-09")[1] == 540_000
    with pytest.raises(InvalidInput, match="no rate"):
        rates.find("HTXH", "HTXH-75", "2026-10")


def test_a_rate_by_which_a_plan_was_submitted_is_never_rewritten(
    database: Database, clock: FixedClock, sealer: Sealer, maker: Officer
) -> None:
    Province(database, sealer, clock).add(Enrolled({"HTXH": "HTXH-75"}))
    plan = {"cycle_code": "2026-12", "programme_codes": ["HTXH"], "periods": ["2026-12"]}
    plan_payments(database, sealer, BANKS, clock, maker, **plan)  # type: ignore[arg-type]
    take_over(database, clock, pension("2025-07", 510_000))
    assert pension_rates(database) == [("2025-07", None, 510_000)], "a draft has used nothing up"
    plan_payments(database, sealer, BANKS, clock, maker, **plan)  # type: ignore[arg-type]
    submit_plan(database, clock, maker, cycle_code="2026-12")
    for attempt in (pension("2025-07", 520_000), pension("2026-12", 520_000), pension("2026-01", 520_000)):
        with pytest.raises(Conflict) as refused:
            take_over(database, clock, attempt)
        assert refused.value.code == "rate_in_use"
        assert "HTXH/HTXH-75" in refused.value.message
    take_over(database, clock, pension("2027-01", 520_000))
    assert pension_rates(database) == [("2025-07", "2026-12", 510_000), ("2027-01", None, 520_000)]


def test_a_programme_in_use_keeps_its_kind_and_its_fund(
    database: Database, clock: FixedClock, sealer: Sealer, maker: Officer
) -> None:
    Province(database, sealer, clock).add(Enrolled({"HTXH": "HTXH-75"}))
    plan_payments(database, sealer, BANKS, clock, maker, cycle_code="C", programme_codes=["HTXH"], periods=["2026-12"])
    submit_plan(database, clock, maker, cycle_code="C")
    rates = pension("2025-07", 500_000).replace('legal_basis = "Nghị định mới"', 'legal_basis = "Nghị định 176/2025"')
    assert take_over(database, clock, rates).is_unchanged
    for before, after in (('fund = "NS"', 'fund = "TET"'), ('purpose = "SSBE"', 'purpose = "SSBE"\nkind = "campaign"')):
        with pytest.raises(Conflict) as refused:
            take_over(database, clock, rates.replace(before, after))
        assert refused.value.code == "programme_in_use"


def test_a_file_is_taken_over_whole_or_not_at_all(database: Database, clock: FixedClock) -> None:
    text = RULES + '\n[programmes.X]\nname="x"\npurpose="GOVT"\nfund="KHAC"\nwithout_account="cash"\nlegal_basis="x"\n'
    with pytest.raises(InvalidInput) as refused:
        take_over(database, clock, text)
    assert refused.value.place == "rules.toml: programmes.X.fund"
    with database.read() as connection:
        for table in (programme, rate, audit_event):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_only_an_administrator_sets_rules(database: Database, clock: FixedClock, maker: Officer) -> None:
    with pytest.raises(NotAllowed):
        set_rules(database, clock, maker, name="rules.toml", content=b"")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"\xff\xfe", "UTF-8"), (b"a = [", "not TOML"), (b"a = 1\na = 2", "not TOML"), (b"x" * (17 << 20), "16 MiB")],
)
def test_a_file_that_cannot_be_read_is_refused(sqlite_url: str, clock: FixedClock, content: bytes, what: str) -> None:
    database = open_database(sqlite_url)
    try:
        with pytest.raises(InvalidInput, match=what) as refused:
            set_rules(database, clock, ADMINISTRATOR, name="rules.toml", content=content)
        assert refused.value.place == "rules.toml"
    finally:
        database.close()


#: What is replaced in a good file by what -> the place that is named.
SLIPS = [
    ('fund = "NS"', "", "programmes.BTXH.fund"),
    ('fund = "NS"', "fund = 5", "programmes.BTXH.fund"),
    ('fund = "NS"', 'fund = "ngân sách"', "programmes.BTXH.fund"),
    ('purpose = "SSBE"', 'purpose = "SSB"', "programmes.BTXH.purpose"),
    ('purpose = "SSBE"', 'purpos = "SSBE"', "programmes.BTXH.purpos"),
    ('without_account = "cash"', 'without_account = "forget"', "programmes.BTXH.without_account"),
    ('without_account = "cash"', "", "programmes.BTXH.without_account"),
    ('kind = "campaign"', 'kind = "yearly"', "programmes.QUA-TET.kind"),
    ("standard_vnd = 500000", "standard_vnd = 500000.0", "programmes.BTXH.rates[1].standard_vnd"),
    ("standard_vnd = 500000", "standard_vnd = 0", "programmes.BTXH.rates[1].standard_vnd"),
    ("standard_vnd = 500000", "standard_vnd = true", "programmes.BTXH.rates[1].standard_vnd"),
    ("standard_vnd = 500000", "standard_vnd = 10000000000", "programmes.BTXH.rates[1].standard_vnd"),
    ('from_period = "2024-07"', 'from_period = "07/2024"', "programmes.BTXH.rates[1].from_period"),
    ('from_period = "2024-07"', 'from_period = "2024-07"\nto_period = "2024-06"', "programmes.BTXH.rates[1].to_period"),
    ("NANG = 1500", "NANG = 1.5", "programmes.BTXH.rates[1].coefficients_milli.NANG"),
    ("{ LS1 = 1000 }", "{}", "programmes.NCC.rates[1].coefficients_milli"),
    ("[funds.NS]", "[funds.ns]", "funds.ns"),
    ("[funds.TET]", "[fund.TET]", "fund"),
]


@pytest.mark.parametrize(("before", "after", "place"), SLIPS)
def test_a_slip_is_named_by_its_place(before: str, after: str, place: str) -> None:
    text = RULES.replace(before, after, 1)
    assert text != RULES
    with pytest.raises(InvalidInput) as refused:
        programmes_of_rules(tomllib.loads(text))
    assert refused.value.place == place


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({"calendar": [{"day": "2026-08-22", "working": True, "name": "x", "source": "x"}]}, "calendar[1].day"),
        ({"calendar": [{"day": date(2026, 8, 22), "working": 1, "name": "x", "source": "x"}]}, "calendar[1].working"),
        ({"calendar": [{"day": date(2026, 8, 22), "working": True, "name": "x", "source": "x"}] * 2}, "calendar"),
        ({"paid_together": [{"month": "2027-01", "periods": ["2027-01"], "source": "x"}]}, "paid_together[1].periods"),
        (
            {"paid_together": [{"month": "2027-01", "periods": ["2027-02", "2027-03"], "source": "x"}]},
            "paid_together[1].periods",
        ),
        (
            {"paid_together": [{"month": "2027-01", "periods": ["2027-01", "2027-03"], "source": "x"}]},
            "paid_together[1].periods",
        ),
        ({"paid_together": {"month": "2027-01"}}, "paid_together"),
        ({"funds": {"NS": {"name": "x", "source": "x", "balance": 5}}}, "funds.NS.balance"),
        ({"funds": []}, "funds"),
        ({"programmes": {"P": {"rates": "none"}}}, "programmes.P.purpose"),
    ],
)
def test_other_tables_are_checked_too(rules: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        programmes_of_rules(rules)
    assert refused.value.place == place


def test_an_amount_with_a_fraction_is_refused_not_rounded() -> None:
    with pytest.raises(InvalidInput) as refused:
        programmes_of_rules(tomllib.loads(RULES.replace("LS1 = 1000", "LS1 = 1001").replace("2789000", "2789001")))
    assert refused.value.place == "programmes.NCC.rates[1].coefficients_milli.LS1"


MONTHS = st.integers(2020 * 12, 2030 * 12)


@given(st.dictionaries(MONTHS, st.tuples(st.integers(1, 10**6), st.none() | st.integers(0, 60)), min_size=1))
def test_at_most_one_rate_holds_in_a_month(history: dict[int, tuple[int, int | None]]) -> None:
    """Whatever was decided: no gaps but decided ones, no overlaps, the latest decision holds."""
    decided = {
        period_from_number(month): Rate("P", "A", period_from_number(month), None, amount, 1000, "x")
        for month, (amount, _) in history.items()
    }
    ends = {
        period_from_number(month): shift_period(period_from_number(month), length)
        for month, (_, length) in history.items()
        if length is not None
    }
    chained = chain(decided.values(), ends)
    assert [one.from_period for one in chained] == sorted(decided)
    for month in range(2019 * 12, 2031 * 12):
        period = period_from_number(month)
        holding = [one for one in chained if one.covers(period)]
        latest = max((one for one in decided if one <= period), default=None)
        if latest is None or (latest in ends and ends[latest] < period):
            assert holding == []
        else:
            assert [one.from_period for one in holding] == [latest]
