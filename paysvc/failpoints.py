"""Places at which a test ends, stops or fails this process; for everybody else they are nothing.

Whatever keeps or sends something passes such places: a transaction that writes when it has
begun, before its commit and after it; a file that is kept, and one that leaves. A place is
named by the function at work and the moment, `store.vault.put synced`.

`PAYSVC_FAILPOINTS` says what happens where: `PLACE=ACTION` or `PLACE=ACTION:N` (the N-th time
that this process comes by; without N the first), several of them parted by `;`. `kill` and
`stop` are the signals of these names, `fail` and `full` an `OSError` as of a broken and of a
full disk. `PAYSVC_FAILPOINTS_SEEN` names a file to which each place is appended as it is
passed. Whoever may set a process's environment may also kill it, and to be killed anywhere is
what this program is made for: the variables are no danger that was not there before.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from types import FrameType
from typing import NamedTuple

_ERRORS = {"fail": errno.EIO, "full": errno.ENOSPC}
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class _Order(NamedTuple):
    action: str
    #: At which passing, from 1.
    turn: int


class _Armed:
    """What was asked for in the environment, and how often each place was passed."""

    def __init__(self, orders: Mapping[str, _Order], seen: int | None) -> None:
        self._orders, self._seen = orders, seen
        self._passed: Counter[str] = Counter()

    def pass_by(self, place: str) -> None:
        self._passed[place] += 1
        if self._seen is not None:
            # One write to the end of a file is not torn by another process's.
            os.write(self._seen, f"{place}\n".encode())
        order = self._orders.get(place)
        if order is None or order.turn != self._passed[place]:
            return
        if order.action in _SIGNALS:
            os.kill(os.getpid(), _SIGNALS[order.action])
        else:
            number = _ERRORS[order.action]
            raise OSError(number, f"{os.strerror(number)} (asked for at {place})")


def _read(environment: Mapping[str, str]) -> _Armed | None:
    orders, seen = {}, None
    for part in filter(None, environment.get("PAYSVC_FAILPOINTS", "").split(";")):
        place, _, wish = part.partition("=")
        action, _, turn = wish.partition(":")
        if action not in (*_SIGNALS, *_ERRORS) or not (turn or "1").isdigit():
            raise ValueError(f"PAYSVC_FAILPOINTS: '{part}' is not PLACE=ACTION or PLACE=ACTION:N")
        orders[place] = _Order(action, int(turn or 1))
    if path := environment.get("PAYSVC_FAILPOINTS_SEEN"):
        seen = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return _Armed(orders, seen) if orders or seen is not None else None


_armed: _Armed | None = None


def arm(environment: Mapping[str, str]) -> None:
    """Take the orders of this environment, in place of those before. Raises ValueError
    for one that nobody could follow: a test that asks for nothing proves nothing."""
    global _armed  # noqa: PLW0603  # one process has one set of orders
    _armed = _read(environment)


arm(os.environ)


def reach(moment: str, *, above: int = 0) -> None:
    """The calling function is now at this moment; `above` counts the frames up to the one that is meant.

    Raises OSError when a test asked for that.
    """
    if _armed is not None:
        _armed.pass_by(f"{_name(sys._getframe(above + 1))} {moment}")


def _name(frame: FrameType) -> str:
    module = str(frame.f_globals.get("__name__", "")).removeprefix("paysvc.")
    return f"{module}.{frame.f_code.co_qualname}"
