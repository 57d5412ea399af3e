"""Verify a published report: no database, no network, nothing but the folder.

Every part is judged by itself and named, so that whoever changed one byte is told which part
no longer holds. The order is from the outside in: signature, files, figures, bank files.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from paysvc.core.report_lines import LineColumns, summarise
from paysvc.domain.canonical import canonical_json
from paysvc.domain.errors import InvalidInput, SignatureInvalid
from paysvc.domain.progress import Progress, silent
from paysvc.domain.report import FORMAT
from paysvc.domain.report_figures import Summary, figures_json
from paysvc.domain.report_records import Discrepancy, discrepancies_csv
from paysvc.signing import key_id, verify
from paysvc.verify_bank_files import check_bank_files

#: No report.json of a province comes near this; a larger one is not worth reading.
_LARGEST_JSON = 1 << 28
_CHUNK = 1 << 20

Report = Mapping[str, Any]


class State(StrEnum):
    """How a part stands. NOT_CHECKED parts are covered by the signature's digests alone."""

    HOLDS = "holds"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a report and what was found; `message` is one sentence."""

    name: str
    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All parts, in the order in which they were looked at."""

    folder: Path
    number: str
    signing_key_id: str
    parts: tuple[Part, ...]

    @property
    def failed(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.state is State.FAILED)

    @property
    def holds(self) -> bool:
        return not self.failed


def verify_report(
    folder: Path, public_key: bytes | None = None, *, reread_bank_files: bool = True, progress: Progress = silent
) -> Verification:
    """Judge every part of the report in `folder`; `public_key` is PEM from a place you trust.

    Without it the key in the folder is used, which proves only that the parts belong
    together. Bank files are read again and the lines judged by them unless
    `reread_bank_files` is False; their digests are checked either way. Raises `InvalidInput`
    when there is no report in the folder; everything else that is wrong is a failed part.
    """
    content = _read_report(folder)
    parts = [*_signature(folder, content, public_key)]
    try:
        report: Report = json.loads(content)
        parts.append(_form(report, content))
    except (ValueError, RecursionError, TypeError, KeyError):
        failure = Part("report.json", State.FAILED, "It is not the canonical JSON of a report.")
        return Verification(folder, "", "", (*parts, failure))
    if parts[-1].state is State.HOLDS:
        parts += _insides(folder, report, reread_bank_files, progress)
    number, signed_by = str(report.get("number", "")), str(report.get("signing_key_id", ""))
    return Verification(folder, number, signed_by, tuple(parts))


def _read_report(folder: Path) -> bytes:
    path = folder / "report.json"
    if not folder.is_dir() or not path.is_file():
        raise InvalidInput("no_report", f"{folder} holds no report.json.", next_step="Name the folder of a report.")
    if path.stat().st_size > _LARGEST_JSON:
        raise InvalidInput("no_report", f"{path} is too large to be a report.")
    return path.read_bytes()


def _signature(folder: Path, content: bytes, public_key: bytes | None) -> Iterator[Part]:
    """The signature over report.json, by the key given or by the one in the folder."""
    found = _small(folder / "public-key.pem")
    if public_key is not None and found != public_key:
        yield Part("public-key.pem", State.FAILED, "It is not the public key that you gave.")
    key, signature = public_key or found, _small(folder / "report.json.sig")
    whose = "the key that you gave" if public_key is not None else "the key in the folder"
    try:
        verify(key, signature, content)
        signer = key_id(key)
        if _signing_key_id(content) != signer:
            raise SignatureInvalid("other_key", "The report names another key.")
        yield Part("signature", State.HOLDS, f"Ed25519 over report.json by {whose}, key id {signer}.")
    except SignatureInvalid as failure:
        about = "report.json, report.json.sig or public-key.pem was changed"
        yield Part("signature", State.FAILED, f"{failure.message} One of {about}.")


