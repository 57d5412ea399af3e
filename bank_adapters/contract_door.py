"""The door, checked over lines that break: what left us, what did not, and what nobody knows."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

from bank_adapters.contract_relay import Fault, Relay, closed_port
from bank_adapters.contract_subject import AdapterUnderTest, ContractBank
from paysvc.bank_interface import (
    BankAdapter,
    BankFile,
    BankRefused,
    BankUnreachable,
    FetchedFile,
    OutcomeUnknown,
    SeenFile,
    SeenFiles,
    SendState,
)

_LARGE = 1000


class DoorContract(AdapterUnderTest):
    """The door: send, enquire, fetch."""

    def test_what_is_sent_arrives_unchanged_and_can_be_asked_for(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            file = adapter.encode(self.sample_batch(adapter))
            assert adapter.enquire(file.name, file.message_id).state is SendState.NOT_RECEIVED
            assert adapter.send(file), "a receipt is some text"
            assert bank.received() == {file.name: file.content}
            assert adapter.enquire(file.name, file.message_id).state is SendState.RECEIVED

    def test_sending_again_is_harmless(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            file = adapter.encode(self.sample_batch(adapter))
            adapter.send(file)
            adapter.send(file)
            assert bank.received() == {file.name: file.content}

    def test_a_refusal_is_found_by_asking_and_by_sending_again(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            file = adapter.encode(self.sample_batch(adapter))
            adapter.send(file)
            bank.refuse(file.name, "AM10", "control sum wrong")
            enquiry = adapter.enquire(file.name, file.message_id)
            assert enquiry.state is SendState.REFUSED
            assert "AM10" in enquiry.detail
            refusal = _failure(adapter, file)
            assert isinstance(refusal, BankRefused)
            assert refusal.code == "AM10"

    def test_a_door_that_does_not_open_leaves_nothing_sent(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, closed_port())
            file = adapter.encode(self.sample_batch(adapter))
            assert isinstance(_failure(adapter, file), BankUnreachable)
            assert adapter.enquire(file.name, file.message_id).state is SendState.STILL_UNKNOWN
            try:
                list(adapter.fetch({}))
            except BankUnreachable:
                pass
            else:
                raise AssertionError("nothing was fetched from nobody, and nobody was told")

    def test_a_line_that_breaks_while_sending_leaves_the_outcome_unknown(self) -> None:
        # What goes before the file is far less than half of it, so both limits lie within the file.
        for half_or_nearly_all in (2, 1):
            with self.start_bank() as bank:
                limit = len(self._large(self.adapter_at(bank, bank.port)).content) // half_or_nearly_all
                with Relay(bank.port, limit=limit) as relay:
                    adapter = self.adapter_at(bank, relay.port)
                    file = self._large(adapter)
                    assert isinstance(_failure(adapter, file), OutcomeUnknown), "bytes had left; nobody knows"
                self._recovers(bank, file)

    def test_a_line_that_breaks_before_sending_leaves_nothing_sent(self) -> None:
        for limit in (0, 20, 500):
            with self.start_bank() as bank, Relay(bank.port, limit=limit) as relay:
                adapter = self.adapter_at(bank, relay.port)
                file = self._large(adapter)
                assert isinstance(_failure(adapter, file), BankUnreachable), f"after {limit} bytes"
                assert bank.received() == {}

    def test_a_line_that_falls_silent_while_sending_is_given_up_in_time(self) -> None:
        with self.start_bank() as bank:
            limit = len(self._large(self.adapter_at(bank, bank.port)).content) // 2
            with Relay(bank.port, limit=limit, fault=Fault.SILENCE) as relay:
                adapter = self.adapter_at(bank, relay.port)
                file = self._large(adapter)
                answers: list[Exception | None] = []
                sending = threading.Thread(target=lambda: answers.append(_failure(adapter, file)), daemon=True)
                sending.start()
                sending.join(30)
                assert not sending.is_alive(), "a silent bank must not hold a worker for ever"
                assert isinstance(answers[0], OutcomeUnknown)
            self._recovers(bank, file)

    def test_fetching_gives_what_is_new_oldest_first_and_removes_nothing(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            assert list(adapter.fetch({})) == []
            for name, content in (("c-first", b"1"), ("a-second", b"22" * 70_000), ("b-third", b"")):
                bank.put_out(name, content)
            before = dict(bank.outbox())
            assert list(adapter.fetch(_seen(("a-second", b"22" * 70_000)))) == [
                FetchedFile("c-first", b"1"),
                FetchedFile("b-third", b""),
            ]
            assert [file.name for file in adapter.fetch({})] == ["c-first", "a-second", "b-third"]
            assert dict(bank.outbox()) == before

    def test_a_file_that_the_bank_corrects_under_its_name_is_fetched_again(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            bank.put_out("one", b"wrong")
            bank.put_out("two", b"right")
            seen = _seen(("one", b"wrong"), ("two", b"right"))
            assert list(adapter.fetch(seen)) == []
            bank.put_out("one", b"corrected")
            assert list(adapter.fetch(seen)) == [FetchedFile("one", b"corrected")]
            assert list(adapter.fetch({**seen, **_seen(("one", b"corrected"))})) == []

    def test_fetching_may_stop_half_way(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            for name in ("one", "two"):
                bank.put_out(name, name.encode())
            files = adapter.fetch({})
            assert next(files).name == "one"
            del files
            assert [file.name for file in adapter.fetch(_seen(("one", b"one")))] == ["two"]

    def test_several_threads_may_use_it_at_once(self) -> None:
        with self.start_bank() as bank:
            adapter = self.adapter_at(bank, bank.port)
            bank.put_out("one", b"1")
            file = adapter.encode(self.sample_batch(adapter))
            with ThreadPoolExecutor(3) as threads:
                sent = threads.submit(adapter.send, file)
                fetched = threads.submit(lambda: list(adapter.fetch({})))
                asked = threads.submit(adapter.enquire, "never-sent", "never-sent")
                assert sent.result(60)
                assert fetched.result(60) == [FetchedFile("one", b"1")]
                assert asked.result(60).state is SendState.NOT_RECEIVED

    def _large(self, adapter: BankAdapter) -> BankFile:
        return adapter.encode(self.sample_batch(adapter, _LARGE))

    def _recovers(self, bank: ContractBank, file: BankFile) -> None:
        """After the break: the bank has it whole or not at all, and one more sending ends well."""
        adapter = self.adapter_at(bank, bank.port)
        state = adapter.enquire(file.name, file.message_id).state
        arrived = bank.received().get(file.name)
        assert arrived in (None, file.content), "half a file must not look like one"
        assert state is (SendState.NOT_RECEIVED if arrived is None else SendState.RECEIVED)
        adapter.send(file)
        assert bank.received() == {file.name: file.content}


def _seen(*files: tuple[str, bytes]) -> SeenFiles:
    return {name: SeenFile(len(content), hashlib.sha256(content).digest()) for name, content in files}


def _failure(adapter: BankAdapter, file: BankFile) -> Exception | None:
    try:
        adapter.send(file)
    except (BankUnreachable, BankRefused, OutcomeUnknown) as failure:
        return failure
    return None
