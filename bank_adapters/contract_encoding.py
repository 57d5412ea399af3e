"""Encoding, checked: the same bytes always, every payment in them, and no payment bent to fit."""

from __future__ import annotations

from bank_adapters.contract_samples import with_value
from bank_adapters.contract_subject import AdapterUnderTest
from bank_adapters.door_rules import is_usable_name
from paysvc.bank_interface import BankAdapter, BankFile, Capabilities, Channel, EncodingImpossible, ReadsPayments
from paysvc.core.messages import ControlTotals, PaymentBatch
from paysvc.domain.errors import FileRefused

#: What a name may hold that ends a field, a line, a quotation, a tag or a letter's side of the page.
HOSTILE_NAMES = (
    "A|B", "A;B", "A,B", "A\tB", "A\nB", "A\r\nT|1|1|", "A\0B", "A\x1aB", 'A"B', "A'B", "A\\B", "A<B>&amp;", "]]>",
    "A:B", "-A", ":20:A", "=1+1", "A\u202eB", "A\u2028B", "阿B", "😀", "A\u0300\u0301", "   ", "",
)  # fmt: skip


class EncodingContract(AdapterUnderTest):
    """The pure half, outward."""

    def test_it_is_a_bank_adapter(self) -> None:
        with self.adapter() as adapter:
            assert isinstance(adapter, BankAdapter), "not everything that a BankAdapter does is there"
            assert isinstance(adapter.capabilities, Capabilities)
            assert adapter.dialect
            assert adapter.dialect.isascii()

    def test_the_same_batch_gives_the_same_bytes(self) -> None:
        with self.adapter() as one, self.adapter() as other:
            batch = self.sample_batch(one)
            assert one.encode(batch) == one.encode(batch) == other.encode(batch)

    def test_the_file_is_named_after_its_message_and_carries_the_batchs_totals(self) -> None:
        with self.adapter() as adapter:
            batch = self.sample_batch(adapter)
            file = adapter.encode(batch)
            assert batch.message_id in file.name, "a bank and a person find the file by its message id"
            assert is_usable_name(file.name)
            assert file.message_id == batch.message_id
            assert file.totals == batch.totals == ControlTotals(3, 1_500_003)

    def test_every_payment_is_in_the_file_in_order(self) -> None:
        with self.adapter() as adapter:
            batch = self.sample_batch(adapter, 200)
            text = self.as_text(adapter.encode(batch).content)
            at = 0
            for reference, amount in zip(batch.payments.end_to_end_id, batch.payments.amount_vnd, strict=True):
                at = text.find(reference, at)
                assert at >= 0, f"{reference} is missing or out of order"
                assert str(amount) in text[at : at + 1000], f"the amount of {reference} is not near it"

    def test_what_it_wrote_it_reads_again_if_it_reads_its_files_at_all(self) -> None:
        with self.adapter() as adapter:
            if isinstance(adapter, ReadsPayments):
                batch = self.sample_batch(adapter, 200)
                content = adapter.encode(batch).content
                read = adapter.read_payments(content)
                assert read.end_to_end_id == batch.payments.end_to_end_id
                assert read.amount_vnd.tolist() == batch.payments.amount_vnd.tolist()
                for damaged in (b"", content[: len(content) // 2], content[:-1] + b"!"):
                    try:
                        adapter.read_payments(damaged)
                    except FileRefused:
                        continue
                    raise AssertionError("bytes that are no whole file of payments were read")

    def test_another_amount_gives_another_file(self) -> None:
        with self.adapter() as adapter:
            batch = self.sample_batch(adapter)
            assert adapter.encode(with_value(batch, 1, "amount_vnd", 777_777)).content != adapter.encode(batch).content

    def test_a_long_name_is_cut(self) -> None:
        with self.adapter() as adapter:
            longest = adapter.capabilities.name_length
            batch = self.sample_batch(adapter)
            cut = adapter.encode(with_value(batch, 1, "creditor_name", "N" * longest))
            assert adapter.encode(with_value(batch, 1, "creditor_name", "N" * (longest + 200))) == cut

    def test_a_hostile_name_is_carried_whole_or_named(self) -> None:
        with self.adapter() as adapter:
            batch = self.sample_batch(adapter)
            lines = _line_ends(self, adapter.encode(batch))
            for name in HOSTILE_NAMES:
                hostile = with_value(batch, 1, "creditor_name", name)
                try:
                    file = adapter.encode(hostile)
                except EncodingImpossible as impossible:
                    rows = {(one.position, one.field) for one in impossible.problems}
                    assert rows == {(1, "creditor_name")}, f"{name!r}: the wrong payment is named"
                else:
                    assert _line_ends(self, file) == lines, f"{name!r} broke a line"
                    assert file.totals == batch.totals

    def test_an_amount_that_is_none_is_named(self) -> None:
        with self.adapter() as adapter:
            for amount in (0, -1, 10**15):
                _named(adapter, with_value(self.sample_batch(adapter), 1, "amount_vnd", amount), "amount_vnd")

    def test_a_reference_that_would_come_back_as_another_is_named(self) -> None:
        with self.adapter() as adapter:
            for reference in ("", "P" * 36, "P\n1", "P|1", "Pđ1", " P1"):
                batch = with_value(self.sample_batch(adapter), 1, "end_to_end_id", reference)
                _named(adapter, batch, "end_to_end_id")

    def test_an_account_that_no_field_holds_is_named(self) -> None:
        with self.adapter() as adapter:
            if adapter.capabilities.channel is Channel.ACCOUNT:
                for account in ("", "1" * 35, "1234\n567"):
                    batch = with_value(self.sample_batch(adapter), 1, "creditor_account", account)
                    _named(adapter, batch, "creditor_account")

    def test_all_impossible_payments_are_named_at_once(self) -> None:
        with self.adapter() as adapter:
            batch = with_value(self.sample_batch(adapter, 5), 1, "amount_vnd", 0)
            problems = _problems(adapter, with_value(batch, 4, "creditor_name", "A\nB"))
            assert sorted({one.position for one in problems.problems}) == [1, 4]
            assert not any("A\nB" in one.message for one in problems.problems), "a person's name in a message"


def _line_ends(contract: AdapterUnderTest, file: BankFile) -> tuple[int, int]:
    text = contract.as_text(file.content)
    return text.count("\n"), text.count("\r")


def _named(adapter: BankAdapter, batch: PaymentBatch, field: str) -> None:
    named = {(one.position, one.field) for one in _problems(adapter, batch).problems}
    assert named == {(1, field)}, f"named were {named}"


def _problems(adapter: BankAdapter, batch: PaymentBatch) -> EncodingImpossible:
    try:
        adapter.encode(batch)
    except EncodingImpossible as impossible:
        return impossible
    raise AssertionError("a payment that the dialect cannot carry was written")
