"""People, population records and accounts put into the tables as an import leaves them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from paysvc.clock import FixedClock
from paysvc.sealing import Sealer
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.engine import Database
from paysvc.store.same_person import note_previous
from paysvc.store.tables import (
    bank_account,
    beneficiary,
    beneficiary_version,
    import_file,
    population_record,
    superseded_identifier,
)


class Registry:
    """One registry; `accounts` are the ids of its accounts by their numbers."""

    def __init__(self, database: Database, sealer: Sealer, clock: FixedClock) -> None:
        self.database, self.sealer, self.clock = database, sealer, clock
        self.accounts: dict[str, int] = {}
        with database.write() as connection:
            self._file = next_ids(connection, "import_file", 1)[0]
            figures = ("rows", "added", "changed", "unchanged", "refused", "warned", "size")
            columns: dict[str, Any] = {name: [0] for name in figures}
            columns |= {"id": [self._file], "kind": ["test"], "name": ["test.csv"], "sha256": [bytes(32)]}
            columns |= {"imported_at": [clock.now()], "actor": ["maker.lan"]}
            insert_columns(connection, import_file, columns)

    def _version(self) -> dict[str, Any]:
        row_digest, file = Same(bytes(32)), Same(self._file)
        return {"valid_from": Same(self.clock.now()), "row_digest": row_digest, "import_file_id": file}

    def add_people(self, *people: tuple[str, str, str, str]) -> list[int]:
        """(citizen ID, name, birth, sex) each; known to the population database just so."""
        numbers, names, births, sexes = (list(column) for column in zip(*people, strict=True))
        keys = self.sealer.blind_index("citizen_id", numbers)
        with self.database.write() as connection:
            ids = list(next_ids(connection, "beneficiary", len(people)))
            sealed = self.sealer.seal_column("beneficiary", "citizen_id_sealed", ids, numbers)
            now = Same(self.clock.now())
            columns = {"id": ids, "citizen_key": keys, "citizen_id_sealed": sealed, "created_at": now}
            insert_columns(connection, beneficiary, columns)
            described: dict[str, Any] = {"full_name": names, "birth": births, "sex": sexes, **self._version()}
            versions = {"id": next_ids(connection, "beneficiary_version", len(ids)), "beneficiary_id": ids}
            insert_columns(connection, beneficiary_version, {**versions, **described, "unit_code": Same("16681")})
            known = {"id": next_ids(connection, "population_record", len(ids)), "citizen_key": keys}
            alive = {"status": Same("alive"), "deceased_on": Same("")}
            insert_columns(connection, population_record, {**known, **described, **alive})
        return ids

    def add_account(self, holder: str, name: str, number: str, status: str = "active", currency: str = "VND") -> int:
        """An account under a 12-digit or an old 9-digit number; an account listed before is replaced."""
        kind = "citizen_id" if len(holder) == 12 else "old_id"
        with self.database.write() as connection:
            account_id = next_ids(connection, "bank_account", 1)[0]
            key = self.sealer.blind_index("account", [f"970405:{number}"])
            self._end(connection, bank_account, bank_account.c.account_key == key[0])
            sealed = self.sealer.seal_column("bank_account", "account_sealed", [account_id], [number])
            columns = {"id": [account_id], "account_key": key, "account_sealed": sealed, "holder_name": [name]}
            columns |= {"bank_bin": ["970405"], "holder_key": self.sealer.blind_index(kind, [holder])}
            columns |= {"holder_id_kind": [kind], "status": [status], "currency": [currency], "registered_on": [""]}
            insert_columns(connection, bank_account, {**columns, **self._version()})
        self.accounts[number] = account_id
        return account_id

    def add_former_number(self, beneficiary_id: int, number: str) -> None:
        """The old 9-digit number, or a citizen ID that was determined anew."""
        kind = "citizen_id" if len(number) == 12 else "old_id"
        sealed = self.sealer.seal_column("superseded_identifier", "identifier_sealed", [beneficiary_id], [number])
        columns = {"identifier_key": self.sealer.blind_index(kind, [number]), "beneficiary_id": [beneficiary_id]}
        more = {"identifier_sealed": sealed, "kind": [kind], "recorded_at": [self.clock.now()]}
        with self.database.write() as connection:
            insert_columns(connection, superseded_identifier, {**columns, **more})

    def mark_alike(self, first: int, later: int) -> None:
        """The two may be one person, and nobody has decided."""
        with self.database.write() as connection:
            note_previous(connection, self.sealer, [(first, later)], self.clock.now())

    def mark_same(self, later: int, kept: int) -> None:
        """An officer said that the two are one person."""
        with self.database.write() as connection:
            connection.execute(update(beneficiary).where(beneficiary.c.id == later).values(same_as=kept))

    def change_population(self, citizen: str, **changed: str) -> None:
        """A new version of the population record; without any change, the record ends."""
        key = self.sealer.blind_index("citizen_id", [citizen])[0]
        with self.database.write() as connection:
            self._change(connection, population_record, population_record.c.citizen_key == key, changed)

    def change_person(self, beneficiary_id: int, **changed: str) -> None:
        """A new version of the registered person; without any change, the person is no longer registered."""
        with self.database.write() as connection:
            of_person = beneficiary_version.c.beneficiary_id == beneficiary_id
            self._change(connection, beneficiary_version, of_person, changed)

    def _change(self, connection: Connection, table: Any, which: Any, changed: dict[str, str]) -> None:
        row = dict(connection.execute(select(table).where(which, table.c.valid_to.is_(None))).mappings().one())
        self._end(connection, table, which)
        if changed:
            row |= {"id": next_ids(connection, table.name, 1)[0], "valid_from": self.clock.now(), **changed}
            connection.execute(table.insert().values(row))

    def _end(self, connection: Connection, table: Any, which: Any) -> None:
        connection.execute(update(table).where(which, table.c.valid_to.is_(None)).values(valid_to=self.clock.now()))


HOA_ID, AN_ID, MAI_ID, BREH_ID = "040150000001", "040050000002", "040150000003", "068050000004"
