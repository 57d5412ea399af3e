"""What the contract has to be given: the adapter, a bank to try its door on, and files of the bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, Protocol

from bank_adapters.contract_samples import sample_batch
from paysvc.bank_interface import BankAdapter, FetchedFile
from paysvc.core.messages import PaymentBatch


class ContractBank(Protocol):
    """A bank on this machine, for tests. `loopback_sftp_bank` and `loopback_https_bank` are two."""

    port: int

    def options(self, port: int) -> Mapping[str, str]:
        """The options of an adapter whose door goes to this port in place of the bank's own.

        Its time limits should be short (a second or two): some lines fall silent.
        """
        ...

    def put_out(self, name: str, content: bytes) -> None:
        """Put a file out for collection; each later than the one before."""
        ...

    def outbox(self) -> Mapping[str, bytes]:
        """What is out for collection now."""
        ...

    def received(self) -> Mapping[str, bytes]:
        """The files that have arrived whole, by name."""
        ...

    def refuse(self, name: str, code: str, message: str) -> None:
        """Refuse a file that has arrived."""
        ...


class AdapterUnderTest:
    """Subclass (through `AdapterContract`), name the class, and provide the three kinds of sample."""

    adapter_class: ClassVar[type[BankAdapter]]

    def start_bank(self) -> AbstractContextManager[ContractBank]:
        """A fresh bank that listens until the context ends."""
        raise NotImplementedError

    def sample_returns(self) -> Sequence[FetchedFile]:
        """One whole, legal file of each kind that the bank sends."""
        raise NotImplementedError

    def lying_returns(self) -> Sequence[FetchedFile]:
        """Files whole in form whose own totals do not agree: a count, a sum, a balance."""
        raise NotImplementedError

    def sample_batch(self, adapter: BankAdapter, count: int = 3) -> PaymentBatch:
        """A batch that the dialect can carry."""
        return sample_batch(adapter.capabilities.channel, count)

    def as_text(self, content: bytes) -> str:
        """The file as text in which ids and amounts can be found; override for a binary dialect."""
        return content.decode("latin-1")

    @contextmanager
    def adapter(self) -> Iterator[BankAdapter]:
        """An adapter whose bank is running."""
        with self.start_bank() as bank:
            yield self.adapter_at(bank, bank.port)

    def adapter_at(self, bank: ContractBank, port: int) -> BankAdapter:
        return self.adapter_class("TEST", bank.options(port))
