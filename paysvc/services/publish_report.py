"""Publish what became of a payment cycle: two roads to every figure, one signature, one folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from paysvc.bank_registry import BankRegistry
from paysvc.clock import Clock
from paysvc.core.report_lines import summarise
from paysvc.domain.errors import DoesNotReconcile, InvalidInput
from paysvc.domain.officers import Officer, require
from paysvc.domain.progress import Progress, silent
from paysvc.domain.report import CheckedReport, FileEntry, ReportDraft, check, sign
from paysvc.domain.report_paper import write_paper
from paysvc.domain.report_records import discrepancies_csv
from paysvc.report_pdf import render_pdf
from paysvc.signing import Signer
from paysvc.store import (
    audit_trail,
    report_files,
    report_lines,
    report_records,
    report_resubmissions,
    report_withdrawals,
    reports,
)
from paysvc.store.engine import Database
from paysvc.store.report_folder import ReportFolder
from paysvc.store.report_second_road import FilesOfCycle, walk
from paysvc.store.reports import CycleFacts, PublishedRow
from paysvc.store.tables import instant_text
from paysvc.store.vault import Vault
from paysvc.store.witness import Reported

VERB = "publish-report"

#: Reading the store, the second road, checking, writing, noting.
_STAGES = 5


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """What was published. `is_new` is False when the same parameters were published before: the
    folder then holds the same bytes, again or still. `totals` maps each figure to (entitlements, đồng)."""

    number: str
    amendment: int
    folder: Path
    report_sha256: str
    is_new: bool
    totals: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What decides every byte of a report."""

    cycle_code: str
    as_of: datetime
    key_id: str
    include_bank_files: bool


@dataclass(frozen=True, slots=True)
class _Material:
    """What the store says, read in one snapshot."""

    cycle: CycleFacts
    row: PublishedRow
    is_new: bool
    files: FilesOfCycle
    parts: dict[str, object]


def publish_report(
    database: Database,
    vault: Vault,
    signer: Signer,
    banks: BankRegistry,
    clock: Clock,
    actor: Officer,
    *,
    cycle_code: str,
    as_of: datetime,
    folder: Path,
    include_bank_files: bool = True,
    progress: Progress = silent,
) -> PublishedReport:
    """Write the signed report of a cycle, as things stood at `as_of` (aware), to `folder`.

    The same cycle, moment, key and `include_bank_files` give the same bytes of every file,
    however much was learnt later; other parameters give the next amendment. A folder that holds
    these very bytes is left as it is. `progress` counts five stages. Raises `NotAllowed`,
    `InvalidInput` (a moment to come), `NotFound`, `Waiting` (nothing was approved at that
    moment), `Conflict` (the folder holds anything else), `DoesNotReconcile` naming the figure
    that two roads reach differently.
    """
    require(actor, VERB)
    database.require_writable()
    _require_past(as_of, clock.now())
    wanted = _Parameters(cycle_code, as_of, signer.key_id, include_bank_files)
    progress(0, _STAGES)
    with ReportFolder(folder) as made:
        with database.read() as connection:
            material = _read(connection, banks, wanted)
        progress(1, _STAGES)
        second_road = walk(vault, banks, material.files)
        progress(2, _STAGES)
        checked = check(ReportDraft(second_road=second_road, **material.parts))  # type: ignore[arg-type]
        progress(3, _STAGES)
        entries = _write_files(made, vault, signer, checked, material.files, wanted)
        signed = sign(checked, entries, signer)
        made.write("report.json.sig", signed.signature)
        digest = bytes.fromhex(made.write("report.json", signed.content).sha256)
        progress(4, _STAGES)
        made.require_room()
        _note(database, clock, actor, wanted, material, digest)
        # Before anybody can see it: a database that does not know a report that was seen has to be found out.
        database.note_outside(Reported(material.row.number))
        made.publish()
    progress(_STAGES, _STAGES)
    totals = json.loads(checked.body)["totals"]
    return PublishedReport(
        number=material.row.number,
        amendment=material.row.amendment,
        folder=folder,
        report_sha256=digest.hex(),
        is_new=material.is_new,
        totals={name: (one["count"], int(one["amount_vnd"])) for name, one in totals.items()},
    )


def _require_past(as_of: datetime, now: datetime) -> None:
    if as_of.tzinfo is None:
        raise InvalidInput("as_of_without_offset", "The moment of a report needs an offset, such as +07:00.")
    if as_of > now:
        raise InvalidInput(
            "as_of_to_come", "A report cannot speak of a moment to come.", next_step="Choose an earlier moment."
        )


