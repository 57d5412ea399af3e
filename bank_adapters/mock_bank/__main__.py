"""Starts a bank: `python -m bank_adapters.mock_bank --profile iso --home DIR`.

Prints one line of JSON when its doors are open, and serves until SIGTERM, SIGINT or
`POST /control/stop`. Exits 2 for options that cannot be, 0 after a clean stop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

from bank_adapters.mock_bank import control
from bank_adapters.mock_bank.bank import Bank, Founding
from bank_adapters.mock_bank.misbehaviour import read_request
from bank_adapters.mock_bank.profiles import PROFILES


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line; docs/mock-bank.md describes every option."""
    parser = argparse.ArgumentParser(prog="bank_adapters.mock_bank", description="A bank that misbehaves on request.")
    parser.add_argument("--profile", required=True, choices=sorted(PROFILES), help="which bank it is")
    parser.add_argument("--home", required=True, type=Path, help="its ledger, keys and files; kept over restarts")
    parser.add_argument("--port", type=int, default=0, help="of the SFTP or HTTPS door (0: any free one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the control door (0: any free one)")
    parser.add_argument("--seed", type=int, default=1, help="with the end-to-end id decides every payment's fate")
    parser.add_argument("--date", type=date.fromisoformat, default=date(2026, 12, 1), help="first day of the account")
    parser.add_argument("--opening-vnd", type=int, default=1_000_000_000_000, help="what the account holds before it")
    parser.add_argument("--account", default="3713010001", help="the account from which is paid")
    parser.add_argument("--bin", default="970405", help="by which the bank is known")
    parser.add_argument("--user", default="payer", help="who may use the SFTP door")
    parser.add_argument("--password", help="of the SFTP door (default: made up and kept in the home)")
    parser.add_argument("--token", help="of the HTTPS door (default: made up and kept in the home)")
    parser.add_argument("--authorized-keys", type=Path, help="OpenSSH file of public keys for the SFTP door")
    parser.add_argument("--report", choices=("all", "rejects"), default="all", help="what status files list")
    parser.add_argument("--misbehave", default="{}", help="JSON, or a file of JSON; see POST /control/misbehave")
    return parser.parse_args(words)


def main() -> int:
    """Run until told to stop; the process's exit code."""
    options = arguments()
    founding = Founding(options.profile, options.seed, options.date, options.opening_vnd, options.account, options.bin)
    try:
        bank = Bank(options.home, founding, reports_acceptances=options.report == "all")
        wish = Path(options.misbehave)
        bank.misbehave(read_request(options.misbehave if options.misbehave.startswith("{") else wish.read_text()))
    except (OSError, ValueError) as fault:
        sys.stderr.write(f"mock bank: {fault}\n")
        return 2
    try:
        asyncio.run(_serve(bank, options))
    finally:
        bank.close()
    return 0


async def _serve(bank: Bank, options: argparse.Namespace) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as doors:
        told = await _open_doors(bank, options, doors)
        server = control.open_door(bank, options.control_port, lambda: _call(loop, stopping))
        doors.push_async_callback(asyncio.to_thread, server.stop)
        told |= {"control_url": f"http://127.0.0.1:{server.port}", "account": bank.account, "pid": os.getpid()}
        sys.stdout.write(json.dumps({"profile": options.profile, **told}) + "\n")
        sys.stdout.flush()
        await stopping.wait()


def _call(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    loop.call_soon_threadsafe(stopping.set)


async def _open_doors(bank: Bank, options: argparse.Namespace, doors: AsyncExitStack) -> dict[str, Any]:
    """The payer's door of this profile; what has to be known to come in by it."""
    home = options.home
    if PROFILES[options.profile].door == "sftp":
        from bank_adapters.mock_bank import door_sftp

        password = bank.secret("password", options.password)
        acceptor = await door_sftp.open_door(
            home,
            bank.premises,
            bank.misbehaviour,
            port=options.port,
            user=options.user,
            password=password,
            authorized_keys=options.authorized_keys,
        )
        await doors.enter_async_context(acceptor)
        key = door_sftp.host_key(home).export_public_key().decode().strip()
        return {"port": acceptor.get_port(), "host_key": key, "user": options.user, "password": password}
    from bank_adapters.mock_bank import door_https
    from bank_adapters.mock_bank.certificates import certificates

    token = bank.secret("token", options.token)
    authority, certificate = certificates(home)
    counter = door_https.Counter(home, bank.premises, bank.misbehaviour, token)
    server = door_https.open_door(counter, options.port, certificate)
    doors.push_async_callback(asyncio.to_thread, server.stop)
    return {"port": server.port, "ca_file": str(authority.resolve()), "user": options.user, "token": token}


if __name__ == "__main__":
    sys.exit(main())
