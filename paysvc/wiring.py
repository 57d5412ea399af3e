"""The one place where database, keys, vault, banks and clock are put together."""

from __future__ import annotations

from dataclasses import dataclass

from paysvc.bank_registry import BankRegistry, load_banks
from paysvc.clock import Clock, SystemClock
from paysvc.config import Settings, read_banks
from paysvc.domain.errors import BadSetting
from paysvc.sealing import Sealer, open_or_create_sealer
from paysvc.signing import Signer, open_or_create_signer
from paysvc.store.engine import Database, open_database
from paysvc.store.vault import Vault
from paysvc.store.witness import Witness


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything a service may be handed."""

    settings: Settings
    database: Database
    sealer: Sealer
    signer: Signer
    vault: Vault
    banks: BankRegistry
    clock: Clock

    def close(self) -> None:
        self.database.close()


def wire(settings: Settings, clock: Clock | None = None) -> Wiring:
    """Open everything, making folders and keys at the first start. Raises `BadSetting`."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.reports.mkdir(mode=0o700, exist_ok=True)
    if not settings.witness.parent.is_dir():
        raise BadSetting("setting_unusable", f"PAYSVC_WITNESS_FILE: the folder {settings.witness.parent} is not there.")
    sealer = open_or_create_sealer(settings.key_file)
    return Wiring(
        settings=settings,
        database=open_database(settings.database_url, Witness(settings.witness)),
        sealer=sealer,
        signer=open_or_create_signer(settings.signing_key_file),
        vault=Vault(settings.vault, sealer),
        banks=load_banks(read_banks(settings.banks_file)),
        clock=clock or SystemClock(),
    )
