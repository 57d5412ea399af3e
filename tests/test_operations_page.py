"""Whatever code an operator can meet has its place on the page for operators: what it means, and what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from paysvc.cli.main import _EXIT_CODES
from paysvc.domain import errors
from paysvc.domain.books import Equation
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.domain.statement_chain import Fit
from paysvc.store.statement_watch import EARLIER_WAITS, LATER_WAITS
from paysvc.store.witness import Doubt

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

#: Errors that are about running the service. The other classes (`InvalidInput`, `NotAllowed`, `NotFound`,
#: `Conflict`) answer one request of one officer, name the field and the next step, and end with it.
ABOUT_OPERATIONS = frozenset(
    {"ConnectorUnavailable", "DoesNotReconcile", "SignatureInvalid", "BadSetting", "Waiting", "MustWait", "FileRefused"}
)
#: Files whose `FileRefused` are explained by themselves, and why.
PLAIN_FILES = {
    "paysvc/core/": "bytes that are no whole file: the page says what to do with any of them in one row",
    "bank_adapters/delimited": "as in the core, in this dialect",
    "bank_adapters/fixed_width": "as in the core, in this dialect",
    "paysvc/spreadsheets/": "a list that an officer uploads and corrects, with the row and the column",
    "paysvc/domain/registry": "as for spreadsheets",
    "paysvc/services/import_registry.py": "as for spreadsheets",
    "paysvc/cli/letters.py": "as for spreadsheets",
    "paysvc/services/reconcile_files.py": "files that somebody names on the command line, and is told of at once",
    "bank_adapters/mock_bank/": "another party's program",
}
#: Expressions that stand for codes, and what they can be.
SPELT_OUT = {
    "doubt.value": [one.value for one in Doubt],
    "answer.value": [one.value for one in Fit if one is not Fit.FITS],
    "LATER_WAITS if is_later else EARLIER_WAITS": [LATER_WAITS, EARLIER_WAITS],
    "f'{program}_failed'": ["pg_dump_failed", "pg_restore_failed"],
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("paysvc", "bank_adapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args:
                yield path, node


def codes() -> dict[str, str]:
    """Code -> where it is raised."""
    found: dict[str, str] = {}
    for path, call in calls():
        if name_of(call) not in ABOUT_OPERATIONS:
            continue
        if name_of(call) == "FileRefused" and path.startswith(tuple(PLAIN_FILES)):
            continue
        first, place = call.args[0], f"{path}:{call.lineno}"
        if isinstance(first, ast.Constant):
            found[str(first.value)] = place
        else:
            assert ast.unparse(first) in SPELT_OUT, f"{place}: nobody can tell which codes {ast.unparse(first)} is"
            found |= dict.fromkeys(SPELT_OUT[ast.unparse(first)], place)
    return found


def events() -> set[str]:
    """What is logged as an error."""
    return {
        str(call.args[0].value)
        for _, call in calls()
        if ast.unparse(call.func) == "log.error" and isinstance(call.args[0], ast.Constant)
    }


def meters() -> set[str]:
    return {
        str(call.args[0].value)
        for _, call in calls()
        if name_of(call) == "Gauge" and isinstance(call.args[0], ast.Constant)
    }


def missing(wanted: Iterator[str] | set[str] | dict[str, str] | list[str]) -> list[str]:
    return sorted(one for one in wanted if f"`{one}`" not in PAGE and f"**`{one}`" not in PAGE)


def test_every_code_about_operations_is_on_the_page() -> None:
    found = codes()
    assert len(found) > 60
    assert {one: found[one] for one in missing(found)} == {}


@pytest.mark.parametrize("kind", [DiscrepancyKind, Equation, Doubt, Fit], ids=lambda kind: kind.__name__)
def test_every_kind_of_difference_and_doubt_is_on_the_page(kind: type) -> None:
    assert missing([one.value for one in kind if one is not Fit.FITS]) == []  # type: ignore[attr-defined]


def test_every_error_in_the_log_and_every_alarm_is_on_the_page() -> None:
    assert {"books differ", "no tick"} <= events()
    assert missing(events()) == []
    assert meters()
    assert missing(meters()) == []


def test_every_exit_code_is_on_the_page() -> None:
    """As the classes have it, and as the command line's help has it."""
    (paragraph,) = re.findall(r"\*\*Exit codes\.\*\*(.*?)\n\n", PAGE, re.DOTALL)
    told = {int(number) for number in re.findall(r"(?:^|[.] )(\d+) ", " ".join(paragraph.split()))}
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.PaysvcError)]
    assert {one.exit_code for one in classes} <= told
    assert {int(number) for number in re.findall(r"(\d+) [a-z]", _EXIT_CODES)} <= told
    assert 130 in told


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    """A list of exceptions that nothing needs any more would hide what comes later."""
    refused = {path for path, call in calls() if name_of(call) == "FileRefused"}
    for prefix in PLAIN_FILES:
        assert any(path.startswith(prefix) for path in refused), prefix
    spelt = {ast.unparse(call.args[0]) for _, call in calls() if name_of(call) in ABOUT_OPERATIONS}
    assert set(SPELT_OUT) <= spelt
