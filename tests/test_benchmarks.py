"""What the benchmarks are made of: references that collide, and a truth that nothing of the core has told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import ours
from benchmarks.files import camt_truth, entries_truth, write_camt053, write_mt940, write_pain002
from benchmarks.lines import OURS, OURS_AGAIN, Contender, cases
from benchmarks.order import make_payments, save, write_order
from benchmarks.peers.verdict_dict import Dictionary
from benchmarks.plugin import Wanted
from benchmarks.references import KINDS, make_references
from benchmarks.table import Result, as_markdown
from benchmarks.world import make_world, verdict_truth
from paysvc.core.proof import problems_of

COUNT = 3_000


def fnv_1a(text: bytes) -> int:
    state = 0xCBF29CE484222325
    for byte in text:
        state = ((state ^ byte) * 0x100000001B3) % (1 << 64)
    return state


def polynomial(text: bytes) -> int:
    state = 0
    for byte in text:
        state = (state * 31 + byte) % (1 << 64)
    return state


def texts(kind: str, count: int = COUNT) -> list[bytes]:
    return [row.tobytes() for row in make_references(kind, count, np.random.default_rng(7))]


@pytest.mark.parametrize("kind", KINDS)
def test_references_are_all_different(kind: str) -> None:
    assert len(set(texts(kind))) == COUNT


def test_adversarial_references_collide_as_they_are_said_to() -> None:
    found = texts("adversarial")
    by_fnv, by_polynomial, by_ends = ([one for one in found if one[:1] == head] for head in (b"F", b"Q", b"S"))
    assert [len(by_fnv), len(by_polynomial), len(by_ends)] == [COUNT // 3] * 3
    assert {fnv_1a(one) & 0xFFFF for one in by_fnv} == {0}
    assert {polynomial(one) & 0xFFFF for one in by_polynomial} == {0}
    assert {(one[:8], one[-8:]) for one in by_ends} == {(b"SAMEHEAD", b"SAMETAIL")}


@pytest.mark.parametrize("percent", [0, 2, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_the_core_and_a_dictionary_find_what_the_stories_say(tmp_path: Path, kind: str, percent: int) -> None:
    made = make_world(COUNT, percent, kind)
    made.world.save(tmp_path)
    for contender in (Dictionary(tmp_path, ""), ours.Join(tmp_path, "")):
        assert contender.answer(contender.work()) == verdict_truth(made)


def test_one_wrong_entry_is_another_answer(tmp_path: Path) -> None:
    made = make_world(COUNT, 2, "issued")
    made.world.entry_amount[7] += 1
    made.world.save(tmp_path)
    contender = Dictionary(tmp_path, "")
    assert contender.answer(contender.work()) != verdict_truth(made)


@pytest.mark.parametrize("shape", ["full", "compact"])
def test_a_statement_says_what_was_made(tmp_path: Path, shape: str) -> None:
    made = make_world(COUNT, 20, "foreign")
    write_camt053(made, tmp_path / "file.xml", shape)
    contender = ours.Camt053(tmp_path, "")
    statement = contender.work()
    assert contender.answer(statement) == camt_truth(made)
    assert problems_of(statement) == []


def test_account_lines_say_what_was_made(tmp_path: Path) -> None:
    made = make_world(COUNT, 20, "issued", is_iso=False)
    write_mt940(made, tmp_path / "file.sta")
    contender = ours.Mt940(tmp_path, "")
    assert contender.answer(contender.work()) == entries_truth(made)


def test_format_strings_and_the_core_write_the_same_order(tmp_path: Path) -> None:
    payments = make_payments(COUNT)
    save(payments, tmp_path)
    truth = write_order(payments, tmp_path / "file.xml")
    contender = ours.Order(tmp_path, "")
    assert contender.answer(contender.work()) == truth


def test_a_status_report_says_what_was_made(tmp_path: Path) -> None:
    truth = write_pain002(COUNT, tmp_path / "file.xml")
    for contender in (ours.Status(tmp_path, ""), ours.StatusByParser(tmp_path, "")):
        assert contender.answer(contender.work()) == truth


def test_who_takes_long_works_fewer_rounds_and_who_takes_too_long_none() -> None:
    slow = Contender("slow", "", per_million=30)
    assert [slow.rounds(size) for size in (10**5, 10**6)] == [(5, 1), (3, 0)]
    assert [slow.is_run_at(size) for size in (10**6, 10**7)] == [True, False]


def test_the_quick_run_has_every_kind_of_reference_and_every_share() -> None:
    wanted = Wanted(lines=("join",), ids=KINDS, percents=(0, 2, 20), is_quick=True)
    variants = {one.case.variant for one in wanted.measurements()}
    assert {variant.split(",")[0] for variant in variants} == set(KINDS)
    assert {variant.split(", ")[1] for variant in variants} == {"0 %", "2 %", "20 %"}
    assert len(variants) == len(KINDS)
    assert len(cases(["join"], [("dense", 2)])) == 1


def test_the_table_compares_with_the_core_before_and_after_the_others() -> None:
    def result(contender: str, *seconds: float, is_floor: bool = False) -> Result:
        shared = {"key": "camt", "line": "camt.053", "variant": "full", "size": 10**6, "rows": 10, "bytes": 1000}
        return Result(
            **shared, contender=contender, is_floor=is_floor, seconds=list(seconds), base=10**6, peak=2 * 10**6
        )

    text = as_markdown(
        [
            result("read the bytes once", 0.5, is_floor=True),
            result(OURS, 1.0, 1.0),
            result("lxml.iterparse", 60.0),
            result(OURS_AGAIN, 2.0, 3.0, 4.0),
        ],
        ["a machine"],
    )
    # The median of 1, 1, 2, 3 and 4 is 2.
    assert "| camt.053 (full) | 10 | lxml.iterparse | 2.000 | 60.0 | **30.0×** | 50× |" in text
    assert "| lxml.iterparse | 1 | 60.0 | 60.0 | 0 | 30 | 120 | 2 (1) |" in text
