"""Firmware and logs over HTTP: who may, what the links lead to, and what becomes of bad ones."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.database import SYSTEM
from backend.domain.files import token_hash
from tests.api.conftest import World
from tests.support.postgres import execute

FILES = "/api/firmware-files"
FIRMWARE = os.urandom(300_000)
ABOUT = {"name": "acme 7.bin", "version": "7.0", "vendor": "Acme", "model": "One"}
SIGNED = {"certificate": "-----BEGIN CERTIFICATE-----", "signature": "c2ln"}


@pytest.fixture
async def outside(world: World) -> httpx.AsyncClient:
    """A charger: no credentials."""
    return await world.client(None)


async def uploaded(world: World, content: bytes = FIRMWARE) -> dict[str, Any]:
    reply = await (await world.client("cpo_admin")).post(FILES, params=ABOUT, content=content)
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def job(world: World, kind: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    client = await world.client("cpo_operator")
    path = f"/api/chargers/{world.own.charger_id}/{kind}-jobs?queue=true"
    reply = await client.post(path, json=body, headers=headers)
    assert reply.status_code == 202, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def link(world: World, command_id: str) -> str:
    """The path that the charger will be told: only the waiting command holds it."""
    row = (await world.database.select("commands", scope=world.scope("emsv_admin"), where=[("id", "eq", command_id)]))[
        0
    ]
    found = re.search(r'http://files\.test(/files/[^"\']+)', str(row["payload"]))
    assert found
    return found[1]


async def download_link(world: World) -> str:
    made = await uploaded(world)
    return await link(world, (await job(world, "firmware", {"firmware_file_id": made["id"]}))["command_id"])


async def upload_link(world: World, kind: str = "diagnostics") -> tuple[str, dict[str, Any]]:
    made = await job(world, "log", {"kind": kind})
    return await link(world, made["command_id"]), made


def contents(tmp_path: Path) -> list[bytes]:
    return [path.read_bytes() for path in (tmp_path / "files").rglob("*") if path.is_file()]


# -- files of firmware


async def test_an_administrator_keeps_firmware_and_an_operator_reads_it(world: World, tmp_path: Path) -> None:
    made = await uploaded(world)
    operator = await world.client("cpo_operator")
    listed = (await operator.get(FILES)).json()["items"]
    refused = await operator.post(FILES, params=ABOUT, content=b"x")
    gone = await (await world.client("cpo_admin")).delete(f"{FILES}/{made['id']}")

    assert (made["size_bytes"], made["sha256"]) == (len(FIRMWARE), sha256(FIRMWARE).hexdigest())
    assert (made["name"], made["version"], made["uploaded_by_name"]) == ("acme 7.bin", "7.0", "Person cpo_admin")
    assert listed[0]["id"] == made["id"] and "content_name" not in listed[0]
    assert refused.status_code == 403
    assert (gone.status_code, contents(tmp_path)) == (204, [])


@pytest.mark.parametrize(("size", "code", "status"), [(0, "empty_file", 422), (400_001, "file_too_large", 413)])
async def test_a_file_that_does_not_fit_is_not_kept(
    world: World, tmp_path: Path, size: int, code: str, status: int
) -> None:
    async def body() -> AsyncIterator[bytes]:  # its length is not told
        for _ in range(size // 1000):
            yield bytes(1000)
        yield bytes(size % 1000)

    client = await world.client("cpo_admin")
    reply = await client.post(FILES, params=ABOUT, content=body())
    nameless = await client.post(FILES, params={"name": "x"}, content=b"x")

    assert (reply.status_code, reply.json()["code"], contents(tmp_path)) == (status, code, [])
    assert (nameless.status_code, nameless.json()["errors"][0]["member"]) == (422, "version")


async def test_a_file_that_a_job_needs_stays(world: World) -> None:
    made = await uploaded(world)
    await job(world, "firmware", {"firmware_file_id": made["id"]})
    reply = await (await world.client("cpo_admin")).delete(f"{FILES}/{made['id']}")

    assert (reply.status_code, reply.json()["code"]) == (409, "firmware_file_in_use")


# -- firmware jobs


async def test_a_job_asks_the_charger_and_hides_the_secret_of_its_link(world: World) -> None:
    made = await uploaded(world)
    at = "2026-12-01T20:00:00Z"
    plain = await job(world, "firmware", {"firmware_file_id": made["id"], "retrieve_at": at, "retries": 2})
    signed = await job(world, "firmware", {"firmware_file_id": made["id"], "signed": SIGNED})
    byhand = await job(world, "firmware", {"location": "ftp://user@files.test/fw.bin"})
    client = await world.client("cpo_operator")
    commands = [(await client.get(f"/api/commands/{made['command_id']}")).json() for made in (plain, signed, byhand)]
    listed = (await client.get(f"/api/chargers/{world.own.charger_id}/firmware-jobs")).json()["items"]

    assert commands[0]["payload"] == {"location": "http://files.test/files/firmware/***/acme_7.bin",
                                      "retrieveDate": at, "retries": 2}  # fmt: skip
    assert (commands[1]["action"], commands[1]["payload"]["requestId"]) == (
        "SignedUpdateFirmware",
        signed["request_id"],
    )
    assert commands[1]["payload"]["firmware"]["signature"] == "c2ln"
    assert commands[2]["payload"]["location"] == "ftp://user@files.test/fw.bin"
    assert (plain["status"], plain["version_wanted"], plain["location"]) == (
        "queued", "7.0", "http://files.test/files/firmware/***/acme_7.bin")  # fmt: skip
    assert plain["link_expires_at"] > "2026-12-02" and byhand["link_expires_at"] is None
    assert [row["id"] for row in listed[:3]] == [byhand["id"], signed["id"], plain["id"]]
    assert signed["request_id"] > 0


async def test_the_same_key_is_the_same_job_and_no_other(world: World) -> None:
    made = await uploaded(world)
    first = await job(world, "firmware", {"firmware_file_id": made["id"]}, **{"Idempotency-Key": "k"})
    again = await job(world, "firmware", {"firmware_file_id": made["id"]}, **{"Idempotency-Key": "k"})
    client = await world.client("cpo_operator")
    other = await client.post(
        f"/api/chargers/{world.own.charger_id}/log-jobs?queue=true", json={"kind": "diagnostics"},
        headers={"Idempotency-Key": "k"},
    )  # fmt: skip

    assert again == first
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("body", [{}, {"firmware_file_id": None}, {"location": "a b"}, {"location": "x", "retries": -1},
                                  {"location": "ftp://x", "signed": {"certificate": "x"}}])  # fmt: skip
async def test_a_job_that_names_nothing_or_nonsense_is_refused(world: World, body: dict[str, Any]) -> None:
    client = await world.client("cpo_admin")
    reply = await client.post(f"/api/chargers/{world.own.charger_id}/firmware-jobs", json=body)

    assert reply.status_code == 422


async def test_a_job_needs_a_connected_charger_unless_queued_and_a_file_of_its_cpo(world: World) -> None:
    client = await world.client("cpo_admin")
    path = f"/api/chargers/{world.own.charger_id}/firmware-jobs"
    offline = await client.post(path, json={"location": "ftp://x"})
    emsv = await world.client("emsv_admin")
    foreign = await emsv.post(path + "?queue=true", json={"firmware_file_id": world.other.file_id})

    assert (offline.status_code, offline.json()["code"]) == (409, "charger_offline")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "firmware_file_not_found")


# -- download links


async def test_a_charger_fetches_its_firmware_whole_and_in_parts(world: World, outside: httpx.AsyncClient) -> None:
    path = await download_link(world)
    whole = await outside.get(path)
    rest = await outside.get(path, headers={"Range": "bytes=299990-"})
    middle = await outside.get(path, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    last = await outside.get(path, headers={"Range": "bytes=-5"})
    head = await outside.head(path)
    other = await outside.get(path, headers={"Range": "bytes=10-19", "If-Range": '"another"'})
    odd = await outside.get(path, headers={"Range": "bytes=1-2,4-5"})
    beyond = await outside.get(path, headers={"Range": "bytes=300000-"})

    assert (whole.status_code, whole.content, whole.headers["etag"]) == (
        200, FIRMWARE, f'"{sha256(FIRMWARE).hexdigest()}"')  # fmt: skip
    assert (rest.status_code, rest.content) == (206, FIRMWARE[299_990:])
    assert rest.headers["content-range"] == "bytes 299990-299999/300000"
    assert (middle.status_code, middle.content, last.content) == (206, FIRMWARE[10:20], FIRMWARE[-5:])
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "300000")
    assert (other.status_code, odd.status_code, beyond.status_code) == (200, 200, 416)
    assert whole.headers["cache-control"] == "no-store"


_ENDED = ("installed", "failed", "rejected", "timed_out", "expired", "replaced")


@pytest.mark.parametrize("end", [
    "update public.firmware_jobs set link_expires_at = now()", "delete from public.firmware_jobs",
    *(f"update public.firmware_jobs set status = '{status}'" for status in _ENDED),  # noqa: S608
])  # fmt: skip
async def test_a_link_whose_time_is_over_leads_nowhere(
    world: World, outside: httpx.AsyncClient, dsn: str, end: str
) -> None:
    path = await download_link(world)
    await execute(dsn, end)
    reply = await outside.get(path)

    assert (reply.status_code, reply.json()["code"]) == (404, "link_not_found")


@pytest.mark.parametrize("path", [
    "/files/firmware/nonsense", "/files/firmware/%00", "/files/firmware/" + "a" * 3000, "/files/firmware/é/x",
    "/files/firmware/..%2f..%2fetc%2fpasswd", "/files/firmware/../../api/chargers", "/files/firmware/firmware%2F0001",
])  # fmt: skip
async def test_a_wrong_link_leads_nowhere(outside: httpx.AsyncClient, path: str) -> None:
    assert (await outside.get(path)).status_code in (401, 404)


async def test_the_hash_that_is_kept_opens_nothing(world: World, outside: httpx.AsyncClient) -> None:
    path = await download_link(world)
    token = path.split("/")[3]
    rows = await world.database.select(
        "firmware_jobs", scope=world.scope("emsv_admin"), where=[("signed", "eq", False)]
    )
    kept = [row["token_hash"] for row in rows if row["token_hash"]]

    assert kept == [token_hash(token)]
    assert (await outside.get(f"/files/firmware/{kept[0]}")).status_code == 404
    assert token not in str(rows)


# -- uploads


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(("tail", "name"), [("", None), ("/log.zip", "log.zip"), ("/../../../x.sh", None),
                                            ("/%2e%2e%2f%2e%2e%2fx.sh", "x.sh"), ("/a/b/c.log", "c.log")])  # fmt: skip
async def test_a_log_is_taken_once_and_downloaded_by_staff(
    world: World, outside: httpx.AsyncClient, tmp_path: Path, method: str, tail: str, name: str | None
) -> None:
    path, made = await upload_link(world)
    content = os.urandom(299_999)
    first = await outside.request(method, path + tail, content=content)
    if tail == "/../../../x.sh":  # the client itself resolves it: another address
        assert first.status_code in (404, 405)
        return
    second = await outside.request(method, path + tail, content=b"another")
    client = await world.client("cpo_operator")
    kept = (await client.get(f"/api/log-jobs/{made['id']}")).json()
    file = await client.get(f"/api/log-jobs/{made['id']}/file")

    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 409, "link_used")
    assert (kept["status"], kept["file_name"], kept["size_bytes"]) == ("uploaded", name, len(content))
    assert kept["sha256"] == sha256(content).hexdigest()
    assert (file.content, contents(tmp_path)) == (content, [content])
    assert file.headers["content-disposition"] == f'attachment; filename="{name or "log"}"'


async def test_a_form_is_taken_as_a_browser_sends_it(world: World, outside: httpx.AsyncClient, tmp_path: Path) -> None:
    path, made = await upload_link(world, "security_log")
    content = os.urandom(200_000) + b"\r\n--"
    reply = await outside.post(path, data={"field": "before"}, files={"file": ("../sec.log", content), "second": b"no"})
    client = await world.client("cpo_operator")
    kept = (await client.get(f"/api/log-jobs/{made['id']}")).json()

    assert reply.status_code == 200
    assert (kept["size_bytes"], contents(tmp_path)) == (len(content), [content])


@pytest.mark.parametrize(("content", "content_type", "code"), [
    (b"", "text/plain", "empty_file"), (b"nonsense", "multipart/form-data; boundary=x", "bad_form"),
    (b"--x\r\n", "multipart/form-data", "bad_form"), (bytes(300_001), "text/plain", "file_too_large"),
    (b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhalf', "multipart/form-data; boundary=x",
     "bad_form"),
])  # fmt: skip
async def test_an_upload_that_does_not_fit_may_be_tried_again(
    world: World, outside: httpx.AsyncClient, tmp_path: Path, content: bytes, content_type: str, code: str
) -> None:
    path, _ = await upload_link(world)
    bad = await outside.put(path, content=content, headers={"Content-Type": content_type})
    left = contents(tmp_path)
    good = await outside.put(path, content=b"fits")

    assert (bad.status_code in (413, 422), bad.json()["code"], left) == (True, code, [])
    assert good.status_code == 200


async def test_a_wrong_or_old_upload_link_takes_nothing(
    world: World, outside: httpx.AsyncClient, tmp_path: Path
) -> None:
    path, made = await upload_link(world)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await world.database.update("log_jobs", {"link_expires_at": past}, scope=SYSTEM, where=[("id", "eq", made["id"])])
    replies = [await outside.put(path, content=b"x"), await outside.put("/files/uploads/nonsense", content=b"x"),
               await outside.put(path.replace("uploads", "firmware"), content=b"x")]  # fmt: skip

    assert [reply.status_code for reply in replies] == [404, 404, 405]
    assert contents(tmp_path) == []


async def test_a_log_is_for_the_staff_of_its_cpo(world: World, outside: httpx.AsyncClient) -> None:
    path, made = await upload_link(world)
    nothing = await (await world.client("cpo_admin")).get(f"/api/log-jobs/{made['id']}/file")
    await outside.put(path, content=b"log")
    said = {role: (await (await world.client(role)).get(f"/api/log-jobs/{made['id']}/file")).status_code
            for role in ("cpo_admin", "cpo_operator", "integrator", "noc_analyst")}  # fmt: skip

    assert (nothing.status_code, nothing.json()["code"]) == (404, "file_not_found")
    assert said == {"cpo_admin": 200, "cpo_operator": 200, "integrator": 403, "noc_analyst": 403}


# -- the first edition's words


@pytest.mark.parametrize(("body", "action", "payload"), [
    ({"command": "REBOOT"}, "Reset", {"type": "Soft"}),
    ({"command": "REBOOT", "type": "Hard"}, "Reset", {"type": "Hard"}),
    ({"command": "UNLOCK", "connector_id": 2}, "UnlockConnector", {"connectorId": 2}),
    ({"command": "LOCK", "connector_id": 1}, "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}),
    ({"command": "LOCK"}, "ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
    ({"command": "UPDATE_CONFIG", "key": "A", "value": "1"}, "ChangeConfiguration", {"key": "A", "value": "1"}),
    ({"command": "UPDATE_FIRMWARE", "location": "ftp://x/y", "retrieve_at": "2026-12-01T00:00:00Z"}, "UpdateFirmware",
     {"location": "ftp://x/y", "retrieveDate": "2026-12-01T00:00:00Z"}),
])  # fmt: skip
async def test_the_first_editions_words_are_understood(
    world: World, body: dict[str, Any], action: str, payload: dict[str, Any]
) -> None:
    client = await world.client("integrator")
    reply = await client.post("/api/evse/command", json={"charger_id": world.own.charger_id, "queue": True, **body})

    assert reply.status_code == 202, reply.text
    assert (reply.json()["command"]["action"], reply.json()["command"]["payload"]) == (action, payload)


@pytest.mark.parametrize("body", [{"command": "UNLOCK"}, {"command": "UPDATE_CONFIG", "key": "A"},
                                  {"command": "UPDATE_FIRMWARE"}, {"command": "FLY"}])  # fmt: skip
async def test_an_incomplete_command_is_refused(world: World, body: dict[str, Any]) -> None:
    client = await world.client("integrator")
    reply = await client.post("/api/evse/command", json={"charger_id": world.own.charger_id, **body})

    assert reply.status_code == 422


@pytest.mark.parametrize("asked", ["bytes={}-", "bytes=-{}", "bytes=0-{}"])
async def test_a_range_of_thousands_of_digits_was_a_crash(world: World, outside: httpx.AsyncClient, asked: str) -> None:
    reply = await outside.get(await download_link(world), headers={"Range": asked.format("9" * 5000)})
    assert (reply.status_code, reply.content) == (200, FIRMWARE)  # what is not understood asks for all
