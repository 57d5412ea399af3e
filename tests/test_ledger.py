"""Money moves in double entry: it sums to zero, stands for ever, and an event counts once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.officers import Officer
from paysvc.services.deposit_fund import deposit_fund
from paysvc.services.set_rules import set_rules
from paysvc.store import ledger
from paysvc.store.engine import Database
from paysvc.store.ledger import Posting
from paysvc.store.tables import audit_event, ledger_account, ledger_transaction, posting

FUND = '[funds.NS]\nname = "Ngân sách"\nsource = "Kho bạc"\n'


@pytest.fixture
def funded(database: Database, clock: FixedClock, administrator: Officer) -> Database:
    set_rules(database, clock, administrator, name="rules.toml", content=FUND.encode())
    return database


def moved(amount: int, source: str = "treasury", target: str = "fund:NS") -> list[Posting]:
    return [Posting(source, -amount, 1), Posting(target, amount, 1)]


def test_an_event_moves_money_once(database: Database, clock: FixedClock) -> None:
    with database.write() as connection:
        assert ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500)) is True
        assert ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500)) is False
        assert ledger.balance(connection, "fund:NS") == 500
    with database.write() as connection:
        assert ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500)[::-1]) is False
        assert ledger.trial_balance(connection)[1] == 0
        assert connection.execute(select(func.count()).select_from(posting)).scalar_one() == 2


def test_one_reference_is_never_two_events(database: Database, clock: FixedClock) -> None:
    with database.write() as connection:
        ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500))
        with pytest.raises(Conflict) as refused:
            ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(501))
        assert refused.value.code == "ledger_reference_reused"
        assert ledger.balance(connection, "fund:NS") == 500


@pytest.mark.parametrize("postings", [[], [Posting("a", 1, 1)], [Posting("a", 1, 1), Posting("b", -2, 1)]])
def test_what_does_not_sum_to_zero_is_no_event(database: Database, clock: FixedClock, postings: list[Posting]) -> None:
    with database.write() as connection, pytest.raises(ValueError, match="sum to zero"):
        ledger.post(connection, clock.now(), "deposit", "deposit:1", postings)


def test_balances_as_of_a_moment(database: Database, clock: FixedClock) -> None:
    monday = clock.now()
    with database.write() as connection:
        ledger.post(connection, monday, "deposit", "deposit:1", moved(500))
        clock.advance(timedelta(days=1))
        ledger.post(connection, clock.now(), "reserve", "reserve:1", moved(200, "fund:NS", "reserved:NS"))
    with database.read() as connection:
        assert ledger.balance(connection, "fund:NS") == 300
        assert ledger.balance(connection, "fund:NS", as_of=monday) == 500
        assert ledger.balance(connection, "fund:NS", as_of=monday - timedelta(seconds=1)) == 0
        assert ledger.balance(connection, "reserved:NS") == 200
        assert ledger.balance(connection, "never:used") == 0
        assert [one.account for one in ledger.balances(connection)] == ["fund:NS", "reserved:NS", "treasury"]
        assert ledger.balances(connection, [ledger.TREASURY]) == [ledger.Balance("treasury", -500, 1)]
        assert ledger.trial_balance(connection, as_of=monday)[1] == 0


def test_accounts_are_named_by_what_they_hold(database: Database, clock: FixedClock) -> None:
    names = [ledger.fund("NS"), ledger.reserved("NS"), ledger.paid("NS"), ledger.returned("NS")]
    names += [ledger.in_transit("AGRI"), ledger.cash_in_transit("POST"), ledger.suspense("AGRI")]
    with database.write() as connection:
        for number, name in enumerate(names):
            ledger.post(connection, clock.now(), "move", f"move:{number}", moved(1, target=name))
        kinds = {row.code: row.kind for row in connection.execute(select(ledger_account))}
    assert kinds["treasury"] == "treasury"
    assert all(kinds[name] == name.split(":")[0] for name in names)


def test_the_database_posts_nothing_that_does_not_sum_to_zero(database: Database, clock: FixedClock) -> None:
    """Straight past the program: a transaction of +100 and -99."""
    with database.write() as connection:
        connection.execute(
            insert(ledger_account), [{"code": c, "kind": "fund", "created_at": clock.now()} for c in ("a", "b")]
        )
        connection.execute(
            insert(ledger_transaction).values(id=1, kind="x", reference="x", at=clock.now(), is_posted=False)
        )
        connection.execute(
            insert(posting),
            [
                {"transaction_id": 1, "number": 0, "account_code": "a", "amount_vnd": 100, "count": 1},
                {"transaction_id": 1, "number": 1, "account_code": "b", "amount_vnd": -99, "count": 1},
            ],
        )
        assert ledger.balance(connection, "a") == 0, "what is not posted is on no account"
        assert [one.reference for one in ledger.unbalanced(connection, 2)] == ["x"]
        with pytest.raises(IntegrityError, match="sum to zero"), connection.begin_nested():
            connection.execute(update(ledger_transaction).values(is_posted=True))


def test_what_was_posted_stands(database: Database, clock: FixedClock) -> None:
    with database.write() as connection:
        ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500))
        assert ledger.unbalanced(connection, 1) == []
    attacks = [
        update(posting).where(posting.c.amount_vnd == 500).values(amount_vnd=600),
        delete(posting),
        insert(posting).values(transaction_id=1, number=9, account_code="fund:NS", amount_vnd=1, count=1),
        update(ledger_transaction).values(is_posted=False),
        update(ledger_transaction).values(at=clock.now() + timedelta(days=1)),
        delete(ledger_transaction),
        insert(ledger_transaction).values(id=2, kind="x", reference="y", at=clock.now(), is_posted=True),
        insert(ledger_transaction).values(id=3, kind="x", reference="deposit:1", at=clock.now(), is_posted=False),
    ]
    for attack in attacks:
        with pytest.raises(IntegrityError), database.write() as connection:
            connection.execute(attack)
    with database.read() as connection:
        assert ledger.balance(connection, "fund:NS") == 500


def test_a_deposit_counts_once(funded: Database, clock: FixedClock, administrator: Officer) -> None:
    def deposit(amount: int, reference: str = "LCT 12/2026") -> tuple[int, bool]:
        result = deposit_fund(funded, clock, administrator, fund_code="NS", amount_vnd=amount, reference=reference)
        return result.balance_vnd, result.is_new

    assert deposit(1_000) == (1_000, True)
    assert deposit(1_000) == (1_000, False), "the same order, recorded twice"
    assert deposit(1_000, "LCT 13/2026") == (2_000, True)
    with pytest.raises(Conflict):
        deposit(999)
    with funded.read() as connection:
        deposits = connection.execute(select(audit_event).where(audit_event.c.verb == "deposit-fund")).all()
    assert len(deposits) == 2


def test_a_deposit_that_cannot_be(funded: Database, clock: FixedClock, administrator: Officer, maker: Officer) -> None:
    wanted = {"fund_code": "NS", "amount_vnd": 1, "reference": "LCT 1"}
    for change in ({"amount_vnd": 0}, {"amount_vnd": -5}, {"amount_vnd": 10**18}, {"reference": ""}):
        with pytest.raises(InvalidInput):
            deposit_fund(funded, clock, administrator, **{**wanted, **change})  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        deposit_fund(funded, clock, administrator, fund_code="XX", amount_vnd=1, reference="LCT 1")
    with pytest.raises(NotAllowed):
        deposit_fund(funded, clock, maker, fund_code="NS", amount_vnd=1, reference="LCT 1")


def test_a_fund_is_asked_for_no_more_than_it_holds(funded: Database, clock: FixedClock) -> None:
    with funded.write() as connection:
        ledger.post(connection, clock.now(), "deposit", "deposit:1", moved(500))
        ledger.require_funded(connection, {"NS": 500})
        ledger.require_funded(connection, {})
        with pytest.raises(Conflict, match="NS lacks 1 đồng"):
            ledger.require_funded(connection, {"NS": 501})
        with pytest.raises(Conflict, match="XX lacks 7 đồng"):
            ledger.require_funded(connection, {"NS": 1, "XX": 7})


ACCOUNTS = st.sampled_from(["treasury", "fund:NS", "reserved:NS", "in_transit:AGRI", "paid:NS"])
MOVES = st.lists(st.tuples(ACCOUNTS, ACCOUNTS, st.integers(1, 10**15)), max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(moves=MOVES)
def test_money_is_conserved(database: Database, clock: FixedClock, moves: list[tuple[str, str, int]]) -> None:
    """Whatever moves, in whatever order and however often it is told: all accounts sum to zero."""
    expected: dict[str, int] = {}
    with database.write() as connection:
        for table in ("posting", "ledger_transaction"):
            assert connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one() == 0
        for number, (source, target, amount) in enumerate(moves):
            for _ in range(2):
                ledger.post(connection, clock.now(), "move", f"move:{number}", moved(amount, source, target))
            expected[source] = expected.get(source, 0) - amount
            expected[target] = expected.get(target, 0) + amount
        balances, total = ledger.trial_balance(connection)
        assert total == 0
        assert {one.account: one.amount_vnd for one in balances} == expected
        assert ledger.unbalanced(connection, 1) == []
        connection.rollback()
