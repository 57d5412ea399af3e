"""Verifying: one changed byte anywhere is found and named, with nothing but the folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from paysvc.cli.verify import verify
from paysvc.domain.canonical import canonical_json
from paysvc.signing import Signer, open_or_create_signer
from paysvc.verify_report import State, verify_report

GUIDE = Path(__file__).parents[2] / "docs" / "for-auditors.md"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database is enough to make what is looked at here."""
    return sqlite_url


@pytest.fixture
def report(published_once, tmp_path) -> Path:
    return Path(shutil.copytree(published_once[0], tmp_path / "report"))


@pytest.fixture
def signer(published_once) -> Signer:
    return published_once[1]


def run(*words: object) -> Result:
    return CliRunner().invoke(verify, [str(word) for word in words])


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at if at >= 0 else len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_report_as_it_was_published_holds(report, signer, tmp_path) -> None:
    key = tmp_path / "agency.pem"
    key.write_bytes(signer.public_pem)
    done = run(report, "--public-key", key)
    assert done.exit_code == 0, done.output
    assert "Report BC-2026-11-BTXH holds." in done.output
    assert "lines.csv: Its 12 lines give every total" in done.output
    assert "bank AGRI: 6 lines follow from 3 files of the bank; 1750003 đồng booked net." in done.output
    assert "bank POST: 2 of 2 files are in a dialect that is not installed here (digest only)." in done.output
    assert "files sent to AGRI: 1 of 1 read again" in done.output


def test_without_a_key_of_your_own_it_says_what_that_means(report, signer) -> None:
    done = run(report)
    assert done.exit_code == 0
    assert f"Compare its id {signer.key_id}" in done.stderr


def test_it_speaks_json(report) -> None:
    done = json.loads(run(report, "-o", "json").stdout)
    assert done["holds"] is True
    assert {"name": "conservation", "state": "holds"}.items() <= done["parts"][3].items()


def test_one_changed_byte_in_any_file_is_found_and_named(report, tmp_path) -> None:
    files = sorted(str(path.relative_to(report)) for path in report.rglob("*") if path.is_file())
    assert len(files) == 15
    for name in files:
        copy = tmp_path / "copy"
        shutil.copytree(report, copy)
        flip(copy / name)
        done = run(copy)
        assert done.exit_code == 10, name
        named = done.stderr.splitlines()[-1]
        assert ("signature" if name.startswith("report.json") else name) in named, (name, named)
        shutil.rmtree(copy)


def test_every_byte_of_the_signed_json_counts(report, tmp_path) -> None:
    size = (report / "report.json").stat().st_size
    original = (report / "report.json").read_bytes()
    for at in (0, 1, size // 3, size // 2, size - 2, size - 1):
        flip(report / "report.json", at)
        assert not verify_report(report).holds, at
        (report / "report.json").write_bytes(original)
    assert verify_report(report).holds


@pytest.mark.parametrize("name", ["lines.csv", "bank-files/received/extra.xml", ".hidden"])
def test_what_is_missing_or_too_much_is_named(report, name) -> None:
    if name == "lines.csv":
        (report / name).unlink()
    else:
        (report / name).write_text("x")
    done = run(report)
    assert done.exit_code == 10
    assert name in done.stderr


def test_a_longer_signature_a_missing_one_and_a_missing_key_do_not_hold(report, tmp_path) -> None:
    signature = report / "report.json.sig"
    good = signature.read_bytes()
    for bad in (good + b"\n", good[:-1], b""):
        signature.write_bytes(bad)
        assert run(report).exit_code == 10
    signature.write_bytes(good)
    (report / "public-key.pem").unlink()
    assert run(report).exit_code == 10


def test_a_file_that_is_only_a_link_does_not_count(report, tmp_path) -> None:
    shutil.move(report / "lines.csv", tmp_path / "lines.csv")
    (report / "lines.csv").symlink_to(tmp_path / "lines.csv")
    done = run(report)
    assert done.exit_code == 10
    assert "lines.csv: It is not a plain file." in done.output


def test_another_key_is_not_the_agencys(report, tmp_path) -> None:
    other = open_or_create_signer(tmp_path / "other.pem")
    key = tmp_path / "agency.pem"
    key.write_bytes(other.public_pem)
    done = run(report, "--public-key", key)
    assert done.exit_code == 10
    assert "signature" in done.stderr
    assert "public-key.pem" in done.stderr


def test_no_report_is_a_wrong_use(tmp_path, report) -> None:
    assert run(tmp_path / "nowhere").exit_code == 2
    assert run(tmp_path).exit_code == 2
    assert run(report, "--public-key", tmp_path / "nowhere.pem").exit_code == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"files":1}', b"\xff", b"[" * 100_000, b"1e999"])
