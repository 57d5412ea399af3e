"""The API over a finished month: what each role sees, takes away, and may not do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.web.app import create_app
from paysvc.wiring import wire

from .finished_month import Demo

#: After the demo's report was published, and before its tokens end.
AFTERWARDS = FixedClock(datetime(2026, 12, 20, 2, 0, tzinfo=UTC))


@pytest.fixture
def client(on_sqlite: Demo) -> Iterator[FlaskClient]:
    wiring = wire(read_settings(on_sqlite.home), AFTERWARDS)
    yield create_app(wiring).test_client()
    wiring.close()


def bearer(demo: Demo, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {demo.token(role)}"}


def test_everybody_adds_up(client: FlaskClient, on_sqlite: Demo) -> None:
    found = client.get("/cycles/2026-12/outcomes", headers=bearer(on_sqlite, "auditor")).get_json()
    parts = [found[word] for word in ("settled", "returned", "rejected", "outstanding", "unknown")]
    parts += [*found["held"].values(), *found["excluded"].values()]
    for measure in ("count", "amount_vnd"):
        assert sum(part[measure] for part in parts) == found["entitled"][measure]
    assert isinstance(found["entitled"]["amount_vnd"], int)


def test_the_plan_was_approved_by_another_than_its_maker(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "auditor")
    [cycle] = client.get("/cycles", headers=headers).get_json()
    [approval] = client.get("/cycles/2026-12/approvals", headers=headers).get_json()
    assert (cycle["maker_id"], approval["approver_id"]) == ("maker", "approver")
    assert approval["content_sha256"] == cycle["content_sha256"]
    assert cycle["submitted_at"].endswith("+00:00")


def test_a_released_plan_cannot_be_changed_any_more(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "maker")
    body = {"cycle_code": "2026-12", "programme_codes": ["HTXH"], "periods": ["2026-12"]}
    planned = client.post("/cycles", json=body, headers=headers)
    assert (planned.status_code, planned.get_json()["code"]) == (409, "cycle_not_draft")
    withdrawn = client.post("/cycles/2026-12/withdrawal", json={"reason": "x"}, headers=headers)
    assert withdrawn.status_code == 409
    missing = client.post("/cycles/2030-01/submission", headers=headers)
    assert (missing.status_code, missing.content_type) == (404, "application/problem+json")


def test_every_batch_shows_the_digest_of_its_bytes(client: FlaskClient, on_sqlite: Demo) -> None:
    batches = client.get("/cycles/2026-12/batches", headers=bearer(on_sqlite, "bank-operator")).get_json()
    assert {batch["bank_code"] for batch in batches} == {"NONGNGHIEP", "CONGTHUONG", "BUUDIEN"}
    assert all(len(batch["sha256"]) == 64 and batch["state"] == "SENT" for batch in batches)


def test_every_file_of_the_banks_was_believed(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "auditor")
    files = client.get("/returns/files?limit=500", headers=headers).get_json()
    assert len(files) > 20
    assert {file["state"] for file in files} == {"ACCEPTED"}
    assert client.get("/returns/discrepancies", headers=headers).get_json() == []


def test_pages_follow_one_another(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "auditor")
    whole = [file["id"] for file in client.get("/returns/files?limit=500", headers=headers).get_json()]
    paged: list[int] = []
    while True:
        before = f"&before={paged[-1]}" if paged else ""
        page = client.get(f"/returns/files?limit=7{before}", headers=headers).get_json()
        if not page:
            break
        paged += [file["id"] for file in page]
    assert paged == whole
    assert client.get("/returns/files?limit=501", headers=headers).status_code == 422


def test_imports_show_what_was_refused_and_give_the_rows_back(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "maker")
    imports = client.get("/registry/imports", headers=headers).get_json()
    [damaged] = [one for one in imports if one["refused"]]
    problems = client.get(f"/registry/imports/{damaged['id']}/problems", headers=headers).get_json()
    assert {problem["code"] for problem in problems if problem["severity"] == "error"} >= {"E201", "E202"}
    answer = client.get(f"/registry/imports/{damaged['id']}/error-file", headers=headers)
    assert answer.status_code == 200
    assert "ma_loi" in answer.get_data().decode("utf-16")
    assert client.get("/registry/imports/999/problems", headers=headers).status_code == 404


def test_an_uploaded_file_that_is_no_list_is_refused_with_its_reason(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "maker")
    for content in (b"\x89PNG\r\n\x1a\n" + bytes(100), b"", b"a,b\n1,2\n"):
        answer = client.post("/registry/imports?kind=beneficiaries&name=x.csv", data=content, headers=headers)
        assert answer.status_code == 422
        assert answer.get_json()["code"]
    assert client.post("/registry/imports?kind=everything&name=x.csv", data=b"x", headers=headers).status_code == 422


def test_reviews_are_masked_and_need_a_reason(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "maker")
    page = client.get("/matching/reviews?outcome=name_close&limit=3", headers=headers).get_json()
    assert page["matches"]
    assert all(match["citizen_id"].startswith("•") for match in page["matches"])
    first = page["matches"][0]["match_id"]
    answer = client.post(f"/matching/reviews/{first}", json={"decision": "accept", "reason": ""}, headers=headers)
    assert answer.status_code == 422


def test_the_report_can_be_published_again_with_the_same_bytes(client: FlaskClient, on_sqlite: Demo) -> None:
    headers = bearer(on_sqlite, "auditor")
    body = {"cycle_code": "2026-12", "as_of": "2026-12-15T00:00:00+07:00"}
    answer = client.post("/reports", json=body, headers=headers)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    published = answer.get_json()
    assert not published["is_new"]
    folder = Path(on_sqlite.home / "reports" / published["folder_name"])
    for name in ("report.json", "report.json.sig", "lines.csv", "report.pdf"):
        assert (folder / name).read_bytes() == (on_sqlite.folder / "report" / name).read_bytes()
        part = client.get(f"/reports/{published['folder_name']}/{name}", headers=headers, buffered=True)
        assert part.get_data() == (folder / name).read_bytes()
    for path in (
        "/reports/../keys.json",
        "/reports/%2e%2e/keys.json",
        f"/reports/{published['folder_name']}/../../keys.json",
    ):
        assert client.get(path, headers=headers, buffered=True).status_code == 404, path
    assert (
        client.post("/reports", json={**body, "as_of": "2030-01-01T00:00:00+07:00"}, headers=headers).status_code == 422
    )


def test_the_ledger_is_balanced(client: FlaskClient, on_sqlite: Demo) -> None:
    balances = client.get("/ledger", headers=bearer(on_sqlite, "auditor")).get_json()
    assert sum(one["balance_vnd"] for one in balances) == 0
    assert any(one["account"].startswith("paid:") and one["balance_vnd"] > 0 for one in balances)


def test_nothing_personal_is_logged(client: FlaskClient, on_sqlite: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = [
        line.split(";")[2] for line in (on_sqlite.folder / "files/03-nguoi-co-cong.csv").read_text().splitlines()[1:50]
    ]
    client.get(f"/cycles/{numbers[0]}/outcomes", headers=bearer(on_sqlite, "maker"))
    told = "".join(capsys.readouterr())
    assert "/outcomes" in told
    assert not any(number in told for number in numbers)
