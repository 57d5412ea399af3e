"""Reads pain.001.001.09 as it comes in: pieces of a megabyte, columns by XPath, nothing kept.

libxml2 parses, and each piece is asked for all its complete payments at once, because one
Python step per element would cost more than the whole of the bank's other work.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from itertools import count, repeat
from pathlib import Path
from typing import cast

from lxml import etree

from bank_adapters.mock_bank.orders import FileRefused, Payment, PaymentFile, check_date, check_totals

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_PREFIXES = {"p": NAMESPACE}
_PIECE = 1 << 20


def _texts(path: str) -> etree.XPath:
    return etree.XPath(path, namespaces=_PREFIXES, smart_strings=False)


def _columns(which: str) -> list[etree.XPath]:
    """Id, amount, currency, bank and account of the payments of a block, a column each."""
    payment = f"p:CdtTrfTxInf{which}"
    agent = f"{payment}/p:CdtrAgt/p:FinInstnId"
    return [
        _texts(f"{payment}/p:PmtId/p:EndToEndId/text()"),
        _texts(f"{payment}/p:Amt/p:InstdAmt/text()"),
        _texts(f"{payment}/p:Amt/p:InstdAmt/@Ccy"),
        _texts(f"{agent}/p:ClrSysMmbId/p:MmbId/text() | {agent}[not(p:ClrSysMmbId)]/p:BICFI/text()"),
        _texts(f"{payment}/p:CdtrAcct/p:Id/p:Othr/p:Id/text()"),
    ]


_ALL = _columns("")
#: The last payment of a block may still be growing, so it waits for the next piece.
_ALL_BUT_LAST = _columns("[position() < last()]")


def read_pain001(path: Path) -> PaymentFile:
    """The payments of one pain.001.001.09.

    Raises FileRefused FF01 for anything that is no whole document of that schema or has a
    DTD, AM18 or AM10 for control totals that lie, DT01 for an impossible value date.
    """
    return _Reading().read(path)


class _Reading:
    """One document on its way through."""

    def __init__(self) -> None:
        self.message_id = ""
        self.debtor_account = ""
        self.payments: list[Payment] = []
        self.total: int | Decimal = 0
        self._block_start = 0
        self._block_total_before: int | Decimal = 0

    def read(self, path: Path) -> PaymentFile:
        parser = etree.XMLPullParser(
            events=("start",), tag=f"{{{NAMESPACE}}}PmtInf", resolve_entities=False, no_network=True, load_dtd=False
        )
        block: etree._Element | None = None
        try:
            with path.open("rb") as source:
                while piece := source.read(_PIECE):
                    parser.feed(piece)
                    for _, started in cast("list[tuple[str, etree._Element]]", list(parser.read_events())):
                        if block is None:
                            self._open(started)
                        else:
                            self._finish_block(block)
                        block = started
                    if block is not None:
                        self._take(block, complete=False)
            root = parser.close()
        except etree.XMLSyntaxError as fault:
            raise self._refused("FF01", f"not well-formed XML at line {fault.lineno}") from None
        if cast("str", root.getroottree().docinfo.doctype):  # type: ignore[attr-defined]
            raise self._refused("FF01", "a document type declaration is not allowed")
        if root.tag != f"{{{NAMESPACE}}}Document" or block is None:
            raise self._refused("FF01", "not a pain.001.001.09 document with a payment block")
        self._finish_block(block)
        self._check_group(root)
        return PaymentFile(self.message_id, self.debtor_account, self.payments, int(self.total))

    def _open(self, block: etree._Element) -> None:
        """The group header stands before the first block, so the id is known in every refusal."""
        self.message_id = (
            block.getroottree().getroot().findtext("p:CstmrCdtTrfInitn/p:GrpHdr/p:MsgId", "", _PREFIXES) or ""
        ).strip()

    def _take(self, block: etree._Element, *, complete: bool) -> None:
        """Move the block's whole payments out of the tree and into the list."""
        columns = [cast("list[str]", find(block)) for find in (_ALL if complete else _ALL_BUT_LAST)]
        found = block.findall(f"{{{NAMESPACE}}}CdtTrfTxInf")
        whole = len(found) - (not complete)
        if whole <= 0:
            return
        if any(len(column) != whole for column in columns):
            raise self._refused("FF01", "a payment lacks one of id, amount, currency, bank or account")
        block_id = self._text(block, "p:PmtInfId")
        value_date = self._text(block, "p:ReqdExctnDt/p:Dt") or self._text(block, "p:ReqdExctnDt/p:DtTm")[:10]
        check_date(value_date, self.message_id)
        references, texts, currencies, banks, accounts = columns
        amounts, problems = self._amounts(texts, currencies)
        self.payments += map(
            Payment,
            count(len(self.payments) + 1),
            references,
            amounts,
            map("/".join, zip(banks, accounts, strict=True)),
            repeat(block_id),
            repeat(value_date),
            problems,
        )
        first = block.index(found[0])
        del block[first : first + whole]

    def _amounts(self, texts: list[str], currencies: list[str]) -> tuple[list[int], list[str]]:
        """Amounts and problems of many payments, at once where they are what they should be."""
        digits = "".join(texts)
        if digits.isascii() and digits.isdigit() and set(currencies) == {"VND"} and max(map(len, texts)) <= 18:
            amounts = list(map(int, texts))
            if all(amounts):
                self.total += sum(amounts)
                return amounts, [""] * len(amounts)
        pairs = [self._amount(text, currency) for text, currency in zip(texts, currencies, strict=True)]
        return [amount for amount, _ in pairs], [problem for _, problem in pairs]

    def _amount(self, text: str, currency: str) -> tuple[int, str]:
        """Whole đồng and a reason code: AM03 for another currency, AM12 for part of a đồng."""
        if text.isascii() and text.isdigit():
            amount: int | Decimal = int(text)
        else:
            try:
                amount = Decimal(text)
            except InvalidOperation:
                raise self._refused("FF01", "an amount is not a number") from None
        if not 0 <= amount < 10**18:
            raise self._refused("FF01", "an amount is negative or too long")
        self.total += amount
        if currency != "VND":
            return int(amount), "AM03"
        if amount != int(amount):
            return int(amount), "AM12"
        return int(amount), "" if amount else "AM01"

    def _finish_block(self, block: etree._Element) -> None:
        self._take(block, complete=True)
        account = self._text(block, "p:DbtrAcct/p:Id/p:Othr/p:Id")
        if self.debtor_account not in {"", account}:
            raise self._refused("AC02", "the file debits more than one account")
        self.debtor_account = account
        stated, total = self._text(block, "p:NbOfTxs"), self._text(block, "p:CtrlSum")
        held = len(self.payments) - self._block_start
        check_totals(
            stated or str(held), held, total or None, self.total - self._block_total_before, self.message_id, "a block"
        )
        self._block_start, self._block_total_before = len(self.payments), self.total

    def _check_group(self, root: etree._Element) -> None:
        group = root.find("p:CstmrCdtTrfInitn/p:GrpHdr", _PREFIXES)
        if group is None:
            raise self._refused("FF01", "the group header is missing")
        self.message_id = self._text(group, "p:MsgId")
        if not 1 <= len(self.message_id) <= 35:
            raise self._refused("FF01", "the message id is missing or too long")
        total = self._text(group, "p:CtrlSum") or None
        check_totals(self._text(group, "p:NbOfTxs"), len(self.payments), total, self.total, self.message_id, "the file")

    @staticmethod
    def _text(element: etree._Element, path: str) -> str:
        return (element.findtext(path, default="", namespaces=_PREFIXES) or "").strip()

    def _refused(self, code: str, message: str) -> FileRefused:
        return FileRefused(code, message, self.message_id)
