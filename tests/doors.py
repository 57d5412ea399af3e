"""An office's two doors, asked by its officers: the API and the command line, over one database and one clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from paysvc.cli.main import paysvc
from paysvc.config import read_settings
from paysvc.domain.officers import Role
from paysvc.services.manage_officers import add_officer, create_token
from paysvc.signing import open_or_create_signer
from paysvc.store import audit_trail
from paysvc.store.witness import Witness
from paysvc.web.app import create_app
from paysvc.wiring import Wiring
from tests.paying_office import PayingOffice
from tests.planned_province import ADMINISTRATOR

#: Who asks at the doors. Who makes the plans of a `PayingOffice` is maker.lan, and who approves them approver.minh.
OFFICERS = {
    "maker.lan": Role.MAKER,
    "approver.minh": Role.APPROVER,
    "operator.binh": Role.BANK_OPERATOR,
    "auditor.tuan": Role.AUDITOR,
}


def let_in(office: PayingOffice) -> PayingOffice:
    """The office, with its officers registered."""
    for name, role in OFFICERS.items():
        add_officer(office.database, office.clock, ADMINISTRATOR, officer_id=name, role=role)
    return office


def client_of(office: PayingOffice, home: Path) -> FlaskClient:
    """The API of this office."""
    wiring = Wiring(
        settings=read_settings(home),
        database=office.database,
        sealer=office.sealer,
        signer=open_or_create_signer(home / "key.pem"),
        vault=office.vault,
        banks=office.banks,
        clock=office.clock,
    )
    return create_app(wiring).test_client()


def by(office: PayingOffice, name: str, key: str = "") -> dict[str, str]:
    """The headers of a request of this officer; `key` makes it repeatable."""
    token = create_token(office.database, office.clock, ADMINISTRATOR, officer_id=name)
    return {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}


class Desk:
    """Officers at the command line of this office's installation in `home`."""

    def __init__(self, office: PayingOffice, home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.url = home, url
        # The office was made without an installation around it, which keeps a journal.
        with office.database.read() as connection:
            Witness(read_settings(home).witness).note_recovered(audit_trail.head(connection))
        # The command line would make the banks of banks.toml, and live by the clock on the wall.
        monkeypatch.setattr("paysvc.wiring.SystemClock", lambda: office.clock)
        monkeypatch.setattr("paysvc.wiring.load_banks", lambda settings: office.banks)
        for name in OFFICERS:
            token = create_token(office.database, office.clock, ADMINISTRATOR, officer_id=name)
            (home / f"{name}.token").write_text(token)

    def run(self, name: str, *words: str) -> Result:
        """What comes of the words after `paysvc` when this officer types them."""
        options = ["--home", str(self.home), "--database", self.url, "--token-file", str(self.home / f"{name}.token")]
        return CliRunner().invoke(paysvc, [*options, *words])