def test_what_is_no_report_at_all_fails_without_a_trace(report, content) -> None:
    (report / "report.json").write_bytes(content)
    done = run(report)
    assert done.exit_code == 10
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_report_without_bank_files_says_so(paid_cycle, publish, tmp_path, days) -> None:
    folder = publish(tmp_path / "report", days[5], include_bank_files=False).folder
    found = verify_report(folder)
    assert found.holds
    assert found.parts[-1].state is State.NOT_CHECKED
    assert "Not read again" in found.parts[-1].message


def test_the_quick_way_checks_digests_and_figures_alone(report) -> None:
    done = run(report, "--quick")
    assert done.exit_code == 0
    assert "bank files: Not read again" in done.output
    flip(next(report.glob("bank-files/sent/*")))
    assert run(report, "--quick").exit_code == 10


def test_the_first_report_still_holds_after_its_amendment(paid_cycle, publish, tmp_path, days) -> None:
    first = publish(tmp_path / "first", days[5]).folder
    paid_cycle.books("VIET", days[6], [paid_cycle.booked(8)])
    second = publish(tmp_path / "second", days[7]).folder
    assert verify_report(first).holds
    assert verify_report(second).holds


# ------------------------------------------- somebody who has the key, and a wrong report


def sign_again(folder: Path, signer: Signer, change: Callable[[dict], None]) -> None:
    """A holder of the key who signs a report that nobody checked."""
    import hashlib

    report = json.loads((folder / "report.json").read_bytes())
    change(report)
    for one in report["files"]:
        content = (folder / one["path"]).read_bytes()
        one.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    content = canonical_json(report)
    (folder / "report.json").write_bytes(content)
    (folder / "report.json.sig").write_bytes(signer.sign(content))


def failed_parts(folder: Path) -> set[str]:
    return {part.name for part in verify_report(folder).failed}


def test_figures_that_lines_do_not_give_are_named_though_signed(report, signer) -> None:
    def change(content: dict) -> None:
        content["totals"]["settled"]["amount_vnd"] += 1

    sign_again(report, signer, change)
    assert failed_parts(report) == {"conservation", "lines.csv"}


def test_a_line_that_is_not_what_the_bank_says_is_named_though_signed(report, signer) -> None:
    path = report / "lines.csv"
    text = path.read_text()
    path.write_text(text.replace("outstanding", "settled", 1))
    sign_again(report, signer, lambda content: None)
    assert {"lines.csv", "bank AGRI"} <= failed_parts(report)


def test_a_bank_file_that_says_otherwise_is_named_though_signed(report, signer) -> None:
    statement = next(report.glob("bank-files/received/AGRI-*STMT-1*"))
    text = statement.read_text()
    statement.write_text(text.replace('<Amt Ccy="VND">500001</Amt>', '<Amt Ccy="VND">500002</Amt>'))
    sign_again(report, signer, lambda content: None)
    found = failed_parts(report)
    assert "bank AGRI" in found
    assert str(statement.relative_to(report)) in found  # its balances no longer follow from its entries


