"""Faults of the kind that pays somebody twice or nobody at all, each built into the running service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """`apply` builds it into this process, `prepare` into a database; `sentence` is what is wrong."""

    name: str
    sentence: str
    apply: Patch = lambda patch: None
    drops: tuple[str, ...] = ()

    @contextmanager
    def built_in(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            self.apply(patch)
            yield

    def prepare(self, home: Path) -> None:
        from .model_office import raw

        with raw(home) as rows:
            for trigger in self.drops:
                rows.execute(f"DROP TRIGGER {trigger}")


NONE = Bug("", "nothing is wrong")
BUGS: dict[str, Bug] = {}