def _signing_key_id(content: bytes) -> str:
    try:
        return str(json.loads(content)["signing_key_id"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""


def _small(path: Path) -> bytes:
    """The bytes of a small regular file; empty for anything else."""
    try:
        status = path.lstat()
        return path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_size < _CHUNK else b""
    except OSError:
        return b""


def _form(report: Report, content: bytes) -> Part:
    if canonical_json(report) != content:
        return Part("report.json", State.FAILED, "Its bytes are not canonical (RFC 8785).")
    if report["format"] != FORMAT:
        return Part("report.json", State.FAILED, "It has a format that this program does not know.")
    return Part("report.json", State.HOLDS, f"Canonical JSON of report {report['number']}, as of {report['as_of']}.")


def _insides(folder: Path, report: Report, reread: bool, progress: Progress) -> Iterator[Part]:
    """Everything that report.json speaks about; a signed report cannot lack a key, a forged one may."""
    intact: set[str] = set()
    try:
        yield from _files(folder, report, intact, progress)
        yield from _figures(report)
        if "discrepancies.csv" in intact:
            yield _discrepancies(folder, report)
        if "lines.csv" not in intact:
            return
        lines = LineColumns.read_csv((folder / "lines.csv").read_bytes())
        yield _lines(report, summarise(lines))
        if not (reread and report["bank_files_included"]):
            yield Part("bank files", State.NOT_CHECKED, "Not read again; their digests are signed.")
            return
        for name, state, message in check_bank_files(folder, report, intact, lines):
            yield Part(name, State(state), message)
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        yield Part("report.json", State.FAILED, f"It cannot be followed ({type(failure).__name__}).")


def _files(folder: Path, report: Report, intact: set[str], progress: Progress) -> Iterator[Part]:
    """Digest and size of every listed file, and that nothing else lies in the folder."""
    listed = {str(one["path"]): one for one in report["files"]}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_folder(path)}
    signed = {"report.json", "report.json.sig"}
    for extra in sorted(present - set(listed) - signed):
        yield Part(extra, State.FAILED, "It is not part of the report.")
    for done, (path, one) in enumerate(sorted(listed.items())):
        progress(done, len(listed))
        problem = "It is missing." if path not in present else _digest_problem(folder / path, one)
        if problem:
            yield Part(path, State.FAILED, problem)
        else:
            intact.add(path)
    progress(len(listed), len(listed))
    if intact:
        state = State.HOLDS if len(intact) == len(listed) else State.FAILED
        yield Part("files", state, f"{len(intact)} of {len(listed)} files have the size and SHA-256 that were signed.")


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _digest_problem(path: Path, one: Mapping[str, Any]) -> str:
    """Reads the file in pieces: a bank file may be larger than memory."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return "It is not a plain file."
    if status.st_size != one["size"]:
        return f"It has {status.st_size} bytes; {one['size']} were signed."
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return "" if digest.hexdigest() == one["sha256"] else "Its SHA-256 is not the one that was signed."


def _figures(report: Report) -> Iterator[Part]:
    """What the figures of report.json owe one another."""
    total = {name: (one["count"], int(one["amount_vnd"])) for name, one in report["totals"].items()}
    outcomes = ("settled", "returned", "rejected", "outstanding", "unknown", "held", "excluded", "withdrawn")
    reached = tuple(sum(total[name][place] for name in outcomes) for place in (0, 1))
    yield _part(
        "conservation",
        reached == total["entitled"],
        f"{' + '.join(outcomes)} = entitled, in entitlements and đồng.",
    )
    ties = report["three_way_tie"]
    held = all(
        tie["approved"] == tie["results"]
        and int(tie["statement_net_vnd"])
        == int(tie["settled"]["amount_vnd"]) + int(tie["listed_as_discrepancy_vnd"]) + int(tie["difference_vnd"])
        and int(tie["difference_vnd"]) == 0
        for tie in ties
    )
    yield _part(
        "three-way tie", held, f"Approved list = bank results = statements, for {len(ties)} banks, to one đồng."
    )
    statements = report["statements"]
    balanced = all(
        int(one["opening_vnd"]) + int(one["credits_vnd"]) - int(one["debits_vnd"]) == int(one["closing_vnd"])
        for one in statements
    )
    yield _part("re-submissions", _by_two(report), "Nothing was made again by one officer alone or unapproved.")
    yield _part(
        "withdrawals", _by_another(report, total["withdrawn"]), "What was withdrawn is listed, by another officer."
    )
    yield _part("statements", balanced, f"Opening + credits − debits = closing on {len(statements)} statements.")


def _by_two(report: Report) -> bool:
    return all(
        one["proposed_by"] != one["decided_by"] if one["state"] == "approved" else not one["replaced_by"]
        for one in report["resubmissions"]
    )


def _by_another(report: Report, withdrawn: tuple[int, int]) -> bool:
    listed, approval = report["withdrawals"], report["approval"]
    planners = {approval["maker"], approval["submitted_by"]}
    figure = (len(listed), sum(int(one["amount_vnd"]) for one in listed))
    return figure == withdrawn and all(one["withdrawn_by"] not in planners for one in listed)


def _part(name: str, holds: bool, message: str) -> Part:
    return Part(name, State.HOLDS, message) if holds else Part(name, State.FAILED, f"This does not hold: {message}")


def _discrepancies(folder: Path, report: Report) -> Part:
    rows = [Discrepancy(**{**one, "amount_vnd": int(one["amount_vnd"])}) for one in report["discrepancies"]]
    same = discrepancies_csv(rows) == (folder / "discrepancies.csv").read_bytes()
    return _part("discrepancies.csv", same, f"It lists the {len(rows)} discrepancies of report.json.")


def _lines(report: Report, summary: Summary) -> Part:
    """Every figure that lines decide, computed again from lines.csv."""
    for name, value in figures_json(summary).items():
        if report[name] != value:
            return Part("lines.csv", State.FAILED, f"Its lines do not give the figures '{name}' of report.json.")
    return Part("lines.csv", State.HOLDS, f"Its {summary.line_count} lines give every total of report.json again.")
