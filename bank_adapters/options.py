"""A bank's options as text, read once when the adapter is made; a bad one is a ValueError that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paysvc.domain.money import MAX_TOTAL_VND

#: What no bank file of ours comes near, and what still fits a small machine's memory.
MAX_FILE_BYTES = 2 << 30


def text_option(options: Mapping[str, str], name: str, default: str | None = None) -> str:
    """The option's text; without a default it is required. Raises ValueError naming it."""
    value = options.get(name, default)
    if not value and default is None:
        raise ValueError(f"option '{name}' is missing")
    if value is None or not value.isprintable():
        raise ValueError(f"option '{name}' holds a character that cannot be printed")
    return value


def number_option(options: Mapping[str, str], name: str, default: int | None, least: int, most: int) -> int:
    """The option as a whole number from `least` to `most`. Raises ValueError naming it."""
    value = text_option(options, name, None if default is None else str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 18 or not least <= int(value) <= most:
        raise ValueError(f"option '{name}' has to be a whole number from {least} to {most}")
    return int(value)


def file_option(options: Mapping[str, str], name: str) -> Path:
    """The option as the path of an existing file. Raises ValueError naming it."""
    path = Path(text_option(options, name))
    if not path.is_file():
        raise ValueError(f"option '{name}': there is no file {path}")
    return path


@dataclass(frozen=True, slots=True)
class Limits:
    """What a bank agreed to, per file; `max_amount_vnd` in đồng."""

    max_payments: int
    max_amount_vnd: int
    duplicate_days: int
    cut_off_hour: int


def limit_options(options: Mapping[str, str], max_payments: int) -> Limits:
    """The options `max_payments`, `max_amount_vnd`, `duplicate_days` and `cut_off_hour`, all with defaults."""
    return Limits(
        max_payments=number_option(options, "max_payments", max_payments, 1, 999_999),
        max_amount_vnd=number_option(options, "max_amount_vnd", 10**14, 1, MAX_TOTAL_VND),
        duplicate_days=number_option(options, "duplicate_days", 90, 0, 3650),
        cut_off_hour=number_option(options, "cut_off_hour", 16, 0, 24),
    )
