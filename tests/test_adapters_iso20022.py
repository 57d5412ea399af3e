"""The ISO 20022 bank: the contract, and that it reads what banks of this dialect send."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_adapters.contract import AdapterContract
from bank_adapters.contract_samples import sample_batch
from bank_adapters.contract_sftp_bank import LoopbackSftpBank, loopback_sftp_bank
from bank_adapters.iso20022 import Iso20022Adapter
from paysvc.bank_interface import Channel, EncodingImpossible, FetchedFile
from paysvc.core.scan_pain001 import read_pain001
from paysvc.domain.errors import FileRefused

STATUS = b"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>2026-12-01T09:30:00+07:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>M20261201CONTRACTSAMPLE1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>
<GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>M20261201CONTRACTSAMPLE1-1</OrgnlPmtInfId>
<TxInfAndSts><OrgnlEndToEndId>P000000000000001</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>
"""

_ENTRY = """<Ntry><Amt Ccy="VND">%d</Amt><CdtDbtInd>%s</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-12-01</Dt></BookgDt><AcctSvcrRef>%s</AcctSvcrRef><BkTxCd/>
<NtryDtls><TxDtls><Refs><EndToEndId>%s</EndToEndId></Refs>%s</TxDtls></NtryDtls></Ntry>
"""
_BALANCE = """<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="VND">%d</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2026-12-01</Dt></Dt></Bal>
"""


def statement(closing: int = 8_500_000) -> bytes:
    returned = "<RtrInf><Rsn><Cd>AC06</Cd></Rsn></RtrInf>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>\n'
        "<GrpHdr><MsgId>STMT-MSG-1</MsgId><CreDtTm>2026-12-01T18:00:00+07:00</CreDtTm></GrpHdr>\n"
        "<Stmt><Id>STMT-1</Id><ElctrncSeqNb>12</ElctrncSeqNb>"
        "<Acct><Id><Othr><Id>3713010001</Id></Othr></Id><Ccy>VND</Ccy></Acct>\n"
        + _BALANCE % ("OPBD", 9_000_000)
        + _BALANCE % ("CLBD", closing)
        + _ENTRY % (500_000, "DBIT", "FT1", "P000000000000000", "")
        + _ENTRY % (500_001, "DBIT", "FT2", "P000000000000001", "")
        + _ENTRY % (500_001, "CRDT", "FT3", "P000000000000001", returned)
        + "</Stmt></BkToCstmrStmt></Document>\n"
    ).encode()


class TestIso20022Adapter(AdapterContract):
    adapter_class = Iso20022Adapter

    def start_bank(self) -> AbstractContextManager[LoopbackSftpBank]:
        return loopback_sftp_bank()

    def sample_returns(self) -> list[FetchedFile]:
        return [FetchedFile("pain002-1.xml", STATUS), FetchedFile("camt053-1.xml", statement())]

    def lying_returns(self) -> list[FetchedFile]:
        return [FetchedFile("balance", statement(closing=8_500_001))]


@pytest.fixture(scope="module")
def adapter() -> Iso20022Adapter:
    """Its bank need not be there to translate."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
    options = {"host": "127.0.0.1", "user": "u", "password": "p", "host_key": key}
    return Iso20022Adapter("ISO", options)


def test_what_is_written_can_be_read_back(adapter: Iso20022Adapter) -> None:
    batch = sample_batch(Channel.ACCOUNT, 50)
    sent = read_pain001(adapter.encode(batch).content)
    assert sent.message_id == batch.message_id
    assert sent.totals == batch.totals
    assert sent.payments.end_to_end_id == batch.payments.end_to_end_id
    assert sent.payments.amount_vnd.tolist() == batch.payments.amount_vnd.tolist()


def test_returns_are_told_apart_by_their_namespace(adapter: Iso20022Adapter) -> None:
    status = adapter.parse_returns("x", STATUS)
    assert (status.kind, status.answers_message_id) == ("status", "M20261201CONTRACTSAMPLE1")
    booked = adapter.parse_returns("x", statement())
    assert (booked.kind, booked.bank_message_id, booked.statements[0].sequence) == ("statement", "STMT-MSG-1", 12)


@pytest.mark.parametrize("field", ["message_id", "purpose"])
def test_a_header_that_cannot_be_written_stops_every_payment(adapter: Iso20022Adapter, field: str) -> None:
    batch = replace(sample_batch(Channel.ACCOUNT, 2), **{field: "A/../B\n"})
    with pytest.raises(EncodingImpossible) as impossible:
        adapter.encode(batch)
    assert [one.position for one in impossible.value.problems] == [0, 1]


def test_a_payment_order_is_no_return(adapter: Iso20022Adapter) -> None:
    with pytest.raises(FileRefused) as refused:
        adapter.parse_returns("x", adapter.encode(sample_batch(Channel.ACCOUNT)).content)
    assert refused.value.code == "wrong_message"


FILES = [STATUS, statement()]
PIECES = [b"<", b"</Stmt>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<Ntry>", b"-1", b"\xff", b"]]>", b" xmlns=''"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([STATUS, statement()]),
    st.integers(0, 3000),
    st.integers(0, 99),
    st.binary(max_size=20) | st.sampled_from(PIECES),
)
def test_a_mutated_file_is_read_or_refused_and_nothing_else(
    adapter: Iso20022Adapter, file: bytes, start: int, length: int, put: bytes
) -> None:
    with suppress(FileRefused):
        adapter.parse_returns("x", file[:start] + put + file[start + length :])


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"<?xml version='1.0'?>", STATUS[:200]]))
def test_random_bytes_are_refused_and_nothing_else(adapter: Iso20022Adapter, content: bytes, start: bytes) -> None:
    with pytest.raises(FileRefused):
        adapter.parse_returns("x", start + content)
