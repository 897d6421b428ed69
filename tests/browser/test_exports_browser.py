"""Files as they reach a person's disk: one's own rows, of the filters on the screen."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from backend.database import DirectDatabase
from tests.browser.conftest import OPERATOR, Stack, Visitor
from tests.support.frames import keep_frames
from tests.support.odd_sessions import odd_session
from tests.support.postgres import run_sync
from tests.support.rooms import sign_in

Visit = Callable[..., Visitor]
ADMIN = "admin@nusantara.demo.uniev.id"
MAKE = "Buat CSV"


def saved(page: Page, label: str = MAKE) -> Path:
    """The file that the two presses give."""
    page.get_by_role("button", name=label, exact=True).click()
    save = page.get_by_role("button", name="Simpan uniev-")
    expect(save).to_be_enabled()
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename in save.inner_text()
    return Path(download.value.path())


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def test_sessions_come_with_the_filter(stack: Stack, visit: Visit) -> None:
    charger = stack.get("/api/sessions?limit=1&open=false")["items"][0]["charger_id"]
    someone = visit(stack.cpo.url)
    someone.sign_in(OPERATOR, f"/sessions?charger={charger}&open=false")
    wanted = stack.get(f"/api/sessions?limit=200&open=false&charger_id={charger}")["items"]
    assert {row["id"] for row in rows(saved(someone.page))} == {row["id"] for row in wanted}


def test_messages_come_with_the_filter_and_of_today(stack: Stack, visit: Visit) -> None:
    """The file held every message of the server's own day, whatever was chosen."""
    charger = stack.get("/api/chargers?limit=1")["items"][0]["id"]
    run_sync(_frames(stack.dsn, charger))
    someone = visit(stack.cpo.url)
    someone.sign_in(OPERATOR, f"/message_log?charger={charger}&action=Authorize")
    lines = [json.loads(line) for line in saved(someone.page, "Buat berkas JSON lines").read_text().splitlines()]
    assert {line["action"] for line in lines} == {"Authorize"}


async def _frames(dsn: str, charger: str) -> None:
    def frame(action: str, pair: str) -> dict[str, Any]:
        return {"at": datetime.now(UTC).isoformat(), "charger_id": charger, "direction": "in", "kind": "call",
                "action": action, "pair_id": pair, "payload": json.dumps([2, pair, action, {}]), "latency_ms": None,
                "error_code": None}  # fmt: skip

    database = await DirectDatabase.open(dsn)
    await keep_frames(database, frame("Authorize", "a1"), frame("Heartbeat", "h1"))
    await database.close()


def test_held_sessions_follow_the_chips_of_their_region(stack: Stack, visit: Visit) -> None:
    """The chips redraw the region alone; the file kept the filter that the page had been opened with."""
    run_sync(odd_session(stack.dsn, ADMIN))
    judged = run_sync(odd_session(stack.dsn, ADMIN))
    [row] = [
        row for row in stack.get("/api/sessions/reviews?billing_state=held&limit=200")["items"] if row["id"] == judged
    ]
    ruling = {"decision": "void", "reason": "Uji", "revision": row["revision"]}
    _as_admin(stack, "POST", f"/api/sessions/{judged}/review", ruling)
    someone = visit(stack.cpo.url)
    someone.sign_in(OPERATOR, "/held")
    page = someone.page
    assert {row["billing_state"] for row in rows(saved(page))} == {"held"}
    page.locator(".st-key-choose_state").get_by_text("Dibatalkan").click()
    expect(page.get_by_role("button", name="Simpan uniev-")).to_have_count(0)
    assert {row["billing_state"] for row in rows(saved(page))} == {"void"}


def _as_admin(stack: Stack, method: str, path: str, body: dict[str, Any]) -> None:
    bearer = {"Authorization": f"Bearer {sign_in(stack.api.url, ADMIN)['access_token']}"}
    with httpx.Client(base_url=stack.api.url, trust_env=False, headers=bearer) as client:
        client.request(method, path, json=body).raise_for_status()


def test_the_audit_log_comes_with_the_filter(stack: Stack, visit: Visit) -> None:
    template = {"name": "Untuk berkas", "settings": {"A": "1"}}
    _as_admin(stack, "POST", "/api/configuration-templates", template)
    someone = visit(stack.cpo.url)
    someone.sign_in(ADMIN, "/audit?noun=configuration_template")
    assert {row["object_type"] for row in rows(saved(someone.page))} == {"configuration_template"}
