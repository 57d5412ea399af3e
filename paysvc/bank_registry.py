"""Which banks there are: adapters that are installed and enabled, found by entry point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from paysvc.bank_interface import BankAdapter, BankSettings, Channel
from paysvc.core.duplicates import refusals_of_copies_set_aside
from paysvc.core.messages import BankReturns
from paysvc.core.scan_letter import is_letter, read_letter
from paysvc.domain.errors import BadSetting, NotFound

GROUP = "paysvc.bank_adapters"


@dataclass(frozen=True, slots=True)
class Bank:
    """A configured bank with its adapter, and who wrote the adapter (for the bank file)."""

    settings: BankSettings
    adapter: BankAdapter
    written_by: str

    def read_returns(self, name: str, content: bytes) -> BankReturns:
        """What a file of this bank says, or a letter of it; what it says of second copies moves nothing.

        Raises as the adapter does.
        """
        if is_letter(content):
            return read_letter(self.settings.code, content)
        return refusals_of_copies_set_aside(self.adapter.parse_returns(name, content))


class BankRegistry:
    """The configured banks, in the order of the settings file."""

    def __init__(self, banks: Sequence[Bank]) -> None:
        self._banks = {bank.settings.code: bank for bank in banks}

    def __iter__(self) -> Iterator[Bank]:
        return iter(self._banks.values())

    def get(self, code: str) -> Bank:
        """Raises `NotFound` for a bank that is not configured."""
        if code not in self._banks:
            raise NotFound(
                "bank_not_configured", f"No bank '{code}' is configured.", next_step="Name it in banks.toml."
            )
        return self._banks[code]

    def route(self, creditor_bin: str) -> Bank | None:
        """The bank that pays accounts of this BIN: the one that names it, else the default."""
        with_accounts = [b for b in self if b.adapter.capabilities.channel is Channel.ACCOUNT]
        for bank in with_accounts:
            if creditor_bin in bank.settings.serves_bins:
                return bank
        return next((bank for bank in with_accounts if bank.settings.is_default_route), None)

    def cash(self) -> Bank | None:
        """The bank (the post office) that pays at the counter, or None."""
        return next((bank for bank in self if bank.adapter.capabilities.channel is Channel.CASH), None)


def load_banks(settings: Sequence[BankSettings]) -> BankRegistry:
    """Make the adapters that the settings name; no other adapter's code is loaded.

    Raises `BadSetting` for an adapter that is not installed, that two distributions offer,
    or that refuses its options.
    """
    offered: dict[str, list[EntryPoint]] = {}
    for entry_point in entry_points(group=GROUP):
        offered.setdefault(entry_point.name, []).append(entry_point)
    return BankRegistry([_load(bank, offered) for bank in settings])


def _load(bank: BankSettings, offered: dict[str, list[EntryPoint]]) -> Bank:
    found = {(entry.value, entry.dist.name if entry.dist else ""): entry for entry in offered.get(bank.adapter, [])}
    if not found:
        raise BadSetting(
            "adapter_not_installed",
            f"Bank {bank.code} needs the adapter '{bank.adapter}', which is not installed.",
            next_step="Installed: " + (", ".join(sorted(offered)) or "none") + ".",
        )
    if len(found) > 1:
        where = ", ".join(sorted(dist or value for value, dist in found))
        raise BadSetting("adapter_ambiguous", f"Two adapters are called '{bank.adapter}': {where}.")
    entry = next(iter(found.values()))
    try:
        adapter = entry.load()(bank.code, bank.options)
    except ValueError as failure:
        raise BadSetting("adapter_refuses_settings", f"Bank {bank.code}: {failure}") from failure
    if not isinstance(adapter, BankAdapter):
        raise BadSetting("adapter_incomplete", f"'{bank.adapter}' does not do all that a BankAdapter has to.")
    version = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    return Bank(bank, adapter, f"{bank.adapter} of {version}")
