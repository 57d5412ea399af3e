"""A small office that keeps files and books, and a process that goes on writing to it.

As a program, `python -m tests.kept_office DATABASE HOME` writes until it is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from itertools import count
from pathlib import Path
from typing import TextIO

from paysvc import failpoints
from paysvc.bank_interface import BankSettings
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.cli.main import main as main_of_paysvc
from paysvc.config import read_settings
from paysvc.core.messages import Debtor
from paysvc.domain.officers import Officer, Role
from paysvc.services.collect_returns import collect_returns
from paysvc.services.deposit_fund import deposit_fund
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.set_rules import set_rules
from paysvc.store import schema
from paysvc.wiring import Wiring, wire

from .payment_world import ACCOUNT, PractisingBank

ROOT = Path(__file__).parents[1]
RULES = ROOT / "docs/examples/nghe-an-rules.toml"
CHIEF, OPERATOR = Officer("chief", Role.ADMINISTRATOR), Officer("hoa", Role.BANK_OPERATOR)


class KeptOffice:
    """The office as its program sees it: a home and a database."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home

    def found(self) -> KeptOffice:
        """Officers with tokens beside the home, rules, a deposit and three files of a bank."""
        wiring = self.wire()
        schema.upgrade(wiring.database)
        add_officer(wiring.database, wiring.clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
        for name, role in (
            ("chief", None),
            ("minh", Role.APPROVER),
            ("tuan", Role.AUDITOR),
            ("hoa", Role.BANK_OPERATOR),
        ):
            if role:
                add_officer(wiring.database, wiring.clock, CHIEF, officer_id=name, role=role)
            path = self.home / f"{name}.token"
            path.write_text(create_token(wiring.database, wiring.clock, CHIEF, officer_id=name))
        set_rules(wiring.database, wiring.clock, CHIEF, name=RULES.name, content=RULES.read_bytes())
        for number in range(3):
            work(wiring, f"before {number}")
        wiring.close()
        return self

    def wire(self) -> Wiring:
        return wire(read_settings(home=self.home, database_url=self.url))

    def run(
        self, *words: str, officer: str = "chief", orders: str = "", seen: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command of the program; `orders` are failpoints, `seen` the file of those that were passed."""
        options = ["--home", str(self.home), "--database", self.url]
        token = self.home / f"{officer}.token"
        options += ["--token-file", str(token)] if token.exists() else []
        armed = {"PAYSVC_FAILPOINTS": orders, "PAYSVC_FAILPOINTS_SEEN": str(seen or "")}
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            code = _in_a_process_of_its_own(["paysvc", *options, *words], armed, output, errors)
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(words, code, output.read(), errors.read())

    def recover(self, *words: str, orders: str = "", seen: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run(
            "recover", "--approver-token-file", str(self.home / "minh.token"), *words, orders=orders, seen=seen
        )


def _in_a_process_of_its_own(words: list[str], armed: dict[str, str], output: TextIO, errors: TextIO) -> int:
    """The program's own `main`, as a copy of this process: it may be killed, and has nothing to load first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        sys.argv, sys.stdout, sys.stderr = words, output, errors
        failpoints._armed = failpoints._read(armed)
        main_of_paysvc()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        output.flush()
        errors.flush()
        os._exit(code)


def work(wiring: Wiring, name: str) -> None:
    """A file of a bank, kept and noted, and a deposit: what another process writes meanwhile."""
    bank = PractisingBank("AGRI", {})
    bank.put_out(name, f"content of {name}".encode())
    settings = BankSettings("AGRI", "Bank", "practice", Debtor("KHO BAC", ACCOUNT, "970405"), frozenset(), True)
    banks = BankRegistry([Bank(settings, bank, "practice of tests 1")])
    collect_returns(wiring.database, wiring.vault, banks, wiring.clock, OPERATOR)
    deposit_fund(wiring.database, wiring.clock, CHIEF, fund_code="NS-ASXH", amount_vnd=1_000, reference=name)


def main(url: str, home: str) -> None:
    wiring = KeptOffice(url, Path(home)).wire()
    for number in count():
        work(wiring, f"meanwhile {number}")
        sys.stdout.write("written\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
