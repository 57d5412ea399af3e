"""What has to be written down at the moment in which a file leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

from paysvc.bank_interface import BankFile
from paysvc.clock import Clock
from paysvc.store.tables import instant_text

from .model_office import raw


def look_at(home: Path, code: str, file: BankFile, clock: Clock) -> str:
    """What is missing in the database while these bytes leave for this bank, or ""."""
    now = instant_text(clock.now())
    with raw(home) as rows:
        noted = rows.execute(
            "SELECT f.id, f.sha256, b.cycle_id FROM bank_file f JOIN batch b ON b.id = f.batch_id"
            " WHERE f.bank_code = ? AND f.message_id = ? AND f.name = ?",
            (code, file.message_id, file.name),
        ).fetchone()
        if noted is None:
            return "its file is not noted"
        number, digest, cycle = noted
        if digest != hashlib.sha256(file.content).digest():
            return "other bytes were noted"
        tries = rows.execute(
            "SELECT COUNT(*) FROM send_attempt WHERE bank_file_id = ? AND started_at <= ?", (number, now)
        ).fetchone()
        if not tries[0]:
            return "no attempt was noted"
        if rows.execute("SELECT 1 FROM send_attempt WHERE bank_file_id = ? AND outcome = 'sent'", (number,)).fetchone():
            return "it was known to be there"
        approved = rows.execute(
            "SELECT COUNT(*) FROM approval a JOIN payment_cycle c ON c.id = a.cycle_id AND"
            " c.content_sha256 = a.content_sha256 WHERE a.cycle_id = ? AND a.cancelled_at IS NULL"
            " AND a.approved_at <= (SELECT MIN(started_at) FROM send_attempt WHERE bank_file_id = ?)",
            (cycle, number),
        ).fetchone()
        return "" if approved[0] else "nobody had approved it"
