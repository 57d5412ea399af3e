"""The exact bytes that left and came back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from paysvc.domain.errors import NotFound, SignatureInvalid
from paysvc.store.vault import Vault

#: Nothing, one byte, one chunk exactly, one byte more, several chunks.
CONTENTS = [b"", b"x", bytes(4 << 20), bytes((4 << 20) + 1), b"camt" * (3 << 20)]


@pytest.mark.parametrize("content", CONTENTS, ids=[str(len(content)) for content in CONTENTS])
def test_bytes_come_back_exactly(vault: Vault, content: bytes) -> None:
    digest = vault.put(content)
    assert digest == hashlib.sha256(content).digest()
    assert vault.get(digest) == content
    assert vault.put(content) == digest


def test_personal_data_does_not_lie_open_on_disk(vault: Vault, tmp_path: Path) -> None:
    vault.put(b"040150123456 NGUYEN THI HOA")
    stored = [path for path in (tmp_path / "vault").rglob("*") if path.is_file()]
    assert len(stored) == 1
    assert b"040150123456" not in stored[0].read_bytes()
    assert stored[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["flip", "cut", "swap"])
def test_damage_is_noticed(vault: Vault, tmp_path: Path, damage: str) -> None:
    digest = vault.put(bytes(range(256)) * (33 << 10))  # a little over two chunks
    [path] = [path for path in (tmp_path / "vault").rglob("*") if path.is_file()]
    stored = bytearray(path.read_bytes())
    step = 12 + (4 << 20) + 16
    if damage == "flip":
        stored[100] ^= 1
    elif damage == "cut":
        del stored[step:]
    else:
        stored[:step], stored[step : 2 * step] = stored[step : 2 * step], stored[:step]
    path.chmod(0o600)
    path.write_bytes(stored)
    with pytest.raises(SignatureInvalid):
        vault.get(digest)


def test_what_was_never_kept_is_not_found(vault: Vault) -> None:
    with pytest.raises(NotFound):
        vault.get(bytes(32))
