"""Stages of the demo: a bar while one runs, its seconds afterwards, the peak of memory at the end."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from paysvc.domain.progress import Progress

#: Opens a progress bar under a title; the command line brings its own.
OpenBar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(slots=True)
class Stages:
    """Seconds per stage, in the order in which they ran."""

    open_bar: OpenBar
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """One stage; a title that comes again adds to its seconds."""
        started = time.perf_counter()
        with self.open_bar(title) as progress:
            yield progress
        self.seconds[title] = self.seconds.get(title, 0.0) + time.perf_counter() - started

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


def peak_memory_bytes() -> int:
    """The most memory this process has held, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
