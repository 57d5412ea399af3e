"""pain.001 by format strings and by lxml's incremental writer, both with the SHA-256 of what they wrote."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lxml import etree

from benchmarks import order
from benchmarks.answers import file_answer
from benchmarks.contender import Writer


class _OrderWriter(Writer):
    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.payments = order.listed(order.load(folder))
        self.count, self.total = len(self.payments.amount), sum(self.payments.amount)

    def answer(self, result: str) -> dict[str, Any]:
        found = file_answer(self.target)
        if found["sha256"] != result:
            raise AssertionError("the digest is not that of the file")
        return found


class FormatStrings(_OrderWriter):
    """One join of an f-string a payment, `saxutils.escape` where a text may need it."""

    def work(self) -> str:
        content = "".join([order.head(self.count, self.total), *order.rows(self.payments), order.TAIL]).encode()
        self.target.write_bytes(content)
        return hashlib.sha256(content).hexdigest()


class _Hashed:
    """A file that digests what goes into it."""

    def __init__(self, file: Any) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self.digest.update(content)


class Xmlfile(_OrderWriter):
    """lxml.etree.xmlfile, an element tree a payment."""

    def work(self) -> str:
        with self.target.open("wb", buffering=1 << 20) as file:
            hashed = _Hashed(file)
            with etree.xmlfile(hashed, encoding="UTF-8") as out:
                out.write_declaration()
                with out.element("Document", nsmap={None: order.NAMESPACE}), out.element("CstmrCdtTrfInitn"):
                    out.write("\n")
                    out.write(self._group_header())
                    out.write("\n")
                    with out.element("PmtInf"):
                        for element in self._block():
                            out.write(element)
                        out.write("\n")
                        for row in zip(*self.payments, strict=True):
                            out.write(_payment(*row))
                            out.write("\n")
            hashed.write(b"\n")
        return hashed.digest.hexdigest()

    def _group_header(self) -> etree._Element:
        header = etree.Element("GrpHdr")
        _add(header, "MsgId", order.MESSAGE_ID)
        _add(header, "CreDtTm", order.CREATED)
        self._add_totals(header)
        _add(header, "InitgPty/Nm", order.DEBTOR_NAME)
        return header

    def _block(self) -> list[etree._Element]:
        block = etree.Element("PmtInf")
        _add(block, "PmtInfId", f"{order.MESSAGE_ID}-1")
        _add(block, "PmtMtd", "TRF")
        _add(block, "BtchBookg", "false")
        self._add_totals(block)
        _add(block, "PmtTpInf/CtgyPurp/Cd", order.PURPOSE)
        _add(block, "ReqdExctnDt/Dt", order.VALUE_DATE)
        _add(block, "Dbtr/Nm", order.DEBTOR_NAME)
        account = etree.SubElement(block, "DbtrAcct")
        _add_account(account, order.DEBTOR_ACCOUNT)
        _add(account, "Ccy", "VND")
        _add_agent(block, "DbtrAgt", order.DEBTOR_BANK)
        _add(block, "ChrgBr", "DEBT")
        return list(block)

    def _add_totals(self, parent: etree._Element) -> None:
        _add(parent, "NbOfTxs", str(self.count))
        _add(parent, "CtrlSum", str(self.total))


def _payment(reference: str, amount: int, bank: str, account: str, name: str) -> etree._Element:
    payment = etree.Element("CdtTrfTxInf")
    _add(payment, "PmtId/EndToEndId", reference)
    _add(payment, "Amt/InstdAmt", str(amount)).set("Ccy", "VND")
    _add_agent(payment, "CdtrAgt", bank)
    _add(payment, "Cdtr/Nm", name)
    _add_account(etree.SubElement(payment, "CdtrAcct"), account)
    _add(payment, "Purp/Cd", order.PURPOSE)
    _add(payment, "RmtInf/Ustrd", order.REMITTANCE)
    return payment


def _add(parent: etree._Element, path: str, text: str) -> etree._Element:
    for name in path.split("/"):
        parent = etree.SubElement(parent, name)
    parent.text = text
    return parent


def _add_account(parent: etree._Element, account: str) -> None:
    other = etree.SubElement(etree.SubElement(parent, "Id"), "Othr")
    _add(other, "Id", account)
    _add(other, "SchmeNm/Cd", "BBAN")


def _add_agent(parent: etree._Element, name: str, bank: str) -> None:
    member = etree.SubElement(etree.SubElement(etree.SubElement(parent, name), "FinInstnId"), "ClrSysMmbId")
    _add(member, "ClrSysId/Cd", "VN")
    _add(member, "MmbId", bank)
