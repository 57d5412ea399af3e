"""Names as registers and banks write them, compared at four levels, each with the rule that decided.

exact     the same text once Unicode form, case and white space are set aside
match     the same name in another written form: a look-alike letter, an apostrophe, the tone
          mark at the other vowel (hoà, hòa), or one side written without any accents, where
          the accents cannot be compared
close     one difference that a person has to look at: i for y, another order, a cut field, a
          missing middle name, one letter, a title; two such differences are a mismatch
mismatch  everything else; above all two accented names whose accents differ (Hoa, Hòa, Hoá)

A name is never proof of identity (more than a third of the country is named Nguyễn): it is
compared only where the number is already equal. `close` never pays by itself. The levels are
those of the European verification of payee (match, close match, no match), the rules are ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein


class NameLevel(StrEnum):
    """How well two names agree; only `EXACT` and `MATCH` may pay without a person's decision."""

    EXACT = "exact"
    MATCH = "match"
    CLOSE = "close"
    MISMATCH = "mismatch"

    @property
    def agrees(self) -> bool:
        return self in (NameLevel.EXACT, NameLevel.MATCH)


class NameRule(StrEnum):
    """What decided a level; kept as evidence."""

    SAME_TEXT = "same_text"
    WRITTEN_FORM = "written_form"
    TONE_PLACE = "tone_place"
    ACCENTS_NOT_COMPARABLE = "accents_not_comparable"
    TITLE_OR_REMARK = "title_or_remark"
    I_OR_Y = "i_or_y"
    ORDER = "order"
    SPACING = "spacing"
    TRUNCATED = "truncated"
    MISSING_MIDDLE_NAME = "missing_middle_name"
    ONE_LETTER = "one_letter"
    DIFFERENT_ACCENTS = "different_accents"
    DIFFERENT_WORDS = "different_words"
    NO_NAME = "no_name"


class NameComparison(NamedTuple):
    """The level and its evidence; one shared instance per rule."""

    level: NameLevel
    rule: NameRule


SAME_TEXT = NameComparison(NameLevel.EXACT, NameRule.SAME_TEXT)
WRITTEN_FORM = NameComparison(NameLevel.MATCH, NameRule.WRITTEN_FORM)
_TONE_PLACE = NameComparison(NameLevel.MATCH, NameRule.TONE_PLACE)
ACCENTS_NOT_COMPARABLE = NameComparison(NameLevel.MATCH, NameRule.ACCENTS_NOT_COMPARABLE)
_TITLE_OR_REMARK = NameComparison(NameLevel.CLOSE, NameRule.TITLE_OR_REMARK)
_DIFFERENT_ACCENTS = NameComparison(NameLevel.MISMATCH, NameRule.DIFFERENT_ACCENTS)
_DIFFERENT_WORDS = NameComparison(NameLevel.MISMATCH, NameRule.DIFFERENT_WORDS)
_NO_NAME = NameComparison(NameLevel.MISMATCH, NameRule.NO_NAME)

#: Lengths at which fields are known to cut a name: EMVCo tag 59 (25), the card's magnetic
#: stripe (26, ISO/IEC 7813), a SWIFT MT line (35), SEPA and ISO 20022 names (70, 140), and the
#: round widths of fixed-width bank files.
FIELD_LIMITS = frozenset({20, 25, 26, 30, 32, 35, 40, 50, 70, 140})

#: Forms of address that clerks put before a name.
_TITLES = {"ông": "ong", "bà": "ba", "cụ": "cu", "anh": "anh", "chị": "chi", "cô": "co", "chú": "chu", "bác": "bac"}
_TITLES |= {"mr": "mr", "mrs": "mrs", "ms": "ms"}

