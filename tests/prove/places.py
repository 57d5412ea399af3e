"""All places at which the service can be told to fail, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import paysvc

PACKAGE = Path(paysvc.__file__).parent
_TRANSACTION = ("begun", "written", "committed")

#: What works only in the demo, or at the desk of whoever writes this program.
_NOT_IN_AN_OFFICE = ("demo.", "store.schema.downgrade ", "store.schema.start_afresh ")


def all_places() -> set[str]:
    """`module.function moment` of every transaction and every `reach` of the package."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if module != "failpoints":
            found |= set(_places(ast.parse(path.read_text()), module))
    return {place for place in found if not place.startswith(_NOT_IN_AN_OFFICE)}


def _places(node: ast.AST, name: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _places(child, f"{name}.{child.name}")
        elif isinstance(child, ast.FunctionDef):
            yield from _in_function(child, f"{name}.{child.name}")
        else:
            yield from _places(child, name)


def _in_function(function: ast.FunctionDef, name: str) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.With) and any(_writes(item.context_expr) for item in node.items):
            yield from (f"{name} {moment}" for moment in _TRANSACTION)
        is_reach = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach"
        # With `above` it stands for its caller, which is found as one that writes.
        if is_reach and not node.keywords and isinstance(node.args[0], ast.Constant):
            yield f"{name} {node.args[0].value}"


def _writes(expression: ast.expr) -> bool:
    return (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Attribute)
        and expression.func.attr == "write"
        and not expression.args
    )
