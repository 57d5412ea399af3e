"""One byte form for one meaning."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.domain.canonical import canonical_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_it_reads_back_and_writes_again_the_same(value: object) -> None:
    try:
        written = canonical_json(value)
    except UnicodeEncodeError:
        return  # a lone surrogate has no UTF-8 form and no meaning
    assert json.loads(written) == value
    assert canonical_json(json.loads(written)) == written


def test_keys_are_sorted_by_utf16_as_rfc_8785_says() -> None:
    # U+1F600 is D83D DE00 in UTF-16 and sorts before U+FB33, though its code point is larger.
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [1.0, {"a": 0.5}, 2**53, {1: "a"}, b"bytes", {"a", "b"}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_json(value)
