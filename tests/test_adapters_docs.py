"""The pages for banks and for authors of adapters say what the programs do."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from bank_adapters.contract_samples import sample_batch
from bank_adapters.delimited_payments import write_payments
from bank_adapters.delimited_status import read_status
from bank_adapters.delimited_windows1258 import to_windows_1258
from bank_adapters.fixed_width_payments import write_cash_list
from bank_adapters.fixed_width_returns import read_cash_returns
from paysvc.bank_interface import Channel
from paysvc.core.proof import problems_of
from paysvc.core.scan_mt940 import read_mt940

DOCS = Path(__file__).parents[1] / "docs"
FOR_BANKS = (DOCS / "for-banks.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\n(.*?)```", FOR_BANKS, re.DOTALL)
    assert found, f"the page for banks has no example {name}"
    return found[1].replace("\n", "\r\n")


def test_the_payment_file_on_the_page_for_banks_is_the_one_that_is_written() -> None:
    assert to_windows_1258(example("PAY01")) == write_payments(sample_batch(Channel.ACCOUNT, 2)).content


def test_the_status_file_on_the_page_for_banks_is_read() -> None:
    returns = read_status(to_windows_1258(example("RES01")))
    assert returns.statuses is not None
    assert returns.statuses.status.to_list() == ["ACSC", "RJCT"]


def test_the_statement_on_the_page_for_banks_is_read_and_proved() -> None:
    (statement,) = read_mt940(example("MT940").encode())
    assert problems_of(statement) == []
    assert statement.entries.reason_code.to_list() == ["", "AC06"]


def columns(fmt: str) -> list[dict[str, tuple[int, int]]]:
    """Field -> first and last column, of header, detail and trailer, as the page's tables have them."""
    table = re.search(rf"\| `{fmt}` header .*?\n\n", FOR_BANKS, re.DOTALL)
    assert table
    records: list[dict[str, tuple[int, int]]] = [{}, {}, {}]
    for line in table[0].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for record, at in zip(records, (0, 3, 6), strict=True):
            if at + 1 < len(cells) and re.fullmatch(r"[0-9]+(-[0-9]+)?", cells[at + 1]):
                first, _, last = cells[at + 1].partition("-")
                record[cells[at].strip("`")] = (int(first), int(last or first))
    return records


def without_gaps(record: dict[str, tuple[int, int]]) -> bool:
    spans = list(record.values())
    return spans[0] == (1, 1) and all(after[0] == before[1] + 1 for before, after in pairwise(spans))


def put(record: dict[str, tuple[int, int]], values: dict[str, str | int]) -> str:
    """A record of 200 characters with these values in the columns of the page."""
    text = " " * 200
    for field, value in values.items():
        first, last = record[field]
        width = last - first + 1
        written = f"{value:0{width}d}" if isinstance(value, int) else f"{value:<{width}}"
        assert len(written) == width
        text = text[: first - 1] + written + text[last:]
    return text + "\r\n"


def test_the_columns_of_the_cash_list_are_those_that_are_written() -> None:
    header, payment, trailer = columns("PAYCASH1")
    assert all(map(without_gaps, (header, payment, trailer)))
    text = "Tro cap xa hoi thang 12/2026"
    written = put(header, {"H": "H", "PAYCASH1": "PAYCASH1", "message id": "M20261201CONTRACTSAMPLE1",
                           "value date yyyymmdd": "20261201", "payer's account": "3713010001", "count": 1,
                           "sum": 500_000, "created yyyymmddHHMMSS": "20261130091530"})  # fmt: skip
    written += put(payment, {"D": "D", "line, from 1": 1, "end-to-end id": "P000000000000000", "amount": 500_000,
                             "paying point": "16834", "citizen id, 12 digits": "040150000000",
                             "name": "NGUYEN THI HOA", "what the payee reads": text})  # fmt: skip
    written += put(trailer, {"T": "T", "count": 1, "sum": 500_000})
    assert write_cash_list(sample_batch(Channel.CASH, 1)).content == written.encode("ascii")


def test_the_columns_of_results_and_statements_are_those_that_are_read() -> None:
    header, result, trailer = columns("PAYRSLT1")
    assert all(map(without_gaps, (header, result, trailer)))
    content = put(header, {"H": "H", "PAYRSLT1": "PAYRSLT1", "your message id": "R1", "message id answered": "M1",
                           "created": "20261205170000"})  # fmt: skip
    content += put(result, {"D": "D", "line in our list": 1, "end-to-end id": "P1", "PAID` or `NOCO": "NOCO",
                            "reason": "CNPC", "amount": 5, "day yyyymmdd": "20261205",
                            "your reference": "C1"})  # fmt: skip
    content += put(trailer, {"T": "T", "count": 1, "sum of `PAID": 0})
    returns = read_cash_returns(content.encode())
    assert returns.answers_message_id == "M1"
    assert returns.statuses is not None
    assert returns.statuses.reason_code.to_list() == ["CNPC"]

    header, line, trailer = columns("PAYSTMT1")
    assert all(map(without_gaps, (header, line, trailer)))
    content = put(header, {"H": "H", "PAYSTMT1": "PAYSTMT1", "your statement id": "S1", "account": "3713",
                           "running number": 4, "from, yyyymmdd": "20261201", "to, yyyymmdd": "20261202",
                           "opening balance": 10, "closing balance": 7})  # fmt: skip
    content += put(line, {"L": "L", "line, from 1": 1, "D` or `C": "D", "amount": 3, "end-to-end id": "P1",
                          "reason": "", "your reference": "C1", "day yyyymmdd": "20261202"})  # fmt: skip
    content += put(trailer, {"T": "T", "count": 1, "sum of debits": 3, "sum of credits": 0})
    (statement,) = read_cash_returns(content.encode()).statements
    assert (statement.sequence, statement.account, problems_of(statement)) == (4, "3713", [])


def test_the_adapter_of_the_walk_through_passes_the_contract(tmp_path: Path) -> None:
    """The page's code, put where the page says, and run as the page says."""
    page = (DOCS / "writing-a-bank-adapter.md").read_text(encoding="utf-8")
    for name, code in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(code + "\n\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "songha_bank", "test_songha.py"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_songha.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    passed = re.search(r"([0-9]+) passed", run.stdout)
    assert passed
    assert int(passed[1]) >= 25
    assert "skipped" not in run.stdout
