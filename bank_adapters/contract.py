"""The checks that any bank adapter has to pass, shipped for whoever writes one.

    class TestMyBank(AdapterContract):
        adapter_class = MyBankAdapter

        def start_bank(self):
            return loopback_sftp_bank()

        def sample_returns(self): ...
        def lying_returns(self): ...

Run it with pytest; docs/writing-a-bank-adapter.md walks through one. Nothing in it is
pretended: the door is tried against a bank that listens on this machine, over lines that
really break. The checks are plain asserts, so that running them needs nothing of ours but
this package.
"""

from __future__ import annotations

from bank_adapters.contract_door import DoorContract
from bank_adapters.contract_encoding import EncodingContract
from bank_adapters.contract_reading import ReadingContract


class AdapterContract(EncodingContract, ReadingContract, DoorContract):
    """All checks. `contract_subject.AdapterUnderTest` says what to provide."""
