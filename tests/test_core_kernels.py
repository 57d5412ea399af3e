"""The kernels of join and tally against the plain forms: the same rows, sums, texts and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.core import join_kernels, tally_kernels, verdicts
from paysvc.core.columns import EntryColumns, SentColumns
from paysvc.core.join import Keys, by_dictionary, by_kernel
from paysvc.core.join_kernels import HashTable, Numbered, index
from paysvc.core.text_column import CategoryColumn, TextColumn
from paysvc.core.verdicts import TallyColumns, totals_by_group
from tests.with_bounds import run_with_bounds

MANY = 60_000

#: Few letters, so that texts are often alike, or alike for a while.
_texts = st.one_of(
    st.text("A0đ", max_size=3),
    st.builds("{}{:04}".format, st.sampled_from(["", "P", "PS20261121-"]), st.integers(0, 40)),
    st.builds("{}{}".format, st.just("X" * 31), st.text("01Y", max_size=4)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_texts, unique=True, max_size=30), st.lists(_texts, max_size=40))
def test_references_are_found_as_by_a_dictionary(keys: list[str], others: list[str]) -> None:
    texts, references = TextColumn.of(keys), TextColumn.of(keys[::2] + others)
    plain, compiled = by_dictionary(texts), by_kernel(texts)
    assert plain is not None
    assert compiled is not None
    assert compiled(references).tolist() == plain(references).tolist()


@settings(deadline=None)
@given(st.lists(_texts, min_size=1, max_size=20), st.integers(0))
def test_a_key_that_occurs_twice_is_noticed(keys: list[str], chosen: int) -> None:
    texts = TextColumn.of([*keys, keys[chosen % len(keys)]])
    assert by_dictionary(texts) is None
    assert by_kernel(texts) is None


#: Numbers as they may be given out: one after the other, from the last on, and with gaps.
NUMBERED: dict[str, tuple[Callable[[Sequence[int]], Sequence[int]], int | None]] = {
    "in order": (lambda numbers: numbers, 0),
    "backwards": (lambda numbers: numbers[::-1], None),
    "with gaps": (lambda numbers: [3 * number for number in numbers[: len(numbers) // 3 + 1]], None),
    "but for the last two": (lambda numbers: [*numbers[:-2], numbers[-1], numbers[-2]], None),
}


@pytest.mark.parametrize("given", NUMBERED)
@pytest.mark.parametrize("width", [1, 8, 9, 16, 17, 24, 35])
def test_numbered_keys_are_found_by_number_and_nothing_else_is(width: int, given: str) -> None:
    arrange, rows_kept = NUMBERED[given]
    # From 9 digits on the part before the last eight changes in the middle.
    first = 0 if width < 9 else 10**8 - 25_000
    count = min(9, 10**width) if width < 3 else 50_000
    keys = [f"{number:0{width}}" for number in arrange(range(first, first + count)) if len(str(number)) <= width]
    table = index(TextColumn.of(keys))
    assert isinstance(table, Numbered)
    assert rows_kept is None or len(table.rows) == rows_kept
    strange = [
        keys[1] + "0",
        keys[1][:-1],
        keys[1][:-1] + "x",
        "/" + keys[1][1:],
        "-1",
        keys[1][:-1] + " ",
        ":" * width,
        keys[0][:-1] + ":",
        "x" + keys[0][1:],
    ]
    mixed = [one for pair in zip(keys[::-1], (strange * len(keys))[: len(keys)], strict=True) for one in pair]
    found = join_kernels.find(table, TextColumn.of(mixed))
    assert found.tolist() == [one for row in range(len(keys))[::-1] for one in (row, -1)]


@pytest.mark.parametrize("keys", [["A1", "A2", "B3"], ["1", "22"], ["A", "B"], ["9" * 16, "0" * 16], ["", "1"], ["1x"]])
def test_keys_that_were_not_numbered_densely_are_hashed(keys: list[str]) -> None:
    assert isinstance(index(TextColumn.of(keys)), HashTable)


def adversarial(count: int) -> list[str]:
    """Texts that simple hashes cannot tell apart: the same bytes, the same ends, the same sums."""
    middle = [f"{number:08x}" for number in range(count)]
    swapped = [f"AB{one[::-1]}BA" if number % 2 else f"BA{one[::-1]}AB" for number, one in enumerate(middle)]
    return [f"SAMESAME{one}SAMESAME" for one in middle] + swapped + [one * 4 for one in middle]


def test_many_texts_that_are_nearly_alike_are_told_apart_on_two_threads() -> None:
    keys = adversarial(MANY // 2)
    chosen = np.random.default_rng(5).permutation(len(keys))
    texts = TextColumn.of(keys)
    references = TextColumn.of([keys[at] for at in chosen] + [key[:-1] for key in keys[:1_000]])
    assert Keys.of(texts).find(references).tolist() == [*chosen.tolist(), *([-1] * 1_000)]
    table = index(texts)
    assert isinstance(table, HashTable)
    # Half full at most, and evenly: no chosen text makes a long run.
    taken = np.flatnonzero(table.places)
    runs = np.diff(np.flatnonzero(np.diff(taken) != 1))
    assert runs.max() < 200
    with pytest.raises(ValueError, match="2 key"):
        Keys.of(TextColumn.of([*keys, keys[7], keys[-7]]))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 15, 16, 17])
def test_a_search_among_keys_that_fell_close_together_comes_to_an_end(count: int) -> None:
    # Of texts drawn until there are enough, those whose hashes end in a zero where any table looks.
    drawn = TextColumn.of([f"{number} drawn" for number in range(40_000)])
    close = np.flatnonzero(join_kernels._hashes(drawn)[0] & np.uint64(0b111111) == 0)
    assert len(close) > 2 * count
    table = index(drawn.take(close[:count]))
    assert isinstance(table, HashTable)
    # Without an empty place in each half, a search for what is not there never ends: look before searching.
    assert np.all(np.any(table.places.reshape(2, -1) == 0, axis=1))
    assert join_kernels.find(table, drawn.take(close)).tolist() == [*range(count), *([-1] * (len(close) - count))]


def test_a_hash_leads_to_a_row_and_the_whole_key_decides() -> None:
    # Of two million texts some thirty pairs share what a place keeps of a hash, and the place as well.
    drawn = TextColumn.of([f"{number:07} drawn" for number in range(2_000_000)])
    hashes, _ = join_kernels._hashes(drawn)
    kept = ((hashes >> np.uint64(32)) << np.uint64(4)) | (hashes & np.uint64(0b1111))
    order = np.argsort(kept, kind="stable")
    pairs = np.flatnonzero(np.diff(kept[order]) == 0)
    assert len(pairs) > 3
    for one, other in zip(order[pairs].tolist(), order[pairs + 1].tolist(), strict=True):
        table, looked_for = index(drawn.take([one])), drawn.take([other, one, other])
        assert isinstance(table, HashTable)
        assert join_kernels.find(table, looked_for).tolist() == [-1, 0, -1]
        both = index(drawn.take([other, one]))
        assert isinstance(both, HashTable)
        assert join_kernels.find(both, looked_for).tolist() == [0, 1, 0]


_entries = st.lists(
    st.tuples(
        st.integers(-1, 4),
        st.sampled_from([0, 1, 500, 10**13]),
        st.booleans(),
        st.sampled_from(["VND", "USD", ""]),
        st.sampled_from([0, 0, 0, 1, 3]),
        st.sampled_from(["", "AC04", "AC0", "MD07", "Lý do riêng"]),
        st.sampled_from(["", "FT1", "FT10", "FT0", "RT"]),
    ),
    max_size=25,
)


def _sent(amounts: list[int], currencies: list[str]) -> SentColumns:
    no, known = CategoryColumn.repeat("", len(amounts)), CategoryColumn.of(TextColumn.of(currencies))
    keys = TextColumn.of([f"P{number}" for number in range(len(amounts))])
    return SentColumns(keys, np.array(amounts, dtype=np.int64), known, no, no)


def _columns(rows: list[tuple[int, int, bool, str, int, str, str]]) -> tuple[EntryColumns, np.ndarray]:
    at, amount, is_debit, currency, status, reason, own = zip(*rows, strict=True) if rows else ((),) * 7
    empty = TextColumn.repeat("", len(rows))
    numbers = np.arange(1, len(rows) + 1, dtype=np.int32)
    entries = EntryColumns(
        empty,
        np.array(amount, dtype=np.int64),
        TextColumn.of(currency),
        np.array(is_debit, dtype=np.bool_),
        np.array(status, dtype=np.uint8),
        TextColumn.of(reason),
        TextColumn.of(own),
        numbers,
        empty,
    )
    return entries, np.array(at, dtype=np.int64)


def _same(one: TallyColumns, other: TallyColumns) -> None:
    for mine, yours in zip(one.columns(), other.columns(), strict=True):
        assert list(mine) == list(yours)


@settings(max_examples=400, deadline=None)
@given(
    _entries,
    st.lists(st.tuples(st.sampled_from([1, 500]), st.sampled_from(["VND", "USD"])), min_size=5, max_size=5),
    st.lists(st.integers(0, 4), max_size=9),
)
def test_entries_are_added_up_as_by_columns(
    rows: list[tuple[int, int, bool, str, int, str, str]], payments: list[tuple[int, str]], asked: list[int]
) -> None:
    sent = _sent([amount for amount, _ in payments], [currency for _, currency in payments])
    plain, compiled = verdicts._PlainRows(sent), tally_kernels.Rows(sent)
    for begin in range(0, len(rows), 7):
        piece = _columns(rows[begin : begin + 7])
        plain.add(*piece)
        compiled.add(*piece)
    for chosen in (np.arange(5), np.array(asked, np.int64)):
        _same(TallyColumns(*plain.of(chosen)), TallyColumns(*compiled.of(chosen)))
    assert plain.total == compiled.total
    found, refused = TallyColumns(*plain.of(np.arange(5))), np.array([True, False, True, False, True])
    outcomes, kinds = verdicts._judge(found, refused)
    again = tally_kernels.judge(tuple(found.columns()[:6]), refused)
    assert (outcomes.tolist(), kinds.tolist()) == (again[0].tolist(), again[1].tolist())


def test_many_entries_on_two_threads_give_what_columns_give() -> None:
    chosen = np.random.default_rng(11)
    sent = _sent(chosen.choice([100, 200], MANY).tolist(), ["VND"] * (MANY - 5) + ["USD"] * 5)
    rows = [
        (int(at), int(amount), bool(debit), "VND" if currency else "EUR", int(status), reason, f"FT{own}")
        for at, amount, debit, currency, status, reason, own in zip(
            chosen.integers(-1, MANY, 2 * MANY),
            chosen.choice([100, 200, 2**40], 2 * MANY),
            chosen.random(2 * MANY) < 0.8,
            chosen.random(2 * MANY) < 0.99,
            chosen.random(2 * MANY) < 0.05,
            chosen.choice(["", "", "AC04", "MD07"], 2 * MANY).tolist(),
            chosen.integers(0, 99, 2 * MANY),
            strict=True,
        )
    ]
    entries, positions = _columns(rows)
    plain = verdicts._PlainRows(sent)
    plain.add(entries, positions)
    expected = TallyColumns(*plain.of(np.arange(MANY)))
    booked = verdicts.Tally(sent)
    booked.add(entries, positions)
    found = booked.columns()
    _same(found, expected)
    mixed = chosen.permutation(MANY)[: MANY * 3 // 4]
    _same(booked.of(mixed), expected.take(mixed))
    for rows in (range(7, 9), range(MANY // 3, 2 * MANY // 3), range(MANY - 5, MANY), range(3, 3)):
        _same(booked.of(rows), expected.take(np.asarray(rows, dtype=np.int64)))
    refused = chosen.random(MANY) < 0.1
    outcomes, kinds = verdicts.judge(found, refused)
    by_columns = verdicts._judge(expected, refused)
    assert np.array_equal(outcomes, by_columns[0])
    assert np.array_equal(kinds, by_columns[1])
    groups = chosen.integers(0, 3, MANY).astype(np.int32)
    for group, figures in enumerate(totals_by_group(outcomes, sent.amount_vnd, groups, 3)):
        for code, outcome in enumerate(verdicts.OUTCOMES):
            there = sent.amount_vnd[(groups == group) & (outcomes == code)]
            assert figures[outcome] == (len(there), int(there.sum()))


def test_sums_past_sixty_four_bits_are_refused_and_not_wrapped() -> None:
    sent = _sent([1] * MANY, ["VND"] * MANY)
    entries, positions = _columns([(0, 2**62, True, "VND", 0, "", "")] * 4)
    with pytest.raises(ValueError, match="beyond every ledger"):
        verdicts.tally(sent, entries, positions)


@pytest.mark.slow
def test_no_kernel_of_the_join_leaves_its_arrays() -> None:
    """All of this again with every index checked."""
    run_with_bounds(__file__, "not arrays")
