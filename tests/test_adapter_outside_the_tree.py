"""An adapter that this repository has never heard of: found by its entry point, on the path alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ADAPTER = """
from paysvc.bank_interface import Capabilities, Channel, DuplicateKey, Enquiry, SendState
from paysvc.core.messages import BankReturns

class FaraAdapter:
    dialect = "fara"
    capabilities = Capabilities(Channel.ACCOUNT, DuplicateKey.NONE, 0, False, 10, 10**9)

    def __init__(self, bank_code, options):
        if options.get("colour") == "none":
            raise ValueError("option 'colour' is missing")
        self.bank_code, self.options = bank_code, options

    def encode(self, batch): raise NotImplementedError
    def parse_returns(self, name, content): return BankReturns("receipt", name)
    def send(self, file): return "taken"
    def enquire(self, file_name, message_id): return Enquiry(SendState.STILL_UNKNOWN)
    def fetch(self, seen): return iter(())
"""

QUESTION = """
import sys
from paysvc.bank_interface import BankSettings
from paysvc.bank_registry import load_banks
from paysvc.core.messages import Debtor
from paysvc.domain.errors import BadSetting

options = dict(word.split("=") for word in sys.argv[2:])
payer = Debtor("KBNN", "3713", "970405")
wanted = BankSettings("FARA", "Fara Bank", sys.argv[1], payer, frozenset(["970436"]), options=options)
try:
    (bank,) = load_banks([wanted])
except BadSetting as refused:
    print("refused", refused.code, "|", refused.message, "|", refused.next_step)
else:
    print("loaded", bank.written_by, bank.adapter.dialect, bank.adapter.parse_returns("n", b"").kind)
print("modules", *sorted(name for name in sys.modules if "fara" in name or name.startswith("bank_adapters")))
"""


def install(folder: Path, package: str = "fara_bank", name: str = "fara", distribution: str = "fara-bank") -> Path:
    """What an installer leaves behind: a package, and a .dist-info with its entry points."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(ADAPTER)
    information = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text(f"[paysvc.bank_adapters]\n{name} = {package}:FaraAdapter\n")
    return folder


def ask(adapter: str, *folders: Path, options: tuple[str, ...] = ()) -> list[str]:
    """What a fresh Python, with these folders on its path, says to a bank that wants this adapter."""
    answer = subprocess.run(
        [sys.executable, "-c", QUESTION, adapter, *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
        cwd=folders[0],
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_an_adapter_on_the_path_is_found_and_says_who_wrote_it(tmp_path: Path) -> None:
    said = ask("fara", install(tmp_path / "site"))
    assert said == ["loaded fara of fara-bank 1.2 fara receipt", "modules fara_bank"]


def test_only_the_code_of_the_adapter_that_is_named_is_loaded(tmp_path: Path) -> None:
    trap = install(tmp_path / "other", "trap_fara", "trap", "trap-fara")
    (trap / "trap_fara" / "__init__.py").write_text("raise SystemExit('loaded without being named')\n")
    assert ask("fara", install(tmp_path / "site"), trap)[1] == "modules fara_bank"


def test_two_adapters_of_one_name_are_refused_and_both_named(tmp_path: Path) -> None:
    one = install(tmp_path / "one")
    two = install(tmp_path / "two", "fara_fork", "fara", "fara-fork")
    refusal = ask("fara", one, two)
    assert refusal[0] == "refused adapter_ambiguous | Two adapters are called 'fara': fara-bank, fara-fork. | "
    assert refusal[1] == "modules"


def test_the_same_distribution_twice_on_the_path_is_one_adapter(tmp_path: Path) -> None:
    site = install(tmp_path / "site")
    assert ask("fara", site, site)[0].startswith("loaded ")


def test_an_adapter_that_is_not_installed_is_refused_with_what_is(tmp_path: Path) -> None:
    refusal = ask("nobody", install(tmp_path / "site"))[0]
    assert refusal.startswith("refused adapter_not_installed | Bank FARA needs the adapter 'nobody'")
    assert "fara" in refusal.split("|")[2]


def test_an_adapter_that_refuses_its_options_is_heard(tmp_path: Path) -> None:
    refusal = ask("fara", install(tmp_path / "site"), options=("colour=none",))[0]
    assert refusal == "refused adapter_refuses_settings | Bank FARA: option 'colour' is missing | "


def test_what_does_not_do_all_that_an_adapter_has_to_is_refused(tmp_path: Path) -> None:
    site = install(tmp_path / "site")
    module = site / "fara_bank" / "__init__.py"
    module.write_text(module.read_text().replace("def fetch", "def fetch_nothing"))
    assert ask("fara", site)[0].startswith("refused adapter_incomplete")
