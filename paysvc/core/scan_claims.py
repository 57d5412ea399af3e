"""What a camt statement claims about itself around its entries: balances, totals, account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from paysvc.core.columns import EntryColumns
from paysvc.core.messages import Statement, StatementProof
from paysvc.core.scan_amount import amount_of, count_of, date_of, total_of
from paysvc.core.scan_xml import Element, place_of, qualified, text_of
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_TOTAL_VND

#: ISO 20022 CreditDebitCode -> is it a debit?
DIRECTIONS = {"DBIT": True, "CRDT": False}


class StatementClaims:
    """What a statement says of itself, around its entries."""

    def __init__(self, name: str, element: Element, problems: list[str], counted: dict[tuple[bool, bool], int]) -> None:
        self._name, self._element = name, element
        self._problems, self._counted = problems, counted
        self._id = self._text("Id")
        if not self._id:
            raise FileRefused(
                "wrong_structure", "A statement has no identification.", place=place_of(element, "statement")
            )
        self._place = f"statement {self._id[:35]}"

    def statement(self, entries: EntryColumns) -> Statement:
        currency = self._text("Acct/Ccy") or self._currency_of_balances()
        opening, opening_day = self._balance(("OPBD", "PRCD"), currency)
        closing, closing_day = self._balance(("CLBD",), currency)
        sequence = self._text("ElctrncSeqNb")
        proof = StatementProof(
            opening_vnd=opening,
            closing_vnd=closing,
            entry_count=count_of(self._find("TxsSummry/TtlNtries/NbOfNtries"), self._place),
            entry_sum_vnd=self._total("TxsSummry/TtlNtries/Sum"),
            credit_sum_vnd=self._total("TxsSummry/TtlCdtNtries/Sum"),
            debit_sum_vnd=self._total("TxsSummry/TtlDbtNtries/Sum"),
        )
        self._check_counts()
        self._check_net(opening, closing)
        return Statement(
            statement_id=self._id,
            account=self._account(),
            currency=currency,
            sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) <= 18 else None,
            from_date=date_of(self._find("FrToDt/FrDtTm")) or opening_day,
            to_date=date_of(self._find("FrToDt/ToDtTm")) or closing_day,
            proof=proof,
            entries=entries,
            problems=tuple(self._problems),
        )

    def _find(self, path: str, start: Element | None = None) -> Element | None:
        steps = "/".join(qualified(self._name, step) for step in path.split("/"))
        return (self._element if start is None else start).find(steps)

    def _text(self, path: str) -> str:
        return text_of(self._find(path))

    def _total(self, path: str) -> int | None:
        return total_of(self._find(path), self._place)

    def _account(self) -> str:
        account = self._text("Acct/Id/IBAN") or self._text("Acct/Id/Othr/Id")
        if not account:
            raise FileRefused("wrong_structure", "A statement names no account.", place=self._place)
        return account

    def _balances(self) -> Iterator[Element]:
        return self._element.iterchildren(qualified(self._name, "Bal"))

    def _currency_of_balances(self) -> str:
        named = {
            amount.get("Ccy") or ""
            for balance in self._balances()
            for amount in [self._find("Amt", balance)]
            if amount is not None
        }
        return named.pop() if len(named) == 1 else ""

    def _balance(self, codes: tuple[str, ...], currency: str) -> tuple[int | None, date | None]:
        """The booked balance of the first of `codes` that is there, signed, with its day."""
        found: dict[str, tuple[int, Element]] = {}
        for balance in self._balances():
            code = text_of(self._find("Tp/CdOrPrtry/Cd", balance))
            if code not in codes:
                continue
            amount, named, _ = amount_of(self._find("Amt", balance), self._place, MAX_TOTAL_VND)
            if named != currency:
                continue
            sign = {"CRDT": 1, "DBIT": -1}.get(text_of(self._find("CdtDbtInd", balance)))
            if sign is None:
                raise FileRefused("wrong_structure", "A balance is neither credit nor debit.", place=self._place)
            if code in found and found[code][0] != sign * amount:
                self._problems.append(f"The statement names two different balances {code}.")
            found[code] = (sign * amount, balance)
        if len({value for value, _ in found.values()}) > 1:
            self._problems.append("The opening balance is not the previous closing balance.")
        for code in codes:
            if code in found:
                value, balance = found[code]
                day = self._find("Dt", balance)
                return value, date_of(day[0]) if day is not None and len(day) else date_of(day)
        return None, None

    def _check_counts(self) -> None:
        """`TtlCdtNtries` and `TtlDbtNtries`: over all entries, or over the booked ones."""
        for path, is_debit, what in (("TtlCdtNtries", False, "credits"), ("TtlDbtNtries", True, "debits")):
            claimed = count_of(self._find(f"TxsSummry/{path}/NbOfNtries"), self._place)
            booked = self._counted[is_debit, True]
            if claimed is not None and claimed not in (booked, booked + self._counted[is_debit, False]):
                self._problems.append(f"The statement claims {claimed} {what}, but holds {booked} booked ones.")

    def _check_net(self, opening: int | None, closing: int | None) -> None:
        """The claimed net movement (`TtlNetNtry`, in .02 flat) is closing less opening."""
        amount = self._find("TxsSummry/TtlNtries/TtlNetNtry/Amt")
        sign = self._text("TxsSummry/TtlNtries/TtlNetNtry/CdtDbtInd")
        if amount is None:
            amount = self._find("TxsSummry/TtlNtries/TtlNetNtryAmt")
            sign = self._text("TxsSummry/TtlNtries/CdtDbtInd")
        net = total_of(amount, self._place)
        if net is None or opening is None or closing is None or sign not in DIRECTIONS:
            return
        if (-net if DIRECTIONS[sign] else net) != closing - opening:
            self._problems.append("The claimed net movement is not the difference of the balances.")
