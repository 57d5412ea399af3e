"""Reading, checked: whole files are read, everything else is refused, and nothing else ever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from bank_adapters.contract_samples import meaning
from bank_adapters.contract_subject import AdapterUnderTest
from paysvc.bank_interface import BankAdapter
from paysvc.core.messages import BankReturns
from paysvc.core.proof import problems_of
from paysvc.domain.errors import FileRefused

_GARBAGE = (
    b"",
    b"\n",
    b" " * 300,
    b"\0" * 404,
    b"PK\x03\x04" + b"x" * 100,
    b"\x1f\x8b\x08" + b"x" * 100,
    b"<html></html>",
)


class ReadingContract(AdapterUnderTest):
    """The pure half, inward."""

    def test_the_banks_files_are_read(self) -> None:
        with self.adapter() as adapter:
            samples = self.sample_returns()
            assert samples, "give at least one file of each kind that the bank sends"
            for file in samples:
                returns = adapter.parse_returns(file.name, file.content)
                assert returns.kind in ("status", "statement", "receipt")
                assert returns.bank_message_id, "without the bank's own id a file cannot be known again"
                assert returns.kind != "status" or (returns.statuses is not None and returns.answers_message_id)
                assert returns.kind != "statement" or returns.statements
                for statement in returns.statements:
                    assert problems_of(statement) == [], "a legal statement has to prove itself"

    def test_the_name_says_nothing_and_the_bytes_everything(self) -> None:
        with self.adapter() as adapter:
            for file in self.sample_returns():
                renamed = adapter.parse_returns("../another.name", file.content)
                assert meaning(renamed) == meaning(adapter.parse_returns(file.name, file.content))

    def test_a_file_that_lies_about_its_totals_is_not_believed(self) -> None:
        with self.adapter() as adapter:
            liars = self.lying_returns()
            assert liars, "give at least one file whose own totals do not agree"
            for file in liars:
                returns = _read(adapter, file.name, file.content)
                believed = returns is not None and not any(map(problems_of, returns.statements))
                assert not believed, f"{file.name} lies, and was believed"

    def test_a_file_cut_short_is_refused(self) -> None:
        with self.adapter() as adapter:
            for file in self.sample_returns():
                whole = meaning(adapter.parse_returns(file.name, file.content))
                for length in _lengths(len(file.content)):
                    cut = _read(adapter, file.name, file.content[:length])
                    # Only what says exactly the same may be missing, as a line end after the last record.
                    assert cut is None or meaning(cut) == whole, f"cut to {length} bytes it was still believed"

    def test_two_files_in_one_are_refused_or_read_whole(self) -> None:
        with self.adapter() as adapter:
            for file in self.sample_returns():
                one = adapter.parse_returns(file.name, file.content)
                two = _read(adapter, file.name, file.content + file.content)
                assert two is None or _size(two) == 2 * _size(one)

    def test_garbage_is_refused(self) -> None:
        with self.adapter() as adapter:
            for content in (*_GARBAGE, *map(_noise, range(40))):
                assert _read(adapter, "garbage", content) is None, f"{content[:20]!r} was believed"

    def test_another_encoding_is_refused_or_means_the_same(self) -> None:
        with self.adapter() as adapter:
            for file in self.sample_returns():
                whole = meaning(adapter.parse_returns(file.name, file.content))
                for encoding in ("utf-16", "utf-8-sig", "utf-32-be", "cp500"):
                    other = _read(adapter, file.name, file.content.decode("latin-1").encode(encoding))
                    assert other is None or meaning(other) == whole, f"{encoding} was believed"

    def test_one_wrong_byte_is_refused_or_read_but_never_anything_else(self) -> None:
        with self.adapter() as adapter:
            for file in self.sample_returns():
                for number in range(300):
                    noise = hashlib.sha256(b"%d" % number).digest()
                    position = int.from_bytes(noise[:8], "big") % len(file.content)
                    changed = file.content[:position] + noise[8:9] + file.content[position + 1 :]
                    _read(adapter, file.name, changed)


def _read(adapter: BankAdapter, name: str, content: bytes) -> BankReturns | None:
    """What the file says, or None where it is refused; a refusal has a code and a sentence."""
    try:
        return adapter.parse_returns(name, content)
    except FileRefused as refusal:
        refused = refusal
    assert refused.code
    assert refused.message
    return None


def _lengths(whole: int) -> Iterator[int]:
    """All lengths short of the whole, or 400 of them, and always the last ones."""
    step = max(whole // 400, 1)
    yield from range(0, whole, step)
    yield from range(max(whole - 40, 0), whole)


def _size(returns: BankReturns) -> int:
    entries = sum(len(statement.entries) for statement in returns.statements)
    return entries + (len(returns.statuses) if returns.statuses is not None else 0)


def _noise(seed: int) -> bytes:
    """Bytes without meaning, always the same."""
    return b"".join(hashlib.sha256(b"%d/%d" % (seed, part)).digest() for part in range(seed + 1))