def _read(connection: Connection, banks: BankRegistry, wanted: _Parameters) -> _Material:
    as_of = wanted.as_of
    cycle = reports.read_cycle(connection, wanted.cycle_code, as_of)
    existing, before = reports.find_published(connection, cycle.id, as_of, wanted.key_id, wanted.include_bank_files)
    row = existing or _next(cycle, as_of, before)
    sent_files = report_files.read_sent_files(connection, cycle.id, as_of)
    lines, instructed = report_lines.read_lines(connection, cycle.id, cycle.approved_at, as_of, sent_files)
    in_play = lines.banks()
    received = report_files.read_received_files(connection, cycle.id, as_of, in_play)
    funds = {one["fund"] for one in reports.read_programmes(connection, cycle.programmes)}
    parts: dict[str, object] = {
        "about": {
            **_about(wanted, cycle, row, before),
            **reports.read_names(connection, cycle, lines.unit.categories()[0]),
            "banks": [_bank(banks, code) for code in in_play],
            "audit_chain": reports.read_audit_head(connection, as_of),
        },
        "lines": lines,
        "summary": summarise(lines),
        "sent_files": list(sent_files.values()),
        "received_files": [one.shown for one in received],
        "statements": report_records.read_statements(connection, cycle.id, as_of, received),
        "funds": report_records.read_funds(connection, cycle.id, cycle.approved_at, as_of, funds),
        "discrepancies": report_records.read_discrepancies(connection, cycle.id, as_of, received, lines),
        "resubmissions": report_resubmissions.read_resubmissions(connection, cycle.id, as_of),
        "recalls": report_resubmissions.read_recalls(connection, cycle.id, as_of),
        "withdrawals": report_withdrawals.read_withdrawals(connection, cycle.id, as_of),
        "withdrawn_by_trail": report_withdrawals.read_withdrawn_by_trail(connection, cycle.code, as_of),
    }
    files = FilesOfCycle(lines, instructed, sent_files, received)
    return _Material(cycle, row, existing is None, files, parts)


def _next(cycle: CycleFacts, as_of: datetime, before: PublishedRow | None) -> PublishedRow:
    """The first report of a cycle is BC-…, its amendments BC-…-SD1, -SD2 (sửa đổi)."""
    amendment = before.amendment + 1 if before else 0
    number = f"BC-{cycle.code}" + (f"-SD{amendment}" if amendment else "")
    return PublishedRow(number, amendment, as_of, b"")


def _about(wanted: _Parameters, cycle: CycleFacts, row: PublishedRow, before: PublishedRow | None) -> dict[str, object]:
    return {
        "number": row.number,
        "amendment": row.amendment,
        "amends": {"number": before.number, "report_sha256": before.report_sha256.hex()} if before else None,
        "as_of": instant_text(wanted.as_of),
        "signing_key_id": wanted.key_id,
        "bank_files_included": wanted.include_bank_files,
        "cycle": {
            "code": cycle.code,
            "kind": cycle.kind,
            "periods": list(cycle.periods),
            "value_date": cycle.value_date.isoformat(),
        },
        "approval": {
            "maker": cycle.maker,
            "submitted_by": cycle.submitted_by,
            "submitted_at": instant_text(cycle.submitted_at) if cycle.submitted_at else "",
            "approver": cycle.approver,
            "approved_at": instant_text(cycle.approved_at),
            "content_sha256": cycle.content_sha256.hex(),
        },
    }


def _bank(banks: BankRegistry, code: str) -> dict[str, str]:
    bank = banks.get(code)
    return {
        "code": code,
        "name": bank.settings.name,
        "dialect": bank.adapter.dialect,
        "channel": bank.adapter.capabilities.channel.value,
    }


def _write_files(
    made: ReportFolder,
    vault: Vault,
    signer: Signer,
    checked: CheckedReport,
    files: FilesOfCycle,
    wanted: _Parameters,
) -> list[FileEntry]:
    # The bank files are read, hashed and put on disk while the lists and the paper are written.
    with ThreadPoolExecutor(1) as beside:
        copied = beside.submit(lambda: list(_bank_files(made, vault, files, wanted)))
        own = list(_own_files(made, checked, signer, wanted.as_of))
        return [*own, *copied.result()]


def _own_files(made: ReportFolder, checked: CheckedReport, signer: Signer, as_of: datetime) -> Iterator[FileEntry]:
    lists = [
        made.write("lines.csv", checked.lines.to_csv()),
        made.write("discrepancies.csv", discrepancies_csv(checked.discrepancies)),
    ]
    yield from lists
    yield made.write("public-key.pem", signer.public_pem)
    yield made.write("report.pdf", render_pdf(write_paper(json.loads(checked.body), lists), as_of))


def _bank_files(made: ReportFolder, vault: Vault, files: FilesOfCycle, wanted: _Parameters) -> Iterable[FileEntry]:
    """The exact bytes that left and came back, one file in memory at a time."""
    if not wanted.include_bank_files:
        return
    for path, digest in files.paths():
        yield made.write(path, vault.get(digest))


def _note(
    database: Database, clock: Clock, actor: Officer, wanted: _Parameters, material: _Material, digest: bytes
) -> None:
    row, number = material.row, material.row.number
    if not material.is_new and row.report_sha256 != digest:
        raise DoesNotReconcile(
            "report_not_reproduced",
            f"Report {number} was published as {row.report_sha256.hex()[:16]}…, and is now {digest.hex()[:16]}….",
            next_step="Nothing was written. Somebody changed the store's past, or the program that reads it.",
        )
    now = clock.now()
    with database.write() as connection:
        if material.is_new:
            published = PublishedRow(number, row.amendment, row.as_of, digest)
            reports.insert_report(
                connection,
                material.cycle.id,
                published,
                wanted.key_id,
                wanted.include_bank_files,
                now,
                actor.officer_id,
            )
        detail = {"as_of": instant_text(row.as_of), "report_sha256": digest.hex(), "again": not material.is_new}
        audit_trail.append(connection, now, actor, VERB, f"report:{number}", detail)
