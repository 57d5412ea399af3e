"""The gateway of the proving ground says again what it was asked to, and the bank hears it that often."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bank_adapters.https_door import HttpsDoor
from paysvc.bank_interface import BankFile, SendState
from paysvc.core.messages import ControlTotals

from .mock_bank_program import ids, pay01, running
from .prove.gateway import Gateway


@pytest.mark.parametrize(("share", "least"), [(0.0, 1), (1.0, 2)])
def test_a_file_comes_as_often_as_it_is_said_and_is_taken_once(tmp_path: Path, share: float, least: int) -> None:
    home = tmp_path / "bank"
    with running(home, "delimited") as bank:
        gateway = Gateway(home, bank.told["port"], random.Random(1))
        gateway.share = share
        options = {"url": f"https://127.0.0.1:{gateway.port}", "token": bank.told["token"]}
        door = HttpsDoor({**options, "ca_file": bank.told["ca_file"]})
        names = [f"M{number}.txt" for number in range(4)]
        for number, name in enumerate(names):
            content = pay01(ids(3, f"G{number}"), f"M{number}")
            assert door.send(BankFile(name, content, f"M{number}", ControlTotals(3, 1)))
        bank.ask("day", date="2026-12-01")
        gateway.say_what_is_late()  # some of them when the bank had taken them long ago
        bank.ask("day", date="2026-12-02")
        arrived = (home / "arrivals").read_text().splitlines()
        assert sorted(set(arrived)) == names
        assert {arrived.count(name) for name in names} == {least}
        assert gateway.repeats == len(names) * (least - 1)
        assert {door.enquire(name).state for name in names} == {SendState.RECEIVED}
        rows = bank.control.get("/control/payments.csv").text.splitlines()[1:]
        assert len(rows) == len({row.split(",")[0] for row in rows}) == 12
        gateway.close()
