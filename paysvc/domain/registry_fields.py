"""How one cell of a registry file is read: text in, one canonical text out, or a code why not.

Every reader takes the text of a cell that is not blank and returns what is stored; it raises
`Unreadable` with a code of `MESSAGES`. Nothing is guessed: a digit that Excel took away is
offered as a repair only where sex and birth year vouch for it (`repaired_citizen_id`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date

from paysvc.domain.errors import RecordError, Severity
from paysvc.domain.identifiers import is_account_number, is_bank_bin
from paysvc.domain.registry_birthplaces import BIRTH_PLACES
from paysvc.domain.registry_units import UnitResolver

#: Code -> one sentence without personal data. E keeps the row out, W lets it in and is shown.
#: The numbers are public: 1xx form of the row, 2xx person, 4xx account, 5xx rows together.
MESSAGES: dict[str, str] = {
    "E101": "This cell must not be empty.",
    "E102": "The cell holds an invisible or control character; type the text anew.",
    "E103": "The text is too long for this column.",
    "E104": "The row has more cells than the header; a separator inside a text needs quotes around it.",
    "E105": "The word is not one of those that may stand in this column.",
    "E109": "The cell is a formula or starts like one; write plain text.",
    "E110": "A cell of this row is merged with another row or column; unmerge it and fill every cell.",
    "E111": "The date cannot be read; write it as dd/mm/yyyy.",
    "E112": "There is no such day, or it lies too far back or in the future.",
    "E114": "The date of death does not fit the status or the date of birth.",
    "E117": "This is not a name.",
    "E121": "The month cannot be read; write it as yyyy-mm.",
    "E122": "The last month lies before the first one.",
    "E131": "A commune code has 5 digits.",
    "E132": "This commune code is not known, and no new code is known for it.",
    "E201": "A citizen ID has 12 digits, this cell has fewer; Excel may have dropped a leading zero.",
    "W201": "A leading zero that Excel had dropped was restored; sex and birth year agree with it.",
    "E202": "Excel turned this number into a power of ten and its digits are lost; enter it again.",
    "W203": "The century, sex or birth year in the citizen ID does not agree with this row.",
    "W208": "The old commune code was replaced by the one now in force.",
    "E209": "The cell is a number, not text, so leading zeros or last digits may be lost; format it as text.",
    "W210": "The first three digits of the citizen ID are no province code that is known here.",
    "E211": "This is not a citizen ID of 12 digits.",
    "E212": "The old 9-digit number is not valid any more; the 12-digit citizen ID is needed.",
    "W213": "The old number does not have 9 digits and was left out.",
    "E214": "The previous number is not a citizen ID of 12 digits.",
    "E215": "Nobody is registered under the previous number.",
    "E216": "Both numbers were paid for the same month; an officer decides in the review of matches.",
    "W217": "This number was replaced by another; the row was taken for the person who had it.",
    "E218": "Whoever is registered under the previous number has another name and another birth date.",
    "E401": "This is not an account number: 4 to 34 digits, capitals, dots and hyphens.",
    "E406": "A bank is named by the 6 digits of its BIN.",
    "E408": "Only accounts in đồng (VND) can be paid into.",
    "W411": "The day of registration cannot be read or lies in the future and was left out.",
    "E501": "The same person stands in this file more than once.",
    "E504": "Rows of the same person contradict one another in name, birth, sex or commune.",
    "E505": "The same account stands in this file more than once.",
    "E506": "Rows contradict one another about who had the previous number.",
}

#: A reader raises for what it cannot read and returns the canonical text otherwise.
Reader = Callable[[str], str]

#: Older than the oldest person ever, so certainly a slip.
_OLDEST_BIRTH_YEAR = 1900

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]"
)
_FORMULA_STARTS = "=+@＝＋＠"
_TWELVE = re.compile(r"[0-9]{12}")
_DIGITS = re.compile(r"[0-9]+")
_POWER_OF_TEN = re.compile(r"[0-9]+(?:[.,][0-9]*)?E\+[0-9]+|[0-9]+[.,][0-9]*E-?[0-9]+", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]+[.,]0+")
_DAY = re.compile(r"([0-9]{1,2})[/.\-]([0-9]{1,2})[/.\-]([0-9]{4})")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]00:00(?::00)?)?")
_YEAR = re.compile(r"[0-9]{4}")
_ISO_MONTH = re.compile(r"([0-9]{4})-([0-9]{1,2})(?:-0?1)?(?:[ T]00:00(?::00)?)?")
_MONTH = re.compile(r"(?:0?1/)?([0-9]{1,2})/([0-9]{4})")
_UNIT = re.compile(r"[0-9]{5}")

SEXES = {"nam": "male", "male": "male", "nu": "female", "female": "female"}
CHANNELS = {"taikhoan": "account", "account": "account", "tienmat": "cash", "cash": "cash"}
LIFE = {"consong": "alive", "alive": "alive", "dachet": "deceased", "datuvong": "deceased", "deceased": "deceased"}
ACCOUNT_STATUSES = {
    "hoatdong": "active",
    "danghoatdong": "active",
    "active": "active",
    "dong": "closed",
    "dadong": "closed",
    "closed": "closed",
    "phongtoa": "blocked",
    "blocked": "blocked",
    "ngu": "dormant",
    "ngudong": "dormant",
    "dormant": "dormant",
    "hanche": "restricted",
    "restricted": "restricted",
}
CURRENCIES = {"vnd": "VND", "dong": "VND", "d": "VND"}


class NumberCell(str):
    """The text of a spreadsheet cell that holds a number.

    Such a cell keeps neither leading zeros nor more than 15 digits.
    """

    __slots__ = ()


class Unreadable(ValueError):
    """A cell that cannot be taken; `code` is one of `MESSAGES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def row_problem(line: int, name: str, code: str, suggestion: str | None = None, message: str = "") -> RecordError:
    """The complaint of this code about a cell."""
    severity = Severity.ERROR if code.startswith("E") else Severity.WARNING
    return RecordError(line, name, code, message or MESSAGES[code], severity, suggestion)


def fold(text: str) -> str:
    """Lower-case letters and digits only, without accents: `Mã xã *` and `MA_XA` are `maxa`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(filter(str.isalnum, decomposed))


def text_reader(longest: int) -> Reader:
    """Free text: NFC, white space collapsed, nothing invisible, not a formula, not too long."""

    def read(raw: str) -> str:
        if _INVISIBLE.search(raw):
            raise Unreadable("E102")
        text = " ".join(raw.split())
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        if text[:1] in _FORMULA_STARTS:
            raise Unreadable("E109")
        if len(text) > longest:
            raise Unreadable("E103")
        return text

    return read


def name_reader(longest: int) -> Reader:
    """A person's name: free text with at least one letter."""
    read_text = text_reader(longest)

    def read(raw: str) -> str:
        name = read_text(raw)
        if not any(map(str.isalpha, name)):
            raise Unreadable("E117")
        return name

    return read


def choice_reader(words: Mapping[str, str], code: str = "E105") -> Reader:
    """One of a few words, in Vietnamese or English, however it is written."""

    def read(raw: str) -> str:
        found = words.get(fold(raw))
        if found is None:
            raise Unreadable(code)
        return found

    return read


def birth_reader(today: date) -> Reader:
    """An ISO date, or the year alone where nothing more is known (`1945`, `00/00/1945`)."""
    read_day = day_reader(today)

    def read(raw: str) -> str:
        text = raw.strip()
        unknown_day = _DAY.fullmatch(text)
        if unknown_day and int(unknown_day[1]) == int(unknown_day[2]) == 0:
            text = unknown_day[3]
        if not _YEAR.fullmatch(text):
            return read_day(text)
        if not _OLDEST_BIRTH_YEAR <= int(text) <= today.year:
            raise Unreadable("E112")
        return text

    return read


def day_reader(today: date) -> Reader:
    """A day that is over, as dd/mm/yyyy or yyyy-mm-dd; returns the ISO date."""

    def read(raw: str) -> str:
        text = raw.strip()
        if found := _DAY.fullmatch(text):
            day, month, year = map(int, found.groups())
        elif found := _ISO_DAY.fullmatch(text):
            year, month, day = map(int, found.groups())
        else:
            raise Unreadable("E111")
        try:
            read_day = date(year, month, day)
        except ValueError:
            raise Unreadable("E112") from None
        if not date(_OLDEST_BIRTH_YEAR, 1, 1) <= read_day <= today:
            raise Unreadable("E112")
        return read_day.isoformat()

    return read


def registration_reader(today: date) -> Reader:
    """A day like `day_reader`, but worth no more than a warning: no payment hangs on it."""
    read_day = day_reader(today)

    def read(raw: str) -> str:
        try:
            return read_day(raw)
        except Unreadable:
            raise Unreadable("W411") from None

    return read


def read_period(raw: str) -> str:
    """A month as yyyy-mm or mm/yyyy, also as its first day (what Excel makes of it)."""
    text = raw.strip()
    if found := _ISO_MONTH.fullmatch(text):
        year, month = found[1], int(found[2])
    elif found := _MONTH.fullmatch(text):
        year, month = found[2], int(found[1])
    else:
        raise Unreadable("E121")
    if not 1 <= month <= 12 or not "1945" <= year <= "2999":
        raise Unreadable("E121")
    return f"{year}-{month:02d}"


def unit_reader(units: UnitResolver) -> Reader:
    """The commune code in force for the code written here."""

    def read(raw: str) -> str:
        code = raw.strip()
        if not _UNIT.fullmatch(code):
            raise Unreadable("E131")
        current = units.resolve(code)
        if current is None:
            raise Unreadable("E132")
        return current

    return read


def read_citizen_id(raw: str) -> str:
    """The 12 digits; a number cell of 12 digits has lost none, so it is as good as text."""
    text = _without_spaces(raw)
    if _TWELVE.fullmatch(text):
        return text
    if _POWER_OF_TEN.fullmatch(text):
        raise Unreadable("E202")
    if _DIGITS.fullmatch(text):
        if len(text) == 9:
            raise Unreadable("E212")
        if len(text) in (10, 11):
            raise Unreadable("E201")
    raise Unreadable("E211")


def read_holder_id(raw: str) -> str:
    """A citizen ID, or the old 9-digit number that banks still carry."""
    text = _without_spaces(raw)
    if len(text) == 9 and _DIGITS.fullmatch(text):
        return text
    return read_citizen_id(raw)


def read_old_id(raw: str) -> str:
    text = _without_spaces(raw)
    if len(text) != 9 or not _DIGITS.fullmatch(text):
        raise Unreadable("W213")
    return text


def read_previous_id(raw: str) -> str:
    """A citizen ID that was determined anew; no zero is put back in it."""
    text = _without_spaces(raw)
    if not _TWELVE.fullmatch(text):
        raise Unreadable("E214")
    return text


def read_account_number(raw: str) -> str:
    """An account number as the bank writes it, in capitals and without spaces.

    From a number cell it is refused: nothing in the row can vouch for zeros that are gone.
    """
    if isinstance(raw, NumberCell):
        raise Unreadable("E209")
    text = _without_spaces(raw).upper()
    if _POWER_OF_TEN.fullmatch(text):
        raise Unreadable("E202")
    # What a program makes of a number column: the zeros in front are already gone.
    if _DECIMAL.fullmatch(text):
        raise Unreadable("E209")
    if not is_account_number(text):
        raise Unreadable("E401")
    return text


def read_bank_bin(raw: str) -> str:
    text = raw.strip()
    if not is_bank_bin(text):
        raise Unreadable("E406")
    return text


def identity_digits(sex: str, birth: str) -> str:
    """The 4th to 6th digit that a citizen ID of this sex and birth must have, "" when none can.

    Circular 07/2016: 0 and 1 for men and women of the 20th century, 2 and 3 of the 21st.
    """
    century = int(birth[:2]) - 19
    if not 0 <= century <= 4:
        return ""
    return f"{2 * century + (sex == 'female')}{birth[2:4]}"


def repaired_citizen_id(raw: str, sex: str, birth: str) -> str | None:
    """The 12 digits with the leading zeros put back, or None where that would be a guess.

    Offered only when the repaired number starts with a known province code and agrees with
    sex and birth year, and does not end in zeros as a number rounded by Excel does.
    """
    digits = _without_spaces(raw)
    if not _DIGITS.fullmatch(digits) or len(digits) not in (10, 11):
        return None
    number = digits.zfill(12)
    agrees = number[:3] in BIRTH_PLACES and number[3:6] == identity_digits(sex, birth)
    return number if agrees and not number.endswith("00000") else None


def _without_spaces(raw: str) -> str:
    # An apostrophe in front is how people tell Excel that a number is text.
    return "".join(raw.split()).removeprefix("'")
