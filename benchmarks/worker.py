"""One contender in a process of its own: `python -m benchmarks.worker MODULE:CLASS FOLDER URL`.

The parent writes one word a line and gets one line of JSON for each: `prepare`, `round`,
`memory`, `answer`. What is timed is the time between the word `round` and its answer; the two
pipes cost some 50 microseconds of it. Garbage collection is off while a round runs, as `timeit`
has it: it is to the peers' advantage, who make objects by the million.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> bool:
    """Let the kernel count this process's peak from now on; whether it can."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def memory(name: str) -> int:
    """`VmHWM` (peak) or `VmRSS` (now) of this process in bytes; where there is no /proc, the peak ever."""
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


class _Process:
    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._result: Any = None
        gc.collect()
        gc.freeze()
        self._base = memory("VmRSS")
        forget_peak()

    def prepare(self) -> None:
        # Taking the last round's result apart is nobody's work.
        self._result = None
        gc.collect()
        self._contender.prepare()

    def round(self) -> None:
        gc.disable()
        self._result = self._contender.work()
        gc.enable()

    def memory(self) -> dict[str, int]:
        return {"base": self._base, "peak": memory("VmHWM")}

    def answer(self) -> dict[str, Any]:
        return self._contender.answer(self._result)


def main(where: str, folder: str, url: str) -> None:
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, name = where.split(":")
    process = _Process(getattr(importlib.import_module(module), name)(Path(folder), url))
    print("null", file=answers)
    for line in sys.stdin:
        print(json.dumps(getattr(process, line.strip())()), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
