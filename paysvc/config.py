"""The environment, read once into one frozen `Settings`; a bad value stops the start.

All settings start with `PAYSVC_`. Everything a running installation keeps lies under
`PAYSVC_HOME`: the embedded database, the keys, the vault, the banks' settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environs import Env, EnvError

from paysvc.bank_interface import BankSettings
from paysvc.core.messages import Debtor
from paysvc.domain.errors import BadSetting
from paysvc.domain.identifiers import is_account_number, is_bank_bin


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation is told. Paths are absolute."""

    home: Path
    database_url: str
    key_file: Path
    signing_key_file: Path
    #: The journal of what was done with the database.
    witness: Path
    banks_file: Path
    log_level: str
    host: str
    port: int
    threads: int

    @property
    def vault(self) -> Path:
        return self.home / "vault"

    @property
    def reports(self) -> Path:
        """Where reports published through the API are kept."""
        return self.home / "reports"


def read_settings(home: Path | None = None, database_url: str | None = None) -> Settings:
    """Settings from the environment; arguments (from the command line) win. Raises `BadSetting`."""
    env = Env()
    try:
        with env.prefixed("PAYSVC_"):
            folder = (home or env.path("HOME", Path("paysvc-home"))).absolute()
            settings = Settings(
                home=folder,
                database_url=database_url or env.str("DATABASE_URL", f"sqlite:///{folder / 'paysvc.db'}"),
                key_file=env.path("KEY_FILE", folder / "keys.json").absolute(),
                signing_key_file=env.path("SIGNING_KEY_FILE", folder / "signing-key.pem").absolute(),
                witness=env.path("WITNESS_FILE", folder / "witness.jsonl").absolute(),
                banks_file=env.path("BANKS_FILE", folder / "banks.toml").absolute(),
                log_level=env.str("LOG_LEVEL", "INFO").upper(),
                host=env.str("HOST", "127.0.0.1"),
                port=env.int("PORT", 8000),
                threads=env.int("THREADS", 8),
            )
    except EnvError as failure:
        raise BadSetting("setting_unusable", f"A setting cannot be used: {failure}") from failure
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadSetting("setting_unusable", "PAYSVC_LOG_LEVEL is one of DEBUG, INFO, WARNING, ERROR.")
    if not 1 <= settings.threads <= 64 or not 0 <= settings.port <= 65535:
        raise BadSetting("setting_unusable", "PAYSVC_THREADS is 1 to 64 and PAYSVC_PORT 0 to 65535.")
    return settings


def read_banks(path: Path) -> tuple[BankSettings, ...]:
    """The configured banks of `banks.toml`, in file order; none when there is no file.

        [banks.AGRI]
        name = "Agribank Nghệ An"
        adapter = "iso20022"
        debtor_name = "KHO BAC NGHE AN"
        debtor_account = "3713010001"
        bin = "970405"
        serves = ["970405", "970409"]
        default = true
        options = { host = "127.0.0.1", port = "2222", user = "paysvc" }

    Raises `BadSetting` naming the bank and the key.
    """
    if not path.exists():
        return ()
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise BadSetting("banks_file_unreadable", f"{path}: {failure}") from failure
    banks = tuple(_bank(path, code, values) for code, values in stored.get("banks", {}).items())
    defaults = [bank.code for bank in banks if bank.is_default_route]
    if len(defaults) > 1:
        raise BadSetting("banks_file_unusable", f"{path}: more than one default bank: {', '.join(defaults)}.")
    return banks


def _bank(path: Path, code: str, values: Mapping[str, Any]) -> BankSettings:
    place = f"{path}: banks.{code}"

    def text(key: str) -> str:
        if not isinstance(values.get(key), str) or not values[key]:
            raise BadSetting("banks_file_unusable", f"{place}.{key} must be text.")
        return str(values[key])

    options = values.get("options", {})
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        raise BadSetting("banks_file_unusable", f"{place}.options must be a table of texts.")
    bins = values.get("serves", [])
    if not isinstance(bins, list) or not all(isinstance(one, str) and is_bank_bin(one) for one in bins):
        raise BadSetting("banks_file_unusable", f"{place}.serves must be a list of 6-digit BINs.")
    debtor = Debtor(text("debtor_name"), text("debtor_account"), text("bin"))
    if not is_account_number(debtor.account) or not is_bank_bin(debtor.bank_bin):
        raise BadSetting("banks_file_unusable", f"{place}: debtor_account or bin is malformed.")
    return BankSettings(
        code=code,
        name=text("name"),
        adapter=text("adapter"),
        debtor=debtor,
        serves_bins=frozenset(bins),
        is_default_route=values.get("default", False) is True,
        options=options,
    )
