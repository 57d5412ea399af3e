"""Every contender of every line on the same data; a wrong answer fails, a time never does.

Run by `./run bench`, which says what is measured (`benchmarks/plugin.py`).
"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Prepared
from benchmarks.plugin import Measurement, Plugin
from benchmarks.process import ContenderProcess


def test_contender(
    benchmark: BenchmarkFixture, measurement: Measurement, prepared: Prepared, server: str, plugin: Plugin
) -> None:
    case, size, contender = measurement
    folder, truth = prepared(case.data, size)
    rounds, before = plugin.wanted.rounds_of(contender, size)
    with ContenderProcess(contender.where, folder, server) as process:
        benchmark.pedantic(
            process.ask,
            args=("round",),
            setup=lambda: process.ask("prepare"),
            rounds=rounds,
            warmup_rounds=before,
        )
        memory, answer = process.ask("memory"), process.ask("answer")
    if contender.is_floor:
        assert answer["bytes"] == truth.get("bytes", answer["bytes"])
    else:
        assert answer == truth[case.key]
    size_in_bytes = truth.get("bytes", answer["bytes"] if contender.is_floor else 0)
    plugin.record(measurement, truth["rows"], size_in_bytes, list(benchmark.stats.stats.data), memory)
