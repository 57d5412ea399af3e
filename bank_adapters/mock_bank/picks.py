"""Which of the day's payments a request to misbehave means, and what of it is left."""

from __future__ import annotations

from typing import Any

from bank_adapters.mock_bank.ledger import Booking
from bank_adapters.mock_bank.misbehaviour import NUMBERS, PICKS, Misbehaviour


class Picks:
    """One day's picks. A number counts down with each payment taken; a name is struck off."""

    def __init__(self, misbehaviour: Misbehaviour) -> None:
        self._misbehaviour = misbehaviour
        asked = {name: misbehaviour.value(name) for name in (*PICKS, *NUMBERS)}
        self._names = {name: list(value) for name, value in asked.items() if isinstance(value, list)}
        self._left: dict[str, int] = {name: value for name, value in asked.items() if not isinstance(value, list)}
        self._asked = asked
        self.any = any(asked.values())
        self.second_debits: list[Booking] = []

    def takes(self, name: str, end_to_end_id: str, *, is_plain: bool = True) -> bool:
        """Whether this payment is meant; it will not be meant again. A number means only plain
        payments, those that nothing else happens to; a name means that payment in any case."""
        names = self._names.get(name)
        if names is not None:
            if end_to_end_id not in names:
                return False
            names.remove(end_to_end_id)
            return True
        if self._left[name] <= 0 or not is_plain:
            return False
        self._left[name] -= 1
        return True

    def named(self, name: str) -> list[str]:
        """Ids asked for by name that were not among today's; they may be of an earlier day."""
        return list(self._names.get(name, ()))

    def found(self, name: str, end_to_end_id: str) -> None:
        """Strike off an id that was found among earlier payments."""
        self._names[name].remove(end_to_end_id)

    def number(self, name: str) -> int:
        """How many were asked for by number; they count as done."""
        wanted = self._left.get(name, 0)
        self._left[name] = 0
        return wanted

    def settle(self) -> None:
        """Tell the settings what is left."""
        left: dict[str, Any] = {**self._left, **self._names}
        for name, asked in self._asked.items():
            if left[name] != asked:  # what was asked for meanwhile stands
                self._misbehaviour.used_up(name, left[name] or 0)
