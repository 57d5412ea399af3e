"""What check-books asks of the kept bytes: every file that was written, and every one that was believed, read again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Row

from paysvc.bank_interface import ReadsPayments
from paysvc.bank_registry import BankRegistry
from paysvc.core.columns import SentColumns, no_statuses
from paysvc.core.messages import BankReturns
from paysvc.core.scan_pain001 import ORDERS, read_pain001
from paysvc.core.scan_xml import message_name
from paysvc.domain.bank_returns import MergedStatus, merge_status
from paysvc.domain.books import Difference, Equation, Examined
from paysvc.domain.errors import FileRefused, NotFound, PaysvcError
from paysvc.store import file_checks, letter_checks, statements
from paysvc.store.engine import Database
from paysvc.store.lost_files import references_in
from paysvc.store.state_checks import file_subject
from paysvc.store.statements import BelievedStatement
from paysvc.store.vault import Vault


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """What was kept, and who reads it. One file is in memory at a time."""

    database: Database
    vault: Vault
    banks: BankRegistry

    def examine(self) -> Iterator[Examined]:
        """Each equation of `OF_FILES`, one after the other."""
        yield self._sent()
        yield self._returned()
        yield self._statuses()
        yield self._scans()

    # ------------------------------------------------------------------------ what left

    def _sent(self) -> Examined:
        """Every file that was written, read back: its payments are those of its batch."""
        with self.database.read() as connection:
            files = file_checks.sent_files(connection)
        found = [one for file in files for one in self._sent_file(file)]
        return Examined(Equation.SENT_FILES, len(files), tuple(found))

    def _sent_file(self, file: Row[tuple[object, ...]]) -> Iterator[Difference]:
        subject = f"file of batch {file.message_id}"
        try:
            content = self.vault.get(file.sha256)
            ordered = self._payments_in(file.bank_code, content)
        except PaysvcError as failure:
            yield Difference(Equation.SENT_FILES, subject, "readable", failure.code)
            return
        if len(content) != file.size:
            yield Difference(Equation.SENT_FILES, subject, f"{file.size} bytes", f"{len(content)} bytes")
        with self.database.read() as connection:
            batched = file_checks.payments_of(connection, file.batch_id)
        if ordered is None:
            agrees = references_in(content).issuperset(name for name, _ in batched)
        else:
            agrees = batched == sorted(zip(ordered.end_to_end_id.to_list(), ordered.amount_vnd.tolist(), strict=True))
        if not agrees:
            yield Difference(Equation.SENT_FILES, subject, "the payments of its batch", "others")

    def _payments_in(self, bank_code: str, content: bytes) -> SentColumns | None:
        """What the bytes order; None in a dialect that only its bank reads."""
        reader = self._reader(bank_code)
        if reader is not None:
            return reader.read_payments(content)
        try:
            is_order = message_name(content) in ORDERS
        except FileRefused:
            return None
        return read_pain001(content).payments if is_order else None

    def _reader(self, bank_code: str) -> ReadsPayments | None:
        try:
            adapter = self.banks.get(bank_code).adapter
        except NotFound:  # no bank of ours any more
            return None
        return adapter if isinstance(adapter, ReadsPayments) else None

    # -------------------------------------------------------------------- what came back

    def _returned(self) -> Examined:
        """Every believed statement, read from its bytes again: it says what its lines say."""
        count, found = 0, []
        for bank in self.banks:
            code = bank.settings.code
            with self.database.read() as connection:
                believed = statements.list_statements(connection, code, bank.settings.debtor.account)
            for digest in dict.fromkeys(one.file_sha256 for one in believed):
                own = [one for one in believed if one.file_sha256 == digest]
                count += len(own)
                try:
                    said = bank.read_returns(own[0].file_name, self.vault.get(digest)).statements
                except PaysvcError as failure:
                    found += [_differs(code, one, "readable", failure.code) for one in own]
                    continue
                by_id = {one.statement_id: statements.line_keys(one.entries) for one in said}
                for one in own:
                    with self.database.read() as connection:
                        kept = statements.read_line_keys(connection, one.id)
                    if by_id.get(one.statement_id) != kept:
                        found.append(_differs(code, one, "the lines of its file", "others"))
        return Examined(Equation.RETURNED_FILES, count, tuple(found))

    def _statuses(self) -> Examined:
        """Every status file that was accepted, read again: it says what its rows say, and no row is without one."""
        with self.database.read() as connection:
            files = file_checks.accepted_status_files(connection)
            found = file_checks.statuses_without_a_file(connection)
        for file in files:
            subject = file_subject(file.bank_code, file.sha256)
            try:
                bank = self.banks.get(file.bank_code)
                said = bank.read_returns(file.name, self.vault.get(file.sha256))
            except PaysvcError as failure:
                found.append(Difference(Equation.STATUS_FILES, subject, "readable", failure.code))
                continue
            expected, kept = self._spread(file.bank_code, said), self._kept(file.id)
            if expected != kept:
                lacking, strange = (sum(one.values()) for one in (expected - kept, kept - expected))
                words = f"{lacking} lacking, {strange} that it does not say"
                found.append(Difference(Equation.STATUS_FILES, subject, "the statuses of its file", words))
        return Examined(Equation.STATUS_FILES, len(files), tuple(found))

    def _scans(self) -> Examined:
        """The scan of every letter; the letter itself is read with the status files."""
        with self.database.read() as connection:
            letters, found = letter_checks.scans(connection), []
        for row in letters:
            try:
                size = len(self.vault.get(row.scan_sha256))
            except PaysvcError as failure:
                found.append(Difference(Equation.LETTER_SCANS, f"scan of letter {row.id}", "readable", failure.code))
                continue
            if size != row.scan_size:
                sizes = (f"{row.scan_size} bytes", f"{size} bytes")
                found.append(Difference(Equation.LETTER_SCANS, f"scan of letter {row.id}", *sizes))
        return Examined(Equation.LETTER_SCANS, len(letters), tuple(found))

    def _kept(self, file_id: int) -> Counter[file_checks.StatusRow]:
        with self.database.read() as connection:
            return Counter(file_checks.status_rows(connection, file_id))

    def _spread(self, bank_code: str, said: BankReturns) -> Counter[file_checks.StatusRow]:
        """What the file says of each payment that it names, and of all in files that it answers whole, of whom that
        says more than their own names do."""
        found = Counter(file_checks.named_rows(said.statuses if said.statuses is not None else no_statuses()))
        named: dict[str, MergedStatus] = {}
        for reference, status, *_ in found:
            named[reference] = merge_status(named.get(reference, MergedStatus()), status)
        members: defaultdict[str, list[str]] = defaultdict(list)
        for group in said.groups:
            if not file_checks.says_something(group.status):
                continue
            if group.message_id not in members:
                with self.database.read() as connection:
                    members[group.message_id] = file_checks.references_of(connection, bank_code, group.message_id)
            row = (group.status, group.reason_code[:35], "")
            found.update(
                (name, *row)
                for name in members[group.message_id]
                if name not in named or merge_status(named[name], group.status) != named[name]
            )
        return found


def _differs(bank_code: str, one: BelievedStatement, expected: str, found: str) -> Difference:
    return Difference(Equation.RETURNED_FILES, f"statement {one.statement_id} of {bank_code}", expected, found)
