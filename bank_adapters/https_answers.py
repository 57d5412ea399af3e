"""What a bank's answers over HTTPS mean: a receipt, a refusal, a list, or nothing that can be relied on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bank_adapters.door_rules import DUPLICATE, one_line, refusal_of
from paysvc.bank_interface import BankRefused, BankUnreachable, OutcomeUnknown


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and the SHA-256 of the Content-Digest header (None without one)."""

    status: int
    content: bytes = field(repr=False)  # see FetchedFile
    digest: bytes | None

    def fields(self) -> dict[str, Any]:
        """The JSON object in the answer; {} where there is none, which no answer of a bank is."""
        try:
            value = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def receipt(answer: Answer) -> str:
    """The receipt in the answer to a PUT, or the failure that the answer is."""
    fields = answer.fields()
    if answer.status == 201 and isinstance(fields.get("receipt"), str):
        return one_line(fields["receipt"])
    if answer.status == 200 and fields:
        return "received (was there already)"
    if answer.status == 409 and fields:
        code, message = refusal({"code": DUPLICATE} | fields)
        raise BankRefused(code, message)
    if answer.status == 422 and fields.get("code"):
        raise BankRefused(*refusal(fields))
    raise OutcomeUnknown(f"The bank's answer ({answer.status}) says neither yes nor no.")


def receipt_of_known(answer: Answer, sha256: str) -> str:
    """The bank knows the name already; nothing of the file has left us now."""
    fields = answer.fields()
    if fields.get("state") == "refused":
        raise BankRefused(*refusal(fields))
    if fields.get("state") != "received":
        raise BankUnreachable("The bank's answer, before anything was sent, says nothing about the file.")
    if fields.get("sha256") != sha256:
        raise BankRefused(DUPLICATE, "The bank has another file under this name.")
    return "received (was there already)"


def refusal(fields: Mapping[str, Any]) -> tuple[str, str]:
    return refusal_of(f"{fields.get('code') or ''} {fields.get('message') or ''}")


def listed_file(one: object) -> tuple[str, int, bytes]:
    """Name, size and digest of a listed file; a list that is not one is no answer."""
    try:
        name, size, digest = one["name"], one["size"], bytes.fromhex(one["sha256"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise BankUnreachable("The bank's list of files cannot be read.") from None
    if not isinstance(name, str) or type(size) is not int or size < 0:
        raise BankUnreachable("The bank's list of files cannot be read.")
    return name, size, digest
