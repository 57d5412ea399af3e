"""Names as registers and banks write them: case by case, then as properties."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc.core.name_pairs import COLUMNS_FROM, compare_pairs
from paysvc.domain.names import NameLevel, NameRule, base_name, compare_names

#: (one side, the other, level, rule that decided); "close" means that a person looks at it.
CASES = [
    # The same text, whatever the keyboard, the case and the spaces.
    ("Nguyễn Thị Hoà", "Nguyễn Thị Hoà", "exact", "same_text"),
    ("Nguyễn Thị Đặng Hoà", unicodedata.normalize("NFD", "Nguyễn Thị Đặng Hoà"), "exact", "same_text"),
    ("NGUYỄN THỊ HOÀ", "Nguyễn Thị Hoà", "exact", "same_text"),
    ("  Nguyễn\tThị   Hoà ", "Nguyễn Thị Hoà", "exact", "same_text"),
    ("Nguyễn\u00a0Thị\u3000Hoà", "Nguyễn Thị Hoà", "exact", "same_text"),
    ("Nguyễn\u200b Thị Hoà\ufeff", "Nguyễn Thị Hoà", "exact", "same_text"),
    ("ＮＧＵＹＥＮ ＶＡＮ ＡＮ", "NGUYEN VAN AN", "exact", "same_text"),
    ("NGUYEN THI HOA", "nguyen thi hoa", "exact", "same_text"),
    ("Lô", "LÔ", "exact", "same_text"),
    ("Y", "Y", "exact", "same_text"),
    # Look-alike letters and apostrophes.
    ("Ðặng Thị Ðào", "Đặng Thị Đào", "match", "written_form"),
    ("ðinh văn đạt", "Đinh Văn Đạt", "match", "written_form"),
    ("Ɖinh Văn Đạt", "Đinh Văn Đạt", "match", "written_form"),
    ("K'Brể", "K’Brể", "match", "written_form"),
    ("K'Brể", "KʼBrể", "match", "written_form"),
    ("K'Brể", "K Brể", "match", "written_form"),
    ("K´Brể", "K'Brể", "match", "written_form"),
    ("H'Bia Niê", "H-Bia Niê", "match", "written_form"),
    ("NGUYEN VAN AN.", "NGUYEN VAN AN", "match", "written_form"),
    # The tone mark at the other vowel.
    ("Nguyễn Thị Hoà", "Nguyễn Thị Hòa", "match", "tone_place"),
    ("Lê Thuý", "Lê Thúy", "match", "tone_place"),
    ("Trần Ngọc Quý", "Trần Ngọc Qúy", "match", "tone_place"),
    ("Hồ Khuỷu", "Hồ Khủyu", "match", "tone_place"),
    ("Hồ Khuỷu", "Hồ Khuyủ", "match", "tone_place"),
    ("Lê Toàn Thuỵ", "Lê Tòan Thụy", "match", "tone_place"),
    ("Võ Thị Già", "Võ Thị Gìa", "match", "tone_place"),
    ("Phạm Huỳnh Hoè", "Phạm Hùynh Hòe", "match", "tone_place"),
    # One side without accents: they cannot be compared.
    ("Nguyễn Thị Hoà", "NGUYEN THI HOA", "match", "accents_not_comparable"),
    ("Đặng Đình Đông", "DANG DINH DONG", "match", "accents_not_comparable"),
    ("Ðặng Đình Đông", "DANG DINH DONG", "match", "accents_not_comparable"),
    ("K'Brể", "K BRE", "match", "accents_not_comparable"),
    ("Xồng Bá Và", "XONG BA VA", "match", "accents_not_comparable"),
    ("Lầu", "LAU", "match", "accents_not_comparable"),
    ("Đ", "D", "match", "accents_not_comparable"),
    ("Trần Thị Khuỷu", "tran thi khuyu", "match", "accents_not_comparable"),
    # i for y where it is one sound.
    ("Lý Văn Hải", "Lí Văn Hải", "close", "i_or_y"),
    ("Nguyễn Mỹ Linh", "Nguyễn Mĩ Linh", "close", "i_or_y"),
    ("Trần Quý", "Trần Quí", "close", "i_or_y"),
    ("Trần Quý", "TRAN QUI", "close", "i_or_y"),
    ("Lê Quỳnh", "Lê Quình", "close", "i_or_y"),
    ("LY THI VY", "LI THI VI", "close", "i_or_y"),
    ("Trần Huy", "Trần Hui", "mismatch", "different_words"),
    ("Lê Hay", "LE HAI", "mismatch", "different_words"),
    # Another order, other spacing.
    ("Nguyễn Thị Hoà", "Hoà Nguyễn Thị", "close", "order"),
    ("Nguyễn Thị Hoà", "HOA NGUYEN THI", "close", "order"),
    ("Y Bham Niê", "Niê Y Bham", "close", "order"),
    ("K'Brể", "KBRE", "close", "spacing"),
    ("Nguyễn Thị Hoà", "Nguyễn ThịHoà", "close", "spacing"),
    # Cut at a field limit, with two whole tokens left.
    ("Nguyễn Hoàng Thị Phương Thảo", "NGUYEN HOANG THI PHUONG T", "close", "truncated"),
    ("Nguyễn Hoàng Thị Phương Thảo", "Nguyễn Hoàng Thị Phương T", "close", "truncated"),
    ("Công Tằng Tôn Nữ Minh Nguyệt Ánh", "CONG TANG TON NU MINH", "mismatch", "different_words"),
    ("Công Tằng Tôn Nữ Minh Anh", "CONG TANG TON NU MIN", "close", "truncated"),
    ("Tôn Nữ Thị Ngọc Hoàng Anh", "TON NU THI NGOC HOANG", "mismatch", "different_words"),
    ("Tôn Nữ Thị Ngọc Khánh Anh", "TON NU THI NGOC KHAN", "close", "truncated"),
    ("Tôn Nữ Thị Ngọc Hoan Anh", "TON NU THI NGOC HOAN", "close", "truncated"),
    ("Tôn Nữ Thị Ngọc Hoa Anh", "TON NU THI NGOC HOA", "close", "truncated"),
    ("Hoànganhtuấn Minhphương An", "HOANGANHTUAN MINHPHU", "mismatch", "different_words"),
    ("Nguyễn Thị Hoà", "NGUYEN THI", "mismatch", "different_words"),
    ("Abcdefghijklmnopqrstuvwxyz Hoà", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "mismatch", "different_words"),
    # One missing middle name.
    ("Nguyễn Thị Hoà", "Nguyễn Hoà", "close", "missing_middle_name"),
    ("Nguyễn Thị Ngọc Hoà", "NGUYEN NGOC HOA", "close", "missing_middle_name"),
    ("Nguyễn Thị Ngọc Hoà", "NGUYEN HOA", "mismatch", "different_words"),
    ("Nguyễn Thị Hoà", "Thị Hoà", "mismatch", "different_words"),
    ("Nguyễn Hoà", "Hoà", "mismatch", "different_words"),
    # One letter, in a token of four or more.
    ("Nguyễn Văn Thành", "Nguyễn Văn Thàn", "close", "one_letter"),
    ("Nguyễn Văn Thành", "NGUYEN VAN THANG", "close", "one_letter"),
    ("Nguyễn Văn Thành", "NGYEN VAN THANH", "close", "one_letter"),
    ("Nguyễn Văn Nam", "NGUYEN VAN NAN", "mismatch", "different_words"),
    ("Nguyễn Văn Hoàn", "NGUYEN VAN HOA", "mismatch", "different_words"),
    ("Nguyễn Văn Thành", "NGUYE VAN THANG", "mismatch", "different_words"),
    ("Nguyễn Văn Thành", "Nguyễn Văn Thằng", "mismatch", "different_words"),
    # Titles, and remarks in brackets.
    ("Nguyễn Thị Hoà", "NGUYEN THI HOA (ME)", "close", "title_or_remark"),
    ("Nguyễn Thị Hoà", "Nguyễn Thị Hòa [con liệt sĩ]", "close", "title_or_remark"),
    ("Nguyễn Thị Hoà", "NGUYEN THI HOA (CON LIET S", "close", "title_or_remark"),
    ("Nguyễn Thị Hoà", "BA NGUYEN THI HOA", "close", "title_or_remark"),
    ("Nguyễn Văn An", "Ông Nguyễn Văn An", "close", "title_or_remark"),
    ("Ông Nguyễn Văn An", "Bà Nguyễn Văn An", "close", "title_or_remark"),
    ("Nguyễn Thị Hoà", "NGUYEN THI HUE (ME)", "mismatch", "different_words"),
    ("Nguyễn Thị Hoa Me", "NGUYEN THI HOA (ME)", "mismatch", "different_words"),
    ("Bá Hoà", "HOA", "mismatch", "different_words"),
    # Both accented: another accent is another name.
    ("Nguyễn Thị Hoa", "Nguyễn Thị Hòa", "mismatch", "different_accents"),
    ("Nguyễn Thị Hoà", "Nguyễn Thị Hoá", "mismatch", "different_accents"),
    ("Nguyễn Thị Hoa", "Nguyễn Thị Hoá", "mismatch", "different_accents"),
    ("Lê Đung", "Lê Dung", "mismatch", "different_accents"),
    ("Nguyễn Thị Hoà", "Nguyên Thị Hoà", "mismatch", "different_accents"),
    ("Nguyễn Văn Hương", "Nguyễn Văn Hưong", "mismatch", "different_accents"),
    # Other people, some with the same surname or the same given name.
    ("Hồ Thị Hoa", "Hồ Thị Mai", "mismatch", "different_words"),
    ("Trần Thị Hoa", "Phạm Thị Hoa", "mismatch", "different_words"),
    ("Vừ", "Và", "mismatch", "different_words"),
    ("Lê An", "Lê Ẩn", "mismatch", "different_accents"),
    ("(Hoà)", "HOA", "match", "accents_not_comparable"),
    (":\u0300(0", ":\u0300(0", "exact", "same_text"),
    # No name at all agrees with nothing.
    (":\u0300", ":\u0300", "mismatch", "no_name"),
    ("", "", "mismatch", "no_name"),
    ("...", "...", "mismatch", "no_name"),
    ("Nguyễn Văn An", " ", "mismatch", "no_name"),
]


@pytest.mark.parametrize(("one", "other", "level", "rule"), CASES)
def test_a_pair_has_its_level_and_says_which_rule_decided(one: str, other: str, level: str, rule: str) -> None:
    assert compare_names(one, other) == (level, rule)
    assert compare_names(other, one) == (level, rule)


def test_pairs_in_columns_have_the_same_answers() -> None:
    cases = CASES * (1 + COLUMNS_FROM // len(CASES))
    one, other = [case[0] for case in cases], [case[1] for case in cases]
    assert compare_pairs(one, other) == [(level, rule) for _, _, level, rule in cases]
    assert compare_pairs([], []) == []
    with pytest.raises(ValueError, match="unequal length"):
        compare_pairs(one, other[1:])


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("Nguyễn Thị Đặng Hoà", "NGUYEN THI DANG HOA"),
        ("Ðặng ðức", "DANG DUC"),
        ("K’Brể  H'Hen-Niê", "K BRE H HEN NIE"),
        ("Ｎguyễn\u200b Khuỷu", "NGUYEN KHUYU"),
        ("Y Ơ", "Y O"),
        ("", ""),
    ],
)
def test_the_base_of_a_name_is_what_a_bank_prints(text: str, base: str) -> None:
    assert base_name(text) == base
    assert base_name(unicodedata.normalize("NFD", text)) == base


# ---------------------------------------------------------------- properties

#: A busy machine is no failure.
UNHURRIED = settings(deadline=None)

_LETTERS = "aăâbcdđeêghiklmnoôơpqrstuưvxy" + "àáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ"
_SYLLABLES = st.text(_LETTERS, min_size=1, max_size=7)
_KNOWN = st.sampled_from(
    [
        *("Nguyễn", "Nguyên", "Thị", "Thi", "Hoà", "Hòa", "Hoa", "Hoá", "Lý", "Lí", "Quý", "Qúy", "Quí", "Thuý"),
        *("Thúy", "Thành", "Thanh", "Khuỷu", "Đặng", "Dặng", "K'Brể", "(mẹ)", "Ông"),
    ]
)
_NAMES = st.lists(_KNOWN | _SYLLABLES, min_size=1, max_size=5).map(" ".join)
#: Anything a file may hold; the odd pair too, so that the short way is tried on what it is not made for.
_TEXTS = _NAMES | st.text(max_size=12) | st.text(" .'()đĐÐaàA\u0300\u0301\n\u00b4\u200bʼ", max_size=10)


@UNHURRIED
@given(_TEXTS)
def test_a_name_is_itself_unless_it_is_no_name(text: str) -> None:
    expected = NameLevel.EXACT if base_name(text) else NameLevel.MISMATCH
    assert compare_names(text, text).level is expected


@UNHURRIED
@given(_TEXTS, _TEXTS)
def test_it_does_not_matter_which_side_a_name_is_on(one: str, other: str) -> None:
    assert compare_names(one, other) == compare_names(other, one)


@UNHURRIED
@given(_TEXTS, _TEXTS)
def test_composed_and_decomposed_letters_are_one(one: str, other: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one)
    assert compare_names(composed, other) == compare_names(decomposed, other)
    assert base_name(composed) == base_name(decomposed)


@UNHURRIED
@given(_NAMES)
def test_what_a_bank_prints_agrees_with_the_name(name: str) -> None:
    assert "(" in name or compare_names(name, base_name(name)).level.agrees


@UNHURRIED
@given(_NAMES, _NAMES)
def test_names_that_agree_have_one_base(one: str, other: str) -> None:
    if compare_names(one, other).level.agrees:
        assert base_name(one) == base_name(other)


@UNHURRIED
@given(_NAMES, _NAMES)
def test_another_accent_never_agrees(one: str, other: str) -> None:
    answer = compare_names(one, other)
    assert (answer.rule is NameRule.DIFFERENT_ACCENTS) <= (answer.level is NameLevel.MISMATCH)
    both_accented = all(base_name(text) != unicodedata.normalize("NFC", text).upper() for text in (one, other))
    if both_accented and answer.level.agrees:
        tones = [sorted(c for c in unicodedata.normalize("NFD", t) if unicodedata.combining(c)) for t in (one, other)]
        assert tones[0] == tones[1] or set("'(") & set(one + other)


def _reordered(name: str) -> str:
    first, _, rest = name.partition(" ")
    return f"{rest} {first}"


#: How another office writes the same name down, or nearly.
_WRITTEN = st.sampled_from(
    [
        *(str.upper, str.lower, str.title, str.casefold, base_name, _reordered),
        *(lambda name, form=form: unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")),
        *(lambda name, cut=cut: name[:cut] for cut in (5, 12, 20, 25)),
        *(lambda name, old=old, new=new: name.replace(old, new) for old, new in ("đð", "Đd", "dđ", "oà", "yi", "ee")),
        *(lambda name, wide=wide: name.replace(" ", wide) for wide in ("  ", "\t", "\u00a0", "\u3000", "-", "\n", "")),
        *(lambda name, more=more: name + more for more in (" (con)", "\u0301", ".", " ", "𝐀", "漢")),
        lambda name: " \n" + name,
    ]
)
_PAIRS_WRITTEN = st.builds(
    lambda name, ways: (name, _written(name, ways)), _TEXTS, st.lists(_WRITTEN, min_size=0, max_size=3)
)


def _written(name: str, ways: list[Callable[[str], str]]) -> str:
    for way in ways:
        name = way(name)
    return name


@UNHURRIED
@given(st.lists(st.tuples(_TEXTS, _TEXTS) | _PAIRS_WRITTEN, max_size=12), st.booleans())
def test_columns_and_single_pairs_agree(pairs: list[tuple[str, str]], swapped: bool) -> None:
    pairs = [(other, one) if swapped else (one, other) for one, other in pairs]
    answers = [compare_names(*pair) for pair in pairs]
    # So often that they are compared in columns, which a few are not.
    times = 1 + COLUMNS_FROM // max(len(pairs), 1)
    one, other = ([pair[side] for pair in pairs] * times for side in (0, 1))
    assert compare_pairs(one, other) == answers * times
    assert compare_pairs(one[: len(pairs)], other[: len(pairs)]) == answers


def test_every_letter_is_read_in_columns_as_it_is_alone() -> None:
    letters = [chr(code) for code in range(0x3100) if not 0xD800 <= code < 0xE000]
    for other in ("a", "D", " ", "-"):
        one, two = [f"Hoa {letter}n" for letter in letters], [f"hoa {other}n" for _ in letters]
        assert compare_pairs(one, two) == list(map(compare_names, one, two))
        assert compare_pairs(letters, [other] * len(letters)) == [compare_names(one, other) for one in letters]
    assert compare_pairs(letters, list(map(str.upper, letters))) == [compare_names(one, one.upper()) for one in letters]
