"""Personal numbers at rest."""

from __future__ import annotations

import hmac
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paysvc.domain.errors import BadSetting
from paysvc.sealing import CannotUnseal, Sealer, open_or_create_sealer

ROWS = [1, 2, 3]
NUMBERS = ["040150123456", "040150123457", "040150123458"]


def test_what_is_sealed_can_be_opened_in_its_place(sealer: Sealer) -> None:
    sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", ROWS, NUMBERS)
    assert sealer.open_column("beneficiary", "citizen_id_sealed", ROWS, sealed) == NUMBERS
    assert not any(number.encode() in value for number, value in zip(NUMBERS, sealed, strict=True))


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        ("beneficiary", "citizen_id_sealed", [2, 1, 3]),
        ("bank_account", "citizen_id_sealed", ROWS),
        ("beneficiary", "account_sealed", ROWS),
    ],
)
def test_a_sealed_value_cannot_be_moved(sealer: Sealer, table: str, column: str, rows: list[int]) -> None:
    sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", ROWS, NUMBERS)
    with pytest.raises(CannotUnseal):
        sealer.open_column(table, column, rows, sealed)


def test_a_changed_byte_is_noticed_wherever_it_is(sealer: Sealer) -> None:
    [sealed] = sealer.seal_column("beneficiary", "citizen_id_sealed", [1], NUMBERS[:1])
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(CannotUnseal):
            sealer.open_column("beneficiary", "citizen_id_sealed", [1], [bytes(changed)])


def test_the_same_number_is_sealed_differently_each_time(sealer: Sealer) -> None:
    sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", [1, 1], ["040150123456"] * 2)
    assert sealed[0] != sealed[1]


def test_the_blind_index_finds_equal_numbers_and_keeps_kinds_apart(sealer: Sealer) -> None:
    assert sealer.blind_index("citizen_id", NUMBERS) == sealer.blind_index("citizen_id", NUMBERS)
    assert set(sealer.blind_index("citizen_id", NUMBERS)).isdisjoint(sealer.blind_index("old_id", NUMBERS))
    assert all(len(key) == 32 for key in sealer.blind_index("citizen_id", NUMBERS))


def test_the_blind_index_is_hmac_sha256(sealer: Sealer) -> None:
    known = [hmac.digest(sealer.index_key, b"citizen_id\x00" + one.encode(), "sha256") for one in NUMBERS]
    assert sealer.blind_index("citizen_id", NUMBERS) == known


def test_the_key_file_is_made_once_and_belongs_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = open_or_create_sealer(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_or_create_sealer(path) == first


def test_another_installation_cannot_open_it(tmp_path: Path, sealer: Sealer) -> None:
    sealed = sealer.seal_column("beneficiary", "citizen_id_sealed", ROWS, NUMBERS)
    with pytest.raises(CannotUnseal):
        open_or_create_sealer(tmp_path / "other.json").open_column("beneficiary", "citizen_id_sealed", ROWS, sealed)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    open_or_create_sealer(path)
    path.chmod(0o640)
    with pytest.raises(BadSetting, match="Others may read"):
        open_or_create_sealer(path)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"key_id": "zz"}', '{"key_id":"00","seal_key":"","index_key":"","reference_key":""}']
)
def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(BadSetting):
        open_or_create_sealer(path)


OPENER = """
import sys
from pathlib import Path
from paysvc.sealing import open_or_create_sealer
from paysvc.signing import open_or_create_signer
print("ready", flush=True)
sys.stdin.readline()
folder = Path(sys.argv[1])
print(open_or_create_sealer(folder / "keys.json").key_id.hex(), open_or_create_signer(folder / "key.pem").key_id)
"""


def open_keys(folder: Path, orders: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PAYSVC_FAILPOINTS": orders}
    words = [sys.executable, "-c", OPENER, str(folder)]
    return subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_several_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    processes = [open_keys(tmp_path) for _ in range(6)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = {process.communicate("go\n")[0] for process in processes}
    assert len(answers) == 1
    assert {process.returncode for process in processes} == {0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "keys.json"]


@pytest.mark.parametrize("moment", ["synced", "named"])
def test_a_start_that_is_killed_leaves_a_whole_key_or_none(tmp_path: Path, moment: str) -> None:
    killed = open_keys(tmp_path, f"sealing.write_secret {moment}=kill")
    killed.communicate("go\n")
    assert killed.returncode == -signal.SIGKILL
    found = open_or_create_sealer(tmp_path / "keys.json")
    assert open_or_create_sealer(tmp_path / "keys.json") == found
