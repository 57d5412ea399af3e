"""The control door: plain HTTP on the loopback, for tests, demonstrations and audits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from bank_adapters.mock_bank.bank import Bank
from bank_adapters.mock_bank.http_server import Handler, Server
from bank_adapters.mock_bank.misbehaviour import read_request

#: The largest request, in bytes: a list of some ten thousand end-to-end ids.
_LARGEST = 1 << 20


class _Visit(Handler):
    bank: Bank
    stop: Callable[[], None]

    def do_GET(self) -> None:  # noqa: N802  (the parent's way of dispatch)
        if self.path == "/control/payments.csv":
            self.answer(200, self.bank.payments_csv().encode(), "text/csv; charset=utf-8")
            return
        answers: dict[str, Callable[[], Any]] = {
            "/control/ledger": self.bank.figures,
            "/control/misbehave": self.bank.misbehaviour.shown,
        }
        if self.path in answers:
            self.answer_json(200, answers[self.path]())
        else:
            self.answer_json(404, {"error": f"no such control: {self.path}"})

    def do_POST(self) -> None:  # noqa: N802  (the parent's way of dispatch)
        length = self.body_length(_LARGEST)
        if length is None:
            return
        text = self.rfile.read(length).decode("utf-8", "replace")
        actions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/control/day": lambda request: self.bank.work_through(date.fromisoformat(str(request["date"]))),
            "/control/misbehave": self.bank.misbehave,
            "/control/statement": lambda request: self.bank.state_again(
                str(request["date"]), str(request.get("kind", "reissue"))
            ),
            "/control/stop": lambda _: {"stopping": True},
        }
        action = actions.get(self.path)
        if action is None:
            self.answer_json(404, {"error": f"no such control: {self.path}"})
            return
        try:
            status, answer = 200, action(read_request(text or "{}"))
        except KeyError as missing:
            status, answer = 400, {"error": f"{missing.args[0]} is missing"}
        except json.JSONDecodeError:
            status, answer = 400, {"error": "the request is not JSON"}
        except ValueError as fault:
            status, answer = 400, {"error": str(fault)}
        except Exception as fault:  # noqa: BLE001  whatever broke, who asked has to know, and it was rolled back
            status, answer = 500, {"error": f"{type(fault).__name__}: {fault}"}
        self.answer_json(status, answer)
        if self.path == "/control/stop" and status == 200:
            self.stop()


def open_door(bank: Bank, port: int, stop: Callable[[], None]) -> Server:
    """Listen on 127.0.0.1 (`port` 0: any free one); `stop` is called when asked to."""
    visit = type("ControlVisit", (_Visit,), {"bank": bank, "stop": staticmethod(stop)})
    return Server(port, visit).start()
