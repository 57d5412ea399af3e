"""Columns of text and the join do what lists and dictionaries of the same texts do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.core.columns import SentColumns, concatenate, drained
from paysvc.core.join import Keys, find_positions
from paysvc.core.row_writer import write_rows
from paysvc.core.text_column import CategoryColumn, TextColumn

# Few letters and short texts, so that equal ones, empty ones and equal lengths are frequent; NUL,
# because a fixed-width form would lose it; a letter of three bytes.
_TEXT = st.text("ab\0ạ", max_size=4)
_TEXTS = st.lists(_TEXT, max_size=12)
_SAME_WIDTH = st.lists(st.text("ab", min_size=2, max_size=2), max_size=12)
_ANY = _TEXTS | _SAME_WIDTH


@given(_ANY)
def test_a_column_gives_back_what_it_was_made_of(texts: list[str]) -> None:
    column = TextColumn.of(texts)
    assert column.to_list() == texts
    assert column.to_bytes_list() == [text.encode() for text in texts]
    assert column.lengths.tolist() == [len(text.encode()) for text in texts]
    assert column == TextColumn.of_bytes([text.encode() for text in texts])


@given(_ANY, _ANY)
def test_columns_are_equal_when_their_texts_are(left: list[str], right: list[str]) -> None:
    assert (TextColumn.of(left) == TextColumn.of(right)) is (left == right)
    count = min(len(left), len(right))
    same = TextColumn.of(left[:count]).is_same(TextColumn.of(right[:count]))
    assert same.tolist() == [one == other for one, other in zip(left, right, strict=False)]


@given(_ANY, st.data())
def test_taking_and_picking_are_indexing(texts: list[str], data: st.DataObject) -> None:
    column, count = TextColumn.of(texts), len(texts)
    places = data.draw(st.lists(st.integers(-count, count - 1), max_size=12)) if count else []
    assert column.take(places).to_list() == [texts[place] for place in places]
    picks = [max(place, -1) for place in places]
    picked = column.pick(np.array(picks, np.int64))
    assert picked.to_list() == [texts[place] if place >= 0 else "" for place in picks]


def test_a_position_beyond_the_end_is_an_error() -> None:
    with pytest.raises(IndexError):
        TextColumn.of(["a"]).take([1])


@given(_ANY, _TEXT, st.lists(_TEXT, max_size=3))
def test_texts_are_found_by_value(texts: list[str], value: str, several: list[str]) -> None:
    column = TextColumn.of(texts)
    assert column.is_equal(value).tolist() == [text == value for text in texts]
    assert column.is_in(several).tolist() == [text in several for text in texts]


@given(_ANY)
def test_letters_are_looked_at_all_together(texts: list[str]) -> None:
    assert TextColumn.of(texts).holds_only(b"ab") is (set("".join(texts)) <= set("ab"))


@given(_ANY)
def test_categories_are_the_different_texts(texts: list[str]) -> None:
    different, codes = TextColumn.of(texts).categories()
    assert sorted(different) == sorted(set(texts))
    assert different.take(codes).to_list() == texts


@given(st.lists(_TEXTS, min_size=1, max_size=4), _TEXT, st.data())
def test_few_texts_in_many_rows_are_the_same_column(parts: list[list[str]], value: str, data: st.DataObject) -> None:
    texts = [text for part in parts for text in part]
    column = CategoryColumn.joined([CategoryColumn.of(TextColumn.of(part)) for part in parts])
    assert column.to_list() == texts
    assert column.to_text() == TextColumn.of(texts)
    assert sorted(column.texts) == sorted(set(texts))
    assert column == CategoryColumn.of(TextColumn.of(texts))
    assert column != CategoryColumn.of(TextColumn.of([*texts, value]))
    assert column.is_equal(value).tolist() == [text == value for text in texts]
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(texts)), st.integers(0, len(texts)))))
    assert column.part(begin, end).to_list() == texts[begin:end]
    places = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)) if texts else []
    assert column.take(places).to_list() == [texts[place] for place in places]
    assert CategoryColumn.repeat(value, 3).to_list() == [value] * 3


@given(st.lists(_TEXTS, min_size=1, max_size=4))
def test_draining_bundles_joins_them_and_lets_them_go(parts: list[list[str]]) -> None:
    def bundle(texts: list[str]) -> SentColumns:
        column = TextColumn.of(texts)
        few = CategoryColumn.of(column)
        return SentColumns(column, column.lengths, few, few, few)

    bundles = list(map(bundle, parts))
    expected = concatenate(bundles)
    found = drained(bundles)
    assert bundles == []
    assert found.columns()[2:] == expected.columns()[2:]
    assert found.end_to_end_id.to_list() == [text for part in parts for text in part]
    assert found.amount_vnd.tolist() == expected.amount_vnd.tolist()


@pytest.fixture
def one_number_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst that the numbers of texts can do."""
    monkeypatch.setattr(TextColumn, "hashes", lambda column: np.zeros(len(column), np.uint64))


@pytest.mark.usefixtures("one_number_for_all")
def test_texts_with_one_number_are_still_told_apart() -> None:
    column = TextColumn.of(["a", "b", "a", ""])
    different, codes = column.categories()
    assert sorted(different) == ["", "a", "b"]
    assert different.take(codes) == column
    assert find_positions(TextColumn.of(["a", "b"]), TextColumn.of(["b", "", "c", "a"])).tolist() == [1, -1, -1, 0]
    with pytest.raises(ValueError, match="1 key"):
        Keys.of(column)


def _by_dictionary(keys: list[str], references: list[str]) -> list[int]:
    rows = {key: row for row, key in enumerate(keys) if key}
    return [rows.get(reference, -1) for reference in references]


@given(st.lists(_TEXT, unique=True, max_size=12), _ANY)
def test_the_join_is_a_dictionary(keys: list[str], references: list[str]) -> None:
    found = find_positions(TextColumn.of(keys), TextColumn.of(references))
    assert found.tolist() == _by_dictionary(keys, references)


@given(_ANY)
def test_a_key_that_occurs_twice_is_refused(keys: list[str]) -> None:
    if len(set(keys)) == len(keys):
        Keys.of(TextColumn.of(keys))
    else:
        with pytest.raises(ValueError, match=f"{len(keys) - len(set(keys))} key"):
            Keys.of(TextColumn.of(keys))


@given(_ANY, _ANY, st.binary(max_size=3), st.binary(max_size=3))
def test_rows_are_written_one_behind_the_other(left: list[str], right: list[str], between: bytes, end: bytes) -> None:
    count = min(len(left), len(right))
    pieces = [TextColumn.of(left[:count]), between, TextColumn.of(right[:count]), end]
    rows = zip(left[:count], right[:count], strict=True)
    expected = b"".join(one.encode() + between + other.encode() + end for one, other in rows)
    assert write_rows(pieces, count).tobytes() == expected
