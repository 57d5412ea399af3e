"""Each adapter with a bank that shares no code with it: a day from the file sent to the statement read."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank_adapters.contract_samples import sample_batch
from bank_adapters.delimited import DelimitedAdapter
from bank_adapters.fixed_width import FixedWidthAdapter
from bank_adapters.iso20022 import Iso20022Adapter
from paysvc.bank_interface import BankAdapter, BankRefused, OutcomeUnknown, SendState
from paysvc.core.messages import PaymentBatch
from paysvc.core.proof import problems_of

DIALECTS: dict[str, type[BankAdapter]] = {
    "iso": Iso20022Adapter,
    "delimited": DelimitedAdapter,
    "post": FixedWidthAdapter,
}


@contextmanager
def mock_bank(profile: str, home: Path) -> Iterator[tuple[BankAdapter, dict[str, Any]]]:
    """An adapter with the settings of a running bank, and what the bank said when it was ready."""
    words = [sys.executable, "-m", "bank_adapters.mock_bank", "--profile", profile, "--home", str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as bank:
        giving_up = threading.Timer(30, bank.kill)
        giving_up.start()
        try:
            assert bank.stdout is not None
            ready = json.loads(bank.stdout.readline())
            giving_up.cancel()
            yield DIALECTS[profile](profile.upper(), options(ready)), ready
        finally:
            giving_up.cancel()
            bank.terminate()


def options(ready: dict[str, Any]) -> dict[str, str]:
    if "ca_file" in ready:
        return {"url": f"https://127.0.0.1:{ready['port']}", "token": ready["token"], "ca_file": ready["ca_file"]}
    return {
        "host": "127.0.0.1",
        "port": str(ready["port"]),
        "user": ready["user"],
        "password": ready["password"],
        "host_key": ready["host_key"],
    }


def control(ready: dict[str, Any], what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"{ready['control_url']}/control/{what}"
    answer = httpx.get(url, timeout=30) if body is None else httpx.post(url, json=body, timeout=30)
    answer.raise_for_status()
    result: dict[str, Any] = answer.json()
    return result


def payments(adapter: BankAdapter, ready: dict[str, Any], count: int) -> PaymentBatch:
    batch = sample_batch(adapter.capabilities.channel, count)
    return replace(batch, debtor=replace(batch.debtor, account=ready["account"]))


@pytest.mark.parametrize("profile", DIALECTS)
def test_a_payment_order_comes_back_as_statuses_and_proved_statements(profile: str, tmp_path: Path) -> None:
    with mock_bank(profile, tmp_path) as (adapter, ready):
        batch = payments(adapter, ready, 300)
        file = adapter.encode(batch)
        assert adapter.enquire(file.name, file.message_id).state is SendState.NOT_RECEIVED
        adapter.send(file)
        control(ready, "day", {"date": "2026-12-18"})
        assert adapter.enquire(file.name, file.message_id).state is SendState.RECEIVED

        returns = [adapter.parse_returns(fetched.name, fetched.content) for fetched in adapter.fetch({})]
        statements = [statement for one in returns for statement in one.statements]
        statuses = [one.statuses for one in returns if one.statuses is not None]
        assert {one.answers_message_id for one in returns if one.kind == "status"} == {batch.message_id}
        assert [problem for statement in statements for problem in problems_of(statement)] == []
        assert {statement.account for statement in statements} == {ready["account"]}
        for before, after in pairwise(statements):
            assert after.proof.opening_vnd == before.proof.closing_vnd

        sent = set(batch.payments.end_to_end_id)
        assert {reference for one in statuses for reference in one.reference} == sent
        paid = sum(int(s.entries.amount_vnd[s.entries.is_debit].sum()) for s in statements)
        returned = sum(int(s.entries.amount_vnd[~s.entries.is_debit].sum()) for s in statements)
        ledger = control(ready, "ledger")
        assert statements[-1].proof.closing_vnd == ledger["closing_vnd"] == ledger["opening_vnd"] - paid + returned
        received = ledger["payments"]["received"]
        assert (received["count"], received["amount_vnd"]) == (300, batch.totals.sum_vnd)


@pytest.mark.parametrize("profile", DIALECTS)
def test_a_lost_acknowledgement_and_a_refusal_are_found_by_asking(profile: str, tmp_path: Path) -> None:
    with mock_bank(profile, tmp_path) as (adapter, ready):
        control(ready, "misbehave", {"drop_ack": 1})
        batch = payments(adapter, ready, 5)
        lost = adapter.encode(batch)
        with pytest.raises(OutcomeUnknown):
            adapter.send(lost)
        assert adapter.enquire(lost.name, lost.message_id).state is SendState.RECEIVED
        assert adapter.send(lost)

        wrong = replace(batch, message_id="M20261201WRONGACCOUNT", debtor=replace(batch.debtor, account="999999"))
        refused = adapter.encode(wrong)
        adapter.send(refused)
        control(ready, "day", {"date": "2026-12-01"})
        enquiry = adapter.enquire(refused.name, refused.message_id)
        assert (enquiry.state, enquiry.detail.split()[0]) == (SendState.REFUSED, "AC02")
        with pytest.raises(BankRefused) as again:
            adapter.send(refused)
        assert again.value.code == "AC02"
        assert control(ready, "ledger")["payments"]["received"]["count"] == 5