def test_an_order_for_another_amount_is_named_though_signed(report, signer) -> None:
    order = next(report.glob("bank-files/sent/AGRI-*"))
    text = order.read_text()
    text = text.replace('<InstdAmt Ccy="VND">500001<', '<InstdAmt Ccy="VND">600001<').replace("4000010", "4100010")
    order.write_text(text)
    sign_again(report, signer, lambda content: None)
    assert str(order.relative_to(report)) in failed_parts(report)


def test_a_tie_that_does_not_tie_is_named_though_signed(report, signer) -> None:
    def change(content: dict) -> None:
        content["three_way_tie"][0]["statement_net_vnd"] += 1
        content["statements"][0]["closing_vnd"] += 1
        content["discrepancies"].append(
            {"kind": "x", "bank": "", "reference": "", "amount_vnd": 0, "file_sha256": "", "state": "open"}
        )

    sign_again(report, signer, change)
    assert {"three-way tie", "statements", "discrepancies.csv"} <= failed_parts(report)


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, True),
        ({"decided_by": "maker.lan"}, False),
        ({"state": "proposed"}, False),
        ({"state": "closed", "replaced_by": ""}, True),
    ],
)
def test_a_payment_made_again_by_one_alone_is_named_though_signed(report, signer, changed, holds) -> None:
    said = {"proposed_by": "maker.lan", "decided_by": "approver.minh", "state": "approved", "replaced_by": "P2"}
    sign_again(report, signer, lambda content: content["resubmissions"].append({**said, **changed}))
    assert ("re-submissions" in failed_parts(report)) is not holds


def test_an_installed_adapter_reads_its_own_dialect(report, tmp_path, monkeypatch) -> None:
    """The post office's dialect, as a stranger's distribution would bring it."""
    place = tmp_path / "site"
    (place / "stranger-1.0.dist-info").mkdir(parents=True)
    (place / "stranger-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (place / "stranger-1.0.dist-info" / "entry_points.txt").write_text(
        "[paysvc.bank_adapters]\ntest_post = stranger_bank:PostOffice\n"
    )
    shutil.copyfile(Path(__file__).with_name("conftest.py"), place / "stranger_bank.py")
    monkeypatch.syspath_prepend(str(place))
    done = run(report)
    assert done.exit_code == 0, done.output
    assert "bank POST: 2 lines follow from 2 files of the bank; 500000 đồng booked net." in done.output


# --------------------------------------------------------------- the same with other tools


def commands_of_the_guide() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def openssl_is_new() -> bool:
    path = shutil.which("openssl")
    if path is None:
        return False
    version = subprocess.run([path, "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return int(version.split(".")[0]) >= 3


@pytest.mark.skipif(not openssl_is_new(), reason="needs openssl 3.0 or newer")
def test_the_commands_of_the_guide_do_what_it_says(report, signer, tmp_path) -> None:
    check_signature, show_key_id, check_digests, add_up = (
        command.replace("/tmp/report-digests", str(tmp_path / "digests")) for command in commands_of_the_guide()
    )
    assert "Signature Verified Successfully" in shell(check_signature, report).stdout
    assert shell(show_key_id, report).stdout.strip() == signer.key_id
    checked = shell(check_digests, report)
    assert checked.returncode == 0
    assert checked.stdout.count(": OK") == 13
    settled = json.loads((report / "report.json").read_bytes())["totals"]["settled"]
    assert shell(add_up, report).stdout.split() == [str(settled["count"]), str(settled["amount_vnd"])]
    flip(report / "report.json")
    assert shell(check_signature, report).returncode != 0
    flip(report / "report.json")
    flip(report / "lines.csv")
    assert shell(check_digests, report).returncode != 0


def test_the_guide_explains_every_figure(report) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    content = json.loads((report / "report.json").read_bytes())
    for name in content["totals"]:
        assert f"`{name}`" in text, name
    for part in ("three_way_tie", "statements", "funds", "bookings", "audit_chain", "figures_compared", "by_reason"):
        assert f"`{part}`" in text, part