#: NFKC turns a free-standing accent (´) into a space that carries a mark; no letter has it.
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_UNUSUAL = re.compile("[\u0300-\u036f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_STRAY_MARKS = re.compile("(?:^|(?<=\\s))[\u0300-\u036f]+")
_REMARK = re.compile(r"[(\[{][^)\]}]*[)\]}]?")

_TONES = "\u0300\u0301\u0303\u0309\u0323"
_TONE = re.compile(f"[{_TONES}]")
_VOWELS = re.compile("(?:[aeiouy][\u0300-\u036f]*)+")
_ONLY_VOWEL_Y = re.compile("^([^aeiouy]*)y([^aeiouy]*)$")


def base_name(text: str) -> str:
    """`text` in capitals without accents, as a bank would print it: `Đặng Hoà` is `DANG HOA`.

    NFKC, case, đ and its look-alike ð, combining marks, then apostrophe, hyphen, dot and any
    other punctuation to one space. NFC and NFD input give the same result.
    """
    return " ".join(_base(_spelled(fold(text))).split()).upper()


def compare_names(left: str, right: str) -> NameComparison:
    """Level and rule for two names; the order of the two does not matter.

    A name without a letter or digit agrees with nothing, itself included (`no_name`). Many
    pairs at once: `paysvc.core.name_pairs.compare_pairs`.
    """
    return _decide(_form(" ".join(fold(left).split())), _form(" ".join(fold(right).split())))


# ---------------------------------------------------------------- letters


def fold(text: str) -> str:
    """NFKC, casefolded, without what cannot be seen; white space is left as it is.

    Works on one name and as well on many, a line each: no step joins letters across a line end.
    """
    folded = unicodedata.normalize("NFKC", text)
    if not folded.isascii() and _UNUSUAL.search(folded):
        folded = unicodedata.normalize("NFKC", _STRAY_MARKS.sub("", _INVISIBLE.sub("", folded)))
    return unicodedata.normalize("NFKC", folded.casefold())


@lru_cache(maxsize=8192)
def spelled_letter(letter: str) -> str:
    """A folded letter as it is read: look-alikes of đ are đ, punctuation and white space a space."""
    if letter in "\u00f0\u0256":
        # Icelandic eth and African d look like the Vietnamese đ, and keyboards give them for it.
        return "đ"
    # The modifier apostrophes of K'Ho and Ê Đê names are letters to Unicode.
    if letter.isspace() or unicodedata.category(letter)[0] in "PS" or letter in "\u02b9\u02bb\u02bc\u02bd":
        return " "
    return letter


@lru_cache(maxsize=8192)
def base_letter(letter: str) -> str:
    """A spelled letter without its accents; empty for a combining mark."""
    if letter == "đ":
        return "d"  # U+0111 has no decomposition
    parts = [part for part in unicodedata.normalize("NFD", letter) if unicodedata.category(part) != "Mn"]
    return parts[0] if len(parts) == 1 else letter * bool(parts)


def _spelled(folded: str) -> str:
    return " ".join("".join(map(spelled_letter, folded)).split())


@lru_cache(maxsize=65536)
def _base(spelled: str) -> str:
    return "".join(map(base_letter, spelled))


# ---------------------------------------------------------------- one pair, taken apart


class _Form(NamedTuple):
    """One name taken apart: `spelled`, `toned` (tone after its vowels, NFD) and `bases` run in parallel."""

    written: str
    spelled: tuple[str, ...]
    toned: tuple[str, ...]
    bases: tuple[str, ...]
    remark: tuple[str, ...]

    @property
    def is_accented(self) -> bool:
        return self.spelled != self.bases

    def keys(self, with_accents: bool) -> tuple[str, ...]:
        return self.toned if with_accents else self.bases


def _form(written: str) -> _Form:
    remarks = _REMARK.findall(written)
    tokens = _tokens(_REMARK.sub(" ", written) if remarks else written)
    remark = _tokens(" ".join(remarks)) if remarks else ()
    if not tokens:  # the whole name stands in brackets
        tokens, remark = remark, ()
    return _Form(written, tokens, tuple(map(_toned, tokens)), tuple(map(_base, tokens)), remark)


def _tokens(written: str) -> tuple[str, ...]:
    """The words as they are spelled; a mark that belongs to no letter is no word."""
    return tuple(token for token in _spelled(written).split() if _base(token))


@lru_cache(maxsize=65536)
def _toned(token: str) -> str:
    """The token in NFD with the tone mark after its run of vowels, so that hoà and hòa are equal."""
    return _VOWELS.sub(_tone_last, unicodedata.normalize("NFD", token))


def _tone_last(vowels: re.Match[str]) -> str:
    tones = _TONE.findall(vowels[0])
    return _TONE.sub("", vowels[0]) + tones[0] if len(tones) == 1 else vowels[0]


def _decide(left: _Form, right: _Form) -> NameComparison:
    if not left.bases or not right.bases:
        return _NO_NAME
    if left.written == right.written:
        return SAME_TEXT
    with_accents = left.is_accented and right.is_accented
    same = _same(left, right, with_accents)
    if left.remark != right.remark:
        return _TITLE_OR_REMARK if same else _DIFFERENT_WORDS
    if same:
        return same
    if left.bases == right.bases:
        return _DIFFERENT_ACCENTS
    for rule, holds in _CLOSE_RULES:
        if holds(left, right, with_accents):
            return NameComparison(NameLevel.CLOSE, rule)
    return _DIFFERENT_WORDS


def _same(left: _Form, right: _Form, with_accents: bool) -> NameComparison | None:
    if left.spelled == right.spelled:
        return WRITTEN_FORM
    if with_accents:
        return _TONE_PLACE if left.toned == right.toned else None
    return ACCENTS_NOT_COMPARABLE if left.bases == right.bases else None


# ---------------------------------------------------------------- the close rules


def _differs_by_title(left: _Form, right: _Form, with_accents: bool) -> bool:
    untitled = _without_title(left), _without_title(right)
    return untitled != (left, right) and untitled[0].keys(with_accents) == untitled[1].keys(with_accents)


def _without_title(form: _Form) -> _Form:
    titles: Iterable[str] = _TITLES if form.is_accented else _TITLES.values()
    if len(form.spelled) < 3 or form.spelled[0] not in titles:
        return form
    return form._replace(spelled=form.spelled[1:], toned=form.toned[1:], bases=form.bases[1:])


def _differs_by_i_or_y(left: _Form, right: _Form, with_accents: bool) -> bool:
    return [_i_for_y(key) for key in left.keys(with_accents)] == [_i_for_y(key) for key in right.keys(with_accents)]


@lru_cache(maxsize=65536)
def _i_for_y(key: str) -> str:
    """Lý and Lí, Quý and Quí are one sound; Thuý and Thúi, Hay and Hai are two."""
    if key.startswith("quy"):
        return "qui" + key[3:]
    return _ONLY_VOWEL_Y.sub(r"\1i\2", key)


def _differs_by_order(left: _Form, right: _Form, with_accents: bool) -> bool:
    return sorted(left.keys(with_accents)) == sorted(right.keys(with_accents))


def _differs_by_spacing(left: _Form, right: _Form, with_accents: bool) -> bool:
    """K'Brể, K Brể and KBrể: where the apostrophe falls away, the two parts grow together."""
    return "".join(left.keys(with_accents)) == "".join(right.keys(with_accents))


def _is_truncated(left: _Form, right: _Form, with_accents: bool) -> bool:
    """One is the other's beginning, cut at a field limit, with two whole tokens left at least."""
    short, long = sorted((left, right), key=lambda form: len(" ".join(form.bases)))
    whole, length = len(short.bases) - 1, len(short.written)
    if whole >= len(long.bases) or short.keys(with_accents)[:whole] != long.keys(with_accents)[:whole]:
        return False
    if short.keys(with_accents)[whole] == long.keys(with_accents)[whole]:
        # Cut at a space, which was then trimmed, or just before one.
        return whole + 1 >= 2 and len(long.bases) > whole + 1 and not FIELD_LIMITS.isdisjoint((length, length + 1))
    # The tone may stand before the cut or behind it, so the half token is compared as it is spelled.
    cut, uncut = (short.spelled, long.spelled) if with_accents else (short.bases, long.bases)
    return whole >= 2 and uncut[whole].startswith(cut[whole]) and length in FIELD_LIMITS


def _lacks_a_middle_name(left: _Form, right: _Form, with_accents: bool) -> bool:
    short, long = sorted((left.keys(with_accents), right.keys(with_accents)), key=len)
    if len(long) != len(short) + 1 or len(short) < 2:
        return False
    return any(long[:middle] + long[middle + 1 :] == short for middle in range(1, len(long) - 1))


def _differs_by_a_letter(left: _Form, right: _Form, with_accents: bool) -> bool:
    """One token of four letters or more differs by one letter, and by no accent besides."""
    if len(left.bases) != len(right.bases):
        return False
    pairs = zip(left.keys(with_accents), right.keys(with_accents), strict=True)
    unequal = [position for position, (one, other) in enumerate(pairs) if one != other]
    if len(unequal) != 1:
        return False
    one, other = left.bases[unequal[0]], right.bases[unequal[0]]
    if min(len(one), len(other)) < 4 or Levenshtein.distance(one, other, score_cutoff=1) != 1:
        return False
    return not with_accents or _one_letter_same_tone(left.toned[unequal[0]], right.toned[unequal[0]])


def _one_letter_same_tone(one: str, other: str) -> bool:
    letters = [unicodedata.normalize("NFC", _TONE.sub("", token)) for token in (one, other)]
    return _TONE.findall(one) == _TONE.findall(other) and Levenshtein.distance(*letters, score_cutoff=1) == 1


_CLOSE_RULES: tuple[tuple[NameRule, Callable[[_Form, _Form, bool], bool]], ...] = (
    (NameRule.TITLE_OR_REMARK, _differs_by_title),
    (NameRule.I_OR_Y, _differs_by_i_or_y),
    (NameRule.ORDER, _differs_by_order),
    (NameRule.SPACING, _differs_by_spacing),
    (NameRule.TRUNCATED, _is_truncated),
    (NameRule.MISSING_MIDDLE_NAME, _lacks_a_middle_name),
    (NameRule.ONE_LETTER, _differs_by_a_letter),
)
