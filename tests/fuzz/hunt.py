"""One hunt: libFuzzer, led by the coverage of the reference's Python, until time or a finding ends it.

`python -m tests.fuzz.hunt TARGET [libFuzzer's options] CORPUS…` in a process of its own, for
libFuzzer never returns. The kernels are compiled, hence not instrumented: what leads the hunt
is the Python of the reference readers and of what surrounds the kernels, and of every change
half is made by the target, which knows where the format is tender.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

CORE = Path(__file__).parents[2] / "paysvc" / "core"

# What Numba compiles has to stay the bytecode that Python made of it.
COMPILED = [f"paysvc.core.{one.stem}" for one in CORE.glob("*.py") if "@kernel" in one.read_text(encoding="utf-8")]

with atheris.instrument_imports(include=["paysvc"], exclude=COMPILED):
    from tests.fuzz.targets import TARGETS


def hunt(name: str, options: list[str]) -> None:
    target = TARGETS[name]
    for seed in target.seeds():
        # Kernels are compiled here, not within libFuzzer's time for one run.
        target.check(seed)

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        chosen = random.Random(seed)
        changed = target.mutate(content, chosen) if chosen.random() < 0.5 else atheris.Mutate(content, most)
        return changed[:most]

    atheris.Setup([name, *options], target.check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    hunt(sys.argv[1], sys.argv[2:])
