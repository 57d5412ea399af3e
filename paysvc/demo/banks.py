"""Three mock banks as processes of their own, and what the office has to know of each.

The demo knows them as a real office would: by an address, a key to pin and a password. Their
control doors (which no real bank has) move their business day on and show their ledgers.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from paysvc.demo.people import BANKS

#: How long a bank may take for one business day of a whole province, in seconds.
_DAY_LIMIT = 600.0
_READY_LIMIT = 30.0

#: The control doors are plain HTTP on the loopback address.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class BankProfile:
    """A mock bank to start: its profile, the adapter that speaks with it, whom it serves."""

    code: str
    name: str
    profile: str
    adapter: str
    bin: str
    serves: tuple[str, ...]
    is_default: bool = False


PROFILES: tuple[BankProfile, ...] = (
    BankProfile("NONGNGHIEP", "Ngân hàng Nông nghiệp (mô phỏng)", "iso", "iso20022", "970405", ("970405", "970409")),
    BankProfile(
        "CONGTHUONG",
        "Ngân hàng Công thương (mô phỏng)",
        "delimited",
        "delimited",
        "970415",
        tuple(code for code, _ in BANKS if code not in ("970405", "970409")),
        is_default=True,
    ),
    BankProfile("BUUDIEN", "Bưu điện tỉnh (mô phỏng)", "post", "fixed_width", "971025", ()),
)


class MockBank:
    """One running mock bank."""

    def __init__(self, profile: BankProfile, ready: dict[str, Any]) -> None:
        self.profile = profile
        self.ready = ready
        # One client for all calls: a new one each time would load the machine's certificates anew.
        self._control = httpx.Client(base_url=ready["control_url"], timeout=_DAY_LIMIT, trust_env=False, verify=_NO_TLS)

    def run_day(self, day: date) -> dict[str, Any]:
        """Let the bank work through everything up to and including this day."""
        return self._post("/control/day", {"date": day.isoformat()})

    def misbehave(self, what: dict[str, Any]) -> dict[str, Any]:
        return self._post("/control/misbehave", what)

    def ledger(self) -> dict[str, Any]:
        """What the bank's own books say, in đồng."""
        answer = self._control.get("/control/ledger")
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def close(self) -> None:
        """Hang up; the bank itself goes on."""
        self._control.close()

    def toml(self) -> str:
        """The office's settings for this bank (`banks.toml`)."""
        lines = [
            f"[banks.{self.profile.code}]",
            f'name = "{self.profile.name}"',
            f'adapter = "{self.profile.adapter}"',
            'debtor_name = "KHO BAC NHA NUOC (MO PHONG)"',
            f'debtor_account = "{self.ready["account"]}"',
            f'bin = "{self.profile.bin}"',
            "serves = " + json.dumps(list(self.profile.serves)),
            f"default = {json.dumps(self.profile.is_default)}",
            f"[banks.{self.profile.code}.options]",
        ]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self._options().items()]
        return "\n".join(lines) + "\n"

    def _options(self) -> dict[str, str]:
        if self.profile.profile == "delimited":
            url = f"https://127.0.0.1:{self.ready['port']}"
            return {"url": url, "token": self.ready["token"], "ca_file": self.ready["ca_file"]}
        return {
            "host": "127.0.0.1",
            "port": str(self.ready["port"]),
            "user": self.ready["user"],
            "password": self.ready["password"],
            "host_key": self.ready["host_key"],
        }

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._control.post(path, json=body)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result


@contextmanager
def mock_banks(
    folder: Path, seed: int, first_day: date, opening_vnd: int, profiles: Sequence[BankProfile] = PROFILES
) -> Iterator[list[MockBank]]:
    """Start the banks, wait until each is ready, and stop them at the end, whatever happens."""
    with ExitStack() as stack:
        processes = []
        for number, profile in enumerate(profiles):
            process = _start(folder / profile.code.lower(), profile, seed + number, first_day, opening_vnd)
            stack.callback(_stop, process)
            processes.append(process)
        # All of them are starting by now, side by side.
        pairs = zip(profiles, processes, strict=True)
        banks = [_ready(profile, process, folder / profile.code.lower()) for profile, process in pairs]
        for bank in banks:
            stack.callback(bank.close)
        yield banks


def _start(home: Path, profile: BankProfile, seed: int, first_day: date, opening_vnd: int) -> subprocess.Popen[str]:
    home.mkdir(parents=True, exist_ok=True)
    log = (home / "bank.log").open("w")
    words = [sys.executable, "-m", "bank_adapters.mock_bank", "--profile", profile.profile, "--home", str(home)]
    words += ["--seed", str(seed), "--date", first_day.isoformat(), "--opening-vnd", str(opening_vnd)]
    words += ["--bin", profile.bin]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    log.close()
    return process


def _ready(profile: BankProfile, process: subprocess.Popen[str], home: Path) -> MockBank:
    assert process.stdout is not None
    # The first line is the bank's word that its doors are open; a bank that dies closes the pipe.
    line = process.stdout.readline()
    if not line:
        process.wait(timeout=_READY_LIMIT)
        raise RuntimeError(f"the mock bank {profile.code} did not start; see {home / 'bank.log'}")
    return MockBank(profile, json.loads(line))


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
